"""Whether old is safe to switch off: the sum of the evidence, and what is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cockpit.evidence import Item, verdict
from cockpit.ui.paint import Line, Span, seconds, when
from cockpit.ui.world.entry import Entry, facts, wrapped

SURE = {
    "proof": "a proof: it was seen to be so",
    "bound": "a bound: it cannot be otherwise for those who keep to the rules",
    "estimate": "an estimate: likely so, not certain",
}

SECTION = "before old is switched off"


def summary(items: Sequence[Item], now: float) -> Span:
    """The sum in a few words, as long as a title may be."""
    found = verdict(items)
    if found.safe:
        return f"✓ {found.text}", "good"
    if not items:
        return f"– {found.text}", "dim"
    wait = f", {seconds(found.eta - now)} left" if found.eta > now else ""
    return f"✗ old is still needed: {len(found.missing)} of {len(items)} missing{wait}", "warn"


def evidence(items: Sequence[Item], now: float) -> list[Entry]:
    """An entry for each piece, what is missing first, and what the plan does not watch last."""
    entries: list[Entry] = []
    for item in sorted(items, key=lambda each: each.ok):
        sign: Span = ("✓ ", "good") if item.ok else ("✗ ", "bad")
        said = item.text if item.ok else item.missing or item.text
        approx = "≈ " if item.sure == "estimate" else "≤ " if item.sure == "bound" else ""
        line: Line = [sign, (f"{item.what:<13}", ""), (f"{approx}{said}", "dim" if item.ok else "warn")]
        if item.eta > now:
            line.append((f"  {seconds(item.eta - now)} left", "warn"))
        entries.append(Entry(f"off {item.what}", SECTION, line, partial(_item, item, now)))
    for kind in verdict(items).unwatched:
        line = [("– ", "dim"), (f"{kind:<13}", ""), ("not watched by this plan", "dim")]
        entries.append(Entry(f"off {kind}", SECTION, line, partial(_unwatched, kind)))
    return entries


def _item(item: Item, now: float, width: int) -> list[Line]:
    word: Span = ("✓ holds", "good") if item.ok else ("✗ missing", "bad")
    lines: list[Line] = [[(f" {item.what}  ", "title"), word]]
    lines += wrapped(item.missing, width, "warn") + wrapped(item.text, width)
    pairs = [("how sure", SURE[item.sure])]
    if item.eta > now:
        pairs.append(("expected", f"{when(item.eta)}, in {seconds(item.eta - now)}, if nothing else happens"))
    return lines + facts(pairs, width)


def _unwatched(kind: str, width: int) -> list[Line]:
    text = f"The plan does not watch {kind}, so nothing is known of it and it is not counted."
    return [[(f" {kind}  ", "title"), ("– not watched", "dim")], *wrapped(text, width)]
