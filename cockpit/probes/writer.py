"""Which host accepts writes now, as the hosts themselves answer."""

from __future__ import annotations

from cockpit.events import WriterSide
from cockpit.plan.model import Writer


def writer_side(spec: Writer, at_old: str | None, at_new: str | None) -> tuple[WriterSide, str]:
    """The writer, from the bodies that old and new gave (None: no good answer). An old host that hands on to new answers in
    new's name, and so counts for new."""
    says = {name: _who(spec, body) for name, body in (("old", at_old), ("new", at_new))}
    words = ", ".join(f"{name} says {who or 'nothing'}" for name, who in says.items())
    sides = {who for who in says.values() if who in {"old", "new"}}
    if sides == {"old", "new"}:
        return "both", words
    if sides:
        return ("old" if "old" in sides else "new"), words
    if at_old is None and at_new is None:
        return "unknown", words
    return "none", words


def _who(spec: Writer, body: str | None) -> str:
    if body is None:
        return ""
    text = body.strip()
    return {spec.old: "old", spec.new: "new"}.get(text, text[:40])
