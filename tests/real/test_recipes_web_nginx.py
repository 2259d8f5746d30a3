"""Recipes for sites of nginx, on a real nginx."""

from __future__ import annotations

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.sites import NAME, NGINX, OTHER, SITE, ask, nginx_sites, state
from tests.real.trial import EVIL, Trial
from tests.real.world import needs_world

pytestmark = needs_world


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    host = rig.host("old")
    nginx_sites(host)
    return host


def trial(host: RealHost, recipe: str, **params: str) -> Trial:
    given = {"site": SITE["nginx"], "name": NAME, "conf": NGINX} | params
    return Trial(host, recipe, given, state=state("nginx"))


PAGE = f"<h1>Back at 3</h1>\n{EVIL}\n# cockpit nginx-maintenance {NAME}: end\n$host ${{host}} %{{REQUEST_URI}}\n"


def test_a_maintenance_page_stands_for_strangers_only_and_goes_away(old: RealHost) -> None:
    page = trial(old, "nginx-maintenance", page=PAGE, allow="192.0.2.7 2001:db8::/32", retry="120")
    page.there_and_back()
    page.cut_anywhere()


def test_the_page_is_what_the_operator_wrote_on_every_address_of_the_site(old: RealHost) -> None:
    page = trial(old, "nginx-maintenance", page=PAGE + "x" * 9000, allow=old.address)
    page.there()
    for url in (f"http://{NAME}/deep?x=1", f"https://{NAME}/xx"):
        said = ask(old, url)
        assert " 503" in said.splitlines()[0]
        assert "Retry-After: 300" in said
        assert said.replace("\r\n", "\n").endswith("\n\n" + PAGE + "x" * 9000)
        assert "the shop of old" in ask(old, f"http://{NAME}/", at=old.address)
    assert "the other site" in ask(old, f"http://{OTHER}/")
    page.back()
