"""The lab's mail servers: SMTP in, a queue, and out of it to a mailbox or to another host. Where mail goes a stage says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import Any, Protocol

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session

from cockpit.lab import smtp
from cockpit.lab.host import LabHost

HOPS = 12
PAUSE = 0.2
RETRY = 1.0
CONNECTIONS = 100


class Envelop(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue file says in its first line; the message follows."""

    id: str
    sender: str
    recipient: str
    client: str
    arrived: float


class Held(msgspec.Struct, frozen=True):
    """A message stays in the queue."""


class Relay(msgspec.Struct, frozen=True):
    """A message goes to another host."""

    target: str
    """`address:port`."""
    recipient: str
    """Who gets it there."""


class Box(msgspec.Struct, frozen=True):
    """A message goes into a mailbox of this host."""

    path: str
    """The mbox, below the host's home."""
    counted: str = ""
    """The file in which this host notes that it took a write; none for messages of our own."""
    locked: bool = False
    """It is written to under a lock file beside it, as mail programs agree on; a mailbox that others have locked waits."""


Way = Held | Relay | Box


class Post(Protocol):
    """What a host does with mail: a stage's own rules, read anew for each message."""

    def group(self, address: str) -> str:
        """What mail is held and redirected by: a client, a domain; '' for mail that is none of ours."""

    def way(self, address: str) -> Way | None:
        """Where mail for an address goes now; None when this host refuses it."""


