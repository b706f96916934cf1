/** What outlives a reload of the page: one session for each tab, never one for two, none where nothing is stored. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, accepted, answer, joined, opened, resumed, told } from "./support/script.mjs";
import { Locks, MemoryStorage, World, recorded, settle, until } from "./support/world.mjs";

/** @param {World} world @param {Locks} locks */
function tab(world, locks) {
  const view = locks.tab();
  world.give("navigator", { onLine: true, locks: view });
  return view;
}

/**
 * A page that goes away without a word: its connection is cut, and it makes no other.
 *
 * @param {any} lobby @param {World} world
 */
async function leave(lobby, world) {
  world.happen("pagehide");
  world.network.webSocket = "hanging";
  world.network.last.cut();
  await settle();
  world.lobbies = world.lobbies.filter((other) => other !== lobby);
}

test("a page that is loaded anew goes on with its session and its rooms", async (t) => {
  const world = new World(t, { page: true });
  const locks = new Locks();
  const storage = new MemoryStorage();
  const first = tab(world, locks);
  const before = await world.lobby({ storage });
  const room = await before.createRoom({ game: "relay", name: "The table" });
  await room.send("say", 1);
  await settle();
  await leave(before, world);
  first.close();

  world.network.webSocket = "open";
  tab(world, locks);
  const activity = [];
  const lobby = await world.lobby({ storage, name: "Somebody else" });
  assert.deepEqual([lobby.restored, lobby.lost, lobby.userId, lobby.username], [true, null, before.userId, "Ada"]);
  assert.deepEqual([...lobby.rooms.keys()], [room.id]);
  const again = lobby.rooms.get(room.id);
  assert.deepEqual([again.name, again.seat, again.view, again.isOpen], ["The table", 0, { count: 0 }, true]);
  again.on("*", (/** @type {any} */ event) => activity.push(event.type));
  assert.equal(await again.send("say", 2), 2);
  assert.equal(world.server?.sessions.size, 1);
  const link = world.network.last;
  assert.equal(link.messages[0].data.fresh, true);
  assert.ok(link.all("say")[0].n > 2, "numbers go on");
});

test("a session that was restored moves live, and resumes, like any other", async (t) => {
  const world = new World(t, { page: true });
  const storage = new MemoryStorage();
  const before = await world.lobby({ storage });
  const room = await before.createRoom({ game: "relay" });
  await leave(before, world);
  world.network.webSocket = "open";
  const lobby = await world.lobby({ storage });
  assert.equal(lobby.restored, true);
  const states = recorded(lobby);
  world.give("WebTransport", world.network.WebTransport);
  await world.eventually(() => Promise.race([lobby.moveTo("webtransport").then(() => true), settle(20)]));
  assert.equal(lobby.transport, "webtransport");
  const again = lobby.rooms.get(room.id);
  assert.equal(await world.eventually(() => again.send("say", 4)), 4);
  assert.deepEqual(states.filter(({ type }) => type === "state" || type === "gap"), []);
  lobby.drop();
  await world.eventually(() => lobby.state === "open");
  assert.equal(await world.eventually(() => again.send("say", 5)), 5);
  const { fresh, received } = world.network.last.messages[0].data;
  assert.deepEqual([fresh, typeof received], [undefined, "object"]);
});

test("a connection that is lost while the rooms come back does not harm", async (t) => {
  for (const transport of ["websocket", "webtransport"]) {
    for (let left = 1; left <= 6; left++) {
      await t.test(`${transport}, after ${left} payloads`, async (t) => {
        const world = new World(t, { page: true, webTransport: transport === "webtransport" });
        const storage = new MemoryStorage();
        const before = await world.lobby({ storage });
        const room = await world.eventually(() => before.createRoom({ game: "relay" }));
        await world.eventually(() => room.send("say", 1));
        await leave(before, world);
        await settle();
        let passed = left;
        const { stand } = world.network;
        world.network.stand = (link) => {
          const { deliver, write } = link;
          link.write = (...messages) => messages.forEach((message) => write.call(link, message));
          link.deliver = (lane, text) => (passed-- > 0 ? deliver(lane, text) : passed === -1 ? link.cut() : undefined);
          stand.call(world.network, link);
          if (passed < 0) Object.assign(link, { deliver, write });
        };
        world.network.webSocket = "open";
        const lobby = await world.lobby({ storage });
        await world.eventually(() => lobby.state === "open" && lobby.rooms.size === 1);
        const [again] = lobby.rooms.values();
        assert.equal(await world.eventually(() => again.send("say", 2)), 2);
        const said = world.server?.done.filter(({ type }) => type === "say").map(({ data }) => data);
        assert.deepEqual(said, [1, 2]);
      });
    }
  }
});

