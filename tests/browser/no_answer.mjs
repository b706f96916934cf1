// node no_answer.mjs {"url","relay"}: the page is there, and then nothing answers any more: whoever enters,
// or comes back, is told in the end, and can try again.
import assert from "node:assert/strict";
import { WITHOUT_NETWORK, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const { relay } = story.about;
  story.expect(...WITHOUT_NETWORK);
  const ada = await story.player("Ada", { url: relay });

  story.step("nothing answers at the door");
  await story.ask("unplug", { on: true });
  await ada.at("name").fill("Ada");
  await ada.press("enter");
  await ada.hasState("connecting");
  await ada.page.locator("#name-error").filter({ hasText: /^[A-Z].+\.$/ }).waitFor();
  await ada.hasState("closed");
  assert.equal(await ada.at("name").inputValue(), "Ada");
  await story.ask("unplug", { on: false });
  await ada.enter();

  story.step("the page of somebody who has entered is loaded anew, and its server is gone");
  const context = await story.window();
  const bob = await (await story.player("Bob", { context, url: relay })).enter();
  const roomId = await bob.create();
  // The page itself still comes, as from a cache; what it asks for does not.
  await context.route("**/api/certificate", (route) => route.abort("connectionrefused"));
  await context.routeWebSocket(/\/ws$/, (socket) => socket.close());
  story.expect("error: Failed to load resource: net::ERR_CONNECTION_REFUSED");
  await bob.page.reload();
  await bob.page.locator("body[data-view=closed]").waitFor();
  await bob.page.locator("#closed-reason").filter({ hasText: /^[A-Z].+\.$/ }).waitFor();

  story.step("it is back, and so is the seat");
  await context.unrouteAll();
  await bob.page.reload();
  await bob.hasState("open");
  assert.equal(await bob.roomId(), roomId);
});
