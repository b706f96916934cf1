/** A page around the SDK: its clock, storage, locks, document, network, and the certainty that nothing is unhandled. */

import assert from "node:assert/strict";
import { AnteroomError, connect } from "../../anteroom.js";
import { later, settle, until } from "./link.mjs";
import { Network } from "./network.mjs";
import { Server } from "./server.mjs";

/** @type {unknown[]} */
const unhandled = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
process.on("uncaughtException", (error) => unhandled.push(error));
process.on("exit", () => {
  if (!unhandled.length) return;
  console.error("unhandled:", ...unhandled);
  process.exitCode = 1;
});

/** Storage as a tab has it. */
export class MemoryStorage {
  /** @param {Record<string, string>} [items] */
  constructor(items = {}) {
    this.items = new Map(Object.entries(items));
  }

  /** @param {string} key */
  getItem(key) {
    return this.items.get(key) ?? null;
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    this.items.set(key, String(value));
  }

  /** @param {string} key */
  removeItem(key) {
    this.items.delete(key);
  }

  /** What a browser does to a tab that is duplicated. */
  copy() {
    return new MemoryStorage(Object.fromEntries(this.items));
  }
}

/** Web Locks of one browser; every tab has its own view of them. */
export class Locks {
  /** @type {Map<string, {tab: object, release: () => void}>} */
  #held = new Map();
  /** @type {{name: string, tab: object, callback: (lock: any) => any, resolve: any, reject: any,
   *   isPatient: boolean}[]} */
  #queue = [];

  tab() {
    const tab = {
      request: (/** @type {string} */ name, /** @type {any} */ options, /** @type {any} */ callback = options) => {
        return new Promise((resolve, reject) => {
          const waiting = { name, tab, callback, resolve, reject, isPatient: !options.ifAvailable };
          options.signal?.addEventListener("abort", () => {
            if (!this.#queue.includes(waiting)) return;
            this.#queue = this.#queue.filter((other) => other !== waiting);
            reject(options.signal.reason);
          });
          this.#queue.push(waiting);
          later(() => this.#grant());
        });
      },
      /** The tab is gone, and what it held is free. */
      close: () => {
        for (const [name, held] of this.#held) if (held.tab === tab) this.#held.delete(name);
        this.#queue = this.#queue.filter((waiting) => waiting.tab !== tab);
        this.#grant();
      },
    };
    return tab;
  }

  #grant() {
    const { held, next } = { held: this.#held, next: this.#queue.find(({ name }) => !this.#held.has(name)) };
    if (!next) return this.#refuse();
    this.#queue = this.#queue.filter((waiting) => waiting !== next);
    const entry = { tab: next.tab, release: () => {} };
    held.set(next.name, entry);
    Promise.resolve(next.callback(entry)).then(next.resolve, next.reject).finally(() => {
      if (held.get(next.name) === entry) held.delete(next.name);
      this.#grant();
    });
    this.#grant();
  }

  /** Who wants a lock at once or not at all hears that it is held. */
  #refuse() {
    const refused = this.#queue.filter(({ isPatient }) => !isPatient);
    this.#queue = this.#queue.filter(({ isPatient }) => isPatient);
    for (const { callback, resolve, reject } of refused) Promise.resolve(callback(null)).then(resolve, reject);
  }
}

/** A certificate as the server tells of it. */
export const CERTIFICATE = {
  webtransport_url: "https://anteroom.test:7350/wt",
  hashes: [{ algorithm: "sha-256", value: Buffer.alloc(32, 7).toString("base64"), not_after_ms: 4_000_000_000_000 }],
};

let worlds = 0;
const { setInterval, clearInterval } = globalThis;

/** Everything that a page has around it. */
export class World {
  network = new Network();
  /** @type {any[]} */
  lobbies = [];
  /** Each question for the certificate. @type {string[]} */
  asked = [];
  /** @type {() => Response|Promise<Response>} */
  certificate = () => Response.json(CERTIFICATE);
  /** Who listens to the page and its document. @type {{target: EventTarget, type: string, listener: any}[]} */
  listening = [];
  /** @type {[string, PropertyDescriptor|undefined][]} */
  #before = [];

  /**
   * @param {import("node:test").TestContext} t
   * @param {{webTransport?: boolean, server?: boolean, page?: boolean, now?: number}} [options]
   */
  constructor(t, { webTransport = false, server = true, page = false, now = 1_790_000_000_000 } = {}) {
    this.t = t;
    this.url = `http://anteroom-${++worlds}.test:7350`;
    this.server = server ? new Server(this.network) : null;
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now });
    this.give("fetch", async (/** @type {any} */ url) => {
      this.asked.push(String(url));
      return this.certificate();
    });
    this.give("WebTransport", webTransport ? this.network.WebTransport : undefined);
    this.give("navigator", { onLine: true });
    if (page) this.#page();
    // What hangs is to be told by the runner's own deadline.
    const awake = setInterval(() => {}, 1000);
    t.after(() => this.#leave().finally(() => clearInterval(awake)));
  }

  /** What the page itself throws is collected, rather than a failure. @returns {unknown[]} */
  mistakes() {
    /** @type {unknown[]} */
    const mistakes = [];
    const usual = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => mistakes.push(error));
    this.t.after(() => {
      process.removeAllListeners("uncaughtException");
      for (const listener of usual) process.on("uncaughtException", listener);
    });
    return mistakes;
  }

