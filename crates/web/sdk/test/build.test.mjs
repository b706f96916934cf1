/** How modules become the files that are served and packed: by two programs, which do the same by the same rules. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import test, { after } from "node:test";
import { missing } from "./support/missing.mjs";

const here = fileURLToPath(new URL("..", import.meta.url));
const made = mkdtempSync(join(tmpdir(), "anteroom-build-"));
after(() => rmSync(made, { recursive: true }));

/** What a program says, and whether it fails. @param {string} program @param {string[]} words @param {any} [options] */
function run(program, words, options) {
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: "utf8", timeout: 100_000, ...options });
  return { status, said: `${stdout}${stderr}`, isThere: !error };
}

const rustc = process.env.RUSTC ?? "rustc";
const skip = missing(run(rustc, ["--version"]).isThere, "there is no rustc, which makes the server's half");
const builder = join(made, "builder");
if (!skip) {
  const { status, said } = run(rustc, ["--edition", "2024", "-o", builder, join(here, "../build.rs")]);
  assert.equal(status, 0, said);
}

/** A folder with these modules. @param {Record<string, string>} modules */
function folder(modules) {
  const place = mkdtempSync(join(made, "modules-"));
  mkdirSync(join(place, "sdk/src"), { recursive: true });
  writeFileSync(join(place, "package.json"), `{"type":"module"}`);
  for (const [name, text] of Object.entries(modules)) writeFileSync(join(place, "sdk/src", name), text);
  return place;
}

/** Puts modules together in both ways. @param {string} place */
function built(place) {
  const ways = [
    { folder: "sdk", ...run(process.execPath, [join(here, "build.mjs"), join(place, "sdk")]) },
    { folder: "out/sdk", ...run(builder, [], { cwd: place, env: { ...process.env, OUT_DIR: join(place, "out") } }) },
  ];
  return ways.map(({ folder, status, said }) => {
    const hasFailed = status !== 0 || said.includes("cargo::error=");
    const names = hasFailed ? [] : readdirSync(join(place, folder)).filter((name) => name.endsWith(".js"));
    const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(place, folder, name), "utf8")]));
    return { hasFailed, said, files };
  });
}

test("what the server hands out is what is packed, byte by byte", { skip }, () => {
  const place = folder({});
  cpSync(join(here, "src"), join(place, "sdk/src"), { recursive: true });
  const [packed, served] = built(place);
  assert.deepEqual([packed.hasFailed, served.hasFailed], [false, false], packed.said + served.said);
  assert.deepEqual(Object.keys(served.files).sort(), ["anteroom-tools.js", "anteroom.js"]);
  for (const name of Object.keys(served.files)) {
    assert.equal(served.files[name], packed.files[name]);
    const tested = readFileSync(join(here, name), "utf8");
    assert.ok(tested === packed.files[name], `${name} is not what src/ makes now; run \`npm run build\``);
  }
});

test("a part that is wanted later is a file of its own, and has what it shares from the first", { skip }, async () => {
  const place = folder({
    "anteroom.js": `/**\n * A core.\n */\n\nimport { twice } from "./numbers.js";\n\nexport async function chat(text) {
  const { Chat } = await import("./anteroom-chat.js");\n  return new Chat(twice(text)).said;\n}\n\nexport { twice };\n`,
    "numbers.js": `/**\r\n * Numbers.\r\n */\r\n\r\n/** @import { Chat } from "./anteroom-chat.js" */\r\n
export const twice = (it) => it + it;\r\n`,
    "anteroom-chat.js": `/**\n * Talk.\n */\nimport { loud } from "./loud.js";\nimport { twice } from "./anteroom.js";\n
export class Chat {\n  constructor(text) {\n    this.said = loud(twice(text));\n  }\n}\n`,
    "loud.js": `/**\n * Loud.\n */\nimport { twice } from "./anteroom.js";\n\nexport const loud = (it) => twice(it) + "!";\n`,
  });
  const [packed, served] = built(place);
  assert.deepEqual([packed.hasFailed, served.hasFailed], [false, false], packed.said + served.said);
  assert.deepEqual(served.files, packed.files);
  assert.equal(served.files["anteroom-chat.js"], `/**\n * Talk.\n */\n\nimport { twice } from "./anteroom.js";\n
/**\n * Loud.\n */\n\nconst loud = (it) => twice(it) + "!";\n
export class Chat {\n  constructor(text) {\n    this.said = loud(twice(text));\n  }\n}\n`);
  const core = await import(pathToFileURL(join(place, "out/sdk/anteroom.js")).href);
  assert.deepEqual(Object.keys(core), ["chat", "twice"]);
  assert.equal(await core.chat("a"), "aaaaaaaa!");
});

