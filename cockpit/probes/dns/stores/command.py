"""A zone that the operator's own shell reads and writes, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from cockpit import child
from cockpit.plan.zones import Provider
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.message import Swap
from cockpit.probes.dns.stores import StoreError, StoreLost
from cockpit.text import harmless

MOST = 4 << 20
"""Bytes of output that are read; a command that prints more is killed."""


class CommandStore:
    """`read` prints `ttl value` lines of `$name $type`, `write` gets such lines on its standard input, `list` prints
    `name ttl type value` lines of the whole zone. Secrets are environment variables."""

    def __init__(self, zone: str, provider: Provider, secrets: Mapping[str, str]) -> None:
        self._zone = zone
        self._provider = provider
        self._env = {**os.environ, **provider.options, **secrets, "zone": zone}

    async def read(self, keys: Sequence[tuple[str, str]], timeout: float) -> list[Held]:
        return [await self._one(name, type, timeout) for name, type in keys]

    async def _one(self, name: str, type: str, timeout: float) -> Held:
        said = await self._run("read", self._provider.read, {"name": name, "type": type}, b"", timeout)
        rows = [_row(line) for line in said.splitlines() if line.strip()]
        values = tuple(sorted(value for _, value in rows))
        return Held(name=name, type=type, values=values, ttl=max((ttl for ttl, _ in rows), default=-1))

    async def write(self, swap: Swap, now: Held, timeout: float) -> None:
        lines = "".join(f"{swap.ttl} {value}\n" for value in swap.becomes)
        names = {"name": swap.name, "type": swap.type, "ttl": str(swap.ttl)}
        await self._run("write", self._provider.write, names, lines.encode(), timeout)

    async def everything(self, timeout: float) -> list[Held]:
        if not self._provider.list:
            raise StoreError("the provider has no `list` command that prints the whole zone")
        said = await self._run("list", self._provider.list, {}, b"", timeout)
        found: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for line in said.splitlines():
            words = line.split(None, 4)
            if not words:
                continue
            words = [*words[:2], *words[3:]] if len(words) == 5 and words[2] == "IN" else line.split(None, 3)
            if len(words) != 4 or not words[1].isdecimal():
                raise StoreError(f"list printed no `name ttl type value`: {harmless(line, 200)}")
            name, ttl, type, value = words
            found.setdefault((name.rstrip("."), type.upper()), []).append((int(ttl), value.strip()))
        return [
            Held(name=name, type=type, values=tuple(sorted(v for _, v in rows)), ttl=max(ttl for ttl, _ in rows))
            for (name, type), rows in found.items()
        ]

    async def _run(self, what: str, text: str, names: Mapping[str, str], given: bytes, timeout: float) -> str:
        """Its standard output. A session of its own, so that all that it starts can be killed with it."""
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", text, env={**self._env, **names}, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout):
                out, err = await _talk(process, given)
        except TimeoutError:
            raise StoreLost(f"{what} did not end within {timeout:.0f} s and was killed") from None
        finally:
            await _end(process)
        if process.returncode:
            why = harmless(err.decode("utf-8", "replace").strip() or "it said nothing", 300)
            # A command that fails may have asked the provider before.
            raise (StoreLost if what == "write" else StoreError)(f"{what} ended with {process.returncode}: {why}")
        return out.decode("utf-8", "replace")


async def _talk(process: asyncio.subprocess.Process, given: bytes) -> tuple[bytes, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as group:
        out = group.create_task(_bounded(process, process.stdout))
        err = group.create_task(_bounded(process, process.stderr))
        with contextlib.suppress(ConnectionError):
            process.stdin.write(given)
            await process.stdin.drain()
            process.stdin.close()
    await process.wait()
    return out.result(), err.result()


async def _bounded(process: asyncio.subprocess.Process, stream: asyncio.StreamReader) -> bytes:
    """To the end of the stream, also of a killed command: its end is told only once its pipes have been read."""
    kept = bytearray()
    killed = False
    while chunk := await stream.read(65536):
        kept += chunk[: MOST - len(kept) + 1]
        if len(kept) > MOST and not killed:
            killed = True
            _kill(process)
    return bytes(kept)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    await child.end(process)


def _row(line: str) -> tuple[int, str]:
    ttl, _, value = line.strip().partition(" ")
    if not ttl.isdecimal() or not value.strip():
        raise StoreError(f"read printed no `ttl value`: {harmless(line, 200)}")
    return int(ttl), value.strip()
