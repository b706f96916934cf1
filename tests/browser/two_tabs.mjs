// node two_tabs.mjs {"url"}: two tabs of one window are two players, over WebTransport, to the end and again.
import assert from "node:assert/strict";
import { DRAW, LEFT_COLUMN, play } from "./player.mjs";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const context = await story.window();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob", { context })).enter();
  await Promise.all([ada.isOver("WebTransport"), bob.isOver("WebTransport")]);
  for (const player of [ada, bob]) {
    await player.at("rtt").filter({ hasText: /^\d+(\.\d)? ms$/ }).waitFor();
  }

  story.step("Ada makes a room, Bob sees it come and joins");
  const roomId = await ada.create();
  await ada.isTold("Waiting for a second player");
  await bob.join(roomId);
  await ada.isTold("Your turn");
  await bob.isTold("Waiting for Ada");

  story.step("a third tab watches");
  const eve = await (await story.player("Eve", { context })).enter();
  await eve.at("rooms").waitFor();
  await eve.watches(roomId);
  const board = await play([ada, bob], LEFT_COLUMN, [eve]);
  await ada.isTold("You won.");
  await bob.isTold("Ada won.");
  await eve.isTold("Ada won.");

  story.step("Bob loads the page anew: his seat is there");
  await bob.page.reload();
  await bob.hasState("open");
  assert.equal(await bob.roomId(), roomId);
  await bob.sees(String(board));
  await bob.isOver("WebTransport");

  story.step("a rematch, with the sides swapped");
  await ada.press("rematch");
  await bob.page.getByText("Ada wants a rematch.").waitFor();
  await bob.press("rematch");
  await play([bob, ada], DRAW, [eve]);
  for (const player of [ada, bob, eve]) await player.isTold("A draw.");

  story.step("Bob leaves; a quick join brings him back to the free seat");
  await bob.press("leave");
  await bob.page.locator("body[data-view=lobby]").waitFor();
  await bob.press("quick");
  assert.equal(await bob.roomId(), roomId);
  await ada.isTold("Your turn");
  await ada.press("leave");
  await bob.isTold("You won: the other player has left.");
  for (const player of [ada, bob, eve]) {
    const log = await player.log();
    const isTrouble = ({ type }) => ["lost", "retry", "renewed", "gap", "closed"].includes(type);
    assert.ok(!log.some(isTrouble), JSON.stringify(log));
  }
});
