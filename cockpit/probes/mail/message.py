"""A message of our own: written, handed to one server, and the server's word for it."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

import msgspec

from cockpit.probes.mail import smtp
from cockpit.probes.mail.received import queued_as
from cockpit.probes.mail.wire import Broken, Wire, dialled, encrypted_anyhow
from cockpit.text import harmless


def new_token() -> str:
    """A word that no other message holds."""
    return f"cutover-{secrets.token_hex(8)}"


def written(token: str, sender: str, to: str, utc: float) -> bytes:
    """The message (RFC 5322), which says that no answer to it is wanted (RFC 3834 §5)."""
    domain = (sender or to).rpartition("@")[2] or "localhost"
    lines = (
        f"Date: {format_datetime(datetime.fromtimestamp(utc, UTC))}",
        f"From: {sender or f'postmaster@{domain}'}",
        f"To: {to}",
        f"Subject: Cutover check {token}",
        f"Message-ID: <{token}@{domain}>",
        f"X-Cutover-Token: {token}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "A cutover sends this message to see which way mail goes. It can be deleted.",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of handing it over. `later`: it may be tried again. `unsure`: the connection broke after the message was sent,
    so it may have been taken. `server` is what the server calls itself, `queue_id` its id of the message, '' when unknown."""

    state: Literal["taken", "refused", "later", "unsure"]
    detail: str
    server: str = ""
    queue_id: str = ""


async def hand_over(address: str, port: int, sender: str, to: str, content: bytes, timeout: float) -> Handed:
    """Hand a message to the server at `address`. Never raises for what the server does.

    No TLS unless the server demands it, and then with any certificate, as between MTAs (RFC 7435): the way is what is tested."""
    sent = False
    try:
        async with asyncio.timeout(timeout), dialled(address, port) as wire:
            server = await smtp.introduced(wire, await smtp.greeted(wire))
            for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
                said = await smtp.command(wire, line)
                if said.code == 530 and not wire.tls and "STARTTLS" in server.extensions:
                    server = await _encrypted(wire, server)
                    said = await smtp.command(wire, line)
                if not (said.good or said.code == 354):
                    return Handed(state="later" if said.later else "refused", detail=str(said), server=server.name)
            sent = True
            await wire.send(_stuffed(content) + b".\r\n")
            said = await smtp.reply(wire)
            if not said.good:
                return Handed(state="later" if said.later else "refused", detail=str(said), server=server.name)
            await smtp.left(wire)
            return Handed(
                state="taken", detail=str(said), server=server.name, queue_id=harmless(queued_as(str(said)), 80)
            )
    except TimeoutError:
        why = f"no end within {timeout:g} s"
    except EOFError:
        why = "it closed the connection"
    except Broken as error:
        why = str(error)
    except (OSError, ValueError) as error:
        why = f"it broke the connection off: {harmless(str(error), 120)}"
    # A server that is away now may be back: MTAs try again too.
    return Handed(state="unsure" if sent else "later", detail=why)


async def _encrypted(wire: Wire, server: smtp.Server) -> smtp.Server:
    said = await smtp.command(wire, "STARTTLS")
    if said.code != 220:
        raise Broken(f"STARTTLS is refused: {said}")
    await encrypted_anyhow(wire)
    return await smtp.introduced(wire, server.banner)


def _stuffed(content: bytes) -> bytes:
    """Transparency (RFC 5321 §4.5.2)."""
    return b"".join(b"." + line if line.startswith(b".") else line for line in content.splitlines(keepends=True))
