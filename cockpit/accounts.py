"""The Unix accounts of this machine: their names, and the groups that several share. Looking one up may ask another machine."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import sys
from collections.abc import Collection

PATIENCE = 30.0
"""Seconds that a process is waited for that looks for a common group."""


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
    if len(shared) < 2:
        return next(iter(shared), None)
    sizes = _sizes(shared)
    return min(shared, key=lambda gid: (sizes[gid], gid))


def common_group_aside(names: Collection[str]) -> int | None:
    """`common_group`, looked for by a process of its own. Listing accounts (getpwall, getgrouplist) stops all threads of a Python
    process until it is over, which takes long where a directory service has them. Raises OSError."""
    import subprocess

    words = [sys.executable, "-P", "-m", "cockpit.accounts", *names]
    try:
        ran = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"the accounts of this machine could not be listed within {PATIENCE:g} s to find a group that you share with "
            + ", ".join(names)
        ) from None
    if ran.returncode:
        why = (ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1]
        raise OSError(f"a group that you share with {', '.join(names)} could not be looked for: {why}")
    return int(ran.stdout) if ran.stdout.strip() else None


def _sizes(gids: Collection[int]) -> dict[int, int]:
    """How many accounts are in each of the groups, those for whom it is the first one included. Lists all accounts once."""
    members: dict[int, set[str]] = {gid: set() for gid in gids}
    for one in pwd.getpwall():
        if one.pw_gid in members:
            members[one.pw_gid].add(one.pw_name)
    for gid, names in members.items():
        with contextlib.suppress(KeyError):
            names.update(grp.getgrgid(gid).gr_mem)
    return {gid: len(names) for gid, names in members.items()}


if __name__ == "__main__":
    found = common_group(sys.argv[1:])
    print("" if found is None else found)
