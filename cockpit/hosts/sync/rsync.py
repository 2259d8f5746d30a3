"""What rsync is asked and what it answers, as pure functions: options, itemised lines, totals, progress, versions.

Formats are rsync's own: rsync(1), `--itemize-changes`, `--out-format`, `--info=progress2`, `--stats` under LC_ALL=C.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

SENTINEL = ".cockpit-sync"
"""The file on the source's root that names the direction; it is neither copied nor deleted nor compared."""

_ESCAPE = re.compile(rb"\\#([0-7]{3})")
_CODE = re.compile(rb"(?:\*deleting  |[<>ch.][fdLDS][^ ]{7,9}) ")
_ASKED = re.compile(
    r" rsync --server --sender (-[A-Za-z]+\.[A-Za-z]*)((?: --[a-z0-9-]+(?:=[A-Za-z0-9%.]+)?)*) \. /x/ ?$"
)
_TOTAL = re.compile(
    rb"^(Number of files|Number of created files|Number of deleted files|Total transferred file size): ([\d,.]+)"
)
_PROGRESS = re.compile(rb"^\s*([\d,.]+)\s+(\d+)%\s+(\S+/s)\s+(\S+)(?:\s+\(xfr#(\d+), (?:to|ir)-chk=(\d+)/(\d+)\))?")

# What a sender may be asked for: reading, by these letters only. Not L, k or K: they would lead out of the tree.
_LETTERS = re.compile(r"-[nvlHogDtpAXrcSib]+e\.[A-Za-z]*")
_LONG = frozenset({"--numeric-ids", "--log-format", "--itemize-changes"})

MEANING = {
    1: "it does not understand the options",
    3: "a folder cannot be entered or made",
    11: "a file cannot be read or written (no room?)",
    12: "the stream between the hosts broke off",
    20: "it was stopped",
    23: "not everything could be carried",
    24: "files vanished while they were read",
    25: "it had more to delete than was counted before",
    30: "nothing came for too long",
    127: "rsync is not there",
    255: "the link between the hosts could not be made or broke",
}


class Ability(msgspec.Struct, frozen=True):
    """What one host's rsync is. `acls` and `xattrs`: whether it was built with them."""

    version: str
    protocol: int
    acls: bool
    xattrs: bool


def ability(text: str) -> Ability | None:
    """From `rsync --version`; None when it is no rsync 3 (openrsync and others do not speak all of this)."""
    found = re.search(r"rsync\s+version v?(\d+\.\d+(?:\.\d+)?)\S*\s+protocol version (\d+)", text)
    if found is None or int(found[2]) < 30:
        return None
    lower = text.lower()
    return Ability(
        found[1],
        int(found[2]),
        "acls" in lower and "no acls" not in lower,
        "xattrs" in lower and "no xattrs" not in lower,
    )


def base(extended: str, exclude: Iterable[str]) -> list[str]:
    """The options of every pass: all that a file system can hold, ids as numbers. `extended` is `AX`, `A`, `X` or ''."""
    return [
        f"-aHS{extended}",
        "--numeric-ids",
        "--no-s",
        f"--exclude=/{SENTINEL}",
        *(f"--exclude={pattern}" for pattern in exclude),
    ]


def looking(extended: str, exclude: Iterable[str], *, delete: bool, checksum: bool, sizes: bool = False) -> list[str]:
    """A pass that changes nothing and tells each difference; with `sizes` the length of each before its name."""
    told = ["-n", "-i", "--out-format=%i %l %n" if sizes else "--out-format=%i %n", "--stats"]
    return [*base(extended, exclude), *told, *(["-c"] if checksum else []), *(["--delete"] if delete else [])]


def copying(extended: str, exclude: Iterable[str], *, doomed: int | None, whole: bool, large: bool = True) -> list[str]:
    """A pass that copies; `doomed` is how many entries it may delete, None for not at all. `whole`: the list of names is made
    before anything else, which is faster where little has changed, and takes 100 bytes of memory a name."""
    delete = [] if doomed is None else ["--delete-delay", f"--max-delete={doomed}"]
    # Of small files there is progress enough when it is told by the block; a line for each costs a write for each.
    told = ["--info=progress2", *([] if large else ["--outbuf=B"])]
    return [*base(extended, exclude), *told, *(["--no-inc-recursive"] if whole else []), *delete]


def serving(asked: str) -> str:
    """What the source runs, from what the target's rsync asks for: `rsync --server --sender` with letters that only read.
    Raises ValueError when it asks for anything else."""
    found = _ASKED.search(asked)
    if found is None or not _LETTERS.fullmatch(found[1]):
        raise ValueError(f"its rsync asks for something else than to read: {asked[:200]!r}")
    options = found[2].split()
    if any(option.partition("=")[0] not in _LONG for option in options):
        raise ValueError(f"its rsync asks for options that are not known to only read: {found[2][:200]!r}")
    return " ".join(["rsync --server --sender", found[1], *options])


