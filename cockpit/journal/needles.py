"""What a secret looks like once it was written somewhere: itself, and the encodings that programs put text into. Pure."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterator
from shlex import quote

from cockpit.text import harmless

LEAST = 4
"""Characters of the shortest secret: less stands everywhere, and redacting it would blank everything."""
LEAST_LINE = 8
"""Characters of the shortest line of a secret of several lines that is looked for by itself."""
LONGEST = 95
"""Characters of the longest needle; what is longer is looked for in tiles, so that a stream holds back little."""
_TILE = 48
_WRAPPED = (76, 64)
"""Where `base64` and `openssl base64` break their lines."""


def needles(value: str) -> frozenset[bytes]:
    """Every byte string to look for so that `value` is found. None holds a line break, each has at least LEAST bytes.

    The forms are: as it is; as `harmless` leaves it; in JSON; quoted for a shell; percent-encoded; base64 in both alphabets at
    all three alignments. A value of several lines is looked for line by line."""
    found: set[str] = set()
    lines = parts(value)
    for line in lines:
        found.update(_plain(line))
        found.update(_base64(line.encode()))
    if len(lines) > 1 or len(value) > LONGEST:
        found.update(_wrapped(value.encode()))
    tiles = {tile for form in found for tile in _tiles(form)}
    return frozenset(tile.encode() for tile in tiles if len(tile.encode()) >= LEAST and not re.search(r"[\r\n]", tile))


def parts(value: str) -> list[str]:
    """The lines of a value that are looked for; [] when it has none that is long enough."""
    lines = [line for line in re.split(r"[\r\n]+", value) if line]
    least = LEAST if len(lines) == 1 else LEAST_LINE
    return [line for line in lines if len(line) >= least]


def _plain(line: str) -> Iterator[str]:
    yield line
    for column in range(4):  # What a tab becomes hangs on its column.
        yield harmless(" " * column + line, len(line) * 4 + 16)[column:]
    for ascii_only in (True, False):
        text = json.dumps(line, ensure_ascii=ascii_only)[1:-1]
        yield text
        yield text.replace("/", "\\/")
    yield quote(line)[1:-1] if quote(line) != line else line
    yield line.replace("'", "'\\''")
    for safe in ("", "/"):
        percent = urllib.parse.quote(line, safe=safe)
        yield percent
        yield re.sub("%..", lambda found: found[0].lower(), percent)
        yield percent.replace("%20", "+")


def _base64(raw: bytes) -> Iterator[str]:
    """The characters that hang on nothing but `raw`, wherever in the encoded bytes it stands; and those at its end when it is
    the end, or a newline is."""
    for before in range(3):
        begin = -(-before * 8 // 6)
        bits = (before + len(raw)) * 8
        for tail in (b"", b"\n"):
            text = base64.b64encode(b"\0" * before + raw + tail).decode()
            for end in (bits // 6, -(-bits // 6)):
                yield from _alphabets(text[begin:end])


def _wrapped(raw: bytes) -> Iterator[str]:
    """The lines of the whole value's base64, as programs break them."""
    for tail in (b"", b"\n"):
        text = base64.b64encode(raw + tail).decode().rstrip("=")
        for width in _WRAPPED:
            for at in range(0, len(text), width):
                if len(text[at : at + width]) >= LEAST_LINE:
                    yield from _alphabets(text[at : at + width])


def _alphabets(text: str) -> Iterator[str]:
    yield text
    yield text.replace("+", "-").replace("/", "_")


def _tiles(text: str) -> Iterator[str]:
    """A form whole, or cut into pieces that are found one by one."""
    while len(text) > LONGEST:
        yield text[:_TILE]
        text = text[_TILE:]
    yield text
