/** Who is in the room: the seats and who sits there, who watches, and what this member may do about each of them. */

import { byId, make, setAttribute, setText } from "./dom.js";
import { kindOf } from "./games.js";
import { createMenu } from "./menu.js";
import { rightsOf, seatToTake } from "./rights.js";
import { memberNotes } from "./words.js";

/** How many of those who watch are shown unless somebody asks for all who have a name here. */
const WATCHERS_SHOWN = 5;

const seats = byId("seats");
const spectators = byId("spectators");
const more = byId("spectators-more");
const rows = new Map();

let showsAll = false;
let act = () => {};
let again = () => {};

/**
 * Puts the view to work.
 * @param {(type: string, data: any, member?: any) => void} onAct asks the room for something
 */
export function startMembersView(onAct) {
  act = onAct;
  more.addEventListener("click", () => {
    showsAll = !showsAll;
    again();
  });
}

/**
 * @param {any} room
 * @param {any} lobby
 */
export function showMembers(room, lobby) {
  again = () => showMembers(room, lobby);
  const rights = rightsOf(room, lobby);
  const context = { room, rights, kind: kindOf(room.game), owner: room.info?.owner ?? null };
  const players = new Map(room.members.filter(({ seat }) => typeof seat === "number").map((one) => [one.seat, one]));
  const seatCount = Math.max(room.info?.seats_max ?? 0, ...[...players.keys()].map((seat) => seat + 1));
  const wanted = [];
  for (let seat = 0; seat < seatCount; seat += 1) {
    wanted.push([`seat ${seat}`, seats, (row) => showSeat(row, seat, players.get(seat), context)]);
  }
  const watching = room.members.filter(({ role }) => role === "spectator");
  const named = showsAll ? watching : watching.slice(0, WATCHERS_SHOWN);
  for (const member of named) {
    wanted.push([`user ${member.user_id}`, spectators, (row) => showMember(row, member, context)]);
  }
  place(wanted);
  const count = Math.max(room.info?.spectators ?? 0, watching.length);
  showCount(count, named.length, watching.length > WATCHERS_SHOWN);
}

/** Lets go of all rows. */
export function hideMembers() {
  rows.clear();
  showsAll = false;
  seats.replaceChildren();
  spectators.replaceChildren();
}

/** Rows that are there already stay where they are: one of them may have the focus, or an open menu. */
function place(wanted) {
  const keys = new Set(wanted.map(([key]) => key));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    keepFocus(row.element);
    row.element.remove();
    rows.delete(key);
  }
  const next = new Map([[seats, 0], [spectators, 0]]);
  for (const [key, list, show] of wanted) {
    if (!rows.has(key)) rows.set(key, createRow());
    const row = rows.get(key);
    const at = next.get(list);
    next.set(list, at + 1);
    if (list.children[at] !== row.element) list.insertBefore(row.element, list.children[at] ?? null);
    show(row);
  }
}

/** What goes while it has the focus gives it to the room's heading. */
function keepFocus(element) {
  if (element.contains(document.activeElement)) byId("room-title").focus({ preventScroll: true });
}

function createRow() {
  const classes = ["person-mark", "person-name", "person-notes"];
  const [mark, name, notes] = classes.map((name) => make("span", { class: name }));
  setAttribute(mark, "aria-hidden", "true");
  const menu = createMenu();
  const buttons = make("span", { class: "person-actions" });
  const words = make("span", { class: "person-words" }, name, notes);
  const element = make("li", { class: "person" }, mark, words, buttons, menu.element);
  return { element, mark, name, notes, buttons, menu };
}

function showSeat(row, seat, member, context) {
  setAttribute(row.element, "data-testid", `seat-${seat}`);
  setText(row.mark, String(seat + 1));
  if (member) return showMember(row, member, context);
  setAttribute(row.element, "data-empty", "true");
  setText(row.name, `Seat ${seat + 1} is free`);
  setText(row.notes, "");
  showButtons(row, freeSeatActions(seat, context));
  showMenu(row, null, "", []);
}

