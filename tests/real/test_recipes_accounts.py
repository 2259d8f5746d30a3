"""Users and groups with ids, passwords and keys go over, are compared inside the freeze (S37), and can log in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, SHELLS, Trial, evil_left
from tests.real.world import needs_world

pytestmark = needs_world

STATE = (
    "cat /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid;"
    "find /home /srv ! -name '.was*' -printf '%y %m %u %g %p\\n' | sort; cat /home/*/.ssh/authorized_keys"
)


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    """Ann and Ben with passwords, keys, a project group and a role."""
    host = rig.host("old")
    host.run(
        "userdel -r mover; groupadd -g 2000 haskell;"
        "useradd -m -u 1001 -s /bin/bash -c 'Ann, Åsa & \"Co\" \\ $HOME' ann; useradd -m -u 1002 -g haskell -s /bin/sh ben; useradd -M -u 1003 cat;"
        "echo 'ann:river' | chpasswd; chage -M 90 -W 3 -E 2030-01-01 ann; passwd -q -l ben; gpasswd -a ann haskell; gpasswd -a ann adm;"
        "mkdir -m 700 /home/ann/.ssh; cp /root/.ssh/authorized_keys /home/ann/.ssh/; echo '# it'\\''s $(touch /tmp/owned)' >> /home/ann/.ssh/authorized_keys;"
        "chown -R ann:ann /home/ann/.ssh"
    )
    return host


@pytest.fixture(scope="module")
def export(old: RealHost) -> str:
    """What old writes down, after its own trial."""
    apart = Trial(old, "accounts-export", {"file": "/srv/apart/accounts"}, state=f"{STATE}; ls -lA --time-style=+ /srv")
    apart.there_and_back()
    apart.cut_anywhere()
    trial = Trial(old, "accounts-export", {"file": "/srv/accounts"}, state=STATE)
    trial.cut_anywhere()
    old.run("echo before > /srv/accounts")
    trial.there_and_back()
    trial.capture()
    trial.refuses("keys")
    trial.captured = {}
    trial.there()
    assert "others can read" in old.run("chmod 644 /srv/accounts") + trial.must("verify", 1)
    old.run("chmod 600 /srv/accounts; useradd -M dan")
    assert "lacks dan" in trial.must("verify", 1)
    assert not trial.recognised()
    old.run("userdel dan")
    assert "absolute" in Trial(old, "accounts-export", {"file": EVIL}).must("apply", 1)
    nowhere = Trial(old, "accounts-export", {"file": f"/srv/{EVIL}/accounts"}, state=STATE, captured={"file": "absent"})
    before = nowhere.seen()
    assert not nowhere.recognised()
    assert nowhere.ask("capture").said == nowhere.must("apply", 1) == f"there is no folder /srv/{EVIL}\n"
    nowhere.must("undo")
    nowhere.must("verify_undo")
    assert nowhere.seen() == before
    return old.run("cat /srv/accounts")


@pytest.fixture(scope="module")
def fresh(rig: Rig) -> RealHost:
    host = rig.host("new")
    host.run("userdel -r mover; useradd -m -u 1500 dora")
    return host


@pytest.fixture
def new(fresh: RealHost, export: str) -> RealHost:
    put(fresh, export)
    return fresh


def put(host: RealHost, text: str, path: str = "/srv/accounts") -> None:
    host.run(f"umask 077; cat > {path} <<'COCKPIT_END'\n{text}COCKPIT_END")


def copy(host: RealHost, **more: str) -> Trial:
    return Trial(host, "accounts-copy", {"file": "/srv/accounts", **more}, state=STATE)


def test_users_with_ids_passwords_and_keys_go_over_and_back(new: RealHost, old: RealHost) -> None:
    trial = copy(new)
    trial.there_and_back()
    trial.cut_anywhere()
    trial.there()
    for look in (
        "getent passwd ann ben cat",
        "getent shadow ann ben cat",
        "id ben",
        "id cat",
        "cat /home/ann/.ssh/authorized_keys",
    ):
        assert new.run(look) == old.run(look)
    assert "ann" in new.run("getent group haskell")
    # A role of the system is a decision of its own.
    assert "adm" not in new.run("id ann")
    assert "ann in adm" in trial.must("apply")
    assert not evil_left(new)
    new.run("su ann -s /bin/sh -c 'echo mine > /home/ann/mine'; useradd -m -u 1600 eve")
    trial.back()
    assert new.run("cat /home/ann/mine; id -u eve").split() == ["mine", "1600"]
    new.run("userdel -r eve; rm -r /home/ann")


def test_a_user_who_is_there_is_brought_up_to_date_and_gets_back_what_he_had(new: RealHost) -> None:
    new.run(
        "useradd -m -u 1001 -U -s /bin/sh ann; echo ann:other | chpasswd; mkdir -m 700 ~ann/.ssh; echo mine > ~ann/.ssh/authorized_keys; chown -R ann ~ann/.ssh; chmod 600 ~ann/.ssh/*"
    )
    trial = copy(new)
    trial.there_and_back()
    new.run("userdel -r ann")


def test_links_that_users_put_in_their_homes_lead_root_nowhere(new: RealHost, old: RealHost, export: str) -> None:
    """Keys are read and written as the user: no link makes root read or replace a file of somebody else."""
    old.run(
        "useradd -m -u 1020 mal; su -s /bin/sh mal -c 'mkdir -m 700 ~/.ssh; ln -s /etc/shadow ~/.ssh/authorized_keys'"
    )
    Trial(old, "accounts-export", {"file": "/srv/mal"}, captured={"file": "absent"}).must("apply")
    assert "key:mal" not in old.run("cat /srv/mal")
    old.run(
        "rm ~mal/.ssh/authorized_keys; echo of mal > ~mal/.ssh/authorized_keys; chown mal ~mal/.ssh/authorized_keys"
    )
    Trial(old, "accounts-export", {"file": "/srv/mal"}, captured={"file": "absent"}).must("apply")
    lines = [line for line in old.run("cat /srv/mal").splitlines() if line.split(":")[1] == "mal"]
    assert [line.split(":")[0] for line in lines] == ["group", "shadow", "user", "key"]
    old.run("userdel -r mal; rm /srv/mal")
    put(new, "\n".join(lines) + "\n", "/srv/mal")
    root = new.run("cat /root/.ssh/authorized_keys; stat -c '%U %a' /root/.ssh /root/.ssh/authorized_keys")
    # A folder of another user's, that one can look into.
    new.run("useradd -m -u 1020 mal; su -s /bin/sh mal -c 'ln -s /root/.ssh ~/.ssh'; chmod 711 /root")
    trial = copy(new, file="/srv/mal")
    before = trial.seen()
    trial.capture()
    assert "may not write" in trial.must("apply", 1)
    trial.back()
    assert trial.seen() == before
    assert new.run("cat /root/.ssh/authorized_keys; stat -c '%U %a' /root/.ssh /root/.ssh/authorized_keys") == root
    new.run("chmod 700 /root; rm ~mal/.ssh")
    # A home without the folder gets it, and is as it was after the undo.
    trial.there_and_back()
    new.run("userdel -r mal; rm /srv/mal")


@pytest.mark.parametrize("without", ["setpriv", "setpriv perl"])
def test_old_systems_without_setpriv_read_and_write_keys_as_the_user_too(
    old: RealHost, new: RealHost, without: str
) -> None:
    """Debian's Etch has Perl and su, others su alone, which is told where it refuses an account."""
    old.run(
        "useradd -m -u 1040 kim; useradd -m -u 1041 lou; echo 'k \"$(touch /tmp/owned)\"' >~kim/keys; mkdir ~kim/.ssh ~lou/.ssh;"
        "mv ~kim/keys ~kim/.ssh/authorized_keys; chown -R kim ~kim; chmod 600 ~kim/.ssh/*; ln -s /etc/shadow ~lou/.ssh/authorized_keys"
    )
    export = Trial(old, "accounts-export", {"file": "/srv/kim"}, captured={"file": "absent"})
    export.must("apply")
    wanted = old.run("cat /srv/kim")
    assert "key:kim:" in wanted
    assert "key:lou:" not in wanted
    hide = "for tool in {}; do mv /usr/bin/$tool{} /usr/bin/$tool{}; done"
    for host in (old, new):
        host.run(hide.format(without, "", ".hidden"))
    try:
        for shell in SHELLS:
            export.must("apply", 0, shell)
            assert old.run("cat /srv/kim") == wanted
        old.run("chage -E 0 kim")
        if "perl" in without:
            assert "the keys of kim cannot be asked for" in export.must("apply", 1)
        else:
            export.must("apply")
            assert "key:kim:" in old.run("cat /srv/kim")
        put(new, "\n".join(line for line in wanted.splitlines() if line.split(":")[1] == "kim") + "\n", "/srv/kim")
        trial = copy(new, file="/srv/kim")
        trial.capture()
        trial.must("apply")
        trial.must("verify")
        assert "touch /tmp/owned" in new.run(
            "cat ~kim/.ssh/authorized_keys; stat -c %U ~kim/.ssh/authorized_keys | grep kim"
        )
        trial.back()
    finally:
        for host in (old, new):
            host.run(hide.format(without, ".hidden", ""))
        old.run("userdel -r kim; userdel -r lou; rm /srv/kim")
    assert not evil_left(old)
    assert not evil_left(new)


