/** Dice: what lies on the table, what it is worth, and who has how much. Shows what the server said and nothing else. */

import { byId, make, setAttribute, setText } from "../dom.js";
import { seatKept } from "../words.js";
import { allow, createRows, createSpeaker, drawFace, isAllowed, isAway, isPlainKey, makeAction, playerNote } from "./parts.js";

/** @import { Act, GamePage } from "../game-pages.js" */
/** @import { Table } from "../words.js" */

const DICE = 6;

/**
 * @param {{act: Act, explain: (text: string) => void}} room
 * @returns {GamePage}
 */
export function createPage({ act, explain }) {
  /** @type {Table | null} */
  let shown = null;
  const speaker = createSpeaker();
  const players = make("ul", { class: "players", "aria-label": "Players and points" });
  const tray = make("div", { class: "tray", role: "group", "aria-label": "Dice on the table" });
  const dice = Array.from({ length: DICE }, (_, place) => createDie(place));
  const empty = make("p", { class: "tray-note" });
  const aside = make("p", { class: "aside-dice", role: "img" });
  const worth = make("output", { class: "figure-number", "data-testid": "roll-score" });
  const turn = make("output", { class: "figure-number", "data-testid": "turn-score" });
  const roll = makeAction("roll", "Roll", "R", () => press(roll, "roll", {}, whyNotRoll));
  const keep = makeAction("set-aside", "Set aside", "S", () => press(keep, "set_aside", { end_turn: false }, whyNotKeep));
  const end = makeAction("end-turn", "Set aside and end", "E", () => press(end, "set_aside", { end_turn: true }, whyNotKeep));
  const figures = make(
    "div",
    { class: "figures" },
    make("p", { class: "figure" }, make("span", {}, "Selected"), worth),
    make("p", { class: "figure" }, make("span", {}, "This turn"), turn),
    make("p", { class: "figure figure-aside" }, make("span", {}, "Set aside"), aside),
  );
  const root = make(
    "div",
    { class: "game dice-game" },
    players, tray, figures, make("div", { class: "game-actions" }, roll, keep, end), speaker.element,
  );
  tray.append(...dice, empty);
  root.addEventListener("keydown", onKey);
  const rowsOf = createRows(players, fillRow);

  function createDie(place) {
    const die = make("button", { type: "button", class: "die", "data-testid": `die-${place}`, "aria-pressed": "false" });
    die.addEventListener("click", () => press(die, "select", { dice_index: place }, whyNotSelect));
    return die;
  }

  function press(button, type, data, whyNot) {
    if (isAllowed(button)) act(type, data);
    else explain(whyNot());
  }

  function onKey(event) {
    if (!isPlainKey(event)) return;
    const button = { r: roll, s: keep, e: end }[event.key.toLowerCase()] ?? dice[Number(event.key) - 1];
    if (!button || button.hidden) return;
    event.preventDefault();
    button.click();
  }

  function whyNotMove() {
    const { view, isPlayer, nameOf, state } = shown;
    if (!isPlayer) return "You are watching; only the players can roll.";
    if (state === "paused") return "The match is paused.";
    if (view.status === "waiting") return "The match begins when all seats are taken.";
    if (view.status === "won") return "The match is over.";
    if (!isOwnTurn(shown)) return `It is the turn of ${nameOf(view.current_turn)}.`;
    return view.status === "busted" ? "Nothing scored; the turn passes on." : "";
  }

  function whyNotRoll() {
    return whyNotMove() || "Set aside dice that score before you roll again.";
  }

  function whyNotSelect() {
    return whyNotMove() || "Roll first.";
  }

  function whyNotKeep() {
    if (whyNotMove() || shown.view.can_roll) return whyNotSelect();
    return shown.view.selected.length ? "Each of the selected dice has to score." : "Select the dice to set aside first.";
  }

  function render(table) {
    const { view, state } = table;
    const before = shown?.view;
    const focused = document.activeElement;
    shown = table;
    const canMove = isOwnTurn(table) && view.status === "playing" && state !== "paused";
    const faces = view.dice ?? [];
    setAttribute(root, "data-status", view.status ?? "waiting");
    dice.forEach((die, place) => showDie(die, place, faces[place], table, canMove));
    empty.hidden = faces.length > 0;
    setText(empty, emptyNote(table));
    setText(worth, String(view.roll_score ?? 0));
    setText(turn, String(view.turn_score ?? 0));
    showAside(view.set_aside ?? []);
    allow(roll, canMove && view.can_roll);
    for (const button of [keep, end]) allow(button, canMove && !view.can_roll && view.roll_score > 0);
    setAttribute(roll, "class", canMove && view.can_roll ? "primary" : null);
    const users = (view.players ?? []).filter(Boolean);
    rowsOf(users).forEach((row, place) => showPlayer(row, users[place], table));
    // A die that was set aside is gone; the keyboard goes on with what comes next.
    if (dice.includes(focused) && focused.hidden) roll.focus();
    if (before && faces.join() !== before.dice?.join() && !view.can_roll && faces.length) {
      speaker.say(`Rolled ${faces.join(", ")}.`);
    }
  }

  function showDie(die, place, value, { view }, canMove) {
    die.hidden = value === undefined;
    if (die.hidden) return;
    const isSelected = view.selected.includes(place);
    if (die.dataset.value !== String(value)) {
      setAttribute(die, "data-value", String(value));
      die.replaceChildren(drawFace(value));
    }
    setAttribute(die, "aria-pressed", String(isSelected));
    setAttribute(die, "aria-label", `Die ${place + 1}: ${value}`);
    allow(die, canMove && !view.can_roll);
    setAttribute(die, "data-left", view.can_roll ? "true" : null);
  }

  function showAside(values) {
    if (aside.dataset.values === values.join()) return;
    setAttribute(aside, "data-values", values.join());
    setAttribute(aside, "aria-label", values.length ? `Dice set aside: ${values.join(", ")}` : "No dice set aside");
    aside.replaceChildren(...(values.length ? values.map((value) => make("span", { class: "small-die" }, drawFace(value))) : ["–"]));
  }

  return {
    show(isShown) {
      if (isShown) byId("game").append(root);
      else root.remove();
      shown = null;
    },
    render,
    status,
    title,
    hint,
    keys: ({ view }) => view.status === "playing",
    rematch,
    focus: () => (dice.find((die) => !die.hidden && isAllowed(die)) ?? roll).focus(),
  };
}

