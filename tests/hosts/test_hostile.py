"""SSH servers that misbehave: nothing waits for ever, nothing fills memory, and each ends in `unknown` or `failed` with a sentence."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from cockpit.engine.ports import Outcome
from cockpit.events import HostSeen
from cockpit.hosts import dial, job, link
from cockpit.hosts.hands import ShellHands
from cockpit.hosts.job import Jobs
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.plan.model import Host, Op, Shell, Step
from tests.hosts.told import Told, call_of, pooled

Behave = Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]

MEGABYTE = 1 << 20


class Open(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience of a test: the same code with shorter waits."""
    monkeypatch.setattr(link, "HANDSHAKE", 1.0)
    monkeypatch.setattr(dial, "HANDSHAKE", 1.0)
    monkeypatch.setattr("cockpit.hosts.hands.PATIENCE", 1.0)
    monkeypatch.setattr("cockpit.hosts.hands.ENDING", 2.0)


@asynccontextmanager
async def serving(behave: Behave, told: Told) -> AsyncIterator[HostPool]:
    """A pool with one host, `odd`, whose commands are answered by `behave` once it has told who it is."""
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        text = ""
        try:
            if process.command == "exec sh -s":
                text = (await process.stdin.read()).decode()
            if "machine-id" in text:
                process.stdout.write(b"0123|odd|boot\n")
                process.exit(0)
                return
            await behave(process)
        except (asyncssh.Error, OSError):
            pass

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Open, server_host_keys=[key], process_factory=handle, encoding=None
    )
    port = server.get_port()
    host = Host(id="odd", ssh=f"u@127.0.0.1:{port}", host_key=key.export_public_key().decode().strip())
    try:
        async with pooled({"odd": host}, told) as pool:
            await told.link("odd", "up")
            yield pool
    finally:
        server.close()


@asynccontextmanager
async def listening(
    speak: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Host]:
    """A host behind a bare TCP server."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await speak(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    try:
        yield Host(id="odd", ssh=f"u@127.0.0.1:{port}", host_key=key)
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def step(**scripts: Any) -> Step:
    action = Shell(host="odd", probe="look", apply="act")
    return Step(
        ref="s/x",
        id="x",
        service="s",
        phase="prepare",
        kind="shell",
        action=action,
        timeout=scripts.get("timeout", 1.5),
    )


async def outcome(pool: HostPool, told: Told, op: Op, patience: float = 1.0) -> Outcome:
    """What comes of a step's op, with the loop watched: it must go on turning all the while."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            worst = max(worst, loop.time() - before)

    watching = asyncio.create_task(watch())
    try:
        async with asyncio.timeout(60):
            found = await ShellHands(pool, Jobs(pool, patience), told.raw).act(call_of(step(), op), told)
    finally:
        watching.cancel()
    assert worst < 5.0
    assert found.verdict in {"unknown", "failed"}
    assert found.detail
    return found


