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
const HEAD_MS = 250;
const UDP_MS = 3000;
const TCP_MS = 10000;
/** How long a connection has to live to have been worth making. */
const LASTING_MS = 5000;
/** How many tries have to fail, once the grace time is over, before the lobby is closed. */
const LATE_TRIES = 8;
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
/** Until something else happens. */
const FOR_EVER_MS = 1000000000;
/** How late a page that is awake looks after its connection at most. */
const LATE_MS = 5000;
/** How long whoever was closed for a flood stays away at least. */
const FLOODED_MS = 1000;
/** When to acknowledge: after so many messages, characters, or milliseconds, whichever comes first. */
const ACK_MESSAGES = 64;
const ACK_LENGTH = 5461;
const ACK_MS = 1000;
/** How many bytes may wait inside the browser before messages wait here, where they can still be replaced. */
const HIGH_WATER = 65536;
/** How much may wait here, in messages, before `busy`. */
const WAITING_MAX = 4096;
/** How many events an iteration that is not read may fall behind. */
const BACKLOG_MAX = 1024;
const RECORD_MAX = 1048576;
const BATCH_MAX = 256;
const ENDED_MAX = 64;
/** How deep data may be nested: servers count 64 levels, with the envelope, and some with the array of a batch. */
const DEPTH_MAX = 62;

/**
 * The server's error codes: their numbers, and whether the same request may succeed later.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const ERROR_CODES = table({
  1: "unknown_type invalid_data internal! busy! rate_limited! limit_reached! shutting_down!",
  20: "already_authenticated invalid_name session_unknown outcome_unknown timeout!",
  40: "room_not_found room_full! not_in_room already_in_room game_not_found invalid_options not_a_player spectators_refused",
  60: "not_your_turn invalid_move not_playing! rejected",
});

/**
 * The codes that a connection ends with: their numbers, and whether connecting again may help.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const CLOSE_CODES = table({
  4000: "shutting_down! silence! slow_consumer! move! busy! flooded!",
  4500: "protocol_version malformed message_too_large handshake_required handshake_timeout unauthorized origin_refused",
  4507: "wrong_frame_kind replaced superseded token_reused bad_ack",
});

/** Names that are numbered from a first one on; a mark says that it may work later. @param {Record<number, string>} groups */
function table(groups) {
  const entries = Object.entries(groups).flatMap(([first, names]) => names.split(" ").map((name, at) => {
    return [name.replace("!", ""), Object.freeze({ number: +first + at, retryable: name.endsWith("!") })];
  }));
  return Object.freeze(Object.fromEntries(entries));
}

/**
 * What can go wrong. `code` is what a program acts on: one of {@link ERROR_CODES}, one of {@link CLOSE_CODES}, or
 * `unreachable` (no server answers), `lost` (the connection broke), `token_unavailable` (your function gave none),
 * `aborted` (your signal), `closed` (you closed the lobby). `message` is a sentence for a person.
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
    this.retryable = retryable ?? (ERROR_CODES[code] ?? CLOSE_CODES[code])?.retryable ?? UNAVAILABLE.test(code);
    /** What the server says for programs. */
    this.details = details;
    /** The number that the connection ended with, if that is what went wrong. */
    this.closeCode = closeCode;
  }
}

/** What is not there, and may be later. */
const UNAVAILABLE = /^(unreachable|token_unavailable)$/;
/** The close codes of what was said wrongly: the session is left as it is, for who connects again. */
const MISTAKES = [4501, 4502, 4507];

/** @param {any} error */
function refusal(error) {
  const { code = "internal", message = "The server did not say why.", retryable, details } = error ?? {};
  return new AnteroomError(String(code), String(message), { retryable, details });
}

/** @param {End} end */
function ending({ code, reason }) {
  const retryable = code < 4500;
  if (code < 4000) return new AnteroomError("lost", reason || "The connection was lost.", { retryable });
  const name = Object.keys(CLOSE_CODES).find((name) => CLOSE_CODES[name].number === code) ?? "lost";
  const message = reason || `The server closed the connection (${code}).`;
  return new AnteroomError(name, message, { retryable, closeCode: code });
}

/** @param {string} message @param {unknown} [cause] */
const invalid = (message, cause) => new AnteroomError("invalid_data", message, { cause });
const late = () => new AnteroomError("timeout", "No answer came in time.");
const unanswered = () => new AnteroomError("outcome_unknown", "The answer was lost.");
const closed = () => new AnteroomError("closed", "The lobby was closed.");

/** @param {AbortSignal} [signal] */
function aborted(signal) {
  return new AnteroomError("aborted", "This was given up.", { cause: signal?.reason });
}

const UNREADABLE = "The server sent what cannot be read.";
const scope = /** @type {any} */ (globalThis);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const nothing = () => {};
/**
 * A failure that nobody looks at is no unhandled rejection.
 *
 * @template Value
 * @param {Promise<Value>} promise
 */
function handled(promise) {
  promise.catch(nothing);
  return promise;
}

/** @param {number} ms */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A deadline; none, where it is further away than timers can count. @param {() => void} task @param {number} ms */
const deadline = (task, ms) => (ms < 2 ** 31 ? setTimeout(task, ms) : 0);

/**
 * Tries what browsers may refuse, or have closed already: undefined if they do.
 *
 * @template Value
 * @param {() => Value} task
 */
