"""Moments of a recording as people write them: `1h30s`, `T-5m`, `22:41:07`, `37%`, `#1234`, `osf/dns`. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Literal

import msgspec

from cockpit.replay.course import Course
from cockpit.replay.timeline import Timeline

ClockStyle = Literal["utc", "local", "t"]
"""Time of day in UTC, in this machine's zone, or the time since T."""

FORMS = (
    "1h30s from the beginning, +30s or -5m from here, T+1h or T-5m, 22:41:07 or 2026-11-21T22:41, 37%, "
    "an event's number (#1234), a step (osf/dns), start or end"
)

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 1.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|min|m|s)\s*)+$")
_PART = re.compile(r"(\d+(?:\.\d+)?)(d|h|min|m|s)")
_DAY_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))?\s*(z|utc)?$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[t ]\d")


class NoMoment(ValueError):
    """A text that names no moment of the recording; the sentence says why, or which forms there are."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What a text is read against."""

    zero: float
    """UTC of T: see `RunState.zero`."""
    now: float = 0.0
    """UTC of the moment shown now."""
    style: ClockStyle = "utc"
    steps: frozenset[str] = frozenset()
    """The refs of the plan."""


class Target(msgspec.Struct, frozen=True):
    """A moment: so many events are shown, and it is so many seconds after the last of them."""

    place: int
    after: float = 0.0


def target(text: str, timeline: Timeline, frame: Frame, course: Course) -> Target:
    """The moment that a text names; a percentage is one of `course`. Raises NoMoment with a sentence."""
    if not len(timeline):
        raise NoMoment("the recording holds no event")
    word = " ".join(text.split()).lower()
    if word in {"start", "beginning"}:
        return Target(1)
    if word in {"end", "live", "now"}:
        return Target(len(timeline))
    seq = number(word)
    if seq is not None:
        return _numbered(seq, timeline)
    if word.endswith("%"):
        return _share(text, word[:-1], course)
    if "/" in word:
        return _step(text.strip(), timeline, frame)
    utc = _utc(word, text.strip(), timeline, frame)
    return _at(utc, text.strip(), timeline, frame)


def number(text: str) -> int | None:
    """The event that `#1234` or `1234` names; None for any other text."""
    word = text.strip().removeprefix("#")
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None


