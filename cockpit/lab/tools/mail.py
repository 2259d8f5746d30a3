"""`sendmail`, `mailq` and `postqueue -j` on a host of the lab.

Runs alone: `python mail.py sendmail -f FROM RECIPIENT < message`."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path


def sendmail(arguments: list[str]) -> int:
    """Hand the message on standard input to the host's own mail server, or with -bv ask it where mail would go.

    0 taken, 75 not now (EX_TEMPFAIL), 64 usage."""
    sender, recipients, asked = "karl", [], False
    while arguments:
        word = arguments.pop(0)
        if word == "-f" and arguments:
            sender = arguments.pop(0).strip("<>")
        elif word == "-bv":
            asked = True
        elif not word.startswith("-"):
            recipients.append(word)
    if not recipients:
        print("usage: sendmail [-bv] [-f FROM] RECIPIENT... < message", file=sys.stderr)
        return 64
    address, port = (Path(os.environ["HOME"]) / "etc/mail/server").read_text().split()
    if asked:
        return verify((address, int(port)), recipients)
    lines = sys.stdin.buffer.read().replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    message = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    steps = [(b"", b"220"), (b"EHLO localhost\r\n", b"250"), (f"MAIL FROM:<{sender}>\r\n".encode(), b"250")]
    steps += [(f"RCPT TO:<{to}>\r\n".encode(), b"250") for to in recipients]
    steps += [(b"DATA\r\n", b"354"), (message + b".\r\n", b"250"), (b"QUIT\r\n", b"221")]
    try:
        with socket.create_connection((address, int(port)), timeout=5) as link, link.makefile("rb") as answers:
            for text, expected in steps:
                if text:
                    link.sendall(text)
                answer = answers.readline()
                while answer[3:4] == b"-":
                    answer = answers.readline()
                if not answer.startswith(expected):
                    print(f"sendmail: {answer.decode('utf-8', 'replace').strip() or 'no answer'}", file=sys.stderr)
                    return 75
    except OSError as error:
        print(f"sendmail: {address}:{port}: {error}", file=sys.stderr)
        return 75
    return 0


def verify(server: tuple[str, int], recipients: list[str]) -> int:
    """Print where mail for each goes now, as the server says. 0 all known, 67 somebody is not (EX_NOUSER), 75 not now."""
    status = 0
    try:
        with socket.create_connection(server, timeout=5) as link, link.makefile("rb") as answers:
            answers.readline()
            for recipient in recipients:
                link.sendall(f"VRFY {recipient}\r\n".encode())
                code, _, text = answers.readline().decode("utf-8", "replace").strip().partition(" ")
                print(f"{recipient}: {text.partition(' ')[2]}")
                status = status if code in {"250", "252"} else 67
            link.sendall(b"QUIT\r\n")
    except OSError as error:
        print(f"sendmail: {server[0]}:{server[1]}: {error}", file=sys.stderr)
        return 75
    return status


def queued() -> list[dict[str, str | float]]:
    """What stands in the queue's files, the oldest file first."""
    found = []
    for path in sorted((Path(os.environ["HOME"]) / "var/queue").iterdir()):
        if path.suffix:
            continue
        try:
            with path.open("rb") as file:
                found.append(json.loads(file.readline()))
        except (OSError, ValueError):
            continue
    return found


def mailq() -> int:
    """List the queue, one message a line: id, time, sender, recipient; then how many."""
    messages = queued()
    for head in messages:
        print(f"{head['id']} {head['arrived']:.0f} {head['sender']} {head['recipient']}")
    print(f"-- {len(messages)} in the queue")
    return 0


def postqueue() -> int:
    """The queue as `postqueue -j` prints it, one message a line."""
    for head in queued():
        held = (Path(os.environ["HOME"]) / "etc/mail/hold" / str(head["client"])).exists()
        reason = {"delay_reason": "held for the cutover"} if held else {}
        message = {
            "queue_name": "hold" if held else "deferred",
            "queue_id": head["id"],
            "arrival_time": int(head["arrived"]),
            "sender": head["sender"],
            "recipients": [{"address": head["recipient"], **reason}],
        }
        print(json.dumps(message))
    return 0


if __name__ == "__main__":
    tools = {"mailq": mailq, "postqueue": postqueue}
    sys.exit(tools[sys.argv[1]]() if sys.argv[1:2] and sys.argv[1] in tools else sendmail(sys.argv[2:]))
