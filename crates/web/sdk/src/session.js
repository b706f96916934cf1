/**
 * The session, over as many connections as it takes (PROTOCOL.md, section 11). Knows transports by their names only.
 */

import { AnteroomError, MISTAKES, UNAVAILABLE, closed, ending, known, unanswered } from "./errors.js";
import { ATTACH_MS, introduce } from "./handshake.js";
import { Inbox } from "./inbox.js";
import { Ledger } from "./ledger.js";
import { blocked, improve, planUpgrade } from "./moves.js";
import { Outbox } from "./outbox.js";
import { label } from "./pipe.js";
import { nextTurn, nothing, randomText, seconds } from "./platform.js";
import { PING_EVERY_MS, PONG_MS, Pulse } from "./pulse.js";
import { BROKEN_MS } from "./route.js";
/** @import { Lane } from "./ledger.js" */
/** @import { Activity, ConnectOptions, Lobby, LobbyState } from "./lobby.js" */
/** @import { End, Pipe } from "./pipe.js" */
/** @import { Route } from "./route.js" */
/** @import { Vault } from "./vault.js" */

/** How long a connection has to live to have been worth making. */
const LASTING_MS = 5000;
/** How long a server may be away beyond the grace time, which begins for it when it is back. */
const AWAY_MS = 3600000;
/** How many tries have to fail after that, before the lobby is closed. */
const LATE_TRIES = 8;
/** Until something else happens. */
const FOR_EVER_MS = 1000000000;
/** How long whoever was closed for a flood stays away at least. */
const FLOODED_MS = 1000;

/** Keeps a session on some connection. */
export class Session {
  ledger = new Ledger();
  inbox = new Inbox(this);
  outbox = new Outbox(this);
  pulse = new Pulse(this);
  token = "";
  attempt = 0;
  nonce = randomText();
  /** Ends with the lobby. */
  life = new AbortController();
  /** Ends the making of a connection. */
  making = new AbortController();
  #isComingBack = false;
  failures = 0;
  /** How many connections in a row have not lasted. */
  #short = 0;
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
  #silentAt = 0;
  attachedAt = 0;
  /** @type {Pipe|null} */
  attachedTo = null;
  /** UDP may have failed although the network is there. */
  #isSuspect = false;
  /** How long to stay away at least, in ms. */
  pauseMs = 0;
  /** Why the session before this one is over, until it is told. @type {AnteroomError|null} */
  renewed = null;
  /** The lanes whose snapshots a page that was loaded anew waits for. @type {Set<number>} */
  awaited = new Set();
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
  #setState(state) {
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
    this.#comeBack();
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
  async #comeBack() {
    if (this.#isComingBack) return;
    this.#isComingBack = true;
    // Of connections that do not last the second is a failure, too.
    this.#short = Date.now() - this.attachedAt > LASTING_MS ? 0 : this.#short + 1;
    this.failures = Math.max(0, this.#short - 1);
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
        if (this.#isSuspect) this.route.noteFailed(BROKEN_MS);
        const { pipe, better = null } = await this.route.stand(signal);
        ({ transport } = pipe);
        this.better = better;
        better?.catch(nothing);
        await introduce(this, pipe, signal, false);
      } catch (error) {
        // Nothing else gets through either.
        if (this.#isSuspect) this.route.noteOpen();
        const failure = known(error);
        // What stands but carries nothing.
        if (transport === "webtransport" && failure.code === "timeout") blocked(this, began);
        if (!this.lobby.isOver && !this.ledger.current) this.failed(failure);
      }
      this.#isSuspect = false;
    }
    this.#isComingBack = false;
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
    const isOver = Date.now() > this.lostAt + this.lobby.graceMs + AWAY_MS;
    // A device that has just woken may need a moment.
    const isLate = !isBeginning && isOver && this.failures >= LATE_TRIES;
    if (isRefused || isLate) this.end(error, !retryable || isLate);
    else {
      if (this.lobby.reason?.code === "lost") this.lobby.reason = error;
      this.tell("retry", message, { code });
    }
  }

  /** Whether this page knows nothing yet of the session that the page before it had. */
  get isReloaded() {
    return this.lobby.restored && !this.ledger.lanes.size;
  }

  /** The server does not know the session any more: nothing of it is left. */
  forget() {
    const { lobby } = this;
    const isLate = Date.now() - this.#silentAt >= lobby.graceMs;
    const why = this.isReloaded
      ? "The session of this tab is over."
      : isLate
        ? `You were away for longer than ${seconds(lobby.graceMs)}, so your session has ended.`
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
    lobby.reason = null;
    Object.assign(this, { lostAt: 0, renewed: null, better: null, attachedTo: ledger.current, attachedAt: Date.now() });
    if (transport === "webtransport") this.route.noteOpen();
    this.attaching.resolve(0);
    this.#setState("open");
    lobby.emit("transport", transport);
    if (renewed) {
      lobby.emit("renewed", { error: renewed });
      lobby.list?.again(this);
    }
    if (better) improve(this, better);
    else planUpgrade(this);
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
      this.#isSuspect = isByItself && transport === "webtransport" && this.route.choice === "auto";
      this.lostAt = now;
      // What a server that goes takes with it is not given up for being away.
      this.#silentAt = error.code === "shutting_down" ? Infinity : this.pulse.heardAt;
      this.lobby.reason = error;
      this.tell("lost", error.message, { transport, code: error.code });
      this.#setState("resuming");
      this.lobby.emit("transport", null);
    }
    this.#comeBack();
  }

  /** @param {AnteroomError|null} error @param {boolean} [isFinal] whether nothing of the session is left */
  end(error, isFinal = true) {
    const { lobby, ledger } = this;
    if (lobby.isOver) return;
    const why = error ?? closed();
    Object.assign(lobby, { error, isOver: true });
    this.#setState("closed");
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
}
