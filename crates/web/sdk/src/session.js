/**
 * The session, over as many connections as it takes (PROTOCOL.md, section 11). Knows transports by their names only.
 */

import { AnteroomError, CLOSE_CODES, MISTAKES, UNAVAILABLE, closed, ending, invalid, known } from "./errors.js";
import { refusal, unanswered } from "./errors.js";
import { JOINED, Ledger } from "./ledger.js";
import { Outbox } from "./outbox.js";
import { bounded, handled, nextTurn, nothing, quietly, randomText } from "./platform.js";
import { PING_EVERY_MS, PONG_MS, Pulse } from "./pulse.js";
import { Room } from "./room.js";
import { BLOCKED_MS, BROKEN_MS } from "./route.js";
/** @import { Lane, Outgoing } from "./ledger.js" */
/** @import { Activity, ConnectOptions, Lobby, LobbyState } from "./lobby.js" */
/** @import { Asked } from "./outbox.js" */
/** @import { End, Pipe } from "./pipe.js" */
/** @import { Route } from "./route.js" */
/** @import { Vault } from "./vault.js" */

const PROTOCOL_VERSION = 1;

/** How long a connection has to live to have been worth making. */
const LASTING_MS = 5000;
/** How many tries have to fail, once the grace time is over, before the lobby is closed. */
const LATE_TRIES = 8;
/** How long the server may take from the first message of a connection until the session goes on there. */
const ATTACH_MS = 8000;
/** Until something else happens. */
const FOR_EVER_MS = 1000000000;
/** How long whoever was closed for a flood stays away at least. */
const FLOODED_MS = 1000;
/** When to acknowledge: after so many messages, characters, or milliseconds, whichever comes first. */
const ACK_MESSAGES = 64;
const ACK_LENGTH = 5461;
const ACK_MS = 1000;

const UNREADABLE = "The server sent what cannot be read.";

/** What the server sends that does not count: it concerns a connection. */
const UNCOUNTED = /^(handshake_accepted|reconnect_result|lane|ping|pong|ack|goodbye)$/;

/** Keeps a session on some connection, and gives what arrives to whom it concerns. */
export class Session {
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

/** @param {string} transport */
const label = (transport) => (transport === "webtransport" ? "WebTransport" : "WebSocket");
/** @param {number} ms */
const seconds = (ms) => `${ms < 9950 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`;