function quietly(task) {
  try {
    return task();
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

// --- framing ---------------------------------------------------------------------------------------------------------

/** A variable-length integer (RFC 9000, section 16). @param {number} value @returns {Uint8Array} */
function encodeVarint(value) {
  const size = value < 64 ? 1 : value < 16384 ? 2 : value < 2 ** 30 ? 4 : 8;
  const bytes = Uint8Array.from({ length: size }, (_, at) => value / 256 ** (size - 1 - at));
  bytes[0] |= Math.log2(size) << 6;
  return bytes;
}

/** Reads a variable-length integer. Without enough bytes `size` is 0. @param {Uint8Array} bytes */
function decodeVarint(bytes) {
  const size = 1 << (bytes[0] >> 6);
  if (bytes.length < size) return { value: 0, size: 0 };
  return { value: bytes.subarray(1, size).reduce((value, byte) => value * 256 + byte, bytes[0] & 63), size };
}

/** @param {Uint8Array} first @param {Uint8Array} second */
function concat(first, second) {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

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
      if (value > RECORD_MAX) throw new Error("a record is too large");
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

class WebTransportPipe extends Pipe {
  #buffered = 0;

  /** @param {any} transport @param {any} control */
  constructor(transport, control) {
    super("webtransport");
    this.session = transport;
    this.writer = control.writable.getWriter();
    this.writer.closed.catch(nothing);
    this.datagrams = datagramWriter(transport.datagrams);
    const lost = () => this.ended();
    const read = (/** @type {any} */ stream, /** @type {Records} */ records) => each(stream, (chunk) => {
      for (const text of records.push(chunk)) this.arrived(records.number, text);
    });
    // Why is in the goodbye; not every browser tells it here.
    transport.closed?.then(lost, lost);
    read(control.readable, new Records()).then(lost, lost);
    each(transport.incomingUnidirectionalStreams, (stream) => {
      read(stream, new Records(true)).catch(lost);
    }).catch(nothing);
    each(transport.datagrams.readable, (bytes) => {
      const { value, size } = decodeVarint(bytes);
      if (size && !this.end) this.ondatagram(value, decoder.decode(bytes.subarray(size)));
    }).catch(nothing);
  }

  get buffered() {
    return this.#buffered;
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
    this.writer.write(record).then(written, () => this.ended());
  }

  /** @param {number} lane @param {string} text */
  datagram(lane, text) {
    const bytes = concat(encodeVarint(lane), encoder.encode(text));
    if (!this.datagrams || bytes.length > (this.session.datagrams.maxDatagramSize ?? 1200)) return false;
    this.datagrams.write(bytes).catch(nothing);
    return true;
  }

  leave() {
    // The end of control is a goodbye, and this one has been read when it settles.
    const read = Promise.race([this.writer.close().catch(nothing), sleep(500)]);
    read.then(() => this.close());
  }

  /** @param {number} closeCode */
  shut(closeCode) {
    quietly(() => this.session.close({ closeCode }));
  }
}

/** Safari and Firefox make writers of datagrams; Chromium has one. @param {any} datagrams */
function datagramWriter(datagrams) {
  const writer = quietly(() => (datagrams.createWritable?.() ?? datagrams.writable)?.getWriter());
  writer?.closed?.catch(nothing);
  return writer;
}

/** Reads a stream to its end. @param {any} stream @param {(value: any) => void} use */
async function each(stream, use) {
  const reader = stream?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader.read()) use(next.value);
}

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
function bounded(promise, ms, signal, undo = nothing) {
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

/** @param {string} url @param {any} Socket @param {AbortSignal} signal @returns {Promise<Pipe>} */
async function dialWebSocket(url, Socket, signal) {
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

/** @param {Promise<any>} certificate @param {AbortSignal} signal @returns {Promise<Pipe>} */
async function dialWebTransport(certificate, signal) {
  /** @type {any} */
  let session = null;
  const dial = async () => {
    const { webtransport_url, hashes } = await certificate;
    if (signal.aborted) throw aborted(signal);
    // The server does not know under which address it is reached.
    if (!webtransport_url) throw new AnteroomError("unreachable", "The server names no address for WebTransport.");
    const serverCertificateHashes = hashes.map((/** @type {any} */ { algorithm, value }) => {
      return { algorithm, value: Uint8Array.from(atob(value), (character) => character.charCodeAt(0)) };
    });
    // Without any the certificate is one that browsers trust by themselves.
    session = new scope.WebTransport(webtransport_url, hashes.length ? { serverCertificateHashes } : {});
    session.closed?.catch(nothing);
    await session.ready;
    return new WebTransportPipe(session, await session.createBidirectionalStream());
  };
  return bounded(dial(), UDP_MS, signal, () => session.close());
}

// --- the way to a server ---------------------------------------------------------------------------------------------

/** How to come to a server: which transports there are, and which are worth trying now. */
class Route {
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
    if (!this.storage || !this.locks) return true;
    return new Promise((resolve) => {
      const hold = () => {
        resolve(true);
        return new Promise((release) => (this.#release = () => release(undefined)));
      };
      // The page before this one may need a moment to be gone.
      const options = { signal: AbortSignal.timeout(500) };
      this.locks.request(`anteroom:${sessionId}`, options, hold).catch(() => resolve(false));
    });
  }
}

// --- what counts -----------------------------------------------------------------------------------------------------

/** What the server sends that does not count: it concerns a connection. */
const UNCOUNTED = /^(handshake_accepted|reconnect_result|lane|ping|pong|ack|goodbye)$/;
const JOINED = /^(create|join)_room_result$/;
/** What means the same in every room, and is not for games. */
const RESERVED = /^(handshake|reconnect|resume|ack|ping|goodbye|(create|join)_room|(list|(un)?subscribe)_rooms)$/;

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
  /**
   * Which lane a room's messages are on, for connections that do not tell.
   *
   * @type {WeakMap<Pipe, Map<string, number>>}
   */
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

  /**
   * From here on a room's messages on that connection are on this lane.
   *
   * @param {Pipe} pipe
   * @param {string} room
   * @param {number} id
   */
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
    const isNew = !this.lanes.has(id);
    const lane = this.lane(id);
    if (pipe !== this.current && lane.pipe && lane.pipe !== pipe) return null;
    if (gap) {
      // A page that was loaded anew has missed nothing that it ever knew of.
      lane.gap = isNew ? 0 : (lane.gap ?? 0) + Math.max(0, next - 1 - lane.received);
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
    for (const { id } of ended.slice(0, -ENDED_MAX)) this.lanes.delete(id);
  }

  /** A connection is gone. @param {Pipe|null} pipe */
  lost(pipe) {
    for (const lane of this.lanes.values()) if (lane.pipe === pipe) lane.pipe = null;
    if (this.current === pipe) this.current = null;
  }
}

// --- requests and what is written ------------------------------------------------------------------------------------

/**
 * A question that waits for its answer.
 *
 * @typedef {object} Asked
 * @property {string} type
 * @property {any} request
 * @property {Outgoing} outgoing
 * @property {(value: any) => void} resolve
 * @property {(error: AnteroomError) => void} reject
 * @property {() => void} forget
 * @property {number} left how long it may still take while the session is open, in ms
 * @property {number} since
 * @property {any} timer
 */

/** What leaves: requests that wait for answers, messages that need none, and the batches that carry them. */
class Outbox {
  /** Requests of the page before this one may be answered yet, so this page's are told apart. */
  first = Math.floor(Math.random() * 2 ** 30) * 2 ** 20;
  reference = this.first;
  /** @type {Map<number, Asked>} */
  asked = new Map();
  /** What concerns the connection alone. @type {string[]} */
  notes = [];
  isScheduled = false;

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
  }

  /**
   * Asks for something. An answer that nobody looks at is no unhandled rejection.
   *
   * @param {string} type
   * @param {any} request
   * @param {RequestOptions & {room?: Room}} [options]
   * @returns {Promise<any>}
   */
  request(type, request, { signal, timeout = this.session.options.requestTimeout ?? 10000, room } = {}) {
    const answer = new Promise((resolve, reject) => {
      if (signal?.aborted) throw aborted(signal);
      const reference = ++this.reference;
      const outgoing = this.post(type, request, { room, ref: reference });
      const abort = () => this.giveUp(reference, aborted(signal));
      const forget = () => signal?.removeEventListener("abort", abort);
      const asked = { type, request, outgoing, resolve, reject, forget, left: timeout, since: 0, timer: 0 };
      this.asked.set(reference, asked);
      if (this.session.isOpen) this.wait(reference, asked);
      signal?.addEventListener("abort", abort);
    });
    return handled(answer);
  }

  /** @param {number} reference @param {Asked} asked */
  wait(reference, asked) {
    const timer = deadline(() => this.giveUp(reference, late()), asked.left);
    Object.assign(asked, { since: performance.now(), timer });
  }

  /** No answer can come without a connection, so that time does not count. @param {boolean} isOpen */
  clock(isOpen) {
    for (const [reference, asked] of this.asked) {
      clearTimeout(asked.timer);
      if (isOpen) this.wait(reference, asked);
      else if (asked.since) Object.assign(asked, { left: asked.left - (performance.now() - asked.since), since: 0 });
    }
  }

  /** A request is answered, or nobody waits any more. @param {number} reference */
  settle(reference) {
    const asked = this.asked.get(reference);
    clearTimeout(asked?.timer);
    asked?.forget();
    this.asked.delete(reference);
    return asked;
  }

  /** What was never written is not sent after all. @param {number} reference @param {AnteroomError} error */
  giveUp(reference, error) {
    const { outgoing, reject } = this.settle(reference) ?? {};
    if (outgoing && !outgoing.pipe) this.session.ledger.remove((other) => other === outgoing);
    reject?.(error);
  }

  /** @param {AnteroomError} error @param {(outgoing: Outgoing) => boolean} [concerns] */
  abandon(error, concerns = () => true) {
    for (const [reference, { outgoing }] of this.asked) if (concerns(outgoing)) this.giveUp(reference, error);
  }

  /**
   * Hands a message over. It leaves at the end of this turn of the event loop, with all others of the turn.
   *
   * @param {string} type
   * @param {any} data
   * @param {{room?: Room, ref?: number, key?: string, unreliable?: boolean}} options
   */
  post(type, data, { room, ref, key, unreliable }) {
    const { ledger, lobby } = this.session;
    const { message_bytes_max: max } = ledger.limits;
    if (lobby.isOver) throw lobby.error ?? closed();
    if (room?.end) throw new AnteroomError("not_in_room", "You are not in this room any more.");
    if (room && (typeof type !== "string" || RESERVED.test(type) || !/^[!-~]{1,57}$/.test(type))) {
      throw invalid(`"${type}" is no type for a game's message.`);
    }
    if (ledger.waiting.length >= WAITING_MAX) throw new AnteroomError("busy", "Too many messages wait.");
    const head = JSON.stringify({ type, ref, room_id: room?.id }).slice(0, -1);
    const body = encode(data);
    const bytes = encoder.encode(head + body).length + 32;
    if (bytes > max) {
      throw new AnteroomError("message_too_large", `A message of ${bytes} bytes is too large.`);
    }
    if (tooDeep(body)) throw invalid(`This data is nested deeper than ${DEPTH_MAX} levels.`);
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
    if (this.notes.length < BATCH_MAX - 1) this.notes.push(JSON.stringify({ type, data }));
    this.schedule();
  }

  schedule() {
    if (this.isScheduled) return;
    this.isScheduled = true;
    nextTurn(() => this.flush());
  }

  /** Writes what there is, as few batches, unless the browser has enough to do with what it has. */
  flush() {
    this.isScheduled = false;
    const { session } = this;
    const { current: pipe, limits } = session.ledger;
    if (!pipe || pipe.end) return;
    let texts = this.notes.splice(0);
    let size = texts.reduce((sum, text) => sum + text.length + 1, 2);
    const send = () => {
      if (texts.length) pipe.send(texts.length > 1 ? `[${texts.join(",")}]` : texts[0]);
      texts = [];
      size = 2;
    };
    for (const outgoing of session.ledger.unwritten()) {
      if (pipe.buffered > HIGH_WATER) {
        session.after("flush", 20, () => this.flush());
        break;
      }
      if (texts.length === BATCH_MAX || size + outgoing.bytes > limits.message_bytes_max) send();
      texts.push(written(outgoing));
      size += outgoing.bytes;
      outgoing.pipe = pipe;
      session.pulse.writtenAt = Date.now();
    }
    send();
  }
}

/** @param {any} data */
function encode(data) {
  try {
    return JSON.stringify(data) ?? "{}";
  } catch (cause) {
    throw invalid("This data has no form in JSON.", cause);
  }
}

/** What JSON has further inside than a server reads: nothing, if it is not nested so deeply. @param {string} text */
function tooDeep(text) {
  let brackets = text.replace(/"(?:[^"\\]|\\.)*"|[^[{}\]"]+/g, "");
  // Level by level from inside.
  for (let depth = 0; brackets && depth < DEPTH_MAX; depth++) brackets = brackets.replace(/\[]|{}/g, "");
  return brackets;
}

