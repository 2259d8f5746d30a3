"""Which record sets of a service are watched, and which of several declared changes of one set is followed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.plan.base import Frozen
from cockpit.plan.model import Service
from cockpit.plan.records import changes, same_change
from cockpit.plan.zones import DnsTtl, RecordSet
from cockpit.probes.dns.classify import declared
from cockpit.probes.dns.eras import Content, History
from cockpit.probes.dns.horizon import news_of

NOT_BEGUN = frozenset({"draft", "blocked", "ready", "skipped", "undone"})
"""States of a step that has changed nothing, or nothing any more."""


class Followed(Frozen, frozen=True, kw_only=True):
    """One name and type with its declared changes, in the order in which they come. `steps` are the refs of what changes it,
    `makers` those of the steps that make each stage."""

    name: str
    type: str
    stages: tuple[RecordSet, ...]
    steps: tuple[str, ...] = ()
    makers: tuple[tuple[str, ...], ...] = ()

    def current(
        self, histories: Mapping[str, History], states: Mapping[str, str] | None = None, before: int = 0
    ) -> int:
        """The stage that is followed: the latest whose new contents an authority serves, else the first.

        A stage that brings back what was there earlier has that served before anything has happened. It counts once one of its
        steps has begun, by `states` of steps; where no step makes it, once the stage before it was seen, `before` being the one
        followed so far."""
        served = {end.content for history in histories.values() if (end := history.end) is not None}
        for stage in range(len(self.stages) - 1, 0, -1):
            if served & news_of(self.new(stage)) and (
                not self._comes_back(stage) or self._has_begun(stage, histories, states or {}, before)
            ):
                return stage
        return 0

    def _comes_back(self, stage: int) -> bool:
        """Whether what a stage brings may be served before it."""
        new = news_of(self.new(stage))
        return any(
            new & news_of(declared(self.type, earlier.old))
            or (n < stage and new & news_of(declared(self.type, earlier.new)))
            for n, earlier in enumerate(self.stages[: stage + 1])
        )

    def _has_begun(self, stage: int, histories: Mapping[str, History], states: Mapping[str, str], before: int) -> bool:
        known = [states[ref] for ref in (self.makers[stage] if self.makers else ()) if ref in states]
        if known:
            return any(state not in NOT_BEGUN for state in known)
        seen: set[Content] = {era.content for history in histories.values() for era in history.eras if not era.link}
        return before >= stage or bool(seen & news_of(self.new(stage - 1)))

    def new(self, stage: int) -> frozenset[str]:
        """The contents after a stage, normalised."""
        return declared(self.type, self.stages[stage].new)


def followed(service: Service) -> tuple[Followed, ...]:
    """The record sets of a service: those it declares, that its steps change, and that its manual steps observe.

    Where several steps change one set, one after the other, they are its stages. A declared record that is more than the way
    from the first to the last of them is followed in their place."""
    whole_ways = {_key(record): record for record in service.records}
    stages: dict[tuple[str, str], list[RecordSet]] = {}
    steps: dict[tuple[str, str], list[str]] = {key: [] for key in whole_ways}
    makers: dict[tuple[str, str], dict[RecordSet, list[str]]] = {}
    for ref, record in changes(service):
        known = stages.setdefault(_key(record), [])
        same = next((one for one in known if same_change(one, record)), None)
        if same is None:
            known.append(record)
        record = same or record
        steps.setdefault(_key(record), []).append(ref)
        makers.setdefault(_key(record), {}).setdefault(record, []).append(ref)
    for step in service.steps:
        for name, type in step.action.names if isinstance(step.action, DnsTtl) else ():
            key = (_name(name), type)
            if key in steps:
                steps[key].append(step.ref)
    found: list[Followed] = []
    for key in dict.fromkeys((*whole_ways, *stages)):
        chain, whole = stages.get(key, []), whole_ways.get(key)
        if whole is not None and (not chain or not _spans(whole, chain)):
            chain = [whole]
        first = whole or chain[0]
        made = makers.get(key, {})
        found.append(
            Followed(
                name=first.name,
                type=first.type,
                stages=tuple(chain),
                steps=tuple(steps[key]),
                makers=tuple(tuple(made.get(record, ())) for record in chain),
            )
        )
    return tuple(found)


def _spans(whole: RecordSet, chain: list[RecordSet]) -> bool:
    return set(chain[0].old) == set(whole.old) and set(chain[-1].new) == set(whole.new)


def _key(record: RecordSet) -> tuple[str, str]:
    return _name(record.name), record.type


def _name(name: str) -> str:
    return name.lower().rstrip(".")
