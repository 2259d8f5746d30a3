"""A sitemap read for its addresses (sitemaps.org, protocol 0.9). Pure; it comes from a server, so it runs where it can be
stopped."""

from __future__ import annotations

import zlib
from urllib.parse import urlsplit
from xml.parsers import expat

import msgspec

UNPACKED = 8 << 20
"""Bytes of a sitemap, unpacked: some 50,000 addresses, which is what one may hold, take less."""
ADDRESS = 2048
MOST = 50_000


class Sitemap(msgspec.Struct, frozen=True, kw_only=True, tag="sitemap"):
    """What one file names: pages, and further sitemaps when it is an index. `trouble` is why reading ended early."""

    pages: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    trouble: str = ""


class _Stop(Exception):
    pass


def read(raw: bytes) -> Sitemap:
    """The addresses in a sitemap, an index of sitemaps, or a list of lines; gzipped or not."""
    trouble = ""
    if raw[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            raw = unpacker.decompress(raw, UNPACKED)
        except zlib.error:
            return Sitemap(trouble="it is no gzip")
        if unpacker.unconsumed_tail:
            trouble = f"it unpacks to more than {UNPACKED >> 20} MiB"
    if raw.lstrip()[:1] != b"<":
        lines = raw.decode("utf-8", "replace").splitlines()
        pages = tuple(line.strip() for line in lines[:MOST] if _good(line.strip()))
        return Sitemap(pages=pages, trouble=trouble or ("" if pages else "it names no addresses"))
    return _xml(raw, trouble)


def _xml(raw: bytes, trouble: str) -> Sitemap:
    pages: list[str] = []
    maps: list[str] = []
    path: list[str] = []
    text: list[str] = []

    def begin(name: str, _: object) -> None:
        if len(path) > 16:
            raise _Stop("it is nested too deep")
        path.append(name.rpartition(":")[2])
        text.clear()

    def word(data: str) -> None:
        if path[-1:] == ["loc"] and len(text) < ADDRESS:
            text.append(data[:ADDRESS])

    def end(_: str) -> None:
        found = "".join(text).strip()
        # A page's images and videos have places of their own, deeper down.
        if path[-2:] in (["url", "loc"], ["sitemap", "loc"]) and _good(found):
            (pages if path[-2] == "url" else maps).append(found)
            if len(pages) + len(maps) > MOST:
                raise _Stop(f"it names more than {MOST} addresses")
        path.pop()
        text.clear()

    def doctype(*_: object) -> None:
        raise _Stop("it has a document type, which a sitemap has not")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = word, doctype
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        trouble = trouble or f"it is no XML: {error}"
    except _Stop as stop:
        trouble = trouble or str(stop)
    return Sitemap(pages=tuple(pages), maps=tuple(maps), trouble=trouble)


def _good(address: str) -> bool:
    if len(address) > ADDRESS or not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
