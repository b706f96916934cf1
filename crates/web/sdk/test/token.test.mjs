/** The token: a text, or a function that is asked at each handshake. */

import assert from "node:assert/strict";
import test from "node:test";
import { accepted, begun } from "./support/script.mjs";
import { World, recorded, refused, settle, until } from "./support/world.mjs";

const UNKNOWN = { code: "session_unknown", message: "Not known.", retryable: false };

/** The server was restarted: it knows nothing of the session that comes back. @param {World} world */
async function restarted(world) {
  world.network.last.cut();
  const back = await world.network.link();
  const { ref } = await back.read("reconnect");
  back.write({ type: "reconnect_result", ref, success: false, error: UNKNOWN, data: {} });
  return back;
}

for (const kind of ["sync", "async"]) {
  test(`a function is asked for a token at each handshake, and at no reconnect; ${kind}`, async (t) => {
    const world = new World(t, { server: false });
    let asked = 0;
    const token = kind === "sync" ? () => `token-${++asked}` : async () => (await null, `token-${++asked}`);
    const connecting = world.connect({ token });
    const link = await world.network.link();
    assert.equal((await link.read("handshake")).data.token, "token-1");
    // The answer is lost, so the same session is asked for again.
    link.cut();
    const again = await world.eventually(() => world.network.links[1]);
    await world.network.link();
    assert.equal((await again.read("handshake")).data.token, "token-2");
    again.write(accepted());
    const lobby = await connecting;
    const events = recorded(lobby);
    const back = await restarted(world);
    assert.equal((await back.read("handshake")).data.token, "token-3");
    back.write(accepted({ session_id: "another" }));
    await until(() => events.some(({ type }) => type === "renewed"));
    assert.deepEqual([lobby.state, asked], ["open", 3]);
  });
}

test("a token that is a text goes with every handshake as it is", async (t) => {
  const world = new World(t, { server: false });
  await begun(world, { token: "a.b.c" });
  const back = await restarted(world);
  assert.equal((await back.read("handshake")).data.token, "a.b.c");
});

/** @type {[string, () => any][]} */
const FAILING = [
  ["throws", () => { throw new TypeError("the page's own"); }],
  ["is refused", async () => { throw new TypeError("the page's own"); }],
];

for (const [name, token] of FAILING) {
  test(`a function that ${name} is told to who connects, with its reason`, async (t) => {
    const world = new World(t, { server: false, page: true });
    const error = await refused(world.connect({ token }), "token_unavailable", true);
    assert.equal(error.cause?.message, "the page's own");
    const { last } = world.network;
    await until(() => last.closed);
    assert.deepEqual([last.messages, world.listening], [[], []], "nothing was said, and nothing is left");
  });
}

test("a function that does not answer has a deadline", async (t) => {
  const world = new World(t, { server: false });
  const connecting = refused(world.connect({ token: () => new Promise(() => {}), timeout: 60_000 }), "token_unavailable");
  await world.network.link();
  // Sooner than the server takes the handshake for missing, which is 10 s.
  await world.pass(9000, 100);
  await connecting;
});

for (const value of [undefined, null, 7, {}, "function"]) {
  test(`a token is a text, which ${value} is not`, async (t) => {
    const world = new World(t, { server: false });
    const given = value === "function" ? () => 7 : value;
    await refused(world.connect({ token: () => given }), "invalid_data", false);
    if (given != null && value !== "function") await refused(world.connect({ token: given }), "invalid_data", false);
    assert.ok(world.network.links.every(({ messages }) => !messages.length), "nothing was said");
  });
}

test("a function that fails when the session has to begin anew is asked again, later", async (t) => {
  const world = new World(t, { server: false });
  let asked = 0;
  const token = () => {
    asked += 1;
    if (asked === 2 || asked === 3) throw new Error("No network yet.");
    return `token-${asked}`;
  };
  const { lobby } = await begun(world, { token });
  const back = await restarted(world);
  await until(() => back.closed);
  assert.equal(lobby.state, "resuming");
  const last = await world.eventually(() => asked === 4 && world.network.last);
  assert.equal((await last.read("handshake")).data.token, "token-4");
  last.write(accepted({ session_id: "another" }));
  await until(() => lobby.state === "open");
});

test("a lobby that is closed while a token is asked for says nothing any more", async (t) => {
  const world = new World(t, { server: false });
  const controller = new AbortController();
  /** @type {(token: string) => void} */
  let give = () => {};
  const token = () => new Promise((done) => (give = done));
  const connecting = refused(world.connect({ token, signal: controller.signal }), "aborted");
  const link = await world.network.link();
  await settle();
  controller.abort();
  await connecting;
  give("too late");
  await link.quiet();
});
