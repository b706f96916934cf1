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
    state: "waiting" | "playing" | "finished" | "paused";
    durable: boolean;
    locked: boolean;
    has_password: boolean;
    created_at_ms: number;
    data: Record<string, any>;
};
/**
 * What a room has to pass, every part of it.
 */
export type Filter = [key: string, op: "=" | "!=" | "<" | "<=" | ">" | ">=" | "in", value: any][];
export type Access = "public" | "members" | "owner" | "server";
/**
 * Somebody in a room. `number` tells this stay of theirs from another one.
 */
export type Member = {
    user_id: string;
    username: string;
    role: "player" | "spectator";
    seat: number | null;
    connected: boolean;
    number: number;
    ready: boolean;
    bot: boolean;
    joined_at_ms: number;
    data: Record<string, any>;
    muted?: boolean;
    away?: boolean;
    typing?: boolean;
    wants_seat?: number | null;
};
/**
 * Something that was said. One with the id of another takes its place.
 */
export type ChatEntry = {
    message_id: string;
    user_id: string;
    username: string;
    text: string;
    at_ms: number;
    edited: boolean;
    deleted?: boolean;
};
export type Vote = {
    absent: string[];
    yes: string[];
    no: string[];
    ends_at_ms: number;
};
/**
 * What a room is, besides who is in it and the game.
 */
