/** What leaves, when, and as what: batches, bounds, delivery classes, and values that cannot be sent. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { ROOM, answer, opened, resumed, seated } from "./support/script.mjs";
import { World, recorded, refused, settle, until } from "./support/world.mjs";

test("what is sent in one turn of the event loop leaves as one frame, promises and all", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  await settle();
  const before = link.frames.length;
  room.send("one");
  await null;
  room.send("two", { x: 1 });
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  lobby.listRooms();
  queueMicrotask(() => room.send("three"));
  await until(() => link.all("three").length);
  assert.equal(link.frames.length, before + 1);
  const batch = JSON.parse(link.frames[before]);
  assert.deepEqual(batch.map(({ type }) => type), ["one", "two", "list_rooms", "three"]);
  assert.deepEqual(batch.map(({ n }) => n), [2, 3, 4, 5]);
  assert.deepEqual(batch[1].data, { x: 1 });
});

test("one message leaves alone, not as a batch", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  await settle();
  room.send("one");
  const { n, room_id } = await link.read("one");
  assert.deepEqual([n, room_id], [2, ROOM]);
  assert.match(/** @type {string} */ (link.frames.at(-1)), /^\{/);
});

test("batches have at most 256 messages", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  await settle();
  const before = link.frames.length;
  for (let at = 0; at < 600; at++) room.send("put", { at });
  await until(() => link.all("put").length === 600);
  assert.deepEqual(link.frames.slice(before).map((frame) => JSON.parse(frame).length), [256, 256, 88]);
  assert.deepEqual(link.all("put").map(({ data }) => data.at), Array.from({ length: 600 }, (_, at) => at));
});

test("batches are no larger than the server allows", async (t) => {
  const world = new World(t, { server: false });
  const limits = { message_bytes_max: 2000, unacked_messages_max: 1024, unacked_bytes_max: 262144, rooms_max: 16 };
  const { link, room } = await seated(world, 1, {}, { limits });
  await settle();
  for (let at = 0; at < 40; at++) room.send("put", { at, text: "ü".repeat(150) });
  await until(() => link.all("put").length === 40);
  for (const frame of link.frames) assert.ok(new TextEncoder().encode(frame).length <= 2000);
});

test("a message that is too large is refused here, and nothing else suffers", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  await refused(room.send("put", "x".repeat(65536)), "message_too_large", false);
  await refused(room.send("put", "€".repeat(22000)), "message_too_large", false);
  await refused(lobby.createRoom({ game: "relay", options: { text: "x".repeat(70000) } }), "message_too_large", false);
  const sent = room.send("put", 1);
  const request = await link.read("put");
  assert.equal(request.n, 2);
  link.write(answer(request, 2));
  assert.equal(await sent, 2);
});

const cycle = {};
Object.assign(cycle, { cycle });
/** @type {[string, any][]} */
const IMPOSSIBLE = [
  ["a BigInt", 1n], ["a cycle", cycle], ["a toJSON that throws", { toJSON: () => { throw new Error("no"); } }],
];

for (const [name, value] of IMPOSSIBLE) {
  test(`what cannot be written as JSON is refused; ${name}`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    await refused(room.send("put", value), "invalid_data", false);
    await refused(room.send("put", { value }, { delivery: "latest" }), "invalid_data", false);
    await refused(lobby.createRoom({ game: "relay", options: value }), "invalid_data", false);
    room.send("put", value);
    await link.quiet();
  });
}

test("no data, null and {} are the same", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  room.send("put");
  room.send("put", null);
  room.send("put", {});
  for (let at = 0; at < 3; at++) assert.deepEqual((await link.read("put")).data ?? {}, {});
});

test("what is not acknowledged has a limit; it goes on behind an acknowledgement", async (t) => {
  const world = new World(t, { server: false });
  const limits = { message_bytes_max: 65536, unacked_messages_max: 10, unacked_bytes_max: 262144, rooms_max: 16 };
  const { link, room } = await seated(world, 1, {}, { limits });
  for (let at = 0; at < 25; at++) room.send("put", { at });
  await until(() => link.all("put").length === 10);
  await settle();
  assert.equal(link.all("put").length, 10);
  assert.ok(room.buffered > 25 * 10);
  link.write({ type: "ack", data: { 1: 4 } });
  await until(() => link.all("put").length === 13);
  const requests = link.all("put");
  link.write(answer(requests[3]), answer(requests[4]));
  await until(() => link.all("put").length === 15);
  link.write({ type: "ack", data: { 0: 1, 1: 1000 } });
  await until(() => link.all("put").length === 25);
  assert.deepEqual(link.all("put").map(({ data }) => data.at), Array.from({ length: 25 }, (_, at) => at));
  assert.deepEqual(link.all("put").map(({ n }) => n), Array.from({ length: 25 }, (_, at) => at + 2));
});

