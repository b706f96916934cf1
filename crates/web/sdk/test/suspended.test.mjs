/** What a page's own sleep does to its connections says nothing about the network: UDP is not to blame for it. */

import assert from "node:assert/strict";
import test from "node:test";
import { MemoryStorage, World, recorded, settle, until } from "./support/world.mjs";

/** A lobby over WebTransport, in a page whose browser remembers networks that block UDP. @param {any} t */
async function page(t) {
  const world = new World(t, { page: true, webTransport: true });
  const storage = new MemoryStorage();
  world.give("localStorage", storage);
  const lobby = await world.lobby();
  const room = await world.eventually(() => lobby.createRoom({ game: "relay" }));
  await world.pass(10_000, 500);
  assert.equal(lobby.transport, "webtransport");
  return { world, lobby, room, storage };
}

/** Back over WebTransport, here and in a tab that is opened now. @param {Awaited<ReturnType<typeof page>>} page */
async function isBack({ world, lobby, room, storage }) {
  await world.eventually(() => lobby.state === "open" && lobby.transport);
  assert.equal(lobby.transport, "webtransport");
  assert.equal(await world.eventually(() => room.send("say", 1)), 1);
  assert.deepEqual([...storage.items], [], "nothing is remembered of UDP");
  assert.equal((await world.lobby()).transport, "webtransport");
}

/**
 * The ways of a page to sleep, and what the browser tells about it: before, and behind.
 *
 * @type {[string, (world: World) => void, (world: World) => void][]}
 */
const SLEEPS = [
  ["in the browser's cache of pages", (world) => {
    world.happen("pagehide");
    world.show("hidden");
  }, (world) => {
    world.show("visible");
    world.happen("pageshow");
  }],
  ["in the cache of a browser that tells no more of it", (world) => world.happen("pagehide"),
    (world) => world.happen("pageshow")],
  ["frozen", (world) => {
    world.show("hidden");
    world.document?.dispatchEvent(new Event("freeze"));
  }, (world) => world.wake()],
  ["frozen, as seen", (world) => world.document?.dispatchEvent(new Event("freeze")), (world) => world.wake()],
  ["behind another tab", (world) => world.show("hidden"), (world) => world.show("visible")],
  ["without a network", (world) => {
    Object.assign(globalThis.navigator, { onLine: false });
    world.happen("offline");
  }, (world) => {
    Object.assign(globalThis.navigator, { onLine: true });
    world.happen("online");
  }],
];

for (const [name, sleep, wake] of SLEEPS) {
  for (const ms of [200, 8000, 55_000]) {
    for (const noticed of ["meanwhile", "before it is told that it wakes", "afterwards"]) {
      test(`a page sleeps ${name} for ${ms} ms, and its connection ends; noticed ${noticed}`, async (t) => {
        const here = await page(t);
        const { world } = here;
        const cut = async () => {
          world.carrier.cut();
          await settle();
        };
        sleep(world);
        if (noticed === "meanwhile") await cut();
        world.sleep(ms);
        if (noticed === "before it is told that it wakes") await cut();
        wake(world);
        if (noticed === "afterwards") await cut();
        await isBack(here);
      });
    }
  }
}

test("a device sleeps and tells nobody: the connection that ended meanwhile is not UDP's failure", async (t) => {
  const here = await page(t);
  here.world.sleep(30_000);
  here.world.carrier.cut();
  await isBack(here);
});

test("a connection that swallows everything since the page slept is not UDP's failure", async (t) => {
  const here = await page(t);
  const { world, lobby } = here;
  world.carrier.vanish();
  world.happen("pagehide");
  world.sleep(20_000);
  world.happen("pageshow");
  await world.eventually(() => lobby.state === "resuming");
  await isBack(here);
});

test("a page that sleeps while it tries WebTransport does not take its own lateness for a firewall", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  const storage = new MemoryStorage();
  world.give("localStorage", storage);
  world.network.shape = { ready: "never", closed: "never" };
  const lobby = await world.lobby();
  const events = recorded(lobby);
  assert.equal(lobby.transport, "websocket");
  world.happen("pagehide");
  world.network.shape = {};
  world.sleep(20_000);
  await settle();
  assert.deepEqual([...storage.items], []);
  world.happen("pageshow");
  await world.eventually(() => lobby.transport === "webtransport", 10_000);
  assert.deepEqual([...storage.items], []);
  assert.deepEqual(events.filter(({ data }) => data?.type === "blocked"), []);
});

test("a page that nobody sees does not try for WebTransport; one that is seen again does, at once", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  world.network.shape = { ready: "never", closed: "never" };
  const lobby = await world.lobby();
  await world.pass(5000);
  const tried = world.network.transports.length;
  world.network.shape = {};
  world.show("hidden");
  await world.pass(120_000, 500);
  assert.deepEqual([world.network.transports.length, lobby.transport], [tried, "websocket"]);
  world.show("visible");
  await world.eventually(() => lobby.transport === "webtransport", 3000);
});

test("UDP that breaks under a page that has been awake for a while is still UDP's failure", async (t) => {
  const { world, lobby, storage } = await page(t);
  world.show("hidden");
  world.sleep(20_000);
  world.show("visible");
  await world.pass(10_000, 500);
  world.carrier.cut();
  await world.eventually(() => lobby.state === "open" && lobby.transport);
  assert.equal(lobby.transport, "websocket");
  await until(() => storage.items.size === 1);
});

test("a page that is left leaves its session to the next one, until it is shown again", async (t) => {
  const world = new World(t, { page: true });
  const lobby = await world.lobby();
  world.happen("pagehide");
  world.network.last.cut();
  await world.pass(30_000, 500);
  assert.deepEqual([world.network.sockets.length, lobby.state], [1, "resuming"]);
  world.happen("pageshow");
  await world.eventually(() => lobby.state === "open", 1000);
});

test("a lobby that is closed in a page that is left waits for nothing", async (t) => {
  const world = new World(t, { page: true });
  const lobby = await world.lobby();
  world.happen("pagehide");
  world.network.last.cut();
  await settle();
  lobby.close();
  world.happen("pageshow");
  await world.pass(10_000, 500);
  assert.deepEqual([world.network.sockets.length, lobby.state, world.listening], [1, "closed", []]);
});

test("a page that is just loaded is awake: UDP that is blocked is known after its first try", async (t) => {
  const world = new World(t, { page: true, webTransport: true });
  const storage = new MemoryStorage();
  world.give("localStorage", storage);
  world.network.shape = { ready: "never", closed: "never" };
  const connecting = world.lobby();
  await world.pass(1000);
  // Every page is told that it is shown, once it is loaded.
  world.happen("pageshow");
  await connecting;
  await world.eventually(() => storage.items.size === 1, 4000);
  assert.equal(world.network.transports.length, 1);
});
