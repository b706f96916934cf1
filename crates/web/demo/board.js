/**
 * The board: nine buttons in a grid with one stop for the Tab key. Arrow keys walk, Enter and Space play, and
 * 1 to 9 play from the top left. A mark is shown when the server has said so; before that it is only a hint.
 */

import { byId, make, setAttribute } from "./dom.js";
import { drawMark } from "./marks.js";

const SIZE = 3;
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @param {(row: number, column: number) => void} onPlay a cell that may be played was activated
 * @param {(row: number, column: number) => void} onRefuse any other cell was
 */
export function createBoard(onPlay, onRefuse) {
  const root = byId("board");
  const cells = [];
  for (let row = 0; row < SIZE; row += 1) {
    const line = make("div", { role: "row", class: "board-row" });
    for (let column = 0; column < SIZE; column += 1) {
      const cell = createCell(row, column);
      cell.addEventListener("click", () => activate(cell, row, column));
      cell.addEventListener("focus", () => moveStop(cells, cell));
      cells.push(cell);
      line.append(make("div", { role: "gridcell", class: "board-cell" }, cell));
    }
    root.append(line);
  }
  moveStop(cells, cells[4]);
  root.addEventListener("keydown", (event) => onKey(event, cells));

  function activate(cell, row, column) {
    if (cell.getAttribute("aria-disabled") === "true") onRefuse(row, column);
    else onPlay(row, column);
  }

  return {
    /** Puts the focus on the cell that the Tab key would reach. */
    focus() {
      cells.find((cell) => cell.tabIndex === 0)?.focus();
    },

    /**
     * @param {{board: Array<Array<string | null>>, line: Array<[number, number]> | null,
     *   ownMark: string | null, canPlay: boolean, pending: string | null}} state `pending` is the cell
     *   "row-column" of a move on its way
     */
    render({ board, line, ownMark, canPlay, pending }) {
      setAttribute(root, "data-playable", String(canPlay && !pending));
      const won = new Set((line ?? []).map(([row, column]) => `${row}-${column}`));
      for (const cell of cells) {
        const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
        const key = `${row}-${column}`;
        const mark = board?.[row]?.[column] ?? "";
        const isPending = pending === key && !mark;
        showMark(cell, mark, isPending ? ownMark : "");
        setAttribute(cell, "data-won", won.has(key) ? "true" : null);
        setAttribute(cell, "aria-disabled", canPlay && !pending && !mark ? null : "true");
        setAttribute(cell, "aria-label", label(row, column, mark, isPending, won.has(key)));
      }
    },
  };
}

function createCell(row, column) {
  return make("button", {
    type: "button",
    class: "cell",
    tabindex: "-1",
    "data-testid": `cell-${row}-${column}`,
    "data-row": String(row),
    "data-column": String(column),
  });
}

function label(row, column, mark, isPending, isWon) {
  const what = mark || "empty";
  const more = isWon ? ", in the winning line" : isPending ? ", your move is on its way" : "";
  return `Row ${row + 1}, column ${column + 1}, ${what}${more}`;
}

function showMark(cell, mark, hint) {
  if ((cell.dataset.mark ?? "") === mark && (cell.dataset.hint ?? "") === (hint ?? "")) return;
  setAttribute(cell, "data-mark", mark || null);
  setAttribute(cell, "data-hint", hint || null);
  if (!mark && !hint) cell.replaceChildren();
  else if (mark) cell.replaceChildren(drawMark(mark), make("span", { class: "unseen" }, mark));
  else cell.replaceChildren(drawMark(hint));
}

function moveStop(cells, stop) {
  for (const cell of cells) cell.tabIndex = cell === stop ? 0 : -1;
}

function onKey(event, cells) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const from = cells.indexOf(event.target);
  if (from < 0) return;
  const target = targetOf(event.key, from);
  if (target === null) return;
  event.preventDefault();
  cells[target].focus();
  if (/^[1-9]$/.test(event.key)) cells[target].click();
}

function targetOf(key, from) {
  if (/^[1-9]$/.test(key)) return Number(key) - 1;
  const [row, column] = [Math.floor(from / SIZE), from % SIZE];
  if (key === "Home") return row * SIZE;
  if (key === "End") return row * SIZE + SIZE - 1;
  const step = STEPS[key];
  if (!step) return null;
  return ((row + step[0] + SIZE) % SIZE) * SIZE + ((column + step[1] + SIZE) % SIZE);
}
