/** Every shape of WebTransport that browsers have, and what becomes of a session there. */

import assert from "node:assert/strict";
import test from "node:test";
import { World, recorded, refused, until } from "./support/world.mjs";

/** @type {[string, any][]} */
const GOOD = [
  ["Chromium: datagrams.writable", { datagrams: "writable" }],
  ["Safari and Firefox: datagrams.createWritable()", { datagrams: "createWritable" }],
  ["no way to send datagrams", { datagrams: "none" }],
  ["closed never settles", { closed: "never" }],
  ["one byte at a time", { chunk: 1 }],
];

for (const [name, shape] of GOOD) {
  test(`a session over WebTransport; ${name}`, async (t) => {
    const world = new World(t, { webTransport: true });
    world.network.shape = shape;
    const lobby = await world.lobby();
    assert.equal(lobby.transport, "webtransport");
    assert.equal(lobby.state, "open");
    const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
    assert.deepEqual(await world.eventually(() => room.send("say", { text: "Grüße" })), { text: "Grüße" });
    room.send("where", { x: 1 }, { delivery: "unreliable" });
    const link = world.network.last;
    if (shape.datagrams === "none") return until(() => link.all("where").length === 1, "it goes as latest instead");
    await until(() => link.datagrams.length);
    assert.deepEqual(link.datagrams, [{ lane: 1, message: { type: "where", room_id: room.id, data: { x: 1 } } }]);
    assert.equal(link.all("where").length, 0);
  });
}

/** @type {[string, any][]} */
const BAD = [
  ["ready never settles", { ready: "never", closed: "never" }],
  ["ready is rejected", { ready: "rejects" }],
  ["ready is rejected, and closed never settles", { ready: "rejects", closed: "never" }],
  ["the constructor throws", { throws: true }],
  ["streams never come", { hangs: true }],
];

for (const [name, shape] of BAD) {
  test(`a session over WebSocket instead; ${name}`, async (t) => {
    const world = new World(t, { webTransport: true });
    world.network.shape = shape;
    const lobby = await world.lobby();
    assert.equal(lobby.transport, "websocket");
    const events = recorded(lobby);
    await world.pass(5000);
    assert.equal(lobby.transport, "websocket");
    assert.ok(world.network.transports.length >= 1, "it was tried");
    const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
    assert.deepEqual(await world.eventually(() => room.send("say", 1)), 1);
    assert.deepEqual(events.filter(({ type }) => type === "state"), []);
    for (const { link } of world.network.transports.slice(0, -1)) assert.ok(link?.closed, "what came of it is closed");
  });
}

test("a browser without WebTransport takes WebSocket at once, and does not ask for a certificate", async (t) => {
  const world = new World(t);
  const lobby = await world.connect();
  assert.equal(lobby.transport, "websocket");
  assert.deepEqual(world.asked, []);
  assert.equal(Date.now(), 1_790_000_000_000, "without waiting for anything");
});

test("WebTransport alone, where there is none, is refused at once", async (t) => {
  const world = new World(t);
  await refused(world.connect({ transport: "webtransport" }), "unreachable");
});

test("options that nobody knows do not matter", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby({ colour: "green", transport: undefined });
  assert.equal(lobby.state, "open");
});

test("the better transport that arrives late takes the session over, live", async (t) => {
  const world = new World(t, { webTransport: true });
  world.network.shape = { ready: "never" };
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const events = recorded(lobby);
  assert.equal(lobby.transport, "websocket");
  world.network.shape = {};
  await world.eventually(() => lobby.transport === "webtransport", 60_000);
  assert.deepEqual(await world.eventually(() => room.send("say", 2)), 2);
  assert.deepEqual(events.filter(({ type }) => type === "state"), [], "nobody can tell");
  assert.equal(world.server?.sessions.size, 1);
  const [socket] = world.network.links;
  await until(() => socket.closed ?? socket.session.link !== socket);
});

