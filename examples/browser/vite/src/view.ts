/** What the server says of a table, as PROTOCOL.md describes it, and what it means for one player. */

export type Mark = "X" | "O";

export interface View {
  board: (Mark | null)[][];
  players: Record<Mark, string | null>;
  current_turn: string | null;
  status: "waiting" | "playing" | "won" | "draw";
  winner: string | null;
}

/** A sentence on where the game stands. */
export function sentence(view: View, me: string): string {
  switch (view.status) {
    case "waiting":
      return "Waiting for somebody to play with.";
    case "playing":
      return view.current_turn === me ? "Your move." : "The other player's move.";
    case "won":
      return view.winner === me ? "You have won." : "The other player has won.";
    case "draw":
      return "A draw.";
  }
}
