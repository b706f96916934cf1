/** Servers that are absent, foreign, broken, restarted or of another version: a typed error and a sentence each. */

import assert from "node:assert/strict";
import test from "node:test";
import { AnteroomError, connect } from "../anteroom.js";
import { ROOM, begun, opened, resumed, seated, told } from "./support/script.mjs";
import { CERTIFICATE, MemoryStorage, World, recorded, refused, settle, until } from "./support/world.mjs";

test("no server: refused at once, and worth another try", async (t) => {
  const world = new World(t, { server: false });
  world.network.webSocket = "refused";
  await refused(world.connect(), "unreachable", true);
  assert.equal(world.network.sockets.length, 1);
});

test("no server, with WebTransport: refused within its deadline", async (t) => {
  const world = new World(t, { server: false, webTransport: true });
  world.network.webSocket = "refused";
  world.network.shape = { ready: "never", closed: "never" };
  world.certificate = () => Promise.reject(new TypeError("Failed to fetch"));
  const check = refused(world.connect(), "unreachable", true);
  await world.pass(5000);
  await check;
});

test("a WebSocket that the browser does not even construct", async (t) => {
  const world = new World(t, { server: false });
  world.network.webSocket = "throwing";
  await refused(world.connect(), "unreachable", true);
});

for (const url of ["", "nonsense", "ftp://example.test", "javascript:alert(1)", undefined, null, 7]) {
  test(`no address of a server: ${url}`, async () => {
    const check = await connect(/** @type {any} */ (url)).then(assert.fail, (/** @type {any} */ error) => error);
    assert.ok(check instanceof AnteroomError);
    assert.equal(check.code, "invalid_data");
    assert.equal(check.retryable, false);
  });
}

/** @type {[string, string, string][]} */
const ADDRESSES = [
  ["http://a.test:1", "ws://a.test:1/ws", "http://a.test:1/api/certificate"],
  ["https://a.test/", "wss://a.test/ws", "https://a.test/api/certificate"],
  ["ws://a.test:2", "ws://a.test:2/ws", "http://a.test:2/api/certificate"],
  ["wss://a.test:3/ws", "wss://a.test:3/ws", "https://a.test:3/api/certificate"],
  ["http://a.test/game/", "ws://a.test/game/ws", "http://a.test/game/api/certificate"],
  ["http://a.test/game", "ws://a.test/game/ws", "http://a.test/game/api/certificate"],
  ["https://a.test/a/b//", "wss://a.test/a/b/ws", "https://a.test/a/b/api/certificate"],
  ["wss://a.test/game/ws", "wss://a.test/game/ws", "https://a.test/game/api/certificate"],
  ["wss://a.test/ws/", "wss://a.test/ws/ws", "https://a.test/ws/api/certificate"],
];

for (const [url, socket, certificate] of ADDRESSES) {
  test(`an address is where the server is, with its path: ${url}`, async (t) => {
    const world = new World(t, { webTransport: true });
    world.url = url;
    world.network.shape = { throws: true };
    const storage = new MemoryStorage();
    await world.lobby({ storage });
    assert.equal(world.network.sockets.at(-1).url, socket);
    assert.equal(world.asked[0], certificate);
    const [base] = certificate.split("/api/");
    assert.ok([...storage.items.keys()].every((key) => key.endsWith(`:${base}`)), "each server has a session of its own");
  });
}

test("without an address it is the page's own server, whatever the page's path", async (t) => {
  const world = new World(t);
  world.give("location", new URL("http://a.test/pages/game.html?room=x#y"));
  for (const url of [undefined, new URL("/", "http://a.test")]) {
    const { WebSocket } = world.network;
    const connecting = connect(url, { storage: null, WebSocket });
    connecting.then((lobby) => world.lobbies.push(lobby), () => {});
    await world.eventually(() => Promise.race([connecting, settle(1)]), 20_000);
    assert.equal(world.network.sockets.at(-1).url, "ws://a.test/ws");
  }
});

for (const url of ["http://a.test/?x", "http://a.test/game/#y", "https://me:secret@a.test/", "https://me@a.test/"]) {
  test(`an address with what would be lost is refused: ${url}`, async () => {
    const error = await refused(connect(url), "invalid_data", false);
    assert.match(error.message, /is no address of a server, as https:/);
  });
}

/** What a foreign server may say to a handshake. @type {[string, string, RegExp][]} */
const FOREIGN = [
  ["HTML", "<!doctype html><title>Router</title>", /malformed/],
  ["nothing", "", /malformed/],
  ["JSON of another kind", '{"hello":"world"}', /timeout|malformed/],
  ["a number", "7", /timeout|malformed/],
  ["null", "null", /timeout|malformed/],
  ["a list of nothings", "[null, 1, [], \"x\"]", /timeout|malformed/],
  ["a handshake accepted without data", '{"type":"handshake_accepted"}', /malformed|unreachable/],
  ["a handshake accepted with half its data", '{"type":"handshake_accepted","data":{}}', /malformed|unreachable|timeout/],
];

