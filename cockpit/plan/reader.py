"""YAML 1.2 text to nodes that know their line and column. Bounded: no alias bomb, no endless nesting, no traceback."""

from __future__ import annotations

from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from cockpit.plan.findings import Findings

DEPTH = 40
"""Levels of nesting; the deepest key of a plan stands at about ten."""
NODES = 500_000
"""Nodes after aliases are followed: a plan of 500 services without a template stays far below."""
BYTES = 16_000_000


class Spot(msgspec.Struct, frozen=True):
    """A place in the file, counted from 1."""

    line: int
    column: int


class Scalar(msgspec.Struct, frozen=True):
    """`plain`: written without quotes, so that it may mean a number or a truth value. `quoted` shifts columns by one."""

    line: int
    column: int
    text: str
    plain: bool
    one_line: bool = True
    size: int = 1
    style: str = ""
    """The quote that it is written in, or `|` and `>` of a block."""

    @property
    def empty(self) -> bool:
        """Whether it stands for nothing at all, as a key without a value does."""
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


class Seq(msgspec.Struct, frozen=True):
    """A list; `size` counts all nodes in it, itself included."""

    line: int
    column: int
    items: tuple[Node, ...]
    size: int


class Map(msgspec.Struct, frozen=True):
    """A map, in the order of the file; `size` counts all nodes in it, itself included."""

    line: int
    column: int
    pairs: tuple[tuple[Scalar, Node], ...]
    size: int


Node = Scalar | Seq | Map


class _Open:
    """A collection that is still being read."""

    def __init__(self, line: int, column: int, anchor: str, mapping: bool) -> None:
        self.line, self.column, self.anchor, self.mapping = line, column, anchor, mapping
        self.items: list[Node] = []
        self.size = 1


class _Stop(Exception):
    """Reading cannot go on; the finding is already told."""


def read(raw: bytes, found: Findings) -> Node | None:
    """The root node, or None when the bytes are no single YAML document (told in `found`)."""
    if len(raw) > BYTES:
        found.error(
            Spot(1, 1), "too-large", f"the file has {len(raw)} bytes; a plan may have {BYTES}", "write templates"
        )
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        spot = Spot(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        found.error(spot, "not-utf8", f"byte 0x{raw[error.start]:02x} is not UTF-8", "save the file as UTF-8")
        return None
    try:
        return _Composer(found).compose(text)
    except _Stop:
        return None
    except ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        before = text[:at]
        spot = Spot(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        found.error(spot, "control-character", "a control character stands here", "remove it")
    except MarkedYAMLError as error:
        _syntax(error, found)
    except Exception as error:  # the parser raises bare errors of many kinds for malformed directives and escapes
        found.error(Spot(1, 1), "yaml", f"this is not YAML: {type(error).__name__}", "check it with a YAML editor")
    return None


def _syntax(error: MarkedYAMLError, found: Findings) -> None:
    mark = error.problem_mark or error.context_mark
    spot = Spot(mark.line + 1, mark.column + 1) if mark is not None else Spot(1, 1)
    problem = " ".join(str(error.problem or error.context or "cannot be read").split())
    if "\\t" in problem or "tab" in problem.lower():
        found.error(spot, "tab", "a tab is used for indentation", "YAML indents with spaces")
        return
    context = f" {' '.join(str(error.context).split())}" if error.context else ""
    found.error(spot, "yaml", f"this is not YAML{context}: {problem}", "check quotes, colons and indentation")


class _Composer:
    def __init__(self, found: Findings) -> None:
        self._found = found
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Open] = []
        self._total = 0
        self._root: Node | None = None

    def compose(self, text: str) -> Node | None:
        documents = 0
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "documents", "a second document begins here", "one file holds one plan")
            elif isinstance(event, ScalarEvent):
                self._scalar(event)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._begin(event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._end()
            elif isinstance(event, AliasEvent):
                self._alias(event)
        if self._root is None:
            self._found.error(Spot(1, 1), "empty", "the file holds no plan", "`cockpit init` writes a first one")
        return self._root

    def _stop(self, event: Any, code: str, message: str, mend: str = "") -> None:
        self._found.error(_spot(event), code, message, mend)
        raise _Stop

    def _untagged(self, event: Any) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in {"None", "", "!"}:
            self._found.error(
                _spot(event), "tag", "YAML tags have no meaning in a plan", "remove the word that begins with !"
            )

    def _scalar(self, event: Any) -> None:
        spot = _spot(event)
        self._untagged(event)
        plain = event.style is None or event.style == ""
        one_line = event.start_mark.line == event.end_mark.line
        node = Scalar(spot.line, spot.column, event.value, plain, one_line, style=event.style or "")
        self._put(node, event.anchor)

    def _begin(self, event: Any) -> None:
        self._untagged(event)
        if len(self._stack) >= DEPTH:
            self._stop(event, "nesting", f"this is nested more than {DEPTH} levels deep", "a plan needs about ten")
        spot = _spot(event)
        self._stack.append(_Open(spot.line, spot.column, event.anchor or "", isinstance(event, MappingStartEvent)))

    def _end(self) -> None:
        done = self._stack.pop()
        if not done.mapping:
            self._put(Seq(done.line, done.column, tuple(done.items), done.size), done.anchor)
            return
        pairs: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(done.items[::2], done.items[1::2], strict=False):
            if not isinstance(key, Scalar):
                self._found.error(key, "key", "a key must be a word", "put it in quotes if it begins with a bracket")
            elif key.text in pairs:
                first = pairs[key.text][0]
                self._found.error(
                    key,
                    "duplicate-key",
                    f"{key.text} stands here again; first on line {first.line}",
                    "keep one of them",
                )
            else:
                pairs[key.text] = (key, value)
        self._put(Map(done.line, done.column, tuple(pairs.values()), done.size), done.anchor)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:
            inside = any(opened.anchor == event.anchor for opened in self._stack)
            why = "contains itself" if inside else "is defined nowhere before"
            self._stop(event, "alias", f"*{event.anchor} {why}", f"define &{event.anchor} above, outside of it")
        else:
            self._put(node, None, event)

    def _put(self, node: Node, anchor: str | None, event: Any = None) -> None:
        self._total += node.size if event is not None else 1
        if self._total > NODES:
            self._found.error(
                _spot(event) if event is not None else node,
                "too-large",
                f"the plan grows past {NODES} nodes",
                "write templates instead of aliases",
            )
            raise _Stop
        if anchor:
            self._anchors[anchor] = node
        if self._stack:
            top = self._stack[-1]
            top.items.append(node)
            top.size += node.size
        else:
            self._root = node


def _spot(event: Any) -> Spot:
    return Spot(event.start_mark.line + 1, event.start_mark.column + 1)