def span(text: str) -> float | None:
    """Seconds of `1h30m5s`, `90s`, `1.5h` or a bare number of seconds; None for anything else."""
    text = text.strip().lower()
    if not text.isascii():
        return None
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if not _SPAN.match(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def told(utc: float, style: ClockStyle, zero: float) -> str:
    """A moment by the clock that is chosen: `22:41:07 UTC`, `23:41:07 CET`, `T+1:02:03`."""
    if style == "t":
        return t_clock(utc - zero)
    if style == "local":
        at = datetime.fromtimestamp(utc).astimezone()
        return f"{at:%H:%M:%S %Z}"
    return f"{datetime.fromtimestamp(utc, UTC):%H:%M:%S} UTC"


def t_clock(seconds: float) -> str:
    """`T+1:02:03`, `T-0:05:00`. What has begun is not over: before zero, too, whole seconds are rounded down."""
    whole = math.floor(seconds)
    sign, whole = ("-", -whole) if whole < 0 else ("+", whole)
    return f"T{sign}{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def _numbered(seq: int, timeline: Timeline) -> Target:
    last = timeline.seqs[-1]
    if seq > last:
        raise NoMoment(f"there is no event {seq}: the recording ends with event {last}")
    return Target(max(1, timeline.after_seq(seq)))


def _share(text: str, number: str, course: Course) -> Target:
    try:
        share = float(number) / 100
    except ValueError:
        raise _unreadable(text) from None
    if not 0 <= share <= 1:
        raise NoMoment(f"{text.strip()} is outside of the recording: 0% is its beginning, 100% its end")
    shown = share * course.length
    place = max(1, course.after(shown))
    return Target(place, max(0.0, shown - course.shown[place - 1]))


def _step(text: str, timeline: Timeline, frame: Frame) -> Target:
    word = text.lower()
    known = {ref for ref in frame.steps if ref.lower() == word}
    known |= {moment.ref for moment in timeline.moments if moment.kind in _MOVES and moment.ref.lower() == word}
    if not known:
        near = sorted(ref for ref in frame.steps if ref.lower().startswith(word) or word in ref.lower())
        raise NoMoment(
            f"the plan has no step {text}" + (f"; it has {', '.join(near[:5])}" if near else ": a step is SERVICE/STEP")
        )
    found = [moment.index for moment in timeline.moments if moment.kind in _MOVES and moment.ref in known]
    if not found:
        raise NoMoment(f"{text} did not begin in this recording")
    return Target(found[0] + 1)


_MOVES = frozenset({"step", "failure"})


def _utc(word: str, text: str, timeline: Timeline, frame: Frame) -> float:
    if word == "t":
        return frame.zero
    if word[:1] in {"+", "-"} or word[:2] in {"t+", "t-"}:
        base = frame.zero if word[0] == "t" else frame.now
        rest = word.removeprefix("t")
        seconds = span(rest[1:])
        if seconds is None:
            raise _unreadable(text)
        return base + (seconds if rest[0] == "+" else -seconds)
    if _DATE.match(word):
        return _dated(text, frame)
    if found := _DAY_TIME.match(word):
        hour, minute, second, zone = found.groups()
        return _time_of_day(text, int(hour), int(minute), float(second or 0), bool(zone), timeline, frame)
    seconds = span(word) if not word.replace(".", "").isdigit() else None
    if seconds is None:
        raise _unreadable(text)
    return timeline.utc[0] + seconds


def _dated(text: str, frame: Frame) -> float:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and frame.style != "local":
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        # Also for a date in a year that no local clock knows.
        raise _unreadable(text) from None


def _time_of_day(
    text: str, hour: int, minute: int, second: float, in_utc: bool, timeline: Timeline, frame: Frame
) -> float:
    """That time of the day on which it is in the recording; on the day nearest to the moment shown, where there are several."""
    if hour > 23 or minute > 59 or second >= 61:
        raise NoMoment(f"{text} is no time of day")
    zone = None if frame.style == "local" and not in_utc else UTC
    first, last = timeline.utc[0], timeline.utc[-1]
    whole = min(int(second), 59)
    found: list[float] = []
    for day in _days(first, last, zone):
        at = datetime(day.year, day.month, day.day, hour, minute, whole, tzinfo=zone).timestamp() + second % 1
        if first - 1 < at <= last + 1:
            found.append(at)
    if not found:
        day = datetime.fromtimestamp(first, zone).date()
        return datetime(day.year, day.month, day.day, hour, minute, whole, tzinfo=zone).timestamp()
    return min(found, key=lambda at: abs(at - frame.now))


def _days(first: float, last: float, zone: tzinfo | None) -> list[date]:
    day, end = datetime.fromtimestamp(first, zone).date(), datetime.fromtimestamp(last, zone).date()
    count = min((end - day).days, 400)
    return [day + timedelta(days=number) for number in range(count + 1)]


def _at(utc: float, text: str, timeline: Timeline, frame: Frame) -> Target:
    first, last = timeline.utc[0], timeline.utc[-1]
    if not first - 1 < utc <= last + 1:
        style = frame.style
        begins, ends = (told(moment, style, frame.zero) for moment in (first, last))
        also = "" if style == "t" else f", {t_clock(first - frame.zero)} to {t_clock(last - frame.zero)}"
        where = "before the beginning" if utc < first else "after the end"
        raise NoMoment(f"{text} is {where} of the recording, which goes from {begins} to {ends}{also}")
    place = max(1, timeline.after_utc(utc))
    return Target(place, max(0.0, utc - timeline.utc[place - 1]))


def _unreadable(text: str) -> NoMoment:
    return NoMoment(f"{text.strip()!r} names no moment: write {FORMS}")
