/**
 * What can go wrong: the codes of the protocol, the one class of error, and the sentences for what the SDK itself
 * gives up. Knows no connection and no session.
 */

/** @import { End } from "./pipe.js" */

/**
 * The server's error codes: their numbers, and whether the same request may succeed later.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const ERROR_CODES = table({
  1: "unknown_type invalid_data internal! busy! rate_limited! limit_reached! shutting_down! storage_unavailable!",
  20: "already_authenticated invalid_name session_unknown outcome_unknown timeout!",
  40: "room_not_found room_full! not_in_room already_in_room game_not_found invalid_options not_a_player spectators_refused",
  48: "wrong_password room_locked! banned not_owner room_suspended",
  60: "not_your_turn invalid_move not_playing! rejected conflict!",
});

/**
 * The codes that a connection ends with: their numbers, and whether connecting again may help.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const CLOSE_CODES = table({
  4000: "shutting_down! silence! slow_consumer! move! busy! flooded!",
  4500: "protocol_version malformed message_too_large handshake_required handshake_timeout unauthorized origin_refused",
  4507: "wrong_frame_kind replaced superseded token_reused bad_ack",
});

/** Names that are numbered from a first one on; a mark says that it may work later. @param {Record<number, string>} groups */
function table(groups) {
  const entries = Object.entries(groups).flatMap(([first, names]) => names.split(" ").map((name, at) => {
    return [name.replace("!", ""), Object.freeze({ number: +first + at, retryable: name.endsWith("!") })];
  }));
  return Object.freeze(Object.fromEntries(entries));
}

/**
 * What can go wrong. `code` is what a program acts on: one of {@link ERROR_CODES}, one of {@link CLOSE_CODES}, or
 * `unreachable` (no server answers), `lost` (the connection broke), `token_unavailable` (your function gave none),
 * `aborted` (your signal), `closed` (you closed the lobby). `message` is a sentence for a person.
 */
export class AnteroomError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{retryable?: boolean, details?: any, closeCode?: number, cause?: unknown}} [more]
   */
  constructor(code, message, { retryable, details, closeCode, cause } = {}) {
    super(message, { cause });
    this.name = "AnteroomError";
    this.code = code;
    /** Whether the same may succeed later. */
    this.retryable = retryable ?? (ERROR_CODES[code] ?? CLOSE_CODES[code])?.retryable ?? UNAVAILABLE.test(code);
    /** What the server says for programs. */
    this.details = details;
    /** The number that the connection ended with, if that is what went wrong. */
    this.closeCode = closeCode;
  }
}

/** What is not there, and may be later. */
export const UNAVAILABLE = /^(unreachable|token_unavailable)$/;
/** The close codes of what was said wrongly: the session is left as it is, for who connects again. */
export const MISTAKES = [4501, 4502, 4507];

export const UNREADABLE = "The server sent what cannot be read.";

/** @param {any} error */
export function refusal(error) {
  const { code = "internal", message = "The server did not say why.", retryable, details } = error ?? {};
  return new AnteroomError(String(code), String(message), { retryable, details });
}

/** @param {End} end */
export function ending({ code, reason }) {
  const retryable = code < 4500;
  if (code < 4000) return new AnteroomError("lost", reason || "The connection was lost.", { retryable });
  const name = Object.keys(CLOSE_CODES).find((name) => CLOSE_CODES[name].number === code) ?? "lost";
  const message = reason || `The server closed the connection (${code}).`;
  return new AnteroomError(name, message, { retryable, closeCode: code });
}

/** @param {string} message @param {unknown} [cause] */
export const invalid = (message, cause) => new AnteroomError("invalid_data", message, { cause });
export const late = () => new AnteroomError("timeout", "No answer came in time.");
export const unanswered = () => new AnteroomError("outcome_unknown", "The answer was lost.");
export const closed = () => new AnteroomError("closed", "The lobby was closed.");

/** @param {AbortSignal} [signal] */
export function aborted(signal) {
  return new AnteroomError("aborted", "This was given up.", { cause: signal?.reason });
}

/** @param {unknown} error */
export function known(error) {
  return error instanceof AnteroomError ? error : new AnteroomError("unreachable", String(error), { cause: error });
}
