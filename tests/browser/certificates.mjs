// node certificates.mjs {"url"}: what a page is told about the server's certificate is wrong, at first or for
// good.
import { LEFT_COLUMN, play } from "./player.mjs";
import { Proxy, withWrongHash } from "./proxy.mjs";
import { WITHOUT_UDP, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const proxy = await Proxy.start(story.about.url);
  try {
    story.step("the hash is wrong: the match is played over WebSocket");
    proxy.rewrite("/api/certificate", withWrongHash);
    story.expect(...WITHOUT_UDP);
    const ada = await (await story.player("Ada", { url: proxy.url })).enter();
    await ada.isOver("WebSocket");
    const bob = await (await story.player("Bob")).enter();
    await bob.isOver("WebTransport");
    await bob.join(await ada.create());
    await play([ada, bob], LEFT_COLUMN);

    story.step("the hash is right: the page asks again, and moves over");
    proxy.rewrite("/api/certificate", null);
    await ada.page.evaluate(() => window.dispatchEvent(new Event("online")));
    await ada.isOver("WebTransport");

    story.step("the server renews its certificate under both: nobody notices, and what comes later is known");
    await story.ask("renew");
    for (const player of [ada, bob]) {
      await player.press("cut");
      await player.hasLogged("resumed");
      await player.isOver("WebTransport");
    }
    await ada.press("rematch");
    await bob.press("rematch");
    await play([bob, ada], LEFT_COLUMN);
    await bob.isTold("You won.");
  } finally {
    proxy.stop();
  }
});
