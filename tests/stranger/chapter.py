"""What the checks of section 11 have in common."""

from resuming import Resuming, counts
from session import Session


class Chapter:
    """Rae resumes, in one codec or the other. Pat, in JSON and without resume, tells what the others in a room see."""

    def __init__(self, address, checks, binary):
        self.address, self.checks, self.binary = address, checks, binary

    def rae(self, name="Rae", **more):
        return Resuming(self.address, name, self.binary, **more)

    def pat(self, name="Pat"):
        session = Session(self.address)
        session.handshake(name)
        return session

    def room(self, first, *others, game="relay", **options):
        """A room with all of them in it, in which nothing is left unread."""
        made = first.request("create_room", {"game": game, "options": options})["data"]
        room = made["room_id"]
        first.shown[room] = made["view"]
        members = [first]
        for other in others:
            assert other.request("join_room", {"room_id": room})["success"]
            for member in members:
                member.next(room, "client_joined")
                assert member.next(room, "system")["data"]["event"] == "joined"
            members.append(other)
        return room

    def say(self, sender, room, *payloads, **more):
        for payload in payloads:
            result = sender.request("send", {"payload": payload, **more}, room)
            assert result["success"], result

    def heard(self, session, room, until):
        """The payloads that come on a room's lane up to a certain one, and the other types that come among them."""
        payloads = []
        while until not in payloads:
            message = session.next(room)
            payloads.append(message["data"]["payload"] if message["type"] == "message" else message["type"])
        return payloads

    def refused(self, name, answer, code):
        """Of `reconnect`: it has a result whether it had a ref or not."""
        seen = (answer["type"], answer["success"], (answer.get("error") or {}).get("code"))
        self.checks.equal(name, seen, ("reconnect_result", False, code))

    def moved(self, name, session, old, answer):
        """Waits for the end of a live move."""
        self.announced(name, session, answer)
        self.checks.ended(f"{name}: the old connection", old, 4003)

    def over(self, name, session):
        """The session has ended: nothing brings it back."""
        line, answer = session.claim(fresh=True)
        self.refused(f"{name}: the session has ended", answer, "session_unknown")
        line.drop()

    def lives(self, name, session):
        """The session goes on where it was: what was received is what was sent, and nothing comes twice."""
        dropped, received = session.dropped, dict(session.received)
        answer = session.reconnect()
        self.checks.equal(f"{name}: the session lives", answer["success"], True)
        self.announced(name, session, answer)
        going_on = {0, *(entry["lane"] for entry in answer["data"]["lanes"])}
        lanes = {m["data"]["lane"]: m["data"] for m in session.line.seen if m["type"] == "lane"}
        seen = {lane: (data["next"], data["gap"]) for lane, data in lanes.items()}
        expected = {lane: (received[lane] + 1, False) for lane in going_on}
        self.checks.equal(f"{name}: each lane goes on behind what was received", seen, expected)
        self.checks.equal(f"{name}: nothing comes twice", session.dropped, dropped)

    def announced(self, name, session, answer):
        """Waits until all lanes have been announced; nothing comes on a lane before that."""
        lanes = [0] + [entry["lane"] for entry in answer["data"]["lanes"]]
        session.wait(lambda: session.open >= set(lanes), "lane")
        first = {}
        for message in session.line.seen[1:]:
            if message["type"] not in ("ack", "pong", "goodbye"):  # they are of no lane
                first.setdefault(message.get("room_id"), message["type"])
        self.checks.ok(f"{name}: lane comes first on every lane", set(first.values()) == {"lane"}, first)
        result = session.line.seen[0]["type"]
        self.checks.equal(f"{name}: reconnect_result comes before them", result, "reconnect_result")

    def counted(self, name, session):
        """Asks the server whether it has counted as we have: to claim one more than was sent on a lane is 4511. That
        ends the connection that claims it, and disturbs no other."""
        for lane in session.received:
            line, _ = self.claims(session, {**session.received, lane: session.received[lane] + 1})
            self.checks.ended(f"{name}: one more than was sent on lane {lane}", line, 4511)
        ref = session.ask("ping")
        self.checks.has(f"{name}: the connection that was there stays", session.result(ref), {"type": "pong"})

    def claims(self, session, received):
        """A connection that says to have received so much; the answer need not be one to `reconnect`."""
        return session.claim(received=counts(received))
