"""Freezes with exceptions, each with an undo that is always there (S33): by a mount, by permissions, by the service's switch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, SHELLS, Trial, evil_left, without
from tests.real.world import needs_world, until, write

pytestmark = needs_world

STATE = "cd /srv && find . -printf '%y %m %u %p %l\\n' | sort; find . -type f -exec sha256sum {} + | sort; cut -d' ' -f5- /proc/self/mountinfo"
LISTS = "/srv/mail man/it's \\ [1]*"


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    return rig.host("old")


@pytest.fixture
def host(old: RealHost) -> RealHost:
    """A host whose mailing lists belong to the user `mover`, with archives among them."""
    quoted = f'"{LISTS}"'
    old.run(
        f"cd /; rm -rf /srv/* /tmp/owned; mkdir -p {quoted}; cd {quoted}; mkdir -p lists/a 'archives/é x' -- -d; echo a > lists/a/config;"
        "echo b > 'archives/é x/mbox'; ln -s lists l; chmod 2770 lists; chmod 600 lists/a/config; chmod 4775 -- -d; touch read-only;"
        f"chmod 444 read-only; chown -R mover:mover /srv/*"
    )
    return old


def by_mount(host: RealHost, **more: str) -> Trial:
    return Trial(host, "freeze-mount", {"path": LISTS, "except": "archives\nlists/a/config", **more}, state=STATE)


def by_modes(host: RealHost, **more: str) -> Trial:
    return Trial(host, "freeze-permissions", {"path": LISTS, "except": "archives", **more}, state=STATE)


def wrote(host: RealHost, path: str, user: str = "root") -> bool:
    """Whether that user can write there."""
    return (
        host.run(f'su -s /bin/sh {user} -c \'echo x >> "$0" && echo yes\' "{LISTS}/{path}" 2> /dev/null', check=False)
        == "yes\n"
    )


def test_s33_a_mount_freezes_for_root_too_except_the_archives_and_thaws(host: RealHost) -> None:
    trial = by_mount(host)
    trial.there_and_back()
    trial.cut_anywhere()
    trial.there()
    assert [wrote(host, path) for path in ("lists/new", "archives/é x/mbox", "lists/a/config", "read-only")] == [
        False,
        True,
        True,
        False,
    ]
    trial.back()
    assert wrote(host, "lists/new")


def test_a_mount_thaws_when_an_exception_is_gone(host: RealHost) -> None:
    """A restart of the host ends all mounts; what was to stay writable may not be there after it."""
    trial = by_mount(host)
    trial.there()
    host.run(f'cd "{LISTS}" && umount -l lists/a/config archives . && cd / && cd "{LISTS}" && rm -r archives lists/a')
    trial.must("undo")
    trial.must("verify_undo")
    assert not host.run(f'ls -d "{LISTS}/archives" "{LISTS}/lists/a"', check=False), "nothing is made anew"
    assert wrote(host, "lists/new")


def test_a_write_and_a_session_that_are_about_to_end_are_waited_for(host: RealHost) -> None:
    trial = by_mount(host)
    trial.capture()
    host.spawn("sh", "-c", "cd '/srv/mail man'/it*; exec 3>>read-only; echo end >&3; sleep 1.5")
    until(lambda: "end" in host.run("cat '/srv/mail man'/it*/read-only"), lambda: "no writer")
    trial.must("apply")
    trial.must("verify")
    trial.back()


def test_s33_what_still_writes_from_before_the_mount_is_named(host: RealHost) -> None:
    trial = by_mount(host)
    quoted = f'"{LISTS}"'
    host.run(
        f"cd {quoted}/lists && sleep 600 > /dev/null 2>&1 & echo $! > /run/works;"
        f"cd /; sleep 600 >> {quoted}/archives/log 2> /dev/null & echo $! > /run/free;"
        f"cd /; sleep 600 >> {quoted}/lists/log 2> /dev/null & echo $! > /run/holds;"
        "unshare --mount --propagation private sleep 600 > /dev/null 2>&1 & echo $! > /run/apart"
    )
    until(
        lambda: host.run(
            "[ $(readlink /proc/$(cat /run/apart)/ns/mnt) != $(readlink /proc/self/ns/mnt) ] && echo y", check=False
        ),
        lambda: "apart",
    )
    trial.capture()
    trial.must("apply")
    for name, says in (("apart", "mounts of its own"), ("works", "works in"), ("holds", "open for writing")):
        pid = host.run(f"cat /run/{name}").strip()
        said = trial.must("verify", 1)
        assert says in said
        assert f"process {pid} " in said
        host.run(f"kill {pid}")
        until(lambda pid=pid: not host.run(f"[ ! -e /proc/{pid}/cwd/. ] || echo there", check=False), lambda: "its end")
    trial.must("verify")
    # In use when it is thawed: what is in it can write at once, and the mount is gone all the same.
    host.run(f"cd {quoted}/lists && sleep 600 > /dev/null 2>&1 & echo $! > /run/in")
    trial.back()
    host.run("echo x > /proc/$(cat /run/in)/cwd/y; kill $(cat /run/in) $(cat /run/free)")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"path": "/"}, "root"),
        ({"path": "srv"}, "no absolute path"),
        ({"path": "/srv/a\nb"}, "two lines"),
        ({"path": f"/{EVIL}"}, "is not there"),
        ({"except": "/etc"}, "does not lie in"),
        ({"except": ".."}, "does not lie in"),
        ({"except": EVIL}, "is not there"),
        ({"others": EVIL}, "refuse or ignore"),
        ({"others": "ignore\n"}, "refuse or ignore"),
    ],
)
def test_a_path_that_cannot_be_frozen_by_a_mount_is_refused(host: RealHost, wrong: dict[str, str], says: str) -> None:
    trial = by_mount(host, **wrong)
    before = trial.seen()
    assert says in trial.must("apply", 1)
    assert trial.ask("capture").status != 0
    assert trial.seen() == before
    assert not evil_left(host)


def test_other_file_systems_inside_are_not_forgotten(host: RealHost) -> None:
    host.run(f'mount -t tmpfs inside "{LISTS}/lists"')
    assert "freeze each by itself" in by_mount(host, **{"except": ""}).must("capture", 1)
    host.run(f'umount "{LISTS}/lists"')


def test_s33_permissions_freeze_with_exceptions_and_each_mode_comes_back(host: RealHost) -> None:
    trial = by_modes(host)
    trial.there_and_back()
    trial.cut_anywhere()
    trial.there()
    assert [wrote(host, path, "mover") for path in ("lists/a/config", "archives/é x/mbox", "new")] == [
        False,
        True,
        False,
    ]
    assert "root is not stopped" in trial.must("verify")
    # What appears after all is seen, and caught by another pass; what its owner opened again gets back what it had at first.
    host.run(f'cd "{LISTS}"; echo x > lists/late; chown mover lists/late; chmod 666 lists/late; chmod 777 lists/a')
    assert "can still be written" in trial.must("verify", 1)
    trial.must("apply")
    trial.must("verify")
    trial.back()
    assert host.run(f'cd "{LISTS}"; stat -c %a lists/late lists/a lists').split() == ["666", "755", "2770"]


def test_what_users_put_in_the_place_of_a_frozen_file_does_not_get_its_mode(host: RealHost) -> None:
    """An owner can open his folder again while it is frozen; root must not follow a link that he leaves in it."""
    host.run(
        f'cd "{LISTS}"; mkdir lists/d lists/e; touch lists/linked lists/new lists/d/shadow lists/e/still; mkfifo lists/pipe; chmod 666 lists/linked lists/new lists/d/shadow lists/e/still lists/pipe; chown -R mover lists'
    )
    host.run("mkdir -p /srv/root; touch /srv/root/shadow; chmod 600 /srv/root/shadow")
    trial = by_modes(host)
    trial.capture()
    trial.must("apply")
    host.run(
        'su -s /bin/sh mover -c \'cd "$0/lists"; chmod u+w . d; rm linked new; ln -s /srv/root/shadow linked;'
        f' touch new; chmod 600 new; mv d away; ln -s /srv/root d\' "{LISTS}"'
    )
    trial.must("undo")
    assert host.run("stat -c '%a' /srv/root/shadow /srv/root").split() == ["600", "755"]
    assert host.run(f'cd "{LISTS}/lists"; stat -c %a new e/still pipe .').split() == ["600", "666", "666", "2770"]
    host.run(f'su -s /bin/sh mover -c \'test -w "$0/lists/e/still"\' "{LISTS}"')


AS_MOVER = "setpriv --reuid=mover --regid=mover --clear-groups dash"
SWAP = """#!/bin/sh
case $* in {when}) su -s /bin/sh mover -c 'cd /srv/mail*/*/lists || exit; [ ! -d away ] || exit 0; chmod u+w . d
    mv linked was; ln -s /srv/root/shadow linked; mv d away; ln -s /srv/root d; touch swapped' < /dev/null > /dev/null 2>&1 ;; esac
