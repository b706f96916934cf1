/**
 * What leaves: requests that wait for answers, messages that need none, and the batches that carry them. What has to
 * be sent again is known to the ledger.
 */

import { AnteroomError, aborted, closed, invalid, late } from "./errors.js";
import { BATCH_MAX } from "./pipe.js";
import { deadline, encoder, handled, nextTurn } from "./platform.js";
/** @import { Outgoing } from "./ledger.js" */
/** @import { Room } from "./room.js" */
/** @import { Session } from "./session.js" */

/** How many bytes may wait inside the browser before messages wait here, where they can still be replaced. */
const HIGH_WATER = 65536;
/** How much may wait here, in messages, before `busy`. */
const WAITING_MAX = 4096;
/** How deep data may be nested: servers count 64 levels, with the envelope, and some with the array of a batch. */
const DEPTH_MAX = 62;

/** What means the same in every room, and is not for games. */
const RESERVED = /^(handshake|reconnect|resume|ack|ping|goodbye|(create|join)_room|(list|(un)?subscribe)_rooms)$/;

/** @typedef {{signal?: AbortSignal, timeout?: number}} RequestOptions */

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
export class Outbox {
  /** Requests of the page before this one may be answered yet, so this page's are told apart. */
  first = Math.floor(Math.random() * 2 ** 30) * 2 ** 20;
  reference = this.first;
  /** @type {Map<number, Asked>} */
  asked = new Map();
  /** What concerns the connection alone. @type {string[]} */
  notes = [];
  #isScheduled = false;

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
      if (this.session.isOpen) this.#wait(reference, asked);
      signal?.addEventListener("abort", abort);
    });
    return handled(answer);
  }

  /** @param {number} reference @param {Asked} asked */
  #wait(reference, asked) {
    const timer = deadline(() => this.giveUp(reference, late()), asked.left);
    Object.assign(asked, { since: performance.now(), timer });
  }

  /** No answer can come without a connection, so that time does not count. @param {boolean} isOpen */
  clock(isOpen) {
    for (const [reference, asked] of this.asked) {
      clearTimeout(asked.timer);
      if (isOpen) this.#wait(reference, asked);
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
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    nextTurn(() => this.flush());
  }

  /** Writes what there is, as few batches, unless the browser has enough to do with what it has. */
  flush() {
    this.#isScheduled = false;
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
