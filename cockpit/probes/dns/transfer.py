"""Reading zones by transfer: whole (RFC 5936), or what has changed since a serial (RFC 1995)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.tsig

from cockpit.probes.dns.ask import endpoint
from cockpit.probes.dns.held import Held
from cockpit.text import harmless

Row = tuple[str, str, str, int]
"""Owner as it is written, type, value, TTL."""


class TransferError(Exception):
    """The zone could not be read. Its text says why."""


async def rows_of(
    server: str,
    zone: str,
    key: dns.tsig.Key | None,
    *,
    since: int | None = None,
    timeout: float = 5.0,
    most: int = 20_000,
) -> list[Row]:
    """The records of a transfer in their order; `since` a serial asks for the changes only. Raises TransferError, also for more
    than `most` records."""
    try:
        # The thread ends by itself: the library watches over the time.
        return await asyncio.to_thread(_rows, server, zone, key, since, timeout, most)
    except dns.exception.Timeout:
        raise TransferError(f"the transfer did not end within {timeout:.0f} s") from None
    except dns.query.TransferError as error:
        raise TransferError(f"{harmless(str(error), 200)}: does it allow a transfer to this key?") from None
    except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
        raise TransferError(harmless(str(error) or type(error).__name__, 200)) from None


def _rows(server: str, zone: str, key: dns.tsig.Key | None, since: int | None, timeout: float, most: int) -> list[Row]:
    address, port = endpoint(server)
    ends = time.monotonic() + timeout
    messages: Iterator[dns.message.Message] = dns.query.xfr(
        address, zone, "AXFR" if since is None else "IXFR", timeout=timeout, lifetime=timeout, port=port,
        serial=since or 0, relativize=False,
        keyring={key.name: key} if key is not None else None, keyname=key.name if key is not None else None,
        keyalgorithm=key.algorithm if key is not None else dns.tsig.default_algorithm,
    )  # fmt: skip
    rows: list[Row] = []
    for message in messages:
        for rrset in message.answer:
            owner, type = rrset.name.to_text(), dns.rdatatype.to_text(rrset.rdtype)
            rows += [(owner, type, record.to_text(), rrset.ttl) for record in rrset]
        if len(rows) > most:
            raise ValueError(f"the zone has more than {most} records")
        if time.monotonic() > ends:
            raise dns.exception.Timeout
    return rows


async def whole(
    server: str, zone: str, key: dns.tsig.Key | None, *, timeout: float = 5.0, most: int = 20_000
) -> list[Held]:
    """Every record set of a zone, letter by letter: a transfer keeps the case of names, which answers do not. Raises
    TransferError."""
    found: dict[tuple[str, str], tuple[int, set[str]]] = {}
    for owner, type, value, ttl in await rows_of(server, zone, key, timeout=timeout, most=most):
        found.setdefault((owner.rstrip(".") or ".", type), (ttl, set()))[1].add(value)
    return [
        Held(name=name, type=type, values=tuple(sorted(values)), ttl=ttl)
        for (name, type), (ttl, values) in found.items()
    ]
