/** The log of what the session did about its connections: newest first, a bounded number of entries. */

import { byId, make } from "./dom.js";

const ENTRIES_MAX = 50;
/** What comes again and again while no server answers: counted, so that the lines before stay in sight. */
const REPEATED = new Set(["connecting", "retry"]);
const GOOD = new Set(["open", "resumed", "moved", "restored"]);
const BAD = new Set(["lost", "move_failed", "blocked", "renewed", "gap", "closed"]);

const list = byId("log-entries");
const empty = byId("log-empty");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/**
 * Adds a line.
 * @param {{at?: number, type?: string, message: string}} activity
 */
export function addToLog({ at = Date.now(), type = "note", message }) {
  const when = new Date(at);
  const times = REPEATED.has(type) ? takeBack(message) + 1 : 1;
  const entry = make(
    "li",
    { "data-type": type, "data-tone": tone(type), "data-message": message, "data-times": String(times) },
    make("time", { datetime: when.toISOString() }, clock.format(when)),
    make("span", {}, times > 1 ? `${message} (${times} times)` : message),
  );
  empty.hidden = true;
  list.prepend(entry);
  while (list.childElementCount > ENTRIES_MAX) list.lastElementChild.remove();
}

/** Takes the same line back if it is one of the two newest, and gives how often it has come so far. */
function takeBack(message) {
  const same = [...list.children].slice(0, 2).find((entry) => entry.dataset.message === message);
  same?.remove();
  return Number(same?.dataset.times ?? 0);
}

function tone(type) {
  if (GOOD.has(type)) return "good";
  return BAD.has(type) ? "bad" : "plain";
}