function fillRow(row) {
  row.append(
    make("span", { class: "player-name" }),
    make("span", { class: "player-note" }),
    make("span", { class: "player-points" }),
    make("span", { class: "progress", "aria-hidden": "true" }, make("span", { class: "progress-done" })),
  );
}

function showPlayer(row, userId, table) {
  const { view, nameOf } = table;
  const points = view.scores?.[userId] ?? 0;
  setAttribute(row, "data-turn", view.current_turn === userId ? "true" : null);
  setAttribute(row, "data-winner", view.winner === userId ? "true" : null);
  setText(row.querySelector(".player-name"), nameOf(userId));
  setText(row.querySelector(".player-note"), playerNote(userId, table));
  setText(row.querySelector(".player-points"), `${points} of ${view.target}`);
  row.querySelector(".progress-done").style.inlineSize = `${Math.min(100, (100 * points) / view.target)}%`;
}

function isOwnTurn({ view, userId, isPlayer }) {
  return isPlayer && view.current_turn === userId;
}

function emptyNote({ view, userId, isPlayer, nameOf }) {
  if (view.status === "waiting") return "Six dice, and whoever stops in time.";
  if (view.status === "won") return "";
  const again = view.turn_score > 0 ? "All six scored: six again." : "Six dice are in the cup.";
  return isPlayer && view.current_turn === userId ? again : `${nameOf(view.current_turn)} has the cup.`;
}

function status(table) {
  const { view, userId, isPlayer, nameOf } = table;
  const name = view.current_turn ? nameOf(view.current_turn) : "";
  switch (view.status) {
    case "waiting": {
      const seats = view.players?.length ?? 0;
      return { text: `Waiting for players: ${view.players?.filter(Boolean).length ?? 0} of ${seats} are here` };
    }
    case "playing":
      if (isOwnTurn(table)) return { text: ownTurn(view) };
      if (isAway(view.current_turn, table)) return seatKept(table, view.current_turn);
      return { text: isPlayer ? `Waiting for ${name}` : `${name} to move` };
    case "busted":
      return { text: isOwnTurn(table) ? "Bust: nothing scored. The turn passes on." : `Bust: ${name} scored nothing.` };
    case "won":
      return { text: view.winner === userId ? "You won." : `${nameOf(view.winner)} won.` };
    default:
      return { text: "" };
  }
}

function ownTurn({ can_roll: canRoll, turn_score: turnScore, selected, roll_score: worth }) {
  if (canRoll) return turnScore > 0 ? `Your turn: ${turnScore} points so far. Roll on.` : "Your turn: roll.";
  if (selected.length === 0) return "Your turn: select the dice that score.";
  return worth > 0 ? `Your turn: ${worth} points selected.` : "Your turn: one of these does not score.";
}

function title(table) {
  const { view } = table;
  if (isOwnTurn(table)) return view.status === "busted" ? "Bust" : "Your turn";
  return { waiting: "Waiting", playing: "Playing", busted: "Bust", won: "Match over" }[view.status] ?? "";
}

function hint({ view }) {
  if (view.status === "waiting") return "Invite friends, or let bots take the free seats.";
  if (view.status !== "playing") return "";
  return "1 is 100, 5 is 50, three of a kind a hundred each (1s: 1000), doubled by each more; runs 500, 750 and 1500.";
}

function rematch({ view, userId, isPlayer, nameOf }) {
  if (view.status !== "won") return null;
  const wanted = view.rematch_wanted ?? [];
  const hasAsked = wanted.includes(userId);
  const others = wanted.filter((user) => user !== userId).map(nameOf);
  const note = others.length ? `${others.join(" and ")} ${others.length > 1 ? "want" : "wants"} one.` : "It begins when all want one.";
  return { hasAsked, canAsk: isPlayer, note: hasAsked && !others.length ? "The others have been asked." : note };
}
