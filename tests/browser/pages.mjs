// node pages.mjs URL ROOM FOLDER: looks at the server's pages on a desktop and on a phone, leaves pictures of them in
// FOLDER, and says {"pages":[{"name","complaints","wider","title"}]}. `wider` is by how much a page is wider than
// the window.
import { join } from "node:path";
import { launch, openPage, tell } from "./browser.mjs";

const [url, room, folder] = process.argv.slice(2);
const windows = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};
const browser = await launch();
try {
  const pages = [];
  for (const [window, options] of Object.entries(windows)) {
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, path] of [["index", "/"], ["watch", `/watch?room=${room}`]]) {
        const { page, complaints } = await openPage(browser, { ...options, colorScheme });
        await page.goto(url + path);
        if (name === "watch") await page.locator("[data-testid=history] li").first().waitFor({ state: "attached" });
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        const place = `${name}-${window}-${colorScheme}`;
        await page.screenshot({ path: join(folder, `${place}.png`), fullPage: true });
        pages.push({ name: place, complaints, wider, title: await page.title() });
        await page.context().close();
      }
    }
  }
  tell({ pages });
} finally {
  await browser.close();
}
