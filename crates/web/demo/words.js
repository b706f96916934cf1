/** What is said about a match: sentences made from the game's view and the room's members. */

import { sentence, timeUntil } from "./dom.js";

const STATES = {
  waiting: "Waiting for players",
  playing: "A match is being played",
  finished: "The match is over",
};

/**
 * @typedef {object} Table What the sentences are about.
 * @property {any} view the game's view as the server gave it
 * @property {Array<{user_id: string, username: string, role: string, connected: boolean}>} members
 * @property {string} userId who is looking
 * @property {boolean} isPlayer whether they play or watch
 * @property {"waiting" | "playing" | "paused" | "finished"} state where the match stands
 * @property {{absent: string[], yes: string[], no: string[], ends_at_ms: number} | null} vote
 * @property {boolean} isConnected whether there is a connection just now
 * @property {boolean} isKept whether what is done meanwhile is known to be done when there is one again
 * @property {boolean} isDurable whether the room outlives the server
 * @property {(userId: string | null) => string} nameOf
 * @property {Map<string, number>} keptUntil until when the seats of those who are away are kept, if known
 */

/**
 * The line above the game; `time` and `rest` are its countdown, if it has one.
 * @param {Table} table
 * @param {import("./game-pages.js").GamePage | null} page
 * @returns {{text: string, time?: string, rest?: string}}
 */
export function statusOf(table, page) {
  if (table.vote) return voting(table);
  if (table.state === "paused") return { text: "The match is paused." };
  return page ? page.status(table) : { text: STATES[table.state] ?? "" };
}

/** The same in two or three words, for the title of the tab. */
export function titleOf(table, page) {
  if (table.vote) return "Vote";
  if (table.state === "paused") return "Paused";
  return page?.title(table) ?? "";
}

/** The quiet line below the game while there is nothing to decide there. */
export function hintOf(table, page) {
  const { isPlayer, isConnected, isKept, state } = table;
  if (!page) return "This page has no board for this game; what it tells is above.";
  if (!isPlayer) return "You are watching.";
  if (state === "paused") return "";
  if (!isConnected && state === "playing") {
    return isKept ? "A move you make now is sent when the connection is back." : "";
  }
  return page.hint(table);
}

/** "Ada, Bob and 3 more". */
export function listOf(names, shown = 6) {
  const rest = names.length - shown;
  if (rest > 1) return `${names.slice(0, shown).join(", ")} and ${rest} more`;
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** Times are the server's, whose clock a vote is short enough to take for this device's. */
function voting({ vote, nameOf }) {
  const names = vote.absent.map(nameOf);
  const text = `${listOf(names, 3)} ${names.length > 1 ? "are" : "is"} away. Go on without them?`;
  return { text, time: ` ${timeUntil(vote.ends_at_ms)}` };
}

/** That somebody is away, and for how long their seat is kept. */
export function seatKept({ nameOf, keptUntil, isDurable }, away) {
  const until = keptUntil.get(away);
  const text = `${nameOf(away)} is ${awayWord(isDurable)}; their seat is kept`;
  return { text, time: until ? ` for ${timeUntil(until)}` : "", rest: "." };
}

/** What somebody without a connection is, in a word: where a seat is kept for days they may have gone to bed. */
export function awayWord(isDurable) {
  return isDurable ? "away" : "reconnecting";
}

/**
 * What is special about a member, in a few words each.
 * @param {any} member
 * @param {{isSelf: boolean, isOwner: boolean, isDurable: boolean, queue: string[]}} about
 * @returns {string[]}
 */
export function memberNotes(member, { isSelf, isOwner, isDurable, queue }) {
  const place = queue.indexOf(member.user_id);
  const isComputer = member.bot && member.user_id.startsWith("bot-");
  const notes = [
    isSelf && "you",
    isOwner && "owner",
    isComputer && "bot",
    member.bot && !isComputer && "a bot plays",
    !member.connected && !isComputer && awayWord(isDurable),
    member.connected && member.away && "away",
    member.ready && "ready",
    member.muted && "muted",
    typeof member.wants_seat === "number" && `would like seat ${member.wants_seat + 1}`,
    place >= 0 && (place === 0 ? "next for a seat" : `place ${place + 1} in the queue`),
  ];
  return notes.filter(Boolean);
}

/**
 * What to say about something that was refused.
 * @param {unknown} error
 */
export function refusalOf(error) {
  const { code, details } = /** @type {any} */ (error) ?? {};
  if (code === "storage_unavailable") {
    return "The server cannot store anything just now, so nothing was done. Try again in a moment.";
  }
  if (code === "banned") {
    return details?.reason === "kicked"
      ? "You were sent out of this room. A new invite lets you in again."
      : "You are banned from this room.";
  }
  if (code !== "room_suspended") return sentence(error);
  return `This room is kept, but this server cannot go on with it${details?.reason ? `: ${details.reason}` : "."}`;
}

/** A room in the list, in a line: what is played, by how many, and what its door is like. */
export function rowFacts({ players, seats_max: seats, spectators, durable, has_password: hasPassword }, game) {
  const facts = [
    game,
    `${players} of ${seats} players`,
    spectators > 0 && `${spectators} watching`,
    hasPassword && "password",
    durable && "kept",
  ];
  // What is short stays together.
  return facts.filter(Boolean).map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
}

/** Whether one can sit down there, and why not. */
export function rowState({ players, seats_max: seats, state, locked }) {
  if (locked) return "Locked";
  if (players < seats) return "Free seat";
  return { finished: "Full, match over", paused: "Full, paused" }[state] ?? "Full, playing";
}
