/**
 * What arrives: each message goes to whom it concerns, in order, and is acknowledged. Does not know where a connection
 * comes from, nor what becomes of the session without one.
 */

import { AnteroomError, CLOSE_CODES, UNREADABLE, refusal, unanswered } from "./errors.js";
import { JOINED, RESTART_JUMP } from "./ledger.js";
import { planUpgrade } from "./moves.js";
import { nextTurn, quietly } from "./platform.js";
import { Room } from "./room.js";
/** @import { Lane, Outgoing } from "./ledger.js" */
/** @import { Pipe } from "./pipe.js" */
/** @import { Session } from "./session.js" */

/** When to acknowledge: after so many messages, characters, or milliseconds, whichever comes first. */
const ACK_MESSAGES = 64;
const ACK_LENGTH = 5461;
const ACK_MS = 1000;

/** What the server sends that does not count: it concerns a connection. */
const UNCOUNTED = /^(handshake_accepted|reconnect_result|lane|ping|pong|ack|goodbye)$/;

/** Gives what arrives to whom it concerns. */
export class Inbox {
  /** @type {(() => void)[]} */
  #tasks = [];
  #isPaused = false;
  /** Rooms that nobody on this page was given yet. @type {Set<Room>} */
  #found = new Set();

  /** @param {Session} session */
  constructor(session) {
    this.session = session;
  }

  /** Reads a connection, message by message. @param {Pipe} pipe @param {(lane: number|null, message: any) => void} take */
  read(pipe, take) {
    const { session } = this;
    pipe.listen((lane, text) => {
      const messages = parse(text);
      if (!messages) return pipe.ended(CLOSE_CODES.malformed.number, UNREADABLE);
      session.pulse.heardAt = Date.now();
      session.ledger.due.characters += text.length;
      for (const message of messages) take(lane, message);
    });
  }

  /**
   * What comes on a connection is the session's from now on, and what it has brought already.
   *
   * @param {Pipe} pipe
   * @param {[number|null, any][]} held
   */
  listen(pipe, held) {
    const { session } = this;
    const take = (/** @type {number|null} */ lane, /** @type {any} */ message) => {
      this.#enqueue(() => this.#take(pipe, lane, message));
    };
    pipe.onend = (end) => this.#enqueue(() => session.ended(pipe, end));
    pipe.ondrain = () => session.outbox.schedule();
    pipe.ondatagram = (lane, text) => this.#onDatagram(lane, text);
    for (const [lane, message] of held) take(lane, message);
    this.read(pipe, take);
  }

