"""What a host says of itself, read from the lines that `facts.sh` prints."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from cockpit.hosts.link import quoted
from cockpit.preflight.needs import Needs
from cockpit.text import harmless


class Room(msgspec.Struct, frozen=True):
    """Free bytes and entries where a path will land; -1 where the host cannot tell."""

    bytes: int
    entries: int
    writable: bool


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One host's answers. Times are UTC seconds; `skew` is how far its clock is ahead, known to within `doubt` seconds."""

    skew: float = 0.0
    doubt: float = 0.0
    ms: float = 0.0
    user: str = ""
    root: bool = False
    system: str = ""
    zone: str = ""
    locale: str = ""
    tools: dict[str, tuple[str, str]] = {}
    """Path and version line of each tool; an empty path: it is not there."""
    rights: dict[str, bool] = {}
    holds: dict[str, tuple[int, int]] = {}
    """Bytes and entries below each path that is copied from here; (-1, 0): it is not there."""
    room: dict[str, Room] = {}
    jobs_free: int = -1
    """Free bytes where jobs are kept; -1 when nothing can be written there."""
    jobs: str = ""
    """The folder, or why it cannot be written."""
    lock: str = ""
    noexec: tuple[str, ...] = ()
    mtu: dict[str, int] = {}
    selinux: str = "none"
    apparmor: bool = False
    accounts: dict[str, int] = {}


def script(needs: Needs) -> str:
    """The shell text that asks a host for all of it."""
    tools = dict.fromkeys(name for tool in needs.tools for name in tool.split("|"))
    lists = (tools, needs.rights, [copy.path for copy in needs.sends], [copy.into for copy in needs.takes])
    words = " ".join(" ".join([*(quoted(word) for word in part), "''"]) for part in lists)
    return f"set -- {words}\n" + files("cockpit.preflight").joinpath("facts.sh").read_text()


def parse(out: bytes, sent: float, received: float) -> Facts:
    """What the host printed, asked at `sent` and answered at `received`, UTC seconds."""
    found: dict[str, list[str]] = {}
    for line in out.decode("utf-8", "surrogateescape").splitlines():
        word, _, value = line.partition("\t")
        found.setdefault(word, []).append(harmless(value.strip(), 500))

    def one(word: str) -> str:
        return found.get(word, [""])[0]

    user, _, uid = one("user").partition(" ")
    free, _, jobs = one("jobs").partition(" ")
    return Facts(
        skew=_number(one("now").rstrip("N"), sent) - (sent + received) / 2,
        doubt=(received - sent) / 2 + (0.0 if "." in one("now").rstrip("N.") else 1.0),
        ms=(received - sent) * 1000,
        user=user,
        root=uid == "0",
        system=one("system"),
        zone=one("zone"),
        locale=one("locale"),
        tools={
            name: ("" if at == "none" else at, said) for name, at, said in (_split(v, 3) for v in found.get("tool", ()))
        },
        rights={name: yes == "yes" for yes, name in (_split(v, 2) for v in found.get("right", ()))},
        holds={
            path: (int(kilo) * 1024 if kilo.isdigit() else -1, int(count) if count.isdigit() else 0)
            for kilo, count, path in (_split(v, 3) for v in found.get("holds", ()))
        },
        room={
            path: Room(
                int(kilo) * 1024 if kilo.isdigit() else -1,
                int(count) if count.isdigit() and count != "0" else -1,
                yes == "yes",
            )
            for kilo, count, yes, path in (_split(v, 4) for v in found.get("room", ()))
        },
        jobs_free=int(free) * 1024 if free.isdigit() else -1,
        jobs=jobs,
        lock=one("lock"),
        noexec=tuple(value.partition(" ")[0] for value in found.get("noexec", ())),
        mtu={name: int(size) for size, name in (_split(v, 2) for v in found.get("mtu", ())) if size.isdigit()},
        selinux=one("selinux") or "none",
        apparmor=one("apparmor") == "Y",
        accounts={
            name: int(number)
            for name, number, _ in (_split(v, 3) for v in found.get("account", ()))
            if number.isdigit()
        },
    )


def _split(value: str, count: int) -> list[str]:
    parts = value.split(" ", count - 1)
    return parts + [""] * (count - len(parts))


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
