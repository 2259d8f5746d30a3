"""The demo of charon: five users with different sets of steps, and nothing of theirs lost but what players were told of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

from cockpit.lab.stages.charon import GAMES, MAIL, SPOOLS, USERS, WEB, ZONE, saved
from cockpit.plan.load import load_plan
from tests.lab.demos import demo, differ, lab, standing, whole
from tests.real.night.night import conducting

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


def records(where: dict[str, Any], user: str) -> list[str]:
    """What each name server says of a user's domain, addresses and MX."""
    found = []
    for server in where["authorities"]:
        for type in ("A", "MX"):
            query = dns.message.make_query(f"{user}.{ZONE}", type)
            answer = dns.query.udp(query, server, port=where["ports"]["dns"], timeout=5)
            found.append(" ".join(sorted(str(item) for one in answer.answer for item in one)))
    return found


async def played(where: dict[str, Any], user: str) -> None:
    """Somebody builds in a user's game on charon, and a wizard has it saved."""
    for who, said, answer in (("kit", "@build hall", b"Built"), ("wizard xyzzy", "@dump", b"aved")):
        reader, writer = await asyncio.open_connection(where["old"], where["ports"][user])
        async with asyncio.timeout(30):
            writer.write(f"connect {who}\n{said}\nQUIT\n".encode())
            heard = await reader.read()
        writer.close()
        assert answer in heard, heard


@pytest.mark.timeout(400)
async def test_users_are_taken_back_while_nothing_has_come_to_them_and_both_hosts_are_as_before(tmp_path: Path) -> None:
    """Beni's game and spool are over, and both tables lead to the new host, to which no message has come yet; emi's page is
    redirected: all that is taken back."""
    users = ("beni", "emi")
    homes = {host: tmp_path / "lab" / host for host in ("old", "new")}
    with lab("charon", tmp_path / "lab", "--quiet") as where:
        for user in GAMES:
            await played(where, user)
        before, names = {host: standing(home) for host, home in homes.items()}, records(where, "beni")
        async with conducting(tmp_path / "run", Path(where["plan"])) as night:
            await night.go(services=users, before=("beni/test-message", "emi/finished"))
            assert records(where, "beni") != names
            assert (homes["old"] / "etc/redirect/emi").exists()
            assert (homes["new"] / "home/beni/mush/run/pid").exists()
            assert not (homes["old"] / "home/beni/mush/run/pid").exists()
            await night.back(services=users)
            await night.end()
        assert records(where, "beni") == names
        for host, home in homes.items():
            assert differ(before[host], standing(home), RUNNING) == {}, host
        assert (homes["old"] / "home/beni/mush/run/pid").exists()


RUNNING = (*(f"home/{user}/mush/run/" for user in GAMES), "var/lock")
"""The games' processes, and what they say while they run; and a lock that nobody holds."""