test("bytes that are not acknowledged have a limit, but one message always goes", async (t) => {
  const world = new World(t, { server: false });
  const limits = { message_bytes_max: 65536, unacked_messages_max: 1024, unacked_bytes_max: 1000, rooms_max: 16 };
  const { link, room } = await seated(world, 1, {}, { limits });
  link.write({ type: "ack", data: { 0: 1 } });
  for (let at = 0; at < 3; at++) room.send("put", { at, text: "x".repeat(2000) });
  for (let at = 0; at < 3; at++) {
    const request = await link.read("put");
    assert.equal(request.data.at, at);
    await link.quiet();
    link.write({ type: "ack", data: { 1: request.n } });
  }
});

test("too much that waits is busy, and goes on when it has gone", async (t) => {
  const world = new World(t, { server: false });
  const limits = { message_bytes_max: 65536, unacked_messages_max: 1, unacked_bytes_max: 262144, rooms_max: 16 };
  const { link, room } = await seated(world, 1, {}, { limits });
  let refusedWith = null;
  let accepted = 0;
  for (; accepted < 10_000 && !refusedWith; accepted++) {
    room.send("put", accepted).catch((/** @type {any} */ error) => (refusedWith = error));
    if (accepted % 100 === 0) await settle(1);
    if (accepted > 4000) await null, await null;
  }
  assert.ok(accepted > 1000 && accepted < 10_000, `${accepted} were taken`);
  await refused(room.send("put", 1), "busy", true);
  await refused(room.send("put", 1, { delivery: "latest" }), "busy", true);
  link.write({ type: "ack", data: { 0: 1, 1: 2 } });
  await until(() => link.all("put").length >= 2);
  link.write({ type: "ack", data: { 1: 1_000_000 } });
  const sent = room.send("put", "again");
  assert.equal(await Promise.race([sent, settle().then(() => "taken")]), "taken");
});

test("latest: only the newest value of a key waits while nothing can be written", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  await settle();
  const fill = "x".repeat(60_000);
  world.network.stalled = true;
  room.send("fill", fill);
  await settle();
  room.send("fill", fill);
  await settle();
  for (let x = 0; x < 50; x++) {
    room.send("where", { x }, { delivery: "latest", key: "a" });
    room.send("where", { y: x }, { delivery: "latest", key: "b" });
    await world.pass(20);
  }
  assert.equal(link.all("where").length, 0);
  world.network.flow();
  await world.pass(100);
  assert.deepEqual(link.all("where").map(({ data }) => data), [{ x: 49 }, { y: 49 }]);
});

test("latest: only the newest value of a key waits while there is no connection", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  for (let x = 0; x < 50; x++) {
    await room.send("where", { x }, { delivery: "latest" });
    await settle(1);
  }
  room.send("put", { at: 1 });
  await room.send("where", { x: 50 }, { delivery: "latest" });
  back.write(resumed("T1", [1], 1), opened(0, 1, 1), opened(1, 2, 0));
  assert.deepEqual((await back.read("put")).data, { at: 1 });
  assert.deepEqual((await back.read("where")).data, { x: 50 });
  await back.quiet();
});

test("latest never overtakes what was sent before it, and asks for no answer", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  room.send("where", { x: 1 }, { delivery: "latest" });
  room.send("put");
  room.send("where", { x: 2 }, { delivery: "latest" });
  await link.read("put");
  const where = await link.read("where");
  assert.deepEqual(where.data, { x: 2 });
  assert.ok(!("ref" in where));
  await link.quiet();
});

test("unreliable is latest on WebSocket", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  await room.send("where", { x: 1 }, { delivery: "unreliable" });
  await room.send("where", { x: 2 }, { delivery: "unreliable" });
  assert.deepEqual((await link.read("where")).data, { x: 2 });
  await link.quiet();
});

test("unreliable is a datagram on WebTransport, without a number, unless it does not fit", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const link = world.network.last;
  const room_id = room.id;
  await room.send("where", { x: 1 }, { delivery: "unreliable" });
  await until(() => link.datagrams.length);
  assert.deepEqual(link.datagrams[0], { lane: 1, message: { type: "where", room_id, data: { x: 1 } } });
  assert.equal(room.buffered, 0);
  await room.send("where", { text: "x".repeat(1300) }, { delivery: "unreliable" });
  await until(() => link.all("where").length);
  assert.equal(link.datagrams.length, 1);
});

test("datagrams of the server are heard; those of unknown lanes and broken ones are not", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const heard = recorded(room);
  const link = world.network.last;
  const where = { type: "where", room_id: room.id, latest: "ada", data: { x: 3 } };
  for (const text of ["{", "null", "[null]", "7", ""]) link.throwDatagram(1, text);
  link.throwDatagram(99, JSON.stringify(where));
  link.throwDatagram(1, JSON.stringify([where, where]));
  await until(() => heard.length === 2);
  assert.deepEqual(heard[0], { type: "where", data: { x: 3 }, latest: "ada" });
  assert.equal(lobby.state, "open");
});

