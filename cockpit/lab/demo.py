"""The demo's plan and data: the example plan with a lab's own addresses, and what stands on the hosts before the night."""

from __future__ import annotations

import base64
import random
import re
from importlib import resources
from pathlib import Path

from cockpit.lab.addresses import Addresses, LabError
from cockpit.lab.host import DOMAIN, PRODUCTION, LabHost

CLIENTS = ("osf", "oxfam", "wwf", "jubilee", "harbor", "commons")
OWN_DNS = ("harbor",)
"""Clients that own their zone; the lab's third party changes it."""
FILES = 240


def plan_text(where: Addresses, hosts: dict[str, LabHost], keys: dict[str, str], clients: tuple[str, ...]) -> str:
    """The example plan with this lab's addresses, ports, host keys and machine ids. Raises LabError for unknown clients."""
    text = resources.files("cockpit.examples").joinpath("karl", "karl.yaml").read_text(encoding="utf-8")
    unknown = sorted(set(clients) - set(CLIENTS))
    if unknown or not clients:
        raise LabError(f"the lab has no client {', '.join(unknown) or 'at all'}; choose among {', '.join(CLIENTS)}")
    lines = [
        line
        for line in text.splitlines()
        if not (match := re.match(r"  - \{id: (\w+), title:", line)) or match[1] in clients
    ]
    text = "\n".join(lines) + "\n"
    if CLIENTS[0] not in clients:
        # The first of those that are there is the pilot then.
        text = text.replace(f"service: {CLIENTS[0]},", f"service: {clients[0]},")
        text = re.sub(rf"(- {{id: {clients[0]}, .*)wave: 2", r"\1wave: 1", text)
    if len(clients) == 1:
        text = re.sub(r"(?ms)^gates:\n.*?(?=^templates:)", "", text)
    addresses = {"192.0.2.10": where.old, "192.0.2.20": where.new}
    addresses |= dict(zip(("192.0.2.53", "192.0.2.54", "192.0.2.55"), where.authorities, strict=True))
    addresses |= dict(zip((f"192.0.2.{last}" for last in range(61, 65)), where.resolvers, strict=True))
    for sample, mine in addresses.items():
        escaped = sample.replace(".", "\\\\."), mine.replace(".", "\\\\.")
        text = re.sub(rf"{re.escape(sample)}(?!\d)", mine, text).replace(*escaped)
    ports = {"20022": where.ssh_port, "20080": where.http_port, "20025": where.smtp_port, "20053": where.dns_port}
    text = re.sub(r":(20022|20080|20025|20053)\b", lambda match: f":{ports[match[1]]}", text)
    mine_keys = iter((keys["old"], keys["new"]))
    text = re.sub(r'host_key: "[^"]*"', lambda _: f'host_key: "{next(mine_keys)}"', text)
    for role, sample in (("old", "1"), ("new", "2")):
        text = text.replace(sample.rjust(32, "0"), hosts[role].machine_id)
    return text


def furnish(old: LabHost, clients: tuple[str, ...], files: int = FILES, seed: int = 7) -> None:
    """Put each client's site, data and mailbox on old: pages, attachments, symlinks, odd names, an empty folder. Blocks."""
    chance = random.Random(seed)
    for client in clients:
        root = old.home / "srv" / client
        for folder in ("data", "pages", "attachments/2009", "attachments/2010", "empty"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "index.html").write_text(f"<title>KARL {client}</title>\n<h1>Welcome to {client}</h1>\n")
        for number in range(files):
            kind = number % 3
            if kind == 0:
                text = f"<title>Page {number}</title>\n" + "<p>Minutes of the meeting.</p>\n" * chance.randint(5, 120)
                (root / f"pages/page-{number:04d}.html").write_text(text)
            elif kind == 1:
                body = chance.randbytes(chance.randint(200, 40_000))
                (root / f"attachments/{2009 + number % 2}/file {number:04d}.bin").write_bytes(body)
            else:
                (root / f"data/{number:020d}-{0:06d}.entry").write_text(f"entry {number} of {client}\n")
        _link(root / "pages/current.html", "page-0000.html")
        _link(root / "attachments/latest", "2010")
        _link(root / "pages/gone.html", "was-deleted.html")
        (root / "pages/übersicht – été.html").write_text("<p>Names are not ASCII everywhere.</p>\n", encoding="utf-8")
        (root / "bin").mkdir(exist_ok=True)
        (root / "bin/reindex").write_text("#!/bin/sh\necho reindexed\n")
        (root / "bin/reindex").chmod(0o750)
        (old.home / "etc/mode" / client).write_text(PRODUCTION + "\n")
        box = "".join(
            f"From list@{DOMAIN} Mon Jan  4 09:00:00 2010\nSubject: digest {number}\n\nNews.\n\n"
            for number in range(20)
        )
        (old.home / "var/mail" / client).mkdir(parents=True, exist_ok=True)
        (old.home / "var/mail" / client / "mbox").write_text(box)


def write_secret(path: Path, secret: bytes) -> None:
    """A TSIG key file, readable by its owner only: base64 on one line."""
    path.touch(mode=0o600)
    path.write_text(base64.b64encode(secret).decode() + "\n")


def _link(path: Path, target: str) -> None:
    if not path.is_symlink():
        path.symlink_to(target)
