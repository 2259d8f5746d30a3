"""Speaking SMTP (RFC 5321): replies, greeting, TLS (RFC 3207), login (RFC 4954), and recipients offered without a message."""

from __future__ import annotations

import binascii
import re

import msgspec

from cockpit.plan.watched import Login
from cockpit.probes.mail.wire import LINES, Broken, Wire, encrypted, goodbye
from cockpit.text import harmless

_LINE = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)")
"""Enhanced status codes (RFC 3463, RFC 2034)."""


CLOSING = 421
"""The server ends the connection with this (RFC 5321 §3.8)."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered to one command. `enhanced` is '' where there is none."""

    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str:
        """The enhanced status code, such as `4.7.1`."""
        found = _ENHANCED.match(self.lines[-1]) if self.lines else None
        return found[1] if found is not None else ""

    @property
    def good(self) -> bool:
        """Whether the command was carried out."""
        return 200 <= self.code < 300

    @property
    def later(self) -> bool:
        """Whether it may be tried again (RFC 5321 §4.2.1)."""
        return 400 <= self.code < 500

    @property
    def refuses_relaying(self) -> bool:
        """Whether it says so of a recipient. 454 is what Postfix answers by default (`defer_unauth_destination`); any other
        refusal for now is about something else, as a server that is busy or greylists."""
        return self.code >= 500 or self.code == 454

    def __str__(self) -> str:
        return harmless(f"{self.code} {' '.join(line for line in self.lines if line)}".strip(), 200)


async def reply(wire: Wire) -> Reply:
    """The next reply. Raises Broken for what is none."""
    lines: list[str] = []
    first = ""
    while len(lines) < LINES:
        text = await wire.line()
        found = _LINE.fullmatch(text)
        if found is None:
            raise Broken(f"it sent what is no reply of SMTP: {harmless(text, 80)!r}")
        if first and found[1] != first:
            raise Broken(f"its reply began with {first} and went on with {found[1]}")
        first = found[1]
        lines.append(found[3] or "")
        if found[2] != "-":
            return Reply(code=int(first), lines=tuple(lines))
    raise Broken(f"its reply has more than {LINES} lines")


async def command(wire: Wire, line: str) -> Reply:
    """One command and its reply."""
    await wire.say(line)
    return await reply(wire)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said of itself. `name` is what it calls itself, `extensions` (RFC 5321 §4.1.1.1) by upper-case keyword."""

    name: str = ""
    banner: str = ""
    extensions: dict[str, str] = {}


async def greeted(wire: Wire) -> str:
    """The banner. Raises Broken for any other than 220."""
    first = await reply(wire)
    if first.code != 220:
        raise Broken(f"its banner is {first}")
    return harmless(" ".join(first.lines), 200)


async def introduced(wire: Wire, banner: str) -> Server:
    """What it offers. A server that knows no EHLO is greeted in the old way (RFC 5321 §3.2)."""
    local = wire.local
    me = f"[IPv6:{local}]" if ":" in local else f"[{local}]"
    said = await command(wire, f"EHLO {me}")
    if not said.good:
        refused = said
        said = await command(wire, f"HELO {me}")
        if not said.good:
            raise Broken(f"EHLO is refused: {refused}")
        return Server(name=_name(said, banner), banner=banner)
    extensions: dict[str, str] = {}
    for line in said.lines[1:]:
        # `AUTH=PLAIN` is what old clients wanted to see.
        word, _, value = line.replace("AUTH=", "AUTH ", 1).partition(" ")
        if word:
            extensions[harmless(word.upper(), 40)] = harmless(value.strip(), 200)
    return Server(name=_name(said, banner), banner=banner, extensions=extensions)


def _name(said: Reply, banner: str) -> str:
    words = said.lines[0].split() or banner.split()
    return harmless(words[0].lower().rstrip("."), 255) if words else ""


async def secured(wire: Wire, server: Server, ca: str, name: str) -> Server:
    """TLS by STARTTLS, checked against `name`; what it offers then. Raises Broken."""
    if "STARTTLS" not in server.extensions:
        raise Broken("it offers no STARTTLS")
    said = await command(wire, "STARTTLS")
    if said.code != 220:
        raise Broken(f"STARTTLS is refused: {said}")
    await encrypted(wire, ca, name)
    # What was said before TLS is forgotten (RFC 3207 §4.2).
    return await introduced(wire, server.banner)


async def logged_in(wire: Wire, server: Server, login: Login, password: str) -> Reply:
    """The reply to a login by PLAIN (RFC 4616) or LOGIN. Raises Broken where that would show the password to the network."""
    if not wire.tls:
        raise Broken("the login was not sent: the connection has no TLS")
    offered = server.extensions.get("AUTH", "").upper().split()
    if "PLAIN" in offered:
        word = _base64(f"\0{login.user}\0{password}")
        return await command(wire, f"AUTH PLAIN {word}")
    if "LOGIN" in offered:
        said = await command(wire, "AUTH LOGIN")
        for word in (login.user, password):
            if said.code != 334:
                return said
            said = await command(wire, _base64(word))
        return said
    raise Broken(f"it offers no login by PLAIN or LOGIN, but {' '.join(offered) or 'none at all'}")


async def offered(wire: Wire, sender: str, recipient: str) -> tuple[str, Reply]:
    """The command that decided, and its reply: `RCPT`, or `MAIL` where the sender is refused already. No message follows, and
    the transaction is taken back. Raises Broken."""
    which, said = "MAIL", await command(wire, f"MAIL FROM:<{sender}>")
    if said.good:
        which, said = "RCPT", await command(wire, f"RCPT TO:<{recipient}>")
    if said.code == CLOSING:
        return which, said
    back = await command(wire, "RSET")
    if not back.good:
        raise Broken(f"RSET is refused: {back}")
    return which, said


async def left(wire: Wire) -> None:
    """QUIT. What it answers makes no difference."""
    async with goodbye():
        await command(wire, "QUIT")


def _base64(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).decode()
