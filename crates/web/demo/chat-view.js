/** What is said in the room: the lines, the older ones on demand, who is writing, and the field for one's own. */

import { byId, setAttribute, setText } from "./dom.js";
import { createLines } from "./chat-lines.js";
import { rightsOf } from "./rights.js";
import { listOf, refusalOf } from "./words.js";

const BYTES_MAX = 2000;
/** How long others take one for writing who says nothing more of it, and how often it is said meanwhile. */
const TYPING_MS = 10_000;
const TOLD_MS = 4000;
/** How many lines a room's welcome brings: if there are as many, there may be more. */
const WELCOME_LINES = 20;

const form = byId("chat-form");
const field = byId("chat-text");
const refusal = byId("chat-error");
const older = byId("chat-older");
const editing = byId("chat-editing");

let [lobby, room, lines] = [null, null, null];
/** Until when somebody counts as writing. */
let writing = new Map();
let timer = null;
let toldAt = 0;
/** The line that is being changed. */
let edited = null;
/** How many lines are on their way. */
let sending = 0;

/** Puts the view to work. Once, at the start. */
export function startChatView() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && edited) stopEditing();
  });
  field.addEventListener("input", () => {
    refuse(tooLong());
    tellTyping(field.value.trim() !== "" && !edited);
  });
  older.addEventListener("click", loadOlder);
  byId("chat-cancel").addEventListener("click", stopEditing);
}

/** Shows what is said in a room, until `hideChat`. */
export function showChat(nextLobby, nextRoom) {
  hideChat();
  [lobby, room] = [nextLobby, nextRoom];
  lines = createLines({ userId: lobby.userId, onEdit: startEditing, onDelete: remove });
  takeWelcome();
  renderChat();
}

export function hideChat() {
  lines?.clear();
  clearTimeout(timer);
  [lobby, room, lines, timer, toldAt, sending] = [null, null, null, null, 0, 0];
  writing = new Map();
  field.value = "";
  stopEditing();
  refuse("");
}

/** @param {{type: string, data: any}} event of the room */
export function onChatEvent({ type, data }) {
  if (type === "chat") {
    lines.add(data);
    writing.delete(data.user_id);
  } else if (type === "system") lines.addSystem(data);
  else if (type === "gap") takeWelcome();
  else if (type === "presence") noteWriting(data);
  else if (type === "client_left") writing.delete(data.user_id);
}

/** What may be done about lines depends on who owns the room. */
export function renderChat() {
  if (!room) return;
  const { self, isOwner } = rightsOf(room, lobby);
  lines.setOwner(isOwner);
  const isMuted = Boolean(self.muted);
  field.disabled = isMuted;
  byId("chat-send").disabled = isMuted;
  field.placeholder = isMuted ? "The owner has muted you." : "Say something";
  byId("chat-empty").hidden = lines.count > 0;
  showWriting();
}

function takeWelcome() {
  const said = room.info?.chat ?? [];
  for (const entry of said) lines.add(entry);
  older.hidden = said.length < WELCOME_LINES;
}

async function loadOlder() {
  const target = lines;
  if (older.getAttribute("aria-disabled")) return;
  // Not disabled, or the keyboard's focus would be lost.
  setAttribute(older, "aria-disabled", "true");
  try {
    const { messages, next } = await room.request("chat_history", { before: lines.oldest, limit: 50 });
    if (lines !== target) return;
    lines.keepPlace(() => messages.forEach((entry) => lines.add(entry)));
    older.hidden = !next;
  } catch (error) {
    if (lines === target) refuse(refusalOf(error));
  } finally {
    setAttribute(older, "aria-disabled", null);
  }
}

async function submit() {
  const text = field.value.trim();
  if (!room || !text || tooLong()) return;
  const [target, change] = [room, edited];
  field.value = "";
  refuse("");
  tellTyping(false);
  stopEditing();
  sending += 1;
  showWriting();
  try {
    if (change) await target.request("chat_edit", { message_id: change.message_id, text });
    else await target.request("chat", { text });
  } catch (error) {
    if (room !== target) return;
    refuse(refusalOf(error));
    // What was refused is not lost, unless something else has been begun.
    if (!field.value) field.value = text;
  } finally {
    if (room === target) {
      sending -= 1;
      showWriting();
    }
  }
}

async function remove(entry) {
  const target = room;
  try {
    await target.request("chat_delete", { message_id: entry.message_id });
    // The button that had the focus is gone.
    if (room === target) field.focus();
  } catch (error) {
    if (room === target) refuse(refusalOf(error));
  }
}

function startEditing(entry) {
  edited = entry;
  editing.hidden = false;
  setText(byId("chat-send"), "Change");
  field.value = entry.text;
  field.focus();
}

function stopEditing() {
  if (edited) field.value = "";
  edited = null;
  editing.hidden = true;
  setText(byId("chat-send"), "Send");
}

function tooLong() {
  const bytes = new TextEncoder().encode(field.value.trim()).length;
  const rest = bytes - BYTES_MAX;
  return rest > 0 ? `That is too long by ${rest} ${rest === 1 ? "byte" : "bytes"}.` : "";
}

/** Says now and then that one writes, and once that one does not any more. */
function tellTyping(isTyping) {
  if (!room || (isTyping ? Date.now() - toldAt < TOLD_MS : !toldAt)) return;
  toldAt = isTyping ? Date.now() : 0;
  // It is nothing to bother anybody with.
  room.request("presence", { typing: isTyping }).catch(() => {});
}

function noteWriting({ user_id: userId, typing }) {
  if (userId === lobby.userId) return;
  if (typing) writing.set(userId, Date.now() + TYPING_MS);
  else writing.delete(userId);
}

function showWriting() {
  for (const [userId, until] of writing) if (until <= Date.now()) writing.delete(userId);
  const names = room.members.filter((member) => writing.has(member.user_id)).map((member) => member.username);
  const said = names.length ? `${listOf(names, 3)} ${names.length > 1 ? "are" : "is"} writing…` : "";
  const waits = sending > 0 && lobby.state !== "open";
  setText(byId("chat-typing"), waits ? "What you said is sent when the connection is back." : said);
  clearTimeout(timer);
  const first = Math.min(...writing.values());
  if (writing.size > 0) timer = setTimeout(() => room && showWriting(), Math.max(0, first - Date.now()) + 50);
}

function refuse(text) {
  setText(refusal, text);
  setAttribute(field, "aria-invalid", text ? "true" : null);
}
