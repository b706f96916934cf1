/** A room: the table, who is there, what is said, and the way out. Shows what the server said and nothing else. */

import { hideChat, onChatEvent, renderChat, showChat, startChatView } from "./chat-view.js";
import { closeDialogs } from "./dialog.js";
import { byId, setAttribute, setCountdown, setText } from "./dom.js";
import { fetchPage, hasPage, pageOf, startGamePages } from "./game-pages.js";
import { games } from "./games.js";
import { forgetInvite, openInvite, startInviteDialog } from "./invite-dialog.js";
import { addToLog } from "./log.js";
import { showMatchBar, startMatchBar } from "./match-bar.js";
import { hideMembers, showMembers, startMembersView } from "./members-view.js";
import { isKept } from "./reconnecting.js";
import { selfOf, stateOf } from "./rights.js";
import { showHead } from "./room-head.js";
import { noteBanned, openSettings, startSettingsDialog } from "./settings-dialog.js";
import { hintOf, refusalOf, statusOf, titleOf } from "./words.js";

const leave = byId("leave");
const rematch = byId("rematch");
const after = byId("after");
const refusal = byId("room-error");
const hint = byId("room-hint");

let lobby = null;
let room = null;
let stops = [];
let page = null;
let fetching = false;
let asking = false;
let names = new Map();
let keptUntil = new Map();
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
  startGamePages({ act: send, explain: refuse });
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
  page = pageOf(room.game);
  page?.show(true);
  fetching = !page && hasPage(room.game);
  // A page that is loaded anew in a room has not been to the lobby, which asks for the games.
  games().then(ifShown(render), () => {});
  if (fetching) fetchPage(room.game).then(ifShown(showPage));
  render();
  if (!room.isOpen) onEvent({ type: "room_closed", data: room.end });
}

/** Lets go of the room that is shown; the session stays in it. */
export function hideRoom() {
  for (const stop of stops) stop();
  page?.show(false);
  [lobby, room, stops, page, asking] = [null, null, [], null, false];
  [names, keptUntil] = [new Map(), new Map()];
  refuse("");
  hideChat();
  hideMembers();
  forgetInvite();
  closeDialogs();
}

/** Shows the game's page that was fetched, if there is one. */
function showPage() {
  fetching = false;
  page = pageOf(room.game);
  page?.show(true);
  render();
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
  page?.render(now);
  byId("raw").hidden = Boolean(page) || fetching;
  if (!page) setText(byId("raw-view"), JSON.stringify(room.view, null, 2));
  setCountdown(byId("status"), statusOf(now, page));
  showRematch(now);
  setText(hint, fetching ? "" : hintOf(now, page));
  const isAboutKeys = now.isPlayer && now.isConnected && page?.keys(now);
  setAttribute(hint, "data-keys", isAboutKeys ? "true" : null);
  changed(`${titleOf(now, page)} · ${room.name}`);
}

/** Only countdowns change between events. */
function tick() {
  if (keptUntil.size === 0 && !room.info?.vote) return;
  setCountdown(byId("status"), statusOf(table(), page));
}

function showRematch(now) {
  const offered = page?.rematch(now) ?? null;
  // Who asked for the rematch by keyboard goes on where the game is played.
  if (!offered && document.activeElement === rematch) page?.focus();
  after.hidden = !offered;
  if (!offered) return;
  rematch.hidden = !now.isPlayer;
  setAttribute(rematch, "aria-disabled", asking || offered.hasAsked || !offered.canAsk ? "true" : null);
  setText(byId("rematch-note"), offered.note);
}

/** Sends a message to the game, and says so if it is refused. */
async function send(type, data) {
  const target = room;
  refuse("");
  render();
  try {
    await target.send(type, data);
  } catch (error) {
    if (room === target && target.isOpen) refuse(refusalOf(error));
  }
}

async function askForRematch() {
  if (rematch.getAttribute("aria-disabled") === "true") return;
  const target = room;
  asking = true;
  await send("rematch", {});
  if (room !== target) return;
  asking = false;
  render();
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
