/** The door: asks for a name, and says why one is not taken. */

import { byId, setAttribute, setText } from "./dom.js";
import { invitation, offeredName } from "./memory.js";

const field = byId("name");
const error = byId("name-error");
const enter = byId("enter");

const LEAD = byId("entry-lead").textContent;

/** Puts the form to work. @param {(name: string) => void} onEnter */
export function startEntryView(onEnter) {
  byId("entry-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (enter.disabled) return;
    const name = field.value.trim();
    if (name) onEnter(name);
    else refuseEntry("Enter a name first: 1 to 32 characters.", true);
  });
  field.addEventListener("input", () => say(""));
}

/** Fills the form in for who comes to the door. */
export function showEntry() {
  if (!field.value) field.value = offeredName();
  const invited = invitation();
  setText(byId("entry-title"), invited ? "You are invited." : "Take a seat.");
  setText(byId("entry-lead"), invited ? invitationLead(invited) : LEAD);
  setText(enter, "Enter");
}

/** While the page connects; ends with the session or with `refuseEntry`. */
export function showEntering(isEntering) {
  enter.disabled = isEntering;
  setText(enter, isEntering ? "Entering…" : "Enter");
  if (isEntering) say("");
}

/** Says next to the field what is wrong, with the name or with the way in, and leads back to it. */
export function refuseEntry(text, isAboutName) {
  say(text, isAboutName);
  field.focus();
}

function say(text, isAboutName = false) {
  setText(error, text);
  setAttribute(field, "aria-invalid", isAboutName ? "true" : null);
}

function invitationLead({ as }) {
  return as === "spectator"
    ? "A match is waiting to be watched. Say who you are, and you are let in."
    : "A seat is waiting for you at a table. Say who you are, and you are let in.";
}
