/**
 * What pages, workers and Node have in common, and what each of them lacks: timers, waits that end, texts as bytes,
 * randomness. Knows nothing of the protocol.
 */

import { aborted, late } from "./errors.js";

export const scope = /** @type {any} */ (globalThis);
export const encoder = new TextEncoder();
export const decoder = new TextDecoder();
export const nothing = () => {};

/**
 * A failure that nobody looks at is no unhandled rejection.
 *
 * @template Value
 * @param {Promise<Value>} promise
 */
export function handled(promise) {
  promise.catch(nothing);
  return promise;
}

/** @param {number} ms */
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A deadline; none, where it is further away than timers can count. @param {() => void} task @param {number} ms */
export const deadline = (task, ms) => (ms < 2 ** 31 ? setTimeout(task, ms) : 0);

/**
 * Tries what browsers may refuse, or have closed already: undefined if they do.
 *
 * @template Value
 * @param {() => Value} task
 */
export function quietly(task) {
  try {
    return task();
  } catch {
    return undefined;
  }
}

/** Runs what is due once this turn of the event loop, with all its promises, is over. Not throttled in hidden pages. */
export const nextTurn = (() => {
  if (scope.setImmediate) return /** @type {(task: () => void) => void} */ (scope.setImmediate);
  const { port1, port2 } = new MessageChannel();
  /** @type {(() => void)[]} */
  const tasks = [];
  port1.onmessage = () => tasks.shift()?.();
  return (/** @type {() => void} */ task) => {
    tasks.push(task);
    port2.postMessage(0);
  };
})();

/**
 * Waits for something, but not for ever.
 *
 * @template Value
 * @param {Promise<Value>} promise
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {() => unknown} [undo] ends what is given up
 * @returns {Promise<Value>}
 */
export function bounded(promise, ms, signal, undo = nothing) {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      settle();
      quietly(undo);
      reject(signal.aborted ? aborted(signal) : late());
    };
    const timer = setTimeout(giveUp, ms);
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    };
    promise.then(resolve, reject).finally(settle);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
  });
}

/** 128 random bits. */
export function randomText() {
  return crypto.getRandomValues(new Uint32Array(4)).join("");
}

/** A time, for people. @param {number} ms */
export const seconds = (ms) => `${ms < 9950 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`;