test("hashes are given as browsers want them, and none are given where none are told", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const { url, options } = world.network.transports[0];
  assert.equal(url, "https://anteroom.test:7350/wt");
  assert.equal(options.serverCertificateHashes[0].algorithm, "sha-256");
  assert.deepEqual([...options.serverCertificateHashes[0].value], Array(32).fill(7));
  lobby.close();
  world.certificate = () => Response.json({ webtransport_url: "https://anteroom.test:7350/wt", hashes: [] });
  await world.lobby();
  assert.ok(!("serverCertificateHashes" in (world.network.transports[1].options ?? {})));
});

test("a server that names no address for WebTransport is come to by WebSocket at once", async (t) => {
  const world = new World(t, { webTransport: true });
  world.certificate = () => Response.json({ webtransport_url: null, hashes: [] });
  const lobby = await world.connect({ transport: "auto" });
  assert.equal(lobby.transport, "websocket");
  assert.equal(Date.now(), 1_790_000_000_000, "without waiting for anything");
  assert.deepEqual(world.network.transports, []);
});

test("where WebTransport stands in time, no WebSocket is opened", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.connect({ transport: "auto" });
  assert.equal(lobby.transport, "webtransport");
  assert.equal(Date.now(), 1_790_000_000_000, "without waiting for anything");
  await world.pass(2000);
  assert.deepEqual(world.network.sockets, []);
});

test("a WebSocket that hangs while it connects does not keep those behind it waiting for ever", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  world.network.oneByOne = true;
  world.network.webSocket = "hanging";
  lobby.drop();
  await until(() => world.network.sockets.length === 2);
  world.network.webSocket = "open";
  const [, hanging] = world.network.sockets;
  await world.eventually(() => lobby.state === "open", 20_000);
  assert.equal(hanging.readyState, 3, "it was closed");
  assert.deepEqual([world.network.links.length, lobby.transport], [2, "websocket"]);
});

test("WebTransport that stands but is refused is blocked, and not tried again at once", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  const { network, server } = world;
  network.shape = { ready: "never", closed: "never" };
  const lobby = await world.lobby();
  await world.pass(5000);
  const events = recorded(lobby);
  // As where another server answers UDP.
  const error = { code: "session_unknown", message: "Not known.", retryable: false };
  Object.assign(/** @type {any} */ (server), {
    intercept: (/** @type {any} */ link, /** @type {any} */ { ref }) => {
      if (link.transport !== "webtransport") return false;
      link.write({ type: "reconnect_result", ref, success: false, error, data: {} });
      return true;
    },
  });
  network.shape = {};
  const tried = network.transports.length;
  const told = () => events.filter(({ type, data }) => type === "activity" && data.type === "blocked");
  world.happen("online");
  await world.eventually(() => told().length === 1, 3000);
  const { at, ms } = told()[0].data;
  assert.ok(ms >= 5000, `${ms}`);
  await world.pass(at + ms - Date.now() - 100);
  assert.equal(network.transports.length, tried + 1, "one try, and then the wait");
  await world.eventually(() => told().length === 2, 3000);
  assert.equal(network.transports.length, tried + 2);
  assert.ok(told()[1].data.ms > ms, "longer each time");
  assert.deepEqual([lobby.state, lobby.transport], ["open", "websocket"]);
  assert.deepEqual(events.filter(({ type }) => /^(state|transport|renewed)$/.test(type)), []);
});

for (const when of ["when the session begins", "when it comes back"]) {
  test(`WebTransport that stands but carries nothing makes way for WebSocket; ${when}`, async (t) => {
    const world = new World(t, { webTransport: true });
    const { network } = world;
    const before = when === "when it comes back" ? await world.lobby() : null;
    const tried = network.transports.length;
    const { stand } = network;
    network.stand = (link) => {
      if (link.transport === "webtransport") link.vanish();
      stand.call(network, link);
    };
    before?.drop();
    const lobby = before ?? (await world.lobby());
    await world.eventually(() => lobby.state === "open", 20_000);
    assert.equal(lobby.transport, "websocket");
    const made = [network.transports.length, network.sockets.length];
    assert.deepEqual(made, [tried + 1, 1], "the very next try");
  });
}
