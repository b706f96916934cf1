// node parlor.mjs {"url"}: a game that the page has no board for: it is set up by a form, begins when all are ready,
// and goes on without somebody who is away if those who are left vote for it.
import assert from "node:assert/strict";
import { ICON_OF_A_PAGE_LEFT, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.expect(...ICON_OF_A_PAGE_LEFT);
  const players = ["Ada", "Bob", "Cleo"].map(async (name) => (await story.player(name)).enter());
  const [ada, bob, cleo] = await Promise.all(players);

  story.step("its options are asked for, and the game has them");
  await ada.press("create");
  await ada.at("create-game").selectOption("parlor");
  await ada.at("option-mode").selectOption("quick_fire");
  await ada.at("option-rounds").fill("12");
  await ada.press("create-go");
  const refusal = ada.page.locator("#create-error");
  await refusal.filter({ hasText: "Rounds: a whole number from 1 to 9 is needed." }).waitFor();
  await ada.at("option-rounds").fill("7");
  await ada.press("create-go");
  const roomId = await ada.roomId();
  assert.deepEqual(JSON.parse(await ada.page.locator("#raw-view").textContent()), { mode: "quick_fire", rounds: 7 });

  story.step("one is ready alone; with two more the match waits until all are");
  await ada.at("match-note").filter({ hasText: "The match needs 2 of 4 players." }).waitFor();
  await ada.press("ready");
  await ada.page.locator("#ready[aria-pressed=true]").waitFor();
  for (const one of [bob, cleo]) await one.join(roomId);
  await ada.at("match-note").filter({ hasText: "Waiting until Bob and Cleo are ready." }).waitFor();
  await ada.seesOf("Ada", "ready");
  await bob.press("ready");
  await cleo.at("match-note").filter({ hasText: "Waiting until Cleo is ready." }).waitFor();

  story.step("somebody moves to another seat");
  await cleo.press("sit-3");
  await ada.at("seat-3").filter({ hasText: "Cleo" }).waitFor();

  story.step("all are ready, and it begins");
  await cleo.press("ready");
  for (const one of [ada, bob, cleo]) await one.isTold("A match is being played");
  await ada.at("ready").waitFor({ state: "hidden" });

  story.step("somebody goes away; the others vote, and a bot plays");
  await bob.page.goto(`${story.about.url}/healthz`);
  for (const one of [ada, cleo]) await one.isTold("Bob is away. Go on without them?");
  await ada.press("vote-yes");
  await ada.at("match-note").filter({ hasText: "You have voted. 1 to go on, 0 to wait." }).waitFor();
  assert.equal(await ada.at("vote-no").isVisible(), false);
  await cleo.at("match-note").filter({ hasText: "Without Bob: 1 to go on, 0 to wait." }).waitFor();
  await cleo.press("vote-yes");
  for (const one of [ada, cleo]) await one.isTold("A match is being played");
  await ada.seesOf("Bob", "a bot plays");
});
