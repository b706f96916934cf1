"""Sections 7 and 8: what is known of a room, who comes in, who has to go, and who owns it."""

from basics import levels
from hall import Hall

SPECTATOR = {"as": "spectator"}
CODE = set("0123456789abcdefghjkmnpqrstvwxyz")


class Doors(Hall):
    def record(self):
        """`update_room`, as the members are told it, and those who come later, and the list."""
        ada, bob, checks = self.who("Ada"), self.who("Bob"), self.checks
        room = self.made(ada, seats_max=4)
        self.joined(bob, room, ada)
        watcher = self.who("Walt")
        watcher.request("subscribe_rooms", {"filter": [["name", "in", ["Finals", "Semifinals"]]]})
        for change, told in (
            ({"name": " Finals "}, {"name": "Finals"}),
            ({"locked": True}, {"locked": True}),
            ({"seats_max": 2}, {"seats_max": 2}),
            ({"password": "swordfish"}, {"has_password": True}),
            ({"password": "sardine"}, None),  # there is one still
            ({"name": "Finals", "locked": True, "seats_max": 2}, None),  # so already
            ({}, None),
            (
                {"password": "", "locked": False, "name": "Semifinals"},
                {"has_password": False, "locked": False, "name": "Semifinals"},
            ),
            ({"password": None}, None),
            ({"visibility": "unlisted"}, {"visibility": "unlisted"}),
            ({"visibility": "private"}, {"visibility": "private"}),
            ({"visibility": "public", "seats_max": 1024}, {"visibility": "public", "seats_max": 1024}),
        ):
            self.done(f"update_room {change}", ada, "update_room", change, room, {})
            for member in (ada, bob):
                news = self.news(member, room)
                seen = [(m["type"], m["data"]) for m in news]
                checks.equal(
                    f"update_room {change}, to {member.username}", seen, [("room_updated", told)] if told else []
                )
        eve = self.who("Eve")
        data = self.joined(eve, room, ada, bob)
        expected = {
            "name": "Semifinals",
            "locked": False,
            "has_password": False,
            "seats_max": 1024,
            "visibility": "public",
        }
        checks.has("update_room, to a newcomer", data, {**expected, "owner": ada.user_id, "created_by": ada.user_id})
        watcher.wait(lambda: watcher.rooms.get(room, {}).get("name") == "Semifinals", "the row")
        row = {"locked": False, "has_password": False, "seats_max": 1024, "name": "Semifinals"}
        watcher.wait(lambda: {key: watcher.rooms[room][key] for key in row} == row, "the whole row")
        checks.ok("update_room, in the list", True)
        for change, code in (
            ({"name": ""}, "invalid_name"),
            ({"name": "x" * 33}, "invalid_name"),
            ({"name": "a\u200bb"}, "invalid_name"),
            ({"password": "x" * 129}, "invalid_data"),
            ({"seats_max": 2}, "invalid_data"),  # three are taken
            ({"seats_max": 0}, "invalid_data"),
            ({"seats_max": 1025}, "invalid_data"),
            ({"locked": True, "name": "x" * 33}, "invalid_name"),
        ):
            self.refused(f"update_room {change}", ada, "update_room", change, room, code)
        if not self.binary:
            self.refused(
                "update_room of a visibility", ada, "update_room", {"visibility": "secret"}, room, "invalid_data"
            )
        self.done("a password of 128 bytes", ada, "update_room", {"password": "x" * 128}, room)
        self.told("what was refused changed nothing", bob, room, ("room_updated", {"has_password": True}))

    def data(self):
        """Data of rooms and members: who may read it, and how a change is told."""
        ada, bob, eve, checks = self.who("Ada"), self.who("Bob"), self.who("Eve"), self.checks
        first = {"level": "easy", "note": "for me", "colour": [1, {"a": None}]}
        room = self.made(ada, data=first, access={"note": "owner"})
        there = self.joined(bob, room, ada)["data"]
        checks.equal("data, to a member", there, {"level": "easy", "colour": [1, {"a": None}]})
        listed = ada.request("list_rooms", {"filter": [["data.level", "=", "easy"]], "limit": 500})["data"]["rooms"]
        row = [r["data"] for r in listed if r["room_id"] == room]
        checks.equal("data, in the list", row, [{"level": "easy"}])

        def told(name, member, kind, mark, data):
            message = member.next(room, kind, having="data")
            seen = (message.get("latest"), message["data"]["data"])
            checks.equal(f"{name}, to {member.username}", seen, (mark, data))
            return message["data"]

        self.done("the room's data", ada, "update_room", {"data": {"level": "hard"}}, room)
        for member in (ada, bob):
            told("a key of the room", member, "room_updated", "d.level", {"level": "hard"})
        self.done("a key that is gone", ada, "update_room", {"data": {"level": None}}, room)
        for member in (ada, bob):
            told("a key that is gone", member, "room_updated", "d.level", {"level": None})
        self.done("the owner's key", ada, "update_room", {"data": {"note": "changed"}}, room)
        told("the owner's key", ada, "room_updated", "d.note", {"note": "changed"})
        self.told("the owner's key", bob, room)
        self.done("a key for all", ada, "update_room", {"access": {"note": "members"}}, room)
        told("a key that may be read now", bob, "room_updated", "d.note", {"note": "changed"})
        self.done("a key for the owner", ada, "update_room", {"access": {"note": "owner"}}, room)
        told("a key that may be read no longer", bob, "room_updated", "d.note", {"note": None})

        self.done(
            "a member's data",
            bob,
            "set_member_data",
            {"data": {"color": "blue", "secret": 7}, "access": {"secret": "owner"}},
            room,
        )
        for member, expected in ((ada, {"color": "blue", "secret": 7}), (bob, {"color": "blue", "secret": 7})):
            for key in sorted(expected):
                data = told(f"a member's {key}", member, "member_updated", f"m2.{key}", {key: expected[key]})
                checks.has(f"a member's {key}, whose", data, {"user_id": bob.user_id, "number": 2})
        joined = self.joined(eve, room, ada, bob)
        (entry,) = (m for m in joined["members"] if m["user_id"] == bob.user_id)
        checks.equal("a member's data, to a newcomer", entry["data"], {"color": "blue"})
        self.done("the owner follows", ada, "transfer_owner", {"user_id": eve.user_id}, room)
        told("the owner's key, to the new one", eve, "room_updated", "d.note", {"note": "changed"})
        told("a member's key for the owner", eve, "member_updated", "m2.secret", {"secret": 7})
        self.done("and back", eve, "transfer_owner", {"user_id": ada.user_id}, room)

        full = {f"key {number}": number for number in range(32)}
        for name, key, data, access in (
            ("an empty key", "", {"": 1}, {}),
            ("a key of 65 bytes", "k" * 64, {"k" * 65: 1}, {}),  # at most 64 bytes of it are in the details
            ("a key with a control character", "a\nb", {"a\nb": 1}, {}),
            ("a value of 1025 bytes", "k", {"k": "x" * 1023}, {}),
            ("a key for the server", "k", {"k": 1}, {"k": "server"}),
            ("who may read a key that is not there", "k", {}, {"k": "public"}),
            ("33 keys", None, {**full, "one": "more"}, {}),
            ("33 levels", None, {"k": levels(33)}, {}),
        ):
            for kind in ("update_room", "set_member_data"):
                details = {} if key is None else {"key": key}
                self.refused(
                    f"{kind}: {name}", ada, kind, {"data": data, "access": access}, room, "invalid_data", **details
                )
            self.outside(
                f"create_room: {name}",
                ada,
                {"game": "relay", "data": data, "access": access},
                "invalid_data",
                "create_room",
                **details,
            )
        self.refused(
            "a key of lists",
            ada,
            "update_room",
            {"data": {"map": 1}, "access": {"map": "owner"}},
            room,
            "invalid_data",
            key="map",
        )
        self.refused(
            "one that is there", ada, "update_room", {"access": {"level": "members"}}, room, "invalid_data", key="level"
        )
        for member in (ada, bob, eve):
            self.news(member, room)
        self.done("a value of 1024 bytes", bob, "set_member_data", {"data": {"k": "x" * 1022}}, room)
        self.done("a key of 64 bytes", bob, "set_member_data", {"data": {"k" * 64: 1, "k": None}}, room)
        long = told("a value", ada, "member_updated", "m2.k", {"k": "x" * 1022}), ada.next(room, "member_updated")
        gone, cut = sorted((ada.next(room, "member_updated"), long[1]), key=lambda m: len(m["latest"]))
        checks.equal(
            "a long key is cut in `latest`",
            (len(cut["latest"].encode()) <= 64, cut["data"]["data"]),
            (True, {"k" * 64: 1}),
        )
        checks.equal("a key that is gone, of a member", gone["data"]["data"], {"k": None})
        self.done("32 levels", ada, "update_room", {"data": {"colour": levels(32)}}, room)
        self.done("32 keys", eve, "set_member_data", {"data": full}, room)

    def passwords(self):
        ada, bob, checks = self.who("Ada"), self.who("Bob"), self.checks
        room = self.made(ada, password="swordfish")
        row = [r for r in ada.request("list_rooms", {"limit": 500})["data"]["rooms"] if r["room_id"] == room]
        checks.equal("a password, in the list", row and row[0]["has_password"], True)
        self.outside("no password", bob, {"room_id": room}, "wrong_password")
        self.outside("an empty password", bob, {"room_id": room, "password": ""}, "wrong_password")
        self.outside("a password that is too long", bob, {"room_id": room, "password": "x" * 129}, "invalid_data")
        self.outside("a wrong password", bob, {"room_id": room, "password": "Swordfish"}, "wrong_password")
        data = self.joined(bob, room, ada, password="swordfish")
        checks.has("the password", data, {"has_password": True})
        self.done("out again", bob, "leave_room", {}, room)
        self.outside("a password is asked for again", bob, {"room_id": room, **SPECTATOR}, "wrong_password")
        self.done("another password", ada, "update_room", {"password": "sardine"}, room)
        self.outside("the former password", bob, {"room_id": room, "password": "swordfish"}, "wrong_password")
        self.joined(bob, room, ada, password="sardine", **SPECTATOR)
        self.done("no password any more", ada, "update_room", {"password": None}, room)
        self.joined(self.who("Eve"), room, ada)
        self.joined(self.who("Fay"), room, ada, password="whatever")

        eve = self.who("Eve")
        for where in (self.made(ada, password="swordfish"), "0000000000"):
            code = "wrong_password" if where != "0000000000" else "room_not_found"
            for number in range(5):
                self.outside(f"guess {number} at {where}", eve, {"room_id": where, "password": str(number)}, code)
            self.outside(f"guess 5 at {where}", eve, {"room_id": where, "password": "swordfish"}, "rate_limited")
        self.joined(self.who("Fay"), room, ada)
        long = {"game": "relay", "password": "x" * 129}
        self.outside("create_room with a long password", ada, long, "invalid_data", "create_room")

    def private(self):
        """Who has no invite finds out nothing; and invites have an end."""
        ada, bob, eve, checks = self.who("Ada"), self.who("Bob"), self.who("Eve"), self.checks
        eve.request("subscribe_rooms", {})
        hidden = self.made(ada, visibility="private", password="swordfish")
        unlisted = self.made(ada, visibility="unlisted")
        seen = self.made(ada)
        eve.wait(lambda: seen in eve.rooms, "the row of a public room")
        listed = {r["room_id"] for r in eve.request("list_rooms", {"limit": 500})["data"]["rooms"]}
        checks.equal("in no list", {hidden, unlisted} & (listed | eve.rooms.keys()), set())
        self.joined(bob, unlisted, ada)
        absent = eve.request("join_room", {"room_id": "0000000000", "password": "swordfish"})["error"]
        for more in (
            {},
            {"password": "wrong"},
            {"password": "swordfish"},
            {"invite": "0" * 20},
            {"invite": ""},
            SPECTATOR,
        ):
            result = eve.request("join_room", {"room_id": hidden, **more})
            checks.refused(f"a private room, with {more}", result, "room_not_found", "join_room")
            seen = result["error"]["message"].replace(hidden, "0000000000")
            checks.equal(f"a private room, with {more}: as if there were none", seen, absent["message"])

        def invite(**data):
            return self.done(f"create_invite {data}", ada, "create_invite", data, hidden)["code"]

        made = self.done(
            "create_invite", ada, "create_invite", {"uses": 1, "expires_ms": 30 * 24 * 3600 * 1000}, hidden
        )
        checks.ok("an invite's code", len(made["code"]) == 20 and set(made["code"]) <= CODE, made)
        ends = f"/#room={hidden}&invite={made['code']}"
        checks.ok("an invite's link", made["url"].startswith("http") and made["url"].endswith(ends), made)
        other = self.done("create_invite elsewhere", ada, "create_invite", {}, unlisted)["code"]
        self.outside("an invite to another room", eve, {"room_id": hidden, "invite": other}, "room_not_found")
        self.outside("a code of 65 bytes", eve, {"room_id": hidden, "invite": "x" * 65}, "invalid_data")
        self.joined(bob, hidden, ada, invite=made["code"].upper())
        self.outside("an invite that is used up", eve, {"room_id": hidden, "invite": made["code"]}, "room_not_found")
        self.done("bob leaves", bob, "leave_room", {}, hidden)
        self.outside(
            "an invite that is used up, by who used it",
            bob,
            {"room_id": hidden, "invite": made["code"]},
            "room_not_found",
        )
        short = invite(expires_ms=1)
        self.clock(ada, 3)
        self.outside("an invite that has expired", eve, {"room_id": hidden, "invite": short}, "room_not_found")
        for data in ({"uses": 0}, {"uses": 1001}, {"expires_ms": 0}, {"expires_ms": 30 * 24 * 3600 * 1000 + 1}):
            self.refused(f"create_invite {data}", ada, "create_invite", data, hidden, "invalid_data")
        code, guests = invite(), [self.who("Gus"), self.who("Gil")]
        for guest in guests:
            self.joined(guest, hidden, ada, invite=code, **SPECTATOR)
        first = invite()
        for _ in range(32):
            invite()
        self.outside("the oldest of 33 invites", eve, {"room_id": hidden, "invite": first}, "room_not_found")
        self.done("the room is locked", ada, "update_room", {"locked": True}, hidden)
        self.outside(
            "an invite to a locked room", eve, {"room_id": hidden, "invite": invite()}, "room_locked", reason="locked"
        )
        self.outside("no invite to a locked room", eve, {"room_id": hidden}, "room_not_found")

    def locked(self):
        ada, bob, eve = self.who("Ada"), self.who("Bob"), self.who("Eve")
        room = self.made(ada, "tic_tac_toe", owner_policy="manual", password="swordfish")
        self.joined(bob, room, ada, password="swordfish")
        self.done("lock", ada, "update_room", {"locked": True}, room)
        for more in ({}, SPECTATOR, {"password": "swordfish"}, {"password": "wrong"}):
            self.outside(f"a locked room, with {more}", eve, {"room_id": room, **more}, "room_locked", reason="locked")
        self.outside("a locked room, twice", bob, {"room_id": room}, "already_in_room")
        self.done("the owner leaves", ada, "leave_room", {}, room)
        self.joined(ada, room, bob)
        self.checks.ok("the owner comes back through all of it", True)
        self.done("a player leaves", bob, "leave_room", {}, room)
        self.outside(
            "who has left is a stranger",
            bob,
            {"room_id": room, "password": "swordfish"},
            "room_locked",
            reason="locked",
        )
        self.done("unlock", ada, "update_room", {"locked": False, "password": ""}, room)
        self.joined(bob, room, ada)
        self.outside("the room is full", eve, {"room_id": room}, "room_full")

    ALL = (record, data, passwords, private, locked)
