/** Which of the page's views is shown, and what the tab and the header say about it. */

import { byId, setAttribute, setText } from "./dom.js";

const VIEWS = ["loading", "entry", "lobby", "room", "closed"];

/**
 * Shows one view and takes the reader to it: to its heading, or to the element named by `focusId`.
 * @param {"loading" | "entry" | "lobby" | "room" | "closed"} name
 */
export function openView(name, focusId = `${name}-title`) {
  for (const view of VIEWS) byId(view).hidden = view !== name;
  const isNew = currentView() !== name;
  setAttribute(document.body, "data-view", name);
  if (!isNew) return;
  window.scrollTo(0, 0);
  byId(focusId)?.focus({ preventScroll: true });
}

/** The view that is shown. */
export function currentView() {
  return document.body.dataset.view;
}

/** @param {string} title what the tab says besides the product's name; may be empty */
export function setTitle(title) {
  const whole = title ? `${title} · Anteroom` : "Anteroom";
  if (document.title !== whole) document.title = whole;
}

/** The player's name in the header; none takes it away. */
export function showWho(name) {
  byId("whoami").hidden = !name;
  setText(byId("whoami").querySelector("b"), name);
}
