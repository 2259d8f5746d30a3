"""The client that does not conform: a row of variables unlike the other rows of its template (SEEDS S2)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from cockpit.plan.findings import Findings
from cockpit.plan.shape import Obj


class Row(msgspec.Struct, frozen=True):
    """A service's variables: its own, those its template gives, and those its fields asked for."""

    at: Obj
    service: str
    template: str
    own: frozenset[str]
    given: frozenset[str]
    used: frozenset[str]


def conformance(rows: Iterable[Row], found: Findings) -> None:
    """Tells rows that lack what most others have, that have what most lack, and variables that nothing uses."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.template].append(row)
    for name, group in groups.items():
        counts = Counter(key for row in group for key in row.own)
        used = frozenset().union(*(row.used for row in group))
        usual = {key for key, count in counts.items() if count * 2 > len(group)}
        for row in group:
            for key in sorted(usual - row.own - row.given):
                found.warn(
                    row.at.named.get("vars", row.at), "nonconforming",
                    f"{row.service} lacks {key}, which {counts[key]} of {len(group)} services of {name} have", f"add {key}",
                )  # fmt: skip
            for key in sorted(row.own - used):
                word = row.at.entries("vars")[key][0]
                found.warn(word, "unused-variable", f"template {name} uses no {{{key}}}", "remove it")
