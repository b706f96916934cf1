"""Section 8: whom a room belongs to, and whom its owner sends out."""

from hall import Hall

SPECTATOR = {"as": "spectator"}


class Owners(Hall):
    def party(self, **more):
        """Ada's room, with Bob who plays and Eve who watches."""
        ada, bob, eve = (self.who(name) for name in ("Ada", "Bob", "Eve"))
        room = self.made(ada, **more)
        self.joined(bob, room, ada)
        self.joined(eve, room, ada, bob, **SPECTATOR)
        return ada, bob, eve, room

    def kick(self):
        ada, bob, eve, room = self.party()
        before = self.done("an invite", ada, "create_invite", {}, room)["code"]
        for name, user in (
            ("nobody", "nobody"),
            ("oneself", ada.user_id),
            ("no user_id", ""),
            ("a long one", "x" * 65),
        ):
            self.refused(f"kick {name}", ada, "kick", {"user_id": user}, room, "invalid_data")
        for out, role in ((bob, {}), (eve, SPECTATOR)):
            left = {"user_id": out.user_id, "username": out.username, "reason": "kicked"}
            self.done(f"kick {out.username}", ada, "kick", {"user_id": out.user_id}, room, {})
            said = [] if role else [("system", {"event": "left", "user_id": out.user_id})]
            self.told("kicked", ada, room, ("client_left", left), *said)
            self.closed(f"kick {out.username}", out, room, "kicked")
            self.refused("kick again", ada, "kick", {"user_id": out.user_id}, room, "invalid_data")
            for more in ({}, SPECTATOR, {"invite": before}):
                self.outside(f"kicked, with {more}", out, {"room_id": room, **more}, "banned", reason="kicked")
            after = self.done("a new invite", ada, "create_invite", {"uses": 1}, room)["code"]
            self.joined(out, room, ada, **role, invite=after)
            self.done("out of one's own", out, "leave_room", {}, room)
            self.joined(out, room, ada, **role)  # and it is forgotten
        fay = self.who("Fay")
        self.done("the room becomes private", ada, "update_room", {"visibility": "private"}, room)
        self.done("a kick from a private room", ada, "kick", {"user_id": bob.user_id}, room)
        self.closed("a kick from a private room", bob, room, "kicked")
        self.outside("kicked from a private room", bob, {"room_id": room}, "room_not_found")
        self.outside(
            "kicked from a private room, an old invite",
            bob,
            {"room_id": room, "invite": before},
            "banned",
            reason="kicked",
        )
        self.joined(fay, room, ada, invite=before)

    def ban(self):
        ada, bob, eve, room = self.party()
        fay = self.who("Fay")
        for name, user in (("oneself", ada.user_id), ("no user_id", ""), ("a long one", "x" * 65)):
            self.refused(f"ban {name}", ada, "ban", {"user_id": user}, room, "invalid_data")
        self.refused("unban of who is not banned", ada, "unban", {"user_id": bob.user_id}, room, "invalid_data")
        for out, role in ((bob, {}), (eve, SPECTATOR), (fay, None)):
            self.done(f"ban {out.username}", ada, "ban", {"user_id": out.user_id}, room, {})
            if role is None:
                self.told("a ban of who is not here", ada, room)
            else:
                left = {"user_id": out.user_id, "username": out.username, "reason": "banned"}
                said = [] if role else [("system", {"event": "left", "user_id": out.user_id})]
                self.told("banned", ada, room, ("client_left", left), *said)
                self.closed(f"ban {out.username}", out, room, "banned")
            self.done(f"ban {out.username} again", ada, "ban", {"user_id": out.user_id}, room)
            invite = self.done("an invite", ada, "create_invite", {}, room)["code"]
            for more in ({}, SPECTATOR, {"invite": invite}):
                result = out.request("join_room", {"room_id": room, **more})
                self.checks.refused(f"banned, with {more}", result, "banned", "join_room")
                kicked = (result["error"].get("details") or {}).get("reason") == "kicked"
                self.checks.ok(f"banned, with {more}: no invite helps", not kicked, result)
        self.done("the door is locked", ada, "update_room", {"locked": True, "password": "swordfish"}, room)
        self.outside("banned comes before locked", bob, {"room_id": room}, "banned")
        self.done("and open", ada, "update_room", {"locked": False, "password": ""}, room)
        self.done("unban", ada, "unban", {"user_id": bob.user_id}, room, {})
        self.refused("unban again", ada, "unban", {"user_id": bob.user_id}, room, "invalid_data")
        self.joined(bob, room, ada)

    def transfer(self):
        ada, bob, eve, room = self.party(owner_policy="automatic")
        for name, user in (("nobody", "nobody"), ("oneself", ada.user_id), ("no user_id", "")):
            self.refused(f"transfer_owner to {name}", ada, "transfer_owner", {"user_id": user}, room, "invalid_data")
        for giver, owner in ((ada, eve), (eve, bob)):
            self.done(
                f"transfer_owner to {owner.username}", giver, "transfer_owner", {"user_id": owner.user_id}, room, {}
            )
            for member in (ada, bob, eve):
                self.owner(member, room, owner)
            self.refused("who has given it away", giver, "transfer_owner", {"user_id": ada.user_id}, room, "not_owner")
        data = self.joined(self.who("Fay"), room, ada, bob, eve)
        self.checks.has("the owner, to a newcomer", data, {"owner": bob.user_id, "created_by": ada.user_id})

    def owner(self, member, room, owner):
        line = {"event": "owner_changed", "user_id": owner.user_id, "username": owner.username}
        self.told("the owner", member, room, ("room_updated", {"owner": owner.user_id}), ("system", line))

    def succession(self):
        """Who follows when the owner goes."""
        ada, bob, eve, room = self.party(owner_policy="automatic")
        fay = self.who("Fay")
        self.joined(fay, room, ada, bob, eve)
        for gone, heir, others in ((ada, bob, (bob, eve, fay)), (bob, fay, (eve, fay)), (fay, eve, (eve,))):
            self.done(f"{gone.username} leaves", gone, "leave_room", {}, room)
            for member in others:
                left = (
                    ("client_left", {"user_id": gone.user_id}),
                    ("system", {"event": "left", "user_id": gone.user_id}),
                )
                owner = (
                    ("room_updated", {"owner": heir.user_id}),
                    ("system", {"event": "owner_changed", "user_id": heir.user_id}),
                )
                self.told(f"{heir.username} follows", member, room, *left, *owner)
        self.joined(ada, room, eve)
        self.refused("who made the room is a stranger now", ada, "update_room", {"locked": True}, room, "not_owner")

        ada, bob, eve, room = self.party(owner_policy="manual")
        self.done("the owner leaves", ada, "leave_room", {}, room)
        left = ("client_left", {"user_id": ada.user_id}), ("system", {"event": "left", "user_id": ada.user_id})
        self.told("manual: nobody follows", bob, room, *left)
        self.refused("manual: nobody follows", bob, "update_room", {"locked": True}, room, "not_owner")
        data = self.joined(ada, room, bob, eve)
        self.checks.has("manual: it is theirs still", data, {"owner": ada.user_id})
        self.done("manual: they are the owner", ada, "update_room", {"locked": True}, room)

        ada, bob, eve, room = self.party(owner_policy="none")
        data = self.joined(self.who("Fay"), room, ada, bob, eve)
        self.checks.equal("none: nobody owns it", (data.get("owner"), data["created_by"]), (None, ada.user_id))
        gus = self.who("Gus")
        nowhere = [["data.map", "=", f"nowhere {gus.user_id}"]]
        quick = gus.request("join_room", {"game": "relay", "quick": True, "filter": nowhere})
        seen = (quick["success"], quick["data"].get("owner"), quick["data"].get("created_by"))
        self.checks.equal("the room of a quick join is nobody's", seen, (True, None, None))

    def mute(self):
        ada, bob, eve, room = self.party()
        for name, user in (("nobody", "nobody"), ("oneself", ada.user_id)):
            self.refused(f"mute {name}", ada, "mute", {"user_id": user, "muted": True}, room, "invalid_data")
        self.refused("unmute who is heard", ada, "mute", {"user_id": bob.user_id, "muted": False}, room, "conflict")
        said = self.done("before", bob, "chat", {"text": "Hello"}, room)["message_id"]
        for member in (ada, bob, eve):
            self.news(member, room)
        for muted in (bob, eve):
            self.done(f"mute {muted.username}", ada, "mute", {"user_id": muted.user_id, "muted": True}, room, {})
            for member in (ada, bob, eve):
                self.told("muted", member, room, ("member_updated", {"user_id": muted.user_id, "muted": True}))
            self.refused("mute again", ada, "mute", {"user_id": muted.user_id, "muted": True}, room, "conflict")
            self.refused("a muted member's chat", muted, "chat", {"text": "Hello?"}, room, "rejected")
        self.refused(
            "a muted member's chat_edit", bob, "chat_edit", {"message_id": said, "text": "Ha"}, room, "rejected"
        )
        self.refused("what cannot be said", bob, "chat", {"text": ""}, room, "rejected")
        self.done("a muted member's chat_delete", bob, "chat_delete", {"message_id": said}, room)
        self.done("a muted member may play", bob, "send", {"payload": 1}, room)
        members = self.done("members", eve, "get_participants", {}, room)["members"]
        flags = {m["user_id"]: m.get("muted", False) for m in members}
        self.checks.equal("who is muted", flags, {ada.user_id: False, bob.user_id: True, eve.user_id: True})
        self.done("a muted member leaves", bob, "leave_room", {}, room)
        self.joined(bob, room, ada, eve)
        self.refused("and comes back, and is muted", bob, "chat", {"text": "Hello?"}, room, "rejected")
        self.done("unmute", ada, "mute", {"user_id": bob.user_id, "muted": False}, room)
        self.told("heard again", eve, room, ("member_updated", {"user_id": bob.user_id, "muted": False}))
        self.done("heard again", bob, "chat", {"text": "Thanks"}, room)

    ALL = (kick, ban, transfer, succession, mute)
