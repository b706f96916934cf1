/** The stories of PROTOCOL.md, section 11, message by message, with its numbers. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, accepted, answer, joined, member, opened, resumed, seated, told } from "./support/script.mjs";
import { World, recorded, refused, settle, until } from "./support/world.mjs";

/**
 * Where the stories begin: control has told 17 messages and taken up to n=11, lane 3 has told 402 and taken up to n=10.
 *
 * @param {World} world
 */
async function middle(world) {
  const { lobby, link, room } = await seated(world, 3);
  const events = recorded(room);
  const changes = { added: [], updated: [], removed: [] };
  link.write(...Array.from({ length: 16 }, () => ({ type: "rooms_changed", data: changes })));
  for (let n = 2; n <= 10; n++) {
    const sent = room.send("make_move", { n });
    const request = await link.read("make_move");
    assert.equal(request.n, n);
    link.write(answer(request));
    await sent;
  }
  const listed = lobby.listRooms();
  const request = await link.read("list_rooms");
  assert.equal(request.n, 11);
  link.write(answer(request, { rooms: [], total: 0 }));
  await listed;
  link.write(...told(11, 200));
  link.write(...told(201, 402));
  await until(() => events.at(-1)?.data.number === 402);
  return { lobby, link, room, events: events.splice(0) && events };
}

/** What a `told` was heard of. @param {any[]} events */
const numbers = (events) => events.filter(({ type }) => type === "told").map(({ data }) => data.number);

test("(a) the connection is lost, with messages on their way in both directions", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room, events } = await middle(world);
  link.vanish();
  const moved = room.send("make_move", { row: 0, col: 0 });
  await settle();
  link.cut();
  const back = await world.network.link();
  const { data } = await back.read("reconnect");
  assert.deepEqual(data, {
    session_id: "014d2pf2dbsqqg28t5cy4tqkff", resume_token: "T0", attempt: 1, received: { 0: 17, 3: 402 },
  });
  assert.equal(lobby.state, "resuming");
  await back.quiet();
  back.write(resumed("T1", [3], 11));
  await back.quiet();
  back.write(opened(0, 18, 11));
  await until(() => lobby.state === "open");
  await back.quiet();
  back.write(opened(3, 403, 10), ...told(403, 404));
  const again = await back.read("make_move");
  assert.equal(again.n, 12);
  assert.equal(again.room_id, ROOM);
  back.write(answer(again));
  await moved;
  assert.deepEqual(numbers(events), [403, 404]);
  assert.equal(back.all("make_move").length, 1);
});

test("(b) a live move, with a move in flight that the old connection does not carry any more", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room, events } = await middle(world);
  world.give("WebTransport", world.network.WebTransport);
  const states = recorded(lobby);
  const first = room.send("make_move", { n: 12 });
  link.write(answer(await link.read("make_move")));
  await first;
  const moving = lobby.moveTo("webtransport");
  const next = await world.network.link();
  const { data } = await next.read("reconnect");
  assert.equal(data.attempt, 1);
  assert.ok(!("received" in data) && !("fresh" in data), "a live move says neither");
  const moved = room.send("make_move", { n: 13 });
  next.write(resumed("T1", [3], 12));
  const { data: resume } = await next.read("resume");
  assert.deepEqual(resume.received, { 0: 17, 3: 403 });
  await link.read("make_move");
  next.write(opened(0, 18, 11));
  await moving;
  await next.quiet();
  link.write(...told(404, 404));
  await until(() => numbers(events).length === 1);
  next.write(opened(3, 404, 12), ...told(404, 405));
  const again = await next.read("make_move");
  assert.equal(again.n, 13);
  next.write(answer(again));
  await moved;
  link.goodbye(4003);
  await settle();
  assert.deepEqual(numbers(events), [404, 405], "what both connections brought is told once");
  assert.deepEqual(states.filter(({ type }) => type === "state"), []);
  assert.equal(lobby.transport, "webtransport");
});

