"""Sections 1 to 10 and appendix A: what a client can do and get wrong on one connection."""

import base64
import http.client
import json
import time

from checks import DRAW, O_WINS, X_WINS, Match
from codec import ENVELOPE, INT, SCHEMA, Bincode, Reader, put_uint, take_uint
from session import Session
from websocket import BINARY, PING, TEXT, TIMEOUT, Refused, WebSocket


def levels(depth):
    """Lists in each other, so many levels deep."""
    nested = []
    for _ in range(depth - 1):
        nested = [nested]
    return nested


class Play:
    """Three clients, and what they go through. The methods run in the order in which they stand."""

    def __init__(self, address, checks):
        self.address, self.checks = address, checks

    def session(self, name=None, **more):
        session = Session(self.address, **more)
        if name:
            answer = session.handshake(name)
            assert answer["type"] == "handshake_accepted", answer
        return session

    def listed(self, session, label, room, /, **expected):
        """Waits until the pushes have brought the row of a room to what is expected."""

        def as_expected():
            row = session.rooms.get(room)
            return row and {key: row[key] for key in expected} == expected

        try:
            session.wait(as_expected, "the push")
            self.checks.ok(label, True)
        except TimeoutError as error:
            self.checks.ok(label, False, f"{error}; last seen: {session.rooms.get(room)}")

    def alone_in(self, label, room, session):
        """Of a room that was just made: who is in it, and what else is told of it."""
        (me,), checks = room["members"], self.checks
        joined_at, room_at = me.pop("joined_at_ms"), room["created_at_ms"]
        checks.ok(
            f"{label}: when it was made, and joined", 1_600_000_000_000 < room_at <= joined_at, (room_at, joined_at)
        )
        expected = {"user_id": session.user_id, "username": session.username, "role": "player", "seat": 0}
        expected |= {"connected": True, "number": 1, "ready": False, "bot": False, "data": {}}
        checks.equal(f"{label}: its member", me, expected)
        own = {"created_by": session.user_id, "owner": session.user_id}
        doors = {"visibility": "public", "locked": False, "has_password": False, "durable": False}
        rest = {"spectators": 0, "spectator_delay_ms": 0, "data": {}, "seat_queue": [], "vote": None, "chat": []}
        checks.has(f"{label}: its record", room, {**own, **doors, **rest})

    # -- before a session

    def http(self):
        def get(path):
            connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

        self.checks.equal("GET /healthz", get("/healthz")[0], 200)
        certificate = json.loads(get("/api/certificate")[1])
        url = certificate["webtransport_url"]
        self.checks.ok("GET /api/certificate names the WebTransport URL", url.endswith("/wt"), url)
        self.checks.ok(
            "GET /api/certificate has SHA-256 hashes",
            all(h["algorithm"] == "sha-256" and len(base64.b64decode(h["value"])) == 32 for h in certificate["hashes"]),
            certificate,
        )
        self.checks.ok("GET /ws without an upgrade is refused", get("/ws")[0] in (400, 426))
        for offer, chosen in (
            ((), None),
            (("anteroom.v1.json",), "anteroom.v1.json"),
            (("anteroom.v1.bincode",), "anteroom.v1.bincode"),
            (("anteroom.v9.cbor", "anteroom.v1.json"), "anteroom.v1.json"),
        ):
            self.checks.equal(f"subprotocols {offer}", WebSocket(self.address, offer).subprotocol, chosen)
        try:
            WebSocket(self.address, ["anteroom.v9.cbor"])
            self.checks.ok("none but unknown subprotocols", False, "accepted")
        except Refused as refused:
            self.checks.equal("none but unknown subprotocols", refused.status, 400)

    def handshakes(self):
        checks = self.checks
        self.ada, self.bob, self.eve = (self.session() for _ in range(3))
        for session, name in ((self.ada, "Ada"), (self.bob, "Bob"), (self.eve, "Eve")):
            answer = session.handshake(name)
            checks.has(f"handshake of {name}", answer, {"type": "handshake_accepted"})
            checks.has(f"handshake of {name}: name and codec", answer["data"], {"username": name, "codec": "json"})
            data, limits = answer["data"], answer["data"]["limits"]
            checks.ok(
                f"handshake of {name}: ids, limits and clock",
                len(data["session_id"]) == 26
                and 1 <= len(data["user_id"].encode()) <= 64
                and data["grace_ms"] >= 0
                and data["server_time_ms"] > 1_600_000_000_000
                and {"message_bytes_max", "unacked_messages_max", "unacked_bytes_max", "rooms_max"} <= limits.keys(),
                data,
            )
        checks.equal("guests are three users", len({s.user_id for s in (self.ada, self.bob, self.eve)}), 3)

        session = self.session()
        for what, data, code in (
            ("an empty name", {"version": 1, "name": ""}, "invalid_name"),
            ("a name of 33 characters", {"version": 1, "name": "x" * 33}, "invalid_name"),
            ("an invisible character in the name", {"version": 1, "name": "a\u200bb"}, "invalid_name"),
            ("a name that is a number", {"version": 1, "name": 5}, "invalid_data"),
        ):
            session.send("handshake", data)
            checks.refused(f"handshake with {what}", session.next(), code, "handshake", ref=False)
        checks.has("another handshake may follow", session.handshake("Zoë 🎲"), {"type": "handshake_accepted"})
        checks.equal("a name beyond ASCII", session.username, "Zoë 🎲")
        session.send("handshake", {"version": 1})
        checks.refused("a second handshake", session.next(), "already_authenticated", "handshake", ref=False)

        session = self.session()
        session.send("reconnect", {"session_id": "0" * 26, "resume_token": "bm90aGluZw", "attempt": 1})
        answer = session.next()
        checks.equal("reconnect", (answer["type"], answer["error"]["code"]), ("reconnect_result", "session_unknown"))
        checks.has("a handshake after reconnect", session.handshake(), {"type": "handshake_accepted"})
        checks.ok("a name is made up for who names none", session.username)

    def ping(self):
        ada, checks = self.ada, self.checks
        for ts in (1790000000000, "now", {"a": [1.5, None]}, None):
            pong = ada.request("ping", {"ts": ts})
            checks.has(f"ping with ts {ts!r}", pong, {"type": "pong"})
            checks.equal(f"ping with ts {ts!r}: it comes back", pong["data"]["ts"], ts)
        first, second = (ada.request("ping")["data"]["server_time_ms"] for _ in range(2))
        checks.ok("the server's clock does not go back", first <= second)
        ada.send("ping", {"ts": 5})
        checks.has("ping without ref", ada.next(kind="pong")["data"], {"ts": 5})
        checks.refused("ping with a ts of 65 bytes", ada.request("ping", {"ts": "x" * 63}), "invalid_data", "ping")

        session = self.session("Ref")
        for ref in ("7", "1.50", '"\\u0041"', "false", '"' + "x" * 62 + '"'):
            session.socket.send(TEXT, f'{{"ref":{ref},"type":"ping"}}'.encode())
            _, payload = session.socket.receive(time.monotonic() + TIMEOUT)
            checks.ok(f"ref {ref} comes back byte for byte", f'"ref":{ref},' in payload.decode(), payload)

        # one frame: a batch, of a request, a message of unknown fields and nulls, and one with a ref again
        session.socket.send(
            TEXT,
            b' [{"type":"ping","ref":"a"},{"type":"ping","shoe_size":43,"room_id":null,"data":null},'
            b'{"type":"list_rooms","ref":"b","data":{}}]\n',
        )
        checks.has("a batch: first", session.result("a"), {"type": "pong"})
        checks.has("a batch: unknown fields are ignored, null is absent", session.next(), {"type": "pong"})
        checks.has("a batch: last", session.result("b"), {"type": "list_rooms_result", "success": True})
        session.socket.send(TEXT, b"[]")
        checks.has("an empty batch means nothing", session.request("ping"), {"type": "pong"})

        session.socket.send(TEXT, b'{"type":"pi', final=False)
        session.socket.send(PING, b"are you there")
        session.socket.send(0, b'ng","ref":"c"}')
        checks.has("a message in two frames, a Ping between them", session.result("c"), {"type": "pong"})

    # -- the lobby and a game

    def lobby(self):
        ada, bob, eve, checks = self.ada, self.bob, self.eve, self.checks
        result = ada.request("list_rooms", {})
        checks.has("list_rooms", result, {"type": "list_rooms_result", "success": True})
        checks.ok("list_rooms: total", result["data"]["total"] >= len(result["data"]["rooms"]))
        result = ada.request("list_rooms", {"game": "no_such_game"})
        checks.equal("list_rooms of a game that does not exist", result["data"], {"rooms": [], "total": 0})
        checks.refused(
            "subscribe_rooms to a game that does not exist",
            ada.request("subscribe_rooms", {"game": "no_such_game"}),
            "game_not_found",
            "subscribe_rooms",
        )
        result = eve.request("subscribe_rooms", {})
        checks.has("subscribe_rooms", result, {"type": "subscribe_rooms_result", "success": True})
        checks.equal("subscribe_rooms of everything", bob.request("subscribe_rooms", {})["success"], True)
        checks.equal("a second subscription", bob.request("subscribe_rooms", {"game": "relay"})["success"], True)

        result = ada.request("create_room", {"game": "tic_tac_toe", "name": "Ada's table", "options": {}})
        checks.has("create_room", result, {"type": "create_room_result", "success": True})
        self.room = room = result["data"]["room_id"]
        checks.equal("create_room: on the room's lane", result["room_id"], room)
        checks.ok("create_room: the id", len(room) == 10 and set(room) <= set("0123456789abcdefghjkmnpqrstvwxyz"), room)
        table = {"game": "tic_tac_toe", "game_version": 2, "name": "Ada's table"}
        checks.has("create_room: its data", result["data"], {**table, "seat": 0, "role": "player"})
        self.alone_in("create_room", result["data"], ada)
        self.match = match = Match(room, ada, None, ())
        match.turn, match.status, match.members = None, "waiting", [ada]
        checks.ok("create_room: the view", match.matches(result["data"]["view"]), result["data"]["view"])
        ada.shown[room] = result["data"]["view"]
        self.lane = result["data"]["lane"]
        checks.ok("create_room: the lane", self.lane >= 1)

        row = {"game": "tic_tac_toe", "name": "Ada's table", "players": 1, "seats_max": 2, "spectators": 0}
        self.listed(eve, "push: the room is new", room, **row, state="waiting")
        rooms = {r["room_id"]: r for r in bob.request("list_rooms", {"game": "tic_tac_toe"})["data"]["rooms"]}
        checks.has("list_rooms has it", rooms.get(room, {}), {**row, "state": "waiting"})
        checks.ok("no push for another game than the one subscribed to", room not in bob.rooms)
        checks.equal("unsubscribe_rooms", bob.request("unsubscribe_rooms")["success"], True)

    def alone(self):
        ada, checks, room = self.ada, self.checks, self.room
        move = ada.request("make_move", {"row": 0, "col": 0}, room)
        checks.refused("a move without an opponent", move, "not_playing", "make_move", room)
        checks.refused("a rematch of no match", ada.request("rematch", {}, room), "not_playing", "rematch", room)
        again = ada.request("join_room", {"room_id": room})
        checks.refused("joining twice", again, "already_in_room", "join_room")

    def join(self):
        ada, bob, eve, checks, room = self.ada, self.bob, self.eve, self.checks, self.room
        early = bob.request("make_move", {"row": 0, "col": 0}, room)
        checks.refused("a move from outside", early, "not_in_room", "make_move")
        checks.equal("a move from outside: details", early["error"]["details"].get("room_id"), room)

        self.match = match = Match(room, ada, bob)
        result = bob.request("join_room", {"room_id": room})
        checks.has("join_room", result, {"type": "join_room_result", "success": True, "room_id": room})
        checks.has("join_room: its data", result["data"], {"room_id": room, "seat": 1, "role": "player"})
        members = {m["user_id"] for m in result["data"]["members"]}
        checks.equal("join_room: members", members, {ada.user_id, bob.user_id})
        checks.ok("join_room: the view", match.matches(result["data"]["view"]), result["data"]["view"])
        bob.shown[room] = result["data"]["view"]
        entry = {"user_id": bob.user_id, "username": "Bob", "role": "player", "seat": 1, "connected": True}
        checks.has("client_joined", ada.next(room, "client_joined")["data"], entry)
        match.members = [ada]
        match.check(checks, "the match begins")
        self.listed(eve, "push: the room plays", room, players=2, spectators=0, state="playing")

        checks.refused("joining a full room", eve.request("join_room", {"room_id": room}), "room_full", "join_room")
        result = eve.request("join_room", {"room_id": room, "as": "spectator"})
        checks.has("watching", result, {"type": "join_room_result", "success": True, "room_id": room})
        checks.has("watching: its data", result["data"], {"seat": None, "role": "spectator"})
        checks.equal("watching: members", len(result["data"]["members"]), 3)
        checks.ok("watching: the view", match.matches(result["data"]["view"]), result["data"]["view"])
        eve.shown[room] = result["data"]["view"]
        entry = {"user_id": eve.user_id, "username": "Eve", "role": "spectator", "seat": None, "connected": True}
        for player in (ada, bob):
            joined = player.next(room, "client_joined")["data"]
            checks.has(f"client_joined of a spectator, to {player.username}", joined, entry)
        self.listed(eve, "push: the room is watched", room, players=2, spectators=1, state="playing")
        match.members = [ada, bob, eve]

    def game(self):
        ada, bob, eve, checks, room, match = self.ada, self.bob, self.eve, self.checks, self.room, self.match

        def refused(name, player, code, data, kind="make_move"):
            checks.refused(name, player.request(kind, data, room), code, kind, room)

        refused("wrong turn", bob, "not_your_turn", {"row": 0, "col": 0})
        watched = eve.request("make_move", {"row": 0, "col": 0}, room)
        checks.refused("a spectator's move", watched, "not_a_player", "make_move")
        refused("a move off the board", ada, "invalid_move", {"row": 3, "col": 0})
        refused("a move off the board, below zero", ada, "invalid_move", {"row": -1, "col": 0})
        refused("a move without a column", ada, "invalid_data", {"row": 1})
        refused("a move with a string", ada, "invalid_data", {"row": "1", "col": 1})
        refused("a move with a fraction", ada, "invalid_data", {"row": 1.5, "col": 1})
        refused("a move that is an array", ada, "invalid_data", [1, 1])
        refused("an unknown type in a room", ada, "unknown_type", {}, "dance")
        refused("a rematch during the match", ada, "not_playing", {}, "rematch")

        match.play(checks, "game 1", X_WINS[:1])
        refused("a cell that is taken", bob, "invalid_move", {"row": 0, "col": 0})
        bob.send("make_move", {"row": 0, "col": 0}, room)
        error = bob.next(room, "error")
        checks.refused("a cell that is taken, without ref", error, "invalid_move", "make_move", room, ref=False)

        # a move without ref that succeeds is not answered: on this lane there are its state and the next refusal only
        before = len(bob.log)
        bob.send("make_move", {"row": X_WINS[1][0], "col": X_WINS[1][1]}, room)
        refused("out of turn after a move without ref", bob, "not_your_turn", {"row": 2, "col": 2})
        match.move(*X_WINS[1])
        match.check(checks, "game 1, a move without ref")
        lane = [m["type"] for m in bob.log[before:] if m.get("room_id") == room]
        checks.equal("a move without ref is not answered", lane, ["game_state", "make_move_result"])

        match.play(checks, "game 1, continued", X_WINS[2:])
        checks.equal("game 1 is won", (match.status, match.winner), ("won", ada))
        self.listed(eve, "push: the room is finished", room, players=2, state="finished")
        refused("a move after the end", bob, "not_playing", {"row": 2, "col": 2})

    def rematch(self):
        ada, bob, eve, checks, room = self.ada, self.bob, self.eve, self.checks, self.room
        result = bob.request("rematch", {}, room)
        checks.has("rematch", result, {"type": "rematch_result", "success": True, "room_id": room})
        self.match.wanted = [bob]
        self.match.check(checks, "Bob wants a rematch")
        watcher = eve.request("rematch", {}, room)
        checks.refused("a spectator's rematch", watcher, "not_a_player", "rematch")
        checks.equal("rematch of the other", ada.request("rematch", {}, room)["success"], True)
        match = self.match = Match(room, bob, ada, [eve])  # sides swapped
        match.check(checks, "game 2 begins with the sides swapped")
        self.listed(eve, "push: the room plays again", room, players=2, state="playing")
        move = ada.request("make_move", {"row": 0, "col": 0}, room)
        checks.refused("game 2: seat 0 is O and must wait", move, "not_your_turn", "make_move", room)
        match.play(checks, "game 2", DRAW)
        checks.equal("game 2 is a draw", match.status, "draw")

        for player in (ada, bob):
            player.request("rematch", {}, room)
        self.match.wanted = [ada]
        self.match.check(checks, "Ada wants a rematch")
        match = self.match = Match(room, ada, bob, [eve])
        match.check(checks, "game 3 begins with the sides swapped back")
        match.play(checks, "game 3", O_WINS[:3])  # and is not finished: see leave()

    def leave(self):
        ada, bob, eve, checks, room, match = self.ada, self.bob, self.eve, self.checks, self.room, self.match
        result = bob.request("leave_room", room=room)
        checks.has("leave_room", result, {"type": "leave_room_result", "success": True, "room_id": room})
        for member in (ada, eve):
            left = member.next(room, "client_left")["data"]
            expected = {"user_id": bob.user_id, "username": "Bob", "reason": "left"}
            checks.has(f"client_left, to {member.username}", left, expected)
        match.status, match.winner, match.turn, match.members = "won", ada, None, [ada, eve]
        match.players["O"] = None
        match.check(checks, "who stays has won, without a line")
        checks.equal("leave_room is the lane's last message", bob.log[-1]["type"], "leave_room_result")
        self.listed(eve, "push: a seat is free", room, players=1, spectators=1)
        gone = bob.request("make_move", {"row": 2, "col": 2}, room)
        checks.refused("a move after leaving", gone, "not_in_room", "make_move")

        result = bob.request("join_room", {"room_id": room})
        checks.equal("joining again", result["success"], True)
        checks.ok("joining again: a new lane", result["data"]["lane"] > 1, result["data"]["lane"])
        bob.shown[room] = result["data"]["view"]
        view = result["data"]["view"]
        checks.equal("joining again: the table is cleared", view["board"], [[None] * 3] * 3)
        checks.equal("joining again: the next match", view["status"], "playing")
        match = self.match = Match(room, ada, bob, [eve])  # seat 0 is X
        match.members = [ada, eve]
        match.check(checks, "game 4 begins")

        # Eve is in one room only, so she need not name it
        result = eve.request("leave_room")
        checks.has("a spectator leaves", result, {"type": "leave_room_result", "success": True, "room_id": room})
        for player in (ada, bob):
            left = player.next(room, "client_left")["data"]
            checks.has(f"a spectator leaves, to {player.username}", left, {"user_id": eve.user_id, "reason": "left"})
        self.listed(eve, "push: nobody watches", room, players=2, spectators=0, state="playing")

    def mistakes(self):
        """Mistakes that the connection survives."""
        ada, checks = self.ada, self.checks
        for name, code, kind, data in (
            ("an unknown type", "unknown_type", "dance", {"a": 1}),
            ("resume, by a session that has not reconnected", "invalid_data", "resume", {"received": {}}),
            ("an ack of no lane", "invalid_data", "ack", {"control": 1}),
            ("an ack below zero", "invalid_data", "ack", {"0": -1}),
            ("a move outside any room", "unknown_type", "make_move", {"row": 0, "col": 0}),
            ("an unknown room", "room_not_found", "join_room", {"room_id": "0000000000"}),
            ("a room of another shape", "room_not_found", "join_room", {"room_id": "?"}),
            ("no room named", "invalid_data", "join_room", {}),
            ("an unknown role", "invalid_data", "join_room", {"room_id": self.room, "as": "referee"}),
            ("quick, in an unknown game", "game_not_found", "join_room", {"game": "no_such_game", "quick": True}),
            ("an unknown game", "game_not_found", "create_room", {"game": "no_such_game"}),
            ("no game", "invalid_data", "create_room", {}),
            ("a room's name that is too long", "invalid_name", "create_room", {"game": "relay", "name": "x" * 33}),
            ("bad options", "invalid_options", "create_room", {"game": "relay", "options": {"members_max": "8"}}),
            ("leaving an unknown room", "not_in_room", "leave_room", {"room_id": "0000000000"}),
            ("data that is a number", "invalid_data", "list_rooms", 5),
            ("data that is an array", "invalid_data", "list_rooms", []),
            ("data of 64 levels", "invalid_data", "list_rooms", {"more": levels(63)}),
            ("data of 200 levels", "invalid_data", "list_rooms", {"more": levels(199)}),
        ):
            result = ada.request(kind, data)
            checks.refused(f"{name}", result, code, kind)
            details = result["error"].get("details") or {}
            checks.ok(f"{name}: details name it", {"type", "room_id"} & details.keys(), details)
        result = ada.request("list_rooms", {"more": levels(62)})
        checks.has("data of 63 levels", result, {"type": "list_rooms_result", "success": True})
        ada.send("dance")
        checks.refused("an unknown type without ref", ada.next(), "unknown_type", "dance", ref=False)
        ada.send("make_move", {"row": 0, "col": 0}, "0000000000")
        checks.refused("an unknown room without ref", ada.next(), "not_in_room", "make_move", ref=False)

        session = self.session("Many")
        rooms = session.accepted["limits"]["rooms_max"]
        made = [session.request("create_room", {"game": "relay"}) for _ in range(rooms)]
        checks.ok(f"{rooms} rooms at a time", all(result["success"] for result in made))
        over = session.request("create_room", {"game": "relay"})
        checks.refused("one more", over, "limit_reached", "create_room")
        lanes = [result["data"]["lane"] for result in made]
        checks.ok("lanes are numbered upwards", lanes == sorted(set(lanes)) and lanes[0] >= 1, lanes)
        session.send("goodbye", {"code": 1000})
        session.end()

    def fatal(self):
        """Mistakes that end the connection, and what is just not yet one."""
        checks, limit = self.checks, self.ada.accepted["limits"]["message_bytes_max"]
        hello = b'{"type":"handshake","data":{"version":1}}'
        for name, code, opcode, payload in (
            ("a message before the handshake", 4503, TEXT, b'{"type":"list_rooms","ref":1}'),
            ("version 2", 4500, TEXT, hello.replace(b"1", b"2")),
            ("no version", 4500, TEXT, b'{"type":"handshake","data":{}}'),
            ("a token that is none", 4505, TEXT, hello.replace(b"1}", b'1,"token":"a.b.c"}')),
            ("binary as the first message", 4507, BINARY, hello),
            ("malformed JSON as the first message", 4501, TEXT, hello[:-1]),
        ):
            session = self.session()
            session.socket.send(opcode, payload)
            checks.ended(name, session, code)

        for name, code, payload in (
            ("malformed JSON", 4501, b'{"type":"ping"'),
            ("an empty text frame", 4501, b""),
            ("no object", 4501, b'"ping"'),
            ("an array of no objects", 4501, b"[1]"),
            ("no type", 4501, b'{"data":{}}'),
            ("a type that is a number", 4501, b'{"type":1}'),
            ("an empty type", 4501, b'{"type":""}'),
            ("a type of 65 bytes", 4501, b'{"type":"%s"}' % (b"x" * 65)),
            ("a ref that is an object", 4501, b'{"type":"ping","ref":{}}'),
            ("a ref of 65 bytes", 4501, b'{"type":"ping","ref":"%s"}' % (b"x" * 63)),
            ("a room_id that is a number", 4501, b'{"type":"ping","room_id":5}'),
            ("an n below zero", 4501, b'{"type":"ping","n":-1}'),
            ("a field twice", 4501, b'{"type":"ping","type":"ping"}'),
            ("a byte order mark", 4501, b'\xef\xbb\xbf{"type":"ping"}'),
            ("text that is not UTF-8", 4501, b'{"type":"ping","data":{"ts":"\xff"}}'),
            ("65 levels outside data", 4501, b'{"type":"ping","more":' + b"[" * 64 + b"]" * 64 + b"}"),
            ("257 messages in a batch", 4501, b"[" + b",".join([b'{"type":"ping"}'] * 257) + b"]"),
            ("an oversize frame", 4502, b'{"type":"ping"}'.ljust(limit + 1)),
            ("a very oversize frame", 4502, b'{"type":"ping"}'.ljust(16 * limit)),
        ):
            session = self.session("Clumsy")
            session.socket.send(TEXT, payload)
            checks.ended(name, session, code)

        session = self.session("Clumsy")
        session.socket.send(BINARY, b'{"type":"ping"}')
        checks.ended("a binary frame in a JSON session", session, 4507)
        session = self.session("Clumsy", binary=True)
        session.socket.send(TEXT, b'{"type":"ping"}')
        checks.ended("a text frame in a binary session", session, 4507)
        session = self.session("Clumsy")
        session.socket.send_raw(session.socket.header(TEXT, limit + 1))
        checks.ended("an oversize frame, as soon as its length is known", session, 4502)
        session = self.session("Clumsy")
        session.socket.send(TEXT, b'[{"type":"list_rooms","ref":1},{"ref":2}]')
        checks.ended("a batch with a malformed message", session, 4501)
        checks.ok("a batch with a malformed message: what is in front counts", 1 in session.results)

        session = self.session("Careful")
        session.socket.send(TEXT, b'{"type":"ping","ref":1}'.ljust(limit))
        checks.has("a frame as large as may be", session.result(1), {"type": "pong"})
        session.socket.send(TEXT, b"[" + b",".join(b'{"type":"ping","ref":%d}' % i for i in range(1000, 1256)) + b"]")
        checks.has("256 messages in a batch", session.result(1255), {"type": "pong"})
        for member in (self.ada, self.bob, self.eve):
            checks.has(f"none of that disturbed {member.username}", member.request("ping"), {"type": "pong"})

    # -- the other game, and the ends

    def relay(self):
        ada, bob, eve, checks = self.ada, self.bob, self.eve, self.checks
        made = ada.request("create_room", {"game": "relay", "name": "Relay", "options": {"members_max": 2}})
        room = made["data"]["room_id"]
        checks.has("relay: create_room", made["data"], {"game": "relay", "seat": 0, "view": {"members_max": 2, "host": ada.user_id, "values": {}}})
        self.listed(eve, "push: the relay room", room, game="relay", name="Relay", players=1, seats_max=2)
        checks.equal("relay: join_room", bob.request("join_room", {"room_id": room})["data"].get("seat"), 1)
        checks.refused("relay: full", eve.request("join_room", {"room_id": room}), "room_full", "join_room")
        watching = eve.request("join_room", {"room_id": room, "as": "spectator"})
        checks.equal("relay: watching", watching["success"], True)
        members = (ada, bob, eve)

        def heard(name, payload, mark):
            for member in members:
                message = member.next(room, "message")
                seen = (message["data"], message.get("latest"))
                checks.equal(f"{name}, to {member.username}", seen, ({"from": ada.user_id, "payload": payload}, mark))

        for name, data, mark in (
            ("relay, reliable without saying so", {"payload": {"x": 1.5, "y": [None, "ü"]}}, None),
            ("relay, reliable", {"payload": "hello", "delivery": "reliable"}, None),
            ("relay, latest", {"payload": 1, "delivery": "latest", "key": "position:ada"}, "position:ada"),
            ("relay, latest without key", {"payload": 2, "delivery": "latest"}, "message"),
            ("relay, latest with an empty key", {"payload": 2, "delivery": "latest", "key": ""}, "message"),
            ("relay, unreliable", {"payload": 3, "delivery": "unreliable", "key": "k"}, "k"),
            ("relay, unreliable without key", {"payload": None, "delivery": "unreliable"}, "message"),
        ):
            checks.has(name, ada.request("send", data, room), {"type": "send_result", "success": True, "room_id": room})
            heard(name, data["payload"], mark)

        for name, data in (
            ("no payload", {}),
            ("an unknown class", {"payload": 1, "delivery": "pigeon"}),
            ("a key of 65 bytes", {"payload": 1, "delivery": "latest", "key": "x" * 65}),
            ("33 levels", {"payload": json.loads("[" * 33 + "]" * 33)}),
        ):
            checks.refused(f"relay, {name}", ada.request("send", data, room), "invalid_data", "send", room)
        sent = eve.request("send", {"payload": 1}, room)
        checks.refused("relay, from a spectator", sent, "not_a_player", "send")

        # many at once: every reliable one arrives, in order; of the latest of one key, the last one does, in its place
        # (waiting after each ten, so that few messages wait in the room: it refuses as `busy` what becomes too much)
        for number in range(100):
            ada.send("send", {"payload": number}, room)
            latest = {"payload": -number, "delivery": "latest", "key": "k"}
            if number % 10 == 9:
                ada.request("send", latest, room)
            else:
                ada.send("send", latest, room)
        ada.send("send", {"payload": "end"}, room)
        for member in members:
            got = []
            while not got or got[-1][1] != "end":
                message = member.next(room, "message")
                got.append((message.get("latest"), message["data"]["payload"]))
            reliable = [payload for mark, payload in got if mark is None]
            latest = [payload for mark, payload in got if mark == "k"]
            if -99 not in latest:  # it may come after what was sent later, but never before what was sent earlier
                latest.append(member.next(room, "message")["data"]["payload"])
            name = f"relay, many at once, to {member.username}"
            checks.equal(f"{name}: reliable", reliable, [*range(100), "end"])
            checks.ok(f"{name}: latest", latest == sorted(latest, reverse=True) and latest[-1] == -99, latest)
            early = [p for at, (mark, p) in enumerate(got) if mark and (None, -p) not in got[:at]]
            checks.equal(f"{name}: latest overtakes no reliable one", early, [])

        # what a member's end looks like to the others: a player's connection lost, a spectator's, a goodbye
        bob.request("leave_room", room=room)
        ada.next(room, "client_left")
        dan = self.session("Dan")
        dan.request("join_room", {"room_id": room})
        fay = self.session("Fay")
        fay.request("join_room", {"room_id": room, "as": "spectator"})
        dan.drop()
        lost = ada.next(room, "client_disconnected")["data"]
        grace = dan.accepted["grace_ms"]
        checks.has("client_disconnected", lost, {"user_id": dan.user_id, "username": "Dan", "grace_ms": grace})
        full = bob.request("join_room", {"room_id": room})
        checks.refused("the seat of who was lost is kept", full, "room_full", "join_room")
        fay.drop()
        left = ada.next(room, "client_left")["data"]
        checks.has("a spectator is lost", left, {"user_id": fay.user_id, "reason": "disconnected"})

    def binary(self):
        checks, bob = self.checks, self.bob
        for value, text in ((0, "00"), (250, "fa"), (251, "fbfb00"), (65535, "fbffff"), (65536, "fc00000100")):
            both = (put_uint(value).hex(), take_uint(Reader(bytes.fromhex(text))))
            checks.equal(f"binary: the integer {value}", both, (text, value))
        checks.equal("binary: zigzag", [INT.put(n).hex() for n in (0, -1, 1, -2)], ["00", "01", "02", "03"])
        example = "0b6372656174655f726f6f6d 010137 0000000000 26 0b7469635f7461635f746f65 010b4164612773207461626c65"
        example += "00 00 00 00 00 00 00 00 00 00 00 00 00"
        message = {"type": "create_room", "ref": 7, "data": {"game": "tic_tac_toe", "name": "Ada's table"}}
        checks.equal("binary: the example", Bincode().encode(message), bytes.fromhex(example))

        session = self.session(binary=True)
        answer = session.handshake("Other", schema="not a schema")
        checks.equal("binary: a schema that the server does not know", answer["data"]["codec"], "json")
        checks.has("binary: then JSON is spoken", session.request("ping"), {"type": "pong"})

        bea = self.session(binary=True)
        checks.equal("binary: handshake", bea.handshake("Bea", schema=SCHEMA)["data"]["codec"], "bincode")
        for ts in (None, {"x": [1, "ü"]}):
            checks.has(f"binary: ping with ts {ts!r}", bea.request("ping", {"ts": ts})["data"], {"ts": ts})
        checks.equal("binary: subscribe_rooms", bea.request("subscribe_rooms", {})["success"], True)

        made = bea.request("create_room", {"game": "tic_tac_toe", "name": "Bea's table"})
        room = made["data"]["room_id"]
        table = {"game": "tic_tac_toe", "game_version": 2, "name": "Bea's table"}
        checks.has("binary: create_room", made["data"], {**table, "seat": 0, "role": "player"})
        self.alone_in("binary: create_room", made["data"], bea)
        bea.shown[room] = made["data"]["view"]
        self.listed(bea, "binary: push of the new room", room, name="Bea's table", players=1, state="waiting")
        early = bea.request("make_move", {"row": 0, "col": 0}, room)
        checks.refused("binary: a move without an opponent", early, "not_playing", "make_move", room)

        joined = bob.request("join_room", {"room_id": room})
        off = bea.request("make_move", {"row": -1, "col": 3}, room)
        checks.refused("binary: a move off the board", off, "invalid_move", "make_move", room)
        bob.shown[room] = joined["data"]["view"]
        entry = bea.next(room, "client_joined")["data"]
        checks.has("binary: client_joined", entry, {"user_id": bob.user_id, "role": "player", "seat": 1})
        match = Match(room, bea, bob)
        checks.ok("binary: the view of who joined in JSON", match.matches(joined["data"]["view"]), joined)
        match.members = [bea]
        match.check(checks, "binary: the match begins")
        match.members = [bea, bob]
        self.listed(bea, "binary: push of the match", room, players=2, state="playing")

        match.play(checks, "binary game 1", O_WINS[:1])
        for name, code, kind, data in (
            ("wrong turn", "not_your_turn", "make_move", {"row": 2, "col": 2}),
            ("an unknown type", "unknown_type", "dance", {}),
        ):
            checks.refused(f"binary: {name}", bea.request(kind, data, room), code, kind, room)
        match.play(checks, "binary game 1, continued", O_WINS[1:])
        checks.equal("binary game 1 is won by O", (match.status, match.winner), ("won", bob))
        over = bea.request("make_move", {"row": -1, "col": 1000000}, room)
        checks.refused("binary: a move after the end", over, "not_playing", "make_move", room)

        checks.equal("binary: rematch", bea.request("rematch", {}, room)["success"], True)
        match.wanted = [bea]
        match.check(checks, "binary: a rematch is wanted")
        bob.request("rematch", {}, room)
        match = Match(room, bob, bea)
        match.check(checks, "binary game 2 begins with the sides swapped")
        match.play(checks, "binary game 2", X_WINS)
        checks.has("binary: leave_room", bea.request("leave_room", room=room), {"success": True, "room_id": room})
        left = bob.next(room, "client_left")["data"]
        checks.has("binary: client_left", left, {"user_id": bea.user_id, "reason": "left"})
        bob.request("leave_room", room=room)
        self.gone(bea, "binary: push of the room's end", room)

        made = bea.request("create_room", {"game": "relay", "options": {"members_max": 300}})
        room = made["data"]["room_id"]
        checks.equal("binary: relay's view", made["data"]["view"], {"members_max": 300, "host": bea.user_id, "values": {}})
        bob.request("join_room", {"room_id": room})
        for sender in (bea, bob):
            for data, mark in (
                ({"payload": {"x": 1.5}}, None),
                ({"payload": 1, "delivery": "latest", "key": "k"}, "k"),
                ({"payload": 2, "delivery": "unreliable"}, "message"),
            ):
                sender.request("send", data, room)
                for member in (bea, bob):
                    message = member.next(room, "message")
                    checks.equal(
                        f"binary: relay {data.get('delivery', 'reliable')}, {sender.username} to {member.username}",
                        (message["data"], message.get("latest")),
                        ({"from": sender.user_id, "payload": data["payload"]}, mark),
                    )
        bob.request("leave_room", room=room)

        for name, code, kind, data in (
            ("an unknown room", "room_not_found", "join_room", {"room_id": "0000000000"}),
            ("an unknown game", "game_not_found", "join_room", {"game": "no_such_game", "quick": True}),
        ):
            checks.refused(f"binary: {name}", bea.request(kind, data), code, kind)
        bea.socket.send(BINARY, ENVELOPE.put({"type": "list_rooms", "ref": "x", "data": b"\0\0"}))
        checks.refused("binary: bytes left over in data", bea.result("x"), "invalid_data", "list_rooms")
        ping = bea.bincode.encode({"type": "ping", "ref": "y", "data": {}})
        bea.socket.send(BINARY, ping + ping.replace(b'"y"', b'"z"'))
        checks.has("binary: a batch", (bea.result("y"), bea.result("z"))[1], {"type": "pong"})
        for name, payload in (
            ("an empty payload", b""),
            ("a payload cut short", ping[:-1]),
            ("bytes left over", ping + b"\1"),
            ("an integer too wide", b"\xff" * 9),
        ):
            session = self.session("Clumsy", binary=True)
            session.socket.send(BINARY, payload)
            checks.ended(f"binary: {name}", session, 4501)
        bea.send("goodbye", {"code": 1000, "reason": "bye"})
        checks.equal("binary: goodbye", bea.end()[0], 1000)

    def gone(self, session, name, room):
        session.wait(lambda: room not in session.rooms, name)
        self.checks.ok(name, True)

    def goodbye(self):
        ada, bob, eve, checks, room = self.ada, self.bob, self.eve, self.checks, self.room
        bob.send("goodbye", {"code": 1000, "reason": "Bob goes home."})
        checks.equal("goodbye is answered by a close with 1000", bob.end()[0], 1000)
        left = ada.next(room, "client_left")["data"]
        checks.has("goodbye gives up the seat at once", left, {"user_id": bob.user_id, "reason": "left"})
        match = self.match
        match.status, match.winner, match.turn, match.members = "won", ada, None, [ada]
        match.players[next(mark for mark, player in match.players.items() if player is bob)] = None
        match.check(checks, "who stays has won")
        ada.send("goodbye", {"code": 1000})
        checks.equal("goodbye of Ada", ada.end()[0], 1000)
        self.gone(eve, "push: the room is gone", room)
        eve.send("goodbye", {"code": 1000})
        checks.equal("goodbye of Eve", eve.end()[0], 1000)

    ALL = (
        http, handshakes, ping, lobby, alone, join, game, rematch, leave, mistakes, fatal, relay, binary, goodbye,
    )  # fmt: skip
