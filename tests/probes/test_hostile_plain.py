"""Servers that mean no good: each ends in a stated failure of that probe, in its time, with little memory."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cockpit.clock import SystemClock
from cockpit.plan.target import Target
from cockpit.plan.watched import Expect, Probe
from cockpit.probes.aside import Aside
from cockpit.probes.context import Said
from cockpit.probes.plain import login, onhost, tcp
from cockpit.probes.plain.logged import LogLook
from cockpit.probes.plain.tls import TlsProber
from cockpit.probes.seen import Seen
from tests.probes.wild import Talk, drip, echo_garbage, endless, hearing, saying, slam, wild

HERE = "127.0.0.1"
TIMEOUT = 0.8
MEMORY = 3 << 20
"""Bytes that one probe of a hostile server may take."""
TLS_RECORD = b"\x16\x03\x03\x40\x00\x02\x00\xff\xff"
"""The beginning of a ServerHello that promises 64 KiB."""

Probing = Callable[[int], Awaitable[Seen]]


async def _tcp(port: int) -> Seen:
    return await tcp.probe(Target("x.test", port), HERE, Expect(status=0, body="ready"), TIMEOUT)


async def _tls(port: int) -> Seen:
    return await TlsProber(SystemClock()).probe(Target("x.test", port), HERE, TIMEOUT)


async def _ssh(port: int) -> Seen:
    return await login.probe(Target("x.test", port), HERE, "", TIMEOUT, None, login.trust([]))


async def _ssh_login(port: int) -> Seen:
    who = login.account("probe", "river", [])
    return await login.probe(Target("x.test", port), HERE, "", TIMEOUT, who, login.trust([]))


PROBES: dict[str, Probing] = {"tcp": _tcp, "tls": _tls, "ssh": _ssh, "ssh login": _ssh_login}
SERVERS: dict[str, Talk] = {
    "endless line": endless,
    "drip": drip,
    "banner of 1 MB": saying(b"220 " + b"y" * (1 << 20) + b"\r\n"),
    "a million lines": saying(b"\r\n" * (1 << 19)),
    "silence": hearing(b""),
    "closes at once": saying(b""),
    "closes in the handshake": slam,
    "garbage": echo_garbage,
    "escape sequences": hearing(b"\x1b]0;owned\x07\x1b[2J\xff\xfe\x00\r\n"),
    "half an SSH banner": hearing(b"SSH-2.0-half"),
    "an SSH banner that is no text": hearing(b"SSH-2.0-\xff\xfe\x1b[31mred\r\n"),
    "an SSH banner and then garbage": hearing(b"SSH-2.0-odd\r\n" + b"\xff" * 65536),
    "an SSH banner and a drip": saying(b"SSH-2.0-odd\r\n\x00\x00"),
    "half a TLS record": hearing(TLS_RECORD + b"\x00" * 100),
    "TLS records without end": saying(b"\x16\x03\x03\x40\x00" * 60000),
    "plain HTTP": saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", PROBES)
async def test_a_hostile_server_ends_in_a_stated_failure_in_time(kind: str, server: str) -> None:
    loop = asyncio.get_running_loop()
    faults: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    async with wild(SERVERS[server]) as port:
        tracemalloc.start()
        try:
            began = time.monotonic()
            seen = await PROBES[kind](port)
            took = time.monotonic() - began
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await asyncio.sleep(0)
    # A banner with nothing behind it is what an SSH probe without a login still fails on: the key is missing.
    assert not seen.ok
    assert seen.detail
    assert all(character.isprintable() for character in seen.detail + "".join(seen.facts.values()))
    assert len(seen.detail) < 500
    assert took < TIMEOUT + 1.0
    assert most < MEMORY + (3 << 20), "the server's own share is within it"
    assert not faults, "nothing is left to the loop's own complaints"


async def test_a_hundred_hostile_servers_leave_no_task_and_no_socket_behind() -> None:
    before = asyncio.all_tasks()
    open_before = len(list(Path("/proc/self/fd").iterdir()))

    def left() -> tuple[list[str], int]:
        tasks = [repr(task) for task in asyncio.all_tasks() - before if not task.done()]
        return tasks, max(0, len(list(Path("/proc/self/fd").iterdir())) - open_before - 2)

    async with wild(drip) as port:
        async with asyncio.timeout(60):
            await asyncio.gather(*(probe(port) for probe in PROBES.values() for _ in range(25)))
    # What was closed is gone some turns of the loop later.
    ends = time.monotonic() + 10
    while left() != ([], 0) and time.monotonic() < ends:
        await asyncio.sleep(0.1)
    assert left() == ([], 0)


async def test_a_probe_that_is_cancelled_ends_at_once() -> None:
    async with wild(hearing(b"")) as port:
        for probe in PROBES.values():
            task = asyncio.create_task(probe(port))
            await asyncio.sleep(0.1)
            task.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 0.5


async def test_a_host_that_says_too_much_is_bounded_and_harmless() -> None:
    flood = "\x1b[31m" + "x" * (1 << 20) + "\n" + "y\u202e\n" * 100_000

    async def flooding(host: str, script: str, timeout: float) -> Said:
        return Said(0, flood, flood)

    command = Probe(id="c", proto="command", target="true", expect=Expect(status=0, body="never"))
    seen = await onhost.command(flooding, "old", command, {})
    assert not seen.ok
    assert len(seen.body) <= onhost.OUTPUT
    assert max(map(len, [seen.detail, *seen.facts.values()])) < 400
    assert all(character.isprintable() for character in seen.detail + "".join(seen.facts.values()))


@pytest.mark.parametrize(
    "said", ["", "x", "1 2", "no inode at all 3\n", "9" * 5000, "5 5 0\n" + "\x1b[2Jhit\n" * 9], ids=range(6)
)
async def test_a_host_that_answers_a_log_probe_with_nonsense_is_a_stated_failure(said: str) -> None:
    async def odd(host: str, script: str, timeout: float) -> Said:
        return Said(0, said)

    probe = Probe(id="l", proto="log", target="hit", file="/var/log/x", expect=Expect(status=0))
    async with Aside() as aside:
        look = LogLook(odd, "old", probe, aside)
        for _ in range(2):
            seen = await look.look()
            if seen is not None:
                assert all(character.isprintable() for character in seen.detail + "".join(seen.facts.values()))
    if not said.startswith("5 5 0"):
        assert seen is not None
        assert not seen.ok
