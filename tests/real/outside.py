"""What independent tools say of the world, in the words of the product: `dig`, `curl`, `openssl s_client`, `swaks`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

import msgspec


def run(words: Sequence[str], given: str = "", seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
    """A tool where this thread stands."""
    return subprocess.run(list(words), input=given, capture_output=True, text=True, timeout=seconds, check=False)


class Dug(msgspec.Struct, frozen=True, kw_only=True):
    """What `dig` printed, read by nothing but its words. `status` is '' when there was no answer."""

    status: str = ""
    flags: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    ttl: int = -1
    ede: tuple[int, ...] = ()


def dig(server: str, name: str, type: str, *options: str) -> Dug:
    """One question by `dig`. `values` are the records of that type, sorted."""
    said = run(["dig", "+tries=1", "+time=2", "+nosearch", *options, f"@{server}", name, type]).stdout
    status = re.search(r"status: (\w+)", said)
    flags = re.search(r";; flags: ([a-z ]*);", said)
    answer = said.partition(";; ANSWER SECTION:\n")[2].partition("\n\n")[0]
    rows = [line.split(None, 4) for line in answer.splitlines() if line and not line.startswith(";")]
    mine = [row for row in rows if len(row) == 5 and row[3] == type]
    return Dug(
        status=status.group(1) if status else "",
        flags=tuple(flags.group(1).split()) if flags else (),
        values=tuple(sorted(row[4].rstrip(".").lower() for row in mine)),
        ttl=min((int(row[1]) for row in rows), default=-1),
        ede=tuple(int(code) for code in re.findall(r"; EDE: (\d+)", said)),
    )


def state_of(dug: Dug, old: Sequence[str], new: Sequence[str], *, authority: bool) -> str:
    """The state that DESIGN's table gives to an answer, from `dig`'s words alone."""
    have, olds, news = set(dug.values), set(old), set(new)
    refusals = {"": "timeout", "SERVFAIL": "servfail", "REFUSED": "refused"}
    if dug.status in refusals:
        return refusals[dug.status]
    if dug.status == "NXDOMAIN":
        return "nxdomain"
    if authority and "aa" not in dug.flags:
        return "lame"
    if not have:
        return "nodata"
    if have == news:
        return "new"
    if have == olds:
        return "old"
    if have - olds - news:
        return "other"
    if have <= news:
        return "new-partial"
    if have <= olds:
        return "old-partial"
    return "mixed"


class Curled(msgspec.Struct, frozen=True, kw_only=True):
    """What `curl` got: exit status, HTTP status, version, and the body's text."""

    exit: int
    status: int
    version: str
    body: str


def curl(url: str, name: str, port: int, address: str, *options: str) -> Curled:
    """A URL by `curl`, pinned to an address."""
    done = run(
        [
            "curl",
            "-sS",
            "-m",
            "5",
            "-w",
            "\n%{http_code} %{http_version}",
            "--resolve",
            f"{name}:{port}:{address}",
            *options,
            url,
        ]
    )
    body, _, last = done.stdout.rpartition("\n")
    words = [*last.split(), "0", "0"]
    return Curled(exit=done.returncode, status=int(words[0]), version=words[1], body=body)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate that `openssl s_client` was shown, and its verdict (0 ok, 10 expired, 62 wrong name, …)."""

    names: tuple[str, ...]
    verdict: int
    days: float


def s_client(address: str, port: int, name: str, ca: str, *options: str) -> Shown:
    """A handshake by openssl, with its verdict on the certificate for that name."""
    words = [
        "openssl",
        "s_client",
        "-connect",
        f"{address}:{port}",
        "-servername",
        name,
        "-verify_hostname",
        name,
        "-CAfile",
        ca,
    ]
    said = run([*words, *options], "QUIT\n").stdout
    verdict = re.search(r"[Vv]erify return code: (\d+)", said)
    text = run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-enddate"], said).stdout
    ends = re.search(r"notAfter=(.*)", text)
    left = 0.0
    if ends:
        seconds = run(["date", "-d", ends.group(1), "+%s"]).stdout
        left = (int(seconds) - int(run(["date", "+%s"]).stdout)) / 86400
    return Shown(
        names=tuple(re.findall(r"DNS:([^,\s]+)", text)), verdict=int(verdict.group(1)) if verdict else -1, days=left
    )


class Swaked(msgspec.Struct, frozen=True, kw_only=True):
    """A transcript of `swaks` and its exit status (0: every command was accepted)."""

    exit: int
    said: str


def swaks(server: str, recipient: str, *options: str) -> Swaked:
    """A conversation up to RCPT by `swaks`."""
    done = run(
        [
            "swaks",
            "--server",
            server,
            "--to",
            recipient,
            "--from",
            "outside@else.test",
            "--quit-after",
            "RCPT",
            *options,
        ]
    )
    return Swaked(exit=done.returncode, said=done.stdout)
