/** Every promise ends: by an answer, by a timeout, by a signal, or because the lobby was closed. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { ROOM, answer, begun, joined, opened, resumed, seated } from "./support/script.mjs";
import { World, recorded, refused, settle, until } from "./support/world.mjs";

test("connecting ends by its own timeout where nobody answers", async (t) => {
  const world = new World(t, { server: false });
  const connecting = world.connect({ timeout: 3000 });
  const check = refused(connecting, "timeout", true);
  await world.network.link();
  await world.pass(3100);
  await check;
  const { links } = world.network;
  await world.pass(30_000, 500);
  assert.equal(links.length, world.network.links.length, "and nothing is tried any more");
  assert.ok(links.every(({ closed }) => closed), "every connection is closed");
});

test("connecting ends within 15 s by itself", async (t) => {
  const world = new World(t, { server: false });
  world.network.webSocket = "hanging";
  const check = refused(world.connect(), "timeout", true);
  await world.pass(15_100, 100);
  await check;
});

test("connecting ends by its signal, at once, before or during", async (t) => {
  const world = new World(t, { server: false, page: true });
  await refused(world.connect({ signal: AbortSignal.abort() }), "aborted", false);
  const controller = new AbortController();
  const connecting = world.connect({ signal: controller.signal });
  await world.network.link();
  controller.abort(new Error("The player went away."));
  const error = await refused(connecting, "aborted", false);
  assert.equal(error.cause.message, "The player went away.");
  await settle();
  assert.ok(world.network.last.closed);
  assert.deepEqual(world.listening, [], "nothing listens to the page any more");
});

test("a signal that fires after connecting does nothing", async (t) => {
  const world = new World(t);
  const controller = new AbortController();
  const lobby = await world.lobby({ signal: controller.signal });
  controller.abort();
  await settle();
  assert.equal(lobby.state, "open");
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

/** @type {[string, (lobby: any, room: any, options: any) => Promise<any>, string][]} */
const ASKED = [
  ["createRoom", (lobby, _, options) => lobby.createRoom({ game: "relay" }, options), "create_room"],
  ["joinRoom", (lobby, _, options) => lobby.joinRoom("another000", options), "join_room"],
  ["quickJoin", (lobby, _, options) => lobby.quickJoin("relay", options), "join_room"],
  ["listRooms", (lobby, _, options) => lobby.listRooms(options), "list_rooms"],
  ["watchRooms", (lobby, _, options) => lobby.watchRooms(options), "subscribe_rooms"],
  ["room.send", (_, room, options) => room.send("put", {}, options), "put"],
];

for (const [name, ask, type] of ASKED) {
  test(`${name} ends by its timeout, by its signal, and when the lobby is closed`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world, 1, { requestTimeout: 7000 });
    const late = refused(ask(lobby, room, { timeout: 2000 }), "timeout", true);
    await link.read(type);
    await world.pass(2100);
    await late;

    const controller = new AbortController();
    const given = refused(ask(lobby, room, { signal: controller.signal }), "aborted", false);
    await link.read(type);
    controller.abort();
    await given;
    assert.equal(getEventListeners(controller.signal, "abort").length, 0, "the signal is not kept");

    await refused(ask(lobby, room, { signal: AbortSignal.abort() }), "aborted", false);
    await link.quiet();

    const slow = refused(ask(lobby, room, {}), "timeout", true);
    await link.read(type);
    await world.pass(7100, 100);
    await slow;

    const closed = ask(lobby, room, {});
    await link.read(type);
    lobby.close();
    const error = await closed.then(assert.fail, (/** @type {any} */ error) => error);
    assert.match(error.code, /^(closed|outcome_unknown)$/);
    await assert.rejects(ask(lobby, room, {}), { name: "AnteroomError" });
  });
}

test("leaving ends by its timeout", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  const leaving = refused(room.leave(), "timeout", true);
  await link.read("leave_room");
  await world.pass(10_100, 100);
  await leaving;
});

test("leaving gives up the seat, ends the room, and can be said twice", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await lobby.createRoom({ game: "relay" });
  const events = recorded(room);
  await Promise.all([room.leave(), settle()]);
  assert.equal(room.end.reason, "left");
  assert.deepEqual(events.map(({ type, data }) => [type, data.reason]), [["room_closed", "left"]]);
  await room.leave();
  await refused(room.send("put"), "not_in_room", false);
  assert.equal(lobby.rooms.size, 0);
});

test("a ping ends by an answer, or by a timeout", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  assert.ok((await lobby.ping()) >= 0);
  world.network.last.vanish();
  const lost = refused(lobby.ping(), "timeout", true);
  await world.pass(12_000, 100);
  await lost;
});

