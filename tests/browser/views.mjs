// node views.mjs {"url","relay","folder","all"}: every view of the demo, on a desktop and on phones, light and
// dark: nothing that axe finds wrong, nothing wider than the window. Without "all", Firefox does not look at what is
// dark: the colours are the same everywhere. Leaves pictures in the folder. Tells {"views"}: how many it looked at.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { IN_FIREFOX } from "./browser.mjs";
import { LEFT_COLUMN, goOn, play } from "./player.mjs";
import { WITHOUT_NETWORK, tellStory } from "./story.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const SMALL = { ...PHONE, width: 360 };
/**
 * What each tour is made with, and how each view of it is looked at: a name for the picture, the window, the colours.
 * Firefox has no phones, and its colours are chosen when it starts.
 */
const TOURS = IN_FIREFOX ? {
  light: { device: { colorScheme: "light" }, looks: [["desktop", DESKTOP, "light"], ["phone", PHONE, "light"]] },
  dark: { device: { colorScheme: "dark" }, looks: [["desktop", DESKTOP, "dark"], ["phone", PHONE, "dark"]] },
} : {
  desktop: { device: { viewport: DESKTOP }, looks: [["desktop", DESKTOP, "light"], ["desktop", DESKTOP, "dark"]] },
  phone: {
    device: { viewport: PHONE, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
    looks: [["phone", PHONE, "light"], ["phone", PHONE, "dark"], ["small", SMALL, "light"], ["small", SMALL, "dark"]],
  },
};

const found = [];
let views = 0;

await tellStory(async (story) => {
  story.step("axe finds what is wrong, if anything is");
  const wrong = await story.tab(null, "a page that is wrong");
  await wrong.goto(story.about.url);
  await wrong.evaluate(() => document.body.append(document.createElement("input")));
  assert.ok((await violations(wrong)).some((text) => /^label: .*input/.test(text)));

  const rival = await (await story.player("Bob")).enter();
  for (const [name, tour] of Object.entries(TOURS)) {
    if (story.about.all || name !== "dark") await goRound(story, name, tour, rival);
  }
  assert.deepEqual(found, [], "what is wrong with the views");
  return { views };
});

/** Through all views on one device. */
async function goRound(story, tour, { device, looks }, rival) {
  const look = (player, view) => lookAt(story, looks, player, view);
  const context = await story.window({ ...device, reducedMotion: "reduce" });
  const ada = await story.player("Ada", { context, url: story.about.relay });

  story.step(`the door, ${tour}`);
  await ada.at("name").waitFor();
  await look(ada, "entry");
  await ada.at("name").fill("x".repeat(40));
  await ada.press("enter");
  await ada.page.locator("#name-error").filter({ hasText: /./ }).waitFor();
  await look(ada, "entry-refused");
  await ada.enter();
  await ada.page.getByText("No rooms yet.").waitFor();
  await look(ada, "lobby-empty");

  story.step(`the lobby, ${tour}`);
  const extras = [];
  for (const name of ["Cleo", "A name of thirty-two characters."]) {
    const extra = await (await story.player(name)).enter();
    await extra.create();
    extras.push(extra);
  }
  await rival.join(await extras[0].roomId());
  const full = ada.at(`room-${await extras[0].roomId()}`);
  await full.filter({ hasText: "2 of 2 players · kept" }).waitFor();
  await ada.page.bringToFront();
  await full.click();
  await ada.page.locator("#lobby-error").filter({ hasText: /./ }).waitFor();
  await look(ada, "lobby-refused");
  await rival.press("leave");
  await ada.press("create");
  await ada.at("create-go").waitFor();
  await look(ada, "create");
  await ada.page.keyboard.press("Escape");
  const closed = await (await story.player("Dora")).enter();
  extras.push(closed);
  const closedId = await closed.create({ "create-password": "open sesame" });
  await ada.press(`room-${closedId}`);
  await ada.at("password").fill("open barley");
  await ada.press("password-go");
  await ada.page.locator("#password-error").filter({ hasText: /./ }).waitFor();
  await look(ada, "password");
  await ada.page.keyboard.press("Escape");

  story.step(`the table, ${tour}`);
  const roomId = await ada.create();
  assert.equal(await ada.at("kept").textContent(), " · kept");
  await look(ada, "room-waiting");
  await ada.press("invite");
  await ada.page.locator("#invite-code svg").waitFor();
  await look(ada, "invite");
  await ada.press("invite-close");
  await ada.press("settings");
  await ada.at("settings-go").waitFor();
  await look(ada, "settings");
  await ada.page.keyboard.press("Escape");
  await rival.join(roomId);
  await ada.isTold("Your turn");
  const board = await play([ada, rival], LEFT_COLUMN.slice(0, 4));
  await extras[0].press("leave");
  await extras[0].watches(roomId);
  await ada.watcher("Cleo").waitFor();
  await extras[0].press("queue");
  await ada.says("Hello! Have you played here before?");
  await rival.says("Once or twice.");
  await rival.at("chat-text").pressSequentially("It is");
  await ada.line("Once or twice.").waitFor();
  await ada.at("chat-typing").filter({ hasText: "writing" }).waitFor();
  await ada.watcher("next for a seat").waitFor();
  await look(ada, "room-playing");
  await ada.at("seat-1").getByTestId("menu").click();
  await look(ada, "room-menu");
  await ada.page.keyboard.press("Escape");
  await extras[0].press("queue");
  await ada.press("pause");
  await ada.isTold("The match is paused.");
  await look(ada, "room-paused");
  await ada.press("unpause");
  await rival.page.reload();
  await rival.hasState("open");

  story.step(`the connection is away, ${tour}`);
  story.expect(...WITHOUT_NETWORK);
  await story.ask("unplug", { on: true });
  await ada.hasState("resuming");
  await ada.page.getByText("The connection is gone; trying again.").waitFor();
  await look(ada, "reconnecting");
  await rival.isTold("Ada is away; their seat is kept for 7 days.");
  if (tour === "desktop") await look(rival, "room-away");
  await story.ask("unplug", { on: false });
  await ada.hasState("open");
  await rival.isTold("Waiting for Ada");

  story.step(`the end, ${tour}`);
  await goOn([ada, rival], board, LEFT_COLUMN.slice(4));
  await ada.isTold("You won.");
  await look(ada, "room-won");
  await rival.press("leave");
  await ada.press("leave");
  await ada.press("bot");
  await ada.isTold("Your turn");
  await look(ada, "room-bot");
  await ada.press("leave");
  // What drives Firefox cannot choose from lists.
  if (!IN_FIREFOX) await lookAtParlor(story, look, ada, rival);
  const watched = await extras[1].roomId();
  await ada.watches(watched);
  await look(ada, "room-watching");
  await takeOver(story, ada);
  await ada.page.locator("body[data-view=closed]").waitFor();
  await look(ada, "closed");
  // The next tour begins in an empty lobby.
  for (const extra of extras) await extra.press("leave");
  for (const player of [...extras, ada]) await player.page.close();
}

/** A game without a board, with long names, long words, and more who watch than are shown. */
async function lookAtParlor(story, look, ada, rival) {
  await ada.press("create");
  await ada.at("create-game").selectOption("parlor");
  await ada.at("option-rounds").fill("12");
  await ada.press("create-go");
  await ada.page.locator("#create-error").filter({ hasText: /./ }).waitFor();
  await look(ada, "create-refused");
  await ada.at("option-rounds").fill("9");
  await ada.at("room-name").fill("M".repeat(32));
  await ada.press("create-go");
  const roomId = await ada.roomId();
  const long = await (await story.player("W".repeat(32))).enter();
  for (const one of [rival, long]) await one.join(roomId);
  await long.says("m".repeat(900));
  await long.says("Two\n\nlines");
  const crowd = await crowdIn(story, roomId);
  await ada.at("spectators").filter({ hasText: /^12$/ }).waitFor();
  await ada.line("lines").waitFor();
  await look(ada, "room-ready");
  await ada.press("spectators-more");
  await look(ada, "room-crowd");
  for (const one of [ada, rival, long]) await one.press("ready");
  await ada.isTold("A match is being played");
  await long.page.goto(`${story.about.url}/healthz`);
  await ada.isTold(`${long.name} is away. Go on without them?`);
  await look(ada, "room-vote");
  await crowd.evaluate(() => window.crowd.forEach((lobby) => lobby.close()));
  await long.page.goto(story.about.url);
  await long.roomId();
  for (const one of [rival, ada, long]) await one.press("leave");
  for (const page of [long.page, crowd]) await page.close();
}

/** A page whose sessions watch a room. */
async function crowdIn(story, roomId) {
  const page = await story.tab(null, "a crowd");
  await page.goto(`${story.about.url}/healthz`);
  await page.evaluate(async ({ roomId, name }) => {
    const { connect } = await import("/sdk/anteroom.js");
    window.crowd = await Promise.all(Array.from({ length: 12 }, async (_, at) => {
      const own = at % 3 ? `Guest ${at}` : name;
      const lobby = await connect(undefined, { name: own, transport: "websocket", storage: null });
      await lobby.joinRoom(roomId, { as: "spectator" });
      return lobby;
    }));
  }, { roomId, name: "M".repeat(32) });
  return page;
}

/** Goes on with somebody's session elsewhere, which ends it in their page. */
async function takeOver(story, player) {
  const stored = await player.page.evaluate(() => ({ ...sessionStorage }));
  const thief = await story.tab(null, "elsewhere");
  await thief.goto(`${story.about.relay}/healthz`);
  await thief.evaluate(async (stored) => {
    for (const [key, value] of Object.entries(stored)) sessionStorage.setItem(key, value);
    const { connect } = await import("/sdk/anteroom.js");
    const lobby = await connect();
    if (!lobby.restored) throw new Error("the session was not taken over");
    lobby.close();
  }, stored);
  await thief.close();
}

/** In all its looks. */
async function lookAt(story, looks, player, view) {
  const { page } = player;
  await page.bringToFront();
  for (const [name, viewport, colorScheme] of looks) {
    const place = `${view}-${name}-${colorScheme}`;
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(() => Promise.all(document.getAnimations()
      .filter((animation) => animation.effect.getComputedTiming().endTime !== Infinity)
      .map((animation) => animation.finished.catch(() => {}))));
    // Beside what the page has there is a bar for scrolling, on some systems.
    const { window, page: shown, wide } = await page.evaluate(() => {
      const { clientWidth, scrollWidth } = document.documentElement;
      return { window: innerWidth, page: clientWidth, wide: scrollWidth };
    });
    if (window !== viewport.width || wide !== shown) found.push(`${place}: ${wide} wide in ${shown} of ${window}`);
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: join(story.about.folder, `${place}.png`), fullPage: true });
    if (name !== "small") found.push(...(await violations(page)).map((text) => `${place}: ${text}`));
    assert.match(await page.title(), /Anteroom/);
    views += 1;
  }
}

/** What axe finds wrong. */
async function violations(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`));
}
