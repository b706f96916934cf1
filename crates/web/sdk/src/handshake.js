/**
 * What is said first on a connection: who this is, what the answer means, and until when the session has to go on there
 * (PROTOCOL.md, sections 6 and 11). Does not make connections, and does not try twice.
 */

import { AnteroomError, UNREADABLE, ending, invalid, known, refusal } from "./errors.js";
import { bounded, handled, nothing } from "./platform.js";
/** @import { Pipe } from "./pipe.js" */
/** @import { Session } from "./session.js" */

const PROTOCOL_VERSION = 1;
/** How long the server may take from the first message of a connection until the session goes on there. */
export const ATTACH_MS = 8000;

/**
 * Says on a new connection who this is, and waits until the session goes on there.
 *
 * @param {Session} session
 * @param {Pipe} pipe
 * @param {AbortSignal} signal
 * @param {boolean} isMove whether the session lives on another connection meanwhile
 */
export async function introduce(session, pipe, signal, isMove) {
  /** @type {[number|null, any][]} */
  const held = [];
  /** @type {((message: any) => void)|null} */
  let answer = null;
  /** @type {(error: AnteroomError) => void} */
  let fail = nothing;
  pipe.onend = (end) => fail(ending(end));
  session.inbox.read(pipe, (lane, message) => {
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
    const resumed = session.lobby.sessionId && (await reconnect(session, ask, isMove));
    isNew = !resumed;
    // A name that was made up stays, if there has to be another session.
    const { name = session.lobby.username || undefined, client = "anteroom-js/1" } = session.options;
    const about = { version: PROTOCOL_VERSION, name, client, resume: true, nonce: session.nonce };
    const told = resumed || (await ask("handshake", { ...about, token: await askForToken(session, signal) }));
    attached = handled(new Promise((resolve, reject) => (session.attaching = { resolve, reject })));
    if (resumed) goOn(session, pipe, told, isMove);
    else begun(session, pipe, told);
  } catch (error) {
    pipe.close();
    throw error;
  }
  session.inbox.listen(pipe, held);
  if (pipe.end) pipe.onend(pipe.end);
  else if (isNew) session.attached();
  await bounded(attached, ATTACH_MS, signal).catch((error) => {
    if (!signal.aborted) session.lose(pipe, { code: 0, reason: "" }, false);
    throw error;
  });
}

/** @param {Session} session @param {AbortSignal} signal */
async function askForToken({ options }, signal) {
  const { token } = options;
  const isAsked = typeof token === "function";
  const ask = async () => (isAsked ? token() : token ?? undefined);
  const given = await bounded(ask(), ATTACH_MS, signal).catch((cause) => {
    throw signal.aborted ? cause : new AnteroomError("token_unavailable", "There is no token just now.", { cause });
  });
  if (typeof given !== "string" && (isAsked || given !== undefined)) throw invalid("A token is a text.");
  return given;
}

/**
 * The answer of a server that still knows the session; nothing if it does not.
 *
 * @param {Session} session
 * @param {(type: string, data: any) => Promise<any>} ask
 * @param {boolean} isMove
 */
async function reconnect(session, ask, isMove) {
  session.attempt += 1;
  session.keep();
  const fresh = session.isReloaded || undefined;
  const received = isMove || fresh ? undefined : session.ledger.received(true);
  const { token: resume_token, attempt } = session;
  try {
    return await ask("reconnect", { session_id: session.lobby.sessionId, resume_token, attempt, received, fresh });
  } catch (error) {
    if (isMove || known(error).code !== "session_unknown") throw error;
    session.forget();
  }
}

/** A session has begun. @param {Session} session @param {Pipe} pipe @param {any} accepted */
function begun(session, pipe, { session_id, resume_token, user_id, username, limits, grace_ms, server_time_ms }) {
  const clockOffset = server_time_ms - Date.now();
  const told = { sessionId: session_id, userId: user_id, username, limits, graceMs: grace_ms, clockOffset };
  Object.assign(session.lobby, told);
  Object.assign(session, { token: resume_token, attempt: 0 });
  session.ledger.limits = limits;
  session.ledger.current = session.ledger.lane(0).pipe = pipe;
  session.keep();
}

/** The session goes on. @param {Session} session @param {Pipe} pipe @param {any} result @param {boolean} isMove */
function goOn(session, pipe, { resume_token, lanes, last_n }, isMove) {
  const { ledger } = session;
  const listed = new Set(lanes.map((/** @type {any} */ { lane }) => lane));
  if (session.isReloaded) session.awaited = listed;
  session.token = resume_token;
  session.keep();
  ledger.n = Math.max(ledger.n, last_n);
  if (isMove && session.old) session.retire(session.old);
  if (isMove) session.old = ledger.current;
  ledger.current = pipe;
  if (isMove) return pipe.send(JSON.stringify({ type: "resume", data: { received: ledger.received(true) } }));
  for (const id of session.awaited) if (!listed.has(id)) session.awaited.delete(id);
  for (const lane of [...ledger.lanes.values()]) {
    if (!lane.id || listed.has(lane.id)) continue;
    session.endLane(lane, "session_lost", "Your place in this room is gone.");
    ledger.lanes.delete(lane.id);
  }
}
