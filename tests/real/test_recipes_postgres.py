"""PostgreSQL's recipes on real clusters: dump, restore, close to writes, compare, sequences, promotion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until
from tests.real.world.databases import postgres, postgres_replica, postgres_start, postgres_stop, psql

pytestmark = needs_world

NAME = EVIL[:43].strip()
"""A database's name has at most 63 bytes, and some recipes add to it."""
EVERYTHING = "cd /; su -s /bin/sh postgres -c \"psql -XAtqc 'select oid, datname, datdba, datacl from pg_database order by 1' -c 'select * from pg_db_role_setting order by 1, 2'\""


@pytest.fixture(scope="module")
def db(rig: Rig) -> RealHost:
    host = rig.host("db")
    postgres(host)
    return host


def shop(db: RealHost, name: str, port: int = 5432) -> None:
    """A database with some of everything."""
    quoted = name.replace('"', '""')
    psql(db, f'create database "{quoted}"', port=port)
    psql(
        db,
        'create schema "odd \' one";'
        "create table goods (id serial primary key, name text, price float8);"
        "insert into goods (name, price) select 'thing ' || n || E'\\n\\\\.', n / 3.0 from generate_series(1, 500) n;"
        'create table "odd \' one"."ta""ble" (a text, b bytea);'
        'insert into "odd \' one"."ta""ble" values (E\'tab\\there\', \'\\x00ff\'), (null, null);'
        "create table sessions (id int); insert into sessions values (1), (2);"
        "create view cheap as select * from goods where price < 10",
        name,
        port,
    )


@contextmanager
def stopped(db: RealHost) -> Iterator[None]:
    """The server is away for a while."""
    postgres_stop(db)
    try:
        yield
    finally:
        postgres_start(db)


@pytest.fixture(scope="module")
def shops(db: RealHost) -> tuple[str, str]:
    """A plain database and one whose name a careless quotation would lose."""
    shop(db, "shop")
    shop(db, NAME)
    return "shop", NAME


def test_a_host_without_setpriv_speaks_to_the_server_as_its_own_account_too(
    db: RealHost, shops: tuple[str, str]
) -> None:
    figures = Trial(db, "postgres-figures", {"database": NAME, "file": "/srv/figures"}, captured={"file": "absent"})
    figures.must("apply")
    wanted = db.run("cat /srv/figures; rm /srv/figures")
    assert wanted
    db.run("mv /usr/bin/setpriv /usr/bin/setpriv.hidden")
    try:
        figures.must("apply")
    finally:
        db.run("mv /usr/bin/setpriv.hidden /usr/bin/setpriv")
    assert db.run("cat /srv/figures; rm /srv/figures") == wanted


def test_a_dump_can_be_read_to_its_end_and_taken_back(db: RealHost, shops: tuple[str, str]) -> None:
    db.run("mkdir -p /srv/dumps; echo before > /srv/dumps/a; chmod 640 /srv/dumps/a; chown mover /srv/dumps/a")
    state = "cd /srv/dumps; ls -ln --time-style=+%s; sha256sum *"
    name = EVIL.replace("/", ":")
    evil = Trial(db, "postgres-dump", {"database": NAME, "file": f"/srv/dumps/{name}\n{name}"}, state)
    evil.there_and_back(already=False)
    evil.captured = {}
    evil.capture()
    # The server's own account needs no password.
    evil.refuses("password", only=("database", "frozen", "host", "port", "user", "password", "account"))
    again = Trial(db, "postgres-dump", {"database": "shop", "file": "/srv/dumps/a"}, state)
    again.cut_anywhere()
    again.capture()
    again.must("apply")
    psql(db, "create table late (id int)", "shop")
    assert "the dump has 3 tables, shop has 4" in again.must("verify", 1)
    db.run("printf x >> /srv/dumps/a")
    assert "not what its checksum says" in again.must("verify", 1)
    again.back()
    psql(db, "drop table late", "shop")


def test_a_dump_of_what_takes_writes_is_refused_where_it_must_be_frozen(db: RealHost, shops: tuple[str, str]) -> None:
    dump = Trial(db, "postgres-dump", {"database": "shop", "file": "/srv/frozen", "frozen": "yes"}, "ls /srv")
    dump.capture()
    before = dump.seen()
    assert "takes writes: freeze it first" in dump.must("apply", 1)
    with stopped(db):
        assert "cannot be asked" in dump.must("apply", 1)
    assert dump.seen() == before
    close = Trial(db, "postgres-readonly", {"database": "shop"})
    close.there()
    dump.must("apply")
    dump.must("verify")
    dump.must("undo")
    close.back()
    assert dump.seen() == before


