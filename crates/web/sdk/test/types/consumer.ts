// A program in strict TypeScript, as a game developer writes it. It is compiled, never run.
import {
  AnteroomError, CLOSE_CODES, ERROR_CODES, Lobby, Room, RoomList, connect,
  type AnteroomEvent, type ConnectOptions, type Member, type RoomRow,
} from "@anteroom/sdk";

const options: ConnectOptions = { name: "Ada", transport: "auto", timeout: 5000, storage: null };
const lobby: Lobby = await connect("https://play.example", options);
const same: Lobby = await connect();
await connect(new URL(".", "https://play.example/game/"), { token: "a.b.c" });
await connect("https://play.example/game", { token: () => "a.b.c" });
await connect("https://play.example/game", { token: async () => "a.b.c" });

const state: "connecting" | "open" | "resuming" | "closed" = lobby.state;
const transport: "webtransport" | "websocket" | null = lobby.transport;
const rtt: number | null = lobby.rtt;
const rooms: Map<string, Room> = lobby.rooms;

const room: Room = await lobby.createRoom({ game: "relay", name: "A table", options: { members_max: 8 } });
const watched: Room = await lobby.joinRoom("k3v9k3v9k3", { as: "spectator", signal: AbortSignal.timeout(1000) });
const quick: Room = await lobby.quickJoin("tic_tac_toe", { timeout: 2000 });
const { rooms: rows, total }: { rooms: RoomRow[]; total: number } = await lobby.listRooms({ game: "relay" });
const list: RoomList = await lobby.watchRooms();

const off: () => void = list.on("change", (told) => told.rooms.map(({ room_id }) => room_id.length));
lobby.on("state", (now) => now satisfies typeof state);
lobby.on("renewed", ({ error }) => error.code.length);
lobby.on("activity", ({ at, type, message }) => [at.toFixed(), type.length, message.length]);
lobby.on("closed", (error) => error?.retryable);
lobby.on("room", (found) => found.members.length);
room.on("client_joined", (member: Member) => member.username.length);
room.on("client_left", ({ reason }) => reason.length);
room.on("room_closed", ({ reason, message }) => reason + message);
room.on("gap", ({ missed }) => missed.toFixed());
room.on("the_game_s_own", (data, event: AnteroomEvent) => [data.anything, event.type]);
room.on("*", (event) => event.type);
for await (const { type, data, latest } of room) [type.length, data, latest?.length];
const events: AsyncGenerator<AnteroomEvent, void, void> = list[Symbol.asyncIterator]();
const first: IteratorResult<AnteroomEvent, void> = await events.next();
await events.return();

const answer: unknown = await room.send("make_move", { row: 1, col: 2 });
await room.send("where", { x: 1 }, { delivery: "unreliable", key: "ada" });
const bytes: number = room.buffered;
await room.leave();
const ended: { reason: string; message: string } | null = room.end;
await lobby.moveTo("websocket");
const pong: number = await lobby.ping();
lobby.close();

try {
  await connect("https://play.example");
} catch (error) {
  if (error instanceof AnteroomError && error.retryable) [error.code, error.message, error.closeCode, error.details];
}
const full: { number: number; retryable: boolean } = ERROR_CODES.room_full;
const silence: number = CLOSE_CODES.silence.number;

// @ts-expect-error a token is a text
await connect("https://play.example", { token: 7 });
// @ts-expect-error and so is what the function gives
await connect("https://play.example", { token: async () => 7 });
// @ts-expect-error there is no such transport
await connect("https://play.example", { transport: "carrier pigeon" });
// @ts-expect-error a game has to be named
await lobby.createRoom({ name: "A table" });
// @ts-expect-error there is no such class
await room.send("where", {}, { delivery: "perhaps" });
// @ts-expect-error there is no such role
await lobby.joinRoom("k3v9k3v9k3", { as: "king" });
// @ts-expect-error the state is none of these
lobby.on("state", (now: "asleep") => now);
// @ts-expect-error members have no age
room.on("client_joined", ({ age }) => age);
// @ts-expect-error lobbies are made by connect
new Lobby();
// @ts-expect-error rooms are made by the lobby
new Room();
// @ts-expect-error this is how the SDK does it, and nobody's business
room.receive({});
// @ts-expect-error nor is this
lobby.begin({});

export { answer, bytes, ended, first, full, off, pong, quick, rooms, rows, rtt, same, silence, total, transport, watched };
