/**
 * What outlives a reload, and which of two tabs has it. Of what it keeps it knows no more than whether it is whole.
 */

import { nothing, quietly, scope } from "./platform.js";

/**
 * Keeps what it takes to go on with the session in the tab's own storage. A tab that is duplicated copies it, so a
 * Web Lock says whose it is; without Web Locks it is stored only while no page is there.
 */
export class Vault {
  /** @type {() => void} */
  #release = nothing;
  /** @type {any} */
  #entry = null;

  /** @param {Storage|null|undefined} storage @param {string} server */
  constructor(storage, server) {
    this.storage = storage;
    this.key = `anteroom:session:${server}`;
    this.locks = scope.navigator?.locks;
  }

  /** Takes over what an earlier page of this tab has left. @returns {Promise<any>} */
  async claim() {
    const entry = quietly(() => JSON.parse(this.storage?.getItem(this.key) ?? "null"));
    const { sessionId, token, attempt, limits, graceMs } = entry ?? {};
    const isWhole = sessionId && token && limits && graceMs && attempt >= 0;
    if (!isWhole || !(await this.#lock(sessionId))) return null;
    this.#entry = entry;
    if (!this.locks) this.#write(null);
    return entry;
  }

  /** @param {any} entry */
  async keep(entry) {
    const isNew = this.#entry?.sessionId !== entry.sessionId;
    this.#entry = entry;
    if (isNew) await this.#lock(entry.sessionId);
    if (this.locks && this.#entry === entry) this.#write(entry);
  }

  /** Lets another page go on with the session. */
  release() {
    this.left(true);
    this.#entry = null;
    this.#release();
  }

  forget() {
    this.#entry = null;
    this.#release();
    this.#write(null);
  }

  /** The page goes away, for now or for good. @param {boolean} isGone */
  left(isGone) {
    if (this.#entry && !this.locks) this.#write(isGone ? this.#entry : null);
  }

  /** @param {any} entry */
  #write(entry) {
    quietly(() => {
      if (entry) this.storage?.setItem(this.key, JSON.stringify(entry));
      else this.storage?.removeItem(this.key);
    });
  }

  /** @param {string} sessionId */
  async #lock(sessionId) {
    this.#release();
    const { storage, locks } = this;
    if (!storage || !locks) return true;
    /** @param {LockOptions} options @returns {Promise<boolean>} */
    const ask = (options) => new Promise((resolve) => {
      const hold = (/** @type {Lock|null} */ lock) => {
        resolve(Boolean(lock));
        return lock && new Promise((release) => (this.#release = () => release(undefined)));
      };
      locks.request(`anteroom:${sessionId}`, options, hold).catch(() => resolve(false));
    });
    // A busy browser may take long to answer at all, and the page before this one a moment to be gone.
    return (await ask({ ifAvailable: true })) || ask({ signal: AbortSignal.timeout(500) });
  }
}
