"""The board: the header, a panel a service, the logs of old and new side by side, and what happened last. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from cockpit.engine import rules
from cockpit.plan.model import Plan
from cockpit.state import LogView, RunState
from cockpit.ui.glyphs import GLYPHS, LOUD
from cockpit.ui.paint import Line, beside, clock, fit
from cockpit.ui.panel import panel
from cockpit.ui.view import View, focus, shown
from cockpit.ui.world.figures import night

# `Nov 21 08:47:29 host program…` and `2026-11-21T08:47:29.123456+00:00 host program…` (RFC 3164 §4.1.2, RFC 5424 §6.2.3).
_SYSLOG_TIME = re.compile(r"^(?:\w{3} [ \d]\d |\d{4}-\d\d-\d\dT)(\d\d:\d\d:\d\d)\S* \S+ ")
# `address - user [21/Nov/2026:08:47:29 +0000] "GET …`, the Common Log Format.
_HTTP_TIME = re.compile(r"(?: -)* \[\d\d/\w{3}/\d{4}:(\d\d:\d\d:\d\d) [+-]\d{4}\]")
_HTTP_VERSION = re.compile(r' HTTP/[\d.]+"')


def header(state: RunState, label: str, can_drive: bool, drives: bool, width: int, now: float) -> Line:
    """What a smaller paired terminal still sees: the state of the run, its clock, downtime, progress, the next gate."""
    plan = state.plan
    if plan is None:
        if label.startswith("REPLAY"):
            words = f" its plan is not known: the event that holds it is missing; {state.seq} is the event shown "
            return fit([(" ● ", "headwarn"), (f"{label} ", "headwarn"), (words, "headwarn")], width, "head")
        return fit([(" COCKPIT ", "head"), (" waiting for the conductor … ", "headwarn")], width, "head")
    mark = {"LIVE": "headgood", "REHEARSAL": "headwarn", "REPLAY": "headwarn", "READ-ONLY": "headwarn"}.get(
        label, "head"
    )
    end = state.ended or now
    line: Line = [(" ● ", mark), (f"{label} ", mark)]
    if state.panicked:
        line.append((" PANIC ", "headbad"))
    elif state.paused:
        line.append((" PAUSED ", "headwarn"))
    if state.holds:
        line.append((" HELD ", "headbad"))
    gap = "   " if width >= 110 else "  "
    # What has begun is not over: before the start, too, whole seconds are rounded down.
    since = math.floor(end - (plan.planned_start or state.started))
    line.append((f" T-{clock(-since)}" if since < 0 else f" T+{clock(since)}", "head"))
    total = sum(state.forecast.values())
    if total:
        line.append((f" of {clock(total)}", "head"))
    done = sum(rules.complete(state, id) for id in state.services)
    line += [(gap, "head"), *night(state)]
    line.append((f"{gap}{done}/{len(state.services)} done", "head"))
    gate = rules.next_gate(state)
    if gate is not None:
        line.append((f"{gap}gate {gate.id}", "headwarn"))
    if alone := [id for id, seen in state.gates.items() if seen.open and seen.alone]:
        line.append((f"{gap}{alone[0]} opened alone", "headbad"))
    if state.ended:
        line.append((f"{gap}ended: {state.verdict}", "headgood" if state.exit == 0 else "headbad"))
    elif drives:
        line.append((f"{gap}you drive", "headgood"))
    elif state.driver:
        line.append((f"{gap}{state.driver} drives", "head"))
    else:
        line.append((f"{gap}nobody drives" + (": c claims" if can_drive else ""), "headbad"))
    if state.watchers:
        line.append((f" · {state.watchers} watch{'es' if state.watchers == 1 else ''}", "head"))
    line.append((f"{gap}{plan.name}", "head"))
    return fit(line, width, "head")


def columns(width: int, count: int) -> int:
    """How many panels stand side by side: as many as fit, but no more than it takes to have as few rows."""
    most = max(1, min(count, width // 38, 6))
    return -(-count // -(-count // most))


def layout(width: int, height: int, count: int) -> tuple[int, int, int, int]:
    """(columns, rows of panels, height of a panel, lines left for logs and events) for `count` panels in a space."""
    across = columns(width, max(count, 1))
    down = -(-max(count, 1) // across)
    tall = 8 if height - down * 8 >= 6 else 6
    rows = max(1, min(down, (height - 3) // tall))
    return across, rows, tall, max(0, height - rows * tall)


def board(state: RunState, view: View, width: int, height: int, now: float) -> list[Line]:
    """The board without header and footer, exactly `height` lines."""
    plan = state.plan
    if plan is None:
        return [[("", "")]] * height
    ids = shown(state, view)
    here = focus(state, view)
    across, rows, tall, left = layout(width, height, len(ids))
    place = ids.index(here) // across if here in ids else 0
    first = max(0, min(place - rows + 1, -(-len(ids) // across) - rows))
    lines: list[Line] = []
    for row in range(first, first + rows):
        blocks: list[tuple[list[Line], int]] = []
        for column in range(across):
            index = row * across + column
            wide = width // across + (1 if column < width % across else 0)
            if index < len(ids):
                service = plan.service(ids[index])
                number = plan.services.index(service) + 1
                blocks.append((panel(state, plan, service, number, (wide, tall), service.id == here, now), wide))
            else:
                blocks.append(([], wide))
        lines += beside(blocks, tall)
    if not ids:
        lines = [[(f"  no service matches {view.filter!r}; / and Enter clears the filter", "warn")]]
    events = min(max(left // 3, 1), 8) if left >= 5 else min(left, 1)
    lines += logs(state, view, width, max(0, left - events))
    lines += recent(state, width, events)
    return [fit(line, width) for line in lines[:height]] + [[]] * max(0, height - len(lines))


def log_of(state: RunState, plan: Plan, role: str, turn: int) -> LogView | None:
    """The log shown for a side: each key press turns to the next of its logs."""
    unique = logs_of_side(plan, role)
    if not unique:
        return None
    host, _, file = unique[turn % len(unique)].partition(":")
    return state.logs.get(f"{host}:{file}") or LogView(host=host, file=file)


def logs_of_side(plan: Plan, role: str) -> list[str]:
    """`host:file` of each log that the plan names on the hosts of a role."""
    names = (
        f"{log.host}:{log.name}"
        for service in plan.services
        for log in service.logs
        if log.host in plan.hosts and plan.hosts[log.host].role == role
    )
    return list(dict.fromkeys(names))


def sides(state: RunState, plan: Plan, turn: int, width: int) -> list[tuple[str, LogView | None, int]]:
    """The sides whose logs are shown, with their log and width: old on the left, new on the right with a line between them; where
    the plan names logs of one side only, that alone."""
    both = [(role, log_of(state, plan, role, turn)) for role in ("old", "new")]
    named = [(role, log) for role, log in both if log is not None]
    if len(named) == 1:
        return [(*named[0], width)]
    half = width // 2
    return [(role, log, wide) for (role, log), wide in zip(both, (half - 1, width - half), strict=True)]


def logs(state: RunState, view: View, width: int, height: int) -> list[Line]:
    """The logs of both sides, the newest line at the bottom."""
    plan = state.plan
    if plan is None or height < 1:
        return []
    blocks: list[tuple[list[Line], int]] = []
    for role, log, wide in sides(state, plan, view.log, width):
        if blocks:
            blocks.append(([[("│", "frame")]] * height, 1))
        blocks.append((log_lines(state, log, role, wide, height), wide))
    return beside(blocks, height)


def log_lines(state: RunState, log: LogView | None, role: str, width: int, height: int) -> list[Line]:
    """A log's header and its newest lines."""
    if log is None:
        return [[(f" {role.upper()} ", role), ("no log is named in the plan", "dim")]]
    link = state.hosts.get(log.host)
    head: Line = [(f" {role.upper()} ", role), (f"{log.host}:{log.file}", "title"), *pace(log)]
    if link is not None and link.link == "down":
        head += [("  link down ", "bad"), (link.detail, "dim")]
    if log.dropped:
        head.append((f"  {log.dropped} left out", "warn"))
    if log.alarms:
        head.append((f"  {log.alarms} alarms", "bad"))
    lines = [head]
    for _, _, text, alarm in log.lines[-(height - 1) :] if height > 1 else ():
        mark = "! " if alarm else " "
        lines.append([(mark, "bad"), (brief(text, width - len(mark)), "bad" if alarm else "")])
    return [fit(line, width) for line in lines]


