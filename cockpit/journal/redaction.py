"""Redaction: known secrets, and the encodings of them, leave neither in an event nor in raw bytes nor in a log. Pure.

In text a secret becomes `‹secret NAME›`. In raw bytes it becomes as many bytes of one sign, so that every offset stays true.
What a step captured must still serve its undo: there the mark carries a keyed fingerprint, from which whoever knows the same
secret makes the text again.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from cockpit.events import Event
from cockpit.journal.needles import LEAST, needles

_BLOCK = 4
_INDEXED = 2 * _BLOCK - 1
"""Bytes from which a needle holds a whole aligned block wherever it stands."""
_SIGNS = b"*#~=+.-_x@%^&|:;!?$"
_MARK = re.compile(r"‹secret ([^‹›\n]+?) ([0-9a-f]{16})(?:\+(\d+))?›")
_CUT = re.compile(r" … \d+ more$")
_NAMES = frozenset({"ref", "run", "service", "gate", "host", "job", "file", "raw", "head", "driver", "name", "plan"})
"""Fields that name something of the plan or the run. They are looked up by; no secret may stand in a plan."""

Found = tuple[int, int, bytes]
"""Where a needle begins, where it ends, and which it is."""
E = TypeVar("E", bound=Event)


class SecretChanged(Exception):
    """What was captured holds a secret that has another value now; the sentence names it."""


class _Net:
    """All needles, indexed by their first blocks: one pass over the bytes, however many there are."""

    def __init__(self, named: Mapping[bytes, str]) -> None:
        self.named = named
        self.sorted = sorted(named)
        self.longest = max(map(len, named), default=0)
        self._short = [needle for needle in named if len(needle) < _INDEXED]
        self._blocks: dict[int, list[tuple[int, bytes]]] = {}
        for needle in named:
            for at in range(_BLOCK) if len(needle) >= _INDEXED else ():
                block = memoryview(needle[at : at + _BLOCK]).cast("I")[0]
                self._blocks.setdefault(block, []).append((at, needle))
        self._keys = self._blocks.keys()
        used = frozenset(b"".join(named))
        self.sign = bytes([next((sign for sign in (*_SIGNS, *range(33, 127)) if sign not in used), _SIGNS[0])])

    def find(self, data: bytes) -> list[Found]:
        """Every place of every needle, overlapping ones too, in order; the longer first where two begin together."""
        found: list[Found] = []
        for needle in self._short:
            at = data.find(needle)
            while at >= 0:
                found.append((at, at + len(needle), needle))
                at = data.find(needle, at + 1)
        blocks = memoryview(data)[: len(data) // _BLOCK * _BLOCK].cast("I")
        if not self._keys.isdisjoint(blocks):
            index = self._blocks
            for number, block in enumerate(blocks):
                if block in index:
                    for at, needle in index[block]:
                        begin = number * _BLOCK - at
                        if begin >= 0 and data.startswith(needle, begin):
                            found.append((begin, begin + len(needle), needle))
        found.sort(key=lambda item: (item[0], -item[1]))
        return found

    def unfinished(self, data: bytes) -> int:
        """Bytes at the end of `data` with which a needle may begin that goes on in what follows."""
        if data.endswith(b"\n"):
            return 0  # No needle holds a line break.
        ordered = self.sorted
        for size in range(min(self.longest - 1, len(data)), 0, -1):
            tail = data[-size:]
            at = bisect.bisect_right(ordered, tail)
            if at < len(ordered) and ordered[at].startswith(tail):
                return size
        return 0


class Redactor:
    """Knows secrets and takes them out. `key` makes the fingerprints of captured values; keep it beside the run, not in it."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self._named: dict[bytes, str] = {}
        self._built: _Net | None = None
        self._tags: dict[str, bytes] = {}

    def add(self, name: str, value: str) -> None:
        """Know a secret from now on; a name that is known already gets one value more."""
        named = dict.fromkeys(needles(value), name)
        self._tags = self._tags | {self._tag(needle): needle for needle in named}
        # Another thread may redact at this moment: it has the former needles or all of them.
        self._named = {**named, **self._named}
        self._built = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to take out."""
        return not self._named

    @property
    def _net(self) -> _Net | None:
        named, net = self._named, self._built
        if net is None or net.named is not named:
            net = self._built = _Net(named) if named else None
        return net

    def holds(self, text: str) -> bool:
        """Whether a secret stands in a text."""
        net = self._net
        return net is not None and bool(net.find(text.encode("utf-8", "surrogatepass")))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in a text: (first sign, behind the last) of each, in order; they may overlap."""
        net = self._net
        if net is None:
            return []
        data = text.encode("utf-8", "surrogatepass")
        return [
            (len(data[:begin].decode("utf-8", "replace")), len(data[:end].decode("utf-8", "replace")))
            for begin, end, _ in net.find(data)
        ]

    def text(self, text: str) -> str:
        """A text with each secret as `‹secret NAME›`; also the beginning of one at the end of a line that was cut."""
        net = self._net
        return self._marked(net, text) if net is not None else text

    def event(self, event: E) -> E:
        """An event with every secret taken out of its texts; the same object when there is none in it."""
        net = self._net
        if net is None:
            return event
        changed: dict[str, Any] = {}
        for field in _texts(type(event)):
            value = getattr(event, field)
            if not value:
                continue
            if isinstance(value, str):
                told: Any = self._marked(net, value)
            elif isinstance(value, dict):
                told = {self._kept(net, k): self._kept(net, v) for k, v in value.items()}
            else:
                told = self._lines(net, value)
            if told != value:
                changed[field] = told
        return msgspec.structs.replace(event, **changed) if changed else event

    def stream(self) -> Stream:
        """A new stream of bytes."""
        return Stream(self)

    def restored(self, captured: Mapping[str, str]) -> dict[str, str]:
        """What was captured, as it was. Raises SecretChanged when a secret in it has another value by now."""
        return {self._restored(name): self._restored(value) for name, value in captured.items()}

    def _restored(self, text: str) -> str:
        def again(mark: re.Match[str]) -> str:
            needle = self._tags.get(mark[2])
            if needle is None:
                raise SecretChanged(
                    f"what was captured holds the secret {mark[1]} as it was then, and it has another value now: "
                    "give the former value and resume the run, or take this step back by hand"
                )
            return needle[int(mark[3] or 0) :].decode()

        return _MARK.sub(again, text) if "‹secret " in text else text

    def _tag(self, needle: bytes) -> str:
        return hmac.new(self._key, needle, hashlib.sha256).hexdigest()[:16]

    def _marked(self, net: _Net, text: str, tagged: bool = False) -> str:
        data = text.encode("utf-8", "surrogatepass")
        found = net.find(data)
        cut = _CUT.search(text) if text.endswith(" more") else None
        if cut is not None:
            body = text[: cut.start()].encode("utf-8", "surrogatepass")
            begun = net.unfinished(body)
            if begun >= LEAST:
                at = bisect.bisect_right(net.sorted, body[-begun:])
                found.append((len(body) - begun, len(body), net.sorted[at]))
                found.sort(key=lambda item: (item[0], -item[1]))
        if not found:
            return text
        out: list[bytes] = []
        done, last = 0, ""
        for begin, end, needle in found:
            if end <= done:
                continue
            name = net.named[needle]
            out.append(data[done:begin])
            if tagged and end - begin == len(needle):
                over = f"+{done - begin}" if begin < done else ""
                out.append(f"‹secret {name} {self._tag(needle)}{over}›".encode())
            elif begin > done or name != last:
                out.append(f"‹secret {name}›".encode())
            done, last = end, name
        out.append(data[done:])
        return b"".join(out).decode("utf-8", "surrogatepass")

    def _kept(self, net: _Net, text: str) -> str:
        """What was captured, marked so that it can be had again. Marks of ours that stand in it stay as they are."""
        out, done = "", 0
        for mark in _MARK.finditer(text) if "‹secret " in text else ():
            if net.named.get(self._tags.get(mark[2], b"")) == mark[1]:
                out += self._marked(net, text[done : mark.start()], tagged=True) + mark[0]
                done = mark.end()
        return out + self._marked(net, text[done:], tagged=True)

    def _lines(self, net: _Net, lines: tuple[str, ...]) -> tuple[str, ...]:
        """Lines are looked through together: most hold nothing, and one pass over many is cheap."""
        together = "\n".join(lines)
        if not net.find(together.encode("utf-8", "surrogatepass")) and " more" not in together:
            return lines
        return tuple(self._marked(net, line) for line in lines)


