/** What a room is besides its game: its record, its members and what is said, kept up to date; and what can be asked. */

import assert from "node:assert/strict";
import test from "node:test";
import { ROOM, answer, begun, joined, member, seated } from "./support/script.mjs";
import { World, until } from "./support/world.mjs";

const INFO = {
  created_at_ms: 1, created_by: "ada", owner: "ada", seats_max: 2, visibility: "public", locked: false, state: "waiting",
  has_password: false, spectators: 0, spectator_delay_ms: 0, data: { map: "a", mode: 1 }, seat_queue: [], vote: null,
  chat: [{ message_id: "9", user_id: "bob", username: "BOB", text: "Hi", at_ms: 1, edited: false }],
};

/** @param {any} t */
async function company(t) {
  const world = new World(t, { server: false });
  const members = [member("ada", { number: 1, data: {} }), member("bob", { number: 2, seat: 1, data: {} })];
  const { lobby, link, room } = await seated(world);
  link.write(joined(1, {}, { ...INFO, members }));
  await until(() => room.members.length === 2);
  /** @param {string} type @param {any} data */
  const push = (type, data) => link.write({ type, room_id: ROOM, data });
  return { lobby, link, room, push, world };
}

/** The next event of a type. @param {any} room @param {string} type */
const told = (room, type) => new Promise((resolve) => {
  const off = room.on(type, (/** @type {any} */ data) => {
    off();
    resolve(data);
  });
});

test("the record follows what is told of the room, before anybody hears of it", async (t) => {
  const { room, push } = await company(t);
  const { members, view, chat, ...record } = { ...room.info, members: undefined, view: undefined };
  assert.deepEqual([record.owner, record.seats_max, record.data, chat.length], ["ada", 2, { map: "a", mode: 1 }, 1]);
  push("room_updated", { name: "Another table", locked: true, owner: null, spectators: 7 });
  const changes = await told(room, "room_updated");
  assert.deepEqual(changes, { name: "Another table", locked: true, owner: null, spectators: 7 });
  assert.equal(room.name, "Another table");
  assert.deepEqual([room.info.locked, room.info.owner, room.info.spectators, room.info.seats_max], [true, null, 7, 2]);
  push("room_updated", { data: { map: null, level: { at: 3 } } });
  await told(room, "room_updated");
  assert.deepEqual(room.info.data, { mode: 1, level: { at: 3 } });
});

test("members follow what is told of this stay of theirs, and of no other", async (t) => {
  const { room, push } = await company(t);
  const bob = () => room.members.find((/** @type {any} */ { user_id }) => user_id === "bob");
  push("member_updated", { user_id: "bob", number: 2, ready: true, data: { color: "red" } });
  await told(room, "member_updated");
  assert.deepEqual([bob().ready, bob().data], [true, { color: "red" }]);
  push("member_updated", { user_id: "bob", number: 1, ready: false });
  await told(room, "member_updated");
  assert.equal(bob().ready, true, "that was of an earlier stay");
  push("presence", { user_id: "bob", number: 2, typing: true, away: false });
  await told(room, "presence");
  assert.deepEqual([bob().typing, bob().away, bob().ready], [true, false, true]);
});

test("a spectator who is seated knows it", async (t) => {
  const { lobby, room, push } = await company(t);
  room.members[0].user_id = lobby.userId;
  push("member_updated", { user_id: lobby.userId, number: 1, role: "spectator", seat: null });
  await told(room, "member_updated");
  assert.deepEqual([room.role, room.seat], ["spectator", null]);
  push("member_updated", { user_id: lobby.userId, number: 1, role: "player", seat: 1 });
  await told(room, "member_updated");
  assert.deepEqual([room.role, room.seat], ["player", 1]);
});

test("what was said last is kept in order, and what is changed takes its own place", async (t) => {
  const { room, push } = await company(t);
  const entry = { message_id: "10", user_id: "bob", username: "BOB", text: "there", at_ms: 2, edited: false };
  push("chat", entry);
  assert.deepEqual(await told(room, "chat"), entry);
  push("chat", { ...INFO.chat[0], text: "Hello", edited: true });
  await told(room, "chat");
  assert.deepEqual(room.info.chat.map(({ text }) => text), ["Hello", "there"]);
  for (let at = 11; at < 90; at++) push("chat", { ...entry, message_id: `${at}` });
  await until(() => room.info.chat.at(-1)?.message_id === "89");
  assert.equal(room.info.chat.length, 50);
});

