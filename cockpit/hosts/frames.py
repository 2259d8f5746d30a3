"""What a tail agent and the cockpit say to each other over one channel.

The agent announces itself: `python` or `sh`. Then it is sent its text, as lines `text NAME BYTES` each followed by so many
bytes, then a line `orders`, and the orders, up to a line `go`:

    file INDEX MODE PATH                              MODE: `end` tells the last 4 KiB first, `begin` everything
    gen INDEX KEY OFFSET SEEN MTIME HEAD HASH NEAR HASH   a generation of it that was read before, the oldest first
    done INDEX KEY MTIME HEAD HASH                    a generation that was read to its end, before the others
    unit INDEX CURSOR NAME                            a journald unit; `-` for no cursor

HEAD and NEAR are how many of its first bytes, and of the bytes before OFFSET, have the hashes beside them (24 hex digits of
SHA-256): a generation is recognised by them, wherever it was renamed, copied or packed to. Frames are a line each:

    F INDEX SERIAL OFFSET LENGTH SEEN TIME KEY MTIME HEAD HASH JOINED   LENGTH bytes follow, then a line `E n`: the first n count
    U INDEX LENGTH TIME CURSOR    the same for a unit; the cursor is behind these bytes
    G INDEX SERIAL SIZE           the host itself lost what follows in this generation: at least SIZE bytes
    Q INDEX SERIAL                nothing more was written to a rotated generation for a while
    X INDEX SERIAL                nothing of this generation can come any more
    T INDEX SENTENCE              it cannot be read; without a sentence it can be again
    P TIME                        still there

SERIAL counts the generations of a file: those of its orders first, from 0 on. JOINED is 1 where a generation goes on in the
middle of the line that the one before it ended with, because a file was copied and cut. SEEN is how long the file is known
to be, TIME the host's clock in seconds, MTIME in nanoseconds. A file that does not exist yet has a generation with KEY `-`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Protocol

import msgspec

FINGER = 4096
CHUNK = 131072
PARTS = ("files", "logs", "follow")
SHELL_PARTS = ("files", "generations", "reading", "follow")

# The bootstrap is short, since some servers take only short commands (Dropbear: 9000 bytes); the text comes behind it.
_BOOT = """
import os, sys, types
def take(n):
    b = b""
    while len(b) < n:
        c = os.read(0, n - len(b))
        if not c: sys.exit(0)
        b += c
    return b
def line():
    b = b""
    while b[-1:] != b"\\n": b += take(1)
    return b.split()
os.write(1, b"python\\n")
w = line()
while w[0] == b"text":
    name = w[1].decode()
    m = types.ModuleType(name)
    sys.modules["cockpit.hosts.agent." + name] = m
    exec(compile(take(int(w[2])), name, "exec"), m.__dict__)
    w = line()
"""

COMMAND_PYTHON = (
    "for p in python3 /usr/bin/python3 /usr/libexec/platform-python; do "
    'if "$p" -IS -c "import sys; sys.exit(sys.version_info < (3, 6))" 2>/dev/null; then '
    f"""exec "$p" -IS -c '{_BOOT}'; fi; done; """
)

COMMAND_SH = (
    """echo sh; read -r word name size && text=$(dd bs=1 count="$size" 2>/dev/null; echo x) && eval "${text%x}\""""
)


def command(python: bool = True) -> str:
    """The shell command that starts an agent, whatever the host has; without `python` the shell one."""
    return (COMMAND_PYTHON if python else "") + COMMAND_SH


def text(kind: str) -> bytes:
    """What is sent behind the command to an agent that announced itself as `kind`."""
    agent = files("cockpit.hosts.agent")
    if kind == "sh":
        body = b"".join(agent.joinpath(f"{name}.sh").read_bytes() for name in SHELL_PARTS)
        return b"text follow %d\n%b" % (len(body), body)
    parts = [(name, agent.joinpath(f"{name}.py").read_bytes()) for name in PARTS]
    return b"".join(b"text %b %d\n%b" % (name.encode(), len(body), body) for name, body in parts)


def mark_of(data: bytes) -> tuple[int, str]:
    """Length and hash of bytes that are recognised by it."""
    return len(data), hashlib.sha256(data).hexdigest()[:24] if data else "-"


class Frame(msgspec.Struct, frozen=True):
    """One frame, or a piece of a long one. `kind` is its letter."""

    kind: str
    index: int = 0
    serial: int = 0
    offset: int = 0
    data: bytes = b""
    seen: int = 0
    """For `G` the size of the gap."""
    time: float = 0.0
    key: str = "-"
    """For `U` the cursor, for `T` the sentence."""
    mtime: int = 0
    head: tuple[int, str] = (0, "-")
    joined: bool = False
    last: bool = True
    """Whether the agent's frame is complete with this piece."""


class Reader(Protocol):
    """A stream of bytes with back-pressure."""

    async def readuntil(self, separator: bytes, /) -> bytes:
        """Bytes up to and with the separator. Raises IncompleteReadError."""
        ...

    async def readexactly(self, n: int, /) -> bytes:
        """So many bytes. Raises IncompleteReadError."""
        ...


async def frames(stream: Reader) -> AsyncIterator[Frame]:
    """Frames as they come, in pieces of at most CHUNK bytes. Raises IncompleteReadError at the end of the stream, and
    ValueError where it holds something else than frames."""
    while True:
        words = (await stream.readuntil(b"\n"))[:-1].decode("utf-8", "replace").split(" ")
        kind = words[0]
        if kind == "F":
            at, left, short = int(words[3]), int(words[4]), False
            offset = at
            head = Frame(
                "F", int(words[1]), int(words[2]), seen=int(words[5]), time=float(words[6]), key=words[7],
                mtime=int(words[8]), head=(int(words[9]), words[10]), joined=words[11] == "1",
            )  # fmt: skip
            while left > CHUNK:
                data = await stream.readexactly(CHUNK)
                left -= len(data)
                yield msgspec.structs.replace(head, offset=offset, data=data, last=False)
                offset += len(data)
            data = await stream.readexactly(left)
            counted = int((await stream.readuntil(b"\n")).split()[1]) - (offset - at)
            short = counted < 0
            if short:
                raise ValueError("a frame is shorter than it began")
            yield msgspec.structs.replace(head, offset=offset, data=data[:counted])
        elif kind == "U":
            data = await stream.readexactly(int(words[2]))
            await stream.readuntil(b"\n")
            yield Frame("U", int(words[1]), data=data, time=float(words[3]), key=words[4])
        elif kind == "G":
            yield Frame("G", int(words[1]), int(words[2]), seen=int(words[3]))
        elif kind in {"Q", "X"}:
            yield Frame(kind, int(words[1]), int(words[2]))
        elif kind == "T":
            yield Frame("T", int(words[1]), key=" ".join(words[2:]))
        elif kind == "P":
            yield Frame("P", time=float(words[1]))
        else:
            raise ValueError(f"no frame begins with {kind[:20]!r}")
