/**
 * One connection, as every transport has it: texts in, texts out, one end. Knows no session; a lane is a number to it.
 */

import { nothing } from "./platform.js";

/** How many messages one batch may have, and how many wait for a listener. */
export const BATCH_MAX = 256;

/**
 * How a connection ended: a close code, or 0 if it was lost.
 *
 * @typedef {{code: number, reason: string}} End
 */

/** One connection. What comes before somebody listens waits. */
export class Pipe {
  /** @type {((lane: number|null, text: string) => void)|null} */
  #listener = null;
  /** @type {[number|null, string][]} */
  #early = [];
  /** @type {End|null} */
  end = null;
  /** @type {(end: End) => void} */
  onend = nothing;
  /** @type {() => void} */
  ondrain = nothing;
  /** @type {(lane: number, text: string) => void} */
  ondatagram = nothing;

  /** @param {"webtransport"|"websocket"} transport */
  constructor(transport) {
    this.transport = transport;
  }

  /** Bytes that wait inside the browser. */
  get buffered() {
    return 0;
  }

  /** @param {string} _text */
  send(_text) {}

  /** Whether it could be sent as a datagram. @param {number} _lane @param {string} _text */
  datagram(_lane, _text) {
    return false;
  }

  /** @param {number} _code */
  shut(_code) {}

  /** @param {(lane: number|null, text: string) => void} listener */
  listen(listener) {
    this.#listener = listener;
    for (const [lane, text] of this.#early.splice(0)) listener(lane, text);
  }

  /** @param {number|null} lane @param {string} text */
  arrived(lane, text) {
    if (this.end) return;
    if (this.#listener) this.#listener(lane, text);
    else if (this.#early.length < BATCH_MAX) this.#early.push([lane, text]);
  }

  /** It has ended by itself. @param {number} [code] @param {string} [reason] */
  ended(code = 0, reason = "") {
    if (this.end) return;
    this.end = { code, reason };
    this.shut(1000);
    this.onend(this.end);
  }

  /** Ends it for good, after a goodbye. */
  leave() {
    this.close();
  }

  /** Ends it from this side; nothing is told of it any more. @param {number} [code] */
  close(code = 1000) {
    if (this.end) return;
    this.end = { code: 0, reason: "" };
    this.shut(code);
  }
}

/** A transport, for people. @param {string} transport */
export const label = (transport) => (transport === "webtransport" ? "WebTransport" : "WebSocket");
