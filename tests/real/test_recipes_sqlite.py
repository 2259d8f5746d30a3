"""SQLite's recipe on real databases: a copy of one that is being written to."""

from __future__ import annotations

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial
from tests.real.world import needs_world, until

pytestmark = needs_world

AS_MOVER = "setpriv --reuid=mover --regid=mover --clear-groups dash"
NAME = EVIL.replace("/", ":")
STATE = "cd /srv; ls -lnA --time-style=+%s; sha256sum old*"


@pytest.fixture(scope="module")
def host(rig: Rig) -> RealHost:
    made = rig.host("db")
    made.run(
        "cd /srv; seq 2000 | sed 's/.*/insert into t values (&, hex(randomblob(90)));/' >fill;"
        "{ echo 'pragma journal_mode = wal; create table t (id integer primary key, b text); begin;'; cat fill; echo 'commit;'; } | sqlite3 src.db;"
        "sqlite3 old.db 'create table before (a); insert into before values (1)'; chown mover old.db; chmod 640 old.db; chmod 604 src.db"
    )
    return made


def test_a_copy_is_put_in_place_whole_and_taken_back(host: RealHost) -> None:
    host.run(f"cp -p /srv/src.db /srv/'{NAME.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'")
    evil = {"source": f"/srv/{NAME}", "target": f"-{NAME}"}
    Trial(host, "sqlite-copy", evil, "cd; ls -lnA").there_and_back()
    replace = Trial(host, "sqlite-copy", {"source": "/srv/src.db", "target": "/srv/old.db"}, STATE)
    replace.there_and_back()
    replace.cut_anywhere()
    replace.there()
    assert host.run("stat -c '%U %a' /srv/old.db") == "mover 640\n"
    host.run("sqlite3 /srv/src.db 'delete from t where id = 3'")
    assert "does not hold what" in replace.must("verify", 1)
    host.run("printf xxxxxxxx | dd of=/srv/old.db bs=1 seek=4096 conv=notrunc 2>/dev/null")
    assert "no sound database" in replace.must("verify", 1)
    replace.back()
    replace.captured = {}
    replace.capture()
    replace.refuses()


def test_a_database_that_is_written_to_all_the_time_is_copied_in_one_piece(host: RealHost) -> None:
    host.run("sqlite3 /srv/src.db 'create table pairs (a, b)'")
    writer = host.spawn(
        "sh", "-c", "cd /srv; while [ ! -e stop ] && sqlite3 -cmd '.timeout 9000' src.db 'begin; insert into pairs values (1, 0); update pairs set b = 1; commit'; do :; done"
    )  # fmt: skip
    try:
        count = "sqlite3 -cmd '.timeout 9000' /srv/src.db 'select count(*) from pairs'"
        until(lambda: host.run(count).strip() != "0", lambda: "a write")
        copy = Trial(host, "sqlite-copy", {"source": "/srv/src.db", "target": "/srv/live.db"})
        copy.capture()
        copy.must("apply")
        assert host.run("sqlite3 /srv/live.db 'pragma integrity_check; select count(*) from pairs where b <> a'").split() == ["ok", "0"]  # fmt: skip
    finally:
        host.run("touch /srv/stop")
        writer.wait(60)
        host.run("rm /srv/stop; mv /srv/src.db /srv/away.db")
    assert "there is no database" in copy.must("apply", 1)
    copy.must("undo")


def test_what_is_no_database_or_in_use_is_refused(host: RealHost) -> None:
    before = host.run(STATE)
    host.run("echo 'this is no database' >/srv/bad.db")
    bad = Trial(host, "sqlite-copy", {"source": "/srv/bad.db", "target": "/srv/old.db"}, STATE)
    bad.must("probe", 2)
    bad.capture()
    assert "nothing was changed" in bad.must("apply", 1)
    bad.must("verify", 2)
    away = Trial(host, "sqlite-copy", {"source": "/srv/none.db", "target": "/srv/old.db"}, STATE)
    away.must("probe", 2)
    user = host.spawn("sh", "-c", "(echo 'select 1;'; sleep 600) | exec sqlite3 /srv/old.db")
    used = Trial(host, "sqlite-copy", {"source": "/srv/away.db", "target": "/srv/old.db"}, STATE)
    until(lambda: "in use" in used.ask("capture").said, lambda: "old.db in use")
    # Who is not root cannot see that, unless it is his own process.
    theirs = Trial(host, "sqlite-copy", {"source": "/srv/away.db", "target": "/srv/old.db", "others": "refuse"}, STATE)
    for op, status in (("capture", 1), ("apply", 1)):
        assert "cannot be looked into by this login" in theirs.must(op, status, AS_MOVER)
    for odd in (EVIL, "ignore\n"):
        theirs.params = {**theirs.params, "others": odd}
        assert "refuse or ignore" in theirs.must("apply", 1)
    user.kill()
    host.run("rm /srv/bad.db; kill $(pidof sqlite3) || :")
    host.run("mkdir /srv/own; cp /srv/away.db /srv/own/from; chown -R mover:mover /srv/own")
    own = {"source": "/srv/own/from", "target": "/srv/own/to"}
    Trial(host, "sqlite-copy", own).must("capture", 1, AS_MOVER)
    copy = Trial(host, "sqlite-copy", {**own, "others": "ignore"})
    copy.there(AS_MOVER)
    copy.back(AS_MOVER)
    host.run("rm -r /srv/own")
    for odd in ("/srv/a\nb", "/srv"):
        assert Trial(host, "sqlite-copy", {"source": "/srv/away.db", "target": odd}).ask("capture").status == 1
    assert host.run(STATE) == before