test("(b) had the old connection carried the move, it would not be sent again", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room } = await middle(world);
  world.give("WebTransport", world.network.WebTransport);
  const moved = room.send("make_move", { n: 12 });
  const request = await link.read("make_move");
  const moving = lobby.moveTo("webtransport");
  const next = await world.network.link();
  await next.read("reconnect");
  next.write(resumed("T1", [3], 12));
  await next.read("resume");
  next.write(opened(0, 18, 11));
  await moving;
  next.write(opened(3, 403, 12), answer(request));
  await moved;
  await next.quiet();
});

test("(c) the answer to a reconnect is lost, and the same token is used again", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, events } = await middle(world);
  link.cut();
  const first = await world.network.link();
  const one = await first.read("reconnect");
  first.cut();
  const second = await world.eventually(() => world.network.links[2]);
  const two = await second.read("reconnect");
  assert.deepEqual([one.data.resume_token, two.data.resume_token], ["T0", "T0"]);
  assert.ok(two.data.attempt > one.data.attempt);
  assert.deepEqual(two.data.received, { 0: 17, 3: 402 });
  second.write(resumed("T1", [3], 11), opened(0, 18, 11), opened(3, 403, 10), ...told(403, 403));
  await until(() => numbers(events).length === 1);
  assert.equal(lobby.state, "open");
  second.cut();
  const third = await world.eventually(() => world.network.links[3]);
  assert.equal((await third.read("reconnect")).data.resume_token, "T1");
});

test("(d) a gap on a living connection, covered by a snapshot", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, room, events } = await middle(world);
  const lost = room.send("make_move", { n: 12 });
  await link.read("make_move");
  link.write(...told(403, 501));
  const place = { members: [member("ada"), member("bob", { seat: 1 })], view: { count: 9 }, seat: 1 };
  link.write(opened(3, 902, 12, true), joined(3, {}, place), ...told(903, 903));
  await refused(lost, "outcome_unknown", false);
  await until(() => numbers(events).at(-1) === 903);
  const at = events.findIndex(({ type }) => type === "gap");
  assert.ok(events[at].data.missed >= 1);
  assert.deepEqual([room.view, room.seat, room.members.length], [{ count: 9 }, 1, 2]);
  assert.equal(lobby.rooms.get(ROOM), room, "it is the same room");
  const sent = room.send("make_move", { n: 13 });
  const request = await link.read("make_move");
  assert.equal(request.n, 13);
  link.write(answer(request));
  await sent;
  await world.pass(1500);
  assert.equal(link.all("ack").at(-1).data[3], 904);
});

test("(e) a late reconnect that is told it was superseded does not disturb the newer one", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link, events } = await middle(world);
  link.cut();
  const slow = await world.network.link();
  await slow.read("reconnect");
  await world.eventually(() => world.network.links[2], 15_000);
  const quick = await world.network.link();
  const { data } = await quick.read("reconnect");
  assert.equal(data.attempt, 2);
  quick.write(resumed("T1", [3], 11), opened(0, 18, 11), opened(3, 403, 10));
  slow.goodbye(4509);
  quick.write(...told(403, 403));
  await until(() => numbers(events).length === 1);
  assert.equal(lobby.state, "open");
});

test("the answer to the handshake is lost: asked again with the same nonce", async (t) => {
  const world = new World(t, { server: false });
  const connecting = world.connect();
  const first = await world.network.link();
  const one = await first.read("handshake");
  assert.equal(one.data.version, 1);
  assert.equal(one.data.resume, true);
  assert.ok(one.data.nonce.length >= 16 && one.data.nonce.length <= 64);
  first.cut();
  const second = await world.eventually(() => world.network.links[1]);
  const two = await second.read("handshake");
  assert.equal(two.data.nonce, one.data.nonce);
  second.write(accepted());
  assert.equal((await connecting).state, "open");
});