def test_a_restored_database_takes_its_name_when_it_is_whole(db: RealHost, shops: tuple[str, str]) -> None:
    dumped = Trial(db, "postgres-dump", {"database": "shop", "file": "/srv/shop.dump"})
    dumped.capture()
    dumped.must("apply")
    odd = Trial(db, "postgres-restore", {"database": NAME, "file": "/srv/shop.dump"}, EVERYTHING)
    odd.there_and_back()
    odd.captured = {}
    odd.capture()
    odd.refuses(only=("file", "owner", "encoding", "locale", "host", "port", "user", "account"))
    for param, value in (("database", f"{NAME}\n{NAME}"), ("password", EVIL), ("password", f"{EVIL}\n{EVIL}")):
        odd.given(param, value).given("owner", "nobody").must("apply", 1)
    Trial(db, "postgres-restore", {"database": "shop", "file": "/srv/shop.dump"}, EVERYTHING).cut_anywhere()
    fresh = Trial(db, "postgres-restore", {"database": "fresh", "file": "/srv/shop.dump"}, EVERYTHING)
    before = fresh.seen()
    fresh.there()
    fresh.back()
    assert fresh.seen() == before
    db.run("rm /srv/shop.dump*")


def test_a_dump_that_is_damaged_or_does_not_fit_leaves_the_database_as_it_was(
    db: RealHost, shops: tuple[str, str]
) -> None:
    dumped = Trial(db, "postgres-dump", {"database": "shop", "file": "/srv/x.dump"})
    dumped.capture()
    dumped.must("apply")
    restore = Trial(db, "postgres-restore", {"database": "shop", "file": "/srv/x.dump"}, EVERYTHING)
    before = restore.seen()
    restore.capture()
    db.run("cp /srv/x.dump /srv/good; truncate -s 3000 /srv/x.dump")
    assert "not what its checksum says" in restore.must("apply", 1)
    db.run("rm /srv/x.dump.sha256")
    assert "no dump that can be read" in restore.must("apply", 1)
    db.run(
        "cp /srv/good /srv/x.dump; printf 'spoilt' | dd of=/srv/x.dump bs=1 seek=$(($(wc -c < /srv/good) - 900)) conv=notrunc"
    )
    assert "shop is as it was" in restore.must("apply", 1)
    db.run("truncate -s 100 /srv/x.dump")
    restore.must("verify", 2)
    with stopped(db):
        restore.must("probe", 2)
        restore.must("apply", 1)
        said = restore.given("file", "/srv/good").must("apply", 1)
        assert "the server cannot be asked" in said
        assert said.count("connection to server") == 3, "twice by the probe, and once more"
        assert "the server cannot be asked" in restore.must("undo", 1)
    assert restore.seen() == before
    for name in ("x\ny", "é" * 30):
        odd = Trial(db, "postgres-restore", {"database": name, "file": "/srv/good"})
        assert odd.ask("capture").status == 1
    psql(db, "create database shop_incoming")
    assert "shop_incoming already" in restore.ask("capture").said
    psql(db, "drop database shop_incoming")
    assert restore.seen() == before


def test_a_closed_database_refuses_writes_and_opens_as_it_was(db: RealHost, shops: tuple[str, str]) -> None:
    psql(db, "alter database shop set work_mem = '8MB'; alter database shop set default_transaction_read_only = 'off'")
    Trial(db, "postgres-readonly", {"database": NAME}, EVERYTHING).there_and_back()
    close = Trial(db, "postgres-readonly", {"database": "shop"}, EVERYTHING)
    close.capture()
    close.refuses("password")
    writer = db.spawn("su", "-s", "/bin/sh", "postgres", "-c", "cd /; (echo 'select 1;'; sleep 600) | psql -X shop")
    until(lambda: "1" in psql(db, "select count(*) from pg_stat_activity where datname = 'shop'"), lambda: "a session")
    close.cut_anywhere()
    close.capture()
    close.must("apply")
    assert psql(db, "select count(*) from pg_stat_activity where datname = 'shop'").strip() == "0"
    assert psql(db, "select count(*) from goods", "shop").strip() == "500"
    psql(db, "alter database shop reset default_transaction_read_only")
    assert "takes writes" in close.must("verify", 1)
    close.must("apply")
    close.back()
    writer.kill()
    with stopped(db):
        close.must("probe", 2)
        assert "nothing was changed" in close.must("apply", 1)
        close.must("verify", 2)
    psql(db, "create role robot; alter role robot set default_transaction_read_only = off")
    assert "robot have a setting of their own" in close.must("apply", 1)
    psql(db, "drop role robot; alter database shop reset all")
    assert not evil_left(db)


