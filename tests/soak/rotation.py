"""A writer of numbered lines into several logs that are rotated in every way, and what must be told of them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

KINDS = (
    "rename", "rename-late", "copytruncate", "rename-gzip", "rename-xz", "rename-bzip2", "rename-zstd",
    "copytruncate-gzip", "three-renames", "three-copies", "dated", "dated-gzip",
)  # fmt: skip
PLAIN_KINDS = tuple(kind for kind in KINDS if "zstd" not in kind)
"""What a host with nothing but busybox can unpack."""
EXT = {"gzip": ".gz", "xz": ".xz", "bzip2": ".bz2", "zstd": ".zst"}
WORDS = "GET /page/{} HTTP/1.1 200 some words to be read"


class Rotated:
    """One log that its writer rotates between two lines, as logrotate does; nothing that was written is lost on the way."""

    def __init__(self, path: Path, kinds: tuple[str, ...] = KINDS) -> None:
        self.path = path
        self.kinds = kinds
        self.lines = 0
        self.rotations = 0
        self._late: list[int] = []
        self._file = -1

    def line(self, number: int) -> str:
        return f"{self.path.name} {number:08d} {WORDS.format(number % 977)}"

    def write(self, count: int) -> None:
        """So many lines more."""
        if self._file < 0:
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        data = "".join(self.line(number) + "\n" for number in range(self.lines, self.lines + count)).encode()
        self.lines += count
        os.write(self._file, data)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _shift(self) -> None:
        """`.1` is the newest: the others go up by one."""
        numbered: list[tuple[int, Path]] = []
        for old in self.path.parent.glob(f"{self.path.name}.*"):
            numbered.append((int(old.name.removeprefix(f"{self.path.name}.").split(".")[0]), old))
        for number, old in sorted(numbered, reverse=True):
            rest = old.name.removeprefix(f"{self.path.name}.{number}")
            if number > 40:
                old.unlink()
            else:
                old.rename(old.with_name(f"{self.path.name}.{number + 1}{rest}"))

    def _rename(self, to: Path, late: int = 0) -> None:
        self.path.rename(to)
        if late:
            self.write(late)
        self.close()
        self.write(3)

    def _copy(self, to: Path) -> None:
        shutil.copyfile(self.path, to)
        os.truncate(self.path, 0)

    def rotate(self, kind: str) -> None:
        """Once more."""
        self.rotations += 1
        if self._file < 0:
            self.write(1)
        first = self.path.with_name(f"{self.path.name}.1")
        how, _, tool = kind.partition("-")
        if how == "dated":
            target = self.path.with_name(f"{self.path.name}-{time.time_ns()}")
            self._rename(target)
        elif kind in {"three-renames", "three-copies"}:
            for _ in range(3):
                self._shift()
                self._rename(first) if kind == "three-renames" else self._copy(first)
                self.write(7)
            self.rotations += 2
            return
        else:
            self._shift()
            target = first
            if how == "rename":
                self._rename(first, late=5 if tool == "late" else 0)
            else:
                self._copy(first)
        if tool in EXT:
            subprocess.run(
                [tool, "-q", str(target)] if tool != "zstd" else [tool, "-q", "--rm", str(target)], check=True
            )


class Writer(threading.Thread):
    """Writes to all of them at a rate in lines a second each, and rotates them now and then until so many rotations are done."""

    def __init__(self, logs: list[Rotated], rate: float, rotations: int, seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.logs = logs
        self._rate = rate
        self._rotations = rotations
        self._seconds = seconds
        self._random = random.Random(seed)
        self.trouble: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self.trouble = error
        self.done.set()

    def _run(self) -> None:
        began = time.monotonic()
        written = rotated = 0
        while True:
            spent = time.monotonic() - began
            due = int(min(spent, self._seconds) * self._rate) - written
            if due > 0:
                for log in self.logs:
                    log.write(due)
                written += due
            while rotated < min(self._rotations, spent / self._seconds * self._rotations):
                log = self.logs[rotated % len(self.logs)]
                log.rotate(
                    log.kinds[(rotated // len(self.logs) * 5 + rotated) % len(log.kinds)]
                    if rotated < 60
                    else self._random.choice(log.kinds)
                )
                rotated += 1
            if spent >= self._seconds and rotated >= self._rotations:
                break
            time.sleep(0.01)
        for log in self.logs:
            log.write(1)
            log.close()


def wrong(log: Rotated, told: list[str]) -> str:
    """What is wrong with what was told of a log, '' when every line is there once and in order."""
    wanted = [log.line(number) for number in range(log.lines)]
    if told == wanted:
        return ""
    missing, extra = set(wanted) - set(told), len(told) - len(set(told))
    place = next(
        (at for at, (a, b) in enumerate(zip(told, wanted, strict=False)) if a != b), min(len(told), len(wanted))
    )
    return (
        f"{log.path.name}: {len(wanted)} lines written, {len(told)} told, {len(missing)} lost, {extra} doubled; "
        f"from line {place} on: {told[place : place + 2]} for {wanted[place : place + 2]}"
    )
