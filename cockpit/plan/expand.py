"""Shaped values to the Plan: hosts, templates with their rows of variables, gates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cockpit.plan import secrets
from cockpit.plan.conform import Row, conformance
from cockpit.plan.findings import nearest
from cockpit.plan.model import (
    PHASES,
    Contact,
    Dns,
    Downtime,
    Evidence,
    Gate,
    Host,
    HttpProbe,
    Log,
    Loss,
    Plan,
    Service,
    Step,
    Tsig,
    Window,
    Writer,
)
from cockpit.plan.scope import BUILT_IN, VARIABLE, Scope, Site
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.steps import build, expectation, log_name, record, url
from cockpit.plan.syncs import marked


def expand(root: Obj, site: Site, source: Path, digest: str) -> Plan:
    """The whole plan. What is wrong is told in `site.found`; the result is usable only if that holds no error."""
    phases = tuple(leaf.text for leaf in root.leaves("phases")) or PHASES
    _twice(site, [(leaf, leaf.text) for leaf in root.leaves("phases")], "phase")
    secrets.declare(root, site, lambda text: _beside(source, text))
    _hosts(root, site, source)
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
    gates = tuple(_gate(obj, site, services, phases) for obj in root.objects("gates"))
    _twice(site, [(leaf, leaf.text) for obj in root.objects("gates") if (leaf := obj.leaf("id"))], "gate")
    return Plan(
        name=root.verbatim("name"),
        hash=digest,
        source=os.fsencode(source).decode("utf-8", "backslashreplace"),
        description=root.verbatim("description"),
        phases=phases,
        hosts=site.hosts,
        secrets=site.secrets,
        dns=_dns(root.obj("dns"), source),
        services=services,
        gates=gates,
        acceptable_losses=tuple(
            Loss(what=item.verbatim("what"), reason=item.verbatim("reason"), accepted_by=item.verbatim("accepted_by"))
            for item in root.objects("acceptable_losses")
        ),
        out_of_scope=tuple(leaf.text for leaf in root.leaves("out_of_scope")),
        bundled_risks=tuple(leaf.text for leaf in root.leaves("bundled_risks")),
        contacts=tuple(
            Contact(name=item.verbatim("name"), channel=item.verbatim("channel"), for_=item.verbatim("for"))
            for item in root.objects("contacts")
        ),
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


def _beside(source: Path, text: str) -> str:
    """A path of the plan made absolute: relative to the plan's folder, `~` is the operator's home."""
    if not text:
        return ""
    path = Path(text)
    if text == "~" or text.startswith("~/"):
        return str(Path.home() / text[2:])
    return str(path if path.is_absolute() else source.parent / path)


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
        host_key=obj.verbatim("host_key"),
        known_hosts=_beside(source, scope.field(obj, "known_hosts")),
        identity_file=_beside(source, scope.field(obj, "identity_file")),
        machine_id=scope.field(obj, "machine_id"),
        hostname=scope.field(obj, "hostname"),
        become=become,
        become_user=scope.field(obj, "become_user") or "root",
        jobs=scope.field(obj, "jobs"),
        ssh_config=_beside(source, scope.field(obj, "ssh_config")),
    )


def _dns(obj: Obj | None, source: Path) -> Dns | None:
    if obj is None:
        return None
    tsig = obj.obj("tsig")
    return Dns(
        zone=obj.verbatim("zone"),
        primary=obj.verbatim("primary"),
        authorities=tuple(leaf.text for leaf in obj.leaves("authorities")),
        resolvers=tuple(leaf.text for leaf in obj.leaves("resolvers")),
        tsig=Tsig(
            name=tsig.verbatim("name"),
            file=_beside(source, tsig.verbatim("file")),
            algorithm=tsig.verbatim("algorithm", "hmac-sha256"),
        )
        if tsig is not None
        else None,
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
        services.append(_service(scope, obj, template, phases))
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


def _service(scope: Scope, obj: Obj, template: Obj | None, phases: tuple[str, ...]) -> Service:
    def owner(key: str) -> Obj:
        """Where a key is taken from: the row, else its template."""
        return obj if key in obj.named or template is None else template

    def child(key: str) -> Obj | None:
        return owner(key).obj(key)

    window = child("window")
    health = tuple(_probe(scope, item) for item in owner("health").objects("health"))
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
        downtime=_downtime(scope, child("downtime"), health),
        writer=_writer(scope, child("writer")),
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


def _probe(scope: Scope, obj: Obj) -> HttpProbe:
    address = url(scope, obj, "http")
    path = address.partition("://")[2].partition("/")[2].partition("?")[0].strip("/").rpartition("/")[2]
    id = obj.verbatim("id") or "".join(c if c.isalnum() else "-" for c in path).strip("-") or "web"
    at: tuple[Any, ...] = tuple(leaf.text for leaf in obj.leaves("at")) or ("old", "new", "world")
    return HttpProbe(
        id=id,
        url=address,
        expect=expectation(scope, obj.obj("expect")),
        at=at,
        every=obj.seconds("every", 2.0),
        timeout=obj.seconds("timeout", 5.0),
    )


def _downtime(scope: Scope, obj: Obj | None, health: tuple[HttpProbe, ...]) -> Downtime | None:
    if obj is None:
        return None
    found, probe = scope.site.found, obj.leaf("probe")
    address, expect = url(scope, obj, "url"), expectation(scope, obj.obj("expect"))
    if probe is not None:
        same = next((item for item in health if item.id == probe.text), None)
        if same is None:
            found.error(
                probe,
                "unknown-probe",
                f"there is no health probe {probe.text}",
                nearest(probe.text, (h.id for h in health)),
            )
        else:
            address = address or same.url
            expect = expect if "expect" in obj.named else same.expect
    elif "url" not in obj.named:
        found.error(obj, "missing-key", "downtime says neither url nor probe", "write probe: web")
    return Downtime(
        url=address,
        expect=expect,
        budget=obj.seconds("budget", 60.0),
        every=obj.seconds("every", 0.25),
        timeout=obj.seconds("timeout", 2.0),
    )


def _writer(scope: Scope, obj: Obj | None) -> Writer | None:
    if obj is None:
        return None
    old, new = scope.field(obj, "old"), scope.field(obj, "new")
    if old == new and "old" in obj.named and "new" in obj.named:
        scope.site.found.error(
            obj.named["new"], "same-writer", "old and new say the same, so no probe tells them apart"
        )
    return Writer(
        url=url(scope, obj, "http"), old=old, new=new, every=obj.seconds("every", 1.0), writes=obj.verbatim("writes")
    )


def _gate(obj: Obj, site: Site, services: tuple[Service, ...], phases: tuple[str, ...]) -> Gate:
    id = obj.verbatim("id")
    site.places[f"gate:{id}"] = obj
    before, after = _scoped(obj, "before", site, services, phases), _scoped(obj, "after", site, services, phases)
    if "before" in obj.named and not before:
        site.found.warn(obj.named["before"], "idle-gate", f"gate {id} guards no step", "name steps that exist")
    kind: Any = obj.verbatim("kind", "human")
    evidence = tuple(item for child in obj.objects("evidence") if (item := _evidence(child, site, services)))
    if kind == "evidence" and not evidence:
        site.found.error(
            obj,
            "no-evidence",
            f"gate {id} waits for evidence but names none",
            "write evidence: [{service: …, health: new}]",
        )
    if kind == "human" and "question" not in obj.named:
        site.found.warn(obj, "no-question", f"gate {id} asks nothing", 'write question: "Is the pilot good?"')
    return Gate(
        id=id, kind=kind, question=obj.verbatim("question"), before=before, after=after, target=id,
        evidence=evidence, fresh=obj.seconds("fresh", 30.0),
    )  # fmt: skip


def _scoped(obj: Obj, key: str, site: Site, services: tuple[Service, ...], phases: tuple[str, ...]) -> tuple[str, ...]:
    scope = obj.obj(key)
    if scope is None:
        return ()
    if not scope.named:
        site.found.error(scope, "empty", f"{key} names nothing", "write {wave: 2}")
        return ()
    wave, phase, service = scope.leaf("wave"), scope.leaf("phase"), scope.leaf("service")
    if phase is not None and phase.text not in phases:
        site.found.error(phase, "unknown-phase", f"there is no phase {phase.text}", nearest(phase.text, phases))
    if service is not None and service.text not in {item.id for item in services}:
        names = (item.id for item in services)
        site.found.error(
            service, "unknown-service", f"there is no service {service.text}", nearest(service.text, names)
        )
    steps = {leaf.text: leaf for leaf in scope.leaves("steps")}
    refs = {step.ref for item in services for step in item.steps} if steps else set()
    for ref, leaf in steps.items():
        if ref not in refs:
            site.found.error(leaf, "unknown-step", f"there is no step {ref}", nearest(ref, refs))
    return tuple(
        step.ref
        for item in services
        if (wave is None or item.wave == wave.value) and (service is None or item.id == service.text)
        for step in item.steps
        if (phase is None or step.phase == phase.text) and ("steps" not in scope.named or step.ref in steps)
    )


def _evidence(obj: Obj, site: Site, services: tuple[Service, ...]) -> Evidence | None:
    leaf = obj.leaf("service")
    kinds = [key for key in ("health", "writer", "dns") if key in obj.named]
    if len(kinds) != 1:
        site.found.error(obj, "evidence", "evidence names exactly one of health, writer and dns", "write health: new")
        return None
    kind: Any = kinds[0]
    service = next((item for item in services if leaf is not None and item.id == leaf.text), None)
    if leaf is not None and service is None:
        names = (item.id for item in services)
        site.found.error(leaf, "unknown-service", f"there is no service {leaf.text}", nearest(leaf.text, names))
    if service is not None and not {"health": service.health, "writer": service.writer, "dns": service.records}[kind]:
        lacks = {"health": "health probe", "writer": "writer probe", "dns": "records to watch"}[kind]
        site.found.error(
            obj.named[kind], "no-probe", f"service {service.id} has no {lacks}", "the gate could never open"
        )
    return Evidence(service=obj.verbatim("service"), kind=kind, want=obj.verbatim(kind))
