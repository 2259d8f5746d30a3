"""Zones, record sets and their changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cockpit.plan.findings import nearest
from cockpit.plan.parts.paths import beside
from cockpit.plan.parts.servers import wrong_address, wrong_name, wrong_resolver, wrong_value
from cockpit.plan.scope import Scope, Site
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.zones import ALGORITHMS, Copy, Dns, DnsChange, DnsTtl, Provider, RecordSet, Tsig

_ADDRESS = "write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353"
_MOST_TTL = 2**31 - 1
"""Seconds (RFC 2181 §8)."""


def zone_of(obj: Obj | None, site: Site, source: Path) -> Dns | None:
    """Where the zone lives and who is asked. What is wrong is told at its place."""
    if obj is None:
        return None
    leaf = obj.leaf("zone")
    if leaf is not None and wrong_name(leaf.text):
        site.found.error(leaf, "domain-name", wrong_name(leaf.text), "write zone: example.org")
    every = obj.seconds("every", 1.0)
    if every <= 0:
        site.found.error(obj.leaf("every") or obj, "every", "every must be more than nothing", "write every: 1s")
    provider = _provider(obj.obj("provider"), site)
    if provider is not None and obj.obj("tsig") is not None:
        site.found.warn(
            obj.named["tsig"], "unused-key", "tsig means nothing beside provider: it makes the changes", "remove it"
        )
    return Dns(
        zone=obj.verbatim("zone"),
        primary=_address(obj, "primary", site),
        authorities=_addresses(obj, "authorities", site, wrong_address, _ADDRESS),
        parent=_addresses(obj, "parent", site, wrong_address, _ADDRESS),
        resolvers=_addresses(obj, "resolvers", site, wrong_resolver, f"{_ADDRESS}, tcp://, tls://, https:// or system"),
        samples=obj.number("samples", 1),
        every=every,
        tsig=_tsig(obj.obj("tsig"), site, source),
        ca=beside(source, obj.verbatim("ca")),
        provider=provider,
        compare_with=tuple(_copy(item, site, source) for item in obj.objects("compare_with")),
    )


def _tsig(obj: Obj | None, site: Site, source: Path) -> Tsig | None:
    if obj is None:
        return None
    leaf = obj.leaf("algorithm")
    if leaf is not None and leaf.text.rstrip(".").lower() not in ALGORITHMS:
        mend = nearest(leaf.text, ALGORITHMS)
        site.found.error(leaf, "tsig-algorithm", f"no TSIG algorithm is called {leaf.text}", mend)
    return Tsig(
        name=obj.verbatim("name"),
        file=beside(source, obj.verbatim("file")),
        algorithm=obj.verbatim("algorithm", "hmac-sha256"),
    )


def _copy(obj: Obj, site: Site, source: Path) -> Copy:
    said = [key for key in ("primary", "provider") if key in obj.named]
    if len(said) != 1:
        site.found.error(
            obj, "zone-copy", "a copy is at exactly one of primary and provider", "write primary: 192.0.2.1"
        )
    primary, provider = _address(obj, "primary", site), _provider(obj.obj("provider"), site)
    return Copy(
        name=obj.verbatim("name") or primary or (f"{provider.kind} {provider.name}".strip() if provider else ""),
        primary=primary,
        tsig=_tsig(obj.obj("tsig"), site, source),
        provider=provider,
        ignore=tuple(leaf.text for leaf in obj.leaves("ignore")),
    )


def _provider(obj: Obj | None, site: Site) -> Provider | None:
    if obj is None:
        return None
    kind: Any = obj.verbatim("kind", "command")
    wants = ("read", "write") if kind == "command" else ("name",)
    for key in wants if obj.leaf("kind") is not None else ():
        if key not in obj.named:
            site.found.error(obj, "missing-key", f"a provider by {kind} lacks {key}", f"write {key}: …")
    idle = ("name",) if kind == "command" else ("read", "write", "list")
    for key in idle if obj.leaf("kind") is not None else ():
        if key in obj.named:
            site.found.warn(obj.named[key], "unused-key", f"{key} means nothing to {kind}", "remove it")
    for _, value in obj.entries("secrets").values():
        if isinstance(value, Leaf):
            if value.text not in site.secrets:
                mend = nearest(value.text, site.secrets) or f"add secrets: {{{value.text}: {{file: …}}}} to the plan"
                site.found.error(value, "unknown-secret", f"no secret {value.text} is declared", mend)
            site.wanted.add(value.text)
    return Provider(
        kind=kind,
        name=obj.verbatim("name"),
        options=_texts(obj, "options"),
        secrets=_texts(obj, "secrets"),
        read=obj.verbatim("read"),
        write=obj.verbatim("write"),
        list=obj.verbatim("list"),
    )


def _texts(obj: Obj, key: str) -> dict[str, str]:
    return {name: value.text for name, (_, value) in obj.entries(key).items() if isinstance(value, Leaf)}


def _address(obj: Obj, key: str, site: Site) -> str:
    leaf = obj.leaf(key)
    if leaf is not None and wrong_address(leaf.text):
        site.found.error(leaf, "address", f"{key}: {wrong_address(leaf.text)}", _ADDRESS)
    return leaf.text if leaf is not None else ""


def _addresses(obj: Obj, key: str, site: Site, wrong: Callable[[str], str], mend: str) -> tuple[str, ...]:
    leaves = obj.leaves(key)
    for leaf in leaves:
        if wrong(leaf.text):
            site.found.error(leaf, "address", f"{key}: {wrong(leaf.text)}", mend)
    return tuple(leaf.text for leaf in leaves)


def change(scope: Scope, obj: Obj) -> DnsChange | None:
    """One record set, or several that change in one update."""
    found, single = scope.site.found, [key for key in obj.named if key != "records"]
    if "records" in obj.named:
        if single:
            found.error(obj.named[single[0]], "two-forms", f"{single[0]} stands beside records", "move it into records")
        records = tuple(record(scope, item) for item in obj.objects("records"))
        if not records:
            found.error(obj.named["records"], "empty", "records names no record set", "write [{name: …, type: A, …}]")
        seen: set[str] = set()
        for item, made in zip(obj.objects("records"), records, strict=True):
            if made.key.lower() in seen:
                found.error(item, "twice", f"{made.key} stands here again", "keep one of them", scope.service)
            seen.add(made.key.lower())
    else:
        for key in ("name", "type", "old"):
            if key not in obj.named:
                found.error(obj, "missing-key", f"dns lacks {key}", f"write {key}: …, or records: [{{…}}, …]")
        records = (record(scope, obj),)
    return DnsChange(record=records[0], more=records[1:], atomic=scope.site.atomic) if records else None


def record(scope: Scope, obj: Obj) -> RecordSet:
    """A record set with its old and new contents; `add` and `remove` say the new ones by what differs."""
    found, old = scope.site.found, scope.texts(obj, "old")
    type = scope.field(obj, "type").upper()
    said = [key for key in ("new", "add", "remove") if key in obj.named]
    if not said and "name" in obj.named:
        found.error(obj, "missing-key", "a record set does not say what changes", "write new: […], add or remove")
    if "new" in said and len(said) > 1:
        found.error(obj.named[said[1]], "two-forms", f"{said[1]} stands beside new", "keep one of them", scope.service)
    new = scope.texts(obj, "new") if "new" in said else _differing(scope, obj, old)
    if old == new and old and "old" in obj.named and said:
        found.warn(obj.named[said[0]], "no-change", "old and new are the same", "say what changes", scope.service)
    for key in ("old", "new", "add"):
        for leaf in obj.leaves(key):
            why = wrong_value(type, scope.text(leaf))
            if why and "{" not in scope.text(leaf):
                found.error(leaf, "value", f"{key}: {why}", f"write a record of type {type or 'A'}", scope.service)
    _named(scope, obj)
    ttl, leaf_ = obj.number("ttl", 0), obj.leaf("ttl")
    if leaf_ is not None and not 0 <= ttl <= _MOST_TTL:
        found.error(leaf_, "ttl", f"no TTL can be {ttl} s", "write ttl: 300", scope.service)
    return RecordSet(name=scope.field(obj, "name"), type=type, old=old, new=new, ttl=ttl)


def _differing(scope: Scope, obj: Obj, old: tuple[str, ...]) -> tuple[str, ...]:
    found, new = scope.site.found, list(old)
    for leaf in obj.leaves("remove"):
        text = scope.text(leaf)
        if text in new:
            new.remove(text)
        else:
            found.error(leaf, "not-in-old", f"{text} is not in old", nearest(text, old), scope.service)
    for leaf in obj.leaves("add"):
        text = scope.text(leaf)
        if text in old:
            found.error(leaf, "twice", f"{text} is in old already", "remove it from add", scope.service)
        else:
            new.append(text)
    return tuple(new)


def _named(scope: Scope, obj: Obj) -> None:
    """The name and the type can be those of a record set that changes."""
    found, name, type = scope.site.found, obj.leaf("name"), obj.leaf("type")
    text = scope.text(name)
    if name is not None and "{" not in text and wrong_name(text):
        found.error(name, "domain-name", wrong_name(text), "write the full name: www.example.org", scope.service)
    kind = scope.text(type).upper()
    if type is not None and (kind in {"SOA", "ANY", "AXFR", "IXFR", "OPT", "TSIG"} or not kind.isalnum()):
        found.error(type, "record-type", f"no step can change {kind[:20]}", "write type: A", scope.service)


def ttl(scope: Scope, obj: Obj) -> DnsTtl:
    """A new TTL for record sets."""
    found, to, leaf = scope.site.found, int(obj.seconds("to", 0.0)), obj.leaf("to")
    if leaf is not None and not 0 < to <= _MOST_TTL:
        found.error(leaf, "ttl", f"no TTL can be {leaf.text} s", "write to: 60s", scope.service)
    if "records" in obj.named and not obj.objects("records"):
        found.error(obj.named["records"], "empty", "records names no record set", "write [{name: …, type: A}]")
    names: list[tuple[str, str]] = []
    for item in obj.objects("records"):
        _named(scope, item)
        names.append((scope.field(item, "name"), scope.field(item, "type").upper()))
    return DnsTtl(names=tuple(names), to=to, atomic=scope.site.atomic)
