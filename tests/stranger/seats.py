"""Section 8: seats, bots, and matches that stand still."""

from hall import Hall

SPECTATOR = {"as": "spectator"}


class Seats(Hall):
    def table(self, *names, **more):
        """A table of tic_tac_toe with these players, and who watches, all having read everything."""
        sessions = [self.who(name) for name in names]
        room = self.made(sessions[0], "tic_tac_toe", **more)
        for number, session in enumerate(sessions[1:], 1):
            self.joined(session, room, *sessions[:number], **(SPECTATOR if number > 1 else {}))
        return [*sessions, room]

    def finished(self, room, x, o):
        """Plays a match to its end."""
        for player, row, col in ((x, 0, 0), (o, 1, 0), (x, 0, 1), (o, 1, 1), (x, 0, 2)):
            assert player.request("make_move", {"row": row, "col": col}, room)["success"]

    def read(self, room, *members):
        for member in members:
            self.news(member, room)

    def ready(self):
        ada, room = self.table("Ada")
        update = {"user_id": ada.user_id, "number": 1}
        for ready in (True, False, True):
            self.done(f"ready {ready}", ada, "ready", {"ready": ready}, room, {})
            self.told(f"ready {ready}", ada, room, ("member_updated", {**update, "ready": ready}))
            self.refused(f"ready {ready} again", ada, "ready", {"ready": ready}, room, "conflict")
        bob = self.who("Bob")
        joined = self.joined(bob, room)
        self.checks.equal("a match begins", joined["state"], "playing")
        news = [(m["type"], m["data"].get("ready")) for m in self.news(ada, room) if m["type"] == "member_updated"]
        self.checks.equal("ready flags are cleared when a match begins", news, [("member_updated", False)])
        members = self.done("members", bob, "get_participants", {}, room)["members"]
        self.checks.equal("nobody is ready", [m["ready"] for m in members], [False, False])
        self.refused("ready in a match", bob, "ready", {"ready": True}, room, "conflict")
        self.refused("not ready in a match", bob, "ready", {"ready": False}, room, "conflict")

    def choose(self):
        ada, room = self.table("Ada")
        for seat in (2, 65535):
            self.refused(f"seat {seat}", ada, "choose_seat", {"seat": seat}, room, "invalid_data")
        self.refused("the seat that one has", ada, "choose_seat", {"seat": 0}, room, "conflict")
        relay = self.made(ada, seats_max=4)
        self.refused("a seat that the room does not have", ada, "choose_seat", {"seat": 4}, relay, "invalid_data")
        self.done("a free seat", ada, "choose_seat", {"seat": 1}, room, {"seat": 1})
        told = [m["data"] for m in self.news(ada, room) if m["type"] == "member_updated"]
        self.checks.equal("a free seat is told", told, [{"user_id": ada.user_id, "number": 1, "seat": 1}])
        bob, eve = self.who("Bob"), self.who("Eve")
        self.checks.equal("the other seat", self.joined(bob, room, ada)["seat"], 0)
        self.joined(eve, room, ada, bob, **SPECTATOR)
        for player in (ada, bob):
            self.refused("a seat in a match", player, "choose_seat", {"seat": 0}, room, "conflict")
        self.finished(room, bob, ada)
        self.read(room, ada, bob, eve)

        self.done("another's seat", ada, "choose_seat", {"seat": 0}, room, {"seat": 1})
        for member in (ada, bob, eve):
            wish = {"user_id": ada.user_id, "wants_seat": 0}
            self.told("another's seat is wished for", member, room, ("member_updated", wish))
        self.refused("another's seat again", ada, "choose_seat", {"seat": 0}, room, "conflict")
        members = self.done("members", eve, "get_participants", {}, room)["members"]
        wishes = {m["user_id"]: m.get("wants_seat") for m in members}
        self.checks.equal("who wishes for what", wishes, {ada.user_id: 0, bob.user_id: None, eve.user_id: None})
        self.done("the wish is taken back", ada, "choose_seat", {"seat": 1}, room, {"seat": 1})
        for member in (ada, bob, eve):
            news = self.news(member, room)
            seen = [(m["type"], "wants_seat" in m["data"], m["data"].get("wants_seat")) for m in news]
            self.checks.equal("a wish that is taken back is told as null", seen, [("member_updated", True, None)])
        self.done("another's seat, once more", ada, "choose_seat", {"seat": 0}, room, {"seat": 1})
        self.done("theirs in turn", bob, "choose_seat", {"seat": 1}, room, {"seat": 1})
        for member in (ada, bob, eve):
            news = [m["data"] for m in self.news(member, room) if m["type"] == "member_updated" and "seat" in m["data"]]
            seats = {data["user_id"]: data["seat"] for data in news}
            self.checks.equal(f"they have swapped, to {member.username}", seats, {ada.user_id: 0, bob.user_id: 1})
        members = self.done("members", eve, "get_participants", {}, room)["members"]
        there = [(m["user_id"], m.get("seat"), m.get("wants_seat")) for m in members if m["role"] == "player"]
        self.checks.equal("the members say so", there, [(ada.user_id, 0, None), (bob.user_id, 1, None)])

    def queue(self):
        ada, bob, eve, fay, gus, room = self.table("Ada", "Bob", "Eve", "Fay", "Gus")
        everyone = (ada, bob, eve, fay, gus)

        def queued(name, *waiting):
            for member in everyone:
                self.told(name, member, room, ("room_updated", {"seat_queue": [who.user_id for who in waiting]}))

        self.refused("not in the queue", eve, "queue_for_seat", {"queued": False}, room, "conflict")
        self.done("the first", eve, "queue_for_seat", {"queued": True}, room, {"position": 0})
        queued("the first in the queue", eve)
        self.refused("the first again", eve, "queue_for_seat", {"queued": True}, room, "conflict")
        self.done("the second", fay, "queue_for_seat", {"queued": True}, room, {"position": 1})
        queued("the second in the queue", eve, fay)
        self.done("the third", gus, "queue_for_seat", {"queued": True}, room, {"position": 2})
        queued("the third in the queue", eve, fay, gus)
        self.done("one gives up", fay, "queue_for_seat", {"queued": False}, room, {"position": None})
        queued("one gave up", eve, gus)
        joined = self.joined(self.who("Hal"), room, *everyone, **SPECTATOR)
        self.checks.equal("the queue, to a newcomer", joined["seat_queue"], [eve.user_id, gus.user_id])
        self.read(room, *everyone)
        self.done("a player leaves", bob, "leave_room", {}, room)
        for member in (ada, eve, fay):
            news = [(m["type"], m["data"]) for m in self.news(member, room)]
            updates = [data for kind, data in news if kind == "member_updated"]
            expected = {"user_id": eve.user_id, "role": "player", "seat": 1}
            seen = [{key: data.get(key) for key in expected} for data in updates]
            self.checks.equal(f"the first is seated, to {member.username}", seen, [expected])
            lines = [(data["event"], data["user_id"]) for kind, data in news if kind == "system"]
            expected = [("left", bob.user_id), ("joined", eve.user_id)]
            self.checks.equal(f"the lines among what is said, to {member.username}", lines, expected)
            queue = [data["seat_queue"] for kind, data in news if kind == "room_updated" and "seat_queue" in data]
            self.checks.equal(f"and gone from the queue, to {member.username}", queue, [[gus.user_id]])
        self.refused("who is seated", eve, "queue_for_seat", {"queued": True}, room, "conflict")
        self.done("who is seated plays", ada, "make_move", {"row": 0, "col": 0}, room)
        self.done("who is seated plays, too", eve, "make_move", {"row": 1, "col": 1}, room)
        self.done("who waits leaves", gus, "leave_room", {}, room)
        queue = [m["data"]["seat_queue"] for m in self.news(ada, room) if "seat_queue" in m["data"]]
        self.checks.equal("nobody waits", queue, [[]])
        self.done("a free seat", eve, "leave_room", {}, room)
        self.read(room, ada, fay)
        self.done("nobody waits, and a seat is free", fay, "queue_for_seat", {"queued": True}, room, {"position": None})
        seat = [m["data"].get("seat") for m in self.news(fay, room) if m["type"] == "member_updated"]
        self.checks.equal("it is had at once", seat, [1])

    def bots(self):
        ada, room = self.table("Ada")
        relay = self.made(ada)
        self.refused("a bot in a game without", ada, "add_bot", {}, relay, "invalid_data")
        self.refused("no bot is there", ada, "remove_bot", {"seat": 0}, relay, "conflict")
        for kind in ("add_bot", "remove_bot"):
            self.refused(f"{kind} of no seat", ada, kind, {"seat": 2}, room, "invalid_data")
        self.refused("a bot in one's own seat", ada, "add_bot", {"seat": 0}, room, "conflict")
        for seat in (0, 1):
            self.refused(f"no bot in seat {seat}", ada, "remove_bot", {"seat": seat}, room, "conflict")
        bot = self.done("add_bot", ada, "add_bot", {}, room, {"seat": 1, "user_id": "bot-1"})["user_id"]
        entry = {"user_id": bot, "role": "player", "seat": 1, "bot": True, "connected": True}
        news = self.news(ada, room)
        self.checks.has("a bot comes in", news[0]["data"], entry)
        kinds = [m["type"] for m in news]
        self.checks.equal(
            "a bot comes in: what is told", kinds, ["client_joined", "system", "game_state", "room_updated"]
        )
        self.refused("no seat for another", ada, "add_bot", {}, room, "room_full")
        self.refused("no seat for another, by name", ada, "add_bot", {"seat": 1}, room, "conflict")
        for kind, data, code in (
            ("transfer_owner", {"user_id": bot}, "invalid_data"),
            ("update_room", {"seats_max": 1}, "invalid_data"),
        ):
            self.refused(f"{kind} with a bot", ada, kind, data, room, code)
        self.done("a move", ada, "make_move", {"row": 0, "col": 0}, room)
        state = ada.next(room, "game_state")["data"]
        while state["current_turn"] != ada.user_id:
            state = ada.next(room, "game_state")["data"]
        marks = sum(cell is not None for row in state["board"] for cell in row)
        self.checks.equal("the bot moves", (marks, state["players"]["O"]), (2, bot))
        self.read(room, ada)
        self.done("remove_bot", ada, "remove_bot", {"seat": 1}, room, {})
        kinds = [(m["type"], m["data"].get("user_id")) for m in self.news(ada, room)[:2]]
        self.checks.equal("a bot is gone", kinds, [("client_left", bot), ("system", bot)])
        self.refused("remove_bot again", ada, "remove_bot", {"seat": 1}, room, "conflict")
        self.done("a bot for a certain seat", ada, "add_bot", {"seat": 1}, room, {"seat": 1, "user_id": "bot-2"})
        self.refused("kick a bot that has gone", ada, "kick", {"user_id": bot}, room, "invalid_data")
        for kind, data in (("kick", {}), ("ban", {}), ("mute", {"muted": True})):
            self.refused(f"{kind} a bot", ada, kind, {"user_id": "bot-2", **data}, room, "invalid_data")
        self.done("remove_bot again", ada, "remove_bot", {"seat": 1}, room)
        self.done("another", ada, "add_bot", {}, room, {"seat": 1, "user_id": "bot-3"})
        self.outside("a seat that a bot has is taken", self.who("Bob"), {"room_id": room}, "room_full")
        self.done("the last human leaves", ada, "leave_room", {}, room)
        self.outside("bots keep no room", ada, {"room_id": room}, "room_not_found")

    def pause(self):
        ada, room = self.table("Ada")
        for kind in ("pause", "unpause"):
            self.refused(f"{kind} without a match", ada, kind, {}, room, "conflict")
        self.refused("vote without a match", ada, "vote", {"continue": True}, room, "conflict")
        bob, eve = self.who("Bob"), self.who("Eve")
        self.joined(bob, room, ada)
        self.refused("unpause of a match that goes on", ada, "unpause", {}, room, "conflict")
        self.done("pause", ada, "pause", {}, room, {})
        for member in (ada, bob):
            self.told("paused", member, room, ("room_updated", {"state": "paused"}))
        self.refused("pause again", ada, "pause", {}, room, "conflict")
        self.refused("a move while it is paused", ada, "make_move", {"row": 0, "col": 0}, room, "not_playing")
        self.refused("ready while it is paused", bob, "ready", {"ready": True}, room, "conflict")
        self.refused("a seat while it is paused", bob, "choose_seat", {"seat": 0}, room, "conflict")
        for player in (ada, bob):
            self.refused("vote while there is none", player, "vote", {"continue": False}, room, "conflict")
        self.checks.equal("paused, to a newcomer", self.joined(eve, room, ada, bob, **SPECTATOR)["state"], "paused")
        self.done("unpause", ada, "unpause", {}, room, {})
        for member in (ada, bob, eve):
            self.told("it goes on", member, room, ("room_updated", {"state": "playing"}))
        self.refused("unpause again", ada, "unpause", {}, room, "conflict")
        self.done("a move", ada, "make_move", {"row": 0, "col": 0}, room)
        self.done("bob moves", bob, "make_move", {"row": 1, "col": 0}, room)
        for player, row, col in ((ada, 0, 1), (bob, 1, 1), (ada, 0, 2)):
            player.request("make_move", {"row": row, "col": col}, room)
        self.refused("pause of a match that is over", ada, "pause", {}, room, "conflict")

    def races(self):
        """Of many who want the same at once, one has it."""
        ada, room = self.table("Ada")
        others = [self.who(f"R{number}", binary=number % 2 == 1) for number in range(12)]
        codes = self.at_once(others, "join_room", {"room_id": room})
        self.checks.equal("a seat", sorted(codes), ["", *["room_full"] * 11])
        hidden = self.made(ada, visibility="private")
        code = self.done("an invite", ada, "create_invite", {"uses": 1}, hidden)["code"]
        codes = self.at_once(others, "join_room", {"room_id": hidden, "invite": code})
        self.checks.equal("an invite that is good once", sorted(codes), ["", *["room_not_found"] * 11])
        (_host, other), bob = self.table("Ada"), self.who("Bob")
        invited = [bob, *others]
        codes = self.at_once(invited, "join_room", {"room_id": other, "as": "spectator"})
        self.checks.equal("places to watch from", codes, [""] * 13)
        codes = self.at_once(invited, "queue_for_seat", {"queued": True}, other)
        self.checks.equal("the queue", codes, [""] * 13)
        members = self.done("members", bob, "get_participants", {}, other)["members"]
        self.checks.equal("one of them is seated", [m["role"] for m in members].count("player"), 2)

    def at_once(self, sessions, kind, data, room=None):
        refs = [session.ask(kind, data, room) for session in sessions]
        results = [session.result(ref) for session, ref in zip(sessions, refs)]
        return [result.get("error", {}).get("code", "") for result in results]

    ALL = (ready, choose, queue, bots, pause, races)