for (const [name, text, codes] of FOREIGN) {
  test(`a foreign server answers ${name}`, async (t) => {
    const world = new World(t, { server: false });
    world.network.onlink = (link) => {
      link.onmessage = () => link.deliver(0, text);
    };
    const connecting = world.connect().then(
      (lobby) => assert.fail(`connected: ${lobby.state}`), (/** @type {any} */ error) => error,
    );
    await world.pass(16_000, 250);
    const error = await connecting;
    assert.ok(error instanceof AnteroomError, String(error));
    assert.match(error.code, codes);
    assert.match(error.message, /^[A-Z].*\.$/);
    assert.doesNotMatch(error.message, /TypeError|undefined|destructure/);
  });
}

/** What a broken server may say to a session. @type {[string, string][]} */
const GARBAGE = [
  ["not JSON", "{"], ["null", "null"], ["a number", "7"], ["a text", '"x"'], ["a list of nothings", "[null]"],
  ["no type", "{}"], ["a type that is no text", '{"type":7}'], ["half a lane", '{"type":"lane"}'],
  ["a room without a lane", '{"type":"join_room_result","ref":1,"room_id":"x","success":true}'],
  ["a room that is not joined", '{"type":"game_state","room_id":"unknown"}'],
  ["a long type in a room that is not joined", JSON.stringify({ type: "x".repeat(500), room_id: "unknown" })],
  ["a type in many bytes in a room that is not joined", JSON.stringify({ type: "€".repeat(100), room_id: "unknown" })],
  ["a lane that leaves messages out", '{"type":"lane","data":{"lane":0,"next":100,"applied":0,"gap":false}}'],
  ["an ack of nothing", '{"type":"ack","data":null}'],
  ["a pong of nothing", '{"type":"pong","data":null}'],
  ["a goodbye of nothing", '{"type":"goodbye","data":null}'],
  ["rooms changed by nothing", '{"type":"rooms_changed","data":null}'],
];

for (const [name, text] of GARBAGE) {
  test(`a broken server says ${name}: the session goes on or ends, and says so`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    const sent = room.send("put").then(assert.fail, (/** @type {any} */ error) => error);
    await link.read("put");
    link.deliver(0, text);
    await settle();
    if (lobby.state === "closed") {
      assert.equal(lobby.error.code, "malformed");
      assert.match(lobby.error.message, /^[A-Z].*\.$/s);
      await until(() => link.closed);
    } else if (lobby.state === "resuming") {
      await world.network.link();
    } else {
      assert.equal(await Promise.race([lobby.ping().then(() => "alive"), settle(20)]), "alive");
    }
    lobby.close();
    assert.ok((await sent) instanceof AnteroomError);
  });
}

test("fields that are null are as good as absent", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  const events = recorded(room);
  const nothings = { ref: null, n: null, latest: null, success: null, error: null, data: null };
  link.write({ ...nothings, type: "told", room_id: ROOM });
  link.write({ ...nothings, type: "rooms_changed", room_id: null, data: { added: [], updated: [], removed: [] } });
  await until(() => events.length === 1);
  const sent = room.send("put");
  const { ref } = await link.read("put");
  link.write({ ...nothings, type: "put_result", ref, room_id: ROOM, success: true });
  await sent;
  const leaving = room.leave();
  const leave = await link.read("leave_room");
  link.write({ ...nothings, type: "leave_room_result", ref: leave.ref, room_id: ROOM, success: true });
  await leaving;
  assert.deepEqual([lobby.state, room.end.reason], ["open", "left"]);
});

/** @type {[number, string, boolean][]} */
const REFUSALS = [
  [4500, "protocol_version", false], [4505, "unauthorized", false], [4506, "origin_refused", false],
  [4004, "busy", true], [4000, "shutting_down", true], [4504, "handshake_timeout", false],
];

for (const [code, name, retryable] of REFUSALS) {
  for (const told of [true, false]) {
    test(`the handshake ends with ${code}, ${told ? "after a goodbye" : "by the close alone"}`, async (t) => {
      const world = new World(t, { server: false });
      const check = refused(world.connect(), name, retryable);
      const link = await world.network.link();
      await link.read("handshake");
      if (told) link.goodbye(code, "The server says why.");
      else link.close(code, "The server says why.");
      const error = await check;
      assert.deepEqual([error.closeCode, error.message], [code, "The server says why."]);
      await world.pass(20_000, 500);
      assert.equal(world.network.links.length, 1, "nobody tries again by himself");
    });
  }
}

