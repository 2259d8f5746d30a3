"""Real hosts on one machine: each has its own network, processes, host name, machine-id, boot-id and file system, and a real
SSH server on port 22; all hang on one switch. Needs root and Linux; nothing leaves the machine.

A host is an overlay over this machine's own file system in memory, so it has the tools that are installed here, less those
that a test takes away. Tests stand at the `desk`: a namespace with the switch in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from cockpit.plan.base import Role
from cockpit.plan.model import Host

PACKAGES = "acl attr busybox dropbear-bin iproute2 opendoas openssh-client openssh-server rsync sudo"
_TOOLS = ("busybox", "doas", "dropbear", "ip", "rsync", "setfacl", "setfattr", "sshd", "ssh-keygen", "sudo", "unshare")

DESK = "10.213.0.1"
DESK6 = "fd00:213::1"
_CLONE_NEWNET = 0x40000000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@functools.cache
def missing() -> str:
    """Why there can be no rig here, with the line that would mend it; '' when there can."""
    if os.name != "posix" or not Path("/proc/self/ns/net").exists():
        return "real hosts need Linux namespaces"
    lacking = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if lacking:
        return f"{', '.join(lacking)} missing: sudo apt-get install -y {PACKAGES}"
    if os.geteuid() != 0:
        return f"real hosts need root: run the tests as root, after apt-get install -y {PACKAGES}"
    if subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode:
        return "this machine lets root make no namespaces"
    return ""


needs_rig = pytest.mark.skipif(bool(missing()), reason=missing())
"""Marks what needs real hosts."""


def sh(script: str, *, check: bool = True) -> str:
    """Run shell text on this machine."""
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{script}\nended with {done.returncode}: {done.stderr}")
    return done.stdout


@contextmanager
def in_network(pid: int) -> Iterator[None]:
    """This thread in the network of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/proc/{pid}/ns/net") as there:
        if libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), _CLONE_NEWNET)


