"""What a service and its steps declare of DNS: which record sets are watched, and which changes they go through."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.plan.model import Manual, Service, Step
from cockpit.plan.zones import DnsChange, RecordSet


def applies(service: Service, step: Step) -> bool:
    """Whether a step's condition, if it has one, holds for its service."""
    condition = step.when
    if condition is None:
        return True
    if condition.tag:
        return condition.tag in service.tags
    if condition.not_tag:
        return condition.not_tag not in service.tags
    if condition.var:
        return service.vars.get(condition.var, "") == condition.equals
    return True


def changes(service: Service) -> Iterator[tuple[str, RecordSet]]:
    """(ref of the step, record set) for all that its steps change, or wait for somebody to change, in the plan's order.

    A step whose condition leaves it out here changes nothing."""
    for step in service.steps:
        if not applies(service, step):
            continue
        match step.action:
            case DnsChange() as change:
                yield from ((step.ref, record) for record in change.records)
            case Manual(observe=RecordSet() as record):
                yield step.ref, record
            case _:
                pass


def same_change(one: RecordSet, other: RecordSet) -> bool:
    """Whether two record sets of one name and type are the same change, whatever TTL comes with it."""
    return (_values(one, one.old), _values(one, one.new)) == (_values(other, other.old), _values(other, other.new))


def declared(planned: Service) -> tuple[str, ...]:
    """The record sets of a service that are watched, as `name type`, each as it is written first."""
    first: dict[tuple[str, str], str] = {}
    for record in (*planned.records, *(record for _, record in changes(planned))):
        first.setdefault((record.name.lower().rstrip("."), record.type), record.key)
    return tuple(first.values())


def _values(record: RecordSet, values: tuple[str, ...]) -> frozenset[str]:
    if record.type == "TXT":
        return frozenset(value.strip('"') for value in values)
    return frozenset(value.lower().rstrip(".") for value in values)
