"""A body, unpacked and read within bounds: neither its length, nor what it unpacks to, nor its time is the server's to choose."""

from __future__ import annotations

import codecs
import hashlib
import html
import re
import zlib

from cockpit.text import harmless

BODY_LIMIT = 1 << 20
"""Bytes kept of an unpacked body."""
PACKED_LIMIT = 4 << 20
"""Bytes read of a packed body: empty blocks unpack to nothing, without end."""
PIECES = 20_000
"""Pieces that a body may come in; each costs the loop more than its bytes, and 1 MiB comes in some hundred."""
MEASURED_PIECES = 200_000
"""The same for a body that is only hashed."""
TITLE_WITHIN = 64 * 1024

_TITLE = re.compile(r"<title(?:\s[^>]{0,200})?>([^<]{0,2000})", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Codecs of Python that no page is written in; the first two take quadratic time."""
_TEXTUAL = ("text/", "application/json", "application/xml", "application/javascript", "image/svg")


class Body:
    """Takes a body piece by piece. `encoding` is its Content-Encoding: gzip and deflate are unpacked (RFC 9110 §8.4.1), anything
    else is kept as it is."""

    def __init__(self, encoding: str = "", limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._packed = self.pieces = 0
        self._encoding = encoding.strip().lower()
        self.cut = False
        self._begin = bytearray()
        packed = self._encoding in {"gzip", "x-gzip"}
        self._unpack: zlib._Decompress | None = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed else None

    @property
    def readable(self) -> bool:
        """Whether the body is what was meant, and not still packed in a way that we do not read."""
        return self._encoding in {"", "identity", "gzip", "x-gzip", "deflate"}

    def add(self, chunk: bytes) -> bool:
        """Take a piece; whether more is wanted. Raises ValueError for what does not unpack."""
        self._packed += len(chunk)
        self.pieces += 1
        while chunk and not self.cut:
            chunk = self._take(chunk)
        if self._packed >= PACKED_LIMIT or self.pieces >= PIECES:
            self.cut = True
        return not self.cut

    def _take(self, chunk: bytes) -> bytes:
        """Keep what fits of a piece; what of it is still to be unpacked."""
        room = self._limit - len(self._kept)
        if self._unpack is None and self._encoding == "deflate":
            self._begin += chunk
            if len(self._begin) < 2:
                return b""
            self._unpack, chunk = _inflater(self._begin), bytes(self._begin)
        if self._unpack is None:
            self._kept += chunk[:room]
            self.cut = len(chunk) > room
            return b""
        if self._unpack.eof:
            return b""  # What follows a whole body is none of it.
        try:
            # One byte more than fits tells a body that ends here from one that goes on.
            out = self._unpack.decompress(chunk, room + 1)
        except zlib.error as error:
            raise ValueError(f"the body is no {self._encoding}: {error}") from None
        self._kept += out[:room]
        self.cut = len(out) > room
        return self._unpack.unconsumed_tail

    def done(self) -> bytes:
        """All that was kept. Raises ValueError when a packed body is not whole."""
        whole = self._unpack.eof if self._unpack is not None else not self._begin
        if self._packed and not self.cut and not whole:
            raise ValueError(f"the {self._encoding} body is cut off")
        return bytes(self._kept)


class Measured:
    """Takes a body piece by piece and keeps nothing but its hash and its length, up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hash = hashlib.sha256()
        self.size = self.pieces = 0
        self.cut = False

    def add(self, chunk: bytes) -> bool:
        """Take a piece; whether more is wanted."""
        self.pieces += 1
        self._hash.update(chunk)
        self.size += len(chunk)
        self.cut = self.size > self._limit or self.pieces >= MEASURED_PIECES
        return not self.cut

    def digest(self) -> str:
        """In hexadecimal; '' when the body went on after the limit."""
        return "" if self.cut else self._hash.hexdigest()


def _inflater(begin: bytes | bytearray) -> zlib._Decompress:
    """Deflate has a wrapper of two bytes (RFC 1950 §2.2), which many servers leave out."""
    wrapped = begin[0] & 0x0F == 8 and (begin[0] * 256 + begin[1]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def text_of(raw: bytes, kind: str) -> str:
    """The body as text, by the charset of its Content-Type; what does not decode is replaced."""
    found = re.search(r"charset=[\"']?([A-Za-z0-9._-]{1,40})", kind)
    charset = found[1] if found else "utf-8"
    try:
        text = raw.decode("utf-8" if codecs.lookup(charset).name in _NO_CHARSETS else charset, "replace")
    except (LookupError, ValueError):  # The server names an encoding that is none.
        text = raw.decode("utf-8", "replace")
    # Some codecs (UTF-7) let half a pair of surrogates pass, which is no text that can be written anywhere.
    return _SURROGATES.sub("\ufffd", text)


def textual(raw: bytes, kind: str) -> bool:
    """Whether a person could read it."""
    if kind.lower().startswith(_TEXTUAL) or "+xml" in kind or "+json" in kind:
        return True
    try:
        return b"\0" not in raw[:4096] and raw[:4096].decode("utf-8") is not None
    except UnicodeDecodeError as error:
        # A character that the cut at 4096 bytes split is no sign of anything.
        return len(raw) > 4096 and error.start > 4092


def title_of(text: str) -> str:
    """The page's title on one line, '' when it has none."""
    found = _TITLE.search(text[:TITLE_WITHIN])
    return harmless(" ".join(html.unescape(found[1]).split()), 200) if found else ""
