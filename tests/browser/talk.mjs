// node talk.mjs {"url"}: two people talk at a table: what they say is text, may be changed and taken back, and is there
// for who comes later.
import assert from "node:assert/strict";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const ada = await (await story.player("Ada")).enter();
  const bob = await (await story.player("Bob")).enter();
  const roomId = await ada.create();
  await bob.join(roomId);
  const both = [ada, bob];

  story.step("what one writes, and that one writes, is seen by the other");
  await bob.at("chat-text").pressSequentially("<b>Hello</b>");
  await ada.at("chat-typing").filter({ hasText: "Bob is writing" }).waitFor();
  await bob.press("chat-send");
  for (const player of both) await player.line("<b>Hello</b>").waitFor();
  await ada.at("chat-typing").filter({ hasNotText: /./ }).waitFor({ state: "attached" });
  assert.equal(await ada.page.locator("#chat-lines .line-text b").count(), 0);

  story.step("Enter sends, Shift and Enter is a new line");
  await ada.page.bringToFront();
  await ada.at("chat-text").focus();
  await ada.page.keyboard.type("One");
  await ada.page.keyboard.press("Shift+Enter");
  await ada.page.keyboard.type("two");
  await ada.page.keyboard.press("Enter");
  for (const player of both) await player.line("One two").waitFor();

  story.step("it is changed, and taken back");
  await ada.line("One two").getByTestId("chat-edit").click();
  await ada.at("chat-text").fill("Three");
  await ada.press("chat-send");
  for (const player of both) await player.line("Three").filter({ hasText: "changed" }).waitFor();
  await ada.line("Hello").getByTestId("chat-delete").click();
  for (const player of both) await player.line("Taken back.").waitFor();
  assert.equal(await bob.line("Three").getByTestId("chat-delete").isVisible(), false);

  story.step("what is too long is not sent, and not lost");
  await bob.says("y".repeat(2001));
  await bob.page.locator("#chat-error").filter({ hasText: "too long by 1 byte." }).waitFor();
  assert.equal((await bob.at("chat-text").inputValue()).length, 2001);
  await bob.at("chat-text").fill("");

  story.step("who comes later reads it, and the older lines on demand");
  for (let line = 1; line <= 25; line += 1) {
    await bob.says(`line ${line}.`);
    await ada.line(`line ${line}.`).waitFor();
  }
  await bob.page.reload();
  await bob.line("line 25.").waitFor();
  assert.equal(await bob.line("Three").count(), 0);
  await bob.press("chat-older");
  await bob.line("Three").waitFor();
  const texts = await bob.page.locator("#chat-lines .line-text").allTextContents();
  const expected = Array.from({ length: 25 }, (_, at) => `line ${at + 1}.`);
  assert.deepEqual(texts, ["Taken back.", "Three", ...expected]);

  story.step("who is muted cannot, until they can again");
  await ada.does("mute", "Bob");
  await bob.page.locator("#chat-text:disabled").waitFor();
  await ada.does("unmute", "Bob");
  await bob.page.locator("#chat-text:enabled").waitFor();
  await bob.says("Thank you.");
  await ada.line("Thank you.").waitFor();
});
