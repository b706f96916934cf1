// node server_gone.mjs {"url"}: a server that is not there, that is killed, and that is stopped; and that
// comes back.
import assert from "node:assert/strict";
import { LEFT_COLUMN, play } from "./player.mjs";
import { WITHOUT_NETWORK, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  story.step("nobody is there when Ada enters: she is told, and tries again");
  const ada = await story.player("Ada");
  await story.ask("kill");
  story.expect(...WITHOUT_NETWORK, "error: Failed to load resource: net::ERR_CONNECTION_REFUSED");
  // The browser may come to ask for the tab's picture only now.
  story.expect(/^failed: http:\/\/[\d.:]+\/demo\/icon\.svg net::ERR_CONNECTION_REFUSED$/);
  await ada.at("name").fill("Ada");
  await ada.press("enter");
  await ada.page.locator("#name-error").filter({ hasText: "The server cannot be reached." }).waitFor();
  await ada.hasState("closed");
  await story.ask("start");
  await ada.enter();

  story.step("it is killed in the middle of a match");
  const bob = await (await story.player("Bob")).enter();
  await bob.join(await ada.create());
  await play([ada, bob], LEFT_COLUMN.slice(0, 3));
  await story.ask("kill");
  for (const player of [ada, bob]) {
    await player.hasState("resuming");
    const notice = "The server does not answer. Reconnecting… If it has ended, so has this game.";
    await player.page.getByText(notice).waitFor();
  }

  story.step("it is back, and knows nothing");
  await story.ask("start");
  const told = /it may have been restarted\. A new session has begun under your name\./;
  for (const player of [ada, bob]) {
    await player.page.getByText(told).waitFor();
    await player.page.locator("body[data-view=lobby]").waitFor();
    assert.equal(await player.page.locator("#whoami b").textContent(), player.name);
  }
  await bob.join(await ada.create());
  await play([ada, bob], LEFT_COLUMN);
  await ada.isTold("You won.");

  story.step("it is stopped, and says so");
  await story.ask("stop");
  for (const player of [ada, bob]) {
    await player.hasState("resuming");
    const notice = player.page.locator("#notice").filter({ hasText: "The server is away. Reconnecting…" });
    await notice.waitFor();
    // What becomes of the session is not this page's to promise, nor whether a move is sent.
    assert.doesNotMatch(await player.page.locator("main").innerText(), /kept|is sent/);
  }
  await story.ask("start");
  for (const player of [ada, bob]) {
    await player.hasState("open");
    await player.page.locator("body[data-view=lobby]").waitFor();
    assert.equal(await player.page.locator("#whoami b").textContent(), player.name);
  }
  await bob.join(await ada.create());
});
