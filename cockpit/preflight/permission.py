"""Trying whether the plan's key may change what the plan changes, by updates that change nothing."""

from __future__ import annotations

import asyncio

import dns.exception
import dns.name
import dns.tsig
import dns.update

from cockpit.plan.model import Plan
from cockpit.plan.zones import Dns, DnsChange, DnsTtl
from cockpit.preflight import judge
from cockpit.preflight.judge import Row
from cockpit.probes.dns.ask import record_data
from cockpit.probes.dns.held import Held, held_at
from cockpit.probes.dns.refusals import STALE, refusal
from cockpit.probes.dns.send import send
from cockpit.probes.dns.tsig import key_of
from cockpit.text import harmless

WAIT = 5.0
"""Seconds for an answer."""

AT_ONCE = 8
"""Updates under way at the same time."""

_NOWHERE = {
    "A": "0.0.0.0",
    "AAAA": "100::",
    "CAA": '0 issue "nowhere.invalid"',
    "CNAME": "nowhere.invalid.",
    "DNAME": "nowhere.invalid.",
    "MX": "0 nowhere.invalid.",
    "NS": "nowhere.invalid.",
    "PTR": "nowhere.invalid.",
    "SRV": "0 0 0 nowhere.invalid.",
    "TXT": '"nowhere.invalid"',
}
"""Values that no zone has (RFC 6761 §6.4, RFC 6666, RFC 1122 §3.2.1.3)."""


async def may_update(zone: Dns, plan: Plan) -> list[Row]:
    """Whether the primary takes updates under the key, and of each record set that the plan changes. Changes nothing."""
    if zone.provider is not None:
        return []
    what = f"TSIG key {zone.tsig.name}" if zone.tsig is not None else "updates"
    mend = "see that name, secret and algorithm of the key are those of the server, and that it may update the zone"
    try:
        key = key_of(zone.tsig) if zone.tsig is not None else None
        update = dns.update.UpdateMessage(zone.zone)
        update.present(zone.zone.rstrip(".") + ".")
        if key is not None:
            update.use_tsig(key)
    except (OSError, ValueError, dns.exception.DNSException) as error:
        return [judge.fail("dns", what, harmless(str(error), 200), mend)]
    reply = await send(update, zone.primary, WAIT)
    if not reply.code:
        return [judge.fail("dns", what, f"{zone.primary}: {reply.why}", "see that the server runs")]
    if reply.code != "NOERROR" or not reply.signed:
        said = refusal(reply.code, reply.ahead) if reply.signed else f"{reply.code}, not signed"
        return [judge.fail("dns", what, f"{zone.primary} says {said}", mend)]
    known = f"{zone.primary} knows it" if key is not None else f"{zone.primary} takes messages without a key"
    sets = changed(plan)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, type: str) -> Row | None:
        async with free:
            return await _may_change(zone, key, what, name, type)

    rows = [row for row in await asyncio.gather(*(one(*of) for of in sets)) if row is not None]
    good = len(sets) - len(rows)
    may = f", and it may change {good} of {len(sets)} record sets of {zone.zone} that the plan changes" if sets else ""
    return [judge.good("dns", what, known + may), *rows]


def changed(plan: Plan) -> list[tuple[str, str]]:
    """(name, type) of each record set that a step changes, once."""
    found: dict[tuple[str, str], None] = {}
    for step in (step for service in plan.services for step in service.steps):
        match step.action:
            case DnsChange() as change:
                found |= dict.fromkeys((record.name, record.type) for record in change.records)
            case DnsTtl() as ttl:
                found |= dict.fromkeys(ttl.names)
    return list(found)


async def _may_change(zone: Dns, key: dns.tsig.Key | None, what: str, name: str, type: str) -> Row | None:
    """What is in the way of changing a set, None for nothing."""
    held = await held_at(zone.primary, name, type, WAIT)
    if held.trouble:
        return judge.warn("dns", what, f"whether it may change {held.key} was not tried: {held.trouble}", "try again")
    if type.upper() not in _NOWHERE:
        said = f"whether it may change {held.key} was not tried: no value of {type} is known that no zone has"
        return judge.warn("dns", what, said, "see that the server's policy lets it")
    try:
        update = no_change(zone.zone, held, key)
    except (ValueError, dns.exception.DNSException) as error:
        return judge.warn("dns", what, f"{held.key} was not tried: {harmless(str(error), 200)}", "see its values")
    reply = await send(update, zone.primary, WAIT)
    if reply.code == "NOERROR" and reply.signed:
        return None
    if reply.code in STALE and reply.signed:
        return judge.warn(
            "dns", what, f"whether it may change {held.key} was not tried: it changed meanwhile", "try again"
        )
    said = refusal(reply.code, reply.ahead) if reply.code else reply.why
    mend = "see that the server's policy (BIND: update-policy) lets the key change this name and type"
    return judge.fail("dns", what, f"{zone.primary} does not let it change {held.key}: {said}", mend)


def no_change(zone: str, held: Held, key: dns.tsig.Key | None) -> dns.update.UpdateMessage:
    """An update of a set that takes away what is not there, and demands that the set is as it was read: it changes nothing
    whatever else goes on (RFC 2136 §3.4.2.4). Servers judge the permission of it as of any other; some do that before they
    look at what is demanded, some after. Raises ValueError and dns.exception.DNSException."""
    update = dns.update.UpdateMessage(zone)
    name = dns.name.from_text(held.name)
    if held.values:
        update.present(name, *(record_data(held.type, value) for value in held.values))
    else:
        update.absent(name, held.type)
    nowhere = _NOWHERE[held.type.upper()]
    if held.holds([*held.values, nowhere]):
        raise ValueError(f"it holds {nowhere}")
    update.delete(name, record_data(held.type, nowhere))
    if key is not None:
        update.use_tsig(key)
    return update
