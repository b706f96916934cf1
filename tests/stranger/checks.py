"""What the checks are made of: a count of what passed, and a match to compare with."""

from codec import RETRYABLE


class Checks:
    passed = failed = 0
    prefix = ""  # in front of every name

    def ok(self, name, condition, detail=""):
        if condition:
            self.passed += 1
            print(f"ok {self.prefix}{name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED {self.prefix}{name}: {detail}", flush=True)

    def equal(self, name, actual, expected):
        self.ok(name, actual == expected, f"got {actual!r}, expected {expected!r}")

    def has(self, name, actual, expected):
        """Checks the fields that are expected; a client ignores those it does not know."""
        self.equal(name, {key: actual.get(key) for key in expected}, expected)

    def refused(self, name, result, code, kind, room=None, ref=True):
        """Checks a failure: of a request if it has a ref, else of a message."""
        error = result.get("error") or {}
        seen = (result["type"], "ref" in result, result.get("success"), error.get("code"), error.get("retryable"))
        expected = (f"{kind}_result" if ref else "error", ref, False, code, code in RETRYABLE)
        self.equal(name, (*seen, result.get("room_id")), (*expected, room))

    def ended(self, name, session, code):
        """Checks that the connection ends: a goodbye, last on control, then the close, both with `code`."""
        closed, goodbye = session.end()
        control = [m for m in session.seen if "room_id" not in m]
        short = goodbye is not None and len(goodbye["reason"].encode()) <= 123
        self.equal(name, (closed, goodbye and goodbye["code"], short), (code, code, True))
        self.ok(f"{name}: goodbye comes last", control and control[-1]["type"] == "goodbye", control[-1:])


class Match:
    """A match of tic_tac_toe, played here as well, to know what every state must be."""

    def __init__(self, room, x, o, watching=()):
        self.room, self.players, self.members = room, {"X": x, "O": o}, [x, o, *watching]
        self.board = [[None] * 3 for _ in range(3)]
        self.turn, self.status, self.winner, self.line, self.wanted = "X", "playing", None, None, []

    def move(self, row, col):
        self.board[row][col] = self.turn
        lines = [[[i, j] for j in range(3)] for i in range(3)] + [[[j, i] for j in range(3)] for i in range(3)]
        lines += [[[i, i] for i in range(3)], [[i, 2 - i] for i in range(3)]]
        for line in lines:
            if all(self.board[r][c] == self.turn for r, c in line):
                self.status, self.winner, self.line = "won", self.players[self.turn], line
                break  # of two at once the first: a row, else a column, else from the top left
        if self.status == "playing" and all(all(row) for row in self.board):
            self.status = "draw"
        self.turn = {"X": "O", "O": "X"}[self.turn] if self.status == "playing" else None

    def view(self):
        return {
            "board": self.board,
            "players": {mark: player and player.user_id for mark, player in self.players.items()},
            "current_turn": self.turn and self.players[self.turn].user_id,
            "status": self.status,
            "winner": self.winner and self.winner.user_id,
            "line": self.line,
            "rematch_wanted": [player.user_id for player in self.wanted],
        }

    def matches(self, view):
        return {key: view.get(key) for key in self.view()} == self.view()

    def state(self):
        """That of the room."""
        return {"won": "finished", "draw": "finished"}.get(self.status, self.status)

    def check(self, checks, name):
        """Every member is told the view, and behind it the room's state if that has changed. What is told twice (after
        joining it is) is fine."""
        for member in self.members:
            view = member.next(self.room, "game_state")["data"]
            while not self.matches(view) and view == member.shown.get(self.room):
                view = member.next(self.room, "game_state")["data"]
            member.shown[self.room] = view
            checks.ok(f"{name}: {member.username} sees it", self.matches(view), f"{view} is not {self.view()}")
            state = member.states[self.room]
            while state != self.state():
                state = member.next(self.room, "room_updated", having="state")["data"]["state"]
                told = state in (member.states[self.room], self.state())
                checks.ok(f"{name}: {member.username} is told the room's state", told, state)
            member.states[self.room] = state

    def play(self, checks, name, moves):
        for number, (row, col) in enumerate(moves, 1):
            mover, before, state = self.players[self.turn], len(self.players[self.turn].log), self.state()
            result = mover.request("make_move", {"row": row, "col": col}, self.room)
            self.move(row, col)
            label = f"{name}, move {number} ({row}, {col}) by {mover.username}"
            checks.has(label, result, {"type": "make_move_result", "success": True, "room_id": self.room, "data": {}})
            self.check(checks, label)
            lane = [m for m in mover.log[before:] if m.get("room_id") == self.room and "latest" not in m]
            lane = [m["type"] for m in lane if not m["type"].startswith("client_")]  # connections may come and go
            expected = ["make_move_result", "game_state"] + ["room_updated"] * (state != self.state())
            checks.equal(f"{label}: the result comes first", lane, expected)


X_WINS = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
O_WINS = [(0, 0), (0, 2), (0, 1), (1, 1), (2, 2), (2, 0)]
DRAW = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 0), (1, 2), (2, 1), (2, 0), (2, 2)]
