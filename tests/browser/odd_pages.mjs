// node odd_pages.mjs {"url","guarded"}: browsers without this or that, pages of another version, and input
// that nobody can take: each time there is a game, or a sentence. `guarded` is a server that wants tokens.
import assert from "node:assert/strict";
import { LEFT_COLUMN, play } from "./player.mjs";
import { Proxy } from "./proxy.mjs";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const bob = await (await story.player("Bob")).enter();

  story.step("a browser without WebTransport");
  const old = await story.window();
  await old.addInitScript(() => delete window.WebTransport);
  const ada = await (await story.player("Ada", { context: old })).enter();
  await ada.isOver("WebSocket");
  await bob.join(await ada.create());
  await play([ada, bob], LEFT_COLUMN);
  await ada.press("cut");
  await ada.hasLogged("resumed");
  await ada.isOver("WebSocket");

  story.step("a browser whose storage is turned off");
  const forgetful = await story.window();
  await forgetful.addInitScript(() => {
    for (const name of ["sessionStorage", "localStorage"]) {
      const get = () => {
        throw new DOMException("Access is denied.", "SecurityError");
      };
      Object.defineProperty(window, name, { get });
    }
  });
  const cleo = await (await story.player("Cleo", { context: forgetful })).enter();
  await cleo.isOver("WebTransport");
  const roomId = await cleo.create();
  await cleo.press("cut");
  await cleo.hasLogged("resumed");
  await bob.press("leave");
  await bob.join(roomId);
  await play([cleo, bob], LEFT_COLUMN);
  // What is not stored does not outlive the page, which asks for a name again.
  await cleo.page.reload();
  await cleo.at("name").waitFor();
  await cleo.enter();

  for (const [words, years] of [["behind", -3], ["ahead", 40]]) {
    story.step(`a clock that is years ${words}`);
    const shifted = await story.window();
    await shifted.addInitScript((years) => {
      const right = Date.now.bind(Date);
      Date.now = () => right() + years * 365 * 86_400_000;
    }, years);
    const dan = await (await story.player("Dan", { context: shifted })).enter();
    await dan.isOver("WebTransport");
    await dan.page.locator("#notice").filter({ hasText: "The clock of this device is wrong" }).waitFor();
    await dan.create();
    await dan.press("cut");
    await dan.hasLogged("resumed");
    await dan.page.reload();
    await dan.hasState("open");
    await dan.roomId();
    await dan.press("leave");
  }

  story.step("names that nobody can have, and names that people have");
  const eve = await story.player("Eve");
  await eve.at("name").fill("   ");
  await eve.press("enter");
  await eve.page.locator("#name-error").filter({ hasText: "Enter a name first" }).waitFor();
  for (const name of ["x".repeat(40), "one\u2028two", "\u202Edrow"]) {
    await eve.at("name").fill(name);
    await eve.press("enter");
    await eve.page.locator("#name-error").filter({ hasText: /\w+ .*\./ }).waitFor();
    assert.equal(await eve.at("name").getAttribute("aria-invalid"), "true");
  }
  await eve.enter("<b>Zoë</b> 🦊");
  assert.equal(await eve.page.locator("#whoami b").textContent(), "<b>Zoë</b> 🦊");
  await eve.press("create");
  await eve.at("room-name").fill("y".repeat(100));
  await eve.press("create-go");
  await eve.page.locator("#create-error").filter({ hasText: /\w+ .*\./ }).waitFor();
  assert.equal(await eve.at("room-name").getAttribute("aria-invalid"), "true");
  await eve.page.keyboard.press("Escape");

  story.step("a room that is not there, and one that is full");
  const late = await story.player("Late", { path: "/?room=zzzzzzzzzz" });
  await late.enter();
  await late.page.locator("#lobby-error").filter({ hasText: /\w+ .*\./ }).waitFor();

  story.step("a message that is too large, and others that are refused: typed errors");
  const refusals = await eve.page.evaluate(tryWhatIsRefused);
  assert.deepEqual(
    refusals.map(({ code, retryable }) => [code, retryable]),
    [
      ["message_too_large", false],
      ["not_playing", true],
      ["room_not_found", false],
      ["game_not_found", false],
      ["aborted", false],
    ],
  );
  for (const { code, name, message } of refusals) {
    assert.equal(name, "AnteroomError", code);
    assert.match(message, /^[A-Z\d].+\.$/, code);
  }

  story.step("a token that is refused");
  const guest = await story.tab(null, "a guest");
  await guest.goto(story.about.guarded);
  const refusal = await guest.evaluate(async () => {
    const { connect } = await import("/sdk/anteroom.js");
    const error = await connect(undefined, { token: "nonsense" }).catch((error) => error);
    const { code, retryable, message, closeCode } = error;
    return { code, retryable, message, closeCode };
  });
  const { message: sentence, ...refused } = refusal;
  assert.deepEqual(refused, { code: "unauthorized", retryable: false, closeCode: 4505 });
  assert.match(sentence, /^[A-Z].+\.$/);

  story.step("a page that is older than the server");
  const proxy = await Proxy.start(story.about.url);
  try {
    proxy.rewrite("/sdk/anteroom.js", (text) => {
      assert.ok(text.includes("{version:1,"));
      return text.replace("{version:1,", "{version:99,");
    });
    const past = await story.player("Past", { url: proxy.url });
    await past.at("name").fill("Past");
    await past.press("enter");
    await past.page.locator("#name-error").filter({ hasText: /version/i }).waitFor();
    await past.hasState("closed");
  } finally {
    proxy.stop();
  }
});

/** In a page: what is refused, as the errors say it. */
async function tryWhatIsRefused() {
  const { AnteroomError, connect } = await import("/sdk/anteroom.js");
  const lobby = await connect(undefined, { name: "Sent", storage: null });
  const room = await lobby.createRoom({ game: "relay" });
  const table = await lobby.createRoom({ game: "tic_tac_toe" });
  const given = new AbortController();
  given.abort();
  const errors = [];
  for (const attempt of [
    () => room.send("send", { payload: "z".repeat(lobby.limits.message_bytes_max) }),
    () => table.send("make_move", { row: 0, col: 0 }),
    () => lobby.joinRoom("zzzzzzzzzz"),
    () => lobby.createRoom({ game: "chess" }),
    () => lobby.quickJoin("relay", { signal: given.signal }),
  ]) {
    try {
      await attempt();
    } catch (error) {
      const { name, code, message, retryable } = error;
      const kind = error instanceof AnteroomError ? name : `not an AnteroomError: ${name}`;
      errors.push({ name: kind, code, message, retryable });
    }
  }
  // None of this has done anything to the session.
  await lobby.ping();
  lobby.close();
  return errors;
}
