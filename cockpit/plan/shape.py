"""Nodes to typed values, checked against the table of keys: unknown keys, wrong types, missing keys."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from cockpit.plan.findings import Findings, nearest
from cockpit.plan.keys import OBJECTS, Key, Type
from cockpit.plan.reader import Map, Node, Scalar, Seq

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_INT = re.compile(r"[-+]?[0-9]{1,15}")
_DURATION = re.compile(
    r"(?:(\d{1,9}(?:\.\d{1,6})?)d)?(?:(\d{1,9}(?:\.\d{1,6})?)h)?(?:(\d{1,9}(?:\.\d{1,6})?)m(?!s))?(?:(\d{1,9}(?:\.\d{1,6})?)s)?(?:(\d{1,9}(?:\.\d{1,6})?)ms)?"
)
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class Leaf(msgspec.Struct, frozen=True):
    """A scalar with its value in the right type (durations in seconds)."""

    node: Scalar
    value: str | int | float | bool
    pattern: bool = False

    @property
    def line(self) -> int:
        """The line that it begins in, counted from 1."""
        return self.node.line

    @property
    def column(self) -> int:
        """The column that it begins at, counted from 1."""
        return self.node.column

    @property
    def text(self) -> str:
        """The value as text."""
        return str(self.value)


class Items(msgspec.Struct, frozen=True):
    """A list."""

    node: Seq
    items: tuple[Value, ...]


class Table(msgspec.Struct, frozen=True):
    """A map whose keys the user chooses."""

    node: Map
    entries: dict[str, tuple[Scalar, Value]]


class Obj(msgspec.Struct, frozen=True):
    """A map whose keys the table of keys knows. `named` are the keys' own places."""

    node: Map
    name: str
    fields: dict[str, Value]
    named: dict[str, Scalar]

    @property
    def line(self) -> int:
        """The line that it begins in, counted from 1."""
        return self.node.line

    @property
    def column(self) -> int:
        """The column that it begins at, counted from 1."""
        return self.node.column

    def leaf(self, key: str) -> Leaf | None:
        """The scalar of a key, None where there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, Leaf) else None

    def obj(self, key: str) -> Obj | None:
        """The object of a key, None where there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, Obj) else None

    def items(self, key: str) -> tuple[Value, ...]:
        """The list of a key, empty where there is none."""
        value = self.fields.get(key)
        return value.items if isinstance(value, Items) else ()

    def objects(self, key: str) -> tuple[Obj, ...]:
        """The objects in a key's list."""
        return tuple(item for item in self.items(key) if isinstance(item, Obj))

    def leaves(self, key: str) -> tuple[Leaf, ...]:
        """The scalars in a key's list."""
        return tuple(item for item in self.items(key) if isinstance(item, Leaf))

    def entries(self, key: str) -> dict[str, tuple[Scalar, Value]]:
        """The map of a key with its own keys' places, empty where there is none."""
        value = self.fields.get(key)
        return value.entries if isinstance(value, Table) else {}

    def seconds(self, key: str, default: float) -> float:
        """A duration in seconds."""
        leaf = self.leaf(key)
        return float(leaf.value) if leaf is not None and isinstance(leaf.value, int | float) else default

    def number(self, key: str, default: int) -> int:
        """A whole number."""
        leaf = self.leaf(key)
        return leaf.value if leaf is not None and isinstance(leaf.value, int) else default

    def truth(self, key: str, default: bool) -> bool:
        """A yes or no."""
        leaf = self.leaf(key)
        return leaf.value if leaf is not None and isinstance(leaf.value, bool) else default

    def verbatim(self, key: str, default: str = "") -> str:
        """A text in which nothing is filled in."""
        leaf = self.leaf(key)
        return leaf.text if leaf is not None else default


Value = Leaf | Items | Table | Obj


