"""Whether an answer is the one that was expected."""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.plan import conditions
from cockpit.plan.base import Vantage
from cockpit.plan.watched import Expect
from cockpit.probes.http.facts import joined
from cockpit.probes.http.seen import Seen
from cockpit.text import harmless


def unmet(
    expect: Expect, seen: Seen, facts: Mapping[str, str], at: Vantage, others: Mapping[str, Mapping[str, str]]
) -> str:
    """What of `expect` does not hold, '' when all does."""
    if expect.status and seen.status != expect.status:
        return f"status {seen.status}, not {expect.status}"
    if expect.body and expect.body not in seen.body:
        return f"status {seen.status}, but the body lacks {expect.body!r}"
    headers = dict(joined(seen.headers))
    for name, value in expect.header.items():
        found = headers.get(name.lower(), "")
        if value not in found:
            return f"header {name} is {harmless(found, 80)!r}, not {value!r}"
    body = None if seen.packed else seen.body
    why = conditions.unmet(expect.that, facts, others, at, body, whole=not seen.cut) if expect.that else ""
    return f"status {seen.status}, but {harmless(why, 300)}" if why else ""
