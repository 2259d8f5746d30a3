"""An SSH agent that holds a FIDO key in software: it signs as a security key does, so that a real server can verify it.

Agent protocol: draft-ietf-sshm-ssh-agent §3. What is signed and sent: OpenSSH's PROTOCOL.u2f, "SSH U2F Signatures".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED = 1
"""The flag of a signature for which somebody touched the key."""


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class SecurityKey:
    """One key. `touches` is how often somebody touches it; after that it refuses."""

    def __init__(self, touches: int = 1000) -> None:
        self._private = Ed25519PrivateKey.generate()
        self._touches = touches
        self.signed = 0
        self.blob = string(KIND) + string(self._private.public_key().public_bytes_raw()) + string(APPLICATION)

    @property
    def line(self) -> str:
        """Its line for authorized_keys."""
        return f"{KIND.decode()} {base64.b64encode(self.blob).decode()} fido"

    def sign(self, data: bytes) -> bytes | None:
        """A signature, None when nobody touched it in time."""
        if self.signed >= self._touches:
            return None
        self.signed += 1
        rest = struct.pack(">BI", TOUCHED, self.signed)
        message = hashlib.sha256(APPLICATION).digest() + rest + hashlib.sha256(data).digest()
        return string(KIND) + string(self._private.sign(message)) + rest

    def answer(self, request: bytes) -> bytes:
        """The agent's answer to one request."""
        match request[0]:
            case 11:
                return bytes([12]) + struct.pack(">I", 1) + string(self.blob) + string(b"fido")
            case 13:
                length = struct.unpack(">I", request[1:5])[0]
                data = request[5 + length :]
                if request[5 : 5 + length] == self.blob:
                    signature = self.sign(data[4 : 4 + struct.unpack(">I", data[:4])[0]])
                    if signature is not None:
                        return bytes([14]) + string(signature)
        return bytes([5])


@asynccontextmanager
async def plugged(key: SecurityKey, socket: Path) -> AsyncIterator[None]:
    """An agent that holds it, at that path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = struct.unpack(">I", await reader.readexactly(4))[0]
                writer.write(string(key.answer(await reader.readexactly(length))))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_unix_server(serve, socket)
    try:
        yield
    finally:
        server.close()
