"""Section 9: dice, owe_drahn and the relay, and the schemas of all games."""

import http.client
import json

from hall import Hall
from websocket import TIMEOUT

WORTH = {1: 100, 5: 50}


def scoring(dice):
    """Places of dice that score, and what they are worth: 1s, 5s, and what is there three times or more."""
    places, worth = [], 0
    for value in range(1, 7):
        there = [place for place, die in enumerate(dice) if die == value]
        if len(there) >= 3:
            worth += (1000 if value == 1 else 100 * value) * 2 ** (len(there) - 3)
        elif value in WORTH:
            worth += WORTH[value] * len(there)
        else:
            continue
        places += there
    return places, worth


class Games(Hall):
    def schemas(self):
        for game, actions in (
            ("tic_tac_toe", {"make_move", "rematch"}),
            ("dice", {"roll", "select", "set_aside", "rematch"}),
            ("owe_drahn", {"roll", "lose_life", "choose_next", "sidebet_propose", "sidebet_accept", "sidebet_decline"}),
            ("relay", {"send", "set"}),
        ):
            status, schema = self.get(f"/api/games/{game}/schema")
            self.checks.equal(f"schema of {game}", (status, schema["game"]), (200, game))
            self.checks.equal(f"schema of {game}: actions", set(schema["actions"]), actions)
            self.checks.ok(f"schema of {game}: the view", "properties" in schema["view"], schema["view"])
        status, answer = self.get("/api/games/chess/schema")
        self.checks.equal("schema of no game", (status, answer["error"]["code"]), (404, "game_not_found"))

    def get(self, path):
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def view(self, session, room):
        """What a member sees now."""
        session.tables = [m["data"] for m in self.news(session, room) if m["type"] == "game_state"]
        if session.tables:
            session.table = session.tables[-1]
        return session.table

    def dice(self):
        """A match of dice to its end."""
        ada, bob, eve = self.who("Ada"), self.who("Bob"), self.who("Eve")
        for options in ({"players": 1}, {"players": 7}, {"target": 49}, {"target": -1}, {"target": 1.5}, {"players": "2"}):
            self.outside("dice: bad options", ada, {"game": "dice", "options": options}, "invalid_options", "create_room")
        made = ada.request("create_room", {"game": "dice", "options": {"target": 500, "bust_ms": 0}})
        room, ada.table = made["room_id"], made["data"]["view"]
        self.checks.has("dice: waiting", ada.table, {"status": "waiting", "dice": [], "scores": {ada.user_id: 0}, "target": 500})
        self.refused("dice: alone", ada, "roll", {}, room, "not_playing")
        bob.table = self.joined(bob, room, ada)["view"]
        self.joined(eve, room, ada, bob, **{"as": "spectator"})
        self.checks.refused("dice: who watches", eve.request("roll", {}, room), "not_a_player", "roll")
        players = {ada.user_id: ada, bob.user_id: bob}
        # What was told of the beginning is read already.
        (seat,) = ada.request("get_participants", {}, room)["data"]["members"][:1]
        mover = players[seat["user_id"]]
        for _ in range(500):
            other = bob if mover is ada else ada
            self.refused("dice: not one's turn", other, "roll", {}, room, "not_your_turn")
            self.view(mover, room)
            self.done("dice: roll", mover, "roll", {}, room)
            seen = self.view(mover, room)
            # A bust may be over by now.
            if any(state["status"] == "busted" for state in mover.tables):
                while seen["status"] == "busted":
                    seen = self.view(mover, room)
                mover = players[seen["current_turn"]]
                continue
            self.checks.ok("dice: six dice", len(seen["dice"]) == 6 and not seen["selected"], seen)
            self.refused("dice: none set aside", mover, "roll", {}, room, "invalid_move")
            self.refused("dice: nothing selected", mover, "set_aside", {"end_turn": True}, room, "invalid_move")
            self.refused("dice: no such die", mover, "select", {"dice_index": 6}, room, "invalid_move")
            self.refused("dice: a negative die", mover, "select", {"dice_index": -1}, room, "invalid_move")
            places, worth = scoring(seen["dice"])
            for place in places:
                self.done("dice: select", mover, "select", {"dice_index": place}, room)
            seen = self.view(mover, room)
            self.checks.has("dice: what it is worth", seen, {"roll_score": worth, "selected": sorted(places)})
            before = seen["scores"][mover.user_id]
            self.done("dice: set aside", mover, "set_aside", {"end_turn": True}, room)
            seen = self.view(mover, room)
            self.checks.equal("dice: the points", seen["scores"][mover.user_id], before + worth)
            if seen["status"] == "won":
                self.checks.equal("dice: who won", seen["winner"], mover.user_id)
                break
            mover = players[seen["current_turn"]]
        self.refused("dice: after the end", mover, "roll", {}, room, "not_playing")
        for player in (ada, bob):
            self.done("dice: rematch", player, "rematch", {}, room)
        self.checks.has("dice: another match", self.view(ada, room), {"status": "playing"})

    def owe_drahn(self):
        """A match of owe_drahn with a side bet, to its end."""
        ada, bob = self.who("Ada"), self.who("Bob")
        made = ada.request("create_room", {"game": "owe_drahn", "options": {"pause_ms": 60000}})
        room, ada.table = made["room_id"], made["data"]["view"]
        bob.table = self.joined(bob, room, ada)["view"]
        bet = {"user_id": bob.user_id, "amount": 10}
        for amount in (0, -1, 101):
            self.refused("owe_drahn: an amount", ada, "sidebet_propose", {**bet, "amount": amount}, room, "invalid_move")
        self.refused("owe_drahn: oneself", ada, "sidebet_propose", {**bet, "user_id": ada.user_id}, room, "invalid_move")
        self.done("owe_drahn: a bet", ada, "sidebet_propose", bet, room)
        self.refused("owe_drahn: another one", ada, "sidebet_propose", bet, room, "conflict")
        self.done("owe_drahn: accepted", bob, "sidebet_accept", {}, room)
        expected = [{"from": ada.user_id, "to": bob.user_id, "amount": 10, "accepted": True}]
        self.checks.equal("owe_drahn: the bet", self.view(ada, room)["sidebets"], expected)
        for player in (ada, bob):
            player.request("ready", {"ready": True}, room)
        players = {ada.user_id: ada, bob.user_id: bob}
        seen = self.view(ada, room)
        self.checks.has("owe_drahn: playing", seen, {"status": "playing", "phase": "roll", "total": 0, "out": []})
        mover = players[seen["current_turn"]]
        other = bob if mover is ada else ada
        self.refused("owe_drahn: not one's turn", other, "roll", {}, room, "not_your_turn")
        self.refused("owe_drahn: nobody to choose", mover, "choose_next", {"user_id": other.user_id}, room, "invalid_move")
        self.done("owe_drahn: a life", mover, "lose_life", {}, room)
        self.refused("owe_drahn: choose first", mover, "roll", {}, room, "invalid_move")
        self.refused("owe_drahn: oneself", mover, "choose_next", {"user_id": mover.user_id}, room, "invalid_move")
        self.done("owe_drahn: chosen", mover, "choose_next", {"user_id": other.user_id}, room)
        seen = self.view(ada, room)
        self.checks.equal("owe_drahn: a life less", seen["lives"], {mover.user_id: 5, other.user_id: 6})
        while seen["status"] == "playing":
            self.done("owe_drahn: roll", players[seen["current_turn"]], "roll", {}, room)
            seen = self.view(ada, room)
            self.checks.ok("owe_drahn: the total", 0 <= seen["total"] <= 15, seen)
        loser = bob.user_id if seen["winner"] == ada.user_id else ada.user_id
        self.checks.has("owe_drahn: over", seen, {"status": "over", "out": [loser], "sidebets": []})
        self.checks.equal("owe_drahn: the scores", seen["scores"], {seen["winner"]: 11, loser: -11})

    def relay(self):
        """To some, to the host, and values that all share."""
        ada, bob, eve = self.who("Ada"), self.who("Bob"), self.who("Eve")
        room = self.made(ada)
        self.joined(bob, room, ada)
        self.joined(eve, room, ada, bob, **{"as": "spectator"})
        self.done("relay: to some", ada, "send", {"payload": 1, "to": [bob.user_id]}, room)
        self.told("relay: to some", bob, room, ("message", {"from": ada.user_id, "payload": 1}))
        self.told("relay: to some", eve, room)
        self.done("relay: to the host", bob, "send", {"payload": 2, "to": "host"}, room)
        self.told("relay: to the host", ada, room, ("message", {"from": bob.user_id, "payload": 2}))
        self.refused("relay: to who watches", ada, "send", {"payload": 1, "to": [eve.user_id]}, room, "rejected")
        self.refused("relay: to nobody", ada, "send", {"payload": 1, "to": []}, room, "invalid_data")
        self.done("relay: set", ada, "set", {"key": "score", "value": 1, "version": 0}, room)
        self.done("relay: set", bob, "set", {"key": "score", "value": [2], "version": 1}, room)
        late = {"key": "score", "version": 2, "value": [2]}
        self.refused("relay: too late", ada, "set", {"key": "score", "value": 3, "version": 1}, room, "conflict", **late)
        told = {"key": "score", "value": [2], "version": 2, "from": bob.user_id}
        newest = [m for m in self.news(eve, room) if m["type"] == "value"][-1]
        self.checks.equal("relay: the newest value", (newest["data"], newest["latest"]), (told, "=score"))
        cyd = self.who("Cyd")
        seen = self.joined(cyd, room, ada, bob, eve)["view"]
        value = {"score": {"value": [2], "version": 2, "from": bob.user_id}}
        self.checks.equal("relay: who comes later", (seen["host"], seen["values"]), (ada.user_id, value))
        ada.request("leave_room", {}, room)
        hosts = [m["data"]["user_id"] for m in self.news(bob, room) if m["type"] == "host_changed"]
        self.checks.equal("relay: another host", hosts, [bob.user_id])

    ALL = (schemas, dice, owe_drahn, relay)