def peak() -> int:
    """Bytes of memory that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


# --- before it is a connection -------------------------------------------------------------------------------------------


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(600)


async def endless_banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def closes_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-Odd_1.0\r\n")
    await writer.drain()
    await reader.readuntil(b"\n")
    await reader.read(100)
    writer.write(b"\x00\x00\x01\x00\x0a\x14" + b"\x00" * 20)
    await writer.drain()


async def speaks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-Odd_1.0\r\n" + b"\xff" * 4096)
    await writer.drain()
    await asyncio.sleep(600)


@pytest.mark.parametrize("speak", [silent, endless_banner, closes_in_the_middle, speaks_nonsense])
async def test_a_server_that_comes_to_no_handshake_is_down_with_a_sentence(
    speak: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], told: Told
) -> None:
    before = peak()
    async with listening(speak) as host, pooled({"odd": host}, told) as pool:
        assert len((await told.link("odd", "down")).detail) > 5
        with pytest.raises(Unreachable, match="odd cannot be reached"):
            await pool["odd"].connection(wait=0.2)
        assert (await outcome_of_unreachable(pool, told)).verdict == "unknown"
    assert peak() - before < 64 * MEGABYTE


async def outcome_of_unreachable(pool: HostPool, told: Told) -> Outcome:
    async with asyncio.timeout(60):
        return await ShellHands(pool, Jobs(pool, 0.5), told.raw).act(call_of(step(), "apply"), told)


# --- behind a connection ----------------------------------------------------------------------------------------------------


async def stops_reading(process: asyncssh.SSHServerProcess[bytes]) -> None:
    await asyncio.sleep(600)


async def floods(process: asyncssh.SSHServerProcess[bytes]) -> None:
    while True:
        process.stdout.write(b"y" * 65536)
        await process.stdout.drain()


async def floods_lines(process: asyncssh.SSHServerProcess[bytes]) -> None:
    while True:
        process.stderr.write(b"n\n" * 32768)
        await process.stderr.drain()


async def hangs_up(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.channel.get_connection().abort()


async def ends_without_a_status(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.close()


async def lies_about_its_status(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"R 99999999999999999999\n")
    process.exit(0)


async def frames_that_never_fill(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"O 4000000000\nabc")
    await process.stdout.drain()
    await asyncio.sleep(600)


async def frames_of_nonsense(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"O -5\nO x\n\x1b]0;title\x07\n")
    process.exit(0)


async def honest_shell(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """What the link asks whether the host is there."""
    pipe = asyncio.subprocess.PIPE
    shell = await asyncio.create_subprocess_exec("sh", stdin=pipe, stdout=pipe, stderr=pipe)
    assert shell.stdin is not None

    async def answers(reader: asyncio.StreamReader | None, writer: asyncssh.SSHWriter[bytes]) -> None:
        while reader is not None and (data := await reader.read(65536)):
            writer.write(data)

    answering = asyncio.gather(answers(shell.stdout, process.stdout), answers(shell.stderr, process.stderr))
    try:
        while data := await process.stdin.read(65536):
            shell.stdin.write(data)
    finally:
        answering.cancel()
        shell.kill()
        await shell.wait()


ODD = [
    stops_reading,
    floods,
    floods_lines,
    hangs_up,
    ends_without_a_status,
    lies_about_its_status,
    frames_that_never_fill,
    frames_of_nonsense,
]


@pytest.mark.parametrize("behave", ODD)
@pytest.mark.parametrize("op", ["probe", "apply"])
async def test_a_command_on_an_odd_server_ends_in_doubt_with_a_sentence(behave: Behave, op: Op, told: Told) -> None:
    before = peak()
    async with serving(behave, told) as pool:
        await outcome(pool, told, op)
    assert peak() - before < 64 * MEGABYTE


async def test_a_line_without_end_is_bounded_in_memory_and_on_screen(told: Told) -> None:
    async def one_line(process: asyncssh.SSHServerProcess[bytes]) -> None:
        if process.command == "exec sh":
            await honest_shell(process)
            return
        size = int(os.environ.get("COCKPIT_LINE_MB", "96")) * MEGABYTE
        process.stdout.write(f"O {size}\n".encode())
        for _ in range(size // 65536):
            process.stdout.write(b"z" * 65536)
            await process.stdout.drain()
        process.stdout.write(b"R 3\n")
        process.exit(0)

    before = peak()
    async with serving(one_line, told) as pool:
        found = await ShellHands(pool, Jobs(pool, 5), told.raw).act(
            call_of(step(timeout=300), "apply"), lambda event: None
        )
        assert not [event for event in told.of(HostSeen) if event.link != "up"]
    assert (found.verdict, found.exit) == ("failed", 3)
    assert len(found.detail) < 10_000
    assert peak() - before < 64 * MEGABYTE


async def test_an_answer_after_minutes_is_too_late_and_changes_nothing(told: Told) -> None:
    release = asyncio.Event()

    async def late(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await release.wait()
        process.stdout.write(b"R 0\n")
        process.exit(0)

    async with serving(late, told) as pool:
        found = await outcome(pool, told, "apply")
        assert found.verdict == "unknown"
        release.set()
        await asyncio.sleep(0.1)
        assert (await outcome(pool, told, "probe")).verdict in {"unknown", "failed"}


def test_a_status_that_no_process_can_have_is_not_believed() -> None:
    assert job.status_of(b"3") == 3
    for word in (b"256", b"-1", b"99999999999999999999", b"", b"x"):
        with pytest.raises(ValueError, match="no exit status"):
            job.status_of(word)
