// The system's browsers, as the tests use them: headless, with what their pages complain about.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { launchFirefox } from "./firefox.mjs";

/** How long anything in a page may take: less than the test's own patience, so that this says what it was. */
export const PATIENCE_MS = 18_000;
/** How long a browser may take to start: on a busy machine that is longer than anything it does later. */
const LAUNCH_MS = 60_000;

/** A sandbox needs rights that containers do not give, and root may not have one at all. */
const ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"];

/** Whether the pages are Firefox's, which says some things in other words. */
export const IN_FIREFOX = Boolean(process.env.ANTEROOM_FIREFOX);

/**
 * Starts the browser at $ANTEROOM_CHROMIUM or $ANTEROOM_FIREFOX; one of them is found by the caller. Stories use both
 * in the same way.
 */
export async function launch({ args = [], ...options } = {}) {
  if (IN_FIREFOX) return launchFirefox(process.env.ANTEROOM_FIREFOX, { patienceMs: PATIENCE_MS, timeout: LAUNCH_MS, ...options });
  return chromium.launch({ executablePath: installed(), headless: true, args: [...ARGUMENTS, ...args], timeout: LAUNCH_MS });
}

/**
 * A window of a browser that is left as it is. In others every tab counts as seen, and a tab that is seen is
 * never put to sleep. Gives the window, and what ends it.
 */
export async function launchPlain() {
  const folder = await mkdtemp(join(tmpdir(), "anteroom-browser-"));
  const options = ["--headless", "--remote-debugging-port=0", "--no-first-run", `--user-data-dir=${folder}`];
  const program = spawn(installed(), [...ARGUMENTS, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((done) => program.once("exit", done));
  const stop = async () => {
    program.kill();
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    const browser = await chromium.connectOverCDP(await debuggerOf(program), { noDefaults: true });
    const [context] = browser.contexts();
    context.setDefaultTimeout(PATIENCE_MS);
    return { context, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function installed() {
  if (!process.env.ANTEROOM_CHROMIUM) throw new Error("ANTEROOM_CHROMIUM names no browser");
  return process.env.ANTEROOM_CHROMIUM;
}

/** Where a browser says that it can be driven. */
function debuggerOf(program) {
  return new Promise((resolve, reject) => {
    let said = "";
    program.stderr.on("data", (bytes) => {
      said += bytes;
      const address = said.match(/listening on (ws:\S+)/)?.[1];
      if (address) resolve(address);
    });
    program.once("exit", () => reject(new Error(said)));
    program.once("error", reject);
  });
}

/** A window of its own, with its own storage. */
export async function openContext(browser, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

/** A page in a window of its own, and everything it complains about. */
export async function openPage(browser, options = {}) {
  const context = await openContext(browser, options);
  const page = await context.newPage();
  return { page, complaints: listenTo(page) };
}

/** Everything that a page complains about from now on; an unhandled rejection is an exception there. */
export function listenTo(page) {
  const complaints = [];
  page.on("console", (message) => {
    const isComplaint = ["error", "warning"].includes(message.type());
    if (isComplaint) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
  page.on("requestfailed", (request) => {
    complaints.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  page.on("crash", () => complaints.push("the page crashed"));
  return complaints;
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
