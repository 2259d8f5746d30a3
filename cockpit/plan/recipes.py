"""Where a recipe's text comes from, and what its text says about itself."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import msgspec

_PARAM = re.compile(r"^#[ \t]*param:[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*(.*)$", re.MULTILINE)
_SAYS = re.compile(r"^#[ \t]*(recipe|group|danger|undo|needs):[ \t]*(.*)$", re.MULTILINE)
GROUPS = {
    "web": "Web",
    "mail": "Mail",
    "data": "Data",
    "files": "Files and accounts",
    "releases": "Releases",
    "services": "Services and jobs",
    "switch": "Switch",
    "people": "People",
    "after": "Afterwards",
    "lab": "The lab's conventions",
}
"""What a recipe of the library is about, in the order of a cutover's documents."""
DANGERS = ("none", "low", "high")
"""`none` changes nothing, `low` can be taken back without loss, `high` is felt by users or cannot be taken back whole."""
_FUNCTION = re.compile(r"^[ \t]*(probe|capture|apply|verify|undo|verify_undo)[ \t]*\([ \t]*\)", re.MULTILINE)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A POSIX shell file: its text as it will run, the functions it defines and the parameters it declares.

    `optional` are the parameters whose description says `optional` or `default`, `shell` those whose description begins with
    `shell text`: a host runs them, so a plan fills nothing into them. `danger` is a word of DANGERS, `why` what
    users feel; `undo` what taking it back does; `needs` the commands that the host must have.
    """

    name: str
    text: str
    functions: frozenset[str]
    params: dict[str, str]
    optional: frozenset[str]
    shell: frozenset[str] = frozenset()
    title: str = ""
    group: str = ""
    danger: str = ""
    why: str = ""
    undo: str = ""
    needs: tuple[str, ...] = ()


def parse(name: str, text: str) -> Recipe:
    """What a recipe's text declares."""
    params, said = dict(_PARAM.findall(text)), dict(_SAYS.findall(text))
    danger, _, why = said.get("danger", "").partition(" ")
    return Recipe(
        name=name,
        text=text,
        functions=frozenset(_FUNCTION.findall(text)),
        params=params,
        optional=frozenset(
            key for key, words in params.items() if re.search(r"optional|default", words, re.IGNORECASE)
        ),
        shell=frozenset(key for key, words in params.items() if words.startswith("shell text")),
        title=said.get("recipe", ""),
        group=said.get("group", ""),
        danger=danger,
        why=why.strip(),
        undo=said.get("undo", ""),
        needs=tuple(said.get("needs", "").split()),
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
