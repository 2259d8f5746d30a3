"""What the facts mean for the night: a row for each thing that was tried, with a mend where it is not as it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from cockpit.plan.model import Host
from cockpit.preflight.facts import Facts
from cockpit.preflight.needs import Needs

Grade = Literal["ok", "warn", "fail"]

SKEW = 1.0
"""Seconds that a clock may be off before logs of two hosts read in the wrong order."""

TSIG_FUDGE = 300.0
"""Seconds that TSIG allows (RFC 8945 §10)."""

JOBS_ROOM = 16 << 20
"""Free bytes for scripts and outputs of jobs below which it is tight."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `mend` says what to do, '' where there is nothing."""

    where: str
    what: str
    grade: Grade
    found: str
    mend: str = ""


def good(where: str, what: str, found: str, mend: str = "") -> Row:
    """As it should be."""
    return Row(where=where, what=what, grade="ok", found=found, mend=mend)


def warn(where: str, what: str, found: str, mend: str = "") -> Row:
    """To be looked at; the night could go on."""
    return Row(where=where, what=what, grade="warn", found=found, mend=mend)


def fail(where: str, what: str, found: str, mend: str = "") -> Row:
    """In the way."""
    return Row(where=where, what=what, grade="fail", found=found, mend=mend)


def identity(host: Host, fingerprint: str, key: str, machine: str, name: str) -> Iterator[Row]:
    """Whether the plan would notice another machine in this one's place."""
    if host.host_key:
        yield good(host.id, "host key", f"pinned, {fingerprint}")
    else:
        mend = f'pin it in the plan: host_key: "{key}"'
        yield warn(host.id, "host key", f"by known_hosts, {fingerprint}", mend)
    if host.machine_id:
        yield good(host.id, "machine-id", f"{machine}, as in the plan")
    else:
        mend = f"write it into the plan: machine_id: {machine}" if machine else "give the host an /etc/machine-id"
        yield warn(host.id, "machine-id", f"{machine or 'none'} ({name}), not in the plan", mend)


def host_rows(host: Host, needs: Needs, facts: Facts) -> Iterator[Row]:
    """Everything that one host's own answers decide."""

    def row(what: str, grade: Grade, found: str, mend: str = "") -> Row:
        return Row(where=host.id, what=what, grade=grade, found=found, mend=mend)

    yield row("reached", "ok", f"{facts.user} on {facts.system}, answer in {facts.ms:.0f} ms")
    off = f"{facts.skew:+.2f} s (±{facts.doubt:.2f} s)"
    if abs(facts.skew) - facts.doubt > TSIG_FUDGE:
        yield row("clock", "fail", off, f"set its clock: TSIG refuses more than {TSIG_FUDGE:.0f} s")
    elif abs(facts.skew) - facts.doubt > SKEW:
        yield row("clock", "warn", off, "set its clock: chronyc makestep, or systemctl restart systemd-timesyncd")
    else:
        yield row("clock", "ok", off)
    if facts.jobs_free < 0:
        yield row("jobs", "fail", facts.jobs, "name another folder in the plan: `jobs:` of the host")
    elif facts.jobs_free < JOBS_ROOM:
        yield row(
            "jobs", "warn", f"{size(facts.jobs_free)} free in {facts.jobs}", "make room there, or name another folder"
        )
    else:
        yield row("jobs", "ok", f"{size(facts.jobs_free)} free in {facts.jobs}")
    for tool in needs.tools:
        names = tool.split("|")
        name = next((name for name in names if facts.tools.get(name, ("", ""))[0]), names[0])
        at, version = facts.tools.get(name, ("", ""))
        if at:
            yield row(name, "ok", version or at)
        elif tool == "rsync":
            yield row(tool, "warn", "not there: copies go by tar", f"install it on {host.id}: apt-get install rsync")
        else:
            yield row(tool, "fail", "not there", f"install {' or '.join(names)} on {host.id}")
    for right in needs.rights:
        if facts.rights.get(right):
            yield row("rights", "ok", f"may run {right} without a password")
        else:
            yield row(
                "rights",
                "fail",
                f"{facts.user} may not run {right} without a password",
                f"allow {right} in sudoers, or `become: sudo`",
            )
    yield row("locale", "ok", f"{facts.locale}, time zone {facts.zone}")
    for folder in facts.noexec:
        yield row(
            "noexec",
            "warn",
            f"{folder} is mounted noexec",
            "jobs do not mind; see that no script of the plan runs a file there",
        )
    if facts.selinux == "Enforcing":
        yield row(
            "SELinux",
            "warn",
            "enforcing",
            "what is copied keeps its labels only with rsync -X on both sides: restorecon after",
        )
    elif facts.apparmor:
        yield row("AppArmor", "ok", "enabled")


