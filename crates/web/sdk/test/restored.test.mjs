/** What happens in rooms while a page that was loaded anew still waits for others of its rooms. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, accepted, joined, member, opened, resumed, told } from "./support/script.mjs";
import { MemoryStorage, World, recorded, settle, until } from "./support/world.mjs";

const OTHER = "w8w8w8w8w8";
/** What the lane of the other room begins with. */
const LAST = [
  { type: "lane", room_id: OTHER, data: { lane: 2, room_id: OTHER, next: 4, applied: 0, gap: true } },
  joined(2, {}, { room_id: OTHER }),
];
const CLOSED = { type: "room_closed", room_id: ROOM, data: { reason: "game_failed", message: "It broke." } };

/**
 * A page is loaded anew, and the first of its two rooms is there.
 *
 * @param {import("node:test").TestContext} t
 */
async function half(t) {
  const world = new World(t, { server: false, page: true });
  const storage = new MemoryStorage();
  const connecting = world.connect({ storage });
  const link = await world.network.link();
  await link.read("handshake");
  link.write(accepted());
  const before = await connecting;
  world.happen("pagehide");
  world.network.webSocket = "hanging";
  link.cut();
  await settle();
  world.lobbies = world.lobbies.filter((lobby) => lobby !== before);

  world.network.webSocket = "open";
  let isThere = false;
  const restoring = world.connect({ storage });
  restoring.then(() => (isThere = true));
  const back = await world.network.link();
  assert.equal((await back.read("reconnect")).data.fresh, true);
  const state = { type: "session_state", data: {} };
  back.write(resumed("T1", [1, 2], 5), opened(0, 2, 4, true), state);
  back.write(opened(1, 9, 5, true), joined(1, {}, { view: { count: 1 } }));
  await settle();
  assert.equal(isThere, false, "the last room is still to come");
  return { world, back, restoring };
}

test("what a restored room is told before the last one is there is heard, in its order", async (t) => {
  const { back, restoring } = await half(t);
  const came = { type: "client_joined", room_id: ROOM, data: member("eve", { seat: 1 }) };
  back.write(...told(10, 10), came);
  await settle();
  back.write(opened(1, 14, 5, true), joined(1, {}, { view: { count: 9 } }), ...told(15, 15));
  await settle();
  // The end is in the frame of what is waited for.
  back.write(...LAST, ...told(16, 16), CLOSED);
  const lobby = await restoring;
  assert.deepEqual([...lobby.rooms.keys()], [ROOM, OTHER]);
  const room = lobby.rooms.get(ROOM);
  const events = recorded(room);
  const read = [];
  for await (const event of room) read.push(event);
  const value = (/** @type {any} */ data) => data.number ?? data.missed ?? data.count ?? data.user_id;
  assert.deepEqual(events.map(({ type, data }) => [type, value(data)]), [
    ["told", 10], ["client_joined", "eve"], ["gap", 2], ["game_state", 9], ["told", 15], ["told", 16],
    ["room_closed", undefined],
  ]);
  assert.deepEqual(read, events);
  assert.deepEqual([room.view, room.members], [{ count: 9 }, [member("ada")]]);
  assert.equal(room.end.reason, "game_failed");
  assert.deepEqual([...lobby.rooms.keys()], [OTHER]);
});

test("a restored room that ends before the last one is there is not handed over", async (t) => {
  const { world, back, restoring } = await half(t);
  const began = Date.now();
  back.write(...told(10, 10), CLOSED);
  await settle();
  back.write(...LAST);
  const lobby = await restoring;
  assert.deepEqual([[...lobby.rooms.keys()], Date.now() - began], [[OTHER], 0]);
  const events = recorded(lobby.rooms.get(OTHER));
  back.write({ type: "told", room_id: OTHER, data: { number: 5 } });
  await until(() => events.length === 1);
  assert.deepEqual([world.network.last, lobby.state], [back, "open"]);
});
