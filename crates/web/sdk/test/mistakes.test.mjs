/** Connections that the server closes for what the program said, or for how much: what becomes of the session. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, accepted, answer, joined, opened, resumed, seated } from "./support/script.mjs";
import { MemoryStorage, World, settle, until } from "./support/world.mjs";

for (const [code, name] of [[4501, "malformed"], [4502, "message_too_large"], [4507, "wrong_frame_kind"]]) {
  test(`a session whose connection was closed with ${code} is kept for who connects again, and for nobody else`, async (t) => {
    const world = new World(t, { server: false, page: true });
    const storage = new MemoryStorage();
    const { lobby, link, room } = await seated(world, 1, { storage });
    const asked = room.send("put").then(assert.fail, (/** @type {any} */ error) => error);
    await link.read("put");
    link.goodbye(Number(code), "The server says why.");
    await until(() => lobby.state === "closed");
    const { error } = lobby;
    assert.deepEqual([error.code, error.closeCode, error.retryable], [name, code, false]);
    assert.deepEqual([room.isOpen, (await asked).code], [false, "outcome_unknown"]);
    await world.pass(20_000, 500);
    assert.equal(world.network.links.length, 1, "nobody comes back by himself");

    const connecting = world.connect({ storage });
    const back = await world.network.link();
    const { data } = await back.read("reconnect");
    assert.deepEqual([data.resume_token, data.attempt, data.fresh], ["T0", 1, true]);
    back.write(resumed("T1", [1], 2), opened(0, 2, 2, true), { type: "session_state", data: {} });
    back.write(opened(1, 9, 2, true), joined(1, {}, { view: { count: 3 } }));
    const again = await connecting;
    assert.deepEqual([again.restored, again.rooms.get(ROOM).view], [true, { count: 3 }]);
    const sent = again.rooms.get(ROOM).send("put");
    back.write(answer(await back.read("put")));
    await sent;
  });
}

test("a session that was closed for good is not kept", async (t) => {
  const world = new World(t, { server: false, page: true });
  for (const code of [4505, 4508, 4509, 4510, 4511]) {
    const storage = new MemoryStorage();
    const { lobby, link } = await seated(world, 1, { storage });
    link.goodbye(code);
    await until(() => lobby.state === "closed");
    assert.deepEqual([...storage.items], [], `${code}`);
  }
});

for (const random of [0, 0.999]) {
  test(`who has flooded the server comes back after a pause, also if woken; chance ${random}`, async (t) => {
    const world = new World(t, { server: false, page: true });
    t.mock.method(Math, "random", () => random);
    const { lobby, link } = await seated(world);
    const began = Date.now();
    link.goodbye(4005);
    await until(() => lobby.state === "resuming");
    world.happen("online");
    world.happen("pageshow");
    await world.pass(950, 50);
    assert.equal(world.network.sockets.length, 1);
    const back = await world.eventually(() => world.network.links[1], 5000);
    const paused = Date.now() - began;
    assert.ok(random ? paused > 1500 && paused <= 2100 : paused <= 1100, `${paused}`);
    await back.read("reconnect");
    back.write(resumed("T1", [1], 1), opened(0, 1, 1), opened(1, 2, 0));
    await until(() => lobby.state === "open");
    // Another end is another matter.
    back.goodbye(4002);
    await until(() => lobby.state === "resuming");
    const next = Date.now();
    await world.eventually(() => world.network.links[2], 5000);
    assert.ok(Date.now() - next < 900);
  });
}

test("a lobby that is closed in that pause leaves nothing behind", async (t) => {
  const world = new World(t, { server: false, page: true });
  const { lobby, link } = await seated(world);
  link.goodbye(4005);
  await until(() => lobby.state === "resuming");
  lobby.close();
  await settle();
  assert.deepEqual(world.listening, []);
  await world.pass(5000, 500);
  assert.equal(world.network.sockets.length, 1);
});

test("who is refused for a flood while coming back pauses, too", async (t) => {
  const world = new World(t, { server: false });
  t.mock.method(Math, "random", () => 0);
  const { link } = await seated(world);
  link.cut();
  const back = await world.network.link();
  await back.read("reconnect");
  const began = Date.now();
  back.goodbye(4005);
  await world.eventually(() => world.network.links[2], 5000);
  assert.ok(Date.now() - began >= 1000, `${Date.now() - began}`);
});

for (const timeout of [Infinity, 2 ** 31, 1e300]) {
  test(`a timeout of ${timeout} ms is one that does not come`, async (t) => {
    const world = new World(t, { server: false });
    const { setTimeout } = globalThis;
    // As everywhere: what does not fit into 31 bits is at once.
    world.give("setTimeout", (/** @type {() => void} */ task, /** @type {number} */ ms) => setTimeout(task, ms < 2 ** 31 ? ms : 1));
    const connecting = world.connect({ timeout, requestTimeout: timeout });
    const link = await world.network.link();
    await link.read("handshake");
    await world.pass(3000, 500);
    link.write(accepted());
    const lobby = await connecting;
    const joining = lobby.joinRoom(ROOM, { timeout });
    const { ref } = await link.read("join_room");
    await world.pass(100_000, 1000);
    link.write(joined(1, { ref }));
    const room = await joining;
    const sent = room.send("put");
    const request = await link.read("put");
    await world.pass(100_000, 1000);
    link.write(answer(request, 7));
    assert.equal(await sent, 7);
  });
}