/** @param {Outgoing} outgoing */
function written({ head, n, data }) {
  return `${head}${n ? `,"n":${n}` : ""},"data":${data}}`;
}

// --- signs of life ---------------------------------------------------------------------------------------------------

/** Finds out whether the connection lives. A page sees no pings of the transport's, and may sleep at any time. */
class Pulse {
  /** @type {Map<string, (pong: any) => void>} */
  pings = new Map();
  isProbing = false;
  heardAt = 0;
  writtenAt = 0;
  pingedAt = 0;
  checkedAt = Date.now();
  /** When the page, the device or its network was last seen to go away, or to come back. */
  asleepAt = 0;
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
    if (!session.isOpen || this.isProbing) return;
    this.isProbing = true;
    const began = Date.now();
    const isAlive = await this.ping(PROBE_MS).then(() => true, () => this.heardAt > began);
    this.isProbing = false;
    // A page that slept meanwhile has not given the server its time.
    if (!isAlive && Date.now() - began > 2 * PROBE_MS) return this.probe();
    if (!isAlive) session.lose(pipe, { code: 0, reason: "The connection went silent." }, true);
  }

  /** Every second: did the page sleep, is an answer overdue, is it time for a sign of life? */
  check() {
    const { ledger, isOpen } = this.session;
    const now = Date.now();
    const slept = this.isLate;
    if (slept) this.asleepAt = now;
    this.checkedAt = now;
    const isOverdue = ledger.kept.length > 0 && now - Math.max(this.heardAt, this.writtenAt) > DOUBT_MS;
    if (slept || (isOpen && isOverdue)) this.probe();
    else if (isOpen && this.isSeen && now - this.pingedAt > PING_EVERY_MS) {
      const { current } = ledger;
      this.ping(PONG_MS).catch(() => void (current === this.session.ledger.current && this.probe()));
    }
  }

  get isLate() {
    return Math.abs(Date.now() - this.checkedAt) > LATE_MS;
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
    return scope.navigator?.onLine !== false && this.isSeen && !this.isLate && this.asleepAt < since;
  }

  start() {
    const { route, vault, life } = this.session;
    const { signal } = life;
    const { document, navigator } = scope;
    const timer = setInterval(() => this.check(), 1000);
    /** @type {any} */ (timer).unref?.();
    signal.addEventListener("abort", () => clearInterval(timer));
    const listen = (/** @type {any} */ target, /** @type {string} */ types, /** @type {() => void} */ listener) => {
      for (const type of types.split(" ")) target?.addEventListener?.(type, listener, { signal });
    };
    const slept = () => void (this.asleepAt = Date.now());
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
      this.session.planUpgrade();
    });
    listen(scope, "pageshow online", woken);
    listen(document, "resume visibilitychange", () => void (this.isSeen && woken()));
    // Told for every new estimate, not only for another network.
    listen(navigator?.connection, "change", () => this.probe());
  }
}

// --- the session -----------------------------------------------------------------------------------------------------

/** Keeps a session on some connection, and gives what arrives to whom it concerns. */
class Session {
  ledger = new Ledger();
  outbox = new Outbox(this);
  pulse = new Pulse(this);
  token = "";
  attempt = 0;
  nonce = randomText();
  /** Ends with the lobby. */
  life = new AbortController();
  /** Ends the making of a connection. */
  making = new AbortController();
  isComingBack = false;
  failures = 0;
  /** How many connections in a row have not lasted. */
  short = 0;
  /** Ends a wait before the next try. */
  wake = nothing;
  /** The connection that the session moves away from. @type {Pipe|null} */
  old = null;
  /** One that may still come and would be better. @type {Promise<Pipe>|null} */
  better = null;
  /** Settles when the session goes on on the current connection, or cannot. */
  attaching = { resolve: (/** @type {any} */ _) => {}, reject: (/** @type {AnteroomError} */ _) => {} };
  /** Since when there is no connection; 0 before the first. */
  lostAt = 0;
  silentAt = 0;
  attachedAt = 0;
  /** @type {Pipe|null} */
  attachedTo = null;
  /** UDP may have failed although the network is there. */
  isSuspect = false;
  /** How long to stay away at least, in ms. */
  pauseMs = 0;
  /** Why the session before this one is over, until it is told. @type {AnteroomError|null} */
  renewed = null;
  /** The lanes whose snapshots a page that was loaded anew waits for. @type {Set<number>} */
  awaited = new Set();
  /** @type {(() => void)[]} */
  inbox = [];
  isPaused = false;
  /** @type {Record<string, any>} */
  timers = {};
  /** What is told once somebody can listen. @type {(() => void)[]|null} */
  early = [];

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

