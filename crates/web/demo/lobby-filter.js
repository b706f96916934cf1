/** Which rooms the list shows: the server is asked for game, state and free seats; names are looked through here. */

import { byId, make } from "./dom.js";
import { gameName, games } from "./games.js";

const fields = {
  text: byId("filter-text"),
  game: byId("filter-game"),
  state: byId("filter-state"),
  free: byId("filter-free"),
};
/** What a room's id looks like. */
const ROOM_ID = /^[0-9a-hjkmnp-tv-z]{10}$/;

/**
 * Puts the fields to work.
 * @param {{onFilter: () => void, onText: () => void}} hooks
 */
export function startLobbyFilter({ onFilter, onText }) {
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const field of [fields.game, fields.state, fields.free]) field.addEventListener("change", onFilter);
  fields.text.addEventListener("input", onText);
}

/** Offers the games that there are. */
export async function offerGames() {
  const all = await games().catch(() => []);
  if (fields.game.options.length > 1) return;
  for (const { game } of all) fields.game.append(make("option", { value: game }, gameName(game)));
  fields.game.hidden = all.length < 2;
}

/** What the server is asked for: parts that all have to be true; none for all rooms. */
export function filterParts() {
  const parts = [];
  if (fields.game.value) parts.push(["game", "=", fields.game.value]);
  if (fields.state.value === "playing") parts.push(["state", "in", ["playing", "paused"]]);
  else if (fields.state.value) parts.push(["state", "=", fields.state.value]);
  if (fields.free.checked) parts.push(["free_seats", ">", 0]);
  return parts;
}

/** Whether a row has what was written in the field. */
export function isLookedFor({ name, room_id: roomId }) {
  const text = fields.text.value.trim().toLowerCase();
  return !text || name.toLowerCase().includes(text) || roomId === text;
}

/** Whether anything is filtered at all. */
export function isFiltered() {
  return filterParts().length > 0 || fields.text.value.trim() !== "";
}

/** A room's id, if that is what was written: it may be in no list. */
export function writtenRoomId() {
  const text = fields.text.value.trim().toLowerCase();
  return ROOM_ID.test(text) ? text : null;
}

/** Shows all rooms again. */
export function clearFilter() {
  fields.text.value = "";
  fields.game.value = "";
  fields.state.value = "";
  fields.free.checked = false;
}