exec /usr/bin/{tool} "$@"
"""
"""A command before which a user puts links in the place of a file and of a folder."""


@contextlib.contextmanager
def perl_or_not(host: RealHost, perl: bool) -> Iterator[None]:
    """With and without perl on the host: the way by the shell is another one."""
    with contextlib.nullcontext() if perl else without(host, "perl"):
        yield


def lay_out(host: RealHost) -> None:
    """Files and a folder that a user will swap, and what his links will lead to."""
    host.run(
        f'cd "{LISTS}"; mkdir lists/d; cd lists; touch d/shadow linked $(seq 9); chmod 666 d/shadow linked [1-9]; chown -R mover .;'
        "mkdir /srv/root; touch /srv/root/shadow; chmod 666 /srv/root/shadow; chmod 777 /srv/root"
    )


def outside(host: RealHost) -> list[str]:
    return host.run("stat -c %a /srv/root /srv/root/shadow").split()


@pytest.mark.parametrize(
    ("tool", "when", "perl"),
    [
        ("stat", "*%n*", True),
        ("perl", "*010000000*", True),
        ("stat", "*%n*", False),
        ("sed", "-n*", False),
        ("ls", "-ln*", False),
        ("chmod", "*w*", False),
    ],
)
def test_what_users_put_in_the_place_of_a_path_while_it_is_frozen_keeps_its_mode(
    host: RealHost, tool: str, when: str, perl: bool
) -> None:
    """Between any two commands of the freeze: what was found is a link by the time it is looked at, opened or changed."""
    lay_out(host)
    trial = by_modes(host, store="/srv/modes")
    trial.capture()
    with perl_or_not(host, perl):
        write(host, f"/usr/local/bin/{tool}", SWAP.format(tool=tool, when=when), "755")
        trial.must("apply")
        host.run(f"rm /usr/local/bin/{tool}")
        host.run(f'[ -L "{LISTS}/lists/d" ] && [ -e "{LISTS}/lists/swapped" ]')
        assert outside(host) == ["777", "666"]
        # What was found is frozen all the same, wherever it went.
        trial.must("verify")
        trial.must("undo")
        assert outside(host) == ["777", "666"]
        trial.must("verify_undo")


FLIP = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
while not os.path.exists("/srv/stop"):
    os.chmod(".", 0o755)
    for one, other in ((b"d", b"to d"), (b"linked", b"to linked")):
        libc.renameat2(-100, one, -100, other, 2)
"""
"""Swaps each with a link, all the time."""


