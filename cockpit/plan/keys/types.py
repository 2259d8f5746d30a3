"""What a value in a plan file may be."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["text", "plain", "pattern", "id", "duration", "int", "bool", "choice", "time", "object", "list", "map"]


class Type(msgspec.Struct, frozen=True):
    """What a value may be. `of` is the item of a list or a map, `name` the object, `also` another form that is allowed.

    `plain` text takes `{variable}`; `pattern` is a regular expression that takes it escaped; `text` is left verbatim.
    """

    kind: Kind
    of: Type | None = None
    name: str = ""
    choices: tuple[str, ...] = ()
    also: Type | None = None
    least: int = 0


class Key(msgspec.Struct, frozen=True):
    """One key of an object: its type, what it means and an example in YAML."""

    name: str
    type: Type
    meaning: str
    example: str = ""
    required: bool = False


TEXT, PLAIN, PATTERN, ID = Type("text"), Type("plain"), Type("pattern"), Type("id")
DURATION, INT, BOOL, TIME = Type("duration"), Type("int"), Type("bool"), Type("time")
COUNT = Type("int", least=1)


def one_of(*choices: str) -> Type:
    """One of a few words."""
    return Type("choice", choices=choices)


def listing(of: Type, also: Type | None = None) -> Type:
    """`also` is a map that may stand for a list of one."""
    return Type("list", of=of, also=also)


def table(of: Type) -> Type:
    """A map whose keys the user chooses."""
    return Type("map", of=of)


def obj(name: str, also: Type | None = None) -> Type:
    """An object of the table of keys; `also` is a scalar that may stand for it."""
    return Type("object", name=name, also=also)


SIDE = one_of("old", "new")
VANTAGE = one_of("old", "new", "world")
