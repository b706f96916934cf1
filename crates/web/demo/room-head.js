/** The head of a room: its name, what is special about it in a few words, and the ways out of it and into it. */

import { byId, setText } from "./dom.js";
import { gameName } from "./games.js";
import { rightsOf } from "./rights.js";

const VISIBILITY = { unlisted: "unlisted", private: "private" };

/**
 * @param {any} room
 * @param {any} lobby
 */
export function showHead(room, lobby) {
  const info = room.info ?? {};
  const { isPlayer, isOwner } = rightsOf(room, lobby);
  setText(byId("room-title"), room.name);
  setText(byId("room-game"), gameName(room.game));
  setText(byId("room-id"), room.id);
  setText(byId("room-kept"), room.durable ? " · kept" : "");
  const facts = [
    VISIBILITY[info.visibility],
    info.locked && "locked",
    info.has_password && "has a password",
    !isPlayer && "you are watching",
  ].filter(Boolean);
  setText(byId("room-facts"), facts.map((fact) => ` · ${fact}`).join(""));
  byId("settings").hidden = !isOwner;
  byId("invite").classList.toggle("primary", isPlayer && hasFreeSeat(room));
}

function hasFreeSeat({ members, info }) {
  return members.filter(({ role }) => role === "player").length < (info?.seats_max ?? 0);
}
