/** What the member at this page may do in a room. The server decides; this is what the page offers. */

/**
 * @param {any} room
 * @param {any} lobby
 */
export function rightsOf(room, lobby) {
  const owner = room.info?.owner ?? null;
  const self = selfOf(room, lobby);
  const isPlayer = self.role === "player";
  const isOwner = owner === lobby.userId;
  const decides = isOwner || (owner === null && isPlayer);
  return { self, isPlayer, isOwner, decides, isMatchOn: ["playing", "paused"].includes(stateOf(room)) };
}

/**
 * The member at this page. One who watches among many is in no list.
 * @param {any} room
 * @param {any} lobby
 */
export function selfOf(room, lobby) {
  const listed = room.members.find((member) => member.user_id === lobby.userId);
  return listed ?? { user_id: lobby.userId, username: lobby.username, role: room.role, seat: room.seat };
}

/** Where the match stands. */
export function stateOf(room) {
  return room.info?.state ?? "waiting";
}

/**
 * The seat that somebody who watches gets for the asking: the first free one, unless others wait for it. It may be kept
 * for somebody; of that only the server knows.
 * @param {any} room
 * @returns {number | undefined}
 */
export function seatToTake({ members, info }) {
  if (info?.seat_queue?.length > 0) return undefined;
  const taken = new Set(members.map((member) => member.seat));
  return Array.from({ length: info?.seats_max ?? 0 }, (_, seat) => seat).find((seat) => !taken.has(seat));
}
