"""Section 8: what members ask of their room, whoever asks, and of whatever shape."""

from codec import ENVELOPE, SENT
from hall import Hall
from websocket import BINARY

TEXT, FLAG, COUNT, OBJECT, ID = "text", "flag", "count", "object", "id"
WRONG = {
    TEXT: (5, True, [], {}),
    FLAG: (0, "true", [], {}),
    COUNT: (-1, 1.5, "1", True, [], 2**64),
    OBJECT: (5, "x", [], True),
    ID: (7, "x", "", "-1", "1.5", "18446744073709551616"),
}

# Each request with data that has its shape, and what its fields are; those in capitals in `MUST` may not be left out.
REQUESTS = {
    "update_room": (
        {},
        {"name": TEXT, "visibility": TEXT, "locked": FLAG, "seats_max": COUNT, "data": OBJECT, "access": OBJECT},
    ),
    "set_member_data": ({"data": {}}, {"data": OBJECT, "access": OBJECT}),
    "kick": ({"user_id": "nobody"}, {"user_id": TEXT}),
    "ban": ({"user_id": "nobody"}, {"user_id": TEXT}),
    "unban": ({"user_id": "nobody"}, {"user_id": TEXT}),
    "transfer_owner": ({"user_id": "nobody"}, {"user_id": TEXT}),
    "mute": ({"user_id": "nobody", "muted": True}, {"user_id": TEXT, "muted": FLAG}),
    "ready": ({"ready": True}, {"ready": FLAG}),
    "choose_seat": ({"seat": 0}, {"seat": COUNT}),
    "queue_for_seat": ({"queued": True}, {"queued": FLAG}),
    "add_bot": ({}, {"seat": COUNT}),
    "remove_bot": ({"seat": 0}, {"seat": COUNT}),
    "pause": ({}, {}),
    "unpause": ({}, {}),
    "vote": ({"continue": True}, {"continue": FLAG}),
    "create_invite": ({}, {"uses": COUNT, "expires_ms": COUNT}),
    "get_participants": ({}, {}),
    "chat": ({"text": "Hello"}, {"text": TEXT}),
    "chat_edit": ({"message_id": "1", "text": "Hello"}, {"message_id": ID, "text": TEXT}),
    "chat_delete": ({"message_id": "1"}, {"message_id": ID}),
    "chat_history": ({}, {"before": ID, "limit": COUNT}),
    "presence": ({}, {"typing": FLAG, "away": FLAG}),
}
OWNERS = ("update_room", "kick", "ban", "unban", "transfer_owner", "mute")
HOSTS = ("add_bot", "remove_bot", "pause", "unpause", "create_invite")  # the owner, and without one any player
PLAYERS = ("ready", "choose_seat", "vote")