export type RoomInfo = {
    room_id: string;
    game: string;
    game_version: number;
    name: string;
    durable: boolean;
    recorded: boolean;
    created_at_ms: number;
    created_by: string | null;
    owner: string | null;
    seats_max: number;
    visibility: "public" | "unlisted" | "private";
    locked: boolean;
    has_password: boolean;
    state: "waiting" | "playing" | "finished" | "paused";
    spectators: number;
    spectator_delay_ms: number;
    data: Record<string, any>;
    seat_queue: string[];
    vote: Vote | null;
    chat: ChatEntry[];
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
     * what has changed; it is in `info`
     */
    room_updated: Partial<RoomInfo>;
    /**
     * what has changed; it is in `members`
     */
    member_updated: Partial<Member> & {
        user_id: string;
        number: number;
    };
    chat: ChatEntry;
    system: {
        event: "joined" | "left" | "owner_changed";
        user_id: string;
        username: string;
        at_ms: number;
    };
    presence: {
        user_id: string;
        number: number;
        typing: boolean;
        away: boolean;
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
/**
 * A room to make. What is left out is as the game has it.
 */
export type NewRoom = {
    game: string;
    name?: string | undefined;
    /**
     * the game's own
     */
    options?: any;
    /**
     * whether it outlives the server's process
     */
    durable?: boolean | undefined;
    visibility?: "private" | "public" | "unlisted" | undefined;
    password?: string | undefined;
    seats_max?: number | undefined;
    data?: Record<string, any> | undefined;
    /**
     * who may read which keys of the data
     */
    access?: Record<string, Access> | undefined;
    spectator_delay_ms?: number | undefined;
    /**
     * who owns it when its owner goes
     */
    owner_policy?: "none" | "manual" | "automatic" | undefined;
    empty_ttl_ms?: number | undefined;
    idle_ttl_ms?: number | undefined;
    lifetime_max_ms?: number | undefined;
    /**
     * whether what happens in it is recorded
     */
    record?: boolean | undefined;
};
export type HowToJoin = {
    as?: "player" | "spectator";
    password?: string;
    invite?: string;
};
export type WhichRooms = {
    game?: string;
    filter?: Filter;
    sort?: string;
    cursor?: string;
    limit?: number;
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
 * What an owner can change of a room. A password of null takes it away, and so does a null for a key of data.
 */
export type RoomChanges = {
    name?: string;
    visibility?: "public" | "unlisted" | "private";
    locked?: boolean;
    password?: string | null;
    seats_max?: number;
    data?: Record<string, any>;
    access?: Record<string, Access>;
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
     * @param {NewRoom} what
     * @param {RequestOptions} [options]
     * @returns {Promise<Room>}
     */
    createRoom(what: NewRoom, options?: RequestOptions): Promise<Room>;
    /**
     * Takes a seat in a room, or a place to watch from.
     *
     * @param {string} roomId
     * @param {HowToJoin & RequestOptions} [options]
     * @returns {Promise<Room>}
     */
    joinRoom(roomId: string, options?: HowToJoin & RequestOptions): Promise<Room>;
    /**
     * Takes a free seat in any room of a game, or makes one.
     *
     * @param {string} game
     * @param {{filter?: Filter} & RequestOptions} [options]
     * @returns {Promise<Room>}
     */
    quickJoin(game: string, options?: {
        filter?: Filter;
    } & RequestOptions): Promise<Room>;
    /**
     * The rooms there are, a page at a time: `next` is the cursor of the next page, if there is one.
     *
     * @param {WhichRooms & RequestOptions} [options]
     * @returns {Promise<{rooms: RoomRow[], total: number, next?: string|null}>}
     */
    listRooms(options?: WhichRooms & RequestOptions): Promise<{
        rooms: RoomRow[];
        total: number;
        next?: string | null;
    }>;
    /**
     * The list of rooms, kept up to date over connections and sessions. There is one at a time: another one closes it.
     *
     * @param {{game?: string, filter?: Filter} & RequestOptions} [options]
     * @returns {Promise<RoomList>}
     */
    watchRooms(options?: {
        game?: string;
        filter?: Filter;
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
    /** What the room is, kept up to date. @type {RoomInfo} */
    info: RoomInfo;
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
     * Why the room has ended, for this member: `left`, `replaced`, `kicked`, `banned`, `idle`, `expired`, `closed`,
     * `game_failed`, `shutting_down` or `session_lost`. Null while it has not.
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
    /**
     * Asks something of the room, as PROTOCOL.md has it: `kick`, `chat`, `ready` and so on. {@link Room.tools} has a
     * method for each.
     *
     * @param {string} type
     * @param {any} [data]
     * @param {RequestOptions} [options]
     * @returns {Promise<any>}
     */
    request(type: string, data?: any, options?: RequestOptions): Promise<any>;
    /** What can be asked of a room, typed; loaded when it is first wanted. @returns {Promise<RoomTools>} */
    tools(): Promise<RoomTools>;
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
/** What can be asked of a room. Each method is a request, and its promise the room's answer. */
declare class RoomTools {
    private constructor();
    /** Changes the room. The owner's. @param {RoomChanges} changes @returns {Promise<void>} */
    update(changes: RoomChanges): Promise<void>;
    /**
     * Changes what is said of oneself.
     *
     * @param {Record<string, any>} data
     * @param {Record<string, Access>} [access]
     * @returns {Promise<void>}
     */
    setData(data: Record<string, any>, access?: Record<string, Access>): Promise<void>;
    /**
     * Sends somebody out, who needs a new invite to come again. The owner's.
     *
     * @param {string} userId
     * @returns {Promise<void>}
     */
    kick(userId: string): Promise<void>;
    /** Sends somebody out for good. The owner's. @param {string} userId @returns {Promise<void>} */
    ban(userId: string): Promise<void>;
    /** Takes a ban back. The owner's. @param {string} userId @returns {Promise<void>} */
    unban(userId: string): Promise<void>;
    /**
     * Gives the room to another member. The owner's.
     *
     * @param {string} userId
     * @returns {Promise<void>}
     */
    transferOwner(userId: string): Promise<void>;
    /**
     * Lets nobody hear what somebody says. The owner's.
     *
     * @param {string} userId
     * @param {boolean} [muted]
     * @returns {Promise<void>}
     */
    mute(userId: string, muted?: boolean): Promise<void>;
    /**
     * Whether the match may begin as far as this player goes.
     *
     * @param {boolean} [ready]
     * @returns {Promise<void>}
     */
    ready(ready?: boolean): Promise<void>;
    /**
     * Moves to another seat. Gives the one that is had now: a taken one is swapped when both have asked.
     *
     * @param {number} seat
     * @returns {Promise<number>}
     */
    chooseSeat(seat: number): Promise<number>;
    /**
     * Waits for a free seat, or does not any more. Gives the place in the queue.
     *
     * @param {boolean} [queued]
     * @returns {Promise<number|null>}
     */
    queueForSeat(queued?: boolean): Promise<number | null>;
    /**
     * Has a computer take a seat: this one, or the first that is free.
     *
     * @param {number} [seat]
     * @returns {Promise<{seat: number, user_id: string}>}
     */
    addBot(seat?: number): Promise<{
        seat: number;
        user_id: string;
    }>;
    /** Frees a computer's seat. @param {number} seat @returns {Promise<void>} */
    removeBot(seat: number): Promise<void>;
    /** Stops the match and its clock. @returns {Promise<void>} */
    pause(): Promise<void>;
    /** Goes on. @returns {Promise<void>} */
    unpause(): Promise<void>;
    /**
     * Whether to go on without those who are away.
     *
     * @param {boolean} goesOn
     * @returns {Promise<void>}
     */
    vote(goesOn: boolean): Promise<void>;
    /**
     * A code, and the link that has it, which let somebody in: so many times, and for so long.
     *
     * @param {{uses?: number, expires_ms?: number}} [limits]
     * @returns {Promise<{code: string, url: string}>}
     */
    createInvite(limits?: {
        uses?: number;
        expires_ms?: number;
    }): Promise<{
        code: string;
        url: string;
    }>;
    /** Who is in the room now. @returns {Promise<{members: Member[], spectators: number}>} */
    participants(): Promise<{
        members: Member[];
        spectators: number;
    }>;
    /**
     * Says something. Gives the id of what was said.
     *
     * @param {string} text
     * @param {RequestOptions} [options]
     * @returns {Promise<string>}
     */
    chat(text: string, options?: RequestOptions): Promise<string>;
    /**
     * Says something else instead.
     *
     * @param {string} messageId
     * @param {string} text
     * @returns {Promise<void>}
     */
    editChat(messageId: string, text: string): Promise<void>;
    /** Takes back what was said. @param {string} messageId @returns {Promise<void>} */
    deleteChat(messageId: string): Promise<void>;
    /**
     * What was said before something, or last; the oldest first. `next` is what to ask for as `before` next.
     *
     * @param {{before?: string, limit?: number}} [which]
     * @returns {Promise<{messages: ChatEntry[], next: string|null}>}
     */
    chatHistory(which?: {
        before?: string;
        limit?: number;
    }): Promise<{
        messages: ChatEntry[];
        next: string | null;
    }>;
    /**
     * What others see of what one does just now.
     *
     * @param {{typing?: boolean, away?: boolean}} what
     * @returns {Promise<void>}
     */
    presence(what: {
        typing?: boolean;
        away?: boolean;
    }): Promise<void>;
    #private;
}
export type { RoomTools };
