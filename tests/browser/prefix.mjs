// node prefix.mjs {"url"}: page and server behind a proxy that has them under a path, and takes it off.
import assert from "node:assert/strict";
import { LEFT_COLUMN, play } from "./player.mjs";
import { Proxy } from "./proxy.mjs";
import { tellStory } from "./story.mjs";

await tellStory(async (story) => {
  const proxy = await Proxy.start(story.about.url, "/games/table");
  try {
    const ada = await (await story.player("Ada", { url: proxy.url })).enter();
    await ada.isOver("WebTransport");
    const roomId = await ada.create();

    story.step("a guest follows the link, in a browser that has only WebSocket");
    await ada.page.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error("Not here."));
    });
    await ada.press("invite");
    await ada.press("copy");
    const link = await ada.page.locator("#invitation-link").inputValue();
    assert.equal(link, `${proxy.url}/?room=${roomId}`);
    await ada.press("invite-close");
    const old = await story.window();
    await old.addInitScript(() => delete window.WebTransport);
    const bob = await story.player("Bob", { context: old, url: link, path: "" });
    await bob.enter();
    assert.equal(await bob.roomId(), roomId);
    await bob.isOver("WebSocket");
    assert.equal(bob.page.url(), `${proxy.url}/`);
    await play([ada, bob], LEFT_COLUMN);

    story.step("it resumes and is loaded anew there, too");
    await ada.press("cut");
    await ada.hasLogged("resumed");
    await bob.page.reload();
    await bob.hasState("open");
    assert.equal(await bob.roomId(), roomId);
    assert.deepEqual(proxy.strayed, [], "everything is asked for under the path");
  } finally {
    proxy.stop();
  }
});