@pytest.mark.parametrize("perl", [True, False])
def test_a_user_who_swaps_all_the_time_takes_nothing_from_what_his_links_lead_to(host: RealHost, perl: bool) -> None:
    lay_out(host)
    host.run(
        f'cd "{LISTS}/lists"; ln -s /srv/root "to d"; ln -s /srv/root/shadow "to linked"; cd d; touch $(seq 40); chmod 666 *;'
        "chown -R mover .; cd /srv/root; touch $(seq 40); chmod 666 *"
    )
    trial = by_modes(host, store="/srv/modes")
    trial.capture()
    write(host, "/srv/flip", FLIP, "644")
    user = host.spawn("su", "-s", "/bin/sh", "mover", "-c", 'cd "$0/lists" && exec python3 /srv/flip', LISTS)
    with perl_or_not(host, perl):
        for _ in range(2):
            trial.ask("apply")
        assert user.poll() is None
        host.run("touch /srv/stop")
        user.wait(60)
        assert set(host.run("stat -c %a /srv/root/*").split()) == {"666"}
        assert outside(host) == ["777", "666"]
        host.run(
            f'cd "{LISTS}/lists"; for one in d linked; do [ ! -L $one ] || {{ mv -T $one "was $one"; mv -T "to $one" $one; }}; done'
        )
        trial.must("apply")
        trial.must("verify")
        trial.must("undo")
    # What had another name when it was noted is let be; what is outside was never touched.
    assert set(host.run("stat -c %a /srv/root/*").split()) == {"666"}


def test_without_perl_permissions_freeze_files_and_folders_and_say_what_else_there_is(host: RealHost) -> None:
    with without(host, "perl"):
        by_modes(host).there_and_back(shells=SHELLS[1:])
        host.run(f'mkfifo "{LISTS}/lists/p[ipe"; chmod 622 "{LISTS}/lists/p[ipe"')
        assert "p[ipe. Name it in except" in by_modes(host).must("capture", 1)
        by_modes(host, **{"except": "archives\nlists/p[ipe"}).there_and_back(shells=SHELLS[:1])
    by_modes(host).there_and_back(shells=SHELLS[:1])


