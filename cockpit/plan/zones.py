"""What a plan says of DNS: where a zone lives, who is asked about it, and which record sets change."""

from __future__ import annotations

from typing import Literal

from cockpit.plan.base import Frozen

ALGORITHMS = (
    "hmac-md5.sig-alg.reg.int",
    "hmac-sha1",
    "hmac-sha224",
    "hmac-sha256",
    "hmac-sha256-128",
    "hmac-sha384",
    "hmac-sha384-192",
    "hmac-sha512",
    "hmac-sha512-256",
)
"""Of TSIG keys (RFC 8945 §6)."""


class Tsig(Frozen, frozen=True, kw_only=True):
    """A TSIG key (RFC 8945): its name, and the file that holds `algorithm:base64` or bare base64."""

    name: str
    file: str
    algorithm: str = "hmac-sha256"


class Provider(Frozen, frozen=True, kw_only=True):
    """Who keeps a zone that takes no RFC 2136 updates. Its changes are read, compared, written and verified: not atomic.

    `lexicon` and `octodns` come with the extra `cutover-cockpit[providers]`; `command` is shell of the operator's own, run on
    this machine."""

    kind: Literal["lexicon", "octodns", "command"]
    name: str = ""
    """lexicon: the provider's name; octodns: the provider's class, `octodns_bind.ZoneFileSource`."""
    options: dict[str, str] = {}
    """What the library wants to know besides secrets."""
    secrets: dict[str, str] = {}
    """Option → name of the plan's secret that it gets."""
    read: str = ""
    """command: prints the records of `$name $type`, one `ttl value` a line."""
    write: str = ""
    """command: makes `$name $type` hold the lines on its standard input (`ttl value`), none to remove the set."""
    list: str = ""
    """command: prints the whole zone, `name ttl type value` a line; for comparing."""


class Copy(Frozen, frozen=True, kw_only=True):
    """Another place that holds the zone, compared with the first before the night: `primary` that transfers it, or a
    provider. Serials are never compared; `ignore` names types, or `name type`, that may differ."""

    name: str = ""
    primary: str = ""
    tsig: Tsig | None = None
    provider: Provider | None = None
    ignore: tuple[str, ...] = ()


class Dns(Frozen, frozen=True, kw_only=True):
    """Where the zone lives and who is asked about it. Addresses are `ip`, `ip:port` or `[ip6]:port`.

    Resolvers are addresses (UDP, TCP where the answer is cut), `tcp://ADDRESS`, `tls://ADDRESS#NAME` (RFC 7858),
    `https://NAME[:PORT]/PATH@IP` (RFC 8484, pinned to the address) or `system`: the operating system's own, which sees
    /etc/hosts."""

    zone: str
    primary: str
    authorities: tuple[str, ...] = ()
    parent: tuple[str, ...] = ()
    """Addresses of the parent zone's name servers, whose delegation and glue are watched."""
    resolvers: tuple[str, ...] = ()
    samples: int = 1
    """Questions per resolver and round: an anycast resolver has many caches."""
    every: float = 1.0
    """Seconds between rounds."""
    tsig: Tsig | None = None
    ca: str = ""
    """Authorities that sign the certificates of DoT and DoH resolvers, a file; empty means the system's."""
    provider: Provider | None = None
    compare_with: tuple[Copy, ...] = ()
    """Other places whose whole zone a preflight compares with this one."""


class RecordSet(Frozen, frozen=True, kw_only=True):
    """A record set with its declared old and new contents, watched at every authority and resolver."""

    name: str
    type: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    ttl: int = 0
    """TTL to set with the change; 0 keeps the one that is there."""

    @property
    def key(self) -> str:
        """What it is called in state and events: `name type`."""
        return f"{self.name} {self.type}"


class DnsChange(Frozen, frozen=True, kw_only=True, tag_field="do", tag="dns"):
    """A compare-and-swap of one or more record sets of one zone, in one RFC 2136 message."""

    record: RecordSet
    more: tuple[RecordSet, ...] = ()
    atomic: bool = True
    """False where a provider keeps the zone (the loader says so): it is read, compared, written and read back."""

    @property
    def records(self) -> tuple[RecordSet, ...]:
        """All of them, in the plan's order."""
        return (self.record, *self.more)


class DnsTtl(Frozen, frozen=True, kw_only=True, tag_field="do", tag="ttl"):
    """A new TTL for record sets whose contents stay. One that is lower is done only once the old one has passed everywhere:
    from then on the switch is armed."""

    names: tuple[tuple[str, str], ...]
    """(name, type) of each."""
    to: int
    """Seconds."""
    atomic: bool = True
