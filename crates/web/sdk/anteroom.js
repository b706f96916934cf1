/**
 * Anteroom for JavaScript: one session with a game lobby server, over WebTransport or WebSocket, whichever gets
 * through, and over as many connections as it takes. Runs in pages, in workers, and in Node (over WebSocket).
 *
 * A message counts on its lane, in both directions; what the other side has not acknowledged is kept and sent again
 * on the next connection. So every reliable message arrives exactly once, or a gap is told. The protocol is described
 * in PROTOCOL.md, whose section 11 is what the class `Session` does.
 *
 * @module
 */

const PROTOCOL_VERSION = 1;
/** How much earlier than WebSocket WebTransport starts, and how long it may take. */
const HEAD_START_MS = 250;
const WEBTRANSPORT_MS = 3000;
const WEBSOCKET_MS = 10000;
/** How long the server may take from the first message of a connection until the session goes on there. */
const ATTACH_MS = 8000;
/** How long UDP is left alone: after it did not get through, and after it failed while it carried the session. */
const BLOCKED_MS = [15000, 600000];
const BROKEN_MS = [300000, 3600000];
/** How often an idle connection is tried, and how long the answer may take. */
const PING_EVERY_MS = 20000;
const PONG_MS = 10000;
/** How long an answer may take before the connection is doubted, and how long the answer to that may take. */
const DOUBT_MS = 4000;
const PROBE_MS = 3000;
/** When to acknowledge: after so many messages, characters, or milliseconds, whichever comes first. */
const ACK_MESSAGES = 64;
const ACK_CHARACTERS = 8192;
const ACK_MS = 1000;
/** How much may wait inside the browser before messages wait here, where they can still be replaced. */
const HIGH_WATER_BYTES = 65536;
/** How much may wait here, in messages, before `busy`. */
const WAITING_MAX = 4096;
/** How many events an iteration that is not read may fall behind. */
const BACKLOG_MAX = 1024;
const RECORD_BYTES_MAX = 1 << 20;
const BATCH_MAX = 256;
const ENDED_LANES_MAX = 64;
const DAY_MS = 86400000;

/**
 * The server's error codes: their numbers, and whether the same request may succeed later.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const ERROR_CODES = table(
  {
    unknown_type: 1, invalid_data: 2, internal: 3, busy: 4, rate_limited: 5, limit_reached: 6, shutting_down: 7,
    already_authenticated: 20, invalid_name: 21, session_unknown: 22, outcome_unknown: 23, timeout: 24,
    room_not_found: 40, room_full: 41, not_in_room: 42, already_in_room: 43, game_not_found: 44, invalid_options: 45,
    not_a_player: 46, spectators_refused: 47, not_your_turn: 60, invalid_move: 61, not_playing: 62, rejected: 63,
  },
  (name) => /^(internal|busy|rate_limited|limit_reached|shutting_down|timeout|room_full|not_playing)$/.test(name),
);

/**
 * The codes that a connection ends with: their numbers, and whether connecting again may help.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const CLOSE_CODES = table(
  {
    shutting_down: 4000, silence: 4001, slow_consumer: 4002, move: 4003, busy: 4004, protocol_version: 4500,
    malformed: 4501, message_too_large: 4502, handshake_required: 4503, handshake_timeout: 4504, unauthorized: 4505,
    origin_refused: 4506, wrong_frame_kind: 4507, replaced: 4508, superseded: 4509, token_reused: 4510, bad_ack: 4511,
  },
  (_, number) => number < 4500,
);

/**
 * @param {Record<string, number>} numbers
 * @param {(name: string, number: number) => boolean} isRetryable
 */
function table(numbers, isRetryable) {
  const entries = Object.entries(numbers).map(([name, number]) => {
    return [name, Object.freeze({ number, retryable: isRetryable(name, number) })];
  });
  return Object.freeze(Object.fromEntries(entries));
}

/**
 * What can go wrong. `code` is what a program acts on: one of {@link ERROR_CODES}, one of {@link CLOSE_CODES}, or
 * `unreachable` (no server answers), `aborted` (your signal), `closed` (you closed the lobby). `message` is a sentence
 * for a person.
 */
export class AnteroomError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{retryable?: boolean, details?: any, closeCode?: number, cause?: unknown}} [more]
   */
  constructor(code, message, { retryable, details, closeCode, cause } = {}) {
    super(message, { cause });
    this.name = "AnteroomError";
    this.code = code;
    /** Whether the same may succeed later. */
    this.retryable = retryable ?? (ERROR_CODES[code] ?? CLOSE_CODES[code])?.retryable ?? code === "unreachable";
    /** What the server says for programs. */
    this.details = details;
    /** The number that the connection ended with, if that is what went wrong. */
    this.closeCode = closeCode;
  }
}

/** @param {any} error */
function refusal(error) {
  const { code = "internal", message = "The server did not say why.", retryable, details } = error ?? {};
  return new AnteroomError(String(code), String(message), { retryable, details });
}

/** @param {End} end */
function ending({ code, reason }) {
  const retryable = code < 4500;
  if (code < 4000) return new AnteroomError("lost", reason || "The connection was lost.", { retryable });
  const name = Object.keys(CLOSE_CODES).find((name) => CLOSE_CODES[name].number === code) ?? "closed";
  return new AnteroomError(name, reason || `The server closed the connection (${code}).`, { retryable, closeCode: code });
}

/** @param {AbortSignal} [signal] */
function aborted(signal) {
  return new AnteroomError("aborted", "This was given up.", { cause: signal?.reason });
}

const scope = /** @type {any} */ (globalThis);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const nothing = () => {};
/** @param {number} ms */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Storage of the page, or undefined: it may be disabled, and then the mere question throws. @param {string} name */
function storageOf(name) {
  try {
    return /** @type {Storage|undefined} */ (scope[name]);
  } catch {
    return undefined;
  }
}