CHURN = """import os
while os.path.isdir("../lists"):
    for n in range(16): os.link("still", f".lock{n}")
    for n in range(16): os.unlink(f".lock{n}")
"""
"""Names that come and go, of a file that nobody has open and nobody but root can write."""


def test_a_path_that_goes_while_it_is_looked_at_is_no_fault(host: RealHost) -> None:
    trial = by_modes(host, others="ignore")
    host.run(f'cd "{LISTS}/lists"; : > still; chmod 444 still')
    busy = host.spawn("sh", "-c", f'cd "{LISTS}/lists" && exec python3 -c "$0"', CHURN)
    try:
        assert {trial.ask("probe").status for _ in range(40)} == {1}
        trial.there(already=False)
        assert {trial.ask("verify").status for _ in range(20)} == {0}
        assert {trial.ask("probe").status for _ in range(20)} == {0}
        trial.back()
    finally:
        host.run(f'mv "{LISTS}/lists" "{LISTS}/over"')
        busy.wait(60)


def test_an_owner_freezes_his_own_tree_and_cannot_say_what_others_have_open(host: RealHost) -> None:
    host.run(f'cd "{LISTS}/lists"; echo x > drop; mkfifo pipe; chown mover drop pipe; chmod 222 drop; chmod 620 pipe')
    trial = by_modes(host)
    for op, status in (("probe", 2), ("capture", 1), ("apply", 1), ("verify", 2)):
        assert "cannot be looked into" in trial.must(op, status, AS_MOVER)
    for wrong in ({"others": EVIL}, {"others": "ignore\n"}):
        by_modes(host, **wrong).must("apply", 1)
    assert "only root can try" in by_modes(host, user="nobody").must("apply", 1, AS_MOVER)
    own = by_modes(host, others="ignore")
    before = own.seen()
    own.there(AS_MOVER)
    assert "could not be seen" in own.must("verify", 0, AS_MOVER)
    assert host.run(f'stat -c %a "{LISTS}/lists/drop" "{LISTS}/lists/pipe"').split() == ["0", "400"]
    own.back(AS_MOVER)
    own.same(before, "the modes did not come back")
    assert "only root can mount" in by_mount(host).must("verify", 2, AS_MOVER)
    by_mount(host).must("apply", 1, AS_MOVER)


def test_a_name_of_two_lines_is_not_taken_for_a_path_of_its_own(host: RealHost) -> None:
    """Else a user could write down a mode for what is root's."""
    trial = by_modes(host)
    trial.capture()
    host.run(f'cd "{LISTS}/lists"; touch secret; chmod 600 secret; mark=.:$(stat -c %i:%u secret)')
    host.run(
        f'cd "{LISTS}/lists"; chmod 400 secret; printf "%s" "x\n4777 .:$(stat -c %i:%u secret) $PWD" > /srv/name;'
        'name=$(printf "x\n4777 .:$(stat -c %i:%u secret) "); mkdir -p "$name$PWD"; touch "$name$PWD/secret"; chmod 666 "$name$PWD/secret"'
    )
    assert "keep appearing" in trial.must("apply", 1)
    trial.must("undo")
    assert host.run(f'stat -c %a "{LISTS}/lists/secret"') == "400\n"


def test_a_file_of_modes_that_is_swapped_is_noticed_before_anything_is_frozen(host: RealHost) -> None:
    trial = by_modes(host)
    trial.capture()
    kept = f"{LISTS}.modes-before-freeze"
    before = trial.seen()
    host.run(f'ln -s /srv/elsewhere "{kept}"')
    assert "is not the file that was written" in trial.must("apply", 1)
    host.run(f'rm "{kept}"; touch "{kept}"; chmod 644 "{kept}"')
    assert "is not the file that was written" in trial.must("apply", 1)
    host.run(f'rm "{kept}"')
    trial.same(before, "something was frozen that cannot be thawed")
    host.run(f'ln -s /srv/elsewhere "{kept}.new"')
    trial.must("apply")
    host.run("[ ! -e /srv/elsewhere ]")
    trial.back()


def test_modes_that_somebody_else_wrote_down_are_not_given(host: RealHost) -> None:
    trial = by_modes(host)
    trial.capture()
    trial.must("apply")
    kept = '"/srv/mail man/it\'s \\ [1]*.modes-before-freeze"'
    host.run(f"chown mover {kept}")
    assert "is not the file that was written" in trial.must("undo", 1)
    host.run(f"chown root {kept}")
    trial.back()


