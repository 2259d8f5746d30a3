"""The demo of the floating IP: an address moves with a health file, and only what was declared is lost."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from cockpit.lab import Lab, stage
from cockpit.lab.stages.floating import LOSSES, tokens
from tests.lab.demos import demo, lab, whole
from tests.lab.test_servers import until
from tests.real.night.night import conducting

pytestmark = pytest.mark.xdist_group("demos")
SWITCHES = ("maintenance", "freeze-content", "freeze-registration")


async def served_by(running: Lab) -> str:
    """Who answers at the address that moves; nothing when nobody does."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            return (await http.get(f"http://{running.where.service}:{running.where.http_port}/served-by")).text.strip()
    except httpx.TransportError:
        return ""


async def comes_to(running: Lab, name: str) -> None:
    seen: list[str] = []

    async def look() -> bool:
        seen.append(await served_by(running))
        return seen[-1] == name

    for _ in range(300):
        if await look():
            return
    raise AssertionError(f"{running.where.service} is not {name}'s but {seen[-1] or 'nobody'}'s")


@pytest.mark.timeout(300)
async def test_the_address_is_held_by_whoever_is_good_and_by_the_preferred_one_of_two(tmp_path: Path) -> None:
    """S42, S45: a health page that says something else gives the address away; so does a keeper or a web server that dies."""
    async with Lab.open(stage("floating"), tmp_path / "lab", traffic=False) as running:
        pages = {id: running.hosts[id].home / "srv/www/health" for id in ("old", "new")}
        addresses = {id: running.hosts[id].home / "var/run/addresses" for id in ("old", "new")}
        await comes_to(running, "old")
        pages["new"].write_text("true\n")
        for _ in range(20):
            assert await served_by(running) == "old", "both are good: the preferred one keeps it"
        pages["old"].write_text("false\n")
        await comes_to(running, "new")
        await until(lambda: [bool(addresses[id].read_text()) for id in ("old", "new")] == [False, True], 30)
        pages["old"].write_text("true\n")
        await comes_to(running, "old")
        await running.kill("keeper-old")
        await comes_to(running, "new")
        await running.restart("keeper-old")
        await comes_to(running, "old")
        await running.kill("web-old")
        await comes_to(running, "new")
        await running.restart("web-old")
        await comes_to(running, "old")


def test_the_site_moves_with_its_address_and_loses_what_was_declared_alone(tmp_path: Path) -> None:
    """S42 to S49, as far as the import of a small site and an address on loopback go."""
    ran = demo("floating", tmp_path)
    whole(ran, "site")
    service = ran.summary["services"]["site"]
    assert (service["writer"]["before"], service["writer"]["after"]) == ("old", "new")
    said = ran.tally
    assert set(said["declared"]) == set(LOSSES.values())
    assert said["refused"]["articles"]
    assert said["refused"]["registrations"]
    assert not any(said["refused"][kind] for kind in LOSSES), "what has no freeze is never refused"
    before = tokens(ran.lab / "old/srv/site/site.db")
    after = {token for token, _ in tokens(ran.lab / "new/srv/site/multisite.db")}
    assert {token for token, kind in before if kind in {"articles", "registrations"}} <= after
    assert {ref: gate["open"] for ref, gate in ran.summary["gates"].items()} == {
        "rehearsal-good": True,
        "go-live": True,
    }


@pytest.mark.timeout(600)
async def test_from_the_flip_it_is_gone_back_to_the_old_server(tmp_path: Path) -> None:
    """The address, the freezes and the maintenance mode are as before, and nothing of the import is left on new."""
    with lab("floating", tmp_path / "lab", "--quiet") as where:
        async with conducting(tmp_path / "run", Path(where["plan"])) as night:
            await night.go(before="holder")
            assert (tmp_path / "lab/new/var/run/addresses").read_text()
            await night.back()
            await night.end()
        assert (tmp_path / "lab/old/var/run/addresses").read_text()
    assert not any((tmp_path / "lab/old/srv/site" / switch).exists() for switch in SWITCHES)
    left = {path.name for path in (tmp_path / "lab/new/srv/site").iterdir()}
    assert left == {"maintenance"}
    assert [path.name for path in (tmp_path / "lab/solr/srv/search").iterdir()] == ["site.json"]
    assert (tmp_path / "lab/old/srv/www/health").read_text() == "true\n"
    assert (tmp_path / "lab/new/srv/www/health").read_text() == "false\n"