def test_a_group_that_was_here_before_and_an_empty_password_come_back(new: RealHost) -> None:
    """userdel takes along the group of the user's name."""
    put(
        new,
        "group:haskell:2000:\ngroup:planet:2030:\nuser:planet:1030:2030::/home/planet:/bin/sh\nuser:eva:1031:2000::/home/eva:/bin/sh\nshadow:eva:*:20000:0:99999:7:::\n",
        "/srv/planet",
    )
    new.run("groupadd -g 2030 planet; useradd -M -u 1031 -d /home/eva -s /bin/sh eva; passwd -q -d eva")
    look = "getent group planet; getent shadow eva; getent passwd eva"
    trial = Trial(new, "accounts-copy", {"file": "/srv/planet"}, state=look)
    before = trial.seen()
    assert "planet:x:2030:" in before
    assert "eva::" in before
    trial.there_and_back()
    trial.capture()
    trial.must("apply")
    trial.must("undo")
    new.run("groupdel planet")
    assert "not what they were" in trial.must("verify_undo", 1)
    new.run("userdel eva; rm /srv/planet")


def test_ids_that_collide_are_named_and_nothing_is_changed(new: RealHost) -> None:
    new.run("useradd -u 1002 zoe; groupadd -g 2001 haskell; useradd -u 1700 cat")
    before = copy(new).seen()
    said = copy(new).must("apply", 1)
    for clash in (
        "id 1002 is ben there and zoe here",
        "group haskell is 2000 there and 2001 here",
        "user cat is 1003 there and 1700 here",
    ):
        assert clash in said
    assert copy(new).ask("probe").status == 1
    assert copy(new).seen() == before
    new.run("userdel zoe; userdel cat; groupdel haskell")


