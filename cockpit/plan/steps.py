"""A service's steps: from shaped values to model data, with what each act lacks told at its place."""

from __future__ import annotations

from typing import Any

from cockpit.plan.findings import nearest
from cockpit.plan.model import (
    ADJACENT,
    Action,
    Condition,
    HttpCheck,
    Manual,
    Need,
    ProbeCheck,
    Shell,
    Step,
    Sync,
    WaitLog,
)
from cockpit.plan.parts.given import declared, given
from cockpit.plan.parts.health import expectation, url
from cockpit.plan.parts.people import manual, notice
from cockpit.plan.parts.zones import change, ttl
from cockpit.plan.people import Notice
from cockpit.plan.recipes import Recipe, parse
from cockpit.plan.scope import Link, Scope
from cockpit.plan.secrets import wanted
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.syncs import sync
from cockpit.plan.zones import DnsChange, DnsTtl

_ACTS = ("use", "run", "sync", "dns", "ttl", "manual", "notice")
_TIMEOUTS: dict[type, float] = {Sync: 86400.0, Manual: 7 * 86400.0}
"""Seconds, where a plan names none: a copy is long, and a person, or somebody else's zone, may take days."""
_OPS = ("probe", "capture", "apply", "verify", "undo", "verify_undo")


def build(scope: Scope, obj: Obj, phases: tuple[str, ...], before: str) -> Step | None:
    """The step, or None when it has no id. `before` is the ref of the step above it, which it needs by default."""
    id, found, service = obj.verbatim("id"), scope.site.found, scope.service
    if not id:
        return None
    ref = f"{service}/{id}"
    phase = obj.verbatim("phase")
    leaf = obj.leaf("phase")
    if leaf is not None and phase not in phases:
        found.error(leaf, "unknown-phase", f"there is no phase {phase}", nearest(phase, phases))
    places = scope.site.places
    places[f"step:{ref}"] = obj
    for key, word in obj.named.items():
        places[f"step:{ref}:{key}"] = word
    action, recipe = _action(scope, obj)
    verify = obj.obj("verify")
    return Step(
        ref=ref,
        id=id,
        service=service,
        phase=phase,
        action=action,
        kind=_kind(action),
        title=scope.field(obj, "title"),
        host=action.host if isinstance(action, Shell) else action.target if isinstance(action, Sync) else "",
        needs=_needs(scope, obj, before),
        when=_condition(scope, obj.obj("when")),
        verify_http=tuple(_http(scope, item) for item in verify.objects("http")) if verify else (),
        verify_log=tuple(_log(scope, item) for item in verify.objects("log")) if verify else (),
        verify_probe=tuple(_probe(scope, ref, item) for item in verify.objects("probe")) if verify else (),
        released_by=_released_by(scope, obj),
        opens=_word(obj, "opens", ""),
        closes=_word(obj, "closes", ""),
        point_of_no_return=_word(obj, "point_of_no_return", "none"),
        destructive=obj.truth("destructive", False),
        idempotent=obj.truth("idempotent", True),
        undoable=obj.leaf("undo") is None and _can_undo(action, recipe),
        timeout=obj.seconds("timeout", _TIMEOUTS.get(type(action), 600.0)),
        estimate=obj.seconds("estimate", 0.0),
        warns=scope.field(obj, "warns"),
        seeds=tuple(leaf.text for leaf in obj.leaves("seeds")),
    )


def verifies(step: Step) -> bool:
    """Whether anything proves the step: a check of its own, or an act that the program compares by itself."""
    if isinstance(step.action, Shell) and not (step.verify_http or step.verify_log or step.verify_probe):
        return bool(step.action.verify) or "verify" in _functions(step.action)
    return True


def _functions(action: Shell) -> frozenset[str]:
    return parse(action.recipe, action.recipe_text).functions


def _word(obj: Obj, key: str, default: str) -> Any:
    """One of the words that the shape has already checked, so that the model's literal holds."""
    return obj.verbatim(key, default)


def _kind(action: Action) -> Any:
    kinds: dict[type, str] = {
        Shell: "shell",
        Sync: "sync",
        DnsChange: "dns",
        DnsTtl: "ttl",
        Manual: "manual",
        Notice: "notice",
    }
    return kinds.get(type(action), "draft")


def _can_undo(action: Action, recipe: Recipe | None) -> bool:
    if not isinstance(action, Shell):
        return True
    return bool(action.undo) or (recipe is not None and "undo" in recipe.functions)


def _action(scope: Scope, obj: Obj) -> tuple[Action, Recipe | None]:
    found = scope.site.found
    acts = [key for key in _ACTS if key in obj.named]
    if len(acts) > 1:
        found.error(obj.named[acts[1]], "two-acts", f"a step has {acts[0]} and {acts[1]}", "make two steps of it")
    act = acts[0] if acts else ""
    secrets = wanted(scope, obj, act)
    if act in {"use", "run"}:
        return _shell(scope, obj, act, secrets)
    for key in ("on", "with"):
        if act and key in obj.named:
            found.warn(obj.named[key], "unused-key", f"{key} means nothing beside {act}", "remove it", scope.service)
    child = obj.obj(act) if act else None
    if child is None:
        return None, None
    if act == "sync":
        return sync(scope, child), None
    if act == "dns":
        return change(scope, child), None
    if act == "ttl":
        return ttl(scope, child), None
    return (notice(scope, child) if act == "notice" else manual(scope, child)), None


