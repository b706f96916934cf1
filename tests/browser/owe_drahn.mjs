// node owe_drahn.mjs {"url","folder"}: two tabs and a bot play owe drahn to its end, with a side bet, a life that is given, and
// a reload in the middle. Leaves pictures in the folder.
import assert from "node:assert/strict";
import { looksFine } from "./looks.mjs";
import { ICON_OF_A_PAGE_LEFT, WITH_THE_PAGE, tellStory } from "./story.mjs";
import { awaitStatus, chooseFirst, createOf, nextOf, takeDrahnTurn } from "./tables.mjs";

await tellStory(async (story) => {
  story.expect(...WITH_THE_PAGE, ...ICON_OF_A_PAGE_LEFT);
  const context = await story.window();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob", { context })).enter();

  story.step("a table for two and a bot, and a side bet");
  const roomId = await createOf(ada, "owe_drahn", { pause_ms: 60000 });
  await ada.isTold("Waiting for somebody to play with");
  await bob.join(roomId);
  await ada.press("add-bot-2");
  await ada.at("bet-amount").fill("101");
  await ada.press("bet-propose");
  await ada.page.getByText("A side bet is of 1 to 100 points.").waitFor();
  await ada.at("bet-amount").fill("10");
  await ada.press("bet-propose");
  await bob.page.locator(".bet").getByRole("button", { name: "Accept" }).waitFor();
  await bob.page.bringToFront();
  await bob.page.locator(".bet").getByRole("button", { name: "Accept" }).click();
  await ada.page.locator(".bet").filter({ hasText: "holds" }).waitFor();
  await looksFine(story, ada, "owe-drahn-bet");

  story.step("both are ready, and a life is given");
  await ada.isTold("Are you ready?");
  await ada.press("ready");
  await ada.isTold("Waiting until all are ready");
  await bob.press("ready");
  const first = await nextOf([ada, bob]);
  await first.press("owe");
  await first.isTold("Your turn: choose who goes on.");
  await first.page.getByRole("img", { name: "5 lives" }).first().waitFor();
  await looksFine(story, first, "owe-drahn");

  story.step("a page that is loaded anew is to choose as before");
  await first.page.reload();
  await first.hasState("open");
  await first.isTold("Your turn: choose who goes on.");
  await chooseFirst(first);
  await awaitStatus(first, /^(?!Your turn)/);

  story.step("to the end");
  for (let one = await nextOf([ada, bob]); one; one = await nextOf([ada, bob])) await takeDrahnTurn(one);
  await Promise.all([ada, bob].map((one) => awaitStatus(one, /won\./)));
  const points = (await ada.page.locator(".players .player-points").allTextContents()).map((text) => Number(text.replace("−", "-")));
  assert.equal(points.reduce((sum, one) => sum + one, 0), 0, points.join(" "));
  assert.ok(Math.max(...points.map(Math.abs)) >= 8, `the bet is in it: ${points}`);
  await ada.page.locator(".player[data-winner]").waitFor();

  story.step("and another one");
  await ada.press("ready");
  await bob.press("ready");
  for (const player of [ada, bob]) await awaitStatus(player, /^(Your turn|Waiting for)/);
});
