"""Real servers of the world on hosts of a rig: name servers, resolvers, web and mail servers, as Debian packages them."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.rig import RealHost, missing

PACKAGES = (
    "apache2 apache2-utils bind9 bind9-dnsutils curl dnsperf dovecot-imapd dovecot-pop3d hey knot knot-dnsutils libgnutls-dane0 libidn12 libnet-ssleay-perl libnsl2 nginx-light nsd "
    "openssl postfix postgresql sqlite3 swaks unbound "
    "at cron darcs git haproxy keepalived mailman3 mariadb-server restic socat supervisor telnet"
)
_TOOLS = (
    "ab", "apache2", "curl", "dig", "dnsperf", "dovecot", "hey", "kdig", "knotd", "named", "nginx", "nsd", "nsupdate", "openssl",
    "postfix", "psql", "sqlite3", "swaks", "unbound",
    "at", "cron", "darcs", "git", "haproxy", "keepalived", "mailman", "mariadbd", "restic", "socat", "supervisord", "telnet",
)  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

EXIM = Path("/opt/exim")
"""Where Exim is unpacked: as packages, it and Postfix exclude each other."""
EXIM_LINE = (
    f"mkdir -p {EXIM} && cd {EXIM} && apt-get download exim4-base exim4-daemon-light && "
    'for deb in *.deb; do dpkg -x "$deb" .; done'
)


@functools.cache
def lacking() -> str:
    """Why there can be no world here, with the line that would mend it; '' when there can."""
    why = missing()
    if why:
        return why
    gone = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if gone:
        return f"{', '.join(gone)} missing: sudo apt-get install -y --no-install-recommends {PACKAGES}"
    if not (EXIM / "usr/sbin/exim4").exists():
        return f"exim missing: sudo sh -c '{EXIM_LINE}'"
    return ""


needs_world = pytest.mark.skipif(bool(lacking()), reason=lacking())
"""Marks what needs the world's servers."""


def until(holds: Callable[[], object], what: Callable[[], str], seconds: float = 15.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what()}: not within {seconds:g} s")
        time.sleep(0.05)


def write(host: RealHost, path: str, text: str, mode: str = "644") -> None:
    """Write a file on a host that runs."""
    host.run(
        f"mkdir -p $(dirname {path}) && cat > {path} <<'COCKPIT_END' && chmod {mode} {path}\n{text}\nCOCKPIT_END\n"
    )


def listening(host: RealHost, port: int, kind: str = "t") -> bool:
    """Whether something listens on a port of the host: `t` for TCP, `u` for UDP."""
    return bool(host.run(f"ss -Hln{kind} 'sport = :{port}'").strip())
