/**
 * Connections over WebSocket. Does not choose the class for them, and does not try twice.
 */

import { AnteroomError, aborted } from "./errors.js";
import { Pipe } from "./pipe.js";
import { bounded, nothing } from "./platform.js";

const TCP_MS = 10000;

class WebSocketPipe extends Pipe {
  /** @param {any} socket */
  constructor(socket) {
    super("websocket");
    this.socket = socket;
    socket.onmessage = (/** @type {any} */ { data }) => this.arrived(null, data);
    socket.onclose = (/** @type {any} */ { code, reason }) => this.ended(code >= 4000 ? code : 0, reason);
    socket.onerror = nothing;
  }

  get buffered() {
    return this.socket.bufferedAmount ?? 0;
  }

  /** @param {string} text */
  send(text) {
    // In any other state it throws, or throws away; that it has ended is told by its own event.
    if (this.socket.readyState === 1) this.socket.send(text);
  }

  /** @param {number} code */
  shut(code) {
    hangUp(this.socket, code);
  }
}

/** Ends a WebSocket. A program in Node does not wait for a peer that hears nothing. @param {any} socket @param {number} [code] */
function hangUp(socket, code) {
  socket.close(code);
  /** @type {any} */ (setTimeout(() => socket.terminate?.(), 900)).unref?.();
}

/** @param {string} url @param {any} Socket @param {AbortSignal} signal @returns {Promise<Pipe>} */
export async function dialWebSocket(url, Socket, signal) {
  if (signal.aborted) throw aborted(signal);
  const socket = new Socket(url);
  const dialing = new Promise((resolve, reject) => {
    const failed = () => reject(new AnteroomError("unreachable", "The server cannot be reached."));
    socket.onopen = () => resolve(new WebSocketPipe(socket));
    socket.onclose = socket.onerror = failed;
  });
  // One that is left to hang holds up those to the same address behind it; one that stands in a moment ends quietly.
  return bounded(dialing, TCP_MS, signal, () => setTimeout(() => hangUp(socket), 1000));
}
