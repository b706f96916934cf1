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
 * @property {boolean} isKnown whether this page has a board for the game
 * @property {"waiting" | "playing" | "paused" | "finished"} state where the match stands
 * @property {{absent: string[], yes: string[], no: string[], ends_at_ms: number} | null} vote
 * @property {boolean} isConnected whether there is a connection just now
 * @property {boolean} isKept whether what is done meanwhile is known to be done when there is one again
 * @property {boolean} isDurable whether the room outlives the server
 * @property {(userId: string | null) => string} nameOf
 * @property {Map<string, number>} keptUntil until when the seats of those who are away are kept, if known
 */

/**
 * The line above the board; `time` and `rest` are its countdown, if it has one.
 * @param {Table} table
 * @returns {{text: string, time?: string, rest?: string}}
 */
export function statusOf(table) {
  if (table.vote) return voting(table);
  if (table.state === "paused") return { text: "The match is paused." };
  if (!table.isKnown) return { text: STATES[table.state] ?? "" };
  switch (table.view?.status) {
    case "waiting":
      return { text: table.isPlayer ? "Waiting for a second player" : "Waiting for players" };
    case "playing":
      return playing(table);
    case "won":
      return { text: outcome(table) };
    case "draw":
      return { text: "A draw." };
    default:
      return { text: "" };
  }
}

/** The same in two or three words, for the title of the tab. */
export function titleOf({ view, userId, isPlayer, state, vote }) {
  if (vote) return "Vote";
  if (state === "paused") return "Paused";
  if (view?.status === "playing" && isPlayer && view.current_turn === userId) return "Your turn";
  const titles = { waiting: "Waiting", playing: "Playing", won: "Match over", draw: "Match over" };
  return titles[view?.status] ?? "";
}

/**
 * What stands beside the rematch button.
 * @param {Table} table
 */
export function rematchNote({ view, userId, isPlayer, nameOf }) {
  const opponent = opponentOf(view, userId);
  const wanted = view.rematch_wanted ?? [];
  if (!isPlayer) return wanted.length ? `${nameOf(wanted[0])} wants a rematch.` : "";
  if (!opponent) return "Another match begins when somebody takes the free seat.";
  if (wanted.includes(userId)) return `${nameOf(opponent)} has been asked. Sides swap when both want one.`;
  if (wanted.includes(opponent)) return `${nameOf(opponent)} wants a rematch.`;
  return "Sides swap.";
}

/** The quiet line below the board while there is nothing to decide there. */
export function hintOf({ view, isPlayer, isConnected, isKept, isKnown, state }) {
  if (!isKnown) return "This page has no board for this game; what it tells is above.";
  if (!isPlayer) return "You are watching.";
  if (state === "paused") return "";
  if (!isConnected && view.status === "playing") {
    return isKept ? "A move you make now is sent when the connection is back." : "";
  }
  if (view.status === "waiting") return "Invite a friend, or let a bot take the free seat.";
  return view.status === "playing" ? "Arrow keys and Enter play as well, and so do 1 to 9." : "";
}

/** Who plays against this player, or null. */
export function opponentOf(view, userId) {
  const { X = null, O = null } = view?.players ?? {};
  if (X === userId) return O;
  return O === userId ? X : null;
}

/** "Ada, Bob and 3 more". */
export function listOf(names, shown = 6) {
  const rest = names.length - shown;
  if (rest > 1) return `${names.slice(0, shown).join(", ")} and ${rest} more`;
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function playing(table) {
  const { view, userId, isPlayer, nameOf } = table;
  const away = awayPlayer(table);
  if (isPlayer && view.current_turn === userId) {
    if (!away) return { text: "Your turn" };
    const parts = kept(table, away);
    return { ...parts, text: `Your turn. ${parts.text}` };
  }
  if (away) return kept(table, away);
  const name = nameOf(view.current_turn);
  return { text: isPlayer ? `Waiting for ${name}` : `${name} to move` };
}

/** Times are the server's, whose clock a vote is short enough to take for this device's. */
function voting({ vote, nameOf }) {
  const names = vote.absent.map(nameOf);
  const text = `${listOf(names, 3)} ${names.length > 1 ? "are" : "is"} away. Go on without them?`;
  return { text, time: ` ${timeUntil(vote.ends_at_ms)}` };
}

function awayPlayer({ view, members, userId }) {
  const others = [view.players?.X, view.players?.O].filter((one) => one !== userId);
  return members.find((one) => others.includes(one.user_id) && !one.connected)?.user_id ?? null;
}

function kept({ nameOf, keptUntil, isDurable }, away) {
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

function outcome({ view, userId, nameOf }) {
  const byLeaving = !view.line;
  if (view.winner === userId) return byLeaving ? "You won: the other player has left." : "You won.";
  return byLeaving ? `${nameOf(view.winner)} won: the other player has left.` : `${nameOf(view.winner)} won.`;
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
