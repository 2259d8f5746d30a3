"""Two texts, line by line: how much of them is alike, and a unified diff of the rest. Pure, bounded in what it returns; in time
it is bounded by whoever runs it."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cockpit.text import harmless

LINES = 60
"""Lines of a diff that are kept."""
LINE = 200
"""Characters kept of each."""
AROUND = 2
PAIRS = 1_000_000
"""Pairs of equal lines up to which a diff is looked for: beyond it (a body of nothing but `</td>`) lines are only counted."""
MASK = "‹masked›"


def lines_of(text: str, masks: Iterable[re.Pattern[str]]) -> list[str]:
    """The lines of a text, with what the masks match replaced."""
    masks = tuple(masks)
    lines = [line.rstrip() for line in text.split("\n")]
    if masks:
        for number, line in enumerate(lines):
            for mask in masks:
                line = mask.sub(MASK, line)
            lines[number] = line
    return lines


def compared(old: Sequence[str], new: Sequence[str]) -> tuple[float, tuple[str, ...]]:
    """The share of both that is alike, 0 to 1 by characters, and a unified diff of the rest."""
    whole = _weight(old) + _weight(new)
    if list(old) == list(new):
        return 1.0, ()
    begins = _same(old, new)
    ends = _same(old[begins:][::-1], new[begins:][::-1])
    left, right = old[begins : len(old) - ends], new[begins : len(new) - ends]
    outside = whole - _weight(left) - _weight(right)
    counted, other = Counter(left), Counter(right)
    if sum(count * other[line] for line, count in counted.items()) > PAIRS:
        equal = sum((len(line) + 1) * min(count, other[line]) for line, count in counted.items())
        return _share(outside + 2 * equal, whole), ("too many equal lines for a diff",)
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    equal = sum(_weight(left[block.a : block.a + block.size]) for block in matcher.get_matching_blocks())
    context = min(begins, AROUND)
    shift = begins - context
    codes = [(tag, a + context, b + context, c + context, d + context) for tag, a, b, c, d in matcher.get_opcodes()]
    tail = min(ends, AROUND)
    a_lines, b_lines = old[shift : len(old) - ends + tail], new[shift : len(new) - ends + tail]
    return _share(outside + 2 * equal, whole), tuple(_bounded(_unified(a_lines, b_lines, codes, shift)))


def _weight(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _share(alike: int, whole: int) -> float:
    """Never 1 when something differs: what is shown as all is all."""
    return min(round(alike / whole, 4), 0.9999) if whole else 1.0


def _same(old: Sequence[str], new: Sequence[str]) -> int:
    count = 0
    for left, right in zip(old, new, strict=False):
        if left != right:
            break
        count += 1
    return count


def _unified(
    old: Sequence[str], new: Sequence[str], codes: Sequence[tuple[str, int, int, int, int]], shift: int
) -> Iterator[str]:
    """As `diff -u` writes it, with line numbers of the whole texts."""
    changes = [code for code in codes if code[0] != "equal"]
    at = 0
    while at < len(changes):
        last = at
        while last + 1 < len(changes) and changes[last + 1][1] - changes[last][2] <= 2 * AROUND:
            last += 1
        group = changes[at : last + 1]
        a, b = max(group[0][1] - AROUND, 0), max(group[0][3] - AROUND, 0)
        c, d = min(group[-1][2] + AROUND, len(old)), min(group[-1][4] + AROUND, len(new))
        yield f"@@ -{_range(a + shift, c - a)} +{_range(b + shift, d - b)} @@"
        place = a
        for _, i, j, k, m in group:
            yield from (f" {line}" for line in old[place:i])
            yield from (f"-{line}" for line in old[i:j])
            yield from (f"+{line}" for line in new[k:m])
            place = j
        yield from (f" {line}" for line in old[place:c])
        at = last + 1


def _range(start: int, count: int) -> str:
    return f"{start + 1 if count else start},{count}"


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number >= LINES:
            yield "…"
            return
        yield harmless(line, LINE)
