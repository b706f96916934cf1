/** What a page goes through: it sleeps, is hidden, loses the network and finds another. */

import assert from "node:assert/strict";
import test from "node:test";
import { MemoryStorage, World, recorded, settle, until } from "./support/world.mjs";

/** A lobby with a room, in a page. @param {World} world */
async function playing(world) {
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  await world.pass(2000, 500);
  return { lobby, room, events: recorded(lobby), said: recorded(room) };
}

test("a network that swallows everything is found out, and the session goes on elsewhere", async (t) => {
  const world = new World(t, { page: true });
  const { lobby, room } = await playing(world);
  world.network.last.vanish();
  const sent = room.send("say", 1);
  await world.pass(12_000, 100);
  assert.equal(world.network.links.length, 2, "within seconds, since an answer was overdue");
  assert.equal(await sent, 1);
  assert.equal(lobby.state, "open");
});

test("a connection that is silent although nothing is asked is found out, too", async (t) => {
  const world = new World(t, { page: true });
  const { lobby } = await playing(world);
  world.network.last.vanish();
  await world.pass(60_000, 500);
  assert.equal(world.network.links.length, 2);
  assert.equal(lobby.state, "open");
});

for (const wake of ["visibilitychange", "online", "resume", "pageshow", "nothing but late timers"]) {
  test(`a page that slept wakes into the game; told by ${wake}`, async (t) => {
    const world = new World(t, { page: true });
    const { lobby, room, said } = await playing(world);
    world.show("hidden");
    await settle();
    const old = world.network.last;
    old.vanish();
    world.sleep(45_000);
    if (wake === "visibilitychange") world.show("visible");
    else if (wake === "resume") world.wake();
    else if (wake !== "nothing but late timers") world.happen(wake);
    const began = Date.now();
    await world.eventually(() => world.network.links.length === 2, 20_000);
    assert.ok(Date.now() - began < 10_000);
    await world.eventually(() => lobby.state === "open");
    assert.equal(room.isOpen, true);
    assert.equal(await world.eventually(() => room.send("say", 8)), 8);
    await until(() => said.length);
    assert.deepEqual(said.map(({ type }) => type), ["said"]);
  });
}

test("a page that wakes on a connection that lives stays on it", async (t) => {
  const world = new World(t, { page: true });
  const { lobby, events } = await playing(world);
  world.show("hidden");
  world.sleep(30_000);
  world.show("visible");
  world.happen("online");
  await world.pass(10_000);
  assert.equal(world.network.links.length, 1);
  assert.deepEqual(events.filter(({ type }) => type === "state"), []);
  assert.equal(lobby.state, "open");
});

for (const how of ["noticed at waking", "noticed before"]) {
  test(`a page that slept for longer than the grace time is told why; the loss was ${how}`, async (t) => {
    const world = new World(t, { page: true });
    const { lobby, room, events } = await playing(world);
    world.show("hidden");
    // Delays of their mean length.
    t.mock.method(Math, "random", () => 0.5);
    const old = world.network.last;
    world.network.webSocket = "refused";
    if (how === "noticed at waking") old.vanish();
    else old.cut();
    await settle();
    world.server?.forget();
    world.sleep(600_000);
    world.show("visible");
    await world.pass(how === "noticed before" ? 2000 : 4000);
    assert.notEqual(lobby.state, "closed", "the network needs a moment, too");
    world.network.webSocket = "open";
    await world.eventually(() => lobby.state === "open");
    await until(() => events.some(({ type }) => type === "renewed"));
    const { error } = events.find(({ type }) => type === "renewed").data;
    assert.match(error.message, /away for longer than 60 s/);
    assert.deepEqual([lobby.username, room.end.reason], ["Ada", "session_lost"]);
  });
}

test("the network that comes back is used at once, rather than after the delay", async (t) => {
  const world = new World(t, { page: true });
  const { lobby } = await playing(world);
  world.network.webSocket = "refused";
  world.network.last.cut();
  await world.pass(20_000, 100);
  assert.equal(lobby.state, "resuming");
  world.network.webSocket = "open";
  world.happen("online");
  const began = Date.now();
  await settle();
  await until(() => lobby.state === "open");
  assert.equal(Date.now(), began);
});