def test_what_is_no_export_is_refused(new: RealHost) -> None:
    before = copy(new).seen()
    for text in (
        "",
        "root:x:0:0\n",
        f"user:{EVIL}:1:1::/home/x:/bin/sh\n",
        "user:-x:1:1::/home/x:/bin/sh\n",
        "user:x:0 0:1::/home/x:/bin/sh\n",
    ):
        put(new, text, "/srv/bad")
        assert "no export" in copy(new, file="/srv/bad").must("apply", 1)
        new.run("rm /srv/bad")
    assert "no export" in copy(new, file=f"/srv/{EVIL}").must("apply", 1)
    assert copy(new).seen() == before
    trial = copy(new)
    trial.capture()
    # Keys may lie in a file of any name.
    trial.refuses("keys")
    named = copy(new, keys=f".ssh/{EVIL.replace('/', ':')}\n{EVIL.replace('/', ':')}")
    named.there()
    assert "touch /tmp/owned" in new.run("cat /home/ann/.ssh/it*")
    named.back()
    assert copy(new).seen() == before


def test_s37_accounts_that_came_since_the_first_copy_are_named(new: RealHost, old: RealHost, export: str) -> None:
    put(new, export, "/srv/first")
    look = Trial(new, "accounts-compare", {"file": "/srv/accounts", "first": "/srv/first"}, state=STATE)
    look.there_and_back(already=False)
    old.run(
        "useradd -M -u 1010 fay; groupadd -g 2010 darcs; echo ann:sea | chpasswd; userdel cat; echo k >> /home/ann/.ssh/authorized_keys"
    )
    Trial(old, "accounts-export", {"file": "/srv/accounts"}, captured={"file": "absent"}).must("apply")
    put(new, old.run("cat /srv/accounts"))
    said = look.must("verify", 1)
    for change in (
        "user fay was added",
        "group darcs was added",
        "the password of ann changed",
        "user cat is gone",
        "the keys of ann changed",
    ):
        assert change in said
    assert "password of fay" not in said
    against_host = Trial(new, "accounts-compare", {"file": "/srv/accounts"})
    assert "user fay was added" in against_host.must("apply", 1)
    copied = copy(new)
    copied.capture()
    copied.must("apply")
    against_host.must("verify")
    copied.back()
    assert Trial(new, "accounts-compare", {"file": f"/srv/{EVIL}"}).ask("verify").status == 2


