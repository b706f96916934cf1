// How a page looks: a picture of it on a desktop and on a phone, light and dark, nothing wider than the window, and nothing that
// axe finds wrong.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LOOKS = [
  ["desktop", { width: 1280, height: 800 }, "light"], ["desktop", { width: 1280, height: 800 }, "dark"],
  ["phone", { width: 390, height: 844 }, "light"], ["phone", { width: 390, height: 844 }, "dark"],
];

/** What axe finds wrong. */
export async function violations(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`));
}

/** Leaves the pictures in the story's folder, and fails if a page is not fine. */
export async function looksFine(story, { page }, name) {
  await page.bringToFront();
  const before = page.viewportSize();
  for (const [device, viewport, colorScheme] of LOOKS) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const { wide, shown } = await page.evaluate(() => {
      const { clientWidth, scrollWidth } = document.documentElement;
      return { wide: scrollWidth, shown: clientWidth };
    });
    assert.equal(wide, shown, `${name} on a ${device}`);
    const picture = join(story.about.folder, `${name}-${device}-${colorScheme}.png`);
    await page.screenshot({ path: picture, fullPage: true });
    assert.deepEqual(await violations(page), [], `${name} on a ${device}, ${colorScheme}`);
  }
  if (before) await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
}
