/** A server that is started anew and has kept the session: what it says first, and what must not be taken for something else. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, answer, begun, joined, opened, resumed, seated, told } from "./support/script.mjs";
import { World, recorded, refused, settle, until } from "./support/world.mjs";

/** Where the counts of a generation begin. @param {number} generation */
const base = (generation) => generation * 2 ** 32;
/** The generation that a server restores at most. */
const LAST = 65535;

/** @param {number} lane @param {any} [data] */
const snapshot = (lane, data) => joined(lane, undefined, data);
const STATE = { type: "session_state", data: { rooms: [], tickets: [], subscriptions: [] } };
/** A lane of another room. @param {number} lane @param {string} room_id @param {number} next @param {number} applied */
const openedIn = (lane, room_id, next, applied) => {
  return { type: "lane", room_id, data: { lane, room_id, next, applied, gap: true } };
};

test("a server that goes is waited for, and the game goes on with the move that it had not taken", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world, 1, {}, { grace_ms: 5000 });
  const [events, lobbys] = [recorded(room), recorded(lobby)];
  link.write(...told(2, 9));
  const moved = room.send("make_move", { row: 1 });
  const request = await link.read("make_move");
  world.network.webSocket = "refused";
  link.goodbye(4000, "The server is shutting down; connect again in a moment.");
  await until(() => lobby.state === "resuming");
  assert.deepEqual([lobby.reason.code, lobby.reason.retryable, room.isOpen], ["shutting_down", true, true]);
  await world.pass(30 * 60_000, 2000);
  assert.deepEqual([lobby.state, lobby.reason.code, room.end], ["resuming", "shutting_down", null]);

  world.network.webSocket = "open";
  const back = await world.eventually(() => world.network.links[1]);
  const { data } = await back.read("reconnect");
  assert.deepEqual(data.received, { 1: 9 });
  back.write(resumed("T1", [1], 1), opened(0, base(3) + 1, 1, true), STATE);
  await until(() => lobby.state === "open");
  assert.equal(lobby.reason, null);
  back.write(opened(1, base(3) + 1, 0, true), snapshot(1, { durable: true, view: { count: 7 } }));
  const again = await back.read("make_move");
  assert.deepEqual([again.n, again.ref], [request.n, request.ref]);
  back.write(answer(again), ...told(1, 2));
  await moved;
  await until(() => events.at(-1)?.data?.number === 2);
  assert.deepEqual(events.slice(8).map(({ type, data }) => [type, data.missed ?? data.count ?? data.number]), [
    ["gap", 0], ["game_state", 7], ["told", 1], ["told", 2],
  ]);
  assert.deepEqual(lobbys.filter(({ type }) => type === "gap").map(({ data }) => data), [{ missed: 0 }]);
  assert.deepEqual([lobby.rooms.get(ROOM), room.durable, room.end], [room, true, null]);
  await world.pass(1100);
  assert.deepEqual(back.all("ack")[0].data, { 0: base(3) + 1, 1: base(3) + 4 });
  assert.equal(back.all("make_move").length, 1, "a move is sent once");
});

test("a server that dies without a word is told apart from a network that fails", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await seated(world);
  world.network.webSocket = "refused";
  link.cut();
  await until(() => lobby.state === "resuming");
  await world.eventually(() => lobby.reason.code === "unreachable");
  world.network.webSocket = "open";
  const back = await world.eventually(() => world.network.links[1]);
  await back.read("reconnect");
  // The next one is told to go as well, before it has answered.
  back.goodbye(4000);
  const third = await world.eventually(() => world.network.links[2]);
  await third.read("reconnect");
  third.write(resumed("T1", [1], 1), opened(0, 1, 1), opened(1, 2, 0));
  await until(() => lobby.state === "open");
  assert.equal(lobby.reason, null);
});

for (const type of ["create_room", "join_room"]) {
  for (const isAnnounced of [false, true]) {
    test(`a ${type} that was carried out is answered when it comes again, ${isAnnounced ? "behind" : "as"} the snapshot`, async (t) => {
      const world = new World(t, { server: false });
      const { lobby, link } = await begun(world);
      const heard = recorded(lobby);
      const entering = type === "create_room" ? lobby.createRoom({ game: "tic_tac_toe" }) : lobby.joinRoom(ROOM);
      const first = await link.read(type);
      link.cut();
      const back = await world.network.link();
      await back.read("reconnect");
      back.write(resumed("T1", [1], 0), opened(1, base(1) + 1, 0, true));
      if (isAnnounced) back.write(snapshot(1));
      back.write(opened(0, base(1) + 1, 0, true), STATE);
      const again = await back.read(type);
      assert.deepEqual([again.n, again.ref], [first.n, first.ref]);
      const data = { view: { count: 5 } };
      back.write({ ...joined(1, { ref: again.ref }, data), type: `${type}_result` }, { type: "ack", data: { 0: first.n } });
      const room = await entering;
      assert.deepEqual([room.isOpen, room.lane, lobby.rooms.get(ROOM)], [true, 1, room]);
      await until(() => room.view.count === 5);
      back.write(...told(3, 3));
      const events = recorded(room);
      await until(() => events.at(-1)?.data?.number === 3);
      assert.deepEqual(heard.filter(({ type }) => type === "room"), [], "it was asked for");
      await back.quiet();
    });
  }
}