test("moving ends where the transport does not get through, and the session stays where it is", async (t) => {
  const world = new World(t, { webTransport: true });
  world.network.shape = { ready: "never", closed: "never" };
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const moving = lobby.moveTo("webtransport");
  moving.catch(() => {});
  await world.pass(12_000, 100);
  const error = await moving.then(assert.fail, (/** @type {any} */ error) => error);
  assert.match(error.code, /^(timeout|unreachable)$/);
  assert.equal(lobby.transport, "websocket");
  assert.equal(await world.eventually(() => room.send("say", 5)), 5);
});

test("moving to what this browser does not have is refused, open or resuming, and the session lives on", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  await refused(lobby.moveTo("webtransport"), "unreachable");
  assert.equal(lobby.transport, "websocket");
  world.network.webSocket = "hanging";
  lobby.drop();
  assert.equal(lobby.state, "resuming");
  const moving = lobby.moveTo("webtransport");
  const check = assert.rejects(moving, { name: "AnteroomError" });
  world.network.webSocket = "open";
  await world.eventually(() => lobby.state === "open");
  await Promise.race([check, world.pass(15_000, 500).then(() => assert.fail("moving did not end"))]);
});

test("moving in a lobby that is closed is refused", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  lobby.close();
  await refused(lobby.moveTo("websocket"), "closed");
});

test("moving there and back, several times, loses nothing", async (t) => {
  const world = new World(t, { webTransport: true });
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const said = recorded(room);
  const sent = [];
  for (let turn = 0; turn < 10; turn++) {
    const transport = turn % 2 ? "webtransport" : "websocket";
    const moving = lobby.moveTo(transport);
    sent.push(room.send("say", turn));
    await world.eventually(() => Promise.race([moving.then(() => true), settle(1)]));
    assert.equal(lobby.transport, transport);
    sent.push(room.send("say", turn + 100));
  }
  await Promise.all(sent);
  await until(() => said.filter(({ type }) => type === "said").length === 20);
  assert.deepEqual(world.server?.done.filter(({ type }) => type === "say").length, 20);
  assert.equal(said.some(({ type }) => type === "gap"), false);
});

test("time without a connection does not count as time that an answer takes", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  const sent = room.send("put", 1, { timeout: 5000 });
  await link.read("put");
  world.network.webSocket = "hanging";
  link.cut();
  await world.pass(9000, 100);
  assert.equal(lobby.state, "resuming");
  world.network.webSocket = "open";
  const back = await world.eventually(() => world.network.links[1], 20_000);
  await back.read("reconnect");
  back.write(resumed("T1", [1], 2), opened(0, 1, 1), opened(1, 2, 0));
  const again = await back.read("put");
  back.write(answer(again, 9));
  assert.equal(await sent, 9);
});

test("a request that was given up and never left is not sent", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  const controller = new AbortController();
  const given = refused(room.send("put", 1, { signal: controller.signal }), "aborted");
  await settle();
  controller.abort();
  await given;
  back.write(resumed("T1", [1], 1), opened(0, 1, 1), opened(1, 2, 0));
  await back.quiet();
});

test("a room whose joining was given up is left again when the server answers after all", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const rooms = recorded(lobby);
  const controller = new AbortController();
  const joining = refused(lobby.joinRoom(ROOM, { signal: controller.signal }), "aborted");
  const { ref } = await link.read("join_room");
  controller.abort();
  await joining;
  link.write(joined(1, { ref }));
  const leave = await link.read("leave_room");
  link.write(answer(leave));
  await until(() => lobby.rooms.size === 0);
  assert.deepEqual(rooms.filter(({ type }) => type === "room"), []);
});

test("thousands of sends with one signal leave nothing on it", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await lobby.createRoom({ game: "relay" });
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 500 }, (_, at) => room.send("say", at, { signal })));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("rejections that nobody looks at are not unhandled", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await lobby.createRoom({ game: "relay" });
  room.send("refuse");
  room.send("put", 1n);
  lobby.joinRoom("another000");
  lobby.moveTo("webtransport");
  lobby.watchRooms({ signal: AbortSignal.abort() });
  lobby.listRooms({ signal: AbortSignal.abort() });
  room.leave();
  room.send("put", 1, { delivery: "latest" });
  lobby.close();
  lobby.ping();
  lobby.createRoom({ game: "relay" });
  room.send("put");
  await world.pass(20_000, 500);
});

