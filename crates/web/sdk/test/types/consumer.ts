// A program in strict TypeScript, as a game developer writes it. It is compiled, never run.
import {
  AnteroomError, CLOSE_CODES, ERROR_CODES, Lobby, Room, RoomList, connect,
  type AnteroomEvent, type ChatEntry, type ConnectOptions, type Filter, type Member, type RoomInfo, type RoomRow,
  type RoomTools,
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
const filter: Filter = [["free_seats", ">", 0], ["data.level", "in", [1, 2]]];
const { next } = await lobby.listRooms({ filter, sort: "-players", limit: 20, cursor: "c" });
await lobby.watchRooms({ filter });
await lobby.quickJoin("relay", { filter });
await lobby.createRoom({ game: "relay", visibility: "private", password: "x", data: { level: 1 }, access: { level: "owner" } });
await lobby.joinRoom("k3v9k3v9k3", { password: "x", invite: "c0de" });
const info: RoomInfo = room.info;
const tools: RoomTools = await room.tools();
const { code, url }: { code: string; url: string } = await tools.createInvite({ uses: 1 });
const said: string = await tools.chat("Hello");
const { messages }: { messages: ChatEntry[] } = await tools.chatHistory({ before: said });
await tools.update({ password: null, data: { level: null } });
room.on("chat", ({ text, edited }) => [text.length, edited]);
room.on("room_updated", ({ owner }) => owner?.length);
room.on("member_updated", ({ user_id, ready }) => [user_id, ready]);

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
// @ts-expect-error nobody asks for a seat by its name
await tools.chooseSeat("first");
// @ts-expect-error there is no such operator
await lobby.listRooms({ filter: [["players", "~", 1]] });
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

export { answer, bytes, code, ended, first, full, info, messages, next, off, pong, quick, rooms, rows, rtt, same, silence, total, transport, url, watched };
