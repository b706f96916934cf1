/**
 * How messages are cut out of a stream, and how a datagram names its lane (PROTOCOL.md, section 2). Bytes in, texts
 * out: does not read them.
 */

import { decoder } from "./platform.js";

const RECORD_MAX = 1048576;

/** A variable-length integer (RFC 9000, section 16). @param {number} value @returns {Uint8Array} */
export function encodeVarint(value) {
  const size = value < 64 ? 1 : value < 16384 ? 2 : value < 2 ** 30 ? 4 : 8;
  const bytes = Uint8Array.from({ length: size }, (_, at) => value / 256 ** (size - 1 - at));
  bytes[0] |= Math.log2(size) << 6;
  return bytes;
}

/** Reads a variable-length integer. Without enough bytes `size` is 0. @param {Uint8Array} bytes */
export function decodeVarint(bytes) {
  const size = 1 << (bytes[0] >> 6);
  if (bytes.length < size) return { value: 0, size: 0 };
  return { value: bytes.subarray(1, size).reduce((value, byte) => value * 256 + byte, bytes[0] & 63), size };
}

/** @param {Uint8Array} first @param {Uint8Array} second */
export function concat(first, second) {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Takes a stream apart into the number it may begin with, and records. */
export class Records {
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
