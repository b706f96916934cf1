#!/usr/bin/env python3
"""A client for Anteroom, written from PROTOCOL.md alone, with nothing but the standard library.

    python3 client.py HOST:PORT

plays through the protocol over WebSocket, in JSON and in the binary codec, and prints one line per check. The server
must let guests in. To learn the protocol from it, read

    websocket.py   frames                          (no part of the protocol)
    session.py     messages, lanes, requests       (sections 3 to 6)
    codec.py       the binary codec                (appendix A)
    resuming.py    a session that resumes          (section 11)

and what they are good for in basics.py (sections 1 to 10), in listing.py, doors.py, owners.py, seats.py, talk.py and
asking.py (all that a room may be asked for, sections 7 and 8), in games.py (section 9), and in losses.py, moves.py, ends.py and whole.py
(section 11). vectors.py holds the codec against the examples beside the document.
"""

import sys
import traceback

sys.dont_write_bytecode = True  # leave nothing behind in the directory of the sources

from asking import Asking
from basics import Play
from checks import Checks
from codec import ERRORS
from doors import Doors
from ends import Ends
from games import Games
from listing import Listing
from losses import Losses
from moves import Moves
from owners import Owners
from seats import Seats
from session import Wire
from talk import Talk
from vectors import Vectors
from whole import Whole

# What no client can bring about by itself, with the games that come with the server.
UNSEEN = {
    "internal", "shutting_down", "storage_unavailable", "outcome_unknown", "timeout", "spectators_refused",
    "room_suspended",
}  # fmt: skip
ONLY_JSON = {"session_unknown"}  # before there is a session


def play(part, chapter, checks):
    """Runs one part. What it raises is a failure, and the next part goes on with a server that should not mind."""
    try:
        part(chapter)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        line = next(frame.lineno for frame in reversed(where) if frame.name == part.__name__)
        checks.ok(f"{part.__name__} (line {line})", False, f"{type(error).__name__}: {error}")


def main():
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit("usage: client.py HOST:PORT")
    address, checks = sys.argv[1], Checks()
    basics = Play(address, checks)
    for part in Play.ALL:
        play(part, basics, checks)
    for part in Vectors.ALL:
        play(part, Vectors(checks), checks)
    for topic, kinds in (
        ("rooms", (Asking, Doors, Owners, Seats, Talk, Listing, Games)),
        ("resume", (Losses, Moves, Ends, Whole)),
    ):
        for binary in (False, True):
            checks.prefix = f"{topic}, binary: " if binary else f"{topic}: "
            for kind in kinds:
                chapter = kind(address, checks, binary)
                for part in kind.ALL:
                    play(part, chapter, checks)
    checks.prefix = ""
    for binary, unseen in ((False, UNSEEN), (True, UNSEEN | ONLY_JSON)):
        missed = set(ERRORS.values()) - unseen - Wire.errors[binary]
        checks.equal(f"every error has come{' in binary' if binary else ''}", missed, set())
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