def test_a_login_that_works_is_proven_and_one_that_does_not_is_told(new: RealHost) -> None:
    new.run(
        "useradd -m -s /bin/sh -p '*' gus; mkdir ~gus/.ssh; cp /root/.ssh/authorized_keys ~gus/.ssh; chown -R gus ~gus/.ssh"
    )
    put(new, new.rig.key.read_text(), "/root/key")
    params = {"user": "gus", "key": "/root/key", "host_key": new.host_key, "host": new.address}
    login = Trial(new, "login-works", params, state=f"{STATE}; find /tmp; ls -A /root")
    login.there_and_back(already=False)
    before = login.seen()
    login.capture()
    # While it is logged in, which five commands follow.
    middle = login.traced("apply") - 5
    for mend in ("apply", "undo", "verify"):
        login.cut("apply", middle)
        assert ".cockpit-login-" in new.run("ls -A /root"), "the cut leaves something to remove"
        login.must(mend)  # type: ignore[arg-type]
        login.same(before, f"what a cut leaves is not removed by {mend}")
    assert "stands in /home/gus" in login.must("verify")
    # Several look at the same time.
    with ThreadPoolExecutor(4) as several:
        assert [said.status for said in several.map(lambda _: login.ask("verify"), range(16))] == [0] * 16
    login.same(before, "what several have used is left")
    for wrong, status, says in (
        ({"user": "cat"}, 1, "cannot log in"),
        ({"home": "/home/other"}, 1, "not in /home/other"),
        (
            {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"},
            1,
            "cannot log in",
        ),
        ({"port": "23"}, 2, "refused"),
        ({"user": "-oProxyCommand=touch /tmp/owned"}, 2, "no name of a user"),
        ({"user": EVIL}, 2, "no name of a user"),
        ({"host": EVIL}, 2, "no name or address"),
        ({"host_key": "a\nb"}, 2, "one line"),
        ({"key": f"/srv/{EVIL}"}, 2, "no key"),
    ):
        said = Trial(new, "login-works", {**params, **wrong}).must("verify", status)
        assert says in said
    assert not evil_left(new)
    new.run("usermod -s /usr/sbin/nologin gus")
    assert "cannot log in" in login.must("verify", 1)
