"""The demo of charon: five users with different sets of steps, and nothing of theirs lost but what players were told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.lab.stages.charon import GAMES, MAIL, SPOOLS, USERS, WEB, saved
from cockpit.plan.load import load_plan
from tests.lab.demos import demo, whole

pytestmark = pytest.mark.xdist_group("demos")
GROUPS = {"[Web]": WEB, "[Mail]": MAIL, "[Mush]": GAMES}


def test_each_user_moves_with_what_they_have_and_skips_the_rest_with_a_reason(tmp_path: Path) -> None:
    """S50 to S66, as far as homes with keys, a table of addresses, games and name servers in Python go."""
    ran = demo("charon", tmp_path)
    whole(ran, *USERS, "telnet", "gopher")
    titles = {step.id: step.title for step in load_plan(ran.lab / "charon.yaml").service("akira").steps}
    for user in USERS:
        for id, step in ran.steps(user).items():
            group = titles[id].partition(" ")[0]
            if user not in GROUPS.get(group, USERS):
                assert step["state"] == "skipped", (user, id)
            elif group == "[All]":
                assert step["state"] in {"done", "already"}, (user, id)
    assert ran.steps("chiyo")["spool-out"]["state"] == "skipped", "whose mail is forwarded"
    assert ran.steps("chiyo")["mx-remove"]["state"] == "done"
    assert (ran.steps("beni")["game-down"]["state"], ran.steps("daichi")["game-off"]["state"]) == ("done", "done")
    assert ran.steps("akira")["redirect"]["state"] == "done"
    assert ran.steps("beni")["redirect"]["state"] == "skipped"

    said = ran.tally
    assert said["trouble"] == [], "no outage observed by their clients"
    assert set(said["declared"]) == {"built on charon after the announcement, where players stay"}
    old, new = ran.lab / "old", ran.lab / "new"
    for user in SPOOLS:
        assert "An old letter." in (new / "var/mail" / user).read_text()
    for user in GAMES:
        backup, now = (
            saved(old / "home" / user / "mush-backup/save.db"),
            saved(new / "home" / user / "mush/data/save.db"),
        )
        assert backup
        assert now[: len(backup)] == backup
    assert (old / "etc/redirect/emi").exists()
    assert not (old / "etc/redirect/beni").exists()
