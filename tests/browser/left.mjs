// node left.mjs {"url"}: a page that is left and gone back to is where it was, over WebTransport, and has not found out
// that UDP is blocked.
import assert from "node:assert/strict";
import { LEFT_COLUMN, goOn, play } from "./player.mjs";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const context = await story.plainWindow();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob")).enter();
  await ada.isOver("WebTransport");
  const roomId = await ada.create();
  await bob.join(roomId);
  let board = await play([ada, bob], LEFT_COLUMN.slice(0, 2));

  story.step("the browser keeps the page, and ends its connection");
  await ada.page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.wasKept = persisted)));
  for (const moves of [LEFT_COLUMN.slice(2, 4), LEFT_COLUMN.slice(4)]) {
    await ada.page.goto(`${story.about.url}/healthz`);
    await bob.page.locator(".plate[data-away]").waitFor();
    // Not `goBack`, which waits for a page to be loaded.
    await ada.page.evaluate(() => void history.back());
    await ada.hasState("open");
    assert.equal(await ada.page.evaluate(() => window.wasKept), true, "it was loaded anew");
    await ada.isOver("WebTransport");
    await bob.page.locator(".plate[data-away]").waitFor({ state: "detached" });
    board = await goOn([ada, bob], board, moves);
  }
  assert.equal(await ada.roomId(), roomId);
  await ada.isTold("You won.");

  story.step("nothing is held against UDP, in no tab");
  const stored = await ada.page.evaluate(() => Object.keys(localStorage));
  assert.deepEqual(stored.filter((key) => key.includes("udp")), []);
  const log = await ada.log();
  assert.deepEqual(log.filter(({ text }) => text.includes("WebSocket")), []);
  const other = await (await story.player("Eve", { context })).enter();
  await other.isOver("WebTransport");
});