test("closing says goodbye, ends everything, and can be said twice", async (t) => {
  const world = new World(t, { page: true });
  const lobby = await world.lobby();
  const room = await lobby.createRoom({ game: "relay" });
  const events = recorded(lobby);
  const ended = recorded(room);
  const list = await lobby.watchRooms();
  const over = recorded(list);
  room.send("say", "the last word");
  lobby.close();
  lobby.close();
  await settle();
  assert.equal(world.server?.sessions.size, 0, "the session is over on the server");
  assert.deepEqual(world.server?.done.at(-1)?.data, "the last word");
  assert.deepEqual([lobby.state, lobby.error, lobby.transport], ["closed", null, null]);
  assert.deepEqual(events.filter(({ type }) => type === "closed").map(({ data }) => data), [null]);
  assert.equal(events.at(-1).type, "closed", "it is the last event");
  assert.deepEqual(ended.map(({ type, data }) => [type, data.reason]), [["room_closed", "closed"]]);
  assert.deepEqual(over.map(({ type }) => type), ["closed"]);
  assert.deepEqual(world.listening, []);
  for await (const event of lobby) assert.fail(event.type);
});

test("a list of rooms follows its changes, and outlives connections", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const watching = lobby.watchRooms({ game: "relay" });
  const row = (/** @type {string} */ room_id, players = 1) => {
    return { room_id, game: "relay", name: room_id, players, seats_max: 8, spectators: 0, state: "waiting" };
  };
  link.write(answer(await link.read("subscribe_rooms"), { rooms: [row("b"), row("a")], total: 2 }));
  const list = await watching;
  const ids = () => list.rooms.map((/** @type {any} */ { room_id, players }) => `${room_id}${players}`).join(" ");
  assert.equal(ids(), "b1 a1");
  let changes = 0;
  const off = list.on("change", (/** @type {any} */ told) => (assert.equal(told, list), changes++));
  link.write({ type: "rooms_changed", data: { added: [row("c")], updated: [row("a", 2)], removed: ["b", "never"] } });
  await until(() => changes === 1);
  assert.deepEqual([ids(), list.total], ["c1 a2", 2]);
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  back.write(resumed("T1", [], 1), opened(0, 9, 1, true), { type: "session_state", data: {} });
  const again = await back.read("subscribe_rooms");
  assert.equal(again.data.game, "relay");
  back.write(answer(again, { rooms: [row("d", 5)], total: 1 }));
  await until(() => changes === 2);
  assert.equal(ids(), "d5");
  off();
  list.close();
  await back.read("unsubscribe_rooms");
  back.write({ type: "rooms_changed", data: { added: [row("e")], updated: [], removed: [] } });
  await settle();
  assert.deepEqual([changes, ids()], [2, "d5"]);
});

test("a list of rooms that nobody asked for takes the place of what was known", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const row = (/** @type {string} */ room_id) => {
    return { room_id, game: "relay", name: room_id, players: 1, seats_max: 8, spectators: 0, state: "waiting" };
  };
  const unasked = (/** @type {any} */ data) => link.write({ type: "subscribe_rooms_result", success: true, data });
  const watching = lobby.watchRooms();
  link.write(answer(await link.read("subscribe_rooms"), { rooms: [row("b"), row("a")], total: 2 }));
  const list = await watching;
  const heard = recorded(list);
  // What the server sends to a subscriber that was too slow for the changes.
  unasked({ rooms: [row("d"), row("c"), row("a")], total: 700 });
  await until(() => heard.length);
  assert.deepEqual([list.rooms, list.total], [[row("d"), row("c"), row("a")], 700]);
  assert.deepEqual(heard, [{ type: "change", data: list }]);
  link.write({ type: "rooms_changed", data: { added: [row("e")], updated: [], removed: ["c"] } });
  await until(() => heard.length === 2);
  assert.deepEqual([list.rooms, list.total], [[row("e"), row("d"), row("a")], 700]);
  list.close();
  await link.read("unsubscribe_rooms");
  unasked({ rooms: [], total: 0 });
  await settle();
  assert.deepEqual([list.rooms.length, lobby.state], [3, "open"]);
});

test("a second list of rooms closes the first", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const first = await lobby.watchRooms();
  const over = recorded(first);
  const second = await lobby.watchRooms({ game: "relay" });
  assert.deepEqual(over.map(({ type }) => type), ["closed"]);
  first.close();
  await settle();
  assert.equal(world.network.last.all("unsubscribe_rooms").length, 0, "the second one still holds");
  second.close();
  await until(() => world.network.last.all("unsubscribe_rooms").length === 1);
});
