// node replay.mjs {"url","folder"}: a match that is recorded is played again, from the server and from a file, turn by turn, on the
// game's own page. Leaves pictures in the folder.
import assert from "node:assert/strict";
import { looksFine } from "./looks.mjs";
import { LEFT_COLUMN, play } from "./player.mjs";
import { WITH_THE_PAGE, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.expect(...WITH_THE_PAGE, /404/);
  const context = await story.window();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob", { context })).enter();

  story.step("a match is played in a room that is recorded");
  await ada.press("create");
  await ada.at("create-record").check();
  await ada.press("create-go");
  const roomId = await ada.roomId();
  await bob.join(roomId);
  await play([ada, bob], LEFT_COLUMN);
  for (const player of [ada, bob]) await player.press("leave");

  story.step("it is played again");
  await ada.press("recordings");
  const { page } = ada;
  await page.locator("#list a").first().click();
  await page.locator("#shown").waitFor();
  await page.getByText("everything came out as it did").waitFor();
  const marks = () => page.locator(".cell[data-mark]").count();
  const last = Number(await page.locator("#turn").getAttribute("max"));
  const seen = [];
  for (let turn = 0; turn <= last; turn += 1) {
    await page.locator("#turn").fill(String(turn));
    seen.push(await marks());
  }
  assert.deepEqual([...new Set(seen)].filter((count) => count <= 5), [0, 1, 2, 3, 4, 5], seen.join());
  await page.locator("#turn").fill(String(seen.indexOf(5)));
  await page.locator("#status").filter({ hasText: "Ada won." }).waitFor();
  await page.locator("#back").click();
  assert.equal(await marks(), 4);
  await page.locator("#events").waitFor();
  await looksFine(story, ada, "replay");

  story.step("by itself, to its end");
  await page.locator("#turn").fill("0");
  await page.locator("#play").click();
  await page.waitForFunction(() => document.getElementById("turn").value === document.getElementById("turn").max);
  await page.locator("#play[aria-pressed=false]").waitFor();

  story.step("from a file, and what is none is said to be none");
  const name = decodeURIComponent(new URL(page.url()).hash.slice(1));
  const text = await (await fetch(`${story.about.url}/api/recordings/${encodeURIComponent(name)}`)).text();
  const file = (name, text) => ({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  await page.locator("#file").setInputFiles(file("none.json", "{}"));
  await page.getByText("none.json is not what anteroom replay --json prints.").waitFor();
  await page.locator("#file").setInputFiles(file("match.json", text));
  await page.locator("#note").filter({ hasText: /^$/ }).waitFor({ state: "attached" });
  await page.locator("#turn").fill(String(seen.indexOf(5)));
  assert.equal(await marks(), 5);
  await page.goto(`${story.about.url}/replay#nothing`);
  await page.locator("#note").filter({ hasText: /recording/i }).waitFor();
});
