/**
 * The notice while the connection is away: what is kept, and until when, as far as this page can know. A server that is
 * away begins to count the time that a session is kept when it is back; one that is only out of reach counts it now. A
 * connection that is back within a blink needs no words, so it waits a moment before it speaks.
 */

import { showNotice } from "./notice.js";

const BLINK_MS = 300;
const THANKS_MS = 4000;

let timer = null;
let clear = null;
let lostAt = 0;
/** What is said, or will be in a moment. */
let said = { text: "", until: 0 };
let isServerAway = false;

/**
 * Follows the state of a session. Called again while it goes on, since what is known of the reason changes.
 * @param {string} state
 * @param {{graceMs: number, isPlayer: boolean, isInRoom: boolean, isDurable: boolean}} place
 * @param {{code: string} | null} reason why there is no connection
 */
export function followState(state, place, reason) {
  const code = navigator.onLine === false ? "lost" : reason?.code;
  isServerAway = state === "resuming" && ["shutting_down", "unreachable"].includes(code);
  if (state !== "resuming") return end(state === "open");
  lostAt ||= Date.now();
  const until = lostAt + place.graceMs;
  if (code === "shutting_down") say(`The server is away. ${whileAway(place)}`);
  else if (code === "unreachable") say(`The server does not answer. ${whileSilent(place, Date.now() < until)}`);
  else if (Date.now() < until) say(`The connection is gone; trying again. ${what(place)} is kept`, until);
  else say("The connection is gone; trying again.");
}

/** Whether what is done meanwhile is done when there is a connection again, as far as this page can know. */
export function isKept({ durable }) {
  return durable || !isServerAway;
}

function whileAway({ isInRoom, isDurable }) {
  if (isDurable) return "Your game is kept; reconnecting…";
  return isInRoom ? "Reconnecting… This game may be over." : "Reconnecting…";
}

function whileSilent({ isInRoom, isDurable }, isInTime) {
  if (isDurable) return isInTime ? "Your game is kept; reconnecting…" : "If it is away, your game is kept; reconnecting…";
  return isInRoom ? "Reconnecting… If it has ended, so has this game." : "Reconnecting…";
}

function what({ isPlayer, isInRoom }) {
  return isPlayer ? "Your seat" : isInRoom ? "Your place" : "Your session";
}

function say(text, until = 0) {
  if (said.text === text) return;
  said = { text, until };
  if (clear) show();
  else timer ??= setTimeout(show, BLINK_MS);
}

function show() {
  timer = null;
  clear = showNotice(said.text, { kind: "warning", until: said.until || undefined, lasts: true });
}

function end(isBack) {
  clearTimeout(timer);
  [timer, lostAt, said] = [null, 0, { text: "", until: 0 }];
  if (!clear) return;
  clear();
  clear = null;
  if (isBack) showNotice("Connected again.", { passes: THANKS_MS });
}
