/** Which page a game has. Games that nobody has made one for are shown as what they tell. */

import { createPage } from "./games/tic-tac-toe.js";

/** @import { Table } from "./words.js" */

/**
 * Sends a message to the game, and says so if it is refused. Resolves in any case.
 * @typedef {(type: string, data: any) => Promise<void>} Act
 */

/**
 * What a game's page is to a room.
 * @typedef {object} GamePage
 * @property {(isShown: boolean) => void} show
 * @property {(table: Table) => void} render
 * @property {(table: Table) => {text: string, time?: string, rest?: string}} status the line that says where the match stands
 * @property {(table: Table) => string} title the same in two or three words, for the title of the tab
 * @property {(table: Table) => string} hint the quiet line below, while there is nothing to decide there
 * @property {(table: Table) => boolean} keys whether the hint is about keys just now
 * @property {(table: Table) => {hasAsked: boolean, canAsk: boolean, note: string} | null} rematch if one can be asked for
 * @property {() => void} focus puts the keyboard where the game is played
 */

/** Fetched when somebody is in such a room for the first time. */
const LATER = {
  dice: () => Promise.all([import("./games/dice.js"), import("./games/parts.js")]),
  owe_drahn: () => Promise.all([import("./games/owe-drahn.js"), import("./games/parts.js")]),
};

/** @type {Map<string, GamePage>} */
const pages = new Map();
let hooks = null;

/** Puts the pages to work. @param {{act: Act, explain: (text: string) => void}} room */
export function startGamePages(room) {
  hooks = room;
  pages.set("tic_tac_toe", createPage(room));
}

/** Whether a game has a page. @param {string} game */
export function hasPage(game) {
  return pages.has(game) || game in LATER;
}

/** A game's page, if it is here. @param {string} game */
export function pageOf(game) {
  return pages.get(game) ?? null;
}

/**
 * Fetches a game's page if it has one that is not here. It says no if there is none to be had.
 * @param {string} game
 */
export async function fetchPage(game) {
  if (pages.has(game) || !(game in LATER)) return pages.has(game);
  try {
    const [{ createPage: create }] = await LATER[game]();
    const page = create(hooks);
    if (!pages.has(game)) pages.set(game, page);
    return true;
  } catch (error) {
    console.info(`The page of ${game} cannot be had: ${error}`);
    return false;
  }
}
