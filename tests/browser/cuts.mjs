// node cuts.mjs {"url","relay"}: connections that are cut, swallowed and reloaded in the middle of a match,
// which goes on.
import assert from "node:assert/strict";
import { Board, DRAW, LEFT_COLUMN, goOn } from "./player.mjs";
import { WITHOUT_NETWORK, WITH_THE_PAGE, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const ada = await (await story.player("Ada", { url: story.about.relay })).enter();
  const bob = await (await story.player("Bob")).enter();
  await ada.isOver("WebTransport");
  const roomId = await ada.create();
  await bob.join(roomId);
  const board = new Board();

  story.step("Ada cuts her connection; before and after it she plays");
  await ada.press("cut");
  await goOn([ada, bob], board, DRAW.slice(0, 1));
  await ada.hasLogged("resumed");
  await goOn([ada, bob], board, DRAW.slice(1, 2));
  await ada.plays(...DRAW[2]);
  await ada.press("cut");
  board.put(...DRAW[2]);
  await Promise.all([ada.sees(String(board)), bob.sees(String(board))]);
  await ada.hasLogged("resumed", 2);

  story.step("over WebSocket, the network cuts it");
  await ada.press("switch");
  await ada.isOver("WebSocket");
  await story.ask("cut");
  await goOn([ada, bob], board, DRAW.slice(3, 5));
  await ada.hasLogged("resumed", 3);

  story.step("Ada loads the page anew: her seat and the board are there");
  story.expect(...WITH_THE_PAGE);
  await ada.page.reload();
  await ada.hasState("open");
  assert.equal(await ada.roomId(), roomId);
  await ada.sees(String(board));
  await ada.hasLogged("restored");
  await goOn([ada, bob], board, DRAW.slice(5, 7));

  story.step("the network swallows everything: the page notices, and says so");
  await story.ask("unplug", { on: true });
  story.expect(...WITHOUT_NETWORK);
  await bob.plays(...DRAW[7]);
  board.put(...DRAW[7]);
  await bob.sees(String(board));
  await bob.isTold("Ada is reconnecting; their seat is kept for ");
  await ada.hasState("resuming");
  await ada.page.getByText("The connection is gone; trying again. Your seat is kept for ").waitFor();
  await story.ask("unplug", { on: false });
  await ada.hasState("open");
  await ada.page.getByText("Connected again.").waitFor();
  await ada.sees(String(board));
  await goOn([ada, bob], board, DRAW.slice(8));
  for (const player of [ada, bob]) await player.isTold("A draw.");

  story.step("a move into the silence arrives, once");
  await bob.press("rematch");
  await ada.press("rematch");
  await bob.isTold("Your turn");
  const second = new Board();
  await goOn([bob, ada], second, LEFT_COLUMN.slice(0, 1));
  await story.ask("unplug", { on: true });
  await ada.plays(...LEFT_COLUMN[1]);
  await ada.hasState("resuming");
  await story.ask("unplug", { on: false });
  second.put(...LEFT_COLUMN[1]);
  await Promise.all([ada.sees(String(second)), bob.sees(String(second))]);
  await goOn([bob, ada], second, LEFT_COLUMN.slice(2));
  await bob.isTold("You won.");
  await ada.isTold("Bob won.");
  for (const player of [ada, bob]) {
    const log = await player.log();
    assert.ok(!log.some(({ type }) => ["gap", "renewed"].includes(type)), JSON.stringify(log));
  }
});
