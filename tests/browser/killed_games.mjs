// node killed_games.mjs {"url"}: the server is killed in the middle of a turn of dice, and again in the middle of one of owe
// drahn; both go on where they were.
import assert from "node:assert/strict";
import { WITHOUT_NETWORK, WITH_THE_PAGE, tellStory } from "./story.mjs";
import { awaitStatus, chooseFirst, createOf, diceOf, nextOf, roll, selectScoring, takeDrahnTurn, takeTurn } from "./tables.mjs";

await tellStory(async (story) => {
  story.expect(...WITHOUT_NETWORK, ...WITH_THE_PAGE, "error: Failed to load resource: net::ERR_CONNECTION_REFUSED");
  const context = await story.window();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob", { context })).enter();
  const players = [ada, bob];
  const restart = async () => {
    await story.ask("kill");
    for (const player of players) await player.hasState("resuming");
    await story.ask("start");
    for (const player of players) await player.hasState("open");
  };

  story.step("dice: killed with dice selected");
  await bob.join(await createOf(ada, "dice", { target: 500 }));
  let thrown = [];
  let mover = null;
  while (thrown.length === 0) {
    mover = await nextOf(players);
    thrown = await roll(mover);
    if (thrown.length === 0) await awaitStatus(mover, /^(?!Bust: nothing)/);
  }
  const places = await selectScoring(mover);
  const worth = await mover.at("roll-score").textContent();
  await restart();
  for (const player of players) {
    assert.deepEqual(await diceOf(player), thrown);
    assert.equal(await player.at("roll-score").textContent(), worth);
  }
  for (const place of places) await mover.page.locator(`[data-testid=die-${place}][aria-pressed=true]`).waitFor();
  await mover.press("end-turn");
  await awaitStatus(mover, /^(?!Your turn)/);
  for (let one = await nextOf(players); one; one = await nextOf(players)) await takeTurn(one);
  for (const player of players) await player.press("leave");

  story.step("owe drahn: killed while somebody is to choose");
  await bob.join(await createOf(ada, "owe_drahn"));
  await ada.at("bet-propose").waitFor();
  await ada.press("bet-propose");
  await bob.page.bringToFront();
  await bob.page.locator(".bet").getByRole("button", { name: "Accept" }).click();
  await ada.page.locator(".bet").filter({ hasText: "holds" }).waitFor();
  for (const player of players) await player.press("ready");
  const first = await nextOf(players);
  await first.press("owe");
  await first.isTold("Your turn: choose who goes on.");
  await restart();
  await first.isTold("Your turn: choose who goes on.");
  await first.page.getByRole("img", { name: "5 lives" }).waitFor();
  await first.page.locator(".bet").filter({ hasText: "holds" }).waitFor();
  await chooseFirst(first);
  await awaitStatus(first, /^(?!Your turn)/);
  for (let one = await nextOf(players); one; one = await nextOf(players)) await takeDrahnTurn(one);
  const points = await ada.page.locator(".players .player-points").allTextContents();
  assert.deepEqual(points.map((text) => Math.abs(Number(text.replace("−", "-")))), [11, 11]);
});
