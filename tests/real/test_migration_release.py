"""Releases of KARL (S14-S23) with people on both sites: a build that fails, an evolve that fails, ones that work, a rollback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cockpit.plan.examples import examples
from tests.real.night.accountant import Accountant, numbers
from tests.real.night.night import Night, Wrong, conducting
from tests.real.night.releases import CLIENTS, CLOSED, EVOLVES, NO_BUILD, NO_EVOLVE, PLAIN, SOUND, Releases
from tests.real.rig import Rig
from tests.real.world import needs_world

pytestmark = needs_world


def writes(client: str, tag: str) -> str:
    return f"/srv/karl/{client}/data/{tag}/data/writes"


@dataclass
class Tries:
    """The releases that are tried, with what each has left."""

    site: Releases
    folder: Path
    runs: dict[str, bool] = field(default_factory=dict)
    """Each run with whether it was taken back."""
    faults: list[str] = field(default_factory=list)

    def night(self, tag: str, *, evolve: bool = False) -> AbstractAsyncContextManager[Night]:
        self.runs[tag] = False
        return conducting(self.folder / f"run-{tag}", self.site.plan(self.folder / tag, tag, evolve=evolve))

    @asynccontextmanager
    async def taken_back(self, tag: str, *, evolve: bool = False) -> AsyncIterator[Night]:
        """A release that is taken back, all the way: both hosts are then as before to the byte, but for what users wrote since."""
        past = self.site.past()
        async with self.night(tag, evolve=evolve) as it:
            yield it
            await it.back()
            await it.end()
        self.runs[tag] = True
        self.faults += [f"{tag}: {fault}" for fault in self.site.since(past)]


async def test_releases_fail_unnoticed_go_over_and_are_gone_back_from(desk: Rig, tmp_path: Path) -> None:
    site = Releases(desk)
    tries = Tries(site, tmp_path)
    with site.people() as crowd:
        await crowd.see("write", CLIENTS, by=SOUND)

        # A build that fails: nobody notices, and the failure says so.
        async with tries.taken_back(NO_BUILD) as it:
            with pytest.raises(Wrong, match=r"build is failed(?s:.*)no user impact"):
                await it.go()
        # An evolve that fails on its copy: users could not write for a moment, and that is all.
        async with tries.taken_back(NO_EVOLVE, evolve=True) as it:
            with pytest.raises(Wrong, match=r"evolve is failed(?s:.*)no user impact"):
                await it.go()
        await crowd.see("write", CLIENTS, by=SOUND)
        for client in CLIENTS:
            acts = crowd.ledger.of("visit", client)
            assert {(act.outcome, act.by) for act in acts} == {("taken", SOUND)}
            assert (site.current(client), site.current(client, "data/")) == (SOUND, SOUND)

        # One that works, with its data evolved.
        async with tries.night(EVOLVES, evolve=True) as it:
            await it.go()
            await it.end()
        await crowd.see("write", CLIENTS, by=EVOLVES)
        for client in CLIENTS:
            assert (site.current(client), site.current(client, "data/")) == (EVOLVES, EVOLVES)

        # The next one is gone back from, to the release that was recorded; nothing that was written is lost.
        async with tries.taken_back(PLAIN) as it:
            await it.go()
            await crowd.see("write", CLIENTS, by=PLAIN)
        await crowd.see("write", CLIENTS, by=EVOLVES)
        crowd.home()

    books = Accountant(crowd.ledger)
    books.busy()
    for client in CLIENTS:
        assert (site.current(client), site.current(client, "data/")) == (EVOLVES, EVOLVES)
        books.visits(client, [SOUND, EVOLVES, PLAIN, EVOLVES])
        books.writes(client, numbers(site.karl, writes(client, EVOLVES)))
    assert list(tries.runs.items()) == [(NO_BUILD, True), (NO_EVOLVE, True), (EVOLVES, False), (PLAIN, True)]
    books.refused([tmp_path / f"run-{tag}" for tag in tries.runs], CLOSED)
    for tag, undone in tries.runs.items():
        books.journal(tmp_path / f"run-{tag}", undone=undone)
    books.settle()
    assert not tries.faults, "\n".join(tries.faults)


def test_the_mode_recipe_is_the_same_in_every_example_that_has_it() -> None:
    texts = {example.recipes["karl-mode.sh"] for example in examples().values() if "karl-mode.sh" in example.recipes}
    assert len(texts) == 1
