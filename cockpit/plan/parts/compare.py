"""What of old and new is compared."""

from __future__ import annotations

import re
from pathlib import Path

from cockpit.plan.parts.health import url
from cockpit.plan.parts.paths import beside
from cockpit.plan.scope import Scope
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.watched import Compare

MOST = 5000
"""URLs of one service: at 10 a second a round of them takes eight minutes."""
LEAST_EVERY = 1.0

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)(%?)")


def compare(scope: Scope, obj: Obj | None, source: Path) -> Compare | None:
    """The comparison that a service asks for; what is wrong is told at its place."""
    if obj is None:
        return None
    found = scope.site.found
    sources = [key for key in ("urls", "sitemap", "access_log") if key in obj.named]
    if not sources or (sources == ["urls"] and not obj.items("urls")):
        found.error(
            obj,
            "missing-key",
            "compare names no URLs",
            "write urls: [https://name/], sitemap or access_log",
            scope.service,
        )
    if ("access_log" in obj.named) != ("base" in obj.named):
        key, other = ("access_log", "base") if "access_log" in obj.named else ("base", "access_log")
        found.error(obj.named[key], "missing-key", f"{key} needs {other}", f"write {other}: …", scope.service)
    most = obj.leaf("most")
    if most is not None and obj.number("most", 1) > MOST:
        found.error(most, "too-many", f"a round of more than {MOST} URLs does not end in time", f"write most: {MOST}")
    every, timeout = obj.seconds("every", 300.0), obj.seconds("timeout", 10.0)
    if every < LEAST_EVERY or timeout <= 0:
        at = obj.leaf("every") if every < LEAST_EVERY else obj.leaf("timeout")
        found.error(at or obj, "interval", "compare needs an interval of 1s or more and a time-out", "write every: 5m")
    return Compare(
        urls=tuple(dict.fromkeys(_url(scope, leaf) for leaf in obj.leaves("urls"))),
        sitemap=url(scope, obj, "sitemap"),
        access_log=scope.field(obj, "access_log"),
        base=url(scope, obj, "base").rstrip("/"),
        most=obj.number("most", 100),
        ignore=tuple(name.lower() for name in scope.texts(obj, "ignore")),
        mask=scope.texts(obj, "mask"),
        alike=_share(scope, obj.leaf("alike")),
        every=every,
        timeout=timeout,
        ca=beside(source, scope.field(obj, "ca")),
    )


def _url(scope: Scope, leaf: Leaf) -> str:
    text = scope.text(leaf)
    if not re.match(r"https?://[^/\s]+", text):
        scope.site.found.error(leaf, "url", "this must be an http or https URL", "write https://name/", scope.service)
    return text


def _share(scope: Scope, leaf: Leaf | None) -> float:
    if leaf is None:
        return 1.0
    match = _SHARE.fullmatch(scope.text(leaf))
    share = float(match[1]) / (100 if match[2] else 1) if match is not None else -1.0
    if not 0 < share <= 1:
        scope.site.found.error(
            leaf, "share", "alike must be a share above 0 and up to 100%", "write alike: 98%", scope.service
        )
    return share