def pace(log: LogView) -> Line:
    """How fast a log comes, how late, and what is missing of it."""
    line: Line = [(f"  {log.rate:.0f}/s", "dim")]
    if log.count:
        line.append((f"  lag {log.lag:.1f} s", "warn" if log.lag >= 1 else "dim"))
    if log.behind > 1_000_000:
        line.append((f"  {log.behind / 1e6:.0f} MB behind", "warn"))
    if log.gaps:
        line.append((f"  {log.gaps} gap{'s' if log.gaps > 1 else ''}: {log.lost} bytes lost on the host", "bad"))
    return line


def brief(text: str, width: int) -> str:
    """A log line that is too long for its tile, without what says least there: date, host, empty fields, protocol."""
    if len(text) <= width:
        return text
    text = _SYSLOG_TIME.sub(r"\1 ", text, count=1)
    text = _HTTP_TIME.sub(r" \1", text, count=1)
    return text if len(text) <= width else _HTTP_VERSION.sub('"', text, count=1)


def recent(state: RunState, width: int, height: int) -> list[Line]:
    """The last events that a person would want to see, the newest at the bottom."""
    told = [entry for entry in state.timeline[-4 * max(height, 0) :] if entry.word != "screen"]
    entries = told[-height:] if height > 0 else ()
    lines: list[Line] = []
    for entry in entries:
        glyph, style = GLYPHS.get(entry.word, ("•", "warn" if entry.word in LOUD else "dim"))
        at = datetime.fromtimestamp(entry.utc, UTC).strftime("%H:%M:%S")
        lines.append(
            [
                (f" {at} ", "dim"),
                (f"{glyph} ", style),
                (f"{entry.ref:<22} " if entry.ref else f"{entry.word} ", "" if entry.ref else style),
                (f"{entry.word:<10} " if entry.ref else "", style),
                (entry.text, "dim"),
                (f"  ({entry.actor})" if entry.actor else "", "dim"),
            ]
        )
    return [fit(line, width) for line in lines] + [[]] * (height - len(lines))