class MailServer:
    """Serves one host at `host.address:port` and runs its queue."""

    def __init__(self, host: LabHost, port: int, post: Post) -> None:
        self.name = f"mail on {host.id}"
        self._host = host
        self._port = port
        self._post = post
        self._server: asyncio.Server | None = None
        self._runner: asyncio.Task[None] | None = None
        self._links: set[asyncio.BaseTransport] = set()
        self._wake = asyncio.Event()
        self._later: dict[str, float] = {}
        self._noted: set[str] = set()

    async def start(self) -> None:
        """Listen and run the queue. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, self._host.address, self._port)
        self._runner = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Close the listener and every connection; the queue stays on disk."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
            self._runner = None
        for link in list(self._links):
            if isinstance(link, asyncio.Transport):
                link.abort()

    def _protocol(self) -> SMTP:
        return _Protocol(self._host, self._links, self, hostname=self._host.fqdn, ident="ESMTP", timeout=30)

    # --- in ------------------------------------------------------------------------------------------------------

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept mail that this host has a way for (aiosmtpd hook)."""
        await self._host.thawed.wait()
        peer = session.peer[0] if session.peer else "unknown"
        if self._host.refuse_mail:
            self._say("smtpd", f"NOQUEUE: reject: RCPT from {peer}: 450 4.3.2 Service not available; to=<{address}>")
            return "450 4.3.2 Service not available"
        if self._post.way(address) is None:
            self._say("smtpd", f"NOQUEUE: reject: RCPT from {peer}: 554 5.7.1 Relay access denied; to=<{address}>")
            return "554 5.7.1 Relay access denied"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_VRFY(self, server: SMTP, session: Session, envelope: Envelope, address: str) -> str:
        """Say where mail for an address goes now (aiosmtpd hook)."""
        match self._post.way(address):
            case None:
                return "550 5.1.1 nobody here takes it"
            case Held():
                return "252 2.1.5 it waits in the queue"
            case Relay(target=target, recipient=recipient):
                return f"250 2.1.5 {recipient} at {target}"
            case Box(path=path):
                return f"250 2.1.5 {path}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Queue one file for each recipient (aiosmtpd hook)."""
        await self._host.thawed.wait()
        if self._host.disk_full:
            return "452 4.3.1 Insufficient system storage"
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        if content.count(b"\nReceived:") + content.startswith(b"Received:") > HOPS:
            self._say("smtpd", "NOQUEUE: reject: 554 5.4.6 Too many hops")
            return "554 5.4.6 Too many hops"
        peer = session.peer[0] if session.peer else "unknown"
        last = ""
        for recipient in envelope.rcpt_tos:
            last = self._host.number().replace("-", "")[-14:].upper()
            message = Envelop(
                id=last,
                sender=envelope.mail_from or "",
                recipient=recipient,
                client=self._post.group(recipient),
                arrived=time.time(),
            )
            stamp = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
            trace = f"Received: from {peer} by {self._host.fqdn} with ESMTP id {last} for <{recipient}>; {stamp}\r\n"
            self._store(message, trace.encode() + content)
            self._say("smtpd", f"{last}: client={peer}[{peer}]")
            size = len(content)
            self._say(
                "qmgr", f"{last}: from=<{message.sender}>, to=<{recipient}>, client={peer}, size={size} (queue active)"
            )
        self._wake.set()
        return f"250 2.0.0 Ok: queued as {last}"

    def _store(self, message: Envelop, content: bytes) -> None:
        target = self._host.home / "var/queue" / message.id
        draft = target.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(message) + b"\n" + content)
        draft.rename(target)

    # --- out -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._wake.wait()
            self._wake.clear()
            await self._host.thawed.wait()
            for name in _queued(self._host.home / "var/queue"):
                if self._later.get(name.name, 0.0) <= time.monotonic():
                    await self._take(name)

    async def _take(self, path: Path) -> None:
        try:
            head, _, content = path.read_bytes().partition(b"\n")
            message = msgspec.json.decode(head, type=Envelop)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            self._say("qmgr", f"fatal: {path.name} cannot be read: {error}")
            self._later[path.name] = time.monotonic() + 60
            return
        way = self._post.way(message.recipient)
        if isinstance(way, Held):
            if message.id not in self._noted:
                self._noted.add(message.id)
                self._say(
                    "qmgr", f"{message.id}: to=<{message.recipient}>, relay=none, status=hold (held for the cutover)"
                )
            return
        if isinstance(way, Relay):
            gone = await self._relay(message, content, way)
        elif way is not None:
            gone = self._deliver(message, content, way)
        else:
            self._say("qmgr", f"{message.id}: to=<{message.recipient}>, relay=none, status=deferred (nobody takes it)")
            gone = False
        if gone:
            path.unlink(missing_ok=True)
            self._later.pop(path.name, None)
            self._noted.discard(message.id)
        else:
            self._later[path.name] = time.monotonic() + RETRY

    async def _relay(self, message: Envelop, content: bytes, way: Relay) -> bool:
        address, _, port = way.target.partition(":")
        delay = f"delay={time.time() - message.arrived:.2f}"
        to = f"{message.id}: to=<{message.recipient}>, relay={address}[{address}]:{port}, {delay}"
        try:
            answer = await smtp.send(
                (address, int(port or "25")),
                message.sender,
                way.recipient,
                content,
                source=self._host.address,
                helo=self._host.fqdn,
                timeout=5,
            )
        except (smtp.MailRefused, ValueError) as error:
            self._say("smtp", f"{to}, dsn=4.4.1, status=deferred ({error})")
            return False
        self._say("smtp", f"{to}, dsn=2.0.0, status=sent ({answer})")
        return True

    def _deliver(self, message: Envelop, content: bytes, way: Box) -> bool:
        to = f"{message.id}: to=<{message.recipient}>, relay=local, delay={time.time() - message.arrived:.2f}"
        stamp = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())
        text = content.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
        lock = self._host.home / f"{way.path}.lock"
        try:
            if way.locked:
                lock.parent.mkdir(parents=True, exist_ok=True)
                lock.touch(exist_ok=False)
        except OSError as error:
            self._say("local", f"{to}, dsn=4.2.0, status=deferred (the mailbox is locked: {error.strerror})")
            return False
        try:
            self._host.append(way.path, f"From {message.sender} {stamp}\n{text.decode('utf-8', 'replace')}\n\n")
            if way.counted:
                self._host.append(way.counted, f"mail {message.id}\n")
        except OSError as error:
            self._say("local", f"{to}, dsn=4.3.0, status=deferred ({error.strerror})")
            return False
        finally:
            if way.locked:
                lock.unlink(missing_ok=True)
        self._say("local", f"{to}, dsn=2.0.0, status=sent (delivered to mailbox)")
        return True

    def _say(self, part: str, text: str) -> None:
        stamp = time.strftime("%b %d %H:%M:%S", time.gmtime())
        self._host.log("mail.log", f"{stamp} {self._host.name} postfix/{part}[{os.getpid()}]: {text}")


class _Protocol(SMTP):
    """One SMTP connection, which can be cut, and which says nothing while the host is frozen."""

    def __init__(self, host: LabHost, links: set[asyncio.BaseTransport], handler: Any, **options: Any) -> None:
        super().__init__(handler, **options)
        self._lab_host = host
        self._links = links

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._links) >= CONNECTIONS and isinstance(transport, asyncio.Transport):
            transport.write(b"421 4.7.0 too many connections\r\n")
            transport.close()
            return
        self._links.add(transport)
        self._mine = transport
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if getattr(self, "_mine", None) is not None:
            self._links.discard(self._mine)
            super().connection_lost(error)

    async def _handle_client(self) -> None:
        await self._lab_host.thawed.wait()
        await super()._handle_client()


def _queued(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        return [folder / name for name in sorted(entry.name for entry in found) if "." not in name][:500]
    return []
