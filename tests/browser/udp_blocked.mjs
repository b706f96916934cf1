// node udp_blocked.mjs {"url","relay"}: a page behind a firewall that swallows UDP plays over WebSocket,
// moves to WebTransport when that has become possible, and leaves UDP alone where it does not get through.
// Tells {"ms"}: from opening the page to the lobby.
import assert from "node:assert/strict";
import { Board, DRAW, LEFT_COLUMN, goOn, play } from "./player.mjs";
import { WITHOUT_UDP, WITH_THE_PAGE, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const { relay } = story.about;
  const context = await story.window();
  // Where the browser keeps what it needs first is none of what is measured.
  await (await story.tab(context)).goto(`${relay}/healthz`);
  const bob = await (await story.player("Bob")).enter();
  await story.ask("block_udp", { on: true });
  story.expect(...WITHOUT_UDP);

  story.step("Ada comes in over WebSocket");
  const began = performance.now();
  const ada = await (await story.player("Ada", { context, url: relay })).enter();
  const ms = Math.round(performance.now() - began);
  await ada.isOver("WebSocket");
  await bob.isOver("WebTransport");

  story.step("a match begins while UDP is still tried");
  const roomId = await bob.create();
  await ada.join(roomId);
  const board = await play([bob, ada], DRAW.slice(0, 4));

  story.step("once UDP is known to be blocked, a reload does not try it");
  await ada.page.waitForFunction(() => Object.keys(localStorage).some((key) => key.includes("udp")));
  // Each try has a port of its own. One that was given up may still repeat itself, as late as it likes.
  const before = await story.ask("udp_clients");
  assert.ok(before > 0);
  story.expect(...WITH_THE_PAGE);
  await ada.page.reload();
  await ada.hasState("open");
  await ada.sees(String(board));
  await ada.isOver("WebSocket");
  await goOn([bob, ada], board, DRAW.slice(4, 6));
  assert.equal(await story.ask("udp_clients"), before, "UDP was tried again");

  story.step("UDP opens, and the network says that it has changed: the match moves over");
  await story.ask("block_udp", { on: false });
  await ada.page.evaluate(() => window.dispatchEvent(new Event("online")));
  await goOn([bob, ada], board, DRAW.slice(6, 7));
  await ada.hasLogged("moved");
  await ada.isOver("WebTransport");
  assert.ok((await story.ask("udp_clients")) > before);
  await goOn([bob, ada], board, DRAW.slice(7));
  await ada.isTold("A draw.");
  const log = await ada.log();
  assert.ok(!log.some(({ type }) => ["lost", "gap", "renewed"].includes(type)), JSON.stringify(log));

  story.step("UDP is swallowed under a living session: it goes on over WebSocket");
  await bob.press("rematch");
  await ada.press("rematch");
  await ada.isTold("Your turn");
  await story.ask("block_udp", { on: true });
  const second = new Board();
  await goOn([ada, bob], second, LEFT_COLUMN);
  await ada.isOver("WebSocket");
  await ada.isTold("You won.");
  return { ms };
});
