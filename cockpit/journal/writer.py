"""Appending to a journal: one thread, group commit, nothing acknowledged that is not on disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from cockpit.clock import Clock
from cockpit.events import DURABLE, Event, Record, Trouble
from cockpit.journal import line as lines
from cockpit.journal.raw import RawFiles
from cockpit.journal.reader import End
from cockpit.journal.redaction import Redactor

MOST_WAITING = 20_000
"""Events of the batched kinds that may wait; what comes on top is dropped and counted."""

GATHER = 0.02
"""Seconds that batched events wait for company before they are written."""

SYNC_EVERY = 1.0
"""Seconds after which batched events are synced, too."""

Observer = Callable[[Record], None]


class JournalFull(Exception):
    """The journal could not be written; nothing was half-written. The sentence says why."""


class _Entry:
    __slots__ = ("actor", "event", "future", "mono", "utc")

    def __init__(self, event: Event, actor: str, utc: float, mono: float, future: asyncio.Future[int] | None) -> None:
        self.event = event
        self.actor = actor
        self.utc = utc
        self.mono = mono
        self.future = future


class JournalWriter:
    """The engine's journal on disk. Use as an async context manager; observers are called on the loop, in order.

    What `redactor` knows is taken out of every event and of the raw bytes: neither the disk nor an observer sees it."""

    def __init__(self, file: Path, clock: Clock, after: End | None = None, redactor: Redactor | None = None) -> None:
        self._file = file
        self._clock = clock
        self._redactor = redactor if redactor is not None else Redactor()
        self._raw = RawFiles(file.parent / "raw", self._redactor)
        after = after or End()
        self._seq, self._head, self._size = after.seq, after.head, after.size
        self._waiting: deque[_Entry] = deque()
        self._batched = 0
        self._dropped = 0
        self._condition = threading.Condition()
        self._stopping = False
        self._failed = ""
        self._batch: list[_Entry] = []
        self._observers: list[Observer] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def head(self) -> str:
        """Head of the hash chain after the last line written."""
        return self._head

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return len(self._waiting)

    def subscribe(self, observer: Observer) -> None:
        """Call `observer` with every record once it is in the file (and synced, for durable kinds)."""
        self._observers.append(observer)

    async def __aenter__(self) -> JournalWriter:
        self._loop = asyncio.get_running_loop()
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        os.lseek(descriptor, self._size, os.SEEK_SET)
        self._thread = threading.Thread(target=self._work, args=(descriptor,), name="journal", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        with contextlib.suppress(OSError):
            self._raw.close()
        await asyncio.sleep(0)

    async def write(self, event: Event, actor: str) -> int:
        """Append and wait until it is on disk. Returns the sequence number. Raises JournalFull."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with self._condition:
            if self._stopping or self._failed:
                raise JournalFull(self._failed or "the journal is closed")
            self._waiting.append(_Entry(event, actor, self._clock.utc(), self._clock.monotonic(), future))
            self._condition.notify()
        return await future

    def post(self, event: Event, actor: str) -> None:
        """Append without waiting. What comes faster than the disk takes it is dropped and counted, durable kinds never."""
        durable = isinstance(event, DURABLE)
        with self._condition:
            if self._failed or (not durable and self._batched >= MOST_WAITING):
                self._dropped += 1
                return
            self._batched += not durable
            self._waiting.append(_Entry(event, actor, self._clock.utc(), self._clock.monotonic(), None))
            if durable or len(self._waiting) == 1:
                self._condition.notify()

    def raw(self, name: str, data: bytes, at: int | None = None) -> int:
        """Append raw bytes to a file beside the journal; returns the offset at which they begin. With `at` the file is cut to
        that length first, if it is longer."""
        return self._raw.append(name, data, at)

    # --- the thread ----------------------------------------------------------------------------------------------

    def _work(self, descriptor: int) -> None:
        try:
            self._keep(descriptor)
        except Exception as error:
            # Whoever waits for the disk must hear that nobody writes any more.
            with self._condition:
                self._failed = f"{self._file} is written no more ({type(error).__name__}: {error}); resume the run"
                left = [*self._batch, *self._waiting]
                self._waiting.clear()
            self._on_loop(lambda: _refuse(left, self._failed))
        finally:
            os.close(descriptor)

    def _keep(self, descriptor: int) -> None:
        synced = self._clock.monotonic()
        dirty = False
        while True:
            with self._condition:
                while not self._waiting and not self._stopping:
                    if not self._condition.wait(timeout=SYNC_EVERY if dirty else None):
                        break
                urgent = self._stopping or any(entry.future is not None for entry in self._waiting)
                if self._waiting and not urgent and not self._durable_waits():
                    self._condition.wait(timeout=GATHER)
                batch = self._batch = list(self._waiting)
                self._waiting.clear()
                self._batched = 0
                dropped, self._dropped = self._dropped, 0
                stopping = self._stopping
            if dropped:
                message = f"{dropped} probe and log events came faster than the disk takes them and were dropped"
                batch.append(
                    _Entry(Trouble(message=message), "cockpit", self._clock.utc(), self._clock.monotonic(), None)
                )
            if batch:
                must_sync = any(isinstance(entry.event, DURABLE) or entry.future is not None for entry in batch)
                dirty = self._commit(descriptor, batch, must_sync) or dirty
                dirty = dirty and not must_sync
            if dirty and self._clock.monotonic() - synced > SYNC_EVERY:
                # A disk that cannot take them now is asked again; what must be durable has a sync of its own.
                with contextlib.suppress(OSError):
                    os.fdatasync(descriptor)
                    dirty = False
                synced = self._clock.monotonic()
            if stopping and not batch:
                with contextlib.suppress(OSError):
                    os.fdatasync(descriptor)
                return

    def _durable_waits(self) -> bool:
        return any(isinstance(entry.event, DURABLE) for entry in self._waiting)

    def _commit(self, descriptor: int, batch: list[_Entry], must_sync: bool) -> bool:
        """Write a batch as a whole or not at all. Returns whether anything was written."""
        written: list[tuple[_Entry, Record]] = []
        blob: list[bytes] = []
        seq, head = self._seq, self._head
        for entry in batch:
            seq += 1
            record = Record(
                seq=seq,
                utc=entry.utc,
                mono=entry.mono,
                actor=entry.actor,
                event=self._redactor.event(entry.event),  # type: ignore[arg-type]
            )
            try:
                text, head = lines.encode(record, head)
            except (TypeError, ValueError) as error:
                why = f"{type(entry.event).__name__} cannot be written down: {error}"
                self._on_loop(lambda entry=entry, why=why: _refuse([entry], why))  # type: ignore[misc]
                seq -= 1
                continue
            blob.append(text)
            written.append((entry, record))
        data = b"".join(blob)
        if not data:
            return False
        try:
            os.lseek(descriptor, self._size, os.SEEK_SET)
            _write_all(descriptor, data)
            if must_sync:
                os.fdatasync(descriptor)
        except OSError as error:
            # Where even that fails, the next batch overwrites what was half written, or a resumption mends it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size)
            why = f"{self._file} cannot be written ({error.strerror}); make room, then continue"
            self._on_loop(lambda: _refuse(batch, why))
            return False
        self._seq, self._head, self._size = seq, head, self._size + len(data)
        self._on_loop(lambda: self._deliver(written))
        return True

    def _on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _deliver(self, written: list[tuple[_Entry, Record]]) -> None:
        for entry, record in written:
            for observer in self._observers:
                observer(record)
            if entry.future is not None and not entry.future.done():
                entry.future.set_result(record.seq)


def _refuse(batch: list[_Entry], why: str) -> None:
    for entry in batch:
        if entry.future is not None and not entry.future.done():
            entry.future.set_exception(JournalFull(why))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
