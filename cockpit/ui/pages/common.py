"""What pages share."""

from __future__ import annotations

from cockpit.ui.paint import Line, fit


def filled(lines: list[Line], width: int, height: int) -> list[Line]:
    """Exactly `height` lines of `width` cells."""
    return [fit(line, width) for line in lines[:height]] + [fit([], width)] * max(0, height - len(lines))


def marked(text: str, search: str, alarm: bool = False) -> Line:
    """A text with the places that match marked."""
    style = "bad" if alarm else ""
    if not search:
        return [(text, style)]
    line: Line = []
    low, word, at = text.lower(), search.lower(), 0
    while (found := low.find(word, at)) >= 0:
        line += [(text[at:found], style), (text[found : found + len(word)], "mark")]
        at = found + len(word)
    return [*line, (text[at:], style)]
