// node tabs.mjs {"url","relay"}: a tab that is duplicated is somebody else; a tab that slept wakes into its
// seat, or is told why not.
import assert from "node:assert/strict";
import { Board, LEFT_COLUMN, Player, goOn } from "./player.mjs";
import { WITHOUT_NETWORK, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.step("a duplicated tab is another player");
  const context = await story.plainWindow();
  const ada = await (await story.player("Ada", { context, url: story.about.relay })).enter();
  const roomId = await ada.create();
  const twin = await duplicate(story, context, ada);
  await twin.hasState("open");
  // It has the name, and nothing else: no seat, and no session.
  await twin.page.locator("body[data-view=lobby]").waitFor();
  await twin.join(roomId);
  const board = await goOn([ada, twin], new Board(), LEFT_COLUMN.slice(0, 2));
  for (const player of [ada, twin]) {
    await player.page.reload();
    await player.hasState("open");
    assert.equal(await player.roomId(), roomId);
  }
  await goOn([ada, twin], board, LEFT_COLUMN.slice(2));
  await ada.isTold("You won.");
  await twin.isTold("Ada won.");
  await twin.press("leave");
  await twin.page.close();

  story.step("a tab sleeps while its network is there");
  const bob = await (await story.player("Bob")).enter();
  await bob.join(roomId);
  for (const one of [ada, bob]) {
    await one.at("status").filter({ hasText: /^(Your turn|Waiting for)/ }).waitFor();
  }
  const order = (await ada.at("status").textContent()).startsWith("Your") ? [ada, bob] : [bob, ada];
  const next = new Board();
  await countTicks(ada);
  let front = await sleep(ada);
  await story.ask("silence");
  await wake(ada, front);
  // Nothing of the page ran meanwhile; that its connection lived on was the browser's doing.
  assert.ok((await longestPause(ada)) >= story.about.silence_ms);
  await goOn(order, next, LEFT_COLUMN.slice(0, 1));

  story.step("a tab sleeps longer than the silence limit, without a network");
  story.expect(...WITHOUT_NETWORK);
  front = await sleep(ada);
  await story.ask("unplug", { on: true });
  await bob.page.locator(".plate[data-away]").waitFor();
  await story.ask("unplug", { on: false });
  await wake(ada, front);
  await bob.page.locator(".plate[data-away]").waitFor({ state: "detached" });
  await ada.hasState("open");
  await goOn(order, next, LEFT_COLUMN.slice(1, 3));

  story.step("a tab sleeps longer than its seat is kept");
  front = await sleep(ada);
  await story.ask("unplug", { on: true });
  await bob.isTold("You won: the other player has left.");
  await story.ask("unplug", { on: false });
  await wake(ada, front);
  const seconds = story.about.grace_ms / 1_000;
  const told = `You were away for longer than ${seconds} s, so your session has ended. `
    + "A new session has begun under your name.";
  await ada.page.getByText(told).waitFor();
  await ada.page.locator("body[data-view=lobby]").waitFor();
  assert.equal(await ada.page.locator("#whoami b").textContent(), "Ada");
  await ada.join(roomId);
  await ada.at("status").filter({ hasText: /^(Your turn|Waiting for Bob)/ }).waitFor();
});

/** What "Duplicate tab" does: a new tab with a copy of the session's storage. */
async function duplicate(story, context, player) {
  const [page] = await Promise.all([
    context.waitForEvent("page"),
    player.page.evaluate(() => void window.open("/")),
  ]);
  story.watch(page, `${player.name} again`);
  return new Player(story, page, player.name);
}

/** Has the page do something ten times a second. */
async function countTicks({ page }) {
  await page.evaluate(() => {
    const ticks = { last: performance.now(), longest: 0 };
    Object.assign(window, { ticks });
    setInterval(() => {
      const now = performance.now();
      ticks.longest = Math.max(ticks.longest, now - ticks.last);
      ticks.last = now;
    }, 100);
  });
}

/** How long it did nothing, once it does something again. */
async function longestPause({ page }) {
  return page.evaluate(() => new Promise((done) => {
    const { last } = window.ticks;
    const look = setInterval(() => {
      if (window.ticks.last === last) return;
      clearInterval(look);
      done(window.ticks.longest);
    }, 10);
  }));
}

/** Another tab comes to the front, and the browser puts this one to sleep, as it does on a phone. */
async function sleep({ page }) {
  const front = await page.context().newPage();
  await front.bringToFront();
  await page.waitForFunction(() => document.visibilityState === "hidden", null, { polling: 20 });
  await lifecycle(page, "frozen");
  return front;
}

/** Somebody comes back to it. */
async function wake({ page }, front) {
  await lifecycle(page, "active");
  await front.close();
  await page.bringToFront();
}

async function lifecycle(page, state) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Page.setWebLifecycleState", { state });
  await devtools.detach();
}