test("a refusal that nobody waits for is told in the room, and is not sent again", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  const errors = recorded(room);
  await room.send("where", { x: 1 }, { delivery: "latest" });
  const { n } = await link.read("where");
  const details = { type: "where", room_id: ROOM, n };
  const error = { code: "busy", message: "The room is busy.", retryable: true, details };
  link.write({ type: "error", success: false, error, data: {} });
  await until(() => errors.length);
  assert.deepEqual([errors[0].type, errors[0].data.code, errors[0].data.retryable], ["error", "busy", true]);
  assert.equal(room.buffered, 0);
});

/** Every type that clients send and the protocol has a meaning for, out of the server's own table. */
const TABLE = readFileSync(new URL("../../../protocol/src/message/table.rs", import.meta.url), "utf8");
const [requests] = /^ {4}requests \{\n.*?^ {4}\}\n/ms.exec(TABLE) ?? [""];
const names = Array.from(requests.matchAll(/ = "(\w+)": (?:Client|Both),/g), ([, name]) => name);

/** Those that a member asks of a room. */
const [members] = /^ {8}Member\(.*?^ {8}\}\n/ms.exec(requests) ?? [""];

test("the table of the protocol has the requests where they are looked for", () => {
  assert.equal(names.length, requests.match(/"\w+": /g)?.length);
  assert.deepEqual([names[0], names.at(-1)], ["handshake", "presence"]);
  assert.match(members, /"update_room": [^]*"presence": /);
});

// To leave is said in the room, like what a game's players say, and what a member asks of it.
const RESERVED = names.filter((name) => name !== "leave_room" && !members.includes(`"${name}": `));

for (const type of ["", "x".repeat(65), "é".repeat(33), "\ud800", 7, null, undefined, ...RESERVED]) {
  test(`types that are not a game's own are refused before they end the session: ${String(type)}`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    const sent = [{}, { delivery: "latest" }].map((/** @type {any} */ how) => room.send(type, {}, how));
    await link.quiet();
    for (const promise of sent) await refused(promise, "invalid_data", false);
    assert.equal(lobby.state, "open");
  });
}

test("a game may call its messages as it likes", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  for (const type of ["make_move", "make-move", "chat.say", "game:start", "x".repeat(57), "pause"]) {
    room.send(type);
    await link.read(type);
  }
});

/** @param {number} depth @param {(inner: any) => any} [wrap] */
const nested = (depth, wrap = (inner) => [inner]) => {
  let value = wrap(1);
  for (let at = 1; at < depth; at++) value = wrap(value);
  return value;
};

/** How deep JSON nests, counted one by one. @param {any} value @returns {number} */
const depthOf = (value) => {
  return value instanceof Object ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
};

/** What is as deep as may be, and one level deeper. @type {[string, (depth: number) => any][]} */
const DEEP = [
  ["lists", (depth) => nested(depth)],
  ["objects", (depth) => nested(depth, (inner) => ({ inner }))],
  ["both, beside what is flat", (depth) => [[], {}, "[[[", nested(depth - 2, (inner) => ({ a: [], inner, b: {} })), []]],
  ["what makes its own JSON", (depth) => ({ toJSON: () => nested(depth) })],
];

for (const [name, make] of DEEP) {
  test(`data is nested as deeply as a server reads it in a batch, and no deeper; ${name}`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    await settle();
    const error = await refused(room.send("put", make(63)), "invalid_data", false);
    assert.match(error.message, /62 levels/);
    await refused(room.send("put", make(63), { delivery: "latest" }), "invalid_data", false);
    await refused(lobby.createRoom({ game: "relay", options: make(62) }), "invalid_data", false);
    await link.quiet();
    room.send("one", make(62));
    room.send("two");
    await link.read("one");
    // 64 levels: the batch, the envelope, and 62 of data.
    const [frame] = link.frames.slice(-1);
    assert.equal(depthOf(JSON.parse(/** @type {string} */ (frame))), 64);
  });
}

test("brackets in texts are no levels, and what is wide is not deep", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  for (const data of ["[{".repeat(1000), `"\\${"[\\\"".repeat(500)}`, { "[[[{": "]".repeat(90) }, Array(500).fill([{}])]) {
    room.send("put", data);
    assert.deepEqual((await link.read("put")).data, data);
  }
});

test("what has no end or no form in JSON is refused, and overflows nothing", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  const cycle = /** @type {any} */ ({ name: "a" });
  cycle.list = [{ cycle }];
  for (const data of [cycle, nested(1000), nested(20_000), nested(1_000_000), 1n, { toJSON: () => { throw new Error("own"); } }]) {
    await refused(room.send("put", data), "invalid_data", false);
    await refused(lobby.createRoom({ game: "relay", options: data }), "invalid_data", false);
  }
  for (const large of ["x".repeat(30_000_000), Array(5_000_000).fill([])]) {
    await refused(room.send("put", large), "message_too_large", false);
  }
  await link.quiet();
  assert.equal(lobby.state, "open");
});
