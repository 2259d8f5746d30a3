"""One question to a mail server, from the banner to the goodbye, with everything that was seen on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec

from cockpit.events import Certificate
from cockpit.plan.watched import Probe
from cockpit.probes.http.facts import certificate_facts
from cockpit.probes.mail import smtp
from cockpit.probes.mail.mailboxes import Imap, Pop
from cockpit.probes.mail.wire import BadCertificate, Broken, Wire, dialled, encrypted, encrypted_anyhow
from cockpit.probes.seen import Seen, since
from cockpit.text import harmless

PORTS = {"smtp": 25, "submission": 587, "imap": 143, "pop": 110}
IMPLICIT = {"smtp": 465, "submission": 465, "imap": 993, "pop": 995}
"""Ports where TLS comes first (RFC 8314)."""


class _Notes:
    """What was seen so far: it is told also when the conversation breaks off."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.status = 0
        self.body = ""
        self.certificate: Certificate | None = None


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation needs to know. `name` is what the certificate must hold."""

    probe: Probe
    name: str
    password: str = ""


def port_of(probe: Probe) -> int:
    """The port that the probe's target names, else the protocol's own."""
    text = probe.target.rpartition(":")[2]
    if text.isdecimal() and not probe.target.endswith("]"):
        return int(text)
    return (IMPLICIT if probe.tls == "implicit" else PORTS).get(probe.proto, 25)


async def probe(probe: Probe, name: str, address: str, secrets: Mapping[str, str], timeout: float) -> Seen:
    """Ask a mail server at `address`, whose certificate must be `name`'s. Never raises for what the server does, ends within
    `timeout` seconds, and sends no message.

    Facts: `banner`, `tls` (its version), `certificate.…`, `extensions` or `capabilities`, `starttls`, `size` (bytes),
    `recipient` and `relay` (`accepted`, `deferred`, `refused`, with `recipient_code` and `relay_code`), `login`, `enhanced`."""
    notes, began = _Notes(), time.monotonic()
    password = ""
    if probe.login is not None:
        if probe.login.secret not in secrets:
            return Seen(ok=False, detail=f"the secret {probe.login.secret} is not there", via=address)
        password = secrets[probe.login.secret]
    question = _Question(probe=probe, name=name, password=password)
    ok, detail = False, ""
    try:
        async with asyncio.timeout(timeout):
            try:
                async with dialled(address, port_of(probe)) as wire:
                    detail = await _conversation(wire, question, notes)
                    ok = True
            except BadCertificate as error:
                detail = str(error)
                notes.certificate = Certificate(problem=detail)
                notes.certificate = await _looked_at(question, address, error) or notes.certificate
                notes.facts |= certificate_facts(notes.certificate)
                if notes.certificate.problem not in detail:
                    detail = f"the certificate does not hold: {notes.certificate.problem}"
    except TimeoutError:
        detail = detail or f"no end within {timeout:g} s{_reached(notes)}"
    except Broken as error:
        detail = str(error)
    except EOFError:
        detail = f"it closed the connection{_reached(notes)}"
    except OSError as error:
        detail = f"it broke the connection off{_reached(notes)}: {harmless(error.strerror or str(error), 120)}"
    except (ValueError, UnicodeError) as error:
        detail = harmless(str(error), 200)
    return Seen(
        ok=ok,
        status=notes.status,
        ms=since(began),
        detail=detail,
        via=address,
        body=notes.body,
        facts=notes.facts,
        certificate=notes.certificate,
    )


def _reached(notes: _Notes) -> str:
    if "banner" not in notes.facts:
        return " before its banner"
    return " in TLS" if "tls" in notes.facts else " after its banner"


async def _conversation(wire: Wire, question: _Question, notes: _Notes) -> str:
    """What a good server came to, in words. Raises Broken where it is not good."""
    if question.probe.tls == "implicit":
        await encrypted(wire, question.probe.ca, question.name)
        _secure(wire, notes)
    match question.probe.proto:
        case "imap":
            return await _mailbox(Imap(wire), wire, question, notes)
        case "pop":
            return await _mailbox(Pop(wire), wire, question, notes)
        case _:
            return await _smtp(wire, question, notes)


def _secure(wire: Wire, notes: _Notes) -> None:
    notes.certificate = wire.certificate()
    notes.facts |= {"tls": wire.tls} | certificate_facts(notes.certificate)


async def _smtp(wire: Wire, question: _Question, notes: _Notes) -> str:
    probe, facts = question.probe, notes.facts
    notes.body = facts["banner"] = await smtp.greeted(wire)
    notes.status = 220
    server = await smtp.introduced(wire, notes.body)
    _offers(server, facts)
    if probe.tls == "starttls":
        server = await smtp.secured(wire, server, probe.ca, question.name)
        _secure(wire, notes)
        _offers(server, facts)
    said = ["banner", "TLS" if wire.tls else "no TLS"]
    if probe.login is not None:
        answer = await smtp.logged_in(wire, server, probe.login, question.password)
        _code(answer, notes)
        facts["login"] = "accepted" if answer.good else "refused"
        if not answer.good:
            raise Broken(f"the login is refused: {answer}")
        said.append("login")
    sender = probe.login.user if probe.login is not None and "@" in probe.login.user else ""
    if probe.recipient:
        which, answer = await smtp.offered(wire, sender, probe.recipient)
        _code(answer, notes)
        if which == "MAIL" and not answer.good:
            raise Broken(f"{probe.recipient} could not be asked for: the sender <{sender}> is refused: {answer}")
        facts["recipient"], facts["recipient_code"] = _taken(answer), str(answer.code)
        if not answer.good:
            how = "put off" if answer.later else "refused"
            raise Broken(f"{probe.recipient} is {how}: {answer}")
        said.append(f"{probe.recipient} accepted")
    if probe.refuses:
        which, answer = await smtp.offered(wire, sender, probe.refuses)
        if which == "MAIL" or not (answer.good or answer.refuses_relaying):
            _code(answer, notes)
            raise Broken(f"whether it relays cannot be told: it answers {which} with {answer}")
        facts["relay"], facts["relay_code"] = _taken(answer), str(answer.code)
        if answer.good:
            _code(answer, notes)
            raise Broken(f"it takes mail for {probe.refuses}: an open relay as seen from here ({answer})")
        said.append(f"relaying refused ({answer.code})")
    await smtp.left(wire)
    return ", ".join(said)


def _offers(server: smtp.Server, facts: dict[str, str]) -> None:
    facts["extensions"] = " ".join(sorted(server.extensions))[:400]
    facts["starttls"] = "yes" if "STARTTLS" in server.extensions or "tls" in facts else "no"
    facts["mime8bit"] = "yes" if "8BITMIME" in server.extensions else "no"
    if "SIZE" in server.extensions:
        facts["size"] = server.extensions["SIZE"] or "0"


def _code(answer: smtp.Reply, notes: _Notes) -> None:
    notes.status = answer.code
    if answer.enhanced:
        notes.facts["enhanced"] = answer.enhanced


def _taken(answer: smtp.Reply) -> str:
    return "accepted" if answer.good else "deferred" if answer.later else "refused"


async def _mailbox(session: Imap | Pop, wire: Wire, question: _Question, notes: _Notes) -> str:
    """A conversation by IMAP or POP3: they go the same way."""
    probe = question.probe
    notes.body = notes.facts["banner"] = await session.greeted()
    await session.asked()
    if probe.tls == "starttls":
        await session.secured(probe.ca, question.name)
        _secure(wire, notes)
    notes.facts["capabilities"] = " ".join(session.capabilities)[:400]
    said = ["banner", "TLS" if wire.tls else "no TLS"]
    if probe.login is not None:
        notes.facts["login"] = "refused"
        await session.logged_in(probe.login, question.password)
        notes.facts["login"] = "accepted"
        said.append("login")
    await session.left()
    return ", ".join(said)


async def _looked_at(question: _Question, address: str, error: BadCertificate) -> Certificate | None:
    """The certificate that did not hold, over a connection that says nothing but what leads to it."""
    probe = question.probe
    try:
        async with dialled(address, port_of(probe)) as wire:
            if probe.tls != "implicit":
                await _begun(wire, probe)
            await encrypted_anyhow(wire, question.name)
            return wire.certificate(error.error)
    except (Broken, EOFError, OSError, ValueError):
        return None


async def _begun(wire: Wire, probe: Probe) -> None:
    """Up to the moment in which TLS begins."""
    if probe.proto in {"smtp", "submission"}:
        await smtp.introduced(wire, await smtp.greeted(wire))
        await smtp.command(wire, "STARTTLS")
        return
    await wire.line()
    await wire.say("STLS" if probe.proto == "pop" else "a STARTTLS")
    await wire.line()
