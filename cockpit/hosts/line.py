"""One SSH connection and the channels that run over it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncssh

from cockpit.hosts.errors import why

Process = asyncssh.SSHClientProcess[bytes]

CHANNELS = 8
"""At once on one connection; OpenSSH's MaxSessions default is 10."""


class Line:
    """A connection, the jump hosts' connections that carry it, and how many channels are in use."""

    def __init__(self, connection: asyncssh.SSHClientConnection, hops: Sequence[asyncssh.SSHClientConnection]) -> None:
        self.connection = connection
        self._hops = hops
        self._used = 0
        self._most = CHANNELS

    def take(self) -> bool:
        """Reserve a channel; False when there is no room."""
        if self._used >= self._most:
            return False
        self._used += 1
        return True

    def give_back(self) -> None:
        """Free a channel."""
        self._used -= 1

    def full(self) -> bool:
        """The server refused a channel: whether it had others of ours, so that fewer are tried from now on."""
        if self._used <= 1:
            return False
        self._most = max(1, self._used - 1)
        return True

    async def open(self, command: str, terminal: bool) -> Process:
        """Open a channel. A server frees a session a moment after its command ended, so a refusal is asked again a few times.
        Raises what asyncssh raises."""
        kind = "ansi" if terminal else None
        for attempt in range(1, 4):
            try:
                return await self.connection.create_process(
                    command, encoding=None, term_type=kind, request_pty="force" if terminal else False
                )
            except asyncssh.ChannelOpenError:
                if attempt == 3:
                    raise
            await asyncio.sleep(0.02 * 2**attempt)
        raise AssertionError("unreachable")

    async def wait_closed(self) -> str:
        """Until the connection is gone; returns why."""
        await self.connection.wait_closed()
        lost = getattr(self.connection.get_owner(), "lost", None)
        return f"the connection was lost: {why(lost)}" if lost is not None else "the connection was closed"

    def abort(self) -> None:
        """Let go of it without waiting for the other side."""
        self.connection.abort()
        for hop in reversed(self._hops):
            hop.abort()
