"""What a sync must know of its two hosts before it decides: tools and versions, rights, and how its paths stand."""

from __future__ import annotations

import asyncio

import msgspec

from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import guard, parts
from cockpit.hosts.sync.rsync import SENTINEL, Ability, ability
from cockpit.plan.model import Sync
from cockpit.text import harmless

_SCRIPT = r"""
export LC_ALL=C; cd || exit 1
echo "uid=$(id -u)"; echo "user=$(id -un 2>/dev/null || id -u)"
echo "machine=$(cat "${COCKPIT_MACHINE_ID_FILE:-/etc/machine-id}" 2>/dev/null | head -n 1)"
command -v rsync >/dev/null && echo "rsync=$(rsync --version 2>/dev/null | tr '\n' ' ')"
command -v ssh >/dev/null && echo "ssh=$(ssh -V 2>&1 | head -n 1)"
command -v getfattr >/dev/null && echo getfattr=yes
tar --version 2>/dev/null | grep -q 'GNU tar' && echo tar=gnu
[ -f .ssh/authorized_keys ] && [ -w .ssh/authorized_keys ] && echo keys=yes
n=0
for path do
    if [ ! -e "$path" ]; then echo "path.$n=absent"
    elif [ ! -d "$path" ]; then echo "path.$n=file"
    elif [ ! -x "$path" ] || [ ! -r "$path" ]; then echo "path.$n=closed"
    elif [ -z "$(ls -A "$path" | grep -v '^\.cockpit-sync$' | head -n 1)" ]; then echo "path.$n=empty"
    else echo "path.$n=full"; fi
    [ -f "$path/.cockpit-sync" ] && echo "sentinel.$n=$(head -c 4000 "$path/.cockpit-sync" | head -n 1)"
    n=$((n + 1))
done
echo end=end
"""
assert SENTINEL in _SCRIPT


class Pair(msgspec.Struct, frozen=True):
    """One path to copy, as it is named on either side."""

    source: str
    target: str


def pairs(action: Sync) -> tuple[Pair, ...]:
    """The paths of a sync, with where each lands."""
    to = action.to or action.paths
    return tuple(
        Pair(source.rstrip("/") or "/", target.rstrip("/") or "/")
        for source, target in zip(action.paths, to, strict=True)
    )


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One host. `paths` says of each path: absent, file, closed, empty or full; `sentinels` are lines, '' where none is."""

    host: str
    root: bool
    user: str
    mark: str
    rsync: Ability | None
    ssh: str
    keys: bool
    getfattr: bool
    gnu_tar: bool
    paths: tuple[str, ...]
    sentinels: tuple[str, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Both hosts of a sync."""

    source: HostFacts
    target: HostFacts

    @property
    def rsync(self) -> bool:
        """Whether both have one that speaks what is needed."""
        return self.source.rsync is not None and self.target.rsync is not None

    @property
    def owners(self) -> bool:
        """Whether owners can be read and made as they are."""
        return self.source.root and self.target.root

    @property
    def tar_extended(self) -> bool:
        """Whether tar can carry ACLs and extended attributes, and what came of them can be read."""
        both = (self.source, self.target)
        return self.owners and all(side.gnu_tar and side.getfattr for side in both)

    @property
    def tar_words(self) -> str:
        """What a tar stream leaves out."""
        lacking = ["sockets", *([] if self.tar_extended else ["ACLs", "extended attributes"])]
        if not self.owners:
            lacking.append("owners and devices without root on both")
        exact = self.source.gnu_tar and self.target.gnu_tar
        return f"a tar stream does not carry {', '.join(lacking)}{'' if exact else ', nor fractions of a second'}"

    @property
    def extended(self) -> str:
        """`AX`, `A`, `X` or '': what both rsyncs can carry."""
        one, two = self.source.rsync, self.target.rsync
        if one is None or two is None:
            return ""
        return ("A" if one.acls and two.acls else "") + ("X" if one.xattrs and two.xattrs else "")

    @property
    def inplace(self) -> bool:
        """Whether the target's rsync takes `--inplace` together with `--sparse` (NEWS of 3.1.3)."""
        return self.target.rsync is not None and tuple(map(int, self.target.rsync.version.split("."))) >= (3, 1, 3)

    @property
    def words(self) -> str:
        """The tools, as a sentence."""
        said = []
        for side in (self.source, self.target):
            it = side.rsync
            said.append(
                f"{side.host} rsync {it.version} (protocol {it.protocol})" if it else f"{side.host} has no rsync 3"
            )
        lacking = [
            what for what, letter in (("ACLs", "A"), ("xattrs", "X")) if self.rsync and letter not in self.extended
        ]
        text = ", ".join(said)
        if lacking:
            text += f"; {' and '.join(lacking)} cannot be carried: one of them was built without"
        if self.rsync and not (self.source.root and self.target.root):
            text += "; without root on both, owners and devices stay what the account may make"
        return text


async def facts(pool: HostPool, action: Sync) -> Facts:
    """Ask both hosts at once. Raises Unreachable."""
    both = pairs(action)
    source, target = await asyncio.gather(
        _ask(pool, action.source, [pair.source for pair in both]),
        _ask(pool, action.target, [pair.target for pair in both]),
    )
    return Facts(source=source, target=target)


async def _ask(pool: HostPool, host: str, paths: list[str]) -> HostFacts:
    words = " ".join(quoted(parts.here(path)) for path in paths)
    ran = await pool[host].run(f"exec sh -c {quoted(_SCRIPT)} cockpit-facts {words}", b"", 60.0)
    found: dict[str, str] = {}
    for line in ran.out.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        found.setdefault(name, value)
    if "end" not in found:
        raise Unreachable(
            f"{host}: it could not be asked for its tools and paths ({ran.text or 'the answer was cut off'})"
        )
    return HostFacts(
        host=host,
        root=found.get("uid") == "0",
        user=harmless(found.get("user", ""), 64),
        mark=guard.host_mark(found.get("machine", ""), host),
        rsync=ability(found.get("rsync", "")),
        ssh=harmless(found.get("ssh", ""), 80),
        keys="keys" in found,
        getfattr="getfattr" in found,
        gnu_tar="tar" in found,
        paths=tuple(found.get(f"path.{index}", "absent") for index in range(len(paths))),
        sentinels=tuple(harmless(found.get(f"sentinel.{index}", ""), 4000) for index in range(len(paths))),
    )
