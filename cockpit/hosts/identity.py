"""Who a host says it is, and whether that is the machine that the plan means."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cockpit.plan.model import Host
from cockpit.text import harmless

# Only what the shell does itself: no process is started.
IDENTITY = (
    'm= h= b=; { read -r m <"${COCKPIT_MACHINE_ID_FILE:-/etc/machine-id}"; read -r h </proc/sys/kernel/hostname; '
    'read -r b </proc/sys/kernel/random/boot_id; } 2>/dev/null; echo "$m|${h:-$(uname -n)}|$b"'
)


class Identity(msgspec.Struct, frozen=True):
    """Content of /etc/machine-id, host name, and the id of this boot; '' for what it does not tell."""

    machine: str
    name: str
    boot: str


def read_identity(out: bytes) -> Identity:
    """What the script printed."""
    machine, name, boot = (harmless(part.strip(), 128) for part in [*out.strip().split(b"|"), b"", b"", b""][:3])
    return Identity(machine, name, boot)


def mismatch(host: Host, found: Identity, before: Identity | None, machines: Mapping[str, str]) -> str:
    """Why this is not the host of the plan, '' when it is. Without an expectation it must be the machine that was met first.
    `machines` are the plan's machine-ids by host: two hosts swapped are told as that."""
    wanted = host.machine_id
    if wanted and found.machine != wanted:
        hint = next(
            (f": that is {id}; are the two swapped?" for id, one in machines.items() if one == found.machine), ""
        )
        has = found.machine or "none"
        return f"{host.id}: the plan expects machine-id {wanted}, {host.ssh} has {has}{hint}; nothing was changed"
    if host.hostname and found.name != host.hostname:
        has = found.name or "none"
        return f"{host.id}: the plan expects the host name {host.hostname}, {host.ssh} has {has}; nothing was changed"
    if before is not None and found.machine != before.machine:
        return (
            f"{host.id}: it was machine-id {before.machine or 'none'} when it was first met, now {host.ssh} has "
            f"{found.machine or 'none'}; nothing was changed"
        )
    return ""
