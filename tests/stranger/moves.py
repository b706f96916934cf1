"""Section 11: live moves, tokens and attempts."""

from chapter import Chapter
from resuming import counts


class Moves(Chapter):
    # -- two connections at once

    def live_move(self):
        """Story (b)."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        lane, old, token = rae.rooms_lanes[room], rae.line, rae.token
        new, answer = rae.claim()
        expected = {"lanes": [{"lane": lane, "room_id": room}], "last_n": rae.n}
        checks.has("a live move: the answer", answer["data"], expected)
        checks.ok("a live move: a new token", answer["data"]["resume_token"] != token)

        self.say(rae, room, "rae on the old one")
        self.say(pat, room, "pat on the old one")
        heard = self.heard(rae, room, "pat on the old one")
        checks.equal("a live move: the old one carries all", heard, ["rae on the old one", "pat on the old one"])
        new.send("ack", counts(rae.received))
        new.send("list_rooms", {}, n=rae.n + 1, ref="too early")
        new.send("send", {"payload": "too early"}, room, n=rae.n + 2, ref="too early")
        new.send("ping", ref="in between")
        checks.has("a live move: the new one takes a ping", new.get(), {"type": "pong", "ref": "in between"})

        rae.resume(new)
        message = rae.send("send", {"payload": "in flight"}, room, ref="in flight")
        old.send(**message)  # as if it had been sent just before `resume`: it is too late, and rae has kept it
        self.moved("a live move", rae, old, answer)
        checks.has("a live move: what was in flight is answered", rae.result("in flight"), {"success": True})
        self.say(pat, room, "pat on the new one")
        self.say(rae, room, "end")
        heard = [self.heard(session, room, "end") for session in (rae, pat)]
        tail = ["in flight", "pat on the new one", "end"]
        checks.equal("a live move: nothing is lost, nothing comes twice", heard[0], tail)
        before = ["rae on the old one", "pat on the old one"]
        checks.equal("a live move: the others see nothing of it", heard[1], before + tail)
        late = [m["type"] for m in new.seen if m.get("ref") == "too early"]
        checks.equal("a live move: what comes before `resume` is dropped", late, [])
        self.counted("a live move", rae)

        old, (new, answer) = rae.line, rae.claim()
        checks.equal("the next live move", answer["success"], True)
        rae.resume(new)
        self.moved("the next live move", rae, old, answer)

    def back_and_forth(self):
        """Messages in both directions while the session moves again and again."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        refs = []
        for number in range(30):
            refs.append(rae.ask("send", {"payload": f"rae {number}"}, room))
            pat.send("send", {"payload": f"pat {number}"}, room)
            if number % 3 == 0:
                new, answer = rae.claim()
                refs.append(rae.ask("send", {"payload": f"rae {number} again"}, room))
                rae.resume(new)
                if number % 2:
                    refs.append(rae.ask("send", {"payload": f"rae {number} and again"}, room))
                lanes = {0, *(entry["lane"] for entry in answer["data"]["lanes"])}
                rae.wait(lambda: rae.line is new and rae.open >= lanes, "the lanes")
        checks.ok("moving often: all is answered", all(rae.result(ref)["success"] for ref in refs))
        self.say(pat, room, "end")
        rae_heard, pat_heard = self.heard(rae, room, "end"), self.heard(pat, room, "end")
        checks.equal("moving often: both hear the same", rae_heard, pat_heard)
        said = [payload for payload in pat_heard if payload.startswith("rae")]
        checks.equal("moving often: everything once", (len(said), len(set(said))), (len(refs), len(refs)))
        numbers = [int(payload.split()[1]) for payload in said]
        checks.equal("moving often: in order", numbers, sorted(numbers))
        theirs = [payload for payload in rae_heard if payload.startswith("pat")]
        checks.equal("moving often: what the other said", theirs, [f"pat {number}" for number in range(30)])

    def one_dies(self):
        """If either connection dies during a live move, nothing is lost."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        new, _ = rae.claim()
        new.drop()
        self.say(rae, room, "one")
        checks.equal("the new one dies: the old one carries on", self.heard(rae, room, "one"), ["one"])

        (new, answer), old = rae.claim(), rae.line
        old.drop()
        self.say(pat, room, "two")
        rae.resume(new)
        self.say(pat, room, "three")
        checks.equal("the old one dies: resume all the same", self.heard(rae, room, "three"), ["two", "three"])
        self.announced("the old one dies", rae, answer)
        self.say(rae, room, "four")
        heard = self.heard(pat, room, "four")
        checks.equal("the session was not away", heard, ["one", "two", "three", "four"])

        rae.drop()
        pat.next(room, "client_disconnected")
        new, answer = rae.claim()
        back = pat.next(room, "client_reconnected")["data"]
        checks.has("a live move of a session that was lost brings it back", back, {"user_id": rae.user_id})
        self.say(pat, room, "five")
        rae.resume(new)
        self.announced("a live move after a loss", rae, answer)
        checks.equal("a live move after a loss", self.heard(rae, room, "five"), ["four", "five"])

    def given_up(self):
        """`goodbye` on a connection that does not carry the lanes yet ends that connection only."""
        checks, rae = self.checks, self.rae()
        new, _ = rae.claim()
        new.send("goodbye", {"code": 1000})
        checks.equal("goodbye in a live move", new.end(), (1000, None))
        checks.has("goodbye in a live move: the session goes on", rae.request("ping"), {"type": "pong"})
        rae.drop()
        self.lives("goodbye in a live move", rae)

    def resume_alone(self):
        """`resume` without a live `reconnect` before it, or a second time."""
        checks, rae = self.checks, self.rae()

        def refused(name, session):
            received = {"received": counts(session.received)}
            session.line.send("resume", received, ref="resume")
            checks.refused(f"{name}, with ref", session.result("resume"), "invalid_data", "resume")
            session.line.send("resume", received)
            error = session.next(kind="error")
            checks.refused(f"{name}, without ref", error, "invalid_data", "resume", ref=False)

        refused("resume after a handshake", rae)
        rae.drop()
        rae.reconnect()
        refused("resume after a reconnect with received", rae)
        old, (new, answer) = rae.line, rae.claim()
        rae.resume(new)
        self.moved("resume", rae, old, answer)
        refused("resume a second time", rae)
        checks.has("the session does not mind", rae.request("list_rooms"), {"success": True})

    def resume_too_much(self):
        """What counts more than was sent, after a live `reconnect`, ends the session and both connections."""
        for name, kind in (("an ack", "ack"), ("a resume", "resume")):
            checks, rae, pat = self.checks, self.rae(), self.pat()
            room = self.room(rae, pat)
            new, _ = rae.claim()
            much = {"0": rae.received[0] + 1}
            new.send(kind, much if kind == "ack" else {"received": much})
            checks.ended(f"{name} of too much in a live move", new, 4511)
            checks.ended(f"{name} of too much in a live move: the old connection", rae.line, 4511)
            lost = pat.next(room)["type"]
            checks.equal(f"{name} of too much in a live move: the seat is kept", lost, "client_disconnected")
            self.over(f"{name} of too much in a live move", rae)

    def takeover(self):
        """With `received` the new connection takes the lanes at once, whatever the others are."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        first, answer = rae.line, rae.reconnect()
        self.announced("a takeover", rae, answer)
        checks.ended("a takeover: the old connection", first, 4509)
        second, (moving, _) = rae.line, rae.claim()
        answer = rae.reconnect(received=counts(rae.received))
        self.announced("a takeover during a live move", rae, answer)
        checks.ended("a takeover during a live move: the old connection", second, 4509)
        checks.ended("a takeover during a live move: the new connection", moving, 4509)
        self.say(rae, room, "end")
        checks.equal("a takeover is not a loss", self.heard(pat, room, "end"), ["end"])

        moving, _ = rae.claim()
        again, answer = rae.claim()
        checks.ended("a second live move: the first one", moving, 4509)
        old = rae.line
        rae.resume(again)
        self.moved("a second live move", rae, old, answer)

    # -- tokens and attempts

    def repeated_token(self):
        """Story (c): the answer to `reconnect` is lost, and the same token works again."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat)
        self.say(pat, room, "one")
        claim = {"received": counts(rae.received), "resume_token": rae.token}
        rae.drop()
        lost, first = rae.claim(**claim)
        line, again = rae.claim(**claim)
        checks.equal("a repeated token: it works", again["success"], True)
        tokens = [answer["data"]["resume_token"] for answer in (first, again)]
        checks.equal("a repeated token: the same next token", tokens[0], tokens[1])
        checks.ended("a repeated token: the first connection", lost, 4509)
        rae.attach(line, again)
        checks.equal("a repeated token: what was written comes again", self.heard(rae, room, "one"), ["one"])
        old = rae.token
        rae.request("ping")
        rae.drop()
        self.lives("the next token", rae)
        checks.ok("the next token: another one", rae.token != old)

    def retired_token(self):
        """A token that was retired ends the session: two parties have it."""
        for name, proof in (("a ping", "ping"), ("an ack", "ack"), ("a request", "list_rooms")):
            checks, rae, pat = self.checks, self.rae(), self.pat()
            room = self.room(rae, pat)
            stolen = rae.token
            rae.reconnect()
            rae.send(proof, counts(rae.received) if proof == "ack" else {})
            rae.request("ping")
            thief, answer = rae.claim_with(resume_token=stolen, attempt=rae.attempt, received={})
            label = f"a token that {name} has retired"
            checks.has(f"{label}, with a stale attempt: its connection only", answer, {"type": "goodbye"})
            checks.ended(f"{label}, with a stale attempt", thief, 4509)
            checks.has(f"{label}, with a stale attempt: no other", rae.request("ping"), {"type": "pong"})
            rae.attempt += 1
            thief, _ = rae.claim_with(resume_token=stolen, attempt=rae.attempt, received={})
            checks.ended(label, thief, 4510)
            checks.ended(f"{label}: the connection of the session", rae.line, 4510)
            checks.equal(f"{label}: the seat is kept", pat.next(room)["type"], "client_disconnected")
            self.over(label, rae)

        # in a live move it is the first message on the new connection that retires the token
        rae = self.rae()
        old = rae.token
        rae.claim()
        again, answer = rae.claim(resume_token=old)
        checks.equal("a live move: its token is good until something comes", answer["success"], True)
        again.send("ping")
        again.get("pong")
        thief, _ = rae.claim(resume_token=old)
        checks.ended("a live move: then it is retired", thief, 4510)
        checks.ended("a live move: both connections end, the new one", again, 4510)
        checks.ended("a live move: both connections end, the old one", rae.line, 4510)

    def forged_token(self):
        checks, rae, other = self.checks, self.rae(), self.rae("Mallory")
        for name, token in (
            ("forged", "bm90aGluZw"),
            ("changed", rae.token[:-4] + ("AAAA" if rae.token[-4:] != "AAAA" else "BBBB")),
            ("empty", ""),
            ("of another session", other.token),
        ):
            line, answer = rae.claim_with(resume_token=token, attempt=1, received={})
            self.refused(f"a token that is {name}", answer, "session_unknown")
            rae.attempt = 0
            line.send("handshake", {"version": 1})
            checks.has(f"a token that is {name}: a handshake may follow", line.get(), {"type": "handshake_accepted"})
        line, answer = rae.claim_with(session_id="0" * 26, attempt=1, received={})
        self.refused("a session that does not exist", answer, "session_unknown")
        line.send("reconnect", {"session_id": rae.session_id, "resume_token": rae.token, "attempt": 2})
        checks.equal("a session that does not exist: another reconnect may follow", line.get()["success"], True)
        line.drop()
        checks.has("forged tokens do not disturb the session", rae.request("ping"), {"type": "pong"})

    def attempts(self):
        """Story (e): of many connections that claim a session, the one with the highest `attempt` wins."""
        checks, rae = self.checks, self.rae()
        rae.attempt = 5
        old, answer = rae.line, rae.reconnect()
        checks.ended("attempt 6: the old connection", old, 4509)
        for attempt in (6, 5, 0):
            line, _ = rae.claim_with(attempt=attempt, received={})
            checks.ended(f"attempt {attempt}, after 6", line, 4509)
        checks.has("a stale attempt disturbs nobody", rae.request("ping"), {"type": "pong"})
        rae.attempt = 2**64 - 2
        rae.drop()
        self.lives("the highest attempt", rae)

    ALL = (
        live_move, back_and_forth, one_dies, given_up, resume_alone, resume_too_much, takeover, repeated_token,
        retired_token, forged_token, attempts,
    )  # fmt: skip
