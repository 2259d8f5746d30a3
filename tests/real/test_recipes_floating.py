"""The recipes that the floating address's plan brings along, on PostgreSQL, a search server and a private network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.real.night import relaunch
from tests.real.night.floating import ARTICLES, PRIVATE, SCHEMA, USERS, private
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import listening, needs_world, until, write
from tests.real.world.databases import postgres, postgres_start, postgres_stop, psql

pytestmark = needs_world

RECIPES = Path(__file__).parents[2] / "cockpit/examples/floating/recipes"
DATABASES = "cd /; runuser -u postgres -- psql -XAtc 'select datname from pg_database order by 1'"
IMPORT = {
    "source": "came",
    "database": "multi",
    "domains": "news=n.test\njobs=j.test",
    "owner": "site",
    "batch": "1000",
}
SERVER = f"http://{PRIVATE}.20:8983"


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> tuple[RealHost, RealHost]:
    """A web server with what came from old, and its search server on the private network."""
    new, search = rig.host("new"), rig.host("solr")
    private(rig, new, search)
    postgres(new)
    psql(new, "create role site login")
    psql(new, "create database came owner site")
    psql(new, f"set role site; {SCHEMA}", "came")
    for host in (new, search):
        write(host, "/usr/local/lib/relaunch.py", Path(relaunch.__file__).read_text())
    search.run("mkdir -p /srv/search")
    search.spawn("/usr/bin/python3", "/usr/local/lib/relaunch.py", "search", f"{PRIVATE}.20", "8983", "/srv/search")
    until(lambda: listening(search, 8983), lambda: f"the search server: {search.said()[-500:]}", 30)
    return new, search


@pytest.fixture
def new(hosts: tuple[RealHost, RealHost]) -> RealHost:
    return hosts[0]


def importing(host: RealHost, **params: str) -> Trial:
    return Trial(host, "multisite-import", IMPORT | params, DATABASES, folder=RECIPES)


def test_content_is_imported_whole_with_progress_and_dropped_again(new: RealHost) -> None:
    """S43, S44: the database takes its name only when it is whole."""
    trial = importing(new)
    trial.there_and_back()
    importing(new, batch="2000").cut_anywhere()
    trial.capture()
    said = trial.must("apply")
    assert f"1000 of {ARTICLES} articles imported, 55 %" in said
    assert f"{ARTICLES} of {ARTICLES} articles imported, 100 %" in said
    assert f"{ARTICLES} articles and {USERS + 1} users are the same" in trial.must("verify")
    same = "select md5(string_agg(value, ',' order by uid)) from preferences"
    assert psql(new, same, "came") == psql(new, same, "multi")
    # What users do on new does not make the import wrong; an article that is gone does.
    psql(new, "insert into node (number, title, body) values (1, 'new', 'new')", "multi")
    psql(new, "insert into domain_access select max(nid), 'n.test' from node", "multi")
    trial.must("verify")
    psql(new, "update node set body = 'other' where nid = 7", "multi")
    assert "the articles are not the same" in trial.must("verify", 1)
    trial.back()


def test_an_import_refuses_what_it_cannot_do(new: RealHost) -> None:
    before = importing(new).seen()
    for param in IMPORT:
        for value in (EVIL, "-x", "a\nb"):
            assert "nothing was changed" in importing(new, **{param: value}).must("apply", 2), (param, value)
    lone = importing(new, domains="news=n.test")
    lone.capture()
    assert "no domain shows these sections: jobs" in lone.must("apply", 1)
    assert "no database nowhere" in importing(new, source="nowhere").must("apply", 1)
    # A database that is there already is somebody's.
    there = importing(new, database="postgres")
    assert there.ask("capture").status == 1
    assert "not ours" in there.must("apply", 1)
    there.must("undo")
    postgres_stop(new)
    assert importing(new).ask("capture").status == 2
    importing(new).must("apply", 1)
    postgres_start(new)
    assert importing(new).seen() == before
    assert not evil_left(new)


def test_a_core_of_the_search_server_is_filled_and_removed(new: RealHost) -> None:
    """S44: a back end is a host, too."""
    imported = importing(new)
    imported.capture()
    imported.must("apply")
    params = {"server": SERVER, "core": "multi", "database": "multi"}
    state = f"curl -sS {SERVER}/multi/count; curl -sS {SERVER}/other/count"
    trial = Trial(new, "search-index", params, state, folder=RECIPES)
    trial.there_and_back()
    trial.cut_anywhere()
    trial.capture()
    trial.must("apply")
    assert f"the core finds {ARTICLES // 3} of j.test, {ARTICLES - ARTICLES // 3} of n.test" in trial.must("verify")
    psql(new, "delete from domain_access where nid = 3", "multi")
    assert f"has {ARTICLES // 3} articles of j.test" in trial.must("verify", 1)
    # A core that was there before is nobody's to fill.
    assert replace(trial).ask("capture").status == 1
    trial.back()
    away = replace(trial, params={**params, "server": f"http://{PRIVATE}.20:9"})
    assert away.ask("capture").status == 2
    away.must("apply", 1)
    away.must("verify", 2)
    for param in params:
        for value in (EVIL, "-x", "a\nb"):
            refused = replace(trial, params={**params, param: value})
            assert "nothing was changed" in refused.must("apply", 2), (param, value)
    imported.back()
    assert not evil_left(new)


def test_a_private_path_is_seen_and_one_over_the_public_network_is_told(new: RealHost, rig: Rig) -> None:
    """S44"""
    params = {"from": f"{PRIVATE}.10", "paths": f'{PRIVATE}.20:8983 Solr\n{PRIVATE}.20:22 its "SSH" {EVIL}'}
    trial = Trial(new, "private-paths", params, "ip addr", folder=RECIPES)
    trial.there_and_back(already=False)
    public = rig.hosts["solr"].address
    for paths, why in (
        (f"{PRIVATE}.20:9 nothing", "nothing at"),
        (f"{public}:22 SSH", f"not go out from {PRIVATE}.10 but from {new.address}"),
    ):
        assert why in replace(trial, params={**params, "paths": paths}).must("verify", 1)
    for param, value in (("from", EVIL), ("paths", EVIL), ("paths", "-x"), ("paths", "10.0.0.1:22"), ("from", "a\nb")):
        refused = replace(trial, params={**params, param: value})
        assert "nothing was changed" in refused.must("verify", 2), (param, value)
    assert not evil_left(new)


def test_a_user_logs_in_and_is_known_and_a_wrong_password_is_told(new: RealHost) -> None:
    """S47: users log in again."""
    psql(new, f"insert into users (name, pass) values ($a${EVIL}$a$, $a${EVIL}$a$)", "came")
    psql(new, "create role root superuser login")
    site = f"site 8080 old came site {PRIVATE}.20:8983 /srv"
    new.spawn("/usr/bin/python3", "/usr/local/lib/relaunch.py", *site.split())
    until(lambda: listening(new, 8080), lambda: f"the site: {new.said()[-500:]}", 30)
    params = {"url": "http://127.0.0.1:8080", "user": EVIL, "says": "old"}
    trial = Trial(new, "site-login", params, "true", secrets={"password": EVIL}, folder=RECIPES)
    trial.there_and_back(already=False)
    assert "refused" in replace(trial, secrets={"password": "wrong"}).must("verify", 1)
    assert "not at new" in replace(trial, params={**params, "says": "new"}).must("verify", 1)
    assert "nobody answers" in replace(trial, params={**params, "url": "http://127.0.0.1:9"}).must("verify", 2)
    for value in (EVIL, "-x", "a\nb"):
        assert "nothing was changed" in replace(trial, params={**params, "url": value}).must("apply", 2)
    assert not evil_left(new)
