"""What it takes to try a link: somebody who answers, and whether it works or why not."""

from __future__ import annotations

from pathlib import Path

from cockpit.plan.model import Host
from tests.hosts.told import Told, pooled
from tests.real.rig import RealHost, sh


class Person:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: str, agrees: bool = False) -> None:
        self._answers = list(answers)
        self._agrees = agrees
        self.asked: list[str] = []

    async def ask(self, name: str, question: str) -> str:
        self.asked.append(name)
        return self._answers.pop(0)

    def forget(self, name: str) -> None:
        pass

    async def confirm(self, name: str, question: str) -> bool:
        self.asked.append(question)
        return self._agrees


def unpinned(host: RealHost, known: Path, **more: str) -> Host:
    return host.plan(host_key="", known_hosts=str(known), **more)


async def works(host: Host, told: Told, asks: Person | None = None) -> bytes:
    async with pooled({host.id: host}, told, asks) as pool:
        return (await pool[host.id].run("id -un; hostname")).out


async def why_not(host: Host, told: Told, asks: Person | None = None) -> str:
    async with pooled({host.id: host}, told, asks):
        return (await told.link(host.id, "down")).detail


def hashed(host: RealHost, file: Path) -> None:
    file.write_text(f"{host.address} {host.host_key}\n")
    sh(f"ssh-keygen -q -H -f {file} && rm {file}.old")
    assert host.address not in file.read_text()


def config(tmp_path: Path, old: RealHost, new: RealHost, text: str) -> str:
    file = tmp_path / "config"
    known = tmp_path / "known"
    known.write_text("".join(f"{host.address},{host.name} {host.host_key}\n" for host in (old, new)))
    file.write_text(f"{text}\nHost *\n User root\n UserKnownHostsFile {known}\n IdentityFile {old.rig.key}\n")
    return str(file)


def named(name: str, config: str) -> Host:
    return Host(id=name, ssh=name, ssh_config=config)
