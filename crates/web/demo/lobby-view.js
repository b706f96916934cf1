/** The lobby: the rooms as they are this moment, and the ways into one. */

import { byId, make, sentence, setAttribute, setText } from "./dom.js";
import { refusalOf } from "./words.js";

export const GAME = "tic_tac_toe";

const list = byId("rooms");
const note = byId("rooms-note");
const count = byId("rooms-count");
const refusal = byId("lobby-error");
const nameField = byId("room-name");

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
  byId("quick").addEventListener("click", () => go((session) => session.quickJoin(GAME)));
  byId("create-form").addEventListener("submit", (event) => {
    event.preventDefault();
    create();
  });
}

/** Shows the rooms of this session's server, live, until `hideLobby`. */
export async function showLobby(session) {
  hideLobby();
  lobby = session;
  const look = ++looks;
  refuse("");
  say("Looking for rooms…");
  try {
    const watched = await session.watchRooms({ game: GAME });
    if (look !== looks) return watched.close();
    rooms = watched;
    rooms.on("change", render);
    render();
  } catch (error) {
    if (look === looks) say(sentence(error), { label: "Try again", run: () => showLobby(session) });
  }
}

/** Stops looking: the rooms go unwatched while one is played in. */
export function hideLobby() {
  rooms?.close();
  looks += 1;
  [lobby, rooms] = [null, null];
}

/** Goes into a room by its id. @param {string} roomId @param {"player" | "spectator"} as */
export function joinRoom(roomId, as) {
  const watch = { label: "Watch instead", run: () => joinRoom(roomId, "spectator") };
  return go((session) => session.joinRoom(roomId, { as }), as === "player" ? watch : null);
}

function create() {
  const name = nameField.value.trim();
  return go(async (session) => {
    const room = await session.createRoom(name ? { game: GAME, name } : { game: GAME });
    nameField.value = "";
    return room;
  });
}

/** One way in at a time; what is refused is said above the list. */
async function go(enter, ifFull = null) {
  const session = lobby;
  if (!session || busy) return;
  setBusy(true);
  refuse("");
  try {
    opened(await enter(session));
  } catch (error) {
    if (lobby === session) refused(session, error, ifFull);
  } finally {
    setBusy(false);
  }
}

function refused(session, error, ifFull) {
  const here = error?.code === "already_in_room" ? [...session.rooms.values()].at(-1) : null;
  if (here) opened(here);
  else refuse(refusalOf(error), error?.code === "room_full" ? ifFull : null);
  setAttribute(nameField, "aria-invalid", error?.code === "invalid_name" ? "true" : null);
}

function setBusy(isBusy) {
  busy = isBusy;
  setAttribute(byId("lobby"), "aria-busy", isBusy ? "true" : null);
}

function render() {
  if (!rooms) return;
  const shown = rooms.rooms;
  const ids = new Set(shown.map((row) => row.room_id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  shown.forEach((data, index) => place(rowOf(data), index));
  setText(count, counted(shown, rooms.total));
  if (shown.length) say("");
  else say("No rooms yet. Create one and send a friend the link.");
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
  setText(row.querySelector(".row-facts"), facts(data));
  setText(row.querySelector(".row-state"), stateOf(data));
  setAttribute(row, "data-free", String(hasSeat(data)));
  setAttribute(row.querySelector(".watch"), "aria-label", `Watch ${data.name}`);
  return row;
}

function createRow(id) {
  const join = make(
    "button",
    { type: "button", class: "row-join", "data-testid": `room-${id}` },
    make("span", { class: "row-name" }),
    make("span", { class: "row-facts" }),
    make("span", { class: "row-state" }),
  );
  const watch = make("button", { type: "button", class: "watch", "data-testid": `watch-${id}` }, "Watch");
  join.addEventListener("click", () => joinRoom(id, "player"));
  watch.addEventListener("click", () => joinRoom(id, "spectator"));
  return make("li", { class: "row" }, join, watch);
}

function hasSeat({ players, seats_max: seats }) {
  return players < seats;
}

function facts({ players, seats_max: seats, spectators, durable }) {
  const watching = spectators ? `, ${spectators} watching` : "";
  return `${players} of ${seats} players${watching}${durable ? " ·\u00a0kept" : ""}`;
}

function stateOf(data) {
  if (hasSeat(data)) return "Free seat";
  return data.state === "finished" ? "Full, match over" : "Full, playing";
}

function counted(shown, total) {
  if (!shown.length) return "";
  const free = shown.filter(hasSeat).length;
  const rest = total > shown.length ? `, the newest ${shown.length} are listed` : "";
  return `${total} ${total === 1 ? "room" : "rooms"}, ${free} with a free seat${rest}`;
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
  element.replaceChildren(...(text ? [make("span", {}, text)] : []));
  if (!text || !action) return;
  const button = make("button", { type: "button" }, action.label);
  button.addEventListener("click", action.run);
  element.append(button);
}
