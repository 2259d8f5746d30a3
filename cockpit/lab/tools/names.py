"""`nslookup -type=TYPE NAME SERVER` and `rndc retransfer ZONE` on a host of the lab, whose name servers have a port of their own.

Runs alone: `python names.py nslookup|rndc WORDS`. The port stands in `etc/dns`, behind this host's address. It is started
hundreds of times in a night, and imports no more than it needs.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

TYPES = {"a": 1, "ns": 2, "cname": 5, "soa": 6, "mx": 15}
QUERY, NOTIFY = 0, 4
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH"}


class Silent(Exception):
    """Nobody answers, or not in words that can be read."""


def here() -> list[str]:
    """This host's address, and the port that name servers listen at. Raises OSError."""
    with open(f"{os.environ['HOME']}/etc/dns", encoding="utf-8") as file:
        return file.read().split()


def packed(name: str) -> bytes:
    """A name as it stands in a message: labels with their lengths."""
    labels = [label.encode() for label in name.strip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def unpacked(message: bytes, at: int) -> tuple[str, int]:
    """A name in a message, and where what follows it begins."""
    labels: list[str] = []
    after = 0
    for _ in range(64):
        length = message[at]
        if length & 0xC0:
            after = after or at + 2
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            continue
        at += 1
        if not length:
            return ".".join(labels), after or at
        labels.append(message[at : at + length].decode("ascii", "replace"))
        at += length
    raise Silent("a name without an end")


def asked(
    server: str, name: str, type: str, opcode: int = QUERY, timeout: float = 5.0
) -> tuple[int, list[tuple[str, str, str]]]:
    """The code, and the answer's records as name, type and text. Raises Silent."""
    port = int(here()[1])
    number = int.from_bytes(os.urandom(2), "big")
    flags = opcode << 11 | (0x0100 if opcode == QUERY else 0x0400)
    query = struct.pack("!HHHHHH", number, flags, 1, 0, 0, 0) + packed(name) + struct.pack("!HH", TYPES[type], 1)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.settimeout(timeout)
            link.connect((server, port))
            link.send(query)
            message = link.recv(4096)
        return struct.unpack_from("!H", message, 2)[0] & 15, records(message)
    except (OSError, IndexError, struct.error) as error:
        raise Silent(f"{server} does not answer: {error}") from None


def records(message: bytes) -> list[tuple[str, str, str]]:
    """The answer section."""
    questions, answers = struct.unpack_from("!HH", message, 4)
    at = 12
    for _ in range(questions):
        at = unpacked(message, at)[1] + 4
    found = []
    known = {number: type for type, number in TYPES.items()}
    for _ in range(answers):
        name, at = unpacked(message, at)
        number, _, _, size = struct.unpack_from("!HHIH", message, at)
        at += 10
        type = known.get(number, str(number))
        found.append((name, type, text(message, at, type)))
        at += size
    return found


def text(message: bytes, at: int, type: str) -> str:
    """A record's data as text, '' for a type that is not known here. Raises Silent, IndexError or struct.error."""
    if type == "a":
        return socket.inet_ntoa(message[at : at + 4])
    if type == "mx":
        return f"{struct.unpack_from('!H', message, at)[0]} {unpacked(message, at + 2)[0]}."
    if type == "soa":
        _, after = unpacked(message, at)
        _, after = unpacked(message, after)
        return str(struct.unpack_from("!I", message, after)[0])
    return f"{unpacked(message, at)[0]}." if type in {"ns", "cname"} else ""


def nslookup(words: list[str]) -> int:
    """Print an answer as nslookup does. 0, or 1 when there is none."""
    options = dict(word.strip("-").partition("=")[::2] for word in words if word.startswith("-"))
    names = [word for word in words if not word.startswith("-")]
    type = options.get("type", "a").lower()
    if len(names) != 2 or type not in TYPES:
        print("usage: nslookup -type=a|mx|soa|ns|cname NAME SERVER", file=sys.stderr)
        return 2
    name, server = names
    print(f"Server:\t\t{server}\nAddress:\t{server}\n")
    code, found = asked(server, name, type, timeout=float(options.get("timeout", 5)))
    if code or not found:
        print(f"** server can't find {name}: {CODES.get(code, code) if code else 'No answer'}")
        return 1
    for owner, kind, value in found:
        if kind == "a":
            print(f"Name:\t{owner}\nAddress: {value}")
        elif kind == "mx":
            print(f"{owner}\tmail exchanger = {value}")
        elif kind == "soa":
            print(f"{owner}\n\tserial = {value}")
        else:
            print(f"{owner}\t{kind} = {value}")
    return 0


def rndc(words: list[str]) -> int:
    """Tell this host's own name server to transfer a zone now, by a NOTIFY. 0, or 1 when it cannot."""
    if len(words) != 2 or words[0] != "retransfer":
        print("usage: rndc retransfer ZONE", file=sys.stderr)
        return 2
    code, _ = asked(here()[0], words[1], "soa", NOTIFY, timeout=10)
    if code:
        print(f"rndc: 'retransfer' failed: {CODES.get(code, code)}", file=sys.stderr)
    return 1 if code else 0


if __name__ == "__main__":
    try:
        sys.exit((rndc if sys.argv[1] == "rndc" else nslookup)(sys.argv[2:]))
    except Silent as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(1)
