"""DNS messages as bytes (RFC 1035 §4.1): writing a question, matching an answer to it, walking an answer's records. Pure.

A message is text of a stranger. A walk takes a bounded number of steps whatever the message says of itself: names point
backwards only, and what does not add up is `Malformed`, with a sentence.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdatatype
import msgspec

PAYLOAD = 1232
"""Bytes of a datagram that pass everywhere without being cut in two."""
STEPS = 32768
"""Labels and pointers followed in one message: five thousand records with names of six labels."""

QR, AA, TC, RD, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0020, 0x0010
_OPCODE = 0x7800
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
_HIGHEST_TTL = 0x7FFFFFFF

OPT = 41
_PLAIN = {2: 0, 5: 0, 12: 0, 15: 2, 18: 2, 33: 6, 36: 2, 39: 0}
"""Types whose data is so many bytes and then a name that may be compressed: NS CNAME PTR MX AFSDB SRV KX DNAME."""
_SOA = 6


class Malformed(ValueError):
    """A message that cannot be read; the text says why."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it stands in a message."""

    name: str
    """In lower case, without the final dot."""
    type: str
    number: int
    qname: bytes
    """In lower case."""
    tail: bytes
    """Type and class."""
    mask: int
    """The bits of `qname`, read as one number, that choose a letter's case."""

    def cased(self, random: bytes) -> bytes:
        """The name with letters in the case that `random` says, one byte of it for each of the name: an answer that repeats
        it was written by somebody who saw the question."""
        size = len(self.qname)
        return (int.from_bytes(self.qname) ^ (int.from_bytes(random) & self.mask)).to_bytes(size)


def question(name: str, type: str) -> Question:
    """A question for `name` in class IN. Raises ValueError for what is no name or no type."""
    try:
        whole = dns.name.from_text(name)
        number = int(dns.rdatatype.from_text(type))
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{name[:80]!r} {type[:20]} cannot be asked for: {error}") from None
    qname = whole.to_wire().lower()  # type: ignore[union-attr]
    letters = bytes(0x20 if byte in _LETTERS else 0 for byte in qname)
    return Question(
        name=whole.to_text(omit_final_dot=True).lower() if len(whole) > 1 else "",
        type=dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number)),
        number=number,
        qname=qname,
        tail=struct.pack("!HH", number, 1),
        mask=int.from_bytes(letters),
    )


def flags_of(*, recurse: bool, checking_disabled: bool) -> int:
    """The second word of a question. AD asks to be told what was validated (RFC 6840 §5.7)."""
    return (RD | AD if recurse else 0) | (CD if checking_disabled else 0)


def edns(*, dnssec: bool) -> bytes:
    """An OPT record that takes answers of 1232 bytes (RFC 6891 §6.1.2), and signatures where they are wanted."""
    return struct.pack("!BHHIH", 0, OPT, PAYLOAD, 0x8000 if dnssec else 0, 0)


def query(id: bytes, flags: int, qname: bytes, tail: bytes, opt: bytes) -> bytes:
    """A whole question. `id` is two bytes, `opt` is what `edns` gives, or nothing."""
    return id + _head(flags, bool(opt)) + qname + tail + opt


@functools.lru_cache(maxsize=64)
def _head(flags: int, edns: bool) -> bytes:
    return struct.pack("!HHHHH", flags, 1, 0, 0, edns)


class Header(NamedTuple):
    """What stands first in a message."""

    id: int
    flags: int
    questions: int
    answers: int
    authorities: int
    others: int

    @property
    def rcode(self) -> int:
        """Without the part that an OPT record adds."""
        return self.flags & 0xF


def header(wire: bytes) -> Header:
    """Raises Malformed."""
    if len(wire) < 12:
        raise Malformed(f"it has {len(wire)} bytes, and a header alone has 12")
    return Header(*_HEADER.unpack_from(wire))


NO_QUESTION = frozenset({1, 2, 4, 5})
"""FORMERR, SERVFAIL, NOTIMP and REFUSED may come without the question, from servers that did not read it."""


