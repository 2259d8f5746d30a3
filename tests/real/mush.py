"""Games on hosts of a rig: the small MUSH in a user's home, with the script that starts it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from tests.real.rig import RealHost
from tests.real.world import until, write

RECIPES = Path(str(resources.files("cockpit"))) / "examples/charon/recipes"
START = "exec ./start"
CHECK = "python3 mush.py --check data/save.db"


def furnish(host: RealHost, user: str, folder: str, name: str) -> None:
    """Put a game of a user into a folder; it is not started."""
    write(host, f"{folder}/mush.py", resources.files("cockpit.lab").joinpath("mush.py").read_text(encoding="utf-8"))
    write(host, f"{folder}/start", f'#!/bin/sh\nexec python3 mush.py . "$PORT" --name {name} --every 3600', "755")
    write(host, f"{folder}/wizard", "xyzzy", "600")
    host.run(f"chown -R {user}: {folder}")


def start(host: RealHost, user: str, folder: str, port: int) -> None:
    """Start it as its user, as the user would."""
    host.run(
        f"cd {folder} && mkdir -p run && chown {user}: run && su -s /bin/sh {user} -c 'PORT={port} setsid ./start >run/out 2>&1 </dev/null &'"
    )
    until(
        lambda: "INFO name=" in ask(host, port, "INFO"),
        lambda: f"the game of {user}: {host.run(f'cat {folder}/run/out')}",
        30,
    )


def ask(host: RealHost, port: int, *lines: str) -> str:
    """What the game answers to these lines; '' when nothing listens."""
    text = "\\n".join((*lines, "QUIT"))
    script = (
        f'import socket\ntry:\n s = socket.create_connection(("127.0.0.1", {port}), 5)\nexcept OSError:\n raise SystemExit\n'
        f's.settimeout(10)\ns.sendall(b"{text}\\n")\nwhile c := s.recv(65536):\n print(c.decode(), end="")'
    )
    return host.run(f"python3 -c '{script}'", check=False)