/** A module that says what it is for. @param {...string} lines */
const module = (...lines) => ["/**\n * A module.\n */", ...lines, ""].join("\n");

/** @type {[string, Record<string, string>, string][]} */
const MISTAKES = [
  ["a module that is not there", { "anteroom.js": module(`import { a } from "./a.js";`) }, "a.js"],
  ["an import under another name",
    { "anteroom.js": module(`import { a as b } from "./a.js";`), "a.js": module("export const a = 1;") },
    `anteroom.js: not understood: import { a as b } from "./a.js";`],
  ["an import of everything", { "anteroom.js": module(`import * as a from "./a.js";`) }, "not understood: import *"],
  ["an import over lines", { "anteroom.js": module("import {", "  a,", `} from "./a.js";`) }, "not understood: import {"],
  ["an import of a package", { "anteroom.js": module(`import { a } from "a";`) }, "not understood: import { a }"],
  ["an export of another module's", { "anteroom.js": module(`export { a } from "./a.js";`) }, "not understood: export {"],
  ["an export without a name", { "anteroom.js": module("export default 1;") }, "not understood: export default"],
  ["a list of exports inside",
    { "anteroom.js": module(`import { a } from "./a.js";`), "a.js": module("const a = 1;", "export { a };") },
    "a.js: not understood: export { a };"],
  ["a name that is there twice",
    { "anteroom.js": module(`import { a } from "./a.js";`, "const b = a;"), "a.js": module("const b = 1;", "export const a = b;") },
    "anteroom.js and a.js both have the name b"],
  ["a name that is another file's, too",
    { "anteroom.js": module("export const a = 1;"), "anteroom-b.js": module(`import { a } from "./anteroom.js";`, "let a = 2;") },
    "anteroom-b.js and anteroom.js both have the name a"],
  ["several names at once", { "anteroom.js": module("const { a, b } = c;") }, "without a plain name"],
  ["modules that import each other",
    { "anteroom.js": module(`import { a } from "./a.js";`), "a.js": module(`import { b } from "./b.js";`, "export const a = 1;"),
      "b.js": module(`import { a } from "./a.js";`, "export const b = 1;") },
    "b.js imports a.js, which imports it"],
  ["a module in two files",
    { "anteroom.js": module(`import { a } from "./a.js";`), "a.js": module("export const a = 1;"),
      "anteroom-b.js": module(`import { a } from "./a.js";`) },
    "a.js is wanted in anteroom-b.js and anteroom.js; one has to export what is in it"],
  ["a module that nothing imports", { "anteroom.js": module(), "a.js": module() }, "a.js is in no file"],
  ["a module that does not say what it is for", { "anteroom.js": "export const a = 1;\n" }, "anteroom.js does not begin with"],
];

for (const [what, modules, wanted] of MISTAKES) {
  test(`refused in both ways: ${what}`, { skip }, () => {
    for (const { hasFailed, said } of built(folder(modules))) {
      assert.ok(hasFailed, "it is put together");
      assert.ok(said.includes("sdk/src: ") && said.includes(wanted), said);
      assert.doesNotMatch(said, /panicked|^ +at /m);
    }
  });
}
