// node restart.mjs {"url","folder"}: a server that keeps rooms is killed in the middle of a move, and is stopped; the match
// goes on when it is back, and the pages say what is true all along. Leaves pictures in the folder.
import assert from "node:assert/strict";
import { join } from "node:path";
import { LEFT_COLUMN, goOn, play } from "./player.mjs";
import { WITHOUT_NETWORK, WITH_THE_PAGE, tellStory } from "./story.mjs";

const KEPT = "Your game is kept; reconnecting…";
const LOOKS = [
  ["desktop", { width: 1280, height: 800 }, "light"], ["desktop", { width: 1280, height: 800 }, "dark"],
  ["phone", { width: 390, height: 844 }, "light"], ["phone", { width: 390, height: 844 }, "dark"],
];

await tellStory(async (story) => {
  story.expect(...WITHOUT_NETWORK, ...WITH_THE_PAGE, "error: Failed to load resource: net::ERR_CONNECTION_REFUSED");
  const context = await story.window();
  const ada = await (await story.player("Ada", { context })).enter();
  const bob = await (await story.player("Bob", { context })).enter();
  const players = [ada, bob];
  const roomId = await ada.create();
  await bob.at(`room-${roomId}`).filter({ hasText: "1 of 2 players · kept" }).waitFor();
  await bob.join(roomId);
  const board = await play(players, LEFT_COLUMN.slice(0, 2));
  for (const player of players) assert.equal(await player.at("kept").textContent(), " · kept");

  story.step("it is killed in the middle of a move");
  await ada.page.bringToFront();
  await Promise.all([ada.at("cell-1-0").click(), story.ask("kill")]);
  board.put(1, 0);
  for (const player of players) {
    await player.hasState("resuming");
    await player.page.getByText(`The server does not answer. ${KEPT}`).waitFor();
    assert.equal(await player.roomId(), roomId);
  }
  await pictures(story, ada, "killed");

  story.step("it is back: both are in their seats, and the move is on the board, once");
  await story.ask("start");
  for (const player of players) {
    await player.hasState("open");
    await player.sees(String(board));
    assert.equal(await player.roomId(), roomId);
    assert.equal(await player.page.locator("#whoami b").textContent(), player.name);
  }
  await ada.page.getByText("Connected again.").waitFor();
  await bob.isTold("Your turn");

  story.step("it is stopped, and says so; a move is made while it is away");
  await story.ask("stop");
  for (const player of players) {
    await player.hasState("resuming");
    await player.page.getByText(`The server is away. ${KEPT}`).waitFor();
  }
  await bob.plays(1, 1);
  await bob.page.getByText("A move you make now is sent when the connection is back.").waitFor();
  await pictures(story, bob, "away");
  await story.ask("start");
  board.put(1, 1);
  for (const player of players) {
    await player.hasState("open");
    await player.sees(String(board));
  }

  story.step("a page that was loaded anew while it was away is in its seat as well");
  await story.ask("kill");
  await ada.hasState("resuming");
  await story.ask("start");
  await ada.page.reload();
  await ada.hasState("open");
  assert.equal(await ada.roomId(), roomId);
  // Bob has to be back first: who has been away since before Ada came is shown without a time.
  await bob.hasState("open");
  await ada.at("status").filter({ hasText: /^\s*Your turn\.?\s*$/ }).waitFor();

  story.step("who is away is waited for, and is told so in days");
  await bob.page.goto("about:blank");
  await ada.page.getByText("Bob is away; their seat is kept for 7 days.").waitFor();
  await bob.page.goBack();
  await bob.hasState("open");
  await goOn(players, board, LEFT_COLUMN.slice(4));
  await ada.isTold("You won.");
  await bob.isTold("Ada won.");
  for (const player of players) {
    const log = await player.log();
    assert.ok(!log.some(({ type }) => ["renewed", "closed"].includes(type)), JSON.stringify(log));
  }
});

/** What a page looks like, on a desktop and on a phone, light and dark. */
async function pictures(story, { page }, name) {
  await page.bringToFront();
  const before = page.viewportSize();
  for (const [device, viewport, colorScheme] of LOOKS) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const { wide, shown } = await page.evaluate(() => {
      const { clientWidth, scrollWidth } = document.documentElement;
      return { wide: scrollWidth, shown: clientWidth };
    });
    assert.equal(wide, shown, `${name} on a ${device}`);
    await page.screenshot({ path: join(story.about.folder, `server-${name}-${device}-${colorScheme}.png`), fullPage: true });
  }
  if (before) await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
}