function showMember(row, member, context) {
  const { room, rights, owner } = context;
  const isSelf = member.user_id === rights.self.user_id;
  setAttribute(row.element, "data-empty", null);
  setAttribute(row.element, "data-away", member.connected ? null : "true");
  if (member.role === "spectator") setText(row.mark, "");
  setText(row.name, member.username);
  const queue = room.info?.seat_queue ?? [];
  const notes = memberNotes(member, { isSelf, isOwner: member.user_id === owner, isDurable: room.durable, queue });
  setText(row.notes, notes.join(" · "));
  showButtons(row, []);
  const stay = `${member.user_id} ${member.number}`;
  showMenu(row, stay, `More about ${member.username}`, memberActions(member, isSelf, context));
}

/** Beyond those who have a name here there is nothing but their number. */
function showCount(count, named, hasMore) {
  byId("spectators-head").hidden = count === 0;
  setText(byId("spectators-count"), String(count));
  more.hidden = !hasMore;
  setText(more, showsAll ? "Show fewer of them" : "Show more of them");
  // A list that scrolls has to be reached without a mouse.
  setAttribute(spectators, "tabindex", showsAll && hasMore ? "0" : null);
  byId("spectators-rest").hidden = (hasMore && !showsAll) || count <= named || named === 0;
  setText(byId("spectators-rest"), `and ${count - named} more`);
}

function freeSeatActions(seat, { room, rights, kind }) {
  const actions = [];
  const offer = (label, id, type, data) => actions.push([label, id, () => act(type, data)]);
  const mayTake = !rights.isPlayer && seat === seatToTake(room);
  if (mayTake) offer("Take the seat", "take-seat", "queue_for_seat", { queued: true });
  // Of two seats the other one is as good.
  const mayMove = rights.isPlayer && !rights.isMatchOn && room.info?.seats_max > 2;
  if (mayMove) offer("Sit here", `sit-${seat}`, "choose_seat", { seat });
  if (rights.decides && kind.bots) offer("Add a bot", `add-bot-${seat}`, "add_bot", { seat });
  return actions;
}

function memberActions(member, isSelf, { rights }) {
  if (isSelf) return [];
  const { user_id: userId, seat } = member;
  const ask = (type, more = {}) => () => act(type, { user_id: userId, ...more }, member);
  const isComputer = member.bot && userId.startsWith("bot-");
  const actions = [];
  if (rights.isPlayer && seat !== null && !rights.isMatchOn) {
    actions.push(["Swap seats", "swap", () => act("choose_seat", { seat })]);
  }
  if (isComputer && rights.decides) {
    actions.push(["Take the bot away", "remove-bot", () => act("remove_bot", { seat })]);
  }
  if (isComputer || !rights.isOwner) return actions;
  const { muted } = member;
  actions.push(
    [muted ? "Let them talk" : "Mute", muted ? "unmute" : "mute", ask("mute", { muted: !muted })],
    ["Make them the owner", "transfer", ask("transfer_owner")],
    ["Send out", "kick", ask("kick")],
    ["Ban", "ban", ask("ban")],
  );
  return actions;
}

/** A menu without entries is not there. */
function showMenu({ menu }, about, label, entries) {
  if (entries.length === 0) keepFocus(menu.element);
  menu.show(about, label, entries);
}

function showButtons({ buttons }, actions) {
  const signature = actions.map(([label]) => label).join("|");
  if (buttons.dataset.actions === signature) return;
  buttons.dataset.actions = signature;
  keepFocus(buttons);
  buttons.replaceChildren(
    ...actions.map(([label, id, run]) => {
      const button = make("button", { type: "button", class: "small", "data-testid": id }, label);
      button.addEventListener("click", run);
      return button;
    }),
  );
}
