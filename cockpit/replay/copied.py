"""A private copy of a journal whose file this account may not read: its lines, as they come over the socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

from cockpit.conductor import wire


class Copy:
    """Lines of a run from the first one on, in a file that has no name and goes with this process."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile(prefix="cockpit-watch-") as file:
            self.descriptor = os.dup(file.fileno())

    async def follow(self, socket: Path, name: str) -> None:
        """Write down what comes, until the conductor goes or the caller cancels. Raises OSError when there is no room left."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket), limit=wire.LINE_LIMIT)
        except (FileNotFoundError, ConnectionError):
            return
        try:
            writer.write(wire.encode(wire.Hello(name=name, watch=True)))
            await writer.drain()
            rest = b""
            while chunk := await reader.read(1 << 20):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if newline:
                    lines = [line for line in whole.split(b"\n") if wire.kind(line) == "journal"]
                    await asyncio.to_thread(self._write, b"".join(line + b"\n" for line in lines))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                await writer.wait_closed()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]
