"""A TCP connection to an address, and the first words that the server says."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time

from cockpit.plan.target import Target
from cockpit.plan.watched import Expect
from cockpit.probes.seen import Seen, since
from cockpit.text import harmless

BANNER = 4096
"""Bytes of a banner that are looked at; what a server says beyond them is never read."""


async def probe(target: Target, address: str, expect: Expect, timeout: float, *, listen: bool = False) -> Seen:
    """Connect to `address`; with `expect.body` (or `listen`) also read until the server has said it, or a whole line, or
    `BANNER` bytes. Never raises for what the server does."""
    began = time.monotonic()
    said = bytearray()
    wants = expect.body.encode()
    detail, connected = "", 0.0
    try:
        async with asyncio.timeout(timeout):
            with await connect(address, target.port) as link:
                connected = since(began)
                if wants or listen:
                    detail = await _heard(link, said, wants)
    except TimeoutError:
        detail = _silence(bool(connected), bytes(said), timeout)
    except OSError as error:
        detail = f"no connection: {reason(error)}" if not connected else f"the server broke off: {reason(error)}"
    facts = {"connect": f"{connected:g}"} if connected else {}
    if said:
        facts["banner"] = harmless(_line(bytes(said)), 200)
    return Seen(
        ok=not detail,
        ms=since(began),
        detail=detail or (f"says {facts['banner']}" if said else "connected"),
        via=address,
        body=said.decode("utf-8", "replace"),
        cut=len(said) >= BANNER,
        facts=facts,
    )


async def connect(address: str, port: int) -> socket.socket:
    """A connected socket that does not block. Raises OSError; give it a time-out from outside."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(link, (address, port))
    except BaseException:
        link.close()
        raise
    return link


async def _heard(link: socket.socket, said: bytearray, wants: bytes) -> str:
    """Read into `said`; what is missing as a sentence, '' when all that was wanted was said."""
    loop = asyncio.get_running_loop()
    while len(said) < BANNER:
        if wants and wants in said:
            return ""
        if not wants and b"\n" in said:
            return ""
        piece = await loop.sock_recv(link, BANNER - len(said))
        if not piece:
            break
        said += piece
    if wants and wants not in said:
        how = f"the first {BANNER} bytes lack" if len(said) >= BANNER else "the server closed without"
        return f"{how} {wants.decode()!r}: {harmless(_line(bytes(said)), 120)}".rstrip(": ")
    return ""


def _silence(connected: bool, said: bytes, timeout: float) -> str:
    if not connected:
        return f"no connection within {timeout:g} s"
    if said:
        return f"connected, but it was not said within {timeout:g} s; so far {harmless(_line(said), 120)}"
    return f"connected, but the server said nothing within {timeout:g} s"


def _line(said: bytes) -> bytes:
    return said.split(b"\n", 1)[0].rstrip(b"\r")


def reason(error: OSError) -> str:
    """An error of the network in the few words that people know it by."""
    words = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EHOSTUNREACH: "no route to the host",
             errno.ENETUNREACH: "the network is unreachable", errno.ETIMEDOUT: "no answer"}  # fmt: skip
    code = error.errno or 0
    return words.get(code) or harmless(os.strerror(code) if code > 0 else str(error), 120)
