/** Moves that meet others: the newest decides, and none that is given up costs a connection. */

import assert from "node:assert/strict";
import test from "node:test";
import { CERTIFICATE, World, recorded, refused, until } from "./support/world.mjs";

/** What tells that a session was not simply there all the time. */
const DISTURBED = /^(state|gap|renewed|closed)$/;

/**
 * A lobby on WebSocket, in a world where making WebTransport takes until it is let through.
 *
 * @param {import("node:test").TestContext} t
 */
async function onWebSocket(t) {
  const world = new World(t);
  const lobby = await world.lobby();
  /** @type {((response: Response) => void)[]} */
  const held = [];
  world.certificate = () => new Promise((resolve) => held.push(resolve));
  world.give("WebTransport", world.network.WebTransport);
  const through = () => {
    world.certificate = () => Response.json(CERTIFICATE);
    for (const resolve of held) resolve(world.certificate());
  };
  return { world, lobby, through, events: recorded(lobby) };
}

test("of two moves to the same transport the newer one moves", async (t) => {
  const { world, lobby, through, events } = await onWebSocket(t);
  const older = refused(lobby.moveTo("webtransport"), "aborted");
  await until(() => world.asked.length === 1);
  let isMoved = false;
  const newer = lobby.moveTo("webtransport").then(() => (isMoved = true));
  await older;
  // Whatever the older one may still have planned is due.
  await world.pass(500);
  through();
  await Promise.all([newer, world.eventually(() => isMoved, 3000)]);
  assert.equal(lobby.transport, "webtransport");
  await world.pass(5000);
  assert.deepEqual([lobby.transport, world.network.transports.length], ["webtransport", 1]);
  assert.deepEqual(events.filter(({ type }) => DISTURBED.test(type)), []);
});

test("of two opposite moves the newer one decides; on WebSocket", async (t) => {
  const { world, lobby, through, events } = await onWebSocket(t);
  const older = refused(lobby.moveTo("webtransport"), "aborted");
  await until(() => world.asked.length === 1);
  await lobby.moveTo("websocket");
  through();
  await older;
  await world.pass(5000);
  assert.equal(lobby.transport, "websocket");
  assert.equal(world.network.links.length, 1);
  assert.deepEqual(events.filter(({ type }) => DISTURBED.test(type)), []);
});

test("of two opposite moves the newer one decides; on WebTransport", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const events = recorded(lobby);
  const older = refused(lobby.moveTo("websocket"), "aborted");
  await lobby.moveTo("webtransport");
  await older;
  await world.pass(5000);
  assert.equal(lobby.transport, "webtransport");
  assert.deepEqual(events.filter(({ type }) => DISTURBED.test(type) || type === "transport"), []);
});

test("a move that is given up when it has all but come over costs no connection", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const [events, said] = [recorded(lobby), recorded(room)];
  let isHeld = false;
  Object.assign(/** @type {any} */ (world.server), {
    // Lanes do not come over to the WebSocket.
    intercept: (/** @type {any} */ link, /** @type {any} */ { type }) => {
      const holds = type === "resume" && link.transport === "websocket";
      isHeld ||= holds;
      return holds;
    },
  });
  const older = refused(lobby.moveTo("websocket"), "aborted");
  await until(() => isHeld);
  const sent = room.send("say", 1);
  let isMoved = false;
  const newer = lobby.moveTo("webtransport").then(() => (isMoved = true));
  await older;
  await Promise.all([newer, world.eventually(() => isMoved, 3000)]);
  assert.equal(await world.eventually(() => sent), 1);
  await world.pass(5000);
  assert.deepEqual(events.filter(({ type }) => DISTURBED.test(type)), []);
  assert.deepEqual(events.filter(({ data }) => data?.type === "lost"), []);
  assert.deepEqual(said.map(({ type }) => type), ["said"]);
  assert.deepEqual([lobby.transport, world.network.links.length], ["webtransport", 3]);
});

test("blocking UDP also ends WebTransport that is being made", async (t) => {
  const { world, lobby, through } = await onWebSocket(t);
  lobby.blockUdp(true);
  lobby.blockUdp(false);
  await world.eventually(() => world.asked.length === 1, 3000);
  lobby.blockUdp(true);
  through();
  await world.pass(5000);
  assert.deepEqual([lobby.udpBlocked, lobby.transport, lobby.state], [true, "websocket", "open"]);
  assert.deepEqual(world.network.transports, []);
  lobby.blockUdp(false);
  await world.eventually(() => lobby.transport === "webtransport", 3000);
});
