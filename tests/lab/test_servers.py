"""The lab's servers as independent clients see them."""

from __future__ import annotations

import asyncio
import smtplib
import sys
from pathlib import Path

import asyncssh
import dns.asyncquery
import dns.edns
import dns.message
import dns.rcode
import dns.tsigkeyring
import dns.update
import httpx
import pytest

from cockpit.cli.lab import FAULTS as TOLD
from cockpit.lab import Lab, LabError
from cockpit.lab.control import send, serve
from cockpit.lab.faults import FAULTS, Order
from cockpit.lab.host import LabHost
from cockpit.lab.stages.karl import CLIENTS, Karl


async def link(lab: Lab, role: str) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        lab.hosts[role].address,
        lab.where.ssh_port,
        username="karl",
        client_keys=[str(lab.operator_key_path)],
        known_hosts=str(lab.known_hosts_path),
        config=None,
    )


async def get(lab: Lab, host: LabHost, path: str, client: str = "osf", method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://{host.address}:{lab.where.http_port}{path}"
        return await http.request(method, url, headers={"Host": f"{client}.karl.test"}, content=b"x")


async def ask(lab: Lab, address: str, name: str = "osf.karl.test", **options: int) -> dns.message.Message:
    query = dns.message.make_query(name, "A", **options)
    return await dns.asyncquery.udp(query, address, timeout=3, port=lab.where.dns_port)


def a(message: dns.message.Message) -> list[str]:
    return [str(item) for one in message.answer for item in one]


async def post_mail(lab: Lab, host: LabHost, to: str) -> str:
    def work() -> str:
        try:
            with smtplib.SMTP(host.address, lab.where.smtp_port, timeout=5) as server:
                server.sendmail("a@example.net", [to], "Subject: hello\n\n.dot\nFrom here on\n")
        except smtplib.SMTPRecipientsRefused as refused:
            return str(next(iter(refused.recipients.values()))[0])
        return "ok"

    return await asyncio.to_thread(work)


async def until(holds: object, seconds: float = 30.0) -> None:
    assert callable(holds)
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.05)


async def test_commands_are_real_with_bytes_status_and_an_identity_for_each_host(lab: Lab) -> None:
    async with await link(lab, "old") as conn:
        ran = await conn.run("cat; echo no >&2; pwd; exit 7", input=b"\xff\x00\n", encoding=None)
        assert ran.exit_status == 7
        assert ran.stdout == b"\xff\x00\n" + str(lab.old.home).encode() + b"\n"
        assert ran.stderr == b"no\n"
        identity = await conn.run('cat "$COCKPIT_MACHINE_ID_FILE"; echo "$LAB_HOST"')
        assert identity.stdout == f"{lab.old.machine_id}\nold\n"
    assert lab.old.machine_id != lab.new.machine_id


async def test_a_signal_ends_the_command_and_says_so(lab: Lab) -> None:
    async with await link(lab, "new") as conn:
        process = await conn.create_process("sleep 30; echo survived", stdin=asyncssh.DEVNULL)
        await asyncio.sleep(0.3)
        process.send_signal("TERM")
        done = await asyncio.wait_for(process.wait(), 5)
        assert done.exit_signal is not None
        assert done.exit_signal[0] == "TERM"


async def test_the_eleventh_session_of_a_link_is_refused(lab: Lab) -> None:
    async with await link(lab, "old") as conn:
        held = [await conn.create_process("cat") for _ in range(10)]
        with pytest.raises(asyncssh.ChannelOpenError):
            await conn.create_process("cat")
        for process in held:
            process.stdin.write_eof()
            await process.wait()
        assert (await conn.run("echo again")).stdout == "again\n"


async def test_a_stranger_key_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            lab.old.address,
            lab.where.ssh_port,
            username="karl",
            client_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            known_hosts=str(lab.known_hosts_path),
            config=None,
            agent_path=None,
        )


async def test_a_detached_job_outlives_the_link_but_not_the_lab(tmp_path: Path) -> None:
    async with Lab.open(Karl(("osf",)), tmp_path / "lab", traffic=False) as lab:
        async with await link(lab, "old") as conn:
            await conn.run("setsid sh -c 'echo $$ >tmp/pid; exec sleep 60' </dev/null >/dev/null 2>&1 &")
            await until(lambda: (lab.old.home / "tmp/pid").exists() and (lab.old.home / "tmp/pid").read_text().strip())
        lab.ssh["old"].drop()
        pid = (lab.old.home / "tmp/pid").read_text().strip()
        await asyncio.sleep(0.2)
        assert Path(f"/proc/{pid}/stat").read_text().split()[2] == "S"
    proc = Path(f"/proc/{pid}/stat")
    await until(lambda: not proc.exists() or proc.read_text().split()[2] == "Z")


