"""Every log at once, old on the left and new on the right: a tile each, the newest line at the bottom. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit.plan.model import Plan
from cockpit.state import LogView, RunState
from cockpit.ui.board import log_lines
from cockpit.ui.paint import Line, beside, fit
from cockpit.ui.view import View

SMALLEST = 3
"""Lines of the smallest tile: its header and two more."""


def tails_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """As many tiles as fit; `scroll` goes on to the next ones."""
    plan = state.plan
    if plan is None:
        return [fit([], width)] * height
    old, new = logs_of(plan, "old"), logs_of(plan, "new")
    rows = max(len(old), len(new), 1)
    fits = max(1, min(rows, height // SMALLEST))
    first = max(0, min(view.scroll, rows - fits))
    lines: list[Line] = []
    for row in range(first, first + fits):
        tall = height // fits + (1 if row - first < height % fits else 0)
        half = width // 2
        blocks: list[tuple[list[Line], int]] = []
        for role, names, wide in (("old", old, half - 1), ("new", new, width - half)):
            tile: list[Line] = []
            if row < len(names):
                host, file = names[row]
                log = state.logs.get(f"{host}:{file}") or LogView(host=host, file=file)
                if view.frozen >= 0:
                    log = _held(log, view.frozen)
                tile = log_lines(state, log, role, wide, tall)
                if view.frozen >= 0:
                    tile[0] = fit([("❚❚ held ", "warn"), *tile[0]], wide)
            blocks.append((tile, wide))
            if role == "old":
                blocks.append(([[("│", "frame")]] * tall, 1))
        lines += beside(blocks, tall)
    return [fit(line, width) for line in lines[:height]] + [fit([], width)] * max(0, height - len(lines))


def logs_of(plan: Plan, role: str) -> list[tuple[str, str]]:
    """(host, file) of every log on the hosts of a role, each once, in the plan's order."""
    found = [
        (log.host, log.name)
        for service in plan.services
        for log in service.logs
        if log.host in plan.hosts and plan.hosts[log.host].role == role
    ]
    return list(dict.fromkeys(found))


def _held(log: LogView, until: float) -> LogView:
    return replace(log, lines=tuple(line for line in log.lines if line[1] <= until))
