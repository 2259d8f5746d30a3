"""The styles of the screen as inks of a picture: what leaves the program needs neither Textual nor rich."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from cockpit.picture.ink import Picture, Span
from cockpit.ui.glyphs import STYLES
from cockpit.ui.paint import Line

WORDS = ("bold", "dim", "italic", "underline", "reverse")


def words_of(style: Style) -> str:
    """A style in the words of an ink."""
    parts = [word for word in WORDS if getattr(style, word)]
    if style.color is not None and not style.color.is_default:
        parts.append(style.color.get_truecolor(DEFAULT_TERMINAL_THEME).hex)
    if style.bgcolor is not None and not style.bgcolor.is_default:
        parts += ["on", style.bgcolor.get_truecolor(DEFAULT_TERMINAL_THEME, foreground=False).hex]
    return " ".join(parts)


@cache
def _inks() -> dict[str, str]:
    return {name: words_of(Style.parse(text)) for name, text in STYLES.items()}


def inked(line: Line) -> tuple[Span, ...]:
    """A line whose styles are names (`glyphs.STYLES`), in inks."""
    inks = _inks()
    return tuple((text, inks.get(style, "")) for text, style in line)


def picture(lines: Iterable[Line], size: tuple[int, int]) -> Picture:
    """Lines of a screen of `size` (width, height) as a picture."""
    return Picture(*size, tuple(inked(line) for line in lines))
