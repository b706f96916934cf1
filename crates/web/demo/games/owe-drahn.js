/** Owe drahn: the total, who has how many lives, and the side bets. Shows what the server said and nothing else. */

import { byId, make, setAttribute, setText } from "../dom.js";
import { seatKept } from "../words.js";
import { allow, createRows, createSpeaker, drawFace, isAllowed, isAway, isPlainKey, makeAction, playerNote } from "./parts.js";

/** @import { Act, GamePage } from "../game-pages.js" */
/** @import { Table } from "../words.js" */

const TOTAL_MAX = 15;
/** From here on a roll can be too much. */
const RISKY = 10;
const LIVES = 6;

/**
 * @param {{act: Act, explain: (text: string) => void}} room
 * @returns {GamePage}
 */
export function createPage({ act, explain }) {
  /** @type {Table | null} */
  let shown = null;
  const speaker = createSpeaker();
  const cells = Array.from({ length: TOTAL_MAX }, (_, place) => {
    return make("span", { class: "scale-cell", ...(place + 1 >= RISKY ? { "data-risky": "true" } : {}) });
  });
  const number = make("span", { class: "total-number", "data-testid": "total" });
  const scale = make("div", { class: "scale", "aria-hidden": "true" }, ...cells);
  const last = make("span", { class: "last-roll", role: "img" });
  const roll = makeAction("roll", "Roll", "R", () => press(roll, "roll", {}, whyNotRoll));
  const owe = makeAction("owe", "Owe drahn", "O", () => press(owe, "lose_life", {}, whyNotOwe));
  const players = make("ul", { class: "players lives", "aria-label": "Players and lives" });
  const bets = make("ul", { class: "bets", "aria-label": "Side bets" });
  const rival = make("select", { "data-testid": "bet-rival", "aria-label": "Bet with" });
  const amount = make("input", {
    type: "number", min: "1", max: "100", step: "1", value: "10", inputmode: "numeric", "data-testid": "bet-amount", "aria-label": "Points",
  });
  const propose = make("button", { type: "submit", class: "small", "data-testid": "bet-propose" }, "Bet");
  const form = make("form", { class: "bet-form", novalidate: "" }, make("span", {}, "I outlive"), rival, make("span", {}, "for"), amount, propose);
  const side = make("section", { class: "side-bets", "aria-label": "Side bets" }, bets, form);
  const root = make(
    "div",
    { class: "game drahn-game" },
    make("p", { class: "total", role: "group", "aria-label": "Total" }, number, make("span", { class: "total-of" }, "of 15"), last),
    scale,
    make("div", { class: "game-actions" }, roll, owe),
    players, side, speaker.element,
  );
  root.addEventListener("keydown", onKey);
  form.addEventListener("submit", onBet);
  const rowsOf = createRows(players, fillRow);

  function press(button, type, data, whyNot) {
    if (isAllowed(button)) act(type, data);
    else explain(whyNot());
  }

  function onKey(event) {
    if (!isPlainKey(event)) return;
    const button = { r: roll, o: owe }[event.key.toLowerCase()];
    if (!button) return;
    event.preventDefault();
    button.click();
  }

  function onBet(event) {
    event.preventDefault();
    const points = Number(amount.value);
    if (!Number.isInteger(points) || points < 1 || points > 100) return explain("A side bet is of 1 to 100 points.");
    if (rival.value) act("sidebet_propose", { user_id: rival.value, amount: points });
  }

  function whyNotRoll() {
    const { view, isPlayer, nameOf, state } = shown;
    if (!isPlayer) return "You are watching; only the players can roll.";
    if (state === "paused") return "The match is paused.";
    if (view.status === "waiting") return "The match begins when all are ready.";
    if (view.status === "over") return "The match is over.";
    if (!isOwnTurn(shown)) return `It is the turn of ${nameOf(view.current_turn)}.`;
    return "Choose first who goes on.";
  }

  function whyNotOwe() {
    const { view, userId } = shown;
    if (!isOwnTurn(shown) || view.phase !== "roll" || shown.state === "paused") return whyNotRoll();
    return view.lives[userId] <= 1 ? "The last life cannot be given." : "";
  }

  function fillRow(row) {
    const choose = make("button", { type: "button", class: "small", "data-testid": `choose-${row.dataset.user}` }, "Goes on");
    choose.addEventListener("click", () => act("choose_next", { user_id: row.dataset.user }));
    row.append(
      make("span", { class: "player-name" }),
      make("span", { class: "player-note" }),
      make("span", { class: "player-points" }),
      make("span", { class: "life-dots", role: "img" }, ...Array.from({ length: LIVES }, () => make("span", { class: "life" }))),
      choose,
    );
  }

  function render(table) {
    const { view, state, userId } = table;
    const before = shown?.view;
    shown = table;
    const isOn = view.status === "playing";
    const canMove = isOn && isOwnTurn(table) && state !== "paused";
    setAttribute(root, "data-status", view.status ?? "waiting");
    setText(number, String(view.total ?? 0));
    cells.forEach((cell, place) => setAttribute(cell, "data-full", place < view.total ? "true" : null));
    showLast(view.last_roll ?? null);
    allow(roll, canMove && view.phase === "roll");
    allow(owe, canMove && view.phase === "roll" && view.lives[userId] > 1);
    setAttribute(roll, "class", canMove && view.phase === "roll" ? "primary" : null);
    const users = (view.players ?? []).filter(Boolean);
    rowsOf(users).forEach((row, place) => showPlayer(row, users[place], table, canMove));
    showBets(table);
    if (before && isOn && view.last_roll && JSON.stringify(before) !== JSON.stringify(view)) {
      speaker.say(`${view.last_roll} rolled, the total is ${view.total}.`);
    }
  }

  function showLast(value) {
    if (last.dataset.value === String(value)) return;
    setAttribute(last, "data-value", String(value));
    setAttribute(last, "aria-label", value ? `Last roll: ${value}` : "Nothing rolled yet");
    last.replaceChildren(...(value ? [drawFace(value)] : []));
  }

  function showBets(table) {
    const { view, userId, isPlayer, nameOf } = table;
    const open = view.status === "playing" ? view.sidebets.filter(({ accepted }) => accepted) : view.sidebets ?? [];
    const key = JSON.stringify([open, view.status, userId, open.map(({ from, to }) => [nameOf(from), nameOf(to)])]);
    if (bets.dataset.key !== key) {
      setAttribute(bets, "data-key", key);
      bets.replaceChildren(...open.map((bet) => betRow(bet, table)));
    }
    const has = (user) => open.some(({ from, to }) => [from, to].includes(user) && [from, to].includes(userId));
    const rivals = (view.players ?? []).filter((user) => user && user !== userId && !has(user) && !isBot(user, table));
    const canBet = isPlayer && view.status !== "playing" && rivals.length > 0;
    form.hidden = !canBet;
    side.hidden = !canBet && open.length === 0;
    const names = rivals.map((user) => [user, nameOf(user)]);
    if (rival.dataset.key === JSON.stringify(names)) return;
    const chosen = rival.value;
    rival.dataset.key = JSON.stringify(names);
    rival.replaceChildren(...names.map(([user, name]) => make("option", { value: user }, name)));
    if (rivals.includes(chosen)) rival.value = chosen;
  }

  function betRow({ from, to, amount: points, accepted }, { view, userId, nameOf }) {
    const row = make("li", { class: "bet" }, make("span", {}, `${nameOf(from)} against ${nameOf(to)}, ${points}`));
    if (accepted) row.append(make("span", { class: "player-note" }, "holds"));
    if (accepted || view.status === "playing") return row;
    const button = (label, type, user) => {
      const made = make("button", { type: "button", class: "small", "data-testid": `${type}-${user}` }, label);
      made.addEventListener("click", () => act(`sidebet_${type}`, { user_id: user }));
      return made;
    };
    if (to === userId) row.append(button("Accept", "accept", from), button("Decline", "decline", from));
    else if (from === userId) row.append(button("Take back", "decline", to));
    else row.append(make("span", { class: "player-note" }, "proposed"));
    return row;
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
    rematch: () => null,
    focus: () => roll.focus(),
  };
}

