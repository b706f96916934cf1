"""The binary codec (appendix A).

A shape is a pair of functions: put(value) -> bytes, and take(reader) -> value. The values are those that the JSON codec
has, so that nothing above this layer knows which codec it speaks.
"""

import collections
import json

Shape = collections.namedtuple("Shape", "put take")


class Option(Shape):
    """A struct leaves it out if it is none."""


class Nullable(Shape):
    """An option of an option. A struct leaves it out if there is nothing, and has None for a none that is there."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), "the binary payload is cut short"
        self.at += count
        return self.data[self.at - count : self.at]

    def done(self):
        return self.at == len(self.data)


def put_uint(n):
    if n <= 250:
        return bytes([n])
    for mark, size in ((0xFB, 2), (0xFC, 4), (0xFD, 8)):
        if n < 1 << (8 * size):
            return bytes([mark]) + n.to_bytes(size, "little")
    raise ValueError(n)


def take_uint(reader):
    first = reader.take(1)[0]
    if first <= 250:
        return first
    return int.from_bytes(reader.take({0xFB: 2, 0xFC: 4, 0xFD: 8}[first]), "little")


def take_int(reader):
    n = take_uint(reader)
    return n // 2 if n % 2 == 0 else -(n + 1) // 2


def option(shape):
    return Option(
        lambda value: b"\0" if value is None else b"\1" + shape.put(value),
        lambda reader: shape.take(reader) if BOOL.take(reader) else None,
    )


def nullable(shape):
    return Nullable(*option(shape))


def list_of(shape):
    return Shape(
        lambda values: put_uint(len(values)) + b"".join(map(shape.put, values)),
        lambda reader: [shape.take(reader) for _ in range(take_uint(reader))],
    )


def array(*shapes):
    return Shape(
        lambda values: b"".join(shape.put(value) for shape, value in zip(shapes, values, strict=True)),
        lambda reader: [shape.take(reader) for shape in shapes],
    )


def fields(**shapes):
    """A struct. What JSON leaves out is left out here as well."""

    def put(value):
        data = b""
        for name, shape in shapes.items():
            if isinstance(shape, Nullable):
                data += b"\1" if name in value else b"\0"
            if name in value or not isinstance(shape, Nullable):
                data += shape.put(value.get(name))
        return data

    def take(reader):
        values = {}
        for name, shape in shapes.items():
            if isinstance(shape, Nullable) and not BOOL.take(reader):
                continue
            value = shape.take(reader)
            is_there = value if shape is FLAG else value is not None or not isinstance(shape, Option)
            if is_there:
                values[name] = value
        return values

    return Shape(put, take)


def map_of(shape):
    """A map with strings as keys."""
    return Shape(
        lambda values: (
            put_uint(len(values)) + b"".join(STRING.put(key) + shape.put(values[key]) for key in sorted(values))
        ),
        lambda reader: {STRING.take(reader): shape.take(reader) for _ in range(take_uint(reader))},
    )


def enum(*names):
    return Shape(lambda name: put_uint(names.index(name)), lambda reader: names[take_uint(reader)])


UINT = Shape(put_uint, take_uint)
INT = Shape(lambda n: put_uint(2 * n if n >= 0 else -2 * n - 1), take_int)
U8 = Shape(lambda n: bytes([n]), lambda reader: reader.take(1)[0])
BOOL = Shape(lambda value: b"\1" if value else b"\0", lambda reader: {0: False, 1: True}[reader.take(1)[0]])
FLAG = Shape(*BOOL)  # not there is false
BYTES = Shape(lambda data: put_uint(len(data)) + data, lambda reader: reader.take(take_uint(reader)))
STRING = Shape(lambda text: BYTES.put(text.encode()), lambda reader: BYTES.take(reader).decode())
JSON = Shape(
    lambda value: STRING.put(json.dumps(value, separators=(",", ":"), ensure_ascii=False)),
    lambda reader: json.loads(STRING.take(reader)),
)
NOTHING = fields()

SCHEMA = "94a4a6720fae5986"  # names the shapes below

ERRORS = {
    1: "unknown_type", 2: "invalid_data", 3: "internal", 4: "busy", 5: "rate_limited", 6: "limit_reached",
    7: "shutting_down", 8: "storage_unavailable", 20: "already_authenticated", 21: "invalid_name", 22: "session_unknown",
    23: "outcome_unknown", 24: "timeout", 40: "room_not_found", 41: "room_full", 42: "not_in_room",
    43: "already_in_room", 44: "game_not_found", 45: "invalid_options", 46: "not_a_player", 47: "spectators_refused",
    48: "wrong_password", 49: "room_locked", 50: "banned", 51: "not_owner", 52: "room_suspended", 60: "not_your_turn",
    61: "invalid_move", 62: "not_playing", 63: "rejected", 64: "conflict",
}  # fmt: skip
RETRYABLE = {
    "internal", "busy", "rate_limited", "limit_reached", "shutting_down", "storage_unavailable", "timeout", "room_full",
    "room_locked", "not_playing", "conflict",
}  # fmt: skip


def take_error_code(reader):
    number = take_uint(reader)
    return ERRORS.get(number, f"unknown_{number}")


ERROR_CODE = Shape(None, take_error_code)  # a client sends no errors

ROLE = enum("player", "spectator")
ERROR = fields(code=ERROR_CODE, message=STRING, retryable=BOOL, details=option(JSON))
DATA = map_of(JSON)
ACCESS = map_of(enum("public", "members", "owner", "server"))
VISIBILITY = enum("public", "unlisted", "private")
STATE = enum("waiting", "playing", "finished", "paused")
# A string of digits in JSON.
ID = Shape(lambda text: put_uint(int(text)), lambda reader: str(take_uint(reader)))
ENTRY = fields(
    message_id=ID, user_id=STRING, username=STRING, text=STRING, at_ms=UINT, edited=BOOL, deleted=FLAG,
)  # fmt: skip
VOTE = fields(absent=list_of(STRING), yes=list_of(STRING), no=list_of(STRING), ends_at_ms=UINT)
MEMBER = fields(
    user_id=STRING, username=STRING, role=ROLE, seat=option(UINT), connected=BOOL, number=UINT, ready=BOOL, bot=BOOL,
    joined_at_ms=UINT, data=DATA, muted=FLAG, away=FLAG, typing=FLAG, wants_seat=option(UINT),
)  # fmt: skip
ROOM = fields(
    room_id=STRING, game=STRING, name=STRING, players=UINT, seats_max=UINT, spectators=UINT, state=STATE, durable=BOOL,
    locked=BOOL, has_password=BOOL, created_at_ms=UINT, data=DATA,
)  # fmt: skip
JOINED = fields(
    lane=UINT, room_id=STRING, game=STRING, game_version=UINT, name=STRING, seat=option(UINT), role=ROLE,
    durable=BOOL, recorded=BOOL, created_at_ms=UINT, created_by=option(STRING), owner=option(STRING), seats_max=UINT,
    visibility=VISIBILITY, locked=BOOL, has_password=BOOL, state=STATE, spectators=UINT, spectator_delay_ms=UINT,
    data=DATA, seat_queue=list_of(STRING), vote=option(VOTE), chat=list_of(ENTRY), members=list_of(MEMBER), view=BYTES,
)  # fmt: skip
ROOMS = fields(rooms=list_of(ROOM), total=UINT, next=option(STRING))
COUNTS = Shape(  # of lane to count; the keys are numbers here and strings in JSON
    lambda counts: (
        put_uint(len(counts))
        + b"".join(put_uint(lane) + put_uint(count) for lane, count in sorted((int(k), v) for k, v in counts.items()))
    ),
    lambda reader: {str(take_uint(reader)): take_uint(reader) for _ in range(take_uint(reader))},
)
ENVELOPE = fields(
    type=STRING, ref=option(JSON), n=option(UINT), room_id=option(STRING), latest=option(STRING),
    success=option(BOOL), error=option(ERROR), data=BYTES,
)  # fmt: skip

# "host", or a list of users.
RECIPIENTS = Shape(
    lambda to: put_uint(0) + put_uint(0) if to == "host" else put_uint(1) + list_of(STRING).put(to),
    lambda reader: list_of(STRING).take(reader) if take_uint(reader) else "host"[take_uint(reader) :],
)

SHAPES = {
    "ping": fields(ts=JSON),
    "pong": fields(ts=JSON, server_time_ms=UINT),
    "create_room": fields(
        game=STRING,
        name=option(STRING),
        options=option(JSON),
        durable=option(BOOL),
        visibility=option(VISIBILITY),
        password=option(STRING),
        seats_max=option(UINT),
        data=option(DATA),
        access=option(ACCESS),
        spectator_delay_ms=option(UINT),
        owner_policy=option(enum("automatic", "manual", "none")),
        empty_ttl_ms=option(UINT),
        idle_ttl_ms=option(UINT),
        lifetime_max_ms=option(UINT),
        record=option(BOOL),
    ),
    "join_room": fields(
        room_id=option(STRING),
        game=option(STRING),
        quick=BOOL,
        **{"as": option(ROLE)},
        password=option(STRING),
        invite=option(STRING),
        filter=option(JSON),
    ),
    "leave_room": fields(room_id=option(STRING)),
    "list_rooms": fields(
        game=option(STRING),
        filter=option(JSON),
        sort=option(STRING),
        cursor=option(STRING),
        limit=option(UINT),
    ),
    "subscribe_rooms": fields(game=option(STRING), filter=option(JSON)),
    "create_room_result": JOINED,
    "join_room_result": JOINED,
    "list_rooms_result": ROOMS,
    "subscribe_rooms_result": ROOMS,
    "client_joined": MEMBER,
    "client_disconnected": fields(user_id=STRING, username=STRING, grace_ms=UINT),
    "client_reconnected": fields(user_id=STRING, username=STRING),
    "client_left": fields(
        user_id=STRING, username=STRING, reason=enum("left", "timed_out", "disconnected", "kicked", "banned")
    ),
    "rooms_changed": fields(added=list_of(ROOM), updated=list_of(ROOM), removed=list_of(STRING)),
    "room_updated": fields(
        name=option(STRING),
        visibility=option(VISIBILITY),
        locked=option(BOOL),
        has_password=option(BOOL),
        seats_max=option(UINT),
        owner=nullable(STRING),
        state=option(STATE),
        spectators=option(UINT),
        seat_queue=option(list_of(STRING)),
        vote=nullable(VOTE),
        data=option(DATA),
    ),
    "member_updated": fields(
        user_id=STRING,
        number=UINT,
        role=option(ROLE),
        seat=nullable(UINT),
        ready=option(BOOL),
        bot=option(BOOL),
        muted=option(BOOL),
        wants_seat=nullable(UINT),
        data=option(DATA),
    ),
    "system": fields(event=enum("joined", "left", "owner_changed"), user_id=STRING, username=STRING, at_ms=UINT),
    "room_closed": fields(
        reason=enum("replaced", "game_failed", "shutting_down", "kicked", "banned", "idle", "expired", "closed"),
        message=STRING,
    ),
    "ack": COUNTS,
    "resume": fields(received=COUNTS),
    "lane": fields(lane=UINT, room_id=option(STRING), next=UINT, applied=UINT, gap=BOOL),
    "session_state": fields(
        rooms=list_of(fields(lane=UINT, room_id=STRING)),
        party=option(JSON),
        tickets=list_of(JSON),
        subscriptions=list_of(fields(to=STRING, game=option(STRING), filter=option(JSON))),
    ),
    # what members ask of their room
    "update_room": fields(
        name=option(STRING),
        visibility=option(VISIBILITY),
        locked=option(BOOL),
        password=nullable(STRING),
        seats_max=option(UINT),
        data=option(DATA),
        access=option(ACCESS),
    ),
    "set_member_data": fields(data=DATA, access=option(ACCESS)),
    **dict.fromkeys(("kick", "ban", "unban", "transfer_owner"), fields(user_id=STRING)),
    "mute": fields(user_id=STRING, muted=BOOL),
    "ready": fields(ready=BOOL),
    **dict.fromkeys(("choose_seat", "remove_bot"), fields(seat=UINT)),
    "queue_for_seat": fields(queued=BOOL),
    "add_bot": fields(seat=option(UINT)),
    "vote": fields(**{"continue": BOOL}),
    "create_invite": fields(uses=option(UINT), expires_ms=option(UINT)),
    "chat_edit": fields(message_id=ID, text=STRING),
    "chat_delete": fields(message_id=ID),
    "chat_history": fields(before=option(ID), limit=option(UINT)),
    "choose_seat_result": fields(seat=UINT),
    "queue_for_seat_result": fields(position=option(UINT)),
    "add_bot_result": fields(seat=UINT, user_id=STRING),
    "create_invite_result": fields(code=STRING, url=STRING),
    "get_participants_result": fields(members=list_of(MEMBER), spectators=UINT),
    "chat_result": fields(message_id=ID),
    "chat_history_result": fields(messages=list_of(ENTRY), next=option(ID)),
    # the games' own
    "make_move": fields(row=INT, col=INT),
    "select": fields(dice_index=INT),
    "set_aside": fields(end_turn=BOOL),
    "choose_next": fields(user_id=STRING),
    "sidebet_propose": fields(user_id=STRING, amount=INT),
    **dict.fromkeys(("sidebet_accept", "sidebet_decline"), fields(user_id=option(STRING))),
    "send": fields(
        payload=JSON,
        delivery=option(enum("reliable", "latest", "unreliable")),
        key=option(STRING),
        to=option(RECIPIENTS),
    ),
    "set": fields(key=STRING, value=JSON, version=option(UINT)),
    "message": fields(**{"from": STRING, "payload": JSON}),
    "value": fields(**{"key": STRING, "value": JSON, "version": UINT, "from": STRING}),
    "host_changed": fields(user_id=option(STRING)),
}

# Two types that clients send have the name of one that the server tells.
SENT = {
    **SHAPES,
    "chat": fields(text=STRING),
    "presence": fields(typing=option(BOOL), away=option(BOOL)),
}
SHAPES |= {
    "chat": ENTRY,
    "presence": fields(user_id=STRING, number=UINT, typing=BOOL, away=BOOL),
}

ROW = array(*[option(enum("X", "O"))] * 3)
VIEWS = {
    ("tic_tac_toe", 2): fields(
        board=array(ROW, ROW, ROW),
        players=fields(X=option(STRING), O=option(STRING)),
        x_seat=UINT,
        current_turn=option(STRING),
        status=enum("waiting", "playing", "won", "draw"),
        winner=option(STRING),
        line=option(array(*[array(U8, U8)] * 3)),
        rematch_wanted=list_of(STRING),
    ),
    ("dice", 1): fields(
        status=enum("waiting", "playing", "busted", "won"),
        current_turn=option(STRING),
        dice=list_of(U8),
        selected=list_of(INT),
        set_aside=list_of(U8),
        roll_score=UINT,
        turn_score=UINT,
        scores=map_of(UINT),
        target=UINT,
        winner=option(STRING),
        can_roll=BOOL,
        players=list_of(option(STRING)),
        rematch_wanted=list_of(STRING),
    ),
    ("owe_drahn", 1): fields(
        status=enum("waiting", "playing", "over"),
        phase=enum("roll", "choose_next"),
        current_turn=option(STRING),
        total=U8,
        last_roll=option(U8),
        lives=map_of(U8),
        out=list_of(STRING),
        ready=list_of(STRING),
        scores=map_of(INT),
        winner=option(STRING),
        sidebets=list_of(fields(**{"from": STRING, "to": STRING, "amount": INT, "accepted": BOOL})),
        players=list_of(option(STRING)),
    ),
    ("relay", 2): fields(
        members_max=UINT,
        host=option(STRING),
        values=map_of(fields(**{"value": JSON, "version": UINT, "from": option(STRING)})),
    ),
}


def whole(shape, data):
    """Decodes `data`, all of it."""
    reader = Reader(data)
    value = shape.take(reader)
    assert reader.done(), "bytes left over"
    return value


class Bincode:
    """Envelopes to bytes and back. Remembers which game each room plays: `game_state` does not say."""

    def __init__(self, views=None, games=VIEWS):
        self.views = {} if views is None else views  # room_id -> shape of the view, for as long as the session
        self.games = games

    def encode(self, message):
        shape = SENT.get(message["type"], NOTHING)
        return ENVELOPE.put({**message, "data": shape.put(message.get("data") or {})})

    def decode(self, payload):
        reader, messages = Reader(payload), []
        while not reader.done():
            message = {k: v for k, v in ENVELOPE.take(reader).items() if v is not None}
            message["data"] = self._data(message)
            messages.append(message)
        return messages

    def _data(self, message):
        kind, data, room_id = message["type"], message["data"], message.get("room_id")
        if message.get("success") is False:
            return whole(NOTHING, data)
        if kind == "game_state":
            return whole(self.views[room_id], data)
        if kind not in SHAPES:
            return whole(NOTHING, data) if kind.endswith("_result") else data
        value = whole(SHAPES[kind], data)
        if SHAPES[kind] is JOINED:
            self.views[value["room_id"]] = self.games[value["game"], value["game_version"]]
            value["view"] = whole(self.views[value["room_id"]], value["view"])
        return value
