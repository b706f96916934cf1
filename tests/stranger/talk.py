"""Section 8: chat, what others see of what one does, and who only watches."""

from hall import Hall

SPECTATOR = {"as": "spectator"}


class Talk(Hall):
    def pair(self, **more):
        ada, bob = self.who("Ada"), self.who("Bob")
        room = self.made(ada, **more)
        self.joined(bob, room, ada)
        return ada, bob, room

    def say(self, session, room, text):
        return self.done("chat", session, "chat", {"text": text}, room)["message_id"]

    def texts(self):
        ada, bob, room = self.pair()
        last = 0
        for name, text, said in (
            ("a text", "Hello", "Hello"),
            ("it is trimmed", " \n Hello\t ", "Hello"),
            ("it is put into NFC", "Zoe\u0308", "Zoë"),
            ("it is no HTML", "<b>&amp;</b>", "<b>&amp;</b>"),
            ("an emoji of several characters", "👩‍👩‍👧 🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👩‍👩‍👧 🏴󠁧󠁢󠁳󠁣󠁴󠁿"),
            ("20 line breaks", "\n".join("x" * 21), "\n".join("x" * 21)),
            ("line breaks of two characters", "a\r\nb", "a\nb"),
            ("4 marks on a character", "q" + "\u0323\u0324\u0325\u0326", None),
            ("2000 bytes", "ü" * 1000, "ü" * 1000),
            ("from right to left", "שלום", "שלום"),
        ):
            message_id = self.say(ada, room, text)
            self.checks.ok(f"{name}: the id rises", message_id.isdigit() and int(message_id) > last, message_id)
            last = int(message_id)
            expected = {
                "message_id": message_id,
                "user_id": ada.user_id,
                "username": "Ada",
                "edited": False,
                "deleted": None,
            }
            for member in (ada, bob):
                news = self.news(member, room)
                self.checks.equal(f"{name}: one message, to {member.username}", [m["type"] for m in news], ["chat"])
                self.checks.has(
                    f"{name}, to {member.username}", news[0]["data"], {**expected, **({"text": said} if said else {})}
                )
                self.checks.ok(f"{name}: no newest value", "latest" not in news[0], news)
        for name, text in (
            ("nothing", ""),
            ("white space", " \t\n\u3000"),
            ("what cannot be seen", "\u200b\u2060"),
            ("2001 bytes", "x" * 2001),
            ("much more", "x" * 20000),
            ("21 line breaks", "\n".join("x" * 22)),
            ("a control character", "a\x07b"),
            ("a null", "a\0b"),
            ("a tab", "a\tb"),
            ("a separator of lines", "a\u2028b"),
            ("an escape", "\x1b[31mred"),
            ("a C1 control", "a\x9bb"),
            ("an override of direction", "a\u202eb"),
            ("an isolate", "a\u2067b"),
            ("a mark of direction", "a\u200fb"),
            ("5 marks on a character", "q" + "\u0323\u0324\u0325\u0326\u0329"),
        ):
            self.refused(name, ada, "chat", {"text": text}, room, "invalid_data")
            self.refused(
                f"{name}, edited", ada, "chat_edit", {"message_id": str(last), "text": text}, room, "invalid_data"
            )
        self.told("what cannot be said", bob, room)

    def changes(self):
        ada, bob, room = self.pair()
        eve = self.who("Eve")
        self.joined(eve, room, ada, bob, **SPECTATOR)
        hers, his, watchers = (self.say(who, room, f"{who.username} was here") for who in (ada, bob, eve))
        everyone = (ada, bob, eve)
        for member in everyone:
            self.news(member, room)

        def heard(name, **entry):
            for member in everyone:
                self.told(name, member, room, ("chat", {"deleted": None, **entry}))

        self.done("an edit", bob, "chat_edit", {"message_id": his, "text": " Bob is here "}, room, {})
        heard("an edit", message_id=his, user_id=bob.user_id, text="Bob is here", edited=True)
        self.done("an edit of who watches", eve, "chat_edit", {"message_id": watchers, "text": "Eve is here"}, room)
        heard("an edit of who watches", message_id=watchers, text="Eve is here", edited=True)
        for member, message_id in ((bob, hers), (eve, his), (ada, his)):
            edit = {"message_id": message_id, "text": "No"}
            self.refused(f"{member.username} edits another's", member, "chat_edit", edit, room, "not_owner")
        for member, message_id in ((bob, hers), (eve, his)):
            self.refused(
                f"{member.username} deletes another's",
                member,
                "chat_delete",
                {"message_id": message_id},
                room,
                "not_owner",
            )
        for message_id in ("0", "4", str(2**64 - 1)):
            self.refused(
                f"an edit of {message_id}",
                ada,
                "chat_edit",
                {"message_id": message_id, "text": "No"},
                room,
                "invalid_data",
            )
            self.refused(
                f"{message_id} is deleted", ada, "chat_delete", {"message_id": message_id}, room, "invalid_data"
            )
        self.done("the author deletes", bob, "chat_delete", {"message_id": his}, room, {})
        heard("the author deletes", message_id=his, user_id=bob.user_id, text="", deleted=True)
        self.done("the owner deletes", ada, "chat_delete", {"message_id": watchers}, room)
        heard("the owner deletes", message_id=watchers, user_id=eve.user_id, text="", deleted=True)
        self.refused("deleted again", bob, "chat_delete", {"message_id": his}, room, "conflict")
        self.refused(
            "an edit of what is deleted", bob, "chat_edit", {"message_id": his, "text": "No"}, room, "conflict"
        )
        page = self.done("the history", eve, "chat_history", {}, room)
        seen = [(m["message_id"], m["text"], m["edited"], m.get("deleted", False)) for m in page["messages"]]
        expected = [(hers, "Ada was here", False, False), (his, "", True, True), (watchers, "", True, True)]
        self.checks.equal("the history says so", (seen, page.get("next")), (expected, None))

    def history(self):
        ada, bob, room = self.pair()
        page = self.done("nothing was said", bob, "chat_history", {}, room)
        self.checks.equal("nothing was said", (page["messages"], page.get("next")), ([], None))
        ids = [self.say(ada, room, str(number)) for number in range(120)]
        joined = self.joined(self.who("Eve"), room, ada, bob)
        self.checks.equal("the last 20, to a newcomer", [m["message_id"] for m in joined["chat"]], ids[-20:])
        for limit in (0, 101, 65535):
            self.refused(f"{limit} messages", bob, "chat_history", {"limit": limit}, room, "invalid_data")
        for data, there, following in (
            ({}, ids[70:], ids[70]),
            ({"limit": 100}, ids[20:], ids[20]),
            ({"limit": 1, "before": ids[1]}, ids[:1], None),
            ({"before": ids[0]}, [], None),
            ({"before": "0"}, [], None),
            ({"before": str(2**64 - 1), "limit": 2}, ids[118:], ids[118]),
        ):
            page = self.done(f"chat_history {data}", bob, "chat_history", data, room)
            seen = ([m["message_id"] for m in page["messages"]], page.get("next"))
            self.checks.equal(f"chat_history {data}", seen, (there, following))
        read, before = [], {}
        while before is not None:
            page = self.done("page by page", bob, "chat_history", {"limit": 50, **before}, room)
            read = [m["message_id"] for m in page["messages"]] + read
            before = page.get("next") and {"before": page["next"]}
        self.checks.equal("page by page", read, ids)
        entry = page["messages"][0]
        self.checks.has("an entry", entry, {"user_id": ada.user_id, "username": "Ada", "text": "0", "edited": False})

    def presence(self):
        ada, bob, room = self.pair()
        number = {"user_id": bob.user_id, "number": 2}

        def seen(name, **expected):
            for member in (ada, bob):
                message = member.next(room, "presence")
                told = (message.get("latest"), message["data"])
                self.checks.equal(f"{name}, to {member.username}", told, ("p2", {**number, **expected}))

        self.done("typing", bob, "presence", {"typing": True}, room, {})
        seen("typing", typing=True, away=False)
        self.done("away", bob, "presence", {"away": True}, room)
        seen("typing, and away", typing=True, away=True)
        members = self.done("members", ada, "get_participants", {}, room)["members"]
        flags = [(m.get("typing", False), m.get("away", False)) for m in members]
        self.checks.equal("the members say so", flags, [(False, False), (True, True)])
        self.done("back", bob, "presence", {"typing": True, "away": False}, room)
        seen("back", typing=True, away=False)
        self.say(bob, room, "There")
        seen("typing is over when it is said", typing=False, away=False)
        self.done("nothing", bob, "presence", {}, room)
        self.done("so already", bob, "presence", {"typing": False, "away": False}, room)
        for member in (ada, bob):
            self.checks.equal("nothing is told of nothing", [m["type"] for m in self.news(member, room)], ["chat"])

    def watching(self):
        """The first 100 are listed by name, and the others are a number."""
        ada, _bob, room = self.pair()
        watchers = [self.who(f"W{number}") for number in range(102)]
        for number, watcher in enumerate(watchers):
            joined = self.joined(watcher, room, **SPECTATOR)
        seen = (len(joined["members"]), joined["spectators"], joined.get("seat"), joined["role"])
        self.checks.equal("to the 102nd who watches", seen, (102, 102, None, "spectator"))
        while ada.next(room, "room_updated", having="spectators")["data"]["spectators"] != 102:
            pass
        self.checks.ok("the number is told", True)
        names = [m["data"]["username"] for m in self.news(ada, room) if m["type"] == "client_joined"]
        self.checks.equal("100 are told by name", names, [f"W{number}" for number in range(100)])
        unlisted, listed = watchers[100], watchers[0]
        self.done("one beyond says something", unlisted, "chat", {"text": "Hello"}, room)
        self.told("one beyond says something", ada, room, ("chat", {"username": "W100"}))
        for gone in (unlisted, watchers[101], listed):
            self.done(f"{gone.username} leaves", gone, "leave_room", {}, room)
        while ada.next(room, "room_updated", having="spectators")["data"]["spectators"] != 99:
            pass
        left = {"user_id": listed.user_id, "username": "W0", "reason": "left"}
        self.told("who is listed leaves by name, others as a number", ada, room, ("client_left", left))
        participants = self.done("participants", ada, "get_participants", {}, room)
        self.checks.equal("participants", (len(participants["members"]), participants["spectators"]), (101, 99))
        listed.request("join_room", {"room_id": room, **SPECTATOR})
        again = [(m["type"], m["data"]["username"]) for m in self.news(ada, room)]
        self.checks.equal("there is a place in the list again", again, [("client_joined", "W0")])
        unlisted.request("join_room", {"room_id": room, **SPECTATOR})
        self.told("and then no more", ada, room)
        watchers[1].drop()
        left = ada.next(room, "client_left")["data"]
        self.checks.has(
            "who is listed is lost by name", left, {"user_id": watchers[1].user_id, "reason": "disconnected"}
        )

    def delay(self):
        """Those who watch are behind, in all that they get."""
        ada, bob, room = self.pair(spectator_delay_ms=300000)
        self.say(ada, room, "Eve must not hear this")
        eve = self.who("Eve")
        joined = self.joined(eve, room, ada, bob, **SPECTATOR)
        self.checks.equal("behind: the chat", (joined["chat"], joined["spectator_delay_ms"]), ([], 300000))
        self.done("a push", bob, "send", {"payload": "a secret"}, room)
        self.done("a name", ada, "update_room", {"name": "A secret"}, room)
        self.done("somebody goes", bob, "leave_room", {}, room)
        self.told("behind: nothing of now", eve, room)
        page = self.done("behind: chat_history", eve, "chat_history", {}, room)
        self.checks.equal("behind: chat_history", page["messages"], [])
        participants = self.done("behind: participants", eve, "get_participants", {}, room)
        now = self.done("participants", ada, "get_participants", {}, room)
        self.checks.ok(
            "behind: participants are not those of now", participants["members"] != now["members"], participants
        )

        room = self.made(ada, spectator_delay_ms=400)
        eve = self.who("Eve")
        self.joined(eve, room, **SPECTATOR)
        self.say(ada, room, "Hello")
        said = ada.request("ping")["data"]["server_time_ms"]
        heard = eve.next(room, "chat")
        now = eve.request("ping")["data"]["server_time_ms"]
        self.checks.equal("a little behind: it comes", heard["data"]["text"], "Hello")
        self.checks.ok("a little behind: and not before", now - heard["data"]["at_ms"] >= 400, (said, now, heard))

    ALL = (texts, changes, history, presence, watching, delay)
