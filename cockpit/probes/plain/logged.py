"""A pattern in what a file or a unit on a host has logged since the last look, over rotations."""

from __future__ import annotations

import re
import time
from shlex import quote

import msgspec

from cockpit.plan.watched import Probe
from cockpit.probes.aside import Aside, Stopped
from cockpit.probes.context import OnHost, Said
from cockpit.probes.plain.onhost import bounded
from cockpit.probes.seen import Seen, since
from cockpit.text import LINE_LIMIT, harmless

MOST = 1 << 19
"""Bytes of one look; what was logged before them is left out, and said to be."""

_FILE = """\
stat_of() { set -- $(ls -idL -- "$1" 2>/dev/null) && echo "$1"; }
size_of() { wc -c <"$1" | tr -d ' '; }
inode=$(stat_of "$file")
[ -n "$inode" ] || { echo "$file cannot be read" >&2; exit 66; }
size=$(size_of "$file") || exit 66
part() { tail -c +$(($2 + 1)) -- "$1" | head -c "$3"; }
# Bytes behind the last end of a line: they wait until their line is whole, but for one that is longer than all that is read.
behind() {
    [ "$(part "$@" | tail -c 1 | wc -l)" -eq 0 ] || { echo 0; return; }
    half=$(part "$@" | tail -n 1 | wc -c | tr -d ' ')
    [ "$half" -lt "$most" ] || half=0
    echo "$half"
}
if [ -z "$was" ]; then
    at=$((size - most)) new=$most
    [ "$at" -ge 0 ] || at=0 new=$size
    echo "$inode $((size - $(behind "$file" "$at" "$new"))) 0"
    exit 0
fi
older=
if [ "$inode" != "$was" ]; then
    for one in "$file".1 "$file"-* "$file".0 "$file".*; do
        [ -e "$one" ] && [ "$(stat_of "$one")" = "$was" ] && { older=$one; break; }
    done
    rest=0
    if [ -n "$older" ]; then rest=$(($(size_of "$older") - at)); else left=gone; fi
    [ "$rest" -ge 0 ] || rest=0
    # One that was rotated later lies between what is read here: its lines are missed.
    for one in "$file".[0-9]* "$file"-[0-9]*; do
        [ -n "$older" ] && [ -e "$one" ] && [ "$one" -nt "$older" ] && left=gone
    done
    old_at=$at at=0
elif [ "$size" -lt "$at" ]; then
    at=0 left=gone
fi
new=$((size - at)) skipped=0
[ "$new" -le "$most" ] || { skipped=$((new - most)); at=$((size - most)); new=$most; }
if [ -n "$older" ]; then
    room=$((most - new))
    [ "$rest" -le "$room" ] || { skipped=$((skipped + rest - room)); old_at=$((old_at + rest - room)); rest=$room; }
fi
half=$(behind "$file" "$at" "$new")
new=$((new - half))
echo "$inode $((size - half)) $skipped $left"
if [ -n "$older" ] && [ "$rest" -gt 0 ]; then
    part "$older" "$old_at" "$rest"
    [ "$(tail -c 1 -- "$older" | wc -l)" -eq 1 ] || echo
fi
part "$file" "$at" "$new"
"""
_UNIT = """\
case $was in
'') set -- -n 1 ;;
-) set -- -u "$unit" -n "$lines" ;;
*) set -- -u "$unit" --after-cursor="$was" -n "$lines" ;;
esac
# Behind a pipe its own status would be lost, and a journal that cannot be read be taken for a silent one.
exec 4>&1
status=$({ { journalctl -q -o cat --no-pager --show-cursor "$@"; echo $? >&3; } | tail -c "$most" >&4; } 3>&1)
[ "$status" = 0 ] && exit 0
# It also ends so when the unit has never said anything: then the journal itself can be read from there on.
case $was in '' | -) set -- ;; *) set -- --after-cursor="$was" ;; esac
journalctl -q -o cat --no-pager -n 1 "$@" >/dev/null 2>&1 || exit 66
"""
LINES = 5000
KEPT = 20
"""Lines that match which conditions on the body may look into."""
_CURSOR = re.compile(r"-- cursor: ([a-z]=[0-9a-f-]+(?:;[a-z]=[0-9a-f-]+)*)")
_HEAD = re.compile(r"(\d{1,20}) (\d{1,18}) (\d{1,18}) ?(gone)?")


class Place(msgspec.Struct, frozen=True):
    """How far a log was read: an inode and an offset, or a cursor of the journal, `-` for one that was empty."""

    mark: str = ""
    at: int = 0


