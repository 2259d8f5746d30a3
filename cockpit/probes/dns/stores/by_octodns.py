"""A zone at a provider of octoDNS: whole record sets, by a plan that touches no other."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from cockpit.plan.zones import Provider
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.message import Swap
from cockpit.probes.dns.stores import StoreError, StoreLost
from cockpit.probes.dns.stores.thread import in_thread, said_of


class OctodnsStore:
    """The provider's class is `name`; options and secrets are its arguments, as its README names them."""

    def __init__(self, zone: str, provider: Provider, secrets: Mapping[str, str]) -> None:
        self._zone = zone.rstrip(".") + "."
        self._class = provider.name
        self._arguments: dict[str, Any] = {
            **{name: _plain(value) for name, value in provider.options.items()},
            **secrets,
        }

    async def read(self, keys: Sequence[tuple[str, str]], timeout: float) -> list[Held]:
        return await in_thread(lambda: self._read(keys), timeout)

    async def write(self, swap: Swap, now: Held, timeout: float) -> None:
        await in_thread(lambda: self._write(swap), timeout, writes=True)

    async def everything(self, timeout: float) -> list[Held]:
        return await in_thread(lambda: [_held(record) for record in self._populated()[1].records], timeout)

    def _provider(self) -> Any:
        module, _, name = self._class.rpartition(".")
        try:
            importlib.import_module("octodns.zone")
        except ImportError:
            raise StoreError("octoDNS is not installed: pip install 'cutover-cockpit[providers]'") from None
        try:
            kind = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            package = module.replace("_", "-") or "its package"
            raise StoreError(f"there is no octoDNS provider {self._class}: pip install {package}") from None
        try:
            return kind("cockpit", **self._arguments)
        except Exception as error:
            raise StoreError(f"{self._class} cannot be used: {said_of(error)}") from None

    def _populated(self) -> tuple[Any, Any]:
        """A provider and the zone as it holds it now. Providers remember what they have read, so each is used once."""
        provider = self._provider()
        zone = importlib.import_module("octodns.zone").Zone(self._zone, [])
        try:
            provider.populate(zone, lenient=True)
        except Exception as error:
            raise StoreError(f"{self._class} cannot be read: {said_of(error)}") from None
        return provider, zone

    def _read(self, keys: Sequence[tuple[str, str]]) -> list[Held]:
        found = {(held.name.lower(), held.type): held for held in map(_held, self._populated()[1].records)}
        return [
            Held(name=name, type=type, values=there.values, ttl=there.ttl)
            if (there := found.get((name.rstrip(".").lower(), type))) is not None
            else Held(name=name, type=type)
            for name, type in keys
        ]

    def _write(self, swap: Swap) -> None:
        record = importlib.import_module("octodns.record")
        desired = self._populated()[1].copy()
        owner = swap.name.rstrip(".").lower() + "."
        for one in [one for one in desired.records if (one.fqdn.lower(), one._type) == (owner, swap.type)]:
            desired.remove_record(one)
        if swap.becomes:
            rrset = record.Rrset(owner, swap.type, swap.ttl, list(swap.becomes))
            desired.add_record(record.Record.from_rrset(desired, rrset, lenient=True), lenient=True)
        provider = self._provider()
        try:
            plan = provider.plan(desired)
        except Exception as error:
            raise StoreError(f"{self._class} cannot plan {swap.key}: {said_of(error)}") from None
        if plan is None:
            return
        others = [
            f"{change.record.fqdn} {change.record._type}"
            for change in plan.changes
            if change.existing is not None and (change.record.fqdn.lower(), change.record._type) != (owner, swap.type)
        ]
        if others:
            raise StoreError(
                f"octoDNS would change more than {swap.key}, so nothing was written: {', '.join(others[:5])}"
            )
        try:
            provider.apply(plan)
        except Exception as error:
            raise StoreLost(f"{self._class} did not take {swap.key}: {said_of(error)}") from None


def _held(record: Any) -> Held:
    rrset = record.to_rrset()
    return Held(
        name=str(rrset.name).rstrip("."),
        type=str(rrset._type),
        values=tuple(sorted(str(value) for value in rrset.rdatas)),
        ttl=int(rrset.ttl),
    )


def _plain(value: str) -> str | int | bool:
    """Plans hold text; arguments are numbers and truths, too."""
    if value in {"true", "false"}:
        return value == "true"
    return int(value) if value.isdecimal() and len(value) < 10 else value
