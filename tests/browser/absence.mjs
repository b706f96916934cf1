// node absence.mjs {"url"}: a player goes away in the middle of a match; a bot plays for them until they are back.
import assert from "node:assert/strict";
import { ICON_OF_A_PAGE_LEFT, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.expect(...ICON_OF_A_PAGE_LEFT);
  const ada = await (await story.player("Ada")).enter();
  const bob = await (await story.player("Bob")).enter();
  const roomId = await ada.create({ "option-bot_after_s": "1" });
  await bob.join(roomId);

  story.step("it is Bob's turn when he goes; a bot plays it");
  await ada.plays(1, 1);
  await bob.isTold("Your turn");
  await bob.page.goto(`${story.about.url}/healthz`);
  await ada.seesOf("Bob", "a bot plays");
  await ada.isTold("Your turn");
  assert.equal(await marks(ada), 2);

  story.step("he comes back, has his seat, and plays on");
  await bob.page.goto(story.about.url);
  assert.equal(await bob.roomId(), roomId);
  await ada.page.locator(".person").filter({ hasText: "Bob" }).filter({ hasNotText: "a bot plays" }).waitFor();
  assert.equal(await marks(bob), 2);
  await playFree(ada);
  await bob.isTold("Your turn");
  await playFree(bob);
  await ada.isTold("Your turn");
  assert.equal(await marks(ada), 4);
});

function marks({ page }) {
  return page.locator(".cell[data-mark]").count();
}

/** Plays the first free cell. */
async function playFree({ page }) {
  const cell = await page.locator(".cell:not([data-mark]):not([aria-disabled])").first().getAttribute("data-testid");
  await page.getByTestId(cell).click();
  await page.locator(`[data-testid=${cell}][data-mark]`).waitFor();
}
