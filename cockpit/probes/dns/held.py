"""What a server holds of record sets, letter by letter: what undo brings back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import dns.exception
import msgspec

from cockpit.probes.dns.ask import TIMEOUT, Asker, normal, record_data
from cockpit.text import harmless


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One record set as it stands. No values: there is none, and `ttl` is -1. `trouble` says why it could not be read."""

    name: str
    type: str
    values: tuple[str, ...] = ()
    ttl: int = -1
    trouble: str = ""

    @property
    def key(self) -> str:
        """What it is called: `name type`."""
        return f"{self.name} {self.type}"

    def holds(self, values: Sequence[str]) -> bool:
        """Whether it is exactly these values, however they are written."""
        return not self.trouble and same(self.type, self.values, values)

    def __str__(self) -> str:
        return f"{self.key}: {self.trouble or (f'{chr(32).join(self.values)}, TTL {self.ttl} s' if self.values else 'nothing')}"


def same(type: str, some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists of values are the same set. Where a text is cut into strings means nothing (RFC 7208 §3.3, RFC 6376
    §3.6.2.2), and providers cut it where they like."""
    return {_meant(type, value) for value in some} == {_meant(type, value) for value in others}


def _meant(type: str, value: str) -> str | bytes:
    if type.upper() in {"TXT", "SPF"}:
        with contextlib.suppress(dns.exception.DNSException, ValueError):
            strings: Sequence[bytes] = getattr(record_data(type, value), "strings", ())
            return b"".join(strings)
    return normal(type, value)


async def held_at(server: str, name: str, type: str, timeout: float = TIMEOUT, asker: Asker | None = None) -> Held:
    """The set as an authority holds it; `timeout` in seconds. Never raises for what the server does."""
    if asker is None:
        async with Asker() as one:
            return await held_at(server, name, type, timeout, one)
    answer = await asker.ask(server, name, type, recurse=False, timeout=timeout, exact=True)
    if answer.rcode not in {"NOERROR", "NXDOMAIN"}:
        return Held(name=name, type=type, trouble=harmless(answer.trouble or answer.rcode, 200))
    if not answer.authoritative:
        return Held(name=name, type=type, trouble="it is no authority for the name")
    values = tuple(sorted(harmless(value, 70000) for value in answer.values))
    return Held(name=name, type=type, values=values, ttl=answer.record_ttl)


async def all_held_at(server: str, keys: Sequence[tuple[str, str]], timeout: float = TIMEOUT) -> list[Held]:
    """The same for several sets, in their order."""
    async with Asker() as asker:
        return list(await asyncio.gather(*(held_at(server, name, type, timeout, asker) for name, type in keys)))


async def serial_at(server: str, zone: str, asker: Asker | None = None) -> int:
    """The zone's serial at a server, -1 when it does not say."""
    soa = await held_at(server, zone, "SOA", asker=asker)
    words = soa.values[0].split() if soa.values else []
    return int(words[2]) if len(words) > 2 and words[2].isdecimal() else -1
