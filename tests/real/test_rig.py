"""The rig itself: that its hosts are what the other tests take them for."""

from __future__ import annotations

import contextlib
import socket
import subprocess

import pytest

from tests.real.rig import RealHost, Rig, needs_rig
from tests.real.world import until

pytestmark = needs_rig


@pytest.fixture(scope="module")
def old(rig: Rig) -> RealHost:
    return rig.host("old")


def banner(host: RealHost) -> bytes:
    with socket.create_connection((host.address, 22), 1) as link:
        return link.recv(20)


def ssh(host: RealHost, command: str) -> str:
    words = [
        "ssh",
        "-i",
        str(host.rig.key),
        "-o",
        f"UserKnownHostsFile={host.rig.folder}/known",
        "-o",
        "LogLevel=ERROR",
    ]
    (host.rig.folder / "known").write_text(f"{host.address} {host.host_key}\n")
    return subprocess.run([*words, f"root@{host.address}", command], capture_output=True, text=True, check=True).stdout


def test_a_host_has_an_identity_of_its_own(desk: Rig, old: RealHost) -> None:
    said = ssh(old, "cat /etc/machine-id; hostname; ls /work /home").split()
    assert said[:2] == [old.machine_id, "old"]
    assert "main" not in said


def test_a_cut_link_is_silent_and_can_be_mended(desk: Rig, old: RealHost) -> None:
    old.cut()
    with pytest.raises(TimeoutError):
        banner(old)
    old.mend()

    def answers() -> bool:
        with contextlib.suppress(TimeoutError):
            return banner(old).startswith(b"SSH-2.0-OpenSSH")
        return False

    until(answers, lambda: "an answer over the mended link")


def test_a_reboot_ends_every_process_and_keeps_every_file(desk: Rig, old: RealHost) -> None:
    before = ssh(old, "echo kept >/root/kept; sleep 600 >/dev/null 2>&1 & cat /proc/sys/kernel/random/boot_id")
    old.reboot()
    after = ssh(old, "cat /proc/sys/kernel/random/boot_id /root/kept; pgrep -f '[s]leep 600' || :")
    assert after.split()[1:] == ["kept"]
    assert after.split()[0] != before.strip()


def test_a_busybox_host_under_dropbear_has_no_other_tools(desk: Rig) -> None:
    small = desk.host("small", server="dropbear", tools="busybox")
    assert banner(small).startswith(b"SSH-2.0-dropbear")
    assert ssh(small, "command -v rsync python3 || ls -l /bin/sh").strip().endswith("busybox")
