// Made of anteroom.js by `npm run types`.
/**
 * Connects to a server, or goes on with the session that this tab had before it was loaded anew.
 *
 * @param {string|URL} [url] where the server is, as `https://host:port` or `https://host/path`; the origin of the page if
 *   not given
 * @param {ConnectOptions} [options]
 * @returns {Promise<Lobby>}
 * @throws {AnteroomError}
 */
export function connect(url?: string | URL, options?: ConnectOptions): Promise<Lobby>;
export type AnteroomEvent = {
    type: string;
    data: any;
    latest?: string;
};
export type Limits = {
    message_bytes_max: number;
    unacked_messages_max: number;
    unacked_bytes_max: number;
    rooms_max: number;
    latest_keys_max?: number;
    latest_bytes_max?: number;
};
export type RoomRow = {
    room_id: string;
    game: string;
    name: string;
    players: number;
    seats_max: number;
    spectators: number;
    state: "waiting" | "playing" | "finished";
    durable: boolean;
};
export type Member = {
    user_id: string;
    username: string;
    role: "player" | "spectator";
    seat: number | null;
    connected: boolean;
};
/**
 * What happens in a room. A game's own messages come by their own types.
 */
export type RoomEvents = {
    /**
     * the new view
     */
    game_state: any;
    client_joined: Member;
    client_disconnected: {
        user_id: string;
        username: string;
        grace_ms: number;
    };
    client_reconnected: {
        user_id: string;
        username: string;
    };
    client_left: {
        user_id: string;
        username: string;
        reason: string;
    };
    /**
     * messages were lost; members and view are up to date all the same
     */
    gap: {
        missed: number;
    };
    /**
     * a message was refused for whose answer nobody waits
     */
    error: AnteroomError;
    /**
     * the last event, however the room has ended
     */
    room_closed: {
        reason: string;
        message: string;
    };
};
export type RequestOptions = {
    signal?: AbortSignal;
    timeout?: number;
};
/**
 * The options of {@link connect}.
 */
export type ConnectOptions = {
    /**
     * the name to show; one is made up without it
     */
    name?: string | undefined;
    /**
     * proves who the player is; a guest needs none. A function is
     * asked whenever a session begins, also for the one behind a session that is over, and has 8 s for its answer
     */
    token?: string | (() => string | Promise<string>) | undefined;
    /**
     * the program and its version, for the server's log
     */
    client?: string | undefined;
    /**
     * `auto` takes what gets through, the better one first
     */
    transport?: "auto" | "webtransport" | "websocket" | undefined;
    /**
     * gives up connecting
     */
    signal?: AbortSignal | undefined;
    /**
     * how long connecting may take, in ms; 15000 if not given
     */
    timeout?: number | undefined;
    /**
     * how long an answer may take, in ms, without the time when there is no connection;
     * 10000 if not given
     */
    requestTimeout?: number | undefined;
    /**
     * where the session outlives a reload: the tab's own if not given, null for nowhere.
     * It holds one session for each server
     */
    storage?: Storage | null | undefined;
    /**
     * the class to use; that of ws if not given, in Node, and the platform's own elsewhere
     */
    WebSocket?: any;
};
export type LobbyState = "connecting" | "open" | "resuming" | "closed";
export type Activity = {
    at: number;
    type: string;
    message: string;
    transport?: string;
    ms?: number;
    code?: string;
};
/**
 * What a lobby tells.
 */
export type LobbyEvents = {
    state: LobbyState;
    /**
     * what carries the session now
     */
    transport: "webtransport" | "websocket" | null;
    /**
     * in ms
     */
    rtt: number;
    /**
     * one that the session is in although this page has not just asked for it
     */
    room: Room;
    /**
     * messages of the lobby were lost
     */
    gap: {
        missed: number;
    };
    /**
     * the session was over, and a new one has begun under the same name
     */
    renewed: {
        error: AnteroomError;
    };
    /**
     * the last event; null after {@link Lobby.close}
     */
    closed: AnteroomError | null;
    /**
     * what the session does about its connections, for a log
     */
    activity: Activity;
};
/**
 * A session with a server, made by {@link connect}. It goes on by itself, over as many connections as it takes, until
 * it is closed.
 *
 * @extends {Emitter<LobbyEvents>}
 */
