"""Where zones live that take no RFC 2136 updates: each store reads and writes record sets, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cockpit.plan.zones import Dns, Provider
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.message import Swap


class StoreError(Exception):
    """A store could not be read or written. Its text is a sentence."""


class StoreLost(StoreError):
    """A write that was begun and did not end well: what it did, or will do yet, is not known."""


class Store(Protocol):
    """A provider's copy of a zone."""

    async def read(self, keys: Sequence[tuple[str, str]], timeout: float) -> list[Held]:
        """The sets as it holds them. Raises StoreError."""
        ...

    async def write(self, swap: Swap, now: Held, timeout: float) -> None:
        """Make one set what the swap says; `now` is what was read before. Raises StoreError while nothing was written, and
        StoreLost from the first request on that may have written something."""
        ...

    async def everything(self, timeout: float) -> list[Held]:
        """Every set of the zone. Raises StoreError."""
        ...


def store_of(zone: Dns, provider: Provider, secrets: Mapping[str, str]) -> Store:
    """The store that a plan names; its library is loaded when it is first used."""
    given = {option: secrets.get(name, "") for option, name in provider.secrets.items()}
    match provider.kind:
        case "command":
            from cockpit.probes.dns.stores.command import CommandStore

            return CommandStore(zone.zone, provider, given)
        case "lexicon":
            from cockpit.probes.dns.stores.by_lexicon import LexiconStore

            return LexiconStore(zone.zone, provider, given)
        case "octodns":
            from cockpit.probes.dns.stores.by_octodns import OctodnsStore

            return OctodnsStore(zone.zone, provider, given)
