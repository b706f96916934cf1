/** The beginnings of scripts: what a server says until a session is in a room. */

import { LIMITS } from "./server.mjs";

export const ROOM = "k3v9k3v9k3";

/** @param {any} [more] */
export function accepted(more) {
  const data = {
    session_id: "014d2pf2dbsqqg28t5cy4tqkff", resume_token: "T0", user_id: "ada", username: "Ada", codec: "json",
    limits: LIMITS, grace_ms: 60000, server_time_ms: Date.now(), ...more,
  };
  return { type: "handshake_accepted", ref: 0, data };
}

/** @param {string} user @param {any} [more] */
export const member = (user, more) => {
  return { user_id: user, username: user.toUpperCase(), role: "player", seat: 0, connected: true, ...more };
};

/** @param {number} lane @param {any} [more] what the client's message said of it @param {any} [data] */
export function joined(lane, more, data) {
  const place = {
    lane, room_id: ROOM, game: "tic_tac_toe", game_version: 1, name: "A table", seat: 0, role: "player",
    members: [member("ada")], view: { count: 0 }, ...data,
  };
  return { type: "join_room_result", room_id: place.room_id, success: true, data: place, ...more };
}

/** @param {number} lane @param {number} next @param {number} applied @param {boolean} [gap] */
export function opened(lane, next, applied, gap = false) {
  const place = lane ? { room_id: ROOM } : {};
  return { type: "lane", ...place, data: { lane, ...place, next, applied, gap } };
}

/** @param {string} resume_token @param {number[]} lanes @param {number} last_n */
export function resumed(resume_token, lanes, last_n) {
  const rooms = lanes.map((lane) => ({ lane, room_id: ROOM }));
  return { type: "reconnect_result", success: true, data: { resume_token, lanes: rooms, last_n } };
}

/** @param {any} message a request @param {any} [data] */
export function answer({ type, ref, room_id }, data = {}) {
  return { type: `${type}_result`, ref, room_id, success: true, data };
}

/** Messages of the room, counted. @param {number} from @param {number} to */
export function told(from, to) {
  return Array.from({ length: to - from + 1 }, (_, at) => ({ type: "told", room_id: ROOM, data: { number: from + at } }));
}

/**
 * A session that has begun. The data of `handshake_accepted` can be other.
 *
 * @param {import("./world.mjs").World} world @param {any} [options] @param {any} [data]
 */
export async function begun(world, options, data) {
  const connecting = world.connect(options);
  const link = await world.network.link();
  await link.read("handshake");
  link.write(accepted(data));
  return { lobby: await connecting, link };
}

/**
 * A session that is in a room on that lane.
 *
 * @param {any} world @param {number} [lane] @param {any} [options] @param {any} [data]
 */
export async function seated(world, lane = 1, options, data) {
  const { lobby, link } = await begun(world, options, data);
  const joining = lobby.joinRoom(ROOM);
  const { ref } = await link.read("join_room");
  link.write(joined(lane, { ref }));
  return { lobby, link, room: await joining };
}
