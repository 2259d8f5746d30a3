"""What a plan will need of each of its hosts: commands, rights, and room for what is copied. Pure."""

from __future__ import annotations

import re

import msgspec

from cockpit.plan.model import Plan, Shell, Sync

_DECLARED = re.compile(r"(?m)^#[ \t]*needs:[ \t]*(.+)$")
_SUDO = re.compile(
    r"(?m)(?:^|[;&|({]|\bthen\b|\bdo\b|\belse\b)[ \t]*(?:sudo|doas)[ \t]+(?:-n[ \t]+)?([^\s;&|<>()-][^\s;&|<>()]*)"
)


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One path that a sync brings over."""

    source: str
    target: str
    path: str
    into: str


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What one host must be able to do. `rights` are the commands that scripts run by sudo or doas."""

    host: str
    tools: tuple[str, ...] = ()
    """Commands; `a|b` is one of several, the best first."""
    rights: tuple[str, ...] = ()
    sends: tuple[Copy, ...] = ()
    takes: tuple[Copy, ...] = ()


def needs_of(plan: Plan) -> dict[str, Needs]:
    """By host. Tools are what recipes declare (`# needs: …`) and what copies use."""
    tools: dict[str, dict[str, None]] = {id: {} for id in plan.hosts}
    rights: dict[str, dict[str, None]] = {id: {} for id in plan.hosts}
    sends: dict[str, list[Copy]] = {id: [] for id in plan.hosts}
    takes: dict[str, list[Copy]] = {id: [] for id in plan.hosts}
    for service in plan.services:
        for step in service.steps:
            match step.action:
                case Shell() as action:
                    texts = (action.recipe_text, action.probe, action.capture, action.apply, action.verify, action.undo)
                    for text in texts:
                        for words in _DECLARED.findall(text):
                            tools[action.host].update(dict.fromkeys(words.split()))
                        rights[action.host].update(dict.fromkeys(_SUDO.findall(text)))
                case Sync() as action:
                    into = action.to or action.paths
                    for path, where in zip(action.paths, into, strict=True):
                        copy = Copy(source=action.source, target=action.target, path=path, into=where)
                        sends[action.source].append(copy)
                        takes[action.target].append(copy)
                    for host in (action.source, action.target):
                        tools[host].update(dict.fromkeys(("rsync", "tar")))
                case _:
                    pass
    return {
        id: Needs(
            host=id,
            tools=tuple(tools[id]),
            rights=tuple(rights[id]),
            sends=tuple(dict.fromkeys(sends[id])),
            takes=tuple(dict.fromkeys(takes[id])),
        )
        for id in plan.hosts
    }
