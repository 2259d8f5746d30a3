"""A zone at a provider that dns-lexicon knows: records one by one, through the provider's interface."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from cockpit.plan.zones import Provider
from cockpit.probes.dns.ask import normal, record_data
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.message import Swap
from cockpit.probes.dns.stores import StoreError, StoreLost
from cockpit.probes.dns.stores.thread import in_thread, said_of

_SINGLE = frozenset({"CNAME", "DNAME"})
"""Types of which a name has one record: the old goes before the new comes."""

_ZONE_FILES = frozenset({"localzone", "ddns"})
"""Providers that take records as a zone file has them."""


class LexiconStore:
    """Options and secrets are those of the provider, as `lexicon PROVIDER --help` names them, with `_` for `-`."""

    def __init__(self, zone: str, provider: Provider, secrets: Mapping[str, str]) -> None:
        self._zone = zone.rstrip(".")
        self._name = provider.name
        self._options = {**provider.options, **secrets}

    async def read(self, keys: Sequence[tuple[str, str]], timeout: float) -> list[Held]:
        return await in_thread(lambda: [self._one(self._provider(), *key) for key in keys], timeout)

    async def write(self, swap: Swap, now: Held, timeout: float) -> None:
        await in_thread(lambda: self._write(swap, now), timeout, writes=True)

    async def everything(self, timeout: float) -> list[Held]:
        return await in_thread(self._all, timeout)

    def _provider(self, ttl: int = 0) -> Any:
        """The provider's own class: the client would guess the zone from the public suffix list, the plan knows it."""
        try:
            resolver = importlib.import_module("lexicon.config").ConfigResolver()
        except ImportError:
            raise StoreError("dns-lexicon is not installed: pip install 'cutover-cockpit[providers]'") from None
        try:
            module = importlib.import_module(f"lexicon._private.providers.{self._name}")
        except ImportError as error:
            raise StoreError(f"dns-lexicon cannot use provider {self._name}: {said_of(error)}") from None
        given: dict[str, Any] = {"provider_name": self._name, "domain": self._zone, self._name: self._options}
        if ttl:
            given["ttl"] = ttl
        try:
            made = module.Provider(resolver.with_dict(given))
            made.authenticate()
        except Exception as error:
            raise StoreError(f"{self._name} does not let us in: {said_of(error)}") from None
        return made

    def _one(self, provider: Any, name: str, type: str) -> Held:
        rows = self._rows(provider, type, name.rstrip("."))
        values = tuple(sorted(_value(row) for row in rows))
        return Held(name=name, type=type, values=values, ttl=max((_ttl(row) for row in rows), default=-1))

    def _rows(self, provider: Any, type: str | None, name: str | None) -> list[dict[str, Any]]:
        try:
            rows = list(provider.list_records(type, name, None))
        except Exception as error:
            raise StoreError(f"{self._name} cannot be read: {said_of(error)}") from None
        return [
            row for row in rows
            if (type is None or str(row.get("type", "")).upper() == type)
            and (name is None or str(row.get("name", "")).rstrip(".").lower() == name.lower())
        ]  # fmt: skip

    def _all(self) -> list[Held]:
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self._rows(self._provider(), None, None):
            found.setdefault((str(row["name"]).rstrip("."), str(row["type"]).upper()), []).append(row)
        return [
            Held(name=name, type=type, values=tuple(sorted(map(_value, rows))), ttl=max(map(_ttl, rows)))
            for (name, type), rows in found.items()
        ]

    def _write(self, swap: Swap, now: Held) -> None:
        provider = self._provider(swap.ttl)
        name = swap.name.rstrip(".")
        wanted = {normal(swap.type, value): value for value in swap.becomes}
        there = {normal(swap.type, _value(row)): row for row in self._rows(provider, swap.type, name)}
        # A record that stays under another TTL is made anew: not every provider can change that.
        gone = {key for key, row in there.items() if key not in wanted or _ttl(row) not in {swap.ttl, -1}}
        new = [value for key, value in wanted.items() if key not in there or key in gone]
        first = swap.type in _SINGLE or bool(gone & set(wanted))
        try:
            if first:
                self._remove(provider, swap.type, name, gone)
            for value in new:
                provider.create_record(swap.type, name, self._content(swap.type, value))
            if not first:
                self._remove(provider, swap.type, name, gone)
            if new and self._one(provider, swap.name, swap.type).ttl not in {swap.ttl, -1}:
                # Where a set has one TTL, what came beside the old took over theirs.
                self._remove(provider, swap.type, name, set(wanted))
                for value in wanted.values():
                    provider.create_record(swap.type, name, self._content(swap.type, value))
        except Exception as error:
            # Not even a refusal is proof: it may be the second request that is refused.
            raise StoreLost(f"{self._name} did not take {swap.key}: {said_of(error)}") from None

    def _content(self, type: str, value: str) -> str:
        """As the provider takes it: text without quotes, but where its records are those of a zone file."""
        if type != "TXT":
            return value
        if self._name in _ZONE_FILES:
            return record_data(type, value).to_text()
        return value[1:-1] if value.count('"') == 2 and value.startswith('"') and value.endswith('"') else value

    def _remove(self, provider: Any, type: str, name: str, gone: set[str]) -> None:
        """Each record as it is listed at that moment: with some providers a change gives the others new identifiers."""
        for key in sorted(gone):
            row = next((row for row in self._rows(provider, type, name) if normal(type, _value(row)) == key), None)
            if row is None:
                continue
            if row.get("id"):
                provider.delete_record(identifier=row["id"])
            else:
                provider.delete_record(rtype=type, name=name, content=row["content"])


def _value(row: Mapping[str, Any]) -> str:
    """The record's data as a zone file has it: some providers keep a priority apart."""
    content = str(row.get("content", ""))
    priority = (row.get("options") or {}).get(str(row.get("type", "")).lower(), {}).get("priority")
    if priority is not None and not content.split(" ")[0].isdecimal():
        return f"{priority} {content}"
    return content


def _ttl(row: Mapping[str, Any]) -> int:
    try:
        return int(row.get("ttl", -1))
    except (TypeError, ValueError):
        return -1
