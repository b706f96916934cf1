"""Section 11: the handshake's nonce, mistakes, what ends a session or only a connection, and who does not resume."""

import time

from chapter import Chapter
from resuming import counts
from websocket import BINARY, CLOSE, TEXT


class Ends(Chapter):
    # -- the handshake

    def nonces(self):
        checks, rae = self.checks, self.rae()

        def again(name, same=True):
            """Repeats the handshake on a new connection."""
            old, line = rae.line, rae.dial()
            before = (rae.session_id, rae.user_id)
            data = rae.shake_hands(line)["data"]
            seen = (data["session_id"] == before[0], data["user_id"] == before[1])
            checks.equal(f"{name}: {'the same' if same else 'another'} session and user", seen, (same, same))
            if same and not old.closed:
                checks.ended(f"{name}: the older connection", old, 4509)
            return line

        first = rae.request("list_rooms")
        line = again("a nonce repeated")
        checks.equal("a nonce repeated: control begins at 1, without lane", line.get(), first)
        line.send("ping")
        checks.has("a nonce repeated: nothing else comes", line.get(), {"type": "pong"})

        rae = self.rae()
        rae.drop()
        line = again("a nonce repeated after a loss")
        line.send("list_rooms", {}, n=1)
        checks.has("a nonce repeated after a loss: the session works", line.get(), {"type": "list_rooms_result"})

        rae = self.rae()
        rae.request("list_rooms")
        rae.acknowledge(at_once=True)
        rae.request("ping")
        line = again("a nonce repeated after an ack")
        checks.has("a nonce repeated after an ack: a gap", line.get("lane")["data"], {"lane": 0, "gap": True})
        checks.has("a nonce repeated after an ack: a snapshot", line.get(), {"type": "session_state"})

        rae = self.rae()
        room = self.room(rae)
        lane = rae.rooms_lanes[room]
        line = again("a nonce repeated in a room")
        seen = sorted((line.get("lane")["data"], line.get("lane")["data"]), key=lambda data: data["lane"])
        gaps = [(data["lane"], data["gap"]) for data in seen]
        checks.equal("a nonce repeated in a room: a gap on each lane", gaps, [(0, True), (lane, True)])
        # There is no order between lanes: either may come first, and the room takes its time.
        while not {"session_state", "join_room_result"} <= {m["type"] for m in line.seen}:
            line.get()
        state = next(m["data"] for m in line.seen if m["type"] == "session_state")
        checks.equal("a nonce repeated in a room: session_state", state["rooms"], [{"lane": lane, "room_id": room}])
        snapshot = next(m for m in line.seen if m["type"] == "join_room_result")
        checks.has("a nonce repeated in a room: its snapshot", snapshot["data"], {"lane": lane, "seat": 0})
        checks.ok("a nonce repeated in a room: it answers no request", "ref" not in snapshot, snapshot)
        rae.token = rae.accepted["resume_token"]
        rae.received = {data["lane"]: data["next"] for data in seen}
        line.drop()
        self.lives("the token of a nonce repeated", rae)

        for name, change in (("another codec", "binary"), ("another nonce", "nonce")):
            rae = self.rae()
            setattr(rae, change, not rae.binary if change == "binary" else rae.nonce + "0")
            again(name, same=False)
        rae = self.rae()
        rae.send("goodbye")
        rae.line.end()
        again("a nonce repeated after goodbye", same=False)

        line = rae.dial()
        for name, data in (
            ("an empty nonce", {"nonce": ""}),
            ("a nonce of 65 bytes", {"nonce": "x" * 65}),
            ("a nonce that is a number", {"nonce": 5}),
            ("resume as a string", {"resume": "yes"}),
        ):
            line.send("handshake", {"version": 1, **data})
            checks.refused(f"handshake with {name}", line.get(), "invalid_data", "handshake", ref=False)
        line.send("handshake", {"version": 1, "nonce": "x" * 64})
        checks.has("handshake with a nonce of 64 bytes", line.get(), {"type": "handshake_accepted"})
        line.send("goodbye")

    # -- mistakes

    def mistakes(self):
        checks, rae = self.checks, self.rae()
        line = rae.dial()
        whole = {"session_id": rae.session_id, "resume_token": rae.token, "attempt": 1}
        for name, data in (
            ("no session_id", {"session_id": None}),
            ("no token", {"resume_token": None}),
            ("no attempt", {"attempt": None}),
            ("an attempt below zero", {"attempt": -1}),
            ("an attempt that is a string", {"attempt": "1"}),
            ("an attempt above 2^64-1", {"attempt": 2**64}),
            ("an array for received", {"received": [1]}),
            ("a lane that is no number", {"received": {"control": 1}}),
            ("a count below zero", {"received": {"0": -1}}),
            ("fresh as a string", {"fresh": "yes"}),
        ):
            changed = {key: value for key, value in {**whole, **data}.items() if value is not None}
            line.send("reconnect", changed)
            self.refused(f"reconnect with {name}", line.get(), "invalid_data")
        line.send("reconnect", whole, ref=5)
        checks.has("another reconnect may follow, and have a ref", line.get(), {"success": True, "ref": 5})
        rae.attempt = 1
        line.drop()

        rae.binary = not rae.binary
        line, answer = rae.claim(received={})
        name = "reconnect on a WebSocket of the other codec"
        self.refused(name, answer, "invalid_data")
        line.send("handshake", {"version": 1})
        checks.has(f"{name}: a handshake may follow", line.get(), {"type": "handshake_accepted"})
        rae.binary = not rae.binary
        rae.drop()
        self.lives("after all that", rae)

        for kind in ("handshake", "reconnect"):
            data = {"session_id": rae.session_id, "resume_token": rae.token, "attempt": 99, "version": 1}
            rae.line.send(kind, data, ref=kind)
            checks.refused(f"{kind} in a session", rae.result(kind), "already_authenticated", kind)
        for kind in ("resume", "ack", "lane", "list_rooms"):
            line = self.rae().dial()
            line.socket.send(TEXT, b'{"type":"%s"}' % kind.encode())
            checks.ended(f"{kind} as the first message", line, 4503)

        received = {**counts(rae.received), "7": 12, "4294967295": 2**64 - 1}
        rae.drop()
        answer = rae.reconnect(received=received)
        checks.equal("received of lanes that do not exist", answer["success"], True)
        checks.has("received of lanes that do not exist: it goes on", rae.request("list_rooms"), {"success": True})

    # -- ends

    def broken(self, limit=2**16):
        """What nobody can read, what is too large, and what is of the wrong kind."""
        large = b"{".ljust(limit + 1)
        if self.binary:
            return (BINARY, b"\xff"), (BINARY, large), (TEXT, b'{"type":"ping"}')
        return (TEXT, b"{"), (TEXT, large), (BINARY, b"\0")

    def ends(self):
        """What ends a session, and what only a connection."""
        checks = self.checks
        broken, _, wrong = self.broken()
        lost, left = "client_disconnected", "client_left"
        for name, lives, code, seen, act in (
            ("a socket that is closed", True, None, lost, lambda line: line.drop()),
            ("a close frame", True, 1000, lost, lambda line: line.socket.send(CLOSE, b"\x03\xe8")),
            ("a close frame of 4000", True, 4000, lost, lambda line: line.socket.send(CLOSE, b"\x0f\xa0")),
            ("goodbye", False, 1000, left, lambda line: line.send("goodbye", {"code": 1000})),
            ("goodbye without code", False, 1000, left, lambda line: line.send("goodbye")),
            ("a broken message", True, 4501, lost, lambda line: line.socket.send(*broken)),
            ("a frame of the wrong kind", True, 4507, lost, lambda line: line.socket.send(*wrong)),
        ):
            rae, pat = self.rae(), self.pat()
            room = self.room(rae, pat)
            act(rae.line)
            if code is not None:
                checks.equal(f"{name}: the close", rae.line.end()[0], code)
            message = pat.next(room)
            checks.equal(f"{name}: the others see", message["type"], seen)
            if seen == left:
                checks.has(f"{name}: the reason", message["data"], {"user_id": rae.user_id, "reason": "left"})
            if lives:
                self.lives(name, rae)
                back = pat.next(room)
                checks.has(f"{name}: the others see who is back", back, {"type": "client_reconnected"})
            else:
                self.over(name, rae)

    def faults(self):
        """A session outlives what its connections are closed for, but not three times in a row."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        frames = self.broken(rae.accepted["limits"]["message_bytes_max"])
        for number, (frame, code) in enumerate(zip(frames, (4501, 4502, 4507)), 1):
            name = f"fault {number} in a row"
            rae.line.socket.send(*frame)
            checks.ended(name, rae.line, code)
            checks.equal(f"{name}: the others see", pat.next(room)["type"], "client_disconnected")
            if number < 3:
                self.lives(name, rae)
                checks.equal(f"{name}: the others see who is back", pat.next(room)["type"], "client_reconnected")
        self.over("three faults in a row", rae)

        rae = self.rae()
        for number in range(4):
            thief = rae.dial()
            thief.send("reconnect", {"session_id": rae.session_id, "resume_token": "x" * 43, "attempt": 90 + number})
            self.refused(f"a forged token, {number}", thief.get(), "session_unknown")
            thief.socket.send(TEXT, b"{")
            checks.ended(f"a fault behind a forged token, {number}", thief, 4501)
        checks.has("forged tokens: the session does not notice", rae.request("list_rooms"), {"success": True})

    def in_no_room(self):
        """A session outlives its connection also without a room."""
        rae = self.rae()
        rae.drop()
        self.lives("in no room", rae)

    def begun_anew(self):
        """What a client does that learns that its session is over."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        session, user = rae.session_id, rae.user_id
        ref = rae.ask("send", {"payload": "did it?"}, room)
        rae.line.send("goodbye")
        rae.line.end()
        answer = rae.reconnect()
        self.refused("after the end", answer, "session_unknown")
        result = rae.result(ref)
        checks.equal("after the end: outcome_unknown", result.get("error", {}).get("code"), "outcome_unknown")
        checks.ok("after the end: another session, another guest", rae.session_id != session and rae.user_id != user)
        joined = rae.request("join_room", {"room_id": room})
        checks.has("after the end: on the same connection", joined, {"success": True, "room_id": room})

    def spectators(self):
        """The place of a spectator is kept as well, if the client resumes."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(pat, game="tic_tac_toe")
        joined = rae.request("join_room", {"room_id": room, "as": "spectator"})
        pat.next(room, "client_joined")
        rae.drop()
        message = pat.next(room, "client_disconnected")
        checks.has("a spectator is lost", message["data"], {"user_id": rae.user_id})
        self.lives("a spectator", rae)
        message = pat.next(room, "client_reconnected")
        checks.has("a spectator is back", message["data"], {"user_id": rae.user_id})
        rae.drop()
        rae.reconnect(fresh=True)
        snapshot = rae.next(room, "join_room_result")["data"]
        expected = {"lane": joined["data"]["lane"], "role": "spectator", "seat": None}
        checks.has("a spectator's snapshot", snapshot, expected)

    # -- without resume

    def without_resume(self):
        checks, pat = self.checks, self.pat()
        watched = self.room(pat)
        for name, data in (("received", {}), ("fresh", {"fresh": True})):
            rae = self.rae(resume=False)
            room = self.room(rae, pat)
            lane = rae.rooms_lanes[room]
            rae.request("join_room", {"room_id": watched, "as": "spectator"})
            checks.equal(f"without resume, {name}: who watches is listed", pat.next(watched)["type"], "client_joined")
            checks.equal(f"without resume, {name}: and counted", pat.next(watched)["data"], {"spectators": 1})
            rae.wait(lambda: rae.acked.get(0) == rae.n, "an ack")
            checks.ok(f"without resume, {name}: what has n is acknowledged", True)
            rae.line.send("list_rooms", {}, n=rae.n, ref="again")
            rae.request("list_rooms")
            checks.ok(f"without resume, {name}: and taken once", "again" not in rae.results)
            rae.drop()
            left = pat.next(watched)
            checks.has(f"without resume, {name}: a place to watch from is gone", left, {"type": "client_left"})
            checks.equal(f"without resume, {name}: the reason", left["data"]["reason"], "disconnected")
            checks.equal(f"without resume, {name}: nobody watches", pat.next(watched)["data"], {"spectators": 0})
            checks.equal(f"without resume, {name}: a seat is kept", pat.next(room)["type"], "client_disconnected")
            answer = rae.reconnect(**data)
            lanes = answer["data"]["lanes"]
            checks.equal(f"without resume, {name}: lanes", lanes, [{"lane": lane, "room_id": room}])
            snapshot = rae.next(room, "join_room_result")
            checks.has(f"without resume, {name}: a snapshot", snapshot["data"], {"lane": lane, "seat": 0})
            state = rae.next(kind="session_state")["data"]
            checks.equal(f"without resume, {name}: session_state", state["rooms"], lanes)
            gaps = {m["data"]["lane"]: m["data"]["gap"] for m in rae.line.seen if m["type"] == "lane"}
            checks.equal(f"without resume, {name}: every lane has a gap", gaps, {0: True, lane: True})
            checks.equal(f"without resume, {name}: back", pat.next(room)["type"], "client_reconnected")
            self.say(rae, room, "end")
            checks.equal(f"without resume, {name}: it goes on", self.heard(pat, room, "end"), ["end"])

        rae = self.rae(resume=False)
        rae.drop()
        deadline = time.monotonic() + 10
        while True:  # there is nobody to tell when the server has noticed
            line, answer = rae.claim()
            line.send("goodbye")
            if not answer["success"] or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self.refused("without resume, without a room: the session has ended", answer, "session_unknown")

    def grace(self):
        """The grace time passes. Only for servers with which that does not take long."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        if rae.accepted["grace_ms"] > 3000:
            return
        room = self.room(rae, pat)
        rae.drop()
        pat.next(room, "client_disconnected")
        left = pat.next(room, "client_left")["data"]
        checks.has("the grace time passes", left, {"user_id": rae.user_id, "reason": "timed_out"})
        self.over("the grace time passes", rae)

    ALL = (
        nonces, mistakes, ends, faults, in_no_room, begun_anew, spectators, without_resume, grace,
    )  # fmt: skip
