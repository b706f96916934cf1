/**
 * The lobby: what a program has of its session, and can ask of it. Does not read messages, and keeps nothing that is
 * sent.
 */

import { AnteroomError, aborted, late } from "./errors.js";
import { Emitter } from "./emitter.js";
import { Ledger } from "./ledger.js";
import { moveTo, planUpgrade } from "./moves.js";
import { deadline, handled, nothing, quietly, scope } from "./platform.js";
import { PONG_MS } from "./pulse.js";
import { RoomList } from "./room-list.js";
import { Route } from "./route.js";
import { Session } from "./session.js";
import { Vault } from "./vault.js";
/** @import { Limits } from "./ledger.js" */
/** @import { Asked, RequestOptions } from "./outbox.js" */
/** @import { Access, Room } from "./room.js" */
/** @import { Filter, RoomRow } from "./room-list.js" */

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

/**
 * A room to make. What is left out is as the game has it.
 *
 * @typedef {object} NewRoom
 * @property {string} game
 * @property {string} [name]
 * @property {any} [options] the game's own
 * @property {boolean} [durable] whether it outlives the server's process
 * @property {"public"|"unlisted"|"private"} [visibility]
 * @property {string} [password]
 * @property {number} [seats_max]
 * @property {Record<string, any>} [data]
 * @property {Record<string, Access>} [access] who may read which keys of the data
 * @property {number} [spectator_delay_ms]
 * @property {"automatic"|"manual"|"none"} [owner_policy] who owns it when its owner goes
 * @property {number} [empty_ttl_ms]
 * @property {number} [idle_ttl_ms]
 * @property {number} [lifetime_max_ms]
 * @property {boolean} [record] whether what happens in it is recorded
 */

/** @typedef {{as?: "player"|"spectator", password?: string, invite?: string}} HowToJoin */
/** @typedef {{game?: string, filter?: Filter, sort?: string, cursor?: string, limit?: number}} WhichRooms */
/** @typedef {"connecting"|"open"|"resuming"|"closed"} LobbyState */
/** @typedef {{at: number, type: string, message: string, transport?: string, ms?: number, code?: string}} Activity */

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
  /**
   * Why there is no connection, while the state is `resuming`: `shutting_down` if the server goes, and comes back;
   * `unreachable` if it does not answer; else how the connection was lost.
   *
   * @type {AnteroomError|null}
   */
  reason = null;
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
   * @param {NewRoom} what
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
   * @param {HowToJoin & RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  joinRoom(roomId, options) {
    // A message names its room, not the membership: two at once could not be told apart.
    const isThis = (/** @type {Asked} */ { type, request }) => type === "join_room" && request.room_id === roomId;
    const isAsked = [...this.#session.outbox.asked.values()].some(isThis);
    if (this.rooms.has(roomId) || isAsked) {
      return handled(Promise.reject(new AnteroomError("already_in_room", "You are in that room already.")));
    }
    return this.#ask("join_room", { room_id: roomId, ...options });
  }

  /**
   * Takes a free seat in any room of a game, or makes one.
   *
   * @param {string} game
   * @param {{filter?: Filter} & RequestOptions} [options]
   * @returns {Promise<Room>}
   */
  quickJoin(game, options) {
    return this.#ask("join_room", { game, quick: true, ...options });
  }

  /**
   * The rooms there are, a page at a time: `next` is the cursor of the next page, if there is one.
   *
   * @param {WhichRooms & RequestOptions} [options]
   * @returns {Promise<{rooms: RoomRow[], total: number, next?: string|null}>}
   */
  listRooms(options) {
    return this.#ask("list_rooms", options);
  }

  /** What is asked, and how long for, in one. @param {string} type @param {any} [options] */
  #ask(type, { signal, timeout, ...request } = {}) {
    return this.#session.outbox.request(type, request, { signal, timeout });
  }

  /**
   * The list of rooms, kept up to date over connections and sessions. There is one at a time: another one closes it.
   *
   * @param {{game?: string, filter?: Filter} & RequestOptions} [options]
   * @returns {Promise<RoomList>}
   */
  watchRooms(options = {}) {
    this.list?.stop();
    const { game, filter } = options;
    const list = new RoomList({ game, filter }, () => {
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
    return handled(this.#ask("subscribe_rooms", options).then(() => list, failed));
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
    return handled(moveTo(this.#session, transport));
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
      planUpgrade(session);
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
