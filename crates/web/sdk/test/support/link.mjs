/** The server's end of one connection, on either transport: what a scripted server reads and writes. */

import assert from "node:assert/strict";

/** The real one, whatever a test does with the clock. */
export const later = globalThis.setImmediate;

/** Lets everything happen that needs no time to pass. @param {number} [turns] */
export async function settle(turns = 12) {
  for (let turn = 0; turn < turns; turn++) await new Promise((done) => later(done));
}

/** Waits, in real time, for what no clock decides. @param {() => any} condition @param {string} [what] */
export async function until(condition, what = String(condition)) {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const value = condition();
    if (value) return value;
    assert.ok(performance.now() < deadline, `did not happen: ${what}`);
    await new Promise((done) => later(done));
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A variable-length integer, written apart from the SDK's. @param {number} value */
export function varint(value) {
  const bits = value < 2 ** 6 ? 6 : value < 2 ** 14 ? 14 : value < 2 ** 30 ? 30 : 62;
  const prefix = { 6: 0n, 14: 1n, 30: 2n, 62: 3n }[bits];
  const hex = ((prefix << BigInt(bits)) | BigInt(value)).toString(16).padStart((bits + 2) / 4, "0");
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** @param {Uint8Array} bytes @returns {[number, Uint8Array]|null} the integer, and what is behind it */
export function readVarint(bytes) {
  if (!bytes.length) return null;
  const size = 2 ** (bytes[0] >> 6);
  if (bytes.length < size) return null;
  const whole = BigInt(`0x${Buffer.from(bytes.subarray(0, size)).toString("hex")}`);
  return [Number(whole & ((1n << BigInt(size * 8 - 2)) - 1n)), bytes.subarray(size)];
}

/** @param {number} number @param {string} text */
export function datagram(number, text) {
  return Uint8Array.from([...varint(number), ...encoder.encode(text)]);
}

/** @param {string} text */
export function record(text) {
  const payload = encoder.encode(text);
  return Uint8Array.from([...varint(payload.length), ...payload]);
}

/** Takes records apart. */
export class RecordReader {
  rest = new Uint8Array();

  /** @param {Uint8Array} chunk @returns {string[]} */
  push(chunk) {
    this.rest = Uint8Array.from([...this.rest, ...chunk]);
    const texts = [];
    for (;;) {
      const [length, behind] = readVarint(this.rest) ?? [Infinity, this.rest];
      if (behind.length < length) return texts;
      texts.push(decoder.decode(behind.subarray(0, length)));
      this.rest = behind.subarray(length);
    }
  }
}

/** Types that say something about the connection; a script that does not ask for them does not see them. */
const ASIDE = new Set(["ping", "ack"]);

/** One connection, seen from the server. The transport fills in how to write to the client. */
export class Link {
  /** Every payload of the client, as it came. @type {string[]} */
  frames = [];
  /** Every message of the client. @type {any[]} */
  messages = [];
  /** What came as datagrams. @type {{lane: number, message: any}[]} */
  datagrams = [];
  /** How the client ended it. @type {{code: number, reason: string}|null} */
  closed = null;
  /** Whether the client finished its control stream, which is a goodbye. */
  finished = false;
  /** Nothing passes any more, in either direction, and nobody is told. */
  silent = false;
  /** Takes messages as they come, for a server that is not scripted. @type {((message: any) => void)|null} */
  onmessage = null;
  /** @type {() => void} */
  onclose = () => {};
  #next = 0;
  /** Which lane a room's messages are on. @type {Map<string, number>} */
  #lanes = new Map();

  /** @param {"websocket"|"webtransport"} transport @param {string} url @param {boolean} pongs answers pings */
  constructor(transport, url, pongs) {
    this.transport = transport;
    this.url = url;
    this.pongs = pongs;
  }

  /** Something came from the client. @param {string} text */
  arrived(text) {
    if (this.silent) return;
    this.frames.push(text);
    for (const message of [JSON.parse(text)].flat()) {
      this.messages.push(message);
      if (this.pongs && message.type === "ping") {
        this.write({ type: "pong", data: { ts: message.data.ts, server_time_ms: Date.now() } });
      }
      this.onmessage?.(message);
    }
  }

  /** The next message, of that type; only pings and acks may come in front of it. @param {string} type */
  async read(type) {
    for (;;) {
      const message = await until(() => this.messages[this.#next], `the client sends ${type}`);
      this.#next += 1;
      if (message.type === type) return message;
      assert.ok(ASIDE.has(message.type), `${type} was expected, not ${JSON.stringify(message)}`);
    }
  }

  /** Sure that nothing but pings and acks has come since the last read. */
  async quiet() {
    await settle();
    const rest = this.messages.slice(this.#next).filter(({ type }) => !ASIDE.has(type));
    assert.deepEqual(rest, [], "the client was to say nothing");
  }

  /** The messages of a type so far. @param {string} type */
  all(type) {
    return this.messages.filter((message) => message.type === type);
  }

  /** Writes messages: as one frame, or as one record for each lane. @param {any[]} messages */
  write(...messages) {
    if (this.silent) return;
    const lanes = messages.map((message) => this.#laneOf(message));
    if (this.transport === "websocket") return this.deliver(0, text(messages));
    for (const lane of new Set(lanes)) this.deliver(lane, text(messages.filter((_, at) => lanes[at] === lane)));
  }

  /** @param {any} message */
  #laneOf({ type, room_id, success, data }) {
    if (!room_id) return 0;
    if (type === "lane" || (/^(create|join)_room_result$/.test(type) && success)) this.#lanes.set(room_id, data.lane);
    return this.#lanes.get(room_id) ?? 0;
  }

  /** Writes a payload as it is. The transport's. @param {number} _lane @param {string} _text */
  deliver(_lane, _text) {}

  /** Sends a datagram. The transport's. @param {number} _lane @param {string} _text */
  throwDatagram(_lane, _text) {}

  /** Closes it. The transport's. @param {number} _code @param {string} _reason */
  close(_code, _reason) {}

  /** The network fails, and both ends notice. The transport's. */
  cut() {}

  /** Ends it as the server does. @param {number} code @param {string} [reason] */
  goodbye(code, reason = "A reason.") {
    this.write({ type: "goodbye", data: { code, reason } });
    this.close(code, reason);
  }

  /** The network swallows everything from now on. */
  vanish() {
    this.silent = true;
  }
}

/** @param {any[]} messages */
const text = (messages) => JSON.stringify(messages.length === 1 ? messages[0] : messages);