async def test_a_site_obeys_its_flags_and_the_bridge_says_what_new_says(lab: Lab) -> None:
    assert "KARL osf" in (await get(lab, lab.old, "/login")).text
    assert (await get(lab, lab.old, "/whoami")).text.strip() == "xen"
    assert (await get(lab, lab.new, "/login")).status_code == 404
    (lab.new.home / "etc/mode/osf").write_text("staging\n")
    assert (await get(lab, lab.new, "/whoami")).text.strip() == "staging"
    assert (await get(lab, lab.new, "/post", method="POST")).status_code == 403
    (lab.new.home / "etc/maintenance/osf").write_text("back soon\n")
    (lab.old.home / "etc/proxy/osf").write_text(f"{lab.where.new}:{lab.where.http_port}\n")
    bridged = await get(lab, lab.old, "/login")
    assert (bridged.status_code, bridged.headers["retry-after"], bridged.headers["x-served-by"]) == (
        503,
        "30",
        "shared",
    )
    assert "back soon" in bridged.text
    assert "xen" in bridged.headers["via"]
    (lab.new.home / "etc/mode/osf").write_text("production\n")
    (lab.new.home / "etc/maintenance/osf").unlink()
    assert (await get(lab, lab.old, "/whoami")).text.strip() == "shared"
    assert (await get(lab, lab.old, "/post", method="POST")).status_code == 201
    assert len((lab.new.home / "var/writes/osf").read_text().splitlines()) == 1
    assert not (lab.old.home / "var/writes/osf").exists()


async def test_a_path_cannot_leave_the_site(lab: Lab) -> None:
    reader, writer = await asyncio.open_connection(lab.where.old, lab.where.http_port)
    writer.write(b"GET /../../etc/machine-id HTTP/1.1\r\nHost: osf.karl.test\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404")
    assert lab.old.machine_id.encode() not in answer


async def test_mail_is_held_released_redirected_and_never_relayed_for_strangers(lab: Lab) -> None:
    assert await post_mail(lab, lab.old, "x@example.org") == "554"
    hold = lab.old.home / "etc/mail/hold/osf"
    hold.write_text("held\n")
    assert await post_mail(lab, lab.old, "list@osf.karl.test") == "ok"
    await asyncio.sleep(0.5)
    queue = lab.old.home / "var/queue"
    assert len(list(queue.iterdir())) == 1
    box = lab.old.home / "var/mail/osf/mbox"
    before = box.read_text()
    hold.unlink()
    await until(lambda: not list(queue.iterdir()))
    assert box.read_text().removeprefix(before).count("Subject: hello") == 1
    assert "\n>From here on\n" in box.read_text()
    (lab.new.home / "etc/mode/osf").write_text("staging\n")
    (lab.old.home / "etc/mail/redirect/osf").write_text(f"{lab.where.new}:{lab.where.smtp_port}\n")
    assert await post_mail(lab, lab.old, "list@osf.karl.test") == "ok"
    arrived = lab.new.home / "var/mail/osf/mbox"
    await until(lambda: arrived.exists() and "Subject: hello" in arrived.read_text())
    await until(lambda: f"relay={lab.where.new}" in (lab.old.home / "logs/mail.log").read_text())
    assert f"client={lab.where.old}" in (lab.new.home / "logs/mail.log").read_text()


def swap(lab: Lab, name: str, old: str, new: str) -> dns.update.UpdateMessage:
    ring = dns.tsigkeyring.from_text({"cutover": lab.tsig_path.read_text().strip()})
    change = dns.update.UpdateMessage("karl.test", keyring=ring, keyname="cutover", keyalgorithm="hmac-sha256")
    change.present(name, "A", old)
    change.replace(name, 5, "A", new)
    return change


async def test_an_update_is_a_compare_and_swap_that_every_authority_and_cache_follows(lab: Lab) -> None:
    where = lab.where
    for resolver in where.resolvers:
        assert a(await ask(lab, resolver)) == [where.old]
    wrong = await dns.asyncquery.udp(swap(lab, "osf", where.new, where.new), where.primary, port=where.dns_port)
    assert wrong.rcode() == dns.rcode.NXRRSET
    serial = lab.zones["karl.test"].serial
    done = await dns.asyncquery.tcp(swap(lab, "osf", where.old, where.new), where.primary, port=where.dns_port)
    assert done.rcode() == dns.rcode.NOERROR
    assert lab.zones["karl.test"].serial == serial + 1
    again = await dns.asyncquery.udp(swap(lab, "osf", where.old, where.new), where.primary, port=where.dns_port)
    assert again.rcode() == dns.rcode.NXRRSET
    assert a(await ask(lab, where.primary)) == [where.new]
    assert a(await ask(lab, where.secondaries[1])) == [where.old]
    first = await ask(lab, where.resolvers[0])
    assert a(first) == [where.old]
    assert first.answer[0].ttl <= 5
    async with asyncio.timeout(14):
        stale = False
        waiting = {*where.secondaries, *where.resolvers}
        while waiting:
            for address in sorted(waiting):
                answer = await ask(lab, address, use_edns=0)
                stale |= any(option.otype == dns.edns.OptionType.EDE for option in answer.options)
                if a(answer) == [where.new]:
                    waiting.discard(address)
            await asyncio.sleep(0.2)
    assert stale, "the last resolver says when it hands out what has expired"


