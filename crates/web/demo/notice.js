/** The place where the page says what has happened to the session. One notice at a time. */

import { byId, make, setCountdown, timeUntil } from "./dom.js";

const slot = byId("notice");
let current = null;

/**
 * Shows a notice in place of the one before.
 * @param {string} text
 * @param {{kind?: "info" | "warning", until?: number, action?: {label: string, run: () => void},
 *   lasts?: boolean, passes?: number}} [options] `until`: the text ends in a countdown to that moment;
 *   `lasts`: cannot be dismissed; `passes`: goes away by itself after that many milliseconds
 * @returns {() => void} takes this notice away, unless another one has taken its place
 */
export function showNotice(text, { kind = "info", until, action, lasts = false, passes } = {}) {
  clearNotice();
  const words = make("p");
  const box = make("div", { class: `notice ${kind}` }, words);
  const notice = { box, timers: [] };
  const clear = () => {
    if (current === notice) clearNotice();
  };
  setWords(words, text, until);
  if (until) notice.timers.push(setInterval(() => setWords(words, text, until), 500));
  if (passes) notice.timers.push(setTimeout(clear, passes));
  if (action) box.append(actionButton(action, clear));
  if (!lasts) box.append(dismissButton(clear));
  current = notice;
  slot.replaceChildren(box);
  return clear;
}

/** Takes away whatever notice is there. */
export function clearNotice() {
  for (const timer of current?.timers ?? []) clearInterval(timer);
  current = null;
  slot.replaceChildren();
}

function setWords(words, text, until) {
  if (!until) words.textContent = text;
  else setCountdown(words, { text, time: ` for ${timeUntil(until)}`, rest: "." });
}

function actionButton({ label, run }, clear) {
  const button = make("button", { type: "button" }, label);
  button.addEventListener("click", () => {
    clear();
    run();
  });
  return button;
}

function dismissButton(clear) {
  const button = make("button", { type: "button", class: "dismiss", "aria-label": "Dismiss" }, "×");
  button.addEventListener("click", clear);
  return button;
}
