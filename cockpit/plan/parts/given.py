"""What a step gives to its shell in `with`, against what its recipe declares.

Plain values are filled in and arrive as shell variables. A parameter that is itself shell text is never filled in, as little as a
recipe: a value in it would be run. It stays as it stands, and values reach it as variables of the same `with`.
"""

from __future__ import annotations

import re

from cockpit.plan.findings import nearest
from cockpit.plan.recipes import Recipe
from cockpit.plan.scope import VARIABLE, Scope, inside
from cockpit.plan.secrets import usable
from cockpit.plan.shape import Leaf, Obj


def given(scope: Scope, obj: Obj, recipe: Recipe | None) -> dict[str, str]:
    """The parameters of a step with their values; what is wrong with them is told at its place."""
    found, shell = scope.site.found, recipe.shell if recipe is not None else frozenset[str]()
    params: dict[str, str] = {}
    for name, (word, value) in obj.entries("with").items():
        if not usable(name):
            found.error(word, "parameter", f"{name} cannot be a shell variable here", "use letters, digits and `_`")
        if not isinstance(value, Leaf):
            continue
        if name in shell:
            params[name] = value.text
            _verbatim(scope, name, value)
        else:
            params[name] = scope.text(value)
    return params


def declared(scope: Scope, obj: Obj, recipe: Recipe, params: dict[str, str]) -> None:
    """Tells what a recipe does not take, and what it lacks. `params` are all that it gets, secrets too."""
    if not recipe.params:
        return
    found, entries = scope.site.found, obj.entries("with")
    for name, (word, _) in entries.items():
        if name in recipe.params:
            continue
        if not any(_uses(params.get(text, ""), name) for text in recipe.shell):
            mend = nearest(name, recipe.params)
            found.warn(word, "unknown-parameter", f"recipe {recipe.name} takes no {name}", mend)
        elif _own(recipe, name):
            what = f"recipe {recipe.name} has a ${name} of its own, which your shell text would see"
            found.error(word, "taken-parameter", what, f"give it another name, such as my_{name}")
    for name, words in recipe.params.items():
        if name not in params and name not in recipe.optional:
            at = obj.named.get("with") or obj.named["use"]
            found.warn(
                at, "missing-parameter", f"recipe {recipe.name} wants {name}: {words}", f"write with: {{{name}: …}}"
            )


def _verbatim(scope: Scope, name: str, leaf: Leaf) -> None:
    """Tells a `{variable}` in shell text. `${variable}` is the shell's own."""
    for match in VARIABLE.finditer(leaf.text):
        variable = match.group(1)
        if variable is None or variable not in scope.vars or leaf.text[: match.start()].endswith("$"):
            continue
        scope.used.add(variable)
        scope.site.found.error(
            inside(leaf, match.group(0), match.start()),
            "templated-shell",
            f"{name} is shell text, in which {match.group(0)} is not filled in: its value would be run",
            f'write "${variable}" there, and {variable}: "{match.group(0)}" beside {name} in with',
            scope.service,
        )


def _uses(text: str, name: str) -> bool:
    """Whether shell text reads a variable."""
    return re.search(rf"\$(?:{name}\b|\{{#?{name}\b)", text) is not None


def _own(recipe: Recipe, name: str) -> bool:
    """Whether the recipe sets or reads a variable of this name itself."""
    body = re.sub(r"(?m)^\s*#.*$", "", recipe.text)
    return (
        re.search(rf"\$\{{?{name}\b|(?<![\w.-]){name}=|\bfor {name} in\b|\bread (?:-r )?[\w ]*\b{name}\b", body)
        is not None
    )
