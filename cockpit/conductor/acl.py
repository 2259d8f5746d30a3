"""Letting other accounts reach a folder and a socket: by an access list of the file system, else by a common group.

The list is written as the kernel keeps it (acl(5); the layout is that of `system.posix_acl_access` in linux/posix_acl_xattr.h),
so no program has to be installed for it, and no root is needed: the files are our own."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from cockpit.accounts import common_group_aside, group_of

_NAME = "system.posix_acl_access"
_VERSION = 2
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class NoWayIn(Exception):
    """The accounts cannot be let in; the sentence says why, and what would help."""


def let_in(folder: Path, socket: Path, accounts: dict[str, int]) -> str:
    """Let the accounts (name → uid) read the folder and connect to the socket in it, and nobody else. Returns what was done, in
    words. Looking for a group may take long: it is nothing for an event loop. Raises NoWayIn, OSError."""
    uids = sorted(accounts.values())
    try:
        # The folder comes last: nobody can be at the socket before it has its list.
        _write(socket, 6, uids, 6)
        _write(folder, 7, uids, 5)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return _by_group(folder, socket, accounts)
    return f"an access list on {folder} names {', '.join(sorted(accounts))}"


def _write(path: Path, own: int, uids: list[int], may: int) -> None:
    entries = [(_USER_OBJ, own, _NO_ID), *((_USER, may, uid) for uid in uids)]
    entries += [(_GROUP_OBJ, 0, _NO_ID), (_MASK, may if uids else 0, _NO_ID), (_OTHER, 0, _NO_ID)]
    packed = struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, _NAME, packed)


def _by_group(folder: Path, socket: Path, accounts: dict[str, int]) -> str:
    """Without access lists: a group of ours in which all of them are."""
    gid = common_group_aside(accounts)
    if gid is not None:
        os.chown(socket, -1, gid)
        socket.chmod(0o660)
        os.chown(folder, -1, gid)
        folder.chmod(0o750)
        return f"{folder} is open to the group {group_of(gid)}; others in it are turned away"
    names = ", ".join(sorted(accounts))
    raise NoWayIn(
        f"the file system of {folder} keeps no access lists, and you share no group with {names}; "
        "set COCKPIT_DOORS to a folder on one that does, which they can enter"
    )
