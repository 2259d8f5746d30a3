"""Connections to real SSH servers: to the right machine or none, by every way in that ssh_config knows."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import msgspec
import pytest

from cockpit.events import HostSeen
from cockpit.hosts.pool import Unreachable, WrongHost
from tests.hosts.told import Told, pooled
from tests.real.fido import SecurityKey, plugged
from tests.real.linking import Person, config, hashed, named, unpinned, why_not, works
from tests.real.rig import RealHost, Rig, needs_rig, sh

pytestmark = needs_rig


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    return rig.host("old", sshd_config="PasswordAuthentication yes\nMaxSessions 3\n")


@pytest.fixture(scope="module")
def new(rig: Rig) -> RealHost:
    return rig.host("new")


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


async def test_known_hosts_with_hashes_patterns_and_broken_lines_are_understood(
    desk: Rig, old: RealHost, told: Told, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    hashed(old, known)
    assert await works(unpinned(old, known), told) == b"root\nold\n"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known.write_text(f"this is no key\n\n# a comment\n10.213.0.9 {other}10.213.*,!10.213.0.99 {old.host_key}\n")
    assert await works(unpinned(old, known), told) == b"root\nold\n"


async def test_a_revoked_key_is_refused_even_where_it_is_also_known(
    desk: Rig, old: RealHost, told: Told, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{old.address} {old.host_key}\n@revoked * {old.host_key}\n")
    assert "revoked" in await why_not(unpinned(old, known), told)


async def test_a_certificate_authority_vouches_for_its_hosts_and_no_others(
    desk: Rig, told: Told, tmp_path: Path
) -> None:
    authority = tmp_path / "authority"
    sh(f"ssh-keygen -q -t ed25519 -N '' -f {authority}")
    vouched = desk.host("vouched", sshd_config="HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\n")
    keys = vouched.root / "etc/ssh"
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority 10.213.* {authority.with_suffix('.pub').read_text()}")
    sh(f"ssh-keygen -q -s {authority} -I vouched -h -n {vouched.address} {keys}/ssh_host_ed25519_key.pub")
    vouched.restart_sshd()
    assert await works(unpinned(vouched, known), told) == b"root\nvouched\n"
    stranger = tmp_path / "stranger"
    sh(f"ssh-keygen -q -t ed25519 -N '' -f {stranger}")
    sh(f"ssh-keygen -q -s {stranger} -I vouched -h -n {vouched.address} {keys}/ssh_host_ed25519_key.pub")
    vouched.restart_sshd()
    assert "signed by" in await why_not(unpinned(vouched, known), Told())


async def test_a_changed_key_tells_both_fingerprints(desk: Rig, old: RealHost, told: Told, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    other = asyncssh.generate_private_key("ssh-ed25519")
    known.write_text(f"{old.address} {other.export_public_key().decode()}")
    said = await why_not(unpinned(old, known), told, Person(agrees=True))
    assert other.get_fingerprint() in said
    assert asyncssh.import_public_key(old.host_key).get_fingerprint() in said


async def test_a_first_meeting_is_decided_by_a_person_and_remembered(
    desk: Rig, old: RealHost, told: Told, tmp_path: Path
) -> None:
    known = tmp_path / "ssh/known_hosts"
    print_ = asyncssh.import_public_key(old.host_key).get_fingerprint()
    assert "is not known" in await why_not(unpinned(old, known), told)
    shy = Person(agrees=False)
    assert print_ in await why_not(unpinned(old, known), Told(), shy)
    assert print_ in shy.asked[0]
    assert not known.exists()
    assert await works(unpinned(old, known), Told(), Person(agrees=True)) == b"root\nold\n"
    nobody = Person()
    assert await works(unpinned(old, known), Told(), nobody) == b"root\nold\n"
    assert nobody.asked == []


async def test_nothing_is_trusted_when_ssh_config_names_no_known_hosts_file(
    desk: Rig, old: RealHost, told: Told, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n UserKnownHostsFile none\n GlobalKnownHostsFile none\n StrictHostKeyChecking no\n")
    host = old.plan(host_key="", ssh_config=str(config))
    assert "is not known" in await why_not(host, told)


async def test_swapped_hosts_are_told_as_that_and_nothing_runs(
    desk: Rig, old: RealHost, new: RealHost, told: Told
) -> None:
    swapped = {
        "old": msgspec.structs.replace(old.plan("old"), ssh=new.plan().ssh),
        "new": msgspec.structs.replace(new.plan("new"), ssh=old.plan().ssh),
    }
    async with pooled(swapped, told) as pool:
        assert "that is the key of new; are the two swapped?" in (await told.link("old", "down")).detail
        with pytest.raises(WrongHost, match="that is the key of old"):
            await pool["new"].run("touch /root/ran")
    by_machine = {
        id: msgspec.structs.replace(host, host_key=other.host_key, machine_id=own.machine_id)
        for (id, host), other, own in zip(swapped.items(), (new, old), (old, new), strict=True)
    }
    async with pooled(by_machine, told := Told()) as pool:
        said = (await told.link("old", "down")).detail
        assert f"expects machine-id {old.machine_id}" in said
        assert f"has {new.machine_id}: that is new; are the two swapped?" in said
        with pytest.raises(WrongHost):
            await pool["old"].ask("touch /root/ran")
    assert not old.file("/root/ran").exists()
    assert not new.file("/root/ran").exists()


async def test_a_wrong_host_name_is_refused(desk: Rig, old: RealHost, told: Told) -> None:
    assert "expects the host name mail, root@10.213.0.10 has old" in await why_not(old.plan(hostname="mail"), told)


async def test_a_machine_that_became_another_between_two_steps_is_refused(desk: Rig, new: RealHost, told: Told) -> None:
    async with pooled({"new": new.plan()}, told) as pool:
        await pool["new"].prove()
        new.run(f"echo {'0' * 32} >/etc/machine-id")
        try:
            with pytest.raises(WrongHost, match=f"was machine-id {new.machine_id} when it was first met"):
                await pool["new"].prove()
        finally:
            new.run(f"echo {new.machine_id} >/etc/machine-id")
        await pool["new"].prove()


async def test_ssh_config_with_include_match_and_aliases_is_followed(
    desk: Rig, old: RealHost, new: RealHost, told: Told, tmp_path: Path
) -> None:
    (tmp_path / "more").write_text(f"Host mail\n HostName {old.address}\n HostKeyAlias old\n")
    text = f"Include {tmp_path}/more\nMatch originalhost mail exec true\n User mover\n"
    assert await works(named("mail", config(tmp_path, old, new, text)), told) == b"mover\nold\n"


async def test_a_jump_host_is_verified_like_any_other(
    desk: Rig, old: RealHost, new: RealHost, told: Told, tmp_path: Path
) -> None:
    text = f"Host inner\n HostName {new.address}\n HostKeyAlias new\n ProxyJump bastion\nHost bastion\n HostName {old.address}\n HostKeyAlias old\n"
    file = config(tmp_path, old, new, text)
    async with pooled({"inner": named("inner", file)}, told) as pool:
        ran = await pool["inner"].run("hostname; echo $SSH_CONNECTION")
        assert ran.out.startswith(f"new\n{old.address} ".encode())
    known = tmp_path / "known"
    known.write_text(f"new {new.host_key}\n")
    said = await why_not(named("inner", file), Told())
    assert said.startswith("bastion: its host key")


async def test_a_proxy_command_carries_the_connection(
    desk: Rig, old: RealHost, new: RealHost, told: Told, tmp_path: Path
) -> None:
    text = f"Host far\n HostName {new.address}\n HostKeyAlias new\n ProxyCommand ssh -F {tmp_path}/config -W %h:%p bastion\nHost bastion\n HostName {old.address}\n HostKeyAlias old\n"
    assert await works(named("far", config(tmp_path, old, new, text)), told) == b"root\nnew\n"


async def test_what_ssh_config_asks_for_and_we_do_not_do_is_said(
    desk: Rig, old: RealHost, new: RealHost, told: Told, tmp_path: Path
) -> None:
    text = f"Host mail\n HostName {old.address}\n HostKeyAlias old\n VerifyHostKeyDNS yes\n StrictHostKeyChecking accept-new\n"
    host = named("mail", config(tmp_path, old, new, text))
    async with pooled({"mail": host}, told) as pool:
        await pool["mail"].connection()
        limits = " ".join(pool["mail"].limits)
    assert "verifyhostkeydns" in limits
    assert "StrictHostKeyChecking" in limits


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        while not socket.exists():
            assert process.poll() is None
        yield str(socket)
        process.terminate()


async def test_an_agent_opens_the_host_and_identities_only_limits_it(
    desk: Rig, old: RealHost, new: RealHost, told: Told, tmp_path: Path, agent: str
) -> None:
    sh(f"SSH_AUTH_SOCK={agent} ssh-add -q {desk.key}")
    base = config(tmp_path, old, new, "")
    text = Path(base).read_text().replace(f" IdentityFile {desk.key}\n", "")
    text += f"Host old\n HostName {old.address}\n IdentityAgent {agent}\n"
    Path(base).write_text(text)
    assert await works(named("old", base), told) == b"root\nold\n"
    stranger = tmp_path / "stranger"
    sh(f"ssh-keygen -q -t ed25519 -N '' -f {stranger}")
    Path(base).write_text(text + f" IdentitiesOnly yes\n IdentityFile {stranger}\n PasswordAuthentication no\n")
    assert "refused our key" in await why_not(named("old", base), Told())


async def test_a_security_key_in_an_agent_opens_the_host_when_it_is_touched(
    desk: Rig, told: Told, tmp_path: Path
) -> None:
    guarded = desk.host("touched")
    for touches in (1000, 0):
        key, socket = SecurityKey(touches), tmp_path / f"agent{touches}"
        guarded.file("root/.ssh/authorized_keys").write_text(key.line + "\n")
        base = tmp_path / "config"
        base.write_text(
            f"Host guarded\n HostName {guarded.address}\n User root\n IdentityAgent {socket}\n PasswordAuthentication no\n"
        )
        host = msgspec.structs.replace(guarded.plan(), ssh="guarded", ssh_config=str(base), identity_file="")
        async with plugged(key, socket):
            if touches:
                assert await works(host, told) == b"root\ntouched\n"
                assert key.signed
            else:
                assert "refused our key" in await why_not(host, Told())


async def test_a_user_certificate_opens_the_host(desk: Rig, told: Told, tmp_path: Path) -> None:
    authority, key = tmp_path / "authority", tmp_path / "key"
    sh(f"for f in {authority} {key}; do ssh-keygen -q -t ed25519 -N '' -f $f; done")
    sh(f"ssh-keygen -q -s {authority} -I me -n root {key}.pub")
    strict = desk.host("strict", sshd_config="TrustedUserCAKeys /etc/ssh/users\n")
    sh(f"cp {authority}.pub {strict.root}/etc/ssh/users")
    assert await works(strict.plan(identity_file=str(key)), told) == b"root\nstrict\n"
    Path(f"{key}-cert.pub").unlink()
    assert "none of our keys" in await why_not(strict.plan(identity_file=str(key)), Told())


async def test_a_passphrase_is_asked_once_and_a_wrong_one_again(
    desk: Rig, old: RealHost, told: Told, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    sh(f"cp {desk.key} {key}; chmod 600 {key}; ssh-keygen -q -p -P '' -N 'open sesame' -f {key}")
    person = Person("wrong", "open sesame")
    hosts = {
        "old": old.plan(identity_file=str(key)),
        "again": msgspec.structs.replace(old.plan(identity_file=str(key)), id="again"),
    }
    async with pooled(hosts, told, person) as pool:
        for id in hosts:
            async with asyncio.timeout(20):
                assert (await pool[id].run("hostname")).out == b"old\n"
        old.restart_sshd()
        assert (await pool["old"].run("hostname")).out == b"old\n"
    assert set(person.asked) == {f"passphrase of {key}"}
    assert len(person.asked) <= 3
    assert "open sesame" not in repr(told.events)


async def test_a_password_is_asked_once_for_a_host_that_wants_one(
    desk: Rig, old: RealHost, told: Told, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    sh(f"ssh-keygen -q -t ed25519 -N '' -f {stranger}")
    person = Person("river")
    host = old.plan(user="mover", identity_file=str(stranger))
    async with pooled({"old": host}, told, person) as pool:
        assert (await pool["old"].run("id -un")).out == b"mover\n"
        old.restart_sshd()
        assert (await pool["old"].run("id -un")).out == b"mover\n"
    assert person.asked == ["password of mover on old"]
    assert "river" not in repr(told.events)
    assert "nobody to ask" in await why_not(host, Told())


@pytest.fixture(scope="module")
def guarded(rig: Rig) -> RealHost:
    host = rig.host("guarded")
    root = host.root
    (root / "etc/sudoers.d/mover").write_text("mover ALL=(ALL) ALL\n")
    (root / "etc/doas.conf").write_text("permit mover as root\n")
    sh(
        f"chmod 440 {root}/etc/sudoers.d/mover; chmod 600 {root}/etc/doas.conf; echo 'root:ocean' | chroot {root} chpasswd"
    )
    return host


BINARY = bytes(range(256)) * 40


@pytest.mark.parametrize(("how", "password"), [("sudo", "river"), ("doas", "river"), ("su", "ocean")])
async def test_another_account_is_reached_with_a_password_and_bytes_stay_bytes(
    desk: Rig, guarded: RealHost, told: Told, how: str, password: str
) -> None:
    person = Person("wrong", password)
    host = guarded.plan(user="mover", become=how)
    async with pooled({"guarded": host}, told, person) as pool, asyncio.timeout(60):
        link = pool["guarded"]
        ran = await link.run("id -un; cat; echo trouble >&2; exit 7", BINARY)
        assert (ran.out, ran.err.strip(), ran.exit) == (b"root\n" + BINARY, b"trouble", 7)
        assert (await link.ask("id -un; exit 3")).exit == 3
        assert (await link.ask("id -un")).out == b"root\n"
        processes = guarded.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '", check=False)
        assert password not in processes
    assert person.asked == [f"password for {how} on guarded"] * 2
    assert password not in repr(told.events)


@pytest.mark.parametrize("how", ["sudo", "doas"])
async def test_another_account_is_reached_without_a_password_where_the_host_allows_it(
    desk: Rig, told: Told, how: str
) -> None:
    host = desk.hosts.get("open") or desk.host("open")
    root = host.root
    (root / "etc/sudoers.d/mover").write_text("mover ALL=(ALL) NOPASSWD: ALL\n")
    (root / "etc/doas.conf").write_text("permit nopass mover as root\n")
    sh(f"chmod 440 {root}/etc/sudoers.d/mover; chmod 600 {root}/etc/doas.conf")
    assert await works(host.plan(user="mover", become=how), told) == b"root\nopen\n"


async def test_an_account_that_the_host_does_not_give_is_refused_in_a_sentence(
    desk: Rig, new: RealHost, told: Told
) -> None:
    said = await why_not(new.plan(user="mover", become="sudo"), told, Person("river", "river", "river", "river"))
    assert "sudo refused the password" in said


async def test_more_channels_than_a_connection_may_have_open_further_connections(
    desk: Rig, old: RealHost, told: Told
) -> None:
    async with pooled({"old": old.plan()}, told) as pool:
        link = pool["old"]
        await link.connection()
        begun = [link.process(f"echo {number}; exec sleep 60") for number in range(7)]
        processes = [await one.__aenter__() for one in begun]
        for number, process in enumerate(processes):
            assert await process.stdout.readline() == f"{number}\n".encode()
        connections = old.run("pgrep -c -f 'sshd: root@notty' || :").strip()
        for one in begun:
            await one.__aexit__(None, None, None)
    assert int(connections) >= 3


async def test_a_cut_link_is_shown_as_silent_then_down_and_comes_back(desk: Rig, new: RealHost, told: Told) -> None:
    async with pooled({"new": new.plan()}, told) as pool:
        await pool["new"].ask("true")
        new.cut()
        try:
            async with asyncio.timeout(40):
                await told.until(lambda: [e for e in told.of(HostSeen) if e.link == "silent"], 15)
                await told.until(lambda: [e for e in told.of(HostSeen) if e.link == "down"], 30)
            [down, *_] = [e for e in told.of(HostSeen) if e.link == "down"]
            assert "not responding" in down.detail or "no answer" in down.detail
            with pytest.raises(Unreachable):
                await pool["new"].connection(wait=0.1)
        finally:
            new.mend()
        told.events.clear()
        await told.until(lambda: [e for e in told.of(HostSeen) if e.link == "up"], 30)
        assert (await pool["new"].ask("echo back")).out == b"back\n"


async def test_a_short_cut_loses_nothing(desk: Rig, new: RealHost, told: Told) -> None:
    async with pooled({"new": new.plan()}, told) as pool:
        asking = asyncio.create_task(pool["new"].ask("sleep 2; echo here"))
        await asyncio.sleep(0.3)
        new.cut()
        await asyncio.sleep(1.0)
        new.mend()
        assert (await asking).out == b"here\n"
        assert not [e for e in told.of(HostSeen) if e.link == "down"]


async def test_a_script_over_its_time_is_ended_on_the_host(desk: Rig, new: RealHost, told: Told) -> None:
    async with pooled({"new": new.plan()}, told) as pool:
        with pytest.raises(Unreachable, match="did not answer within"):
            await pool["new"].ask("sleep 4321", timeout=0.5)
        assert (await pool["new"].ask("echo fine")).out == b"fine\n"
        async with asyncio.timeout(5):
            while "4321" in new.run("pgrep -af '[s]leep 4321' || :"):
                await asyncio.sleep(0.05)


async def test_a_hundred_scripts_at_once_all_answer_their_own(desk: Rig, new: RealHost, told: Told) -> None:
    async with pooled({"new": new.plan()}, told) as pool:
        ran = await asyncio.gather(*(pool["new"].ask(f"echo {n}; echo e{n} >&2; exit {n % 7}") for n in range(100)))
    assert [(r.out, r.err, r.exit) for r in ran] == [(f"{n}\n".encode(), f"e{n}\n".encode(), n % 7) for n in range(100)]


async def test_a_script_cannot_end_or_fool_the_shell_it_runs_in(desk: Rig, new: RealHost, told: Told) -> None:
    async with pooled({"new": new.plan()}, told) as pool:
        link = pool["new"]
        for script, exit_ in (
            ("exit 5", 5),
            ("set -e; false; echo no", 1),
            ("if", 2),
            ("exec true", 0),
            ("kill -9 $(sh -c 'echo $PPID')", 137),
        ):
            assert (await link.ask(script)).exit == exit_, script
        assert (await link.ask("x=1; cd /tmp; umask 0; export LEFT=1")).exit == 0
        assert (await link.ask("echo ${x:-gone} ${LEFT:-gone}; pwd")).out == b"gone gone\n/root\n"
        assert (await link.ask("cat; echo ok")).out == b"ok\n"
        big = await link.ask("head -c 5000000 /dev/zero; exit 4", limit=1000)
        assert (big.exit, len(big.out)) == (4, 1000)
        assert (await link.ask(b"printf '%s' '\xff\xfe'; printf 'no end'")).out == b"\xff\xfeno end"
