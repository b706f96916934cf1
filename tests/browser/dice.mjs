// node dice.mjs {"url","folder"}: two tabs and a bot play dice to its end, with a reload in the middle of a turn, and want a
// rematch; one turn by the keyboard alone. Leaves pictures in the folder.
import assert from "node:assert/strict";
import { looksFine } from "./looks.mjs";
import { ICON_OF_A_PAGE_LEFT, WITH_THE_PAGE, tellStory } from "./story.mjs";
import { awaitStatus, createOf, diceOf, nextOf, roll, selectScoring, takeTurn } from "./tables.mjs";

await tellStory(async (story) => {
  story.expect(...WITH_THE_PAGE, ...ICON_OF_A_PAGE_LEFT);
  const context = await story.window();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob", { context })).enter();

  story.step("a table for three, one of them a bot");
  const roomId = await createOf(ada, "dice", { players: 3, target: 1000 });
  await ada.isTold("Waiting for players: 1 of 3 are here");
  await bob.join(roomId);
  await ada.press("add-bot-2");

  story.step("a turn that is reloaded in the middle");
  let thrown = [];
  for (let one = await nextOf([ada, bob]); ; one = await nextOf([ada, bob])) {
    assert.ok(one, "nobody has won yet");
    if (one === ada && (thrown = await roll(ada)).length > 0) break;
    if (one === bob) await takeTurn(bob);
    else await awaitStatus(ada, /^(?!Bust: nothing)/);
  }
  const places = await selectScoring(ada);
  await looksFine(story, ada, "dice");
  await ada.page.reload();
  await ada.hasState("open");
  await ada.page.locator(`[data-testid=die-${places[0]}][aria-pressed=true]`).waitFor();
  assert.deepEqual(await diceOf(ada), thrown);
  for (const place of places) await ada.page.locator(`[data-testid=die-${place}][aria-pressed=true]`).waitFor();
  await bob.page.bringToFront();
  await bob.at("roll").click({ force: true });
  await bob.page.getByText("It is the turn of Ada.").waitFor();

  story.step("it goes on by the keyboard");
  await ada.page.bringToFront();
  await ada.at(`die-${places[0]}`).focus();
  await ada.page.keyboard.press(String(places[0] + 1));
  await ada.page.locator(`[data-testid=die-${places[0]}][aria-pressed=false]`).waitFor();
  await ada.page.keyboard.press(String(places[0] + 1));
  await ada.page.locator(`[data-testid=die-${places[0]}][aria-pressed=true]`).waitFor();
  await ada.page.keyboard.press("s");
  await awaitStatus(ada, /^Your turn: \d+ points so far/);
  await ada.page.keyboard.press("r");
  if ((await awaitStatus(ada, /^(Your turn: select|Bust)/)).startsWith("Your")) {
    await selectScoring(ada);
    await ada.page.keyboard.press("e");
  }
  await awaitStatus(ada, /^(?!Your turn|Bust: nothing)/);

  story.step("to the end");
  for (let one = await nextOf([ada, bob]); one; one = await nextOf([ada, bob])) await takeTurn(one);
  const ends = await Promise.all([ada, bob].map((one) => awaitStatus(one, /won\./)));
  assert.equal(ends.filter((text) => text === "You won.").length <= 1, true, ends.join(" "));
  await ada.page.locator(".player[data-winner]").waitFor();

  story.step("all want a rematch, the bot too");
  await ada.press("rematch");
  await bob.press("rematch");
  for (const player of [ada, bob]) await awaitStatus(player, /^(Your turn|Waiting for|Bust)/);
});
