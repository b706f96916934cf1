"""Sections 8 and 11: whoever keeps a room as its messages say has what a snapshot says."""

from chapter import Chapter


class Kept:
    """A room, from the answer to the join on, as a program keeps it."""

    def __init__(self, joined):
        self.room = dict(joined)
        self.members = {member["user_id"]: dict(member) for member in self.room.pop("members")}

    def take(self, message):
        kind, data = message["type"], message["data"]
        if kind == "client_joined":
            self.members[data["user_id"]] = dict(data)
        elif kind == "client_left":
            self.members.pop(data["user_id"])
        elif kind in ("client_disconnected", "client_reconnected"):
            self.members[data["user_id"]]["connected"] = kind == "client_reconnected"
        elif kind == "game_state":
            self.room["view"] = data
        elif kind == "room_updated":
            self.change(self.room, data)
        elif kind in ("member_updated", "presence"):
            member = self.members.get(data["user_id"])
            if member and member["number"] == data["number"]:
                self.change(member, data)
        elif kind == "chat":
            said = {entry["message_id"]: entry for entry in self.room["chat"]}
            said[data["message_id"]] = data
            self.room["chat"] = list(said.values())[-20:]
        else:
            assert kind == "system", message

    @staticmethod
    def change(of, data):
        for key, value in data.items():
            if key == "data":
                changed = {**of["data"], **value}
                of["data"] = {key: value for key, value in changed.items() if value is not None}
            else:
                of[key] = value

    def compared(self):
        return compared({**self.room, "members": list(self.members.values())})


def compared(room):
    """Without what depends on who listens where, and what is as good as not there."""

    def there(of):
        return {key: value for key, value in of.items() if value is not None and value is not False}

    members = sorted((there(member) for member in room["members"]), key=lambda member: member["number"])
    return {**there(room), "members": members, "seat": None, "role": None, "lane": None}


