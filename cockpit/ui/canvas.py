"""The one widget of the main screen: shows lines of spans, and repaints only those that changed."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from cockpit.ui.glyphs import STYLES
from cockpit.ui.paint import Line, fit


class Canvas(Widget):
    """Shows what `show` is given. No markup is parsed, whatever the text says."""

    can_focus = True

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []
        self._styles = {name: Style.parse(text) for name, text in STYLES.items()}
        self.painted = 0
        """Lines repainted so far."""

    def show(self, lines: list[Line]) -> None:
        """Replace what is shown; lines that stay the same cost nothing."""
        before, self._lines = self._lines, lines
        width = self.size.width
        for y in range(max(len(before), len(lines))):
            if y >= len(before) or y >= len(lines) or before[y] != lines[y]:
                self.painted += 1
                self.refresh(Region(0, y, width, 1))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = fit(self._lines[y] if y < len(self._lines) else [], width)
        base = self.rich_style
        return Strip([Segment(text, base + self._styles.get(style, Style.null())) for text, style in line], width)

    def text(self) -> str:
        """What is shown, as plain text."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines)
