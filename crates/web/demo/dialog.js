/** Dialogs: one at a time, over everything else. What stands in them is in the page; what they do is each one's own. */

import { setAttribute, setText } from "./dom.js";

/** Lets every dialog be closed by its own buttons, and by a press beside it. Once, at the start. */
export function startDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const isBeside = event.target === dialog && isOutside(dialog, event);
      if (isBeside || event.target.closest("[data-close]")) dialog.close();
    });
  }
}

/** @param {HTMLDialogElement} dialog */
export function openDialog(dialog) {
  if (!dialog.open) dialog.showModal();
}

/** Closes whatever dialog is open: the view behind it has changed. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

/**
 * Puts a dialog's form to work. `act` gives a promise; the dialog closes when it is kept, and says why when it is not.
 * @param {HTMLDialogElement} dialog which has a form and a place for what is refused
 * @param {() => Promise<unknown>} act
 * @param {(error: unknown) => string} wordsFor
 */
export function onDialogSubmit(dialog, act, wordsFor) {
  const form = dialog.querySelector("form");
  const button = form.querySelector("button[type=submit]");
  const refusal = dialog.querySelector(".field-error");
  let busy = false;
  dialog.addEventListener("close", () => setText(refusal, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    // Not disabled, or the keyboard's focus would be lost.
    setAttribute(button, "aria-disabled", "true");
    setText(refusal, "");
    try {
      await act();
      dialog.close();
    } catch (error) {
      setText(refusal, wordsFor(error));
    } finally {
      busy = false;
      setAttribute(button, "aria-disabled", null);
    }
  });
}

/** A press that begins a selection in a field may end beside the dialog, but it has no place of its own there. */
function isOutside(dialog, { clientX, clientY }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}
