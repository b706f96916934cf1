/**
 * The demo page: the door, the lobby, a room, and always the connection. This module holds the session and
 * decides which view is shown; the views know nothing of each other.
 */

import { connect } from "../sdk/anteroom.js";
import { closeDialogs, startDialogs } from "./dialog.js";
import { byId, sentence, setAttribute, setText } from "./dom.js";
import { refuseEntry, showEntering, showEntry, startEntryView } from "./entry-view.js";
import { showConnecting, showLink, startLinkView } from "./link-view.js";
import { hideLobby, joinRoom, playBot, showLobby, startLobbyView } from "./lobby-view.js";
import { addToLog } from "./log.js";
import { enteredName, forgetEntered, forgetInvitation, invitation, rememberEntered } from "./memory.js";
import { startMenus } from "./menu.js";
import { clearNotice, showNotice } from "./notice.js";
import { followState } from "./reconnecting.js";
import { selfOf } from "./rights.js";
import { hideRoom, showRoom, startRoomView } from "./room-view.js";
import { currentView, openView, setTitle, showWho } from "./views.js";

const DEFAULT_PORT = "7350";
/** How wrong a clock may be before certificates seem too old, or too new. */
const CLOCK_MAX_MS = 86_400_000;

let lobby = null;
let room = null;

start();

function start() {
  setAttribute(document.body, "data-started", "true");
  startDialogs();
  startMenus();
  startEntryView({ onEnter: (name) => enter(name), onBot: (name) => enter(name, playBot) });
  startLobbyView({ onRoom: openRoom });
  startRoomView({ onLeft: leftRoom, onTitle: setTitle });
  startLinkView();
  byId("again").addEventListener("click", () => enter(enteredName() ?? undefined));
  byId("rename").addEventListener("click", openDoor);
  addEventListener("hashchange", followAddress);
  showTerminalCommand();
  const name = enteredName();
  if (name === null) openDoor();
  else enter(name);
}

/** Connects, and goes where the session is: a reloaded tab to its table, everybody else to the lobby, and from there on. */
async function enter(name, goOn = null) {
  lobby = null;
  showLink(null);
  showEntering(true);
  showConnecting(true);
  if (currentView() === "closed") openView("loading");
  try {
    // A proxy may have page and server under a path of their own.
    await welcome(await connect(new URL(".", location.href), { name, client: "anteroom-demo" }), goOn);
  } catch (error) {
    showConnecting(false);
    if (error?.code === "invalid_name") openDoor();
    else addToLog({ type: "closed", message: sentence(error) });
    if (currentView() === "entry") refuseEntry(sentence(error), error?.code === "invalid_name");
    else openClosed(error);
  } finally {
    showEntering(false);
  }
}

function welcome(session, goOn) {
  lobby = session;
  rememberEntered(session.username);
  clearNotice();
  showLink(session);
  showWho(session.username);
  listen(session);
  if (Math.abs(session.clockOffset) > CLOCK_MAX_MS) {
    const text = "The clock of this device is wrong by more than a day, so WebTransport may be refused.";
    showNotice(text, { kind: "warning" });
  }
  if (session.lost) showNotice(`${sentence(session.lost)} You are in the lobby again.`, { kind: "warning" });
  const seat = [...session.rooms.values()].at(-1);
  if (seat) return openRoomOf(session, seat);
  openLobby();
  if (goOn) goOn();
  else if (invitation() && !session.lost) followInvitation();
  else forgetInvitation();
}

function listen(session) {
  const ifCurrent = (act) => (value) => session === lobby && act(value);
  const follow = ifCurrent(() => followState(session.state, placeOf(session), session.reason));
  session.on("state", follow);
  session.on("activity", ({ type }) => type === "retry" && follow());
  session.on("room", ifCurrent((entered) => room || openRoom(entered)));
  session.on("renewed", ifCurrent(renewed));
  const lost = "Messages of the lobby were lost; here is how it stands.";
  // A server that was started anew is told of at the table.
  session.on("gap", ({ missed }) => missed && addToLog({ type: "gap", message: lost }));
  session.on("closed", ifCurrent(openClosed));
}

function openDoor() {
  forgetEntered();
  lobby = null;
  showLink(null);
  showWho("");
  clearNotice();
  showEntry();
  openView("entry", "name");
  setTitle("");
}

function openLobby() {
  openView("lobby");
  setTitle("Rooms");
  showLobby(lobby);
}

function openRoom(entered) {
  room = entered;
  hideLobby();
  closeDialogs();
  clearNotice();
  openView("room");
  showRoom(lobby, entered);
}

/** A tab that comes back has a seat, and perhaps an invitation to another table in its address. */
function openRoomOf(session, seat) {
  const invited = invitation();
  openRoom(seat);
  offerInvitation(session, seat, invited);
}

function offerInvitation(session, seat, invited) {
  if (!invited || invited.roomId === seat.id) return forgetInvitation();
  const go = async () => {
    await seat.leave().catch((error) => addToLog({ message: sentence(error) }));
    if (session === lobby && !room) followInvitation(invited);
  };
  showNotice("Your place at this table is still yours. The link leads to another one.", {
    action: { label: "Leave and go there", run: go },
  });
  forgetInvitation();
}

async function followInvitation(invited = invitation()) {
  // It has done its work, or never will: the code is nothing for the history of a browser.
  forgetInvitation();
  await joinRoom(invited.roomId, invited.as, { invite: invited.invite });
}

/** A link whose code is in the fragment loads nothing anew in a tab that is here already. */
function followAddress() {
  const invited = invitation();
  if (!invited) return;
  if (currentView() === "entry") showEntry();
  else if (room && lobby) offerInvitation(lobby, room, invited);
  else if (lobby) followInvitation(invited);
}

function leftRoom(end) {
  hideRoom();
  room = null;
  if (!lobby || lobby.state === "closed") return;
  openLobby();
  const isKnown = !end || ["left", "session_lost", "closed"].includes(end.reason);
  if (!isKnown) showNotice(end.message, { kind: "warning" });
}

function renewed({ error }) {
  // Whatever was asked of the old session has failed, the list of rooms as well.
  hideRoom();
  room = null;
  openLobby();
  showWho(lobby.username);
  rememberEntered(lobby.username);
  showNotice(`${sentence(error)} A new session has begun under your name.`, { kind: "warning" });
}

function openClosed(error) {
  hideRoom();
  hideLobby();
  closeDialogs();
  room = null;
  clearNotice();
  setText(byId("closed-reason"), error ? sentence(error) : "You have said goodbye.");
  openView("closed");
  setTitle("Disconnected");
}

function placeOf({ graceMs }) {
  const isPlayer = Boolean(room) && selfOf(room, lobby).role === "player";
  return { graceMs, isPlayer, isInRoom: Boolean(room), isDurable: Boolean(room?.durable) };
}

/** The command for a terminal, which names the server if it is not where the program looks by itself. */
function showTerminalCommand() {
  const port = location.port || (location.protocol === "https:" ? "443" : "80");
  const server = port === DEFAULT_PORT ? "" : ` -- --server ${location.hostname}:${port}`;
  setText(byId("terminal"), `cargo run --release --example native_quic${server}`);
}
