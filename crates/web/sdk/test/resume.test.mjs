/** What must hold whatever happens to connections: nothing twice, nothing lost, and an end that is told. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, accepted, answer, begun, joined, opened, resumed, seated, told } from "./support/script.mjs";
import { World, recorded, refused, settle, until } from "./support/world.mjs";

/** @param {string} code */
const unknown = (code) => {
  const error = { code, message: "This server does not know that session.", retryable: false };
  return { type: "reconnect_result", ref: 0, success: false, error, data: {} };
};

test("a lane that is not listed has ended: its room is told, and its requests have an unknown outcome", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  const events = recorded(room);
  const moved = room.send("make_move", {});
  await link.read("make_move");
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  back.write(resumed("T1", [], 2), opened(0, 1, 1));
  await refused(moved, "outcome_unknown", false);
  assert.deepEqual(events.map(({ type, data }) => [type, data.reason]), [["room_closed", "session_lost"]]);
  assert.equal(room.isOpen, false);
  assert.equal(room.end.reason, "session_lost");
  assert.equal(lobby.rooms.size, 0);
  await refused(room.send("make_move", {}), "not_in_room");
  await until(() => lobby.state === "open");
  const listing = lobby.listRooms();
  const { n } = await back.read("list_rooms");
  assert.equal(n, 3, "a number is never used again");
  await back.quiet();
  back.cut();
  await refused(Promise.race([listing, settle().then(() => lobby.close()).then(() => listing)]), "closed");
});

test("what was answered is not sent again, what was not is, in its order and with its numbers", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  const sent = [1, 2, 3, 4].map((value) => room.send("put", { value }));
  for (const value of [1, 2]) {
    const request = await link.read("put");
    assert.deepEqual(request.data, { value });
    if (value === 2) link.write(answer(request));
  }
  await sent[1];
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  back.write(resumed("T1", [1], 5), opened(0, 1, 1), opened(1, 3, 0));
  for (const [n, value] of [[2, 1], [4, 3], [5, 4]]) {
    const request = await back.read("put");
    assert.deepEqual([request.n, request.data.value], [n, value]);
    back.write(answer(request));
  }
  await Promise.all(sent);
});

test("what is acknowledged is forgotten, and its answer still finds who asked", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  const sent = room.send("put", { value: 1 });
  const request = await link.read("put");
  assert.ok(room.buffered > 0);
  link.write({ type: "ack", data: { 0: 1, 1: 2 } });
  await until(() => room.buffered === 0);
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  back.write(resumed("T1", [1], 2), opened(0, 1, 1), opened(1, 2, 2));
  await back.quiet();
  back.write(answer(request, { value: 1 }));
  assert.deepEqual(await sent, { value: 1 });
});

test("messages that come again count once, whatever their types", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world);
  const errors = recorded(room);
  link.write(...told(2, 3));
  await until(() => errors.length === 2);
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  const error = { code: "invalid_move", message: "That cell is taken.", retryable: false };
  // All in one frame, as a server under load writes it: the answer, the lanes, and what is sent again.
  back.write(
    resumed("T1", [1], 1), opened(0, 1, 1), opened(1, 4, 0),
    { type: "error", room_id: ROOM, success: false, error, data: {} },
    { type: "reconnect_bonus", room_id: ROOM, data: {} }, { type: "handshake_offered", room_id: ROOM, data: {} },
    ...told(7, 7),
  );
  await until(() => errors.at(-1)?.data?.number === 7);
  assert.deepEqual(errors.map(({ type }) => type).slice(2), ["error", "reconnect_bonus", "handshake_offered", "told"]);
  assert.equal(errors[2].data.code, "invalid_move");
  back.cut();
  const third = await world.eventually(() => world.network.links[2]);
  assert.deepEqual((await third.read("reconnect")).data.received, { 1: 7 });
  assert.equal(lobby.state, "resuming");
});

test("lanes count apart, and latest values do not count", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  const events = recorded(room);
  const value = { type: "where", room_id: ROOM, latest: "ada", data: { x: 1 } };
  link.write(value, ...told(2, 2), value, { type: "unheard_of", data: {} }, { type: "pong", data: {} }, value);
  await until(() => events.length === 4);
  assert.deepEqual(events.map(({ latest }) => latest), ["ada", undefined, "ada", "ada"]);
  link.cut();
  const back = await world.network.link();
  assert.deepEqual((await back.read("reconnect")).data.received, { 0: 1, 1: 2 });
});

test("an acknowledgement goes after 64 messages, or a second", async (t) => {
  const world = new World(t, { server: false });
  const { link } = await seated(world);
  link.write(...told(2, 20));
  await settle();
  assert.equal(link.all("ack").length, 0);
  await world.pass(1100);
  assert.deepEqual(link.all("ack").map(({ data }) => data), [{ 1: 20 }]);
  assert.ok(!("n" in link.all("ack")[0]));
  link.write(...told(21, 84));
  await until(() => link.all("ack").length === 2);
  assert.deepEqual(link.all("ack")[1].data, { 1: 84 });
  await world.pass(3000);
  assert.equal(link.all("ack").length, 2, "nothing new, nothing said");
});