function showPlayer(row, userId, table, canMove) {
  const { view, nameOf } = table;
  const lives = view.lives?.[userId] ?? 0;
  const isOut = view.status !== "waiting" && lives === 0;
  setAttribute(row, "data-turn", view.current_turn === userId ? "true" : null);
  setAttribute(row, "data-winner", view.winner === userId ? "true" : null);
  setAttribute(row, "data-out", isOut ? "true" : null);
  setText(row.querySelector(".player-name"), nameOf(userId));
  setText(row.querySelector(".player-note"), noteOf(userId, table, isOut));
  setText(row.querySelector(".player-points"), signed(view.scores?.[userId] ?? 0));
  const dots = row.querySelector(".life-dots");
  setAttribute(dots, "aria-label", lives === 1 ? "1 life" : `${lives} lives`);
  [...dots.children].forEach((dot, place) => setAttribute(dot, "data-full", place < lives ? "true" : null));
  const choose = row.querySelector("button");
  choose.hidden = !(canMove && view.phase === "choose_next" && userId !== table.userId && lives > 0);
  setAttribute(choose, "aria-label", `${nameOf(userId)} goes on`);
}

function noteOf(userId, table, isOut) {
  const { view } = table;
  const isReady = view.status !== "playing" && (view.ready ?? []).includes(userId);
  const notes = [playerNote(userId, table), isOut && "out", isReady && "ready"];
  return notes.filter(Boolean).join(", ");
}