/** @type {[string, (tools: any) => Promise<any>, any, any?, any?][]} What is asked, with what, the answer, and what becomes of it. */
const ASKED = [
  ["update_room", (tools) => tools.update({ password: null, locked: true }), { password: null, locked: true }],
  ["set_member_data", (tools) => tools.setData({ color: "red" }, { color: "members" }),
    { data: { color: "red" }, access: { color: "members" } }],
  ["kick", (tools) => tools.kick("bob"), { user_id: "bob" }],
  ["ban", (tools) => tools.ban("bob"), { user_id: "bob" }],
  ["unban", (tools) => tools.unban("bob"), { user_id: "bob" }],
  ["transfer_owner", (tools) => tools.transferOwner("bob"), { user_id: "bob" }],
  ["mute", (tools) => tools.mute("bob"), { user_id: "bob", muted: true }],
  ["ready", (tools) => tools.ready(), { ready: true }],
  ["choose_seat", (tools) => tools.chooseSeat(1), { seat: 1 }, { seat: 0 }, 0],
  ["queue_for_seat", (tools) => tools.queueForSeat(), { queued: true }, { position: 3 }, 3],
  ["queue_for_seat", (tools) => tools.queueForSeat(false), { queued: false }, { position: null }, null],
  ["add_bot", (tools) => tools.addBot(), {}, { seat: 1, user_id: "bot-1" }, { seat: 1, user_id: "bot-1" }],
  ["remove_bot", (tools) => tools.removeBot(1), { seat: 1 }],
  ["pause", (tools) => tools.pause(), {}],
  ["unpause", (tools) => tools.unpause(), {}],
  ["vote", (tools) => tools.vote(false), { continue: false }],
  ["create_invite", (tools) => tools.createInvite({ uses: 2 }), { uses: 2 }, { code: "c", url: "u" }, { code: "c", url: "u" }],
  ["get_participants", (tools) => tools.participants(), {}, { members: [], spectators: 3 }, { members: [], spectators: 3 }],
  ["chat", (tools) => tools.chat("Hello"), { text: "Hello" }, { message_id: "7" }, "7"],
  ["chat_edit", (tools) => tools.editChat("7", "Hi"), { message_id: "7", text: "Hi" }],
  ["chat_delete", (tools) => tools.deleteChat("7"), { message_id: "7" }],
  ["chat_history", (tools) => tools.chatHistory({ before: "7" }), { before: "7" }, { messages: [], next: null },
    { messages: [], next: null }],
  ["presence", (tools) => tools.presence({ typing: true }), { typing: true }],
];

for (const [type, ask, data, answered = {}, wanted] of ASKED) {
  test(`${type} is asked of the room: ${JSON.stringify(data)}`, async (t) => {
    const world = new World(t, { server: false });
    const { link, room } = await seated(world);
    const asking = ask(await room.tools());
    const request = await link.read(type);
    assert.deepEqual([request.room_id, request.data, typeof request.ref], [ROOM, data, "number"]);
    link.write({ ...answer(request, answered), room_id: ROOM });
    assert.deepEqual(await asking, wanted);
  });
}

test("a refusal says why, and the room goes on", async (t) => {
  const world = new World(t, { server: false });
  const { link, room } = await seated(world);
  const asking = room.request("kick", { user_id: "bob" });
  const { ref } = await link.read("kick");
  const error = { code: "not_owner", message: "Only the owner may do that.", retryable: false };
  link.write({ type: "kick_result", ref, room_id: ROOM, success: false, error, data: {} });
  await assert.rejects(asking, { code: "not_owner", retryable: false });
  assert.ok(room.isOpen);
});

test("a room is asked for with all that one may know of it", async (t) => {
  const world = new World(t, { server: false });
  const { lobby, link } = await begun(world);
  const ask = async (/** @type {string} */ type, /** @type {Promise<any>} */ asking) => {
    asking.catch(() => {});
    return (await link.read(type)).data;
  };
  const room = { game: "relay", visibility: "private", password: "x", seats_max: 3, data: { level: 1 }, idle_ttl_ms: 5 };
  assert.deepEqual(await ask("create_room", lobby.createRoom(room)), room);
  const how = { as: "spectator", password: "x", invite: "c0de" };
  assert.deepEqual(await ask("join_room", lobby.joinRoom(ROOM, { ...how, timeout: 900 })), { room_id: ROOM, ...how });
  const filter = [["free_seats", ">", 0]];
  const which = { game: "relay", filter, sort: "-players", cursor: "c", limit: 5 };
  assert.deepEqual(await ask("list_rooms", lobby.listRooms(which)), which);
  assert.deepEqual(await ask("join_room", lobby.quickJoin("relay", { filter })), { game: "relay", quick: true, filter });
  assert.deepEqual(await ask("subscribe_rooms", lobby.watchRooms({ game: "relay", filter })), { game: "relay", filter });
});
