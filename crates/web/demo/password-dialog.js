/** Asks for a room's password, again if it was not the right one. */

import { onDialogSubmit, openDialog } from "./dialog.js";
import { byId, setText } from "./dom.js";
import { refusalOf } from "./words.js";

const dialog = byId("password-dialog");
const field = byId("password");

let enter = async () => {};

/** Puts the dialog to work. Once, at the start. */
export function startPasswordDialog() {
  dialog.addEventListener("close", () => (field.value = ""));
  onDialogSubmit(dialog, () => enter(field.value), (error) => {
    field.select();
    return error?.code === "wrong_password" ? "That is not the password." : refusalOf(error);
  });
}

/**
 * Asks, and goes in with what is given.
 * @param {string} name of the room
 * @param {(password: string) => Promise<unknown>} onPassword
 */
export function askPassword(name, onPassword) {
  enter = onPassword;
  setText(byId("password-title"), name ? `“${name}” has a password` : "This room has a password");
  openDialog(dialog);
  field.focus();
}
