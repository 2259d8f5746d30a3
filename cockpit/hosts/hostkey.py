"""Whether a host's key is the one that is meant: pinned in the plan, or known in the known_hosts files (sshd(8))."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import asyncssh
import msgspec
from asyncssh.known_hosts import SSHKnownHosts

Standing = Literal["trusted", "unknown", "changed", "revoked"]


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a host showed and that was not accepted: why, what was expected instead, and the key to ask a person about."""

    standing: Standing
    found: str
    """Its fingerprint."""
    expected: tuple[str, ...] = ()
    line: str = ""
    """`algorithm base64`, as in known_hosts."""


class Trust:
    """The keys that are trusted for one host: `pinned` ones of the plan, or else the known_hosts `files`.

    Files are read anew for each connection. A line that cannot be read is passed over, as OpenSSH does, and never takes the
    rest of a file along."""

    def __init__(self, pinned: str = "", files: tuple[str, ...] = ()) -> None:
        self._files = files
        self.pinned = tuple(asyncssh.import_public_key(line) for line in pinned.splitlines() if line.strip())
        self._accepted: list[asyncssh.SSHKey] = []

    def known(self) -> object:
        """What asyncssh takes for `known_hosts`; never its None, which would trust everybody."""
        if self.pinned:
            return (list(self.pinned), [], [])
        return self._read()

    def _read(self) -> SSHKnownHosts:
        found = SSHKnownHosts()
        for file in self._files:
            try:
                text = Path(file).read_text(errors="replace")
            except OSError:
                continue
            for line in text.splitlines():
                try:
                    found.load(line)
                except (ValueError, asyncssh.Error):
                    continue
        return found

    def judge(self, name: str, address: str, port: int, key: asyncssh.SSHKey) -> Offered:
        """What is to be said of a key that asyncssh did not find among the trusted ones."""
        found = key.get_fingerprint()
        line = key.export_public_key("openssh").decode().strip()
        line = " ".join(line.split()[:2])
        if self.pinned:
            expected = tuple(one.get_fingerprint() for one in self.pinned)
            return Offered(standing="changed", found=found, expected=expected, line=line)
        keys, authorities, revoked, *_ = self._read().match(name, address, port if port != 22 else None)
        if key in revoked:
            return Offered(standing="revoked", found=found, line=line)
        expected = tuple(one.get_fingerprint() for one in keys)
        if expected:
            return Offered(standing="changed", found=found, expected=expected, line=line)
        if authorities:
            signers = tuple(f"a certificate signed by {one.get_fingerprint()}" for one in authorities)
            return Offered(standing="changed", found=found, expected=signers, line=line)
        return Offered(standing="unknown", found=found, line=line)

    def accept(self, name: str, port: int, offered: Offered) -> None:
        """A person compared the fingerprint: write the key down in the first known_hosts file. Raises OSError."""
        file = Path(self._files[0])
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = name if port == 22 else f"[{name}]:{port}"
        before = file.read_bytes() if file.exists() else b""
        glue = "" if not before or before.endswith(b"\n") else "\n"
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{glue}{where} {offered.line}\n".encode())
        finally:
            os.close(descriptor)


def refusal(host: str, offered: Offered, others: Mapping[str, tuple[str, ...]]) -> str:
    """Why the connection was not made, with what was expected and what was found. `others` are the pinned fingerprints of the
    plan's other hosts: the most likely mistake is two hosts swapped."""
    if offered.standing == "revoked":
        return f"{host}: its host key {offered.found} is marked @revoked in known_hosts; nothing was sent"
    if offered.standing == "unknown":
        return (
            f"{host}: its host key {offered.found} is not known; compare it on the host itself (ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub), then pin it in the plan or add it to known_hosts; nothing was sent"
        )
    hint = next(
        (
            f": that is the key of {other}; are the two swapped?"
            for other, prints in others.items()
            if offered.found in prints
        ),
        "",
    )
    return (
        f"{host}: its host key should be {' or '.join(offered.expected)}, it is {offered.found}{hint}; nothing was sent"
    )
