/** A small menu behind three dots: buttons that are seldom wanted. One is open at a time. */

import { make, setAttribute } from "./dom.js";

let opened = null;
/** Puts the open menu where its button is. */
let follow = () => {};

/** Closes an open menu by Escape, and by a press anywhere else; has it follow its button. Once, at the start. */
export function startMenus() {
  for (const event of ["scroll", "resize"]) addEventListener(event, () => opened && follow(), { capture: true });
  document.addEventListener("click", (event) => {
    if (opened && !opened.contains(event.target)) opened.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened) return;
    const summary = opened.querySelector("summary");
    if (opened.contains(document.activeElement)) summary.focus();
    opened.open = false;
  });
}

/** A menu that is not there until it has something in it. */
export function createMenu() {
  const summary = make("summary", { "data-testid": "menu" }, "⋯");
  const items = make("div", { class: "menu-items" });
  const element = make("details", { class: "menu" }, summary, items);
  element.hidden = true;
  let isAbove = false;
  // Lists that scroll would cut off what is in them.
  const place = () => {
    const { right, top, bottom } = summary.getBoundingClientRect();
    items.style.right = `${document.documentElement.clientWidth - right}px`;
    items.style.top = `${isAbove ? top - items.offsetHeight : bottom}px`;
  };
  summary.addEventListener("click", (event) => {
    event.preventDefault();
    element.open = !element.open;
    if (!element.open) return;
    const { top, bottom } = summary.getBoundingClientRect();
    isAbove = bottom + items.offsetHeight > innerHeight && top > items.offsetHeight;
    place();
  });
  element.addEventListener("toggle", () => {
    if (element.open) {
      if (opened && opened !== element) opened.open = false;
      [opened, follow] = [element, place];
    } else if (opened === element) opened = null;
  });
  let subject = null;
  let shown = "";
  let current = [];

  const choose = (index) => {
    element.open = false;
    summary.focus();
    current[index]?.[2]();
  };

  return {
    element,

    /**
     * Shows these entries. One that is open stays open as long as it is about the same: what is in it may change just
     * when somebody has opened it.
     * @param {string | null} about what it is about, told from everything else
     * @param {string} label the same in words
     * @param {Array<[label: string, id: string, run: () => void]>} entries
     */
    show(about, label, entries) {
      const focused = [...items.children].indexOf(document.activeElement);
      if (about !== subject) {
        if (focused >= 0) summary.focus();
        element.open = false;
      }
      subject = about;
      current = entries;
      setAttribute(summary, "aria-label", label || null);
      const signature = entries.map(([name, id]) => `${id} ${name}`).join("|");
      if (shown === signature) return;
      shown = signature;
      element.hidden = entries.length === 0;
      items.replaceChildren(...entries.map(([name, id], index) => entry(name, id, () => choose(index))));
      if (element.open && focused >= 0) (items.children[focused] ?? summary).focus();
    },
  };
}

function entry(name, id, act) {
  const button = make("button", { type: "button", "data-testid": id }, name);
  button.addEventListener("click", act);
  return button;
}