def duration(text: str) -> float | None:
    """Seconds of `250ms`, `5s`, `1m30s`, `2h`, `1d` or a bare number of seconds; None when it is none of them."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)


class Shaper:
    """Turns nodes into values; what does not fit is told and left out, so that everything is told at once."""

    def __init__(self, found: Findings) -> None:
        self._found = found

    def shape(self, node: Node, kind: Type, what: str) -> Value | None:
        """The value of a node that should be `kind`; None when it is not (told)."""
        if kind.also is not None and (isinstance(node, Scalar) or (kind.kind == "list" and isinstance(node, Map))):
            kind = kind.also
        match kind.kind:
            case "object":
                return self._object(node, kind.name, what)
            case "list":
                return self._list(node, kind, what)
            case "map":
                return self._table(node, kind, what)
            case _:
                return self._scalar(node, kind, what)

    def _wrong(self, node: Node, what: str, wanted: str, mend: str = "") -> None:
        self._found.error(node, "type", f"{what} must be {wanted}, not {_kind(node)}", mend)

    def _object(self, node: Node, name: str, what: str) -> Obj | None:
        if not isinstance(node, Map):
            if isinstance(node, Scalar) and node.empty:
                if name in {"template"}:
                    return Obj(Map(node.line, node.column, (), 1), name, {}, {})
                self._found.error(node, "missing-value", f"{what} has no value", _form(name))
            else:
                self._wrong(node, what, "a map of keys", _form(name))
            return None
        keys = {key.name: key for key in OBJECTS[name]}
        fields: dict[str, Value] = {}
        named: dict[str, Scalar] = {}
        for word, value in node.pairs:
            key = keys.get(word.text)
            if key is None:
                self._found.error(
                    word, "unknown-key", f"{_short(word.text)} is no key of {what}", nearest(word.text, keys)
                )
                continue
            named[word.text] = word
            shaped = self.shape(value, key.type, key.name)
            if shaped is not None:
                fields[word.text] = shaped
        for key in keys.values():
            if key.required and key.name not in named:
                self._found.error(
                    node, "missing-key", f"{what} lacks {key.name}: {key.meaning}", f"write {key.example}"
                )
        return Obj(node, name, fields, named)

    def _list(self, node: Node, kind: Type, what: str) -> Items | None:
        if not isinstance(node, Seq):
            mend = f"write [{_short(node.text)}]" if isinstance(node, Scalar) and not node.empty else "write [ … ]"
            self._wrong(node, what, "a list", mend)
            return None
        of = kind.of or Type("text")
        label = f"an entry of {what}" if of.kind != "object" else _article(what)
        shaped = (self.shape(item, of, label) for item in node.items)
        return Items(node, tuple(item for item in shaped if item is not None))

    def _table(self, node: Node, kind: Type, what: str) -> Table | None:
        if not isinstance(node, Map):
            self._wrong(node, what, "a map of names", f"write {what}: {{name: …}}")
            return None
        entries: dict[str, tuple[Scalar, Value]] = {}
        for word, value in node.pairs:
            shaped = self.shape(value, kind.of or Type("text"), f"{what}.{_short(word.text)}")
            if shaped is not None:
                entries[word.text] = (word, shaped)
        return Table(node, entries)

    def _scalar(self, node: Node, kind: Type, what: str) -> Leaf | None:
        if not isinstance(node, Scalar):
            brace = isinstance(node, Map) and kind.kind in {"plain", "pattern"}
            self._wrong(node, what, _WANTED[kind.kind], "put it in quotes if it begins with {" if brace else "")
            return None
        if node.empty:
            self._found.error(
                node, "missing-value", f"{what} has no value", f"give it {_WANTED[kind.kind]} or remove it"
            )
            return None
        problem, mend, value = self._value(node, kind)
        if problem:
            self._found.error(node, problem, f"{what} must be {_wanted(kind)}, not {_short(node.text)}", mend)
            return None
        return Leaf(node, value, kind.kind == "pattern")

    def _value(self, node: Scalar, kind: Type) -> tuple[str, str, str | int | float | bool]:
        """(code of what is wrong or '', how to mend it, the value)."""
        text = node.text
        match kind.kind:
            case "id":
                return ("" if _ID.fullmatch(text) else "id", "use letters, digits, `.`, `_` and `-`", text)
            case "bool":
                good = node.plain and text in _TRUTH
                return ("" if good else "type", "write true or false", _TRUTH.get(text, False))
            case "int":
                good = node.plain and _INT.fullmatch(text) is not None and int(text) >= kind.least
                return ("" if good else "type", "", int(text) if good else 0)
            case "duration":
                seconds = duration(text)
                return ("" if seconds is not None else "duration", "write 250ms, 5s, 1m30s or 2h", seconds or 0.0)
            case "choice":
                return ("" if text in kind.choices else "choice", nearest(text, kind.choices), text)
            case "time":
                return ("" if _is_time(text) else "time", "write 2026-11-21T22:00:00+01:00", text)
            case "pattern":
                return ("" if _is_pattern(text) else "pattern", "escape brackets with \\", text)
            case _:
                return ("", "", text)


_WANTED = {
    "text": "text", "plain": "text", "pattern": "a regular expression", "id": "a name", "duration": "a duration",
    "int": "a whole number", "bool": "true or false", "choice": "one of the words", "time": "a time with its offset",
}  # fmt: skip


def _wanted(kind: Type) -> str:
    if kind.kind == "choice":
        return " or ".join(kind.choices)
    least = f" from {kind.least}" if kind.kind == "int" and kind.least else ""
    return _WANTED[kind.kind] + least


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _kind(node: Node) -> str:
    if isinstance(node, Seq):
        return "a list"
    if isinstance(node, Map):
        return "a map"
    return "nothing" if node.empty else f"the text {_short(node.text)}"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= 40 else words[:39] + "…")[1:-1] or "''"


def _article(what: str) -> str:
    singular = {"services": "service", "steps": "step", "gates": "gate", "logs": "log", "records": "record",
                "contacts": "contact", "needs": "need", "acceptable_losses": "acceptable loss", "queues": "queue",
                "stragglers": "straggler"}.get(what, what)  # fmt: skip
    return f"a {singular}" if singular[0] not in "aeiou" else f"an {singular}"


def _form(name: str) -> str:
    keys: tuple[Key, ...] = OBJECTS[name]
    return f"write {{{', '.join(f'{key.name}: …' for key in keys[:3])}}}"
