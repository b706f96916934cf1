"""The examples beside the document: what they are in binary is what they are in JSON."""

import json
import pathlib

from codec import ENVELOPE, SENT, STRING, UINT, Bincode, Reader, fields, option

FOLDER = pathlib.Path(__file__).parents[2] / "crates/protocol/vectors"
VIEW = fields(count=UINT, last=option(STRING))  # of no real game


def plain(value):
    """What is null is as good as not there, but for some fields that are checked by themselves."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items() if entry is not None}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


class Vectors:
    def __init__(self, checks):
        self.checks = checks

    def sent(self):
        """What a client sends is the bytes that are there."""
        for name, message, data in self.examples("requests.json"):
            kind, envelope = message["type"], ENVELOPE.take(Reader(data))
            self.checks.ok(f"vectors: {name}: its shape is known", kind in SENT or not message.get("data"), message)
            written = Bincode().encode({**message, "ref": envelope["ref"]} if "ref" in envelope else message)
            ref = envelope.get("ref")
            if isinstance(ref, float) or not str(ref).isascii():  # one may write these differently
                written, data = ENVELOPE.take(Reader(written)), envelope
            self.checks.equal(f"vectors: {name}", written, data)

    def told(self):
        """What a server says is read as it is in JSON."""
        for file in ("results.json", "pushes.json", "session.json"):
            for name, message, data in self.examples(file):
                codec = Bincode({message.get("room_id"): VIEW}, {("tic_tac_toe", 2): VIEW})
                (seen,) = codec.decode(data)
                expected = {"data": {}, **message}
                self.checks.equal(f"vectors: {name}", plain(seen), plain(expected))
                if message["type"] in ("room_updated", "member_updated"):
                    self.checks.equal(f"vectors: {name}: what is null", seen["data"], expected["data"])

    @staticmethod
    def examples(file):
        for example in json.loads((FOLDER / file).read_text()):
            if example["bincode_hex"] is not None:
                yield example["name"], example["json"], bytes.fromhex(example["bincode_hex"])

    ALL = (sent, told)
