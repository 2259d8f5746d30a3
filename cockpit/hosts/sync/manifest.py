"""What a tree holds, as text that two hosts make alike: kinds, modes, sizes, checksums, link targets, and, where both can tell,
ACLs and extended attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync.rsync import unescaped
from cockpit.text import harmless

_OCTAL = re.compile(rb"\\([0-7]{3})")
_HOSTS_OWN = ("security.selinux", "security.ima", "security.evm")

LIMIT = 256 * 1024 * 1024
"""Bytes of a manifest that is read; about a million files."""

# Records end in NUL: a kind, then for each batch the lines of stat and as many names. What vanished between the listing and
# the stat makes the counts differ; then each is asked for alone. What cannot be read is said at the end: a listing with a
# hole must not pass for a tree. The checksums follow as lines; a file in whose path a newline, a return or a backslash is has
# its own record, since sha256sum escapes such names on some systems only. Sockets are left out: no tar carries them.
_SCRIPT = r"""
export LC_ALL=C
cd -- "$1" 2>/dev/null || { echo absent; exit 0; }
batch='kind=$0; s=$(stat -c "%a %s %u:%g %Y %t:%T %h %d:%i" -- "$@" 2>/dev/null)
if [ "$(printf "%s\n" "$s" | wc -l)" -eq $# ]; then printf "%s\0%s\0" "$kind" "$s"; printf "%s\0" "$@"
else for one do
    s=$(stat -c "%a %s %u:%g %Y %t:%T %h %d:%i" -- "$one" 2>/dev/null) && printf "%s\0%s\0%s\0" "$kind" "$s" "$one"; done; fi'
exec 3>&1
cr=$(printf '\r')
bad=$({
find . -type d -exec sh -c "$batch" directory {} + 2>&1 >&3
find . -type f -exec sh -c "$batch" file {} + 2>&1 >&3
find . -type p -exec sh -c "$batch" pipe {} + 2>&1 >&3
find . -type c -exec sh -c "$batch" character {} + 2>&1 >&3
find . -type b -exec sh -c "$batch" block {} + 2>&1 >&3
find . -type l -exec sh -c 'for l do printf "link\0%s\0%s\0" "$(readlink "$l")" "$l"; done' sh {} + 2>&1 >&3
find . -type l -exec sh -c "$batch" symbolic {} + 2>&1 >&3
find . -type f \( -path "*
*" -o -path '*\\*' -o -path "*$cr*" \) -exec \
    sh -c 'for f do printf "sum\0%s\0%s\0" "$(sha256sum <"$f")" "$f"; done' sh {} + 2>&1 >&3
printf 'sums\0' >&3
find . -type f ! -path "*
*" ! -path '*\\*' ! -path "*$cr*" -exec sha256sum {} + 2>&1 >&3
printf '\0attributes\0' >&3
# An ACL is an attribute, too: system.posix_acl_access and system.posix_acl_default.
[ -z "$2" ] || find . ! -type s -exec getfattr -P -h -d -m - -e hex -- {} + 2>&1 >&3
} | grep -v 'No such file or directory' | sort -u | head -n 3)
[ -z "$bad" ] || { printf 'unreadable %s\n' "$bad"; exit 0; }
echo end
"""


class Unreadable(Exception):
    """The account cannot read all of a tree; the sentence says what."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A tree. `entries` maps each name to what it is; two equal maps are two equal trees."""

    absent: bool = False
    entries: dict[str, str] = {}
    sizes: dict[str, int] = {}

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.sizes.values())


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy from one tree to another would do."""

    create: tuple[str, ...] = ()
    change: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    """What the target has and the source has not."""
    bytes: int = 0

    @property
    def moves(self) -> tuple[str, ...]:
        """What has to travel."""
        return self.create + self.change


async def manifest(
    pool: HostPool, host: str, path: str, exclude: tuple[str, ...] = (), timeout: float = 3600.0, owners: bool = False,
    extended: bool = False,
) -> Manifest:  # fmt: skip
    """Read the tree at `path` of a host; `extended` with ACLs and extended attributes, for which it needs getfattr. Raises
    Unreadable; Unreachable, also when the listing was cut off."""
    words = f"{quoted(path)} {'x' if extended else quoted('')}"
    ran = await pool[host].run(f"sh -c {quoted(_SCRIPT)} cockpit-manifest {words}", b"", timeout, LIMIT)
    text = ran.out.decode("utf-8", "surrogateescape")
    if text.strip() == "absent":
        return Manifest(absent=True)
    whole, found, said = text.rpartition("unreadable ")
    if found and whole.endswith(("\n", "\0")):
        raise Unreadable(f"{host}: not all of {path} can be read: {harmless(said.strip(), 200)}")
    if ran.exit != 0 or not text.endswith("end\n"):
        raise Unreachable(f"{host}: the listing of {path} was cut off ({ran.text or 'no end mark'})")
    return _parse(text, exclude, owners)


def _parse(text: str, exclude: tuple[str, ...], owners: bool) -> Manifest:
    entries: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    records = iter(text.split("\0"))
    for kind in records:
        if kind == "sums":
            break
        about = next(records)
        for line in [about] if kind in {"link", "sum"} else about.split("\n"):
            name = next(records)
            if kind == "link":
                entries[name] = f"link {about}"
                continue
            if kind == "sum":
                entries[name] = f"{entries.get(name, 'file')} {about.partition(' ')[0]}"
                continue
            mode, size, owner, when, device, links, inode = line.split(" ")
            if kind == "symbolic":
                entries[name] = f"{entries.get(name, 'link')}{f' {owner}' if owners else ''}"
            else:
                entries[name] = f"{kind} {mode} {when}{f' {owner}' if owners else ''}"
            if kind in {"character", "block"}:
                entries[name] += f" {device}"
            if kind == "file":
                sizes[name] = int(size)
            if kind != "directory" and links != "1":
                groups.setdefault(inode, []).append(name)
    for line in next(records, "").split("\n"):
        digest, mark, name = line.partition("  ")
        if mark:
            entries[name] = f"{entries.get(name, 'file')} {digest}"
    for name, said in _attributes(records):
        entries[name] = f"{entries.get(name, 'file')} {said}"
    for names in groups.values():
        for name in names:
            entries[name] += f" = {min(names)}"
    out = _left_out(entries, exclude)
    kept = {name: what for name, what in entries.items() if name not in out}
    return Manifest(entries=kept, sizes={name: size for name, size in sizes.items() if name in kept})


def _attributes(records: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Names and what getfattr says of each; its blocks begin with `# file: NAME` and end with an empty line."""
    if next(records, "") != "attributes":
        return
    for block in next(records, "").split("\n\n"):
        head, _, rest = block.partition("\n")
        if head.startswith("# file: "):
            name = unescaped(head.removeprefix("# file: ").encode("utf-8", "surrogateescape"), _OCTAL)
            # What a security module writes is each host's own.
            kept = sorted(line for line in rest.split("\n") if line and not line.startswith(_HOSTS_OWN))
            if kept:
                yield name if name == "." else f"./{name}", " ".join(kept)


def _left_out(entries: dict[str, str], exclude: tuple[str, ...]) -> frozenset[str]:
    """The names that the patterns leave out, a folder with all that is in it. Patterns are rsync's (rsync(1), FILTER RULES)."""
    rules = [(pattern.endswith("/"), re.compile(_regex(pattern), re.DOTALL)) for pattern in exclude]
    out: set[str] = set()
    # In the order of names a folder comes before what is in it.
    for name in sorted(entries):
        full = name.removeprefix(".")
        folder = entries[name].startswith("directory")
        if name.rpartition("/")[0] in out or any(
            rule.fullmatch(full) for only_folders, rule in rules if name != "." and (folder or not only_folders)
        ):
            out.add(name)
    return frozenset(out)


def _regex(pattern: str) -> str:
    """A pattern as a regular expression over `/` and a whole name: anchored by a leading `/`, else the end of a path."""
    made = "/" if pattern.startswith("/") else "" if pattern.startswith("**") else ".*/"
    rest = pattern.strip("/")
    while rest:
        if rest.startswith("**"):
            made, rest = made + ".*", rest[2:]
        elif rest[0] in "*?":
            made, rest = made + ("[^/]*" if rest[0] == "*" else "[^/]"), rest[1:]
        elif match := re.match(r"\[([!^]?)(\]?[^\]]*)\]", rest):
            members = re.sub(r"([\\\[&~|^])", r"\\\1", match[2])
            made, rest = f"{made}(?!/)[{'^' if match[1] else ''}{members}]", rest[match.end() :]
        else:
            made, rest = made + re.escape(rest[0]), rest[1:]
    return made


def compare(source: Manifest, target: Manifest) -> Difference:
    """What differs, in the order of names."""
    create = tuple(sorted(name for name in source.entries if name not in target.entries))
    change = tuple(
        sorted(name for name, what in source.entries.items() if name in target.entries and target.entries[name] != what)
    )
    surplus = tuple(sorted(name for name in target.entries if name not in source.entries))
    size = sum(source.sizes.get(name, 0) for name in create + change)
    return Difference(create=create, change=change, surplus=surplus, bytes=size)