def copy_rows(needs: Mapping[str, Needs], facts: Mapping[str, Facts]) -> Iterator[Row]:
    """Whether what is copied is there, and has room where it goes."""
    for host, need in needs.items():
        wanted: dict[str, int] = {}
        for copy in need.takes:
            here, there = facts.get(host), facts.get(copy.source)
            if here is None or there is None:
                continue
            bytes_, entries = there.holds.get(copy.path, (-1, 0))
            room = here.room.get(copy.into)
            what = f"room for {copy.path}"
            if bytes_ < 0:
                yield warn(
                    copy.source, "to copy", f"{copy.path} is not there", "see that the plan names it as the host does"
                )
                continue
            wanted[copy.into] = bytes_
            if room is None or room.bytes < 0:
                yield warn(host, what, "how much is free cannot be told")
            elif not room.writable and not here.root:
                yield fail(
                    host,
                    what,
                    f"{copy.into} cannot be written by {here.user}",
                    f"give it to {here.user}, or `become: sudo`",
                )
            elif room.bytes < sum(wanted.values()):
                found = f"{size(room.bytes)} free, {size(sum(wanted.values()))} to come"
                yield fail(host, what, found, f"make room on {host}")
            elif 0 <= room.entries < entries:
                yield fail(
                    host,
                    what,
                    f"{room.entries:,} inodes free, {entries:,} entries to come",
                    f"make a file system with more inodes on {host}",
                )
            else:
                yield good(host, what, f"{size(bytes_)} in {entries:,} entries, {size(room.bytes)} free")


def pair_rows(needs: Mapping[str, Needs], facts: Mapping[str, Facts]) -> Iterator[Row]:
    """What two hosts that copy from each other must agree on: account numbers, tools' versions, MTU, locale."""
    pairs = dict.fromkeys((copy.source, copy.target) for need in needs.values() for copy in need.takes)
    for source, target in pairs:
        here, there = facts.get(source), facts.get(target)
        if here is None or there is None:
            continue
        where = f"{source} → {target}"
        by_number = {number: name for name, number in there.accounts.items()}
        clashes = [
            f"{number} is {name} on {source}, {by_number[number]} on {target}"
            for name, number in sorted(here.accounts.items())
            if by_number.get(number, name) != name
        ]
        moved = [
            f"{name} is {number} on {source}, {there.accounts[name]} on {target}"
            for name, number in sorted(here.accounts.items())
            if there.accounts.get(name, number) != number
        ]
        if clashes or moved:
            found = "; ".join((clashes + moved)[:4]) + (
                f"; {len(clashes + moved) - 4} more" if len(clashes + moved) > 4 else ""
            )
            yield warn(where, "account ids", found, "copies keep numbers: make the accounts agree first")
        else:
            yield good(where, "account ids", f"{len(here.accounts)} accounts, no collision")
        old, new = min(here.mtu.values(), default=0), min(there.mtu.values(), default=0)
        if old and new and old != new:
            yield warn(
                where, "MTU", f"{old} and {new}", "a path that drops large packets looks like a hang: set both alike"
            )
        if here.locale != there.locale:
            yield warn(where, "locale", f"{here.locale} and {there.locale}", "databases and sort orders depend on it")
        if here.zone != there.zone:
            yield warn(where, "time zone", f"{here.zone} and {there.zone}", "cron jobs and logs read differently")


def lock_row(host: str, lock: str) -> Iterator[Row]:
    """Whether another run holds the host."""
    if lock:
        holder = lock.partition(" ")[2]
        yield fail(host, "lock", f"held: {holder}", "end that run, or take the host over in the cockpit")


def size(count: int) -> str:
    """Bytes for people."""
    if count < 1000:
        return f"{count} bytes"
    left = count / 1000
    for unit in ("kB", "MB"):
        if left < 1000:
            return f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} GB"