test("of two rooms that are made at once each comes to whom it was made for", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const making = ["A", "B"].map((name) => lobby.createRoom({ game: "relay", name }));
  const requests = [await link.read("create_room"), await link.read("create_room")];
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  /** @type {[string, string, number][]} */
  const rooms = [["A", "aaaaaaaaaa", 1], ["B", "bbbbbbbbbb", 2]];
  const place = (/** @type {string} */ name, /** @type {string} */ room_id) => ({ room_id, name, game: "relay" });
  const listed = rooms.map(([, room_id, lane]) => ({ lane, room_id }));
  back.write({ ...resumed("T1", [], 0), data: { resume_token: "T1", lanes: listed, last_n: 0 } });
  for (const [name, id, lane] of rooms.toReversed()) {
    back.write(openedIn(lane, id, base(1) + 1, 0), snapshot(lane, place(name, id)));
  }
  back.write(opened(0, base(1) + 1, 0, true), STATE);
  for (const [at, [name, id, lane]] of rooms.entries()) {
    const { ref } = await back.read("create_room");
    assert.equal(ref, requests[at].ref);
    back.write({ ...joined(lane, { ref }, place(name, id)), type: "create_room_result" });
  }
  assert.deepEqual((await Promise.all(making)).map(({ name }) => name), ["A", "B"]);
});

test("a room that was joined, and the answer lost for good, is handed over all the same", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const joining = lobby.joinRoom(ROOM);
  await link.read("join_room");
  // The snapshot in place of the answer is faster than the acknowledgement.
  link.write(opened(1, 900, 0, true), snapshot(1));
  await until(() => lobby.rooms.size === 1);
  link.write({ type: "ack", data: { 0: 1 } });
  assert.equal(await joining, lobby.rooms.get(ROOM));
});

test("what was acknowledged and is not known any more has an unknown outcome", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const [listed, other] = [lobby.listRooms(), lobby.listRooms({ game: "relay" })];
  await link.read("list_rooms");
  await link.read("list_rooms");
  link.write({ type: "ack", data: { 0: 1 } });
  await settle();
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  // What the server answers itself is not stored: it knows of neither.
  back.write(resumed("T1", [], 0), opened(0, base(1) + 1, 0, true), STATE);
  await refused(listed, "outcome_unknown");
  const again = await back.read("list_rooms");
  assert.deepEqual([again.n, again.data], [2, { game: "relay" }]);
  back.write(answer(again, { rooms: [], total: 0 }));
  await other;
});

for (const transport of ["websocket", "webtransport"]) {
  test(`the largest lanes and counts there can be are exact over ${transport}`, async (t) => {
    const lane = LAST * 65536 + 65535;
    const world = new World(t, { server: false, webTransport: transport === "webtransport" });
    const { lobby, link, room } = await seated(world, lane);
    assert.equal(lobby.transport, transport);
    const events = recorded(room);
    link.write(opened(lane, base(LAST) + 1, 0, true), snapshot(lane), ...told(2, 2));
    await until(() => events.at(-1)?.data?.number === 2);
    await world.pass(1100);
    assert.deepEqual(link.all("ack").at(-1).data, { [lane]: base(LAST) + 2 });
    if (transport === "webtransport") {
      link.throwDatagram(lane, JSON.stringify({ type: "where", room_id: ROOM, latest: "ada", data: { x: 1 } }));
      await until(() => events.at(-1)?.type === "where");
    }
    link.cut();
    const back = await world.eventually(() => world.network.links[1]);
    assert.deepEqual((await back.read("reconnect")).data.received, { [lane]: base(LAST) + 2 });
    back.write(resumed("T1", [lane], 1), opened(0, 1, 1), opened(lane, base(LAST) + 2, 0), ...told(2, 3));
    await until(() => events.at(-1)?.data?.number === 3);
    assert.equal(events.filter(({ type }) => type === "told").length, 2, "what comes again is dropped");
  });
}

test("that the server was started anew is not held against UDP", async (t) => {
  const world = new World(t, { server: false, webTransport: true });
  const { lobby, link } = await begun(world);
  assert.equal(lobby.transport, "webtransport");
  await world.pass(6000);
  link.cut();
  const back = await world.eventually(() => world.network.links[1]);
  assert.equal(back.transport, "websocket", "it may be UDP that failed");
  await back.read("reconnect");
  back.write(resumed("T1", [], 0), opened(0, base(1) + 1, 0, true), STATE);
  await until(() => lobby.state === "open");
  const better = await world.eventually(() => world.network.links[2]);
  assert.equal(better.transport, "webtransport");
  assert.ok(!("received" in (await better.read("reconnect")).data), "it moves");
  better.write(resumed("T2", [], 0));
  await better.read("resume");
  better.write(opened(0, base(1) + 2, 0));
  await until(() => lobby.transport === "webtransport");
});
