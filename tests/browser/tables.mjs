// Playing dice and owe drahn by a page: what somebody does whose turn it is.
import assert from "node:assert/strict";

/** Makes a room of a game by its card in the lobby, which has these options, and gives its id. */
export async function createOf(player, game, options = {}) {
  await player.press(`new-${game}`);
  await player.page.waitForFunction((game) => document.getElementById("create-game").value === game, game);
  for (const [name, value] of Object.entries(options)) await player.at(`option-${name}`).fill(String(value));
  await player.press("create-go");
  return player.roomId();
}

/** The line above the game is like this, sooner or later; what it is then. */
export async function awaitStatus({ page }, pattern) {
  const shown = await page.waitForFunction(([source]) => {
    const text = document.getElementById("status").textContent.trim();
    return new RegExp(source).test(text) && text;
  }, [pattern.source]);
  return shown.jsonValue();
}

/** Waits until it is the turn of one of these players, and gives whose; null once somebody has won. */
export async function nextOf(players) {
  const names = players.map(({ name }) => name).join("|");
  const [first] = players;
  const text = await awaitStatus(first, new RegExp(`^(Your turn|(Waiting for )?(${names})( to move)?$|You are out\\. (${names})|.* won\\.)`));
  if (/ won\.|^You won\./.test(text)) return null;
  if (text.startsWith("Your turn")) return first;
  return players.find(({ name }) => new RegExp(`\\b${name}\\b`).test(text));
}

/** Which of these dice to set aside: 1s, 5s, and what is there three times. */
export function scoring(values) {
  const count = (value) => values.filter((other) => other === value).length;
  const places = values.map((value, place) => (value === 1 || value === 5 || count(value) >= 3 ? place : -1));
  return places.filter((place) => place >= 0);
}

/** The values of the dice on the table. */
export function diceOf({ page }) {
  return page.locator(".die:not([hidden])").evaluateAll((dice) => dice.map((die) => Number(die.dataset.value)));
}

/** Rolls; what then lies on the table. Nothing if that scores nothing. */
export async function roll(player) {
  await awaitStatus(player, /^Your turn/);
  await player.press("roll");
  const text = await awaitStatus(player, /^(Your turn: select|Bust)/);
  return text.startsWith("Bust") ? [] : diceOf(player);
}

/** Selects what scores. */
export async function selectScoring(player) {
  const places = scoring(await diceOf(player));
  for (const place of places) {
    await player.press(`die-${place}`);
    await player.page.locator(`[data-testid=die-${place}][aria-pressed=true]`).waitFor();
  }
  assert.notEqual(await player.at("roll-score").textContent(), "0");
  return places;
}

/** A whole turn of dice that ends after one throw. */
export async function takeTurn(player) {
  if ((await roll(player)).length > 0) {
    await selectScoring(player);
    await player.press("end-turn");
  }
  await awaitStatus(player, /^(?!Your turn|Bust: nothing)/);
}

/** A turn of owe drahn: rolls, or gives a life where that is risky, and chooses the first who may go on. */
export async function takeDrahnTurn(player) {
  const text = await awaitStatus(player, /^Your turn/);
  if (text.includes("owe drahn") && (await player.at("owe").getAttribute("aria-disabled")) === null) {
    await player.press("owe");
    await awaitStatus(player, /^Your turn: choose/);
    await chooseFirst(player);
  } else {
    await player.press("roll");
  }
  await awaitStatus(player, /^(?!Your turn)/);
}

export async function chooseFirst({ page }) {
  await page.bringToFront();
  await page.locator("[data-testid^=choose-]:not([hidden])").first().click();
}
