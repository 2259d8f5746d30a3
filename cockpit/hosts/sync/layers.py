"""What undo needs to know of a copy's passes: which names came, which were there before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from cockpit.hosts.sync.rsync import Item


def bare(name: str) -> str:
    """A name without its folder's slash; the root is `.`."""
    return name.removeprefix("./").rstrip("/") or "."


def parent(name: str) -> str:
    """The folder that holds it, '' for the root's own entries."""
    return bare(name).rpartition("/")[0]


def nul(names: Iterable[str]) -> bytes:
    """Names as their bytes, each with a NUL behind it."""
    return b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)


def lists(items: Iterable[Item]) -> tuple[bytes, bytes]:
    """From what a pass would do, NUL-ended: the names it would create; and the names whose attributes undo has to know:
    those of which only attributes change, folders that go, and every folder in which something changes."""
    made: set[str] = set()
    touched: set[str] = set()
    for item in items:
        name = bare(item.name)
        touched.add(parent(item.name) or ".")
        if item.created:
            made.add(name)
        elif item.code.startswith((".", "c", "h")) or (item.deleted and item.name.endswith("/")):
            touched.add(name)
    return nul(sorted(made)), nul(sorted(touched - made))


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to go back: remove `made` (deepest first), bring back `kept` of each layer, then remove `lost`."""

    made: tuple[str, ...]
    kept: dict[str, tuple[str, ...]]
    lost: tuple[str, ...]


def back(created: Mapping[str, Iterable[str]], kept: Mapping[str, Iterable[str]], listed: Iterable[str]) -> Plan:
    """`created` and `kept` are names by layer (layers sort in the order of the passes), `listed` those that capture expected.

    A name was there before the copy when it was set aside no later than it was first created: what a later pass set aside may
    be the doing of an earlier one. The first layer that set it aside has it as it was."""
    first_created: dict[str, str] = {}
    first_kept: dict[str, str] = {}
    for layer in sorted(created):
        for name in created[layer]:
            first_created.setdefault(bare(name), layer)
    for layer in sorted(kept):
        for name in kept[layer]:
            first_kept.setdefault(bare(name), layer)
    expected = {bare(name) for name in listed}
    all_made = (set(first_created) | expected) - {"."}
    before = {
        name: layer
        for name, layer in first_kept.items()
        if layer <= first_created.get(name, layer) and not (name in expected and name not in first_created)
    }
    order: dict[str, list[str]] = {}
    for name, layer in before.items():
        order.setdefault(layer, []).append(name)
    deepest = tuple(sorted(all_made, reverse=True))
    return Plan(
        made=deepest,
        kept={layer: tuple(sorted(names)) for layer, names in sorted(order.items())},
        lost=tuple(name for name in deepest if name not in before),
    )
