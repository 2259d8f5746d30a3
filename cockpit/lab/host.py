"""One host of the lab: its folder tree, its identity, and what it has been told to do wrong."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import time
import uuid
from pathlib import Path

from cockpit.lab.addresses import LabError

TOOLS = Path(__file__).parent / "tools"
FOLDERS = ("bin", "logs", "srv", "tmp", "etc/mail", "var/queue")


class LabHost:
    """A host: the plan calls it `id` (old, new), it calls itself `name` (xen, shared), and `home` is its whole file system."""

    def __init__(self, id: str, name: str, address: str, home: Path, domain: str, login: str) -> None:
        self.id = id
        self.name = name
        self.address = address
        self.home = home
        self.domain = domain
        self.login = login
        self.machine_id = uuid.uuid4().hex
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.rate = 0
        """Bytes per second for each SSH channel; 0 is unlimited."""
        self.refuse_mail = False
        self.disk_full = False
        self._numbers = itertools.count(1)

    @property
    def fqdn(self) -> str:
        """Its name with the stage's domain."""
        return f"{self.name}.{self.domain}"

    def build(self, folders: tuple[str, ...] = ()) -> None:
        """Make the folders, these too, the machine-id and the host's own commands. Blocks; raises LabError."""
        try:
            for folder in (*FOLDERS, *folders):
                (self.home / folder).mkdir(parents=True, exist_ok=True)
            (self.home / "etc/machine-id").write_text(self.machine_id + "\n")
            for tool in ("sendmail", "mailq", "postqueue"):
                self.tool(tool, "mail.py")
            if shutil.which("curl") is None:
                self.tool("curl", "curl.py")
            if shutil.which("ss") is None:
                self.tool("ss", "sockets.py")
            if shutil.which("python3") is None:
                self.put("bin/python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', 0o755)
        except OSError as error:
            raise LabError(f"the lab's folder cannot be written: {error}. Choose another with --folder.") from None

    def tool(self, name: str, script: str) -> None:
        """Give the host a command of its own, by a script that runs alone."""
        path = self.home / "bin" / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{TOOLS / script}" {name} "$@"\n')
        path.chmod(0o755)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the host, with its folder."""
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def configure(self, smtp_port: int) -> None:
        """Tell the host's commands where its mail server is."""
        (self.home / "etc/mail/server").write_text(f"{self.address} {smtp_port}\n")

    def flag(self, path: str) -> str | None:
        """The stripped content of a configuration file below etc/, None when it is not there."""
        try:
            return (self.home / "etc" / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def log(self, file: str, line: str) -> None:
        """Append one line to a log below logs/."""
        self.append(f"logs/{file}", line.replace("\n", " ") + "\n")

    def append(self, path: str, text: str) -> None:
        """Append text to a file of the host, making its folder."""
        target = self.home / path
        try:
            with target.open("a", encoding="utf-8") as out:
                out.write(text)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("a", encoding="utf-8") as out:
                out.write(text)

    def number(self) -> str:
        """A name that is unique on this host and sorts by time."""
        return f"{time.time_ns():020d}-{next(self._numbers):06d}"

    def env(self, lab: str) -> dict[str, str]:
        """The environment of a command that runs on this host."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self.home / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "USER": self.login,
            "LOGNAME": self.login,
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "LAB_HOST": self.id,
            "LAB_ID": lab,
            "COCKPIT_LOCK": str(self.home / "var/cockpit.lock"),
            "COCKPIT_MACHINE_ID_FILE": str(self.home / "etc/machine-id"),
        }
