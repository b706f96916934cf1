/**
 * Puts the modules in src/ together: each src/anteroom*.js, behind all that it imports, becomes one file of that name.
 * `npm run build` does it, and so does npm before it packs. The server's build makes the same files, byte by byte,
 * without Node, by the rules that ../build.rs states.
 *
 *     node build.mjs [FOLDER]    what FOLDER/src makes, into FOLDER; that of the SDK if none is named
 */

import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const IMPORT = /^import \{ (\w+(?:, \w+)*) \} from "\.\/([\w-]+\.js)";$/;
const TYPE_IMPORT = /^\/\*\* @import .* \*\/$/;
const EXPORT_LIST = /^export \{ \w+(?:, \w+)* \};$/;
const DECLARATION = /^(?:export )?(?:(?:async )?function|class|const|let) (\w*)/;

/** Whether a module becomes a file of its own. @param {string} name */
const isOutput = (name) => name.startsWith("anteroom");

/** One file, while it is put together. */
class Output {
  /** Where each name at the top level is from. @type {Map<string, string>} */
  #origins = new Map();
  /** What stays an import, since it is in another file. @type {Set<string>} */
  #outside = new Set();
  #parts = "";

  /** @param {string} folder @param {string} name @param {Map<string, string>} places which file each module is in */
  constructor(folder, name, places) {
    this.folder = folder;
    this.name = name;
    this.places = places;
    const [head, body] = this.#add([name]);
    const outside = [...this.#outside].sort().join("");
    this.text = `${head}\n${outside && `${outside}\n`}${this.#parts}${body}`;
  }

  /** Adds what a module imports; gives the module's own head and body. @param {string[]} path from the output to it */
  #add(path) {
    const name = /** @type {string} */ (path.at(-1));
    this.places.set(name, this.name);
    const text = readFileSync(`${this.folder}/${name}`, "utf8").replaceAll("\r\n", "\n");
    const end = text.startsWith("/**\n") ? text.indexOf(" */\n") + 4 : 0;
    if (end < 4) throw new Error(`${name} does not begin with a comment that says what it is for`);
    const lines = text.slice(end).split("\n").flatMap((line) => this.#line(path, name, line));
    return [text.slice(0, end), `${lines.join("\n").trim()}\n`];
  }

  /** What stays of a line. @param {string[]} path @param {string} name @param {string} line @returns {string|[]} */
  #line(path, name, line) {
    if (TYPE_IMPORT.test(line)) return [];
    const [, names, file] = IMPORT.exec(line) ?? [];
    if (file) {
      this.#import(path, names.split(", "), file);
      return [];
    }
    const declared = DECLARATION.exec(line)?.[1];
    if (declared !== undefined) this.#own(declared, name);
    const isList = name === this.name && EXPORT_LIST.test(line);
    if (!declared && !isList && /^(import|export)/.test(line)) throw new Error(`${name}: not understood: ${line}`);
    return name === this.name ? line : line.replace(/^export /, "");
  }

  /** @param {string[]} path @param {string[]} names @param {string} file */
  #import(path, names, file) {
    const name = path.at(-1);
    if (path.includes(file)) throw new Error(`${name} imports ${file}, which imports it`);
    if (isOutput(file)) {
      for (const imported of names) {
        this.#own(imported, file);
        this.#outside.add(`import { ${imported} } from "./${file}";\n`);
      }
    } else if (!this.places.has(file)) {
      const [head, body] = this.#add([...path, file]);
      this.#parts += `${head}\n${body}\n`;
    } else if (this.places.get(file) !== this.name) {
      const place = this.places.get(file);
      throw new Error(`${file} is wanted in ${place} and ${this.name}; one has to export what is in it`);
    }
  }

  /** @param {string} declared @param {string} from */
  #own(declared, from) {
    const other = this.#origins.get(declared) ?? from;
    if (!declared) throw new Error(`${from} declares something without a plain name`);
    if (other !== from) throw new Error(`${from} and ${other} both have the name ${declared}`);
    this.#origins.set(declared, from);
  }
}

/** The files that a folder of modules makes, by their names. @param {string} folder @returns {[string, string][]} */
function joined(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".js")).sort();
  const places = new Map();
  /** @type {[string, string][]} */
  const files = names.filter(isOutput).map((name) => [name, new Output(folder, name, places).text]);
  const left = names.find((name) => !places.has(name));
  if (left) throw new Error(`${left} is in no file, since no module imports it`);
  return files;
}

/** Written at once, and only if it is another one: tests may be reading it. @param {string} path @param {string} text */
function write(path, text) {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

const folder = resolve(process.argv[2] ?? fileURLToPath(new URL(".", import.meta.url)));
try {
  for (const [name, text] of joined(`${folder}/src`)) write(`${folder}/${name}`, text);
} catch (error) {
  console.error(`${folder}/src: ${/** @type {Error} */ (error).message}`);
  process.exitCode = 1;
}
