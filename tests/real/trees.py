"""Trees with everything that a file system can hold, and reading them back by Python alone."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import stat
import struct
from pathlib import Path

LONG = 255

NAMES: tuple[bytes, ...] = (
    b"plain",
    b" leading and trailing ",
    b"-rf",
    b"--delete",
    b"-",
    b"~",
    b"#comment",
    b"a\nnewline",
    b"\n",
    b"tab\tand\rreturn",
    b"bell\a and \x1b[31mcolour",
    b"latin-\xe9",
    b"\xff\xfe\x80",
    "ünï-ç0dé-漢字".encode(),
    b"quote'quote\"quote`",
    b"back\\slash",
    b"back\\#012slash",
    b"$HOME $(id) ; & | <x> *?[a]!{b}",
    b"%i %n",
    b"*deleting   x",
    b"x" * LONG,
    b"\xc3" * LONG,
    b"CON:",
    b".hidden",
    b"..double",
)


def acl(entries: list[tuple[int, int, int]]) -> bytes:
    """A POSIX ACL as its extended attribute holds it (Linux, posix_acl_xattr.h): (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
ACL = acl([(1, 6, NOBODY), (2, 5, 4711), (4, 4, NOBODY), (16, 5, NOBODY), (32, 0, NOBODY)])


def everything(top: Path, seed: int = 1, root: bool = True) -> None:
    """Make a tree with one of each below `top`."""
    base = os.fsencode(top)
    os.makedirs(base + b"/deep/er/and/deeper", exist_ok=True)
    chance = random.Random(seed)
    for number, name in enumerate(NAMES):
        path = base + b"/" + name
        with open(path, "wb") as file:
            file.write(chance.randbytes(number * 37))
        folder = base + b"/deep/" + name[:200] + b".d"
        os.mkdir(folder)
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)
    for name in (b"empty", b"read-only", b"sticky"):
        os.mkdir(base + b"/" + name)
    with open(base + b"/read-only/file", "wb") as file:
        file.write(b"in a folder that cannot be written")
    # Hard links, also over folders and to a link.
    with open(base + b"/one", "wb") as file:
        file.write(b"one inode" * 1000)
    os.link(base + b"/one", base + b"/two")
    os.link(base + b"/one", base + b"/deep/er/three")
    os.symlink(b"plain", base + b"/link")
    os.link(base + b"/link", base + b"/same link", follow_symlinks=False)
    os.symlink(b"/nowhere/at/all", base + b"/dangling")
    os.symlink(b"loop-b", base + b"/loop-a")
    os.symlink(b"loop-a", base + b"/loop-b")
    os.symlink(b"/etc", base + b"/absolute")
    os.symlink(b"..", base + b"/deep/up")
    os.symlink(b"new\nline \xff", base + b"/strange target")
    with open(base + b"/sparse", "wb") as file:
        file.seek(40 << 20)
        file.write(b"end")
        file.truncate(48 << 20)
    with open(base + b"/all holes", "wb") as file:
        file.truncate(16 << 20)
    with open(base + b"/blob", "wb") as file:
        file.write(chance.randbytes(3_000_000))
    os.mkfifo(base + b"/fifo", 0o640)
    box = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(base)
    box.bind(b"socket")
    box.close()
    os.chdir(here)
    if root:
        os.mknod(base + b"/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(base + b"/disk", 0o660 | stat.S_IFBLK, os.makedev(7, 200))
        os.chown(base + b"/plain", 4711, 815)
        os.chown(base + b"/link", 12345, 54321, follow_symlinks=False)
        os.chown(base + b"/deep/er", 65534, 3_000_000_000)
        os.setxattr(base + b"/plain", b"trusted.cockpit", b"\x00\xffbinary")
        os.setxattr(base + b"/-rf", b"system.posix_acl_access", ACL)
        os.setxattr(base + b"/deep/er", b"system.posix_acl_access", ACL)
        os.setxattr(base + b"/deep/er", b"system.posix_acl_default", ACL)
    os.setxattr(base + b"/plain", b"user.note", "ü\nnote".encode())
    os.setxattr(base + b"/deep/er/and", b"user.folder", b"x" * 2000)
    modes = {b"plain": 0o4755, b"-rf": 0o2711, b"one": 0o600, b"sticky": 0o1777, b"read-only": 0o555, b".hidden": 0}
    for name, mode in modes.items():
        if name != b"-rf":
            os.chmod(base + b"/" + name, mode)
    for name, when in ((b"plain", 0), (b"one", -86400 * 365), (b"..double", 2**31 + 5), (b"blob", 1234567890)):
        os.utime(base + b"/" + name, ns=(when * 10**9 + 1, when * 10**9 + 123456789))
    os.utime(base + b"/link", ns=(10**18, 10**18), follow_symlinks=False)
    for folder, folders, files in os.walk(base, topdown=False):
        for name in folders + files:
            if (path := folder + b"/" + name) and os.lstat(path).st_mtime > 1.7e9:
                # What rsync makes in the second in which it was made here keeps the fraction of that second.
                os.utime(path, ns=(10**18, 10**18 + 1), follow_symlinks=False)
        os.utime(folder, ns=(10**18, 10**18 + 987654321))


def many(top: Path, count: int, seed: int = 2) -> None:
    """So many small files in folders of a hundred, beside one of everything."""
    everything(top)
    base = os.fsencode(top)
    chance = random.Random(seed)
    when = 1_700_000_000 * 10**9
    for number in range(count // 100):
        folder = base + b"/many/%03d/%05d" % (number // 50, number)
        os.makedirs(folder)
        for index in range(100):
            path = folder + b"/file-%03d" % index
            if index % 50 == 7:
                os.link(folder + b"/file-%03d" % (index - 1), path)
                continue
            with open(path, "wb") as file:
                file.write(chance.randbytes(chance.choice((0, 10, 100, 1000, 3000))))
            os.utime(path, ns=(when, when + number * 1000 + index))


def look(top: Path, times: bool = True) -> dict[bytes, tuple[object, ...]]:
    """Name → all there is to know of it."""
    base = os.fsencode(top)
    found: dict[bytes, tuple[object, ...]] = {}
    inodes: dict[tuple[int, int], bytes] = {}
    names = [b""]
    for folder, folders, files in os.walk(base):
        rest = folder[len(base) :]
        names += [rest + b"/" + name for name in sorted(folders) + sorted(files)]
    for name in sorted(names):
        path = base + name
        it = os.lstat(path)
        content: object = ""
        if stat.S_ISREG(it.st_mode):
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        elif stat.S_ISLNK(it.st_mode):
            content = os.readlink(path)
        elif stat.S_ISCHR(it.st_mode) or stat.S_ISBLK(it.st_mode):
            content = it.st_rdev
        extended = tuple(
            sorted(
                (key, os.getxattr(path, key, follow_symlinks=False))
                for key in os.listxattr(path, follow_symlinks=False)
            )
        )
        group = b""
        if not stat.S_ISDIR(it.st_mode) and it.st_nlink > 1:
            group = inodes.setdefault((it.st_dev, it.st_ino), name)
        when = it.st_mtime_ns if times else 0
        found[name] = (
            stat.S_IFMT(it.st_mode),
            it.st_mode & 0o7777,
            it.st_uid,
            it.st_gid,
            when,
            content,
            group,
            extended,
        )
    return found


def blocks(top: Path, name: str) -> int:
    """Bytes that a file takes on its disk."""
    return (top / name).lstat().st_blocks * 512
