/** The types: the module keeps to them, what is shipped is what the module says, and programs can use it. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { missing } from "./support/missing.mjs";

const here = fileURLToPath(new URL("..", import.meta.url));
const tsc = `${here}node_modules/typescript/bin/tsc`;
const skip = missing(existsSync(tsc), "TypeScript is not installed; `npm ci` does it");

/** What a program says, all of it. @param {string[]} words */
const run = (...words) => new Promise((resolve) => {
  execFile(process.execPath, words, { cwd: here }, (error, out, err) => resolve({ failed: !!error, said: out + err }));
});

test("the module is typed, strictly", { skip }, async () => {
  assert.deepEqual(await run(tsc, "--project", "."), { failed: false, said: "" });
});

test("the types that are shipped are those of the module", { skip }, async () => {
  assert.deepEqual(await run("types.mjs", "--check"), { failed: false, said: "" });
});

test("a strict program can use them, and is told its mistakes", { skip }, async () => {
  assert.deepEqual(await run(tsc, "--project", "test/types"), { failed: false, said: "" });
});

test("nothing is visible that is not for programs", () => {
  const text = readFileSync(`${here}anteroom.d.ts`, "utf8");
  assert.doesNotMatch(text, /@internal|\bSession\b|\bPipe\b|\bLedger\b|\bOutbox\b|\bVault\b|\bRoute\b/);
  const found = text.matchAll(/^export (?:class|function|const|type|interface|namespace) (\w+)/gm);
  const exported = [...found].map(([, name]) => name);
  assert.deepEqual(exported.sort(), [
    "Access", "Activity", "AnteroomError", "AnteroomEvent", "CLOSE_CODES", "ChatEntry", "ConnectOptions", "ERROR_CODES",
    "Filter", "HowToJoin", "Limits", "Lobby", "LobbyEvents", "LobbyState", "Member", "NewRoom", "RequestOptions", "Room",
    "RoomChanges", "RoomEvents", "RoomInfo", "RoomList", "RoomRow", "Vote", "WhichRooms", "connect",
  ]);
});
