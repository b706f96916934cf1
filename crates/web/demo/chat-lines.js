/** The lines of a chat, in the order of their ids; so many of them at most. Texts only ever go in as text. */

import { byId, make, setAttribute, setText } from "./dom.js";

const LINES_MAX = 400;
/** How far from its end the log may be and still follow what is said. */
const NEAR_PX = 60;

const list = byId("chat-lines");
const scroller = byId("chat-log");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
/** Whether the newest line is being read. */
let isAtEnd = true;
const SYSTEM = {
  joined: (name) => `${name} came in.`,
  left: (name) => `${name} is gone.`,
  owner_changed: (name) => `${name} owns the room now.`,
};

// Lines that have come since the log was moved to its end do not count: only who goes up stops following.
let lastTop = 0;
scroller.addEventListener("scroll", () => {
  const { scrollTop, scrollHeight, clientHeight } = scroller;
  const isNear = scrollHeight - scrollTop - clientHeight < NEAR_PX;
  if (isNear || scrollTop < lastTop) isAtEnd = isNear;
  lastTop = scrollTop;
});
// Whoever reads the newest line goes on reading the newest, in a window that is turned or made narrower as well.
const observer = new ResizeObserver(() => {
  if (isAtEnd) scroller.scrollTop = scroller.scrollHeight;
});
for (const element of [scroller, list]) observer.observe(element);

/**
 * @param {{userId: string, onEdit: (entry: any) => void, onDelete: (entry: any) => void}} hooks
 */
export function createLines({ userId, onEdit, onDelete }) {
  const lines = new Map();
  let isOwner = false;

  const render = (line) => {
    const { entry, element, name, text, note, edit, remove } = line;
    const isOwn = entry.user_id === userId;
    setText(name, entry.username);
    setText(text, entry.deleted ? "Taken back." : entry.text);
    setText(note, entry.edited && !entry.deleted ? "changed" : "");
    setAttribute(element, "data-deleted", entry.deleted ? "true" : null);
    setAttribute(element, "data-own", isOwn ? "true" : null);
    edit.hidden = !isOwn || Boolean(entry.deleted);
    remove.hidden = (!isOwn && !isOwner) || Boolean(entry.deleted);
  };

  return {
    /** Adds what was said, or puts it in the place of what it was before. */
    add(entry) {
      const known = lines.get(entry.message_id);
      if (known) {
        known.entry = entry;
        return render(known);
      }
      const line = createLine(entry, onEdit, onDelete);
      lines.set(entry.message_id, line);
      render(line);
      insert(line.element);
      trim(lines);
    },

    /** Adds a line of the room itself. */
    addSystem({ event, username, at_ms: at }) {
      const words = SYSTEM[event]?.(username);
      if (words) list.append(make("li", { class: "line system" }, words, " ", time(at)));
      trim(lines);
    },

    /** @param {boolean} owns whether others' lines may be taken back */
    setOwner(owns) {
      if (owns === isOwner) return;
      isOwner = owns;
      for (const line of lines.values()) render(line);
    },

    /** Adds lines above without moving those that are being read. */
    keepPlace(add) {
      const before = scroller.scrollHeight - scroller.scrollTop;
      add();
      scroller.scrollTop = scroller.scrollHeight - before;
    },

    get count() {
      return list.childElementCount;
    },

    /** The id of the first line. */
    get oldest() {
      return list.querySelector("[data-id]")?.dataset.id;
    },

    clear() {
      lines.clear();
      list.replaceChildren();
      isAtEnd = true;
    },
  };
}

function createLine(entry, onEdit, onDelete) {
  const [name, text, note] = ["line-name", "line-text", "line-note"].map((name) => make("span", { class: name }));
  const line = { entry, name, text, note };
  const button = (label, id, act) => {
    const made = make("button", { type: "button", class: "link", "data-testid": id }, label);
    made.addEventListener("click", () => act(line.entry));
    return made;
  };
  line.edit = button("Edit", "chat-edit", onEdit);
  line.remove = button("Delete", "chat-delete", onDelete);
  const head = make("span", { class: "line-head" }, name, time(entry.at_ms), note, line.edit, line.remove);
  line.element = make("li", { class: "line", "data-id": entry.message_id }, head, text);
  return line;
}

function time(at) {
  const when = new Date(at);
  return make("time", { datetime: when.toISOString() }, clock.format(when));
}

/** Lines come in order but for older ones, which come all at once. */
function insert(element) {
  const after = [...list.querySelectorAll("[data-id]")].findLast((one) => isBefore(one.dataset.id, element.dataset.id));
  const first = list.querySelector("[data-id]");
  if (!after && first) first.before(element);
  else if (after && nextWithId(after)) after.after(element);
  else list.append(element);
}

function nextWithId(element) {
  let next = element.nextElementSibling;
  while (next && !next.dataset.id) next = next.nextElementSibling;
  return next;
}

/** Ids are numbers in texts, longer than a number of this language can be. */
function isBefore(one, other) {
  return one.length === other.length ? one < other : one.length < other.length;
}

function trim(lines) {
  while (list.childElementCount > LINES_MAX) {
    lines.delete(list.firstElementChild.dataset.id);
    list.firstElementChild.remove();
  }
}
