"""The lab's SSH servers: real `sh -c` commands in a host's home, with bytes, signals and exit status as sshd has them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh

from cockpit.lab.host import LabHost

MAX_SESSIONS = 10
"""OpenSSH's default for MaxSessions: the next channel of one connection is refused."""
CHUNK = 65536


class SshServer:
    """Serves one host at `host.address:port` with one host key and one authorized key."""

    def __init__(
        self, host: LabHost, port: int, lab: str, host_key: asyncssh.SSHKey, operator: asyncssh.SSHKey
    ) -> None:
        self.name = f"ssh on {host.id}"
        self._host = host
        self._port = port
        self._lab = lab
        self._key = host_key
        self._authorized = asyncssh.import_authorized_keys(operator.export_public_key().decode())
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._links: set[asyncssh.SSHServerConnection] = set()

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._acceptor = await asyncssh.listen(
            self._host.address,
            self._port,
            server_factory=lambda: _Link(self._links, self._run, self._keys_of),
            server_host_keys=[self._key],
            authorized_client_keys=self._authorized,
            password_auth=False,
            kbdint_auth=False,
            encoding=None,
            line_editor=False,
            allow_scp=False,
            keepalive_interval=15,
            keepalive_count_max=4,
            login_timeout=20,
            compression_algs=None,
            server_version="lab",
        )

    def _keys_of(self, user: str) -> asyncssh.SSHAuthorizedKeys | None:
        """The keys of somebody who has a home on this host; None for everybody else, whom the operator's key lets in."""
        home = self._home_of(user)
        file = home / ".ssh/authorized_keys" if home else None
        if file is None:
            return None
        try:
            return asyncssh.import_authorized_keys(file.read_text())
        except (OSError, ValueError):
            return asyncssh.import_authorized_keys("")

    def _home_of(self, user: str) -> Path | None:
        home = self._host.home / "home" / user
        return home if re.fullmatch(r"[a-z][a-z0-9_-]*", user) and home.is_dir() else None

    async def stop(self) -> None:
        """Close the listener and cut every link."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
        self.drop()

    def drop(self) -> int:
        """Cut every link without a word, as a lost network does. Returns how many there were."""
        links = list(self._links)
        for link in links:
            link.abort()
        return len(links)

    async def _run(self, process: _Session) -> None:
        """Run the command of one session; a lost link hangs up the command's process group."""
        host = self._host
        await host.thawed.wait()
        command = process.command
        limit = ["/bin/sh", "-c", 'ulimit -f 0; trap "" XFSZ; exec "$@"', "sh"] if host.disk_full else []
        argv = [*limit, "/bin/sh", *(["-c", command] if command else [])]
        home = self._home_of(process.get_extra_info("username")) or host.home
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=home,
            env={**host.env(self._lab), "HOME": str(home)},
            start_new_session=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        process.group = child.pid
        feeding = asyncio.create_task(self._feed(process, child, child.stdin))
        try:
            await asyncio.gather(
                self._drain(child.stdout, process.stdout),
                self._drain(child.stderr, process.stderr),
            )
            status = await child.wait()
            if status < 0:
                process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
            else:
                process.exit(status)
        except (OSError, asyncssh.Error):
            _kill(child.pid, signal.SIGHUP)
        except asyncio.CancelledError:
            _kill(child.pid, signal.SIGHUP)
            raise
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
            with contextlib.suppress(asyncssh.Error, OSError):
                process.close()

    async def _feed(self, process: _Session, child: asyncio.subprocess.Process, stdin: asyncio.StreamWriter) -> None:
        """Carry the client's bytes to the command until they end; then watch the link, and hang up when it goes."""
        try:
            while data := await process.stdin.read(CHUNK):
                await self._host.thawed.wait()
                await self._pace(len(data))
                stdin.write(data)
                await stdin.drain()
        except (asyncssh.Error, OSError):
            pass
        stdin.close()
        await process.channel.wait_closed()
        _kill(child.pid, signal.SIGHUP)

    async def _drain(self, source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
        while data := await source.read(CHUNK):
            await self._host.thawed.wait()
            await self._pace(len(data))
            sink.write(data)
            await sink.drain()

    async def _pace(self, size: int) -> None:
        if self._host.rate:
            await asyncio.sleep(size / self._host.rate)


class _Session(asyncssh.SSHServerProcess[bytes]):
    """One session; signals go straight to the command's process group, also after its input has ended."""

    group = 0

    def __init__(self, run: Callable[[Any], Coroutine[Any, Any, None]], closed: Callable[[], None]) -> None:
        super().__init__(run, None, 3, False)
        self._closed = closed

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed()
        super().connection_lost(exc)

    def signal_received(self, signal: str) -> None:
        self._deliver(signal)

    def break_received(self, msec: int) -> bool:
        self._deliver("INT")
        return True

    def _deliver(self, name: str) -> None:
        if self.group:
            _kill(self.group, getattr(signal, f"SIG{name}", signal.SIGTERM))


class _Link(asyncssh.SSHServer):
    """One connection: keeps count of its sessions and of itself."""

    def __init__(
        self,
        links: set[asyncssh.SSHServerConnection],
        run: Callable[[_Session], Coroutine[Any, Any, None]],
        keys_of: Callable[[str], asyncssh.SSHAuthorizedKeys | None],
    ) -> None:
        self._links = links
        self._run = run
        self._keys_of = keys_of
        self._sessions = 0
        self._conn: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._links.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._conn is not None:
            self._links.discard(self._conn)

    def begin_auth(self, username: str) -> bool:
        keys = self._keys_of(username)
        if keys is not None and self._conn is not None:
            self._conn.set_authorized_keys(keys)
        return True

    def session_requested(self) -> Any:
        if self._sessions >= MAX_SESSIONS:
            return False
        self._sessions += 1
        return _Session(self._run, self._free)

    def _free(self) -> None:
        self._sessions -= 1


def _kill(group: int, sig: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sig)
