"""Sections 3 to 6: a connection that carries messages, where they are kept until somebody asks, and a plain session."""

import collections
import json
import time

from codec import Bincode
from websocket import BINARY, TEXT, TIMEOUT, Closed, WebSocket

ALWAYS_JSON = {"handshake", "reconnect", "goodbye"}  # of what a client sends


class Wire:
    """One connection: messages in, messages out, in one codec. Before the session they are JSON in any case."""

    errors = {False: set(), True: set()}  # those that have come at all, in JSON and in binary

    def __init__(self, address, binary=False, views=None):
        self.socket = WebSocket(address, [f"anteroom.v1.{'bincode' if binary else 'json'}"])
        self.bincode = Bincode(views) if binary else None
        self.begun = False  # whether this connection has a session: from then on the codec is the session's
        self.seen = []  # every message that came, in the order in which it came
        self.unread = collections.deque()  # those that nobody has asked for yet
        self.closed = None

    def send(self, kind, data=None, room=None, **more):
        message = {"type": kind, **more}
        if room is not None:
            message["room_id"] = room
        if data is not None:
            message["data"] = data
        if self.bincode and kind not in ALWAYS_JSON:
            self.socket.send(BINARY, self.bincode.encode(message))
        else:
            self.socket.send(TEXT, json.dumps(message).encode())

    def batch(self, messages):
        """Sends envelopes together, in a session."""
        if self.bincode:
            self.socket.send(BINARY, b"".join(map(self.bincode.encode, messages)))
        else:
            self.socket.send(TEXT, json.dumps(messages).encode())

    def fileno(self):
        return self.socket.socket.fileno()

    def drop(self):
        """Ends the connection without a word, with everything that is on its way."""
        self.socket.drop()
        self.unread.clear()
        self.closed = Closed(None, "dropped")

    def read(self, deadline):
        """The messages of the next frame. There are none if the connection has ended; `closed` says how."""
        try:
            opcode, payload = self.socket.receive(deadline)
        except Closed as closed:
            self.closed = closed
            return []
        messages = self.decode(opcode, payload)
        self.seen += messages
        return messages

    def decode(self, opcode, payload):
        if opcode == TEXT:
            messages = json.loads(payload)
            messages = messages if isinstance(messages, list) else [messages]
            if self.begun and self.bincode:
                assert all(m["type"] == "goodbye" for m in messages), f"JSON in a binary session: {messages}"
        else:
            assert self.bincode and self.begun, "a binary frame in a JSON session, or before a session"
            messages = self.bincode.decode(payload)
        self.errors[opcode == BINARY].update(m["error"]["code"] for m in messages if m.get("error"))
        for message in messages:
            if message["type"] == "handshake_accepted" and message["data"]["codec"] == "json":
                self.bincode = None  # the server has other shapes
            if message["type"] == "handshake_accepted" or message["type"] == "reconnect_result" and message["success"]:
                self.begun = True
        return messages

    def get(self, kind=None):
        """The next message, or the next of that type."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            while self.unread:
                message = self.unread.popleft()
                if kind in (None, message["type"]):
                    return message
            if self.closed:
                raise self.closed
            try:
                self.unread.extend(self.read(deadline))
            except TimeoutError:
                raise TimeoutError(f"{kind or 'a message'} did not come within {TIMEOUT:g} seconds") from None

    def end(self):
        """Waits for the end of the connection; returns the close code, and the goodbye that must come before it."""
        try:
            while True:
                self.get()
        except Closed:
            return self.closed.code, next((m["data"] for m in reversed(self.seen) if m["type"] == "goodbye"), None)


class Inbox:
    """What has come waits in `lanes` under its room_id (None is control), or, if it has a ref, in `results` under that;
    `rooms` is the list of rooms as the pushes of a subscription keep it."""

    def __init__(self):
        self.lanes = collections.defaultdict(collections.deque)
        self.results = {}
        self.rooms = {}
        self.log = []  # everything, in the order it came
        self.last_ref = 0
        self.shown = {}  # room_id -> the last view that Match.check() has seen
        self.states = {}  # room_id -> the room's state as it was joined, or as Match.check() has seen it last

    def request(self, kind, data=None, room=None):
        """Sends a request and returns its result, whether it succeeded or not."""
        return self.result(self.ask(kind, data, room))

    def ask(self, kind, data=None, room=None):
        """Sends a request and returns its ref."""
        self.last_ref += 1
        self.send(kind, data, room, ref=self.last_ref)
        return self.last_ref

    def next(self, room=None, kind=None, having=None):
        """The next message on a lane that is no result, or the next of that type, or that has a certain field; those
        before it stay."""

        def wanted(message):
            return kind in (None, message["type"]) and (having is None or having in message["data"])

        def found():
            return next(filter(wanted, self.lanes[room]), None)

        self.wait(found, f"{kind or 'a message'} on {room or 'control'}")
        message = found()
        self.lanes[room].remove(message)
        return message

    def result(self, ref):
        self.wait(lambda: ref in self.results, f"the result of request {ref}")
        return self.results.pop(ref)

    def file(self, message):
        self.log.append(message)
        if message["type"] in ("create_room_result", "join_room_result") and message["success"]:
            self.states[message["room_id"]] = message["data"]["state"]
        if message["type"] == "subscribe_rooms_result" and message["success"]:
            self.rooms = {room["room_id"]: room for room in message["data"]["rooms"]}
        if "ref" in message:
            self.results[message["ref"]] = message
        elif message["type"] == "rooms_changed":
            for room in message["data"]["added"] + message["data"]["updated"]:
                self.rooms[room["room_id"]] = room
            for room_id in message["data"]["removed"]:
                self.rooms.pop(room_id, None)
        else:
            self.lanes[message.get("room_id")].append(message)


class Session(Wire, Inbox):
    """A session that lives and dies with its one connection: all that a client needs that does not resume."""

    def __init__(self, address, binary=False):
        Wire.__init__(self, address, binary)
        Inbox.__init__(self)
        self.accepted = None

    def handshake(self, name=None, **more):
        """Shakes hands; returns the answer, whether it is `handshake_accepted` or an error."""
        self.send("handshake", {"version": 1, "client": "stranger/1", **({"name": name} if name else {}), **more})
        answer = self.next()
        if answer["type"] == "handshake_accepted":
            self.accepted = answer["data"]
            self.user_id, self.username = self.accepted["user_id"], self.accepted["username"]
        return answer

    def end(self):
        self.wait(lambda: self.closed, "the end of the connection")
        return Wire.end(self)

    def wait(self, condition, what):
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if self.closed:
                raise self.closed
            try:
                messages = self.read(deadline)
            except TimeoutError:
                raise TimeoutError(f"{what} did not come within {TIMEOUT:g} seconds") from None
            for message in messages:
                self.file(message)