def answers(wire: bytes, qname: bytes, tail: bytes) -> bool:
    """Whether the message answers this question, with letters in this case. The id is the caller's to compare."""
    if len(wire) < 12:
        return False
    flags = wire[2] << 8 | wire[3]
    if not flags & QR or flags & _OPCODE:
        return False
    if wire[4:6] == b"\0\1":
        return wire.startswith(qname + tail, 12)
    return wire[4:6] == b"\0\0" and flags & 0xF in NO_QUESTION and wire[6:10] == b"\0\0\0\0"


class Record(NamedTuple):
    """One record: where it stands (0 answer, 1 authority, 2 additional), whose it is, and its data, names in it written
    out."""

    section: int
    owner: bytes
    """In lower case."""
    type: int
    ttl: int
    data: bytes


class Walk:
    """The records of one message, read once from front to back."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self._left = STEPS
        self.extended = 0
        """Upper bits of the response code (RFC 6891 §6.1.3)."""
        self.errors: tuple[int, ...] = ()
        """Extended errors (RFC 8914)."""

    def records(self) -> Iterator[Record]:
        """All records of class IN that are no OPT; its content is in `extended` and `errors` afterwards. Raises Malformed."""
        wire = self._wire
        head = header(wire)
        at = 12
        for _ in range(head.questions):
            _, at = self._name(at)
            at += 4
        for section, count in enumerate((head.answers, head.authorities, head.others)):
            for _ in range(count):
                owner, at = self._name(at)
                if at + 10 > len(wire):
                    raise Malformed("it ends inside a record")
                type, kind, ttl, size = _FIXED.unpack_from(wire, at)
                at += 10
                end = at + size
                if end > len(wire):
                    raise Malformed("a record is longer than the message")
                if type == OPT:
                    self._opt(ttl, wire[at:end])
                elif kind == 1:
                    # RFC 2181 §8: a TTL with the highest bit set is zero.
                    yield Record(section, owner, type, ttl if ttl <= _HIGHEST_TTL else 0, self._data(type, at, end))
                at = end
        if at != len(wire):
            raise Malformed(f"{len(wire) - at} bytes follow its last record" if at < len(wire) else "it ends early")

    def _opt(self, ttl: int, data: bytes) -> None:
        self.extended = ttl >> 24
        at = 0
        errors: list[int] = []
        while at < len(data):
            if at + 4 > len(data):
                raise Malformed("an EDNS option ends early")
            code, size = struct.unpack_from("!HH", data, at)
            at += 4
            if at + size > len(data):
                raise Malformed("an EDNS option is longer than its record")
            if code == 15 and size >= 2 and len(errors) < 16:
                errors.append(data[at] << 8 | data[at + 1])
            at += size
        self.errors = tuple(errors)

    def _data(self, type: int, at: int, end: int) -> bytes:
        wire = self._wire
        if type in _PLAIN:
            before = _PLAIN[type]
            if at + before >= end:
                raise Malformed("a record's data is too short")
            name, after = self._name(at + before, case=True)
            if after != end:
                raise Malformed("a name in a record does not fill it")
            return wire[at : at + before] + name
        if type == _SOA:
            first, after = self._name(at, case=True)
            second, after = self._name(after, case=True)
            if after + 20 != end:
                raise Malformed("an SOA record has not the size of one")
            return first + second + wire[after:end]
        return wire[at:end]

    def _name(self, at: int, *, case: bool = False) -> tuple[bytes, int]:
        """A name written out, and where it ends. Pointers lead backwards only, so that none can loop (RFC 1035 §4.1.4)."""
        wire = self._wire
        name = bytearray()
        after = -1
        lowest = at
        while True:
            self._left -= 1
            if self._left < 0:
                raise Malformed("its names take too many steps to read")
            if at >= len(wire):
                raise Malformed("it ends inside a name")
            size = wire[at]
            if size >= 0xC0:
                if at + 1 >= len(wire):
                    raise Malformed("it ends inside a name")
                if after < 0:
                    after = at + 2
                at = (size & 0x3F) << 8 | wire[at + 1]
                if at >= lowest:
                    raise Malformed("a name points forward, or at itself")
                lowest = at
            elif size > 63:
                raise Malformed("a label of a kind that does not exist")
            else:
                if at + size >= len(wire):
                    raise Malformed("it ends inside a name")
                name += wire[at : at + size + 1]
                at += size + 1
                if len(name) > 255:
                    raise Malformed("a name is longer than 255 bytes")
                if not size:
                    return bytes(name if case else name.lower()), after if after >= 0 else at
