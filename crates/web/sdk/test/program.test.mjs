/** The SDK against the real server, over real connections. `ANTEROOM_BIN` says where the program is. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import test, { after, before } from "node:test";
import { connect } from "../anteroom.js";
import { missing } from "./support/missing.mjs";
import { until } from "./support/link.mjs";

const program = process.env.ANTEROOM_BIN;
const hasSockets = existsSync(new URL("../node_modules/ws/package.json", import.meta.url));
const skip = missing(program && hasSockets, "ANTEROOM_BIN names no program, or `npm ci` has not been run");
const options = { skip, timeout: 60_000 };

/** @type {import("node:child_process").ChildProcess|undefined} */
let server;
let url = "";
/** @type {unknown[]} */
const unhandled = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));

/** A server of its own: the process, and where it is. */
async function start() {
  assert.ok(program, "ANTEROOM_BIN is not set");
  // Variables of that name are its configuration.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ANTEROOM_")));
  const options = ["--listen", "127.0.0.1:0", "--store", "memory", "--log", "warn"];
  const started = spawn(program, options, { env, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  started.stdout?.on("data", (text) => (said += text));
  const [, address] = await until(() => /^listening on (\S+)$/m.exec(said), "the server listens");
  return { started, at: `http://${address}` };
}

before(async () => {
  if (skip) return;
  ({ started: server, at: url } = await start());
});

after(() => {
  server?.kill();
  assert.deepEqual(unhandled, []);
});

/** Two players of one table, and everything they hear. @param {string} game */
async function table(game) {
  const [ada, bob] = await Promise.all([connect(url, { name: "Ada" }), connect(url, { name: "Bob" })]);
  const room = await ada.createRoom({ game, name: "A table" });
  const seat = await bob.joinRoom(room.id);
  return { ada, bob, room, seat };
}

test("two players, a game to its end, and cuts in between", options, async () => {
  const { ada, bob, room, seat } = await table("tic_tac_toe");
  /** @type {any[]} */
  const views = [];
  const watching = (async () => {
    for await (const { type, data } of seat) if (type === "game_state") views.push(data);
  })();
  const moves = [[0, 0], [1, 1], [0, 1], [2, 2], [0, 2]];
  for (const [turn, [row, col]] of moves.entries()) {
    if (turn === 1) ada.drop();
    if (turn === 2) bob.drop();
    if (turn === 3) ada.drop(), bob.drop();
    await (turn % 2 ? seat : room).send("make_move", { row, col });
  }
  await assert.rejects(room.send("make_move", { row: 1, col: 0 }), { code: "not_playing", retryable: true });
  await until(() => room.view.status === "won" && seat.view.status === "won", "both see the end");
  assert.deepEqual(room.view, seat.view);
  assert.deepEqual(room.view.winner, ada.userId);
  assert.deepEqual(room.view.board, [["X", "X", "X"], [null, "O", null], [null, null, "O"]]);
  assert.deepEqual(views.at(-1), room.view);
  await Promise.all([room.send("rematch"), seat.send("rematch")]);
  await until(() => seat.view.status === "playing", "the next match begins");
  await room.leave();
  await until(() => seat.members.length === 1, "Bob sees Ada leave");
  bob.close();
  ada.close();
  await watching;
});

test("200 messages each way with 20 drops: each one exactly once, in its order", options, async () => {
  const { ada, bob, room, seat } = await table("relay");
  /** @type {Record<string, number[]>} */
  const heard = { ada: [], bob: [] };
  let gaps = 0;
  room.on("message", ({ from, payload }) => from === bob.userId && heard.ada.push(payload));
  seat.on("message", ({ from, payload }) => from === ada.userId && heard.bob.push(payload));
  for (const place of [room, seat]) place.on("gap", () => (gaps += 1));
  const sent = [];
  for (let at = 0; at < 200; at++) {
    sent.push(room.send("send", { payload: at }), seat.send("send", { payload: at }));
    if (at % 10 === 5) (at % 20 === 5 ? ada : bob).drop();
    if (at % 7 === 0) await sent.at(-1);
  }
  await Promise.all(sent);
  await until(() => heard.ada.length >= 200 && heard.bob.length >= 200, "everything arrives");
  const wanted = Array.from({ length: 200 }, (_, at) => at);
  assert.deepEqual(heard, { ada: wanted, bob: wanted });
  assert.equal(gaps, 0);
  assert.equal(room.buffered + seat.buffered, 0);
  ada.close();
  bob.close();
});

test("what a game refuses, and what the server does not know", options, async () => {
  const { ada, bob, room, seat } = await table("tic_tac_toe");
  await assert.rejects(seat.send("make_move", { row: 0, col: 0 }), { name: "AnteroomError", code: "not_your_turn" });
  await assert.rejects(room.send("make_move", { row: 9, col: 9 }), { code: "invalid_move" });
  await assert.rejects(room.send("fly"), { code: "unknown_type", retryable: false });
  await assert.rejects(room.send("make_move", "anywhere"), { code: "invalid_data" });
  await assert.rejects(ada.createRoom({ game: "chess" }), { code: "game_not_found" });
  await assert.rejects(ada.joinRoom("0000000000"), { code: "room_not_found" });
  await assert.rejects(ada.joinRoom(room.id), { code: "already_in_room" });
  await assert.rejects(connect(url, { name: "" }), { code: "invalid_name" });
  await assert.rejects(connect(url, { token: "not.a.token" }), { code: "unauthorized", closeCode: 4505 });
  const watcher = await connect(url, { name: "Eve" });
  const watched = await watcher.joinRoom(room.id, { as: "spectator" });
  assert.deepEqual([watched.role, watched.seat], ["spectator", null]);
  await assert.rejects(watched.send("make_move", { row: 0, col: 0 }), { code: "not_a_player" });
  for (const lobby of [ada, bob, watcher]) lobby.close();
});

test("the list of rooms is kept up to date", options, async () => {
  const lobby = await connect(url, { name: "Ada" });
  const other = await connect(url, { name: "Bob" });
  const list = await lobby.watchRooms({ game: "relay" });
  const room = await other.createRoom({ game: "relay", name: "Right here" });
  const row = () => list.rooms.find(({ room_id }) => room_id === room.id);
  await until(row, "the room is listed");
  assert.deepEqual([row()?.name, row()?.players], ["Right here", 1]);
  lobby.drop();
  const seat = await lobby.joinRoom(room.id);
  await until(() => row()?.players === 2, "the row changes");
  assert.ok((await lobby.listRooms()).total >= 1);
  await Promise.all([seat.leave(), room.leave()]);
  await until(() => !row(), "the room is gone");
  lobby.close();
  other.close();
});

test("a program that closes its lobby ends by itself", options, async () => {
  const code = `
    import { connect } from ${JSON.stringify(new URL("../anteroom.js", import.meta.url).href)};
    const lobby = await connect(${JSON.stringify(url)}, { name: "Ada" });
    const room = await lobby.createRoom({ game: "relay" });
    await room.send("send", { payload: 1 });
    lobby.drop();
    await room.send("send", { payload: 2 });
    lobby.close();
    const deadline = performance.now() + 5000;
    const waits = () => process.getActiveResourcesInfo().includes("Timeout");
    while (waits() && performance.now() < deadline) await new Promise(setImmediate);
    console.log(waits() ? "timers" : "quiet");
  `;
  const said = await new Promise((resolve, reject) => {
    execFile(process.execPath, ["--input-type=module", "--eval", code], { timeout: 30_000 }, (error, out, err) => {
      if (error) reject(new Error(`${error.message}\n${err}`));
      else resolve(out.trim());
    });
  });
  assert.equal(said, "quiet", "nothing keeps it alive");
});

/** Node without a WebSocket of its own, and with one, whose end nobody can hasten. @type {[string, string[]][]} */
const PROGRAMS = [["without a WebSocket of its own", []], ["with one", ["--experimental-websocket"]]];
/** What a program does when it has heard that its server is stopped. @type {[string, string][]} */
const ENDINGS = [
  ["closes its lobby", "lobby.close();"],
  ["closes its lobby while it comes back", "lobby.drop(); setTimeout(() => lobby.close(), 100);"],
  ["gives up its lobby while it connects", "connect(url, { signal: AbortSignal.timeout(100) }).catch(() => {}); lobby.close();"],
];

for (const [kind, flags] of PROGRAMS) {
  for (const [name, ending] of ENDINGS) {
    test(`a program that ${name} ends soon, though the server hears nothing; in Node ${kind}`, options, async () => {
      const { started, at } = await start();
      const code = `
        import { connect } from ${JSON.stringify(new URL("../anteroom.js", import.meta.url).href)};
        if (${!flags.length}) delete globalThis.WebSocket;
        const url = ${JSON.stringify(at)};
        const lobby = await connect(url, { name: "Ada" });
        await lobby.createRoom({ game: "relay" });
        console.log("in");
        process.stdin.once("data", () => {
          process.stdin.destroy();
          ${ending}
        });
      `;
      const client = spawn(process.execPath, [...flags, "--no-warnings", "--input-type=module", "--eval", code]);
      let said = "";
      client.stdout.on("data", (text) => (said += text));
      client.stderr.on("data", (text) => (said += text));
      /** @type {number|null|undefined} */
      let status;
      client.once("exit", (code) => (status = code));
      try {
        await until(() => /^in$/m.test(said) || status !== undefined, "it is in");
        started.kill("SIGSTOP");
        const began = performance.now();
        client.stdin.end("now");
        await until(() => status !== undefined, "it ends");
        assert.deepEqual([status, said.trim()], [0, "in"]);
        // It takes a second, which may be long on a busy machine; it was half a minute.
        assert.ok(performance.now() - began < 10_000, `${performance.now() - began} ms`);
      } finally {
        client.kill("SIGKILL");
        started.kill("SIGKILL");
      }
    });
  }
}

test("the module as the server hands it out is the same, and works", options, async () => {
  const text = await (await fetch(`${url}/sdk/anteroom.js`)).text();
  const load = (/** @type {string} */ code) => import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
  const served = await load(text);
  const module = await import("../anteroom.js");
  assert.deepEqual(Object.keys(served), Object.keys(module));
  assert.deepEqual([served.ERROR_CODES, served.CLOSE_CODES], [module.ERROR_CODES, module.CLOSE_CODES]);
  const { decodeVarint, encodeVarint } = await load(`${text}\nexport { decodeVarint, encodeVarint };`);
  for (const value of [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(decodeVarint(encodeVarint(value)).value, value);
  }
  const { WebSocket } = await import("ws");
  const lobby = await served.connect(url, { name: "Ada", WebSocket });
  const room = await lobby.createRoom({ game: "relay" });
  const events = room[Symbol.asyncIterator]();
  const heard = events.next();
  lobby.drop();
  await room.send("send", { payload: { deep: [["[", "{"]] } });
  assert.deepEqual((await heard).value.data.payload, { deep: [["[", "{"]] });
  await assert.rejects(room.send("send", { payload: 1n }), { name: "AnteroomError", code: "invalid_data" });
  await events.return();
  lobby.close();
});

test("a program without ws, where there is no WebSocket, is told so", options, async () => {
  const code = `
    import { cpSync, mkdtempSync } from "node:fs";
    import { tmpdir } from "node:os";
    import { join } from "node:path";
    const folder = mkdtempSync(join(tmpdir(), "anteroom-"));
    cpSync(new URL(${JSON.stringify(new URL("../anteroom.js", import.meta.url).href)}), join(folder, "anteroom.mjs"));
    delete globalThis.WebSocket;
    const { connect } = await import(join(folder, "anteroom.mjs"));
    await connect(${JSON.stringify(url)}).catch(({ name, code, message }) => console.log(name, code, message));
  `;
  const said = await new Promise((resolve, reject) => {
    execFile(process.execPath, ["--input-type=module", "--eval", code], { timeout: 30_000 }, (error, out, err) => {
      if (error) reject(new Error(`${error.message}\n${err}`));
      else resolve(out.trim());
    });
  });
  assert.match(String(said), /^AnteroomError \w+ .*ws.*\.$/);
});

test("nobody is there any more", options, async () => {
  const lobby = await connect(url, { name: "Ada" });
  const room = await lobby.createRoom({ game: "relay" });
  const closed = new Promise((done) => room.on("room_closed", done));
  server?.kill();
  const { reason } = /** @type {any} */ (await closed);
  assert.match(reason, /^(shutting_down|closed|session_lost)$/);
  lobby.close();
  await assert.rejects(connect(url), { code: "unreachable", retryable: true });
});
