"""What a tree holds, as text that two hosts make alike: kinds, modes, sizes, checksums and link targets.

`sha256sum` writes a backslash before a name with a newline or a backslash in it, so that one line is always one name.
"""

from __future__ import annotations

import msgspec

from cockpit.hosts.pool import HostPool, Unreachable, quoted

LIMIT = 256 * 1024 * 1024
"""Bytes of a manifest that is read; about a million files."""

_SCRIPT = r"""
export LC_ALL=C
cd -- "$1" 2>/dev/null || { echo absent; exit 0; }
find . -type d -exec stat -c 'd %a %n' {} + 2>/dev/null
find . -type f -exec stat -c 's %a %s %n' {} + 2>/dev/null
find . -type l -exec sh -c 'for l do printf "l %s -> %s\n" "$l" "$(readlink "$l")"; done' sh {} + 2>/dev/null
find . -type f -exec sha256sum {} + | sed 's/^/f /'
echo end
"""


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
    pool: HostPool, host: str, path: str, exclude: tuple[str, ...] = (), timeout: float = 600.0
) -> Manifest:
    """Read the tree at `path` of a host. Raises Unreachable, also when the listing was cut off."""
    ran = await pool[host].run(f"sh -c {quoted(_SCRIPT)} cockpit-manifest {quoted(path)}", b"", timeout, LIMIT)
    text = ran.out.decode("utf-8", "surrogateescape")
    if text.strip() == "absent":
        return Manifest(absent=True)
    if ran.exit != 0 or not text.endswith("end\n"):
        raise Unreachable(f"{host}: the listing of {path} was cut off ({ran.text or 'no end mark'})")
    return _parse(text, exclude)


def _parse(text: str, exclude: tuple[str, ...]) -> Manifest:
    entries: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for line in text.split("\n"):
        kind, _, rest = line.partition(" ")
        match kind:
            case "d":
                mode, _, name = rest.partition(" ")
                entries[name] = f"directory {mode}"
            case "s":
                mode, _, rest = rest.partition(" ")
                size, _, name = rest.partition(" ")
                sizes[name] = int(size)
                entries[name] = f"file {mode} {entries.get(name, '')}".strip()
            case "l":
                name, _, target = rest.partition(" -> ")
                entries[name] = f"link {target}"
            case "f":
                escaped = rest.startswith("\\")
                digest, _, name = rest.removeprefix("\\").partition("  ")
                if escaped:
                    name = name.replace("\\n", "\n").replace("\\\\", "\\")
                entries[name] = f"{entries.get(name, 'file')} {digest}"
            case _:
                pass
    kept = {name: what for name, what in entries.items() if not _excluded(name, exclude)}
    return Manifest(entries=kept, sizes={name: size for name, size in sizes.items() if name in kept})


def _excluded(name: str, exclude: tuple[str, ...]) -> bool:
    bare = name.removeprefix("./")
    return any(bare == out.strip("/") or bare.startswith(out.strip("/") + "/") for out in exclude)


def compare(source: Manifest, target: Manifest) -> Difference:
    """What differs, in the order of names."""
    create = tuple(sorted(name for name in source.entries if name not in target.entries))
    change = tuple(
        sorted(name for name, what in source.entries.items() if name in target.entries and target.entries[name] != what)
    )
    surplus = tuple(sorted(name for name in target.entries if name not in source.entries))
    size = sum(source.sizes.get(name, 0) for name in create + change)
    return Difference(create=create, change=change, surplus=surplus, bytes=size)
