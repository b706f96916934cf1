// node levers.mjs {"url"}: the buttons that make trouble say what comes of it, and promise nothing that cannot be.
import assert from "node:assert/strict";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.step("a switch that cannot be says that it tries, and why not");
  const ada = await (await story.player("Ada")).enter();
  await ada.isOver("WebTransport");
  await ada.press("block-udp");
  await ada.isOver("WebSocket");
  const [button, note] = [ada.at("switch"), ada.page.locator("#switch-note")];
  await ada.press("switch");
  await ada.page.locator("#switch[aria-busy=true]").waitFor();
  assert.match(await button.textContent(), /^Switching/);
  assert.match(await note.textContent(), /^Trying WebTransport; the session goes on over WebSocket meanwhile\.$/);
  // Impatience ends nothing. It is no click, which would wait until it can be pressed.
  await button.dispatchEvent("click");
  await ada.page.locator("#switch-note[data-tone=bad]").waitFor();
  const why = "UDP is blocked, so WebTransport does not get through. The session stays on WebSocket.";
  assert.equal(await note.textContent(), why);
  assert.equal(await button.textContent(), "Switch transport");
  const failed = (await ada.log()).filter(({ type }) => type === "move_failed");
  assert.deepEqual(failed.map(({ text }) => text), ["Could not move to WebTransport: WebTransport does not get through."]);

  story.step("what has changed is not held against it");
  await ada.press("block-udp");
  await ada.isOver("WebTransport");
  await note.filter({ hasText: /^Moves the living session to WebSocket/ }).waitFor();
  await ada.press("switch");
  await ada.isOver("WebSocket");
  assert.equal(await note.getAttribute("data-tone"), null);
  assert.ok(!(await ada.log()).some(({ text }) => text.includes("given up")));

  story.step("a browser without WebTransport has nothing to switch, and says so");
  const old = await story.window();
  await old.addInitScript(() => delete window.WebTransport);
  const bob = await (await story.player("Bob", { context: old })).enter();
  for (const id of ["block-udp", "switch"]) {
    assert.equal(await bob.at(id).isDisabled(), true, id);
    const described = await bob.page.locator(`#${await bob.at(id).getAttribute("aria-describedby")}`).textContent();
    assert.match(described, /^Not here: this browser has no WebTransport/, id);
    assert.equal(await bob.at(id).getAttribute("title"), described, id);
  }
  assert.equal(await bob.at("cut").isDisabled(), false);
});
