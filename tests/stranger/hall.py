"""What the checks of rooms have in common (sections 7 and 8)."""

from codec import SCHEMA
from session import Session


class Hall:
    """Rooms and who is in them, in one codec or the other."""

    def __init__(self, address, checks, binary):
        self.address, self.checks, self.binary = address, checks, binary

    def who(self, name, binary=None):
        binary = self.binary if binary is None else binary
        session = Session(self.address, binary)
        answer = session.handshake(name, **({"schema": SCHEMA} if binary else {}))
        assert answer["data"]["codec"] == ("bincode" if binary else "json"), answer
        return session

    def made(self, owner, game="relay", **more):
        """A room that has just been made, in which nothing is unread."""
        answer = owner.request("create_room", {"game": game, **more})
        assert answer["success"], answer
        self.news(owner, answer["room_id"])
        return answer["room_id"]

    def joined(self, session, room, *others, **more):
        """Lets somebody in; returns what they are told. Others who are in have read it then."""
        answer = session.request("join_room", {"room_id": room, **more})
        assert answer["success"], answer
        for member in (session, *others):
            self.news(member, room)
        return answer["data"]

    def news(self, session, room):
        """What a member was told since the last time: the answer to a request comes behind everything before it. How
        many watch is told some time later, and left out."""
        participants = session.request("get_participants", {}, room)
        assert participants["success"], participants
        news = [m for m in session.lanes[room] if m.get("latest") != "spectators"]
        session.lanes[room].clear()
        return news

    def told(self, name, session, room, *expected):
        """Checks what a member was told since the last time: types, and fields of each. Who hosts a relay room is looked at in
        games.py."""
        news = [m for m in self.news(session, room) if m["type"] != "host_changed"]
        seen = [(m["type"], {key: m["data"].get(key) for key in data}) for m, (_, data) in zip(news, expected)]
        seen += [(m["type"], m["data"]) for m in news[len(expected) :]]
        self.checks.equal(f"{name}, to {session.username}", seen, list(expected))

    def done(self, name, session, kind, data, room, answer=None):
        """A request that is carried out; returns what it is answered with."""
        result = session.request(kind, data, room)
        expected = (f"{kind}_result", True, room)
        seen = (result["type"], result["success"], result.get("room_id"))
        self.checks.equal(f"{name}: it is done", seen, expected)
        if answer is not None:
            self.checks.has(f"{name}: the answer", result["data"], answer)
        return result["data"]

    def refused(self, name, session, kind, data, room, code, **details):
        """A request that the room refuses, on its lane."""
        result = session.request(kind, data, room)
        self.checks.refused(name, result, code, kind, room)
        if details:
            self.checks.has(f"{name}: details", result.get("error", {}).get("details") or {}, details)

    def outside(self, name, session, data, code, kind="join_room", **details):
        """A request of the lobby that is refused."""
        result = session.request(kind, data)
        self.checks.refused(name, result, code, kind)
        if details:
            self.checks.has(f"{name}: details", result.get("error", {}).get("details") or {}, details)

    def closed(self, name, session, room, reason):
        """The room is over for a member; it is the last they hear of it."""
        last = session.next(room, "room_closed")
        self.checks.has(f"{name}: room_closed", last["data"], {"reason": reason})
        self.checks.refused(
            f"{name}: not a member", session.request("chat", {"text": "?"}, room), "not_in_room", "chat"
        )
        lane = [m["type"] for m in session.log if m.get("room_id") == room]
        self.checks.equal(f"{name}: nothing follows", lane[-1], "room_closed")
        session.lanes[room].clear()

    def clock(self, session, more):
        """Waits until so many milliseconds have passed on the server's clock."""
        end = session.request("ping")["data"]["server_time_ms"] + more
        while session.request("ping")["data"]["server_time_ms"] < end:
            pass
