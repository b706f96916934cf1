/** The lobby: the rooms as they are this moment, and the ways into one. */

import { openCreate, startCreateDialog } from "./create-dialog.js";
import { byId, make, sentence, setAttribute, setText } from "./dom.js";
import { GAME, SENTENCES, gameName, games } from "./games.js";
import { clearFilter, filterParts, isFiltered, isLookedFor, offerGames } from "./lobby-filter.js";
import { startLobbyFilter, writtenRoomId } from "./lobby-filter.js";
import { askPassword, startPasswordDialog } from "./password-dialog.js";
import { refusalOf, rowFacts, rowState } from "./words.js";

const list = byId("rooms");
const note = byId("rooms-note");
const count = byId("rooms-count");
const refusal = byId("lobby-error");

const rows = new Map();
let lobby = null;
let rooms = null;
let busy = false;
/** How often the lobby was shown: an answer to an earlier look at it comes too late. */
let looks = 0;
let opened = () => {};

/** Puts the view to work. @param {{onRoom: (room: any) => void}} hooks */
export function startLobbyView({ onRoom }) {
  opened = onRoom;
  byId("bot").addEventListener("click", () => playBot());
  byId("quick").addEventListener("click", () => go((session) => session.quickJoin(GAME)));
  startCreateDialog(create);
  startPasswordDialog();
  startLobbyFilter({ onFilter: () => lobby && watch(lobby), onText: render });
}

/** Shows the rooms of this session's server, live, until `hideLobby`. */
export function showLobby(session) {
  hideLobby();
  lobby = session;
  refuse("");
  offerGames();
  showGames();
  return watch(session);
}

/** Stops looking: the rooms go unwatched while one is played in. */
export function hideLobby() {
  rooms?.close();
  looks += 1;
  [lobby, rooms] = [null, null];
}

/**
 * Goes into a room by its id.
 * @param {string} roomId
 * @param {"player" | "spectator"} as
 * @param {{name?: string, invite?: string}} [more]
 */
export function joinRoom(roomId, as, { name = "", invite } = {}) {
  const enter = (password) => (session) => session.joinRoom(roomId, { as, invite, password });
  const refused = (error) => {
    if (error?.code === "wrong_password") askPassword(name, (password) => enterWith(enter(password)));
    else refuse(refusalOf(error), wayOut(error, roomId, as, name));
  };
  return go(enter(), refused);
}

/** A match at once, for somebody who is alone: a table that is in no list, and a computer at it. */
export function playBot(game = GAME) {
  return go(async (session) => {
    const room = await session.createRoom({ game, visibility: "unlisted" });
    // The room is there in any case, and says what is missing.
    room.request("add_bot", {}).catch((error) => console.info(sentence(error)));
    return room;
  });
}

/** What there is to play, as far as this page can show it. */
async function showGames() {
  const shelf = byId("games");
  const all = await games().catch(() => []);
  if (shelf.children.length > 0) return;
  shelf.append(...all.filter(({ game }) => SENTENCES.has(game)).map(createCard));
  shelf.hidden = shelf.children.length < 2;
}

function createCard({ game, bots }) {
  const name = gameName(game);
  const button = (testId, label, run) => {
    const made = make("button", { type: "button", class: "small", "data-testid": testId, "aria-label": `${name}: ${label}` }, label);
    made.addEventListener("click", run);
    return made;
  };
  const ways = [button(`new-${game}`, "New room", () => openCreate(game))];
  if (bots) ways.unshift(button(`bot-${game}`, "Play a bot", () => playBot(game)));
  return make(
    "li",
    { class: "game-card" },
    make("h2", {}, name),
    make("p", { class: "soft" }, SENTENCES.get(game)),
    make("div", { class: "game-card-ways" }, ...ways),
  );
}

/** The list as it is filtered now. */
async function watch(session) {
  const look = ++looks;
  rooms?.close();
  rooms = null;
  say("Looking for rooms…");
  const filter = filterParts();
  try {
    const watched = await session.watchRooms(filter.length > 0 ? { filter } : {});
    if (look !== looks) return watched.close();
    rooms = watched;
    rooms.on("change", render);
    render();
  } catch (error) {
    if (look === looks) say(sentence(error), { label: "Try again", run: () => watch(session) });
  }
}

