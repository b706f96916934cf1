/** The games that the server has, as it tells: what a form for a new room has to know of them. */

/** The game that is played if nobody says which. */
export const GAME = "tic_tac_toe";

/** What the games are that have a page, in a sentence each; in the order in which they are offered. */
export const SENTENCES = new Map([
  [GAME, "Three in a row. The bot never loses."],
  ["dice", "Set aside what scores, and stop in time. First to 3000."],
  ["owe_drahn", "One die, six lives. Whoever gets the total above 15 is out."],
]);
const SEAT_COUNTS_MAX = 32;

/**
 * @typedef {object} Kind
 * @property {string} game
 * @property {{min: number, max: number, teams?: number}} seats as they are without any options
 * @property {boolean} spectators
 * @property {boolean} bots whether a computer can take a seat
 * @property {string} [start] `ready` if the match begins when all players say so
 * @property {"never" | "always" | "choice"} [durable]
 * @property {any} [options] their JSON schema
 */

/** What is taken for true of a game as long as nothing else is known. */
const UNKNOWN = { seats: { min: 1, max: 2 }, spectators: true, bots: false, options: {} };

/** @type {Promise<Kind[]> | null} */
let asked = null;
/** @type {Map<string, Kind>} */
const known = new Map();

/**
 * All games, asked for once; again if that failed.
 * @returns {Promise<Kind[]>}
 */
export function games() {
  asked ??= load().catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/**
 * What is known of a game by now.
 * @param {string} game
 * @returns {Kind}
 */
export function kindOf(game) {
  return known.get(game) ?? { game, ...UNKNOWN };
}

/** Whether numbers of seats are worth choosing from: there is more than one, and they can be looked over. */
export function isChoice(counts) {
  return counts.length > 1 && counts.length <= SEAT_COUNTS_MAX;
}

/** A game's name as people write it. @param {string} game */
export function gameName(game) {
  const words = game.replaceAll("_", " ");
  if (game === GAME) return "Tic-tac-toe";
  return words.charAt(0).toUpperCase() + words.slice(1);
}

async function load() {
  const response = await fetch(new URL("api/games", new URL(".", location.href)));
  if (!response.ok) throw new Error("The server does not say which games it has.");
  const { games: all } = await response.json();
  for (const kind of all) known.set(kind.game, { ...UNKNOWN, ...kind, seats: kind.seats ?? UNKNOWN.seats });
  // Those with a page come first.
  const place = ({ game }) => [...SENTENCES.keys()].indexOf(game) >>> 0;
  return [...known.values()].sort((one, other) => place(one) - place(other));
}
