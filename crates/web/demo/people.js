/** Who is at the table: a plate for each side, and the line of those who watch. */

import { byId, make, setAttribute, setText } from "./dom.js";
import { drawMark } from "./marks.js";
import { awayWord, listOf } from "./words.js";

const plates = byId("plates");
const watchers = byId("watchers");
const rows = new Map();

/** Draws the plates anew. @param {import("./words.js").Table} table */
export function showPeople(table) {
  for (const mark of ["X", "O"]) showPlate(plate(mark), mark, table);
  const spectators = table.members.filter((member) => member.role === "spectator");
  const names = spectators.map((member) => watcherName(member, table));
  setText(watchers, names.length ? `Watching: ${listOf(names)}` : "");
}

function plate(mark) {
  if (!rows.has(mark)) {
    const words = [make("span", { class: "plate-name" }), make("span", { class: "plate-note" })];
    const row = make(
      "li",
      { class: "plate", "data-mark": mark },
      make("span", { class: "plate-mark" }, drawMark(mark), make("span", { class: "unseen" }, `${mark}: `)),
      make("span", { class: "plate-words" }, ...words),
    );
    rows.set(mark, row);
    plates.append(row);
  }
  return rows.get(mark);
}

function showPlate(row, mark, table) {
  const userId = table.view?.players?.[mark] ?? null;
  const member = table.members.find((one) => one.user_id === userId);
  const isAway = Boolean(member) && !member.connected;
  setAttribute(row, "data-turn", userId && table.view.current_turn === userId ? "true" : null);
  setAttribute(row, "data-winner", userId && table.view.winner === userId ? "true" : null);
  setAttribute(row, "data-empty", userId ? null : "true");
  setAttribute(row, "data-away", isAway ? "true" : null);
  setText(row.querySelector(".plate-name"), userId ? table.nameOf(userId) : "Free seat");
  setText(row.querySelector(".plate-note"), plateNote(userId, isAway, table));
}

function plateNote(userId, isAway, { userId: self, isDurable }) {
  if (isAway) return awayWord(isDurable);
  return userId === self ? "you" : "";
}

function watcherName(member, { userId, isDurable }) {
  if (member.user_id === userId) return "you";
  return member.connected ? member.username : `${member.username} (${awayWord(isDurable)})`;
}