class Whole(Chapter):
    def everything(self):
        checks, rae = self.checks, self.rae()
        ada, bob, eve = (self.pat(name) for name in ("Ada", "Bob", "Eve"))
        made = ada.request("create_room", {"game": "tic_tac_toe", "data": {"level": "easy", "gone": 1}})
        room = made["data"]["room_id"]
        watch = {"room_id": room, "as": "spectator"}
        for session, data in ((bob, {"room_id": room}), (eve, watch)):
            assert session.request("join_room", data)["success"]
        kept = Kept(rae.request("join_room", watch)["data"])
        steps = 0

        def follows(name):
            """Takes what has come; then a snapshot says the same."""
            nonlocal steps
            steps += 1

            def is_current():
                while rae.lanes[room]:
                    kept.take(rae.lanes[room].popleft())
                there = rae.request("get_participants", {}, room)["data"]
                seen = compared({**kept.room, **there})
                return seen == kept.compared() and not rae.lanes[room]

            rae.wait(is_current, f"what is told of {name}")  # newest values may take a moment
            rae.drop()
            rae.reconnect(fresh=True)
            snapshot = rae.next(room, "join_room_result")["data"]
            while rae.lanes[room]:
                kept.take(rae.lanes[room].popleft())
            told, says = kept.compared(), compared(snapshot)
            differs = {
                key: (told.get(key), says.get(key))
                for key in told.keys() | says.keys()
                if told.get(key) != says.get(key)
            }
            checks.equal(f"{name}: the snapshot says what was told", differs, {})

        def done(session, kind, data):
            result = session.request(kind, data, room)
            assert result["success"], result
            return result["data"]

        follows("a match that has begun")
        done(ada, "update_room", {"name": "Finals", "locked": True, "password": "swordfish", "visibility": "unlisted"})
        done(ada, "update_room", {"data": {"level": "hard", "gone": None, "map": {"x": 1}}})
        done(ada, "mute", {"user_id": eve.user_id, "muted": True})
        follows("the record, data, and who is muted")
        done(bob, "set_member_data", {"data": {"color": "blue", "secret": 1}, "access": {"secret": "owner"}})
        done(rae, "set_member_data", {"data": {"color": "red", "mine": 1}, "access": {"mine": "owner"}})
        done(bob, "presence", {"away": True})
        follows("data of members, and who is away")
        first = done(ada, "chat", {"text": "Hello"})["message_id"]
        for number in range(21):
            last = done(rae, "chat", {"text": str(number)})["message_id"]
        done(ada, "chat_delete", {"message_id": last})
        done(rae, "chat_edit", {"message_id": str(int(last) - 1), "text": "Twenty"})
        checks.ok("what was said rises", int(first) < int(last), (first, last))
        follows("what was said")
        done(eve, "queue_for_seat", {"queued": True})
        done(rae, "queue_for_seat", {"queued": True})
        done(ada, "pause", {})
        follows("the queue, and a pause")
        done(ada, "unpause", {})
        for player, row, col in ((ada, 0, 0), (bob, 1, 0), (ada, 0, 1), (bob, 1, 1), (ada, 0, 2)):
            done(player, "make_move", {"row": row, "col": col})
        done(ada, "choose_seat", {"seat": 1})
        done(bob, "ready", {"ready": True})
        follows("the end of a match, a wish, and who is ready")
        done(eve, "queue_for_seat", {"queued": False})
        done(bob, "leave_room", {})
        follows("a seat of one's own")
        done(ada, "transfer_owner", {"user_id": rae.user_id})
        done(
            rae,
            "update_room",
            {"data": {"note": "mine"}, "access": {"note": "owner"}, "locked": False, "password": None},
        )
        bob.request("join_room", watch)
        follows("a room of one's own")
        done(ada, "set_member_data", {"data": {"told": "the owner"}, "access": {"told": "owner"}})
        eve.drop()
        done(ada, "leave_room", {})
        done(rae, "add_bot", {})
        follows("a bot, and who has gone")
        checks.equal("all steps were taken", steps, 9)

    def absence(self):
        """A bot plays for a player who is away in a match, until they are back."""
        checks, rae, pat = self.checks, self.rae(), self.pat()
        room = self.room(rae, pat, game="tic_tac_toe", bot_after_s=1)
        assert rae.request("make_move", {"row": 0, "col": 0}, room)["success"]
        rae.drop()
        bot = pat.next(room, "member_updated")["data"]
        checks.equal("away: a bot plays", bot, {"user_id": rae.user_id, "number": 1, "bot": True})
        assert pat.request("make_move", {"row": 1, "col": 1}, room)["success"]
        state = pat.next(room, "game_state")["data"]
        while state.get("current_turn") != pat.user_id or state["board"][1][1] is None:
            state = pat.next(room, "game_state")["data"]
        marks = sum(cell is not None for row in state["board"] for cell in row)
        checks.equal("away: the bot moves for them", (marks, state["players"]["X"]), (3, rae.user_id))
        members = pat.request("get_participants", {}, room)["data"]["members"]
        seen = [(m["user_id"], m["connected"], m["bot"]) for m in members]
        checks.equal("away: the members", seen, [(rae.user_id, False, True), (pat.user_id, True, False)])
        rae.reconnect()
        back = pat.next(room, "member_updated")["data"]
        checks.equal("back: no bot plays", back, {"user_id": rae.user_id, "number": 1, "bot": False})
        members = rae.request("get_participants", {}, room)["data"]["members"]
        checks.equal("back: the members", [(m["connected"], m["bot"]) for m in members], [(True, False)] * 2)
        # The bot may have taken any cell.
        row, col = self.free(state)
        assert pat.request("make_move", {"row": row, "col": col}, room)["success"]
        state = rae.next(room, "game_state")["data"]
        while state.get("current_turn") != rae.user_id or state["board"][row][col] is None:
            state = rae.next(room, "game_state")["data"]
        row, col = self.free(state)
        moved = rae.request("make_move", {"row": row, "col": col}, room)
        checks.equal("back: they play", moved["success"], True)

    @staticmethod
    def free(state):
        """A cell that nobody has taken."""
        return next((row, col) for row in range(3) for col in range(3) if state["board"][row][col] is None)

    ALL = (everything, absence)
