/** The door: asks for a name, and says why one is not taken. */

import { byId, setAttribute, setText } from "./dom.js";
import { invitation, offeredName } from "./memory.js";

const field = byId("name");
const error = byId("name-error");
const enter = byId("enter");
const bot = byId("entry-bot");

const ENTER = enter.textContent;
const LEAD = byId("entry-lead").textContent;

/**
 * Puts the form to work.
 * @param {{onEnter: (name: string) => void, onBot: (name: string | undefined) => void}} hooks who plays a bot at once
 *   needs no name: the server makes one up
 */
export function startEntryView({ onEnter, onBot }) {
  bot.addEventListener("click", () => bot.disabled || onBot(field.value.trim() || undefined));
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
  setText(enter, ENTER);
  bot.hidden = Boolean(invited);
  enter.classList.toggle("primary", Boolean(invited));
}

/** While the page connects; ends with the session or with `refuseEntry`. */
export function showEntering(isEntering) {
  enter.disabled = isEntering;
  bot.disabled = isEntering;
  setText(enter, isEntering ? "Entering…" : ENTER);
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
