/** A room: the table, who is there, what is said, and the way out. Shows what the server said and nothing else. */

import { createBoard } from "./board.js";
import { hideChat, onChatEvent, renderChat, showChat, startChatView } from "./chat-view.js";
import { closeDialogs } from "./dialog.js";
import { byId, setAttribute, setCountdown, setText } from "./dom.js";
import { GAME } from "./games.js";
import { forgetInvite, openInvite, startInviteDialog } from "./invite-dialog.js";
import { addToLog } from "./log.js";
import { showMatchBar, startMatchBar } from "./match-bar.js";
import { hideMembers, showMembers, startMembersView } from "./members-view.js";
import { showPeople } from "./people.js";
import { isKept } from "./reconnecting.js";
import { selfOf, stateOf } from "./rights.js";
import { showHead } from "./room-head.js";
import { noteBanned, openSettings, startSettingsDialog } from "./settings-dialog.js";
import { hintOf, opponentOf, refusalOf, rematchNote, statusOf, titleOf } from "./words.js";

const leave = byId("leave");
const rematch = byId("rematch");
const after = byId("after");
const refusal = byId("room-error");
const hint = byId("room-hint");

let lobby = null;
let room = null;
let stops = [];
let pending = null;
let asking = false;
let names = new Map();
let keptUntil = new Map();
let board = null;
let onLeft = () => {};
let changed = () => {};

/**
 * Puts the view to work. Once, at the start.
 * @param {{onLeft: (end: {reason: string, message: string} | null) => void,
 *   onTitle: (title: string) => void}} hooks
 */
export function startRoomView(hooks) {
  onLeft = hooks.onLeft;
  changed = hooks.onTitle;
  board = createBoard(play, explain);
  leave.addEventListener("click", leaveRoom);
  rematch.addEventListener("click", askForRematch);
  byId("invite").addEventListener("click", () => openInvite(lobby, room));
  byId("settings").addEventListener("click", () => openSettings(room));
  startInviteDialog();
  startSettingsDialog();
  startChatView();
  startMatchBar(ask);
  startMembersView(ask);
  document.addEventListener("visibilitychange", tellAway);
}

/** Shows this room until it ends or another one is shown. */
export function showRoom(nextLobby, nextRoom) {
  hideRoom();
  [lobby, room] = [nextLobby, nextRoom];
  const shown = room;
  const ifShown = (act) => (...values) => room === shown && act(...values);
  stops = [
    room.on("*", ifShown(onEvent)),
    lobby.on("state", ifShown(render)),
    stopTimer(setInterval(ifShown(tick), 500)),
  ];
  showChat(lobby, room);
  render();
  if (!room.isOpen) onEvent({ type: "room_closed", data: room.end });
}

/** Lets go of the room that is shown; the session stays in it. */
export function hideRoom() {
  for (const stop of stops) stop();
  [lobby, room, stops, pending, asking] = [null, null, [], null, false];
  [names, keptUntil] = [new Map(), new Map()];
  refuse("");
  hideChat();
  hideMembers();
  forgetInvite();
  closeDialogs();
}

function stopTimer(timer) {
  return () => clearInterval(timer);
}

function onEvent(event) {
  const { type, data } = event;
  if (type === "client_disconnected") keptUntil.set(data.user_id, Date.now() + data.grace_ms);
  if (type === "client_reconnected" || type === "client_left") keptUntil.delete(data.user_id);
  if (type === "client_left" && ["kicked", "banned"].includes(data.reason)) forgetInvite();
  onChatEvent(event);
  if (type === "error") refuse(refusalOf(data));
  if (type === "gap") addToLog({ type, message: `${whyGap(data)}; here is how this table stands.` });
  if (type === "room_closed") return onLeft(room.end ?? data ?? null);
  if (type === "game_state" || type === "gap") refuse("");
  render();
}

/** Of a server that was started anew nobody knows how much was lost, if anything was. */
function whyGap({ missed }) {
  return missed ? "Messages of this table were lost" : "The server was started anew";
}

/** @returns {import("./words.js").Table} */
function table() {
  for (const { user_id: userId, username } of room.members) names.set(userId, username);
  return {
    view: room.view ?? {},
    members: room.members,
    userId: lobby.userId,
    isPlayer: selfOf(room, lobby).role === "player",
    isKnown: room.game === GAME,
    state: stateOf(room),
    vote: room.info?.vote ?? null,
    isConnected: lobby.state === "open",
    isKept: isKept(room),
    isDurable: room.durable,
    nameOf: (userId) => names.get(userId) ?? "the other player",
    keptUntil,
  };
}

