// Somebody at the demo page, who uses it as people do: by what is on it.
import assert from "node:assert/strict";
import { PATIENCE_MS } from "./browser.mjs";

const SIZE = 3;

/** In a page: waits until the board is this one, and gives it; another one if that does not happen. */
function awaitBoard({ board, size, ms }) {
  const mark = (row, col) => document.querySelector(`[data-testid=cell-${row}-${col}]`)?.dataset.mark ?? ".";
  const line = (row) => Array.from({ length: size }, (_, col) => mark(row, col)).join("");
  const now = () => Array.from({ length: size }, (_, row) => line(row)).join("/");
  return new Promise((done) => {
    const look = () => {
      if (now() !== board) return;
      observer.disconnect();
      clearTimeout(late);
      done(board);
    };
    const late = setTimeout(() => (observer.disconnect(), done(now())), ms);
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, childList: true, attributes: true });
    look();
  });
}

export class Player {
  constructor(story, page, name) {
    this.story = story;
    this.page = page;
    this.name = name;
  }

  /** What has this `data-testid`. */
  at(id) {
    return this.page.getByTestId(id);
  }

  /** Presses something, as somebody who does not look whether it is in the way of something else. */
  async press(id) {
    // A tab behind another one is drawn once a second, which a click waits for.
    await this.page.bringToFront();
    await this.at(id).click();
  }

  /** Goes in under a name, and is in the lobby. */
  async enter(name = this.name) {
    await this.at("name").fill(name);
    await this.press("enter");
    await this.hasState("open");
    return this;
  }

  async hasState(state) {
    await this.page.locator(`[data-testid=state][data-state=${state}]`).waitFor();
  }

  async isOver(transport) {
    await this.at("transport").filter({ hasText: new RegExp(`^${transport}$`) }).waitFor();
  }

  /** Takes a seat in a new room, which has this in its form, and gives the room's id. */
  async create({ visibility, ...fields } = {}) {
    await this.press("create");
    if (visibility) await this.at("create-visibility").selectOption(visibility);
    for (const [field, value] of Object.entries(fields)) await this.at(field).fill(value);
    await this.press("create-go");
    return this.roomId();
  }

  /** The id of the room that is shown. */
  async roomId() {
    await this.page.locator("body[data-view=room]").waitFor();
    return (await this.page.locator("#room-id").textContent()).trim();
  }

  async join(roomId) {
    await this.press(`room-${roomId}`);
    assert.equal(await this.roomId(), roomId);
  }

  async watches(roomId) {
    await this.press(`watch-${roomId}`);
    assert.equal(await this.roomId(), roomId);
  }

  /** The link into the room that is shown, as its dialog has it; with a new invite, if it is to be one. */
  async link({ invite = false } = {}) {
    const field = this.at("invitation-link");
    await this.press("invite");
    if (invite) await this.press("invite-new");
    // One that is asked for comes in a moment.
    const wanted = invite ? "invite=" : "room=";
    await this.page.waitForFunction((wanted) => {
      return document.getElementById("invitation-link").value.includes(wanted);
    }, wanted);
    const link = await field.inputValue();
    await this.press("invite-close");
    return link;
  }

  /** Does something about somebody who has a row among the people. */
  async does(what, name) {
    const row = this.page.locator(".person").filter({ hasText: name });
    await this.page.bringToFront();
    await row.getByTestId("menu").click();
    await row.getByTestId(what).click();
  }

  /** The row of somebody who watches. */
  watcher(name) {
    return this.page.locator("#spectators li").filter({ hasText: name });
  }

  /** Somebody's row says this. */
  async seesOf(name, words) {
    await this.page.locator(".person").filter({ hasText: name }).filter({ hasText: words }).waitFor();
  }

  /** Somebody has no row any more. */
  async seesNo(name) {
    await this.page.locator(".person").filter({ hasText: name }).waitFor({ state: "detached" });
  }

  async says(text) {
    await this.at("chat-text").fill(text);
    await this.press("chat-send");
  }

  /** A line of the chat. */
  line(text) {
    return this.page.locator("#chat-lines .line").filter({ hasText: text });
  }

  async plays(row, col) {
    await this.press(`cell-${row}-${col}`);
  }

  /** The line above the board begins like this. */
  async isTold(beginning) {
    const escaped = beginning.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    await this.at("status").filter({ hasText: new RegExp(`^\\s*${escaped}`) }).waitFor();
  }

  /** Waits until the page's board is this one, written as "X.O/.../...". */
  async sees(board) {
    const seen = await this.page.evaluate(awaitBoard, { board, size: SIZE, ms: PATIENCE_MS });
    assert.equal(seen, board, `what ${this.name} sees`);
  }

  /** What the log of the page says, the oldest first: [{type, text}]. */
  log() {
    return this.page.locator("#log-entries li").evaluateAll((entries) =>
      entries.reverse().map((entry) => {
        return { type: entry.dataset.type, text: entry.querySelector("span").textContent };
      }));
  }

  /** Waits until the log has an entry of a type, by its number. */
  async hasLogged(type, count = 1) {
    const entries = this.page.locator(`#log-entries li[data-type=${type}]`);
    await entries.nth(count - 1).waitFor({ state: "attached" });
  }
}

/** A board as the server must have it: moves in, text out. */
export class Board {
  cells = Array.from({ length: SIZE }, () => Array(SIZE).fill("."));
  count = 0;

  /** The next mark, X first. */
  get next() {
    return this.count % 2 ? "O" : "X";
  }

  /** The cells that nobody has taken. */
  get free() {
    const places = this.cells.flatMap((row, at) => row.map((mark, col) => (mark === "." ? [at, col] : null)));
    return places.filter(Boolean);
  }

  /** Whether somebody has a line, or no cell is free. */
  get isOver() {
    const rows = this.cells.map((row) => row.join(""));
    const columns = rows.map((_, col) => this.cells.map((row) => row[col]).join(""));
    const diagonal = (col) => this.cells.map((row, at) => row[col(at)]).join("");
    const lines = [...rows, ...columns, diagonal((at) => at), diagonal((at) => SIZE - 1 - at)];
    return lines.includes("XXX") || lines.includes("OOO") || !this.free.length;
  }

  put(row, col) {
    assert.equal(this.cells[row][col], ".");
    this.cells[row][col] = this.next;
    this.count += 1;
    return this;
  }

  toString() {
    return this.cells.map((row) => row.join("")).join("/");
  }
}

/** The next moves on a board, X's and O's in turn; all who are given see each of them before the next. */
export async function goOn([x, o], board, moves, watchers = []) {
  for (const [row, col] of moves) {
    await (board.next === "X" ? x : o).plays(row, col);
    board.put(row, col);
    await Promise.all([x, o, ...watchers].map((one) => one.sees(String(board))));
  }
  return board;
}

/** The same on an empty board. */
export function play(players, moves, watchers = []) {
  return goOn(players, new Board(), moves, watchers);
}

/** X takes the left column. */
export const LEFT_COLUMN = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]];
/** Nobody wins. */
export const DRAW = [[1, 1], [0, 0], [0, 1], [2, 1], [0, 2], [2, 0], [1, 0], [1, 2], [2, 2]];
