// node doors.mjs {"url"}: who gets into a room: by an invite, by a password, and not any more once they were sent out.
import assert from "node:assert/strict";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const ada = await (await story.player("Ada")).enter();

  story.step("a private room is in no list, and not there for a stranger");
  const secret = await ada.create({ visibility: "private", "room-name": "Secret" });
  await ada.at("facts").filter({ hasText: "private" }).waitFor();
  const bob = await story.player("Bob", { path: `/?room=${secret}` });
  await bob.enter();
  await bob.page.locator("#lobby-error").filter({ hasText: /\w+ .*\./ }).waitFor();
  await bob.page.getByText("No rooms yet.").waitFor();

  story.step("an invite lets him in, in the tab that he has open, and its code does not stay in the address");
  const link = await ada.link();
  assert.match(link, new RegExp(`/#room=${secret}&invite=\\w{20}$`));
  assert.equal(await ada.page.locator("#invite-code svg").count(), 1);
  await bob.page.evaluate((link) => (location.href = link), link);
  assert.equal(await bob.roomId(), secret);
  assert.equal(bob.page.url(), `${story.about.url}/`);

  story.step("he is sent out; neither the address nor the old invite lets him in, a new one does");
  await ada.does("kick", "Bob");
  await bob.page.locator("body[data-view=lobby]").waitFor();
  await bob.page.locator("#notice").filter({ hasText: /\w+ .*\./ }).waitFor();
  await ada.seesNo("Bob");
  await bob.page.evaluate((link) => (location.href = link), link);
  await bob.page.locator("#lobby-error").filter({ hasText: "You were sent out of this room." }).waitFor();
  const next = await ada.link();
  assert.notEqual(next, link);
  await bob.page.evaluate((link) => (location.href = link), next);
  assert.equal(await bob.roomId(), secret);

  story.step("he is banned, and no invite helps until he is let in again");
  await ada.does("ban", "Bob");
  await bob.page.locator("body[data-view=lobby]").waitFor();
  const third = await ada.link({ invite: true });
  await bob.page.evaluate((link) => (location.href = link), third);
  await bob.page.locator("#lobby-error").filter({ hasText: "You are banned from this room." }).waitFor();
  await ada.press("settings");
  await ada.page.getByRole("button", { name: "Let Bob in again" }).click();
  await ada.page.locator("#settings-banned li").waitFor({ state: "detached" });
  await ada.press("settings-go");
  await bob.page.evaluate((link) => (location.href = link), third);
  assert.equal(await bob.roomId(), secret);
  await bob.press("leave");

  story.step("the owner opens the door, with a password");
  await ada.press("settings");
  await ada.at("settings-visibility").selectOption("public");
  await ada.at("settings-password").fill("open sesame");
  await ada.press("settings-go");
  await ada.at("facts").filter({ hasText: "has a password" }).waitFor();
  const cleo = await (await story.player("Cleo")).enter();
  await cleo.at(`room-${secret}`).filter({ hasText: "password" }).waitFor();
  await cleo.press(`room-${secret}`);
  await cleo.at("password").fill("open barley");
  await cleo.press("password-go");
  await cleo.page.locator("#password-error").filter({ hasText: "That is not the password." }).waitFor();
  await cleo.at("password").fill("open sesame");
  await cleo.press("password-go");
  assert.equal(await cleo.roomId(), secret);

  story.step("a locked room takes nobody else; its owner gives it away");
  await ada.press("settings");
  await ada.at("settings-locked").check();
  await ada.at("settings-open").check();
  await ada.press("settings-go");
  await cleo.at("facts").filter({ hasText: "locked" }).waitFor();
  assert.doesNotMatch(await cleo.at("facts").textContent(), /password/);
  const dan = await (await story.player("Dan")).enter();
  await dan.press(`watch-${secret}`);
  await dan.page.locator("#lobby-error").filter({ hasText: /\w+ .*\./ }).waitFor();
  await ada.does("transfer", "Cleo");
  await ada.seesOf("Cleo", "owner");
  await cleo.at("settings").waitFor();
  await ada.at("settings").waitFor({ state: "hidden" });
});
