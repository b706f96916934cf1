// node measure.mjs URL [RUNS]: measures the demo of a server on this machine, which is not a test: the bytes
// of the first load and of the next one, and the time from opening the page to the lobby, over each
// transport; medians. ANTEROOM_CHROMIUM names the browser.
import { launch, openContext } from "./browser.mjs";

const [url, runs = "10"] = process.argv.slice(2);
if (!url) throw new Error("usage: node measure.mjs URL [RUNS]");

/** What is done to a page before it begins, by the row of the table. */
const WAYS = {
  WebTransport: () => {},
  "WebSocket, no WebTransport in the browser": () => delete window.WebTransport,
  "WebSocket, UDP swallowed": () => {
    window.WebTransport = class {
      ready = new Promise(() => {});
      closed = new Promise(() => {});
      close() {}
      createBidirectionalStream = () => this.ready;
    };
  },
};

const browser = await launch();
try {
  const rows = [];
  for (const [name, prepare] of Object.entries(WAYS)) {
    const measured = [];
    for (let run = 0; run < Number(runs); run += 1) measured.push(await measure(prepare));
    const middle = (key) => median(measured.map((one) => one[key]));
    rows.push([name, ...["first", "requests", "next", "interactive", "lobby"].map(middle)]);
  }
  console.log(`Chromium ${browser.version()}, ${runs} runs each, medians\n`);
  console.log("| carried by | first load, bytes | requests | next load, bytes | door, ms | lobby, ms |");
  console.log("| --- | ---: | ---: | ---: | ---: | ---: |");
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
} finally {
  await browser.close();
}

/** One visit by somebody new, who enters as soon as that can be, and a second one. */
async function measure(prepare) {
  const context = await openContext(browser);
  await context.addInitScript(prepare);
  await context.addInitScript(enterAtOnce);
  try {
    const page = await context.newPage();
    const first = await load(context, page);
    const marks = await page.evaluate(() => {
      const at = (name) => performance.getEntriesByName(name)[0].startTime;
      return { lobby: at("lobby"), interactive: at("interactive") };
    });
    // Another tab of the same browser has the files already.
    const next = await load(context, await context.newPage());
    return { first: first.bytes, requests: first.requests, next: next.bytes, ...marks };
  } finally {
    await context.close();
  }
}

/** Opens the demo and waits for the lobby; counts what comes over HTTP, heads included. */
async function load(context, page) {
  const devtools = await context.newCDPSession(page);
  let [bytes, requests] = [0, 0];
  devtools.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
    requests += 1;
  });
  await devtools.send("Network.enable");
  await page.goto(url);
  await page.waitForFunction(() => performance.getEntriesByName("lobby").length > 0);
  await page.waitForLoadState("networkidle");
  return { bytes, requests };
}

/** In the page: fills in the door's form once it works, and marks when the lobby is there. */
function enterAtOnce() {
  document.addEventListener("DOMContentLoaded", () => {
    const state = document.querySelector("[data-testid=state]");
    if (!state) return;
    performance.mark("interactive");
    new MutationObserver((_, observer) => {
      if (state.dataset.state !== "open") return;
      performance.mark("lobby");
      observer.disconnect();
    }).observe(state, { attributes: true });
    document.querySelector("[data-testid=name]").value = "Ada";
    document.querySelector("[data-testid=enter]").click();
  });
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)]);
}
