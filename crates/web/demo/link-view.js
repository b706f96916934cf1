/**
 * The connection, always in sight: state, transport and round-trip time in the header, and the panel whose
 * three buttons make trouble for it.
 */

import { byId, sentence, setAttribute, setText } from "/demo/dom.js";
import { addToLog } from "/demo/log.js";

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

let lobby = null;
let stops = [];
let moveFailures = 0;

/** Puts the buttons to work. Once, at the start. */
export function startLinkView() {
  cut.addEventListener("click", () => lobby?.drop());
  blockUdp.addEventListener("click", () => {
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
  stops = lobby
    ? [
        ...["state", "transport", "rtt", "closed"].map((type) => lobby.on(type, render)),
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

async function move(session) {
  if (!session) return;
  const failuresBefore = moveFailures;
  switchTransport.setAttribute("aria-busy", "true");
  try {
    await session.moveTo(other(session.transport));
  } catch (error) {
    if (moveFailures === failuresBefore) addToLog({ type: "move_failed", message: sentence(error) });
  } finally {
    switchTransport.removeAttribute("aria-busy");
    render();
  }
}

function other(name) {
  return name === "webtransport" ? "websocket" : "webtransport";
}

function render() {
  setState(lobby?.state ?? "closed");
  setText(transport, TRANSPORTS[lobby?.transport] ?? "—");
  setText(rtt, milliseconds(lobby?.transport ? lobby.rtt : null));
  const alive = Boolean(lobby) && lobby.state !== "closed";
  for (const button of [cut, blockUdp, switchTransport]) button.disabled = !alive;
  setAttribute(blockUdp, "aria-pressed", String(Boolean(lobby?.udpBlocked)));
  setText(blockNote, lobby?.udpBlocked ? BLOCKED_NOTE : BLOCK_NOTE);
  const target = TRANSPORTS[other(lobby?.transport)];
  setText(
    switchNote,
    lobby?.transport
      ? `Moves the living session to ${target}, in the middle of the game.`
      : "Moves the living session to the other transport, in the middle of the game.",
  );
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
