/**
 * The way in for friends: a link, and the same as a QR code for the phone across the table. Where the door is open the
 * room's address is enough; else, and for somebody who was sent out, the link carries an invite.
 */

import { openDialog } from "./dialog.js";
import { byId, makeSvg, setAttribute, setText } from "./dom.js";
import { invitationLink } from "./memory.js";
import { qrCode } from "./qr.js";
import { rightsOf } from "./rights.js";
import { refusalOf } from "./words.js";

/** White around the code, in squares: what readers need to find it. */
const MARGIN = 4;

const dialog = byId("invite-dialog");
const field = byId("invitation-link");
const copy = byId("copy");
const refusal = byId("invite-error");
const make = byId("invite-new");

let [lobby, room] = [null, null];
/** The invite that was made last, for which room, and until when it may be shown again. */
let invite = { roomId: "", link: "", until: 0 };

/** Puts the dialog to work. Once, at the start. */
export function startInviteDialog() {
  copy.addEventListener("click", copyLink);
  make.addEventListener("click", renew);
  for (const id of ["invite-uses", "invite-expires"]) byId(id).addEventListener("change", forgetInvite);
}

/** Opens it for a room. */
export function openInvite(nextLobby, nextRoom) {
  [lobby, room] = [nextLobby, nextRoom];
  setText(refusal, "");
  field.value = "";
  byId("invite-more").hidden = !rightsOf(room, lobby).decides;
  openDialog(dialog);
  show();
}

/** Who was sent out since needs another one, and so the next link is new. */
export function forgetInvite() {
  invite = { roomId: "", link: "", until: 0 };
}

function show() {
  const isKnown = invite.roomId === room.id && Date.now() < invite.until;
  const isOpenDoor = room.info?.visibility !== "private" && !room.info?.has_password;
  if (isKnown) return showLink(invite.link, "Whoever has this link is let in.");
  if (isOpenDoor) return showLink(invitationLink(room.id), "Whoever has this link finds the room.");
  if (rightsOf(room, lobby).decides) return renew();
  const password = "Your friend is asked for the password, too.";
  const note = room.info?.has_password ? password : "Only its owner can invite to this room.";
  return showLink(invitationLink(room.id), note);
}

async function renew() {
  if (make.getAttribute("aria-disabled")) return;
  const [target, before] = [room, field.value];
  // Not disabled, or the keyboard's focus would be lost.
  setAttribute(make, "aria-disabled", "true");
  field.value = "";
  setText(refusal, "");
  try {
    const uses = Number(byId("invite-uses").value);
    const expiresMs = Number(byId("invite-expires").value);
    const { code } = await target.request("create_invite", { expires_ms: expiresMs, ...(uses > 0 && { uses }) });
    if (room !== target) return;
    invite = { roomId: target.id, link: invitationLink(target.id, code), until: Date.now() + expiresMs };
    showLink(invite.link, "Whoever has this link is let in.");
  } catch (error) {
    if (room !== target) return;
    field.value = before;
    setText(refusal, refusalOf(error));
  } finally {
    setAttribute(make, "aria-disabled", null);
  }
}

function showLink(link, note) {
  field.value = link;
  setText(byId("invite-note"), note);
  setText(copy, "Copy link");
  showCode(link);
}

function showCode(link) {
  const rows = qrCode(link);
  byId("invite-code").hidden = !rows;
  if (!rows) return;
  const size = rows.length + 2 * MARGIN;
  const dark = rows.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x + MARGIN} ${y + MARGIN}h1v1h-1z` : "")));
  const picture = makeSvg(
    "svg",
    {
      viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "The link as a QR code",
      "shape-rendering": "crispEdges",
    },
    makeSvg("rect", { class: "code-light", width: String(size), height: String(size) }),
    makeSvg("path", { class: "code-dark", d: dark.join("") }),
  );
  byId("invite-code").replaceChildren(picture);
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(field.value);
    setText(copy, "Link copied");
  } catch {
    field.focus();
    field.select();
  }
}
