/**
 * The notice while the connection is away: what is kept, and until when, or that the server goes, of which it may keep
 * nothing. A connection that is back within a blink needs no words, so it waits a moment before it speaks.
 */

import { showNotice } from "./notice.js";

const BLINK_MS = 300;
const THANKS_MS = 4000;

let timer = null;
let clear = null;
let isServerGoing = false;

/**
 * Follows the state of a session.
 * @param {string} state
 * @param {{graceMs: number, isPlayer: boolean, isInRoom: boolean}} place
 * @param {string} lostBy the code that the last connection was lost with
 */
export function followState(state, place, lostBy) {
  isServerGoing = state === "resuming" && lostBy === "shutting_down";
  if (state !== "resuming") end(state === "open");
  else if (isServerGoing) begin("The server is shutting down. This page tries to come back.");
  else begin(`The connection is gone; trying again. ${what(place)} is kept`, Date.now() + place.graceMs);
}

/** Whether a session is kept while its connection is away, as far as this page can know. */
export function isKept() {
  return !isServerGoing;
}

function what({ isPlayer, isInRoom }) {
  return isPlayer ? "Your seat" : isInRoom ? "Your place" : "Your session";
}

function begin(text, until) {
  if (timer || clear) return;
  timer = setTimeout(() => {
    timer = null;
    clear = showNotice(text, { kind: "warning", until, lasts: true });
  }, BLINK_MS);
}

function end(isBack) {
  clearTimeout(timer);
  timer = null;
  if (!clear) return;
  clear();
  clear = null;
  if (isBack) showNotice("Connected again.", { passes: THANKS_MS });
}
