"""The old host to the byte: what it was before the night, and what is not so any more after everything was taken back.

    before = remember(old, ["/srv", "/etc/apache2", "/etc/passwd"], asked={"crontab": "crontab -l -u ann"})
    ...
    assert not differences(before, old, but={"/srv/shop/data/writes": grown})

What users did since is no difference: `but` maps patterns of paths (or names of `asked`) to a judge of (before, after), which
says what is wrong with the change, '' when nothing is. A path that was not there before, or is not any more, is None.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.real.rig import RealHost

Judge = Callable[[bytes | None, bytes | None], str]


@dataclass(frozen=True)
class Entry:
    """A file, folder or link: what it is, whose, its mode, and its content or target."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: bytes = b""

    def differs(self, other: Entry) -> str:
        """In what it is another one, '' when it is the same."""
        found = [
            f"{what} {ours} → {theirs}"
            for what, ours, theirs in (
                ("kind", self.kind, other.kind),
                ("mode", f"{self.mode:o}", f"{other.mode:o}"),
                ("owner", self.owner, other.owner),
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


def remember(
    host: RealHost, paths: Sequence[str], *, asked: Mapping[str, str] | None = None, skip: Sequence[str] = ()
) -> Past:
    """Read everything below `paths`, and what the shell texts of `asked` print (a dump, a queue, a zone). `skip` are patterns
    of paths that are nobody's state: logs, sockets, caches of a daemon."""
    texts = dict(asked or {})
    entries: dict[str, Entry] = {}
    for path in paths:
        top = host.file(path)
        if os.path.lexists(top):
            _read(host, top, tuple(skip), entries)
    answers = {name: host.run(f"( {text} ) 2>&1", check=False).encode() for name, text in texts.items()}
    return Past(tuple(paths), texts, tuple(skip), entries, answers)


def differences(past: Past, host: RealHost, *, but: Mapping[str, Judge] | None = None) -> list[str]:
    """What is not as it was, a sentence each. A path whose change its judge accepts may still not change owner or mode."""
    judges = dict(but or {})
    now = remember(host, past.paths, asked=past.asked, skip=past.skip)
    found: list[str] = []
    for path in sorted(past.entries.keys() | now.entries.keys()):
        was, is_ = past.entries.get(path), now.entries.get(path)
        judge = next((judges[pattern] for pattern in judges if fnmatchcase(path, pattern)), None)
        if was is not None and is_ is not None:
            if judge is not None and was.content != is_.content:
                if why := judge(was.content, is_.content):
                    found.append(f"{host.name}:{path}: {why}")
                is_ = Entry(is_.kind, is_.mode, is_.owner, was.content)
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


def _read(host: RealHost, path: Path, skip: tuple[str, ...], into: dict[str, Entry]) -> None:
    name = "/" + str(path.relative_to(host.root))
    if any(fnmatchcase(name, pattern) for pattern in skip):
        return
    found = path.lstat()
    mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
    if stat.S_ISLNK(found.st_mode):
        into[name] = Entry("link", 0, owner, os.fsencode(path.readlink()))
    elif stat.S_ISDIR(found.st_mode):
        into[name] = Entry("folder", mode, owner)
        for entry in sorted(path.iterdir()):
            _read(host, entry, skip, into)
    elif stat.S_ISREG(found.st_mode):
        into[name] = Entry("file", mode, owner, path.read_bytes())
    else:
        into[name] = Entry("other", mode, owner)


def _around(before: bytes, after: bytes) -> str:
    """Two texts where they begin to differ."""
    at = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    near = max(0, at - 20)
    return f"{before[near : at + 60]!r} → {after[near : at + 60]!r}"
