"""Section 11: counting in both directions, acknowledging, and what a lost connection does."""

import itertools
import socket

from chapter import Chapter
from checks import O_WINS, X_WINS, Match
from resuming import counts
from websocket import TEXT


class Losses(Chapter):
    # -- counting

    def counting(self):
        """Both ends count; the number is not on the wire."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        lane = rae.rooms_lanes[room]
        checks.equal("the join is number 1 of its lane, client_joined 2, and system 3", rae.received[lane], 3)
        rae.request("ping")
        rae.send("ping")
        rae.next(kind="pong")
        checks.equal("pongs do not count", rae.received[0], 0)
        rae.request("list_rooms")
        rae.request("join_room", {"room_id": room})  # refused
        checks.equal("results count, and refusals", rae.received[0], 2)
        self.say(pat, room, "reliable")
        self.say(pat, room, "latest", delivery="latest", key="k")
        self.say(pat, room, "unreliable", delivery="unreliable", key="u")
        self.say(pat, room, "end")
        self.heard(rae, room, "end")
        checks.equal("messages with `latest` do not count", rae.received[lane], 5)
        rae.request("dance", {}, room)
        rae.send("dance")
        rae.next(kind="error")
        checks.equal("errors count on the lane on which they are", (rae.received[0], rae.received[lane]), (3, 6))
        self.counted("counting", rae)
        rae.drop()
        self.lives("counting", rae)
        self.counted("counting, on another connection", rae)

    def numbering(self):
        """Each lane's owner takes a message whose `n` is above the highest it has taken."""
        checks, rae = self.checks, self.rae()
        room = self.room(rae, game="tic_tac_toe")
        lane = rae.rooms_lanes[room]
        move = {"row": 0, "col": 0}
        number = itertools.count(1)

        def sent(n, kind, data=None, room=None):
            ref = f"{kind} {n} {next(number)}"
            rae.line.send(kind, data, room, ref=ref, **({} if n is None else {"n": n}))
            return ref

        def taken(name, n, kind="list_rooms", data=None, room=None):
            result = rae.result(sent(n, kind, data, room))
            checks.ok(f"{name}: taken", True)
            return result

        def dropped(name, n, kind="list_rooms", data=None, room=None):
            ref = sent(n, kind, data, room)
            rae.result(sent(None, kind, data, room))  # what is sent later on the lane is answered later
            checks.ok(f"{name}: dropped", ref not in rae.results, rae.results.get(ref))

        dropped("n is 0", 0)
        taken("n is 10", 10)
        dropped("the same n", 10)
        dropped("a lower n", 9)
        taken("numbers may be left out", 12)
        refusal = taken("on another lane, a lower n", 5, "make_move", move, room)
        checks.refused("a refusal by the room", refusal, "not_playing", "make_move", room)
        dropped("the same n, after a refusal by the room", 5, "make_move", move, room)
        if not self.binary:
            refusal = taken("data that the room cannot read", 6, "make_move", {"row": 0}, room)
            checks.refused("data that the room cannot read", refusal, "invalid_data", "make_move", room)
            dropped("the same n, after data that the room could not read", 6, "make_move", move, room)
        taken("a type that the room does not know", 7, "dance", {}, room)
        dropped("the same n, after a type that the room did not know", 7, "make_move", move, room)
        taken("a type that control does not know", 13, "dance")
        dropped("the same n, after a type that control did not know", 13)
        taken("without n", None)
        taken("without n again", None)

        for name in ("a room that one is not in", "the same again, with the same n"):
            refusal = taken(name, 20, "make_move", move, "0000000000")
            checks.refused(f"in front of a room: {name}", refusal, "not_in_room", "make_move")
            details = refusal["error"]["details"]
            checks.equal(f"in front of a room: {name}: details", details.get("room_id"), "0000000000")
        taken("a lower n on control, after a refusal in front of a room", 19)
        rae.line.send("ping", ref="p", n=99)
        rae.result("p")
        taken("a ping's n means nothing", 21)
        room_id = {"room_id": room}
        refusal = taken("leaving on control", 22, "leave_room", {"room_id": "0000000000"})
        checks.refused("leaving on control", refusal, "not_in_room", "leave_room")

        rae.wait(lambda: rae.acked == {0: 22, lane: 7}, "an ack of everything")
        checks.ok("the server acknowledges the highest n of each lane", True)
        rae.acked.clear()
        taken("the highest n there is", 2**64 - 1, "join_room", room_id)
        rae.wait(lambda: rae.acked, "another ack")
        checks.equal("only lanes on which it rose are acknowledged", rae.acked, {0: 2**64 - 1})
        dropped("nothing is above that", 2**64 - 1)
        rae.drop()
        checks.equal("last_n", rae.reconnect()["data"]["last_n"], 2**64 - 1)
        self.announced("numbering", rae, {"data": {"lanes": [{"lane": lane}]}})
        applied = {m["data"]["lane"]: m["data"]["applied"] for m in rae.line.seen if m["type"] == "lane"}
        checks.equal("applied", applied, {0: 2**64 - 1, lane: 7})

        other = self.rae()
        for text in (b"-1", b"18446744073709551616", b"1.5", b'"1"'):
            if not self.binary:
                line = other.dial()
                line.send("handshake", {"version": 1})
                line.get()
                line.socket.send(TEXT, b'{"type":"list_rooms","n":' + text + b"}")
                checks.ended(f"n is {text.decode()}", line, 4501)

    def acks(self):
        checks, rae, pat = self.checks, self.rae(acks=False), self.pat()
        room = self.room(rae, pat)
        lane = rae.rooms_lanes[room]
        before = dict(rae.received)
        self.say(pat, room, *range(5))
        self.heard(rae, room, 4)

        # the server must keep the five: nothing has acknowledged them
        rae.drop()
        rae.received = dict(before)
        rae.reconnect()
        payloads = self.heard(rae, room, 4)
        checks.equal("what is not acknowledged comes again to who has not received it", payloads, [*range(5)])

        rae.line.send("ack", {"0": 0, str(lane): 1, "77": 5}, ref="ack")
        checks.has("an ack of less, and of an unknown lane", rae.request("ping"), {"type": "pong"})
        rae.acknowledge(at_once=True)
        rae.line.send("ack", counts(before))
        rae.request("list_rooms")
        checks.ok("an ack is not answered", "ack" not in rae.results)
        for number in range(64):
            rae.send("send", {"payload": number}, room)
        rae.wait(lambda: rae.acked.get(lane) == rae.n, "an ack of 64 messages")
        checks.ok("64 messages are acknowledged", True)
        checks.ok("what is acknowledged is not kept any longer", not rae.kept, rae.kept)

        self.heard(pat, room, 63)
        for at in (0, lane):
            rae = self.rae()
            room = self.room(rae, pat)
            lane = rae.rooms_lanes[room]
            at = at and lane
            rae.line.send("ack", {str(at): rae.received[at] + 1})
            checks.ended(f"an ack of more than was sent on lane {'of a room' if at else 0}", rae.line, 4511)
            lost = pat.next(room)
            checks.equal("others see that as a loss", lost["type"], "client_disconnected")
            self.over("an ack of more than was sent", rae)

    # -- a lost connection

    def loss(self):
        """Story (a)."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        lane = rae.rooms_lanes[room]
        self.say(pat, room, "one", "two")
        self.heard(rae, room, "two")
        rae.ask("send", {"payload": "on its way"}, room)  # it may arrive, or not
        rae.drop()
        self.say(pat, room, "three", "four")
        while (message := pat.next(room))["type"] != "client_disconnected":
            pass
        gone = {"user_id": rae.user_id, "username": "Rae", "grace_ms": pat.accepted["grace_ms"]}
        checks.has("the others see a loss", message["data"], gone)
        eve = self.pat("Eve")
        members = eve.request("join_room", {"room_id": room})["data"]["members"]
        entry = next(m for m in members if m["user_id"] == rae.user_id)
        checks.equal("members lists say so", entry["connected"], False)
        eve.send("goodbye")
        eve.end()
        answer = rae.reconnect()
        checks.has("reconnect", answer, {"type": "reconnect_result", "success": True})
        checks.equal("reconnect: lanes", answer["data"]["lanes"], [{"lane": lane, "room_id": room}])
        checks.ok("reconnect: a new token", answer["data"]["resume_token"] != rae.accepted["resume_token"])
        checks.ok("reconnect: last_n", rae.n - 1 <= answer["data"]["last_n"] <= rae.n, answer)
        self.announced("a loss", rae, answer)
        checks.has("the others see who is back", pat.next(room, "client_reconnected")["data"], {"username": "Rae"})
        self.say(rae, room, "back")
        heard = self.heard(rae, room, "back")
        heard.remove("on its way")
        missed = ["three", "four", "client_joined", "system", "client_left", "system"]
        checks.equal("what was missed comes in order, and once", heard, [*missed, "back"])
        checks.equal("what was sent arrives once", rae.results[rae.last_ref - 1]["success"], True)

    def duplicates(self):
        """Who says to have received less than it has gets the rest again, and drops it."""
        checks, rae, pat = self.checks, self.rae(acks=False), self.pat()
        room = self.room(rae, pat)
        lane = rae.rooms_lanes[room]
        self.say(pat, room, "one", "two", "three")
        self.heard(rae, room, "three")
        rae.request("list_rooms")
        rae.drop()
        dropped, count = rae.dropped, len(rae.log)
        rae.reconnect(received={str(lane): 1})  # control is at 0, as it is not in it
        self.say(pat, room, "four")
        checks.equal("duplicates are dropped", self.heard(rae, room, "four"), ["four"])
        again = [m["type"] for m in rae.line.seen if m["type"] not in ("lane", "reconnect_result", "ack")]
        came = {"lane": 5, "control": 1}  # client_joined, system and three messages; list_rooms_result
        checks.equal("duplicates came", rae.dropped - dropped, sum(came.values()))
        checks.ok("duplicates: control, too", "list_rooms_result" in again, again)
        checks.equal("duplicates: nothing else is new", [m["type"] for m in rae.log[count:]][-1], "message")

    def latest(self):
        """Values of *latest* come behind the reliable messages: the newest of each key."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        rae.drop()
        pat.next(room, "client_disconnected")
        for number in range(3):
            self.say(pat, room, f"reliable {number}")
            self.say(pat, room, f"a {number}", delivery="latest", key="a")
            self.say(pat, room, f"b {number}", delivery="unreliable", key="b")
        rae.reconnect()
        self.say(pat, room, "end")
        rae.wait(lambda: sum("latest" in m for m in rae.lanes[room]) == 2, "a value of each key")
        payloads = [p for p in self.heard(rae, room, "b 2") if p not in ("end", "client_reconnected")]
        checks.equal("latest, after a loss: reliable ones first", payloads[:3], [f"reliable {n}" for n in range(3)])
        checks.equal("latest, after a loss: the newest of each key", sorted(payloads[3:]), ["a 2", "b 2"])

    def cuts(self):
        """A connection that is cut again and again, behind every single message, at either end."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        rae.stubborn = True
        total = 60
        for number in range(total):
            pat.send("send", {"payload": number}, room)
        lengths = itertools.cycle(range(1, 7))
        take, left = rae.take, [3]

        def take_and_cut(line, message):
            take(line, message)
            left[0] -= 1
            if left[0] == 0:
                left[0] = next(lengths)
                line.drop()

        rae.take = take_and_cut
        payloads = [p for p in self.heard(rae, room, total - 1) if not str(p).startswith("client_")]
        checks.equal("cut while receiving: everything once, in order", payloads, [*range(total)])
        left[0] = -1
        cuts = rae.attempt
        checks.ok("cut while receiving: it was cut", cuts > 5, cuts)

        refs = []
        for number in range(total):
            refs.append(rae.ask("send", {"payload": f"rae {number}"}, room))
            if number % 3 == 0:
                rae.drop()
                rae.reconnect()
        results = [rae.result(ref) for ref in refs]
        checks.ok("cut while sending: everything is answered", all(r["success"] for r in results), results)
        said = [p for p in self.heard(pat, room, f"rae {total - 1}") if str(p).startswith("rae")]
        checks.equal("cut while sending: everything once, in order", said, [f"rae {n}" for n in range(total)])
        checks.ok("cut while sending: nothing is kept in the end", len(rae.kept) <= total, rae.kept)
        for session in (rae, pat):
            session.request("leave_room", room=room)

        # a whole match: see Match.play for all that is checked about each move
        left[0] = -1
        room = self.room(rae, pat, game="tic_tac_toe")
        match = Match(room, rae, pat)
        match.check(checks, "cut in a match: it begins")
        left[0] = 4
        match.play(checks, "cut in a match", X_WINS)
        left[0] = -1
        checks.equal("cut in a match: won", (match.status, match.winner), ("won", rae))

    def lost_answers(self):
        """Answers that were written, or would have been, when the connection was lost."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(pat)
        ref = rae.ask("join_room", {"room_id": room})
        pat.next(room, "client_joined")  # so it was carried out
        rae.line.get("join_room_result")  # and answered, but rae never gets to see it
        rae.drop()
        answer = rae.reconnect()
        lanes = answer["data"]["lanes"]
        rooms = [entry["room_id"] for entry in lanes]
        checks.equal("a join whose answer was lost: a lane that one does not know", rooms, [room])
        joined = rae.result(ref)
        checks.has("a join whose answer was lost: the answer comes", joined, {"success": True, "room_id": room})
        checks.equal("a join whose answer was lost: its lane", joined["data"]["lane"], lanes[0]["lane"])
        self.say(pat, room, "hello")
        checks.equal("a join whose answer was lost: it goes on", self.heard(rae, room, "hello")[-1], "hello")

        ref = rae.ask("leave_room", {}, room)
        while pat.next(room)["type"] != "client_left":
            pass
        rae.drop()
        rae.reconnect()
        left = rae.result(ref)
        checks.has("a leave whose answer was lost: it comes", left, {"type": "leave_room_result", "success": True})
        again = rae.request("join_room", {"room_id": room})
        checks.ok("joining again: a new lane", again["data"]["lane"] > lanes[0]["lane"], again)

    def ended_lanes(self):
        """The end of a lane is kept until it is known to have arrived."""
        checks = self.checks
        for name, data in (("received", {}), ("fresh", {"fresh": True})):
            rae = self.rae(acks=False)
            room = self.room(rae)
            lane = rae.rooms_lanes[room]
            rae.request("leave_room", room=room)
            rae.drop()
            count = len(rae.log)
            lanes = rae.reconnect(**data)["data"]["lanes"]
            rae.request("list_rooms")
            if name == "received":
                checks.equal("a lane that has ended, and whose end was received, is over", lanes, [])
            else:
                checks.equal("a lane that has ended, fresh", lanes, [{"lane": lane, "room_id": room}])
                rae.wait(lambda: rae.received[lane] == 4, "the snapshot")
                seen = [m["type"] for m in rae.log[count:] if m.get("room_id") == room]
                checks.equal("a lane that has ended, fresh: its snapshot is its end", seen, ["leave_room_result"])

    # -- gaps

    def snapshot(self, name, session, room, lane, game="relay"):
        """Checks that a gap has been told, and the snapshot behind it."""
        snapshot = session.next(room, "join_room_result")
        announced = [m["data"] for m in session.line.seen if m["type"] == "lane" and m["data"]["lane"] == lane][-1]
        self.checks.has(f"{name}: lane tells it", announced, {"lane": lane, "room_id": room, "gap": True})
        self.checks.ok(f"{name}: the snapshot answers no request", "ref" not in snapshot, snapshot)
        expected = {"lane": lane, "room_id": room, "game": game, "role": "player"}
        self.checks.has(f"{name}: the snapshot", snapshot["data"], expected)
        ids = {m["user_id"] for m in snapshot["data"]["members"]}
        self.checks.ok(f"{name}: the snapshot has the members", session.user_id in ids, ids)
        return snapshot

    def gap_after_a_loss(self):
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        lane = rae.rooms_lanes[room]
        rae.drop()
        pat.next(room, "client_disconnected")
        for number in range(60):  # 60 times 48 KiB are more than the server keeps for one client
            self.say(pat, room, str(number) + "x" * 48 * 1024)
        rae.reconnect()
        self.say(pat, room, "end")
        self.snapshot("too much for the server to keep", rae, room, lane)
        checks.equal("too much for the server to keep: it goes on", self.heard(rae, room, "end")[-1], "end")
        self.counted("too much for the server to keep", rae)
        control = [m["data"] for m in rae.line.seen if m["type"] == "lane" and m["data"]["lane"] == 0]
        checks.equal("too much for the server to keep: control has no gap", [c["gap"] for c in control], [False])

    def gap_while_connected(self):
        """Story (d)."""
        for who in ("a slow reader", "a slow reader that does not resume"):
            checks, rae, pat = self.checks, self.rae(resume=who == "a slow reader"), self.pat()
            room = self.room(rae, pat)
            lane = rae.rooms_lanes[room]
            buffer = rae.line.socket.socket
            buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            total = 200
            for number in range(total):  # 12 MB, which is more than the server and both kernels let wait
                self.say(pat, room, str(number) + "x" * 60000)
                self.heard(pat, room, str(number) + "x" * 60000)
            buffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # and now it reads on
            snapshot = self.snapshot(who, rae, room, lane)
            checks.equal(f"{who}: the snapshot is whole", len(snapshot["data"]["members"]), 2)
            self.say(pat, room, "end")
            self.heard(rae, room, "end")
            whole = [m for m in rae.log if m["type"] == "message"]
            checks.ok(f"{who}: not everything came", len(whole) < total, len(whole))
            numbers = [int(m["data"]["payload"].rstrip("x")) for m in whole[:-1]]
            checks.equal(f"{who}: what came was in order, and once", numbers, sorted(set(numbers)))
            self.say(rae, room, "on the same connection")
            checks.equal(f"{who}: it stays connected", rae.attempt, 0)
            if rae.resuming:
                self.counted(who, rae)

    def unknown_outcomes(self):
        """Requests that a gap may have swallowed the answers of."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        ref = rae.ask("send", {"payload": "did it?"}, room)
        self.heard(pat, room, "did it?")  # it was carried out, and its answer is not read
        rae.drop()
        rae.reconnect(fresh=True)
        lane = rae.rooms_lanes[room]
        self.snapshot("fresh", rae, room, lane)
        result = rae.result(ref)
        checks.equal("an answer behind a gap", result.get("error", {}).get("code"), "outcome_unknown")
        self.say(rae, room, "end")
        said = [p for p in self.heard(pat, room, "end") if not p.startswith("client_")]
        checks.equal("what was taken is not sent again", said, ["end"])

    def fresh(self):
        """A client that knows nothing any more but how to go on with its session."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat, game="tic_tac_toe")
        lane = rae.rooms_lanes[room]
        match = Match(room, rae, pat)
        match.check(checks, "fresh: a match")
        match.play(checks, "fresh: a match", O_WINS[:2])
        rae.request("subscribe_rooms", {"game": "tic_tac_toe"})
        rae.drop()
        answer = rae.reconnect(fresh=True)
        self.announced("fresh", rae, answer)
        checks.equal("fresh: last_n", answer["data"]["last_n"], rae.n)
        snapshot = self.snapshot("fresh", rae, room, lane, "tic_tac_toe")
        checks.ok("fresh: the view", match.matches(snapshot["data"]["view"]), snapshot)
        rae.shown[room] = snapshot["data"]["view"]
        seats = {m["user_id"]: (m["seat"], m["connected"]) for m in snapshot["data"]["members"]}
        checks.equal("fresh: the members", seats, {rae.user_id: (0, True), pat.user_id: (1, True)})
        state = rae.next(kind="session_state")["data"]
        checks.has("fresh: session_state", state, {"rooms": [{"lane": lane, "room_id": room}], "tickets": []})
        checks.equal("fresh: session_state has no party", state.get("party"), None)
        there = [{k: v for k, v in s.items() if v is not None} for s in state["subscriptions"]]
        checks.equal("fresh: session_state has the subscription", there, [{"to": "rooms", "game": "tic_tac_toe"}])
        gaps = {m["data"]["lane"]: m["data"]["gap"] for m in rae.line.seen if m["type"] == "lane"}
        checks.equal("fresh: every lane has a gap", gaps, {0: True, lane: True})
        rae.request("subscribe_rooms", {"game": "tic_tac_toe"})  # again: what was told may be among what was lost
        match.play(checks, "fresh: the match goes on", O_WINS[2:])
        rae.wait(lambda: rae.rooms.get(room, {}).get("state") == "finished", "a push of the end")  # it counts as well
        self.counted("fresh", rae)

        rae.request("subscribe_rooms", {})
        rae.drop()
        rae.reconnect(fresh=True)
        there = rae.next(kind="session_state")["data"]["subscriptions"]
        there = [{k: v for k, v in s.items() if v is not None} for s in there]
        checks.equal("fresh: a subscription to everything", there, [{"to": "rooms"}])
        rae.request("leave_room", room=room)
        rae.request("unsubscribe_rooms")
        rae.acknowledge(at_once=True)
        rae.request("ping")
        rae.drop()
        checks.equal("fresh: no rooms", rae.reconnect(fresh=True)["data"]["lanes"], [])
        state = rae.next(kind="session_state")["data"]
        checks.has("fresh: an empty session_state", state, {"rooms": [], "tickets": [], "subscriptions": []})

    def subscription(self):
        """A subscription is the session's, and goes on."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        rae.request("subscribe_rooms", {})
        rae.drop()
        room = self.room(pat)
        rae.reconnect()
        rae.wait(lambda: room in rae.rooms, "a push of the room")
        checks.ok("a room that was made meanwhile is told", True)
        pat.request("leave_room", room=room)
        rae.wait(lambda: room not in rae.rooms, "a push of the room's end")
        checks.ok("the subscription goes on", True)

    ALL = (
        counting, numbering, acks, loss, duplicates, latest, cuts, lost_answers, ended_lanes, gap_after_a_loss,
        gap_while_connected, unknown_outcomes, fresh, subscription,
    )  # fmt: skip
