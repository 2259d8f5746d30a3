"""Getting a plan's secrets from where they are: files, the environment, commands. What a person is asked is not got here."""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cockpit.plan.model import Plan, Secret
from cockpit.text import harmless

COMMAND_WAIT = 60.0
"""Seconds for which a command may take its time; somebody may have to unlock something first."""
MOST = 16 * 1024
"""Bytes of the longest value."""


class SecretMissing(Exception):
    """A secret cannot be had, or cannot be kept: no run begins. One sentence a line."""


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """Values by name; the names that a person must be asked for; what is not as it should be, as sentences."""

    values: dict[str, str]
    asked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def answer_name(name: str) -> str:
    """The environment variable that answers a question beforehand."""
    return f"COCKPIT_SECRET_{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_').upper()}"


async def gather(plan: Plan, environ: Mapping[str, str] | None = None) -> Gathered:
    """Every secret of a plan that needs no person. Raises SecretMissing with a sentence for each that cannot be had."""
    environ = os.environ if environ is None else environ
    values: dict[str, str] = {}
    asked: list[str] = []
    warnings: list[str] = []
    missing: list[str] = []
    for name, secret in plan.secrets.items():
        try:
            match secret.source:
                case "file":
                    raw, warning = _from_file(secret)
                    warnings += [f"secret {name}: {warning}"] if warning else []
                case "env":
                    raw = _from_environment(secret, environ)
                case "command":
                    folder = Path(plan.source).parent if plan.source else Path.cwd()
                    raw = await _from_command(secret, folder)
                case "ask":
                    given = environ.get(answer_name(name))
                    if given is None:
                        asked.append(name)
                        continue
                    raw = os.fsencode(given)
            values[name] = decoded(raw)
        except ValueError as error:
            missing.append(f"secret {name}: {error}")
    if missing:
        raise SecretMissing("\n".join(missing))
    return Gathered(values=values, asked=tuple(asked), warnings=tuple(warnings))


def decoded(raw: bytes) -> str:
    """A value without the newlines at its end. Raises ValueError with what is wrong with it, which never quotes it."""
    if len(raw) > MOST:
        raise ValueError(f"it has more than {MOST} bytes; keep it in a file on the host and give its path")
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text; encode it, and let the script decode it") from None
    if not text:
        raise ValueError("it is empty")
    if "\0" in text:
        raise ValueError("it holds a zero byte, which no shell variable can hold")
    return text


def _from_file(secret: Secret) -> tuple[bytes, str]:
    path = Path(secret.at)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MOST + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    others = stat.S_IMODE(mode) & 0o077
    return raw, f"{path} is open to others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}" if others else ""


def _from_environment(secret: Secret, environ: Mapping[str, str]) -> bytes:
    value = environ.get(secret.at)
    if value is None:
        raise ValueError(f"the environment variable {secret.at} is not set")
    return os.fsencode(value)


async def _from_command(secret: Secret, folder: Path) -> bytes:
    began: list[subprocess.Popen[bytes]] = []
    try:
        status, out, err = await asyncio.to_thread(_ran, secret.at, folder, began)
    except OSError as error:
        raise ValueError(f"{harmless(secret.at, 80)!r} cannot be run: {error.strerror}") from None
    except asyncio.CancelledError:
        for process in began:
            process.kill()
        raise
    said = harmless(err.decode("utf-8", "replace").strip().replace("\n", "; "), 300)
    what = repr(harmless(secret.at, 80))[1:-1]
    if status is None:
        raise ValueError(f"`{what}` took longer than {COMMAND_WAIT:.0f} s" + (f": {said}" if said else ""))
    if status:
        how = f"status {status}" if status > 0 else f"signal {-status}"
        raise ValueError(f"`{what}` ended with {how}: {said or 'it said nothing'}")
    return out


def _ran(text: str, folder: Path, began: list[subprocess.Popen[bytes]]) -> tuple[int | None, bytes, bytes]:
    """Run shell text; its status (None when its time was over), output and errors. It keeps the terminal, to ask there."""
    until = time.monotonic() + COMMAND_WAIT
    process = subprocess.Popen(["/bin/sh", "-c", text], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    began.append(process)
    assert process.stdout is not None
    assert process.stderr is not None
    got: dict[int, bytes] = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    out, err = got
    try:
        with selectors.DefaultSelector() as ready:
            for stream in got:
                ready.register(stream, selectors.EVENT_READ)
            while ready.get_map() and time.monotonic() < until:
                events = ready.select(0.2)
                for key, _ in events:
                    piece = os.read(key.fd, 65536)
                    if not piece:
                        ready.unregister(key.fd)
                    got[key.fd] = (got[key.fd] + piece)[: MOST + 1]
                # What it left running in the background may hold its pipes for ever.
                if not events and process.poll() is not None:
                    break
        try:
            status: int | None = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
    finally:
        process.stdout.close()
        process.stderr.close()
    return status, got[out], got[err]
