"""All that is found out about a recording by reading it through: its index, whether its chain holds, and whole states on the way.

`survey` does it, message by message. `python -m cockpit.replay.survey` does it as a process of its own, so that the screen,
which is there already, never waits for it: each message stands on standard output with its length before it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from cockpit.journal.beside import Beside
from cockpit.journal.salvage import Damage, Salvage
from cockpit.plan.model import Plan
from cockpit.reduce import reduce
from cockpit.replay.index import Piece, index
from cockpit.state import RunState

STEP = 5000
"""Events between two words on how far the checking is."""

FRAME_EVERY = 1000
"""Events between two whole states that are kept: what a seek folds at the most."""

LENGTH = struct.Struct("<I")


class Indexed(msgspec.Struct, frozen=True, tag="indexed"):
    """The index holds all that there is."""


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag="checked"):
    """So many bytes are checked, and what was found wrong since the last word. At the end `done`, with the chain's head and what
    is wrong beside the journal."""

    read: int
    damages: tuple[Damage, ...] = ()
    damaged: int = 0
    done: bool = False
    head: str = ""
    torn: str = ""
    notes: tuple[Damage, ...] = ()


class Framed(msgspec.Struct, frozen=True, kw_only=True, tag="framed"):
    """The state after `count` events stands in the frames' file."""

    count: int
    offset: int
    size: int


Message = Piece | Indexed | Checked | Framed
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_states = msgspec.msgpack.Decoder(RunState)


def survey(file: Path, descriptor: int, size: int, frames: int = -1) -> Iterator[Message]:
    """Read the open journal `file` through, up to `size` bytes: the index, then the chain, then states into the open file
    `frames` unless that is -1."""
    yield from index(descriptor, size)
    yield Indexed()
    yield from _checked(file, descriptor, size)
    if frames >= 0:
        yield from _framed(file, descriptor, size, frames)


def _checked(file: Path, descriptor: int, size: int) -> Iterator[Checked]:
    salvage, beside = Salvage(file), Beside(file)
    told = 0
    for record in salvage.read(descriptor, size):
        beside.seen(record, salvage.head, salvage.lines, salvage.events)
        if salvage.events % STEP == 0:
            # The last one may still grow.
            ready = tuple(salvage.damages[told:-1])
            told += len(ready)
            yield Checked(read=salvage.size, damages=ready, damaged=salvage.damaged)
    yield Checked(
        read=size,
        damages=tuple(salvage.damages[told:]),
        damaged=salvage.damaged,
        done=True,
        head=salvage.head,
        torn=salvage.torn_tail,
        notes=tuple(beside.found()),
    )


def _framed(file: Path, descriptor: int, size: int, frames: int) -> Iterator[Framed]:
    state, first, at = RunState(), None, 0
    salvage = Salvage(file)
    for record in salvage.read(descriptor, size):
        state = reduce(state, record)
        first = state.plan if salvage.events == 1 else first
        if salvage.events % FRAME_EVERY == 0:
            data = packed(state, first)
            os.pwrite(frames, data, at)
            yield Framed(count=salvage.events, offset=at, size=len(data))
            at += len(data)


def packed(state: RunState, first: Plan | None) -> bytes:
    """A state as bytes; the plan, which the first event holds, is left out."""
    bare = replace(state, plan=None) if state.plan is first else state
    return zlib.compress(_encoder.encode(bare), 1)


def unpacked(data: bytes, first: Plan | None) -> RunState:
    """The state again. Raises ValueError for what no state was packed into."""
    try:
        state = _states.decode(zlib.decompress(data))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"this is no state: {error}") from None
    return replace(state, plan=first) if state.plan is None else state


def framed(message: Message) -> bytes:
    """A message as it goes over the pipe."""
    data = _encoder.encode(message)
    return LENGTH.pack(len(data)) + data


def message(data: bytes) -> Message:
    """A message that came without its length. Raises msgspec.MsgspecError."""
    return _decoder.decode(data)


def main(words: list[str]) -> int:
    """FILE, its open descriptor, how many bytes of it, and the open file for states."""
    file, descriptor, size, frames = Path(words[0]), int(words[1]), int(words[2]), int(words[3])
    with contextlib.suppress(BrokenPipeError), open(sys.stdout.fileno(), "wb", 0, closefd=False) as out:
        for found in survey(file, descriptor, size, frames):
            if isinstance(found, Indexed):
                # From here on nobody waits.
                os.nice(5)
            _write_all(out.fileno(), framed(found))
    return 0


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