  /** @param {LobbyState} state */
  setState(state) {
    // A listener may have closed the lobby.
    if (this.lobby.state === state || this.lobby.state === "closed") return;
    this.lobby.state = state;
    this.outbox.clock(state === "open");
    this.lobby.emit("state", state);
  }

  /** @param {string} type @param {string} message @param {Partial<Activity>} [more] */
  tell(type, message, more) {
    const activity = { at: Date.now(), type, message, ...more };
    this.later(() => this.lobby.emit("activity", activity));
  }

  /** Tells the page, as soon as it has its lobby. @param {() => void} task */
  later(task) {
    if (this.early) this.early.push(task);
    else task();
  }

  /** @param {string} name @param {number} ms @param {() => void} task */
  after(name, ms, task) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(task, ms);
  }

  // Beginning, and coming back.

  async begin() {
    const stored = await this.vault.claim();
    if (this.lobby.isOver) return this.vault.release();
    if (stored) {
      const { token, attempt, ...known } = stored;
      Object.assign(this.lobby, known, { restored: true });
      Object.assign(this, { token, attempt });
      this.ledger.limits = known.limits;
    }
    this.pulse.start();
    this.comeBack();
  }

  /** Stores what the next page needs: before anything is sent that depends on it, once the session is this page's. */
  keep() {
    const { sessionId, userId, username, limits, graceMs } = this.lobby;
    this.vault.keep({ sessionId, userId, username, limits, graceMs, token: this.token, attempt: this.attempt });
  }

  /** Another connection is made: what was being made before is not wanted any more. */
  make() {
    clearTimeout(this.timers.upgrade);
    this.making.abort();
    this.making = new AbortController();
    return this.making.signal;
  }

  /** Makes connections until the session goes on, or nothing is left to go on with. */
  async comeBack() {
    if (this.isComingBack) return;
    this.isComingBack = true;
    // Of connections that do not last the second is a failure, too.
    this.short = Date.now() - this.attachedAt > LASTING_MS ? 0 : this.short + 1;
    this.failures = Math.max(0, this.short - 1);
    for (; !this.ledger.current && !this.lobby.isOver; this.failures++) {
      const { failures, pauseMs } = this;
      const { isGone } = this.pulse;
      const ms = isGone ? FOR_EVER_MS : Math.random() * Math.min(50 * 2 ** failures + pauseMs, 5000);
      if (failures || pauseMs || isGone) await this.rest(ms, pauseMs);
      if (this.lobby.isOver) break;
      const signal = this.make();
      const began = Date.now();
      let transport = "";
      try {
        this.tell("connecting", failures ? "Tries again." : "Looks for a way.");
        if (this.isSuspect) this.route.noteFailed(BROKEN_MS);
        const { pipe, better = null } = await this.route.stand(signal);
        ({ transport } = pipe);
        this.better = better;
        better?.catch(nothing);
        await this.introduce(pipe, signal, false);
      } catch (error) {
        // Nothing else gets through either.
        if (this.isSuspect) this.route.noteOpen();
        const failure = known(error);
        // What stands but carries nothing.
        if (transport === "webtransport" && failure.code === "timeout") this.blocked(began);
        if (!this.lobby.isOver && !this.ledger.current) this.failed(failure);
      }
      this.isSuspect = false;
    }
    this.isComingBack = false;
  }

  /**
   * Waits before the next try. What wakes it begins to count anew; from a pause nothing does.
   *
   * @param {number} ms
   * @param {number} pauseMs
   */
  rest(ms, pauseMs) {
    this.pauseMs = 0;
    return new Promise((done) => {
      const timer = setTimeout(done, ms + pauseMs);
      this.wake = () => {
        if (pauseMs && !this.lobby.isOver) return;
        clearTimeout(timer);
        this.failures = 0;
        done(0);
      };
    });
  }

  /** No connection has come of it. @param {AnteroomError} error */
  failed(error) {
    const { code, retryable, closeCode, message } = error;
    // What this tab has stored is of no use; whose session it was matters no more.
    if (this.isReloaded && closeCode && !retryable) return this.forget();
    const isBeginning = !this.lostAt;
    const isRefused = code !== "aborted" && (!retryable || (isBeginning && (closeCode || UNAVAILABLE.test(code))));
    if (code === "flooded") this.pauseMs = FLOODED_MS;
    const isOver = Date.now() > this.lostAt + this.lobby.graceMs + ATTACH_MS;
    // A device that has just woken may need a moment.
    const isLate = !isBeginning && isOver && this.failures >= LATE_TRIES;
    if (isRefused || isLate) this.end(error, !retryable || isLate);
    else this.tell("retry", message, { code });
  }

  /**
   * Says on a new connection who this is, and waits until the session goes on there.
   *
   * @param {Pipe} pipe
   * @param {AbortSignal} signal
   * @param {boolean} isMove whether the session lives on another connection meanwhile
   */
  async introduce(pipe, signal, isMove) {
    /** @type {[number|null, any][]} */
    const held = [];
    /** @type {((message: any) => void)|null} */
    let answer = null;
    /** @type {(error: AnteroomError) => void} */
    let fail = nothing;
    pipe.onend = (end) => fail(ending(end));
    this.read(pipe, (lane, message) => {
      // A room's stream may overtake the answer.
      if (message.type === "goodbye") pipe.ended(message.data?.code, message.data?.reason);
      else if (!answer || lane) held.push([lane, message]);
      else {
        answer(message);
        answer = null;
      }
    });
    const ask = async (/** @type {string} */ type, /** @type {any} */ data) => {
      const answering = new Promise((resolve, reject) => ([answer, fail] = [resolve, reject]));
      if (pipe.end) pipe.onend(pipe.end);
      else pipe.send(JSON.stringify({ type, ref: 0, data }));
      const told = await bounded(answering, ATTACH_MS, signal);
      if (told.error || told.success === false) throw refusal(told.error);
      if (!told.data?.limits && !told.data?.lanes) throw new AnteroomError("malformed", UNREADABLE);
      return told.data;
    };
    let isNew = false;
    let attached;
    try {
      const resumed = this.lobby.sessionId && (await this.reconnect(ask, isMove));
      isNew = !resumed;
      // A name that was made up stays, if there has to be another session.
      const { name = this.lobby.username || undefined, client = "anteroom-js/1" } = this.options;
      const about = { version: PROTOCOL_VERSION, name, client, resume: true, nonce: this.nonce };
      const told = resumed || (await ask("handshake", { ...about, token: await this.askForToken(signal) }));
      attached = handled(new Promise((resolve, reject) => (this.attaching = { resolve, reject })));
      if (resumed) this.goOn(pipe, told, isMove);
      else this.begun(pipe, told);
    } catch (error) {
      pipe.close();
      throw error;
    }
    pipe.onend = (end) => this.enqueue(() => this.ended(pipe, end));
    pipe.ondrain = () => this.outbox.schedule();
    pipe.ondatagram = (lane, text) => this.onDatagram(lane, text);
    const take = (/** @type {number|null} */ lane, /** @type {any} */ message) => {
      this.enqueue(() => this.take(pipe, lane, message));
    };
    for (const [lane, message] of held) take(lane, message);
    this.read(pipe, take);
    if (pipe.end) pipe.onend(pipe.end);
    else if (isNew) this.attached();
    await bounded(attached, ATTACH_MS, signal).catch((error) => {
      if (!signal.aborted) this.lose(pipe, { code: 0, reason: "" }, false);
      throw error;
    });
  }

  /** @param {AbortSignal} signal */
  async askForToken(signal) {
    const { token } = this.options;
    const isAsked = typeof token === "function";
    const ask = async () => (isAsked ? token() : token ?? undefined);
    const given = await bounded(ask(), ATTACH_MS, signal).catch((cause) => {
      throw signal.aborted ? cause : new AnteroomError("token_unavailable", "There is no token just now.", { cause });
    });
    if (typeof given !== "string" && (isAsked || given !== undefined)) throw invalid("A token is a text.");
    return given;
  }

  /** @param {Pipe} pipe @param {(lane: number|null, message: any) => void} take */
  read(pipe, take) {
    pipe.listen((lane, text) => {
      const messages = parse(text);
      if (!messages) return pipe.ended(CLOSE_CODES.malformed.number, UNREADABLE);
      this.pulse.heardAt = Date.now();
      this.ledger.due.characters += text.length;
      for (const message of messages) take(lane, message);
    });
  }

  /** @param {(type: string, data: any) => Promise<any>} ask @param {boolean} isMove */
  async reconnect(ask, isMove) {
    this.attempt += 1;
    this.keep();
    const fresh = this.isReloaded || undefined;
    const received = isMove || fresh ? undefined : this.ledger.received(true);
    const { token: resume_token, attempt } = this;
    try {
      return await ask("reconnect", { session_id: this.lobby.sessionId, resume_token, attempt, received, fresh });
    } catch (error) {
      if (isMove || known(error).code !== "session_unknown") throw error;
      this.forget();
    }
  }

  /** Whether this page knows nothing yet of the session that the page before it had. */
  get isReloaded() {
    return this.lobby.restored && !this.ledger.lanes.size;
  }

  /** A session has begun. @param {Pipe} pipe @param {any} accepted */
  begun(pipe, { session_id, resume_token, user_id, username, limits, grace_ms, server_time_ms }) {
    const clockOffset = server_time_ms - Date.now();
    const told = { sessionId: session_id, userId: user_id, username, limits, graceMs: grace_ms, clockOffset };
    Object.assign(this.lobby, told);
    Object.assign(this, { token: resume_token, attempt: 0 });
    this.ledger.limits = limits;
    this.ledger.current = this.ledger.lane(0).pipe = pipe;
    this.keep();
  }

  /** The session goes on. @param {Pipe} pipe @param {any} result @param {boolean} isMove */
  goOn(pipe, { resume_token, lanes, last_n }, isMove) {
    const { ledger } = this;
    const listed = new Set(lanes.map((/** @type {any} */ { lane }) => lane));
    if (this.isReloaded) this.awaited = listed;
    this.token = resume_token;
    this.keep();
    ledger.n = Math.max(ledger.n, last_n);
    if (isMove && this.old) this.retire(this.old);
    if (isMove) this.old = ledger.current;
    ledger.current = pipe;
    if (isMove) return pipe.send(JSON.stringify({ type: "resume", data: { received: ledger.received(true) } }));
    for (const id of this.awaited) if (!listed.has(id)) this.awaited.delete(id);
    for (const lane of [...ledger.lanes.values()]) {
      if (!lane.id || listed.has(lane.id)) continue;
      this.endLane(lane, "session_lost", "Your place in this room is gone.");
      ledger.lanes.delete(lane.id);
    }
  }

  /** The server does not know the session any more: nothing of it is left. */
  forget() {
    const { lobby } = this;
    const isLate = Date.now() - this.silentAt >= lobby.graceMs;
    const why = this.isReloaded
      ? "The session of this tab is over."
      : isLate
        ? `You were away for longer than ${seconds(lobby.graceMs)}, so your seats were given up.`
        : "The server does not know this session; it may have been restarted.";
    const told = new AnteroomError("session_unknown", why);
    if (this.isReloaded) lobby.lost = told;
    else this.renewed = told;
    const { lanes } = this.ledger;
    this.outbox.abandon(told, ({ pipe }) => !pipe);
    this.outbox.abandon(unanswered());
    Object.assign(this, { ledger: new Ledger(), nonce: randomText(), awaited: new Set() });
    Object.assign(lobby, { sessionId: "", restored: false });
    this.vault.forget();
    // What is asked for at the news belongs to the next session.
    for (const lane of lanes.values()) this.endLane(lane, "session_lost", why);
  }

  /** Control has come over to the current connection. */
  attached() {
    const { lobby, ledger, lostAt, renewed, better } = this;
    const { transport } = /** @type {Pipe} */ (ledger.current);
    const over = label(transport);
    const [type, message] = this.isOpen
      ? ["moved", `Moved to ${over}; nothing was lost.`]
      : lobby.restored && !lostAt
        ? ["restored", `The session goes on, over ${over}.`]
        : !lostAt
          ? ["open", `In the lobby, over ${over}.`]
          : renewed
            ? ["renewed", renewed.message]
            : ["resumed", `Resumed over ${over} after ${seconds(Date.now() - lostAt)}.`];
    this.tell(type, message, { transport });
    Object.assign(this, { lostAt: 0, renewed: null, better: null, attachedTo: ledger.current, attachedAt: Date.now() });
    if (transport === "webtransport") this.route.noteOpen();
    this.attaching.resolve(0);
    this.setState("open");
    lobby.emit("transport", transport);
    if (renewed) {
      lobby.emit("renewed", { error: renewed });
      lobby.list?.again(this);
    }
    if (better) this.improve(better);
    else this.planUpgrade();
    this.pulse.ping(PONG_MS).catch(nothing);
    // What was measured in the hurry of the beginning is measured again soon.
    this.pulse.pingedAt -= PING_EVERY_MS - 2000;
    this.outbox.schedule();
    this.settle();
    this.isReady();
  }

  /** The page gets its lobby once the rooms are there that the page before it was in. */
  isReady() {
    if (this.isOpen && this.awaited.size) this.after("awaited", ATTACH_MS, () => this.ready());
    else if (this.isOpen) this.ready();
  }

  ready() {
    this.lobby.ready(null);
    nextTurn(() => {
      const { early } = this;
      this.early = null;
      for (const task of early ?? []) task();
    });
  }

  // Moving.

  /** @param {Pipe} pipe @param {AbortSignal} signal */
  async moveOver(pipe, signal) {
    this.tell("moving", `Moves to ${label(pipe.transport)}.`, { transport: pipe.transport });
    await this.introduce(pipe, signal, true);
  }

  /** Moves to WebTransport, if it comes to stand and is still wanted. @param {Promise<Pipe>} dialing */
  improve(dialing) {
    const began = Date.now();
    const move = (/** @type {Pipe} */ pipe) => (this.canImprove ? this.moveOver(pipe, this.make()) : pipe.close());
    dialing.then(move).catch(({ code }) => {
      if (code === "aborted" || !this.canImprove) return;
      this.blocked(began);
      this.planUpgrade();
    });
  }

  /** @param {"webtransport"|"websocket"|"auto"} transport */
  async moveTo(transport) {
    const { route, ledger } = this;
    const before = route.choice;
    const wanted = transport !== "auto" ? transport : route.hasWebTransport ? "webtransport" : "websocket";
    if (this.lobby.isOver) throw closed();
    if (wanted === "webtransport" && !route.hasWebTransport) await route.webTransport(this.life.signal);
    route.choice = transport === "websocket" ? "websocket" : "auto";
    if (!this.isOpen) return;
    const signal = this.make();
    if (ledger.current?.transport === wanted || (transport === "auto" && route.udpWaitMs())) return this.planUpgrade();
    try {
      const dialing = wanted === "websocket" ? route.webSocket(signal) : route.webTransport(signal);
      await this.moveOver(await dialing, signal);
    } catch (error) {
      const failure = known(error);
      // A newer one goes on.
      if (signal.aborted) throw new AnteroomError(failure.code, "The connection has changed meanwhile.", { cause: error });
      route.choice = before;
      this.tell("move_failed", `Could not move to ${label(wanted)}: ${failure.message}`, { transport: wanted });
      this.planUpgrade();
      throw failure;
    }
  }

  /** Whether the session is on WebSocket only because nothing better has come. */
  get canImprove() {
    const { ledger, route } = this;
    return this.isOpen && route.choice === "auto" && route.hasWebTransport && ledger.current?.transport === "websocket";
  }

  /** Tries for WebTransport from a WebSocket that works, as soon as it makes sense. */
  planUpgrade() {
    clearTimeout(this.timers.upgrade);
    if (!this.canImprove) return;
    // Nobody waits for it in a page that is not seen.
    const isLater = () => this.old || !this.pulse.isSeen;
    this.after("upgrade", isLater() ? 1000 : this.route.udpWaitMs(), () => {
      if (isLater() || this.route.udpWaitMs()) this.planUpgrade();
      else this.improve(this.route.webTransport(this.make()));
    });
  }

  /** UDP does not get through, unless it is the page that was not there. @param {number} began when the try did */
  blocked(began) {
    if (!this.pulse.wasAwake(began)) return;
    this.route.noteFailed(BLOCKED_MS);
    const ms = this.route.udpWaitMs();
    this.tell("blocked", `WebTransport does not get through; the next try is in ${seconds(ms)}.`, { ms });
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

  /** @param {Pipe} pipe @param {End} end */
  ended(pipe, end) {
    if (pipe === this.old) this.retire(pipe);
    else this.lose(pipe, end, true);
  }

  /**
   * The current connection is of no use any more; the session goes on on another one, if that can be.
   *
   * @param {Pipe|null} pipe
   * @param {End} end
   * @param {boolean} isFailure whether it failed by itself
   */
  lose(pipe, end, isFailure) {
    if (!pipe || pipe !== this.ledger.current) return;
    const error = ending(end);
    this.attaching.reject(error);
    if (end.code >= 4500) return this.end(error);
    if (error.code === "flooded") this.pauseMs = FLOODED_MS;
    if (!isFailure) this.attachedAt = 0;
    this.making.abort();
    if (this.old) this.retire(this.old);
    this.retire(pipe);
    for (const name of ["upgrade", "ack", "awaited"]) clearTimeout(this.timers[name]);
    this.timers.ack = null;
    this.outbox.notes = [];
    if (this.isOpen) {
      const { transport } = pipe;
      const now = Date.now();
      // One that has just woken finds out what ended before.
      const isByItself = isFailure && !end.code && this.pulse.wasAwake(now - LASTING_MS);
      this.isSuspect = isByItself && transport === "webtransport" && this.route.choice === "auto";
      this.lostAt = now;
      // What a server that goes takes with it is not given up for being away.
      this.silentAt = error.code === "shutting_down" ? Infinity : this.pulse.heardAt;
      this.tell("lost", error.message, { transport, code: error.code });
      this.setState("resuming");
      this.lobby.emit("transport", null);
    }
    this.comeBack();
  }

  /** @param {AnteroomError|null} error @param {boolean} [isFinal] whether nothing of the session is left */
  end(error, isFinal = true) {
    const { lobby, ledger } = this;
    if (lobby.isOver) return;
    const why = error ?? closed();
    Object.assign(lobby, { error, isOver: true });
    this.setState("closed");
    this.life.abort();
    this.making.abort();
    this.wake();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    ledger.current?.close();
    this.old?.close();
    this.attaching.reject(why);
    for (const lane of ledger.lanes.values()) this.endLane(lane, "closed", why.message);
    this.outbox.abandon(why);
    if (isFinal && !MISTAKES.includes(why.closeCode ?? 0)) this.vault.forget();
    else this.vault.release();
    lobby.list?.close();
    this.tell("closed", why.message, { code: why.code });
    lobby.emit("closed", error);
    lobby.ready(why);
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

  /** Lets whoever was given a room listen to it before more happens there. */
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
    const { type } = message;
    const data = message.data ?? {};
    try {
      if (type === "lane") this.onLane(ledger.opened(pipe, data), data, pipe);
      else if (type === "ack") ledger.acknowledged(data);
      else if (type === "pong") this.pulse.pings.get(data.ts)?.(data);
      else if (type === "goodbye") pipe.ended(data.code, data.reason);
      else if (type === "resume_result" && message.error) pipe.ended(0, message.error.message);
      else if (!UNCOUNTED.test(type)) {
        const lane = ledger.take(pipe, told, message);
        if (lane) this.deliver(lane, message);
        this.acknowledge();
      }
    } catch (error) {
      const why = `The server breaks the protocol: ${/** @type {Error} */ (error).message}.`;
      const closeCode = CLOSE_CODES.malformed.number;
      ledger.current?.close(closeCode);
      this.end(new AnteroomError("malformed", why, { closeCode }));
    }
    if (ledger.waiting.length) this.outbox.schedule();
  }

  /** @param {Lane|null} lane @param {any} opened @param {Pipe} pipe */
  onLane(lane, { applied, gap }, pipe) {
    if (!lane) return;
    if (gap) {
      // Their answers may be among what was lost.
      const isSwallowed = (/** @type {Outgoing} */ { lane: id, n }) => id === lane.id && n > 0 && n <= applied;
      this.outbox.abandon(unanswered(), isSwallowed);
    }
    if (lane.id === 0 && pipe === this.ledger.current && pipe !== this.attachedTo) this.attached();
    this.settle();
    this.outbox.schedule();
  }

  /** @param {Lane} lane @param {any} message */
  deliver(lane, message) {
    const { type, ref, success, error, latest } = message;
    const data = message.data ?? {};
    const isFarewell = lane.id > 0 && (type === "room_closed" || (type === "leave_room_result" && success));
    const isSnapshot = JOINED.test(type) && success && ref == null;
    const missed = latest == null ? lane.gap : null;
    const { n } = error?.details ?? {};
    if (n) this.ledger.remove((outgoing) => outgoing.n === n);
    if (missed !== null) lane.gap = null;
    if (!lane.id && (missed !== null || type === "session_state")) this.onControlGap(missed ?? 0);
    else if (lane.id && isSnapshot) this.onSnapshot(lane, data, missed ?? 0);
    else if (ref != null) this.onAnswer(lane, message);
    else if (lane.id) {
      const { room } = lane;
      this.later(() => room?.receive(message));
    }
    else if (type === "rooms_changed") this.lobby.list?.change(data);
    else if (error) this.onRefusal(refusal(error));
    if (!isFarewell) return;
    this.endLane(lane, data.reason ?? "left", data.message ?? "You left the room.");
    this.awaited.delete(lane.id);
    this.isReady();
    this.settle();
  }

  /** @param {number} missed */
  onControlGap(missed) {
    if (missed) this.lobby.emit("gap", { missed });
    this.lobby.list?.again(this);
  }

  /** Everything in a room as it is now. @param {Lane} lane @param {any} data @param {number} missed */
  onSnapshot(lane, data, missed) {
    const { room: known } = lane;
    if (known) return this.later(() => known.renew(data, missed));
    // The answer to a request was lost, or this page was loaded anew.
    const room = this.enter(lane, data);
    const isAskedBy = (/** @type {Asked} */ { type, request }) => {
      const { room_id = data.room_id, game = data.game } = request;
      return /^(join|create)_room$/.test(type) && room_id === data.room_id && game === data.game;
    };
    const isAwaited = this.awaited.delete(lane.id);
    const asked = [...this.outbox.asked].find(([, asked]) => !isAwaited && isAskedBy(asked));
    if (asked) this.outbox.settle(asked[0])?.resolve(room);
    else if (!isAwaited) this.lobby.emit("room", room);
    this.isReady();
  }

  /** @param {Lane} lane @param {any} data */
  enter(lane, data) {
    const room = new Room(this, lane, data);
    lane.room = room;
    this.lobby.rooms.set(room.id, room);
    this.pause();
    return room;
  }

  /** @param {Lane} lane @param {any} message */
  onAnswer(lane, { type, ref, success, error, data }) {
    const asked = this.outbox.settle(ref);
    if (asked) this.ledger.remove((outgoing) => outgoing === asked.outgoing);
    if (!success) return asked?.reject(refusal(error));
    if (type === "subscribe_rooms_result") this.lobby.list?.replace(data);
    if (!JOINED.test(type)) return asked?.resolve(data ?? {});
    const room = this.enter(lane, data);
    const isOwn = ref > this.outbox.first && ref <= this.outbox.reference;
    if (asked) asked.resolve(room);
    else if (isOwn) room.leave();
    else this.lobby.emit("room", room);
  }

  /** What was refused before it reached its room. @param {AnteroomError} error */
  onRefusal(error) {
    this.lobby.rooms.get(error.details?.room_id)?.emit("error", error);
  }

  /** @param {number} lane @param {string} text */
  onDatagram(lane, text) {
    // It may be lost, so it may be broken.
    for (const message of parse(text) ?? []) this.ledger.lanes.get(lane)?.room?.receive(message);
  }

  /** @param {Lane} lane @param {string} reason @param {string} message */
  endLane(lane, reason, message) {
    const { room } = lane;
    if (lane.id) this.ledger.end(lane);
    lane.room = null;
    if (!room) return;
    this.outbox.abandon(unanswered(), (outgoing) => outgoing.lane === lane.id);
    if (this.lobby.rooms.get(room.id) === room) this.lobby.rooms.delete(room.id);
    this.later(() => room.finish(reason, message));
  }

  acknowledge() {
    const { messages, characters } = this.ledger.due;
    if (messages >= ACK_MESSAGES || (messages && characters >= ACK_LENGTH)) this.sendAck();
    else if (messages) this.timers.ack ??= setTimeout(() => this.sendAck(), ACK_MS);
  }

  sendAck() {
    clearTimeout(this.timers.ack);
    this.timers.ack = null;
    if (this.isOpen) this.outbox.note("ack", this.ledger.received());
  }
}

