"""Regular expressions that meet a server's text: none may take for ever on a text that was made for that."""

from __future__ import annotations

import re
from functools import lru_cache

WITHIN = 256
"""Characters of a text that a pattern looks at."""
REPEATS = 3
"""Repeats without an end in one pattern: the time grows by a power for each."""
CHOICES = 12
"""Places in one pattern that can go two ways: the time doubles for each."""
DEARER = 6
"""Choices that one repeat costs as much as: a repeat over the text is some 64 ways."""

_PART = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[a-zA-Z:=!<>P]*|[()|]|[*+?]\??|\{[0-9]*,?[0-9]*\}\??|.", re.DOTALL
)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """None when it is no regular expression."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def risk(pattern: str) -> str:
    """Why a pattern could take for ever on some text, '' when it cannot."""
    opened: list[bool] = []
    last_group_varies = False
    after_group = False
    repeats = choices = 0
    for part in _PART.findall(pattern):
        varies = False
        if re.fullmatch(r"\\[1-9]", part) or part.startswith("(?P="):
            return "it refers back to a group"
        if part.startswith("("):
            opened.append(False)
            after_group = False
            continue
        if part == ")":
            last_group_varies = opened.pop() if opened else False
            if opened and last_group_varies:
                opened[-1] = True
            after_group = True
            continue
        if part == "|" or part[0] == "?":
            choices, varies = choices + 1, True
        elif part[0] in "*+" or (part[0] == "{" and part != "{"):
            if after_group and last_group_varies:
                return "it repeats a group that can match in several ways"
            fixed = re.fullmatch(r"\{[0-9]+\}\??", part) is not None
            repeats, varies = repeats + (not fixed), not fixed
        if varies and opened:
            opened[-1] = True
        after_group = False
    if repeats > REPEATS:
        return f"it has more than {REPEATS} repeats"
    if choices > CHOICES:
        return f"it has more than {CHOICES} choices"
    if choices + DEARER * repeats > DEARER * REPEATS:
        return f"it has {choices} choices beside {repeats} repeats, and all of them multiply"
    return ""


def always(pattern: str) -> bool:
    """Whether it matches whatever comes: the empty text, and others that have nothing in common."""
    found = compiled(pattern)
    return found is not None and all(found.search(text) for text in ("", "\x01", "Zq7~", "é 4\n¤", "<>#"))