/** A room with no seat may be watched; an id that leads nowhere may still be a typing error. */
function wayOut({ code, details }, roomId, as, name) {
  const isFull = code === "room_full" || (code === "room_locked" && details?.reason === "playing");
  if (!isFull || as !== "player") return null;
  return { label: "Watch instead", run: () => joinRoom(roomId, "spectator", { name }) };
}

/** From the form: what is refused is said there. */
async function create(what) {
  await enterWith((session) => session.createRoom(what));
}

async function enterWith(enter) {
  const session = lobby;
  if (!session) return;
  const room = await enter(session);
  if (session === lobby) opened(room);
}

/** One way in at a time; what is refused is said above the list. */
async function go(enter, onRefused = (error) => refuse(refusalOf(error))) {
  const session = lobby;
  if (!session || busy) return;
  setBusy(true);
  refuse("");
  try {
    opened(await enter(session));
  } catch (error) {
    const here = error?.code === "already_in_room" ? [...session.rooms.values()].at(-1) : null;
    if (lobby === session && here) opened(here);
    else if (lobby === session) onRefused(error);
  } finally {
    setBusy(false);
  }
}

function setBusy(isBusy) {
  busy = isBusy;
  setAttribute(byId("lobby"), "aria-busy", isBusy ? "true" : null);
}

function render() {
  if (!rooms) return;
  const shown = rooms.rooms.filter(isLookedFor);
  const ids = new Set(shown.map((row) => row.room_id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  shown.forEach((data, index) => place(rowOf(data), index));
  setText(count, counted(shown, rooms.total));
  if (shown.length) say("");
  else sayNone();
}

function sayNone() {
  const id = writtenRoomId();
  if (id) say(`Room ${id} is not in this list.`, { label: "Go there", run: () => joinRoom(id, "player") });
  else if (isFiltered()) say("No room is like that.", { label: "Show all rooms", run: showAll });
  else say("No rooms yet. Play a bot, or make a room and invite a friend.");
}

function showAll() {
  clearFilter();
  if (lobby) watch(lobby);
}

/** Puts a row where it belongs without touching one that is there already: a focused row keeps its focus. */
function place(row, index) {
  const there = list.children[index];
  if (there !== row) list.insertBefore(row, there ?? null);
}

function rowOf(data) {
  const id = data.room_id;
  if (!rows.has(id)) rows.set(id, createRow(id));
  const row = rows.get(id);
  setText(row.querySelector(".row-name"), data.name);
  setText(row.querySelector(".row-facts"), rowFacts(data, gameName(data.game)));
  setText(row.querySelector(".row-state"), rowState(data));
  setAttribute(row, "data-free", String(data.players < data.seats_max && !data.locked));
  setAttribute(row.querySelector(".watch"), "aria-label", `Watch ${data.name}`);
  return row;
}

function createRow(id) {
  const name = make("span", { class: "row-name" });
  const join = make(
    "button",
    { type: "button", class: "row-join", "data-testid": `room-${id}` },
    name,
    make("span", { class: "row-facts" }),
    make("span", { class: "row-state" }),
  );
  const watching = make("button", { type: "button", class: "watch", "data-testid": `watch-${id}` }, "Watch");
  join.addEventListener("click", () => joinRoom(id, "player", { name: name.textContent }));
  watching.addEventListener("click", () => joinRoom(id, "spectator", { name: name.textContent }));
  return make("li", { class: "row" }, join, watching);
}

function counted(shown, total) {
  if (!shown.length) return "";
  const free = shown.filter((row) => row.players < row.seats_max).length;
  const rest = total > shown.length && !isFiltered() ? `, the newest ${shown.length} are listed` : "";
  const all = isFiltered() ? shown.length : total;
  return `${all} ${all === 1 ? "room" : "rooms"}, ${free} with a free seat${rest}`;
}

/** The line where the list would be: that it loads, that it is empty, or why it cannot be had. */
function say(text, action = null) {
  withAction(note, text, action);
  if (text) {
    list.replaceChildren();
    rows.clear();
    setText(count, "");
  }
}

function refuse(text, action = null) {
  withAction(refusal, text, action);
}

function withAction(element, text, action) {
  if (!action && element.textContent === text && !element.querySelector("button")) return;
  element.replaceChildren(...(text ? [make("span", {}, text)] : []));
  if (!text || !action) return;
  const button = make("button", { type: "button" }, action.label);
  button.addEventListener("click", action.run);
  element.append(button);
}
