"""Contexts of TLS for mail, read off the loop."""

from __future__ import annotations

import asyncio
import functools
import ssl
from pathlib import Path


async def context_of(ca: str) -> ssl.SSLContext:
    """A context that checks names and chains by the authorities in the file `ca`, '' for the system's. Raises OSError (an
    SSLError among them) for a file that cannot be used."""
    return await asyncio.to_thread(_context, ca)


def _context(ca: str) -> ssl.SSLContext:
    changed = Path(ca).stat().st_mtime_ns if ca else 0
    return _read(ca, changed)


@functools.lru_cache(maxsize=16)
def _read(ca: str, changed: int) -> ssl.SSLContext:
    # Reading the system's authorities takes 40 ms of work: once is enough for a file that has not changed.
    return ssl.create_default_context(cafile=ca or None)


@functools.cache
def unchecked() -> ssl.SSLContext:
    """A context that takes any certificate: to look at one that does not hold, and to hand mail on as MTAs do (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
