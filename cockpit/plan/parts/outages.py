"""Meters of downtime, and who takes the writes."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from cockpit.plan.findings import nearest
from cockpit.plan.parts.health import expectation, url
from cockpit.plan.parts.paths import beside
from cockpit.plan.scope import Scope
from cockpit.plan.shape import Obj
from cockpit.plan.watched import Downtime, Expect, Probe, Writer

MOST_OUT = 400
"""Requests of one meter that may be without an answer: its time-out over its interval."""

SHORTEST = 0.01

SOONEST = 0.1
"""Seconds between two questions for the writer, at the least."""

MAIL = "mail"
"""The meter that tells how late messages of our own come."""


def meters(scope: Scope, owner: Obj, health: tuple[Probe, ...], source: Path) -> tuple[Downtime, ...]:
    """The service's own meter, and further ones. What stands under `downtime` is one meter or a list of them."""
    single = owner.obj("downtime")
    objects = (single,) if single is not None else owner.objects("downtime")
    made: list[Downtime] = []
    seen: set[str] = set()
    for number, obj in enumerate(objects):
        leaf = obj.leaf("id")
        if not number and leaf is not None:
            scope.site.found.error(
                leaf, "meter-id", "the first meter is the service's own and has no id", "remove id", scope.service
            )
        elif leaf is not None and leaf.text == MAIL:
            scope.site.found.error(
                leaf, "meter-id", f"{MAIL} is the meter of messages that are late", "give it another id", scope.service
            )
        meter = _meter(scope, obj, bool(number), health, source)
        if number and meter.id in seen:
            scope.site.found.error(
                leaf or obj,
                "duplicate-id",
                f"meter {meter.id} stands here again",
                "give it an id of its own",
                scope.service,
            )
        seen.add(meter.id)
        made.append(meter)
    return tuple(made)


def _meter(scope: Scope, obj: Obj, further: bool, health: tuple[Probe, ...], source: Path) -> Downtime:
    asked, expect = _asked(scope, obj, health)
    kind: Any = obj.verbatim("kind", "read")
    family: Any = obj.verbatim("family", "any")
    method = obj.verbatim("method", "POST" if kind == "write" else "GET")
    made = Downtime(
        url=asked,
        expect=expect,
        budget=obj.seconds("budget", 60.0),
        every=obj.seconds("every", 0.25),
        timeout=obj.seconds("timeout", 2.0),
        id=obj.verbatim("id", kind if family == "any" else f"{kind}-ipv{family}") if further else "",
        kind=kind,
        slow=obj.seconds("slow", 0.0),
        method=method,
        body=scope.field(obj, "body"),
        address=scope.field(obj, "address"),
        family=family,
        ca=beside(source, scope.field(obj, "ca")),
    )
    _judge(scope, obj, made)
    return made


def _asked(scope: Scope, obj: Obj, health: tuple[Probe, ...]) -> tuple[str, Expect]:
    """The URL and what a good answer is, its own or those of a health probe."""
    found, leaf = scope.site.found, obj.leaf("probe")
    asked, expect = url(scope, obj, "url"), expectation(scope, obj.obj("expect"))
    if leaf is None:
        if "url" not in obj.named:
            found.error(obj, "missing-key", "downtime says neither url nor probe", "write probe: web")
        return asked, expect
    same = next((item for item in health if item.id == leaf.text), None)
    if same is None:
        mend = nearest(leaf.text, (h.id for h in health))
        found.error(leaf, "unknown-probe", f"there is no health probe {leaf.text}", mend)
        return asked, expect
    if same.proto != "http" and not asked:
        found.error(
            leaf, "probe-kind", f"probe {same.id} asks by {same.proto}, and downtime is measured by HTTP",
            "name an http probe, or write url", scope.service,
        )  # fmt: skip
    return asked or same.url, expect if "expect" in obj.named else same.expect


def _judge(scope: Scope, obj: Obj, made: Downtime) -> None:
    """Tell what cannot be measured so."""

    def wrong(key: str, what: str, mend: str) -> None:
        scope.site.found.error(obj.leaf(key) or obj, "meter", what, mend, scope.service)

    if made.every < SHORTEST:
        wrong("every", f"a meter asks every {SHORTEST * 1000:.0f} ms at most", "write every: 250ms")
    elif made.timeout / made.every > MOST_OUT:
        wrong("timeout", f"more than {MOST_OUT} requests would be without an answer at once", "write timeout: 2s")
    if made.timeout <= 0:
        wrong("timeout", "a time-out of nothing always fails", "write timeout: 2s")
    elif made.slow > made.timeout / 2:
        wrong(
            "slow",
            "slow is more than half the time-out, so a stall cannot be told from it",
            "raise timeout, or lower slow",
        )
    if made.body and made.method in {"GET", "HEAD", "OPTIONS"}:
        wrong("body", f"a {made.method} sends no body", "write kind: write, or method: POST")
    if made.method == "HEAD" and made.expect.body:
        wrong("method", "the answer to a HEAD has no body to look into", "write method: GET")
    if made.kind == "write" and made.method in {"GET", "HEAD", "OPTIONS"}:
        wrong("method", f"a {made.method} writes nothing", "write method: POST")
    if made.expect.that:
        scope.site.found.warn(
            obj.leaf("probe") or obj.obj("expect") or obj, "meter-that",
            "a meter looks at status, body and header; the conditions of `that` are left to health probes",
            "give downtime an expect of its own", scope.service,
        )  # fmt: skip
    if made.address:
        try:
            version = ipaddress.ip_address(made.address).version
        except ValueError:
            wrong("address", "address must be an IP address", "write address: 192.0.2.20")
        else:
            if made.family != "any" and made.family != str(version):
                wrong("address", f"this is no address of IPv{made.family}", "change address, or family")


def writer(scope: Scope, obj: Obj | None) -> Writer | None:
    """Who takes the writes, by exactly one of three ways to know."""
    if obj is None:
        return None
    found = scope.site.found
    ways = [key for key in ("http", "command", "write") if key in obj.named]
    if len(ways) != 1:
        at = obj.named[ways[1]] if ways else obj
        found.error(
            at, "writer", "a writer is known by exactly one of http, command and write", "keep one", scope.service
        )
    old, new = scope.field(obj, "old"), scope.field(obj, "new")
    if ways == ["write"]:
        for key in ("old", "new"):
            if key in obj.named:
                found.warn(
                    obj.named[key], "writer", f"{key} is not used: a write says by its status whether it was taken",
                    f"remove {key}", scope.service,
                )  # fmt: skip
    elif ways:
        for key in ("old", "new"):
            if key not in obj.named:
                found.error(
                    obj,
                    "missing-key",
                    f"writer lacks {key}: what the {key} host says",
                    f"write {key}: …",
                    scope.service,
                )
    if old == new and "old" in obj.named and "new" in obj.named:
        found.error(obj.named["new"], "same-writer", "old and new say the same, so no probe tells them apart")
    every = obj.seconds("every", 1.0)
    if 0 < every < SOONEST:
        found.error(
            obj.leaf("every") or obj, "writer", f"who takes the writes is asked every {SOONEST * 1000:.0f} ms at most",
            "write every: 1s", scope.service,
        )  # fmt: skip
    return Writer(
        url=url(scope, obj, "http"),
        old=old,
        new=new,
        every=every,
        writes=obj.verbatim("writes"),
        command=obj.verbatim("command"),
        write=obj.verbatim("write"),
    )