test("a room that ended while the page was loaded anew does not keep the lobby waiting", async (t) => {
  const world = new World(t, { server: false, page: true });
  const storage = new MemoryStorage();
  const connecting = world.connect({ storage });
  const link = await world.network.link();
  await link.read("handshake");
  link.write(accepted());
  const before = await connecting;
  await leave(before, world);
  world.network.webSocket = "open";
  const restoring = world.connect({ storage });
  const back = await world.network.link();
  const { data } = await back.read("reconnect");
  assert.deepEqual(data, { session_id: accepted().data.session_id, resume_token: "T0", attempt: 1, fresh: true });
  const began = Date.now();
  const over = { type: "room_closed", room_id: ROOM, data: { reason: "replaced", message: "Elsewhere." } };
  const state = { type: "session_state", data: {} };
  back.write(resumed("T1", [3], 5), opened(0, 2, 4, true), state, opened(3, 9, 5, true), over);
  const lobby = await restoring;
  assert.deepEqual([lobby.restored, lobby.rooms.size, Date.now() - began], [true, 0, 0]);
  const joining = lobby.joinRoom(ROOM);
  const request = await back.read("join_room");
  assert.equal(request.n, 6, "numbers go on behind last_n");
  back.write(joined(4, { ref: request.ref }), ...told(2, 2));
  assert.equal((await joining).isOpen, true);
});

test("an answer to the page before does not answer a question of this one", async (t) => {
  const world = new World(t, { server: false, page: true });
  const storage = new MemoryStorage();
  const connecting = world.connect({ storage });
  const link = await world.network.link();
  await link.read("handshake");
  link.write(accepted());
  const before = await connecting;
  before.listRooms().catch(() => {});
  const old = await link.read("list_rooms");
  await leave(before, world);
  world.network.webSocket = "open";
  const restoring = world.connect({ storage });
  const back = await world.network.link();
  await back.read("reconnect");
  back.write(resumed("T1", [], 1), opened(0, 2, 0, true), { type: "session_state", data: {} });
  const lobby = await restoring;
  const listing = lobby.listRooms();
  const request = await back.read("list_rooms");
  assert.notEqual(request.ref, old.ref);
  back.write(answer(old, { rooms: [], total: 99 }), answer(request, { rooms: [], total: 1 }));
  assert.equal((await listing).total, 1);
});

test("a session that is over is told, and another one begun", async (t) => {
  const world = new World(t, { page: true });
  const storage = new MemoryStorage();
  const before = await world.lobby({ storage });
  await leave(before, world);
  world.server?.forget();
  world.network.webSocket = "open";
  const lobby = await world.lobby({ storage });
  assert.equal(lobby.restored, false);
  assert.equal(lobby.lost.code, "session_unknown");
  assert.match(lobby.lost.message, /^[A-Z].*\.$/);
  assert.equal(lobby.state, "open");
  assert.notEqual(lobby.userId, before.userId);
});

for (const how of ["with", "without"]) {
  test(`a server that is away when the page is loaded anew does not cost the session; ${how} Web Locks`, async (t) => {
    const world = new World(t, { page: true });
    const locks = new Locks();
    const first = how === "with" ? tab(world, locks) : null;
    const storage = new MemoryStorage();
    const before = await world.lobby({ storage });
    await settle();
    await leave(before, world);
    first?.close();
    if (first) tab(world, locks);
    world.network.webSocket = "refused";
    await assert.rejects(world.connect({ storage }), { code: "unreachable" });
    world.network.webSocket = "open";
    const lobby = await world.lobby({ storage });
    assert.deepEqual([lobby.restored, lobby.userId], [true, before.userId]);
  });
}

for (const [name, make] of /** @type {[string, () => any][]} */ ([
  ["closing", (/** @type {any} */ lobby) => lobby.close()],
  ["an end for good", (/** @type {any} */ _, /** @type {World} */ world) => world.network.last.goodbye(4510)],
])) {
  test(`${name} leaves nothing to go on with`, async (t) => {
    const world = new World(t, { page: true });
    const storage = new MemoryStorage();
    const lobby = await world.lobby({ storage });
    await settle();
    await make(lobby, world);
    await settle();
    world.happen("pagehide");
    assert.equal(storage.items.size, 0);
    assert.equal((await world.lobby({ storage })).restored, false);
  });
}

test("a tab that is duplicated gets a session of its own, and leaves the other alone; with Web Locks", async (t) => {
  const world = new World(t, { page: true });
  const locks = new Locks();
  const storage = new MemoryStorage();
  tab(world, locks);
  const original = await world.lobby({ storage });
  await settle();
  const copied = storage.copy();
  assert.ok(copied.items.size > 0);
  tab(world, locks);
  const connecting = world.connect({ storage: copied });
  const copy = await connecting;
  assert.deepEqual([copy.restored, copy.lost], [false, null]);
  assert.notEqual(copy.userId, original.userId);
  assert.equal(world.server?.sessions.size, 2);
  await settle();
  original.drop();
  await world.eventually(() => original.state === "open");
  assert.equal(copy.state, "open");
});

