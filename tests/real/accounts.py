"""Two real Unix accounts of a test: made, used by processes that give root up, and removed again. Needs root.

`python -m tests.real.accounts ACCOUNT ROLE …` imports what it needs as root (the Python of a test may be unreadable to others), becomes
the account for good, and then is one of:

- `conduct FOLDER`: a conductor's heart, with its driver's screen; takes lines on standard input, answers each with a line;
- `visit SOCKET TOKEN`: a screen without a terminal; takes intents as JSON lines, answers with the refusal, says `over` when it is cut;
- `cockpit WORDS…`: the program itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit import intents as it
from cockpit.cli import access, confirm, live, main, runs, watch
from cockpit.conductor import client, summary, visit
from cockpit.engine import second
from cockpit.events import AccessGiven, WriterSeen
from cockpit.journal import pack
from cockpit.journal.folder import RunFolder
from tests.conductor.seats import Ahead, Run, conducted, screen
from tests.engine.world import small_plan

USED = (access, confirm, live, main, runs, watch, client, summary, visit, second, pack, AccessGiven, ThreadPoolExecutor)
"""What the commands import when they run."""

TOOLS = ("useradd", "userdel")


@functools.cache
def missing() -> str:
    """Why there can be no accounts here, with the line that would mend it; '' when there can."""
    lacking = [tool for tool in TOOLS if shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin") is None]
    if lacking:
        return f"{', '.join(lacking)} missing: sudo apt-get install -y passwd"
    return (
        ""
        if os.geteuid() == 0
        else "making accounts needs root: run the tests as root, after apt-get install -y passwd"
    )


needs_accounts = pytest.mark.skipif(bool(missing()), reason=missing())


@contextlib.contextmanager
def accounts(*names: str, grouped: bool = False) -> Iterator[None]:
    """Accounts without a home and without a password, and no more of them afterwards. `grouped`: each has a group of its own."""
    made: list[str] = []
    try:
        for name in names:
            subprocess.run(
                ["useradd", "-M", "-U" if grouped else "-N", "-s", "/usr/sbin/nologin", name],
                check=True,
                capture_output=True,
            )
            made.append(name)
        yield
    finally:
        for name in made:
            shutil.rmtree(f"/tmp/cockpit-{pwd.getpwnam(name).pw_uid}", ignore_errors=True)
            subprocess.run(["userdel", name], check=False, capture_output=True)


class Process:
    """A process of one of the accounts, and what it says."""

    def __init__(self, account: str, *words: str, env: dict[str, str] | None = None) -> None:
        quiet = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "COCKPIT_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.real.accounts", account, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=quiet | (env or {}),
        )  # fmt: skip

    def line(self) -> str:
        """The next line that it says; '' when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def say(self, text: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def ask(self, text: str) -> str:
        """Type a line; the answer."""
        self.say(text)
        return self.line()

    def end(self) -> tuple[int, str]:
        """(exit status, all that it said since the last line that was read), once it has ended by itself."""
        said, _ = self._process.communicate(timeout=60)
        return self._process.returncode, said

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def become(account: str) -> None:
    """Be that account from now on."""
    entry = pwd.getpwnam(account)
    os.initgroups(account, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ |= {"USER": account, "LOGNAME": account, "HOME": "/nonexistent"}
    os.umask(0o077)


async def conduct(folder: Path) -> None:
    """A run with a gate for two whose first service is over; each line is an intent as JSON, or an order of the test."""
    from msgspec.structs import replace

    plan = small_plan()
    plan = replace(plan, gates=(replace(plan.gates[0], second=True),))
    clock, kept = Ahead(), RunFolder(folder)
    folder.mkdir(mode=0o700, parents=True)
    async with (
        conducted(folder, plan, clock, token=kept.token(), socket=kept.keep_socket()) as run,
        screen(run, "driver", kept.token()) as driver,
    ):
        await driver.source.send(it.RunToGate(service="s0"))
        await driver.until(lambda: driver.state.step("s0/switch").state == "done" and not run.engine.busy)
        print("ready", flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode().strip():
            print(await _ordered(run, driver.source, clock, line), flush=True)


async def _ordered(run: Run, source: Any, clock: Ahead, line: str) -> str:
    if line == "green":
        await run.ledger.write(WriterSeen(service="s0", writer="new"), "probe")
        return "green"
    if line.startswith("later "):
        clock.by += float(line.partition(" ")[2])
        run.ledger.wake()
        return line
    if line == "gate":
        gate = run.ledger.state.gates["pilot-good"]
        return f"{'open' if gate.open else 'asked' if gate.asked else 'closed'} {gate.second or gate.reason}".strip()
    return await source.send(msgspec.json.decode(line, type=it.AnyIntent)) or "taken"


async def visiting(socket: Path, token: str) -> None:
    """A screen without a terminal."""
    source = client.LiveSource(socket, "somebody", token, wait=2.0)
    made = visit.Visit(source)
    following = asyncio.create_task(made.follow())
    if not await made.until(lambda state: state.plan is not None, 10.0):
        print(f"over {made.over}", flush=True)
        return
    print("in", flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    typing = asyncio.create_task(_typed(reader, source))
    await asyncio.wait({following, typing}, return_when=asyncio.FIRST_COMPLETED)
    typing.cancel()
    print(f"over {made.over}", flush=True)


async def _typed(reader: asyncio.StreamReader, source: Any) -> None:
    while line := (await reader.readline()).decode().strip():
        print(await source.send(msgspec.json.decode(line, type=it.AnyIntent)) or "taken", flush=True)


if __name__ == "__main__":
    name, role, *words = sys.argv[1:]
    become(name)
    if role == "conduct":
        asyncio.run(conduct(Path(words[0])))
    elif role == "visit":
        asyncio.run(visiting(Path(words[0]), words[1]))
    else:
        sys.exit(main.main(words))
