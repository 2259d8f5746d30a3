"""What is asked of a service, and what a good answer is."""

from __future__ import annotations

import re

from cockpit.plan import conditions
from cockpit.plan.scope import Scope
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.watched import Expect


def expectation(
    scope: Scope, obj: Obj | None, proto: str = "http", at: tuple[str, ...] = ("old", "new", "world")
) -> Expect:
    """What a good answer is; status 200 when nothing is said. `at` are the vantages that its conditions may name."""
    if obj is None:
        return Expect()
    status = obj.number("status", 200)
    # Without a word of it, the others have no status to expect.
    fixed = status if proto == "http" or "status" in obj.named else 0
    expect = Expect(
        status=status,
        body=scope.field(obj, "body"),
        header=scope.table(obj, "header"),
        that=tuple(_condition(scope, leaf, proto, at, fixed) for leaf in obj.leaves("that")),
    )
    if proto == "http" and not (expect.status or expect.body or any(expect.header.values()) or expect.that):
        scope.site.found.error(
            obj.named.get("status", obj),
            "asserts-nothing",
            "any answer at all would do: it asserts nothing",
            "write a status, body, header or that",
            scope.service,
        )
    return expect


def _condition(scope: Scope, leaf: Leaf, proto: str, at: tuple[str, ...], status: int) -> str:
    """The condition's text; what is wrong with it is told at its place in the text."""
    text = scope.text(leaf)
    parsed = conditions.parse(text)
    fault = parsed if isinstance(parsed, conditions.Fault) else _fault(parsed, proto, at, status)
    if fault is not None:
        place = scope.place(leaf, fault.at)
        scope.site.found.error(place, "condition", fault.message, fault.mend, scope.service)
    return text


def _fault(condition: conditions.Condition, proto: str, at: tuple[str, ...], status: int) -> conditions.Fault | None:
    return conditions.check(condition, proto, at) or (conditions.beside(condition, proto, status) if status else None)


def url(scope: Scope, obj: Obj, key: str) -> str:
    """An http or https URL; anything else is told."""
    leaf = obj.leaf(key)
    text = scope.text(leaf)
    if leaf is not None and not re.match(r"https?://[^/\s]+", text):
        scope.site.found.error(leaf, "url", f"{key} must be an http or https URL", "write https://name/", scope.service)
    return text