class Asking(Hall):
    def outsiders(self):
        """Whoever is not in the room learns nothing of it: it is all the same whether there is one."""
        ada, eve, checks = self.who("Ada"), self.who("Eve"), self.checks
        rooms = {
            "an absent room": "0000000000",
            "what is no room": "x" * 200,
            "another's room": self.made(ada),
            "another's private room": self.made(ada, visibility="private"),
        }
        for kind, (data, _) in REQUESTS.items():
            for where, room in rooms.items():
                result = eve.request(kind, data, room)
                checks.refused(f"{kind} in {where}", result, "not_in_room", kind)
                details = {"type": kind, "room_id": room[:64]}
                checks.has(f"{kind} in {where}: details", result["error"]["details"], details)
            eve.send(kind, data, "0000000000")
            checks.refused(f"{kind} in an absent room, without ref", eve.next(), "not_in_room", kind, ref=False)
            checks.refused(f"{kind} in no room", eve.request(kind, data), "not_in_room", kind)
        for room in list(rooms.values())[2:]:
            self.told("what others ask in vain", ada, room)

    def shapes(self):
        """The shape is looked at first, whoever asks."""
        ada, eve, checks = self.who("Ada"), self.who("Eve"), self.checks
        room = self.made(ada)
        self.joined(eve, room, ada, **{"as": "spectator"})
        for kind, (data, types) in REQUESTS.items():
            for asker in (ada, eve):
                name = f"{kind} of {asker.username}"
                if self.binary:
                    self.bytes(name, asker, kind, data, room)
                    continue
                for wrong in (5, "x", True, [], [data]):
                    self.refused(f"{name} with data {wrong!r}", asker, kind, wrong, room, "invalid_data")
                for field, type in types.items():
                    for wrong in WRONG[type]:
                        more = {**data, field: wrong}
                        self.refused(f"{name} with {field} {wrong!r}", asker, kind, more, room, "invalid_data")
                    if field in data:
                        less = {key: value for key, value in data.items() if key != field}
                        self.refused(f"{name} without {field}", asker, kind, less, room, "invalid_data")
                        self.refused(f"{name}, {field} null", asker, kind, {**less, field: None}, room, "invalid_data")
            eve.send(kind, [], room) if not self.binary else self.raw(eve, kind, b"\xff", room)
            error = eve.next(room, "error")
            checks.refused(f"{kind} of no shape, without ref", error, "invalid_data", kind, room, ref=False)
        for member in (ada, eve):
            self.told("what has no shape", member, room)

    def raw(self, asker, kind, data, room, ref=None):
        message = {"type": kind, "room_id": room, "data": data, **({} if ref is None else {"ref": ref})}
        asker.socket.send(BINARY, ENVELOPE.put(message))

    def bytes(self, name, asker, kind, data, room):
        whole = SENT[kind].put(data) if kind in SENT else b""
        for what, wrong in (("a byte left over", whole + b"\0"), ("cut short", whole[:-1]), ("no bytes", b"")):
            if wrong != whole:
                self.raw(asker, kind, wrong, room, "raw")
                self.checks.refused(f"{name}, {what}", asker.result("raw"), "invalid_data", kind, room)

    def values(self):
        """Bytes that are no values of their type."""
        if not self.binary:
            return
        ada = self.who("Ada")
        room = self.made(ada)
        for name, kind, data in (
            ("a variant that there is not", "update_room", b"\0\1\x09\0\0\0\0\0"),
            ("an option that is neither", "update_room", b"\2\0\0\0\0\0\0"),
            ("a flag that is neither", "ready", b"\2"),
            ("text that is not UTF-8", "chat", b"\1\xff"),
            ("a length beyond the end", "chat", b"\xfb\xff\xff"),
            ("an enormous length", "chat", b"\xfd" + b"\xff" * 8),
            ("an integer that is too wide", "choose_seat", b"\xfc\0\0\1\0"),
            ("an integer of no width", "choose_seat", b"\xff"),
            ("enormously many keys", "set_member_data", b"\xfd" + b"\xff" * 8 + b"\0"),
            ("a value that is no JSON", "set_member_data", b"\1\1k\1{\0"),
            ("a value that is nothing", "set_member_data", b"\1\1k\0\0"),
            ("a user_id of 65 bytes", "kick", b"\x41" + b"x" * 65),
        ):
            self.raw(ada, kind, data, room, "raw")
            self.checks.refused(f"{kind}, {name}", ada.result("raw"), "invalid_data", kind, room)
        self.told("what is no value", ada, room)

    def references(self):
        """What is carried out is answered also without `ref`."""
        ada, checks = self.who("Ada"), self.checks
        room = self.made(ada)
        for kind, data in (
            ("chat", {"text": "Hello"}),
            ("get_participants", {}),
            ("presence", {}),
            ("update_room", {}),
        ):
            ada.send(kind, data, room)
            answer = ada.next(room, f"{kind}_result")
            checks.has(f"{kind} without ref", answer, {"success": True, "room_id": room})
        self.refused("an unknown type", ada, "dance", {}, room, "unknown_type")

    def roles(self):
        """Who may ask for what."""
        for policy in ("automatic", "none"):
            ada, bob, eve = (self.who(name) for name in ("Ada", "Bob", "Eve"))
            room = self.made(ada, "tic_tac_toe", owner_policy=policy)
            self.joined(bob, room, ada)
            self.joined(eve, room, ada, bob, **{"as": "spectator"})
            for kind in (*OWNERS, *HOSTS, *PLAYERS):
                data = REQUESTS[kind][0] if kind != "update_room" else {"name": "Mine"}
                who = f"{kind}, owner_policy {policy}"
                if kind in PLAYERS:
                    self.refused(f"{who}: who watches", eve, kind, data, room, "not_a_player")
                elif policy == "automatic" or kind in OWNERS:
                    for asker in (bob, eve) if policy == "automatic" else (ada, bob, eve):
                        self.refused(f"{who}: {asker.username}", asker, kind, data, room, "not_owner")
                else:
                    self.refused(f"{who}: who watches", eve, kind, data, room, "not_a_player")
            self.refused(
                f"queue_for_seat, owner_policy {policy}: a player",
                bob,
                "queue_for_seat",
                {"queued": True},
                room,
                "conflict",
            )
            for member in (ada, bob, eve):
                self.told(f"owner_policy {policy}: what was refused", member, room)
            if policy == "none":
                for player in (ada, bob):
                    self.done(f"pause without an owner, {player.username}", player, "pause", {}, room)
                    self.done(f"unpause without an owner, {player.username}", player, "unpause", {}, room)
                    self.done(f"create_invite without an owner, {player.username}", player, "create_invite", {}, room)

    ALL = (outsiders, shapes, values, references, roles)
