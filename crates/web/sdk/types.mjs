/**
 * Writes anteroom.d.ts: what TypeScript finds in anteroom.js, without what is `@internal` or out of a program's reach.
 * (TypeScript's own `stripInternal` leaves JavaScript alone.)
 *
 *     node types.mjs            writes it
 *     node types.mjs --check    fails if it is not up to date
 */

import { readFileSync, writeFileSync } from "node:fs";
import ts from "typescript";

const here = (/** @type {string} */ name) => new URL(name, import.meta.url);

/** The module and its parts as one, since one file has the types of them all. The parts are no values in it. */
function joined() {
  const [core, tools] = ["anteroom.js", "anteroom-tools.js"].map((name) => readFileSync(here(name), "utf8"));
  return `${core}\n${tools.replace(/^export (?=class)/gm, "")}`
    .replace(/import\("\.\/[\w-]+\.js"\)\.(?=\w+>)/g, "");
}

/** What TypeScript makes of the module, everything in it. */
function declared() {
  const { config } = ts.readConfigFile(here("tsconfig.json").pathname, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, here(".").pathname);
  const emitting = { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true };
  const all = here("anteroom-all.js").pathname;
  const host = ts.createCompilerHost(emitting);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === all || fileExists(name);
  host.getSourceFile = (name, version, ...more) => {
    return name === all ? ts.createSourceFile(name, joined(), version) : getSourceFile(name, version, ...more);
  };
  const program = ts.createProgram([all], emitting, host);
  let text = "";
  program.emit(undefined, (_, written) => (text = written));
  return text;
}

/** @param {ts.Node} node @param {ts.SourceFile} file */
const isInternal = (node, file) => {
  const comments = ts.getLeadingCommentRanges(file.text, node.pos)?.at(-1);
  return comments !== undefined && file.text.slice(comments.pos, comments.end).includes("@internal");
};

/** What a statement declares. @param {ts.Statement} statement @returns {string[]} */
function names(statement) {
  const inside = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement];
  return inside.map((declaration) => /** @type {any} */ (declaration).name?.text);
}

/** @param {ts.Node} node */
const isType = (node) => ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node);

/** Where a node begins, with its own comment and no other. @param {ts.Node} node @param {ts.SourceFile} file */
const start = (node, file) => ts.getLeadingCommentRanges(file.text, node.pos)?.at(-1)?.pos ?? node.getStart(file);

/**
 * The members of a class that are for everybody; nobody else makes one, so its constructor is private.
 *
 * @param {ts.ClassDeclaration} declaration @param {ts.SourceFile} file
 */
function members(declaration, file) {
  return declaration.members.flatMap((member) => {
    const text = file.text.slice(start(member, file), member.end).trim();
    if (!isInternal(member, file)) return [text];
    return ts.isConstructorDeclaration(member) ? ["private constructor();"] : [];
  });
}

/** @param {ts.Statement} statement @param {ts.SourceFile} file */
function written(statement, file) {
  const comment = file.text.slice(start(statement, file), statement.getStart(file));
  if (!ts.isClassDeclaration(statement)) return file.text.slice(start(statement, file), statement.end);
  const head = file.text.slice(statement.getStart(file), statement.members.pos);
  return `${comment}${head}\n    ${members(statement, file).join("\n    ")}\n}`;
}

/** The module as programs see it. */
function visible() {
  const file = ts.createSourceFile("all.d.ts", declared(), ts.ScriptTarget.Latest, true);
  const named = file.statements.filter((statement) => !ts.isExportDeclaration(statement));
  const isExported = (/** @type {ts.Statement} */ statement) => {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : [];
    return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  };
  // Types are there for what uses them, values because they are exported.
  const kept = new Set(named.filter((statement) => isExported(statement) && !isType(statement)));
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    const code = [...kept].map((statement) => written(statement, file)).join("\n").replace(/\/\*[^]*?\*\//g, "");
    const words = new Set(code.match(/\w+/g));
    for (const statement of named) if (names(statement).some((name) => words.has(name))) kept.add(statement);
  }
  const texts = named.filter((statement) => kept.has(statement)).map((statement) => written(statement, file));
  // The comments that types were written in stand in front of others, and say the same again.
  const text = texts.join("\n").replace(/^\/\*\*(?:(?!\*\/)[^])*@typedef(?:(?!\*\/)[^])*\*\/\n/gm, "");
  return `// Made of anteroom.js by \`npm run types\`.\n${text}\nexport type { RoomTools };\n`;
}

const text = visible();
const path = here("anteroom.d.ts");
if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (readFileSync(path, "utf8") !== text) {
  console.error("anteroom.d.ts is not what anteroom.js says; run `npm run types`.");
  process.exitCode = 1;
}