test("attempts to come back are spread: at once, then with growing delays up to 5 s", async (t) => {
  const world = new World(t, { page: true });
  await playing(world);
  world.network.webSocket = "refused";
  t.mock.method(Math, "random", () => 0.999);
  const began = Date.now();
  /** @type {number[]} */
  const times = [];
  const { push } = world.network.sockets;
  world.network.sockets.push = function (...given) {
    times.push(Date.now() - began);
    return push.apply(this, given);
  };
  world.network.last.cut();
  await world.pass(40_000, 50);
  assert.ok(times[0] <= 50, "the first at once");
  const delays = times.slice(1).map((time, at) => time - times[at]);
  assert.ok(delays.every((delay) => delay <= 5100), `${delays}`);
  assert.ok(delays[0] <= 300 && delays.at(-1) >= 4000, `${delays}`);
  assert.ok(times.length < 25, `${times.length} attempts`);
});

test("another network may let UDP through: it is tried again at once", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  world.network.shape = { ready: "never", closed: "never" };
  const lobby = await world.lobby();
  await world.pass(5000);
  assert.equal(lobby.transport, "websocket");
  const tried = world.network.transports.length;
  await world.pass(2000);
  assert.equal(world.network.transports.length, tried);
  world.network.shape = {};
  world.happen("online");
  await world.eventually(() => lobby.transport === "webtransport", 3000);
});

test("a new estimate of the connection tries it, and leaves what is known of UDP as it is", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  const connection = new EventTarget();
  world.give("navigator", { onLine: true, connection });
  const storage = new MemoryStorage();
  world.give("localStorage", storage);
  world.network.shape = { ready: "never", closed: "never" };
  const lobby = await world.lobby();
  await world.pass(5000);
  const [tried, noted] = [world.network.transports.length, [...storage.items]];
  const pings = world.network.last.all("ping").length;
  assert.match(noted[0][1], /"failures":1\b/);
  world.network.shape = {};
  connection.dispatchEvent(new Event("change"));
  await until(() => world.network.last.all("ping").length > pings, "the connection is tried");
  await world.pass(3000);
  assert.deepEqual([...storage.items], noted);
  assert.deepEqual([world.network.transports.length, lobby.transport], [tried, "websocket"]);
});

test("a hidden page is not kept awake by pings", async (t) => {
  const world = new World(t, { page: true });
  const { lobby } = await playing(world);
  world.show("hidden");
  await settle();
  const before = world.network.last.all("ping").length;
  await world.pass(120_000, 500);
  assert.equal(world.network.last.all("ping").length, before);
  assert.equal(lobby.state, "open");
});

test("WebTransport that breaks soon, although the network is there, is left alone for a while", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  const { lobby, room } = await playing(world);
  assert.equal(lobby.transport, "webtransport");
  world.carrier.cut();
  await until(() => lobby.state === "resuming");
  await world.eventually(() => lobby.state === "open");
  assert.equal(await world.eventually(() => room.send("say", 1)), 1);
  assert.equal(lobby.transport, "websocket", "what has just failed is not taken again at once");
  await world.pass(60_000, 500);
  assert.equal(lobby.transport, "websocket");
  await world.eventually(() => lobby.transport === "webtransport", 900_000);
});

test("state and transport are told in an order that makes sense", async (t) => {
  const world = new World(t, { page: true });
  const { lobby, events } = await playing(world);
  lobby.drop();
  await world.eventually(() => lobby.state === "open");
  const told = events.filter(({ type }) => type === "state" || type === "transport").map(({ data }) => data);
  assert.deepEqual(told.filter((data) => data !== "websocket" && data !== null), ["resuming", "open"]);
  assert.deepEqual(told.filter((data) => data === null || data === "websocket"), [null, "websocket"]);
  const activity = events.filter(({ type }) => type === "activity").map(({ data }) => data);
  for (const { at, type, message } of activity) {
    assert.equal(typeof at, "number");
    assert.match(type, /^[a-z_]+$/);
    assert.match(message, /^[A-Z].*\.$/);
  }
  const types = activity.map(({ type }) => type);
  assert.deepEqual(types.filter((type) => /^(lost|resumed)$/.test(type)), ["lost", "resumed"]);
});
