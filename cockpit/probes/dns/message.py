"""RFC 2136 updates: prerequisites on the exact values that are there, then the replacement, for several sets in one message."""

from __future__ import annotations

from collections.abc import Sequence

import dns.name
import dns.rdata
import dns.tsig
import dns.update
import msgspec

from cockpit.probes.dns.ask import normal, record_data


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """One record set from one content to another; nothing before makes it, nothing after removes it. `ttl` in seconds."""

    name: str
    type: str
    was: tuple[str, ...]
    becomes: tuple[str, ...]
    ttl: int

    @property
    def key(self) -> str:
        """What it is called: `name type`."""
        return f"{self.name} {self.type}"

    def __str__(self) -> str:
        was, becomes = " ".join(self.was) or "nothing", " ".join(self.becomes) or "nothing"
        return f"{self.key}: {was} → {becomes}" + (f", TTL {self.ttl} s" if self.becomes else "")


def update_message(zone: str, swaps: Sequence[Swap], key: dns.tsig.Key | None) -> dns.update.UpdateMessage:
    """The signed update: every set must hold exactly what it was (RFC 2136 §2.4.2, §2.4.3), then all change together.

    What goes is removed before what comes is added: a CNAME beside other data is passed over in silence (§3.4.2.2). Raises
    dns.exception.DNSException and ValueError for values that are none."""
    update = dns.update.UpdateMessage(zone)
    for swap in swaps:
        name = dns.name.from_text(swap.name)
        if swap.was:
            update.present(name, *(record_data(swap.type, value) for value in swap.was))
        else:
            update.absent(name, swap.type)
    origin = dns.name.from_text(zone)
    for swap in swaps:
        if not _apex_servers(swap, origin):
            update.delete(dns.name.from_text(swap.name), swap.type)
    for swap in swaps:
        name = dns.name.from_text(swap.name)
        for value in swap.becomes:
            update.add(name, swap.ttl, _as_written(record_data(swap.type, value)))
        if _apex_servers(swap, origin):
            # A server keeps the zone's own NS set from being emptied (§3.4.2.4): the new ones come first, then the old go.
            stay = {normal(swap.type, value) for value in swap.becomes}
            for value in swap.was:
                if normal(swap.type, value) not in stay:
                    update.delete(name, record_data(swap.type, value))
    if key is not None:
        update.use_tsig(key)
    return update


def _as_written(record: dns.rdata.Rdata) -> dns.rdata.Rdata:
    """The record as bytes: names in it keep their case, which sharing their ends with other names would not."""
    wire = record.to_wire()
    return dns.rdata.GenericRdata(record.rdclass, record.rdtype, wire) if wire is not None else record


def _apex_servers(swap: Swap, origin: dns.name.Name) -> bool:
    return swap.type.upper() == "NS" and dns.name.from_text(swap.name) == origin
