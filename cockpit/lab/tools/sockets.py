"""The little of `ss` that recipes use, for hosts without it: `ss -Hlntu "sport = :PORT"`, from what Linux tells of its sockets.

Runs alone. Prints a line for each socket that listens at the port, or for each at all."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LISTENS = {"tcp": "0A", "udp": "07"}


def listening(port: int | None) -> list[str]:
    """`PROTOCOL ADDRESS:PORT` of sockets that listen; the address as the kernel writes it."""
    found = []
    for protocol, state in LISTENS.items():
        for file in (Path("/proc/net") / protocol, Path("/proc/net") / f"{protocol}6"):
            lines = file.read_text().splitlines()[1:] if file.exists() else []
            for _, local, _, now, *_ in (line.split() for line in lines):
                number = int(local.rpartition(":")[2], 16)
                if now == state and port in {None, number}:
                    found.append(f"{protocol} {local.rpartition(':')[0]}:{number}")
    return found


def main(words: list[str]) -> int:
    """0, or 2 for what is not known here."""
    asked = [word for word in words if not word.startswith("-")]
    port = re.fullmatch(r"sport = :(\d+)", asked[0]) if asked else None
    if len(asked) > 1 or (asked and port is None) or not any("l" in word for word in words if word.startswith("-")):
        print("ss: only what listens, by `sport = :PORT`", file=sys.stderr)
        return 2
    print(
        "\n".join(listening(int(port[1]) if port else None)),
        end="\n" if listening(int(port[1]) if port else None) else "",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
