"""How a change spread: authorities, caches and traffic over time, and the horizon with what it is made of."""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby

from cockpit.reduce.world import propagation, traffic_share
from cockpit.state import CurvePoint, ServiceView
from cockpit.ui.paint import Line, Span, seconds, when
from cockpit.ui.world.figures import BARS, share, traffic

FULL = "█"


def horizon(view: ServiceView, key: str, now: float, most: int) -> list[Line]:
    """When no honest cache can hold the old answer any more, and at most so many of the terms that say so."""
    if key not in view.horizon:
        return [[(" horizon ", "dim"), ("not known yet", "warn")]]
    at = view.horizon[key]
    if not at:
        return [
            [(" horizon ", "dim"), ("an authority still serves old", "old"), (": it begins with the last one", "dim")]
        ]
    left = at - now
    head: Line = [(" horizon ", "dim")]
    if left > 0:
        head += [(f"no honest cache has old after {when(at)}", "title"), (f"  {seconds(left)} left", "warn")]
    else:
        head += [(f"no honest cache has old since {when(at)}", "good")]
    terms = sorted(view.terms.get(key, ()), key=lambda term: -term.at)
    estimates = sum(term.sure == "estimate" for term in terms)
    if terms:
        bounds = len(terms) - estimates
        head.append((f"  {bounds} bound{'' if bounds == 1 else 's'}", "dim"))
        head.append((f", {estimates} ≈" if estimates else "", "warn"))
    lines: list[Line] = [head]
    for term in terms[:most]:
        ahead = term.at - now
        sure: Span = ("≤ bound   ", "dim") if term.sure == "bound" else ("≈ estimate", "warn")
        lines.append(
            [
                ("   ", ""),
                sure,
                (f" {when(term.at)} ", ""),
                (f"{seconds(ahead) + ' left' if ahead > 0 else 'passed':<11} ", "warn" if ahead > 0 else "good"),
                (term.what, "dim"),
            ]
        )
    return lines


def curve(view: ServiceView, width: int, tall: int, now: float) -> list[Line]:
    """Three rows over time: authorities, caches, traffic, each `tall` lines high, and the times below."""
    points = view.curve
    if not points:
        return [[(" the curve begins with the first answers", "dim")]]
    begin, end = points[0].utc, max(now, points[-1].utc, points[0].utc + 1)
    across = max(8, width - 19)
    shown: list[CurvePoint] = []
    for column in range(across):
        moment = begin + (end - begin) * (column + 1) / across
        shown.append(points[max(0, bisect_right(points, moment, key=lambda point: point.utc) - 1)])
    authorities, caches = propagation(view)
    shown[-1] = CurvePoint(utc=now, authorities=authorities, caches=caches, traffic=traffic_share(view, now))
    lines: list[Line] = []
    lines += _graph("auth", [_part(point.authorities) for point in shown], share(*authorities), tall)
    lines += _graph("caches", [_part(point.caches) for point in shown], share(*caches), tall)
    lines += _graph("traffic", [point.traffic for point in shown], traffic(view, now), tall)
    gap = max(1, across - 16)
    lines.append([(" " * 18 + when(begin) + " " * gap + when(end), "dim")])
    return lines


def _part(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1] if pair[1] else -1.0


def _graph(word: str, values: list[float], last: Span, tall: int) -> list[Line]:
    """A value from 0 to 1 for each column, -1 for none, as bars of eighths."""
    lines: list[Line] = []
    for level in range(tall - 1, -1, -1):
        cells = [_cell(value, level, tall) for value in values]
        head: Line = [(f" {word:<8}", "dim"), (f"{last[0]:>8} ", last[1])] if not level else [(" " * 18, "")]
        lines.append(
            head + [("".join(text for text, _ in same), s) for s, same in groupby(cells, key=lambda cell: cell[1])]
        )
    return lines


def _cell(value: float, level: int, tall: int) -> Span:
    if value < 0:
        return (" " if level else "·"), "dim"
    eighths = round((value * tall - level) * 8)
    if eighths <= 0:
        return ("_" if not level else " "), "old" if not level else "dim"
    return (FULL if eighths >= 8 else BARS[eighths - 1]), "new"
