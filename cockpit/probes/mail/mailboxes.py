"""Speaking IMAP (RFC 9051, RFC 3501) and POP3 (RFC 1939, RFC 2449, RFC 2595): banner, what is offered, TLS, login."""

from __future__ import annotations

import binascii

from cockpit.plan.watched import Login
from cockpit.probes.mail.wire import LINES, Broken, Wire, encrypted, goodbye
from cockpit.text import harmless


class Imap:
    """One session. Methods raise Broken for what is no IMAP and for refusals."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._number = 0
        self.capabilities: tuple[str, ...] = ()
        self.authenticated = False

    async def greeted(self) -> str:
        """The greeting's text. One of BYE, or none at all, is Broken."""
        line = await self._wire.line()
        word, _, text = line.removeprefix("* ").partition(" ")
        if not line.startswith("* ") or word.upper() not in {"OK", "PREAUTH"}:
            raise Broken(f"its greeting is {harmless(line, 120)!r}")
        self.authenticated = word.upper() == "PREAUTH"
        return harmless(text, 200)

    async def asked(self) -> None:
        """Ask for its capabilities."""
        self.capabilities = ()
        await self._command("CAPABILITY")
        if "IMAP4REV1" not in self.capabilities and "IMAP4REV2" not in self.capabilities:
            raise Broken("it does not say that it speaks IMAP4rev1")

    async def secured(self, ca: str, name: str) -> None:
        """TLS by STARTTLS; capabilities are asked anew (RFC 9051 §6.2.1)."""
        if self.authenticated:
            raise Broken("it greets with PREAUTH, so TLS can no longer begin")
        if "STARTTLS" not in self.capabilities:
            raise Broken("it offers no STARTTLS")
        await self._command("STARTTLS")
        await encrypted(self._wire, ca, name)
        await self.asked()

    async def logged_in(self, login: Login, password: str) -> None:
        """Log in, over TLS only. Raises Broken with the server's words when it refuses."""
        if not self._wire.tls:
            raise Broken("the login was not sent: the connection has no TLS")
        if "AUTH=PLAIN" in self.capabilities:
            await self._plain(f"\0{login.user}\0{password}")
        elif "LOGINDISABLED" in self.capabilities:
            raise Broken("it offers no login by PLAIN or LOGIN")
        else:
            if not (login.user + password).isascii():
                raise Broken("the login was not sent: LOGIN takes plain letters only, and it offers no AUTH=PLAIN")
            await self._command(f"LOGIN {_quoted(login.user)} {_quoted(password)}", "LOGIN")
        self.authenticated = True

    async def left(self) -> None:
        """LOGOUT. What it answers makes no difference."""
        async with goodbye():
            await self._command("LOGOUT")

    async def _plain(self, words: str) -> None:
        """AUTHENTICATE PLAIN (RFC 4616)."""
        self._number += 1
        tag = f"c{self._number}"
        await self._wire.say(f"{tag} AUTHENTICATE PLAIN")
        line = await self._wire.line()
        if line.startswith("+"):
            await self._wire.say(binascii.b2a_base64(words.encode(), newline=False).decode())
            await self._ended(tag, "AUTHENTICATE")
            return
        raise Broken(f"AUTHENTICATE is refused: {harmless(line.removeprefix(tag).strip(), 120)}")

    async def _command(self, text: str, shown: str = "") -> None:
        self._number += 1
        tag = f"c{self._number}"
        await self._wire.say(f"{tag} {text}")
        await self._ended(tag, shown or text)

    async def _ended(self, tag: str, shown: str) -> None:
        """Read up to the tagged response, which must be OK."""
        for _ in range(LINES):
            line = await self._wire.line()
            first, _, rest = line.partition(" ")
            if first == "*":
                word, _, more = rest.partition(" ")
                if word.upper() == "CAPABILITY":
                    self.capabilities = tuple(harmless(item.upper(), 40) for item in more.split()[:LINES])
                continue
            if first != tag:
                raise Broken(f"it sent what is no response of IMAP: {harmless(line, 80)!r}")
            if rest.partition(" ")[0].upper() != "OK":
                raise Broken(f"{shown} is refused: {harmless(rest, 120)}")
            return
        raise Broken(f"its response to {shown} has more than {LINES} lines")


class Pop:
    """One session of POP3. Methods raise Broken for what is no POP3 and for refusals."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.capabilities: tuple[str, ...] = ()

    async def greeted(self) -> str:
        """The greeting's text."""
        return await self._answer("its greeting is")

    async def asked(self) -> None:
        """Ask for its capabilities; a server without CAPA has none."""
        self.capabilities = ()
        await self._wire.say("CAPA")
        line = await self._wire.line()
        if line.upper().startswith("-ERR"):
            return
        if not line.upper().startswith("+OK"):
            raise Broken(f"it sent what is no response of POP3: {harmless(line, 80)!r}")
        found: list[str] = []
        while (line := await self._wire.line()) != ".":
            if len(found) >= LINES:
                raise Broken(f"its response to CAPA has more than {LINES} lines")
            found.append(harmless(line.upper(), 80))
        self.capabilities = tuple(found)

    async def secured(self, ca: str, name: str) -> None:
        """TLS by STLS (RFC 2595 §4); capabilities are asked anew."""
        if "STLS" not in self.capabilities:
            raise Broken("it offers no STLS")
        await self._command("STLS")
        await encrypted(self._wire, ca, name)
        await self.asked()

    async def logged_in(self, login: Login, password: str) -> None:
        """Log in, over TLS only. Raises Broken with the server's words when it refuses."""
        if not self._wire.tls:
            raise Broken("the login was not sent: the connection has no TLS")
        await self._command(f"USER {login.user}", "USER")
        await self._command(f"PASS {password}", "PASS")

    async def left(self) -> None:
        """QUIT. What it answers makes no difference."""
        async with goodbye():
            await self._command("QUIT")

    async def _command(self, text: str, shown: str = "") -> str:
        await self._wire.say(text)
        return await self._answer(f"{shown or text} is refused:")

    async def _answer(self, refused: str) -> str:
        line = await self._wire.line()
        if line.upper().startswith("+OK"):
            return harmless(line[3:].strip(), 200)
        if line.upper().startswith("-ERR"):
            raise Broken(f"{refused} {harmless(line, 120)}")
        raise Broken(f"it sent what is no response of POP3: {harmless(line, 80)!r}")


def _quoted(text: str) -> str:
    """A quoted string (RFC 9051 §4.3)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
