"""Letting another Unix account into the session by name, and out again: the folder's x right, the socket's group and mode, and
tmux's own access list. All three must say yes."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat

from cockpit.accounts import common_group, group_of
from cockpit.pairing.place import Place
from cockpit.pairing.tmux import INSTALL, LISTED, READERS_SEND, NoTmux


class NoAccess(Exception):
    """An account cannot be let in or out; the sentence says why."""


WRITER = (
    "{user} can type into this session, and with that can do all that {owner} can do on this machine: a tmux client that may "
    "write opens a shell as {owner} with one command. Let in only whom you would give {owner}'s password. "
    "`cockpit watch` from their own account gives none of that."
)
READER = (
    "{user} looks and cannot type. That is against slips, not against intent: who reaches a tmux socket, also to read, can run "
    "programs as {owner} (a format of list-clients does it){more}. Let in only whom you would give {owner}'s password. "
    "`cockpit watch` from their own account gives none of that."
)
"""Both tried with tmux 3.3a; the code of list-clients is the same in 3.7."""


def known(user: str) -> pwd.struct_passwd:
    """The account of that name. Raises NoAccess."""
    try:
        found = pwd.getpwnam(user)
    except KeyError as error:
        raise NoAccess(f"there is no account {user} on this machine") from error
    if found.pw_uid == os.getuid():
        raise NoAccess(f"{user} is this account: it comes in with `cockpit pair --join`")
    if found.pw_uid == 0:
        raise NoAccess("root comes in without being let in: `tmux -S` with the socket's path is enough")
    return found


def allow(place: Place, user: str, version: tuple[int, int], *, write: bool) -> list[str]:
    """Let an account in. Returns what was done and what it means, as sentences. Raises NoAccess, NoTmux, OSError."""
    if version < LISTED:
        raise NoAccess(
            f"tmux {version[0]}.{version[1]} has no access list, so that nobody can be let in by name; 3.3 has: {INSTALL}"
        )
    person = known(user)
    with contextlib.suppress(NoTmux):  # It may be on the list already, with the other right.
        place.server.run("server-access", "-a", user)
    place.server.run("server-access", "-w" if write else "-r", user)
    said = _open(place, person)
    owner = pwd.getpwuid(os.getuid()).pw_name
    more = ", and send keys" if version >= READERS_SEND else ", and make themselves a writer by switch-client -r"
    said.append((WRITER if write else READER).format(user=user, owner=owner, more=more))
    return said


def _open(place: Place, person: pwd.struct_passwd) -> list[str]:
    """The way to the socket, through the narrowest door that there is."""
    gid = common_group([person.pw_name])
    others = [user for user in allowed(place) if user != person.pw_name]
    now = place.path.stat()
    held = not now.st_mode & stat.S_IXOTH and (not others or now.st_gid == gid)
    if gid is not None and held:
        os.chown(place.socket, -1, gid)
        place.socket.chmod(0o660)
        os.chown(place.path, -1, gid)
        place.path.chmod(0o710)
        return [
            f"The socket belongs to the group {group_of(gid)} (mode 0660) now; tmux takes nobody of it but {person.pw_name}."
        ]
    place.socket.chmod(0o666)
    place.path.chmod(0o711)
    why = "You and they share no group" if gid is None else "Those who are let in share no one group"
    return [
        f"{why}: every account can reach the socket now (mode 0666), and tmux's access list alone keeps the others out."
    ]


def disallow(place: Place, user: str, version: tuple[int, int]) -> list[str]:
    """Let an account out: its clients are thrown out, and the door is shut behind the last. Raises NoAccess, NoTmux, OSError."""
    if version < LISTED:
        raise NoAccess(f"tmux {version[0]}.{version[1]} has no access list: nobody was let in by name")
    known(user)
    if user not in allowed(place):
        raise NoAccess(f"{user} was not let in; {', '.join(allowed(place)) or 'nobody'} is")
    place.server.run("server-access", "-d", user)
    if allowed(place):
        return [f"{user} is out."]
    place.path.chmod(0o700)
    place.socket.chmod(0o600)
    return [f"{user} is out, and nobody else is let in: the socket is closed to other accounts again (mode 0600)."]


def allowed(place: Place) -> list[str]:
    """The accounts that tmux's list holds beside the owner's. Raises NoTmux."""
    owner = pwd.getpwuid(os.getuid()).pw_name
    lines = (text.split(" ")[0] for text in place.server.run("server-access", "-l").splitlines())
    return [name for name in lines if name and name != owner]
