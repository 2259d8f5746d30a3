"""Secrets of a plan: where each comes from, and which steps get it. The plan holds names and places, never a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cockpit.plan.findings import nearest
from cockpit.plan.model import Secret
from cockpit.plan.reader import Scalar
from cockpit.plan.scope import Scope, Site
from cockpit.plan.shape import Leaf, Obj, Table

SOURCES = ("file", "env", "command", "ask")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = ("PATH", "HOME", "IFS", "PWD", "ENV", "LD_PRELOAD", "LD_LIBRARY_PATH")


def usable(name: str) -> bool:
    """Whether a script can get something under that name."""
    return bool(VARIABLE_NAME.fullmatch(name)) and name not in RESERVED and not name.startswith("captured_")


def declare(root: Obj, site: Site, beside: Callable[[str], str]) -> None:
    """Read the map of secrets into the site. `beside` makes a path of the plan absolute."""
    for name, (word, obj) in root.entries("secrets").items():
        if not isinstance(obj, Obj):
            continue
        said = [key for key in SOURCES if key in obj.named]
        if not usable(name):
            site.found.error(word, "parameter", f"{name} cannot be a shell variable", "use letters, digits and `_`")
        if len(said) > 1:
            what = f"secret {name} has {said[0]} and {said[1]}"
            site.found.error(obj.named[said[1]], "secret-source", what, "keep one of them")
        elif not obj.node.pairs:
            what = f"secret {name} does not say where it comes from"
            site.found.error(word, "secret-source", what, "give it file, env, command or ask")
        source: Any = said[0] if said else "ask"
        text = obj.verbatim(source)
        if source == "env" and text and not VARIABLE_NAME.fullmatch(text):
            what = f"{text[:40]} is no name of an environment variable"
            site.found.error(obj.leaf("env") or word, "secret-source", what, "name it without $")
        site.secrets[name] = Secret(source=source, at=beside(text) if source == "file" else text)
        site.places[f"secret:{name}"] = word


def wanted(scope: Scope, obj: Obj, act: str) -> dict[str, str]:
    """The secrets that a step gets: shell variable → name. What is wrong is told at its place."""
    if "secrets" not in obj.named:
        return {}
    found = scope.site.found
    if act not in {"use", "run"}:
        if act:
            at = obj.named["secrets"]
            found.warn(at, "unused-key", f"secrets means nothing beside {act}", "remove it", scope.service)
        return {}
    named: list[tuple[str, Scalar | Leaf, Leaf]] = []
    for item in obj.items("secrets"):
        if isinstance(item, Leaf):
            named.append((scope.text(item), item, item))
        elif isinstance(item, Table):
            pairs = ((variable, *entry) for variable, entry in item.entries.items())
            named += [(variable, word, leaf) for variable, word, leaf in pairs if isinstance(leaf, Leaf)]
    got: dict[str, str] = {}
    for variable, place, leaf in named:
        name = scope.text(leaf)
        if name not in scope.site.secrets:
            mend = nearest(name, scope.site.secrets) or f"add secrets: {{{name}: {{file: …}}}} to the plan"
            found.error(leaf, "unknown-secret", f"no secret {name} is declared", mend)
        if not usable(variable):
            found.error(
                place, "parameter", f"{variable} cannot be a shell variable here", "use letters, digits and `_`"
            )
        if variable in got or variable in obj.entries("with"):
            where = "in secrets" if variable in got else "in with"
            found.error(place, "twice", f"{variable} stands {where} already", "give one of them another name")
        got[variable] = name
        scope.site.wanted.add(name)
    return got


def unused(site: Site) -> None:
    """Tell the secrets that no step gets."""
    for name in site.secrets:
        if name not in site.wanted:
            at = site.places[f"secret:{name}"]
            site.found.warn(
                at, "unused-secret", f"no step gets the secret {name}", f"write secrets: [{name}], or remove it"
            )
