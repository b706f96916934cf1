/** The form for a new room: what the game leaves to choose, who finds it, and who gets in. */

import { onDialogSubmit, openDialog } from "./dialog.js";
import { byId, make, setAttribute } from "./dom.js";
import { GAME, gameName, games, isChoice, kindOf } from "./games.js";
import { showOptions } from "./options-form.js";
import { refusalOf } from "./words.js";

const dialog = byId("create-dialog");
const fields = {
  game: byId("create-game"),
  name: byId("room-name"),
  visibility: byId("create-visibility"),
  password: byId("create-password"),
  seats: byId("create-seats"),
  delay: byId("create-delay"),
  kept: byId("create-kept"),
  record: byId("create-record"),
};

let readOptions = () => ({});
let create = async () => {};

/**
 * Puts the form to work.
 * @param {(what: Record<string, any>) => Promise<unknown>} onCreate makes the room, and goes there
 */
export function startCreateDialog(onCreate) {
  create = onCreate;
  byId("create").addEventListener("click", () => openCreate());
  fields.game.addEventListener("change", showGame);
  onDialogSubmit(dialog, submit, wordsFor);
  for (const field of [fields.name, fields.password]) {
    field.addEventListener("input", () => setAttribute(field, "aria-invalid", null));
  }
}

/**
 * Opens the form, for a game if one is named.
 * @param {string} [game]
 */
export async function openCreate(game = fields.game.value) {
  openDialog(dialog);
  fields.name.focus();
  showGame();
  // Without the list there is the one game that this page knows.
  const all = await games().catch(() => [kindOf(GAME)]);
  const entries = all.map(({ game }) => make("option", { value: game }, gameName(game)));
  fields.game.replaceChildren(...entries);
  if (game) fields.game.value = game;
  byId("create-game-row").hidden = entries.length < 2;
  showGame();
}

/** What can be chosen depends on the game. */
function showGame() {
  const kind = kindOf(fields.game.value || GAME);
  readOptions = showOptions(byId("create-options"), kind.options);
  const { min, max } = kind.seats;
  const counts = Array.from({ length: max - Math.max(1, min) + 1 }, (_, at) => String(max - at));
  fields.seats.replaceChildren(...counts.map((count) => make("option", { value: count }, count)));
  byId("create-seats-row").hidden = !isChoice(counts);
  byId("create-delay-row").hidden = !kind.spectators;
  byId("create-kept-row").hidden = kind.durable !== "choice";
}

async function submit() {
  await create(asked());
  fields.name.value = "";
  fields.password.value = "";
}

function asked() {
  const game = fields.game.value || GAME;
  const kind = kindOf(game);
  const options = readOptions();
  const name = fields.name.value.trim();
  const seats = Number(fields.seats.value);
  const delay = Number(fields.delay.value);
  return {
    game,
    ...(name && { name }),
    ...(Object.keys(options).length > 0 && { options }),
    ...(fields.visibility.value !== "public" && { visibility: fields.visibility.value }),
    ...(fields.password.value && { password: fields.password.value }),
    ...(seats !== kind.seats.max && seats > 0 && { seats_max: seats }),
    ...(kind.spectators && delay > 0 && { spectator_delay_ms: delay }),
    ...(fields.record.checked && { record: true }),
    ...(kind.durable === "choice" && { durable: fields.kept.checked }),
  };
}

function wordsFor(error) {
  setAttribute(fields.name, "aria-invalid", error?.code === "invalid_name" ? "true" : null);
  return refusalOf(error);
}
