"""The old host to the byte: what it was before the night, and what is not so any more after everything was taken back.

    before = remember(old, ["/srv", "/etc/apache2", "/etc/passwd"], asked={"crontab": "crontab -l -u ann"})
    ...
    assert not differences(before, old, but={"/srv/shop/data/writes": grown})

Below these paths all is read. Beside them whatever the host has of its own anywhere is compared, so that nothing is left out by
not being named: a file in /tmp, a package's file that was changed or is gone. Only what is in PASSING is not, each with its reason,
and what a night names in `skip`. Who listens on which port is asked of every host.

What users did since is no difference: `but` maps patterns of paths (or names of `asked`) to a judge of (before, after), which
says what is wrong with the change, '' when nothing is. A path that was not there before, or is not any more, is None.

A file is compared by its kind, mode, owner, content, access list and other attributes, by its further names (hard links) and by
the time of its last change. That time is left out where a judge has a say, and where `touched` names what the night itself had to
write anew. A folder's time is not compared: whoever puts a new version of a file in place moves it.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from tests.real.rig import RealHost

PASSING = {
    "/root/.cockpit*": "what the night writes down of its own jobs",
    "/var/log/*": "what daemons say, which grows",
    "/var/lib/postgresql/*": "PostgreSQL's own files, which change all the time: databases, roles and rows are asked of it",
    "/var/spool/postfix/defer*/[0-9A-F]": "Postfix's folders for what waits, made when something first does: its queue is asked",
    "/var/spool/postfix/flush/*": "for which domains something has waited, as Postfix keeps it for itself",
    "/var/spool/postfix/pid/*": "a lock for each kind of Postfix's processes, made when the first one is started",
}
"""Patterns of paths that are compared on no host, with the reason."""
KEYS = "/root/.ssh/authorized_keys"
"""It has one key more for as long as a host copies from this one."""

Judge = Callable[[bytes | None, bytes | None], str]


@dataclass(frozen=True)
class Entry:
    """A file, folder or link: what it is, whose, its mode, and its content or target; what else it has."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: bytes = b""
    changed: int = 0
    """Of its content, in nanoseconds; 0 for a folder."""
    attributes: tuple[tuple[str, bytes], ...] = ()
    """Extended ones: access lists, capabilities, a user's own."""
    names: tuple[str, ...] = ()
    """All paths of a file that has several, as far as they were read."""

    def differs(self, other: Entry) -> str:
        """In what it is another one, '' when it is the same."""
        found = [
            f"{what} {ours} → {theirs}"
            for what, ours, theirs in (
                ("kind", self.kind, other.kind),
                ("mode", f"{self.mode:o}", f"{other.mode:o}"),
                ("owner", self.owner, other.owner),
                ("time", self.changed, other.changed),
                ("attributes", dict(self.attributes), dict(other.attributes)),
                ("names", self.names, other.names),
            )
            if ours != theirs
        ]
        if self.content != other.content:
            found.append(f"content {_around(self.content, other.content)}")
        return ", ".join(found)


@dataclass(frozen=True)
class Past:
    """A host as it was at a moment."""

    paths: tuple[str, ...]
    asked: Mapping[str, str]
    skip: tuple[str, ...]
    entries: dict[str, Entry] = field(repr=False)
    answers: dict[str, bytes] = field(repr=False)
    own: frozenset[str] = field(repr=False)
    """What the host has of its own, or has taken away of what it would share with this machine."""


def remember(
    host: RealHost, paths: Sequence[str], *, asked: Mapping[str, str] | None = None, skip: Sequence[str] = ()
) -> Past:
    """Read everything below `paths` and whatever else is the host's own, and what the shell texts of `asked` print (a dump, a
    queue, a zone). `skip` are patterns of paths that are nobody's state: sockets, caches of a daemon, a database that is asked."""
    texts = {"listening": "ss -Hlnt | awk '{ print $4 }' | sort -u", **(asked or {})}
    entries: dict[str, Entry] = {}
    several: dict[tuple[int, int], list[str]] = {}
    passing = (*PASSING, *skip)
    for path in paths:
        top = host.file(path)
        if os.path.lexists(top):
            _read(host, top, passing, entries, several)
    own = frozenset(_own(host, host.upper, passing))
    for path in sorted(own - entries.keys()):
        if os.path.lexists(top := host.file(path)):
            _add(path, top, entries, several)
    for names in several.values():
        for name in names:
            entries[name] = replace(entries[name], names=tuple(sorted(names)))
    answers = {name: host.run(f"( {text} ) 2>&1", check=False).encode() for name, text in texts.items()}
    return Past(tuple(paths), texts, tuple(skip), entries, answers, own)


