"""The runbook at a glance: what is done, in order, as a checklist that fits on paper. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cockpit.plan.model import Condition, Gate, Manual, Plan, Service, Shell, Step, Sync, Window
from cockpit.plan.people import Notice
from cockpit.plan.recipes import parse
from cockpit.plan.zones import DnsChange, DnsTtl, RecordSet

WIDE = 160
"""Characters of one entry before it is cut."""


def brief(plan: Plan, service: str = "", tag: str = "") -> str:
    """The whole plan as checklists, or the services of one id or tag. Services that take the same steps share one list."""
    chosen = [s for s in plan.services if service in {"", s.id} and (not tag or tag in s.tags)]
    return "\n".join([f"# {plan.name}", "", *_facts(plan), *checklist(plan, chosen)]).rstrip() + "\n"


def checklist(plan: Plan, services: list[Service], level: int = 2) -> Iterator[str]:
    """A list for each group of services, in waves."""
    told: set[str] = set()
    for group in _groups(services):
        yield from _group(plan, group, told, level)


def _facts(plan: Plan) -> Iterator[str]:
    if plan.description:
        yield from (" ".join(plan.description.split()), "")
    hosts = [f"{host.id} ({host.ssh})" for host in plan.hosts.values() if "@" not in host.id]
    per = sorted({host.id.partition("@")[0] for host in plan.hosts.values() if "@" in host.id})
    hosts += [f"{name} (one for each service)" for name in per]
    facts = {
        "Hosts": hosts,
        "Contacts": [f"{contact.name}, {contact.channel}" for contact in plan.contacts],
        "May be lost": [f"{loss.what} ({loss.reason})" for loss in plan.acceptable_losses],
        "Left alone": list(plan.out_of_scope),
        "Rides along": list(plan.bundled_risks),
        "Not moved": [f"{s.id} is dropped" for s in plan.services if s.disposition == "drop"]
        + [f"{s.id} becomes {s.replaced_by or 'something else'}" for s in plan.services if s.disposition == "replace"],
    }
    for word, entries in facts.items():
        if entries:
            yield f"- {word}: {'; '.join(entries)}"
    yield ""


def _groups(services: list[Service]) -> list[list[Service]]:
    """Services of the same wave that take the same steps, at the place of the first of them."""
    groups: dict[tuple[object, ...], list[Service]] = {}
    for service in sorted(services, key=lambda one: one.wave):
        # A step that a condition leaves out of one service is in the list of the others all the same.
        shape = (service.wave, service.disposition, tuple((step.id, step.phase, step.kind) for step in service.steps))
        groups.setdefault(shape if service.steps else (service.id,), []).append(service)
    return list(groups.values())


def _group(plan: Plan, group: list[Service], told: set[str], level: int) -> Iterator[str]:
    first = group[0]
    names = [service.title or service.id for service in group]
    head = names[0] if len(group) == 1 else f"{len(group)} services, one after the other"
    yield from (f"{'#' * level} Wave {first.wave}: {head}", "")
    if len(group) > 1:
        yield from (f"For each of: {', '.join(names)}. Written out for {names[0]}.", "")
    window = first.window
    facts = [
        f"owner {first.owner}" if first.owner and len(group) == 1 else "",
        _when(window) if window is not None else "",
        f"may be away for {_time(first.downtime.budget)}"
        if first.downtime is not None and first.downtime.budget
        else "",
    ]
    if any(facts):
        line = "; ".join(fact for fact in facts if fact)
        # A name keeps its capital.
        yield from (f"{line[0].upper()}{line[1:]}.", "")
    phase = ""
    for number, step in enumerate(first.steps, 1):
        for gate in plan.gates:
            if gate.id not in told and any(same.ref in gate.before for same in _same(group, step)):
                told.add(gate.id)
                yield from (*([""] if number > 1 else []), f"- [ ] **{_gate(gate)}**", "")
        if step.phase != phase:
            yield from (*([""] if phase else []), f"**{step.phase.capitalize()}**", "")
            phase = step.phase
        said = entry(step)
        said += "" if said.endswith((".", "!", "?", "…")) else "."
        yield f"{number}. [ ] {_tag(step.when)}{said}{_after(step, first)}"
    yield ""


def _when(window: Window) -> str:
    """When its steps are due; the time of day with its offset, as the plan has it."""
    start, end = (
        datetime.fromisoformat(at).isoformat(" ", "minutes") if at else "" for at in (window.start, window.end)
    )
    return f"from {start} {f'to {end}' if end else 'on'}" if start else f"until {end}" if end else ""


def _same(group: list[Service], step: Step) -> list[Step]:
    return [other for service in group for other in service.steps if other.id == step.id]


def _gate(gate: Gate) -> str:
    asked = " ".join(gate.question.split()) or "go?"
    return f"{'Decide' if gate.kind == 'human' else 'Wait for evidence'}: {asked} (gate {gate.id})"


def _tag(when: Condition | None) -> str:
    """`[Web]`, as checklists write it."""
    if when is None:
        return ""
    return f"[{when.tag or f'not {when.not_tag}' if when.tag or when.not_tag else f'{when.var} = {when.equals}'}] "


def _after(step: Step, service: Service) -> str:
    """What else has to come before, and what there is to mind."""
    refs = [other.ref for other in service.steps]
    before = refs[refs.index(step.ref) - 1] if refs.index(step.ref) else ""
    said = [
        f"after {need.step.removeprefix(service.id + '/')}" + (f": {need.reason}" if need.reason else "")
        for need in step.needs
        if need.step != before
    ]
    said += [f"mind: {step.warns}"] if step.warns else []
    said += [f"until {step.released_by.removeprefix(service.id + '/')}"] if step.released_by else []
    said += ["no way back"] if step.point_of_no_return == "hard" else []
    said += ["going back loses writes from here on"] if step.point_of_no_return == "soft" else []
    checks = _checks(step)
    return (f" *({'; '.join(said)})*" if said else "") + (f" Verify: {checks}." if checks else "")


def entry(step: Step) -> str:
    """A step as a person would write it down."""
    said = step.title or _words(step)
    said = " ".join(said.split())
    return said if len(said) <= WIDE else f"{said[: WIDE - 1]}…"


def _words(step: Step) -> str:
    match step.action:
        case Shell() as action:
            title = parse(action.recipe, action.recipe_text).title if action.recipe_text else ""
            return f"{title or _named(step.id)} (on {action.host})"
        case Sync() as action:
            what = f"{'Final copy' if action.final else 'Copy'} of {', '.join(action.paths)}"
            return f"{what} from {action.source} to {action.target}"
        case DnsChange() as action:
            return "; ".join(_change(record) for record in action.records)
        case DnsTtl() as action:
            return f"TTL of {', '.join(f'{name} {type}' for name, type in action.names)} to {_time(action.to)}"
        case Manual() as action:
            asked = f" {action.question}" if action.question else ""
            return f"{action.owner}: {action.message}{asked}"
        case Notice() as action:
            names = ", ".join(dict.fromkeys(receiver.name for receiver in action.to))
            when = f", {datetime.fromtimestamp(action.at, UTC):%Y-%m-%d %H:%M} UTC" if action.at else ""
            return f"Tell {names}: {action.subject}{when}"
        case None:
            return f"{_named(step.id)}: to be decided"


def _checks(step: Step) -> str:
    said = [f"{_path(check.url)} at {check.at} answers {check.expect.status or 'well'}" for check in step.verify_http]
    said += [f"the line in {log.host}:{log.name}" for log in step.verify_log]
    said += [f"{check.probe} is good at {check.at}" for check in step.verify_probe]
    if isinstance(step.action, Sync):
        said.insert(0, "both sides are the same")
    if isinstance(step.action, DnsChange):
        said.insert(0, "every authority serves it")
    if isinstance(step.action, DnsTtl):
        said.insert(0, "the old TTL has passed")
    if isinstance(step.action, Manual) and step.action.answers:
        said.insert(0, f"{step.action.owner} says {' or '.join(step.action.good)}")
    if isinstance(step.action, Manual) and step.action.observe is not None:
        said.insert(0, "it is seen in DNS")
    return "; ".join(said)


def _path(url: str) -> str:
    """What a person would type behind the name that they know."""
    parts = urlsplit(url)
    return parts.path if parts.path not in {"", "/"} else parts.hostname or url


def _change(record: RecordSet) -> str:
    old, new = ", ".join(record.old), ", ".join(record.new)
    if not old:
        return f"Add {record.name} {record.type} {new}"
    return f"Point {record.name} {record.type} to {new}" if new else f"Remove {record.name} {record.type} {old}"


def _named(id: str) -> str:
    return id.replace("-", " ").replace("_", " ").capitalize()


def _time(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
