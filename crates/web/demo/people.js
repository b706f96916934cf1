/** Who plays which side: a plate for each, above the board. */

import { byId, make, setAttribute, setText } from "./dom.js";
import { drawMark } from "./marks.js";
import { awayWord } from "./words.js";

const plates = byId("plates");
const rows = new Map();

/** Draws the plates anew. @param {import("./words.js").Table} table */
export function showPeople(table) {
  for (const mark of ["X", "O"]) showPlate(plate(mark), mark, table);
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
  setText(row.querySelector(".plate-note"), plateNote(member, isAway, table));
}

function plateNote(member, isAway, { userId: self, isDurable }) {
  if (member?.bot) return member.user_id.startsWith("bot-") ? "bot" : "away, a bot plays";
  if (isAway) return awayWord(isDurable);
  return member?.user_id === self ? "you" : "";
}
