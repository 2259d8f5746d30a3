"""One line of the journal: a record with a checksum and the hash of everything before it.

`{"crc":"8 hex","prev":"32 hex","rec":{…}}` and a newline. `prev` is the chain's head before the record; the head after it is
BLAKE2b-16 over `prev` and the record's bytes. The checksum (CRC-32 over the same) finds damage quickly, the chain finds change.
"""

from __future__ import annotations

import zlib

import msgspec

from cockpit.events import Record, Unknown
from cockpit.text import harmless

START = "0" * 32
"""Head of an empty journal."""

LONGEST_NAME = 80
"""Characters that are kept of the name of an event that is not known."""

_CRC_AT = slice(8, 16)
_PREV_AT = slice(26, 58)
_REC_FROM = 66

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


class Damaged(Exception):
    """A line that is not what was written; the sentence says how it shows."""


class _Loose(msgspec.Struct, frozen=True):
    seq: int
    utc: float
    mono: float
    actor: str
    event: msgspec.Raw


class _Kind(msgspec.Struct, frozen=True):
    kind: str = ""


def encode(record: Record, prev: str) -> tuple[bytes, str]:
    """The line (with its newline) and the chain's head after it."""
    body = _encoder.encode(record)
    seed = prev.encode()
    head = _head(seed, body)
    crc = zlib.crc32(body, zlib.crc32(seed))
    return b'{"crc":"%08x","prev":"%s","rec":%s}\n' % (crc, seed, body), head


def decode(line: bytes, prev: str | None) -> tuple[Record, str]:
    """The record of a line (without newline) and the head after it. `prev` None takes the line's own word for the chain.

    Raises Damaged."""
    body, seed = _checked(line)
    if prev is not None and seed != prev.encode():
        raise Damaged("it does not follow from the line before: a line was changed, removed or put in")
    return record_of(body), _head(seed, body)


def decode_unchained(line: bytes) -> Record:
    """The record of a line whose place in the chain is somebody else's care. Raises Damaged."""
    return record_of(_checked(line)[0])


def head_after(line: bytes) -> str:
    """The head after a line whose checksum holds, whatever is in it; '' for another."""
    try:
        body, seed = _checked(line)
    except Damaged:
        return ""
    return _head(seed, body)


def _head(seed: bytes, body: bytes) -> str:
    # Imported here: it loads OpenSSL, and a screen, which never hashes, would wait for that before its first frame.
    from hashlib import blake2b

    return blake2b(seed + body, digest_size=16).hexdigest()


def _checked(line: bytes) -> tuple[bytes, bytes]:
    if len(line) < _REC_FROM + 2 or not line.startswith(b'{"crc":"') or not line.endswith(b"}"):
        raise Damaged("it is not a journal line")
    if line[16:26] != b'","prev":"' or line[58:_REC_FROM] != b'","rec":':
        raise Damaged("its frame is broken")
    body, seed = line[_REC_FROM:-1], line[_PREV_AT]
    if b"%08x" % zlib.crc32(body, zlib.crc32(seed)) != line[_CRC_AT]:
        raise Damaged("its checksum does not match its content")
    return body, seed


def record_of(body: bytes) -> Record:
    """The record of a line's inner part, whose checksum is somebody else's care. Raises Damaged."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        # Another version's event is kept as it is and shown.
        try:
            loose = msgspec.json.decode(body, type=_Loose)
            name = msgspec.json.decode(loose.event, type=_Kind).kind
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Damaged(f"it is no record: {error}") from None
        event = Unknown(name=harmless(name, LONGEST_NAME), raw=bytes(loose.event).decode(errors="replace"))
        return Record(seq=loose.seq, utc=loose.utc, mono=loose.mono, actor=loose.actor, event=event)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Damaged(f"it is no JSON: {error}") from None
