"""Repositories, mailboxes and configuration are compared with the figures of the other host (S22, S32)."""

from __future__ import annotations

import subprocess

import pytest

from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world

pytestmark = needs_world

STATE = "find /srv/it /srv/figures* -printf '%m %u %p\\n' | sort; cat /srv/figures"
DRIFT = "find /srv/etc /srv/shared -printf '%y %m %u %p\\n' | sort; cat /srv/shared/*"
REPOS = {"root": "/srv/it/re pos", "figures": "/srv/figures"}
SPOOL = {"spool": "/srv/it/mail", "figures": "/srv/figures"}


@pytest.fixture(scope="module")
def hosts(rig: Rig) -> tuple[RealHost, RealHost]:
    """Old with repositories and mail, new with a copy."""
    old, new = rig.host("old"), rig.host("new")
    old.run(
        "mkdir -p '/srv/it/re pos' /srv/it/mail; cd '/srv/it/re pos'; export DARCS_EMAIL=a@b EMAIL=a@b HOME=/tmp;"
        "git config --global user.name a; git config --global user.email a@b;"
        'git init -q --bare "it\'s \\$(x).git"; git init -q work; cd work; echo 1 > f; git add f; git commit -qm 1; git tag t;'
        "git push -q \"../it's \\$(x).git\" HEAD:refs/heads/main; cd ..; printf '#!/bin/sh\\n' > \"it's \\$(x).git/hooks/post-receive\";"
        "chmod 755 *.git/hooks/post-receive; (cd it*/hooks && ln -s post-receive update); darcs init -q d; cd d; echo 1 > f; darcs add -q f; darcs record -qam 1; cd ..; chown -R mover .;"
        "cd ../mail; printf 'From a  now\\nMessage-ID: <1@x>\\n\\nbody\\nMessage-ID: <no@x>\\n\\nFrom a  now\\nmessage-id: <2@x>\\n\\nbody\\n' > ann;"
        "mkdir -p ben/Maildir/cur ben/Maildir/new ben/Maildir/.old/cur cat/cur cat/new; touch dan;"
        'for n in 1 2; do printf "Subject: x\\nMessage-Id: <$n@y>\\n\\nbody\\n" > ben/Maildir/cur/$n; done; cp ben/Maildir/cur/1 ben/Maildir/.old/cur/3',
    )
    packed = subprocess.run(
        [*old.entered(), "tar", "cf", "-", "-C", "/srv", "it"], capture_output=True, check=True
    ).stdout
    subprocess.run([*new.entered(), "tar", "xpf", "-", "-C", "/srv"], input=packed, check=True)
    return old, new


def carried(hosts: tuple[RealHost, RealHost], figures: str, verify: str, params: dict[str, str]) -> Trial:
    """The figures of old, on new; what compares them."""
    old, new = hosts
    Trial(old, figures, params, captured={"figures": "absent"}).must("apply")
    new.run("rm -rf /srv/it.good; cp -a /srv/it /srv/it.good")
    new.run(f"cat > /srv/figures <<'COCKPIT_END'\n{old.run('cat /srv/figures')}COCKPIT_END")
    return Trial(new, verify, params, state=STATE)


@pytest.mark.parametrize(("recipe", "params"), [("repos-figures", REPOS), ("spool-figures", SPOOL)])
def test_figures_are_written_and_taken_back(
    hosts: tuple[RealHost, RealHost], recipe: str, params: dict[str, str]
) -> None:
    old = hosts[0]
    trial = Trial(old, recipe, params, state=STATE)
    old.run("rm -f /srv/figures")
    trial.cut_anywhere()
    old.run("echo before > /srv/figures")
    trial.there_and_back()
    trial.captured = {}
    trial.capture()
    trial.refuses()
    for where in ({"figures": "figures"}, {"figures": "/srv/a\nb"}, {next(iter(params)): f"/srv/{EVIL}"}):
        wrong = Trial(old, recipe, {**params, **where}, state=STATE)
        assert wrong.ask("probe").status == 2
        assert wrong.ask("apply").status == 1
    assert not evil_left(old)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("chmod 644 it*/hooks/post-receive", "post-receive"),
        ("chown root work", "folder 755 root"),
        ("cd work; git -c safe.directory='*' tag -d t", "refs/tags/t"),
        ("rm -r d", "d is missing"),
        ("rm it*/hooks/update", "hook ./update -> post-receive"),
        ("ln -sf pre-receive it*/hooks/update", "hook ./update -> post-receive"),
        ("rm work/.git/objects/[0-9a-f][0-9a-f]/*", ""),
        ("cd d; rm _darcs/patches/*", ""),
    ],
)
def test_s32_a_repository_that_is_not_as_on_old_is_named(
    hosts: tuple[RealHost, RealHost], spoil: str, says: str
) -> None:
    look = carried(hosts, "repos-figures", "repos-verify", REPOS)
    new = hosts[1]
    if says == "post-receive":
        look.there_and_back(already=False)
        assert "3 repositories are whole" in look.must("verify")
    new.run(f"cd '/srv/it/re pos'; {spoil}")
    said = look.ask("verify")
    new.run("rm -rf /srv/it; mv /srv/it.good /srv/it")
    assert said.status == 1, said
    if "folder" in says:
        says = "./work differs: folder 755 mover"
    assert says in said.out