function render() {
  const now = table();
  showHead(room, lobby);
  showMembers(room, lobby);
  showMatchBar(room, lobby, now.nameOf);
  renderChat();
  for (const id of ["plates", "board"]) byId(id).hidden = !now.isKnown;
  byId("raw").hidden = now.isKnown;
  if (now.isKnown) showPeople(now);
  else setText(byId("raw-view"), JSON.stringify(room.view, null, 2));
  setCountdown(byId("status"), statusOf(now));
  showBoard(now);
  showRematch(now);
  setText(hint, hintOf(now));
  const isAboutKeys = now.isPlayer && now.isConnected && now.view.status === "playing";
  setAttribute(hint, "data-keys", isAboutKeys ? "true" : null);
  changed(`${titleOf(now)} · ${room.name}`);
}

/** Only countdowns change between events. */
function tick() {
  if (keptUntil.size === 0 && !room.info?.vote) return;
  setCountdown(byId("status"), statusOf(table()));
}

function showBoard({ view, userId, isPlayer, state }) {
  const status = view.status ?? "waiting";
  setAttribute(byId("board"), "data-status", status);
  board.render({
    board: view.board,
    line: view.line ?? null,
    ownMark: view.players?.X === userId ? "X" : "O",
    canPlay: isPlayer && status === "playing" && state !== "paused" && view.current_turn === userId,
    pending,
  });
}

function showRematch(now) {
  const { view, userId, isPlayer } = now;
  const isOver = view.status === "won" || view.status === "draw";
  // Who asked for the rematch by keyboard goes on at the board.
  if (!isOver && document.activeElement === rematch) board.focus();
  after.hidden = !isOver;
  if (!isOver) return;
  rematch.hidden = !isPlayer;
  const hasAsked = asking || (view.rematch_wanted ?? []).includes(userId);
  setAttribute(rematch, "aria-disabled", hasAsked || !opponentOf(view, userId) ? "true" : null);
  setText(byId("rematch-note"), rematchNote(now));
}

/** Sends a message to the game, and says so if it is refused; then, if the room is still shown, goes on. */
async function send(type, data, after) {
  const target = room;
  render();
  try {
    await target.send(type, data);
  } catch (error) {
    if (room === target && target.isOpen) refuse(refusalOf(error));
  }
  if (room !== target) return;
  after();
  render();
}

function play(row, column) {
  pending = `${row}-${column}`;
  refuse("");
  send("make_move", { row, col: column }, () => (pending = null));
}

/** Why a cell cannot be played: said at once, without asking the server. */
function explain(row, column) {
  const { view, userId, isPlayer, nameOf, state } = table();
  if (pending) return;
  if (!isPlayer) refuse("You are watching; only the two players can move.");
  else if (state === "paused") refuse("The match is paused.");
  else if (view.status === "waiting") refuse("The match begins when a second player sits down.");
  else if (view.status !== "playing") refuse("The match is over.");
  else if (view.board?.[row]?.[column]) refuse(`Row ${row + 1}, column ${column + 1} is taken.`);
  else if (view.current_turn !== userId) refuse(`It is the turn of ${nameOf(view.current_turn)}.`);
}

function askForRematch() {
  if (rematch.getAttribute("aria-disabled") === "true") return;
  asking = true;
  send("rematch", {}, () => (asking = false));
}

async function leaveRoom() {
  if (leave.getAttribute("aria-disabled") === "true") return;
  const target = room;
  // Not disabled, or the keyboard's focus would be lost.
  setAttribute(leave, "aria-disabled", "true");
  if (lobby.state !== "open") refuse("You leave as soon as the connection is back.");
  try {
    await target.leave();
    if (room === target) onLeft(null);
  } catch (error) {
    if (room === target && target.isOpen) refuse(refusalOf(error));
  } finally {
    setAttribute(leave, "aria-disabled", null);
  }
}

/** Asks the room itself for something, and says so if it is refused. */
async function ask(type, data, member) {
  const target = room;
  refuse("");
  try {
    await target.request(type, data);
    if (type === "ban") noteBanned(target.id, member.user_id, member.username);
  } catch (error) {
    if (room === target && target.isOpen) refuse(refusalOf(error));
  }
}

/** A tab that nobody looks at is somebody who is not at the keyboard. */
function tellAway() {
  // It is nothing to bother anybody with.
  if (room?.isOpen) room.request("presence", { away: document.hidden }).catch(() => {});
}

function refuse(text) {
  setText(refusal, text);
}
