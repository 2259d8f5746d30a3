"""Mail queues, as Postfix, Exim and sendmail tell them: how many messages wait, how long the oldest has, and why."""

from __future__ import annotations

import json
import re
import string
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import msgspec

from cockpit.plan.script import exports
from cockpit.text import harmless

_REASON = 300
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_EXIM = re.compile(
    r"\s*(\d{1,6})([smhdw])\s+(?:[\d.]+[KMG]?\s+)?([0-9A-Za-z]{6})-[0-9A-Za-z]+-[0-9A-Za-z]+(?: <([^>]*)>)?( .*)?"
)
_EXIM_LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})? (.*)")
_EXIM_DEFER = re.compile(r"\b(?:defer|error)(?: \(-?\d+\))?:? *(.*)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SENDMAIL = re.compile(r"\S{8,}[*X-]?\s+\d+\s+\w{3} (\w{3}) {1,2}(\d{1,2}) (\d{1,2}):(\d{2})\s")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A queue. `count` is -1 when it could not be read, `oldest` an age in seconds, `reason` why the oldest waits, or why the
    queue could not be read."""

    count: int
    oldest: float = 0.0
    reason: str = ""


def script(mta: str) -> str:
    """Shell text that prints the queue for `reading`. It looks only, and prints no more than some hundred KiB."""
    text = files("cockpit.probes.mail").joinpath("queue.sh").read_text(encoding="utf-8")
    return exports({"mta": mta}) + text


def unasked(why: str) -> Reading:
    """The queue of a host that could not be asked."""
    return Reading(count=-1, reason=harmless(why.strip(), _REASON) or "the host could not be asked")


def reading(mta: str, out: str) -> Reading:
    """What the script printed. Never raises: what cannot be understood is a queue that could not be read."""
    lines = out.split("\n")
    now, zone = _now(lines)
    if mta == "sendmail":
        return _sendmail(lines, now, zone)
    said = {word: rest for word, _, rest in (line.partition(" ") for line in lines if not line.startswith("log "))}
    if "failed" in said or not said.get("count", "").isdecimal():
        return _unread(said.get("failed", ""), mta)
    count = int(said["count"][:9])
    if not count or "oldest" not in said:
        return Reading(count=count)
    if mta == "postfix":
        return _postfix(count, said["oldest"], said.get("arrived", ""), now)
    return _exim(count, said["oldest"], [line[4:] for line in lines if line.startswith("log ")], now)


def _unread(why: str, mta: str) -> Reading:
    return Reading(
        count=-1, reason=harmless(why.strip(), _REASON) or f"what {mta} says of its queue was not understood"
    )


def _now(lines: list[str]) -> tuple[float, float]:
    """(UTC of the host's clock, seconds that its zone is east of UTC)."""
    for line in lines[:1]:
        found = re.fullmatch(r"now (\d{1,12}) ([+-])(\d{2})(\d{2})", line.strip())
        if found is not None:
            east = int(found[3]) * 3600 + int(found[4]) * 60
            return float(found[1]), float(-east if found[2] == "-" else east)
    return 0.0, 0.0


def _postfix(count: int, line: str, arrived: str, now: float) -> Reading:
    """A line of `postqueue -j`: the first recipient that says why it waits (postqueue(1), JSON object format)."""
    reason, queue = "", ""
    try:
        message = json.loads(line)
        queue = str(message.get("queue_name", ""))
        for recipient in message.get("recipients", []):
            reason = reason or str(recipient.get("delay_reason", ""))
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass  # Cut because it is huge; its arrival and the count are known.
    at = float(arrived) if arrived.isdecimal() and len(arrived) < 13 else now
    if not reason and queue in {"hold", "incoming", "maildrop"}:
        reason = {"hold": "held", "incoming": "just come in", "maildrop": "not picked up yet"}[queue]
    return Reading(count=count, oldest=max(0.0, now - at), reason=harmless(reason, _REASON))


def _exim(count: int, line: str, log: list[str], now: float) -> Reading:
    """A line of `exim -bp`, and its message's log. The second of arrival is in the message's id: six digits of base 62."""
    found = _EXIM.match(line)
    if found is None:
        return Reading(count=count)
    age = float(int(found[1]) * _UNITS[found[2]])
    second = 0
    for digit in found[3]:
        second = second * 62 + _DIGITS.index(digit)
    # The age in the list is rounded; the id is exact, unless the server counts in base 36.
    exact = now - second
    if abs(exact - age) <= max(120.0, age * 0.6):
        age = max(0.0, exact)
    reason = ""
    for entry in log:
        said = _EXIM_LOG.fullmatch(entry)
        if said is not None and not said[1].startswith("Received from "):
            why = _EXIM_DEFER.search(said[1])
            reason = why[1] if why is not None and why[1] else said[1]
    if "*** frozen ***" in (found[5] or ""):
        reason = f"frozen: {reason}" if reason else "frozen"
    return Reading(count=count, oldest=age, reason=harmless(reason, _REASON))


def _sendmail(lines: list[str], now: float, zone: float) -> Reading:
    """What `mailq` of sendmail prints. Its times have no year: the latest that is not to come."""
    total, ages, reasons = -1, list[float](), list[str]()
    for line in lines:
        number = re.search(r"Total requests:\s*(\d{1,9})", line)
        if number is not None:
            total = int(number[1])
        if re.fullmatch(r"ended \d+", line):
            return _unread(next((text for text in lines[1:] if text.strip()), ""), "sendmail")
        found = _SENDMAIL.match(line)
        if found is not None:
            ages.append(_age(found, now, zone))
            reasons.append("")
        elif reasons and not reasons[-1] and (why := re.match(r"\s+(?:8BITMIME\s+|7BIT\s+)?\((.*)\)\s*$", line)):
            reasons[-1] = why[1]
    if total < 0:
        return _unread(next((text for text in lines[1:] if text.strip()), ""), "sendmail")
    if not total or not ages:
        return Reading(count=total)
    oldest = max(ages)
    return Reading(count=total, oldest=oldest, reason=harmless(reasons[ages.index(oldest)], _REASON))


def _age(found: re.Match[str], now: float, zone: float) -> float:
    local = datetime.fromtimestamp(now, UTC) + timedelta(seconds=zone)
    if found[1] not in _MONTHS:
        return 0.0
    for year in (local.year, local.year - 1):
        try:
            at = datetime(year, _MONTHS.index(found[1]) + 1, int(found[2]), int(found[3]), int(found[4]), tzinfo=UTC)
        except ValueError:
            continue
        if at <= local + timedelta(minutes=2):
            return max(0.0, (local - at).total_seconds())
    return 0.0