/** The messages in a frame or record, or undefined if that is not what it holds. @param {string} text */
function parse(text) {
  const messages = quietly(() => [JSON.parse(text)].flat());
  return messages?.every((message) => typeof message?.type === "string") ? messages : undefined;
}

/** @param {unknown} error */
function known(error) {
  return error instanceof AnteroomError ? error : new AnteroomError("unreachable", String(error), { cause: error });
}

/** 128 random bits. */
function randomText() {
  return crypto.getRandomValues(new Uint32Array(4)).join("");
}

/** @param {string} transport */
const label = (transport) => (transport === "webtransport" ? "WebTransport" : "WebSocket");
/** @param {number} ms */
const seconds = (ms) => `${ms < 9950 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`;

// --- what a game sees ------------------------------------------------------------------------------------------------

/**
 * The options of {@link connect}.
 *
 * @typedef {object} ConnectOptions
 * @property {string} [name] the name to show; one is made up without it
 * @property {string|(() => string|Promise<string>)} [token] proves who the player is; a guest needs none. A function is
 *   asked whenever a session begins, also for the one behind a session that is over, and has 8 s for its answer
 * @property {string} [client] the program and its version, for the server's log
 * @property {"auto"|"webtransport"|"websocket"} [transport] `auto` takes what gets through, the better one first
 * @property {AbortSignal} [signal] gives up connecting
 * @property {number} [timeout] how long connecting may take, in ms; 15000 if not given
 * @property {number} [requestTimeout] how long an answer may take, in ms, without the time when there is no connection;
 *   10000 if not given
 * @property {Storage|null} [storage] where the session outlives a reload: the tab's own if not given, null for nowhere.
 *   It holds one session for each server
 * @property {any} [WebSocket] the class to use; that of ws if not given, in Node, and the platform's own elsewhere
 */

