"""Where a recipe's text comes from, and what its text says about itself."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import msgspec

_PARAM = re.compile(r"^#[ \t]*param:[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*(.*)$", re.MULTILINE)
_TITLE = re.compile(r"^#[ \t]*recipe:[ \t]*(.*)$", re.MULTILINE)
_FUNCTION = re.compile(r"^[ \t]*(probe|capture|apply|verify|undo|verify_undo)[ \t]*\([ \t]*\)", re.MULTILINE)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A POSIX shell file: its text as it will run, the functions it defines and the parameters it declares.

    `optional` are the parameters whose description says `optional` or `default`.
    """

    name: str
    text: str
    functions: frozenset[str]
    params: dict[str, str]
    optional: frozenset[str]
    title: str = ""


def parse(name: str, text: str) -> Recipe:
    """What a recipe's text declares."""
    params = dict(_PARAM.findall(text))
    return Recipe(
        name=name,
        text=text,
        functions=frozenset(_FUNCTION.findall(text)),
        params=params,
        optional=frozenset(
            key for key, words in params.items() if re.search(r"optional|default", words, re.IGNORECASE)
        ),
        title=found[1] if (found := _TITLE.search(text)) else "",
    )


class Shelf:
    """The recipes beside a plan, then the library's. Each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Recipe | None] = {}

    def get(self, name: str) -> Recipe | None:
        """The recipe, or None when neither place has a readable one."""
        if name not in self._read:
            self._read[name] = self._find(name)
        return self._read[name]

    def names(self) -> tuple[str, ...]:
        """All names there are, sorted."""
        own = {path.stem for path in (self._folder / "recipes").glob("*.sh")}
        return tuple(sorted(own | set(library())))

    def _find(self, name: str) -> Recipe | None:
        own = self._folder / "recipes" / f"{name}.sh"
        shared = resources.files("cockpit").joinpath("recipes", f"{name}.sh")
        for place in (own, shared):
            try:
                return parse(name, place.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError):
                continue
        return None


def library() -> tuple[str, ...]:
    """Names of the library's recipes, sorted."""
    folder = resources.files("cockpit").joinpath("recipes")
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name[:-3] for entry in folder.iterdir() if entry.name.endswith(".sh")))
