"""Mail servers of tests on loopback: aiosmtpd with TLS and logins, scripted ones, and a host that is this machine."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from cockpit.probes.context import Said
from tests.real.world.web import Authority

NAME = "mx.example.test"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def server_context(folder: Path, ca: Authority, *names: str, days: float = 90) -> ssl.SSLContext:
    """What a server needs for TLS under these names."""
    key, chain = ca.issue(*names, days=days)
    (folder / "key.pem").write_text(key)
    (folder / "chain.pem").write_text(chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


class Domain:
    """What an SMTP server of a test takes: mail for `example.test`, kept in `taken`. `deferrals` recipients are put off first;
    `commands` is every command with its argument."""

    def __init__(self, deferrals: int = 0, relays: bool = False) -> None:
        self.taken: list[Envelope] = []
        self.deferrals = deferrals
        self.relays = relays
        self.recipients: list[tuple[str | None, str]] = []

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self.recipients.append((envelope.mail_from, address))
        if self.deferrals > 0:
            self.deferrals -= 1
            return "450 4.2.0 Greylisted, try again later"
        if not address.endswith("@example.test") and not self.relays:
            return "554 5.7.1 Relay access denied"
        if address.startswith("nobody@"):
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append(envelope)
        return "250 2.0.0 Ok: queued as 4XyZ12"


def authenticator(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ann@example.test", b"river boat")
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def smtp_server(
    domain: Domain, tls: ssl.SSLContext | None = None, *, implicit: bool = False, **options: Any
) -> AsyncIterator[int]:
    """aiosmtpd on loopback; its port."""

    def protocol() -> SMTP:
        return SMTP(
            domain, hostname=NAME, tls_context=None if implicit else tls, enable_SMTPUTF8=False, timeout=20, **options
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if implicit else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def talking(talk: Talk, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says what `talk` does; its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talked(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begun, address, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def scripted(
    banner: bytes, *turns: tuple[bytes, bytes], tls: ssl.SSLContext | None = None, heard: list[bytes] | None = None
) -> Talk:
    """Says the banner, then for each line heard the answer of the first turn that it begins with (b"" closes). After the
    answer to STARTTLS or STLS it goes on in TLS."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(banner)
        while line := await reader.readline():
            if heard is not None:
                heard.append(line)
            word = line.strip()
            answer = next((answer for key, answer in turns if key in word.upper()), b"500 what?\r\n")
            if not answer:
                return
            writer.write(answer.replace(b"TAG", word.split(b" ")[0]))
            if tls is not None and (b"STARTTLS" in word.upper() or b"STLS" in word.upper()):
                await writer.start_tls(tls)

    return talk


async def here(host: str, script: str, timeout: float) -> Said:
    """A host that is this machine."""
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-s"], input=script.encode(), capture_output=True, timeout=timeout
    )
    return Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def mbox(messages: Sequence[tuple[str, str]]) -> str:
    """An mbox of (date of its From line, text with header)."""
    return "".join(f"From ann@example.test {date}\n{text}\n\n" for date, text in messages)
