"""Each recipe that changes something has stood what it must, on the servers that it is for, as tests/real/stood.json records it."""

from __future__ import annotations

import pytest

from cockpit.plan.recipes import Recipe, Shelf, library
from tests.house.test_recipes import ROOT
from tests.real import stood

SHELF = Shelf(ROOT / "nowhere")
DAEMONS = ("nginx-", "apache-", "postfix-", "exim-", "sendmail-", "supervisor-enable")
"""What changes the configuration of a daemon, or has it read again, refuses one that is broken; so does what is told how to test
one, by a parameter `test`."""

ANEW = "it is made anew each time, and never already so"
ONLY_SAYS = "its undo changes nothing: what was done is done"
EXCEPT: dict[str, dict[str, str]] = {
    "announce": {"twice": ANEW},
    "apache-reload": {"twice": ANEW},
    "backup-restic": {"twice": ANEW},
    "exim-flush": {"cut undo": ONLY_SAYS, "twice": ANEW},
    "mysql-dump": {"twice": ANEW},
    "mysql-figures": {"twice": ANEW},
    "mysql-promote": {"cut undo": ONLY_SAYS},
    "nginx-reload": {"twice": ANEW},
    "postfix-flush": {"cut undo": ONLY_SAYS, "twice": ANEW},
    "postgres-dump": {"twice": ANEW},
    "postgres-figures": {"twice": ANEW},
    "postgres-promote": {"cut undo": ONLY_SAYS},
    "sendmail-flush": {"cut undo": ONLY_SAYS, "twice": ANEW},
}
"""What a recipe need not have stood, and why."""


def changing() -> list[Recipe]:
    """The library's recipes that change something, but for those of the lab, which has one host for all."""
    found = [SHELF.get(name) for name in library()]
    return [one for one in found if one is not None and one.danger != "none" and one.group != "lab"]


def required(found: Recipe) -> set[str]:
    """What it must have stood."""
    params = set(found.params) - found.shell
    facts = {"twice", "cut apply", "cut undo", "undone"}
    facts |= {f"{how} {param}" for how in ("evil", "newline") for param in params}
    if found.name.startswith(DAEMONS) or "test" in found.params:
        facts.add("refused")
    return facts


@pytest.mark.parametrize("found", changing(), ids=lambda found: found.name)
def test_a_recipe_has_stood_what_it_must(found: Recipe) -> None:
    has = stood.all_stood().get(found.name, set())
    excused = EXCEPT.get(found.name, {})
    lacking = sorted(required(found) - has - set(excused))
    assert not lacking, f"{found.name} was not seen to stand: {', '.join(lacking)}. tests/real/stood.py says how"
    needless = sorted(set(excused) & has)
    assert not needless, f"{found.name} has stood {', '.join(needless)}: no exception is wanted"
    assert set(excused) <= required(found), f"an exception for what {found.name} need not stand"


def test_every_exception_is_of_a_recipe_and_has_its_reason() -> None:
    assert set(EXCEPT) <= {found.name for found in changing()}
    assert all(len(why) > 20 for reasons in EXCEPT.values() for why in reasons.values())


def test_what_is_lost_from_the_record_is_named_and_what_was_not_run_is_not() -> None:
    claimed: stood.Stood = {"one": {"a": ["cut apply", "twice"]}, "other": {"b": ["twice"]}}
    assert stood.lost({"one": {"a": ["twice", "undone"]}}, claimed) == ["one: a did not stand: cut apply"]
    assert stood.lost({"one": {"a": ["cut apply", "twice"]}}, claimed) == []
    lines = ['["one", "a", "twice"]', '["one", "a", "undone"]', '["one", "a", "twice"]']
    assert stood.recorded(lines) == {"one": {"a": ["twice", "undone"]}}
