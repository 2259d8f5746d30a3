"""Jobs of cron and at move from one owner to the other, and never have two (S36)."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until

pytestmark = needs_world

CRON = "crontab -u mover -l; find /etc/cron.d -printf '%m %u %p\\n' | sort; cat /etc/cron.d/*"
PLANET = '@reboot echo "it\'s $HOME" 100\\% >> /srv/planet # \\ * é'
OTHERS = "# remark\nMAILTO=ann\n1 2 * * *\ttrue\n"
AT = "find /var/spool/cron/atjobs /srv -type f ! -name .SEQ -printf '%m %u %p\\n' -exec sha256sum {} + | sort; find /srv -type d"


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> tuple[RealHost, RealHost]:
    """Old and new with cron and atd."""
    pair = rig.host("old"), rig.host("new")
    for host in pair:
        host.run("rm -f /etc/cron.d/* /etc/cron.d/.p*")
        host.spawn("/usr/sbin/cron", "-f")
        host.spawn("/usr/sbin/atd", "-f")
        until(lambda host=host: host.run("ls /run/crond.pid /run/atd.pid", check=False).count("pid") == 2, host.said)
    return pair


@pytest.fixture
def old(hosts: tuple[RealHost, RealHost]) -> RealHost:
    return clean(hosts[0])


@pytest.fixture
def new(hosts: tuple[RealHost, RealHost]) -> RealHost:
    return clean(hosts[1])


def clean(host: RealHost) -> RealHost:
    host.run(
        "crontab -u mover -r 2> /dev/null; rm -rf /etc/cron.d/* /srv/* /var/spool/cron/atjobs/[a-z]* /tmp/owned; chmod 777 /srv"
    )
    return host


def table(host: RealHost, text: str, file: str = "") -> None:
    where = f"cat > {file}" if file else "crontab -u mover -"
    host.run(f"{where} <<'COCKPIT_END'\n{text}COCKPIT_END")


def cron(host: RealHost, recipe: str, line: str = PLANET, **more: str) -> Trial:
    return Trial(host, recipe, {"line": line, "user": "mover", **more}, state=CRON)


def boots(host: RealHost) -> None:
    """cron starts anew, as after a boot, and has run what it runs then."""
    host.run("kill $(cat /run/crond.pid); rm -f /run/crond.reboot; rm -f /srv/seen")
    until(lambda: not host.run("cat /proc/[0-9]*/comm | grep -x cron", check=False), lambda: "cron's end", 60)
    table(host, "@reboot root touch /srv/seen\n", "/etc/cron.d/seen")
    host.spawn("/usr/sbin/cron", "-f")
    until(lambda: host.run("ls /srv/seen", check=False), host.said, 60)
    until(lambda: not host.run("pgrep -u mover || :"), host.said, 60)
    host.run("rm /etc/cron.d/seen")


def test_s36_a_job_moves_from_old_to_new_and_cron_runs_it_on_one_host_only(old: RealHost, new: RealHost) -> None:
    table(old, OTHERS + PLANET + "\n@daily true\n")
    stop = cron(old, "cron-stop")
    stop.there_and_back()
    stop.cut_anywhere()
    start = cron(new, "cron-start", elsewhere="! grep -q '^@reboot' /srv/table || { echo old does; false; }")
    empty = start.seen()
    new.run("echo '@reboot' > /srv/table")
    assert "another host still runs it: old does" in start.must("apply", 1)
    assert start.seen() == empty
    stop.there()
    new.run("rm /srv/table")
    start.there_and_back()
    start.cut_anywhere()
    start.there()
    for host, count in ((old, 0), (new, 1)):
        boots(host)
        assert host.run("cat /srv/planet", check=False) == "it's /home/mover 100%\n" * count
    # Other lines that users changed since stay as they are now.
    old.run("crontab -u mover -l | sed 's/@daily/@weekly/' | crontab -u mover -")
    stop.back()
    assert old.run("crontab -u mover -l") == OTHERS + PLANET + "\n@weekly true\n"


def test_an_older_mark_of_the_same_line_stays_one(old: RealHost) -> None:
    marked = f"#stopped for the cutover: {PLANET}\n"
    for lines in (f"{marked}@daily true\n{PLANET}\n{marked}", f"{PLANET}\n{marked}"):
        table(old, lines)
        stop = cron(old, "cron-stop")
        stop.there_and_back()
        stop.cut_anywhere()
        # An undo before anything was done makes the older one no job.
        stop.capture()
        stop.must("undo")
        stop.must("verify_undo")
        assert old.run("crontab -u mover -l") == lines


def test_a_job_in_a_file_of_the_system_keeps_its_owner_and_mode(old: RealHost) -> None:
    line = f"@reboot mover : {EVIL}".replace("\t", " ")
    table(old, f"{OTHERS}{line}\n", "/etc/cron.d/planet")
    old.run("chmod 640 /etc/cron.d/planet")
    stop = cron(old, "cron-stop", line, file="/etc/cron.d/planet")
    stop.there_and_back()
    stop.there()
    start = cron(old, "cron-start", line, file="/etc/cron.d/other")
    start.there_and_back()
    start.cut_anywhere()
    start.there()
    assert "is run from /etc/cron.d/other" in stop.must("verify", 1)
    assert "already" in cron(old, "cron-start", line, file="/etc/cron.d/third").must("apply", 1)
    old.run("chmod 666 /etc/cron.d/other")
    assert "others than root" in start.must("verify", 1)
    old.signal("KILL", "cron")
    old.run("chmod 644 /etc/cron.d/other")
    assert "no cron is running" in start.must("verify", 1)
    old.spawn("/usr/sbin/cron", "-f")
    assert "no file of this name" in cron(old, "cron-start", "@reboot mover echo 1", file="/etc/cron.d/a.b").must(
        "apply", 1
    )
    assert not evil_left(old)


def test_a_run_that_is_under_way_is_waited_for(old: RealHost) -> None:
    line = "* * * * * until [ -e /srv/go ]; do sleep 0.1; done; date +\\%s > /srv/at"
    table(old, line + "\n")
    job = "until [ -e /srv/go ]; do sleep 0.1; done; date +%s > /srv/at"
    old.run(f"sh -c '{job}' > /dev/null 2>&1 &")
    short = cron(old, "cron-stop", line, within="0")
    short.capture()
    assert "a run is still under way" in short.must("apply", 1)
    assert "a run is still under way" in short.must("verify", 1)
    old.run("( sleep 0.5; touch /srv/go ) > /dev/null 2>&1 &")
    cron(old, "cron-stop", line).must("apply")
    old.run("test -s /srv/at")
    short.must("verify")
    short.must("undo")


def test_what_is_no_line_or_not_the_line_is_refused(old: RealHost) -> None:
    table(old, f"{PLANET}\n{PLANET}\n")
    before = cron(old, "cron-stop").seen()
    assert "stands there 2 times" in cron(old, "cron-stop").must("apply", 1)
    for recipe in ("cron-stop", "cron-start"):
        for wrong in ("a\nb", "", "# remark", "@reboot"):
            assert "line" in cron(old, recipe, wrong).must("apply", 1)
        assert "no user" in cron(old, recipe, user=EVIL).must("apply", 1)
        assert "absolute" in cron(old, recipe, file=EVIL).must("apply", 1)
    cron(old, "cron-stop").refuses(only=("user", "file", "within"))
    cron(old, "cron-start").refuses(only=("user", "file"))
    assert "no such line" in cron(old, "cron-stop", "@reboot other").must("apply", 1)
    # cron's own program refuses what it could not run.
    cron(old, "cron-start", "61 * * * * true").ask("apply")
    assert cron(old, "cron-start", "61 * * * * true").ask("verify").status == 1
    assert cron(old, "cron-stop").seen() == before
    old.run("printf '@reboot root true' > /etc/cron.d/cut")
    assert "has no end" in cron(old, "cron-stop", "@reboot root true", file="/etc/cron.d/cut").must("apply", 1)


@pytest.mark.parametrize("file", ["", "/etc/cron.d/users"])
def test_many_jobs_of_one_table_move_at_once(old: RealHost, file: str) -> None:
    """Waves stop and start the jobs of several people at the same moment: none is active on both hosts, and none on neither."""
    who = "mover " if file else ""
    lines = [f"@reboot {who}: job {number} # {EVIL}" for number in range(6)]
    more = {"file": file} if file else {}
    table(old, OTHERS + "".join(f"{line}\n" for line in lines), file)
    stops = [cron(old, "cron-stop", line, **more) for line in lines]
    before = stops[0].seen()
    all_at_once(stops)
    everything = old.run("crontab -u mover -l; cat /etc/cron.d/*", check=False)
    assert everything.count("\n#stopped for the cutover: @reboot") == len(lines)
    starts = [cron(old, "cron-start", line.replace(": job", ": new job"), **more) for line in lines]
    for step in starts:
        step.capture()
    all_at_once(starts)
    with ThreadPoolExecutor(2 * len(lines)) as pool:
        list(pool.map(lambda step: step.must("undo"), starts + stops))
    for step in starts + stops:
        step.must("verify_undo")
    stops[0].same(before, "what was changed at once is not as before")
    assert not evil_left(old)


def all_at_once(steps: list[Trial]) -> None:
    """Each is applied while the others are, and can be verified afterwards."""
    for step in steps:
        step.capture()
    with ThreadPoolExecutor(len(steps)) as pool:
        list(pool.map(lambda step: step.must("apply"), steps))
    for step in steps:
        step.must("verify")


def test_a_crontab_that_cannot_be_read_is_not_taken_for_none(old: RealHost) -> None:
    table(old, f"{OTHERS}{PLANET}\n")
    spool = "/var/spool/cron/crontabs"
    # What crontab says then is neither the table nor that there is none.
    old.run(f"mv {spool}/mover /srv/kept; ln -s mover {spool}/mover")
    before = old.run(f"readlink {spool}/mover")
    for recipe in ("cron-stop", "cron-start"):
        step = cron(old, recipe, "@daily other")
        assert "the crontab of mover cannot be read" in step.must("apply", 1)
        for op in ("capture", "undo"):
            assert step.ask(op).status == 1
        for op in ("probe", "verify", "verify_undo"):
            assert step.ask(op).status == 2
    assert old.run(f"readlink {spool}/mover") == before
    old.run(f"mv /srv/kept {spool}/mover")
    assert old.run("crontab -u mover -l") == f"{OTHERS}{PLANET}\n"


def test_a_table_is_changed_by_one_step_at_a_time(old: RealHost) -> None:
    """While another step changes a table none is touched; when that one is killed, it goes on."""
    table(old, PLANET + "\n")
    stop = cron(old, "cron-stop")
    before = stop.seen()
    other = old.spawn("/usr/bin/flock", "/run/.cockpit-cron.lock", "/usr/bin/tail", "-f", "/dev/null")
    until(lambda: "tail -f" in old.run("ps -eo args"), lambda: "another step begins", 30)
    stop.capture()
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(stop.must, "apply")
        until(lambda: "sleep 0.2" in old.run("ps -eo args"), lambda: f"it waits: {applied}", 30)
        assert stop.seen() == before
        old.run("kill -9 $(pgrep -x flock) $(pgrep -x tail)")
        other.wait()
        applied.result(60)
    stop.must("verify")
    # Without flock nothing is changed.
    bare = cron(old, "cron-start", "@reboot other")
    old.run("mkdir /srv/bin; ln -s $(which crontab awk id grep cat head) /srv/bin")
    assert "there is no flock here" in bare.must("apply", 1, "env PATH=/srv/bin /usr/bin/dash")
    stop.back()


def test_nobody_else_and_nothing_that_outlives_a_step_keeps_a_table_locked(old: RealHost) -> None:
    """Whoever may run crontab can open it, and a file that can be opened can be locked."""
    table(old, PLANET + "\n")
    who = ("/usr/bin/setpriv", "--reuid=mover", "--regid=mover", "--clear-groups")
    held = old.spawn(*who, "/usr/bin/flock", "/usr/bin/crontab", "/usr/bin/tail", "-f", "/dev/null")
    until(lambda: "tail -f" in old.run("ps -eo args"), lambda: "somebody holds a lock", 30)
    # A child of the step stays behind, as a daemon that is told of a new table does.
    old.run(
        "printf '#!/bin/sh\\nsleep 100000 > /dev/null 2>&1 &\\nexec /usr/bin/crontab \"$@\"\\n' > /usr/local/bin/crontab"
    )
    old.run("chmod 755 /usr/local/bin/crontab")
    stop = cron(old, "cron-stop")
    stop.there_and_back()
    old.run("pgrep -x sleep")
    assert old.run(f"{' '.join(who)} flock -n /run/.cockpit-cron.lock echo taken || :") == ""
    old.run("rm /usr/local/bin/crontab; pkill -x sleep; pkill -x tail")
    held.wait()


def submit(host: RealHost, user: str, text: str, when: str = "now + 2 hours") -> None:
    host.run(f"su -s /bin/sh {user} -c 'cd /srv; at -M {when}' 2> /dev/null <<'COCKPIT_END'\n{text}\nCOCKPIT_END")


def test_at_jobs_move_to_new_and_run_there_exactly_once(old: RealHost, new: RealHost) -> None:
    for n in range(3):
        submit(old, "mover", f"echo {n} >> /srv/ran")
    submit(old, "root", "echo root >> /srv/ran")
    stop = Trial(old, "at-stop", {"folder": '/srv/it\'s "at"', "users": "mover"}, state=AT)
    stop.there_and_back()
    stop.cut_anywhere()
    stop.there()
    assert "root" in old.run("atq")
    assert "mover" not in old.run("atq")
    # Over to new, where a job has one of the numbers already.
    for number in range(9):
        submit(new, "root", f"true {number}")
    old.run("cd '/srv/it'\\''s \"at\"' && tar cf /srv/jobs.tar .")
    packed = old.file("/srv/jobs.tar").read_bytes()
    new.run("mkdir -m 700 /srv/jobs")
    subprocess.run([*new.entered(), "tar", "xpf", "-", "-C", "/srv/jobs"], input=packed, check=True)
    start = Trial(new, "at-start", {"folder": "/srv/jobs"}, state=AT)
    start.there_and_back()
    start.cut_anywhere()
    start.there()
    assert new.run("atq").count("mover") == 3
    # One of them is due: it runs here, and undo says that it did.
    due = new.run("find /srv/jobs -name '*.taken-*' | sort | head -n 1").strip().rpartition("-")[2]
    past = f"{int(time.time()) // 60 - 1:08x}"
    new.run(
        f"cd /var/spool/cron/atjobs; mv {due} {due[:6]}{past}; mv /srv/jobs/*.taken-{due} /srv/jobs/{due}.taken-{due[:6]}{past}; kill -HUP $(cat /run/atd.pid)"
    )
    until(lambda: new.run("cat /srv/ran", check=False), lambda: "the job that is due", 60)
    until(lambda: "=" not in new.run("atq"), lambda: "its end", 60)
    start.must("verify")
    assert "1 jobs have run here" in start.must("undo")
    assert new.run("cat /srv/ran | wc -l").strip() == "1"
    assert "mover" not in new.run("atq")


def test_jobs_of_somebody_who_is_somebody_else_here_are_refused(new: RealHost) -> None:
    new.run("mkdir /srv/jobs; echo '4711 mover' > /srv/jobs/.owners")
    assert "id 4711, which is not mover here" in Trial(new, "at-start", {"folder": "/srv/jobs"}).must("apply", 1)
    new.run("rm /srv/jobs/.owners")
    for folder in ("/srv/jobs", f"/srv/{EVIL}", "a\nb"):
        assert Trial(new, "at-start", {"folder": folder}).ask("apply").status == 1
    new.run("mkdir /srv/jobs/good; touch /srv/jobs/good/.owners")
    Trial(new, "at-start", {"folder": "/srv/jobs/good"}, state=AT).refuses()
    stop = Trial(new, "at-stop", {"folder": "/srv/x"}, state=AT)
    stop.refuses()
    for wrong in ({"folder": "srv"}, {"folder": "/srv/a\nb"}, {"spool": f"/{EVIL}"}):
        odd = Trial(new, "at-stop", {**stop.params, **wrong}, state=AT)
        before = odd.seen()
        assert odd.ask("apply").status == 1
        assert odd.seen() == before
    assert not evil_left(new)


def test_a_queue_without_atd_is_told(new: RealHost) -> None:
    submit(new, "mover", "true")
    stop = Trial(new, "at-stop", {"folder": "/srv/jobs"}, state=AT)
    stop.there()
    start = Trial(new, "at-start", {"folder": "/srv/jobs"}, state=AT)
    new.run("kill $(cat /run/atd.pid)")
    until(lambda: not new.run("cat /proc/[0-9]*/comm | grep -x atd", check=False), lambda: "atd's end", 60)
    start.capture()
    start.must("apply")
    assert "no atd is running" in start.must("verify", 1)
    new.spawn("/usr/sbin/atd", "-f")
    until(lambda: start.ask("verify").status == 0, lambda: start.ask("verify").said, 60)
