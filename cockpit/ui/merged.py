"""All logs of old and new as one, in the order of their own times, each host's clock put right. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from cockpit.state import LogView, RunState
from cockpit.ui.paint import Line, fit, when
from cockpit.ui.view import View

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}

# `2026-11-21T08:47:29.123456+01:00` (RFC 5424 §6.2.3, with or without `<PRI>1 ` before it), also with a blank for the T.
_ISO = re.compile(
    r"^(?:<\d{1,3}>\d? ?)?\[?(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?"
)
# `Nov 21 08:47:29`, the host's local time without a year (RFC 3164 §4.1.2).
_BSD = re.compile(r"^(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)")
# `[21/Nov/2026:08:47:29 +0100]`, the Common Log Format of Apache and nginx.
_COMMON = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]")
# `[Sat Nov 21 08:47:29.123456 2026]`, Apache's error log, in local time.
_APACHE = re.compile(r"^\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? (\d{4})\]")


class Entry(msgspec.Struct, frozen=True):
    """A line of some log. `at` is UTC by our clock."""

    at: float
    role: str
    log: LogView
    text: str
    alarm: bool
    utc: float


@lru_cache(maxsize=16384)
def time_of(text: str, year: int, zone: int) -> float | None:
    """The time that a line carries, UTC seconds; None where it carries none. `zone` (seconds) and `year` are for times that do
    not say theirs."""
    try:
        if found := _ISO.match(text):
            *fields, part, offset = found.groups()
            return _utc(fields, part, _zone(offset, zone))
        if found := _BSD.match(text):
            month, day, *time = found.groups()
            return _utc([str(year), str(_MONTHS[month]), day, *time], None, zone)
        if found := _COMMON.search(text):
            day, month, said, *time, offset = found.groups()
            return _utc([said, str(_MONTHS[month]), day, *time], None, _zone(offset, zone))
        if found := _APACHE.match(text):
            month, day, hour, minute, second, part, said = found.groups()
            return _utc([said, str(_MONTHS[month]), day, hour, minute, second], part, zone)
    except (ValueError, KeyError, OverflowError):
        pass
    return None


def _utc(fields: list[str], part: str | None, zone: int) -> float:
    year, month, day, hour, minute, second = (int(field) for field in fields)
    whole = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    return whole + (float(f"0.{part}") if part else 0.0) - zone


def _zone(offset: str | None, default: int) -> int:
    if not offset:
        return default
    if offset == "Z":
        return 0
    return (-1 if offset[0] == "-" else 1) * (int(offset[1:3]) * 3600 + int(offset[-2:]) * 60)


def merged(state: RunState, logs: list[tuple[str, LogView]]) -> list[Entry]:
    """The lines of logs (with the roles of their hosts) by their own times. A line without one goes with the line before it,
    or came when we got it; the order inside a log stays."""
    entries: list[Entry] = []
    for role, log in logs:
        clock = state.clocks.get(log.host)
        ahead, zone = (clock.offset, clock.zone) if clock is not None else (0.0, 0)
        last = 0.0
        for _, utc, text, alarm in log.lines:
            found = time_of(text, datetime.fromtimestamp(utc + zone, UTC).year, zone)
            at = utc if found is None else found - ahead
            if found is not None and at > utc + 86400:
                # A December line that came in January.
                at -= 365 * 86400
            if found is None and last:
                at = last
            last = at = max(at, last)
            entries.append(Entry(at, role, log, text, alarm, utc))
    return sorted(entries, key=lambda entry: entry.at)


def merged_lines(state: RunState, view: View, logs: list[tuple[str, LogView]], width: int, height: int) -> list[Line]:
    """The page: a header with the clocks, and the newest lines at the bottom; filter, search and hold as side by side."""
    from cockpit.ui.pages.common import marked

    head: Line = [(" old and new by time ", "title")]
    for role, host in dict.fromkeys((role, log.host) for role, log in logs):
        clock = state.clocks.get(host)
        told = f"{host} clock {clock.offset * 1000:+.0f} ms ±{clock.bound * 1000:.0f}" if clock else f"{host} clock ?"
        head += [(f" {role.upper()} ", role), (f"{told} ", "warn" if clock and abs(clock.offset) > 1 else "dim")]
    if view.frozen >= 0:
        head.append(("  ❚❚ held, space follows", "warn"))
    if view.search:
        head.append((f"  /{view.search}", "warn"))
    wanted = view.filter.lower()
    kept = [
        entry
        for entry in merged(state, logs)
        if wanted in entry.text.lower() and (view.frozen < 0 or entry.utc <= view.frozen)
    ]
    room = max(1, height - 1)
    end = max(room, len(kept) - view.scroll)
    lines: list[Line] = [head]
    for entry in kept[max(0, end - room) : end]:
        name = entry.log.file.rpartition("/")[2]
        # A stamp of whole seconds less a millisecond of clock is that second.
        tenths = round(entry.at * 10)
        lines.append(
            [
                ("! " if entry.alarm else "  ", "bad"),
                (f"{when(tenths // 10)}.{tenths % 10} ", "dim"),
                (f"{entry.role[:1].upper()} ", entry.role),
                (f"{name:<14.14} ", "dim"),
                *marked(entry.text, view.search, entry.alarm),
            ]
        )
    return [fit(line, width) for line in lines[:height]] + [fit([], width)] * max(0, height - len(lines))