export class Lobby extends Emitter<LobbyEvents> {
    private constructor();
    /** @type {LobbyState} */
    state: LobbyState;
    /** The time there and back as last measured, in ms. @type {number|null} */
    rtt: number | null;
    sessionId: string;
    userId: string;
    username: string;
    /** How long the session and its seats outlive a connection. */
    graceMs: number;
    /** How far the server's clock is ahead of this device's, in ms. */
    clockOffset: number;
    /** What the server allows this session. @type {Limits} */
    limits: Limits;
    /** Whether the session is that of the page before this one in the tab. */
    restored: boolean;
    /** Why that session could not go on. @type {AnteroomError|null} */
    lost: AnteroomError | null;
    /**
     * Why there is no connection, while the state is `resuming`: `shutting_down` if the server goes, and comes back;
     * `unreachable` if it does not answer; else how the connection was lost.
     *
     * @type {AnteroomError|null}
     */
    reason: AnteroomError | null;
    /** Why the lobby is closed. @type {AnteroomError|null} */
    error: AnteroomError | null;
    /** The rooms that the session is in, by their ids. @type {Map<string, Room>} */
    rooms: Map<string, Room>;
    /** What carries the session now. @returns {"webtransport"|"websocket"|null} */
    get transport(): "webtransport" | "websocket" | null;
    /** Whether {@link Lobby.blockUdp} is in force. */
    get udpBlocked(): boolean;
    /**
     * Makes a room and takes a seat in it.
     *
     * @param {{game: string, name?: string, options?: any, durable?: boolean}} what
     * @param {RequestOptions} [options]
     * @returns {Promise<Room>}
     */
    createRoom(what: {
        game: string;
        name?: string;
        options?: any;
        durable?: boolean;
    }, options?: RequestOptions): Promise<Room>;
    /**
     * Takes a seat in a room, or a place to watch from.
     *
     * @param {string} roomId
     * @param {{as?: "player"|"spectator"} & RequestOptions} [options]
     * @returns {Promise<Room>}
     */
    joinRoom(roomId: string, { as, ...options }?: {
        as?: "player" | "spectator";
    } & RequestOptions): Promise<Room>;
    /**
     * Takes a free seat in any room of a game, or makes one.
     *
     * @param {string} game
     * @param {RequestOptions} [options]
     * @returns {Promise<Room>}
     */
    quickJoin(game: string, options?: RequestOptions): Promise<Room>;
    /**
     * The rooms there are; the newest 500 of them.
     *
     * @param {{game?: string} & RequestOptions} [options]
     * @returns {Promise<{rooms: RoomRow[], total: number}>}
     */
    listRooms({ game, ...options }?: {
        game?: string;
    } & RequestOptions): Promise<{
        rooms: RoomRow[];
        total: number;
    }>;
    /**
     * The list of rooms, kept up to date over connections and sessions. There is one at a time: another one closes it.
     *
     * @param {{game?: string} & RequestOptions} [options]
     * @returns {Promise<RoomList>}
     */
    watchRooms({ game, ...options }?: {
        game?: string;
    } & RequestOptions): Promise<RoomList>;
    /** Measures the time there and back, in ms. @returns {Promise<number>} */
    ping(): Promise<number>;
    /**
     * Goes on over another transport, losing nothing: over WebSocket until told otherwise, or over WebTransport, from where
     * it goes to WebSocket only if it must. With `auto` it takes the better one that gets through. If that cannot be had,
     * the session stays where it is, and this fails. Without a connection it only chooses.
     *
     * @param {"webtransport"|"websocket"|"auto"} transport
     * @returns {Promise<void>}
     */
    moveTo(transport: "webtransport" | "websocket" | "auto"): Promise<void>;
    /** Cuts the connection as if the network had failed; the session resumes by itself. For trying things out. */
    drop(): void;
    /** As if the network blocked UDP from now on, or no longer. For trying things out. @param {boolean} isBlocked */
    blockUdp(isBlocked: boolean): void;
    /** Says goodbye: seats are given up, at once or, without a connection, after `graceMs`. */
    close(): void;
    #private;
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
    constructor(code: string, message: string, { retryable, details, closeCode, cause }?: {
        retryable?: boolean;
        details?: any;
        closeCode?: number;
        cause?: unknown;
    });
    code: string;
    /** Whether the same may succeed later. */
    retryable: boolean;
    /** What the server says for programs. */
    details: any;
    /** The number that the connection ended with, if that is what went wrong. */
    closeCode: number | undefined;
}
/**
 * The codes that a connection ends with: their numbers, and whether connecting again may help.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const CLOSE_CODES: Readonly<Record<string, Readonly<{
    number: number;
    retryable: boolean;
}>>>;
/**
 * The server's error codes: their numbers, and whether the same request may succeed later.
 *
 * @type {Readonly<Record<string, Readonly<{number: number, retryable: boolean}>>>}
 */
