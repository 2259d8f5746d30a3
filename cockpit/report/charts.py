"""Charts as SVG inside the HTML: pictures with a title and a description, painted in the page's own colours."""

from __future__ import annotations

from cockpit.report.pages import Bar, Curve, Gantt
from cockpit.report.safe import in_html
from cockpit.report.words import seconds

WIDTH = 1000
LABEL = 190
"""Width of the names left of the bars."""
LANE = 20
HEIGHT = 160
NAME = 26
"""Characters of a name that fit; the whole of it is in the bar's title."""
TICKS = 6


def gantt(chart: Gantt) -> str:
    """Bars over time."""
    height = len(chart.lanes) * LANE + 24
    parts = [_open(chart.id, chart.title, chart.text, height), _axis(chart.length, LABEL, 0, height - 20)]
    for number, lane in enumerate(chart.lanes):
        top = number * LANE
        parts.append(f'<text x="0" y="{top + 14}">{in_html(_fitting(lane.name))}</text>')
        parts += [_bar(bar, top, chart.length) for bar in lane.bars]
    return "".join([*parts, "</svg>"])


def curve(chart: Curve) -> str:
    """Shares over time, as steps."""
    left, top, bottom = 50, 8, HEIGHT - 24
    parts = [_open(chart.id, chart.title, chart.text, HEIGHT), _axis(chart.length, left, top, bottom)]
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        parts.append(f'<text x="0" y="{y + 4:.1f}">{share:.0%}</text>')
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}"/>')
    for line in chart.lines:
        # Two lines at the same place are both seen.
        shift = 2.0 if line.sort == "second" else 0.0
        path: list[str] = []
        for at, share in line.points:
            x = _x(at, chart.length, left)
            y = bottom - share * (bottom - top) + shift
            path.append(f"M{x:.1f} {y:.1f}" if not path else f"H{x:.1f}V{y:.1f}")
        parts.append(f'<path class="{line.sort}" d="{"".join(path)}"><title>{in_html(line.name)}</title></path>')
    return "".join([*parts, "</svg>"])


def _open(id: str, title: str, text: str, height: int) -> str:
    return (
        f'<svg role="img" aria-labelledby="{id}-title {id}-text" viewBox="0 0 {WIDTH} {height}">'
        f'<title id="{id}-title">{in_html(title)}</title><desc id="{id}-text">{in_html(text)}</desc>'
    )


def _axis(length: float, left: int, top: int, bottom: int) -> str:
    parts = []
    for number in range(TICKS + 1):
        at = length * number / TICKS
        x = _x(at, length, left)
        anchor = "start" if number == 0 else "end" if number == TICKS else "middle"
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{seconds(at)}</text>')
    return "".join(parts)


def _bar(bar: Bar, top: int, length: float) -> str:
    start, end = _x(bar.start, length, LABEL), _x(max(bar.start, bar.end), length, LABEL)
    y, height = (top + 3, 5) if bar.sort == "planned" else (top + 10, 7)
    sort = "critical" if bar.critical else bar.sort
    return (
        f'<rect class="{sort}" x="{start:.1f}" y="{y}" width="{max(end - start, 1.5):.1f}" height="{height}">'
        f"<title>{in_html(bar.text)}</title></rect>"
    )


def _x(at: float, length: float, left: int) -> float:
    return left + min(max(at / length, 0.0), 1.0) * (WIDTH - left - 2)


def _fitting(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
