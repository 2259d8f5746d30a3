"""`game PORT [LINE...]` on a host of the lab: what the game at this host's port says to these lines, or of itself.

Runs alone, and is started again and again: it imports no more than it needs. The address stands in `etc/address`. Status 1
when nothing listens."""

from __future__ import annotations

import os
import socket
import sys


def main(words: list[str]) -> int:
    """Print what the game answers, without its carriage returns."""
    if not words or not words[0].isdecimal():
        print("usage: game PORT [LINE...]", file=sys.stderr)
        return 2
    with open(f"{os.environ['HOME']}/etc/address", encoding="utf-8") as file:
        address = file.read().strip()
    lines = words[1:] or ["INFO"]
    try:
        with socket.create_connection((address, int(words[0])), timeout=5) as link:
            link.sendall("".join(f"{line}\n" for line in (*lines, "QUIT")).encode())
            said = b""
            while chunk := link.recv(65536):
                said += chunk
    except OSError as error:
        print(f"nothing answers on port {words[0]}: {error}", file=sys.stderr)
        return 1
    print(said.decode("utf-8", "replace").replace("\r", ""), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