  /** Something global, until the test is over. @param {string} name @param {any} value */
  give(name, value) {
    this.#before.push([name, Object.getOwnPropertyDescriptor(globalThis, name)]);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }

  #page() {
    this.page = this.#counting();
    this.document = Object.assign(this.#counting(), { visibilityState: "visible" });
    this.give("document", this.document);
    for (const name of ["addEventListener", "removeEventListener"]) this.give(name, this.page[name].bind(this.page));
  }

  /** Something to listen to, with every listener known that is still there. */
  #counting() {
    const target = new EventTarget();
    const add = target.addEventListener.bind(target);
    const remove = target.removeEventListener.bind(target);
    target.addEventListener = (type, listener, options) => {
      this.listening.push({ target, type, listener });
      Object(options).signal?.addEventListener("abort", () => target.removeEventListener(type, listener));
      add(type, listener, options);
    };
    target.removeEventListener = (type, listener, options) => {
      this.listening = this.listening.filter((known) => {
        return known.target !== target || known.type !== type || known.listener !== listener;
      });
      remove(type, listener, options);
    };
    return target;
  }

  /** @param {string} type */
  happen(type) {
    this.page?.dispatchEvent(new Event(type));
  }

  /** @param {"visible"|"hidden"} visibilityState */
  show(visibilityState) {
    Object.assign(/** @type {any} */ (this.document), { visibilityState });
    this.document?.dispatchEvent(new Event("visibilitychange"));
  }

  /** The browser lets the page run again that it had frozen. */
  wake() {
    Object.assign(/** @type {any} */ (this.document), { visibilityState: "visible" });
    this.document?.dispatchEvent(new Event("resume"));
  }

  /** Begins to connect, as a program does. @param {any} [options] @returns {Promise<any>} */
  connect(options = {}) {
    const lobby = connect(this.url, { name: "Ada", storage: null, WebSocket: this.network.WebSocket, ...options });
    lobby.then((lobby) => this.lobbies.push(lobby), () => {});
    return lobby;
  }

  /** A lobby, in a world where that takes no time. @param {any} [options] @returns {Promise<any>} */
  async lobby(options) {
    const connecting = this.connect(options);
    await this.eventually(() => Promise.race([connecting, settle(1)]), 20_000);
    return connecting;
  }

  /** Time passes, and everything that is due happens in between. @param {number} ms @param {number} [step] */
  async pass(ms, step = 50) {
    for (let left = ms; left > 0; left -= step) {
      await settle(4);
      this.t.mock.timers.tick(Math.min(step, left));
    }
    await settle();
  }

  /** Time passes until something is so, but no longer than this. @param {() => any} condition @param {number} [ms] */
  async eventually(condition, ms = 30_000) {
    for (let left = ms; left > 0; left -= 10) {
      await settle(3);
      const value = await condition();
      if (value) return value;
      this.t.mock.timers.tick(10);
    }
    assert.fail(`not within ${ms} ms: ${condition}`);
  }

  /** The connection that carries the only session of the server. */
  get carrier() {
    return [.../** @type {Server} */ (this.server).sessions.values()][0].link;
  }

  /** The clock jumps while nothing runs, as when a page sleeps. @param {number} ms */
  sleep(ms) {
    this.t.mock.timers.setTime(Date.now() + ms);
  }

  /** The clock is put right, and nothing else happens. @param {number} ms */
  setClock(ms) {
    const before = Date;
    const now = () => before.now() + ms;
    this.give("Date", new Proxy(before, { get: (target, key) => (key === "now" ? now : Reflect.get(target, key)) }));
  }

  async #leave() {
    for (const lobby of this.lobbies) lobby.close();
    await this.pass(1000, 500);
    for (const [name, before] of this.#before.reverse()) {
      if (before) Object.defineProperty(globalThis, name, before);
      else Reflect.deleteProperty(globalThis, name);
    }
    await settle();
    assert.deepEqual(unhandled.splice(0), [], "nothing may be left unhandled");
  }
}

/**
 * Fails unless it is refused with an error that tells a program and a person what happened.
 *
 * @param {Promise<any>} promise @param {string} code @param {boolean} [retryable]
 */
export async function refused(promise, code, retryable) {
  const error = await promise.then((value) => assert.fail(`was not refused, but gave ${value}`), (error) => error);
  assert.ok(error instanceof AnteroomError, `not an AnteroomError: ${error?.stack ?? error}`);
  assert.equal(error.code, code, error.message);
  assert.equal(typeof error.retryable, "boolean");
  if (retryable !== undefined) assert.equal(error.retryable, retryable);
  assert.match(error.message, /^["A-Z0-9].*[.!?]$/s, "a sentence for a person");
  assert.doesNotMatch(error.message, /TypeError|of undefined|\[object/);
  return error;
}

/** Everything an emitter tells, as it comes. @param {any} emitter */
export function recorded(emitter) {
  /** @type {any[]} */
  const events = [];
  emitter.on("*", (/** @type {any} */ event) => events.push(event));
  return events;
}

export { later, settle, until };