function isBot(userId, { members }) {
  return Boolean(members.find((member) => member.user_id === userId)?.bot);
}

function signed(score) {
  return score > 0 ? `+${score}` : String(score).replace("-", "−");
}

function isOwnTurn({ view, userId, isPlayer }) {
  return isPlayer && view.current_turn === userId;
}

function status(table) {
  const { view, userId, isPlayer, nameOf } = table;
  switch (view.status) {
    case "waiting": {
      const count = (view.players ?? []).filter(Boolean).length;
      if (count < 2) return { text: "Waiting for somebody to play with" };
      const isReady = (view.ready ?? []).includes(userId);
      return { text: isPlayer && !isReady ? "Are you ready?" : "Waiting until all are ready" };
    }
    case "playing":
      return playing(table);
    case "over":
      return { text: view.winner === userId ? "You won." : `${nameOf(view.winner)} won.` };
    default:
      return { text: "" };
  }
}

function playing(table) {
  const { view, isPlayer, nameOf, userId } = table;
  const name = nameOf(view.current_turn);
  if (isOwnTurn(table)) {
    if (view.phase === "choose_next") return { text: "Your turn: choose who goes on." };
    return { text: view.total < RISKY ? "Your turn: roll." : "Your turn: roll, or owe drahn." };
  }
  if (isAway(view.current_turn, table)) return seatKept(table, view.current_turn);
  if (isPlayer && (view.out ?? []).includes(userId)) return { text: `You are out. ${name} to move` };
  return { text: isPlayer ? `Waiting for ${name}` : `${name} to move` };
}

function title(table) {
  const { view } = table;
  if (isOwnTurn(table)) return "Your turn";
  return { waiting: "Waiting", playing: "Playing", over: "Match over" }[view.status] ?? "";
}

function hint({ view }) {
  if (view.status === "waiting") return "Two to ten play. Invite friends or add bots, and say that you are ready.";
  if (view.status === "over") return "Say that you are ready for another one.";
  return "Above 15 you are out; a 3 does not count. Owe drahn: a life for a total of 0, and you say who goes on.";
}
