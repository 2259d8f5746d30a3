"""Whether a copy may begin, from what is known of both hosts; each refusal is a sentence."""

from __future__ import annotations

from cockpit.hosts.sync import guard, rsync
from cockpit.hosts.sync.facts import Facts, Pair, pairs
from cockpit.hosts.sync.looking import Refused
from cockpit.plan.model import Sync


def paths(action: Sync, known: Facts) -> None:
    """Both sides are folders, the source can be read; where the copy deletes, it goes the way that the trees' marks say.
    Raises Refused."""
    for index, pair in enumerate(pairs(action)):
        match known.source.paths[index]:
            case "absent":
                raise Refused(f"{pair.source} does not exist on {action.source}")
            case "file":
                raise Refused(f"{pair.source} on {action.source} is no folder: name the folder that holds it")
            case "closed":
                raise Refused(f"not all of {pair.source} can be read on {action.source}: use an account that can")
        if known.target.paths[index] == "file":
            raise Refused(f"{pair.target} on {action.target} is no folder: move it away first")
        if action.delete:
            # Also where there is nothing to delete by now: what comes after would.
            _way(action, known, index, pair)


def _way(action: Sync, known: Facts, index: int, pair: Pair) -> None:
    here, there = (known.source.mark, pair.source), (known.target.mark, pair.target)
    why = guard.direction(
        source=action.source,
        target=action.target,
        path=pair.source,
        reverse=guard.sentinel(there, here),
        sentinels=(known.source.sentinels[index], known.target.sentinels[index]),
        empty=known.source.paths[index] == "empty",
    )
    if why:
        raise Refused(why)


def deletions(action: Sync, known: Facts, index: int, pair: Pair, found: rsync.Look) -> None:
    """What the copy would delete may go: the trees carry the marks of that way, and it is within the plan's limit. Raises
    Refused."""
    if not action.delete or not (found.deleted or known.source.paths[index] == "empty"):
        return
    here, there = (known.source.mark, pair.source), (known.target.mark, pair.target)
    why = guard.refusal(
        source=action.source,
        target=action.target,
        path=pair.source,
        wanted=guard.sentinel(here, there),
        reverse=guard.sentinel(there, here),
        on_source=known.source.sentinels[index],
        on_target=known.target.sentinels[index],
        empty=known.source.paths[index] == "empty",
        found=found,
        limit=action.limit,
        aside=action.backup or ".cockpit/aside",
    )
    if why:
        raise Refused(why)
