"""Whether a copy that deletes may begin: pure decisions, each refusal a sentence.

Four things must hold: a sentinel on the source that names this direction, a source that is not empty, no more deletions than
the limit allows, and a folder to which everything deleted is moved.
"""

from __future__ import annotations

import hashlib
import math
import shlex

from cockpit.hosts.sync.rsync import SENTINEL, Look

DEFAULT_LIMIT = "10%"


def host_mark(machine_id: str, name: str) -> str:
    """A host as the sentinel names it: a hash, since a machine-id is nobody's business; its plan name where it has none."""
    return hashlib.sha256(f"cockpit-sync {machine_id or name}".encode()).hexdigest()[:16]


def sentinel(source: tuple[str, str], target: tuple[str, str]) -> str:
    """The one line of a sentinel: (mark, path) of the host that is copied from, and of the one that is copied to."""
    return f"cockpit-sync 1 from {source[0]} {shlex.quote(source[1])} to {target[0]} {shlex.quote(target[1])}".replace(
        "\n", "?"
    )


def most(limit: str, holds: int) -> int:
    """How many entries may be deleted of `holds`: a number, or a percentage rounded up. Raises ValueError."""
    text = (limit or DEFAULT_LIMIT).strip()
    if text.endswith("%"):
        share = float(text[:-1])
        if not 0 <= share <= 100:
            raise ValueError(limit)
        return math.ceil(holds * share / 100)
    return int(text)


def direction(*, source: str, target: str, path: str, reverse: str, sentinels: tuple[str, str], empty: bool) -> str:
    """Why a copy that may delete looks the wrong way round, '' when it does not. `reverse` is the sentinel's line of the other
    direction, `sentinels` what was found on source and target."""
    if empty:
        return f"{path} on {source} is empty: deleting on {target} would take everything there; nothing was deleted"
    if reverse in sentinels:
        return (
            f"a sentinel ({SENTINEL}) names {target} as the source and {source} as the target: from and to look swapped; "
            "nothing was deleted"
        )
    return ""


def refusal(
    *,
    source: str,
    target: str,
    path: str,
    wanted: str,
    reverse: str,
    on_source: str,
    on_target: str,
    empty: bool,
    found: Look,
    limit: str,
    aside: str,
) -> str:
    """Why deleting must not begin, '' when it may. `wanted` is the sentinel's line and `reverse`
    that of the other direction; `on_source` and `on_target` are what was found."""
    why = direction(
        source=source, target=target, path=path, reverse=reverse, sentinels=(on_source, on_target), empty=empty
    )
    if why:
        return why
    if not on_source:
        return (
            f"there is no sentinel {SENTINEL} in {path} on {source}: run a copy without delete in this direction first, "
            f"or write it there: printf '%s\\n' {shlex.quote(wanted)} >{SENTINEL}"
        )
    if on_source != wanted:
        return f"the sentinel in {path} on {source} names another direction: {on_source[:160]}; nothing was deleted"
    if not aside:
        return f"there is no folder on {target} to move what is deleted to: write backup"
    allowed = most(limit, found.holds)
    if found.deleted > allowed:
        return (
            f"it would delete {found.deleted:,} of {found.holds:,} entries on {target}; the limit is "
            f"{limit or DEFAULT_LIMIT} ({allowed:,}): look why, or raise limit"
        )
    return ""