test("a name that the server refuses", async (t) => {
  const world = new World(t, { server: false });
  const check = refused(world.connect({ name: "" }), "invalid_name", false);
  const link = await world.network.link();
  const { ref } = await link.read("handshake");
  const error = { code: "invalid_name", message: "A name has 1 to 32 characters.", retryable: false };
  link.write({ type: "handshake_result", ref, success: false, error, data: {} });
  await check;
  await until(() => link.closed);
});

test("a token that is refused when the session has to begin anew ends the lobby", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world, { token: "a.b.c" });
  link.cut();
  const back = await world.network.link();
  const { ref } = await back.read("reconnect");
  const error = { code: "session_unknown", message: "Not known.", retryable: false };
  back.write({ type: "reconnect_result", ref, success: false, error, data: {} });
  assert.equal((await back.read("handshake")).data.token, "a.b.c");
  back.goodbye(4505, "The token has expired.");
  await until(() => lobby.state === "closed");
  assert.deepEqual([lobby.error.code, lobby.error.message], ["unauthorized", "The token has expired."]);
});

test("the server is restarted: the lobby is entered again under the same name, and told", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await lobby.createRoom({ game: "relay" });
  const list = await lobby.watchRooms();
  const events = recorded(lobby);
  const { userId } = lobby;
  world.server?.forget();
  world.network.webSocket = "refused";
  world.network.last.goodbye(4000);
  await world.pass(3000);
  assert.equal(lobby.state, "resuming");
  world.network.webSocket = "open";
  await world.eventually(() => lobby.state === "open");
  assert.deepEqual([lobby.username, room.end.reason], ["Ada", "session_lost"]);
  assert.notEqual(lobby.userId, userId);
  const { error } = events.find(({ type }) => type === "renewed").data;
  assert.equal(error.code, "session_unknown");
  assert.match(error.message, /restarted/);
  await until(() => list.rooms.length === 0);
  assert.ok(await lobby.createRoom({ game: "relay" }));
});

test("a server that has said that it goes is what ended the session, however long it was away", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const events = recorded(lobby);
  world.server?.forget();
  world.network.webSocket = "refused";
  world.network.last.goodbye(4000);
  await world.pass(65_000, 500);
  world.network.webSocket = "open";
  await world.eventually(() => events.some(({ type }) => type === "renewed"));
  const { error } = events.find(({ type }) => type === "renewed").data;
  assert.match(error.message, /restarted/);
  assert.doesNotMatch(error.message, /You were away/);
});

test("a server that stays away for an hour ends the lobby, and says so", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await lobby.createRoom({ game: "relay" });
  const events = recorded(lobby);
  world.network.webSocket = "refused";
  const asked = room.send("put").then(assert.fail, (/** @type {any} */ error) => error);
  world.network.last.cut();
  await world.pass(3_600_000, 2000);
  assert.equal(lobby.state, "resuming");
  await world.pass(120_000, 2000);
  assert.equal(lobby.state, "closed");
  assert.equal(lobby.error.code, "unreachable");
  assert.equal(lobby.error.retryable, true);
  assert.equal(events.at(-1).type, "closed");
  assert.ok((await asked) instanceof AnteroomError);
  assert.ok(world.network.sockets.length > 10, "it was tried over and over");
});

/** @type {[string, () => Response|Promise<Response>][]} */
const CERTIFICATES = [
  ["HTML", () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } })],
  ["404", () => new Response("", { status: 404 })],
  ["JSON of another kind", () => Response.json({ hello: "world" })],
  ["null", () => Response.json(null)],
  ["hashes that are none", () => Response.json({ ...CERTIFICATE, hashes: [{ algorithm: "sha-256", value: "%%%" }] })],
  ["hashes that are too short", () => Response.json({ ...CERTIFICATE, hashes: [{ algorithm: "sha-256", value: "AAAA" }] })],
  ["nothing at all", () => Promise.reject(new TypeError("Failed to fetch"))],
  ["nothing for ever", () => new Promise(() => {})],
];

for (const [name, certificate] of CERTIFICATES) {
  test(`asked for its certificate, the server answers ${name}: WebSocket it is`, async (t) => {
    const world = new World(t, { webTransport: true });
    world.certificate = certificate;
    const lobby = await world.lobby();
    assert.equal(lobby.transport, "websocket");
    await world.pass(4000);
    assert.equal(lobby.state, "open");
  });
}

