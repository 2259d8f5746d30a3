"""Runs on the host: a file held open, a compressed file, and one generation of a log.

A generation is one life of a log: from its creation to the rename or the truncation that ends it. It is recognised by its
content (its first and its last bytes that were read), since inodes are used again and copies have others.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import time

FINGER = 4096

PACKED = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd", ".lzma": "xz"}


def digest(data: bytes) -> str:
    """Short SHA-256 of some bytes, `-` for none."""
    return hashlib.sha256(data).hexdigest()[:24] if data else "-"


def key_of(status: os.stat_result) -> str:
    """What a file is known by while it lives: device and inode."""
    return "{}:{}".format(status.st_dev, status.st_ino)


def say(head: str, data: "bytes | None" = None) -> None:
    """One frame to the cockpit, whole."""
    blob = head.encode("utf-8", "replace") + b"\n"
    if data is not None:
        blob += data + b"E %d\n" % len(data)
    view = memoryview(blob)
    while view:
        view = view[os.write(1, view) :]


class Cut(Exception):
    """What was read before is not there any more."""


class Plain:
    """A file, held open. Raises OSError for what is not a regular file."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            raise OSError(0, "it is not a regular file")
        self.key = key_of(found)

    def stat(self) -> os.stat_result:
        """Its state now. Raises OSError."""
        return os.fstat(self.fd)

    def read(self, at: int, size: int) -> bytes:
        """So many bytes from `at` on, fewer only at its end. Raises OSError."""
        data = os.pread(self.fd, size, at)
        while data and len(data) < size:
            more = os.pread(self.fd, size - len(data), at + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


class Packed:
    """A compressed file: its content, read forward from any offset on. Raises OSError where the tool is missing."""

    def __init__(self, path: str, tool: str) -> None:
        self.key = key_of(os.stat(path))
        if shutil.which(tool) is None:
            raise OSError(0, tool + " is not there to unpack it")
        self._words = [tool, "-dc", path]
        self._tool = None  # type: subprocess.Popen[bytes] | None
        self._start = 0
        self._ahead = b""

    def read(self, at: int, size: int) -> bytes:
        """So many bytes of the content from `at` on, fewer only at its end. Reading backwards unpacks it anew."""
        if self._tool is None or at < self._start:
            self.close()
            self._tool = subprocess.Popen(
                self._words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._start, self._ahead = 0, b""
        assert self._tool.stdout is not None
        while True:
            skip = min(at - self._start, len(self._ahead))
            self._start, self._ahead = self._start + skip, self._ahead[skip:]
            if self._start == at and len(self._ahead) >= size:
                return self._ahead[:size]
            more = self._tool.stdout.read(1 << 17)
            if not more:
                return self._ahead[:size] if self._start == at else b""
            self._ahead += more

    def broken(self) -> bool:
        """Whether it could not be unpacked to its end; asked when nothing more comes."""
        return self._tool is not None and self._tool.wait() != 0

    def close(self) -> None:
        """End the tool that unpacks it."""
        if self._tool is not None:
            assert self._tool.stdout is not None
            self._tool.stdout.close()
            self._tool.kill()
            self._tool.wait()
            self._tool = None


def opened(path: str) -> "Plain | Packed":
    """A file by its name: packed where its ending says so. Raises OSError."""
    tool = PACKED.get(os.path.splitext(path)[1])
    return Packed(path, tool) if tool else Plain(path)


class Gen:
    """One generation of a log and how far it was read. Without a source it is yet to be found again."""

    def __init__(self, serial: int, source: "Plain | Packed | None", offset: int) -> None:
        self.serial = serial
        self.source = source
        self.key = source.key if source is not None else "-"
        self.offset = offset
        self.seen = offset
        self.mtime = 0  # ns
        self.marks = (0, "-", 0, "-")
        self.head = b""
        self.near = b""
        self.over = False  # Nothing comes any more.
        self.copied = False  # The file itself was cut; this goes on in a copy.
        self.quiet = False
        self.grew = time.time()
        self._seen_at = (-1, -1)
        self._mtime = 0
        if isinstance(source, Plain):
            self.mtime = source.stat().st_mtime_ns
            self.seen = max(offset, source.stat().st_size)
            self._recollect(source)

    def adopt(self, source: "Plain | Packed") -> None:
        """Go on in a source that fits."""
        self.source, self.key, self._seen_at = source, source.key, (-1, -1)
        if isinstance(source, Plain):
            self._recollect(source)

    def _recollect(self, source: Plain) -> None:
        size = min(FINGER, self.offset)
        self.head = source.read(0, size)
        self.near = source.read(self.offset - size, size)

    def fits(self, source: "Plain | Packed") -> int:
        """2 when `source` holds all that was read, 1 when it holds only the beginning of that, else 0."""
        head, head_hash, near, near_hash = self.marks
        if digest(source.read(0, head)) != head_hash:
            return 0
        found = source.read(self.offset - near, near)
        if len(found) == near and digest(found) == near_hash:
            return 2
        return 1 if len(found) < near and head >= 64 else 0

    def peek(self, size: int) -> bytes:
        """What comes next, without going on. Raises Cut."""
        if self.source is None:
            return b""
        if isinstance(self.source, Packed):
            return self.source.read(self.offset, size)
        found = self.source.stat()
        seen_at = (found.st_size, found.st_mtime_ns)
        if seen_at == self._seen_at:
            return b""
        self.seen = max(self.seen, found.st_size)
        ahead = len(self.near)
        # Both in one read: what was read before must be there still, else these bytes are of another generation.
        data = self.source.read(self.offset - ahead, ahead + size)
        if found.st_size < self.offset or data[:ahead] != self.near:
            raise Cut
        self._mtime = found.st_mtime_ns
        if len(data) == ahead:
            self._seen_at = seen_at
            if self.offset:
                self.mtime = found.st_mtime_ns
        return data[ahead:]

    def grown(self) -> bool:
        """Whether there is more than was read. Raises OSError."""
        return isinstance(self.source, Plain) and self.source.stat().st_size > self.offset

    def advance(self, data: bytes) -> None:
        """Go on behind `data`, which was read by `peek`."""
        if len(self.head) == self.offset < FINGER:
            self.head += data[: FINGER - len(self.head)]
        if isinstance(self.source, Plain):
            self.near = (self.near + data[-FINGER:])[-FINGER:]
            self.mtime = self._mtime
        self.offset += len(data)
        self.seen = max(self.seen, self.offset)
        self.grew = time.time()
        self.quiet = False

    def remember(self) -> None:
        """Keep what it is recognised by, before its source is left."""
        if self.source is not None:
            self.marks = (len(self.head), digest(self.head), len(self.near), digest(self.near))

    def close(self) -> None:
        """Let go of its source; it may be found again by its marks."""
        if self.source is not None:
            self.source.close()
        self.source = None
