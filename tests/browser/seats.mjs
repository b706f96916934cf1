// node seats.mjs {"url"}: somebody who watches waits for a seat, and gets it when a player leaves.
import assert from "node:assert/strict";
import { LEFT_COLUMN, play } from "./player.mjs";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const players = ["Ada", "Bob", "Cleo", "Dan"].map(async (name) => (await story.player(name)).enter());
  const [ada, bob, cleo, dan] = await Promise.all(players);
  const roomId = await ada.create();
  await bob.join(roomId);
  await cleo.watches(roomId);
  await dan.watches(roomId);
  for (const player of [ada, cleo]) await player.at("spectators").filter({ hasText: /^2$/ }).waitFor();

  story.step("two queue for a seat, and one thinks better of it");
  await dan.press("queue");
  await dan.at("match-note").filter({ hasText: "You get the next free seat." }).waitFor();
  assert.equal(await dan.at("queue").textContent(), "Leave the queue");
  await cleo.press("queue");
  await cleo.at("match-note").filter({ hasText: "1 before you in the queue." }).waitFor();
  await ada.seesOf("Cleo", "place 2 in the queue");
  await dan.press("queue");
  await cleo.at("match-note").filter({ hasText: "You get the next free seat." }).waitFor();

  story.step("the match is over, a player leaves, and the first of the queue plays");
  await play([ada, bob], LEFT_COLUMN.slice(0, 2), [cleo, dan]);
  await bob.press("leave");
  await cleo.at("status").filter({ hasText: /^(Your turn|Waiting for Ada)/ }).waitFor();
  for (const player of [ada, dan]) await player.at("seat-1").filter({ hasText: "Cleo" }).waitFor();
  await ada.at("spectators").filter({ hasText: /^1$/ }).waitFor();
  const order = (await ada.at("status").textContent()).startsWith("Your") ? [ada, cleo] : [cleo, ada];
  await play(order, LEFT_COLUMN, [dan]);
  assert.equal(await cleo.at("queue").isVisible(), false);

  story.step("a free seat that nobody waits for is taken where it is; there is nothing to queue for");
  await dan.at("queue").waitFor();
  assert.equal(await dan.at("take-seat").count(), 0);
  await ada.press("leave");
  await dan.at("queue").waitFor({ state: "hidden" });
  await dan.press("take-seat");
  await dan.at("seat-0").filter({ hasText: "Dan" }).waitFor();
  for (const button of ["queue", "take-seat"]) assert.equal(await dan.at(button).isVisible(), false, button);
});