class LogLook:
    """One log on one host. The first look notes only where the log ends; each later one reads what has come since."""

    def __init__(self, on_host: OnHost, host: str, probe: Probe, aside: Aside) -> None:
        self._on_host = on_host
        self._aside = aside
        self._host = host
        self._probe = probe
        self._place: Place | None = None

    async def look(self) -> Seen | None:
        """What was logged since the last look; None at the first one, which has nothing to compare with. Without conditions
        the pattern must have been seen. Never raises for what the host does."""
        began = time.monotonic()
        probe = self._probe
        script = _script(probe, self._place or Place())
        said = await self._on_host(self._host, bounded(script, probe.timeout), probe.timeout)
        if said.exit != 0:
            why = said.out if said.exit is None else said.err or f"status {said.exit}"
            return Seen(ok=False, ms=since(began), detail=harmless(why.strip(), 200), via=self._host)
        first = self._place is None
        try:
            text, skipped, left = self._moved(said)
        except ValueError as error:
            return Seen(ok=False, ms=since(began), detail=str(error), via=self._host)
        if first:
            return None
        return await self._judged(text.splitlines(), skipped, left, since(began))

    def _moved(self, said: Said) -> tuple[str, int, bool]:
        """(what has come, bytes left out, whether what came before a rotation is gone); the place moves on. Raises ValueError
        when the host did not say it."""
        if self._probe.unit:
            return self._journal(said.out)
        head, _, text = said.out.partition("\n")
        found = _HEAD.fullmatch(head)
        if found is None:
            raise ValueError(f"the host says {harmless(head, 60)!r} in place of an inode and a size")
        self._place = Place(found[1], int(found[2]))
        return text, int(found[3]), bool(found[4])

    def _journal(self, out: str) -> tuple[str, int, bool]:
        """The same of the journal, which says its cursor behind its last line; a line of a log may look like one."""
        text, _, last = out.rstrip("\n").rpartition("\n")
        found = _CURSOR.fullmatch(last)
        if found is None and not out.strip() and self._place is None:
            # journalctl ended well and had nothing to say: all that comes is new.
            self._place = Place("-")
        elif found is None and (self._place is None or last):
            raise ValueError(
                "journalctl says no cursor: its place in the journal is not known; may the account read it?"
            )
        if found is None:
            return "", 0, False  # Nothing has come, and the place is as it was.
        if self._place is None:
            text = ""
        full = text.count("\n") >= LINES - 1 or len(text) >= MOST - 4096
        self._place = Place(found[1])
        return text, int(full), False

    async def _judged(self, lines: list[str], skipped: int, left: bool, ms: float) -> Seen:
        try:
            found = [lines[number] for number in await self._matching([line[:LINE_LIMIT] for line in lines])]
        except Stopped as error:
            return Seen(ok=False, ms=ms, detail=f"the pattern could not be looked for: {error}", via=self._host)
        count, last = len(found), harmless(found[-1], 200) if found else ""
        facts = {"count": str(count), "lines": str(len(lines)), "line": last}
        detail, missing = "", ""
        if skipped:
            missing = "more was logged than is read"
        elif left:
            missing = "what was logged before its rotation is gone"
        if missing:
            facts["missing"] = missing
        if missing and (not found or self._probe.expect.that):
            # Nobody knows what was there: that is evidence of nothing, and conditions would count on it.
            detail = f"{f'seen {count} times' if found else 'not seen'}, but {missing}"
        elif not found and not self._probe.expect.that:
            detail = f"not seen in {len(lines)} lines since the last look"
        elif self._probe.expect.body and not any(self._probe.expect.body in line for line in found):
            detail = f"no line that matches holds {self._probe.expect.body!r}: {last}"
        good = f"seen {count} times: {last}" if found else f"not seen in {len(lines)} lines"
        return Seen(
            ok=not detail,
            ms=ms,
            detail=detail or good,
            via=self._host,
            body="\n".join(found[-KEPT:]),
            facts=facts,
            cut=count > KEPT,
        )

    async def _matching(self, lines: list[str]) -> tuple[int, ...]:
        """Which lines match. A line is the host's, and a pattern can take for ever on it: not here, then."""
        return await self._aside.matching(self._probe.target, lines, self._probe.timeout) if lines else ()


def _script(probe: Probe, place: Place) -> str:
    if probe.unit:
        return f"unit={quote(probe.unit)} was={quote(place.mark)} lines={LINES} most={MOST}\n{_UNIT}"
    file = probe.file if probe.file.startswith("/") else f"./{probe.file}"
    return f"file={quote(file)} was={quote(place.mark)} at={place.at} most={MOST} left=\n{_FILE}"
