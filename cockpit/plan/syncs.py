"""Copies between hosts: from shaped values to model data, and what is wrong with those that delete."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cockpit.plan.findings import Place
from cockpit.plan.model import Step, Sync
from cockpit.plan.scope import Scope, Site
from cockpit.plan.shape import Obj
from cockpit.rate import rate


def sync(scope: Scope, obj: Obj) -> Sync:
    """The copy; what is missing or wrong is told at its place."""
    found, source, target = scope.site.found, obj.leaf("from"), obj.leaf("to")
    if source is not None and target is not None and source.text == target.text:
        found.error(target, "same-host", f"it copies from {source.text} to itself", "write the other host")
    paths, into = scope.texts(obj, "paths"), scope.texts(obj, "into")
    if "paths" in obj.named and not obj.items("paths"):
        found.error(obj.named["paths"], "empty", "there is nothing to copy", "write paths: [srv/]")
    if into and len(into) != len(paths):
        found.error(
            obj.named["into"], "into", f"into has {len(into)} places for {len(paths)} paths", "one for each path"
        )
    via: Any = obj.verbatim("via", "auto")
    made = Sync(
        source=scope.host(source),
        target=scope.host(target),
        paths=paths,
        to=into,
        exclude=scope.texts(obj, "exclude"),
        delete=obj.truth("delete", False),
        final=obj.truth("final", False),
        via=via,
        at=scope.field(obj, "at"),
        bwlimit=_rate(scope, obj),
        limit=scope.field(obj, "limit"),
        backup=scope.field(obj, "backup"),
    )
    _deletion(scope, obj, made)
    return made


def _rate(scope: Scope, obj: Obj) -> int:
    leaf = obj.leaf("bwlimit")
    if leaf is None:
        return 0
    count = rate(scope.text(leaf))
    if count is None:
        scope.site.found.error(
            leaf, "rate", f"{leaf.text} is no rate", "write bwlimit: 800k, 10m or 1g (bytes a second)"
        )
    return count or 0


def _deletion(scope: Scope, obj: Obj, made: Sync) -> None:
    found = scope.site.found
    for key in ("limit", "backup"):
        leaf = obj.leaf(key)
        if leaf is not None and key == "limit" and not made.delete:
            found.warn(leaf, "unused-key", f"{key} means nothing without delete", "remove it, or write delete: true")
    leaf = obj.leaf("limit")
    if leaf is not None and not re.fullmatch(r"\d{1,9}|(100|\d{1,2})(\.\d+)?%", made.limit):
        found.error(leaf, "limit", f"{made.limit} is no limit", "write limit: 100, or limit: 10%")
    leaf = obj.leaf("backup")
    if leaf is not None:
        folders = [path.rstrip("/") + "/" for path in made.to or made.paths]
        inside = next((folder for folder in folders if f"{made.backup.rstrip('/')}/".startswith(folder)), "")
        if inside:
            found.error(
                leaf, "backup-inside", f"backup lies in {inside}, which is copied over", "name a folder beside it"
            )


def marked(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, with those copies told to write the sentinel whose direction a later one needs in order to delete."""
    wanted = {_direction(step.action) for step in steps if isinstance(step.action, Sync) and step.action.delete}
    return tuple(
        msgspec.structs.replace(step, action=msgspec.structs.replace(step.action, marks=True))
        if isinstance(step.action, Sync) and not step.action.delete and _direction(step.action) in wanted
        else step
        for step in steps
    )


def lint(steps: tuple[Step, ...], site: Site, at: Place) -> None:
    """A copy that deletes and never copied without deletion before has no sentinel: it would be refused."""
    seen: set[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = set()
    for step in steps:
        if not isinstance(step.action, Sync):
            continue
        if step.action.delete and _direction(step.action) not in seen:
            place = site.places.get(f"step:{step.ref}:sync") or at
            site.found.warn(
                place,
                "delete-first",
                f"{step.id} deletes, and nothing was copied that way without deletion before: it will be refused",
                "put a sync of the same paths without delete before it",
                step.service,
            )
        if not step.action.delete:
            seen.add(_direction(step.action))


def _direction(action: Sync) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    return action.source, action.target, action.paths, action.to or action.paths
