"""The recipes of the demos' hosts: forward, twice, back, cut off in the middle, with the parameters of each demo's plan."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from cockpit.lab import Lab, stage
from cockpit.plan.load import load
from cockpit.plan.model import Op
from tests.lab.trials import LabTrial, Place, Walk
from tests.real.trial import SHELLS

LOOKS = {
    "accounts-same", "back-and-forth", "drill", "freeze-drill", "lists-same", "mail-through", "names-answer", "no-stragglers",
    "notify-owner", "patches-verify", "private-paths", "queue-empty", "services-answer", "sqlite-dump", "table-counts",
    "table-figures", "who-answers",
}  # fmt: skip
"""What looks, or is made anew each time, and so is never already so."""


DRILLS = {"back-and-forth", "drill"}
"""What lets another recipe break off: that one is cut off in its own trial."""
LIFE: Sequence[Op] = ("probe", "capture", "apply", "verify", "undo")
FINAL = {"notify-owner"}
"""What cannot be taken back, and says so."""


def tried(trial: LabTrial) -> None:
    """All that a recipe must stand."""
    if trial.recipe in FINAL:
        trial.there(already=False)
        # Cut off before it is sent, it is sent once.
        trial.cut("apply", 1)
        trial.must("apply")
        trial.must("verify")
        assert trial.must("undo", 1)
    else:
        trial.there_and_back(already=trial.recipe not in LOOKS, shells=SHELLS[:1])
    if trial.recipe not in FINAL | DRILLS:
        trial.cut_anywhere()
    # Another recipe that acts on what runs would do so from a copy of the host's files, too.
    trial.runs_no_parameter(("probe", "capture") if trial.recipe in DRILLS else LIFE)


def forward(trial: LabTrial) -> None:
    """What a step does on its way through a plan."""
    trial.capture()
    trial.must("apply")
    trial.must("verify")


async def walked(lab: Lab, refs: str, recipes: str, *volatile: str) -> None:
    """A plan's steps in this order; these recipes are tried where they are first used."""
    plan = load(lab.plan_path).plan
    assert plan is not None
    left, walk = set(recipes.split()), Walk(lab, plan, volatile)

    def work() -> None:
        for ref in refs.split():
            trial = walk.step(ref)
            if trial is None:
                continue
            if trial.recipe in left:
                left.discard(trial.recipe)
                tried(trial)
            forward(trial)

    await asyncio.to_thread(work)
    assert not left, f"no step uses {left}"


async def test_recipes_of_a_client_s_night(lab: Lab) -> None:
    await walked(
        lab,
        "osf/test-site osf/presync osf/maintenance-on osf/hold-mail osf/redirect-mail osf/bridge osf/final-sync osf/promote"
        " osf/release-mail osf/notify-owner osf/outside-check osf/stragglers",
        "site-mode maintenance-page mail-hold mail-redirect proxy-bridge mail-release notify-owner mail-through no-stragglers",
    )


async def test_recipes_of_a_user_s_move(tmp_path: Path) -> None:
    async with Lab.open(stage("charon"), tmp_path / "lab", traffic=False) as lab:
        await walked(
            lab,
            "akira/account-out akira/account-over akira/account akira/first-copy akira/test-site akira/spool-out akira/spool"
            " akira/spool-in akira/virtusertable-neko-base akira/redirect",
            "account-out account-in virtual-host spool-in virtusertable user-redirect",
            "mush",
        )


async def test_recipes_of_a_whole_server(tmp_path: Path) -> None:
    async with Lab.open(stage("community"), tmp_path / "lab", traffic=False) as lab:
        proof = f"archive-sha256 {'ab' * 32}"
        Place(lab, lab.hosts["etch"]).run(f"mkdir var/backups/evidence; echo {proof} > var/backups/evidence/srv")
        await walked(
            lab,
            "server/folders server/freeze-drill server/test-services accounts/export accounts/carry accounts/copy accounts/copy-homes"
            " server/read-only accounts/export-again accounts/carry-again accounts/add-new accounts/compare"
            " rt/figures rt/dump rt/carry rt/restore rt/counts projects/copy-repositories projects/figures projects/carry-figures"
            " projects/verify-repositories lists/copy-archives lists/stop-mailman lists/figures lists/final-copy lists/same"
            " lists/start-mailman lists/flush planet/copy planet/stop-cron planet/final-copy planet/start-cron"
            " projects/copy-code trac/copy server/move-names server/verify-names etch/stop",
            "accounts-in accounts-out accounts-same folders freeze-drill job-off job-on lists-figures lists-off lists-on lists-same"
            " names-answer patches-figures patches-verify queue-empty read-only services-answer stop-services table-counts"
            " table-figures",
            "planet/runs",
            "planet/index",
        )


async def test_recipes_of_a_floating_address(tmp_path: Path) -> None:
    async with Lab.open(stage("floating"), tmp_path / "lab", traffic=False) as lab:
        # An import waits after each batch: one is enough here.
        with closing(sqlite3.connect(lab.hosts["old"].home / "srv/site/site.db")) as link, link:
            link.execute("delete from node where nid > 100")
        await walked(
            lab,
            "site/private-old site/holder-before site/export site/carry site/restore site/import site/search-index",
            "private-paths who-answers sqlite-dump sqlite-restore multisite-import search-index",
        )


async def test_recipes_of_a_release(tmp_path: Path) -> None:
    async with Lab.open(stage("release"), tmp_path / "lab", traffic=False) as lab:
        await walked(
            lab,
            "osf/build-drill osf/build osf/shared osf/mutable osf/evolve-drill osf/read-only osf/evolve osf/switch osf/consumers"
            " osf/writable osf/back-drill",
            "drill back-and-forth",
            "/log",
        )
