"""Run folders: where the journal of each run lives, how a run is found again, and what earlier runs took."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cockpit.events import Record, RunEnded, RunResumed, RunStarted, StepMoved
from cockpit.journal.judge import Lost, foreign, judge, kind_of
from cockpit.journal.opening import JournalUnreadable, reading
from cockpit.journal.salvage import Salvage
from cockpit.journal.split import blocks

JOURNAL = "journal.jsonl"
_TAIL = 1 << 18
"""Bytes at a journal's end among which its end is looked for."""


class NoSuchRun(Exception):
    """No run answers to that name; the sentence says where was looked."""


class RunFolder(msgspec.Struct, frozen=True):
    """The folder of one run."""

    path: Path

    @property
    def id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def called(self) -> str:
        """What a command calls it by: the end of its name, which is enough to find it; its path, as a shell takes it, where it is
        not among the runs of this account."""
        if self.path.parent.resolve() != root().resolve():
            return shlex.quote(str(self.path))
        short = self.id.rpartition("-")[2]
        alike = [
            path for path in self.path.parent.iterdir() if path.name.startswith(short) or path.name.endswith(short)
        ]
        return short if len(short) >= 4 and len(alike) == 1 else self.id

    @property
    def journal(self) -> Path:
        """Its journal."""
        return self.path / JOURNAL

    @property
    def socket(self) -> Path:
        """Where its conductor listens: a short path in a folder that only this account can enter. The run folder keeps it,
        for a screen that is opened with another environment."""
        import hashlib

        own = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:12]
        name = f"{self.id[-40:]}-{own}.sock"
        with contextlib.suppress(OSError):
            kept = Path((self.path / "socket").read_text().strip())
            # A folder that was copied names the socket of another run.
            if kept.name == name and kept.is_absolute() and kept.parent.is_dir():
                return kept
        return _private() / name

    def keep_socket(self) -> Path:
        """The socket's path, written down in the run folder by the conductor that is to listen there. Raises OSError."""
        path = self.socket
        (self.path / "socket").write_text(f"{path}\n")
        return path

    def token(self) -> str:
        """The driver's token; made on first use, readable by this account only. Conductor and screen may both be first."""
        file = self.path / "token"
        if not file.exists():
            import secrets

            own = self.path / f"token.{os.getpid()}"
            own.unlink(missing_ok=True)
            descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as target:
                target.write(secrets.token_hex(16))
            # A link is there whole or not at all, and only one is the first.
            with contextlib.suppress(FileExistsError):
                os.link(own, file)
            own.unlink()
        return file.read_text().strip()


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of runs shows."""

    id: str
    plan: str
    mode: str
    started: float
    ended: float
    verdict: str
    size: int
    live: bool


def root() -> Path:
    """Where runs are kept: $COCKPIT_RUNS, else under $XDG_STATE_HOME, else ~/.local/state/cockpit/runs."""
    named = os.environ.get("COCKPIT_RUNS")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "cockpit" / "runs"


def create(plan_name: str, under: Path | None = None, at: float | None = None) -> RunFolder:
    """A new run folder, mode 0700. `at` is its UTC time."""
    import secrets

    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    words = re.sub(r"[^a-z0-9]+", "-", plan_name.lower()).strip("-")[:24].strip("-") or "run"
    path = (under or root()) / f"{moment:%Y%m%d-%H%M%S}-{words}-{secrets.token_hex(2)}"
    path.mkdir(parents=True, mode=0o700)
    return RunFolder(path)


def find(name: str, under: Path | None = None) -> RunFolder:
    """The run of that path, id, or unambiguous beginning or end of an id; `last` is the newest. Raises NoSuchRun."""
    given = Path(name)
    if given.name == JOURNAL and _is_there(given):
        return RunFolder(given.parent.resolve())
    if _is_there(given / JOURNAL):
        return RunFolder(given.resolve())
    base = under or root()
    ids = sorted(path.name for path in base.iterdir() if _is_there(path / JOURNAL)) if base.is_dir() else []
    if name == "last" and ids:
        return RunFolder(base / ids[-1])
    matches = [id for id in ids if id == name] or [id for id in ids if id.startswith(name) or id.endswith(name)]
    if len(matches) == 1:
        return RunFolder(base / matches[0])
    if matches:
        raise NoSuchRun(f"{name} could be {', '.join(matches[:5])}: name one of them")
    raise NoSuchRun(f"there is no run {name} in {base}; `cockpit runs` lists them")


def list_runs(under: Path | None = None) -> list[RunSummary]:
    """All runs, newest first. A journal that cannot be read is listed with that as its verdict."""
    base = under or root()
    if not base.is_dir():
        return []
    folders = sorted((path for path in base.iterdir() if _is_there(path / JOURNAL)), reverse=True)
    return [_summary(RunFolder(path)) for path in folders]


def _is_there(file: Path) -> bool:
    """Whether something of that name is there, be it a file or not: why it cannot be read is told when it is opened."""
    return os.path.lexists(file)


def _summary(run: RunFolder) -> RunSummary:
    started: RunStarted | None = None
    utc = ended = 0.0
    size = 0
    try:
        with reading(run.journal) as (descriptor, size):
            first, why = _first(descriptor, size)
            if first is not None and isinstance(first.event, RunStarted):
                started, utc = first.event, first.utc
            ended, verdict = _ending(descriptor, size)
    except JournalUnreadable as error:
        why = verdict = error.why
    return RunSummary(
        id=run.id,
        plan=started.plan.name if started else "?",
        mode=started.mode if started else "?",
        started=utc,
        ended=ended,
        verdict=verdict if started else f"its journal cannot be read: {why}" if why else verdict,
        size=size,
        live=answers(run.socket),
    )


def _first(descriptor: int, size: int) -> tuple[Record | None, str]:
    """The first event, and why there is none, or not the one that a journal begins with."""
    for block in blocks(descriptor, size):
        if why := foreign(block.lines[0]):
            return None, why
        if not block.ended and len(block.lines) == 1:
            return None, "its only line has no end"
        try:
            record = judge(block.lines[0], block.cut).record
        except Lost as lost:
            return None, f"line 1: {lost.fault.why}"
        wrong = (
            ""
            if isinstance(record.event, RunStarted)
            else f"line 1: it begins with event {record.seq}, {kind_of(record)}"
        )
        return record, wrong
    return None, "it is empty"


def answers(path: Path) -> bool:
    """Whether a conductor listens there; one that was killed leaves its socket behind."""
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1)
        try:
            link.connect(str(path))
        except OSError:
            return False
    return True


def _ending(descriptor: int, size: int) -> tuple[float, str]:
    """When a run ended and its verdict; (0, '') for one that has not, or was resumed. What probes saw in the same moment may
    stand behind the end."""
    start = max(0, size - _TAIL)
    tail = os.pread(descriptor, size - start, start).split(b"\n")
    for raw in reversed(tail):
        if b'"run.' not in raw:
            continue
        try:
            record = judge(raw).record
        except Lost:
            continue
        if isinstance(record.event, RunEnded):
            return record.utc, record.event.verdict
        if isinstance(record.event, RunResumed):
            break
    return 0.0, ""


def durations(plan_name: str, under: Path | None = None, most: int = 5) -> tuple[dict[str, float], str]:
    """Seconds each step took in the newest of up to `most` earlier runs of the plan that did it (ref → seconds), and the
    run's id from which most of that comes."""
    base = under or root()
    if not base.is_dir():
        return {}, ""
    found: dict[str, float] = {}
    source = ""
    looked = 0
    for path in sorted(base.iterdir(), reverse=True):
        if looked >= most or not _is_there(path / JOURNAL):
            continue
        run = RunFolder(path)
        if _summary(run).plan != plan_name:
            continue
        looked += 1
        for ref, took in _took(run.journal):
            if ref not in found:
                found[ref] = took
                source = source or run.id
    return found, source


def _took(file: Path) -> Iterator[tuple[str, float]]:
    took: dict[str, float] = {}
    try:
        # What can be read of a damaged one is still a measurement.
        for record in Salvage(file).records():
            if isinstance(record.event, StepMoved) and record.event.state == "done":
                took[record.event.ref] = record.event.took
    except JournalUnreadable:
        pass
    yield from took.items()


def _private() -> Path:
    """A folder for sockets that nobody else can enter; socket paths are limited to 107 bytes (unix(7))."""
    import tempfile

    places = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")
    base = Path(next(place for place in places if place and len(place) < 32 and os.access(place, os.W_OK)))
    path = base / f"cockpit-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or not path.is_dir() or path.is_symlink():
        raise PermissionError(f"{path} is not a private folder of this account; remove it and try again")
    return path
