"""Our end of the helper process that holds Apprise."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import Any, Literal

import msgspec

from cockpit import child

SEND_WAIT = 60.0
"""Seconds after which a service that says nothing is given up; what was sent by then is in doubt."""

State = Literal["good", "sent", "failed", "unknown"]


class Said(msgspec.Struct, frozen=True):
    """What the helper answered."""

    state: State
    detail: str = ""


class Helper:
    """The process, for as long as the `async with` lasts."""

    def __init__(self, wait: float = SEND_WAIT) -> None:
        self._wait = wait
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Helper:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "cockpit.people",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        await child.end(process)

    async def send(self, url: str, subject: str, text: str) -> Said:
        """Hand one message over. `unknown` when the process ended or was silent: it may have arrived."""
        return await self._order({"url": url, "subject": subject, "text": text})

    async def look(self, url: str) -> Said:
        """Whether the address is understood: `good` with the name of the service, or `failed`. Sends nothing."""
        return await self._order({"url": url})

    async def _order(self, order: dict[str, Any]) -> Said:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            await process.stdin.drain()
            async with asyncio.timeout(self._wait):
                line = await process.stdout.readline()
            return msgspec.json.decode(line, type=Said)
        except TimeoutError:
            return Said("unknown", f"no answer within {self._wait:g} s")
        except (OSError, ValueError):
            return Said("unknown", "the process that sends it has ended")