async def test_an_update_unsigned_or_for_a_zone_of_somebody_else_is_refused(lab: Lab) -> None:
    where = lab.where
    bare = dns.update.UpdateMessage("karl.test")
    bare.replace("osf", 5, "A", where.new)
    assert (await dns.asyncquery.udp(bare, where.primary, port=where.dns_port)).rcode() == dns.rcode.REFUSED
    ring = dns.tsigkeyring.from_text({"cutover": lab.tsig_path.read_text().strip()})
    theirs = dns.update.UpdateMessage("harbor.karl.test", keyring=ring, keyname="cutover", keyalgorithm="hmac-sha256")
    theirs.replace("@", 5, "A", where.new)
    assert (await dns.asyncquery.udp(theirs, where.primary, port=where.dns_port)).rcode() == dns.rcode.REFUSED
    assert a(await ask(lab, where.primary, "harbor.karl.test")) == [where.old]


async def test_the_owner_of_a_zone_changes_it_after_a_letter(lab: Lab) -> None:
    assert isinstance(lab.stage, Karl)
    lab.stage.owner_delay = 0.2
    (lab.new.home / "etc/mode/harbor").write_text("staging\n")
    assert a(await ask(lab, lab.where.primary, "harbor.karl.test")) == [lab.where.old]
    assert await post_mail(lab, lab.new, "hostmaster@harbor.karl.test") == "ok"
    async with asyncio.timeout(5):
        while a(await ask(lab, lab.where.primary, "harbor.karl.test")) != [lab.where.new]:
            await asyncio.sleep(0.1)


async def test_the_world_browses_posts_and_writes(tmp_path: Path) -> None:
    async with Lab.open(Karl(), tmp_path / "lab") as lab:
        await until(
            lambda: lab.tally.taken["posts"] and lab.tally.taken["mails"] and lab.tally.answers.get(200, 0) > 5, 12
        )
        assert isinstance(lab.stage, Karl)
        assert lab.stage.clients == CLIENTS
        assert lab.tally.failures == 0
        log = (lab.old.home / "logs/access.log").read_text()
    assert '"POST /post HTTP/1.1" 201' in log
    assert not lab.down


async def test_faults_come_over_the_socket_and_go_again(lab: Lab) -> None:
    async with serve(lab):

        async def order(fault: str, **more: str) -> bool:
            return (await asyncio.to_thread(send, lab.folder, Order(fault=fault, **more))).ok

        assert not await order("kill-server", server="nothing")
        assert await order("kill-server", server="web-old")
        with pytest.raises(httpx.ConnectError):
            await get(lab, lab.old, "/login")
        assert await order("refuse-mail", host="old")
        assert await post_mail(lab, lab.old, "list@osf.karl.test") == "450"
        assert await order("disk-full", host="new")
        async with await link(lab, "new") as conn:
            assert (await conn.run("echo x >tmp/x")).exit_status != 0
            assert await order("drop-links", host="new")
            await asyncio.wait_for(conn.wait_closed(), 3)
        assert await order("restore")
        assert (await get(lab, lab.old, "/login")).status_code == 200
        assert await post_mail(lab, lab.old, "list@osf.karl.test") == "ok"
        assert await order("freeze", host="old")
        with pytest.raises(httpx.ReadTimeout):
            async with httpx.AsyncClient(trust_env=False, timeout=0.5) as http:
                await http.get(f"http://{lab.where.old}:{lab.where.http_port}/", headers={"Host": "osf.karl.test"})
        assert await order("restore")
        assert (await get(lab, lab.old, "/login")).status_code == 200


async def test_the_control_socket_answers_however_deep_its_folder_lies(tmp_path: Path) -> None:
    async with Lab.open(Karl(("osf",)), tmp_path / ("deep" * 25), traffic=False) as lab, serve(lab):
        assert len(str(lab.control_path)) > 107
        said = await asyncio.to_thread(send, lab.folder, Order(fault="status"))
        assert said.data["down"] == []


def test_the_help_tells_of_every_fault() -> None:
    assert [(fault.name, fault.help) for fault in FAULTS] == list(TOLD)


async def test_an_unknown_client_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no client nobody"):
        async with Lab.open(Karl(("nobody",)), tmp_path / "lab"):
            pass


async def test_the_process_says_ready_and_ends_with_its_parent(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(
            "-m",
            "cockpit.lab",
            "--folder",
            str(tmp_path / "lab"),
            "--clients",
            "osf",
            "--until-stdin-closes",
            "--quiet",
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 15)
    assert b'"ready": true' in line
    assert (tmp_path / "lab/karl.yaml").exists()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 8) == 0