/** @type {[number, string][]} */
const FINAL = [[4509, "superseded"], [4510, "token_reused"], [4508, "replaced"]];

for (const [code, name] of FINAL) {
  test(`${code} ends the lobby for good: nobody connects again by himself`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link, room } = await seated(world);
    const closed = recorded(lobby);
    const waiting = room.send("make_move", {});
    link.goodbye(code, "You are connected elsewhere.");
    await refused(waiting, "outcome_unknown", false);
    assert.equal(lobby.state, "closed");
    assert.deepEqual([lobby.error.code, lobby.error.closeCode], [name, code]);
    assert.deepEqual(closed.filter(({ type }) => type === "closed").map(({ data }) => data), [lobby.error]);
    assert.equal(room.end.reason, "closed");
    await world.pass(30_000, 500);
    assert.equal(world.network.links.length, 1);
  });
}

for (const code of [4000, 4001, 4002, 4004, 4499, 1006, 1011]) {
  test(`${code} ends the connection alone: the session goes on`, async (t) => {
    const world = new World(t, { server: false });
    const { lobby, link } = await seated(world);
    if (code < 4000) link.close(code, "");
    else link.goodbye(code);
    const back = await world.network.link();
    await back.read("reconnect");
    back.write(resumed("T1", [1], 1), opened(0, 1, 1), opened(1, 2, 0));
    await until(() => lobby.state === "open");
    assert.equal(lobby.rooms.size, 1);
  });
}

test("a session that is not known any more is begun anew, under the same name", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await seated(world, 1, { name: undefined }, { username: "Guest 7" });
  const nonce = link.messages[0].data.nonce;
  const told = recorded(lobby);
  const moved = room.send("make_move", {});
  await link.read("make_move");
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  back.write(unknown("session_unknown"));
  const { data } = await back.read("handshake");
  assert.equal(data.name, "Guest 7");
  assert.notEqual(data.nonce, nonce);
  back.write(accepted({ session_id: "another", user_id: "ada-2", username: "Guest 7" }));
  await refused(moved, "outcome_unknown");
  await until(() => told.some(({ type }) => type === "renewed"));
  const { error } = told.find(({ type }) => type === "renewed").data;
  assert.equal(error.code, "session_unknown");
  assert.match(error.message, /^[A-Z].*\.$/);
  assert.deepEqual([lobby.state, lobby.userId, lobby.sessionId, lobby.rooms.size], ["open", "ada-2", "another", 0]);
  assert.equal(room.end.reason, "session_lost");
  const joining = lobby.joinRoom(ROOM);
  const request = await back.read("join_room");
  back.write(joined(1, { ref: request.ref }));
  assert.notEqual(await joining, room);
});

test("many lost answers in a row lose and double nothing", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const said = recorded(room);
  const sent = [];
  for (let turn = 0; turn < 40; turn++) {
    sent.push(room.send("say", { turn }));
    if (turn % 3 === 0) world.network.last.vanish();
    if (turn % 3 === 1) await settle(2);
    if (turn % 3 !== 1) lobby.drop();
    await world.pass(20, 20);
  }
  await world.eventually(() => Promise.race([Promise.all(sent), settle(2)]), 60_000);
  await settle();
  const wanted = Array.from({ length: 40 }, (_, turn) => turn);
  assert.deepEqual(world.server?.done.filter(({ type }) => type === "say").map(({ data }) => data.turn), wanted);
  assert.deepEqual(said.filter(({ type }) => type === "said").map(({ data }) => data.turn), wanted);
});

test("a connection that is cut after every single message of a server loses and doubles nothing", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  const said = recorded(room);
  for (let cut = 1; cut <= 12; cut++) {
    let left = cut;
    const { stand } = world.network;
    world.network.stand = (link) => {
      const { deliver } = link;
      link.deliver = (lane, text) => {
        if (left-- > 0) deliver(lane, text);
        else link.cut();
      };
      stand.call(world.network, link);
    };
    lobby.drop();
    const sent = room.send("say", { turn: cut });
    await world.eventually(() => left < 0 || Promise.race([sent, settle(1)]), 20_000);
    world.network.stand = stand;
    await world.eventually(() => Promise.race([sent, settle(1)]), 20_000);
  }
  await until(() => said.filter(({ type }) => type === "said").length >= 12);
  const turns = said.filter(({ type }) => type === "said").map(({ data }) => data.turn);
  assert.deepEqual(turns, Array.from({ length: 12 }, (_, at) => at + 1));
});

test("a session that begins is not lost with a connection that dies at once", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  link.cut();
  const back = await world.network.link();
  const { data } = await back.read("reconnect");
  assert.deepEqual(data.received, {});
  back.write(resumed("T1", [], 0), opened(0, 1, 0));
  await until(() => lobby.state === "open");
});
