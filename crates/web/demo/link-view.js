/**
 * The connection, always in sight: state, transport and round-trip time in the header, and the panel whose
 * three buttons make trouble for it.
 */

import { byId, sentence, setAttribute, setText } from "./dom.js";
import { addToLog } from "./log.js";

const STATES = {
  connecting: "Connecting",
  open: "Connected",
  resuming: "Reconnecting",
  closed: "Not connected",
};
const TRANSPORTS = { webtransport: "WebTransport", websocket: "WebSocket" };

const state = byId("state");
const transport = byId("transport");
const rtt = byId("rtt");
const cut = byId("cut");
const blockUdp = byId("block-udp");
const blockNote = byId("block-note");
const switchTransport = byId("switch");
const switchNote = byId("switch-note");

const BLOCK_NOTE = blockNote.textContent;
const BLOCKED_NOTE = "UDP is blocked. Press again to open it, and the session moves back by itself.";
const SWITCH_NOTE = switchNote.textContent;
const SWITCH = switchTransport.textContent;

let lobby = null;
let stops = [];
let moveFailures = 0;
/** What the session is asked to move to just now. */
let target = null;
/** Why it could not, until something else happens. */
let failure = "";

/** Puts the buttons to work. Once, at the start. */
export function startLinkView() {
  cut.addEventListener("click", () => lobby?.drop());
  blockUdp.addEventListener("click", () => {
    failure = "";
    lobby?.blockUdp(blockUdp.getAttribute("aria-pressed") !== "true");
    render();
  });
  switchTransport.addEventListener("click", () => move(lobby));
  render();
}

/** Shows this session from now on; null for none. */
export function showLink(next) {
  for (const stop of stops) stop();
  lobby = next;
  [target, failure] = [null, ""];
  stops = lobby
    ? [
        ...["state", "transport"].map((type) => lobby.on(type, changed)),
        ...["rtt", "closed"].map((type) => lobby.on(type, render)),
        lobby.on("activity", note),
      ]
    : [];
  render();
}

/** While there is no session yet: the page is connecting, or is not. */
export function showConnecting(isConnecting) {
  if (lobby) return;
  setState(isConnecting ? "connecting" : "closed");
}

function note(activity) {
  if (activity.type === "move_failed") moveFailures += 1;
  addToLog(activity);
  render();
}

function changed() {
  failure = "";
  render();
}

/** One move at a time: another one would end the first. */
async function move(session) {
  if (!session || target) return;
  const failuresBefore = moveFailures;
  const wanted = other(session.transport);
  [target, failure] = [wanted, ""];
  render();
  let why = "";
  try {
    await session.moveTo(wanted);
  } catch (error) {
    why = sentence(error);
    if (moveFailures === failuresBefore) addToLog({ type: "move_failed", message: why });
  }
  if (session !== lobby) return;
  [target, failure] = [null, why && explained(why, session)];
  render();
}

/** Why the session could not move, and where it is now. */
function explained(why, { udpBlocked, transport: now }) {
  const cause = udpBlocked && why.startsWith("WebTransport") ? "UDP is blocked, so " : "";
  return `${cause}${why}${now ? ` The session stays on ${TRANSPORTS[now]}.` : ""}`;
}

function other(name) {
  return name === "webtransport" ? "websocket" : "webtransport";
}

/** Why there is only one transport here, or nothing. */
function missing() {
  if (typeof WebTransport === "function") return "";
  return isSecureContext
    ? "Not here: this browser has no WebTransport, so there is nothing but WebSocket."
    : "Not here: browsers have WebTransport on https and on localhost only, so there is nothing but WebSocket.";
}

function render() {
  setState(lobby?.state ?? "closed");
  setText(transport, TRANSPORTS[lobby?.transport] ?? "—");
  setText(rtt, milliseconds(lobby?.transport ? lobby.rtt : null));
  const alive = Boolean(lobby) && lobby.state !== "closed";
  const reason = missing();
  cut.disabled = !alive;
  for (const button of [blockUdp, switchTransport]) {
    button.disabled = !alive || Boolean(reason);
    setAttribute(button, "title", reason || null);
  }
  setAttribute(blockUdp, "aria-pressed", String(Boolean(lobby?.udpBlocked)));
  setText(blockNote, reason || (lobby?.udpBlocked ? BLOCKED_NOTE : BLOCK_NOTE));
  showMove(reason);
}

function showMove(reason) {
  // Not disabled, or the keyboard's focus would be lost.
  for (const name of ["aria-busy", "aria-disabled"]) setAttribute(switchTransport, name, target ? "true" : null);
  setText(switchTransport, target ? "Switching…" : SWITCH);
  setAttribute(switchNote, "data-tone", failure ? "bad" : null);
  setText(switchNote, reason || moving() || failure || offer());
}

function moving() {
  return target && `Trying ${TRANSPORTS[target]}; the session goes on over ${TRANSPORTS[other(target)]} meanwhile.`;
}

function offer() {
  if (!lobby?.transport) return SWITCH_NOTE;
  return `Moves the living session to ${TRANSPORTS[other(lobby.transport)]}, in the middle of the game.`;
}

function setState(name) {
  setAttribute(state, "data-state", name);
  setText(state, STATES[name] ?? name);
  setAttribute(document.body, "data-state", name);
}

function milliseconds(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "—";
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
