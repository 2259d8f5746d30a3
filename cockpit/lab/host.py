"""One host of the lab: its folder tree, its identity, and what it has been told to do wrong."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import time
import uuid
from pathlib import Path

import asyncssh

from cockpit.lab.addresses import LabError

TOOLS = Path(__file__).parent / "tools"
EMPTY_QUEUE = """\
#!/bin/sh
# Asked again and again, and empty most of the time: nobody has to be started to say that.
for file in "$HOME"/var/queue/*; do
    case ${{file##*/}} in '*' | *.*) ;; *) exec {more} ;; esac
done
{nothing}
"""
FOLDERS = ("bin", "logs", "srv", "tmp", "etc/mail", "var/queue")


def keep_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whatever the umask is; its folder is there."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def at_home(host: LabHost, user: str, keys: Path) -> str:
    """Give a user a home on a host, with a key that lets them in; the private one, which is returned, is kept in `keys` too."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"{user}@{host.name}")
    private = key.export_private_key("openssh").decode()
    keep_private(keys / user, private)
    host.put(f"home/{user}/.ssh/authorized_keys", key.export_public_key().decode(), 0o600)
    host.put(f"home/{user}/.profile", "umask 022\n")
    return private


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
        self._root, self._etc = str(home), str(home / "etc")

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
            self.tool("sendmail", "mail.py")
            for tool, nothing in (("mailq", 'echo "-- 0 in the queue"'), ("postqueue", ":")):
                text = EMPTY_QUEUE.format(more=self._alone("mail.py", tool), nothing=nothing)
                self.put(f"bin/{tool}", text, 0o755)
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
        self.put(f"bin/{name}", f"#!/bin/sh\nexec {self._alone(script, name)}\n", 0o755)

    def _alone(self, script: str, name: str) -> str:
        return f'"{sys.executable}" -I -S "{TOOLS / script}" {name} "$@"'

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the host, with its folder."""
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def knows_names(self, port: int) -> None:
        """Give the host a command that asks name servers, and tell it the port that they listen at."""
        self.put("etc/dns", f"{self.address} {port}\n")
        self.tool("nslookup", "names.py")

    def configure(self, smtp_port: int) -> None:
        """Tell the host's commands where its mail server is."""
        (self.home / "etc/mail/server").write_text(f"{self.address} {smtp_port}\n")

    def flag(self, path: str) -> str | None:
        """The stripped content of a configuration file below etc/, None when it is not there."""
        # Asked several times by each request: a Path would cost more than the reading.
        try:
            with open(f"{self._etc}/{path}", "rb") as file:
                return file.read().decode(errors="replace").strip()
        except OSError:
            return None

    def log(self, file: str, line: str) -> None:
        """Append one line to a log below logs/."""
        self.append(f"logs/{file}", line.replace("\n", " ") + "\n")

    def append(self, path: str, text: str) -> None:
        """Append text to a file of the host, making its folder."""
        target, data = f"{self._root}/{path}", text.encode()
        try:
            _appended(target, data)
        except FileNotFoundError:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            _appended(target, data)

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


def _appended(file: str, data: bytes) -> None:
    with open(file, "ab", buffering=0) as out:
        out.write(data)
