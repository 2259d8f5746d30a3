"""Where a probe connects: the name that is asked for, and the port."""

from __future__ import annotations

import re

import msgspec

_TARGET = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?|([^\s:/\[\]]+)(?::(\d{1,5}))?")


class Target(msgspec.Struct, frozen=True):
    """A name (or an address) and a port, 0 when none was said."""

    name: str
    port: int = 0


def target(text: str) -> Target:
    """`name`, `name:port`, `[ip6]` or `[ip6]:port`. Raises ValueError with what is wrong."""
    found = _TARGET.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:60]!r} is no name:port")
    name, port = found[1] or found[3], int(found[2] or found[4] or 0)
    if port > 65535:
        raise ValueError(f"there is no port {port}")
    return Target(name, port)
