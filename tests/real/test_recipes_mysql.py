"""MySQL's and MariaDB's recipes on a real MariaDB: dump, restore, close to writes, compare, promotion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left, without
from tests.real.world import needs_world, until, write
from tests.real.world.databases import mariadb, mariadb_start, mariadb_stop, mysql, socket

pytestmark = needs_world

NAME = EVIL[:60].replace("/", "|").strip()
PASSWORD = EVIL + "#; \\\n[mysql]\nno-such-option \\"
DATABASES = 'mariadb --no-defaults -Ne \'select * from information_schema.schemata; select table_schema, table_name, create_time from information_schema.tables where table_schema not in ("mysql", "information_schema", "performance_schema", "sys")\''


@pytest.fixture(scope="module")
def db(rig: Rig) -> RealHost:
    host = rig.host("db")
    mariadb(host)
    secret = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    mysql(
        host,
        f"create user app@'%' identified by '{secret}'; grant select, insert, create, drop, execute, lock tables, show view, trigger, event on *.* to app@'%'",
    )
    for name in ("shop", NAME):
        shop(host, name)
    return host


def shop(db: RealHost, name: str) -> None:
    """A database with some of everything."""
    quoted = name.replace("`", "``")
    mysql(
        db,
        f"create database `{quoted}` character set latin1; use `{quoted}`;"
        "create table goods (id int auto_increment primary key, name text character set utf8mb4, price double, at timestamp);"
        "insert into goods (name, price, at) select concat('thing ', seq, '\\n'';'), seq / 3.0, now() from seq_1_to_500;"
        "create table `ta``ble 'x'` (a varchar(20) unique, b blob); insert into `ta``ble 'x'` values ('tab\\there', x'00ff'), (null, null);"
        "create table sessions (id int); insert into sessions values (1), (2);"
        "create view cheap as select * from goods where price < 10;"
        "create trigger later before insert on sessions for each row set new.id = new.id + 1;"
        "create procedure nothing() select 1",
    )


@contextmanager
def stopped(db: RealHost) -> Iterator[None]:
    """The server is away for a while."""
    mariadb_stop(db)
    try:
        yield
    finally:
        mariadb_start(db)


def test_a_dump_is_whole_and_can_be_taken_back(db: RealHost) -> None:
    db.run("mkdir -p /srv/dumps; echo before > /srv/dumps/a; chmod 640 /srv/dumps/a; chown mover /srv/dumps/a")
    state = "cd /srv/dumps; ls -ln --time-style=+%s; sha256sum *"
    name = EVIL.replace("/", ":")
    evil = Trial(db, "mysql-dump", {"database": NAME, "file": f"/srv/dumps/{name}\n{name}"}, state)
    evil.there_and_back(already=False)
    evil.captured = {}
    evil.capture()
    # By its socket root needs no password.
    evil.refuses("password", only=("database", "frozen", "socket", "host", "port", "user", "password"))
    again = Trial(db, "mysql-dump", {"database": "shop", "file": "/srv/dumps/a", "frozen": "no"}, state)
    again.cut_anywhere()
    again.capture()
    again.must("apply")
    mysql(db, "create table late (id int)", "shop")
    assert "the dump has 3 tables, shop has 4" in again.must("verify", 1)
    mysql(db, "drop table late", "shop")
    db.run("printf x >> /srv/dumps/a")
    assert "not what its checksum says" in again.must("verify", 1)
    again.back()
    frozen = Trial(db, "mysql-dump", {"database": "shop", "file": "/srv/dumps/a", "frozen": "yes"}, state)
    before = frozen.seen()
    frozen.capture()
    assert "takes writes" in frozen.must("apply", 1)
    with stopped(db):
        frozen.must("apply", 1)
        again.must("apply", 1)
    assert frozen.seen() == before


def test_a_password_goes_to_the_client_on_no_command_line(db: RealHost) -> None:
    login = {"database": "shop", "user": "app", "host": "127.0.0.1", "file": "/srv/figures.app"}
    figures = Trial(db, "mysql-figures", login, "ls /srv", secrets={"password": PASSWORD})
    figures.there_and_back(already=False)
    figures.captured = {}
    figures.capture()
    figures.refuses("accepted", "socket")
    figures.secrets = {"password": "wrong"}
    assert "nothing was written" in figures.must("apply", 1)
    assert "app" in figures.must("verify", 1) or not figures.recognised()


def test_a_restored_database_has_every_row_of_the_dump(db: RealHost) -> None:
    dumped = Trial(db, "mysql-dump", {"database": "shop", "file": "/srv/shop.sql"})
    dumped.capture()
    dumped.must("apply")
    name = f"new {NAME}"[:60].strip()
    restore = Trial(db, "mysql-restore", {"database": name, "file": "/srv/shop.sql"}, DATABASES)
    restore.there_and_back()
    restore.captured = {}
    restore.capture()
    restore.refuses("password", only=("file", "socket", "host", "port", "user", "password"))
    for text in (f"{NAME}\n{NAME}", "a\nb"):
        assert restore.given("database", text).must("apply", 1)
    mysql(db, "create database empty character set latin1 collate latin1_german2_ci")
    existing = Trial(db, "mysql-restore", {"database": "empty", "file": "/srv/shop.sql"}, DATABASES)
    existing.cut_anywhere()
    existing.there()
    mysql(db, "update goods set price = 0 where id = 77", "empty")
    existing.must("verify", 1)
    assert "holds 5 tables, views, routines and events already" in existing.ask("capture").said
    existing.back()
    before = existing.seen()
    assert Trial(db, "mysql-restore", {"database": "a\nb", "file": "/srv/shop.sql"}).ask("capture").status == 1
    db.run("cp /srv/shop.sql /srv/bad.sql; sed -i '$d' /srv/bad.sql")
    bad = Trial(db, "mysql-restore", {"database": "empty", "file": "/srv/bad.sql"}, DATABASES)
    bad.capture()
    assert "no whole dump" in bad.must("apply", 1)
    db.run("sed -i 's/^CREATE TABLE `sessions`/CREATE TABEL `sessions`/' /srv/shop.sql; rm /srv/shop.sql.sha256")
    existing.capture()
    assert "cannot be restored" in existing.must("apply", 1)
    with stopped(db):
        existing.must("probe", 2)
        existing.must("apply", 1)
    assert existing.seen() == before
    assert not evil_left(db)


PARTS = (
    "create table t (id int auto_increment primary key, a varchar(40)); insert into t (a) values ('it''s),(here;'), (null), (');'), ('\\\\');"
    "create view less as select id from t; create trigger later before insert on t for each row set new.id = new.id + 1;"
    "create procedure nothing() select 1; create function one() returns int deterministic return 1;"
    "create event never on schedule every 1 year do select 1"
)


def test_an_import_that_lacks_what_comes_after_the_rows_is_not_taken_for_the_whole(db: RealHost) -> None:
    mysql(db, f"create or replace database parts; use parts; {PARTS}")
    dumped = Trial(db, "mysql-dump", {"database": "parts", "file": "/srv/parts.sql"})
    dumped.capture()
    dumped.must("apply")
    whole = db.run("cat /srv/parts.sql").splitlines(keepends=True)
    starts = ("-- Dumping events", "-- Dumping routines", "-- Final view structure", "/*!50003 SET @saved_cs_client ")
    ends = {start: next(at for at, line in enumerate(whole) if line.startswith(start)) for start in starts}
    restore = Trial(db, "mysql-restore", {"database": "half", "file": "/srv/parts.sql"}, DATABASES)
    for start, end in ends.items():
        mysql(db, "drop database if exists half; create database half")
        write(db, "/srv/half.sql", "".join(whole[:end]))
        db.run("mariadb --no-defaults half < /srv/half.sql")
        assert not restore.recognised(), start
        assert "not the tables" in restore.must("verify", 1), start
    mysql(db, "drop database half; create database half")
    restore.there()
    assert mysql(db, "select one() from less limit 1; show triggers; show events", "half").count("\n") == 3
    restore.must("undo")
    for only in ("create procedure mine() select 1", "create event mine on schedule every 1 year do select 1"):
        mysql(db, f"drop database if exists half; create database half; use half; {only}")
        assert "holds 1 tables, views, routines and events already" in restore.ask("capture").said
    mysql(db, "drop database half; drop database parts")


def test_a_dump_of_an_older_client_has_the_same_rows(db: RealHost) -> None:
    mysql(db, f"create or replace database parts; use parts; {PARTS}")
    dumped = Trial(db, "mysql-dump", {"database": "parts", "file": "/srv/parts.sql"})
    dumped.capture()
    dumped.must("apply")
    # Older clients write all rows of a table into one line.
    db.run("rm /srv/parts.sql.sha256")
    lines = db.run("cat /srv/parts.sql").splitlines()
    start = lines.index("INSERT INTO `t` VALUES")
    end = next(at for at in range(start, len(lines)) if lines[at].endswith(");"))
    assert end - start == 4
    one = f"{lines[start]} {''.join(lines[start + 1 : end + 1])}"
    write(db, "/srv/parts.sql", "\n".join([*lines[:start], one, *lines[end + 1 :]]))
    restore = Trial(db, "mysql-restore", {"database": "older", "file": "/srv/parts.sql"}, DATABASES)
    restore.there()
    mysql(db, "update t set a = 'it''s),(' where id = 1", "older")
    restore.must("verify", 1)
    restore.must("undo")
    mysql(db, "drop database parts")


def test_figures_of_one_host_are_compared_with_those_of_the_other(db: RealHost) -> None:
    where = {"file": f"/srv/figures {EVIL.replace('/', ':')}"}
    take = Trial(db, "mysql-figures", {"database": "shop", **where}, "ls /srv; cat /srv/fig*")
    db.run("echo before > /srv/figures")
    Trial(db, "mysql-figures", {"database": "shop", "file": "/srv/figures"}, take.state).cut_anywhere()
    take.there(already=False)
    dumped = Trial(db, "mysql-dump", {"database": "shop", "file": "/srv/copy.sql"})
    dumped.capture()
    dumped.must("apply")
    name = f"copy {NAME}"[:60].strip()
    restored = Trial(db, "mysql-restore", {"database": name, "file": "/srv/copy.sql"})
    restored.there(already=False)
    compare = Trial(db, "mysql-counts", {"database": name, **where}, take.state)
    assert "3 tables with 504 rows are the same on both" in compare.must("apply")
    compare.there_and_back(already=False)
    mysql(db, "rename table sessions to logins; update goods set price = price + 0.001 where id = 3;", "shop")
    mysql(db, "delete from `ta``ble 'x'` where a is null", "shop")
    assert "written to since" in take.must("verify", 1)
    compare.params = {"database": "shop", **where}
    said = compare.must("verify", 1)
    assert "ta`ble 'x' has 2 rows there, 1 here" in said
    assert "goods has other contents" in said
    assert "logins is here only" in said
    assert "sessions is missing here" in said
    compare.params = {"database": "shop", "accepted": "sessions\nlogins\ngoods\nta`ble 'x'", **where}
    assert "3 accepted as lost" in compare.must("verify")
    take.params = {**take.params, "accepted": compare.params["accepted"]}
    assert "still has these figures" in take.must("verify")
    with stopped(db):
        compare.must("verify", 2)
        assert "nothing was written" in take.must("apply", 1)
    take.back()
    restored.back()
    compare.must("verify", 2)
    assert not evil_left(db)


@pytest.mark.parametrize("hidden", [("mysql", "mysqldump"), ("mariadb", "mariadb-dump")])
def test_a_client_is_found_by_its_old_name_and_by_its_new_one(db: RealHost, hidden: tuple[str, ...]) -> None:
    # One is a link to the other.
    db.run(
        "cd /usr/bin; for t in mysql mysqldump; do cp --remove-destination $(readlink -f $t) $t.own; mv $t.own $t; done"
    )
    dump = Trial(db, "mysql-dump", {"database": "shop", "file": "/srv/names.sql", "frozen": "no"}, "ls /srv")
    restore = Trial(db, "mysql-restore", {"database": "names", "file": "/srv/names.sql"})
    with without(db, *hidden):
        dump.there(already=False)
        restore.there()
        restore.back()
        dump.back()
    nothing = ("mysql", "mysqldump", "mariadb", "mariadb-dump")
    dump.blind(*nothing, ops={"apply": 1})


def test_a_closed_server_refuses_an_application_s_writes_and_opens_as_it_was(db: RealHost) -> None:
    look = "mariadb --no-defaults -Ne 'select @@global.read_only'"
    bare = Trial(db, "mysql-readonly", {}, look)
    bare.cut_anywhere()
    tried = {"database": NAME, "writer": "app", "host": "127.0.0.1"}
    db.run("touch /root/.my.cnf; printf '[client]\\nsocket=/run/mysqld/mysqld.sock\\n' > /root/.my.cnf")
    close = Trial(db, "mysql-readonly", {**tried, "host": "localhost"}, look, secrets={"writer_password": PASSWORD})
    close.there_and_back()
    close.there()
    mysql(db, "set global read_only = 0")
    assert "takes writes" in close.must("verify", 1)
    mysql(db, "grant super, read_only admin on *.* to app@'%'; set global read_only = 1")
    assert "app can write" in close.must("verify", 1)
    mysql(db, "revoke super, read_only admin on *.* from app@'%'")
    close.back()
    for param in ("database", "writer", "host", "port", "socket", "user"):
        for value in (EVIL, f"{EVIL}\nx"):
            secrets = {"writer_password": value, "password": value}
            odd = Trial(db, "mysql-readonly", {**tried, "host": "localhost", param: value}, look, secrets)
            # The server as a whole is closed, whatever the database is called.
            odd.must("apply", 0 if param in {"database", "writer"} else 1)
            assert odd.ask("verify").status
            mysql(db, "set global read_only = 0")
    assert not evil_left(db)
    with stopped(db):
        close.must("probe", 2)
        assert "nothing was changed" in close.must("apply", 1)
        close.must("verify", 2)
    db.run("rm /root/.my.cnf")
    assert not evil_left(db)


def test_a_replica_is_promoted_when_it_has_all_that_its_primary_wrote(db: RealHost) -> None:
    mariadb(db, 3307, 2, "read_only=1")
    mysql(
        db,
        "create user copy@'127.0.0.1' identified by 'river'; grant replication slave, replication client, slave monitor on *.* to copy@'127.0.0.1'",
    )
    place = mysql(db, "show master status").split()
    mysql(
        db,
        f"change master to master_host='127.0.0.1', master_port=3306, master_user='copy', master_password='river', master_log_file='{place[0]}', master_log_pos={place[1]}; start slave",
        port=3307,
    )
    until(lambda: "Yes" in mysql(db, "show slave status", port=3307), lambda: "the replica", 60)
    base = {"socket": socket(3307), "within": "60"}
    promote = Trial(db, "mysql-promote", {**base, "position": f"{place[0]}:{place[1]}"})
    assert not promote.recognised()
    assert "a replica still" in promote.must("verify", 1)
    assert "cannot be asked" in Trial(db, "mysql-promote", {**base, "primary": EVIL}).must("apply", 1)
    far = Trial(db, "mysql-promote", {**base, "within": "1", "position": "bin.000999:4"})
    assert "not yet at" in far.must("apply", 1)
    look = "mariadb --no-defaults -S /run/mysqld/3307.sock -e 'show slave status; select @@read_only' | wc"
    # Its own primary is asked where it came from, with a position that is never reached.
    far.state, far.params = look, {**far.params, "within": "0"}
    far.refuses()
    near = Trial(db, "mysql-promote", {**base, "primary": "127.0.0.1", "position": ""}, look)
    near.refuses(only=("primary", "primary_port"))
    assert "is no" in Trial(db, "mysql-promote", {**base, "position": EVIL}).must("apply", 1)
    assert not promote.recognised()
    mysql(db, "create database late; create table late.late as select 1 as one")
    place = mysql(db, "show master status").split()
    promote.params = {**base, "position": f"{place[0]}:{place[1]}"}
    promote.capture()
    promote.cut("apply", 4)
    promote.back()
    promote.there()
    assert mysql(db, "select one from late.late", port=3307).strip() == "1"
    assert "cannot follow its old primary again" in promote.must("undo", 1)
    mysql(db, "set global read_only = 1", port=3307)
    assert not promote.recognised()
    assert "read-only" in promote.must("verify", 1)
    mariadb_stop(db, 3307)
    promote.must("probe", 2)
    promote.must("verify", 2)
    assert not evil_left(db)
