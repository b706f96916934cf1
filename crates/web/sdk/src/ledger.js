/**
 * What counts, in both directions: numbers, what is kept until it is acknowledged, and where each lane is read from.
 * Knows no clock, and writes nothing.
 */

/** @import { Pipe } from "./pipe.js" */
/** @import { Room } from "./room.js" */

/** How many lanes that have ended are remembered. */
const ENDED_MAX = 64;
/** How far counts jump when the server was started anew. What was missed then is not known. */
export const RESTART_JUMP = 4294967296;

export const JOINED = /^(create|join)_room_result$/;

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

/**
 * @typedef {{message_bytes_max: number, unacked_messages_max: number, unacked_bytes_max: number,
 *   rooms_max: number, latest_keys_max?: number,
 *   latest_bytes_max?: number}} Limits
 */

/** How far each lane has come in both directions, and what the server does not have yet. Knows no clock. */
export class Ledger {
  /** @type {Map<number, Lane>} */
  lanes = new Map();
  n = 0;
  /** What was given a number, in its order. @type {Outgoing[]} */
  kept = [];
  #keptBytes = 0;
  /** What has none yet, because too much is kept. @type {Outgoing[]} */
  waiting = [];
  /** The connection to write on. @type {Pipe|null} */
  current = null;
  /**
   * Which lane a room's messages are on, for connections that do not tell.
   *
   * @type {WeakMap<Pipe, Map<string, number>>}
   */
  #places = new WeakMap();
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
    this.#places.set(pipe, (this.#places.get(pipe) ?? new Map()).set(room, id));
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
    const id = told ?? (room_id == null ? 0 : joins ? data.lane : this.#places.get(pipe)?.get(room_id));
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
      const jump = Math.max(0, next - 1 - lane.received);
      lane.gap = isNew ? 0 : (lane.gap ?? 0) + (jump < RESTART_JUMP / 2 ? jump : RESTART_JUMP);
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
    const hasRoom = () => this.kept.length < unacked_messages_max && this.#keptBytes < unacked_bytes_max;
    while (this.waiting.length && (!this.kept.length || hasRoom())) {
      const outgoing = /** @type {Outgoing} */ (this.waiting.shift());
      outgoing.n = ++this.n;
      this.kept.push(outgoing);
      this.#keptBytes += outgoing.bytes;
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
    this.#keptBytes = this.kept.reduce((sum, { bytes }) => sum + bytes, 0);
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
