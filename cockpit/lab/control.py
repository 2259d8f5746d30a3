"""The lab's control socket: JSON lines in its folder, for faults and for what the world has seen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from cockpit.lab.addresses import LabError
from cockpit.lab.faults import Order, apply
from cockpit.lab.lab import Lab

LINE = 64 * 1024


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: whether it was done, and a sentence."""

    ok: bool
    text: str
    data: dict[str, object] = {}


@contextlib.asynccontextmanager
async def serve(lab: Lab) -> AsyncIterator[Path]:
    """Listen on `lab.control_path` until the block ends. Raises OSError."""
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            with contextlib.suppress(OSError, ValueError):
                while line := await reader.readline():
                    writer.write(msgspec.json.encode(await _answer(lab, line)) + b"\n")
                    await writer.drain()
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    with contextlib.ExitStack() as held:
        server = await asyncio.start_unix_server(talk, held.enter_context(_short(lab.control_path)), limit=LINE)
    lab.control_path.chmod(0o600)
    try:
        yield lab.control_path
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        lab.control_path.unlink(missing_ok=True)


async def _answer(lab: Lab, line: bytes) -> Said:
    try:
        order = msgspec.json.decode(line, type=Order)
        if order.fault == "status":
            return Said(ok=True, text="running", data={"world": lab.tally.as_dict(), "down": sorted(lab.down)})
        return Said(ok=True, text=await apply(lab, order))
    except msgspec.MsgspecError as error:
        return Said(ok=False, text=f"the order cannot be read: {error}")
    except (LabError, OSError) as error:
        return Said(ok=False, text=str(error))


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a socket that fits the 107 bytes that Linux has for one, however deep its folder lies."""
    if len(os.fsencode(path)) < 100 or not Path("/proc/self/fd").is_dir():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def answers(path: Path) -> bool:
    """Whether a lab listens on that socket; one that was killed leaves it behind."""
    try:
        with socket.socket(socket.AF_UNIX) as link, _short(path) as short:
            link.connect(short)
    except OSError:
        return False
    return True


def send(folder: Path, order: Order, timeout: float = 10.0) -> Said:
    """Give an order to the lab that runs in `folder`. Blocks. Raises LabError."""
    path = folder / "control.sock"
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout)
            with _short(path) as short:
                link.connect(short)
            link.sendall(msgspec.json.encode(order) + b"\n")
            with link.makefile("rb") as lines:
                return msgspec.json.decode(lines.readline(LINE), type=Said)
    except (OSError, msgspec.MsgspecError) as error:
        raise LabError(
            f"no lab answers in {folder}: {error}. Start one with `cockpit lab --folder {folder}`."
        ) from None
