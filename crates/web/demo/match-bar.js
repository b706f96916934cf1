/** What there is to decide around a match: whether one is ready, whether to go on, and whether to wait for a seat. */

import { byId, setAttribute, setText } from "./dom.js";
import { kindOf } from "./games.js";
import { rightsOf, seatToTake, stateOf } from "./rights.js";
import { listOf } from "./words.js";

const bar = byId("match-bar");
const note = byId("match-note");
const buttons = {
  yes: byId("vote-yes"),
  no: byId("vote-no"),
  unpause: byId("unpause"),
  pause: byId("pause"),
  ready: byId("ready"),
  queue: byId("queue"),
};

let shown = null;

/**
 * Puts the buttons to work.
 * @param {(type: string, data: any) => void} act asks the room for something
 */
export function startMatchBar(act) {
  buttons.yes.addEventListener("click", () => act("vote", { continue: true }));
  buttons.no.addEventListener("click", () => act("vote", { continue: false }));
  buttons.unpause.addEventListener("click", () => act("unpause", {}));
  buttons.pause.addEventListener("click", () => act("pause", {}));
  buttons.ready.addEventListener("click", () => act("ready", { ready: !shown?.self.ready }));
  buttons.queue.addEventListener("click", () => act("queue_for_seat", { queued: !shown?.isQueued }));
}

/**
 * @param {any} room
 * @param {any} lobby
 * @param {(userId: string) => string} nameOf
 */
export function showMatchBar(room, lobby, nameOf) {
  const rights = rightsOf(room, lobby);
  const queue = room.info?.seat_queue ?? [];
  const place = queue.indexOf(lobby.userId);
  const now = { ...rights, room, userId: lobby.userId, nameOf, queue, place, isQueued: place >= 0 };
  shown = now;
  const wanted = wantedButtons(now);
  const focused = document.activeElement;
  for (const [name, button] of Object.entries(buttons)) button.hidden = !wanted.includes(name);
  setAttribute(buttons.ready, "aria-pressed", String(Boolean(rights.self.ready)));
  setText(buttons.queue, now.isQueued ? "Leave the queue" : "Queue for a seat");
  setText(note, noteOf(now));
  bar.hidden = wanted.length === 0 && !note.textContent;
  // What was pressed may be gone; the keyboard goes on with what has come for it.
  if (bar.contains(focused) && focused.hidden) (buttons[wanted[0]] ?? byId("room-title")).focus();
}

function wantedButtons({ room, isPlayer, decides, userId, isMatchOn }) {
  const { vote } = room.info ?? {};
  const state = stateOf(room);
  if (vote) {
    const canVote = isPlayer && !vote.absent.includes(userId);
    const hasVoted = [...vote.yes, ...vote.no].includes(userId);
    return canVote && !hasVoted ? ["yes", "no"] : [];
  }
  // A seat that is free is offered where it is.
  if (!isPlayer) return seatToTake(room) === undefined ? ["queue"] : [];
  if (state === "paused") return decides ? ["unpause"] : [];
  if (state === "playing") return decides ? ["pause"] : [];
  return !isMatchOn && kindOf(room.game).start === "ready" ? ["ready"] : [];
}

function noteOf({ room, isPlayer, nameOf, queue, place, isQueued, userId }) {
  const { vote, seats_max: seats, spectator_delay_ms: delay } = room.info ?? {};
  if (vote) return voteNote(vote, userId, nameOf);
  const late = !isPlayer && delay > 0 ? `You see what happened ${timeOf(delay)} ago. ` : "";
  if (isQueued) return `${late}${place === 0 ? "You get the next free seat." : `${place} before you in the queue.`}`;
  if (!isPlayer) return `${late}${queue.length ? `${queue.length} in the queue for a seat.` : ""}`.trim();
  if (stateOf(room) === "paused") return "";
  if (kindOf(room.game).start !== "ready" || stateOf(room) === "playing") return "";
  const players = room.members.filter((member) => member.role === "player" && !member.bot);
  const waiting = players.filter((member) => !member.ready).map((member) => nameOf(member.user_id));
  if (room.members.filter((member) => member.role === "player").length < kindOf(room.game).seats.min) {
    return `The match needs ${kindOf(room.game).seats.min} of ${seats} players.`;
  }
  return waiting.length ? `Waiting until ${listOf(waiting, 3)} ${waiting.length > 1 ? "are" : "is"} ready.` : "";
}

function voteNote({ yes, no, absent }, userId, nameOf) {
  const count = `${yes.length} to go on, ${no.length} to wait.`;
  if (yes.includes(userId) || no.includes(userId)) return `You have voted. ${count}`;
  return `Without ${listOf(absent.map(nameOf), 3)}: ${count}`;
}

function timeOf(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
