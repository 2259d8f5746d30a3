"""Links to hosts: to the right machine or none, warm again after they were lost, and honest about what is not known."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from cockpit.events import HostSeen
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.lab import Lab
from tests.hosts.told import Told, hosts_of, plan_of, pooled


def links(lab: Lab, role: str) -> set[asyncssh.SSHServerConnection]:
    return lab.ssh[role]._links


async def test_a_command_gives_its_bytes_and_its_status(pool: HostPool, lab: Lab) -> None:
    ran = await pool["old"].run("cat; echo trouble >&2; exit 7", b"\x00\xff\n")
    assert (ran.exit, ran.out, ran.err) == (7, b"\x00\xff\n", b"trouble\n")
    assert ran.text == "trouble"
    assert (await pool["new"].run("pwd")).out == f"{lab.new.home}\n".encode()


async def test_a_link_tells_the_key_and_the_machine_it_reached(pool: HostPool, told: Told, lab: Lab) -> None:
    seen = await told.link("old", "up")
    assert seen.identity.startswith("SHA256:")
    assert seen.identity.endswith(lab.old.machine_id)


async def test_a_host_with_another_key_than_the_pinned_one_is_refused(lab: Lab, told: Told) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    async with pooled(hosts_of(lab, host_key=other), told) as pool:
        seen = await told.link("old", "down")
        pinned = asyncssh.import_public_key(other).get_fingerprint()
        shown = asyncssh.import_public_key(plan_of(lab).hosts["old"].host_key).get_fingerprint()
        assert f"its host key should be {pinned}, it is {shown}" in seen.detail
        with pytest.raises(Unreachable, match="host key"):
            await pool["old"].connection(wait=0.01)
        assert (await pool["new"].run("echo fine")).out == b"fine\n"
    assert not [seen for seen in told.of(HostSeen) if (seen.host, seen.link) == ("old", "up")]


async def test_known_hosts_decide_where_the_plan_pins_no_key(lab: Lab, told: Told) -> None:
    async with pooled(hosts_of(lab, host_key="", known_hosts=str(lab.known_hosts_path)), told) as pool:
        assert (await pool["old"].run("echo fine")).out == b"fine\n"
    stranger = lab.folder / "keys/strangers"
    stranger.write_text(lab.known_hosts_path.read_text().replace(lab.old.address, "192.0.2.1"))
    async with pooled(hosts_of(lab, host_key="", known_hosts=str(stranger)), told):
        assert "host key" in (await told.link("old", "down", "key")).detail


async def test_another_machine_behind_the_same_key_is_refused(lab: Lab, told: Told) -> None:
    async with pooled(hosts_of(lab, machine_id="f" * 32), told) as pool:
        seen = await told.link("old", "down")
        assert f"expects machine-id {'f' * 32}" in seen.detail
        assert lab.old.machine_id in seen.detail
        with pytest.raises(Unreachable, match="machine-id"):
            await pool["old"].connection(wait=0.01)


async def test_a_machine_that_changed_its_identity_while_the_link_was_lost_is_refused(
    pool: HostPool, lab: Lab, told: Told
) -> None:
    await told.link("old", "up")
    (lab.old.home / "etc/machine-id").write_text("0" * 32 + "\n")
    lab.ssh["old"].drop()
    assert "machine-id" in (await told.link("old", "down", "machine-id")).detail


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [("host_key", "ssh-ed25519 nonsense", ""), ("identity_file", "/nowhere/key", "No such file")],
)
async def test_a_host_that_cannot_be_tried_takes_no_other_link_along(
    lab: Lab, told: Told, field: str, value: str, sentence: str
) -> None:
    async with pooled(hosts_of(lab, **{field: value}), told) as pool:
        seen = await told.link("old", "down")
        assert seen.detail
        assert sentence in seen.detail
        assert (await pool["new"].run("echo fine")).out == b"fine\n"


async def test_a_key_that_needs_a_passphrase_is_told_in_a_sentence(lab: Lab, told: Told) -> None:
    file = lab.folder / "keys/locked"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(file, "pkcs8-pem", "secret")
    async with pooled(hosts_of(lab, identity_file=str(file)), told) as pool:
        assert "passphrase" in (await told.link("old", "down")).detail.lower()
        assert (await pool["new"].run("echo fine")).out == b"fine\n"


async def test_a_refused_key_is_told_in_a_sentence(lab: Lab, told: Told) -> None:
    file = lab.folder / "keys/stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(file)
    async with pooled(hosts_of(lab, identity_file=str(file)), told):
        assert "refused our key" in (await told.link("old", "down")).detail


async def test_a_command_that_ends_before_it_reads_its_input_is_no_lost_link(pool: HostPool) -> None:
    for _ in range(5):
        ran = await pool["old"].run("exit 3", b"x" * 3_000_000)
        assert ran.exit == 3


async def test_more_commands_at_once_than_a_link_has_sessions_all_succeed(pool: HostPool) -> None:
    ran = await asyncio.gather(*(pool["old"].run(f"echo {number}; cat", b"in") for number in range(60)))
    assert [(one.exit, one.out) for one in ran] == [(0, f"{number}\nin".encode()) for number in range(60)]


async def test_a_lost_link_is_told_and_opened_again(pool: HostPool, lab: Lab, told: Told) -> None:
    for _ in range(3):
        assert (await pool["old"].run("echo here")).out == b"here\n"
        told.events.clear()
        assert lab.ssh["old"].drop() == 1
        await told.link("old", "down")
        await told.link("old", "up")
    assert (await pool["old"].run("echo again")).out == b"again\n"


async def test_a_command_whose_link_was_lost_has_no_status(pool: HostPool, lab: Lab) -> None:
    async with pool["old"].process("echo begun; exec sleep 60") as process:
        assert await process.stdout.readline() == b"begun\n"
        other = asyncio.create_task(pool["old"].run("echo alive >tmp/alive; exec sleep 60"))
        async with pool["old"].process("while [ ! -f tmp/alive ]; do sleep 0.01; done; echo ok") as waiting:
            assert await waiting.stdout.readline() == b"ok\n"
        lab.ssh["old"].drop()
        [ended] = await asyncio.gather(other, return_exceptions=True)
        assert str(ended).startswith("old: ") if isinstance(ended, Unreachable) else ended.exit is None


async def test_a_dead_server_is_unreachable_with_a_sentence(lab: Lab, told: Told) -> None:
    await lab.kill("ssh-old")
    async with pooled(hosts_of(lab), told) as pool:
        await told.link("old", "down")
        with pytest.raises(Unreachable, match=r"^old cannot be reached: .*(refused|Connect)"):
            await pool["old"].connection(wait=0.05)
        assert (await pool["new"].run("echo fine")).out == b"fine\n"
        await lab.restart("ssh-old")
        assert (await pool["old"].run("echo back")).out == b"back\n"


async def test_a_link_lost_while_the_machine_was_asked_who_it_is_is_opened_again(lab: Lab, told: Told) -> None:
    lab.old.thawed.clear()
    async with pooled(hosts_of(lab), told) as pool:
        await told.link("new", "up")
        for _ in range(2):
            async with asyncio.timeout(5):
                while not any(link._sessions for link in owners(lab)):
                    await asyncio.sleep(0.01)
            lab.ssh["old"].drop()
            seen = await told.link("old", "down")
            assert "machine-id" not in seen.detail
            told.events.clear()
        lab.old.thawed.set()
        assert (await pool["old"].run("echo back")).out == b"back\n"
        assert (await pool["new"].run("echo fine")).out == b"fine\n"


async def test_a_command_that_does_not_end_in_time_is_unknown(pool: HostPool) -> None:
    with pytest.raises(Unreachable, match="old did not answer within 0 s"):
        await pool["old"].run("exec sleep 60", timeout=0.2)
    assert (await pool["old"].run("echo fine")).out == b"fine\n"


async def test_output_over_the_limit_is_left_out_and_the_status_kept(pool: HostPool) -> None:
    ran = await pool["old"].run("head -c 3000000 /dev/zero; exit 4", limit=1000)
    assert (ran.exit, len(ran.out)) == (4, 1000)


async def test_nothing_stays_open_when_the_pool_ends(lab: Lab, told: Told) -> None:
    async with pooled(hosts_of(lab), told):
        await told.link("old", "up")
        await told.link("new", "up")
        assert links(lab, "old")
        ended = [link.wait_closed() for role in ("old", "new") for link in links(lab, role)]
    async with asyncio.timeout(3):
        await asyncio.gather(*ended)


async def test_a_shell_word_arrives_as_it_is(pool: HostPool) -> None:
    for word in ("plain", "two words", "$HOME `id`", "it's", "x; rm -rf /", "new\nline", "-n", ""):
        assert (await pool["old"].run(f"printf %s {quoted(word)}")).out == word.encode()


def owners(lab: Lab) -> list[object]:
    return [link.get_owner() for link in links(lab, "old")]
