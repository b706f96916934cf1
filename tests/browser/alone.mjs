// node alone.mjs {"url"}: a newcomer, without a name and with nobody else there, has a match at the first press, and
// another one; and shows the bot to a friend. Tells {"ms"}: from where the page began to load to the first turn.
import assert from "node:assert/strict";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.step("from the door to a match, by one button");
  const ada = await story.player("Ada");
  await ada.press("entry-bot");
  await ada.isTold("Your turn");
  // The page counts from where it was asked for. Nothing else is pressed or typed, and how quick a machine is says
  // nothing of the page.
  const ms = Math.round(await ada.page.evaluate(() => performance.now()));
  await ada.seesOf("Bot 1", "bot");
  assert.notEqual(await ada.page.locator("#whoami b").textContent(), "");

  story.step("the bot answers each move, and does not lose");
  assert.match(await playOut(ada), /^(A draw|Bot 1 won)\./);

  story.step("it plays again");
  await ada.press("rematch");
  await ada.at("rematch").waitFor({ state: "hidden" });
  assert.match(await playOut(ada), /^(A draw|Bot 1 won)\./);

  story.step("the table is in no list, and the bot goes for a friend");
  const roomId = await ada.roomId();
  const bob = await (await story.player("Bob")).enter();
  await bob.page.getByText("No rooms yet.").waitFor();
  await ada.does("remove-bot", "Bot 1");
  await ada.at("add-bot-1").waitFor();
  const guest = await story.player("Cleo", { url: await ada.link(), path: "" });
  await guest.enter();
  assert.equal(await guest.roomId(), roomId);
  await ada.seesOf("Cleo", "2");
  return { ms };
});

/** Plays the first free cell whenever it is this player's turn, and gives what is said in the end. */
async function playOut({ page }) {
  const status = page.getByTestId("status");
  for (;;) {
    await status.filter({ hasText: /^(Your turn|A draw|You won|.* won\.)/ }).waitFor();
    const said = await status.textContent();
    if (!said.startsWith("Your turn")) return said;
    const cell = await page.locator(".cell:not([data-mark]):not([aria-disabled])").first().getAttribute("data-testid");
    await page.getByTestId(cell).click();
    await page.locator(`[data-testid=${cell}][data-mark]`).waitFor();
  }
}