def test_figures_of_one_host_are_compared_with_those_of_the_other(db: RealHost, shops: tuple[str, str]) -> None:
    where = {"file": f"/srv/figures {EVIL.replace('/', ':')}"}
    take = Trial(db, "postgres-figures", {"database": "shop", **where}, "ls /srv; cat /srv/fig*")
    take.there_and_back(already=False)
    take.captured = {}
    take.capture()
    take.refuses("accepted", "password", only=("accepted", "database", "host", "port", "user", "password", "account"))
    two = take.given("file", f"{where['file']}\ntwo")
    two.there(already=False)
    two.back()
    db.run("echo before > /srv/figures")
    Trial(db, "postgres-figures", {"database": "shop", "file": "/srv/figures"}, take.state).cut_anywhere()
    db.run("rm /srv/figures")
    take.there(already=False)
    compare = Trial(db, "postgres-counts", {"database": NAME, **where}, take.state)
    assert "3 tables with 504 rows are the same on both" in compare.must("apply")
    compare.there_and_back(already=False)
    psql(db, "alter table sessions rename to logins; update goods set price = price + 1e-13 where id = 3;", NAME)
    psql(db, 'delete from "odd \' one"."ta""ble" where a is null', NAME)
    said = compare.must("verify", 1)
    assert "odd ' one.ta\"ble has 2 rows there, 1 here" in said
    assert "public.goods has other contents" in said
    assert "public.logins is here only" in said
    assert "public.sessions is missing here" in said
    lost = "public.sessions\npublic.logins\npublic.goods\nodd ' one.ta\"ble"
    accepting = Trial(db, "postgres-counts", {"database": NAME, "accepted": lost, **where})
    assert "3 accepted as lost" in accepting.must("verify")
    psql(db, "insert into sessions values (3)", "shop")
    assert "written to since" in take.must("verify", 1)
    take.params = {**take.params, "accepted": lost}
    assert "still has these figures" in take.must("verify")
    psql(db, "delete from sessions where id = 3", "shop")
    with stopped(db):
        compare.must("verify", 2)
        assert "nothing was written" in take.must("apply", 1)
    take.back()
    compare.must("verify", 2)
    assert not evil_left(db)


def test_sequences_that_lie_behind_are_moved_up_and_put_back(db: RealHost) -> None:
    name = f"seq {NAME}"[:40]
    quoted = name.replace('"', '""')
    psql(db, f'create database "{quoted}"')
    psql(
        db,
        'create schema "s \' s"; create table "s \' s"."it\'s" (id serial primary key, down int generated always as identity (increment -1));'
        'insert into "s \' s"."it\'s" (id) values (7), (8); alter sequence "s \' s"."it\'s_id_seq" restart with 2;'
        "create sequence loose; create table loosely (id bigint default nextval('loose')); insert into loosely values (9);"
        "create table good (id serial); insert into good default values; create table empty (id serial)",
        name,
    )
    look = "; ".join(
        f"select last_value, is_called from {one}" for one in ('"s \' s"."it\'s_id_seq"', "loose", "good_id_seq")
    )
    state = f"cd /; export PGDATABASE={quote(name)}; setpriv --reuid=postgres --regid=postgres --init-groups psql -XAt <<'E'\n{look}\nE\n"
    ahead = Trial(db, "postgres-sequences", {"database": name}, state)
    assert ahead.seen().split() == ["2|f", "1|f", "1|t"]
    assert "behind" in ahead.must("verify", 1)
    ahead.there_and_back()
    ahead.cut_anywhere()
    ahead.captured = {}
    ahead.capture()
    ahead.refuses("password")
    ahead.there()
    assert ahead.seen().split() == ["8|t", "9|t", "1|t"]
    psql(db, 'insert into "s \' s"."it\'s" default values; insert into loosely default values', name)
    with stopped(db):
        ahead.must("probe", 2)
        ahead.must("apply", 1)
        ahead.must("verify", 2)
    assert not evil_left(db)


def test_a_replica_is_promoted_when_it_has_all_that_its_primary_wrote(db: RealHost) -> None:
    postgres_replica(db, 5433)
    base = {"port": "5433", "within": "30"}
    promote = Trial(db, "postgres-promote", {**base, "primary": "/run/postgresql"})
    assert not promote.recognised()
    assert "a replica still" in promote.must("verify", 1)
    assert "cannot be asked" in Trial(db, "postgres-promote", {**base, "primary": EVIL}).must("apply", 1)
    far = Trial(db, "postgres-promote", {**base, "within": "1", "position": "FF/0"})
    assert "lacks" in far.must("apply", 1)
    # A position that is never reached; without one its own primary is asked.
    far.state, far.params = "ls /var/lib/postgresql", {**far.params, "within": "0"}
    far.refuses("primary", "primary_port")
    near = Trial(db, "postgres-promote", {**base, "within": "0", "primary": "/run/postgresql"}, far.state)
    near.refuses(only=("primary", "primary_port"))
    assert not promote.recognised()
    psql(db, "create database last; create table late as select 1 as one")
    promote.capture()
    promote.cut("apply", 4)
    promote.back()
    promote.there()
    assert psql(db, "select one from late", port=5433).strip() == "1"
    assert "cannot follow its old primary again" in promote.must("undo", 1)
    postgres_stop(db, 5433)
    promote.must("probe", 2)
    promote.must("verify", 2)
    assert not evil_left(db)
