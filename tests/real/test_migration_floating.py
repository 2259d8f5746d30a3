"""One site behind a floating address (S42-S49), on real servers and with people on it: back from before the flip, and over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.night import wayback
from tests.real.night.accountant import Accountant
from tests.real.night.floating import ARTICLES, CLOSED, Pair
from tests.real.night.ledger import Ledger
from tests.real.night.night import conducting
from tests.real.rig import RealHost, Rig
from tests.real.world import needs_world
from tests.real.world.databases import psql

pytestmark = needs_world

KINDS = ("articles", "members", "sessions", "forms")
LOST = ("forms", "sessions")


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> Pair:
    return Pair(rig)


@pytest.fixture
def pair(desk: Rig, hosts: Pair) -> Pair:
    """The hosts as before a night."""
    hosts.forget()
    return hosts


def past(host: RealHost, tables: dict[str, str]) -> wayback.Past:
    """A web server to the byte, and its content but for what people left in it."""
    ask = 'cd /; runuser -u postgres -- psql -XAtc "select {}" {}'
    asked = {name: ask.format(text, "site") for name, text in tables.items()}
    asked |= {"databases": ask.format("datname, datcollate, datdba from pg_database order by 1", "postgres")}
    asked |= {"roles": ask.format("rolname, rolsuper, rolcanlogin from pg_roles order by 1", "postgres")}
    asked |= {"address": "ip -o -4 addr show | sed 's/ *valid_lft.*//'", "accounts": "getent passwd; getent group"}
    return wayback.remember(host, ["/srv", "/etc", "/var/backups", "/home", "/usr/local", "/root"], asked=asked)  # fmt: skip


EDITED = (wayback.KEYS, "/srv/www/health", "/srv/site/maintenance")
"""What the night changes, and puts back: by its content, not by its time."""
OLD = {
    "articles": "* from node where number < 0 order by nid",
    "members": "* from users where name not like 'member %' order by uid",
    "preferences": "* from preferences order by uid",
    "tables": "table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2",
}


async def test_taken_back_before_the_flip_both_servers_are_as_before_but_for_what_people_did(
    pair: Pair, tmp_path: Path
) -> None:
    with pair.people() as crowd:
        await crowd.see("write", KINDS, by="old")
        before = {pair.old: past(pair.old, OLD), pair.new: past(pair.new, {})}
        core = wayback.remember(pair.search, ["/srv/search"])
        async with conducting(tmp_path / "run", pair.plan(tmp_path / "plan")) as night:
            await night.go(before="flip")
            assert night.states()["site/health-new"] == "done"
            assert pair.holder() == "web-old"
            await night.back()
            await crowd.see("write", KINDS, by="old")
            await night.end()
        crowd.home()
    for host, was in before.items():
        differences = wayback.differences(was, host, touched=EDITED)
        assert not differences, "\n".join(differences)
    # Old's own core has the articles of tonight; new's is gone.
    assert wayback.differences(core, pair.search, but={"/srv/search/site.json": wayback.anything}) == []
    books = Accountant(crowd.ledger)
    books.busy()
    books.visits("site", ["old"])
    for kind in KINDS:
        books.writes(kind, pair.found(pair.old, kind))
    books.refused([tmp_path / "run"], CLOSED)
    books.journal(tmp_path / "run", undone=True)
    books.settle()


async def test_the_address_goes_to_the_new_site_and_nothing_is_lost_but_the_accepted_losses(
    pair: Pair, tmp_path: Path
) -> None:
    # What people left in an earlier night has the same numbers.
    for kind in KINDS:
        psql(pair.old, f"delete from {TABLES[kind]}", "site")
    with pair.people() as crowd:
        await crowd.see("write", KINDS, by="old")
        async with conducting(tmp_path / "run", pair.plan(tmp_path / "plan")) as night:
            await night.go(before="export")
            # The freezes are partial: articles and registrations are refused, reading, logins and forms go on.
            frozen = {kind: len(crowd.ledger.of("write", kind, "taken")) for kind in ("articles", "members")}
            await crowd.see("write", LOST, by="old")
            await crowd.see("visit", "site", by="old")
            await night.go(before="flip")
            assert {kind: len(crowd.ledger.of("write", kind, "taken")) for kind in frozen} == frozen
            assert "imported, 100 %" in "\n".join(night.state.step("site/import").output)
            assert pair.holder() == "web-old"
            await night.go()
            assert pair.holder() == "web-new"
            await crowd.see("write", KINDS, by="new")
            await crowd.see("visit", "site", by="new")
            await night.until(lambda state: state.services["site"].writer == "new")
            await night.end()
        crowd.home()
    books = Accountant(crowd.ledger)
    books.busy()
    books.visits("site", ["old", "new"])
    for kind in ("articles", "members"):
        books.writes(kind, pair.found(pair.new, kind))
    for kind in LOST:
        books.writes(kind, pair.found(pair.new, kind), lost=taken_by_old(crowd.ledger, kind))
    books.refused([tmp_path / "run"], CLOSED)
    books.journal(tmp_path / "run")
    books.settle()
    # What was there for years came whole, each article on its domain and found by the search.
    assert int(psql(pair.new, "select count(*) from node where number < 0", "multisite")) == ARTICLES
    assert int(psql(pair.new, "select count(*) from domain_access", "multisite")) == ARTICLES + len(
        pair.found(pair.new, "articles")
    )
    assert pair.new.run("curl -sS '127.0.0.1:8080/search?q=umber'").split()[0] == psql(pair.new, "select count(*) from node", "multisite").strip()  # fmt: skip


TABLES = {
    "articles": "node where number > 0",
    "members": "users where name like 'member %'",
    "sessions": "sessions",
    "forms": "cache_form",
}


def taken_by_old(ledger: Ledger, kind: str) -> list[int]:
    """What the plan declares as lost: sessions and forms that the old site took."""
    return [act.number for act in ledger.of("write", kind) if act.outcome != "refused" and act.by != "new"]
