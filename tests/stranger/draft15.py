#!/usr/bin/env python3
"""A client for Anteroom over WebTransport of the later drafts (15 and on), by pywebtransport, which knows no other.

    python3 draft15.py HOST:PORT

shakes hands, plays, sends datagrams, loses its connection and resumes, and is told why it is closed. It prints one line
per check. The server must let guests in, and may have a certificate that nobody has signed. Needs Python 3.12.
"""

import asyncio
import itertools
import json
import secrets
import ssl
import sys
import traceback

sys.dont_write_bytecode = True  # leave nothing behind in the directory of the sources

from pywebtransport import ClientConfig, WebTransportClient
from pywebtransport.types import EventType

from checks import Checks

TIMEOUT = 10.0  # seconds, for any one wait
UNCOUNTED = {"handshake_accepted", "reconnect_result", "lane", "ping", "pong", "ack", "goodbye"}


def varint(number):
    """A variable-length integer (RFC 9000, section 16)."""
    for mark, size in enumerate((1, 2, 4, 8)):
        if number < 1 << (8 * size - 2):
            return (number | mark << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(number)


async def take_varint(stream):
    first = (await stream.readexactly(size=1))[0]
    size = 1 << (first >> 6)
    return int.from_bytes(bytes([first & 0x3F]) + await stream.readexactly(size=size - 1), "big")


class Connection:
    """A session of WebTransport: the control lane, the rooms' lanes, datagrams, and how it was closed."""

    def __init__(self, transport):
        self.transport = transport
        self.messages = asyncio.Queue()  # (lane, message); lane -1 for what came as a datagram
        self.closed = asyncio.get_running_loop().create_future()
        transport.events.once(event_type=EventType.SESSION_CLOSED, handler=self.on_closed)
        self.tasks = []

    @classmethod
    async def open(cls, library, address, **more):
        self = cls(await library.connect(url=f"https://{address}/wt", **more))
        self.control = await self.transport.create_bidirectional_stream()
        for task in (self.read_lane(0, self.control), self.accept_lanes(), self.read_datagrams()):
            self.tasks.append(asyncio.create_task(task))
        return self

    def on_closed(self, event):
        if not self.closed.done():
            self.closed.set_result((event.data.get("error_code"), event.data.get("reason")))

    async def accept_lanes(self):
        async for stream in self.transport.incoming_unidirectional_streams():
            self.tasks.append(asyncio.create_task(self.read_lane(None, stream)))

    async def read_lane(self, lane, stream):
        """What is left unread when the session ends is lost, with an exception that nobody waits for."""
        if lane is None:
            lane = await take_varint(stream)
        while True:
            payload = json.loads(await stream.readexactly(size=await take_varint(stream)))
            for message in payload if isinstance(payload, list) else [payload]:
                self.messages.put_nowait((lane, message))

    async def read_datagrams(self):
        while True:
            datagram = await self.transport.read_datagram()
            self.messages.put_nowait((-1, json.loads(datagram[1 << (datagram[0] >> 6) :])))

    async def send(self, message):
        await self.send_raw(json.dumps(message).encode())

    async def send_raw(self, payload):
        await self.control.write_all(data=varint(len(payload)) + payload)

    async def drop(self):
        """The connection is gone, without a word to the session."""
        await self.transport.connection.close()
        self.forget()

    def forget(self):
        for task in self.tasks:
            task.cancel()


class Player:
    """A session that resumes."""

    def __init__(self, library, address, name):
        self.library, self.address, self.name = library, address, name
        self.refs = itertools.count(1)
        self.n = self.attempt = 0
        self.received = {0: 0}

    async def begin(self):
        self.connection = await Connection.open(self.library, self.address)
        hello = {"version": 1, "name": self.name, "nonce": secrets.token_hex(16), "resume": True}
        await self.connection.send({"type": "handshake", "data": hello})
        accepted = (await self.next("handshake_accepted"))["data"]
        self.session_id, self.token, self.user_id = (
            accepted[key] for key in ("session_id", "resume_token", "user_id")
        )

    async def reconnect(self):
        """The lanes go on behind what has been received, each after its `lane`."""
        self.connection = await Connection.open(self.library, self.address)
        self.attempt += 1
        counts = {str(lane): count for lane, count in self.received.items()}
        claim = {"session_id": self.session_id, "resume_token": self.token, "attempt": self.attempt}
        await self.connection.send({"type": "reconnect", "data": {**claim, "received": counts}})
        answer = await self.next("reconnect_result")
        if answer["success"]:
            self.token = answer["data"]["resume_token"]
        return answer

    async def next(self, kind, where=lambda message: True):
        """The next message of this type that is looked for; what comes before it is read and counted."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                self.lane, message = await self.connection.messages.get()
                if message["type"] not in UNCOUNTED and "latest" not in message and self.lane >= 0:
                    self.received[self.lane] = self.received.get(self.lane, 0) + 1
                if message["type"] == kind and where(message):
                    return message

    async def request(self, kind, data, room=None):
        self.n += 1
        ref = next(self.refs)
        message = {"type": kind, "ref": ref, "n": self.n, "data": data, **({"room_id": room} if room else {})}
        await self.connection.send(message)
        return await self.next(f"{kind}_result", lambda result: result["ref"] == ref)

    async def closed(self):
        async with asyncio.timeout(TIMEOUT):
            return await self.connection.closed


X_WINS = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
CUT_AT = 2  # the move before which one of them loses its connection


async def play(library, address, checks):
    ada, bob = Player(library, address, "Ada"), Player(library, address, "Bob")
    for player in (ada, bob):
        await player.begin()
        checks.ok(f"{player.name} shakes hands", player.user_id)
        limits = (await player.connection.transport.diagnose()).flow_control_negotiated
        checks.equal(f"{player.name}'s session has no limits of its own", limits, False)

    joins = [await player.request("join_room", {"game": "tic_tac_toe", "quick": True}) for player in (ada, bob)]
    room = joins[0]["room_id"]
    checks.equal("quick joins meet", [(join["success"], join["room_id"]) for join in joins], [(True, room)] * 2)
    checks.equal("the answer comes on the room's lane", bob.lane, joins[1]["data"]["lane"])
    playing = await bob.next("game_state", lambda state: state["data"]["status"] == "playing")
    seats = {player.user_id: player for player in (ada, bob)}

    turn = playing["data"]["current_turn"]
    for number, (row, col) in enumerate(X_WINS):
        if number == CUT_AT:
            await resume(bob, checks, ada, room)
        mover = seats[turn]
        result = await mover.request("make_move", {"row": row, "col": col}, room)
        checks.equal(f"move {number + 1} by {mover.name}", result["success"], True)
        for player in (ada, bob):
            state = await player.next("game_state", lambda state: marks(state["data"]["board"]) == number + 1)
            turn = state["data"]["current_turn"]
    checks.equal("the match is won", (state["data"]["status"], turn), ("won", None))

    await datagrams(ada, bob, checks)

    # What is told to who cannot be understood, and to the page of another site.
    await ada.connection.send_raw(b"{nonsense")
    goodbye = (await ada.next("goodbye"))["data"]
    code, reason = await ada.closed()
    checks.equal("nonsense: goodbye and the close", (goodbye["code"], goodbye["reason"]), (code, reason))
    checks.equal("nonsense: the code", code, 4501)
    ada.connection.forget()
    other = await Connection.open(library, address, headers={"origin": "https://elsewhere.example"})
    async with asyncio.timeout(TIMEOUT):
        code, reason = await other.closed
    checks.equal("another origin", (code, reason), (4506, "Pages of this origin may not connect here."))
    other.forget()

    await bob.connection.send({"type": "goodbye", "data": {"code": 1000}})
    code, _ = await bob.closed()
    checks.equal("a goodbye", code, 1000)
    bob.connection.forget()


def marks(board):
    return sum(mark is not None for line in board for mark in line)


async def resume(player, checks, other, room):
    """Nothing is lost while a player is away."""
    await player.connection.drop()
    await other.next("client_disconnected")
    answer = await player.reconnect()
    checks.equal(f"{player.name} resumes", answer["success"], True)
    lanes = [entry["room_id"] for entry in answer["data"]["lanes"]]
    checks.equal(f"{player.name}'s lanes", lanes, [room])
    for _ in range(2):
        lane = (await player.next("lane"))["data"]
        checks.equal(f"{player.name}'s lane {lane['lane']} has no gap", lane["gap"], False)
        following = player.received.get(lane["lane"], 0) + 1
        checks.equal(f"{player.name}'s lane {lane['lane']} goes on", lane["next"], following)
    await other.next("client_reconnected")


async def datagrams(ada, bob, checks):
    """Each way; one of them may be lost, so they are said until one is heard."""
    made = await ada.request("create_room", {"game": "relay", "options": {}})
    room, lane = made["room_id"], made["data"]["lane"]
    await bob.request("join_room", {"room_id": room})
    heard = asyncio.create_task(bob.next("message"))
    payload = {"type": "send", "room_id": room, "data": {"payload": "hello", "delivery": "unreliable"}}
    while not heard.done():
        await ada.connection.transport.send_datagram(data=varint(lane) + json.dumps(payload).encode())
        await asyncio.wait([heard], timeout=0.1)
    checks.equal("a datagram each way", (heard.result()["data"]["payload"], bob.lane), ("hello", -1))
    big = "x" * 40_000
    said = await bob.request("send", {"payload": big}, room)
    checks.equal("a large message is taken", said["success"], True)
    message = await ada.next("message", lambda message: message["data"]["payload"] != "hello")
    checks.equal("a large message is heard", len(message["data"]["payload"]), len(big))


async def main():
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit("usage: draft15.py HOST:PORT")
    checks = Checks()
    try:
        async with WebTransportClient(config=ClientConfig(verify_mode=ssl.CERT_NONE)) as library:
            await play(library, sys.argv[1], checks)
    except Exception as error:
        traceback.print_exc()
        checks.ok("the story", False, f"{type(error).__name__}: {error}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    asyncio.run(main())
