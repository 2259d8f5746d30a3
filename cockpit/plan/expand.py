"""Shaped values to the Plan: hosts, templates with their rows of variables, gates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cockpit.plan import secrets
from cockpit.plan.conform import Row, conformance
from cockpit.plan.findings import nearest
from cockpit.plan.model import PHASES, Host, Log, Loss, Plan, Service, Step, Window
from cockpit.plan.parts.compare import compare
from cockpit.plan.parts.gates import gate
from cockpit.plan.parts.mail import mail
from cockpit.plan.parts.outages import meters, writer
from cockpit.plan.parts.paths import beside
from cockpit.plan.parts.people import contacts
from cockpit.plan.parts.probes import probe
from cockpit.plan.parts.traffic import traffic
from cockpit.plan.parts.zones import record, zone_of
from cockpit.plan.scope import BUILT_IN, VARIABLE, Scope, Site
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.steps import build, log_name
from cockpit.plan.syncs import marked


def expand(root: Obj, site: Site, source: Path, digest: str) -> Plan:
    """The whole plan. What is wrong is told in `site.found`; the result is usable only if that holds no error."""
    phases = tuple(leaf.text for leaf in root.leaves("phases")) or PHASES
    _twice(site, [(leaf, leaf.text) for leaf in root.leaves("phases")], "phase")
    secrets.declare(root, site, lambda text: beside(source, text))
    people = contacts(root, site)
    _hosts(root, site, source)
    zone = zone_of(root.obj("dns"), site, source)
    site.atomic = zone is None or zone.provider is None
    services = _services(root, site, phases, source)
    steps = {step.ref: step for service in services for step in service.steps}
    for link in site.links:
        if link.ref not in steps:
            near = nearest(
                link.ref.partition("/")[2],
                (ref.partition("/")[2] for ref in steps if ref.startswith(f"{link.service}/")),
            )
            shown = link.ref.removeprefix(f"{link.service}/")
            site.found.error(link.at, link.code, f"there is no step {shown}", near, link.service)
    secrets.unused(site)
    gates = tuple(gate(obj, site, services, phases, zone) for obj in root.objects("gates"))
    _twice(site, [(leaf, leaf.text) for obj in root.objects("gates") if (leaf := obj.leaf("id"))], "gate")
    return Plan(
        name=root.verbatim("name"),
        hash=digest,
        source=os.fsencode(source).decode("utf-8", "backslashreplace"),
        description=root.verbatim("description"),
        phases=phases,
        hosts=site.hosts,
        secrets=site.secrets,
        dns=zone,
        downtime=night.seconds("budget", 0.0) if (night := root.obj("downtime")) is not None else 0.0,
        services=services,
        gates=gates,
        acceptable_losses=tuple(
            Loss(what=item.verbatim("what"), reason=item.verbatim("reason"), accepted_by=item.verbatim("accepted_by"))
            for item in root.objects("acceptable_losses")
        ),
        out_of_scope=tuple(leaf.text for leaf in root.leaves("out_of_scope")),
        bundled_risks=tuple(leaf.text for leaf in root.leaves("bundled_risks")),
        contacts=people,
    )


def _twice(site: Site, named: list[tuple[Leaf, str]], what: str) -> None:
    seen: dict[str, Leaf] = {}
    for leaf, name in named:
        if name in seen:
            site.found.error(
                leaf,
                "duplicate-id",
                f"{what} {name} stands here again; first on line {seen[name].line}",
                "rename one of them",
            )
        seen.setdefault(name, leaf)


def _hosts(root: Obj, site: Site, source: Path) -> None:
    for name, (word, obj) in root.entries("hosts").items():
        if not isinstance(obj, Obj):
            continue
        site.places[f"host:{name}"] = word
        leaves = (value for value in obj.fields.values() if isinstance(value, Leaf))
        if any(match.group(1) for leaf in leaves for match in VARIABLE.finditer(leaf.text)):
            site.templated[name] = obj
        else:
            site.hosts[name] = _host(Scope(site, "", {}), name, name, obj, source)


def _host(scope: Scope, id: str, name: str, obj: Obj, source: Path) -> Host:
    role: Any = obj.verbatim("role", name if name in {"old", "new"} else "other")
    become: Any = obj.verbatim("become")
    return Host(
        id=id,
        ssh=scope.field(obj, "ssh"),
        role=role,
        address=scope.field(obj, "address"),
        address6=scope.field(obj, "address6"),
        host_key=obj.verbatim("host_key"),
        known_hosts=beside(source, scope.field(obj, "known_hosts")),
        identity_file=beside(source, scope.field(obj, "identity_file")),
        machine_id=scope.field(obj, "machine_id"),
        hostname=scope.field(obj, "hostname"),
        become=become,
        become_user=scope.field(obj, "become_user") or "root",
        jobs=scope.field(obj, "jobs"),
        ssh_config=beside(source, scope.field(obj, "ssh_config")),
    )


def _services(root: Obj, site: Site, phases: tuple[str, ...], source: Path) -> tuple[Service, ...]:
    templates = {name: obj for name, (_, obj) in root.entries("templates").items() if isinstance(obj, Obj)}
    default, rows = root.leaf("template"), list[Row]()
    if default is not None and default.text not in templates:
        site.found.error(
            default, "unknown-template", f"there is no template {default.text}", nearest(default.text, templates)
        )
    services: list[Service] = []
    objects = root.objects("services")
    if "services" in root.named and not objects and not site.found.unusable:
        site.found.warn(root.named["services"], "no-services", "the plan cuts nothing over", "add a service")
    _twice(site, [(leaf, leaf.text) for obj in objects if (leaf := obj.leaf("id"))], "service")
    seen: set[str] = set()
    for obj in objects:
        id = obj.verbatim("id")
        if not id or id in seen:
            continue
        seen.add(id)
        named = obj.leaf("template") or default
        if named is not None and named is not default and named.text not in templates:
            site.found.error(
                named, "unknown-template", f"there is no template {named.text}", nearest(named.text, templates)
            )
        template = templates.get(named.text) if named is not None else None
        scope = _scope(site, obj, template)
        site.places[f"service:{id}"] = obj
        services.append(_service(scope, obj, template, phases, source))
        for name, host in site.templated.items():
            site.hosts[f"{name}@{id}"] = _host(scope, f"{name}@{id}", name, host, source)
        if named is not None and template is not None:
            own = frozenset(obj.entries("vars"))
            rows.append(Row(obj, id, named.text, own, frozenset(template.entries("vars")), frozenset(scope.used)))
    conformance(rows, site.found)
    used = {row.template for row in rows}
    for name, (word, _) in root.entries("templates").items():
        if name not in used and not site.found.unusable:
            site.found.warn(word, "unused-template", f"no service uses template {name}", "name it, or remove it")
    return tuple(services)


def _scope(site: Site, obj: Obj, template: Obj | None) -> Scope:
    vars: dict[str, str] = {}
    for source in (template, obj):
        for name, (word, value) in source.entries("vars").items() if source is not None else ():
            if name in BUILT_IN:
                site.found.error(word, "built-in", f"{name} is built in: it is the service's id", "rename the variable")
            elif isinstance(value, Leaf):
                vars[name] = value.text
    id = obj.verbatim("id")
    scope = Scope(site, id, {**vars, "service": id})
    tags = [scope.text(leaf) for source in (template, obj) if source is not None for leaf in source.leaves("tags")]
    scope.tags = tuple(dict.fromkeys(tags))
    return scope


def _service(scope: Scope, obj: Obj, template: Obj | None, phases: tuple[str, ...], source: Path) -> Service:
    def owner(key: str) -> Obj:
        """Where a key is taken from: the row, else its template."""
        return obj if key in obj.named or template is None else template

    def child(key: str) -> Obj | None:
        return owner(key).obj(key)

    window = child("window")
    scope.window = window.verbatim("start") if window is not None else ""
    health = tuple(probe(scope, item, source) for item in owner("health").objects("health"))
    measured = meters(scope, owner("downtime"), health, source)
    steps = (template.objects("steps") if template is not None else ()) + obj.objects("steps")
    disposition: Any = owner("disposition").verbatim("disposition", "move")
    return Service(
        id=scope.service,
        title=scope.field(owner("title"), "title"),
        wave=owner("wave").number("wave", 1),
        tags=scope.tags,
        disposition=disposition,
        replaced_by=scope.field(owner("replaced_by"), "replaced_by"),
        owner=scope.field(owner("owner"), "owner"),
        window=Window(start=window.verbatim("start"), end=window.verbatim("end")) if window is not None else None,
        vars={name: value for name, value in scope.vars.items() if name not in BUILT_IN},
        health=health,
        compare=compare(scope, child("compare"), source),
        downtime=next(iter(measured), None),
        meters=measured[1:],
        traffic=tuple(traffic(scope, item) for item in owner("traffic").objects("traffic")),
        writer=writer(scope, child("writer")),
        mail=mail(scope, child("mail"), source),
        logs=tuple(_log(scope, item) for item in owner("logs").objects("logs")),
        records=tuple(record(scope, item) for item in owner("records").objects("records")),
        steps=marked(_steps(scope, steps, phases)),
    )


def _log(scope: Scope, obj: Obj) -> Log:
    file, unit = log_name(scope, obj)
    return Log(host=scope.host(obj.leaf("host")), file=file, unit=unit, alarm=scope.field(obj, "alarm"))


def _steps(scope: Scope, objects: tuple[Obj, ...], phases: tuple[str, ...]) -> tuple[Step, ...]:
    steps: dict[str, Step] = {}
    before = ""
    for obj in objects:
        step = build(scope, obj, phases, before)
        if step is None:
            continue
        leaf = obj.leaf("id")
        if step.ref in steps and leaf is not None:
            scope.site.found.error(leaf, "duplicate-id", f"step {step.id} stands here again", "rename one of them")
            continue
        steps[step.ref] = step
        before = step.ref
    return tuple(steps.values())
