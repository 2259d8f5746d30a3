"""Lines of spans, and the few ways to put them together. A screen is a list of lines: pure data, easy to test."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size

Span = tuple[str, str]
"""Text and the name of a style (`glyphs.STYLES`)."""

Line = list[Span]


def width_of(line: Line) -> int:
    """Cells that a line takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Line, width: int, fill: str = "") -> Line:
    """Exactly `width` cells: cut with an ellipsis, or filled up."""
    out: Line = []
    left = width
    for text, style in line:
        size = cell_len(text)
        if size <= left:
            out.append((text, style))
            left -= size
            continue
        if left > 0:
            out.append((set_cell_size(text, left - 1) + "…", style))
        return out
    if left:
        out.append((" " * left, fill))
    return out


def beside(blocks: list[tuple[list[Line], int]], height: int) -> list[Line]:
    """Blocks from left to right, each as wide as it says and all `height` lines tall."""
    rows: list[Line] = []
    for y in range(height):
        row: Line = []
        for lines, width in blocks:
            row += fit(lines[y] if y < len(lines) else [], width)
        rows.append(row)
    return rows


def box(
    left: Line, right: Line, body: list[Line], width: int, height: int, style: str, foot: Line | None = None
) -> list[Line]:
    """A frame with a title on either end of its top, and one in its foot."""
    inner = width - 2
    right = right if width_of(left) + width_of(right) + 3 <= inner else []
    head = fit(left, max(0, min(width_of(left), inner - width_of(right) - 1)))
    gap = max(0, inner - width_of(head) - width_of(right))
    rows: list[Line] = [[("┌", style), *head, ("─" * gap, style), *right, ("┐", style)]]
    for y in range(height - 2):
        rows.append([("│", style), *fit(body[y] if y < len(body) else [], inner), ("│", style)])
    if foot and width_of(foot) + 2 <= inner:
        rows.append([("└", style), (" ", ""), *foot, (" " + "─" * (inner - width_of(foot) - 2) + "┘", style)])
    else:
        rows.append([("└" + "─" * inner + "┘", style)])
    return rows


def seconds(value: float) -> str:
    """A span of time as people read it: `0.6 s`, `4:12`, `1:02:03`."""
    if value < 60:
        return f"{value:.1f} s"
    whole = int(value)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def clock(value: float) -> str:
    """A span of time as `mm:ss`, from an hour on `hh:mm:ss`."""
    whole = max(0, int(value))
    if whole < 3600:
        return f"{whole // 60:02d}:{whole % 60:02d}"
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def when(utc: float) -> str:
    """Time of day, UTC."""
    return datetime.fromtimestamp(utc, UTC).strftime("%H:%M:%S")
