/** The golden vectors of the protocol: what the SDK sends has their shapes, and what they say it understands. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { AnteroomError, CLOSE_CODES, ERROR_CODES } from "../anteroom.js";
import { Records, decodeVarint, encodeVarint } from "../src/framing.js";
import { ROOM, accepted, answer, begun, joined, member, opened, resumed, seated } from "./support/script.mjs";
import { World, recorded, settle, until } from "./support/world.mjs";

/** @param {string} name */
const vectors = (name) => {
  const path = new URL(`../../../protocol/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
};

/** @param {string} file @param {string} name */
const vector = (file, name) => {
  const found = vectors(file).find((/** @type {any} */ entry) => entry.name === name);
  assert.ok(found, `${file}.json has "${name}"`);
  return found.json;
};

/** Fields and the types of their values, all the way down. @param {any} value @returns {any} */
function shape(value) {
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  return Object.fromEntries(Object.entries(value).sort().map(([key, inner]) => [key, shape(inner)]));
}

const bytes = (/** @type {string} */ hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (/** @type {Uint8Array} */ value) => Buffer.from(value).toString("hex");

test("integers", () => {
  for (const { hex: wanted, value } of vectors("framing").varints) {
    const read = decodeVarint(bytes(wanted));
    assert.equal(read.size, wanted.length / 2);
    assert.equal(read.value, Number(value));
    if (Number.isSafeInteger(Number(value))) assert.equal(hex(encodeVarint(Number(value))), wanted);
    for (let cut = 0; cut < wanted.length; cut += 2) {
      assert.equal(decodeVarint(bytes(wanted.slice(0, cut))).size, 0, "cut short");
    }
  }
});

test("records, in pieces of any size, with and without the number of a lane in front", () => {
  const { records } = vectors("framing");
  const all = records.map((/** @type {any} */ { record_hex }) => record_hex).join("");
  const wanted = records.map((/** @type {any} */ { payload_hex }) => Buffer.from(payload_hex, "hex").toString());
  for (let size = 1; size <= all.length / 2; size++) {
    for (const lane of [null, 3, 300]) {
      const reader = new Records(lane !== null);
      const stream = `${lane === null ? "" : hex(encodeVarint(lane))}${all}`;
      const read = [];
      for (let at = 0; at < stream.length; at += 2 * size) read.push(...reader.push(bytes(stream.slice(at, at + 2 * size))));
      assert.deepEqual(read, wanted);
      assert.equal(reader.number ?? 0, lane ?? 0);
    }
  }
});

test("a record that is too large is refused as soon as its length is known", () => {
  const reader = new Records();
  assert.throws(() => reader.push(encodeVarint(1_048_577)));
});

test("datagrams", () => {
  for (const { datagram_hex, lane, payload_hex } of vectors("framing").datagrams) {
    const { value, size } = decodeVarint(bytes(datagram_hex));
    assert.deepEqual([value, hex(bytes(datagram_hex).subarray(size))], [lane, payload_hex]);
    assert.equal(hex(encodeVarint(lane)) + payload_hex, datagram_hex);
  }
});

test("codes are the server's, by name, number and whether to try again", () => {
  const table = vectors("codes");
  // The server's own stand-in for a number that it does not know; it is never sent by name.
  const errors = table.error_codes.filter((/** @type {any} */ { name }) => name !== "unrecognized");
  const wanted = errors.map(({ name, number, retryable }) => [name, { number, retryable }]);
  assert.deepEqual(ERROR_CODES, Object.fromEntries(wanted));
  const closes = table.close_codes.map(({ name, number, reconnect_may_help }) => {
    return [name, { number, retryable: reconnect_may_help }];
  });
  assert.deepEqual(CLOSE_CODES, Object.fromEntries(closes));
  for (const [name, { retryable }] of [...wanted, ...closes.filter(([name]) => !(name in ERROR_CODES))]) {
    assert.equal(new AnteroomError(name, "A sentence.").retryable, retryable, name);
  }
  assert.throws(() => Object.assign(ERROR_CODES, { another: 1 }));
});

test("what begins a session, and goes on with it", async (t) => {
  const world = new World(t, { server: false });
  world.give("WebTransport", world.network.WebTransport);
  const { lobby, link } = await begun(world, { token: "a.b.c", client: "example/1.0", transport: "websocket" });
  const { codec, schema, ...handshake } = vector("session", "handshake, everything").data;
  const { ref, ...sent } = link.messages[0];
  assert.deepEqual(shape(sent), shape({ type: "handshake", data: handshake }));
  assert.ok(ref !== undefined, "an answer is wanted in any case");

  const moving = lobby.moveTo("webtransport");
  const live = await world.network.link();
  const { ref: live_ref, ...move } = await live.read("reconnect");
  assert.deepEqual(shape(move), shape(vector("session", "reconnect, a live move")));
  live.write(vector("session", "reconnect_result, no rooms"));
  assert.deepEqual(shape(await live.read("resume")), shape(vector("session", "resume, nothing received")));
  live.write(opened(0, 1, 0));
  await moving;
  live.write({ type: "session_state", data: {} });
  await world.pass(1100);
  assert.deepEqual(shape(live.all("ack")[0]), { type: "string", data: { 0: "number" } });

  live.cut();
  const back = await world.network.link();
  const { ref: back_ref, ...reconnect } = await back.read("reconnect");
  assert.deepEqual(shape(reconnect), { ...shape(vector("session", "reconnect after a loss")), data: {
    ...shape(vector("session", "reconnect after a loss")).data, received: { 0: "number" },
  } });
  back.write(resumed("T2", [], 0), opened(0, 2, 0));
  await until(() => lobby.state === "open");
  lobby.close();
  const goodbye = await back.read("goodbye");
  assert.deepEqual(shape(goodbye), shape(vector("session", "goodbye from a client")));
  assert.equal(goodbye.data.code, 1000);
});

/** @type {[string, (lobby: any) => any, string][]} */
const REQUESTS = [
  ["create_room", (lobby) => lobby.createRoom({ game: "relay", name: "Zoë 🎲", options: { seats: 4 }, durable: true }),
    "create_room, ref a string, numbered"],
  ["create_room", (lobby) => lobby.createRoom({ game: "tic_tac_toe" }), "create_room, the least"],
  ["join_room", (lobby) => lobby.joinRoom(ROOM), "join_room by id"],
  ["join_room", (lobby) => lobby.joinRoom(ROOM, { as: "spectator" }), "join_room as a spectator"],
  ["list_rooms", (lobby) => lobby.listRooms(), "list_rooms, ref a boolean"],
  ["list_rooms", (lobby) => lobby.listRooms({ game: "relay" }), "list_rooms of a game"],
  ["subscribe_rooms", (lobby) => lobby.watchRooms(), "subscribe_rooms"],
  ["subscribe_rooms", (lobby) => lobby.watchRooms({ game: "relay" }), "subscribe_rooms of a game"],
];

for (const [type, ask, name] of REQUESTS) {
  test(`what is sent has the shape of "${name}"`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link } = await begun(world);
    ask(lobby).catch(() => {});
    const request = await link.read(type);
    const wanted = vector("requests", name);
    assert.deepEqual(shape(request), shape({ ...wanted, ref: 1, n: 1 }));
    if (name.includes("relay") || name.includes("a game")) assert.equal(request.data.game, wanted.data.game);
    if (wanted.data.room_id) assert.equal(request.data.room_id, wanted.data.room_id);
    assert.equal(request.data.as, wanted.data.as);
  });
}

test("what is sent has the shape of a quick join, of leaving, and of no longer watching", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const joining = lobby.quickJoin("tic_tac_toe");
  const request = await link.read("join_room");
  const { as, ...quick } = vector("requests", "join_room, quick").data;
  assert.deepEqual(request.data, quick);
  link.write(joined(1, { ref: request.ref }));
  const room = await joining;
  const leaving = room.leave();
  const leave = await link.read("leave_room");
  assert.deepEqual(shape(leave), shape(vector("requests", "leave_room on the room's lane")));
  link.write(answer(leave));
  await leaving;
  const watching = lobby.watchRooms();
  link.write(answer(await link.read("subscribe_rooms"), { rooms: [], total: 0 }));
  (await watching).close();
  const unsubscribe = await link.read("unsubscribe_rooms");
  assert.deepEqual(shape(unsubscribe), shape({ ...vector("requests", "unsubscribe_rooms"), ref: 1, n: 1 }));
});

test("pings: one is sent at once, and the time is taken from its pong", async (t) => {
  const world = new World(t, { server: false });
  world.network.pongs = false;
  const { lobby, link } = await begun(world);
  await until(() => link.all("ping").length);
  const { data, ...ping } = link.all("ping")[0];
  assert.deepEqual(ping, { type: "ping" });
  assert.ok(JSON.stringify(data.ts).length <= 64);
  const told = recorded(lobby);
  link.write({ type: "pong", data: { ts: data.ts, server_time_ms: Date.now() + 5000 } });
  await until(() => told.some(({ type }) => type === "rtt"));
  assert.ok(lobby.rtt >= 0 && lobby.rtt < 20_000);
  assert.ok(Math.abs(lobby.clockOffset - 5000) < 11_000);
});

test("every result and push of the vectors is taken in a room without harm", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world, 3, {}, {});
  const events = recorded(room);
  const fatal = /^(room_closed|leave_room_result|reconnect|goodbye|handshake|lane)/;
  let counted = 1;
  for (const file of ["results", "pushes", "session"]) {
    for (const { name, json } of vectors(file)) {
      if (fatal.test(name) || /^(ack, |resume|.*from a client)/.test(name)) continue;
      if (/^(create|join)_room_result/.test(json.type) && json.success) continue;
      link.write({ ...json, ref: json.ref === undefined ? undefined : "nobody's" });
      await settle(4);
      assert.equal(lobby.state, "open", name);
      if (!/^(pong|ack)$/.test(json.type) && json.latest === undefined && json.room_id) counted += 1;
    }
  }
  assert.ok(events.length >= 6);
  await world.pass(1100);
  assert.equal(link.all("ack").at(-1).data[3], counted);
  assert.deepEqual(room.view, { count: 300, last: "ada" });
});

test("members and the view follow what the room tells, before anybody hears of it", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  /** @type {any[]} */
  const seen = [];
  room.on("*", ({ type, data }) => seen.push({ type, data, members: room.members, view: room.view }));
  const bob = member("bob", { seat: 1 });
  const push = (/** @type {string} */ type, /** @type {any} */ data) => link.write({ type, room_id: ROOM, data });
  push("client_joined", bob);
  push("game_state", { count: 1 });
  push("client_disconnected", { user_id: "bob", username: "BOB", grace_ms: 60000 });
  push("client_reconnected", { user_id: "bob", username: "BOB" });
  push("client_left", { user_id: "bob", username: "BOB", reason: "left" });
  await until(() => seen.length === 5);
  const bobs = seen.map(({ members }) => members.find((/** @type {any} */ { user_id }) => user_id === "bob")?.connected);
  assert.deepEqual(bobs, [true, true, false, true, undefined]);
  assert.deepEqual(seen.map(({ view }) => view.count), [0, 1, 1, 1, 1]);
  assert.equal(seen[2].data.grace_ms, 60000);
  assert.equal(seen[4].data.reason, "left");
});

for (const { name, json } of vectors("pushes").filter(({ json }) => json.type === "room_closed")) {
  test(`a room that ends tells it last: ${name}`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    const heard = [];
    const iterating = (async () => {
      for await (const event of room) heard.push(event);
    })();
    link.write({ type: "game_state", room_id: ROOM, data: { count: 1 } }, json);
    await iterating;
    assert.deepEqual(heard.map(({ type }) => type), ["game_state", "room_closed"]);
    assert.deepEqual(room.end, json.data);
    assert.equal(room.isOpen, false);
    assert.equal(lobby.rooms.size, 0);
    for await (const event of room) assert.fail(`it has ended, and yet: ${event.type}`);
  });
}

test("refusals are errors with the server's code, sentence and details", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  for (const name of ["join_room_result, full", "create_room_result, no such game", "make_move_result, refused"]) {
    const asked = lobby.joinRoom(ROOM);
    const { ref } = await link.read("join_room");
    const { error } = vector("results", name);
    link.write({ ...vector("results", name), ref });
    const thrown = await asked.then(assert.fail, (/** @type {any} */ thrown) => thrown);
    assert.ok(thrown instanceof AnteroomError && thrown instanceof Error);
    const { code, message, retryable, details } = thrown;
    assert.deepEqual({ code, message, retryable, ...(details && { details }) }, error);
  }
});

test("a handshake is answered with everything that the lobby tells", async (t) => {
  const world = new World(t, { server: false });
  const { data } = vector("session", "handshake_accepted");
  const { lobby } = await begun(world, {}, { ...data, server_time_ms: Date.now() + 1234 });
  const { sessionId, userId, username, graceMs, limits, clockOffset } = lobby;
  assert.deepEqual({ sessionId, userId, username, graceMs, limits, clockOffset }, {
    sessionId: data.session_id, userId: data.user_id, username: data.username, graceMs: data.grace_ms,
    limits: data.limits, clockOffset: 1234,
  });
  assert.ok(accepted().data.session_id);
  assert.deepEqual([lobby.restored, lobby.lost, lobby.error, lobby.transport], [false, null, null, "websocket"]);
});
