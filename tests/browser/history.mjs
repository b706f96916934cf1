// node history.mjs {"url"}: somebody leaves for another page, and comes back with the browser's buttons: to the seat,
// and over what carried the session before. Tells {"kept"}: how often the browser had kept the page as it was.
import assert from "node:assert/strict";
import { Board, DRAW, goOn } from "./player.mjs";
import { ICON_OF_A_PAGE_LEFT, WITH_THE_PAGE, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const elsewhere = `${story.about.url}/healthz`;
  story.expect(...ICON_OF_A_PAGE_LEFT);
  // Others are driven in a way that keeps no page.
  const context = await story.plainWindow();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob")).enter();
  await ada.isOver("WebTransport");
  const roomId = await ada.create();
  await bob.join(roomId);
  const board = await goOn([ada, bob], new Board(), DRAW.slice(0, 2));
  let kept = 0;

  story.step("Ada is on another page when it is her turn, and comes back");
  await mark(ada);
  await ada.page.goto(elsewhere);
  await bob.isTold("Ada is reconnecting");
  kept += await back(ada);
  await isThere(ada, roomId, board, "WebTransport");
  await goOn([ada, bob], board, DRAW.slice(2, 3));

  story.step("forward again; Bob plays meanwhile");
  await goes(ada, "forward");
  await bob.plays(...DRAW[3]);
  board.put(...DRAW[3]);
  await bob.sees(String(board));
  kept += await back(ada);
  await isThere(ada, roomId, board, "WebTransport");
  await goOn([ada, bob], board, DRAW.slice(4, 6));

  story.step("nobody takes the network for one without UDP");
  const stored = await ada.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes("udp")));
  assert.deepEqual(stored, []);
  const eve = await (await story.player("Eve", { context })).enter();
  await eve.isOver("WebTransport");

  story.step("the same over WebSocket");
  story.expect(...WITH_THE_PAGE);
  await ada.press("switch");
  await ada.isOver("WebSocket");
  await mark(ada);
  await ada.page.goto(elsewhere);
  kept += await back(ada);
  await isThere(ada, roomId, board);
  await goOn([ada, bob], board, DRAW.slice(6));
  for (const player of [ada, bob]) {
    await player.isTold("A draw.");
    const log = await player.log();
    assert.ok(!log.some(({ type }) => ["gap", "renewed"].includes(type)), JSON.stringify(log));
  }
  return { kept };
});

/** A page that is loaded anew does not have this. */
async function mark({ page }) {
  await page.evaluate(() => Object.assign(window, { marked: true }));
}

/** What a button of the browser does. A page that was kept is not loaded, which what drives the browser would wait for. */
async function goes({ page }, where) {
  const before = page.url();
  await page.evaluate((where) => void setTimeout(() => history[where]()), where);
  await page.waitForFunction((before) => location.href !== before && document.readyState === "complete", before);
}

/** Back to the demo; gives whether the page is the one that was left, and not loaded anew. */
async function back(player) {
  await goes(player, "back");
  await player.hasState("open");
  const kept = await player.page.evaluate(() => Boolean(window.marked));
  await mark(player);
  return kept;
}

async function isThere(player, roomId, board, transport) {
  assert.equal(await player.roomId(), roomId);
  await player.sees(String(board));
  if (transport) await player.isOver(transport);
}
