"""Section 11: a session that outlives its connections. The steps are those of "A small client that resumes"."""

import random
import secrets
import select
import time

from codec import SCHEMA
from session import Inbox, Wire
from websocket import TIMEOUT, Closed

UNCOUNTED = {"handshake_accepted", "reconnect_result", "lane", "ping", "pong", "ack", "goodbye"}
UNNUMBERED = {"handshake", "reconnect", "resume", "ack", "ping", "goodbye"}
LOBBY = {"create_room", "join_room", "list_rooms", "subscribe_rooms", "unsubscribe_rooms"}  # always on control
JOINS = {"create_room_result", "join_room_result"}


def counts(received):
    return {str(lane): count for lane, count in received.items()}


class Line(Wire):
    """A connection of a session that resumes: which lane a room's messages are of here, and which number is next."""

    def __init__(self, address, binary, views):
        super().__init__(address, binary, views)
        self.table = {None: 0}  # room_id -> lane
        self.next = {}  # lane -> number of its next counted message


class Resuming(Inbox):
    """A session that resumes.

    With `resume` false it does not say that it would, and with `acks` false it does not acknowledge: both are for
    checks only. It connects again by itself if it is `stubborn`."""

    def __init__(self, address, name="Rae", binary=False, resume=True, acks=True):
        super().__init__()
        self.address, self.name, self.binary, self.resuming, self.acks = address, name, binary, resume, acks
        self.views = {}
        self.stubborn = False
        self.attempt = 0  # the steps 1 and 2, and what step 2 keeps
        self.begin(self.dial())

    def dial(self):
        return Line(self.address, self.binary, self.views)

    # -- a session's beginning

    def begin(self, line):
        self.nonce = secrets.token_hex(16)
        self.shake_hands(line)
        self.token, self.session_id = self.accepted["resume_token"], self.accepted["session_id"]
        self.attempt = self.n = 0
        self.received = {0: 0}  # of every lane, also of those that have ended
        self.dropped = 0  # messages that came twice
        self.kept = []  # (n, lane, message), neither acknowledged nor answered
        self.pending = {}  # ref -> (n, lane, type) of requests that are not answered
        self.rooms_lanes = {}  # room_id -> lane
        self.acked = {}  # lane -> what the server has acknowledged
        self.lines = [line]
        self.carrier = {0: line}  # lane -> the connection that it is read from
        self.open = {0}  # the lanes that may be written on
        line.next[0] = 1
        self.fresh_ack()

    def shake_hands(self, line):
        hello = {"version": 1, "name": self.name, "client": "stranger/1", "nonce": self.nonce}
        if self.resuming:
            hello["resume"] = True
        if self.binary:
            hello["schema"] = SCHEMA
        line.send("handshake", hello)
        answer = line.get()
        assert answer["type"] == "handshake_accepted", answer
        self.accepted = answer["data"]
        self.user_id, self.username = self.accepted["user_id"], self.accepted["username"]
        return answer

    # -- sending

    def send(self, kind, data=None, room=None, ref=None):
        """Step 8. Returns the message, as it is kept."""
        more = {} if ref is None else {"ref": ref}
        if kind in UNNUMBERED:
            return self.line.send(kind, data, room, **more)
        self.wait(self.may_send, "room for one more message without an answer")
        self.n += 1
        lane = 0 if kind in LOBBY else self.rooms_lanes.get(room, 0)
        message = {"kind": kind, "data": data, "room": room, "n": self.n, **more}
        self.kept.append((self.n, lane, message))
        if ref is not None:
            self.pending[ref] = (self.n, lane, kind)
        if lane in self.open:
            self.carrier[lane].send(**message)
        return message

    def may_send(self):
        """Counts a little more than the payload, which is on the safe side."""
        limits, kept = self.accepted["limits"], sum(len(repr(message)) for _, _, message in self.kept)
        return len(self.kept) < limits["unacked_messages_max"] and kept < limits["unacked_bytes_max"]

    @property
    def line(self):
        """The connection that carries control."""
        return self.carrier[0]

    # -- receiving

    def wait(self, condition, what):
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            self.acknowledge()
            for line in self.readable(min(deadline, self.ack_due)):
                for message in self.messages(line, deadline):
                    if not line.closed or line.closed.code:  # not if it was dropped by a check just now
                        self.take(line, message)
                if line.closed:
                    self.lost(line)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come within {TIMEOUT:g} seconds")

    def readable(self, deadline):
        """The connections on which something is there, once there is something, or none."""
        ready = [line for line in self.lines if line.unread or line.socket.buffer or line.closed]
        if not ready:
            ready, _, _ = select.select(self.lines, [], [], max(deadline - time.monotonic(), 0))
        return ready

    @staticmethod
    def messages(line, deadline):
        if line.unread or line.closed:
            messages = list(line.unread)
            line.unread.clear()
            return messages
        return line.read(deadline)

    def take(self, line, message):
        """Steps 4, 5, 6, and 14, in which there is nothing to do here."""
        kind, room, data = message["type"], message.get("room_id"), message.get("data") or {}
        if kind == "lane":
            return self.goes_on(line, data)
        if kind in JOINS and message["success"] and line.table.get(room) != data["lane"]:
            self.opened(line, room, data["lane"], 1)
        if kind == "ack":
            for lane, n in data.items():
                self.acked[int(lane)] = n
                self.forget(int(lane), n)
        if kind in UNCOUNTED:
            return self.file(message)

        lane = line.table[room]
        if self.carrier.get(lane) is not line:
            return  # it has moved to another connection, and comes there
        if "latest" not in message:
            number = line.next[lane]
            line.next[lane] = number + 1
            self.unacknowledged += 1
            self.unacknowledged_bytes += len(repr(message))  # about
            self.ack_due = min(self.ack_due, time.monotonic() + 1)
            if number <= self.received[lane]:
                self.dropped += 1
                return
            self.received[lane] = number
        if "ref" in message:
            self.pending.pop(message["ref"], None)
            self.kept = [entry for entry in self.kept if entry[2].get("ref") != message["ref"]]
        self.file(message)
        if kind == "room_closed" or (kind == "leave_room_result" and message["success"]):
            self.ended(lane)

    def opened(self, line, room, lane, number):
        self.rooms_lanes[room] = lane
        self.received.setdefault(lane, 0)
        line.table[room] = lane
        line.next[lane] = number
        self.carrier[lane] = line
        self.open.add(lane)

    def goes_on(self, line, data):
        """Step 13: `lane`."""
        lane, room, following = data["lane"], data.get("room_id"), data["next"]
        if data["gap"]:
            self.received[lane] = following - 1
            self.unknown(lane, data["applied"])
        else:
            assert following <= self.received.get(lane, 0) + 1, "this is not an honest server"
        if room is None:
            line.next[0], self.carrier[0] = following, line
            self.open.add(0)
        else:
            self.opened(line, room, lane, following)
        self.forget(lane, data["applied"])
        for _, of, message in self.kept:
            if of == lane:
                line.send(**message)

    def forget(self, lane, applied):
        self.kept = [entry for entry in self.kept if entry[1] != lane or entry[0] > applied]

    def unknown(self, lane, applied):
        """Whether these requests were carried out cannot be known any more."""
        for ref, (n, of, kind) in list(self.pending.items()):
            if of == lane and n <= applied:
                del self.pending[ref]
                error = {"code": "outcome_unknown", "message": "The answer was lost.", "retryable": False}
                self.file({"type": f"{kind}_result", "ref": ref, "success": False, "error": error})

    def ended(self, lane):
        """Step 9. Its `received` stays, as an `ack` that tells it may be lost."""
        self.unknown(lane, self.n)
        self.forget(lane, self.n)
        self.rooms_lanes = {room: of for room, of in self.rooms_lanes.items() if of != lane}
        self.carrier.pop(lane, None)
        self.open.discard(lane)

    # -- acknowledging

    def acknowledge(self, at_once=False):
        """Step 7."""
        full = self.unacknowledged >= 64 or self.unacknowledged_bytes >= 16 * 1024
        due = full or self.unacknowledged and time.monotonic() >= self.ack_due
        if at_once or due and self.acks and self.resuming:
            self.line.send("ack", counts(self.received))
            self.fresh_ack()
        elif due:
            self.fresh_ack()

    def fresh_ack(self):
        self.unacknowledged, self.unacknowledged_bytes, self.ack_due = 0, 0, float("inf")

    # -- another connection

    def lost(self, line):
        """Step 10, for one that is stubborn; another one tells whoever waits."""
        self.lines.remove(line)
        if self.lines:
            return  # the session has moved, or is moving, to another one
        if not self.stubborn or (line.closed.code or 0) >= 4500:
            raise line.closed
        for wait in (0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
            time.sleep(wait * random.random())
            try:
                return self.reconnect()
            except (Closed, OSError) as error:
                failure = error
        raise failure

    def drop(self):
        """The network is gone, without a word."""
        for line in self.lines:
            line.drop()

    def claim(self, **data):
        """A connection that asks for this session, and the answer. To claim it without anything is a live move."""
        self.attempt += 1
        line, answer = self.claim_with(attempt=self.attempt, **data)
        if answer.get("success"):
            self.token = answer["data"]["resume_token"]
        return line, answer

    def claim_with(self, **data):
        """The same, with an `attempt` of its own, and perhaps with another token."""
        line = self.dial()
        line.send("reconnect", {"session_id": self.session_id, "resume_token": self.token, **data})
        return line, line.get()

    def reconnect(self, **data):
        """Goes on on a new connection; returns the answer to `reconnect`."""
        line, answer = self.claim(**(data or {"received": counts(self.received)}))
        self.attach(line, answer)
        return answer

    def attach(self, line, answer):
        """Steps 11 and 12, on a connection that `reconnect` was sent on."""
        if not answer.get("success"):
            assert answer.get("error", {}).get("code") == "session_unknown", answer
            self.unknown_session()
            return self.begin(line)
        self.lines, self.carrier, self.open = [line], {0: line}, set()
        going_on = {entry["lane"] for entry in answer["data"]["lanes"]}
        for lane in set(self.rooms_lanes.values()) - going_on:
            self.ended(lane)
        self.carrier.update(dict.fromkeys(going_on, line))
        line.next[0] = 1

    def unknown_session(self):
        for ref, (n, lane, _) in list(self.pending.items()):
            self.unknown(lane, n)

    def resume(self, line):
        """Ends a live move: all lanes attach to `line`, and each is read there from its `lane` on."""
        line.send("resume", {"received": counts(self.received)})
        self.lines = [old for old in self.lines if not old.closed] + [line]
        self.open.clear()
