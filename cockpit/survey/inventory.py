"""What an old host holds, from the lines of `inventory.sh`. Pure. Whatever the host says is text, and made harmless here."""

from __future__ import annotations

from importlib import resources

import msgspec

from cockpit.text import harmless

MOST = 16 << 20
"""Bytes of an answer."""


class Item(msgspec.Struct, frozen=True):
    """One find. `odd`: a name that is no UTF-8 or holds control codes, which no plan can name."""

    kind: str
    fields: tuple[str, ...]
    odd: bool = False

    def field(self, number: int) -> str:
        """A field, '' where the line was shorter."""
        return self.fields[number] if number < len(self.fields) else ""


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """All finds, each once, in the order of the script. `whole` is false when the script was cut off."""

    items: tuple[Item, ...] = ()
    whole: bool = False

    def of(self, *kinds: str) -> list[Item]:
        """The finds of some kinds."""
        return [item for item in self.items if item.kind in kinds]


def script() -> str:
    """What runs on the host; it only reads."""
    return resources.files("cockpit.survey").joinpath("inventory.sh").read_text(encoding="utf-8")


def parse(out: bytes) -> Inventory:
    """The finds of what the script printed."""
    items: dict[Item, None] = {}
    whole = False
    for raw in out.split(b"\n"):
        kind, *fields = (_text(field) for field in raw.split(b"\t"))
        whole = whole or kind[0] == "end"
        if kind[0] and kind[0] != "end":
            items[Item(kind[0], tuple(text for text, _ in fields), any(odd for _, odd in fields))] = None
    return Inventory(items=tuple(items), whole=whole)


def _text(raw: bytes) -> tuple[str, bool]:
    try:
        text, odd = raw.decode("utf-8"), False
    except UnicodeDecodeError:
        text, odd = raw.decode("utf-8", "backslashreplace"), True
    shown = harmless(text, 4000)
    return shown, odd or shown != text
