"""The commands that the lab's hosts have where the machine has none, or none that knows the lab: they say what the real ones say."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
import pytest_asyncio

from cockpit.lab import Lab, stage
from cockpit.lab.host import TOOLS, LabHost
from tests.lab.test_servers import until

OPTIONS = [
    ("-sS", "-m", "5"),
    ("-q", "-g", "-sS", "-f", "-m", "5", "--noproxy", "*"),
    ("-sS", "-i"),
    ("-sS", "-o", "/dev/null", "-w", "%{http_code}"),
    ("-sS", "-w", "%{http_code}", "-d", "n=7&check=1"),
    ("-sS", "--data-binary", "@-"),
    ("-sS", "-X", "DELETE"),
    ("-sS", "-H", "Host: nobody.test", "-w", " %{http_code}"),
    ("-sS", "-K", "-"),
]
STEADY = ("date:", "content-length:")


@pytest_asyncio.fixture
async def charon(tmp_path: Path) -> AsyncIterator[Lab]:
    async with Lab.open(stage("charon"), tmp_path / "lab", traffic=False) as running:
        yield running


async def ran(words: list[str], host: LabHost | None = None, said: str = "") -> tuple[int, str]:
    """A command's status and what it printed; on a host of the lab, in its environment."""

    def work() -> tuple[int, str]:
        env = host.env("test") if host else dict(os.environ)
        cwd = host.home if host else None
        done = subprocess.run(words, input=said, capture_output=True, text=True, env=env, cwd=cwd, check=False)
        return done.returncode, done.stdout

    return await asyncio.to_thread(work)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs apt-get install -y curl")
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
async def test_the_small_curl_says_what_curl_says(charon: Lab, options: tuple[str, ...]) -> None:
    said = 'header = "X-Lab: yes"\nn=7' if "-K" in options else "n=7"
    for path in ("/", "/nothing"):
        url = f"http://{charon.old.address}:{charon.where.http_port}{path}"
        name = () if "-H" in options else ("-H", "Host: nekodojo.test")
        real = await ran(["curl", *options, *name, url], said=said)
        ours = await ran([sys.executable, "-I", "-S", str(TOOLS / "curl.py"), "curl", *options, *name, url], said=said)
        assert (ours[0], steady(ours[1])) == (real[0], steady(real[1])), (options, path)


def steady(text: str) -> list[str]:
    """Lines without what is new in each answer, in any order of headers."""
    return sorted(line for line in text.splitlines() if not line.lower().startswith(STEADY))


async def test_curl_asks_from_an_address_and_says_when_nobody_is_there(charon: Lab) -> None:
    url = f"http://{charon.old.address}:{charon.where.http_port}/"
    curl = [sys.executable, "-I", "-S", str(TOOLS / "curl.py"), "curl", "-sS"]
    assert (await ran([*curl, "--interface", charon.new.address, url]))[0] == 0
    assert charon.new.address in (charon.old.home / "logs/access.log").read_text()
    await charon.kill("web-old")
    assert (await ran([*curl, url]))[0] == 7


async def test_curl_uploads_a_message(charon: Lab) -> None:
    url = f"smtp://{charon.old.address}:{charon.where.smtp_port}/outside"
    words = [
        "curl",
        "-q",
        "-sS",
        "-m",
        "20",
        url,
        "--mail-from",
        "a@b.test",
        "--mail-rcpt",
        "akira@akira.nekodojo.test",
    ]
    tool = [sys.executable, "-I", "-S", str(TOOLS / "curl.py")]
    assert (await ran([*tool, *words, "--upload-file", "-"], said="Subject: by curl\r\n\r\nHello.\r\n"))[0] == 0
    box = charon.old.home / "var/mail/akira"
    await until(lambda: "Subject: by curl" in box.read_text(), 30)
    words[-1] = "nobody@elsewhere.test"
    assert (await ran([*tool, *words, "--upload-file", "-"], said="Subject: no\r\n\r\n"))[0] == 55


async def test_a_secondary_is_told_to_transfer_and_nslookup_sees_it_at_once(charon: Lab) -> None:
    """S63: all three servers have the serial of the primary, whatever their lag."""
    secondary = charon.hosts["ns3"]
    charon.secondaries[1]._lag = 3600.0
    zone = charon.zones["nekodojo.test"]
    zone.put("new.nekodojo.test.", 3, "A", "127.9.9.9")
    zone.serial += 1
    asked = ["nslookup", "-type=a", "new.nekodojo.test", secondary.address]
    assert (await ran(asked, secondary))[0] == 1
    assert (await ran(["rndc", "retransfer", "other.test"], secondary))[0] == 1
    assert (await ran(["rndc", "retransfer", "nekodojo.test"], secondary))[0] == 0
    status, told = await ran(asked, secondary)
    assert (status, "Address: 127.9.9.9" in told) == (0, True), told
    _, told = await ran(["nslookup", "-type=soa", "nekodojo.test", secondary.address], secondary)
    assert f"\tserial = {zone.serial}\n" in told
    _, told = await ran(["nslookup", "-type=mx", "chiyo.nekodojo.test", secondary.address], secondary)
    assert "chiyo.nekodojo.test\tmail exchanger = 10 charon.nekodojo.test.\n" in told


async def test_somebody_with_a_home_logs_in_with_a_key_of_their_own_and_lands_there(charon: Lab) -> None:
    host = {
        "host": charon.old.address,
        "port": charon.where.ssh_port,
        "known_hosts": str(charon.known_hosts_path),
        "config": None,
    }

    async def whereabouts(user: str, key: Path) -> str:
        async with asyncssh.connect(**host, username=user, client_keys=[str(key)], agent_path=None) as link:
            return str((await link.run("pwd; echo $HOME")).stdout)

    home = charon.old.home / "home/akira"
    assert await whereabouts("akira", charon.folder / "keys/akira") == f"{home}\n{home}\n"
    for user, key in (("akira", "beni"), ("akira", "operator"), ("root", "akira"), ("../home/akira", "akira")):
        with pytest.raises(asyncssh.PermissionDenied):
            await whereabouts(user, charon.folder / "keys" / key)


async def test_mail_for_a_locked_mailbox_waits_and_comes_when_it_is_unlocked(charon: Lab) -> None:
    box, lock = charon.old.home / "var/mail/akira", charon.old.home / "var/mail/akira.lock"
    lock.write_text("somebody")
    before = box.read_text()
    words = ["sendmail", "-f", "<>", "akira@akira.nekodojo.test"]
    assert (await ran(words, charon.old, "Subject: held up\n\nHello.\n"))[0] == 0
    await until(lambda: "the mailbox is locked" in (charon.old.home / "logs/mail.log").read_text(), 30)
    assert box.read_text() == before
    lock.unlink()
    await until(lambda: "Subject: held up" in box.read_text(), 30)
    assert not lock.exists()
    _, way = await ran(["sendmail", "-bv", "akira@akira.nekodojo.test"], charon.new)
    assert (
        way
        == f"akira@akira.nekodojo.test: akira@charon.nekodojo.test at {charon.old.address}:{charon.where.smtp_port}\n"
    )
