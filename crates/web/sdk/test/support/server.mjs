/** A small lobby server that speaks PROTOCOL.md: sessions, lanes, counts, resuming, and rooms whose game repeats. */

export const LIMITS = { message_bytes_max: 65536, unacked_messages_max: 1024, unacked_bytes_max: 262144, rooms_max: 16, latest_keys_max: 1024, latest_bytes_max: 4194304 };

/** One sequence of messages of a session, as its owner sees it. */
class Lane {
  /** @type {any[]} all counted messages; the first one is number 1 */
  sent = [];
  acked = 0;
  applied = 0;
  /** Where a snapshot stands that covers what is in front of it. */
  snapshot = 0;
  ended = false;

  /** @param {number} id @param {string} [room] */
  constructor(id, room) {
    Object.assign(this, { id, room });
  }
}

/** @param {string} type @param {any} [data] @param {any} [more] */
export const success = (type, data = {}, more = {}) => ({ type: `${type}_result`, success: true, data, ...more });

/** @param {string} type @param {string} code @param {any} [more] */
export const refusal = (type, code, more = {}) => {
  const error = { code, message: `Refused: ${code}.`, retryable: false };
  return { type: `${type}_result`, success: false, error, data: {}, ...more };
};

export class Server {
  /** @type {Map<string, any>} */
  sessions = new Map();
  /** @type {Map<string, {id: string, game: string, name: string, seats: any[]}>} */
  rooms = new Map();
  /** Looks at a message first; true if it has seen to it. @type {(link: any, message: any, session: any) => any} */
  intercept = () => false;
  /** What was carried out, in its order. @type {any[]} */
  done = [];
  limits = LIMITS;
  clockMs = () => Date.now();
  #made = 0;

  /** @param {import("./network.mjs").Network} network */
  constructor(network) {
    network.pongs = false;
    network.onlink = (link) => {
      link.onmessage = (message) => this.#take(link, message);
    };
  }

  /** All sessions are forgotten, as by a restart. */
  forget() {
    this.sessions.clear();
    this.rooms.clear();
  }