class RealHost:
    """One host of a rig. `server` is what listens on port 22, `tools` whether it is a GNU or a busybox system, `shell` what
    /bin/sh is, `without` commands it lacks, `disk` the room of its file system, `init` its first process: a shell that waits,
    or systemd with nothing but the units that a test writes."""

    def __init__(
        self,
        rig: Rig,
        name: str,
        number: int,
        *,
        server: Literal["openssh", "dropbear"] = "openssh",
        tools: Literal["gnu", "busybox"] = "gnu",
        shell: Literal["dash", "bash", "busybox"] = "dash",
        without: Sequence[str] = (),
        disk: str = "2g",
        sshd_config: str = "",
        init: Literal["shell", "systemd"] = "shell",
    ) -> None:
        self.rig = rig
        self.init = init
        self.name = name
        self.address = f"10.213.0.{number}"
        self.address6 = f"fd00:213::{number}"
        self.machine_id = uuid.uuid5(uuid.NAMESPACE_DNS, name).hex
        self.server = server
        self._port = f"v{number}"
        self._mac = f"02:00:00:00:00:{number:02x}"
        self._sshd_config = sshd_config
        self._disk = rig.folder / name
        self.upper = self._disk / "upper"
        """What it has of its own: whatever it does not share with this machine, as an overlay keeps it."""
        self.root = self._disk / "root"
        self._init: subprocess.Popen[bytes] | None = None
        self._serving: subprocess.Popen[bytes] | None = None
        self._spawned: list[subprocess.Popen[bytes]] = []
        self._furnish(disk, tools, shell, without)

    # --- making -------------------------------------------------------------------------------------------------------

    def _furnish(self, disk: str, tools: str, shell: str, without: Sequence[str]) -> None:
        d = self._disk
        d.mkdir()
        sh(f"mount -t tmpfs -o size={disk},mode=755 rig {d}; cd {d}; mkdir upper work root; chmod 755 upper")
        # What is personal to this machine is not on the host: opaque folders hide what is below.
        for own in ("root", "tmp", "var/log", "home", "work", "srv"):
            sh(f"mkdir -p {d}/upper/{own}; setfattr -n trusted.overlay.opaque -v y {d}/upper/{own}")
        sh(f"chmod 700 {d}/upper/root; chmod 1777 {d}/upper/tmp")
        sh(f"mount -t overlay rig -o lowerdir=/,upperdir={d}/upper,workdir={d}/work {self.root}")
        root = self.root
        (root / "etc/machine-id").write_text(self.machine_id + "\n")
        (root / "etc/hostname").write_text(self.name + "\n")
        for folder in ("etc/ssh", "run/sshd", "tmp"):
            with contextlib.suppress(FileExistsError):
                (root / folder).mkdir(parents=True)
        sh(
            f"cd {root} && rm -f etc/ssh/ssh_host_* etc/environment; mkdir root/.ssh; sed -i 's,^\\(root:.*:\\).*,\\1/bin/sh,' etc/passwd"
        )
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost {self.name}\n")
        keys = root / "etc/ssh"
        sh(f"ssh-keygen -q -t ed25519 -N '' -C '' -f {keys}/ssh_host_ed25519_key")
        self.host_key = " ".join((keys / "ssh_host_ed25519_key.pub").read_text().split()[:2])
        if self.server == "dropbear":
            sh(f"dropbearkey -t ed25519 -f {keys}/dropbear_key")
            told = sh(f"dropbearkey -y -f {keys}/dropbear_key")
            self.host_key = next(" ".join(x.split()[:2]) for x in told.splitlines() if x.startswith("ssh-ed25519"))
        (root / "root/.ssh/authorized_keys").write_text(self.rig.key.with_suffix(".pub").read_text())
        sh(
            f"chmod 700 {root}/root {root}/root/.ssh; chmod 600 {root}/root/.ssh/authorized_keys; chown -R 0:0 {root}/root/.ssh"
        )
        # The lock of this machine's own accounts shows through for the moment that another test makes one.
        sh(
            'tried() { n=0; until "$@"; do [ $((n += 1)) -le 300 ] || exit 1; sleep 0.2; done; };'
            f"there() {{ chroot {root} /usr/bin/id mover >/dev/null 2>&1 || chroot {root} /usr/sbin/useradd -m -s /bin/sh mover; }};"
            f"known() {{ echo 'mover:river' | chroot {root} /usr/sbin/chpasswd; }}; tried there; tried known;"
            f"mkdir -p {root}/home/mover/.ssh; cp {root}/root/.ssh/authorized_keys {root}/home/mover/.ssh/;"
            f"chroot {root} chown -R mover:mover /home/mover/.ssh; chmod 700 {root}/home/mover/.ssh"
        )
        (root / "etc/ssh/rig_config").write_text(
            "Port 22\nHostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin yes\nStrictModes no\nUsePAM no\n"
            "Subsystem sftp internal-sftp\nPidFile /run/sshd.pid\n"
            # Either side of the default key exchange costs a tenth of a second of a processor.
            "KexAlgorithms curve25519-sha256\n" + self._sshd_config
        )
        for command in without:
            sh(f"rm -f {root}/usr/bin/{command} {root}/usr/local/bin/{command} {root}/usr/sbin/{command}")
        self._mask = ""
        if tools == "busybox":
            # Nothing but busybox where commands are looked for.
            self._mask = (
                "cp /usr/bin/busybox /run/busybox; mount -t tmpfs bin /usr/bin; /run/busybox cp /run/busybox /usr/bin/;"
                "/usr/bin/busybox --install -s /usr/bin; "
            )
        elif shell != "dash":
            sh(f"ln -sf {shell} {root}/usr/bin/sh")

        if self.init == "systemd":
            # Targets that pull in nothing: a unit of a test starts as on any host, but alone.
            sh(
                f"cd {root}; rm -rf etc/systemd/system usr/lib/systemd/system-generators usr/lib/systemd/system/*.wants;"
                "mkdir -p etc/systemd/system"
            )
            for target in ("rig", "sysinit", "basic", "multi-user", "timers", "network", "shutdown"):
                unit = root / f"etc/systemd/system/{target}.target"
                unit.write_text(f"[Unit]\nDescription={target}\nDefaultDependencies=no\n")

    # --- life ---------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start it: a new boot-id, its network, its SSH server."""
        (self._disk / "boot").write_text(str(uuid.uuid4()) + "\n")
        script = (
            f"mount --make-rprivate /; hostname {self.name}; cd {self.root};"
            "mount -t proc proc proc; mount --rbind /dev dev; mount -t sysfs sys sys 2>/dev/null;"
            "mount -t tmpfs run run; mkdir -p run/sshd;"
            f"mount --bind {self._disk}/boot proc/sys/kernel/random/boot_id;"
            "exec chroot . /bin/sh -c '" + self._mask + "echo up; exec 5<&0; cat <&5 >/dev/null & wait $!'"
        )
        words = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c", script]
        if self.init == "systemd":
            words = self._systemd(script)
        # It ends with its input, so that no host outlives a test that was killed. A background job has no input of its own.
        self._init = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._init.stdout is not None
        if self._init.stdout.readline() != b"up\n":
            raise RuntimeError(f"{self.name} did not come up")
        self._pid = int(sh(f"cat /proc/{self._init.pid}/task/{self._init.pid}/children").split()[0])
        desk, port, pid = self.rig.pid, self._port, self._pid
        sh(
            f"nsenter -t {desk} -n ip link add {port} type veth peer name eth0 address {self._mac} netns {pid};"
            f"nsenter -t {desk} -n ip link set {port} master br0 up;"
            f"nsenter -t {pid} -n sh -c 'ip link set lo up; ip addr add {self.address}/24 dev eth0;"
            f"ip addr add {self.address6}/64 dev eth0 nodad; ip link set eth0 up'"
        )
        self.serve()

    def _systemd(self, script: str) -> list[str]:
        """The words that boot it with systemd as its first process, in control groups of its own."""
        above = sh("awk '$3 == \"cgroup2\" { print $2; exit }' /proc/mounts").strip()
        self._group = f"{above}/rig-{os.getpid()}-{self._disk.parent.name}-{self.name}"
        script = script.replace("exec chroot", "mount -t cgroup2 cgroup2 sys/fs/cgroup; exec chroot").replace(
            "cat <&5 >/dev/null & wait $!",
            # With its input gone, it is told to power off at once.
            "{ cat <&5; kill -s 48 1; } >/dev/null 2>&1 & exec env -i container=rig PATH=$PATH /lib/systemd/systemd --system "
            "--unit=rig.target --show-status=0 --log-target=null --default-standard-output=null",
        )
        enter = f'mkdir -p {self._group} && echo $$ > {self._group}/cgroup.procs && exec unshare --cgroup "$@"'
        apart = ["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "sh", "-c"]
        return ["sh", "-c", enter, "sh", *apart, script]

    def serve(self) -> None:
        """Start its SSH server."""
        if self.server == "openssh":
            words = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/rig_config"]
        else:
            words = ["/usr/sbin/dropbear", "-F", "-E", "-r", "/etc/ssh/dropbear_key", "-p", "22"]
        self._serving = self.spawn(*words)
        until = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), self.rig.standing(), socket.create_connection((self.address, 22), 1):
                return
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name}: nothing listens on port 22: {self.said()}")
            time.sleep(0.02)

    def restart_sshd(self, pause: float = 0.0) -> None:
        """End the server with all its sessions, and start it again."""
        self.signal("KILL", "sshd", "dropbear")
        if self._serving is not None:
            self._serving.wait()
        time.sleep(pause)
        self.serve()

    def kill(self) -> None:
        """Pull the plug: everything that runs on it dies at once."""
        if self._init is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            # nsenter stops with the process it waits for, and what it does not reap keeps the namespace from ending; of a
            # process whose nsenter is gone this machine's first process would have to be quick.
            for process in self._spawned:
                process.send_signal(signal.SIGCONT)
            self._init.wait()
            if self._init.stdout is not None:
                self._init.stdout.close()
            for process in self._spawned:
                process.wait()
            self._spawned.clear()
            if self.init == "systemd":
                sh(f"find {self._group} -depth -type d -exec rmdir {{}} \\;", check=False)
            sh(f"nsenter -t {self.rig.pid} -n ip link del {self._port} 2>/dev/null || :")
            self._init = None

    def reboot(self, pause: float = 0.0) -> None:
        """Pull the plug, wait, start it again."""
        self.kill()
        time.sleep(pause)
        self.boot()

    def remove(self) -> None:
        """Take it down and give back what it held."""
        self.kill()
        sh(f"umount -l {self.root}; umount -l {self._disk}", check=False)

    # --- faults -------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Drop all packets to and from it, without a word to either side."""
        sh(f"nsenter -t {self.rig.pid} -n bridge link set dev {self._port} state 0")

    def mend(self) -> None:
        """Let packets pass again."""
        sh(f"nsenter -t {self.rig.pid} -n bridge link set dev {self._port} state 3")

    # --- doing things on it -------------------------------------------------------------------------------------------

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Stand on it: sockets and processes that this thread makes inside are in its network."""
        with in_network(self._pid):
            yield

    def entered(self) -> list[str]:
        """The words before a command that is to run on it."""
        return ["nsenter", "-t", str(self._pid), "-a", "--root", "--wd"]

    def signal(self, name: str, *commands: str) -> None:
        """Send a signal to every process of these commands, but the first and our own."""
        names = "|".join(commands)
        self.run(
            f"for p in /proc/[0-9]*; do n=${{p#/proc/}}; {{ read -r c <$p/comm; }} 2>/dev/null; "
            f'case $c in {names}) [ "$n" = 1 ] || [ "$n" = $$ ] || kill -s {name} "$n";; esac; done; :',
            check=False,
        )
        if name == "CONT":
            for process in self._spawned:
                process.send_signal(signal.SIGCONT)

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command on it that goes on."""
        env = {"PATH": _PATH, "HOME": "/root"}
        with (self._disk / "said").open("ab") as said:
            process = subprocess.Popen(
                [*self.entered(), *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
            )
        self._spawned.append(process)
        return process

    def run(self, script: str, *, check: bool = True) -> str:
        """Run shell text on it as root, beside SSH."""
        words = [*self.entered(), "/bin/sh", "-c", script]
        done = subprocess.run(
            words, env={"PATH": _PATH, "HOME": "/root"}, capture_output=True, stdin=subprocess.DEVNULL
        )
        if check and done.returncode:
            raise RuntimeError(
                f"{self.name}: {script}\nended with {done.returncode}: {done.stderr.decode(errors='replace')}"
            )
        return done.stdout.decode(errors="surrogateescape")

    def file(self, path: str) -> Path:
        """A file of its, as this machine sees it (reading is safe while it runs; write with `run`)."""
        return self.root / path.lstrip("/")

    def inner(self, path: str) -> Path:
        """A file as the host itself sees it while it runs, also below what is mounted inside, such as /run."""
        return Path(f"/proc/{self._pid}/root") / path.lstrip("/")

    def said(self) -> str:
        """What its SSH server logged."""
        return (self._disk / "said").read_text(errors="replace")

    def plan(self, role: Role = "other", user: str = "root", **more: str) -> Host:
        """It, as a plan names it."""
        fields = {"host_key": self.host_key, "identity_file": str(self.rig.key), **more}
        return Host(id=self.name, ssh=f"{user}@{self.address}", role=role, address=self.address, **fields)  # type: ignore[arg-type]


class Rig:
    """Hosts on a switch. Use `rigged`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: dict[str, RealHost] = {}
        self.key = folder / "id_ed25519"
        sh(f"ssh-keygen -q -t ed25519 -N '' -C rig -f {shlex.quote(str(self.key))}")
        words = ["unshare", "--net", "--kill-child", "--fork", "sh", "-c", "echo up; exec cat >/dev/null"]
        self._desk = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        assert self._desk.stdout is not None
        self._desk.stdout.readline()
        self.pid = int(sh(f"cat /proc/{self._desk.pid}/task/{self._desk.pid}/children").split()[0])
        sh(
            f"nsenter -t {self.pid} -n sh -euc 'ip link set lo up; ip link add br0 type bridge forward_delay 0;"
            f"ip addr add {DESK}/24 dev br0; ip addr add {DESK6}/64 dev br0 nodad; ip link set br0 up'"
        )

    def host(self, name: str, **kind: object) -> RealHost:
        """Add a host and boot it; `kind` as of RealHost."""
        made = RealHost(self, name, len(self.hosts) + 10, **kind)  # type: ignore[arg-type]
        self.hosts[name] = made
        made.boot()
        return made

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Stand at the desk: sockets and processes that this thread makes inside are in its namespace."""
        with in_network(self.pid):
            yield

    def close(self) -> None:
        """Take everything down."""
        for host in self.hosts.values():
            host.remove()
        self._desk.kill()
        self._desk.wait()
        if self._desk.stdout is not None:
            self._desk.stdout.close()


@contextmanager
def rigged(folder: Path) -> Iterator[Rig]:
    """A rig; take hosts from it with `host`, and stand at its desk with `standing`."""
    rig = Rig(folder)
    try:
        yield rig
    finally:
        rig.close()