/** @typedef {{signal?: AbortSignal, timeout?: number}} RequestOptions */
/** @typedef {{type: string, data: any, latest?: string}} AnteroomEvent */
/** @typedef {"connecting"|"open"|"resuming"|"closed"} LobbyState */
/** @typedef {{at: number, type: string, message: string, transport?: string, ms?: number, code?: string}} Activity */
/**
 * @typedef {{message_bytes_max: number, unacked_messages_max: number, unacked_bytes_max: number,
 *   rooms_max: number, latest_keys_max?: number,
 *   latest_bytes_max?: number}} Limits
 */
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
    const { storage = quietly(() => scope.sessionStorage), transport = "auto" } = options;
    const route = new Route(url, Socket);
    route.choice = transport;
    this.#session = new Session(this, options, route, new Vault(storage, route.base));
  }

  /** @internal @param {ConnectOptions} options */
  begin({ signal, timeout = 15000 }) {
    const ready = new Promise((resolve, reject) => {
      this.ready = (error) => (error ? reject(error) : resolve(this));
    });
    const end = (/** @type {AnteroomError} */ error) => this.#session.end(error, false);
    const timer = deadline(() => end(late()), timeout);
    const abort = () => end(aborted(signal));
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    this.#session.begin();
    return ready.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    });
  }

  /** What carries the session now. @returns {"webtransport"|"websocket"|null} */
  get transport() {
    return (this.state === "open" && this.#session.ledger.current?.transport) || null;
  }

  /** Whether {@link Lobby.blockUdp} is in force. */
  get udpBlocked() {
    return this.#session.route.udpBlocked;
  }

  /**
   * Makes a room and takes a seat in it.
   *
   * @param {{game: string, name?: string, options?: any}} what
   * @param {RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  createRoom(what, options) {
    return this.#session.outbox.request("create_room", what, options);
  }

  /**
   * Takes a seat in a room, or a place to watch from.
   *
   * @param {string} roomId
   * @param {{as?: "player"|"spectator"} & RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  joinRoom(roomId, { as, ...options } = {}) {
    // A message names its room, not the membership: two at once could not be told apart.
    const isThis = (/** @type {Asked} */ { type, request }) => type === "join_room" && request.room_id === roomId;
    const isAsked = [...this.#session.outbox.asked.values()].some(isThis);
    if (this.rooms.has(roomId) || isAsked) {
      return handled(Promise.reject(new AnteroomError("already_in_room", "You are in that room already.")));
    }
    return this.#session.outbox.request("join_room", { room_id: roomId, as }, options);
  }

  /**
   * Takes a free seat in any room of a game, or makes one.
   *
   * @param {string} game
   * @param {RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  quickJoin(game, options) {
    return this.#session.outbox.request("join_room", { game, quick: true }, options);
  }

  /**
   * The rooms there are; the newest 500 of them.
   *
   * @param {{game?: string} & RequestOptions} [options]
   * @returns {Promise<{rooms: RoomRow[], total: number}>}
   */
  listRooms({ game, ...options } = {}) {
    return this.#session.outbox.request("list_rooms", { game }, options);
  }

  /**
   * The list of rooms, kept up to date over connections and sessions. There is one at a time: another one closes it.
   *
   * @param {{game?: string} & RequestOptions} [options]
   * @returns {Promise<RoomList>}
   */
  watchRooms({ game, ...options } = {}) {
    this.list?.stop();
    const list = new RoomList(game, () => {
      if (this.list !== list) return;
      this.list = null;
      if (!this.isOver) this.#session.outbox.request("unsubscribe_rooms", {});
    });
    this.list = list;
    const failed = (/** @type {AnteroomError} */ error) => {
      list.stop();
      if (this.list === list) this.list = null;
      throw error;
    };
    return handled(this.#session.outbox.request("subscribe_rooms", { game }, options).then(() => list, failed));
  }

  /** Measures the time there and back, in ms. @returns {Promise<number>} */
  ping() {
    return handled(this.#session.pulse.ping(PONG_MS));
  }

  /**
   * Goes on over another transport, losing nothing: over WebSocket until told otherwise, or over WebTransport, from where
   * it goes to WebSocket only if it must. With `auto` it takes the better one that gets through. If that cannot be had,
   * the session stays where it is, and this fails. Without a connection it only chooses.
   *
   * @param {"webtransport"|"websocket"|"auto"} transport
   * @returns {Promise<void>}
   */
  moveTo(transport) {
    return handled(this.#session.moveTo(transport));
  }

  /** Cuts the connection as if the network had failed; the session resumes by itself. For trying things out. */
  drop() {
    const session = this.#session;
    session.lose(session.ledger.current, { code: 0, reason: "The connection was cut." }, false);
  }

  /** As if the network blocked UDP from now on, or no longer. For trying things out. @param {boolean} isBlocked */
  blockUdp(isBlocked) {
    const session = this.#session;
    const { route } = session;
    if (route.udpBlocked === isBlocked) return;
    route.udpBlocked = isBlocked;
    if (!isBlocked) {
      route.noteOpen();
      session.planUpgrade();
    } else {
      session.making.abort();
      const { current } = session.ledger;
      if (current?.transport === "webtransport") session.lose(current, { code: 0, reason: "UDP is blocked." }, false);
    }
  }

  /** Says goodbye: seats are given up, at once or, without a connection, after `graceMs`. */
  close() {
    const session = this.#session;
    session.outbox.flush();
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

  /** @internal @param {string|undefined} game @param {() => void} close */
  constructor(game, close) {
    super();
    /** @internal */
    this.game = game;
    this.#close = close;
  }

  /** Asks anew, because what was told is not known for sure. @internal @param {Session} session */
  again(session) {
    session.outbox.request("subscribe_rooms", { game: this.game });
  }

  /** @internal @param {{rooms: RoomRow[], total: number}} list */
  replace({ rooms, total }) {
    Object.assign(this, { rooms, total });
    this.emit("change", this);
  }

  /** @internal @param {{added: RoomRow[], updated: RoomRow[], removed: string[]}} changes */
  change({ added, updated, removed }) {
    const gone = new Set([...removed, ...added.map(({ room_id }) => room_id)]);
    const changed = new Map(updated.map((row) => [row.room_id, row]));
    const old = this.rooms.filter(({ room_id }) => !gone.has(room_id)).map((row) => changed.get(row.room_id) ?? row);
    const rooms = [...added.reverse(), ...old];
    this.replace({ rooms, total: this.total + rooms.length - this.rooms.length });
  }

  /** @internal */
  stop() {
    if (!this.isOver) this.emit("closed", null);
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
  /** @internal */
  farewell = "room_closed";
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
    /** @internal */
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
    if (delivery === "reliable") return this.#session.outbox.request(type, data, { ...options, room: this });
    const unreliable = delivery === "unreliable";
    const post = async () => void this.#session.outbox.post(type, data, { room: this, key, unreliable });
    return handled(post());
  }

  /** Gives up the seat, or the place to watch from. @returns {Promise<void>} */
  leave() {
    const left = this.#session.outbox.request("leave_room", {}, { room: this });
    return handled(left.then(nothing, (error) => {
      // However it ended, it is left.
      if (!this.end) throw error;
    }));
  }

  /** @internal @param {any} message */
  receive({ type, data: told, error, latest }) {
    const data = told ?? {};
    const { user_id } = data;
    const others = this.members.filter((member) => member.user_id !== user_id);
    if (type === "room_closed" || type === "leave_room_result") return;
    if (type === "error") return this.emit("error", refusal(error));
    if (type === "game_state") this.view = data;
    else if (type === "client_joined") this.members = [...others, data];
    else if (type === "client_left") this.members = others;
    else if (/^client_(dis|re)connected$/.test(type)) {
      const connected = type === "client_reconnected";
      this.members = this.members.map((member) => (others.includes(member) ? member : { ...member, connected }));
    }
    this.emit(type, data, latest);
  }

  /** @internal @param {any} data @param {number} missed */
  renew(data, missed) {
    this.#set(data);
    if (missed) this.emit("gap", { missed });
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
 * @param {string|URL} [url] where the server is, as `https://host:port` or `https://host/path`; the origin of the page if
 *   not given
 * @param {ConnectOptions} [options]
 * @returns {Promise<Lobby>}
 * @throws {AnteroomError}
 */
export async function connect(url = scope.location?.origin, options = {}) {
  const server = quietly(() => new URL(url));
  // What cannot be used is not dropped without a word.
  if (!server || !/^(http|ws)s?:\/\/[^/?#@]+\/[^?#]*$/.test(server.href)) {
    throw invalid(`"${url}" is no address of a server, as https://host/path.`);
  }
  // Not named, so that bundlers for browsers do not look for it.
  const load = async () => (await import(/* @vite-ignore */ ["ws"].join()).catch(nothing))?.WebSocket;
  // Node's own has no way to end before its peer agrees, and keeps the program waiting for that.
  const isNode = scope.process?.versions?.node;
  const found = options.WebSocket ?? (isNode && (await load())) ?? scope.WebSocket;
  if (!found) throw new AnteroomError("unreachable", "There is no WebSocket here; install ws.");
  return new Lobby(server, options, found).begin(options);
}

/** The framing, for tests. @internal */
export const wire = { encodeVarint, decodeVarint, Records };
