// The system's Firefox, driven over WebDriver BiDi, with the face that Playwright gives Chromium, as far as stories
// use it: what is here is called, waits and matches as it does there.
import puppeteer from "puppeteer-core";

/** Pages may do in a test what they may do when somebody sits there; what Firefox does for itself is turned off. */
const PREFERENCES = {
  "ui.prefersReducedMotion": 1,
  // A page of http://127.0.0.N is asked nothing about another of these.
  "network.lna.enabled": false,
};
/** What `prefers-color-scheme` says, which cannot be changed while it runs. */
const COLOURS = { dark: 0, light: 1 };

/** Starts it. */
export async function launchFirefox(executablePath, { patienceMs, timeout, colorScheme = "light" }) {
  const browser = await puppeteer.launch({
    browser: "firefox",
    protocol: "webDriverBiDi",
    executablePath,
    headless: true,
    timeout,
    protocolTimeout: patienceMs,
    extraPrefsFirefox: { ...PREFERENCES, "layout.css.prefers-color-scheme.content-override": COLOURS[colorScheme] },
  });
  return new Firefox(browser, patienceMs);
}

class Firefox {
  constructor(browser, patienceMs) {
    this.browser = browser;
    this.patienceMs = patienceMs;
  }

  /** A window with storage of its own. */
  async newContext({ viewport = null } = {}) {
    return new Context(await this.browser.createBrowserContext(), { viewport, patienceMs: this.patienceMs });
  }

  close() {
    return this.browser.close();
  }
}

class Context {
  constructor(context, options) {
    this.context = context;
    this.options = options;
  }

  /** Waits have the browser's patience. */
  setDefaultTimeout() {}

  async newPage() {
    const page = new Page(await this.context.newPage(), this.options.patienceMs);
    if (this.options.viewport) await page.setViewportSize(this.options.viewport);
    return page;
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
    return this.page.page.$eval(this.wanted.css, (element, name) => element.getAttribute(name), name);
  }

  evaluateAll(what) {
    return this.page.page.$$eval(this.wanted.css, what);
  }

  async #get(what, timeout) {
    await this.waitFor({ state: "attached", timeout });
    return this.page.page.$eval(this.wanted.css, what);
  }

  /** What Puppeteer presses: it waits until this is seen, enabled, and stands still. */
  #one() {
    return this.page.page.locator(this.wanted.css).setTimeout(this.page.patienceMs);
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