class Stream:
    """Bytes that come in pieces. A secret that is split over pieces is found: what may be the beginning of one is held back,
    never more than one needle less a byte. What comes out is as long as what went in."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen = b""
        """The last bytes that were let out, as they came."""
        self.held = b""

    def feed(self, data: bytes) -> bytes:
        """Take a piece; returns what is safe to let out."""
        return self._out(data, last=False)

    def flush(self) -> bytes:
        """What was held back; nothing more comes."""
        return self._out(b"", last=True)

    def _out(self, data: bytes, last: bool) -> bytes:
        net = self._redactor._net
        if net is None:
            self._seen, out, self.held = b"", self.held + data, b""
            return out
        whole = self._seen + self.held + data
        begin = len(self._seen)
        end = len(whole) if last else max(begin, len(whole) - net.unfinished(whole))
        masked: list[bytes] = []
        done = begin
        for start, stop, _ in net.find(whole):
            start, stop = max(start, done), min(stop, end)
            if stop > start:
                masked += (whole[done:start], net.sign * (stop - start))
                done = stop
        masked.append(whole[done:end])
        self._seen, self.held = whole[max(0, end - net.longest) : end], whole[end:]
        return b"".join(masked)


@functools.cache
def _texts(kind: type[Event]) -> tuple[str, ...]:
    """The fields of an event that hold free text."""
    free: tuple[object, ...] = (str, tuple[str, ...], dict[str, str])
    return tuple(
        field.name for field in msgspec.structs.fields(kind) if field.type in free and field.name not in _NAMES
    )