  /** @param {() => void} task */
  #enqueue(task) {
    this.#tasks.push(task);
    this.#drain();
  }

  #drain() {
    while (!this.#isPaused && this.#tasks.length && !this.session.lobby.isOver) this.#tasks.shift()?.();
  }

  /** Lets whoever was given a room listen to it before more happens there. */
  #pause() {
    this.#isPaused = true;
    nextTurn(() => {
      this.#isPaused = false;
      this.#drain();
    });
  }

  /** @param {Pipe} pipe @param {number|null} told @param {any} message */
  #take(pipe, told, message) {
    const { ledger, old, outbox, pulse } = this.session;
    if (pipe !== ledger.current && pipe !== old) return;
    const { type } = message;
    const data = message.data ?? {};
    try {
      if (type === "lane") this.#onLane(ledger.opened(pipe, data), data, pipe);
      else if (type === "ack") ledger.acknowledged(data);
      else if (type === "pong") pulse.pings.get(data.ts)?.(data);
      else if (type === "goodbye") pipe.ended(data.code, data.reason);
      else if (type === "resume_result" && message.error) pipe.ended(0, message.error.message);
      else if (!UNCOUNTED.test(type)) {
        const lane = ledger.take(pipe, told, message);
        if (lane) this.#deliver(lane, message);
        this.#acknowledge();
      }
      this.#handOver();
    } catch (error) {
      const why = `The server breaks the protocol: ${/** @type {Error} */ (error).message}.`;
      const closeCode = CLOSE_CODES.malformed.number;
      ledger.current?.close(closeCode);
      this.session.end(new AnteroomError("malformed", why, { closeCode }));
    }
    if (ledger.waiting.length) outbox.schedule();
  }

  /** @param {Lane|null} lane @param {any} opened @param {Pipe} pipe */
  #onLane(lane, { gap }, pipe) {
    if (!lane) return;
    const { session } = this;
    if (gap) {
      // What is not sent again was answered, and the answer may be among what was lost.
      const { kept } = session.ledger;
      const isSwallowed = (/** @type {Outgoing} */ it) => it.lane === lane.id && it.n > 0 && !kept.includes(it);
      session.outbox.abandon(unanswered(), isSwallowed);
    }
    if (lane.id === 0 && pipe === session.ledger.current && pipe !== session.attachedTo) session.attached();
    session.settle();
    session.outbox.schedule();
  }

  /** @param {Lane} lane @param {any} message */
  #deliver(lane, message) {
    const { session } = this;
    const { lobby } = session;
    const { type, ref, success, error, latest } = message;
    const data = message.data ?? {};
    const isFarewell = lane.id > 0 && (type === "room_closed" || (type === "leave_room_result" && success));
    const isSnapshot = JOINED.test(type) && success && ref == null;
    const missed = latest == null ? lane.gap : null;
    const { n } = error?.details ?? {};
    if (n) session.ledger.remove((outgoing) => outgoing.n === n);
    if (missed !== null) lane.gap = null;
    if (!lane.id && (missed !== null || type === "session_state")) {
      if (missed) lobby.emit("gap", { missed: missed % RESTART_JUMP });
      lobby.list?.again(session);
      // It was the server that went, not UDP.
      if ((missed ?? 0) >= RESTART_JUMP) session.route.noteOpen();
      planUpgrade(session);
    }
    else if (lane.id && isSnapshot) this.#onSnapshot(lane, data, missed ?? 0);
    else if (ref != null) this.#onAnswer(lane, message);
    else if (lane.id) {
      const { room } = lane;
      session.later(() => room?.receive(message));
    }
    else if (type === "rooms_changed") lobby.list?.change(data);
    // What was refused before it reached its room.
    else if (error) lobby.rooms.get(error.details?.room_id)?.emit("error", refusal(error));
    // A subscriber that was too slow for the changes gets the whole list, unasked.
    else if (type === "subscribe_rooms_result") lobby.list?.replace(data);
    if (!isFarewell) return;
    session.endLane(lane, data.reason ?? "left", data.message ?? "You left the room.");
    session.awaited.delete(lane.id);
    session.isReady();
    session.settle();
  }

  /** Everything in a room as it is now. @param {Lane} lane @param {any} data @param {number} missed */
  #onSnapshot(lane, data, missed) {
    const { session } = this;
    const { room: known } = lane;
    if (known) return session.later(() => known.renew(data, missed));
    // The answer to a request was lost, or this page was loaded anew.
    const isAwaited = session.awaited.has(lane.id);
    const room = this.#enter(lane, data);
    if (!isAwaited) this.#found.add(room);
  }

  /** Gives the rooms that were found to who asked for them, but not while the server is to answer that itself. */
  #handOver() {
    const { ledger, lobby, outbox } = this.session;
    for (const room of this.#found) {
      const [ref, asked] = [...outbox.asked].find(([, { type, request, outgoing }]) => {
        const { room_id = room.id, game = room.game } = request;
        return outgoing.n && /^(join|create)_room$/.test(type) && room_id === room.id && game === room.game;
      }) ?? [0];
      if (asked && ledger.kept.includes(asked.outgoing)) continue;
      this.#found.delete(room);
      if (asked) outbox.settle(ref)?.resolve(room);
      else if (room.isOpen) lobby.emit("room", room);
    }
  }

  /** @param {Lane} lane @param {any} data */
  #enter(lane, data) {
    const { session } = this;
    const room = new Room(session, lane, data);
    lane.room = room;
    session.lobby.rooms.set(room.id, room);
    this.#pause();
    session.awaited.delete(lane.id);
    session.isReady();
    return room;
  }

  /** @param {Lane} lane @param {any} message */
  #onAnswer(lane, { type, ref, success, error, data }) {
    const { ledger, lobby, outbox } = this.session;
    const asked = outbox.settle(ref);
    if (asked) ledger.remove((outgoing) => outgoing === asked.outgoing);
    if (!success) return asked?.reject(refusal(error));
    if (type === "subscribe_rooms_result") lobby.list?.replace(data);
    if (!JOINED.test(type)) return asked?.resolve(data ?? {});
    const isOwn = ref > outbox.first && ref <= outbox.reference;
    const { room: known } = lane;
    // What was carried out before the server was started anew is answered once the room is there.
    const room = known ?? this.#enter(lane, data);
    if (known) this.session.later(() => known.renew(data, 0));
    if (asked) {
      this.#found.delete(room);
      asked.resolve(room);
    }
    else if (known) return;
    else if (isOwn) room.leave();
    else lobby.emit("room", room);
  }

  /** @param {number} lane @param {string} text */
  #onDatagram(lane, text) {
    // It may be lost, so it may be broken.
    for (const message of parse(text) ?? []) this.session.ledger.lanes.get(lane)?.room?.receive(message);
  }

  #acknowledge() {
    const { ledger, timers } = this.session;
    const { messages, characters } = ledger.due;
    if (messages >= ACK_MESSAGES || (messages && characters >= ACK_LENGTH)) this.#sendAck();
    else if (messages) timers.ack ??= setTimeout(() => this.#sendAck(), ACK_MS);
  }

  #sendAck() {
    const { isOpen, ledger, outbox, timers } = this.session;
    clearTimeout(timers.ack);
    timers.ack = null;
    if (isOpen) outbox.note("ack", ledger.received());
  }
}

/** The messages in a frame or record, or undefined if that is not what it holds. @param {string} text */
function parse(text) {
  const messages = quietly(() => [JSON.parse(text)].flat());
  return messages?.every((message) => typeof message?.type === "string") ? messages : undefined;
}
