// node whiteboard.mjs {"url","file","folder"}: the whiteboard of the examples. Two draw, a third one comes later and sees it, and
// what is drawn without a connection is there when there is one again. Leaves pictures in the folder.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { WITHOUT_NETWORK, tellStory } from "./story.mjs";

await tellStory(async (story) => {
  // Looking at a board is what the test does, and not the page.
  story.expect(...WITHOUT_NETWORK, /willReadFrequently/);
  // A page of another origin, as a game's own server has it.
  const text = await readFile(story.about.file);
  const server = createServer((_, answer) => answer.writeHead(200, { "content-type": "text/html" }).end(text)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const open = async (name) => {
    const page = await story.tab(await story.window(), name);
    await page.goto(`http://127.0.0.1:${server.address().port}/?server=${encodeURIComponent(story.about.url)}`);
    await page.getByText("Here:").waitFor();
    return page;
  };
  const ada = await open("Ada");
  const bob = await open("Bob");

  story.step("what one draws the other sees");
  await line(ada, [200, 300], [700, 350]);
  await isInked(bob, [450, 325]);
  await line(bob, [300, 600], [600, 600]);
  await isInked(ada, [450, 600]);
  await bob.mouse.move(500, 500);
  await ada.locator(".cursor").waitFor();

  story.step("who comes later sees all of it");
  const cyd = await open("Cyd");
  for (const place of [[450, 325], [450, 600]]) await isInked(cyd, place);
  for (const scheme of ["light", "dark"]) {
    await ada.emulateMedia({ colorScheme: scheme });
    await ada.screenshot({ path: join(story.about.folder, `whiteboard-desktop-${scheme}.png`) });
  }

  story.step("a page that is loaded anew as well");
  await bob.reload();
  await bob.getByText("Here:").waitFor();
  await isInked(bob, [450, 325]);

  story.step("and nobody once it is cleared");
  await cyd.getByRole("button", { name: "Clear" }).click();
  for (const page of [ada, bob, cyd]) await isBlank(page);
  await line(bob, [200, 450], [700, 450]);
  await isInked(ada, [450, 450]);
  server.closeAllConnections();
  server.close();
});

async function line(page, [fromX, fromY], [toX, toY]) {
  await page.bringToFront();
  await page.mouse.move(fromX, fromY);
  await page.mouse.down();
  for (let step = 1; step <= 10; step += 1) {
    await page.mouse.move(fromX + ((toX - fromX) * step) / 10, fromY + ((toY - fromY) * step) / 10);
  }
  await page.mouse.up();
}

/** Waits until there is ink near a place. */
async function isInked(page, [x, y]) {
  await page.bringToFront();
  const found = await page.waitForFunction(([x, y]) => {
    const board = document.getElementById("board");
    const scale = board.width / board.clientWidth;
    const { data } = board.getContext("2d").getImageData((x - 6) * scale, (y - 12) * scale, 12 * scale, 24 * scale);
    return data.some((part, at) => at % 4 === 3 && part > 0);
  }, [x, y]);
  assert.ok(await found.jsonValue());
}

async function isBlank(page) {
  await page.bringToFront();
  await page.waitForFunction(() => {
    const board = document.getElementById("board");
    return !board.getContext("2d").getImageData(0, 0, board.width, board.height).data.some((part) => part > 0);
  });
}
