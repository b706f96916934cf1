/**
 * The list of rooms, as a program has it. Does not know why it is told anew.
 */

import { Emitter } from "./emitter.js";
/** @import { Session } from "./session.js" */

/**
 * @typedef {{room_id: string, game: string, name: string, players: number, seats_max: number, spectators: number,
 *   state: "waiting"|"playing"|"finished"|"paused", durable: boolean, locked: boolean, has_password: boolean,
 *   created_at_ms: number, data: Record<string, any>}} RoomRow
 */

/** What a room has to pass, every part of it. @typedef {[key: string, op: "="|"!="|"<"|"<="|">"|">="|"in", value: any][]} Filter */

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

  /** @internal @param {{game?: string, filter?: Filter}} which @param {() => void} close */
  constructor(which, close) {
    super();
    /** @internal */
    this.which = which;
    this.#close = close;
  }

  /** Asks anew, because what was told is not known for sure. @internal @param {Session} session */
  again(session) {
    session.outbox.request("subscribe_rooms", this.which);
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
