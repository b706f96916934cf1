// The system's Firefox, driven over WebDriver BiDi, with the face that Playwright gives Chromium, as far as stories
// use it: what is here is called, waits and matches as it does there.
import puppeteer from "puppeteer-core";

/** What a page can ask about whoever looks at it; Firefox is told when it starts. */
const COLOURS = { dark: 0, light: 1 };
const MOTION = { reduce: 1, "no-preference": 0 };

/** Starts it. */
export async function launchFirefox(executablePath, { patienceMs, timeout }) {
  const launch = ([colorScheme, reducedMotion]) => puppeteer.launch({
    browser: "firefox",
    protocol: "webDriverBiDi",
    executablePath,
    headless: true,
    timeout,
    protocolTimeout: patienceMs,
    extraPrefsFirefox: {
      "layout.css.prefers-color-scheme.content-override": COLOURS[colorScheme],
      "ui.prefersReducedMotion": MOTION[reducedMotion],
    },
  });
  const firefox = new Firefox(launch, patienceMs);
  await firefox.for();
  return firefox;
}

class Firefox {
  /** By what was asked for, a browser that was started so. */
  browsers = new Map();

  constructor(launch, patienceMs) {
    this.launch = launch;
    this.patienceMs = patienceMs;
  }

  async for(colorScheme = "light", reducedMotion = "no-preference") {
    const key = `${colorScheme} ${reducedMotion}`;
    if (!this.browsers.has(key)) this.browsers.set(key, await this.launch([colorScheme, reducedMotion]));
    return this.browsers.get(key);
  }

  /** A window with storage of its own. */
  async newContext({ colorScheme, reducedMotion, ...more } = {}) {
    if (Object.keys(more).length) throw new Error(`Firefox has no windows with ${Object.keys(more)}`);
    const browser = await this.for(colorScheme, reducedMotion);
    return new Context(await browser.createBrowserContext(), this.patienceMs);
  }

  async close() {
    for (const browser of this.browsers.values()) await browser.close();
  }
}

class Context {
  constructor(context, patienceMs) {
    this.context = context;
    this.patienceMs = patienceMs;
  }

  /** Waits have the browser's patience. */
  setDefaultTimeout() {}

  async newPage() {
    return new Page(await this.context.newPage(), this.patienceMs);
  }

  close() {
    return this.context.close();
  }
}

/** What a page says about itself, in the words that Playwright has for it. */
const EVENTS = {
  console: (message) => ({ type: () => (message.type() === "warn" ? "warning" : message.type()), text: () => message.text() }),
};

class Page {
  constructor(page, patienceMs) {
    this.page = page;
    this.patienceMs = patienceMs;
    page.setDefaultTimeout(patienceMs);
    page.setDefaultNavigationTimeout(patienceMs);
  }

  on(event, listener) {
    // What Puppeteer calls an error is a crash.
    const translate = EVENTS[event] ?? ((told) => told);
    this.page.on(event === "crash" ? "error" : event, (told) => listener(translate(told)));
  }

  get keyboard() {
    return this.page.keyboard;
  }

  url() {
    return this.page.url();
  }

  isClosed() {
    return this.page.isClosed();
  }

  goto(url) {
    return this.page.goto(url);
  }

  reload() {
    return this.page.reload();
  }

  close() {
    return this.page.close();
  }

  bringToFront() {
    return this.page.bringToFront();
  }

  evaluate(what, ...given) {
    return this.page.evaluate(what, ...given);
  }

  addInitScript(what, ...given) {
    return this.page.evaluateOnNewDocument(what, ...given);
  }

  /** In a tab that nobody sees there are no frames, so the page's changes are what is waited for. */
  async waitForFunction(what, given, { timeout = this.patienceMs } = {}) {
    await this.page.waitForFunction(what, { polling: "mutation", timeout }, given);
  }

  setViewportSize({ width, height }) {
    return this.page.setViewport({ width, height });
  }