export const ERROR_CODES: Readonly<Record<string, Readonly<{
    number: number;
    retryable: boolean;
}>>>;
/**
 * A place in a room. What the room says is in `members` and `view` before any listener is called. Events begin in the
 * turn of the event loop after the room was handed over, so nothing is missed by whoever listens at once.
 *
 * @extends {Emitter<RoomEvents>}
 */
export class Room extends Emitter<RoomEvents> {
    private constructor();
    /** @type {Member[]} */
    members: Member[];
    /** The game as this member sees it. @type {any} */
    view: any;
    /** The seat taken, counted from 0; null for spectators. @type {number|null} */
    seat: number | null;
    /** @type {"player"|"spectator"} */
    role: "player" | "spectator";
    name: string;
    /** Whether the room is kept when the server ends, and goes on when it is back. */
    durable: boolean;
    /**
     * Why the room has ended, for this member: `left`, `replaced`, `game_failed`, `shutting_down`, `session_lost` or
     * `closed`. Null while it has not.
     *
     * @type {{reason: string, message: string}|null}
     */
    end: {
        reason: string;
        message: string;
    } | null;
    id: string;
    game: string;
    get isOpen(): boolean;
    /** Bytes sent to this room that it is not known to have. */
    get buffered(): number;
    /**
     * Sends a message to the game. `reliable` ones arrive exactly once and in order, and this is the game's answer; of
     * `latest` ones only the newest of its key has to arrive; `unreliable` ones may be lost, and are `latest` where there
     * are no datagrams. Those two are not answered. A failure that nobody looks at is no unhandled rejection.
     *
     * @param {string} type
     * @param {any} [data]
     * @param {{delivery?: "reliable"|"latest"|"unreliable", key?: string} & RequestOptions} [options]
     * @returns {Promise<any>}
     */
    send(type: string, data?: any, { delivery, key, ...options }?: {
        delivery?: "reliable" | "latest" | "unreliable";
        key?: string;
    } & RequestOptions): Promise<any>;
    /** Gives up the seat, or the place to watch from. @returns {Promise<void>} */
    leave(): Promise<void>;
    #private;
}
/**
 * The rooms there are, as they come and go. Tells `change`, with itself, after each.
 *
 * @extends {Emitter<{change: RoomList, closed: null}>}
 */
export class RoomList extends Emitter<{
    change: RoomList;
    closed: null;
}> {
    private constructor();
    /** The newest first. @type {RoomRow[]} */
    rooms: RoomRow[];
    /** How many there are in all; the list begins with at most 500. */
    total: number;
    /** No more changes. */
    close(): void;
    #private;
}
/**
 * Something that tells what happens, to listeners and to `for await`.
 *
 * @template {Record<string, any>} Events
 */
declare class Emitter<Events extends Record<string, any>> {
    /**
     * Calls a listener for every event of a type, or of all types with `"*"`, which gets the event as a whole.
     *
     * @template {(keyof Events & string) | "*" | (string & {})} Type
     * @param {Type} type
     * @param {(data: Type extends "*" ? AnteroomEvent : Type extends keyof Events ? Events[Type] : any,
     *   event: AnteroomEvent) => void} listener
     * @returns {() => void} takes the listener away again
     */
    on<Type extends (keyof Events & string) | "*" | (string & {})>(type: Type, listener: (data: Type extends "*" ? AnteroomEvent : Type extends keyof Events ? Events[Type] : any, event: AnteroomEvent) => void): () => void;
    /**
     * Everything that happens from now on, until the end. Whoever is too slow misses the oldest events, which a `gap`
     * tells.
     *
     * @returns {AsyncGenerator<AnteroomEvent, void, void>}
     */
    [Symbol.asyncIterator](): AsyncGenerator<AnteroomEvent, void, void>;
    #private;
}
export {};