def unescaped(name: bytes, escape: re.Pattern[bytes] = _ESCAPE) -> str:
    """A name as it is, from rsync's `\\#ooo` form or another; bytes that are no UTF-8 become surrogates."""
    return escape.sub(lambda found: bytes([int(found[1], 8) & 255]), name).decode("utf-8", "surrogateescape")


class Item(msgspec.Struct, frozen=True):
    """One difference: rsync's code, and the name as it is below the tree (folders end in `/`, the root is `./`)."""

    code: str
    name: str

    @property
    def created(self) -> bool:
        """Whether the target has no such entry yet."""
        return "+++" in self.code

    @property
    def deleted(self) -> bool:
        """Whether it is on the target only, and would go."""
        return self.code.startswith("*")

    @property
    def kind(self) -> str:
        """created, changed, attributes or deleted."""
        if self.deleted or self.created:
            return "deleted" if self.deleted else "created"
        return "attributes" if self.code.startswith(".") else "changed"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass would do. `holds` is how many entries the target has now."""

    created: int = 0
    changed: int = 0
    attributes: int = 0
    """Entries of which only owner, mode, times, ACLs or xattrs differ."""
    deleted: int = 0
    bytes: int = 0
    holds: int = 0
    files: int = 0
    """Entries of the source."""
    largest: int = 0
    """Bytes of the largest file that would come; counted by a look that tells no names."""
    items: tuple[Item, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the pass would do nothing."""
        return not (self.created or self.changed or self.attributes or self.deleted)

    @property
    def words(self) -> str:
        """It as a sentence's part."""
        parts = [f"{self.created:,} to create", f"{self.changed:,} to change", f"{self.bytes:,} bytes to copy"]
        if self.attributes:
            parts.insert(2, f"{self.attributes:,} with other attributes")
        if self.deleted:
            parts.append(f"{self.deleted:,} to delete")
        return ", ".join(parts)


def look(lines: Iterable[bytes]) -> tuple[Look, list[bytes]]:
    """The differences that a looking pass told, and the lines that are neither (complaints)."""
    counts = {"created": 0, "changed": 0, "attributes": 0, "deleted": 0, "largest": 0}
    totals: dict[bytes, int] = {}
    items: list[Item] = []
    said: list[bytes] = []
    for line in lines:
        coded = _CODE.match(line)
        total = _TOTAL.match(line)
        if line.startswith(b"@counts "):
            for word in line.split()[1:]:
                name, _, value = word.decode("ascii", "replace").partition("=")
                if name in counts and value.isdigit():
                    counts[name] += int(value)
        elif coded is not None:
            item = Item(coded[0].decode("ascii", "replace").strip(), unescaped(line[coded.end() :]))
            items.append(item)
            counts[item.kind] += 1
        elif total is not None:
            totals[total[1]] = int(re.sub(rb"\D", b"", total[2]) or b"0")
        elif (
            line.startswith((b"rsync", b"ssh", b"@", b"Permission", b"Host key", b"cockpit", b"Warning"))
            or b"rsync" in line
        ):
            said.append(line)
    files, created = totals.get(b"Number of files", 0), totals.get(b"Number of created files", 0)
    deleted = counts["deleted"]
    return Look(
        **counts,
        bytes=totals.get(b"Total transferred file size", 0),
        files=files,
        holds=max(files - created, 0) + deleted,
        items=tuple(items),
    ), said


class Progress(msgspec.Struct, frozen=True):
    """How far a pass is: bytes of files brought over, files begun, rsync's own percentage of the whole tree."""

    bytes: int
    percent: int
    files: int
    left: int
    """Entries still to be looked at, -1 when it does not say."""
    entries: int


def progress(line: bytes) -> Progress | None:
    """From a line of `--info=progress2`."""
    found = _PROGRESS.match(line)
    if found is None:
        return None
    size = int(re.sub(rb"\D", b"", found[1]) or b"0")
    return Progress(size, int(found[2]), int(found[5] or 0), int(found[6] or -1), int(found[7] or 0))


def created_in(log: Iterable[bytes]) -> list[str]:
    """Names that a pass created, from its `--log-file` lines (`DATE TIME [PID] CODE NAME`)."""
    names: list[str] = []
    for line in log:
        found = re.match(rb"\S+ \S+ \[\d+\] [<>ch.][fdLDS]\++ ", line)
        if found is not None:
            names.append(unescaped(line[found.end() :]))
    return names


def why(status: int) -> str:
    """An exit status in words."""
    return f"rsync ended with {status}: {MEANING.get(status, 'see its output')}"
