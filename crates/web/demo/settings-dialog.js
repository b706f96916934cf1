/** The owner's settings of a room: its name, its doors, how many seats there are, and whom it keeps out. */

import { onDialogSubmit, openDialog } from "./dialog.js";
import { byId, make } from "./dom.js";
import { isChoice, kindOf } from "./games.js";
import { refusalOf } from "./words.js";

const dialog = byId("settings-dialog");
const fields = {
  name: byId("settings-name"),
  visibility: byId("settings-visibility"),
  locked: byId("settings-locked"),
  password: byId("settings-password"),
  open: byId("settings-open"),
  seats: byId("settings-seats"),
};

let room = null;
/** Who was banned from here, by room: the room tells nobody whom it keeps out. */
const banned = new Map();

/** Puts the form to work. Once, at the start. */
export function startSettingsDialog() {
  onDialogSubmit(dialog, save, refusalOf);
  fields.password.addEventListener("input", () => (fields.open.checked = false));
  fields.open.addEventListener("change", () => (fields.password.value = ""));
}

/** Opens it for a room. */
export function openSettings(nextRoom) {
  room = nextRoom;
  const info = room.info ?? {};
  fields.name.value = room.name;
  fields.visibility.value = info.visibility ?? "public";
  fields.locked.checked = Boolean(info.locked);
  fields.password.value = "";
  fields.password.placeholder = info.has_password ? "Unchanged" : "None";
  fields.open.checked = false;
  byId("settings-open-row").hidden = !info.has_password;
  showSeats(info);
  showBanned();
  openDialog(dialog);
}

/** Somebody was banned from this page, and may be let in again here. */
export function noteBanned(roomId, userId, username) {
  if (!banned.has(roomId)) banned.set(roomId, new Map());
  banned.get(roomId).set(userId, username);
}

function showSeats({ seats_max: now }) {
  const { min, max } = kindOf(room.game).seats;
  const least = Math.max(1, min, room.members.filter((member) => member.role === "player").length);
  const counts = Array.from({ length: Math.max(0, max - least) + 1 }, (_, at) => String(max - at));
  fields.seats.replaceChildren(...counts.map((count) => make("option", { value: count }, count)));
  fields.seats.value = String(now ?? max);
  byId("settings-seats-row").hidden = !isChoice(counts);
}

function showBanned() {
  const rows = [...(banned.get(room.id) ?? [])].map(([userId, username]) => {
    const button = make("button", { type: "button" }, "Let in again");
    button.setAttribute("aria-label", `Let ${username} in again`);
    const row = make("li", {}, make("span", {}, username), button);
    button.addEventListener("click", () => unban(userId, row));
    return row;
  });
  byId("settings-banned").replaceChildren(...rows);
  byId("settings-banned-row").hidden = rows.length === 0;
}

async function unban(userId, row) {
  try {
    await room.request("unban", { user_id: userId });
    banned.get(room.id).delete(userId);
    // The button that had the focus is gone.
    dialog.querySelector("[data-close]").focus();
    row.remove();
    byId("settings-banned-row").hidden = banned.get(room.id).size === 0;
  } catch (error) {
    byId("settings-error").textContent = refusalOf(error);
  }
}

/** Only what is another thing now. */
async function save() {
  const info = room.info ?? {};
  const changes = {};
  const name = fields.name.value.trim();
  if (name !== room.name) changes.name = name;
  if (fields.visibility.value !== info.visibility) changes.visibility = fields.visibility.value;
  if (fields.locked.checked !== Boolean(info.locked)) changes.locked = fields.locked.checked;
  if (fields.open.checked) changes.password = null;
  else if (fields.password.value) changes.password = fields.password.value;
  const seats = Number(fields.seats.value);
  if (seats > 0 && seats !== info.seats_max) changes.seats_max = seats;
  if (Object.keys(changes).length > 0) await room.request("update_room", changes);
}
