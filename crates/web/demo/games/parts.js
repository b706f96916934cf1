/** What the pages of games with dice and many players have in common. */

import { make, makeSvg, setAttribute, setText } from "../dom.js";
import { awayWord } from "../words.js";

/** Where the pips of a die are, in a grid of three by three. */
const PIPS = {
  1: [[1, 1]],
  2: [[0, 0], [2, 2]],
  3: [[0, 0], [1, 1], [2, 2]],
  4: [[0, 0], [0, 2], [2, 0], [2, 2]],
  5: [[0, 0], [0, 2], [1, 1], [2, 0], [2, 2]],
  6: [[0, 0], [0, 2], [1, 0], [1, 2], [2, 0], [2, 2]],
};

/** The face of a die. @param {number} value */
export function drawFace(value) {
  const pips = (PIPS[value] ?? []).map(([row, column]) => {
    return makeSvg("circle", { cx: String(25 + column * 25), cy: String(25 + row * 25), r: "9.5" });
  });
  return makeSvg("svg", { class: "face", viewBox: "0 0 100 100", "aria-hidden": "true" }, ...pips);
}

/** A button that is there all the time: one that comes and goes would take the keyboard's focus along. */
export function makeAction(testId, label, key, run) {
  const children = key ? [label, make("kbd", { "aria-hidden": "true" }, key)] : [label];
  const button = make("button", { type: "button", "data-testid": testId }, ...children);
  if (key) button.setAttribute("aria-keyshortcuts", key.toLowerCase());
  button.addEventListener("click", run);
  return button;
}

/** Shows whether a button does something just now. */
export function allow(button, isAllowed) {
  setAttribute(button, "aria-disabled", isAllowed ? null : "true");
}

/** Whether a button does something just now. */
export function isAllowed(button) {
  return button.getAttribute("aria-disabled") !== "true";
}

/**
 * A row for each player, in the order in which they take turns, kept from one view to the next.
 * @param {HTMLElement} list
 * @param {(row: HTMLElement) => void} fill makes a new row
 */
export function createRows(list, fill) {
  const rows = new Map();
  return (users) => {
    for (const [user, row] of rows) {
      if (users.includes(user)) continue;
      row.remove();
      rows.delete(user);
    }
    users.forEach((user, place) => {
      if (!rows.has(user)) {
        const row = make("li", { class: "player", "data-user": user });
        fill(row);
        rows.set(user, row);
      }
      const row = rows.get(user);
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    });
    return users.map((user) => rows.get(user));
  };
}

/** What is special about a player, in a word or two. */
export function playerNote(userId, { members, userId: self, isDurable }) {
  const member = members.find((one) => one.user_id === userId);
  if (!member) return "";
  if (member.bot) return member.user_id.startsWith("bot-") ? "bot" : "away, a bot plays";
  if (!member.connected) return awayWord(isDurable);
  return userId === self ? "you" : "";
}

/** Whether somebody who is to move has no connection. */
export function isAway(userId, { members }) {
  const member = members.find((one) => one.user_id === userId);
  return Boolean(member) && !member.connected && !member.bot;
}

/** Says something to those who hear the page. */
export function createSpeaker() {
  const element = make("p", { class: "unseen", role: "status", "aria-live": "polite" });
  return { element, say: (text) => setText(element, text) };
}

/** Whether a key that was pressed is one of the game's: no shortcut, and not typed into a field. */
export function isPlainKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  return !/^(input|textarea|select)$/i.test(event.target.tagName);
}
