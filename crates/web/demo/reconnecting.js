/**
 * The notice while the connection is away: what is kept, and until when. A connection that is back within a
 * blink needs no words, so it waits a moment before it speaks.
 */

import { showNotice } from "/demo/notice.js";

const BLINK_MS = 300;
const THANKS_MS = 4000;

let timer = null;
let clear = null;

/**
 * Follows the state of a session.
 * @param {string} state
 * @param {{graceMs: number, isPlayer: boolean, isInRoom: boolean}} place
 */
export function followState(state, place) {
  if (state === "resuming") begin(Date.now() + place.graceMs, place);
  else end(state === "open");
}

function begin(until, { isPlayer, isInRoom }) {
  if (timer || clear) return;
  const what = isPlayer ? "Your seat" : isInRoom ? "Your place" : "Your session";
  const text = `The connection is gone; trying again. ${what} is kept`;
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
