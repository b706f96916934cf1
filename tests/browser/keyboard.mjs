// node keyboard.mjs {"url"}: somebody without a mouse comes in, takes a seat, plays, asks for a rematch and leaves.
import assert from "node:assert/strict";
import { Board } from "./player.mjs";
import { tellStory } from "./story.mjs";

/** More stops than any view has. */
const STOPS_MAX = 40;

await tellStory(async (story) => {
  const bob = await (await story.player("Bob")).enter();
  const roomId = await bob.create();

  story.step("the door: the name's field is where one begins");
  const ada = await story.player("Ada");
  const { keyboard } = ada.page;
  await ada.page.bringToFront();
  await ada.page.locator("[data-testid=name]:focus").waitFor();
  await keyboard.type("Ada");
  await keyboard.press("Enter");
  await ada.hasState("open");

  story.step("the lobby");
  await ada.at(`room-${roomId}`).waitFor();
  await tabTo(ada, `room-${roomId}`);
  await keyboard.press("Enter");
  assert.equal(await ada.roomId(), roomId);

  story.step("the board: one stop, arrows, Enter, Space and digits");
  const board = new Board();
  const sees = () => Promise.all([ada, bob].map((one) => one.sees(String(board))));
  await bob.plays(0, 0);
  board.put(0, 0);
  await sees();
  await ada.isTold("Your turn");
  await ada.page.bringToFront();
  await tabTo(ada, "cell-1-1");
  await keyboard.press("Enter");
  board.put(1, 1);
  await sees();
  await bob.plays(0, 1);
  board.put(0, 1);
  await sees();
  await ada.page.bringToFront();
  await keyboard.press("ArrowUp");
  await keyboard.press("ArrowRight");
  await keyboard.press("Space");
  board.put(0, 2);
  await sees();
  await bob.plays(1, 0);
  board.put(1, 0);
  await sees();
  await ada.page.bringToFront();
  await keyboard.press("7");
  board.put(2, 0);
  await sees();
  await ada.isTold("You won.");
  assert.equal(await ada.at("cell-2-0").getAttribute("aria-label"), "Row 3, column 1, O, in the winning line");

  story.step("a rematch, and the way out");
  await tabTo(ada, "rematch");
  await keyboard.press("Enter");
  await bob.press("rematch");
  await Promise.all([ada, bob].map((one) => one.sees(String(new Board()))));
  await ada.page.bringToFront();
  await tabTo(ada, "leave");
  await keyboard.press("Enter");
  await ada.page.locator("body[data-view=lobby]").waitFor();
});

/** Goes on with the Tab key until this is in focus, which can be seen. */
async function tabTo({ page }, id) {
  const isThere = () => page.evaluate((id) => document.activeElement?.dataset.testid === id, id);
  for (let stops = 0; !(await isThere()); stops += 1) {
    assert.ok(stops < STOPS_MAX, `the Tab key does not come to ${id}`);
    await page.keyboard.press("Tab");
  }
  assert.ok(await page.evaluate(() => document.activeElement.matches(":focus-visible")), `the focus on ${id} is not seen`);
}
