"""Trying the plan's zone: who answers for it, whether its key may change it, and what other places have of it."""

from __future__ import annotations

import asyncio

import msgspec

from cockpit.conductor.beginning import filled
from cockpit.conductor.sources import SecretMissing
from cockpit.conductor.vault import Vault
from cockpit.hosts.access import Asks
from cockpit.plan.model import Plan
from cockpit.plan.zones import Copy, Dns, Provider, Tsig
from cockpit.preflight import compare, judge
from cockpit.preflight.judge import Row
from cockpit.preflight.permission import may_update
from cockpit.probes.dns.authorities import found_authorities
from cockpit.probes.dns.held import Held, held_at
from cockpit.probes.dns.stores import StoreError, store_of
from cockpit.probes.dns.transfer import TransferError, whole
from cockpit.probes.dns.tsig import key_of
from cockpit.text import harmless

WAIT = 5.0
"""Seconds for an answer."""

WHOLE = 60.0
"""Seconds for a whole zone."""

LARGEST = 500_000
"""Records of the largest zone that is compared."""


async def zone_rows(plan: Plan, asks: Asks | None) -> list[Row]:
    """A row for each thing that was tried. Changes nothing."""
    zone = plan.dns
    if zone is None:
        return []
    rows, vault = await _secrets(plan, zone, asks)
    tried = await asyncio.gather(_answers(zone), may_update(zone, plan), _copies(zone, vault))
    rows += [row for part in tried for row in part]
    # What a library says when it fails may quote what it was given.
    return [msgspec.structs.replace(row, found=vault.redactor.text(row.found)) for row in rows]


async def _secrets(plan: Plan, zone: Dns, asks: Asks | None) -> tuple[list[Row], Vault]:
    providers = [provider for provider in (zone.provider, *(copy.provider for copy in zone.compare_with)) if provider]
    wanted = {name for provider in providers for name in provider.secrets.values()}
    part = msgspec.structs.replace(plan, secrets={n: secret for n, secret in plan.secrets.items() if n in wanted})
    rows: list[Row] = []
    try:
        vault = await filled(part)
    except SecretMissing as error:
        mend = "see where the plan says it comes from"
        return [judge.fail("dns", "secrets", harmless(str(error), 300), mend)], Vault(part, "", "")
    for name in vault.asked:
        told = await asks.ask(name, plan.secrets[name].at) if asks is not None else ""
        why = vault.put(name, told) if told else "nobody is there to give it"
        if why:
            rows.append(judge.warn("dns", f"secret {name}", why, "run preflight at a terminal"))
    return rows, vault


async def _answers(zone: Dns) -> list[Row]:
    """Whether each authority answers for the zone."""
    found = await found_authorities(zone, zone.zone)
    servers = found.servers
    soas = await asyncio.gather(*(held_at(server, zone.zone, "SOA", WAIT) for server in servers))
    mend = "see that every NS of the zone has an address, or write them as authorities"
    rows = [judge.fail("dns", "zone", f"not all authorities are known: {why}", mend) for why in found.lacking]
    for server, soa in zip(servers, soas, strict=True):
        if soa.values:
            rows.append(judge.good("dns", "zone", f"{server} answers for {zone.zone}"))
            continue
        trouble = soa.trouble or "it knows no SOA of it"
        mend = "see that it is the zone's primary" if server == zone.primary else "see that it serves the zone"
        rows.append(judge.fail("dns", "zone", f"{server} says {trouble} for {zone.zone}", mend))
    return rows


async def _copies(zone: Dns, vault: Vault) -> list[Row]:
    """The whole zone here and at each other place."""
    if not zone.compare_with:
        return []
    try:
        here = await _everything(zone, zone.primary, zone.tsig, zone.provider, vault)
    except (StoreError, TransferError) as error:
        return [judge.fail("dns", f"zone {zone.zone}", f"it cannot be read: {error}", "allow a transfer to the key")]
    rows: list[Row] = []
    for copy in zone.compare_with:
        rows += await _copy(zone, copy, here, vault)
    return rows


async def _copy(zone: Dns, copy: Copy, here: list[Held], vault: Vault) -> list[Row]:
    try:
        there = await _everything(zone, copy.primary, copy.tsig, copy.provider, vault)
    except (StoreError, TransferError) as error:
        mend = "allow a transfer to the key, or name a provider"
        return [judge.fail("dns", f"zone at {copy.name}", f"it cannot be read: {error}", mend)]
    return list(compare.rows(zone.zone, copy.name, here, there, copy.ignore))


async def _everything(
    zone: Dns, primary: str, tsig: Tsig | None, provider: Provider | None, vault: Vault
) -> list[Held]:
    if provider is not None:
        return await store_of(zone, provider, vault).everything(WHOLE)
    try:
        key = key_of(tsig) if tsig is not None else None
    except (OSError, ValueError) as error:
        raise TransferError(harmless(str(error), 200)) from None
    return await whole(primary, zone.zone, key, timeout=WHOLE, most=LARGEST)