test("a hash that has expired while the page was open is asked for again", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  assert.deepEqual([lobby.transport, world.asked.length], ["webtransport", 1]);
  const renewed = Buffer.alloc(32, 9).toString("base64");
  world.certificate = () => Response.json({ ...CERTIFICATE, hashes: [{ algorithm: "sha-256", value: renewed }] });
  const { createBidirectionalStream } = world.network.WebTransport.prototype;
  world.network.WebTransport.prototype.createBidirectionalStream = function (...given) {
    const [{ value }] = this.options.serverCertificateHashes;
    return value[0] === 9 ? createBidirectionalStream.apply(this, given) : Promise.reject(new Error("wrong certificate"));
  };
  world.network.last.cut();
  await world.eventually(() => lobby.state === "open");
  await world.eventually(() => lobby.transport === "webtransport", 900_000);
  assert.ok(world.asked.length >= 2);
  assert.equal(world.network.transports.at(-1).options.serverCertificateHashes[0].value[0], 9);
});

for (const years of [-30, -1, 1, 30]) {
  test(`a clock that is wrong by ${years} years does not matter`, async (t) => {
    const now = 1_790_000_000_000;
    const world = new World(t, { webTransport: true, now: now + years * 365 * 86_400_000 });
    if (world.server) world.server.clockMs = () => now;
    const lobby = await world.lobby();
    assert.equal(lobby.transport, "webtransport");
    assert.ok(Math.abs(lobby.clockOffset + years * 365 * 86_400_000) < 60_000);
    lobby.drop();
    await world.eventually(() => lobby.state === "open");
    assert.equal(lobby.rooms.size, 0);
  });

  test(`a clock that is put right by ${years} years while the connection is away does not matter`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    const sent = room.send("put", 1);
    await link.read("put");
    world.network.webSocket = "hanging";
    link.cut();
    await settle();
    world.setClock(years * 365 * 86_400_000);
    world.network.webSocket = "open";
    const back = await world.eventually(() => world.network.links[1], 30_000);
    await back.read("reconnect");
    back.write(resumed("T1", [1], 2), opened(0, 1, 1), opened(1, 2, 2));
    await until(() => lobby.state === "open");
    await world.pass(100);
    back.write({ type: "put_result", ref: link.all("put")[0].ref, room_id: ROOM, success: true, data: 7 });
    assert.equal(await sent, 7);
  });
}

test("UDP that is blocked is remembered, for a while, and over pages", async (t) => {
  const world = new World(t, { webTransport: true });
  const stored = new Map();
  world.give("localStorage", {
    getItem: (/** @type {string} */ key) => stored.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => stored.set(key, value),
    removeItem: (/** @type {string} */ key) => stored.delete(key),
  });
  world.network.shape = { ready: "never", closed: "never" };
  const first = await world.lobby();
  await world.pass(4000);
  first.close();
  const tried = world.network.transports.length;
  assert.ok(stored.size > 0);
  const begun = Date.now();
  const second = await world.lobby();
  assert.equal(Date.now(), begun, "WebSocket at once");
  assert.equal(world.network.transports.length, tried);
  world.network.shape = {};
  await world.eventually(() => second.transport === "webtransport", 900_000);
  second.close();
  assert.equal((await world.lobby()).transport, "webtransport");
});

test("what is remembered of UDP does not matter if it is garbage, or of the future", async (t) => {
  const world = new World(t, { webTransport: true });
  const future = ['{"at":9e15,"until":9e15,"failures":9}', '{"at":0,"until":1e300,"failures":1e9}'];
  for (const text of ["{", "null", "7", "[]", '"x"', "{}", ...future]) {
    world.give("localStorage", { getItem: () => text, setItem: () => {}, removeItem: () => {} });
    const lobby = await world.lobby();
    assert.equal(lobby.transport, "webtransport", text);
    lobby.close();
  }
});

test("a mistake in a page's listener does not stop the session", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  const heard = recorded(room);
  room.on("told", () => {
    throw new Error("the page's own mistake");
  });
  const mistakes = world.mistakes();
  link.write(...told(2, 4));
  await until(() => mistakes.length === 3);
  assert.deepEqual([heard.length, lobby.state], [3, "open"]);
  assert.match(String(mistakes[0]), /the page's own mistake/);
});

test("blocking UDP, as a page may to show it, falls back at once and comes back when it is over", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  lobby.blockUdp(true);
  assert.equal(lobby.udpBlocked, true);
  const begun = Date.now();
  await world.eventually(() => lobby.transport === "websocket");
  assert.ok(Date.now() - begun <= 3000);
  lobby.blockUdp(false);
  await world.eventually(() => lobby.transport === "webtransport");
  assert.equal(await world.eventually(() => room.send("say", 3)), 3);
});
