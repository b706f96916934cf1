/**
 * Anteroom for JavaScript: one session with a game lobby server, over WebTransport or WebSocket, whichever gets
 * through, and over as many connections as it takes. Runs in pages, in workers, and in Node (over WebSocket).
 *
 * A message counts on its lane, in both directions; what the other side has not acknowledged is kept and sent again
 * on the next connection. So every reliable message arrives exactly once, or a gap is told. The protocol is described
 * in PROTOCOL.md, whose section 11 is what the class `Session` does.
 *
 * @module
 */

import { AnteroomError, CLOSE_CODES, ERROR_CODES, invalid } from "./errors.js";
import { Lobby } from "./lobby.js";
import { nothing, quietly, scope } from "./platform.js";
import { Room } from "./room.js";
import { RoomList } from "./room-list.js";
/** @import { ConnectOptions } from "./lobby.js" */

/**
 * Connects to a server, or goes on with the session that this tab had before it was loaded anew.
 *
 * @param {string|URL} [url] where the server is, as `https://host:port` or `https://host/path`; the origin of the page if
 *   not given
 * @param {ConnectOptions} [options]
 * @returns {Promise<Lobby>}
 * @throws {AnteroomError}
 */
export async function connect(url = scope.location?.origin, options = {}) {
  const server = quietly(() => new URL(url));
  // What cannot be used is not dropped without a word.
  if (!server || !/^(http|ws)s?:\/\/[^/?#@]+\/[^?#]*$/.test(server.href)) {
    throw invalid(`"${url}" is no address of a server, as https://host/path.`);
  }
  // Not named, so that bundlers for browsers do not look for it.
  const load = async () => (await import(/* @vite-ignore */ ["ws"].join()).catch(nothing))?.WebSocket;
  // Node's own has no way to end before its peer agrees, and keeps the program waiting for that.
  const isNode = scope.process?.versions?.node;
  const found = options.WebSocket ?? (isNode && (await load())) ?? scope.WebSocket;
  if (!found) throw new AnteroomError("unreachable", "There is no WebSocket here; install ws.");
  return new Lobby(server, options, found).begin(options);
}

export { AnteroomError, CLOSE_CODES, ERROR_CODES, Lobby, Room, RoomList };
