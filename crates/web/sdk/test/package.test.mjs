/** The package: what is in its tarball, and what a bundler makes of it in the example for Vite. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { missing } from "./support/missing.mjs";

const here = fileURLToPath(new URL("..", import.meta.url));
const app = fileURLToPath(new URL("../../../../examples/browser/vite/", import.meta.url));
const isSetUp = existsSync(`${app}node_modules/vite`) && existsSync(`${app}node_modules/@anteroom/sdk`);
const skip = missing(isSetUp, "the example is not set up; `npm run setup` in examples/browser/vite does it");

/** What npm says. @param {string} folder @param {string[]} words @returns {Promise<string>} */
const npm = (folder, ...words) => new Promise((resolve, reject) => {
  execFile("npm", words, { cwd: folder, timeout: 100_000, shell: process.platform === "win32" }, (error, out, err) => {
    if (error) reject(new Error(`npm ${words.join(" ")}: ${out}${err}`));
    else resolve(out);
  });
});

test("the tarball has the module, its types, and what to know; nothing else", async () => {
  const said = await npm(here, "pack", "--dry-run", "--json");
  // Some versions tell first what they run.
  const [{ name, files }] = JSON.parse(said.slice(said.search(/^\[/m)));
  assert.equal(name, "@anteroom/sdk");
  const paths = files.map((/** @type {any} */ { path }) => path).sort();
  assert.deepEqual(paths, ["README.md", "anteroom-tools.js", "anteroom.d.ts", "anteroom.js", "package.json"]);
});

test("what can be asked of a room is in the README, each with an example", () => {
  const [source, readme] = ["src/anteroom-tools.js", "README.md"].map((name) => readFileSync(here + name, "utf8"));
  const methods = Array.from(source.matchAll(/^  (?:async )?(\w+)\(.*\{$/gm), ([, name]) => name);
  const asked = methods.filter((name) => name !== "constructor");
  assert.ok(asked.length > 20, asked.join());
  assert.deepEqual(asked.filter((name) => !readme.includes(`tools.${name}(`)), []);
});

test("the module imports nothing but its own parts, later, and names nothing but ws", () => {
  const text = readFileSync(`${here}anteroom.js`, "utf8");
  assert.doesNotMatch(text, /^\s*import\b|^\s*export\b.*\bfrom\b|\brequire\(/m);
  const later = Array.from(text.matchAll(/\bimport\((.*?)\)/g), ([, what]) => what).filter((what) => !/^"\.\//.test(what));
  assert.equal(later.length, 1);
});

test("a Vite app in strict TypeScript is built from the tarball", { skip }, async () => {
  const packed = readFileSync(`${app}node_modules/@anteroom/sdk/anteroom.js`, "utf8");
  assert.equal(packed, readFileSync(`${here}anteroom.js`, "utf8"), "another SDK is installed there; run `npm run setup`");
  await npm(app, "run", "build");
  const scripts = readdirSync(`${app}dist/assets`).filter((name) => name.endsWith(".js"));
  const bundle = scripts.map((name) => readFileSync(`${app}dist/assets/${name}`, "utf8")).join("\n");
  for (const word of ["handshake_accepted", "resume_token", "serverCertificateHashes", "/api/certificate"]) {
    assert.ok(bundle.includes(word), `the SDK is in the bundle: ${word}`);
  }
  const bare = /\b(from|import\(?|require\()\s*["'`](ws|@anteroom[^"'`]*)["'`]/.exec(bundle);
  assert.equal(bare?.[0], undefined, "nothing is left to be imported");
  assert.match(readFileSync(`${app}dist/index.html`, "utf8"), /<script type="module"[^>]* src="\/assets\//);
});