def _shell(scope: Scope, obj: Obj, act: str, secrets: dict[str, str]) -> tuple[Shell | None, Recipe | None]:
    found, on = scope.site.found, obj.leaf("on")
    if "on" not in obj.named:
        found.error(obj, "no-host", f"a step with {act} does not say where", "write on: new")
    host, recipe, run = scope.host(on), None, obj.obj("run")
    if act == "use":
        leaf = obj.leaf("use")
        recipe = scope.site.shelf.get(leaf.text) if leaf is not None else None
        if leaf is not None and recipe is None:
            known = scope.site.shelf.names()
            mend = nearest(leaf.text, known) or f"write recipes/{leaf.text}.sh beside the plan"
            found.error(leaf, "unknown-recipe", f"there is no recipe {leaf.text}", mend)
        params = given(scope, obj, recipe)
        if recipe is not None:
            declared(scope, obj, recipe, params | secrets)
            text = recipe.text
            return Shell(host=host, recipe=recipe.name, recipe_text=text, params=params, secrets=secrets), recipe
        return (Shell(host=host, recipe=leaf.text, params=params) if leaf is not None else None), None
    if run is None:
        return None, None
    texts = {op: run.verbatim(op) for op in _OPS}
    if not texts["apply"]:
        found.error(run, "no-apply", "run has no apply: there is nothing to do", "write apply: …, or leave run out")
    return Shell(host=host, params=given(scope, obj, None), secrets=secrets, **texts), None


def _needs(scope: Scope, obj: Obj, before: str) -> tuple[Need, ...]:
    if "needs" not in obj.named:
        return (Need(step=before, reason=ADJACENT),) if before else ()
    needs: list[Need] = []
    for item in obj.items("needs"):
        leaf = item if isinstance(item, Leaf) else item.leaf("step") if isinstance(item, Obj) else None
        if leaf is None:
            continue
        ref = _ref(scope, leaf)
        scope.site.links.append(Link(leaf, ref, scope.service, "unknown-step"))
        if any(need.step == ref for need in needs):
            scope.site.found.warn(leaf, "twice", f"{leaf.text} is needed twice", "keep one of them")
            continue
        needs.append(Need(step=ref, reason=scope.field(item, "reason") if isinstance(item, Obj) else ""))
    return tuple(needs)


def _released_by(scope: Scope, obj: Obj) -> str:
    leaf = obj.leaf("released_by")
    if leaf is None or leaf.text == "none":
        return ""
    ref = _ref(scope, leaf)
    scope.site.links.append(Link(leaf, ref, scope.service, "unknown-release"))
    return ref


def _ref(scope: Scope, leaf: Leaf) -> str:
    text = scope.text(leaf)
    return text if "/" in text else f"{scope.service}/{text}"


def _condition(scope: Scope, obj: Obj | None) -> Condition | None:
    if obj is None:
        return None
    found = scope.site.found
    said = [key for key in ("tag", "not_tag", "var") if key in obj.named]
    if len(said) != 1:
        found.error(obj, "condition", "when must say exactly one of tag, not_tag and var", "write when: {tag: mail}")
    if ("var" in obj.named) != ("equals" in obj.named):
        found.error(obj, "condition", "var and equals belong together", "write when: {var: x, equals: y}")
    scope.used.add(obj.verbatim("var"))
    return Condition(
        tag=scope.field(obj, "tag"),
        not_tag=scope.field(obj, "not_tag"),
        var=obj.verbatim("var"),
        equals=obj.verbatim("equals"),
        reason=scope.field(obj, "reason"),
    )


def _http(scope: Scope, obj: Obj) -> HttpCheck:
    return HttpCheck(
        url=url(scope, obj, "url"),
        at=_word(obj, "at", "world"),
        expect=expectation(scope, obj.obj("expect")),
        timeout=obj.seconds("timeout", 10.0),
    )


def _probe(scope: Scope, ref: str, obj: Obj) -> ProbeCheck:
    id = obj.verbatim("id")
    scope.site.places[f"step:{ref}:probe:{id}"] = obj.leaf("id") or obj
    scope.site.places[f"step:{ref}:probe:{id}:at"] = obj.leaf("at") or obj
    return ProbeCheck(probe=id, at=_word(obj, "at", "world"), timeout=obj.seconds("timeout", 30.0))


def log_name(scope: Scope, obj: Obj) -> tuple[str, str]:
    """The file and the unit of a log: exactly one of them."""
    found = scope.site.found
    file, unit = scope.field(obj, "file"), scope.field(obj, "unit")
    if ("file" in obj.named) == ("unit" in obj.named):
        at = obj.named.get("unit", obj)
        found.error(at, "log", "a log is a file or a journald unit", "write file: …, or unit: …", scope.service)
    leaf = obj.leaf("file") or obj.leaf("unit")
    if leaf is not None and (any(ord(char) < 32 for char in file + unit) or unit.startswith("-") or " " in unit):
        found.error(leaf, "log", "no log can be called so", "write one line without control codes", scope.service)
    return file, unit


def _log(scope: Scope, obj: Obj) -> WaitLog:
    file, unit = log_name(scope, obj)
    return WaitLog(
        host=scope.host(obj.leaf("host")),
        file=file,
        unit=unit,
        pattern=scope.field(obj, "pattern"),
        timeout=obj.seconds("timeout", 60.0),
    )
