"""The maintenance page of nginx comes down by a step of its own, and goes up again when that is undone."""

from __future__ import annotations

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.sites import NAME, NGINX, SITE, ask, live, nginx_sites, start_nginx, state
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until

pytestmark = needs_world

PAGE = f"<h1>Back at 3</h1>\n{EVIL}\n"
GIVEN = {"site": SITE["nginx"], "name": NAME, "conf": NGINX, "page": PAGE}


@pytest.fixture(scope="module")
def behind(rig: Rig) -> RealHost:
    """An nginx whose shop stands behind its maintenance page."""
    host = rig.host("new")
    nginx_sites(host)
    page = Trial(host, "nginx-maintenance", GIVEN)
    page.capture()
    page.must("apply")
    return host


def test_the_page_comes_down_and_goes_up_again(behind: RealHost) -> None:
    off = Trial(behind, "nginx-maintenance-off", GIVEN, state=state("nginx"))
    off.there_and_back()
    off.cut_anywhere()
    off.capture()
    off.must("apply")
    assert "the shop of old" in ask(behind, f"http://{NAME}/")
    # Without a page there is nothing to do, and nothing to take back.
    again = Trial(behind, "nginx-maintenance-off", GIVEN, state=state("nginx"))
    before = again.seen()
    assert again.recognised()
    again.capture()
    for op in ("apply", "verify", "undo", "verify_undo"):
        again.must(op)  # type: ignore[arg-type]
    assert again.seen() == before
    off.back()
    assert "503" in ask(behind, f"http://{NAME}/").splitlines()[0]
    assert not evil_left(behind)


def test_another_page_and_a_broken_or_stopped_nginx_are_left_alone(behind: RealHost) -> None:
    off = Trial(behind, "nginx-maintenance-off", GIVEN, state=state("nginx"))
    other = Trial(behind, "nginx-maintenance-off", {**GIVEN, "page": "another"}, state=state("nginx"))
    before = off.seen()
    assert "another one" in other.must("capture", 2)
    assert "another one" in other.must("apply", 2)
    for param in (*GIVEN, "allow", "retry", "check", "at", "conf"):
        for value in (EVIL, f"{EVIL}\nb"):
            odd = Trial(behind, "nginx-maintenance-off", {**GIVEN, param: value}).ask("apply")
            # Any text may be a page: that is another one then.
            assert odd.status == 2, (param, odd)
            assert "another one" in odd.said if param == "page" else "nothing was changed" in odd.said
    assert not evil_left(behind)
    off.capture()
    behind.run("echo 'nonsense;' > /etc/nginx/rig/sites/broken.conf")
    off.turned_away("broken already", live("nginx"))
    behind.run("rm /etc/nginx/rig/sites/broken.conf")
    assert off.seen() == before
    behind.run("kill $(cat /run/nginx.pid)")
    until(lambda: not behind.run("pgrep -x nginx || :").strip(), lambda: "nginx to end", 30)
    assert "is not running" in off.must("apply", 2)
    start_nginx(behind)
    assert off.seen() == before
