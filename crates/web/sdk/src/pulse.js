/**
 * Signs of life: whether the connection lives, and whether page, device and network were there all the time. Does not
 * know what becomes of the session.
 */

import { closed } from "./errors.js";
import { planUpgrade } from "./moves.js";
import { bounded, randomText, scope } from "./platform.js";
/** @import { Session } from "./session.js" */

/** How often an idle connection is tried, and how long the answer may take. */
export const PING_EVERY_MS = 20000;
export const PONG_MS = 10000;
/** How long an answer may take before the connection is doubted, and how long the answer to that may take. */
const DOUBT_MS = 4000;
const PROBE_MS = 3000;
/** How late a page that is awake looks after its connection at most. */
const LATE_MS = 5000;

/** Finds out whether the connection lives. A page sees no pings of the transport's, and may sleep at any time. */
export class Pulse {
  /** @type {Map<string, (pong: any) => void>} */
  pings = new Map();
  #isProbing = false;
  heardAt = 0;
  writtenAt = 0;
  pingedAt = 0;
  #checkedAt = Date.now();
  /** When the page, the device or its network was last seen to go away, or to come back. */
  #asleepAt = 0;
  /** The page is left, for now or for good: what it had is the next one's. */
  isGone = false;

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
  }

  /** @param {number} ms @returns {Promise<number>} the time there and back, in ms */
  async ping(ms) {
    const { lobby, isOpen, outbox, life } = this.session;
    if (lobby.isOver) throw closed();
    const ts = randomText();
    const began = performance.now();
    this.pingedAt = Date.now();
    const answer = new Promise((resolve) => this.pings.set(ts, resolve));
    if (isOpen) outbox.note("ping", { ts });
    const pong = await bounded(answer, ms, life.signal).finally(() => this.pings.delete(ts));
    const rtt = performance.now() - began;
    Object.assign(lobby, { rtt, clockOffset: Math.round(pong.server_time_ms - Date.now() + rtt / 2) });
    lobby.emit("rtt", rtt);
    return rtt;
  }

  /**
   * Tries the connection now, or wakes what waits to make another.
   *
   * @returns {Promise<void>}
   */
  async probe() {
    const { session } = this;
    session.wake();
    const pipe = session.ledger.current;
    if (!session.isOpen || this.#isProbing) return;
    this.#isProbing = true;
    const began = Date.now();
    const isAlive = await this.ping(PROBE_MS).then(() => true, () => this.heardAt > began);
    this.#isProbing = false;
    // A page that slept meanwhile has not given the server its time.
    if (!isAlive && Date.now() - began > 2 * PROBE_MS) return this.probe();
    if (!isAlive) session.lose(pipe, { code: 0, reason: "The connection went silent." }, true);
  }

  /** Every second: did the page sleep, is an answer overdue, is it time for a sign of life? */
  #check() {
    const { ledger, isOpen } = this.session;
    const now = Date.now();
    const slept = this.isLate;
    if (slept) this.#asleepAt = now;
    this.#checkedAt = now;
    const isOverdue = ledger.kept.length > 0 && now - Math.max(this.heardAt, this.writtenAt) > DOUBT_MS;
    if (slept || (isOpen && isOverdue)) this.probe();
    else if (isOpen && this.isSeen && now - this.pingedAt > PING_EVERY_MS) {
      const { current } = ledger;
      this.ping(PONG_MS).catch(() => void (current === this.session.ledger.current && this.probe()));
    }
  }

  get isLate() {
    return Math.abs(Date.now() - this.#checkedAt) > LATE_MS;
  }

  get isSeen() {
    return scope.document?.visibilityState !== "hidden";
  }

  /**
   * Whether page, device and network were there all the time. A connection that fails otherwise says nothing about
   * UDP: browsers end those of pages that are left or frozen, and timers that sleep are late.
   *
   * @param {number} since
   */
  wasAwake(since) {
    return scope.navigator?.onLine !== false && this.isSeen && !this.isLate && this.#asleepAt < since;
  }

  start() {
    const { route, vault, life } = this.session;
    const { signal } = life;
    const { document, navigator } = scope;
    const timer = setInterval(() => this.#check(), 1000);
    /** @type {any} */ (timer).unref?.();
    signal.addEventListener("abort", () => clearInterval(timer));
    const listen = (/** @type {any} */ target, /** @type {string} */ types, /** @type {() => void} */ listener) => {
      for (const type of types.split(" ")) target?.addEventListener?.(type, listener, { signal });
    };
    const slept = () => void (this.#asleepAt = Date.now());
    const woken = () => {
      if (this.isGone) slept();
      this.isGone = false;
      this.probe();
    };
    listen(scope, "pagehide", () => {
      this.isGone = true;
      vault.left(true);
    });
    listen(scope, "pageshow", () => vault.left(false));
    // First of all: what comes of it is not UDP's failure.
    listen(scope, "pagehide offline online", slept);
    listen(document, "freeze resume visibilitychange", slept);
    // Another network may let UDP through.
    listen(scope, "online", () => {
      route.noteOpen();
      planUpgrade(this.session);
    });
    listen(scope, "pageshow online", woken);
    listen(document, "resume visibilitychange", () => void (this.isSeen && woken()));
    // Told for every new estimate, not only for another network.
    listen(navigator?.connection, "change", () => this.probe());
  }
}
