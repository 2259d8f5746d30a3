"""What each recipe has stood, as its trials record it while they run: `stood.json` beside this file, by module and recipe.

tests/house/test_stood.py says what each recipe that changes something must have stood. A whole run of a module that does not
record what the table says of it fails; `COCKPIT_STOOD=write pytest tests/real/test_recipes_X.py` writes what it records.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

TABLE = Path(__file__).with_name("stood.json")
FILE = "COCKPIT_STOOD_FILE"
"""Names the file to which all processes of a run add what was stood, a line each."""

Stood = dict[str, dict[str, list[str]]]
"""Facts by recipe, by module."""


def note(recipe: str, fact: str) -> None:
    """Record that a recipe has stood something: `twice`, `undone`, `cut OP`, `evil PARAM`, `newline PARAM`, `refused` (a broken
    configuration, with the daemon left as it was)."""
    if file := os.environ.get(FILE):
        module = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
        line = json.dumps([Path(module).stem, recipe, fact])
        with open(file, "a", encoding="utf-8") as out:
            out.write(f"{line}\n")


def recorded(lines: Iterable[str]) -> Stood:
    """The lines of a run as a table."""
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in lines:
        module, recipe, fact = json.loads(line)
        found[module][recipe].add(fact)
    return {
        module: {recipe: sorted(facts) for recipe, facts in sorted(recipes.items())}
        for module, recipes in sorted(found.items())
    }


def table() -> Stood:
    """The table as it was last written."""
    read: Stood = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    return read


def write(run: Stood) -> None:
    """Put what a run has recorded into the table; modules that were not run stay."""
    TABLE.write_text(json.dumps(dict(sorted({**table(), **run}.items())), indent=1) + "\n", encoding="utf-8")


def lost(run: Stood, claimed: Stood) -> list[str]:
    """What the table says of the modules that were run and the run did not record: a sentence each."""
    return [
        f"{module}: {recipe} did not stand: {', '.join(gone)}"
        for module, recipes in claimed.items()
        if module in run
        for recipe, facts in recipes.items()
        if (gone := sorted(set(facts) - set(run[module].get(recipe, []))))
    ]


def all_stood() -> dict[str, set[str]]:
    """Facts by recipe, of all modules."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for recipes in table().values():
        for recipe, facts in recipes.items():
            found[recipe] |= set(facts)
    return found
