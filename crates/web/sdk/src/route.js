/**
 * The way to a server: the addresses, the race between transports, and what is remembered of networks that block UDP.
 * Says nothing on a connection, and knows no session.
 */

import { AnteroomError, aborted } from "./errors.js";
import { nothing, quietly, scope } from "./platform.js";
import { dialWebSocket } from "./websocket.js";
import { UDP_MS, dialWebTransport } from "./webtransport.js";
/** @import { Pipe } from "./pipe.js" */

/** How much earlier than WebSocket WebTransport starts. */
const HEAD_MS = 250;
/** How long UDP is left alone: after it did not get through, and after it failed while it carried the session. */
export const BLOCKED_MS = [15000, 600000];
export const BROKEN_MS = [300000, 3600000];

/** How to come to a server: which transports there are, and which are worth trying now. */
export class Route {
  /** When UDP failed, until when it is left alone, and how often in a row. For all tabs, if they can store it. */
  #memory = { at: 0, until: 0, failures: 0 };
  /** As if the network blocked UDP. */
  udpBlocked = false;
  /** @type {"auto"|"webtransport"|"websocket"} */
  choice = "auto";

  /** @param {URL} url @param {any} Socket */
  constructor(url, Socket) {
    // The address of its WebSocket leads to a server, too.
    const server = url.protocol + "//" + url.host + url.pathname.replace(/\/ws$|\/+$/, "");
    this.base = server.replace(/^ws/, "http");
    this.socketUrl = `${server.replace(/^http/, "ws")}/ws`;
    this.Socket = Socket;
    this.key = `anteroom:udp:${this.base}`;
  }

  get hasWebTransport() {
    return typeof scope.WebTransport === "function";
  }

  /** What a page needs for WebTransport. Asked for each time, since certificates are renewed. */
  async #certificate() {
    const response = await fetch(`${this.base}/api/certificate`, { signal: AbortSignal.timeout(UDP_MS) });
    return response.json();
  }

  /** @param {AbortSignal} signal */
  async webTransport(signal) {
    if (!this.hasWebTransport) throw new AnteroomError("unreachable", "This browser has no WebTransport.");
    try {
      const swallowed = new Promise(nothing);
      return await dialWebTransport(this.udpBlocked ? swallowed : this.#certificate(), signal);
    } catch (cause) {
      if (signal.aborted) throw aborted(signal);
      throw new AnteroomError("unreachable", "WebTransport does not get through.", { cause });
    }
  }

  /** @param {AbortSignal} signal */
  webSocket(signal) {
    return dialWebSocket(this.socketUrl, this.Socket, signal);
  }

  /**
   * Makes a connection: the one chosen, or whichever stands first. Nothing is said on it, so the one that loses costs
   * the server nothing. `better` is one that may still come.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<{pipe: Pipe, better?: Promise<Pipe>}>}
   */
  async stand(signal) {
    if (this.choice === "webtransport") return { pipe: await this.webTransport(signal) };
    if (this.choice === "websocket" || !this.hasWebTransport) return { pipe: await this.webSocket(signal) };
    if (this.udpWaitMs()) {
      const last = (/** @type {any} */ error) => this.webTransport(signal).catch(() => Promise.reject(error));
      return { pipe: await this.webSocket(signal).catch(last) };
    }
    const better = this.webTransport(signal);
    const isTime = new Promise((begin) => {
      const timer = setTimeout(begin, HEAD_MS);
      better.then(() => clearTimeout(timer), begin);
    });
    const socket = isTime.then(() => this.webSocket(signal));
    // That UDP is not answered is what a firewall looks like, so if both fail it is the WebSocket that tells why.
    const pipe = await Promise.any([better, socket]).catch(() => socket);
    socket.then((loser) => loser === pipe || loser.close(), nothing);
    return pipe.transport === "websocket" ? { pipe, better } : { pipe };
  }

  /** How long UDP is not worth trying: 0 if it is now. */
  udpWaitMs() {
    const { at, until } = this.#noted();
    const now = Date.now();
    // A clock that was set back must not make it for ever.
    return at <= now && until - at <= BROKEN_MS[1] ? Math.max(0, until - now) : 0;
  }

  /** @returns {{at: number, until: number, failures: number}} */
  #noted() {
    const stored = quietly(() => JSON.parse(scope.localStorage.getItem(this.key)));
    return { ...this.#memory, ...stored };
  }

  /** UDP does not get through, or no longer: it is left alone, longer each time. @param {number[]} ms first, longest */
  noteFailed([first, longest]) {
    const at = Date.now();
    const { failures, until } = this.#noted();
    // What failed long ago says nothing about today's network.
    const again = at - until < longest ? failures : 0;
    this.#note({ at, until: at + Math.min(first * 2 ** again, longest), failures: again + 1 });
  }

  noteOpen() {
    if (this.#noted().at) this.#note({ at: 0, until: 0, failures: 0 });
  }

  /** @param {{at: number, until: number, failures: number}} noted */
  #note(noted) {
    this.#memory = noted;
    quietly(() => scope.localStorage.setItem(this.key, JSON.stringify(noted)));
  }
}
