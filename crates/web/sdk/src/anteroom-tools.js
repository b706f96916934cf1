/**
 * What can be asked of a room, a method for each: owners' tools, seats, bots, votes, invites, chat. Knows no more than
 * the room does, and keeps nothing; `room.tools()` loads it.
 *
 * @module
 */

/** @import { RequestOptions } from "./outbox.js" */
/** @import { Access, ChatEntry, Member, Room } from "./room.js" */

/**
 * What an owner can change of a room. A password of null takes it away, and so does a null for a key of data.
 *
 * @typedef {{name?: string, visibility?: "public"|"unlisted"|"private", locked?: boolean, password?: string|null,
 *   seats_max?: number, data?: Record<string, any>, access?: Record<string, Access>}} RoomChanges
 */

/** What can be asked of a room. Each method is a request, and its promise the room's answer. */
export class RoomTools {
  #room;

  /** @internal @param {Room} room */
  constructor(room) {
    this.#room = room;
  }

  /** Changes the room. The owner's. @param {RoomChanges} changes @returns {Promise<void>} */
  async update(changes) {
    await this.#room.request("update_room", changes);
  }

  /**
   * Changes what is said of oneself.
   *
   * @param {Record<string, any>} data
   * @param {Record<string, Access>} [access]
   * @returns {Promise<void>}
   */
  async setData(data, access) {
    await this.#room.request("set_member_data", { data, access });
  }

  /**
   * Sends somebody out, who needs a new invite to come again. The owner's.
   *
   * @param {string} userId
   * @returns {Promise<void>}
   */
  async kick(userId) {
    await this.#room.request("kick", { user_id: userId });
  }

  /** Sends somebody out for good. The owner's. @param {string} userId @returns {Promise<void>} */
  async ban(userId) {
    await this.#room.request("ban", { user_id: userId });
  }

  /** Takes a ban back. The owner's. @param {string} userId @returns {Promise<void>} */
  async unban(userId) {
    await this.#room.request("unban", { user_id: userId });
  }

  /**
   * Gives the room to another member. The owner's.
   *
   * @param {string} userId
   * @returns {Promise<void>}
   */
  async transferOwner(userId) {
    await this.#room.request("transfer_owner", { user_id: userId });
  }

  /**
   * Lets nobody hear what somebody says. The owner's.
   *
   * @param {string} userId
   * @param {boolean} [muted]
   * @returns {Promise<void>}
   */
  async mute(userId, muted = true) {
    await this.#room.request("mute", { user_id: userId, muted });
  }

  /**
   * Whether the match may begin as far as this player goes.
   *
   * @param {boolean} [ready]
   * @returns {Promise<void>}
   */
  async ready(ready = true) {
    await this.#room.request("ready", { ready });
  }

  /**
   * Moves to another seat. Gives the one that is had now: a taken one is swapped when both have asked.
   *
   * @param {number} seat
   * @returns {Promise<number>}
   */
  async chooseSeat(seat) {
    return (await this.#room.request("choose_seat", { seat })).seat;
  }

  /**
   * Waits for a free seat, or does not any more. Gives the place in the queue.
   *
   * @param {boolean} [queued]
   * @returns {Promise<number|null>}
   */
  async queueForSeat(queued = true) {
    return (await this.#room.request("queue_for_seat", { queued })).position ?? null;
  }

  /**
   * Has a computer take a seat: this one, or the first that is free.
   *
   * @param {number} [seat]
   * @returns {Promise<{seat: number, user_id: string}>}
   */
  addBot(seat) {
    return this.#room.request("add_bot", { seat });
  }

  /** Frees a computer's seat. @param {number} seat @returns {Promise<void>} */
  async removeBot(seat) {
    await this.#room.request("remove_bot", { seat });
  }

  /** Stops the match and its clock. @returns {Promise<void>} */
  async pause() {
    await this.#room.request("pause", {});
  }

  /** Goes on. @returns {Promise<void>} */
  async unpause() {
    await this.#room.request("unpause", {});
  }

  /**
   * Whether to go on without those who are away.
   *
   * @param {boolean} goesOn
   * @returns {Promise<void>}
   */
  async vote(goesOn) {
    await this.#room.request("vote", { continue: goesOn });
  }

  /**
   * A code, and the link that has it, which let somebody in: so many times, and for so long.
   *
   * @param {{uses?: number, expires_ms?: number}} [limits]
   * @returns {Promise<{code: string, url: string}>}
   */
  createInvite(limits = {}) {
    return this.#room.request("create_invite", limits);
  }

  /** Who is in the room now. @returns {Promise<{members: Member[], spectators: number}>} */
  participants() {
    return this.#room.request("get_participants", {});
  }

  /**
   * Says something. Gives the id of what was said.
   *
   * @param {string} text
   * @param {RequestOptions} [options]
   * @returns {Promise<string>}
   */
  async chat(text, options) {
    return (await this.#room.request("chat", { text }, options)).message_id;
  }

  /**
   * Says something else instead.
   *
   * @param {string} messageId
   * @param {string} text
   * @returns {Promise<void>}
   */
  async editChat(messageId, text) {
    await this.#room.request("chat_edit", { message_id: messageId, text });
  }

  /** Takes back what was said. @param {string} messageId @returns {Promise<void>} */
  async deleteChat(messageId) {
    await this.#room.request("chat_delete", { message_id: messageId });
  }

  /**
   * What was said before something, or last; the oldest first. `next` is what to ask for as `before` next.
   *
   * @param {{before?: string, limit?: number}} [which]
   * @returns {Promise<{messages: ChatEntry[], next: string|null}>}
   */
  chatHistory(which = {}) {
    return this.#room.request("chat_history", which);
  }

  /**
   * What others see of what one does just now.
   *
   * @param {{typing?: boolean, away?: boolean}} what
   * @returns {Promise<void>}
   */
  async presence(what) {
    await this.#room.request("presence", what);
  }
}
