"""The runbook at a glance: what is done, in order, as a checklist that fits on paper. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cockpit.plan.model import ADJACENT, Condition, Gate, Manual, Plan, Service, Shell, Step, Sync, Window
from cockpit.plan.order import Group, groups, in_order
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
    """A list for each group of services: one for those that take the same steps, one for those that go together."""
    told: set[str] = set()
    for group in groups(plan, services):
        yield from _list(plan, group, told, level)


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


def _list(plan: Plan, group: Group, told: set[str], level: int) -> Iterator[str]:
    yield from _head(group, level)
    first = group.services[0]
    steps = list(in_order(plan, group)) if group.linked else list(first.steps)
    phase = ""
    for number, step in enumerate(steps, 1):
        same = {step.ref} if group.linked else {f"{service.id}/{step.id}" for service in group.services}
        gates = [gate for gate in plan.gates if gate.id not in told and same & set(gate.before)]
        if gates or step.phase != phase:
            yield from [""] * (number > 1)
        for gate in gates:
            told.add(gate.id)
            yield f"- [ ] **{_gate(gate)}**"
        if gates:
            yield ""
        if step.phase != phase:
            yield from (f"**{step.phase.capitalize()}**", "")
            phase = step.phase
        said = _tagged(step.when, entry(step))
        said += "" if said.endswith((".", "!", "?", "…")) else "."
        whose = f"{step.service}: " if group.linked else ""
        before = steps[number - 2].ref if number > 1 else ""
        yield f"{number}. [ ] {whose}{said}{_after(step, before, group.linked)}"
    yield ""


def _head(group: Group, level: int) -> Iterator[str]:
    """Whose list it is, and when and for how long they may be away."""
    services = group.services
    names = [service.title or service.id for service in services]
    many = "together" if group.linked else "one after the other"
    head = names[0] if len(services) == 1 else f"{len(services)} services, {many}"
    waves = group.waves
    span = f"Wave {waves[0]}" if len(waves) == 1 else f"Waves {waves[0]} to {waves[-1]}"
    yield from (f"{'#' * level} {span}: {head}", "")
    facts = [_bounds(service) for service in services]
    if len(services) == 1:
        if facts[0]:
            yield from (f"{facts[0][0].upper()}{facts[0][1:]}.", "")
        return
    if group.linked:
        yield from (
            f"- {s.id}: {name}{f'; {fact}' if fact else ''}"
            for s, name, fact in zip(services, names, facts, strict=True)
        )
        yield ""
        return
    if len(set(facts)) == 1:
        yield from (f"For each of: {', '.join(names)}. Written out for {names[0]}.", "")
        if facts[0]:
            yield from (f"{facts[0][0].upper()}{facts[0][1:]}.", "")
        return
    yield from (f"For each of these, and written out for {names[0]}:", "")
    yield from (f"- {name}{f'; {fact}' if fact else ''}" for name, fact in zip(names, facts, strict=True))
    yield ""


def _bounds(service: Service) -> str:
    window, down = service.window, service.downtime
    said = [f"owner {service.owner}"] if service.owner else []
    if window is not None:
        said.append(_when(window))
    if down is not None and down.budget:
        said.append(f"may be away for {_time(down.budget)}")
    return "; ".join(said)


def _when(window: Window) -> str:
    """When its steps are due; the time of day with its offset, as the plan has it."""
    start, end = (
        datetime.fromisoformat(at).isoformat(" ", "minutes") if at else "" for at in (window.start, window.end)
    )
    return f"from {start} {f'to {end}' if end else 'on'}" if start else f"until {end}" if end else "at any time"


def _gate(gate: Gate) -> str:
    asked = " ".join(gate.question.split()) or "go?"
    second = f", {' or '.join(gate.second_by) or 'a second person'} confirms" if gate.second else ""
    return f"{'Decide' if gate.kind == 'human' else 'Wait for evidence'}: {asked} (gate {gate.id}{second})"


def _tagged(when: Condition | None, said: str) -> str:
    """An entry with `[Web]` in front of it, as checklists write it; a title that has it already keeps it."""
    if when is None:
        return said
    tag = when.tag or (f"not {when.not_tag}" if when.not_tag else f"{when.var} = {when.equals}")
    own, closed, rest = said[1:].partition("] ")
    if not (said.startswith("[") and closed):
        return f"[{tag}] {said}"
    return said if own.casefold() == tag.casefold() else f"[{own}; {tag}] {rest}"


def _after(step: Step, before: str, linked: bool) -> str:
    """What else has to come before, and what there is to mind. In a list of steps that go together the order says the rest."""
    said = [
        f"after {_short(need.step, step)}" + (f": {need.reason}" if need.reason else "")
        for need in step.needs
        if need.step != before and (not linked or need.reason not in {"", ADJACENT})
    ]
    said += [f"mind: {step.warns}"] if step.warns else []
    said += [f"until {_short(step.released_by, step)}"] if step.released_by else []
    said += ["no way back"] if step.point_of_no_return == "hard" else []
    said += ["going back loses writes from here on"] if step.point_of_no_return == "soft" else []
    checks = _checks(step)
    return (f" *({'; '.join(said)})*" if said else "") + (f" Verify: {checks}." if checks else "")


def _short(ref: str, step: Step) -> str:
    return ref.removeprefix(f"{step.service}/")


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
