"""What reads well and still goes wrong at night: judged on the whole plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from cockpit.plan import syncs
from cockpit.plan.findings import Findings, Place, nearest
from cockpit.plan.model import Plan, Service, Shell, Step, Sync
from cockpit.plan.reader import Map, Node, Scalar, Seq, Spot
from cockpit.plan.scope import Site
from cockpit.plan.shape import Obj
from cockpit.plan.steps import verifies
from cockpit.plan.zones import DnsChange, DnsTtl

_SECRET_KEY = re.compile(r"(?i)(^|_|-)(pass|passwd|password|passphrase|secret|token|api_?key|private_?key)$")
_SECRET_TEXT = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@]+:[^/\s:@{]+@")


def lint(plan: Plan, site: Site) -> None:
    """Tells what is wrong with the plan as a whole, at its places."""
    for service in plan.services:
        _service(service, plan, site)
        for step in service.steps:
            _step(step, plan, site)
            _checked(step, service, site)
        _writers(service, site)
        syncs.lint(service.steps, site, site.places.get(f"service:{service.id}", Spot(1, 1)))
    _cycles(plan, site)


def _at(site: Site, step: Step, key: str = "") -> Place:
    places = site.places
    return places.get(f"step:{step.ref}:{key}") or places.get(f"step:{step.ref}") or Spot(1, 1)


def _step(step: Step, plan: Plan, site: Site) -> None:
    found, action = site.found, step.action
    if step.kind == "draft":
        found.warn(
            _at(site, step), "draft", f"step {step.id} has nothing to run: it blocks the plan",
            "give it use, run, sync, dns, ttl, manual or notice", step.service,
        )  # fmt: skip
        return
    if not verifies(step) and not (isinstance(action, Shell) and action.recipe and not action.recipe_text):
        found.error(
            _at(site, step), "no-verify", f"nothing verifies step {step.id}",
            "give it verify, or a recipe or run with verify", step.service,
        )  # fmt: skip
    if step.destructive and not step.undoable and not _reasoned(step, site):
        found.error(
            _at(site, step, "destructive"), "no-undo", f"step {step.id} destroys and cannot be undone",
            "give it undo, or undo: none with undo_reason", step.service,
        )  # fmt: skip
    elif f"step:{step.ref}:undo" in site.places and not _reasoned(step, site):
        found.warn(_at(site, step, "undo"), "no-reason", "undo: none says no reason", "write undo_reason", step.service)
    holds = step.phase == "freeze" and isinstance(action, Shell) and not step.opens
    holds = holds and f"step:{step.ref}:released_by" not in site.places
    if holds and not step.released_by and not _is_release(step, plan):
        found.warn(
            _at(site, step),
            "no-release",
            f"nothing releases what {step.id} freezes",
            "write released_by: STEP, or released_by: none",
            step.service,
        )
    if step.released_by == step.ref:
        found.error(_at(site, step, "released_by"), "self-release", f"{step.id} releases itself", "name another step")
    if step.opens and step.opens == step.closes:
        found.error(
            _at(site, step, "closes"), "writers", f"{step.id} opens and closes {step.opens}", "keep one of them"
        )
    if step.timeout <= 0:
        found.error(_at(site, step, "timeout"), "timeout", "a time-out of nothing always fails", "write timeout: 10m")
    if step.estimate > step.timeout:
        found.warn(
            _at(site, step, "estimate"), "estimate", "it is planned to take longer than its time-out", "raise timeout"
        )
    if isinstance(action, Sync) and action.delete and _reversed(action, plan):
        found.warn(
            _at(site, step, "sync"), "backwards", "it copies from new to old and deletes on old", "swap from and to"
        )
    if isinstance(action, DnsChange | DnsTtl):
        _zone(step, action, plan, site)


LONG_TTL = 300
"""Seconds with which a way back is slow."""


def _zone(step: Step, action: DnsChange | DnsTtl, plan: Plan, site: Site) -> None:
    """A change of record sets has a zone to happen in, and a way back that is not slow."""
    found, key = site.found, step.kind
    names = (
        [record.name for record in action.records] if isinstance(action, DnsChange) else [n for n, _ in action.names]
    )
    if plan.dns is None:
        found.error(_at(site, step, key), "no-dns", "the plan does not say where the zone lives", "add dns: {zone: …}")
    elif not all(not name or _within(name, plan.dns.zone) for name in names):
        found.error(
            _at(site, step, key), "other-zone", f"the name is not in zone {plan.dns.zone}",
            "write the full name", step.service,
        )  # fmt: skip
    if isinstance(action, DnsChange):
        slow = [record for record in action.records if record.ttl > LONG_TTL]
        lowered = {
            name
            for earlier in _before(step, plan)
            if isinstance(earlier.action, DnsTtl)
            for name in earlier.action.names
        }
        if slow and not all((record.name, record.type) in lowered for record in slow):
            found.warn(
                _at(site, step, key), "long-ttl",
                f"with a TTL of {slow[0].ttl} s the way back takes as long, and nothing lowers it before",
                "lower it by a ttl step before, change with a low ttl, and raise it by a ttl step at the end", step.service,
            )  # fmt: skip


def _before(step: Step, plan: Plan) -> list[Step]:
    steps = plan.service(step.service).steps
    return list(steps[: next(number for number, other in enumerate(steps) if other.ref == step.ref)])


def _reasoned(step: Step, site: Site) -> bool:
    return f"step:{step.ref}:undo_reason" in site.places and f"step:{step.ref}:undo" in site.places


def _is_release(step: Step, plan: Plan) -> bool:
    return any(other.released_by == step.ref for other in plan.service(step.service).steps)


def _reversed(action: Sync, plan: Plan) -> bool:
    source, target = plan.hosts.get(action.source), plan.hosts.get(action.target)
    return source is not None and target is not None and (source.role, target.role) == ("new", "old")


def _within(name: str, zone: str) -> bool:
    name, zone = name.rstrip(".").lower(), zone.rstrip(".").lower()
    return name == zone or name.endswith(f".{zone}")


def _service(service: Service, plan: Plan, site: Site) -> None:
    found, at = site.found, site.places.get(f"service:{service.id}", Spot(1, 1))
    window, down = service.window, service.downtime
    bounded = window is not None and window.start and window.end
    if bounded and window is not None and datetime.fromisoformat(window.start) >= datetime.fromisoformat(window.end):
        found.error(at, "window", f"the window of {service.id} ends before it starts", "swap start and end")
    if service.disposition == "replace" and not service.replaced_by:
        found.warn(at, "replaced-by", f"{service.id} is replaced, but not said by what", "write replaced_by")
    if service.disposition == "move" and not service.steps:
        found.warn(at, "no-steps", f"{service.id} has no steps", "give it steps or a template")
    seen: set[str] = set()
    for probe in service.health:
        if probe.id in seen:
            found.error(at, "duplicate-id", f"two health probes of {service.id} are called {probe.id}", "give them ids")
        seen.add(probe.id)
        if probe.every <= 0 or probe.timeout <= 0:
            found.error(at, "interval", f"probe {probe.id} needs an interval and a time-out", "write every: 2s")
    if service.writer is not None and service.writer.every <= 0:
        found.error(at, "interval", f"the writer probe of {service.id} needs an interval", "write every: 1s")
    if down is not None:
        frozen = sum(step.estimate for step in service.steps if step.phase in {"freeze", "sync"})
        if down.budget and frozen > down.budget:
            found.warn(
                at,
                "budget",
                f"its freeze is planned at {frozen:g} s, its downtime budget is {down.budget:g} s",
                "plan again",
            )


def _checked(step: Step, service: Service, site: Site) -> None:
    """A verification by a health probe names one that there is, at a vantage where it is asked."""
    probes = {probe.id: probe for probe in service.health}
    for check in step.verify_probe:
        probe, key = probes.get(check.probe), f"probe:{check.probe}"
        if probe is None:
            what = f"there is no health probe {check.probe}"
            site.found.error(_at(site, step, key), "unknown-probe", what, nearest(check.probe, probes), service.id)
        elif check.at not in probe.at:
            what = f"probe {check.probe} is not asked at {check.at}"
            mend = f"it is asked at {', '.join(probe.at)}"
            site.found.error(_at(site, step, f"{key}:at"), "vantage", what, mend, service.id)


def _writers(service: Service, site: Site) -> None:
    """At most one writer: old writes first; what opens a side must come after what closes the other."""
    opening = [step for step in service.steps if step.opens]
    closed = {step.closes for step in service.steps if step.closes}
    for step in opening:
        other = "old" if step.opens == "new" else "new"
        if other == "old" and "old" not in closed:
            site.found.error(
                _at(site, step, "opens"), "two-writers", f"{step.id} opens new, and no step closes old",
                "write closes: old where old stops taking writes", step.service,
            )  # fmt: skip
    for side in ("old", "new"):
        same = [step for step in opening if step.opens == side and step.when is None]
        if len(same) > 1 and side not in closed:
            site.found.error(
                _at(site, same[1], "opens"), "two-writers", f"{same[1].id} opens {side} again after {same[0].id}",
                "keep one of them", service.id,
            )  # fmt: skip


def _cycles(plan: Plan, site: Site) -> None:
    """Steps that wait for each other, also through a gate that stands after what it stands before."""
    edges: dict[str, list[str]] = {
        step.ref: [need.step for need in step.needs] for s in plan.services for step in s.steps
    }
    for gate in plan.gates:
        edges[f"gate:{gate.id}"] = list(gate.after)
        for ref in gate.before:
            edges.setdefault(ref, []).append(f"gate:{gate.id}")
    done: set[str] = set()
    for start in edges:
        cycle = _cycle(start, edges, done)
        if not cycle:
            continue
        gates = [name for name in cycle if name.startswith("gate:")]
        shown = " → ".join(name.removeprefix("gate:") for name in cycle)
        first = next((name for name in cycle if name.startswith("gate:")), cycle[0])
        at = (
            site.places.get(first)
            if gates
            else site.places.get(f"step:{first}:needs") or site.places.get(f"step:{first}")
        )
        site.found.error(at or Spot(1, 1), "cycle", f"these wait for each other: {shown}", "remove one of the needs")


def _cycle(start: str, edges: dict[str, list[str]], done: set[str]) -> list[str]:
    """The first cycle reachable from `start`, closed with its first name, or []. Marks what was looked at in `done`."""
    if start in done:
        return []
    path: list[str] = [start]
    on_path: set[str] = {start}
    stack: list[Iterator[str]] = [iter(edges.get(start, ()))]
    while stack:
        following = next(stack[-1], None)
        if following is None:
            stack.pop()
            gone = path.pop()
            on_path.discard(gone)
            done.add(gone)
        elif following in on_path:
            cycle = [*path[path.index(following) :], following]
            done.update(path)
            return cycle
        elif following in edges and following not in done:
            path.append(following)
            on_path.add(following)
            stack.append(iter(edges[following]))
    return []


def lint_nodes(root: Obj, found: Findings) -> None:
    """Secrets written into the plan: they belong in files, in the environment or behind a command."""
    stack: list[tuple[Node, bool]] = [(root.node, False)]
    seen: set[int] = set()
    while stack:
        node, secret = stack.pop()
        if isinstance(node, Map):
            if id(node) in seen:
                continue
            seen.add(id(node))
            # Secrets are named in lists and maps, whatever the variables are called.
            stack.extend(
                (value, bool(_SECRET_KEY.search(key.text)))
                for key, value in node.pairs
                if key.text not in {"secrets", "notify"} and not (key.text == "login" and isinstance(value, Map))
            )
            # A login names its secret; so does a contact's address.
            stack.extend(
                (value, key.text != "secret" and bool(_SECRET_KEY.search(key.text)))
                for word, child in node.pairs
                for part in _naming(word.text, child)
                for key, value in part.pairs
            )
            addresses = [child for word, child in node.pairs if word.text == "notify" and isinstance(child, Seq)]
            stack.extend((item, False) for child in addresses for item in child.items if isinstance(item, Scalar))
            named = [value for key, value in node.pairs if key.text == "secrets" and isinstance(value, Map)]
            stack.extend((value, False) for child in named for _, value in child.pairs)
        elif isinstance(node, Seq):
            if id(node) not in seen:
                seen.add(id(node))
                stack.extend((item, secret) for item in node.items)
        elif _is_secret(node, secret):
            found.warn(node, "secret", "a secret stands in the plan", "declare where it comes from in secrets")


def _naming(word: str, child: Node) -> list[Map]:
    """The maps under a key whose `secret` is a name."""
    if word == "login":
        return [child] if isinstance(child, Map) else []
    items = child.items if word == "notify" and isinstance(child, Seq) else ()
    return [item for item in items if isinstance(item, Map)]


def _is_secret(node: Scalar, named: bool) -> bool:
    return bool(_SECRET_TEXT.search(node.text)) or (named and bool(node.text) and not node.text.startswith(("{", "/")))
