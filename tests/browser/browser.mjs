// The system's Chromium, as the tests use it: headless, with what its pages complain about.
import { chromium } from "playwright-core";

/** Starts the browser at $ANTEROOM_CHROMIUM; `chromium` is found by the caller. */
export async function launch() {
  const executablePath = process.env.ANTEROOM_CHROMIUM;
  if (!executablePath) throw new Error("ANTEROOM_CHROMIUM names no browser");
  // A sandbox needs rights that containers do not give, and root may not have one at all.
  return chromium.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page, and everything it complains about. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  return { page, complaints };
}

/** Says something to the test that started this program: one line of JSON. */
export function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** What the test says, line by line. */
export async function* heard() {
  process.stdin.setEncoding("utf8");
  let rest = "";
  for await (const chunk of process.stdin) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    yield* lines;
  }
}
