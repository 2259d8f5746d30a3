"""Lines of an access log, read by the format that a web server writes them in. Pure, and linear in the length of a line.

A format is `combined`, `common`, `json`, or what stands in `log_format` (nginx) or `LogFormat` (Apache): it is cut into fixed
text and fields, and a field ends where the next fixed text begins; inside quotes, at the first quote that is not escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import msgspec

LONGEST = 65536
"""Characters of a line that is read; a longer one fits no format."""


class Hit(NamedTuple):
    """One request: when (UTC seconds, 0 where the format does not say), by which address, and by what agent."""

    utc: float = 0.0
    address: str = ""
    agent: str = ""


class FormatError(ValueError):
    """A format that cannot be read by; says why."""


Reader = Callable[[str], Hit | None]
"""Reads a line; None where the format does not fit it. Never raises."""

_COMMON = '%h %l %u %t "%r" %>s %b'
_COMBINED = _COMMON + ' "%{Referer}i" "%{User-agent}i"'

_NGINX = {
    "remote_addr": "address", "realip_remote_addr": "address", "binary_remote_addr": "", "http_user_agent": "agent",
    "time_local": "local", "time_iso8601": "iso", "msec": "epoch", "status": "status",
    "body_bytes_sent": "size", "bytes_sent": "size",
}  # fmt: skip
_APACHE = {"h": "address", "a": "address", "s": "status", "b": "size", "B": "size", "O": "size"}
_APACHE_TIME = {"sec": "epoch", "msec": "epoch", "usec": "epoch"}
_NGINX_FIELD = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_APACHE_FIELD = re.compile(r"%(?:!?\d{3}(?:,\d{3})*)?[<>]?(?:\{([^}]*)\})?[<>]?(\^t[io]|[A-Za-z])|%%")


class _Field(NamedTuple):
    """What a field is: address, agent, local, iso, epoch, status or size; '' for what nobody needs."""

    kind: str


def reader(format: str) -> Reader:
    """What reads lines of this format. Raises FormatError."""
    if format == "json":
        return _json
    if format == "combined":
        # Many servers write more behind it: a forwarded address, a time.
        return _Custom(_apache(_COMBINED), more=True)
    if format == "common":
        return _Custom(_apache(_COMMON))
    text = re.sub(r"^escape=\w+\s+", "", format.strip())
    if not text:
        raise FormatError("it is empty")
    if _NGINX_FIELD.search(text):
        parts = _nginx(text)
    elif "%" in text:
        parts = _apache(text)
    else:
        raise FormatError("it holds neither an nginx variable ($name) nor an Apache directive (%h)")
    kinds = {part.kind for part in parts if isinstance(part, _Field)}
    if not kinds & {"agent", "address"}:
        raise FormatError("it holds neither the user agent nor the address, so our own probes look like clients")
    return _Custom(parts)


def _nginx(text: str) -> list[str | _Field]:
    parts: list[str | _Field] = []
    at = 0
    for found in _NGINX_FIELD.finditer(text):
        parts += [text[at : found.start()], _Field(_NGINX.get(found[1] or found[2], ""))]
        at = found.end()
    return _joined([*parts, text[at:]])


def _apache(text: str) -> list[str | _Field]:
    text = re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), text)
    parts: list[str | _Field] = []
    at = 0
    for found in _APACHE_FIELD.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        argument, letter = found[1], found[2]
        if letter is None:
            parts.append("%")
        elif letter == "t" and argument is None:
            parts += ["[", _Field("local"), "]"]
        elif letter == "t":
            parts.append(_Field(_APACHE_TIME.get((argument or "").removeprefix("begin:").removeprefix("end:"), "")))
        elif letter == "i":
            parts.append(_Field("agent" if (argument or "").lower() == "user-agent" else ""))
        else:
            parts.append(_Field(_APACHE.get(letter, "") if argument is None or letter == "a" else ""))
    return _joined([*parts, text[at:]])


def _joined(parts: list[str | _Field]) -> list[str | _Field]:
    """Fixed texts that stand beside each other as one, empty ones left out; of fields beside each other only the first."""
    joined: list[str | _Field] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        elif part != "" and not (isinstance(part, _Field) and isinstance(last, _Field)):
            joined.append(part)
    return joined


class _Custom:
    """Reads by fixed texts and fields."""

    def __init__(self, parts: list[str | _Field], more: bool = False) -> None:
        self._parts = parts
        self._more = more
        self._times: tuple[str, float | None] = ("", None)

    def __call__(self, line: str) -> Hit | None:
        if len(line) > LONGEST:
            return None
        found: dict[str, str] = {}
        at, parts = 0, self._parts
        for number, part in enumerate(parts):
            if isinstance(part, str):
                if not line.startswith(part, at):
                    return None
                at += len(part)
                continue
            end = self._end(line, at, number)
            if end < 0:
                return None
            found.setdefault(part.kind, line[at:end])
            at = end
        if at != len(line) and not (self._more and line[at] == " "):
            return None
        return self._hit(found)

    def _end(self, line: str, at: int, number: int) -> int:
        """Where the field with this number ends; -1 where it does not."""
        if number + 1 == len(self._parts):
            return len(line)
        after, before = self._parts[number + 1], self._parts[number - 1] if number else ""
        assert isinstance(after, str)
        assert isinstance(before, str)
        if not (before.endswith('"') and after.startswith('"')):
            return line.find(after, at)
        end = line.find('"', at)
        while end >= 0 and _escaped(line, at, end):
            end = line.find('"', end + 1)
        return end

    def _hit(self, found: dict[str, str]) -> Hit | None:
        status, size = found.get("status", "-"), found.get("size", "-")
        if status != "-" and not (len(status) == 3 and status.isascii() and status.isdigit()):
            return None
        if size != "-" and not (size.isascii() and size.isdigit()):
            return None
        address = found.get("address", "")
        if " " in address:
            return None
        utc: float | None = 0.0
        for kind in ("local", "iso", "epoch"):
            if kind in found:
                utc = self._time(found[kind])
                break
        return Hit(utc, address, found.get("agent", "")) if utc is not None else None

    def _time(self, text: str) -> float | None:
        """Lines of one second have one time: it is read once."""
        if text != self._times[0]:
            self._times = (text, moment(text))
        return self._times[1]


def _escaped(line: str, begin: int, at: int) -> bool:
    """Whether an odd number of backslashes stands before it."""
    count = 0
    while at - count > begin and line[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_LOCAL = re.compile(r"(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_NUMBER = re.compile(r"\d{1,17}(?:\.\d{1,9})?", re.ASCII)


def moment(text: str) -> float | None:
    """UTC seconds of `21/Nov/2026:22:41:07 +0100`, of an ISO 8601 time or of seconds, milli- or microseconds since 1970."""
    found = _LOCAL.fullmatch(text)
    try:
        if found is not None:
            day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            zone = timezone(offset if sign == "+" else -offset)
            when = datetime(
                int(year), _MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone
            )
            return when.timestamp()
        if _NUMBER.fullmatch(text):
            return _seconds(float(text))
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, KeyError, OverflowError):
        return None


def _seconds(number: float) -> float:
    for unit in (1e14, 1e11):
        if number >= unit:
            return number / (1e6 if unit == 1e14 else 1e3)
    return number


_AGENTS = ("http_user_agent", "user_agent", "useragent", "agent", "request_user_agent", "user_agent_original", "ua")
_ADDRESSES = (
    "remote_addr", "remote_ip", "client_ip", "clientip", "client_addr", "remotehost", "remote_host", "clienthost", "client",
    "source_ip", "ip", "host_ip", "addr",
)  # fmt: skip
_TIMES = ("time", "timestamp", "ts", "time_iso8601", "time_local", "msec", "datetime", "startutc", "date")
_REQUESTS = (
    "status",
    "status_code",
    "response",
    "downstreamstatus",
    "request",
    "method",
    "request_method",
    "uri",
    "path",
    "url",
)


def _json(line: str) -> Hit | None:
    if len(line) > LONGEST or not line.startswith("{"):
        return None
    try:
        found = msgspec.json.decode(line)
    except (ValueError, RecursionError, OverflowError):
        return None
    if not isinstance(found, dict):
        return None
    flat = dict[str, object]()
    _flatten(found, "", flat, 3)
    if not any(name in flat for name in _REQUESTS):
        return None
    # What stands deeper may be of something else, a header of the request among others.
    top = dict[str, object]()
    _flatten(found, "", top, 0)
    utc = next((_utc(names[name]) for names in (top, flat) for name in _TIMES if name in names), 0.0)
    return Hit(utc, _first(flat, _ADDRESSES), _first(flat, _AGENTS))


def _utc(value: object) -> float:
    """UTC seconds of what stands in a field, 0 where that is no time."""
    if not isinstance(value, int | float):
        return moment(str(value)) or 0.0
    try:
        read = _seconds(float(value))
    except OverflowError:
        return 0.0
    return read if math.isfinite(read) and read > 0 else 0.0


def _flatten(found: dict[str, object], before: str, into: dict[str, object], deep: int) -> None:
    """Names in lower case with `_`; what stands deeper has the names above before its own, and its own where that is free."""
    for name, value in found.items():
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        if isinstance(value, dict):
            if deep:
                _flatten(value, f"{before}{plain}_", into, deep - 1)
            continue
        if isinstance(value, list):
            value = value[0] if value else ""
        if before:
            into[f"{before}{plain}"] = value
            into.setdefault(plain, value)
        else:
            into[plain] = value


def _first(flat: dict[str, object], names: tuple[str, ...]) -> str:
    return next((str(flat[name]) for name in names if name in flat and flat[name] is not None), "")
