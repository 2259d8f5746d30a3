"""BIND on loopback with a zone that takes signed updates, as this machine has it; no root, no privileged port."""

from __future__ import annotations

import base64
import contextlib
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cockpit.plan.zones import Dns, Tsig

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOOLS = ("named", "dig", "nsupdate")


def missing() -> str:
    """Why there can be no BIND here; '' when there can."""
    lacking = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    return f"{', '.join(lacking)} missing: sudo apt-get install -y bind9 bind9-dnsutils" if lacking else ""


needs_named = pytest.mark.skipif(bool(missing()), reason=missing())
"""Marks what needs BIND."""


def free_port() -> int:
    """A port that nobody listens on, over neither transport."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


class Named:
    """One running server with one zone. `more` are lines of its options, `zone_more` of its zone."""

    def __init__(
        self,
        folder: Path,
        zone: str,
        text: str,
        *,
        more: str = "",
        zone_more: str = "",
        updates: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.zone = folder, zone
        self.address, self.port = "127.0.0.1", free_port()
        self.server = f"{self.address}:{self.port}"
        self.key = folder / "cutover.key"
        self._secret = base64.b64encode(secrets.token_bytes(32)).decode()
        self.key.write_text(f"hmac-sha256:{self._secret}\n")
        (folder / "zone.db").write_text(text)
        # It looks for the root's servers when it begins: nobody is there.
        (folder / "root.hints").write_text(". 3600000 NS nobody.invalid.\nnobody.invalid. 3600000 A 127.0.0.1\n")
        allow = "allow-update { key cutover; };" if updates else ""
        (folder / "named.conf").write_text(
            f'key cutover {{ algorithm hmac-sha256; secret "{self._secret}"; }};\n'
            f'options {{ directory "{folder}"; pid-file none; session-keyfile none; recursion no; notify no; dnssec-validation no;\n'
            f"  listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }}; minimal-responses yes; {more} }};\n"
            'controls { };\nzone "." { type hint; file "root.hints"; };\n'
            f'zone "{zone}" {{ type master; file "zone.db"; {allow} allow-transfer {{ key cutover; }}; {zone_more} }};\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it until it answers."""
        binary = shutil.which("named", path=_PATH)
        assert binary is not None
        words = [binary, "-g", "-n", "1", "-c", str(self.folder / "named.conf")]
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab")
        )
        until = time.monotonic() + 20
        while "NOERROR" not in self.dig(self.zone, "SOA", "+tries=1", "+time=1"):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"named did not come up: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def reload(self) -> None:
        """Read the zone file again."""
        if self._process is not None:
            self._process.send_signal(1)

    def dig(self, *words: str) -> str:
        """What dig prints."""
        asked = ["dig", f"@{self.address}", "-p", str(self.port), *words]
        return subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout

    def whole(self) -> str:
        """The zone as a transfer shows it, letter by letter, in an order of its own; the SOA left out, whose serial moves."""
        lines = self.dig(
            self.zone, "AXFR", "+noall", "+answer", "-y", f"hmac-sha256:cutover:{self._secret}"
        ).splitlines()
        kept = [line for line in lines if line.strip() and not line.startswith(";")]
        return "\n".join(sorted(line for line in kept if "\tSOA\t" not in line))

    def serial(self) -> int:
        """The zone's serial."""
        return int(self.dig(self.zone, "SOA", "+short").split()[2])

    def nsupdate(self, script: str) -> bool:
        """Whether nsupdate, an independent client, was let to carry it out."""
        text = f"server {self.address} {self.port}\nzone {self.zone}\n{script}\nsend\n"
        words = ["nsupdate", "-t", "10", "-y", f"hmac-sha256:cutover:{self._secret}"]
        return subprocess.run(words, input=text, capture_output=True, text=True, timeout=30).returncode == 0

    def plan(self, primary: str = "", **more: object) -> Dns:
        """It, as a plan names it; through another address where one is given."""
        fields = {"authorities": (self.server,), "tsig": Tsig(name="cutover", file=str(self.key)), **more}
        return Dns(zone=self.zone, primary=primary or self.server, **fields)  # type: ignore[arg-type]


@contextmanager
def running(folder: Path, zone: str, text: str, **more: object) -> Iterator[Named]:
    """A server for the time of a test."""
    server = Named(folder, zone, text, **more)  # type: ignore[arg-type]
    try:
        server.start()
        yield server
    finally:
        server.stop()
