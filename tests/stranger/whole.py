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

    ALL = (everything,)
