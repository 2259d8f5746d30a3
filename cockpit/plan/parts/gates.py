"""Gates: what they guard, and the evidence that opens them."""

from __future__ import annotations

from typing import Any

from cockpit.plan.findings import nearest
from cockpit.plan.model import Evidence, Gate, Service
from cockpit.plan.records import declared
from cockpit.plan.scope import Site
from cockpit.plan.shape import Obj
from cockpit.plan.zones import Dns

EVIDENCE = ("health", "writer", "dns", "caches", "compare", "off")


def gate(obj: Obj, site: Site, services: tuple[Service, ...], phases: tuple[str, ...], dns: Dns | None) -> Gate:
    """A gate with the steps it guards."""
    id = obj.verbatim("id")
    site.places[f"gate:{id}"] = obj
    before, after = _scoped(obj, "before", site, services, phases), _scoped(obj, "after", site, services, phases)
    if "before" in obj.named and not before:
        site.found.warn(obj.named["before"], "idle-gate", f"gate {id} guards no step", "name steps that exist")
    kind: Any = obj.verbatim("kind", "human")
    evidence = tuple(item for child in obj.objects("evidence") if (item := _evidence(child, site, services, dns)))
    if kind == "evidence" and not evidence:
        site.found.error(
            obj,
            "no-evidence",
            f"gate {id} waits for evidence but names none",
            "write evidence: [{service: …, health: new}]",
        )
    if kind == "human" and "question" not in obj.named:
        site.found.warn(obj, "no-question", f"gate {id} asks nothing", 'write question: "Is the pilot good?"')
    second_by = tuple(dict.fromkeys(leaf.text for leaf in obj.leaves("second")))
    second = obj.truth("second", False) or bool(second_by)
    if "second" in obj.fields:
        _second(obj, id, kind, second or obj.leaf("second") is not None, bool(evidence or after), site)
    return Gate(
        id=id, kind=kind, question=obj.verbatim("question"), before=before, after=after, target=id,
        evidence=evidence, fresh=obj.seconds("fresh", 30.0), second=second, second_by=second_by,
    )  # fmt: skip


def _second(obj: Obj, id: str, kind: str, names: bool, shows: bool, site: Site) -> None:
    """What a gate with a second person lacks."""
    place = obj.named["second"]
    if not names:
        site.found.error(
            place, "no-second", f"gate {id} names nobody who could confirm it", "write second: true, or name accounts"
        )
    elif kind == "evidence":
        site.found.error(
            place, "second-evidence", f"gate {id} opens by its evidence: nobody asks for it, so nobody confirms it",
            "write kind: human, or leave second out",
        )  # fmt: skip
    elif not shows and obj.truth("second", True):
        site.found.warn(
            place, "blind-second", f"the second person of gate {id} sees nothing to judge by",
            "name evidence, or the steps it comes after",
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


def _evidence(obj: Obj, site: Site, services: tuple[Service, ...], dns: Dns | None) -> Evidence | None:
    leaf = obj.leaf("service")
    kinds = [key for key in EVIDENCE if key in obj.named]
    if len(kinds) != 1:
        said = f"evidence names exactly one of {', '.join(EVIDENCE[:-1])} and {EVIDENCE[-1]}"
        site.found.error(obj, "evidence", said, "write health: new")
        return None
    kind: Any = kinds[0]
    service = next((item for item in services if leaf is not None and item.id == leaf.text), None)
    if leaf is not None and service is None:
        names = (item.id for item in services)
        site.found.error(leaf, "unknown-service", f"there is no service {leaf.text}", nearest(leaf.text, names))
    if service is not None and (lacks := _lacks(service, kind, dns, site)):
        site.found.error(
            obj.named[kind], "no-probe", f"service {service.id} has no {lacks}", "the gate could never open"
        )
    return Evidence(service=obj.verbatim("service"), kind=kind, want=obj.verbatim(kind))


def _lacks(service: Service, kind: str, dns: Dns | None, site: Site) -> str:
    """What the service would need for this evidence; '' when it has it."""
    watched = dns is not None and bool(declared(service))
    match kind:
        case "health":
            return "" if service.health else "health probe"
        case "writer":
            return "" if service.writer else "writer probe"
        case "compare":
            return "" if service.compare else "comparison of old and new"
        case "caches":
            sampled = dns is not None and bool(dns.resolvers)
            return "" if watched and sampled else "records to watch at resolvers"
        case "off":
            mail = service.mail
            hosts = [log.host for log in service.traffic]
            if mail is not None:
                hosts += [*(queue.host for queue in mail.queues), *(box.host for box in mail.stragglers)]
            used = any(site.hosts[host].role == "old" for host in hosts if host in site.hosts)
            return "" if watched or used else "records, and no traffic, queue or old mailboxes on old, to watch"
        case _:
            return "" if watched else "records to watch"
