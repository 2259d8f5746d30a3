"""What an old host starts and runs that listens nowhere: workers, watchers, games without a port of their own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from cockpit.survey.inventory import Inventory

KNOWN = frozenset(
    {"sshd", "systemd-resolve", "systemd-network", "chronyd", "ntpd", "dhclient", "rpcbind", "avahi-daemon"}
)
"""What listens on every host and is not moved."""
WEB, MAIL = frozenset({"apache2", "httpd", "nginx"}), frozenset({"master", "exim4", "exim", "sendmail", "sendmail-mta"})
BASES = frozenset({"postgres", "mariadbd", "mysqld"})
OWN = frozenset({
    "acpid", "alsa-utils", "apache-htcacheclean", "apparmor", "apport", "atd", "auditd", "blk-availability",
    "bootlogs", "bootmisc.sh", "console-setup", "cron", "crond", "dbus", "dbus-broker",
    "dbus-org.freedesktop.timesync1", "dm-event", "dmesg", "e2scrub_reap", "firewalld", "getty", "grub-common",
    "haveged", "hostname.sh", "hwclock.sh", "irqbalance", "keyboard-setup", "kmod", "lvm2-monitor", "mountall.sh",
    "mdmonitor", "multipathd", "network", "networking", "NetworkManager", "NetworkManager-dispatcher",
    "NetworkManager-wait-online", "nis-domainname", "ondemand", "open-vm-tools", "plymouth", "pollinate", "polkit",
    "procps", "rc.local", "rc-local", "rpcbind", "rsyslog", "rsysklogd", "ssh", "sshd", "sudo", "sysklogd", "sysstat",
    "syslog", "systemd-networkd", "systemd-networkd-wait-online", "systemd-pstore", "systemd-resolved",
    "systemd-timesyncd", "udev", "unattended-upgrades", "urandom", "uuidd", "wpa_supplicant", "x11-common",
})  # fmt: skip
"""What a host starts for itself: whoever installs new gets it there."""
SAME = {
    "postgresql": "postgres",
    "mysql": "mysqld",
    "mariadb": "mariadbd",
    "postfix": "master",
    "bind9": "named",
    "mysqld": "mariadbd",
}
"""Services that listen under another name than theirs."""
INTERPRETERS = re.compile(
    r"(python|perl|ruby|node|nodejs|java|php|lua|tclsh|mono|dotnet|beam\.smp|busybox|(ba|da|k|z)?sh|env|nice|ionice|setsid"
    r"|su|sudo|runuser|setpriv|start-stop-daemon|screen|tmux)[\d.]*"
)
"""What runs other programs: that one of these listens says nothing of another."""
KEEPERS = {
    "supervisor": frozenset({"supervisor", "supervisord"}),
    "rc.local": frozenset({"rc-local", "rc.local"}),
    "runit": frozenset({"runit", "runsvdir"}),
}
"""The units in which programs run that something else than systemd has started."""
NAMES = {
    "systemd": "systemd service",
    "sysv": "init script",
    "upstart": "upstart job",
    "rc.local": "rc.local starts",
    "inittab": "inittab keeps running",
    "supervisor": "supervisor program",
    "runit": "runit service",
}


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is started, with what it is to a reader."""

    kind: str
    name: str
    title: str


def starts(found: Inventory) -> Iterator[Start]:
    """What is started or runs, each once, but for what listens (that is told as such) and what every host has of its own."""
    packaged = {PurePosixPath(item.field(0)).name for item in found.of("packaged")}
    seen, commands = set[str](), set[str]()
    for item in found.of("unit"):
        kind, full, how, command = (item.field(number) for number in range(4))
        name = full.removesuffix(".service").removesuffix(".conf")
        program = PurePosixPath(command.partition(" ")[0]).name
        commands.add(command)
        # A daemon can have an init script and a unit; a line of rc.local is like no other.
        key = name if kind in {"systemd", "sysv", "upstart"} else f"{kind} {name} {command}"
        own = name.partition("@")[0] in OWN and (kind == "sysv" or how == "packaged" or name in packaged)
        if key in seen or own:
            continue
        if _listens(found, kind, name, program):
            continue
        seen.add(key)
        yield Start(kind=kind, name=name, title=_told(kind, name, how, command))
    for item in found.of("process"):
        user, command = item.field(0), item.field(1)
        if command not in commands and PurePosixPath(command.partition(" ")[0]).name not in KNOWN | WEB | MAIL | BASES:
            yield Start(
                kind="process", name=user, title=f"process of {user}, started by nothing that was found: {command}"
            )


def _listens(found: Inventory, kind: str, name: str, program: str) -> bool:
    """Whether it is told as what listens: its unit does, or a program of its name where nobody knows the listener's unit."""
    called = {name, SAME.get(name, name)}
    told = set(KNOWN)
    for item in found.of("listen"):
        heard, unit = item.field(3), item.field(4).removesuffix(".service")
        base = unit.partition("@")[0]
        if unit and called & {unit, base}:
            return True
        if heard and (not unit or base in KEEPERS.get(kind, ())):
            told.add(heard)
    asked = {item.field(0) for item in found.of("database")}
    told |= {"postgres"} if "postgresql" in asked else set()
    told |= {"mariadbd", "mysqld"} if "mysql" in asked else set()
    return bool(called & told) or (program in told and not INTERPRETERS.fullmatch(program))


def _told(kind: str, name: str, how: str, command: str) -> str:
    if kind in {"rc.local", "inittab"}:
        return f"{NAMES[kind]}: {command}"
    whose = {"packaged": ", of a package", "own": ", not enabled"}.get(how, "")
    return f"{NAMES.get(kind, kind)} {name}{whose}" + (f": {command}" if command else "")