/** Runs what is due once this turn of the event loop, with all its promises, is over. Not throttled in hidden pages. */
const nextTurn = (() => {
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

// --- events ----------------------------------------------------------------------------------------------------------

/**
 * Something that tells what happens, to listeners and to `for await`.
 *
 * @template {Record<string, any>} Events
 */
class Emitter {
  /** @type {Map<string, Set<(data: any, event: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls a listener for every event of a type, or of all types with `"*"`, which gets the event as a whole.
   *
   * @template {string} Type
   * @param {Type} type
   * @param {(data: Type extends keyof Events ? Events[Type] : any, event: AnteroomEvent) => void} listener
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
    for (const name of [type, "*"]) {
      for (const listener of [...(this.#listeners.get(name) ?? [])]) {
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

  /** What ends an iteration, as its last event. @internal @type {string} */
  get farewell() {
    return "closed";
  }

  /** @internal */
  get isOver() {
    return false;
  }

  /**
   * Everything that happens from now on, until the end. Whoever is too slow misses the oldest events, which a `gap`
   * tells.
   *
   * @returns {AsyncIterableIterator<AnteroomEvent>}
   */
  [Symbol.asyncIterator]() {
    /** @type {AnteroomEvent[]} */
    let events = [];
    let missed = 0;
    let over = this.isOver;
    /** @type {(() => void)[]} */
    let waiting = [];
    const off = this.on("*", (event) => {
      events.push(event);
      over ||= event.type === this.farewell;
      if (events.length > BACKLOG_MAX) missed += events.splice(0, events.length - BACKLOG_MAX / 2).length;
      for (const wake of waiting.splice(0)) wake();
    });
    const stop = async () => {
      off();
      over = true;
      events = [];
      for (const wake of waiting.splice(0)) wake();
      return { done: true, value: undefined };
    };
    const next = async () => {
      while (!events.length && !over) await new Promise((wake) => waiting.push(() => wake(undefined)));
      if (missed) {
        const gap = { type: "gap", data: { missed } };
        missed = 0;
        return { done: false, value: gap };
      }
      const value = events.shift();
      return value ? { done: false, value } : stop();
    };
    const iterator = { next, return: stop, [Symbol.asyncIterator]: () => iterator };
    return /** @type {any} */ (iterator);
  }
}

// --- framing ---------------------------------------------------------------------------------------------------------

/** A variable-length integer (RFC 9000, section 16). @param {number} value @returns {Uint8Array} */
function encodeVarint(value) {
  const size = value < 64 ? 1 : value < 16384 ? 2 : value < 2 ** 30 ? 4 : 8;
  const bytes = new Uint8Array(size);
  for (let at = size - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  bytes[0] |= Math.log2(size) << 6;
  return bytes;
}

/**
 * Reads a variable-length integer. Without enough bytes `size` is 0.
 *
 * @param {Uint8Array} bytes
 * @param {number} [at]
 */
function decodeVarint(bytes, at = 0) {
  const size = at < bytes.length ? 1 << (bytes[at] >> 6) : 0;
  if (!size || bytes.length < at + size) return { value: 0, size: 0 };
  let value = bytes[at] & 63;
  for (let next = at + 1; next < at + size; next++) value = value * 256 + bytes[next];
  return { value, size };
}

/** @param {Uint8Array[]} parts */
function concat(...parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The number of a lane, or the length of a record, in front of what it is about. @param {number} n @param {string} t */
const framed = (n, t) => concat(encodeVarint(n), encoder.encode(t));

/** Takes a stream apart into the number it may begin with, and records. */
class Records {
  /** @param {boolean} hasNumber whether the stream begins with a number */
  constructor(hasNumber = false) {
    /** @type {number|null} */
    this.number = hasNumber ? null : 0;
    this.rest = new Uint8Array();
  }

  /**
   * @param {Uint8Array} chunk
   * @returns {string[]} the records that are whole now
   */
  push(chunk) {
    let bytes = this.rest.length ? concat(this.rest, chunk) : chunk;
    const records = [];
    for (;;) {
      const { value, size } = decodeVarint(bytes);
      if (!size) break;
      if (this.number === null) {
        this.number = value;
        bytes = bytes.subarray(size);
        continue;
      }
      if (value > RECORD_BYTES_MAX) throw new Error("a record is too large");
      if (bytes.length < size + value) break;
      records.push(decoder.decode(bytes.subarray(size, size + value)));
      bytes = bytes.subarray(size + value);
    }
    this.rest = bytes.slice();
    return records;
  }
}

// --- connections -----------------------------------------------------------------------------------------------------

/**
 * How a connection ended: a close code, or 0 if it was lost.
 *
 * @typedef {{code: number, reason: string}} End
 */

/** One connection. What comes before somebody listens waits. */
class Pipe {
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

  /** @param {number} _code @param {string} _reason */
  shut(_code, _reason) {}

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

  /** It has ended by itself. @param {number} code @param {string} [reason] */
  ended(code, reason = "") {
    if (this.end) return;
    this.end = { code, reason };
    this.shut(1000, "");
    this.onend(this.end);
  }

  /** Ends it for good, after a goodbye. */
  leave() {
    this.close();
  }

  /** Ends it from this side; nothing is told of it any more. @param {number} [code] @param {string} [reason] */
  close(code = 1000, reason = "") {
    if (this.end) return;
    this.end = { code: 0, reason };
    this.shut(code, reason);
  }
}

class WebSocketPipe extends Pipe {
  /** @param {any} socket */
  constructor(socket) {
    super("websocket");
    this.socket = socket;
    socket.onmessage = (/** @type {any} */ { data }) => {
      if (typeof data === "string") this.arrived(null, data);
      else this.ended(CLOSE_CODES.wrong_frame_kind.number, "The server sent binary in a text session.");
    };
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

  /** @param {number} code @param {string} reason */
  shut(code, reason) {
    this.socket.close(code, reason);
  }
}

class WebTransportPipe extends Pipe {
  #buffered = 0;

  /** @param {any} transport @param {any} control */
  constructor(transport, control) {
    super("webtransport");
    this.session = transport;
    this.writer = control.writable.getWriter();
    this.writer.closed.catch(nothing);
    this.datagrams = datagramWriter(transport.datagrams);
    const lost = () => this.ended(0);
    transport.closed?.then((/** @type {any} */ info) => this.ended(info?.closeCode ?? 0, info?.reason), lost);
    this.#records(control.readable, new Records()).then(lost, lost);
    each(transport.incomingUnidirectionalStreams, (stream) => {
      // A lane that breaks off alone is found out by what it leaves unsaid.
      this.#records(stream, new Records(true)).catch(nothing);
    }).catch(nothing);
    each(transport.datagrams.readable, (bytes) => {
      const { value, size } = decodeVarint(bytes);
      if (size && !this.end) this.ondatagram(value, decoder.decode(bytes.subarray(size)));
    }).catch(nothing);
  }

  get buffered() {
    return this.#buffered;
  }

  /** @param {any} stream @param {Records} records */
  async #records(stream, records) {
    await each(stream, (chunk) => {
      try {
        for (const text of records.push(chunk)) this.arrived(records.number, text);
      } catch {
        this.ended(CLOSE_CODES.malformed.number, "The server sent what cannot be read.");
      }
    });
  }

  /** @param {string} text */
  send(text) {
    const payload = encoder.encode(text);
    const record = concat(encodeVarint(payload.length), payload);
    this.#buffered += record.length;
    const written = () => {
      this.#buffered -= record.length;
      this.ondrain();
    };
    this.writer.write(record).then(written, () => this.ended(0));
  }

  /** @param {number} lane @param {string} text */
  datagram(lane, text) {
    const bytes = framed(lane, text);
    if (!this.datagrams || bytes.length > (this.session.datagrams.maxDatagramSize ?? 1200)) return false;
    this.datagrams.write(bytes).catch(nothing);
    return true;
  }

  leave() {
    // The end of control is a goodbye, and this one has been read when it settles.
    const read = Promise.race([this.writer.close().catch(nothing), sleep(500)]);
    read.then(() => this.close());
  }

  /** @param {number} closeCode @param {string} reason */
  shut(closeCode, reason) {
    try {
      this.session.close({ closeCode, reason });
    } catch {
      // It is closed.
    }
  }
}

/** Safari and Firefox make writers of datagrams; Chromium has one. @param {any} datagrams */
function datagramWriter(datagrams) {
  try {
    const writer = (datagrams.createWritable?.() ?? datagrams.writable)?.getWriter();
    writer?.closed?.catch(nothing);
    return writer ?? null;
  } catch {
    return null;
  }
}

/** Reads a stream to its end. @param {any} stream @param {(value: any) => void} use */
async function each(stream, use) {
  const reader = stream?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader.read()) use(next.value);
}

/**
 * Waits for something, but not for ever. What comes after all is undone.
 *
 * @template Value
 * @param {Promise<Value>} promise
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {(value: Value) => void} undo
 * @returns {Promise<Value>}
 */
function bounded(promise, ms, signal, undo) {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      settle();
      promise.then(undo, nothing);
      const late = new AnteroomError("timeout", `Nothing answered within ${Math.round(ms / 1000)} s.`);
      reject(signal.aborted ? aborted(signal) : late);
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

/** @param {string} url @param {any} Socket @param {AbortSignal} signal */
function dialWebSocket(url, Socket, signal) {
  const dialing = new Promise((resolve, reject) => {
    const socket = new Socket(url);
    const failed = () => reject(new AnteroomError("unreachable", "The server cannot be reached."));
    socket.onopen = () => resolve(new WebSocketPipe(socket));
    socket.onclose = socket.onerror = failed;
    signal.addEventListener("abort", () => socket.readyState === 0 && socket.close());
  });
  return bounded(/** @type {Promise<Pipe>} */ (dialing), WEBSOCKET_MS, signal, (pipe) => pipe.close());
}

/** @param {() => Promise<any>} certificate @param {number} ms @param {AbortSignal} signal */
function dialWebTransport(certificate, ms, signal) {
  /** @type {any} */
  let session = null;
  const close = () => {
    try {
      session?.close();
    } catch {
      // It never stood.
    }
  };
  const dial = async () => {
    const { webtransport_url, hashes } = await certificate();
    if (signal.aborted) throw aborted(signal);
    const options = hashes.length ? { serverCertificateHashes: hashes } : {};
    session = new scope.WebTransport(webtransport_url, options);
    const failed = Promise.resolve(session.closed).then(() => Promise.reject(new Error("closed")));
    failed.catch(nothing);
    await Promise.race([session.ready, failed]);
    const control = await Promise.race([session.createBidirectionalStream(), failed]);
    return /** @type {Pipe} */ (new WebTransportPipe(session, control));
  };
  return bounded(dial(), ms, signal, (pipe) => pipe.close()).catch((error) => {
    close();
    throw error;
  });
}

// --- the way to a server ---------------------------------------------------------------------------------------------

/** What is remembered of servers whose UDP does not get through, where there is no storage. @type {Map<string, any>} */
const remembered = new Map();

/** How to come to a server: which transports there are, and which are worth trying now. */
class Route {
  /** @type {Promise<any>|null} */
  #certificate = null;
  /** As if the network blocked UDP. */
  udpBlocked = false;
  /** @type {"auto"|"webtransport"|"websocket"} */
  choice = "auto";

  /** @param {URL} url @param {any} Socket */
  constructor(url, Socket) {
    const secure = /^(https|wss):$/.test(url.protocol);
    this.origin = `${secure ? "https" : "http"}://${url.host}`;
    this.socketUrl = `${secure ? "wss" : "ws"}://${url.host}/ws`;
    this.Socket = Socket;
    this.key = `anteroom:udp:${this.origin}`;
  }

  get hasWebTransport() {
    return typeof scope.WebTransport === "function";
  }

  /** What a page needs for WebTransport; asked for again when it did not help, since certificates are renewed. */
  #ask() {
    const ask = async () => {
      const response = await fetch(`${this.origin}/api/certificate`, { signal: AbortSignal.timeout(WEBTRANSPORT_MS) });
      const { webtransport_url, hashes } = await response.json();
      const decoded = hashes.map((/** @type {any} */ { algorithm, value }) => {
        return { algorithm, value: Uint8Array.from(atob(value), (c) => c.charCodeAt(0)) };
      });
      return { webtransport_url, hashes: decoded };
    };
    this.#certificate ??= ask();
    return this.#certificate;
  }

  /** @param {AbortSignal} signal @param {number} [ms] */
  async webTransport(signal, ms = WEBTRANSPORT_MS) {
    if (!this.hasWebTransport) throw new AnteroomError("unreachable", "This browser has no WebTransport.");
    const blocked = () => new Promise(nothing);
    try {
      const pipe = await dialWebTransport(() => (this.udpBlocked ? blocked() : this.#ask()), ms, signal);
      this.noteOpen();
      return pipe;
    } catch (error) {
      this.#certificate = null;
      if (error instanceof AnteroomError) throw error;
      throw new AnteroomError("unreachable", "WebTransport does not get through.", { cause: error });
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
    if (this.choice === "webtransport") return { pipe: await this.webTransport(signal, WEBSOCKET_MS) };
    if (this.choice === "websocket" || !this.hasWebTransport) return { pipe: await this.webSocket(signal) };
    if (this.udpWaitMs() > 0) {
      const pipe = await this.webSocket(signal).catch((error) => {
        return this.webTransport(signal).catch(() => Promise.reject(error));
      });
      return { pipe };
    }
    const loser = new AbortController();
    const abort = () => loser.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const better = this.webTransport(signal);
    const started = Promise.race([sleep(HEAD_START_MS), better.catch(nothing)]);
    const socket = started.then(() => this.webSocket(loser.signal));
    try {
      const pipe = await Promise.any([better, socket]);
      if (pipe.transport === "webtransport") loser.abort();
      socket.catch(nothing);
      better.catch(() => pipe.transport === "websocket" && !signal.aborted && this.noteFailed(BLOCKED_MS));
      return pipe.transport === "websocket" ? { pipe, better } : { pipe };
    } catch {
      // That nobody answers is what a firewall looks like, too; the WebSocket's end is the one that tells.
      return { pipe: await socket };
    }
  }

  /** How long UDP is not worth trying: 0 if it is now. */
  udpWaitMs() {
    const { at, until } = this.#noted();
    const now = Date.now();
    // A clock that was set back must not make it for ever.
    return at <= now && until - at <= BROKEN_MS[1] ? Math.max(0, until - now) : 0;
  }

  #noted() {
    try {
      const stored = JSON.parse(storageOf("localStorage")?.getItem(this.key) ?? "null");
      return stored ?? remembered.get(this.key) ?? { at: 0, until: 0, failures: 0 };
    } catch {
      return remembered.get(this.key) ?? { at: 0, until: 0, failures: 0 };
    }
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

  /** @param {any} noted */
  #note(noted) {
    remembered.set(this.key, noted);
    try {
      storageOf("localStorage")?.setItem(this.key, JSON.stringify(noted));
    } catch {
      // It is remembered until the page is left.
    }
  }
}

// --- what outlives a reload ------------------------------------------------------------------------------------------

/**
 * Keeps what it takes to go on with the session in the tab's own storage. A tab that is duplicated copies it, so a
 * Web Lock says whose it is; without Web Locks it is stored only while no page is there.
 */
class Vault {
  /** @type {() => void} */
  #release = nothing;
  /** @type {any} */
  #entry = null;

  /** @param {Storage|null|undefined} storage @param {string} origin */
  constructor(storage, origin) {
    this.storage = storage;
    this.key = `anteroom:session:${origin}`;
    this.locks = scope.navigator?.locks;
  }

  /** Takes over what an earlier page of this tab has left. @returns {Promise<any>} */
  async claim() {
    let entry = null;
    try {
      entry = JSON.parse(this.storage?.getItem(this.key) ?? "null");
    } catch {
      // As if nothing had been stored.
    }
    const { sessionId, token, attempt, limits, graceMs } = entry ?? {};
    const isWhole = [sessionId, token].every((text) => typeof text === "string") && limits && graceMs;
    if (!isWhole || !Number.isInteger(attempt) || !(await this.#lock(sessionId, 500))) return null;
    this.#entry = entry;
    if (!this.locks) this.#write(null);
    return entry;
  }

  /** @param {any} entry */
  async keep(entry) {
    const isNew = this.#entry?.sessionId !== entry.sessionId;
    this.#entry = entry;
    if (isNew) await this.#lock(entry.sessionId, 500);
    if (this.locks && this.#entry === entry) this.#write(entry);
  }

  /** Lets another page go on with the session. */
  release() {
    this.#entry = null;
    this.#release();
  }

  forget() {
    this.release();
    this.#write(null);
  }

  /** The page goes away, for now or for good. @param {boolean} isGone */
  left(isGone) {
    if (this.#entry && !this.locks) this.#write(isGone ? this.#entry : null);
  }

  /** @param {any} entry */
  #write(entry) {
    try {
      if (entry) this.storage?.setItem(this.key, JSON.stringify(entry));
      else this.storage?.removeItem(this.key);
    } catch {
      // Then a reload begins a new session.
    }
  }

  /** @param {string} sessionId @param {number} ms */
  async #lock(sessionId, ms) {
    this.#release();
    if (!this.storage || !this.locks) return true;
    return new Promise((resolve) => {
      const hold = () => {
        resolve(true);
        return new Promise((release) => (this.#release = () => release(undefined)));
      };
      // The page before this one may need a moment to be gone.
      const options = { signal: AbortSignal.timeout(ms) };
      this.locks.request(`anteroom:${sessionId}`, options, hold).catch(() => resolve(false));
    });
  }
}

// --- what counts -----------------------------------------------------------------------------------------------------

/** What the server sends that does not count: it concerns a connection. */
const UNCOUNTED = /^(handshake_accepted|reconnect_result|lane|ping|pong|ack|goodbye)$/;
const JOINED = /^(create|join)_room_result$/;

/**
 * A message that the server is to have.
 *
 * @typedef {object} Outgoing
 * @property {number} lane
 * @property {string} head its JSON up to the number
 * @property {string} data
 * @property {number} bytes
 * @property {number} n none, 0, while it waits
 * @property {Pipe|null} pipe where it was written last
 * @property {string} [key] of which only the newest value matters
 */

/**
 * One ordered sequence of messages, in both directions.
 *
 * @typedef {object} Lane
 * @property {number} id
 * @property {Room|null} room
 * @property {number} received the number of the last message that has arrived
 * @property {number} next the number of the message that comes next on its connection
 * @property {number} acked
 * @property {Pipe|null} pipe where it is read from; none until it is announced on a new connection
 * @property {number|null} gap what was missed at least, until the snapshot comes
 * @property {boolean} ended
 */

/** How far each lane has come in both directions, and what the server does not have yet. Knows no clock. */
class Ledger {
  /** @type {Map<number, Lane>} */
  lanes = new Map();
  n = 0;
  /** What was given a number, in its order. @type {Outgoing[]} */
  kept = [];
  keptBytes = 0;
  /** What has none yet, because too much is kept. @type {Outgoing[]} */
  waiting = [];
  /** The connection to write on. @type {Pipe|null} */
  current = null;
  /** Which lane a room's messages are on, for connections that do not tell. @type {WeakMap<Pipe, Map<string, number>>} */
  places = new WeakMap();
  /** What has arrived and is not acknowledged. */
  due = { messages: 0, characters: 0 };

  /** @param {number} id @returns {Lane} */
  lane(id) {
    const fresh = { id, room: null, received: 0, next: 1, acked: 0, pipe: null, gap: null, ended: false };
    const lane = this.lanes.get(id) ?? fresh;
    this.lanes.set(id, lane);
    return lane;
  }

  /** From here on a room's messages on that connection are on this lane. @param {Pipe} pipe @param {string} room @param {number} id */
  place(pipe, room, id) {
    this.places.set(pipe, (this.places.get(pipe) ?? new Map()).set(room, id));
  }

  /**
   * Takes what has arrived. Gives its lane, or null if it has arrived before or concerns nobody.
   *
   * @param {Pipe} pipe
   * @param {number|null} told the lane, if the connection tells
   * @param {any} message
   */
  take(pipe, told, message) {
    const { type, ref, room_id, success, latest, data } = message;
    const joins = JOINED.test(type) && success;
    const id = told ?? (room_id == null ? 0 : joins ? data.lane : this.places.get(pipe)?.get(room_id));
    if (joins && ref != null) {
      if (!this.lanes.has(id)) this.lane(id).pipe = pipe;
      this.place(pipe, room_id, id);
    }
    const lane = this.lanes.get(id);
    if (lane?.pipe !== pipe) {
      // The rest of what an old connection brings comes again on the new one.
      if (pipe === this.current) throw new Error(`"${type}" on a lane that is not open`);
      return null;
    }
    if (latest == null) {
      const number = lane.next++;
      if (number <= lane.received) return null;
      lane.received = number;
      this.due.messages += 1;
    }
    return lane.ended ? null : lane;
  }

  /**
   * A lane goes on. Gives it, unless it goes on elsewhere already.
   *
   * @param {Pipe} pipe
   * @param {{lane: number, room_id?: string, next: number, applied: number, gap?: boolean}} opened
   */
  opened(pipe, { lane: id, room_id, next, applied, gap }) {
    const lane = this.lane(id);
    if (pipe !== this.current && lane.pipe && lane.pipe !== pipe) return null;
    if (gap) {
      lane.gap = (lane.gap ?? 0) + Math.max(0, next - 1 - lane.received);
      lane.received = next - 1;
    } else if (next > lane.received + 1) {
      throw new Error("messages are missing, and no gap was told");
    }
    Object.assign(lane, { next, pipe });
    if (room_id != null) this.place(pipe, room_id, id);
    this.acknowledged({ [id]: applied });
    return lane;
  }

  /** What has arrived on each lane; all of it, or what is new. @param {boolean} [all] */
  received(all) {
    /** @type {Record<string, number>} */
    const counts = {};
    for (const lane of this.lanes.values()) {
      if (all ? lane.received : lane.received > lane.acked) counts[lane.id] = lane.acked = lane.received;
    }
    this.due = { messages: 0, characters: 0 };
    return counts;
  }

  /** @param {Outgoing} outgoing */
  add(outgoing) {
    const { lane, key } = outgoing;
    if (key !== undefined) this.remove((older) => older.lane === lane && older.key === key);
    this.waiting.push(outgoing);
  }

  /** What can be written now and was not, in its order. */
  unwritten() {
    const { unacked_messages_max, unacked_bytes_max } = this.limits;
    const hasRoom = () => this.kept.length < unacked_messages_max && this.keptBytes < unacked_bytes_max;
    while (this.waiting.length && (!this.kept.length || hasRoom())) {
      const outgoing = /** @type {Outgoing} */ (this.waiting.shift());
      outgoing.n = ++this.n;
      this.kept.push(outgoing);
      this.keptBytes += outgoing.bytes;
    }
    const { current } = this;
    return this.kept.filter(({ lane, pipe }) => pipe !== current && this.lanes.get(lane)?.pipe === current);
  }

  /** @type {Limits} */
  limits = { message_bytes_max: 65536, unacked_messages_max: 1024, unacked_bytes_max: 262144, rooms_max: 16 };

  /** Forgets messages. @param {(outgoing: Outgoing) => boolean} isGone */
  remove(isGone) {
    this.kept = this.kept.filter((outgoing) => !isGone(outgoing));
    this.waiting = this.waiting.filter((outgoing) => !isGone(outgoing));
    this.keptBytes = this.kept.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The owners of lanes have everything up to these numbers. @param {Record<string, number>} counts */
  acknowledged(counts) {
    this.remove(({ lane, n }) => n > 0 && n <= (counts[lane] ?? 0));
  }

  /** A lane has ended: what was sent on it is never sent again. @param {Lane} lane */
  end(lane) {
    lane.ended = true;
    this.remove((outgoing) => outgoing.lane === lane.id);
    const ended = [...this.lanes.values()].filter(({ ended }) => ended);
    for (const { id } of ended.slice(0, -ENDED_LANES_MAX)) this.lanes.delete(id);
  }

  /** A connection is gone. @param {Pipe|null} pipe */
  lost(pipe) {
    for (const lane of this.lanes.values()) if (lane.pipe === pipe) lane.pipe = null;
    if (this.current === pipe) this.current = null;
  }
}

// --- the session -----------------------------------------------------------------------------------------------------

/**
 * A question that waits for its answer.
 *
 * @typedef {object} Asked
 * @property {string} type
 * @property {any} request
 * @property {Outgoing} outgoing
 * @property {(value: any) => void} resolve
 * @property {(error: AnteroomError) => void} reject
 * @property {number} left how long it may still take while the session is open, in ms
 * @property {number} since
 * @property {any} timer
 */

/** Keeps a session on some connection, and sends and takes its messages. What it learns it tells the lobby. */
class Session {
  ledger = new Ledger();
  token = "";
  attempt = 0;
  nonce = randomText();
  /** Requests of an earlier page's may be answered yet, so this page's are told apart. */
  firstReference = Math.floor(Math.random() * 2 ** 30) * 2 ** 20;
  reference = this.firstReference;
  /** @type {Map<number, Asked>} */
  asked = new Map();
  /** What concerns the connection alone. @type {string[]} */
  notes = [];
  /** @type {(() => void)[]} */
  inbox = [];
  isPaused = false;
  isFlushing = false;
  /** The connection that the session moves away from. @type {Pipe|null} */
  old = null;
  /** @type {WeakMap<Pipe, End>} */
  goodbyes = new WeakMap();
  /** Ends the making of a connection. */
  making = new AbortController();
  /** Resolves when the session goes on on the connection that is current. @type {{resolve: () => void, reject: (error: AnteroomError) => void}|null} */
  attaching = null;
  /** One that may still come and would be better. @type {Promise<Pipe>|null} */
  better = null;
  isComingBack = false;
  wake = nothing;
  lostAt = 0;
  /** Why the session before this one is over, until it is told. @type {AnteroomError|null} */
  renewed = null;
  attachedAt = 0;
  /** WebTransport may have failed although the network is there. */
  isSuspect = false;
  /** The lanes whose snapshots a page that was loaded anew waits for. @type {Set<number>} */
  awaited = new Set();
  /** @type {Map<string, (pong: any) => void>} */
  pings = new Map();
  isProbing = false;
  heardAt = 0;
  writtenAt = 0;
  pingedAt = 0;
  checkedAt = 0;
  /** @type {Record<string, any>} */
  timers = {};
  /** @type {(() => void)[]} */
  unlisten = [];

  /** @param {Lobby} lobby @param {ConnectOptions} options @param {Route} route @param {Vault} vault */
  constructor(lobby, options, route, vault) {
    this.lobby = lobby;
    this.options = options;
    this.route = route;
    this.vault = vault;
  }

  get isOpen() {
    return this.lobby.state === "open";
  }

  /** @param {string} type @param {string} message @param {Partial<Activity>} [more] */
  tell(type, message, more) {
    this.lobby.emit("activity", { at: Date.now(), type, message, ...more });
  }

  /** @param {string} name @param {number} ms @param {() => void} task */
  after(name, ms, task) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(task, ms);
  }

  // Beginning, and coming back.

  async begin() {
    const stored = await this.vault.claim();
    if (stored && !this.lobby.isOver) {
      const { sessionId, userId, username, limits, graceMs, token, attempt } = stored;
      Object.assign(this.lobby, { sessionId, userId, username, limits, graceMs, restored: true });
      Object.assign(this, { token, attempt });
      this.ledger.limits = limits;
      this.tell("restored", "The page was loaded anew; its session goes on.");
    }
    this.listenToPage();
    this.comeBack();
  }

  /** What is to be told the next page, and before anything is sent that depends on it. */
  keep() {
    const { sessionId, userId, username, limits, graceMs } = this.lobby;
    this.vault.keep({ sessionId, userId, username, limits, graceMs, token: this.token, attempt: this.attempt });
  }

  /** Another connection is made: what was being made before is not wanted any more. */
  make() {
    this.making.abort();
    this.making = new AbortController();
    return this.making.signal;
  }

  /** Makes connections until the session goes on, or nothing is left to go on with. */
  async comeBack() {
    if (this.isComingBack) return;
    this.isComingBack = true;
    for (let failures = 0; !this.ledger.current && !this.lobby.isOver; failures++) {
      const woken = new Promise((wake) => (this.wake = () => wake(0)));
      if (failures) await Promise.race([woken, sleep(Math.random() * Math.min(50 * 2 ** failures, 5000))]);
      if (this.lobby.isOver) break;
      const signal = this.make();
      try {
        this.tell("connecting", failures ? "Tries again to reach the server." : "Looks for a way to the server.");
        if (this.isSuspect) this.route.noteFailed(BROKEN_MS);
        const { pipe, better = null } = await this.route.stand(signal);
        this.better = better;
        better?.catch(nothing);
        await this.introduce(pipe, signal, false);
      } catch (error) {
        // Nothing else gets through either.
        if (this.isSuspect) this.route.noteOpen();
        if (!this.lobby.isOver) this.failed(known(error), signal.aborted);
      }
      this.isSuspect = false;
    }
    this.isComingBack = false;
  }

  /** No connection has come of it. @param {AnteroomError} error @param {boolean} wasAborted */
  failed(error, wasAborted) {
    const isBeginning = !this.lostAt;
    const isLate = Date.now() > this.lostAt + this.lobby.graceMs + ATTACH_MS;
    const isFinal = error.closeCode ? !error.retryable || isBeginning : !/^(unreachable|lost|timeout|aborted)$/.test(error.code);
    const isAbsent = isBeginning && error.code === "unreachable";
    if (isFinal || isAbsent || (!isBeginning && isLate && !wasAborted)) return this.end(error, isFinal || !isBeginning);
    this.tell("retry", error.message, { code: error.code });
  }

  /**
   * Says on a new connection who this is, and waits until the session goes on there.
   *
   * @param {Pipe} pipe
   * @param {AbortSignal} signal
   * @param {boolean} isMove whether the session lives on another connection meanwhile
   */
  async introduce(pipe, signal, isMove) {
    const began = Date.now();
    /** @type {[number|null, any][]} */
    const held = [];
    /** @type {((message: any) => void)|null} */
    let answer = null;
    /** @type {(error: AnteroomError) => void} */
    let fail = nothing;
    pipe.onend = (end) => fail(ending(this.goodbyes.get(pipe) ?? end));
    this.read(pipe, (lane, message) => {
      // A room's stream may overtake the answer.
      if (message.type === "goodbye") this.onGoodbye(pipe, message.data);
      else if (answer && !lane && /^(handshake|reconnect|error)/.test(message.type)) answer(message);
      else held.push([lane, message]);
    });
    const ask = async (/** @type {string} */ type, /** @type {any} */ data) => {
      const answering = new Promise((resolve, reject) => ([answer, fail] = [resolve, reject]));
      if (pipe.end) pipe.onend(pipe.end);
      else pipe.send(JSON.stringify({ type, ref: 0, data }));
      const message = await bounded(answering, ATTACH_MS, signal, nothing);
      answer = null;
      if (message.error || message.success === false) throw refusal(message.error);
      return message.data;
    };
    const attached = new Promise((resolve, reject) => {
      this.attaching = { resolve: () => resolve(0), reject };
    });
    attached.catch(nothing);
    let isNew = false;
    try {
      const result = this.lobby.sessionId && (await this.reconnect(ask, isMove));
      isNew = !result;
      if (result) this.goOn(pipe, result, isMove);
      else this.begun(pipe, await ask("handshake", this.handshake()));
    } catch (error) {
      pipe.close();
      throw error;
    }
    pipe.onend = (end) => this.enqueue(() => this.ended(pipe, end));
    pipe.ondrain = () => this.schedule();
    pipe.ondatagram = (lane, text) => this.onDatagram(lane, text);
    const take = (/** @type {number|null} */ lane, /** @type {any} */ message) => {
      this.enqueue(() => this.take(pipe, lane, message));
    };
    for (const [lane, message] of held) take(lane, message);
    this.read(pipe, take);
    if (isNew) this.attached();
    await bounded(attached, ATTACH_MS, signal, nothing).catch((error) => {
      this.lose(pipe, { code: 0, reason: "The server does not go on." }, false);
      throw error;
    });
    return Date.now() - began;
  }

  /** @param {Pipe} pipe @param {(lane: number|null, message: any) => void} take */
  read(pipe, take) {
    pipe.listen((lane, text) => {
      let messages;
      try {
        messages = JSON.parse(text);
      } catch {
        return pipe.ended(CLOSE_CODES.malformed.number, "The server sent what cannot be read.");
      }
      this.heardAt = Date.now();
      this.ledger.due.characters += text.length;
      for (const message of Array.isArray(messages) ? messages : [messages]) take(lane, message);
    });
  }

  handshake() {
    const { name, token, client = "anteroom-js/1" } = this.options;
    return { version: PROTOCOL_VERSION, name, token, client, resume: true, nonce: this.nonce };
  }

  /** @param {(type: string, data: any) => Promise<any>} ask @param {boolean} isMove */
  async reconnect(ask, isMove) {
    this.attempt += 1;
    this.keep();
    const fresh = this.lobby.restored && !this.lostAt ? true : undefined;
    const received = isMove || fresh ? undefined : this.ledger.received(true);
    const { token: resume_token, attempt } = this;
    try {
      return await ask("reconnect", { session_id: this.lobby.sessionId, resume_token, attempt, received, fresh });
    } catch (error) {
      if (isMove || known(error).code !== "session_unknown") throw error;
      this.forget(known(error));
    }
  }

  /** A session has begun. @param {Pipe} pipe @param {any} accepted */
  begun(pipe, accepted) {
    const { session_id, resume_token, user_id, username, limits, grace_ms, server_time_ms } = accepted;
    const clockOffset = server_time_ms - Date.now();
    Object.assign(this.lobby, { sessionId: session_id, userId: user_id, username, limits, graceMs: grace_ms, clockOffset });
    Object.assign(this, { token: resume_token, attempt: 0 });
    // The name that was made up, or taken from a token, stays.
    this.options = { ...this.options, name: this.options.name ?? username };
    this.ledger.limits = limits;
    this.ledger.current = this.ledger.lane(0).pipe = pipe;
    this.keep();
    if (Math.abs(clockOffset) > DAY_MS) {
      this.tell("clock", "This device's clock is wrong by more than a day; certificates may be refused for it.");
    }
  }

  /** The session goes on. @param {Pipe} pipe @param {any} result @param {boolean} isMove */
  goOn(pipe, { resume_token, lanes, last_n }, isMove) {
    const { ledger } = this;
    this.token = resume_token;
    this.keep();
    ledger.n = Math.max(ledger.n, last_n);
    if (isMove && ledger.current) this.old = ledger.current;
    ledger.current = pipe;
    if (isMove) return pipe.send(JSON.stringify({ type: "resume", data: { received: ledger.received(true) } }));
    const listed = new Set(lanes.map((/** @type {any} */ { lane }) => lane));
    for (const lane of [...ledger.lanes.values()]) {
      if (!lane.id || listed.has(lane.id)) continue;
      if (!lane.ended) this.endLane(lane, "session_lost", "Your place in this room is gone.");
      ledger.lanes.delete(lane.id);
    }
    if (this.lobby.restored && !this.lostAt) this.awaited = listed;
  }

  /** The server does not know the session any more: nothing of it is left. @param {AnteroomError} error */
  forget(error) {
    const { lobby } = this;
    const isLate = this.lostAt && Date.now() - this.lostAt >= lobby.graceMs;
    const seconds = Math.round(lobby.graceMs / 1000);
    const why = lobby.restored && !this.lostAt
      ? "The session of this tab is over; a new one has begun."
      : isLate
        ? `You were away for longer than ${seconds} s, so your seats were given up.`
        : "The server does not know this session any more; it may have been restarted.";
    const told = new AnteroomError(error.code, why);
    for (const lane of this.ledger.lanes.values()) if (lane.room) this.endLane(lane, "session_lost", why);
    this.abandon(new AnteroomError("outcome_unknown", why));
    Object.assign(this, { ledger: new Ledger(), nonce: randomText(), awaited: new Set() });
    if (lobby.restored && !this.lostAt) lobby.lost = told;
    else this.renewed = told;
    Object.assign(lobby, { sessionId: "", restored: false });
    this.vault.forget();
  }

  /** Control has come over to the current connection. */
  attached() {
    const { lobby, ledger, lostAt } = this;
    const { transport } = /** @type {Pipe} */ (ledger.current);
    const [type, message] = this.isOpen
      ? ["moved", `Moved to ${label(transport)}; nothing was lost.`]
      : lostAt && !this.renewed
        ? ["resumed", `Resumed over ${label(transport)} after ${seconds(Date.now() - lostAt)}.`]
        : ["open", `In the lobby, over ${label(transport)}.`];
    this.lostAt = 0;
    this.attachedAt = this.heardAt = Date.now();
    this.attaching?.resolve();
    this.tell(type, message, { transport });
    lobby.emit("transport", transport);
    this.setState("open");
    const { renewed } = this;
    if (renewed) {
      this.renewed = null;
      this.tell("renewed", renewed.message, { code: renewed.code });
      lobby.emit("renewed", { error: renewed });
      lobby.list?.again(this);
    }
    const { better } = this;
    this.better = null;
    if (better) better.then((pipe) => this.takeOver(pipe), () => this.planUpgrade());
    else this.planUpgrade();
    this.ping(PONG_MS).catch(nothing);
    this.schedule();
    this.settle();
    this.isReady();
  }

  /** The page gets its lobby once the rooms are there that the page before it was in. */
  isReady() {
    if (!this.isOpen) return;
    if (!this.awaited.size) return this.lobby.ready(null);
    this.after("awaited", ATTACH_MS, () => this.lobby.ready(null));
  }

  // Moving.

  /** A better connection has come after all. @param {Pipe} pipe */
  async takeOver(pipe) {
    const isWanted = this.isOpen && this.route.choice === "auto" && this.ledger.current?.transport === "websocket";
    if (!isWanted) return pipe.close();
    await this.moveOver(pipe, this.make()).catch(() => this.planUpgrade());
  }

  /** @param {Pipe} pipe @param {AbortSignal} signal */
  async moveOver(pipe, signal) {
    this.tell("moving", `Moves to ${label(pipe.transport)}.`, { transport: pipe.transport });
    await this.introduce(pipe, signal, true);
  }

  /** @param {"webtransport"|"websocket"|"auto"} choice */
  async moveTo(choice) {
    const { route, ledger } = this;
    const before = route.choice;
    route.choice = choice;
    const wanted = choice === "auto" && route.hasWebTransport ? "webtransport" : choice;
    if (!this.isOpen || wanted === "auto" || ledger.current?.transport === wanted) return this.planUpgrade();
    const signal = this.make();
    try {
      const dial = wanted === "websocket" ? route.webSocket(signal) : route.webTransport(signal, WEBSOCKET_MS);
      await this.moveOver(await dial, signal);
    } catch (error) {
      if (choice !== "auto") route.choice = before;
      this.tell("move_failed", `Could not move to ${label(wanted)}.`, { transport: wanted });
      this.planUpgrade();
      throw known(error);
    }
  }

  /** Tries for WebTransport from a WebSocket that works, now or later. */
  planUpgrade() {
    clearTimeout(this.timers.upgrade);
    const { route, ledger } = this;
    if (!this.isOpen || route.choice !== "auto" || !route.hasWebTransport || ledger.current?.transport !== "websocket") return;
    this.after("upgrade", route.udpWaitMs(), () => {
      const isIdle = this.isOpen && !this.old && ledger === this.ledger;
      if (!isIdle) return this.planUpgrade();
      const signal = this.make();
      route.webTransport(signal).then(
        (pipe) => this.takeOver(pipe),
        () => {
          if (signal.aborted) return;
          route.noteFailed(BLOCKED_MS);
          const ms = route.udpWaitMs();
          this.tell("blocked", `UDP does not get through; the next try is in ${seconds(ms)}.`, { ms });
          this.planUpgrade();
        },
      );
    });
  }

  /** Lets the old connection go once everything has come over. */
  settle() {
    const { old, ledger } = this;
    if (!old || [...ledger.lanes.values()].some((lane) => !lane.ended && lane.pipe !== ledger.current)) return;
    // The server closes it; one that does not has had its time.
    this.after("old", 2000, () => this.retire(old));
  }

  /** @param {Pipe} pipe */
  retire(pipe) {
    pipe.close();
    this.ledger.lost(pipe);
    if (this.old === pipe) this.old = null;
  }

  // Losing.

  /** @param {Pipe} pipe @param {any} data */
  onGoodbye(pipe, { code = 0, reason = "" } = {}) {
    this.goodbyes.set(pipe, { code, reason });
    pipe.ended(code, reason);
  }

  /** @param {Pipe} pipe @param {End} end */
  ended(pipe, end) {
    if (pipe === this.old) return this.retire(pipe);
    this.lose(pipe, this.goodbyes.get(pipe) ?? end, true);
  }

  /**
   * The current connection is of no use any more; the session goes on on another one, if that can be.
   *
   * @param {Pipe|null} pipe
   * @param {End} end
   * @param {boolean} isFailure whether it failed by itself
   */
  lose(pipe, end, isFailure) {
    const { ledger, lobby } = this;
    if (!pipe || pipe !== ledger.current) return;
    const error = ending(end);
    this.attaching?.reject(error);
    if (end.code >= 4500) return this.end(error, true);
    this.making.abort();
    if (this.old) this.retire(this.old);
    this.retire(pipe);
    for (const name of ["upgrade", "ack", "old", "awaited"]) clearTimeout(this.timers[name]);
    this.better = null;
    this.notes = [];
    const wasShort = Date.now() - this.attachedAt < 60000;
    const isOnline = scope.navigator?.onLine !== false;
    this.isSuspect = isFailure && !end.code && wasShort && isOnline && this.isOpen && pipe.transport === "webtransport"
      && this.route.choice === "auto";
    if (this.isOpen) {
      this.lostAt = Date.now();
      this.tell("lost", end.reason || "The connection was lost.", { transport: pipe.transport, code: error.code });
      this.setState("resuming");
      lobby.emit("transport", null);
    }
    this.comeBack();
  }

  /** @param {AnteroomError|null} error @param {boolean} [isFinal] whether there is nothing to go on with */
  end(error, isFinal = true) {
    const { lobby, ledger } = this;
    if (lobby.isOver) return;
    lobby.error = error;
    const why = error ?? new AnteroomError("closed", "The lobby was closed.");
    this.setState("closed");
    this.making.abort();
    this.wake();
    for (const off of this.unlisten) off();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    clearInterval(this.timers.watch);
    ledger.current?.close();
    this.old?.close();
    this.attaching?.reject(why);
    for (const lane of ledger.lanes.values()) if (lane.room) this.endLane(lane, "closed", why.message);
    this.abandon(why);
    ledger.current = null;
    if (isFinal) this.vault.forget();
    else this.vault.release();
    lobby.list?.close();
    this.tell("closed", why.message, { code: why.code });
    lobby.emit("closed", error);
    lobby.ready(why);
  }

  /** @param {LobbyState} state */
  setState(state) {
    const { lobby } = this;
    if (lobby.state === state) return;
    lobby.state = state;
    const now = Date.now();
    // An answer cannot come while there is no connection, so that time does not count.
    for (const [reference, asked] of this.asked) {
      clearTimeout(asked.timer);
      if (state === "open") this.awaitAnswer(reference, asked);
      else if (asked.since) Object.assign(asked, { left: asked.left - (now - asked.since), since: 0 });
    }
    lobby.emit("state", state);
  }

  // What arrives.

  /** @param {() => void} task */
  enqueue(task) {
    this.inbox.push(task);
    this.drain();
  }

  drain() {
    while (!this.isPaused && this.inbox.length && !this.lobby.isOver) this.inbox.shift()?.();
  }

  /** Lets whoever was given something listen to it, before more happens to it. */
  pause() {
    this.isPaused = true;
    nextTurn(() => {
      this.isPaused = false;
      this.drain();
    });
  }

  /** @param {Pipe} pipe @param {number|null} told @param {any} message */
  take(pipe, told, message) {
    const { ledger } = this;
    if (pipe !== ledger.current && pipe !== this.old) return;
    const { type, data = {} } = message;
    try {
      if (type === "lane") this.onLane(ledger.opened(pipe, data), data, pipe);
      else if (type === "ack") ledger.acknowledged(data), this.schedule();
      else if (type === "pong") this.pings.get(data.ts)?.(data);
      else if (type === "goodbye") this.onGoodbye(pipe, data);
      else if (type === "resume_result" && message.error) pipe.ended(0, message.error.message);
      else if (!UNCOUNTED.test(type)) {
        const lane = ledger.take(pipe, told, message);
        if (lane) this.deliver(lane, message);
        this.acknowledge();
      }
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      ledger.current?.close(CLOSE_CODES.malformed.number, message);
      this.end(new AnteroomError("malformed", `The server breaks the protocol: ${message}.`, { closeCode: 4501 }));
    }
  }

  /** @param {Lane|null} lane @param {any} opened @param {Pipe} pipe */
  onLane(lane, { applied, gap }, pipe) {
    if (!lane) return;
    if (gap) {
      // Their answers may be among what was lost.
      const swallowed = (/** @type {Outgoing} */ outgoing) => {
        return outgoing.lane === lane.id && outgoing.n > 0 && outgoing.n <= applied;
      };
      this.abandon(new AnteroomError("outcome_unknown", "The answer was lost."), swallowed);
    }
    if (lane.id === 0 && pipe === this.ledger.current) this.attached();
    this.settle();
    this.schedule();
  }

  /** @param {Lane} lane @param {any} message */
  deliver(lane, message) {
    const { type, ref, success, error, latest, data = {} } = message;
    const isFarewell = lane.id > 0 && (type === "room_closed" || (type === "leave_room_result" && success));
    if (lane.gap !== null && latest == null) {
      const { gap: missed } = lane;
      lane.gap = null;
      if (lane.id === 0) return this.onControlGap(missed);
      if (!isFarewell) return this.onSnapshot(lane, data, missed);
    }
    if (lane.id && JOINED.test(type) && success && ref == null) this.onSnapshot(lane, data, 0);
    else if (ref != null) this.onAnswer(lane, message);
    else if (lane.id) lane.room?.receive(message);
    else if (type === "rooms_changed") this.lobby.list?.change(data);
    else if (error) this.onRefusal(refusal(error));
    if (isFarewell) {
      const { reason = "left", message = "You left the room." } = data;
      this.endLane(lane, reason, message);
      this.settle();
    }
  }

  /** @param {number} missed */
  onControlGap(missed) {
    this.tell("gap", `${missed} messages of the lobby were lost.`);
    this.lobby.emit("gap", { missed });
    this.lobby.list?.again(this);
  }

  /** Everything in a room as it is now. @param {Lane} lane @param {any} data @param {number} missed */
  onSnapshot(lane, data, missed) {
    if (lane.room) {
      if (missed) this.tell("gap", `${missed} messages of ${data.name} were lost; here is how it stands.`);
      return lane.room.renew(data, missed);
    }
    // The answer to a request was lost, or this page was loaded anew.
    const room = this.enter(lane, data);
    const isAsked = (/** @type {Asked} */ { type, request }) => {
      return /^(join|create)_room$/.test(type) && (request.room_id ?? data.room_id) === data.room_id;
    };
    const found = this.awaited.delete(lane.id) ? null : [...this.asked].find(([, asked]) => isAsked(asked));
    if (found) this.settleAsked(found[0])?.resolve(room);
    else if (this.isOpen) this.lobby.emit("room", room);
    this.pause();
    this.isReady();
  }

  /** @param {Lane} lane @param {any} data */
  enter(lane, data) {
    const room = new Room(this, lane, data);
    lane.room = room;
    this.lobby.rooms.set(room.id, room);
    return room;
  }

  /** @param {Lane} lane @param {any} message */
  onAnswer(lane, { type, ref, success, error, data = {} }) {
    const asked = this.settleAsked(ref);
    if (!success) return asked?.reject(refusal(error));
    if (type === "subscribe_rooms_result") this.lobby.list?.replace(data);
    if (!JOINED.test(type)) return asked?.resolve(data);
    const room = this.enter(lane, data);
    const isEarlier = !(ref >= this.firstReference && ref < this.reference + 1);
    if (asked) asked.resolve(room);
    else if (isEarlier) this.lobby.emit("room", room);
    else room.leave().catch(nothing);
    this.pause();
  }

  /** What was refused before it reached its room. @param {AnteroomError} error */
  onRefusal(error) {
    const { room_id, n } = error.details ?? {};
    if (n) this.ledger.remove((outgoing) => outgoing.n === n);
    this.lobby.rooms.get(room_id)?.emit("error", error);
  }

  /** @param {number} lane @param {string} text */
  onDatagram(lane, text) {
    const { room } = this.ledger.lanes.get(lane) ?? {};
    try {
      for (const message of [JSON.parse(text)].flat()) room?.receive(message);
    } catch {
      // It may be lost, so it may be broken.
    }
  }

  /** @param {Lane} lane @param {string} reason @param {string} message */
  endLane(lane, reason, message) {
    const unanswered = new AnteroomError("outcome_unknown", "The room has ended; whether this was done is not known.");
    this.ledger.end(lane);
    this.abandon(unanswered, (outgoing) => outgoing.lane === lane.id);
    const { room } = lane;
    lane.room = null;
    if (!room) return;
    if (this.lobby.rooms.get(room.id) === room) this.lobby.rooms.delete(room.id);
    room.finish(reason, message);
  }

  acknowledge() {
    const { due } = this.ledger;
    if (!due.messages) return;
    if (due.messages >= ACK_MESSAGES || due.characters >= ACK_CHARACTERS) return this.sendAck();
    this.timers.ack ??= setTimeout(() => this.sendAck(), ACK_MS);
  }

  sendAck() {
    clearTimeout(this.timers.ack);
    this.timers.ack = null;
    if (this.isOpen) this.note("ack", this.ledger.received());
  }

  // What is sent.

  /**
   * Asks for something. An answer that nobody waits for is no unhandled rejection.
   *
   * @param {string} type
   * @param {any} request
   * @param {RequestOptions & {room?: Room}} [options]
   * @returns {Promise<any>}
   */
  request(type, request, { signal, timeout = this.options.requestTimeout ?? 10000, room } = {}) {
    const answer = new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal));
      const reference = ++this.reference;
      const outgoing = this.post(type, request, { room, ref: reference });
      const asked = { type, request, outgoing, resolve, reject, left: timeout, since: 0, timer: 0 };
      this.asked.set(reference, asked);
      if (this.isOpen) this.awaitAnswer(reference, asked);
      signal?.addEventListener("abort", () => this.giveUp(reference, aborted(signal)), { once: true });
    });
    answer.catch(nothing);
    return answer;
  }

  /** @param {number} reference @param {Asked} asked */
  awaitAnswer(reference, asked) {
    const late = () => this.giveUp(reference, new AnteroomError("timeout", "No answer came in time."));
    Object.assign(asked, { since: Date.now(), timer: setTimeout(late, asked.left) });
  }

  /** Nobody waits for an answer any more: what was never written is not sent either. @param {number} reference @param {AnteroomError} error */
  giveUp(reference, error) {
    const asked = this.asked.get(reference);
    if (!asked) return;
    clearTimeout(asked.timer);
    this.asked.delete(reference);
    if (!asked.outgoing.pipe) this.ledger.remove((outgoing) => outgoing === asked.outgoing);
    asked.reject(error);
  }

  /** A request is answered. @param {number} reference */
  settleAsked(reference) {
    const asked = this.asked.get(reference);
    if (!asked) return null;
    clearTimeout(asked.timer);
    this.asked.delete(reference);
    this.ledger.remove((outgoing) => outgoing === asked.outgoing);
    return asked;
  }

  /** Tells those who wait that no answer will come. @param {AnteroomError} error @param {(outgoing: Outgoing) => boolean} [concerns] */
  abandon(error, concerns = () => true) {
    for (const [reference, { outgoing }] of this.asked) if (concerns(outgoing)) this.giveUp(reference, error);
  }

  /**
   * Hands a message over; it leaves at the end of this turn of the event loop, with all others of the turn.
   *
   * @param {string} type
   * @param {any} data
   * @param {{room?: Room, ref?: number, key?: string, unreliable?: boolean}} options
   * @returns {Outgoing}
   */
  post(type, data, { room, ref, key, unreliable }) {
    const { ledger, lobby } = this;
    if (lobby.isOver) throw lobby.error ?? new AnteroomError("closed", "The lobby was closed.");
    if (room?.end) throw new AnteroomError("not_in_room", "You are not in this room any more.");
    if (ledger.waiting.length >= WAITING_MAX) throw new AnteroomError("busy", "Too many messages wait to be sent.");
    const head = JSON.stringify({ type, ref, room_id: room?.id }).slice(0, -1);
    const body = JSON.stringify(data ?? {}) ?? "{}";
    const bytes = encoder.encode(head + body).length + 32;
    if (bytes > lobby.limits.message_bytes_max) {
      const more = { details: { bytes, message_bytes_max: lobby.limits.message_bytes_max } };
      throw new AnteroomError("message_too_large", `A message of ${bytes} bytes is too large.`, more);
    }
    const lane = room?.lane ?? 0;
    /** @type {Outgoing} */
    const outgoing = { lane, head, data: body, bytes, n: 0, pipe: null, key };
    const { current } = ledger;
    const isThere = current && ledger.lanes.get(lane)?.pipe === current;
    if (unreliable && isThere && current.datagram(lane, written(outgoing))) return outgoing;
    ledger.add(outgoing);
    this.schedule();
    return outgoing;
  }

  /** Says something about the connection. @param {string} type @param {any} data */
  note(type, data) {
    this.notes.push(JSON.stringify({ type, data }));
    this.schedule();
  }

  schedule() {
    if (this.isFlushing) return;
    this.isFlushing = true;
    nextTurn(() => {
      this.isFlushing = false;
      this.flush();
    });
  }

  /** Writes what there is, as few batches, unless the browser has too much to do with what it has. */
  flush() {
    const pipe = this.ledger.current;
    if (!pipe || pipe.end) return;
    const { message_bytes_max } = this.lobby.limits;
    let texts = this.notes.splice(0);
    let size = texts.reduce((sum, text) => sum + text.length + 1, 2);
    const send = () => {
      if (texts.length) pipe.send(texts.length > 1 ? `[${texts.join(",")}]` : texts[0]);
      texts = [];
      size = 2;
    };
    for (const outgoing of this.ledger.unwritten()) {
      if (pipe.buffered > HIGH_WATER_BYTES) {
        this.after("flush", 20, () => this.flush());
        break;
      }
      if (texts.length === BATCH_MAX || size + outgoing.bytes > message_bytes_max) send();
      texts.push(written(outgoing));
      size += outgoing.bytes;
      outgoing.pipe = pipe;
      this.writtenAt = Date.now();
    }
    send();
  }

  // Whether the connection lives.

  /** @param {number} ms @returns {Promise<number>} */
  ping(ms) {
    const ts = randomText();
    const began = performance.now();
    this.pingedAt = Date.now();
    const answer = new Promise((resolve, reject) => {
      this.pings.set(ts, resolve);
      setTimeout(() => reject(new AnteroomError("timeout", "The server does not answer.")), ms);
    });
    if (this.isOpen) this.note("ping", { ts });
    return answer.finally(() => this.pings.delete(ts)).then(({ server_time_ms }) => {
      const rtt = performance.now() - began;
      Object.assign(this.lobby, { rtt, clockOffset: Math.round(server_time_ms - Date.now() + rtt / 2) });
      this.lobby.emit("rtt", rtt);
      return rtt;
    });
  }

  /** Finds out now whether the connection still carries anything; or wakes what waits to try again. @returns {Promise<void>} */
  async probe() {
    this.wake();
    const pipe = this.ledger.current;
    if (!pipe || !this.isOpen || this.isProbing) return;
    this.isProbing = true;
    const began = Date.now();
    const isAlive = await this.ping(PROBE_MS).catch(() => this.heardAt > began);
    this.isProbing = false;
    if (isAlive !== false || this.lobby.isOver) return;
    // A page that slept meanwhile has not given the server its time.
    if (Date.now() - began > 2 * PROBE_MS) return this.probe();
    this.lose(pipe, { code: 0, reason: "The connection went silent." }, true);
  }

  /** Every second: did the page sleep, is an answer overdue, is it time for a sign of life? */
  check() {
    const now = Date.now();
    const slept = now - this.checkedAt > 5000 && this.checkedAt > 0;
    this.checkedAt = now;
    const isOverdue = this.ledger.kept.length > 0 && now - Math.max(this.heardAt, this.writtenAt) > DOUBT_MS;
    if (slept || isOverdue) return this.probe();
    const isSeen = scope.document?.visibilityState !== "hidden";
    if (this.isOpen && isSeen && now - this.pingedAt > PING_EVERY_MS) {
      const pipe = this.ledger.current;
      this.ping(PONG_MS).catch(() => void (pipe === this.ledger.current && this.probe()));
    }
  }

  listenToPage() {
    this.timers.watch = setInterval(() => this.check(), 1000);
    this.timers.watch.unref?.();
    const listen = (/** @type {any} */ target, /** @type {string} */ type, /** @type {(event: any) => void} */ listener) => {
      if (!target?.addEventListener) return;
      target.addEventListener(type, listener);
      this.unlisten.push(() => target.removeEventListener(type, listener));
    };
    const page = scope.document ? scope : null;
    const changed = () => {
      // Another network may let UDP through.
      this.route.noteOpen();
      this.probe();
      this.planUpgrade();
    };
    listen(scope, "online", changed);
    listen(scope.navigator?.connection, "change", changed);
    listen(scope.document, "visibilitychange", () => scope.document.visibilityState === "visible" && this.probe());
    listen(scope.document, "resume", () => this.probe());
    listen(page, "pagehide", () => this.vault.left(true));
    listen(page, "pageshow", () => (this.vault.left(false), this.probe()));
  }
}

/** @param {Outgoing} outgoing */
function written({ head, n, data }) {
  return `${head}${n ? `,"n":${n}` : ""},"data":${data}}`;
}

/** @param {unknown} error */
function known(error) {
  return error instanceof AnteroomError ? error : new AnteroomError("unreachable", String(error), { cause: error });
}

/** 128 random bits. */
function randomText() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("");
}

/** @param {string} transport */
const label = (transport) => (transport === "webtransport" ? "WebTransport" : "WebSocket");
/** @param {number} ms */
const seconds = (ms) => (ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

// --- what a game sees ------------------------------------------------------------------------------------------------

/**
 * The options of {@link connect}.
 *
 * @typedef {object} ConnectOptions
 * @property {string} [name] the name to show; one is made up without it
 * @property {string} [token] proves who the player is; a guest needs none
 * @property {string} [client] the program and its version, for the server's log
 * @property {"auto"|"webtransport"|"websocket"} [transport] `auto` takes what gets through, the better one first
 * @property {AbortSignal} [signal] gives up connecting
 * @property {number} [timeout] how long connecting may take, in ms; 15000 if not given
 * @property {number} [requestTimeout] how long an answer may take, in ms, without the time when there is no connection;
 *   10000 if not given
 * @property {Storage|null} [storage] where the session outlives a reload: the tab's own if not given, null for nowhere
 * @property {any} [WebSocket] the class to use where the platform has none
 */

/** @typedef {{signal?: AbortSignal, timeout?: number}} RequestOptions */
/** @typedef {{type: string, data: any, latest?: string}} AnteroomEvent */
/** @typedef {"connecting"|"open"|"resuming"|"closed"} LobbyState */
/** @typedef {{at: number, type: string, message: string, transport?: string, ms?: number, code?: string}} Activity */
/** @typedef {{message_bytes_max: number, unacked_messages_max: number, unacked_bytes_max: number, rooms_max: number}} Limits */
/** @typedef {{user_id: string, username: string, role: "player"|"spectator", seat: number|null, connected: boolean}} Member */
/**
 * @typedef {{room_id: string, game: string, name: string, players: number, seats_max: number, spectators: number,
 *   state: "waiting"|"playing"|"finished"}} RoomRow
 */

/**
 * What a lobby tells.
 *
 * @typedef {object} LobbyEvents
 * @property {LobbyState} state
 * @property {"webtransport"|"websocket"|null} transport what carries the session now
 * @property {number} rtt in ms
 * @property {Room} room one that the session is in although this page has not just asked for it
 * @property {{missed: number}} gap messages of the lobby were lost
 * @property {{error: AnteroomError}} renewed the session was over, and a new one has begun under the same name
 * @property {AnteroomError|null} closed the last event; null after {@link Lobby.close}
 * @property {Activity} activity what the session does about its connections, for a log
 */

/**
 * A session with a server, made by {@link connect}. It goes on by itself, over as many connections as it takes, until
 * it is closed.
 *
 * @extends {Emitter<LobbyEvents>}
 */
export class Lobby extends Emitter {
  #session;
  #route;
  /** @type {LobbyState} */
  state = "connecting";
  /** The time there and back as last measured, in ms. @type {number|null} */
  rtt = null;
  sessionId = "";
  userId = "";
  username = "";
  /** How long the session and its seats outlive a connection. */
  graceMs = 0;
  /** How far the server's clock is ahead of this device's, in ms. */
  clockOffset = 0;
  /** What the server allows this session. @type {Limits} */
  limits = new Ledger().limits;
  /** Whether the session is that of the page before this one in the tab. */
  restored = false;
  /** Why that session could not go on. @type {AnteroomError|null} */
  lost = null;
  /** Why the lobby is closed. @type {AnteroomError|null} */
  error = null;
  /** The rooms that the session is in, by their ids. @type {Map<string, Room>} */
  rooms = new Map();
  /** @internal @type {RoomList|null} */
  list = null;
  /** @internal @type {(error: AnteroomError|null) => void} */
  ready = nothing;

  /** @internal @param {URL} url @param {ConnectOptions} options @param {any} Socket */
  constructor(url, options, Socket) {
    super();
    const { storage = storageOf("sessionStorage"), transport = "auto" } = options;
    this.#route = new Route(url, Socket);
    this.#route.choice = transport;
    this.#session = new Session(this, options, this.#route, new Vault(storage, this.#route.origin));
  }

  /** @internal @param {ConnectOptions} options */
  begin({ signal, timeout = 15000 }) {
    const ready = new Promise((resolve, reject) => {
      this.ready = (error) => (error ? reject(error) : resolve(this));
    });
    const end = (/** @type {AnteroomError} */ error) => this.#session.end(error, false);
    const late = setTimeout(() => end(new AnteroomError("timeout", "The server did not answer in time.")), timeout);
    const abort = () => end(aborted(signal));
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    this.#session.begin();
    return ready.finally(() => {
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
    });
  }

  /** What carries the session now. @returns {"webtransport"|"websocket"|null} */
  get transport() {
    return this.state === "open" ? (this.#session.ledger.current?.transport ?? null) : null;
  }

  /** Whether {@link Lobby.blockUdp} is in force. */
  get udpBlocked() {
    return this.#route.udpBlocked;
  }

  get isOver() {
    return this.state === "closed";
  }

  /**
   * Makes a room and takes a seat in it.
   *
   * @param {{game: string, name?: string, options?: any}} what
   * @param {RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  createRoom(what, options) {
    return this.#session.request("create_room", what, options);
  }

  /**
   * Takes a seat in a room, or a place to watch from.
   *
   * @param {string} roomId
   * @param {{as?: "player"|"spectator"} & RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  async joinRoom(roomId, { as, ...options } = {}) {
    if (this.rooms.has(roomId)) throw new AnteroomError("already_in_room", "You are in that room already.");
    return this.#session.request("join_room", { room_id: roomId, as }, options);
  }

  /**
   * Takes a free seat in any room of a game, or makes one.
   *
   * @param {string} game
   * @param {RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  quickJoin(game, options) {
    return this.#session.request("join_room", { game, quick: true }, options);
  }

  /**
   * The rooms there are; the newest 500 of them.
   *
   * @param {{game?: string} & RequestOptions} [options]
   * @returns {Promise<{rooms: RoomRow[], total: number}>}
   */
  listRooms({ game, ...options } = {}) {
    return this.#session.request("list_rooms", { game }, options);
  }

  /**
   * The list of rooms, kept up to date over connections and sessions. There is one at a time: another one closes it.
   *
   * @param {{game?: string} & RequestOptions} [options]
   * @returns {Promise<RoomList>}
   */
  async watchRooms({ game, ...options } = {}) {
    this.list?.stop();
    const list = new RoomList(game, () => {
      if (this.list !== list) return;
      this.list = null;
      if (!this.isOver) this.#session.request("unsubscribe_rooms", {});
    });
    this.list = list;
    try {
      await this.#session.request("subscribe_rooms", { game }, options);
    } catch (error) {
      list.stop();
      if (this.list === list) this.list = null;
      throw error;
    }
    return list;
  }

  /** Measures the time there and back, in ms. @returns {Promise<number>} */
  ping() {
    return this.#session.ping(PONG_MS);
  }

  /**
   * Goes on over another transport, losing nothing, and stays there; with `auto` on the better one that gets through.
   * If that one does not get through, the session stays where it is, and this fails.
   *
   * @param {"webtransport"|"websocket"|"auto"} transport
   * @returns {Promise<void>}
   */
  moveTo(transport) {
    const moved = this.#session.moveTo(transport);
    moved.catch(nothing);
    return moved;
  }

  /** Cuts the connection as if the network had failed; the session resumes by itself. For trying things out. */
  drop() {
    const session = this.#session;
    session.lose(session.ledger.current, { code: 0, reason: "The connection was cut." }, false);
  }

  /** As if the network blocked UDP from now on, or no longer. For trying things out. @param {boolean} isBlocked */
  blockUdp(isBlocked) {
    const session = this.#session;
    if (this.#route.udpBlocked === isBlocked) return;
    this.#route.udpBlocked = isBlocked;
    if (!isBlocked) {
      this.#route.noteOpen();
      session.planUpgrade();
    } else if (session.ledger.current?.transport === "webtransport") {
      session.lose(session.ledger.current, { code: 0, reason: "UDP is blocked." }, false);
    }
  }

  /** Says goodbye: seats are given up, and the session is over. */
  close() {
    const session = this.#session;
    session.flush();
    const pipe = session.ledger.current;
    session.ledger.current = null;
    pipe?.send(JSON.stringify({ type: "goodbye", data: { code: 1000, reason: "" } }));
    pipe?.leave();
    session.end(null);
  }
}

/**
 * The rooms there are, as they come and go. Tells `change`, with itself, after each.
 *
 * @extends {Emitter<{change: RoomList, closed: null}>}
 */
export class RoomList extends Emitter {
  /** The newest first. @type {RoomRow[]} */
  rooms = [];
  /** How many there are in all; the list begins with at most 500. */
  total = 0;
  #close;
  #isOver = false;

  /** @internal @param {string|undefined} game @param {() => void} close */
  constructor(game, close) {
    super();
    this.game = game;
    this.#close = close;
  }

  get isOver() {
    return this.#isOver;
  }

  /** Asks anew, because what was told is not known for sure. @internal @param {Session} session */
  again(session) {
    session.request("subscribe_rooms", { game: this.game });
  }

  /** @internal @param {{rooms: RoomRow[], total: number}} list */
  replace({ rooms, total }) {
    Object.assign(this, { rooms, total });
    this.emit("change", this);
  }

  /** @internal @param {{added: RoomRow[], updated: RoomRow[], removed: string[]}} changes */
  change({ added, updated, removed }) {
    const rows = new Map(this.rooms.map((row) => [row.room_id, row]));
    const before = rows.size;
    for (const id of removed) rows.delete(id);
    const news = [...added, ...updated].filter((row) => !rows.has(row.room_id));
    for (const row of [...added, ...updated]) rows.set(row.room_id, row);
    for (const row of news) rows.delete(row.room_id);
    const rooms = [...news.reverse(), ...rows.values()];
    this.replace({ rooms, total: this.total + rooms.length - before });
  }

  /** @internal */
  stop() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.emit("closed", null);
  }

  /** No more changes. */
  close() {
    this.#close();
    this.stop();
  }
}

/**
 * What happens in a room. A game's own messages come by their own types.
 *
 * @typedef {object} RoomEvents
 * @property {any} game_state the new view
 * @property {Member} client_joined
 * @property {{user_id: string, username: string, grace_ms: number}} client_disconnected
 * @property {{user_id: string, username: string}} client_reconnected
 * @property {{user_id: string, username: string, reason: string}} client_left
 * @property {{missed: number}} gap messages were lost; members and view are up to date all the same
 * @property {AnteroomError} error a message was refused for whose answer nobody waits
 * @property {{reason: string, message: string}} room_closed the last event, however the room has ended
 */

/**
 * A place in a room. What the room says is in `members` and `view` before any listener is called. Events begin in the
 * turn of the event loop after the room was handed over, so nothing is missed by whoever listens at once.
 *
 * @extends {Emitter<RoomEvents>}
 */
export class Room extends Emitter {
  #session;
  /** @type {Member[]} */
  members = [];
  /** The game as this member sees it. @type {any} */
  view = null;
  /** The seat taken, counted from 0; null for spectators. @type {number|null} */
  seat = null;
  /** @type {"player"|"spectator"} */
  role = "player";
  name = "";
  /**
   * Why the room has ended, for this member: `left`, `replaced`, `game_failed`, `shutting_down`, `session_lost` or
   * `closed`. Null while it has not.
   *
   * @type {{reason: string, message: string}|null}
   */
  end = null;

  /** @internal @param {Session} session @param {Lane} lane @param {any} data */
  constructor(session, lane, data) {
    super();
    this.#session = session;
    this.lane = lane.id;
    this.id = /** @type {string} */ (data.room_id);
    this.game = /** @type {string} */ (data.game);
    this.#set(data);
  }

  /** @param {any} data */
  #set({ name, role, seat, members, view }) {
    Object.assign(this, { name, role, seat, members, view });
  }

  get isOpen() {
    return !this.end;
  }

  get isOver() {
    return !!this.end;
  }

  get farewell() {
    return "room_closed";
  }

  /** Bytes sent to this room that it is not known to have. */
  get buffered() {
    const { kept, waiting } = this.#session.ledger;
    return [...kept, ...waiting].reduce((sum, { lane, bytes }) => sum + (lane === this.lane ? bytes : 0), 0);
  }

  /**
   * Sends a message to the game. `reliable` ones arrive exactly once and in order, and this is the game's answer; of
   * `latest` ones only the newest of its key has to arrive; `unreliable` ones may be lost, and are `latest` where there
   * are no datagrams. Those two are not answered. A failure that nobody looks at is no unhandled rejection.
   *
   * @param {string} type
   * @param {any} [data]
   * @param {{delivery?: "reliable"|"latest"|"unreliable", key?: string} & RequestOptions} [options]
   * @returns {Promise<any>}
   */
  send(type, data, { delivery = "reliable", key = type, ...options } = {}) {
    if (delivery === "reliable") return this.#session.request(type, data, { ...options, room: this });
    const sent = (async () => {
      this.#session.post(type, data, { room: this, key, unreliable: delivery === "unreliable" });
    })();
    sent.catch(nothing);
    return sent;
  }

  /** Gives up the seat, or the place to watch from. @returns {Promise<void>} */
  async leave() {
    if (!this.end) await this.#session.request("leave_room", {}, { room: this });
  }

  /** @internal @param {any} message */
  receive({ type, data = {}, error, latest }) {
    const { user_id } = data ?? {};
    const is = (/** @type {Member} */ member) => member.user_id === user_id;
    if (type === "room_closed" || type === "leave_room_result") return;
    if (type === "error") return this.emit("error", refusal(error));
    if (type === "game_state") this.view = data;
    else if (type === "client_joined") this.members = [...this.members.filter((member) => !is(member)), data];
    else if (type === "client_left") this.members = this.members.filter((member) => !is(member));
    else if (/^client_(dis|re)connected$/.test(type)) {
      const connected = type === "client_reconnected";
      this.members = this.members.map((member) => (is(member) ? { ...member, connected } : member));
    }
    this.emit(type, data, latest);
  }

  /** @internal @param {any} data @param {number} missed */
  renew(data, missed) {
    this.#set(data);
    this.emit("gap", { missed });
    this.emit("game_state", this.view);
  }

  /** @internal @param {string} reason @param {string} message */
  finish(reason, message) {
    this.end = { reason, message };
    this.emit("room_closed", this.end);
  }
}

/**
 * Connects to a server, or goes on with the session that this tab had before it was loaded anew.
 *
 * @param {string|URL} [url] where the server is, as `https://host:port`; where the page comes from if not given
 * @param {ConnectOptions} [options]
 * @returns {Promise<Lobby>}
 * @throws {AnteroomError}
 */
export async function connect(url = scope.location?.href, options = {}) {
  if (!URL.canParse(url) || !/^(http|ws)s?:$/.test(new URL(url).protocol)) {
    throw new AnteroomError("invalid_data", `"${url}" is not the address of a server; it begins with https://.`);
  }
  // Not named, so that bundlers for browsers do not look for it.
  const name = "ws";
  const Socket = options.WebSocket ?? scope.WebSocket ?? (await import(/* @vite-ignore */ name)).WebSocket;
  return new Lobby(new URL(url), options, Socket).begin(options);
}

/** The framing, for tests. @internal */
export const wire = { encodeVarint, decodeVarint, Records };
