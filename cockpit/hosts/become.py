"""Running commands as another account on the host: sudo, doas and su, with and without a password (DESIGN: never in an argument
list, never in the middle of a step)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncssh

from cockpit.plan.model import Host
from cockpit.text import harmless

Process = asyncssh.SSHClientProcess[bytes]
Open = Callable[[str, bool], Awaitable[Process]]
"""Opens a process for a command, with or without a terminal."""

PATIENCE = 20.0
"""Seconds for a prompt, and for the answer to a password."""


class NotAllowed(Exception):
    """The host does not let us become that account. The sentence says why."""


def without_password(host: Host, command: str) -> str:
    """The command as the host's other account runs it when no password is asked."""
    account, text = shlex.quote(host.become_user), shlex.quote(command)
    match host.become:
        case "sudo":
            return f"exec sudo -n -H -u {account} -- sh -c {text}"
        case "doas":
            return f"exec doas -n -u {account} sh -c {text}"
        case "su":
            return f"exec su {account} -c {text}"
        case _:
            return command


@asynccontextmanager
async def with_password(host: Host, command: str, password: str, open: Open) -> AsyncIterator[Process]:
    """A process of the host's other account. The password goes to the prompt and nowhere else. Raises NotAllowed."""
    if host.become == "sudo":
        async with _by_sudo(host, command, password, open) as process:
            yield process
    else:
        async with _by_terminal(host, command, password, open) as process:
            yield process


@asynccontextmanager
async def _by_sudo(host: Host, command: str, password: str, open: Open) -> AsyncIterator[Process]:
    """sudo reads the password from standard input, a byte at a time; what follows it is the command's."""
    mark = secrets.token_hex(12)
    inner = shlex.quote(f"echo {mark}; {command}")
    process = await open(f"exec sudo -S -p {mark} -H -u {shlex.quote(host.become_user)} -- sh -c {inner}", False)
    try:
        await _past_prompt(host, process, mark, password)
        yield process
    finally:
        process.close()


async def _past_prompt(host: Host, process: Process, mark: str, password: str) -> None:
    """Give the password when it is asked for, and wait for the command to begin."""
    begun = asyncio.ensure_future(process.stdout.readuntil(f"{mark}\n".encode()))
    asked = asyncio.ensure_future(process.stderr.readuntil(mark.encode()))
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({begun, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done() and not begun.done() and asked.exception() is None:
                process.stdin.write(password.encode() + b"\n")
                asked = asyncio.ensure_future(process.stderr.readuntil(mark.encode()))
                await asyncio.wait({begun, asked}, return_when=asyncio.FIRST_COMPLETED)
            if begun.done() and begun.exception() is None:
                return
            said = b""
            if asked.done() and isinstance(error := asked.exception(), asyncio.IncompleteReadError):
                said = error.partial
            raise NotAllowed(_no(host, said))
    except TimeoutError:
        raise NotAllowed(f"{host.id}: {host.become} did not answer within {PATIENCE:.0f} s") from None
    finally:
        for task in (begun, asked):
            task.cancel()
        await asyncio.gather(begun, asked, return_exceptions=True)


@asynccontextmanager
async def _by_terminal(host: Host, command: str, password: str, open: Open) -> AsyncIterator[Process]:
    """doas and su ask on a terminal only, and a terminal changes bytes: the terminal is for the password alone, the command talks
    over named pipes in a private folder."""
    quoted = shlex.quote
    made = await open("umask 077; d=$(mktemp -d) && mkfifo $d/in $d/out $d/err && echo $d", False)
    folder = (await made.stdout.read()).decode("ascii", "replace").strip()
    made.close()
    if not folder.startswith("/"):
        raise NotAllowed(f"{host.id}: no private folder could be made for {host.become}")
    mark = secrets.token_hex(12)
    inner = f"echo {mark}; ( {command}\n) <{folder}/in >{folder}/out 2>{folder}/err; ln -s $? {folder}/rc"
    account = quoted(host.become_user)
    words = f"su {account} -c {quoted(inner)}" if host.become == "su" else f"doas -u {account} sh -c {quoted(inner)}"
    front = await open(words, True)
    try:
        await _past_terminal(host, front, mark, password)
        relay = (
            f"trap 'rm -rf {folder}' EXIT; trap 'exit 129' HUP PIPE TERM; cd {folder} || exit 255; "
            "{ cat err >&2 & cat out & cat >in; wait; n=0; "
            "while [ ! -L rc ] && [ $n -lt 50 ]; do n=$((n+1)); sleep 0.05; done; exit $(readlink rc || echo 255); }"
        )
        back = await open(relay, False)
        try:
            yield back
        finally:
            back.close()
    finally:
        front.close()
        with contextlib.suppress(OSError, asyncssh.Error):
            (await open(f"rm -rf {folder}", False)).close()


async def _past_terminal(host: Host, front: Process, mark: str, password: str) -> None:
    said = b""
    given = False
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                chunk = await front.stdout.read(4096)
                if not chunk:
                    raise NotAllowed(_no(host, said))
                said = (said + chunk)[-4096:]
                # The mark also comes back as part of an echoed command line: alone on its line it is the command's.
                if f"{mark}\r\n".encode() in said:
                    return
                if not given and said.rstrip().endswith(b":"):
                    given, said = True, b""
                    front.stdin.write(password.encode() + b"\n")
    except TimeoutError:
        raise NotAllowed(f"{host.id}: {host.become} did not answer within {PATIENCE:.0f} s") from None


def _no(host: Host, said: bytes) -> str:
    last = harmless(said.strip().splitlines()[-1], 200) if said.strip() else "it says nothing"
    return f"{host.id}: {host.become} does not let us become {host.become_user}: {last}"
