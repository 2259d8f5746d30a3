"""Times, durations and counts in words."""

from __future__ import annotations

from datetime import UTC, datetime

from cockpit.report.facts import Downtime

NEVER = "–"


def stamp(utc: float) -> str:
    """Date and time in UTC, `–` for never."""
    moment = _moment(utc)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else NEVER


def clock(utc: float, day: float = 0.0) -> str:
    """The time of day in UTC to a tenth of a second, with the date where it is not that of `day`."""
    moment, other = _moment(utc), _moment(day)
    if moment is None:
        return NEVER
    date = "" if other is None or other.date() == moment.date() else f"{moment:%Y-%m-%d} "
    return f"{date}{moment:%H:%M:%S}.{moment.microsecond // 100_000}"


def _moment(utc: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(utc, UTC) if utc else None
    except (ValueError, OverflowError, OSError):
        return None


def seconds(value: float) -> str:
    """A duration: `0.53 s`, `12.3 s`, `4:12`, `1:02:03`; below zero with its sign."""
    sign, value = ("−" if value < 0 else ""), abs(value)
    if value < 10:
        return f"{sign}{value:.2f} s"
    if value < 100:
        return f"{sign}{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{rest:02d}" if hours else f"{sign}{minutes}:{rest:02d}"


def bounds(lower: float, upper: float) -> str:
    """An outage between its bounds."""
    if not upper:
        return "0 s"
    return f"{lower:.2f}–{upper:.2f} s" if upper < 100 else f"{seconds(lower)}–{seconds(upper)}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 step`, `3 steps`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def whose(item: Downtime) -> str:
    """Whose downtime a meter is."""
    return " ".join(filter(None, (item.service or "the whole night", item.meter)))