test("a tab that is duplicated gets a session of its own; without Web Locks", async (t) => {
  const world = new World(t, { page: true });
  const storage = new MemoryStorage();
  const original = await world.lobby({ storage });
  const copy = await world.lobby({ storage: storage.copy() });
  assert.equal(copy.restored, false);
  assert.equal(world.server?.sessions.size, 2);
  assert.deepEqual([original.state, copy.state], ["open", "open"]);
});

test("without Web Locks a reload goes on, also after the page came back from the browser's cache", async (t) => {
  const world = new World(t, { page: true });
  const storage = new MemoryStorage();
  const before = await world.lobby({ storage });
  world.happen("pagehide");
  assert.ok(storage.items.size > 0);
  world.happen("pageshow");
  assert.equal(storage.items.size, 0, "nobody may copy it while it is in use");
  before.drop();
  await world.eventually(() => before.state === "open");
  await leave(before, world);
  world.network.webSocket = "open";
  const lobby = await world.lobby({ storage });
  assert.deepEqual([lobby.restored, lobby.userId], [true, before.userId]);
});

test("a browser that is too busy for any deadline does not cost the session", async (t) => {
  const world = new World(t, { page: true });
  const locks = new Locks();
  const storage = new MemoryStorage();
  const first = tab(world, locks);
  const before = await world.lobby({ storage });
  await settle();
  await leave(before, world);
  first.close();
  world.network.webSocket = "open";
  tab(world, locks);
  t.mock.method(AbortSignal, "timeout", () => {
    const late = new AbortController();
    queueMicrotask(() => late.abort());
    return late.signal;
  });
  const lobby = await world.lobby({ storage });
  assert.deepEqual([lobby.restored, lobby.userId], [true, before.userId]);
});

test("locks that are refused do not matter", async (t) => {
  const world = new World(t, { page: true });
  const request = () => Promise.reject(new DOMException("Not here.", "SecurityError"));
  world.give("navigator", { onLine: true, locks: { request } });
  const storage = new MemoryStorage();
  const lobby = await world.lobby({ storage });
  assert.equal(lobby.state, "open");
  const other = await world.lobby({ storage: storage.copy() });
  assert.equal(other.restored, false);
});

/** @type {[string, any][]} */
const STORAGES = [
  ["reading throws", {
    setItem() {}, removeItem() {}, getItem: () => { throw new DOMException("No.", "SecurityError"); },
  }],
  ["writing throws", {
    getItem: () => null, removeItem() {}, setItem: () => { throw new DOMException("Full.", "QuotaExceededError"); },
  }],
  ["everything throws", new Proxy({}, { get: () => { throw new DOMException("No.", "SecurityError"); } })],
  ["there is none", null],
];

for (const [name, storage] of STORAGES) {
  test(`storage does not matter where ${name}`, async (t) => {
    const world = new World(t, { page: true });
    const lobby = await world.lobby({ storage });
    assert.equal(lobby.restored, false);
    lobby.drop();
    await world.eventually(() => lobby.state === "open");
    world.happen("pagehide");
    world.happen("pageshow");
  });
}

test("storage that throws when it is asked for does not matter", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  for (const name of ["sessionStorage", "localStorage"]) {
    world.give(name, undefined);
    Object.defineProperty(globalThis, name, {
      configurable: true, get: () => { throw new DOMException("Disabled.", "SecurityError"); },
    });
  }
  const lobby = await world.lobby({ storage: undefined });
  assert.equal(lobby.transport, "webtransport");
});

const GARBAGE = [
  "", "{", "null", "7", '"x"', "[]", "{}", '{"sessionId":7,"token":7,"attempt":"x"}',
  '{"sessionId":"s","token":"t","attempt":1.5,"limits":{},"graceMs":1}', '{"sessionId":"s","token":"t","attempt":1}',
];

for (const text of GARBAGE) {
  test(`what is stored does not matter if it is garbage: ${text || "nothing"}`, async (t) => {
    const world = new World(t, { page: true });
    const probe = new MemoryStorage();
    (await world.lobby({ storage: probe })).close();
    const storage = new MemoryStorage();
    storage.getItem = () => text;
    const lobby = await world.lobby({ storage });
    assert.deepEqual([lobby.restored, lobby.state], [false, "open"]);
    assert.equal(await (await lobby.createRoom({ game: "relay" })).send("say", 1), 1);
  });
}

test("a stored session whose limits are garbage neither hangs nor breaks", async (t) => {
  const world = new World(t, { page: true });
  const storage = new MemoryStorage();
  const before = await world.lobby({ storage });
  const room = await before.createRoom({ game: "relay" });
  await leave(before, world);
  const [[key, text]] = storage.items;
  storage.items.set(key, JSON.stringify({ ...JSON.parse(text), limits: 5 }));
  world.network.webSocket = "open";
  const lobby = await world.lobby({ storage });
  const [place] = lobby.rooms.values();
  const again = place ?? (await lobby.joinRoom(room.id));
  await until(() => lobby.state === "open");
  const sent = [1, 2, 3].map((value) => again.send("say", value));
  assert.deepEqual(await Promise.all(sent), [1, 2, 3]);
});