def test_a_host_without_setpriv_reads_its_repositories_as_their_owner_too(hosts: tuple[RealHost, RealHost]) -> None:
    old = hosts[0]
    figures = Trial(old, "repos-figures", REPOS, captured={"figures": "absent"})
    figures.must("apply")
    wanted = old.run("cat /srv/figures; rm /srv/figures")
    old.run(
        "mv /usr/bin/setpriv /usr/bin/setpriv.hidden; printf '#!/bin/sh\nid -u >>/tmp/ran\n' >/srv/own; chmod 755 /srv/own"
    )
    old.run("cd '/srv/it/re pos'; git config -f work/.git/config core.fsmonitor /srv/own; chown mover work/.git/config")
    try:
        figures.must("apply")
        assert old.run("cat /srv/figures") == wanted
    finally:
        old.run("mv /usr/bin/setpriv.hidden /usr/bin/setpriv; rm /srv/own")
        old.run(
            "cd '/srv/it/re pos'; git config -f work/.git/config --unset core.fsmonitor; chown mover work/.git/config"
        )
    assert "0" not in old.run("cat /tmp/ran; rm -f /tmp/ran", check=False).split()


def test_what_a_repository_has_run_is_not_run_as_root(hosts: tuple[RealHost, RealHost]) -> None:
    """Owners choose what git and darcs run in their repositories; root only reads them."""
    look = carried(hosts, "repos-figures", "repos-verify", REPOS)
    for host in hosts:
        host.run(
            "cd '/srv/it/re pos'; printf '#!/bin/sh\\nid -u >> /tmp/ran\\n' > /srv/own; chmod 755 /srv/own; rm -f /tmp/ran;"
            "printf 'ALL posthook /srv/own\\nALL run-posthook\\nALL prehook /srv/own\\nALL run-prehook\\n' > d/_darcs/prefs/defaults;"
            "chown mover d/_darcs/prefs/defaults; git config -f work/.git/config core.fsmonitor /srv/own; chown mover work/.git/config"
        )
    Trial(hosts[0], "repos-figures", REPOS, captured={"figures": "absent"}).must("apply")
    hosts[1].run(f"cat > /srv/figures <<'COCKPIT_END'\n{hosts[0].run('cat /srv/figures')}COCKPIT_END")
    look.must("apply")
    assert "are whole" in look.must("verify")
    for host in hosts:
        assert host.run("cat /tmp/ran", check=False) == ""
        # They would have been run.
        host.run("cd '/srv/it/re pos/d'; darcs log --count; cat /tmp/ran; rm /tmp/ran /srv/own _darcs/prefs/defaults")
    hosts[1].run("rm -rf /srv/it; mv /srv/it.good /srv/it")


def test_s32_a_message_that_is_missing_is_counted_and_new_mail_is_no_fault(hosts: tuple[RealHost, RealHost]) -> None:
    look = carried(hosts, "spool-figures", "spool-verify", SPOOL)
    new = hosts[1]
    look.there_and_back(already=False)
    new.run(
        "cd /srv/it/mail; printf '\\nFrom c  now\\nMessage-ID: <9@x>\\n\\nx\\n' >> ann; cp ben/Maildir/cur/2 cat/new/5"
    )
    assert "each of 5 messages is here, 2 more have come" in look.must("verify")
    new.run("cd /srv/it/mail; sed -i 's/<2@x>/<7@x>/' ann; rm ben/Maildir/.old/cur/3; rm dan")
    said = look.must("apply", 1)
    for part in (
        "ann: 2 messages there, 3 here, 1 missing",
        "ben: 3 messages there, 2 here, 1 missing",
        "dan: not here",
    ):
        assert part in said
    new.run("rm /srv/figures")
    assert look.ask("verify").status == 2
    new.run("rm -rf /srv/it; mv /srv/it.good /srv/it")


def test_s22_drift_between_staging_and_production_is_named_without_its_values(hosts: tuple[RealHost, RealHost]) -> None:
    host = hosts[0]
    host.run(
        "mkdir /srv/etc /srv/shared; printf 'host = staging\\nworkers = 4\\npassword = s3cret\\n# remark\\n\\n' > '/srv/etc/a b.ini'"
    )
    params = {"config": "/srv/etc", "figures": "/srv/shared/figures", "facts": "echo python=3.11"}
    figures = Trial(host, "config-figures", params, state=DRIFT)
    host.run("echo older > /srv/shared/figures; chmod 640 /srv/shared/figures")
    figures.there_and_back()
    host.run("rm /srv/shared/figures")
    figures.cut_anywhere()
    figures.capture()
    figures.refuses()
    figures.must("apply")
    assert host.run("stat -c %a /srv/shared/figures") == "600\n"
    look = Trial(host, "config-drift", {**params, "intended": "host ="}, state=DRIFT)
    look.there_and_back(already=False)
    host.run("printf 'host = www\\n  workers = 8\\npassword = s3cret\\ndebug: on\\n' > '/srv/etc/a b.ini'")
    said = look.must("verify", 1) + look.must("apply", 1)
    assert "/srv/etc/a b.ini: workers differs" in said
    assert "/srv/etc/a b.ini: debug is set here only" in said
    assert not [value for value in ("host", "s3cret", "8") if value in said]
    assert look.ask("verify").status == 1
    gone = Trial(host, "config-drift", {**params, "figures": f"/srv/{EVIL}"})
    assert gone.ask("verify").status == 2
    wrong = Trial(host, "config-drift", {**params, "intended": "("})
    assert "no regular expression" in wrong.ask("verify").said
