/**
 * Events, for listeners and for `for await`. Does not know what they tell.
 */

import { nextTurn } from "./platform.js";

/** How many events an iteration that is not read may fall behind. */
const BACKLOG_MAX = 1024;

/** @typedef {{type: string, data: any, latest?: string}} AnteroomEvent */

/**
 * Something that tells what happens, to listeners and to `for await`.
 *
 * @template {Record<string, any>} Events
 */
export class Emitter {
  /** @type {Map<string, Set<(data: any, event: any) => void>>} */
  #listeners = new Map();
  /** The type of the last event; none once it was told. @internal */
  farewell = "closed";
  /** @internal */
  isOver = false;

  /**
   * Calls a listener for every event of a type, or of all types with `"*"`, which gets the event as a whole.
   *
   * @template {(keyof Events & string) | "*" | (string & {})} Type
   * @param {Type} type
   * @param {(data: Type extends "*" ? AnteroomEvent : Type extends keyof Events ? Events[Type] : any,
   *   event: AnteroomEvent) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** @internal @param {string} type @param {any} data @param {string} [latest] */
  emit(type, data, latest) {
    const event = latest === undefined ? { type, data } : { type, data, latest };
    if (!this.farewell) return;
    const isLast = type === this.farewell;
    if (isLast) Object.assign(this, { farewell: "", isOver: true });
    for (const name of [type, "*"]) {
      for (const listener of [...(this.#listeners.get(name) ?? [])]) {
        // A listener before this one may have ended everything.
        if (!this.farewell && !isLast) return;
        try {
          listener(name === "*" ? event : data, event);
        } catch (error) {
          // A mistake of the page's must not stop the session; the page hears of it as of any other.
          nextTurn(() => {
            throw error;
          });
        }
      }
    }
  }

  /**
   * Everything that happens from now on, until the end. Whoever is too slow misses the oldest events, which a `gap`
   * tells.
   *
   * @returns {AsyncGenerator<AnteroomEvent, void, void>}
   */
  [Symbol.asyncIterator]() {
    /** @type {AnteroomEvent[]} */
    let events = [];
    /** @type {((next: any) => void)[]} */
    const waiting = [];
    let missed = 0;
    let isOver = !this.farewell;
    const serve = () => {
      while (waiting.length && (events.length || isOver)) {
        const value = missed ? { type: "gap", data: { missed } } : events.shift();
        missed = 0;
        waiting.shift()?.({ value, done: !value });
      }
    };
    const off = this.on("*", (event) => {
      events.push(event);
      isOver = !this.farewell;
      if (events.length > BACKLOG_MAX) missed += events.splice(0, BACKLOG_MAX / 2).length;
      serve();
    });
    const end = () => {
      off();
      [events, missed, isOver] = [[], 0, true];
      serve();
    };
    // No generator, which would let an end wait for the event that somebody waits for.
    const iterator = {
      next: () => new Promise((resolve) => {
        waiting.push(resolve);
        serve();
      }),
      return: async () => ({ value: end(), done: true }),
      throw: async (/** @type {unknown} */ error) => {
        end();
        throw error;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return /** @type {any} */ (iterator);
  }
}
