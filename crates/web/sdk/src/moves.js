/**
 * Moving: to a better connection, or to the one that is wanted, while the session goes on (PROTOCOL.md, section 11).
 * Does not know how a connection is made.
 */

import { AnteroomError, closed, known } from "./errors.js";
import { introduce } from "./handshake.js";
import { label } from "./pipe.js";
import { seconds } from "./platform.js";
import { BLOCKED_MS } from "./route.js";
/** @import { Pipe } from "./pipe.js" */
/** @import { Session } from "./session.js" */

/** @param {Session} session @param {Pipe} pipe @param {AbortSignal} signal */
async function over(session, pipe, signal) {
  const { transport } = pipe;
  session.tell("moving", `Moves to ${label(transport)}.`, { transport });
  await introduce(session, pipe, signal, true);
}

/**
 * Moves to WebTransport, if it comes to stand and is still wanted.
 *
 * @param {Session} session
 * @param {Promise<Pipe>} dialing
 */
export function improve(session, dialing) {
  const began = Date.now();
  const move = (/** @type {Pipe} */ pipe) => (canImprove(session) ? over(session, pipe, session.make()) : pipe.close());
  dialing.then(move).catch(({ code }) => {
    if (code === "aborted" || !canImprove(session)) return;
    blocked(session, began);
    planUpgrade(session);
  });
}

/** @param {Session} session @param {"webtransport"|"websocket"|"auto"} transport */
export async function moveTo(session, transport) {
  const { route, ledger } = session;
  const before = route.choice;
  const wanted = transport !== "auto" ? transport : route.hasWebTransport ? "webtransport" : "websocket";
  if (session.lobby.isOver) throw closed();
  if (wanted === "webtransport" && !route.hasWebTransport) await route.webTransport(session.life.signal);
  route.choice = transport === "websocket" ? "websocket" : "auto";
  if (!session.isOpen) return;
  const signal = session.make();
  if (ledger.current?.transport === wanted || (transport === "auto" && route.udpWaitMs())) return planUpgrade(session);
  try {
    const dialing = wanted === "websocket" ? route.webSocket(signal) : route.webTransport(signal);
    await over(session, await dialing, signal);
  } catch (error) {
    const failure = known(error);
    // A newer one goes on.
    if (signal.aborted) throw new AnteroomError(failure.code, "The connection has changed meanwhile.", { cause: error });
    route.choice = before;
    session.tell("move_failed", `Could not move to ${label(wanted)}: ${failure.message}`, { transport: wanted });
    planUpgrade(session);
    throw failure;
  }
}

/** Whether it is on WebSocket only because nothing better has come. @param {Session} session */
function canImprove(session) {
  const { isOpen, ledger, route } = session;
  return isOpen && route.choice === "auto" && route.hasWebTransport && ledger.current?.transport === "websocket";
}

/** Tries for WebTransport from a WebSocket that works, as soon as it makes sense. @param {Session} session */
export function planUpgrade(session) {
  const { pulse, route } = session;
  clearTimeout(session.timers.upgrade);
  if (!canImprove(session)) return;
  // Nobody waits for it in a page that is not seen.
  const isLater = () => session.old || !pulse.isSeen;
  session.after("upgrade", isLater() ? 1000 : route.udpWaitMs(), () => {
    if (isLater() || route.udpWaitMs()) planUpgrade(session);
    else improve(session, route.webTransport(session.make()));
  });
}

/**
 * UDP does not get through, unless it is the page that was not there.
 *
 * @param {Session} session
 * @param {number} began when the try did
 */
export function blocked(session, began) {
  const { pulse, route } = session;
  if (!pulse.wasAwake(began)) return;
  route.noteFailed(BLOCKED_MS);
  const ms = route.udpWaitMs();
  session.tell("blocked", `WebTransport does not get through; the next try is in ${seconds(ms)}.`, { ms });
}
