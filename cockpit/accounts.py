"""The Unix accounts of this machine: their names, and the groups that several share. Looking one up may ask another machine."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from collections.abc import Collection


def account_of(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def groups_of(name: str) -> set[int]:
    """The numbers of the groups that an account is in; none for one that is not there."""
    try:
        return set(os.getgrouplist(name, pwd.getpwnam(name).pw_gid))
    except KeyError:
        return set()


def group_of(gid: int) -> str:
    """The name of a group, or its number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def common_group(names: Collection[str]) -> int | None:
    """A group that these accounts and this one are in, the one with the fewest members; root may use any of theirs. None without
    one."""
    shared = set.intersection(*(groups_of(name) for name in names)) if names else set()
    if os.geteuid() != 0:
        shared &= {os.getegid(), *os.getgroups()}
    return min(shared, key=lambda gid: (_members(gid), gid)) if shared else None


def _members(gid: int) -> int:
    """How many accounts are in a group, those for whom it is the first one included."""
    members = {one.pw_name for one in pwd.getpwall() if one.pw_gid == gid}
    with contextlib.suppress(KeyError):
        members |= set(grp.getgrgid(gid).gr_mem)
    return len(members)
