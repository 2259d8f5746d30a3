"""Releases of KARL (S14-S23) with people on both sites: a build that fails, an evolve that fails, ones that work, a rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.plan.examples import examples
from tests.real.night.accountant import Accountant, numbers
from tests.real.night.night import Wrong, conducting
from tests.real.night.releases import CLIENTS, EVOLVES, NO_BUILD, NO_EVOLVE, PLAIN, SOUND, Releases
from tests.real.rig import Rig
from tests.real.world import needs_world

pytestmark = needs_world


def writes(client: str, tag: str) -> str:
    return f"/srv/karl/{client}/data/{tag}/data/writes"


async def test_releases_fail_unnoticed_go_over_and_are_gone_back_from(desk: Rig, tmp_path: Path) -> None:
    site = Releases(desk)
    runs: list[Path] = []

    def night(tag: str) -> Path:
        runs.append(tmp_path / f"run-{tag}")
        return runs[-1]

    with site.people() as crowd:
        for client in CLIENTS:
            await crowd.see("write", client, by=SOUND)

        # A build that fails: nobody notices, and the failure says so.
        async with conducting(night(NO_BUILD), site.plan(tmp_path / NO_BUILD, NO_BUILD)) as it:
            with pytest.raises(Wrong, match=r"build is failed(?s:.*)no user impact"):
                await it.go()
            await it.back()
            await it.end()
        # An evolve that fails on its copy: users could not write for a moment, and that is all.
        async with conducting(night(NO_EVOLVE), site.plan(tmp_path / NO_EVOLVE, NO_EVOLVE, evolve=True)) as it:
            with pytest.raises(Wrong, match=r"evolve is failed(?s:.*)no user impact"):
                await it.go()
            await it.back()
            await it.end()
        for client in CLIENTS:
            await crowd.see("write", client, by=SOUND)
            acts = crowd.ledger.of("visit", client)
            assert {(act.outcome, act.by) for act in acts} == {("taken", SOUND)}
            assert (site.current(client), site.current(client, "data/")) == (SOUND, SOUND)

        # One that works, with its data evolved.
        async with conducting(night(EVOLVES), site.plan(tmp_path / EVOLVES, EVOLVES, evolve=True)) as it:
            await it.go()
            await it.end()
        for client in CLIENTS:
            await crowd.see("write", client, by=EVOLVES)
            assert (site.current(client), site.current(client, "data/")) == (EVOLVES, EVOLVES)

        # The next one is gone back from, to the release that was recorded; nothing that was written is lost.
        async with conducting(night(PLAIN), site.plan(tmp_path / PLAIN, PLAIN)) as it:
            await it.go()
            for client in CLIENTS:
                await crowd.see("write", client, by=PLAIN)
            await it.back()
            for client in CLIENTS:
                await crowd.see("write", client, by=EVOLVES)
            await it.end()
        crowd.home()

    books = Accountant(crowd.ledger)
    books.busy()
    for client in CLIENTS:
        assert (site.current(client), site.current(client, "data/")) == (EVOLVES, EVOLVES)
        books.visits(client, [SOUND, EVOLVES, PLAIN, EVOLVES])
        books.writes(client, numbers(site.karl, writes(client, EVOLVES)))
    for run in runs[2:]:
        books.journal(run)
    books.settle()


def test_the_mode_recipe_is_the_same_in_every_example_that_has_it() -> None:
    texts = {example.recipes["karl-mode.sh"] for example in examples().values() if "karl-mode.sh" in example.recipes}
    assert len(texts) == 1
