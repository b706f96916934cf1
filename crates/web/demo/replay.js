/**
 * Recordings, played turn by turn on the games' own pages. What is shown comes from the server, which has played the
 * recording, or from a file; nothing here knows a game.
 */

import { make, sentence, setAttribute, setText } from "./dom.js";
import { fetchPage, pageOf, startGamePages } from "./game-pages.js";
import { gameName } from "./games.js";
import { statusOf } from "./words.js";

/** How long a turn is shown while it plays, at most and at least. */
const [TURN_MS_MIN, TURN_MS_MAX] = [250, 1500];
const ENDS = {
  closed: "the room was closed",
  failed: "the game failed",
  cut: "the recording ends before the room did",
  running: "the room was still open",
};

const at = (id) => document.getElementById(id);
/** What is played, how far it is, and the page of its game. */
let recording = null;
let place = 0;
let page = null;
let timer = 0;

start();

function start() {
  startGamePages({ act: async () => {}, explain: () => {} });
  at("file").addEventListener("change", openFile);
  at("turn").addEventListener("input", () => show(Number(at("turn").value)));
  at("back").addEventListener("click", () => show(place - 1));
  at("on").addEventListener("click", () => show(place + 1));
  at("play").addEventListener("click", () => play(!timer));
  addEventListener("hashchange", followAddress);
  listRecordings();
  followAddress();
}

async function listRecordings() {
  try {
    const { recordings } = await ask("api/recordings");
    at("list").replaceChildren(...recordings.map(createRow));
    say(recordings.length ? "" : "There are none yet. Make a room with “Record it” on, and play.");
  } catch (error) {
    say(sentence(error));
  }
}

function createRow({ name, game, room_name: room, created_at_ms: createdAt }) {
  const when = new Date(createdAt).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const words = [make("span", { class: "row-name" }, room), make("span", { class: "row-facts" }, `${gameName(game)} · ${when}`)];
  return make("li", {}, make("a", { class: "row-join", href: `#${encodeURIComponent(name)}` }, ...words));
}

/** The address names what is played, so that it can be handed on. */
async function followAddress() {
  const name = decodeURIComponent(location.hash.slice(1));
  if (!name) return;
  refuse("");
  try {
    open(await ask(`api/recordings/${encodeURIComponent(name)}`));
    refuse("");
  } catch (error) {
    refuse(sentence(error));
  }
}

async function ask(path) {
  const answer = await fetch(new URL(path, new URL(".", location.href)));
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => null);
  throw new Error(told?.error?.message ?? (answer.status === 404 ? "This server shows no recordings." : `The server says ${answer.status}.`));
}

async function openFile() {
  const [file] = at("file").files;
  if (!file) return;
  try {
    const read = JSON.parse(await file.text());
    if (read?.format !== 1 || !Array.isArray(read.frames) || !read.frames.length) throw new Error("not a recording");
    open(read);
    refuse("");
  } catch (error) {
    refuse(`${file.name} is not what anteroom replay --json prints.`);
    console.info(sentence(error));
  }
}

async function open(read) {
  play(false);
  page?.show(false);
  [recording, page] = [read, null];
  at("shown").hidden = false;
  setText(at("title"), read.room_name || gameName(read.game));
  setText(at("facts"), factsOf(read));
  setAttribute(at("turn"), "max", String(read.frames.length - 1));
  show(0);
  at("title").focus();
  await fetchPage(read.game);
  if (recording !== read) return;
  page = pageOf(read.game);
  page?.show(true);
  show(place);
}

function factsOf({ game, version, frames, ended, verified, remark }) {
  const parts = [`${gameName(game)}, version ${version}`, `${frames.length} turns`, ENDS[ended]];
  return [...parts, verified ? "everything came out as it did" : "it did not come out as it did", remark].filter(Boolean).join(" · ");
}

/** Shows where things stood after a turn. */
function show(next) {
  const { frames } = recording;
  place = Math.min(Math.max(0, next), frames.length - 1);
  const frame = frames[place];
  const table = tableOf(frame);
  page?.render(table);
  at("raw").hidden = Boolean(page);
  if (!page) setText(at("raw-view"), JSON.stringify(frame.view, null, 2));
  const { text, time = "", rest = "" } = statusOf(table, page);
  setText(at("status"), text + time + rest);
  at("turn").value = String(place);
  setText(at("place"), `${place} of ${frames.length - 1}, ${timeOf(frame.at_ms - frames[0].at_ms)}`);
  setAttribute(at("turn"), "aria-valuetext", `Turn ${place}`);
  at("events").replaceChildren(...frame.events.map((event) => make("li", {}, wordsOf(event, table))));
  setAttribute(at("back"), "aria-disabled", place === 0 ? "true" : null);
  setAttribute(at("on"), "aria-disabled", place === frames.length - 1 ? "true" : null);
}

/** A frame as the games' pages know tables: somebody watches, who can do nothing. */
function tableOf({ view, members, state }) {
  const names = new Map(recording.players.map(({ user_id: userId, username }) => [userId, username]));
  for (const { user_id: userId, username } of members) names.set(userId, username);
  return {
    view: view ?? {},
    members,
    userId: "",
    isPlayer: false,
    state,
    vote: null,
    isConnected: true,
    isKept: false,
    isDurable: false,
    nameOf: (userId) => names.get(userId) ?? "somebody",
    keptUntil: new Map(),
  };
}

function wordsOf({ type, user_id: userId, data }, { nameOf }) {
  const what = data && Object.keys(data).length ? `${type} ${JSON.stringify(data)}` : type;
  return userId ? `${nameOf(userId)}: ${what}` : what;
}

function timeOf(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Goes on by itself, about as fast as it was, until the end or until somebody stops it. */
function play(isOn) {
  clearTimeout(timer);
  timer = 0;
  if (isOn && place === recording.frames.length - 1) show(0);
  setAttribute(at("play"), "aria-pressed", String(isOn));
  setText(at("play"), isOn ? "Stop" : "Play");
  if (isOn) next();
}

function next() {
  const { frames } = recording;
  if (place === frames.length - 1) return play(false);
  const ms = frames[place + 1].at_ms - frames[place].at_ms;
  timer = setTimeout(() => {
    show(place + 1);
    next();
  }, Math.min(Math.max(ms, TURN_MS_MIN), TURN_MS_MAX));
}

function say(text) {
  setText(at("list-note"), text);
}

/** Why something cannot be played. */
function refuse(text) {
  setText(at("note"), text);
}
