// node watch.mjs URL ROOM: watches a room on the server's own page. Says {"watching":true} once the page shows the
// room; at the line `states N` waits until N states have come and says {"states":[...],"complaints":[...]}; at `close`
// closes the page and says {"closed":true}; ends with its input.
import { heard, launch, openPage, tell } from "./browser.mjs";

const [url, room] = process.argv.slice(2);
const browser = await launch();
try {
  const { page, complaints } = await openPage(browser);
  await page.goto(`${url}/watch?room=${room}`);
  await page.locator('[data-testid=state][data-state=open]').waitFor();
  const states = page.locator("[data-testid=history] li");
  await states.first().waitFor({ state: "attached" });
  tell({ watching: true });
  for await (const line of heard()) {
    if (line === "close") {
      await page.close();
      tell({ closed: true });
      continue;
    }
    const count = Number(line.split(" ")[1]);
    await states.nth(count - 1).waitFor({ state: "attached" });
    const texts = await states.allTextContents();
    tell({ states: texts.map((text) => JSON.parse(text)), status: await page.locator("[data-testid=status]").textContent(), complaints });
  }
} finally {
  await browser.close();
}
