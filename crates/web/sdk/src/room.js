/**
 * A room, as a program has it. Does not number or repeat what it sends.
 */

import { Emitter } from "./emitter.js";
import { refusal } from "./errors.js";
import { RESTART_JUMP } from "./ledger.js";
import { handled, nothing } from "./platform.js";
/** @import { AnteroomError } from "./errors.js" */
/** @import { Lane } from "./ledger.js" */
/** @import { RequestOptions } from "./outbox.js" */
/** @import { Session } from "./session.js" */

/** @typedef {"public"|"members"|"owner"|"server"} Access */

/**
 * Somebody in a room. `number` tells this stay of theirs from another one.
 *
 * @typedef {{user_id: string, username: string, role: "player"|"spectator", seat: number|null, connected: boolean,
 *   number: number, ready: boolean, bot: boolean, joined_at_ms: number, data: Record<string, any>, muted?: boolean,
 *   away?: boolean, typing?: boolean, wants_seat?: number|null}} Member
 */

/**
 * Something that was said. One with the id of another takes its place.
 *
 * @typedef {{message_id: string, user_id: string, username: string, text: string, at_ms: number, edited: boolean,
 *   deleted?: boolean}} ChatEntry
 */

/** @typedef {{absent: string[], yes: string[], no: string[], ends_at_ms: number}} Vote */

/**
 * What a room is, besides who is in it and the game.
 *
 * @typedef {{room_id: string, game: string, game_version: number, name: string, durable: boolean, recorded: boolean,
 *   created_at_ms: number, created_by: string|null, owner: string|null, seats_max: number,
 *   visibility: "public"|"unlisted"|"private", locked: boolean, has_password: boolean,
 *   state: "waiting"|"playing"|"finished"|"paused", spectators: number, spectator_delay_ms: number,
 *   data: Record<string, any>, seat_queue: string[], vote: Vote|null, chat: ChatEntry[]}} RoomInfo
 */

/** How much of what was said last `info.chat` has. */
const CHAT_KEPT = 50;

/**
 * What happens in a room. A game's own messages come by their own types.
 *
 * @typedef {object} RoomEvents
 * @property {any} game_state the new view
 * @property {Member} client_joined
 * @property {{user_id: string, username: string, grace_ms: number}} client_disconnected
 * @property {{user_id: string, username: string}} client_reconnected
 * @property {{user_id: string, username: string, reason: string}} client_left
 * @property {Partial<RoomInfo>} room_updated what has changed; it is in `info`
 * @property {Partial<Member> & {user_id: string, number: number}} member_updated what has changed; it is in `members`
 * @property {ChatEntry} chat
 * @property {{event: "joined"|"left"|"owner_changed", user_id: string, username: string, at_ms: number}} system
 * @property {{user_id: string, number: number, typing: boolean, away: boolean}} presence
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
  /** What the room is, kept up to date. @type {RoomInfo} */
  info = /** @type {any} */ ({});
  /** The game as this member sees it. @type {any} */
  view = null;
  /** The seat taken, counted from 0; null for spectators. @type {number|null} */
  seat = null;
  /** @type {"player"|"spectator"} */
  role = "player";
  name = "";
  /** Whether the room is kept when the server ends, and goes on when it is back. */
  durable = false;
  /**
   * Why the room has ended, for this member: `left`, `replaced`, `kicked`, `banned`, `idle`, `expired`, `closed`,
   * `game_failed`, `shutting_down` or `session_lost`. Null while it has not.
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
  #set({ lane, role, seat, members, view, ...info }) {
    const { name, durable } = info;
    Object.assign(this, { name, role, seat, durable, members, view, info });
  }

  /** Which of the members a message is about, if it is about this stay of theirs. @param {any} changes */
  #change({ user_id, number, ...changes }) {
    this.members = this.members.map((it) => (it.user_id === user_id && it.number === number ? changed(it, changes) : it));
    const { role, seat } = this.members.find((it) => it.user_id === this.#session.lobby.userId) ?? this;
    if (changes.role || changes.seat != null) Object.assign(this, { role, seat });
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

  /**
   * Asks something of the room, as PROTOCOL.md has it: `kick`, `chat`, `ready` and so on. {@link Room.tools} has a
   * method for each.
   *
   * @param {string} type
   * @param {any} [data]
   * @param {RequestOptions} [options]
   * @returns {Promise<any>}
   */
  request(type, data, options) {
    return this.send(type, data, options);
  }

  /** What can be asked of a room, typed; loaded when it is first wanted. @returns {Promise<import("./anteroom-tools.js").RoomTools>} */
  async tools() {
    const { RoomTools } = await import("./anteroom-tools.js");
    return new RoomTools(this);
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
    } else if (type === "member_updated" || type === "presence") this.#change(data);
    else if (type === "room_updated") {
      this.info = changed(this.info, data);
      this.name = this.info.name;
    } else if (type === "chat") {
      const chat = (this.info.chat ?? []).filter((entry) => entry.message_id !== data.message_id);
      chat.push(data);
      this.info.chat = chat.sort((a, b) => +a.message_id - +b.message_id).slice(-CHAT_KEPT);
    }
    this.emit(type, data, latest);
  }

  /** @internal @param {any} data @param {number} missed */
  renew(data, missed) {
    this.#set(data);
    if (missed) this.emit("gap", { missed: missed % RESTART_JUMP });
    this.emit("game_state", this.view);
  }

  /** @internal @param {string} reason @param {string} message */
  finish(reason, message) {
    this.end = { reason, message };
    this.emit("room_closed", this.end);
  }
}

/** With changes: all that is named, and of data key by key, where null is a key that is gone. @param {any} it @param {any} changes */
function changed(it, { data, ...changes }) {
  const all = { ...it.data, ...data };
  for (const key of Object.keys(all)) if (all[key] === null) delete all[key];
  return { ...it, ...changes, data: all };
}
