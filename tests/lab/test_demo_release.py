"""The demo of releases: two customers get a new tag, some tags break off, and one release is gone back from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.demos import cockpit, demo, lab, tally, whole
from tests.real.night.night import conducting

CLIENTS = ("osf", "oxfam")
pytestmark = pytest.mark.xdist_group("demos")


def current(folder: Path, client: str, what: str = "") -> str:
    return (folder / "karl/srv/karl" / client / what / "current").resolve().name


def test_a_new_tag_is_built_apart_and_switched_to_while_two_drills_break_off_unnoticed(tmp_path: Path) -> None:
    """S14 to S23, as far as no supervisor or web server of others is needed."""
    ran = demo("release", tmp_path)
    whole(ran, *CLIENTS)
    for client in CLIENTS:
        assert current(ran.lab, client) == "tag-3.3"
        releases = {path.name for path in (ran.lab / "karl/srv/karl" / client / "releases").iterdir()}
        assert releases == {"tag-3.0", "tag-3.3", ".previous", ".restarted"}
    assert (current(ran.lab, "osf", "data"), current(ran.lab, "oxfam", "data")) == ("tag-3.0", "tag-3.3")
    assert {id for id, step in ran.steps("osf").items() if step["state"] == "skipped"} == {
        *("evolve-drill", "read-only", "evolve", "writable"),
    }
    # The site is not offline: every request was answered, also while the application was restarted.
    assert ran.tally["trouble"] == []
    journal = (ran.folder / "journal.jsonl").read_text()
    for why in ("the build of tag-3.1 ended with 1", "the evolve ended with 1 on the copy"):
        assert why in journal
    assert journal.count("no user impact") >= 3


def test_tags_that_break_off_stop_before_the_switch_with_no_user_impact(tmp_path: Path) -> None:
    """S16: the failure says what it did not touch, and nobody's request fails; the next tag is tried on the same hosts."""
    with lab("release", tmp_path / "lab") as where:
        plan = Path(where["plan"])
        text = plan.read_text()
        for tag, step in (("tag-3.1", "build"), ("tag-3.2", "evolve")):
            plan.write_text(text.replace("tag: tag-3.3", f"tag: {tag}"))
            ran = cockpit("run", str(plan), "--headless", runs=tmp_path / f"runs-{tag}")
            assert ran.returncode == 1
            lines = ran.stderr.splitlines()
            said = next(line for line in lines if line.startswith(f"oxfam/{step} ") and "failed" in line)
            assert "no user impact" in said
            assert current(tmp_path / "lab", "oxfam") == "tag-3.0"
            assert current(tmp_path / "lab", "oxfam", "data") == "tag-3.0"
    seen = tally(tmp_path / "lab")
    assert (seen["trouble"], seen["lost"], seen["doubled"]) == ([], [], [])


async def test_a_release_and_its_evolved_data_are_gone_back_from(tmp_path: Path) -> None:
    """S17: both links lead where they led, the folders of the tag are gone, and users are served by the earlier release."""
    with lab("release", tmp_path / "lab", "--quiet") as where:
        async with conducting(tmp_path / "run", Path(where["plan"])) as night:
            await night.go(before="keep")
            assert current(tmp_path / "lab", "oxfam", "data") == "tag-3.3"
            await night.back()
            await night.end()
        for client in CLIENTS:
            home = tmp_path / "lab/karl/srv/karl" / client
            assert (current(tmp_path / "lab", client), current(tmp_path / "lab", client, "data")) == ("tag-3.0",) * 2
            assert {path.name for path in (home / "releases").iterdir()} == {"tag-3.0"}
            assert {path.name for path in (home / "data").iterdir()} == {"tag-3.0", "current"}
            assert "Welcome" in (home / "data/current/pages/index.html").read_text()
