"""Section 7: how rooms are made, found and listed, and when they close by themselves."""

import http.client
import json

from hall import Hall
from websocket import TIMEOUT

SPECTATOR = {"as": "spectator"}


class Listing(Hall):
    def games(self):
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        connection.request("GET", "/api/games")
        response = connection.getresponse()
        games = json.loads(response.read())["games"]
        self.checks.equal("GET /api/games", response.status, 200)
        games = {game["game"]: game for game in games}
        for name, seats, bots in (
            ("relay", {"min": 1, "max": 1024, "teams": 1}, False),
            ("tic_tac_toe", {"min": 2, "max": 2, "teams": 1}, True),
        ):
            expected = {"seats": seats, "bots": bots, "spectators": True, "start": "game"}
            self.checks.has(f"GET /api/games: {name}", games.get(name, {}), expected)
            self.checks.ok(
                f"GET /api/games: the rest of {name}",
                {"version", "durable", "searchable", "options"} <= games[name].keys(),
                games[name],
            )
        self.checks.ok(
            "GET /api/games: a schema", "members_max" in games["relay"]["options"]["properties"], games["relay"]
        )
        return games

    def made_so(self):
        """All that `create_room` takes."""
        ada = self.who("Ada")
        more = {
            "name": "Practice",
            "visibility": "unlisted",
            "password": "swordfish",
            "seats_max": 4,
            "options": {"members_max": 8},
        }
        more |= {
            "data": {"level": "easy"},
            "access": {"level": "public"},
            "spectator_delay_ms": 30000,
            "owner_policy": "manual",
        }
        made = ada.request(
            "create_room",
            {"game": "relay", **more, "idle_ttl_ms": 600000, "lifetime_max_ms": 600000, "empty_ttl_ms": 0},
        )
        expected = {
            "name": "Practice",
            "visibility": "unlisted",
            "has_password": True,
            "seats_max": 4,
            "spectator_delay_ms": 30000,
        }
        expected |= {
            "data": {"level": "easy"},
            "owner": ada.user_id,
            "created_by": ada.user_id,
            "state": "playing",
            "durable": False,
        }
        self.checks.has("create_room, with everything", made["data"], expected)
        for data, code in (
            ({"name": ""}, "invalid_name"),
            ({"name": "x" * 33}, "invalid_name"),
            ({"seats_max": 0}, "invalid_data"),
            ({"seats_max": 1025}, "invalid_data"),
            ({"seats_max": 9, "options": {"members_max": 8}}, "invalid_data"),
            ({"game": "tic_tac_toe", "seats_max": 1}, "invalid_data"),
            ({"password": "x" * 129}, "invalid_data"),
            ({"spectator_delay_ms": 300001}, "invalid_data"),
            ({"empty_ttl_ms": 3600001}, "invalid_data"),
            ({"options": {"members_max": 0}}, "invalid_options"),
            ({"options": {"flush": "tick", "tick_ms": 1001}}, "invalid_options"),
            ({"game": "no_such_game", "name": "x" * 33}, "game_not_found"),
        ):
            self.outside(f"create_room {data}", ada, {"game": "relay", **data}, code, "create_room")
        if not self.binary:
            for data in (
                {"visibility": "secret"},
                {"owner_policy": "me"},
                {"seats_max": "4"},
                {"seats_max": -1},
                {"seats_max": 65536},
                {"password": 5},
                {"data": []},
                {"access": {"k": "nobody"}},
                {"spectator_delay_ms": 1.5},
                {"durable": "yes"},
                {"idle_ttl_ms": -1},
                {"lifetime_max_ms": "1"},
                {"empty_ttl_ms": True},
                {"name": 5},
                {"options": []},
            ):
                code = "invalid_options" if "options" in data else "invalid_data"
                self.outside(f"create_room {data}", ada, {"game": "relay", **data}, code, "create_room")
            for data in (
                {"quick": "yes"},
                {"password": 5},
                {"invite": 5},
                {"filter": "x", "quick": True},
                {"room_id": 5},
                {"as": 1},
            ):
                self.outside(f"join_room {data}", ada, {"game": "relay", **data}, "invalid_data")
        games = self.games()
        if games["relay"]["durable"] == "never":
            self.outside(
                "a room that lasts, without a store",
                ada,
                {"game": "relay", "durable": True},
                "invalid_options",
                "create_room",
            )
        self.checks.equal(
            "and one that does not", ada.request("create_room", {"game": "relay", "durable": False})["success"], True
        )

    def filters(self):
        ada, bob = self.who("Ada"), self.who("Bob")
        mine = [["name", "=", f"Room of {ada.user_id[-10:]}"]]
        name = mine[0][2]
        easy = self.made(ada, name=name, data={"level": "easy", "map": 3})
        hard = self.made(ada, name=name, data={"level": "hard"}, seats_max=1)
        table = self.made(ada, "tic_tac_toe", name=name, password="swordfish")
        self.joined(bob, easy, ada)
        self.joined(bob, table, ada, password="swordfish")

        def found(*parts, **more):
            result = bob.request("list_rooms", {"filter": [*mine, *parts], **more})
            assert result["success"], result
            return [room["room_id"] for room in result["data"]["rooms"]]

        for parts, rooms in (
            ([], {easy, hard, table}),
            ([["game", "=", "relay"]], {easy, hard}),
            ([["game", "!=", "relay"]], {table}),
            ([["state", "in", ["playing", "finished"]]], {easy, hard, table}),
            ([["state", "=", "waiting"]], set()),
            ([["free_seats", ">", 0]], {easy}),
            ([["free_seats", "<=", 0]], {hard, table}),
            ([["players", ">=", 2]], {easy, table}),
            ([["players", "<", 2.5], ["players", ">", 1.5]], {easy, table}),
            ([["has_password", "=", True]], {table}),
            ([["has_password", "!=", True], ["locked", "=", False]], {easy, hard}),
            ([["durable", "in", [False]]], {easy, hard, table}),
            ([["data.level", "=", "easy"]], {easy}),
            ([["data.level", "!=", "easy"]], {hard, table}),
            ([["data.level", "=", None]], {table}),
            ([["data.map", ">", 2]], {easy}),
            ([["data.map", ">", "2"]], set()),
            ([["data.map", "=", "3"]], set()),
            ([["data.level", ">", "f"]], {hard}),
            ([["data.map", "in", [3, None]]], {easy, hard, table}),
            ([["created_at_ms", ">", 0]], {easy, hard, table}),
            ([["name", "in", []]], set()),
        ):
            self.checks.equal(f"filter {parts}", set(found(*parts)), rooms)
        self.checks.equal("the game beside the filter", set(found(game="tic_tac_toe")), {table})
        for sort, expected in (("-players", {easy, table}), ("players", {hard})):
            self.checks.ok(f"sort {sort}", found(sort=sort)[0] in expected, found(sort=sort))
        self.checks.equal("sort free_seats", found(sort="-free_seats")[0], easy)
        for parts, position in (
            ([["shoe_size", "=", 1]], 0),
            ([["players", "=", 1], ["players", "~", 1]], 1),
            ([["players", "=", "1"]], 0),
            ([["players", "in", 1]], 0),
            ([["players", "in", list(range(33))]], 0),
            ([["game", "=", 5]], 0),
            ([["has_password", ">", False]], 0),
            ([["has_password", "=", "yes"]], 0),
            ([["data.shoe_size", "=", 1]], 0),
            ([["data.level", "=", {}]], 0),
            ([["players", "="]], 0),
            ([["players", "=", 1, 2]], 0),
            ([["players", "=", 1], 5], 1),
            ([[1, "=", 1]], 0),
            ([["players", "=", 1]] * 9, 8),
        ):
            for kind in ("list_rooms", "subscribe_rooms"):
                result = bob.request(kind, {"filter": parts})
                self.checks.refused(f"{kind}, filter {parts}", result, "invalid_data", kind)
                details = result.get("error", {}).get("details") or {}
                seen = (details.get("position"), isinstance(details.get("reason"), str))
                self.checks.equal(f"{kind}, filter {parts}: which part", seen, (position, True))
        for what, filter in (
            ("no list", {"a": 1}),
            ("a string", "players"),
            ("2049 bytes", [["name", "=", "x" * 2040]]),
        ):
            self.outside(f"a filter that is {what}", bob, {"filter": filter}, "invalid_data", "list_rooms")
            self.outside(
                f"quick, a filter that is {what}",
                bob,
                {"game": "relay", "quick": True, "filter": filter},
                "invalid_data",
            )
        self.outside("a sort by nothing", bob, {"sort": "shoe_size"}, "invalid_data", "list_rooms")
        for limit in (0, 501):
            self.outside(f"limit {limit}", bob, {"limit": limit}, "invalid_data", "list_rooms")
        for cursor in ("", "x", "x" * 2000):
            self.outside(f"cursor {cursor[:3]!r}", bob, {"cursor": cursor}, "invalid_data", "list_rooms")
        self.checks.equal("a subscription that was refused", bob.rooms, {})

        eve = self.who("Eve")
        quick = eve.request(
            "join_room", {"game": "relay", "quick": True, "filter": [*mine, ["data.level", "=", "easy"]]}
        )
        self.checks.equal("quick, with a filter", quick["room_id"], easy)

    def pages(self):
        ada, eve = self.who("Ada"), self.who("Eve")
        name = f"Page of {ada.user_id[-10:]}"
        rooms = [self.made(ada, name=name) for _ in range(7)]
        for sort in (None, "name", "-created_at_ms", "created_at_ms"):
            seen, cursor, pages = [], {}, 0
            while cursor is not None:
                data = {"filter": [["name", "=", name]], "limit": 3, **({"sort": sort} if sort else {}), **cursor}
                page = eve.request("list_rooms", data)["data"]
                seen += [room["room_id"] for room in page["rooms"]]
                cursor, pages = page.get("next") and {"cursor": page["next"]}, pages + 1
                self.checks.equal(f"a page sorted by {sort}: total", page["total"], 7)
            self.checks.equal(f"pages sorted by {sort}", (sorted(seen), pages), (sorted(rooms), 3))
        first = eve.request("list_rooms", {"filter": [["name", "=", name]], "limit": 3})["data"]
        other = {"filter": [["name", "=", name]], "sort": "name", "limit": 3, "cursor": first["next"]}
        self.outside("the cursor of another question", eve, other, "invalid_data", "list_rooms")
        ada.request("leave_room", room=rooms[0])
        after = eve.request("list_rooms", {"filter": [["name", "=", name]], "limit": 3, "cursor": first["next"]})[
            "data"
        ]
        seen = {room["room_id"] for room in (*first["rooms"], *after["rooms"])}
        self.checks.equal(
            "a room that went makes no page repeat others", len(seen), len(first["rooms"]) + len(after["rooms"])
        )

    def subscription(self):
        ada, eve = self.who("Ada"), self.who("Eve")
        name = f"Told to {eve.user_id[-10:]}"
        eve.request("subscribe_rooms", {"game": "relay", "filter": [["name", "=", name], ["free_seats", ">", 0]]})
        self.checks.equal("a filter that nothing passes", eve.rooms, {})
        room, other = self.made(ada, name=name, seats_max=2), self.made(ada)
        eve.wait(lambda: room in eve.rooms, "the row")
        self.checks.has("a room that passes", eve.rooms[room], {"name": name, "players": 1, "seats_max": 2})
        bob = self.who("Bob")
        self.joined(bob, room, ada)
        eve.wait(lambda: room not in eve.rooms, "its end")
        self.checks.ok("a room that passes no longer is removed", True)
        self.done("a seat is free", bob, "leave_room", {}, room)
        eve.wait(lambda: room in eve.rooms, "the row again")
        self.done("hidden", ada, "update_room", {"visibility": "unlisted"}, room)
        eve.wait(lambda: room not in eve.rooms, "its end")
        self.done("public", ada, "update_room", {"visibility": "public"}, room)
        eve.wait(lambda: room in eve.rooms, "the row again")
        self.done("locked", ada, "update_room", {"locked": True}, room)
        eve.wait(lambda: eve.rooms[room]["locked"], "locked")
        changes = [m for m in eve.log if m["type"] == "rooms_changed"]
        told = {r["room_id"] for m in changes for r in m["data"]["added"] + m["data"]["updated"]}
        self.checks.equal("nothing is told of other rooms", (told, other in told), ({room}, False))

    def lifetimes(self):
        ada, bob = self.who("Ada"), self.who("Bob")
        idle, expired = (
            ada.request("create_room", {"game": "relay", **more})["room_id"]
            for more in ({"idle_ttl_ms": 500}, {"lifetime_max_ms": 500})
        )
        kept = self.made(ada, empty_ttl_ms=60000, owner_policy="none")
        for room, reason in ((idle, "idle"), (expired, "expired")):
            self.closed(reason, ada, room, reason)
            self.outside(f"{reason}: it is gone", bob, {"room_id": room}, "room_not_found")
        self.done("everybody leaves", ada, "leave_room", {}, kept)
        listed = bob.request("list_rooms", {"limit": 500})["data"]["rooms"]
        self.checks.ok("an empty room is not listed", kept not in [r["room_id"] for r in listed])
        self.joined(bob, kept)
        self.checks.ok("an empty room that stays", True)
        gone = self.made(ada)
        self.done("everybody leaves another", ada, "leave_room", {}, gone)
        self.outside("an empty room that does not", bob, {"room_id": gone}, "room_not_found")

    def waiting(self):
        """What waits for the one before is bounded."""
        ada = self.who("Ada")
        # The first four take a while, since a password has to be tried.
        guesses = [{"room_id": f"000000000{number}", "password": "swordfish"} for number in range(4)]
        joins = enumerate(guesses + [{"room_id": "0000000000"}] * 100)
        ada.batch([{"type": "join_room", "ref": f"join {number}", "data": data} for number, data in joins])
        codes = [ada.result(f"join {number}")["error"]["code"] for number in range(104)]
        self.checks.equal("joins that wait", set(codes), {"room_not_found", "busy"})
        self.checks.ok("joins that wait: 64 of them", codes[:64] == ["room_not_found"] * 64, codes)

    def limit(self):
        ada = self.who("Ada")
        rooms = [self.made(ada) for _ in range(ada.accepted["limits"]["rooms_max"])]
        self.outside("one room more", ada, {"game": "relay"}, "limit_reached", "create_room")
        self.outside("one room more, by joining", ada, {"room_id": self.made(self.who("Bob"))}, "limit_reached")
        self.done("one less", ada, "leave_room", {}, rooms[0])
        self.checks.equal("and one more", ada.request("create_room", {"game": "relay"})["success"], True)

    ALL = (made_so, filters, pages, subscription, lifetimes, waiting, limit)
