/** A lobby that is closed by one who is just being told something stays closed, and tells no more. */

import assert from "node:assert/strict";
import test from "node:test";
import { World, recorded, settle, until } from "./support/world.mjs";

/**
 * What the lobby tells when its connection is cut, until it is back.
 *
 * @type {[string, (data: any) => boolean][]}
 */
const MOMENTS = [
  ["activity: lost", (data) => data?.type === "lost"],
  ["state: resuming", (data) => data === "resuming"],
  ["transport: none", (data) => data === null],
  ["activity: connecting", (data) => data?.type === "connecting"],
  ["activity: resumed", (data) => data?.type === "resumed"],
  ["state: open", (data) => data === "open"],
  ["transport: websocket", (data) => data === "websocket"],
];

for (const [name, isMoment] of MOMENTS) {
  test(`a lobby that is closed by a listener is closed for good; told ${name}`, async (t) => {
    const world = new World(t);
    const lobby = await world.lobby();
    // Activities of the beginning are not meant.
    await settle();
    let isClosed = false;
    lobby.on(name.split(":")[0], (/** @type {any} */ data) => {
      if (isClosed || !isMoment(data)) return;
      isClosed = true;
      lobby.close();
    });
    const events = recorded(lobby);
    /** @type {any[]} */
    const read = [];
    let isRead = false;
    const reading = (async () => {
      for await (const event of lobby) read.push(event);
      isRead = true;
    })();
    await settle();
    lobby.drop();
    await world.eventually(() => isClosed, 5000);
    await world.pass(20_000, 500);
    assert.deepEqual([lobby.state, lobby.transport, lobby.error], ["closed", null, null]);
    assert.equal(isRead, true, "an iteration ends");
    await reading;
    const behind = events.slice(events.findIndex(({ type }) => type === "closed") + 1);
    const told = behind.map(({ type, data }) => [type, data?.type ?? data]);
    assert.deepEqual(told, [], "closed is the last event");
    assert.equal(read.at(-1).type, "closed");
  });
}

for (const before of ["open", "resuming"]) {
  test(`a lobby that was ${before} does not wait for a server that hears nothing any more`, async (t) => {
    const world = new World(t);
    const { network } = world;
    const lobby = await world.lobby({ WebSocket: network.NodeWebSocket });
    network.deaf = true;
    network.last.vanish();
    if (before === "resuming") {
      network.webSocket = "hanging";
      lobby.drop();
      await until(() => network.sockets.length === 2);
    }
    const began = Date.now();
    lobby.close();
    await world.eventually(() => network.sockets.every(({ readyState }) => readyState === 3), 5000);
    assert.ok(Date.now() - began <= 1000, "not for the half minute that ws gives it");
  });
}

test("a server that answers a close has its second for it", async (t) => {
  const world = new World(t);
  const lobby = await world.lobby({ WebSocket: world.network.NodeWebSocket });
  lobby.close();
  await world.pass(2000);
  assert.deepEqual(world.network.last.closed, { code: 1000, reason: "" });
});
