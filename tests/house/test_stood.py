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
    "exim-flush": {"cut undo": ONLY_SAYS, "twice": ANEW},
    "postfix-flush": {"cut undo": ONLY_SAYS, "twice": ANEW},
    "sendmail-flush": {"cut undo": ONLY_SAYS, "twice": ANEW},
}
"""What a recipe need not have stood, and why."""

OWED: dict[str, set[str]] = {
    "backup-restic": {
        "evil check",
        "evil repository",
        "evil source",
        "newline check",
        "newline password",
        "newline repository",
        "newline sample",
        "newline source",
        "twice",
    },
    "backup-restorable": {"evil evidence", "newline archive", "newline evidence", "newline into"},
    "backup-take": {"evil source", "evil tries", "newline archive", "newline source", "newline tries"},
    "exim-hold": {"evil routes", "newline routes"},
    "mailman-copy": {"evil accepted", "newline accepted"},
    "monitoring-probe": {"evil check", "evil within", "newline file", "newline within"},
    "nginx-proxy": {
        "evil at",
        "evil check",
        "evil conf",
        "evil name",
        "evil says",
        "evil site",
        "newline at",
        "newline check",
        "newline conf",
        "newline name",
        "newline says",
        "newline site",
    },
    "nginx-redirect": {
        "evil at",
        "evil check",
        "evil conf",
        "evil name",
        "evil site",
        "newline at",
        "newline check",
        "newline conf",
        "newline name",
        "newline site",
    },
    "nginx-reload": {"twice"},
    "nginx-test-vhost": {"evil at", "evil check", "evil says", "newline at", "newline check", "newline says"},
    "nginx-user-redirect": {
        "evil at",
        "evil check",
        "evil code",
        "evil conf",
        "evil name",
        "evil site",
        "newline at",
        "newline check",
        "newline code",
        "newline conf",
        "newline name",
        "newline site",
    },
    "postfix-flush": {"refused"},
    "postfix-redirect": {"evil log", "newline log"},
    "postfix-virtual": {"evil log", "newline log"},
    "supervisor-enable": {"evil config", "newline config", "newline file", "newline name", "newline start"},
}
"""What nobody has tried yet: a debt, which only becomes smaller."""

UNRECORDED = frozenset(
    {
        "accounts-copy",
        "accounts-export",
        "announce",
        "apache-maintenance",
        "apache-proxy",
        "apache-redirect",
        "apache-reload",
        "apache-test-vhost",
        "apache-user-redirect",
        "at-start",
        "at-stop",
        "config-figures",
        "cron-start",
        "cron-stop",
        "data-evolve",
        "digitalocean-reserved-ip",
        "freeze-mount",
        "freeze-permissions",
        "freeze-switch",
        "haproxy-drain",
        "haproxy-switch",
        "hetzner-floating-ip",
        "login-notice",
        "mail-sweep",
        "mailman-export",
        "mailman-figures",
        "mysql-dump",
        "mysql-figures",
        "mysql-promote",
        "mysql-readonly",
        "mysql-restore",
        "postgres-dump",
        "postgres-figures",
        "postgres-promote",
        "postgres-readonly",
        "postgres-restore",
        "postgres-sequences",
        "release-build",
        "release-consumers",
        "release-keep",
        "release-shared",
        "release-switch",
        "repos-figures",
        "spool-figures",
        "sqlite-copy",
        "tls-copy",
    }
)
"""Recipes whose trials are older than the record: they leave this list when their module is run with COCKPIT_STOOD=write."""


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
    excused, owed = EXCEPT.get(found.name, {}), OWED.get(found.name, set())
    if found.name in UNRECORDED:
        assert not has, f"{found.name} is recorded now: take it from UNRECORDED"
        return
    lacking = sorted(required(found) - has - set(excused) - owed)
    assert not lacking, f"{found.name} was not seen to stand: {', '.join(lacking)}. tests/real/stood.py says how"
    needless = sorted((owed | set(excused)) & has)
    assert not needless, f"{found.name} has stood {', '.join(needless)}: no exception is wanted"
    assert owed | set(excused) <= required(found), f"an exception for what {found.name} need not stand"


def test_every_exception_is_of_a_recipe_and_has_its_reason() -> None:
    assert {*EXCEPT, *OWED, *UNRECORDED} <= {found.name for found in changing()}
    assert all(len(why) > 20 for reasons in EXCEPT.values() for why in reasons.values())


def test_what_is_lost_from_the_record_is_named_and_what_was_not_run_is_not() -> None:
    claimed: stood.Stood = {"one": {"a": ["cut apply", "twice"]}, "other": {"b": ["twice"]}}
    assert stood.lost({"one": {"a": ["twice", "undone"]}}, claimed) == ["one: a did not stand: cut apply"]
    assert stood.lost({"one": {"a": ["cut apply", "twice"]}}, claimed) == []
    lines = ['["one", "a", "twice"]', '["one", "a", "undone"]', '["one", "a", "twice"]']
    assert stood.recorded(lines) == {"one": {"a": ["twice", "undone"]}}
