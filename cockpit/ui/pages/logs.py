"""The logs of old and new at full height."""

from __future__ import annotations

from cockpit.state import RunState
from cockpit.ui.board import log_of, pace, sides
from cockpit.ui.merged import merged_lines
from cockpit.ui.pages.common import filled, marked
from cockpit.ui.paint import Line, beside, when
from cockpit.ui.view import View


def logs_page(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """Old and new at full height. A filter hides what misses, a search marks what hits, a frozen log stands still."""
    plan = state.plan
    if plan is None:
        return filled([], width, height)
    if view.merged:
        both = [(role, log_of(state, plan, role, view.log)) for role in ("old", "new")]
        return merged_lines(state, view, [(role, log) for role, log in both if log is not None], width, height)
    blocks: list[tuple[list[Line], int]] = []
    room = max(1, height - 1)
    for role, log, wide in sides(state, plan, view.log, width):
        lines: list[Line] = []
        if log is not None:
            frozen = "  ❚❚ held, space follows" if view.frozen >= 0 else ""
            hits = f"  /{view.search}" if view.search else ""
            lines.append(
                [
                    (f" {role.upper()} ", role),
                    (f"{log.host}:{log.file}", "title"),
                    *pace(log),
                    (f"  {log.dropped} left out" if log.dropped else "", "warn"),
                    (f"{frozen}{hits}", "warn"),
                ]
            )
            kept = [line for line in log.lines if _kept(view, line[2]) and (view.frozen < 0 or line[1] <= view.frozen)]
            end = max(room, len(kept) - view.scroll)
            for _, utc, text, alarm in kept[max(0, end - room) : end]:
                lines.append(
                    [("! " if alarm else "  ", "bad"), (f"{when(utc)} ", "dim"), *marked(text, view.search, alarm)]
                )
        if blocks:
            blocks.append(([[("│", "frame")]] * height, 1))
        blocks.append((lines, wide))
    return filled(beside(blocks, height), width, height)


def _kept(view: View, text: str) -> bool:
    return view.filter.lower() in text.lower() if view.filter else True