def differences(
    past: Past, host: RealHost, *, but: Mapping[str, Judge] | None = None, touched: Sequence[str] = ()
) -> list[str]:
    """What is not as it was, a sentence each. A path whose change its judge accepts may still not change owner, mode, attributes
    or names; of `touched` (patterns) only the time may be another one."""
    judges = dict(but or {})
    now = remember(host, past.paths, asked=past.asked, skip=past.skip)
    found: list[str] = []
    for path in sorted(past.entries.keys() | now.entries.keys() | now.own):
        was, is_ = past.entries.get(path), now.entries.get(path)
        if was is None and path not in past.own and not path.startswith(tuple(f"{one}/" for one in past.paths)):
            # Until now it was this machine's.
            was = _shared(host, path)
            is_ = replace(is_, names=()) if is_ is not None else None
        if was is is_ is None:
            continue
        judge = next((judges[pattern] for pattern in judges if fnmatchcase(path, pattern)), None)
        if was is not None and is_ is not None:
            if judge is not None and was.content != is_.content:
                if why := judge(was.content, is_.content):
                    found.append(f"{host.name}:{path}: {why}")
                is_ = replace(is_, content=was.content)
            if judge is not None or any(fnmatchcase(path, pattern) for pattern in touched):
                is_ = replace(is_, changed=was.changed)
            if why := was.differs(is_):
                found.append(f"{host.name}:{path}: {why}")
        elif judge is not None:
            if why := judge(was.content if was else None, is_.content if is_ else None):
                found.append(f"{host.name}:{path}: {why}")
        else:
            found.append(f"{host.name}:{path} {'is there now' if was is None else 'is gone'}")
    for name, before in past.answers.items():
        after = now.answers[name]
        if before != after:
            judge = judges.get(name)
            why = judge(before, after) if judge is not None else _around(before, after)
            if why:
                found.append(f"{host.name}: {name}: {why}")
    return found


def grown(before: bytes | None, after: bytes | None) -> str:
    """The judge of a file to which users only add: what was there is still there, in front."""
    if after is None:
        return "is gone"
    return "" if after.startswith(before or b"") else f"what was there changed: {_around(before or b'', after)}"


def came(before: bytes | None, after: bytes | None) -> str:
    """The judge of files that users leave, as messages in a Maildir: they come, and stay as they are."""
    return "" if before is None else "is gone" if after is None else "was changed"


def installed(before: bytes | None, after: bytes | None) -> str:
    """The judge of a user's crontab: it is the same, but for the lines in which crontab says when it was installed."""
    tables = [re.sub(rb"(?m)^# \((?:\S+ installed on|Cron version) .*\n", b"", text or b"") for text in (before, after)]
    return "" if tables[0] == tables[1] else _around(*tables)


def anything(before: bytes | None, after: bytes | None) -> str:
    """The judge of what may change as it likes."""
    return ""


def zone(rig_pid: int, server: str, name: str) -> list[str]:
    """All records of a zone by transfer, without the serial of its SOA: the serial never goes back."""
    words = ["nsenter", "-t", str(rig_pid), "-n", "dig", "+noall", "+answer", "+onesoa", f"@{server}", name, "AXFR"]
    text = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    lines = {" ".join(line.split()) for line in text.splitlines() if line and not line.startswith(";")}
    return sorted(re.sub(r"( SOA \S+ \S+) \d+", r"\1", line) for line in lines)


def _read(
    host: RealHost,
    path: Path,
    skip: tuple[str, ...],
    into: dict[str, Entry],
    several: dict[tuple[int, int], list[str]],
) -> None:
    name = "/" + str(path.relative_to(host.root))
    if any(fnmatchcase(name, pattern) for pattern in skip):
        return
    if _add(name, path, into, several).kind == "folder":
        for entry in sorted(path.iterdir()):
            _read(host, entry, skip, into, several)


def _add(name: str, path: Path, into: dict[str, Entry], several: dict[tuple[int, int], list[str]]) -> Entry:
    into[name] = entry = _entry(path)
    found = path.lstat()
    if entry.kind == "file" and found.st_nlink > 1:
        several.setdefault((found.st_dev, found.st_ino), []).append(name)
    return entry


def _entry(path: Path) -> Entry:
    found = path.lstat()
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    mode = 0 if kind == "link" else stat.S_IMODE(found.st_mode)
    match kind:
        case "link":
            held = os.fsencode(path.readlink())
        case "file":
            held = path.read_bytes()
        case _:
            held = b"" if kind == "folder" else str(found.st_rdev).encode()
    changed = found.st_mtime_ns if kind in {"file", "link"} else 0
    return Entry(kind, mode, (found.st_uid, found.st_gid), held, changed, _attributes(path))


def _own(host: RealHost, folder: Path, skip: tuple[str, ...]) -> Iterator[str]:
    """The paths in the host's own layer."""
    for path in sorted(folder.iterdir()):
        name = "/" + str(path.relative_to(host.upper))
        if any(fnmatchcase(name, pattern) for pattern in skip):
            continue
        yield name
        if path.is_dir() and not path.is_symlink():
            yield from _own(host, path, skip)


def _shared(host: RealHost, path: str) -> Entry | None:
    """What this machine has at a path, if the host shows it."""
    for folder in Path(path).parents:
        above = host.upper / str(folder).lstrip("/")
        if above.exists() and "trusted.overlay.opaque" in os.listxattr(above):
            return None
    return _entry(Path(path)) if os.path.lexists(path) else None


_KINDS = {stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFREG: "file"}


def _attributes(path: Path) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes, in order."""
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)


def _around(before: bytes, after: bytes) -> str:
    """Two texts where they begin to differ."""
    at = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    near = max(0, at - 20)
    return f"{before[near : at + 60]!r} → {after[near : at + 60]!r}"
