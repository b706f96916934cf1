/** Iterations over events: what they give, in which order, and that they end when they are given up. */

import assert from "node:assert/strict";
import test from "node:test";
import { begun, answer, seated, told } from "./support/script.mjs";
import { World, settle, until } from "./support/world.mjs";

const OVER = { value: undefined, done: true };

/** What a promise gives, if it needs nothing else to happen. @param {Promise<any>} promise */
const atOnce = (promise) => Promise.race([promise, settle(3).then(() => "not at once")]);

/** Everything that tells events. @type {[string, (world: World) => Promise<any>][]} */
const TELLING = [
  ["a lobby", async (world) => (await begun(world)).lobby],
  ["a room", async (world) => (await seated(world)).room],
  ["a list of rooms", async (world) => {
    const { lobby, link } = await begun(world);
    const watching = lobby.watchRooms();
    link.write(answer(await link.read("subscribe_rooms"), { rooms: [], total: 0 }));
    return watching;
  }],
];

for (const [name, make] of TELLING) {
  test(`an iteration over ${name} that waits ends at once when it is given up, and with it whoever waits`, async (t) => {
    const telling = await make(new World(t, { server: false }));
    await settle();
    for (const how of ["return", "throw"]) {
      const events = telling[Symbol.asyncIterator]();
      const waiting = [events.next(), events.next()];
      await settle();
      const mistake = new Error("the page's own");
      const ended = how === "return" ? events.return() : events.throw(mistake).catch((/** @type {any} */ error) => error);
      assert.deepEqual(await atOnce(ended), how === "return" ? OVER : mistake);
      assert.deepEqual(await atOnce(Promise.all(waiting)), [OVER, OVER]);
      assert.deepEqual(await atOnce(events.next()), OVER);
      assert.deepEqual(await atOnce(events.return()), OVER);
    }
  });
}

test("an iteration that is given up hears nothing more, not even what it had not told yet", async (t) => {
  const { link, room } = await seated(new World(t, { server: false }));
  const [given, kept] = [room[Symbol.asyncIterator](), room[Symbol.asyncIterator]()];
  const first = given.next();
  const all = [kept.next(), kept.next(), kept.next()];
  link.write(...told(2, 3));
  assert.equal((await first).value.data.number, 2);
  await given.return();
  link.write(...told(4, 4));
  const heard = await Promise.all(all);
  assert.deepEqual(heard.map(({ value, done }) => [value.data.number, done]), [[2, false], [3, false], [4, false]]);
  assert.deepEqual(await given.next(), OVER);
});

test("who breaks out of a loop goes on at once", async (t) => {
  const { link, room } = await seated(new World(t, { server: false }));
  link.write(...told(2, 2));
  const looping = (async () => {
    for await (const { type } of room) if (type === "told") break;
    return "behind it";
  })();
  assert.equal(await Promise.race([looping, settle(50)]), "behind it");
});

test("an iteration hears what happens from its making on, and ends behind the last event", async (t) => {
  const { lobby, link, room } = await seated(new World(t, { server: false }));
  const events = room[Symbol.asyncIterator]();
  let heard = 0;
  room.on("told", () => (heard += 1));
  link.write(...told(2, 3));
  await until(() => heard === 2);
  lobby.close();
  const types = [];
  for (let next = await events.next(); !next.done; next = await events.next()) types.push(next.value.type);
  assert.deepEqual(types, ["told", "told", "room_closed"]);
  assert.deepEqual(await room[Symbol.asyncIterator]().next(), OVER, "one that begins afterwards has nothing to tell");
});

test("whoever reads too slowly is told what was missed, and where", async (t) => {
  const { link, room } = await seated(new World(t, { server: false }));
  const events = room[Symbol.asyncIterator]();
  let heard = 0;
  room.on("told", () => (heard += 1));
  for (let from = 2; from < 1502; from += 100) link.write(...told(from, from + 99));
  await until(() => heard === 1500);
  const { value: gap } = await events.next();
  assert.equal(gap.type, "gap");
  const { value } = await events.next();
  assert.equal(value.data.number, 2 + gap.data.missed);
  await events.return();
});

test("whoever waits for several events at once gets all of them, and the last one", async (t) => {
  const { lobby } = await begun(new World(t, { server: false }));
  await settle();
  const events = lobby[Symbol.asyncIterator]();
  const waiting = Array.from({ length: 6 }, () => events.next());
  lobby.close();
  const types = (await Promise.all(waiting)).map(({ value, done }) => value?.type ?? done);
  assert.deepEqual(types, ["state", "activity", "closed", true, true, true]);
});
