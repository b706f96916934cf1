// A story: a test that is told here, in the browser, while what is around it is in the hands of the Rust test
// that started this program as `node NAME.mjs JSON`. The story asks for what it needs (`cut`, `unplug`...)
// with a line {"ask":...}, and hears one line of JSON in return. Its last line is {"told":...}.
import "./alive.mjs";
import assert from "node:assert/strict";
import { IN_FIREFOX, PATIENCE_MS, heard, launch, launchPlain, listenTo, openContext, tell } from "./browser.mjs";
import { Player } from "./player.mjs";

/** How often a story says where it is, so that the test knows it is alive. */
const HEARTBEAT_MS = 5_000;

/** A browser's own words for WebTransport that does not get through, and for no network at all. */
export const WITHOUT_UDP = IN_FIREFOX ? [] : [
  /^error: Failed to establish a connection to https:\/\/[\d.:]+\/wt: net::ERR_[\w.]+/,
];
export const WITHOUT_NETWORK = IN_FIREFOX ? [
  ...WITHOUT_UDP,
  /^exception: Firefox can’t establish a connection to the server at ws:\/\/[\d.:]+\/ws\.$/,
] : [
  ...WITHOUT_UDP,
  /^error: WebSocket connection to 'ws:\/\/[\d.:]+\/ws' failed: /,
  // One that hangs is given up.
  /^warning: WebSocket connection to 'ws:\/\/[\d.:]+\/ws' failed: WebSocket is closed before the /,
  /^failed: http:\/\/[\d.:]+\/api\/certificate net::ERR_\w+$/,
];

/** And for the icon that it asks for by itself, where a page has none and is left before the answer. */
export const ICON_OF_A_PAGE_LEFT = IN_FIREFOX ? [/^failed: http:\/\/[\d.:]+\/favicon\.ico NS_BINDING_ABORTED$/] : [];

/** And for a WebSocket that goes with its page. */
export const WITH_THE_PAGE = [
  IN_FIREFOX
    ? /^exception: The connection to ws:\/\/[\d.:]+\/ws was interrupted while the page was loading\.$/
    : /^error: WebSocket connection to 'ws:\/\/[\d.:]+\/ws' failed: Page entered Back-Forward Cache\.$/,
];

/**
 * Tells a story in a browser of its own. It fails when something is thrown, or when a page complained.
 *
 * @param {(story: Story) => Promise<any>} tale gives what the test is to look at
 * @param {object} options of the browser
 */
export async function tellStory(tale, options) {
  const story = new Story(JSON.parse(process.argv[2] ?? "{}"));
  const alive = setInterval(() => tell({ at: story.at }), HEARTBEAT_MS);
  try {
    story.browser = await launch(options);
    const told = await tale(story);
    story.assertContent();
    tell({ told: told ?? null });
  } catch (error) {
    process.exitCode = 1;
    await story.explain(error);
  } finally {
    clearInterval(alive);
    await story.browser?.close();
    for (const stop of story.plain) await stop();
    story.lines.return();
    process.stdin.destroy();
  }
}

class Story {
  /** Where the story is; told when it fails. */
  at = "the browser starts";
  /** Every page there was. */
  watched = [];
  /** What ends the browsers that are as they are. */
  plain = [];
  /** What pages may complain about; every other complaint is a failure. */
  expected = [];

  constructor(about) {
    this.about = about;
    this.lines = heard();
  }

  /** The next part of the story begins. */
  step(at) {
    this.at = at;
    tell({ at });
  }

  /** Asks the test to do something, and waits for its answer. */
  async ask(what, more = {}) {
    tell({ ask: what, ...more });
    const { value } = await this.lines.next();
    return JSON.parse(value);
  }

  /** From here on pages may complain like this: a text, or an expression. */
  expect(...complaints) {
    this.expected.push(...complaints);
  }

  /** A window with storage of its own. */
  window(options = {}) {
    return openContext(this.browser, options);
  }

  /** A window in which tabs that nobody sees can be put to sleep, and pages that were left are kept. */
  async plainWindow() {
    // This one is as it is.
    if (IN_FIREFOX) return this.window();
    const { context, stop } = await launchPlain();
    this.plain.push(stop);
    return context;
  }

  /** A tab, in a window of its own or with others. */
  async tab(context = null, name = "a page") {
    const page = await (context ?? (await this.window())).newPage();
    this.watch(page, name);
    return page;
  }

  watch(page, name) {
    this.watched.push({ page, name, complaints: listenTo(page) });
  }

  /** Somebody at the door of the demo. */
  async player(name, { context = null, url = this.about.url, path = "/" } = {}) {
    const page = await this.tab(context, name);
    await page.goto(url + path);
    return new Player(this, page, name);
  }

  /** Waits until a page has complained like this, which may take a moment to come here. */
  async heard(complaint) {
    const late = performance.now() + PATIENCE_MS;
    while (!this.watched.some(({ complaints }) => complaints.some((text) => complaint.test(text)))) {
      if (performance.now() > late) throw new Error(`nobody complains: ${complaint}`);
      await this.watched[0].page.evaluate(() => {});
    }
  }

  /** What pages have complained about although nothing was expected. */
  complaints() {
    const matches = (one, text) => (one instanceof RegExp ? one.test(text) : text === one);
    const isExpected = (text) => this.expected.some((one) => matches(one, text));
    return this.watched.flatMap(({ name, complaints }) =>
      complaints.filter((text) => !isExpected(text)).map((text) => `${name}: ${text}`));
  }

  assertContent() {
    assert.deepEqual(this.complaints(), [], "what pages complained about");
  }

  /** Everything that helps to understand a failure. */
  async explain(error) {
    const lines = [`at: ${this.at}`, String(error?.stack ?? error)];
    for (const { page, name, complaints } of this.watched) {
      lines.push(`--- ${name}: ${page.isClosed() ? "closed" : page.url()}`, ...complaints);
      const shown = page.locator("body").innerText({ timeout: 2_000 });
      lines.push(await shown.catch((why) => `(${String(why).split("\n")[0]})`));
    }
    process.stderr.write(`${lines.join("\n")}\n`);
  }
}
