/** Tic-tac-toe: the plates, the board, and what is said about a match. Is there from the beginning; other games are fetched. */

import { createBoard } from "../board.js";
import { byId, setAttribute } from "../dom.js";
import { showPeople } from "../people.js";
import { seatKept } from "../words.js";

/** @import { Act, GamePage } from "../game-pages.js" */
/** @import { Table } from "../words.js" */

/**
 * @param {{act: Act, explain: (text: string) => void}} room
 * @returns {GamePage}
 */
export function createPage({ act, explain }) {
  let pending = null;
  /** @type {Table | null} */
  let shown = null;
  const board = createBoard(play, why);

  async function play(row, column) {
    pending = `${row}-${column}`;
    await act("make_move", { row, col: column });
    pending = null;
    if (shown) render(shown);
  }

  /** Why a cell cannot be played: said at once, without asking the server. */
  function why(row, column) {
    if (!shown || pending) return;
    const { view, userId, isPlayer, nameOf, state } = shown;
    if (!isPlayer) explain("You are watching; only the two players can move.");
    else if (state === "paused") explain("The match is paused.");
    else if (view.status === "waiting") explain("The match begins when a second player sits down.");
    else if (view.status !== "playing") explain("The match is over.");
    else if (view.board?.[row]?.[column]) explain(`Row ${row + 1}, column ${column + 1} is taken.`);
    else if (view.current_turn !== userId) explain(`It is the turn of ${nameOf(view.current_turn)}.`);
  }

  function render(table) {
    const { view, userId, isPlayer, state } = table;
    shown = table;
    const status = view.status ?? "waiting";
    showPeople(table);
    setAttribute(byId("board"), "data-status", status);
    board.render({
      board: view.board,
      line: view.line ?? null,
      ownMark: view.players?.X === userId ? "X" : "O",
      canPlay: isPlayer && status === "playing" && state !== "paused" && view.current_turn === userId,
      pending,
    });
  }

  return {
    show(isShown) {
      for (const id of ["plates", "board"]) byId(id).hidden = !isShown;
      if (!isShown) [shown, pending] = [null, null];
    },
    render,
    status,
    title,
    hint,
    keys: ({ view }) => view.status === "playing",
    rematch,
    focus: () => board.focus(),
  };
}

function status(table) {
  switch (table.view.status) {
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

function title({ view, userId, isPlayer }) {
  if (view.status === "playing" && isPlayer && view.current_turn === userId) return "Your turn";
  const titles = { waiting: "Waiting", playing: "Playing", won: "Match over", draw: "Match over" };
  return titles[view.status] ?? "";
}

function hint({ view, isPlayer }) {
  if (view.status === "waiting") return isPlayer ? "Invite a friend, or let a bot take the free seat." : "";
  return view.status === "playing" ? "Arrow keys and Enter play as well, and so do 1 to 9." : "";
}

function playing(table) {
  const { view, userId, isPlayer, nameOf } = table;
  const away = awayPlayer(table);
  if (isPlayer && view.current_turn === userId) {
    if (!away) return { text: "Your turn" };
    const parts = seatKept(table, away);
    return { ...parts, text: `Your turn. ${parts.text}` };
  }
  if (away) return seatKept(table, away);
  const name = nameOf(view.current_turn);
  return { text: isPlayer ? `Waiting for ${name}` : `${name} to move` };
}

function awayPlayer({ view, members, userId }) {
  const others = [view.players?.X, view.players?.O].filter((one) => one !== userId);
  return members.find((one) => others.includes(one.user_id) && !one.connected)?.user_id ?? null;
}

function outcome({ view, userId, nameOf }) {
  const byLeaving = !view.line;
  if (view.winner === userId) return byLeaving ? "You won: the other player has left." : "You won.";
  return byLeaving ? `${nameOf(view.winner)} won: the other player has left.` : `${nameOf(view.winner)} won.`;
}

function rematch(table) {
  const { view, userId } = table;
  if (view.status !== "won" && view.status !== "draw") return null;
  const hasAsked = (view.rematch_wanted ?? []).includes(userId);
  return { hasAsked, canAsk: Boolean(opponentOf(view, userId)), note: rematchNote(table) };
}

function rematchNote({ view, userId, isPlayer, nameOf }) {
  const opponent = opponentOf(view, userId);
  const wanted = view.rematch_wanted ?? [];
  if (!isPlayer) return wanted.length ? `${nameOf(wanted[0])} wants a rematch.` : "";
  if (!opponent) return "Another match begins when somebody takes the free seat.";
  if (wanted.includes(userId)) return `${nameOf(opponent)} has been asked. Sides swap when both want one.`;
  if (wanted.includes(opponent)) return `${nameOf(opponent)} wants a rematch.`;
  return "Sides swap.";
}

/** Who plays against this player, or null. */
function opponentOf(view, userId) {
  const { X = null, O = null } = view?.players ?? {};
  if (X === userId) return O;
  return O === userId ? X : null;
}
