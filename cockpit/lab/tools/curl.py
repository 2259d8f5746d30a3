"""The little of curl that recipes use, for hosts without it: `curl -q -sS -m SECONDS -H 'Name: value' URL`, and what else stands
in `Options`. HTTP, and mail that is uploaded to an `smtp://` URL."""

from __future__ import annotations

import argparse
import http.client
import smtplib
import sys
from typing import BinaryIO
from urllib.parse import urlsplit

FLAGS = {"-q", "-g", "-s", "-S", "-k", "-f", "-i", "-L"}


class Options(argparse.ArgumentParser):
    """curl's own words, as far as they are known here."""

    def __init__(self) -> None:
        super().__init__(prog="curl", add_help=False, allow_abbrev=False)
        for flag in sorted(FLAGS):
            self.add_argument(flag, action="store_true")
        self.add_argument("-H", action="append", default=[])
        self.add_argument("-m", "--max-time", type=float, default=10.0)
        self.add_argument("-o", default="")
        self.add_argument("-w", default="")
        self.add_argument("-X", default="")
        self.add_argument("-d", "--data", default=None)
        self.add_argument("--data-binary", default=None)
        self.add_argument("-K", default="")
        self.add_argument("--noproxy", default="")
        self.add_argument("--connect-to", default="")
        self.add_argument("--interface", default="")
        self.add_argument("--mail-from", default="")
        self.add_argument("--mail-rcpt", action="append", default=[])
        self.add_argument("--upload-file", default="")
        self.add_argument("url")


def spread(words: list[str]) -> list[str]:
    """`-sS` as `-s -S`."""
    found = []
    for word in words:
        letters = word[1:] if word.startswith("-") and not word.startswith("--") else ""
        single = len(letters) > 1 and all(f"-{letter}" in FLAGS for letter in letters)
        found += [f"-{letter}" for letter in letters] if single else [word]
    return found


def content(text: str) -> bytes:
    """The bytes of `--data`: the text itself, or standard input for `@-`."""
    return sys.stdin.buffer.read() if text == "@-" else text.encode()


def web(said: argparse.Namespace) -> int:
    """Ask, and print what was asked for. 0 whatever the status is (22 with -f and 400 or more), 7 when it cannot be reached."""
    parts = urlsplit(said.url)
    headers = dict(line.partition(":")[::2] for line in said.H)
    if said.K == "-":
        lines = [line.partition("=")[2].strip().strip('"') for line in sys.stdin if line.startswith("header")]
        headers |= dict(line.partition(":")[::2] for line in lines)
    body = (
        content(said.data)
        if said.data is not None
        else content(said.data_binary)
        if said.data_binary is not None
        else None
    )
    if body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    # `--connect-to ::HOST:` goes to another host, with the name in the URL.
    place = said.connect_to[2:].removesuffix(":") or str(parts.hostname)
    link = http.client.HTTPConnection(
        place, parts.port or 80, timeout=said.max_time, source_address=(said.interface, 0) if said.interface else None
    )
    headers.setdefault("Host", parts.netloc)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        link.request(
            said.X or ("GET" if body is None else "POST"),
            path,
            body,
            {name: value.strip() for name, value in headers.items()},
        )
        answer = link.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        print(f"curl: (7) {error}", file=sys.stderr)
        return 7
    if said.f and answer.status >= 400:
        print(f"curl: (22) The requested URL returned error: {answer.status}", file=sys.stderr)
        return 22
    if said.i:
        first = f"HTTP/1.{answer.version % 10} {answer.status} {answer.reason}"
        text = (
            "\r\n".join([first, *(f"{name}: {value}" for name, value in answer.getheaders()), "", ""]).encode() + text
        )
    show(said.o, text)
    sys.stdout.write(said.w.replace("%{http_code}", f"{answer.status:03d}").replace("\\n", "\n"))
    return 0


def show(file: str, text: bytes) -> None:
    """Write the answer to the file, or to standard output with ''. Raises OSError."""
    out: BinaryIO
    if file:
        with open(file, "wb") as out:
            out.write(text)
    else:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()


def mail(said: argparse.Namespace) -> int:
    """Upload a message. 0, 7 when it cannot be handed over, 55 when it is refused."""
    parts = urlsplit(said.url)
    try:
        with smtplib.SMTP(str(parts.hostname), parts.port or 25, timeout=said.max_time) as server:
            server.sendmail(said.mail_from, said.mail_rcpt, sys.stdin.buffer.read())
    except smtplib.SMTPException as error:
        print(f"curl: (55) {error}", file=sys.stderr)
        return 55
    except OSError as error:
        print(f"curl: (7) {error}", file=sys.stderr)
        return 7
    return 0


def main(words: list[str]) -> int:
    """Exit status as curl's own, 2 for what is not known here."""
    said = Options().parse_args(spread(words))
    if said.url.startswith("http://"):
        return web(said)
    if said.url.startswith("smtp://") and said.upload_file == "-":
        return mail(said)
    print("curl: an http:// URL is needed", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
