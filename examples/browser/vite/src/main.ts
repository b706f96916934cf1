/** Takes a seat at any table of TicTacToe, and plays there. */

import { AnteroomError, connect, type Lobby, type Room } from "@anteroom/sdk";
import { sentence, type View } from "./view";

const server = new URLSearchParams(location.search).get("server") ?? "http://127.0.0.1:7350";
const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`There is no #${id} on the page.`);
  return found;
};

const say = (text: string): void => {
  element("status").textContent = text;
};

/** What to do about a failure that the player cannot do anything about. */
const explain = (error: unknown): void => say(error instanceof AnteroomError ? error.message : String(error));

function draw(lobby: Lobby, room: Room): void {
  const view = room.view as View;
  say(sentence(view, lobby.userId));
  const cells = view.board.flatMap((marks, row) => marks.map((mark, col) => {
    const button = document.createElement("button");
    button.textContent = mark ?? "";
    button.ariaLabel = `Row ${row + 1}, column ${col + 1}: ${mark ?? "free"}`;
    button.onclick = () => void room.send("make_move", { row, col }).catch(explain);
    return button;
  }));
  element("board").replaceChildren(...cells);
}

function showLink(lobby: Lobby): void {
  const over = lobby.transport === "webtransport" ? "WebTransport" : "WebSocket";
  element("link").textContent = lobby.state === "open" ? `In the lobby, over ${over}.` : "Reconnecting ...";
}

async function play(lobby: Lobby): Promise<void> {
  // After a reload of the page the seat is there already.
  const room = lobby.rooms.values().next().value ?? (await lobby.quickJoin("tic_tac_toe"));
  draw(lobby, room);
  for await (const event of room) {
    if (event.type === "game_state") draw(lobby, room);
    if (event.type === "client_disconnected") say("The other player has lost the connection; the seat is kept.");
    if (event.type === "client_reconnected") draw(lobby, room);
  }
  say(room.end?.message ?? "The table is closed.");
}

try {
  const lobby = await connect(server, { client: "example-vite/1" });
  lobby.on("state", () => showLink(lobby));
  lobby.on("transport", () => showLink(lobby));
  lobby.on("renewed", () => void play(lobby).catch(explain));
  showLink(lobby);
  await play(lobby);
} catch (error) {
  explain(error);
}