  /** That is so since the browser was started. */
  async emulateMedia({ colorScheme, reducedMotion }) {
    const media = [`(prefers-color-scheme: ${colorScheme})`, `(prefers-reduced-motion: ${reducedMotion})`];
    const isSo = await this.evaluate((media) => media.every((one) => matchMedia(one).matches), media);
    if (!isSo) throw new Error(`this browser was not started with ${media.join(" and ")}`);
  }

  title() {
    return this.page.title();
  }

  screenshot(options) {
    return this.page.screenshot(options);
  }

  locator(css) {
    return new Locator(this, { css });
  }

  getByTestId(id) {
    return this.locator(`[data-testid=${id}]`);
  }

  getByText(text) {
    return new Locator(this, { css: "body *", text });
  }
}

/** Says what is meant, and looks for it when something is done with it. */
class Locator {
  constructor(page, wanted) {
    this.page = page;
    this.wanted = wanted;
  }

  filter({ hasText }) {
    const pattern = hasText instanceof RegExp ? { source: hasText.source, flags: hasText.flags } : hasText;
    return new Locator(this.page, { ...this.wanted, pattern });
  }

  getByTestId(id) {
    return new Locator(this.page, { css: `${this.#css()} [data-testid=${id}]` });
  }

  nth(number) {
    return new Locator(this.page, { ...this.wanted, number });
  }

  async waitFor({ state = "visible", timeout } = {}) {
    try {
      await this.page.waitForFunction(look, { ...this.wanted, state }, { timeout });
    } catch (error) {
      throw new Error(`not ${state}: ${JSON.stringify(this.wanted)}`, { cause: error });
    }
  }

  async click() {
    await this.waitFor();
    await this.#one().click();
  }

  async fill(text) {
    await this.#one().fill(text);
  }

  async pressSequentially(text) {
    await this.#one().click();
    await this.page.page.keyboard.type(text);
  }

  async textContent() {
    return this.#get((element) => element.textContent);
  }

  async innerText({ timeout } = {}) {
    return this.#get((element) => element.innerText, timeout);
  }

  async inputValue() {
    return this.#get((element) => element.value);
  }

  async getAttribute(name) {
    await this.waitFor({ state: "attached" });
    return this.page.page.$eval(this.#css(), (element, name) => element.getAttribute(name), name);
  }

  evaluateAll(what) {
    return this.page.page.$$eval(this.#css(), what);
  }

  async #get(what, timeout) {
    await this.waitFor({ state: "attached", timeout });
    return this.page.page.$eval(this.#css(), what);
  }

  /** What is meant by its text or its number can be waited for, and nothing else. */
  #css() {
    const { css, ...more } = this.wanted;
    if (Object.keys(more).length) throw new Error(`only a place in the page will do: ${JSON.stringify(this.wanted)}`);
    return css;
  }

  /** What Puppeteer presses: it waits until this is seen, enabled, and stands still. */
  #one() {
    return this.page.page.locator(this.#css()).setTimeout(this.page.patienceMs);
  }
}

/** In a page: whether what is wanted is in this state. */
function look({ css, text, pattern, number, state }) {
  const even = (text) => text.replace(/\s+/g, " ").trim().toLowerCase();
  const says = (element, text) => even(element.textContent).includes(even(text));
  const isInnermost = (element) => says(element, text) && ![...element.children].some((child) => says(child, text));
  const matches = (element) =>
    typeof pattern === "string" ? says(element, pattern) : new RegExp(pattern.source, pattern.flags).test(element.textContent);
  const isSeen = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width > 0 && height > 0 && element.checkVisibility({ visibilityProperty: true });
  };
  let found = [...document.querySelectorAll(css)];
  if (text !== undefined) found = found.filter(isInnermost);
  if (pattern !== undefined) found = found.filter(matches);
  if (number !== undefined) found = found.slice(number, number + 1);
  if (state === "detached") return found.length === 0;
  return state === "attached" ? found.length > 0 : found.some(isSeen);
}
