/**
 * What the page remembers: the name, and that this tab has entered. Storage may be turned off or full; then
 * the page works without it and asks for the name again.
 */

const NAME = "anteroom.demo.name";
const ENTERED = "anteroom.demo.entered";

/** This tab has entered under this name: a reload goes straight back in. */
export function rememberEntered(name) {
  write("sessionStorage", ENTERED, name);
  write("sessionStorage", NAME, name);
  write("localStorage", NAME, name);
}

/** Forgets that this tab has entered; the name is still offered. */
export function forgetEntered() {
  write("sessionStorage", ENTERED, null);
}

/** The name this tab has entered under, or null. */
export function enteredName() {
  return read("sessionStorage", ENTERED);
}

/** The name to offer: this tab's, else the one last used in this browser. */
export function offeredName() {
  return read("sessionStorage", NAME) ?? read("localStorage", NAME) ?? "";
}

/**
 * Where the page's address invites to: `?room=ID`, `?room=ID&watch`, or `#room=ID&invite=CODE`, whose code no server sees.
 * @returns {{roomId: string, as: "player" | "spectator", invite?: string} | null}
 */
export function invitation() {
  const [hidden, query] = [new URLSearchParams(location.hash.slice(1)), new URLSearchParams(location.search)];
  const roomId = (hidden.get("room") ?? query.get("room"))?.trim().toLowerCase();
  if (!roomId) return null;
  const invite = hidden.get("invite")?.trim();
  const as = query.has("watch") || hidden.has("watch") ? "spectator" : "player";
  return { roomId, as, ...(invite && { invite }) };
}

/** Takes the invitation out of the address, so that a reload does not follow it a second time. */
export function forgetInvitation() {
  if (location.search || location.hash) history.replaceState(null, "", location.pathname);
}

/** The link that brings a friend into a room. */
export function invitationLink(roomId, invite) {
  const room = `room=${encodeURIComponent(roomId)}`;
  const way = invite ? `./#${room}&invite=${encodeURIComponent(invite)}` : `./?${room}`;
  return new URL(way, new URL(location.pathname, location.href)).href;
}

function read(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    if (value === null) window[storage].removeItem(key);
    else window[storage].setItem(key, value);
  } catch {
    // The page works without.
  }
}