  /** @param {any} link @param {any} message */
  #take(link, message) {
    const session = link.session;
    if (this.intercept(link, message, session)) return;
    const { type, data = {} } = message;
    if (type === "goodbye") return this.#end(link);
    if (!session) return this.#greet(link, message);
    if (type === "ping") return link.write({ type: "pong", data: { ts: data.ts, server_time_ms: this.clockMs() } });
    if (type === "ack") return this.#acked(session, data);
    if (session.told?.link === link) session.token = session.told.token;
    if (type === "resume") return this.#attach(session, link, data.received);
    if (session.link === link) this.#apply(session, message);
  }

  /** @param {any} session @param {Record<string, number>} counts */
  #acked(session, counts) {
    for (const [id, count] of Object.entries(counts)) {
      const lane = session.lanes.get(Number(id));
      if (lane && count > lane.sent.length) return session.link.goodbye(4511);
      if (lane) lane.acked = Math.max(lane.acked, count);
    }
  }

  /** The first message of a connection. @param {any} link @param {any} message */
  #greet(link, { type, ref, data }) {
    if (type === "reconnect") return this.#reconnect(link, data);
    if (type !== "handshake") return link.goodbye(4503);
    const known = [...this.sessions.values()].find(({ nonce }) => nonce === data.nonce);
    const number = ++this.#made;
    const fresh = {
      id: `session-${number}`, userId: `guest-${number}`, username: data.name ?? `Guest ${number}`, nonce: data.nonce,
      token: `token-${number}-0`, tokens: 0, attempt: -1, lanes: new Map([[0, new Lane(0)]]), lastN: 0, nextLane: 1,
    };
    const session = known ?? fresh;
    this.sessions.set(session.id, session);
    Object.assign(session, { link, told: null });
    link.session = session;
    const accepted = {
      session_id: session.id, resume_token: session.token, user_id: session.userId, username: session.username,
      codec: "json", limits: this.limits, grace_ms: 60000, server_time_ms: this.clockMs(),
    };
    link.write({ type: "handshake_accepted", ref, data: accepted });
  }

  /** @param {any} link @param {any} data */
  #reconnect(link, { session_id, resume_token, attempt, received, fresh }) {
    const session = this.sessions.get(session_id);
    if (!session) return link.write(refusal("reconnect", "session_unknown"));
    if (attempt <= session.attempt) return link.goodbye(4509);
    if (![session.token, session.told?.token].includes(resume_token)) return this.#reused(session, link);
    session.attempt = attempt;
    if (session.told?.token === resume_token) Object.assign(session, { token: resume_token, told: null });
    session.told ??= { token: `${session.id}-token-${++session.tokens}` };
    session.told.link = link;
    link.session = session;
    const lanes = [...session.lanes.values()].filter(({ id, ended }) => id && !ended);
    const rooms = lanes.map(({ id, room }) => ({ lane: id, room_id: room }));
    link.write(success("reconnect", { resume_token: session.told.token, lanes: rooms, last_n: session.lastN }));
    if (fresh) for (const lane of session.lanes.values()) this.snapshot(session, lane, false);
    if (fresh || received) this.#attach(session, link, received ?? {}, fresh);
  }

  /** @param {any} session @param {any} link */
  #reused(session, link) {
    this.sessions.delete(session.id);
    link.goodbye(4510);
    if (session.link !== link) session.link?.goodbye(4510);
  }

  /** @param {any} session @param {any} link @param {Record<string, number>} received @param {boolean} [fresh] */
  #attach(session, link, received, fresh) {
    const old = session.link;
    session.link = link;
    if (old && old !== link && !old.closed) old.goodbye(4003);
    this.#acked(session, received);
    for (const lane of [...session.lanes.values()].filter(({ ended }) => !ended)) this.#announce(session, lane, fresh);
  }

  /** @param {any} session @param {any} lane @param {boolean} [fresh] */
  #announce(session, lane, fresh) {
    const from = received(lane);
    const gap = fresh || lane.snapshot > from + 1;
    const next = gap ? lane.snapshot : from + 1;
    const place = lane.id ? { room_id: lane.room } : {};
    const opened = { type: "lane", ...place, data: { lane: lane.id, ...place, next, applied: lane.applied, gap } };
    session.link.write(opened, ...lane.sent.slice(next - 1));
  }

  /**
   * Messages of a lane are lost, and a snapshot takes their place. Told at once on a connection that stands.
   *
   * @param {any} session @param {any} lane @param {boolean} [tell]
   */
  snapshot(session, lane, tell = true) {
    const room = this.rooms.get(lane.room);
    lane.sent.push({ type: "lost" });
    lane.sent.push(room ? success("join_room", this.#place(room, session, lane), { room_id: room.id }) : state(session));
    lane.snapshot = lane.sent.length;
    if (tell) this.#announce(session, lane, true);
  }

  /** Something for a client, counted and kept. @param {any} session @param {any} lane @param {any[]} messages */
  push(session, lane, ...messages) {
    for (const message of messages) if (message.latest === undefined) lane.sent.push(message);
    session.link?.write(...messages);
  }

  /** @param {any} session @param {any} message */
  #apply(session, message) {
    const { type, ref, n, room_id, data = {} } = message;
    const lane = room_id ? [...session.lanes.values()].findLast(({ room }) => room === room_id) : session.lanes.get(0);
    if (n && n <= lane.applied) return;
    if (n) session.lastN = lane.applied = n;
    this.done.push(message);
    const place = room_id ? { ref, room_id } : { ref };
    if (/^(create|join)_room$/.test(type)) return this.#enter(session, type, ref, data);
    if (type === "list_rooms" || type === "subscribe_rooms") {
      return this.push(session, lane, success(type, { rooms: this.rows(), total: this.rooms.size }, place));
    }
    if (type === "leave_room") {
      lane.ended = true;
      this.rooms.get(room_id)?.seats.splice(0);
    }
    if (type === "refuse") return this.push(session, lane, refusal(type, "not_your_turn", place));
    if (ref !== undefined) this.push(session, lane, success(type, data, place));
    if (type === "say") this.push(session, lane, { type: "said", room_id, data });
  }

  rows() {
    return [...this.rooms.values()].map(({ id, game, name, seats }) => {
      return { room_id: id, game, name, players: seats.length, seats_max: 8, spectators: 0, state: "waiting" };
    });
  }

  /** @param {any} session @param {string} type @param {any} ref @param {any} data */
  #enter(session, type, ref, { room_id, game = "relay", name = "A table" }) {
    const control = session.lanes.get(0);
    if (room_id && !this.rooms.has(room_id)) return this.push(session, control, refusal(type, "room_not_found", { ref }));
    const id = room_id ?? `room${this.rooms.size + 1}`;
    const room = this.rooms.get(id) ?? { id, game, name, seats: [] };
    this.rooms.set(id, room);
    room.seats.push(session);
    const lane = new Lane(session.nextLane++, id);
    session.lanes.set(lane.id, lane);
    this.push(session, lane, success(type, this.#place(room, session, lane), { ref, room_id: id }));
  }

  /** @param {any} room @param {any} session @param {any} lane */
  #place({ id, game, name, seats }, session, lane) {
    const members = seats.map((/** @type {any} */ { userId, username }, /** @type {number} */ seat) => {
      return { user_id: userId, username, role: "player", seat, connected: true };
    });
    const seat = seats.indexOf(session);
    return { lane: lane.id, room_id: id, game, game_version: 1, name, seat, role: "player", members, view: { count: 0 } };
  }

  /** @param {any} link */
  #end(link) {
    if (link.session?.link === link) this.sessions.delete(link.session.id);
    link.close(1000, "");
  }
}

/** @param {any} lane */
const received = ({ acked }) => acked;

/** @param {any} session */
function state(session) {
  const rooms = [...session.lanes.values()].filter(({ id, ended }) => id && !ended);
  const places = rooms.map(({ id, room }) => ({ lane: id, room_id: room }));
  return { type: "session_state", data: { rooms: places, tickets: [], subscriptions: [] } };
}
