"""WebSocket (RFC 6455), the part of it that a client needs."""

import base64
import hashlib
import os
import socket
import struct
import time

TIMEOUT = 10.0  # seconds, for any one wait
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Refused(Exception):
    """The server did not upgrade the connection."""

    def __init__(self, status):
        super().__init__(f"HTTP status {status}")
        self.status = status


class Closed(Exception):
    """The connection is over. `code` is None if it ended without a close frame."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed: {code} {reason}")
        self.code, self.reason = code, reason


class WebSocket:
    def __init__(self, address, subprotocols=()):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), TIMEOUT)
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: {address}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        if subprotocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(subprotocols))
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())

        deadline = time.monotonic() + TIMEOUT
        while b"\r\n\r\n" not in self.buffer:
            self._fill(deadline)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        if status.split()[1] != "101":
            self.socket.close()
            raise Refused(int(status.split()[1]))
        headers = {k.strip().lower(): v.strip() for k, v in (field.split(":", 1) for field in fields)}
        magic = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        assert headers["sec-websocket-accept"] == base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
        assert "sec-websocket-extensions" not in headers, "compression is not negotiated"
        self.subprotocol = headers.get("sec-websocket-protocol")

    def send(self, opcode, payload, final=True):
        mask = os.urandom(4)
        pad = (mask * (len(payload) // 4 + 1))[: len(payload)]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(payload), "big")
        self.send_raw(self.header(opcode, len(payload), final) + mask + masked)

    @staticmethod
    def header(opcode, length, final=True):
        """A frame's header up to the mask, of which it says that it follows."""
        first = opcode | (0x80 if final else 0)
        if length < 126:
            return struct.pack("!BB", first, 0x80 | length)
        if length < 65536:
            return struct.pack("!BBH", first, 0x80 | 126, length)
        return struct.pack("!BBQ", first, 0x80 | 127, length)

    def drop(self):
        """Ends the connection without a word."""
        self.socket.close()

    def send_raw(self, data):
        try:
            self.socket.settimeout(TIMEOUT)
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has closed already; receive() will tell why

    def receive(self, deadline):
        """The next whole message, as (opcode, bytes). Answers pings on the way."""
        kind, message = None, b""
        while True:
            first, second = self._take(2, deadline)
            assert first & 0x70 == 0 and second & 0x80 == 0, "reserved bits, or a masked frame from the server"
            length = second
            if length == 126:
                (length,) = struct.unpack("!H", self._take(2, deadline))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._take(8, deadline))
            payload = self._take(length, deadline)
            opcode = first & 0x0F
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                self.send(CLOSE, payload[:2])
                self.socket.close()
                code = struct.unpack("!H", payload[:2])[0] if payload else None
                raise Closed(code, payload[2:].decode())
            elif opcode != PONG:
                kind = kind or opcode
                message += payload
                if first & 0x80:
                    return kind, message

    def _take(self, count, deadline):
        while len(self.buffer) < count:
            self._fill(deadline)
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _fill(self, deadline):
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.socket.close()
            raise Closed(None, "the connection ended without a close frame")
        self.buffer += data
