/** A small menu behind three dots: buttons that are seldom wanted. One is open at a time. */

import { make, setAttribute } from "./dom.js";

let opened = null;

/** Closes an open menu by Escape, and by a press anywhere else. Once, at the start. */
export function startMenus() {
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
  element.addEventListener("toggle", () => {
    if (element.open) {
      if (opened && opened !== element) opened.open = false;
      opened = element;
    } else if (opened === element) opened = null;
  });
  let shown = "";

  return {
    element,

    /**
     * Shows these entries. An open menu with the same ones stays as it is.
     * @param {string} label what it is about
     * @param {Array<[label: string, id: string, run: () => void]>} entries
     */
    show(label, entries) {
      setAttribute(summary, "aria-label", label || null);
      const signature = [label, ...entries.map(([name]) => name)].join("|");
      if (shown === signature) return;
      shown = signature;
      element.open = false;
      element.hidden = entries.length === 0;
      items.replaceChildren(...entries.map(([name, id, run]) => entry(element, name, id, run)));
    },
  };
}

function entry(element, name, id, run) {
  const button = make("button", { type: "button", "data-testid": id }, name);
  button.addEventListener("click", () => {
    element.open = false;
    element.querySelector("summary").focus();
    run();
  });
  return button;
}