def test_a_file_that_is_open_for_writing_is_named(host: RealHost) -> None:
    trial = by_modes(host)
    host.run(
        f'sleep 600 >> "{LISTS}/lists/log" 2> /dev/null & echo $! > /run/holds; sleep 600 >> "{LISTS}/archives/log" 2> /dev/null & echo $! > /run/free'
    )
    trial.capture()
    trial.must("apply")
    assert f"process {host.run('cat /run/holds').strip()} has" in trial.must("verify", 1)
    host.run("kill $(cat /run/holds)")
    until(lambda: trial.ask("verify").status == 0, lambda: trial.ask("verify").said)
    trial.back()
    host.run("kill $(cat /run/free)")


def test_what_permissions_cannot_freeze_is_refused(host: RealHost) -> None:
    before = host.run(STATE)
    for wrong, says in (
        ({"path": "/srv/a\nb"}, "two lines"),
        ({"path": f"/{EVIL}"}, "no folder"),
        ({"store": f"{LISTS}/modes"}, "inside the tree"),
        ({"user": EVIL}, "no user"),
        ({"except": "/etc"}, "does not lie in"),
    ):
        assert says in by_modes(host, **wrong).must("apply", 1)
        assert says in by_modes(host, **wrong).must("capture", 1)
    trial = by_modes(host)
    trial.capture()
    # What is to stay writable may be made later.
    trial.refuses("except")
    assert host.run(STATE) == before
    host.run(f'touch "{LISTS}/lists/two\nlines"; touch /srv/other')
    assert "two lines" in by_modes(host).must("capture", 1)
    assert "another freeze" in by_modes(host, store="/srv/other").must("capture", 1)
    assert not evil_left(host)


def test_s33_postgresql_is_frozen_by_its_own_switch_and_thawed(host: RealHost) -> None:
    binaries = host.run("ls -d /usr/lib/postgresql/*/bin").split()[-1]
    as_postgres = f'cd /srv/db && su -s /bin/sh postgres -c \'PATH=$PATH:{binaries} "$0" "$@"\' --'
    host.run(f"mkdir /srv/db; chown postgres /srv/db; {as_postgres} initdb -D /srv/db/data -A trust -N > /dev/null")
    start = f"{as_postgres} pg_ctl -w -s -D /srv/db/data -o '-k /srv/db -h \"\" -F' -l /srv/db/log start"
    host.run(start)
    ask = "psql -h /srv/db -U postgres -qtAc"
    host.run(f"{ask} 'create table n (n text)'")
    turn = "{ask} \"alter system set default_transaction_read_only = {how}\" -c 'select pg_reload_conf()'"
    params = {
        "freeze": turn.format(ask=ask, how="on"),
        "thaw": turn.format(ask=ask, how="off"),
        "frozen": f"case $({ask} 'show default_transaction_read_only') in on) exit 0 ;; off) exit 1 ;; *) exit 2 ;; esac",
        "write": f'said=$({ask} "insert into n values (\'x\')" 2>&1) && exit 0\ncase $said in *read-only*) exit 1 ;; esac\necho "$said"\nexit 2',
        "within": "60",
    }
    trial = Trial(host, "freeze-switch", params, state=f"{ask} 'show default_transaction_read_only'")
    trial.there_and_back()
    trial.cut_anywhere()
    trial.capture()
    assert "was accepted" in Trial(host, "freeze-switch", {**params, "frozen": "true", "within": "0"}).must("verify", 1)
    host.run(f"{as_postgres} pg_ctl -w -s -m immediate -D /srv/db/data stop")
    stopped = Trial(host, "freeze-switch", {**params, "within": "0"}, captured=trial.captured)
    assert trial.ask("probe").status == 2
    assert "ended with" in stopped.must("apply", 1)
    assert stopped.ask("verify").status == 2
    Trial(host, "freeze-switch", params, state="ls /srv").refuses()
    assert Trial(host, "freeze-switch", {**params, "within": EVIL}).ask("probe").status == 2


def test_a_switch_that_is_only_text_is_no_command_of_ours(host: RealHost) -> None:
    trial = Trial(host, "freeze-switch", {"freeze": "-x", "thaw": "true", "frozen": "exit 1", "write": "exit 7"})
    trial.capture()
    assert "freezing ended with" in trial.must("apply", 1)
    assert trial.ask("verify").status == 1
