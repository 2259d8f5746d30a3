"""The raw bytes beside a journal: outputs of jobs and tailed logs, one file each, appended, with secrets blotted out.

Offsets count the bytes that came from the host: a blotted secret keeps its length, so what is on disk, what events point to
and where a job is read on after a crash agree. What may be the beginning of a secret waits in memory for what follows; it
never holds a line's end, so every line that was told is on disk.
"""

from __future__ import annotations

from pathlib import Path

from cockpit.journal.redaction import Redactor, Stream


class RawFiles:
    """The files of a folder `raw`. Call `close` at the end: it writes what was held back."""

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self._folder = folder
        self._redactor = redactor
        self._streams: dict[Path, Stream] = {}

    def append(self, name: str, data: bytes, at: int | None = None) -> int:
        """Append; returns the offset at which the bytes begin. With `at` a longer file is cut to that length first."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        path = self._folder / name.replace("/", "_").lstrip(".")
        stream = self._streams.get(path)
        with path.open("ab") as target:
            held = len(stream.held) if stream is not None else 0
            if at is not None and target.tell() + held > at:
                target.write(stream.flush() if stream is not None else b"")
                target.truncate(at)
                target.seek(at)
                self._streams.pop(path, None)
                stream, held = None, 0
            offset = target.tell() + held
            if stream is None and not self._redactor.idle:
                stream = self._streams[path] = self._redactor.stream()
            target.write(stream.feed(data) if stream is not None else data)
        return offset

    def close(self) -> None:
        """Write what was held back."""
        for path, stream in self._streams.items():
            if stream.held:
                with path.open("ab") as target:
                    target.write(stream.flush())
        self._streams.clear()
