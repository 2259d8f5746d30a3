"""A certificate as a server shows it, in words: also one that does not hold, which a trusting handshake would hide."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from cockpit.events.world import Certificate
from cockpit.text import harmless

NAMES = 40
"""Names that are shown and written down; one that is asked for is looked for among all."""
CHAIN = 8
WORD = 200
DER_LIMIT = 128 * 1024

_TOO_OLD, _TOO_NEW, _SELF, _SELF_IN_CHAIN = 10, 9, 18, 19
_UNKNOWN = frozenset({2, 20, 21, 27})
_NAME, _ADDRESS = 62, 64
"""Codes of X509_verify_cert_error_string(3)."""


def chain_of(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the server sent, its own first, as DER. Python has them in public from 3.13 on."""
    asked: Any = getattr(tls, "get_unverified_chain", None)
    if asked is None:
        asked = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if asked is not None:
        found = asked() or ()
        return tuple(item if isinstance(item, bytes) else _der(item) for item in found)[:CHAIN]
    own = tls.getpeercert(binary_form=True)
    return (own,) if own else ()


def _der(item: Any) -> bytes:
    return ssl.PEM_cert_to_DER_cert(item.public_bytes())


def describe(chain: Iterable[bytes], name: str, now: float, error: ssl.SSLError | None = None) -> Certificate | None:
    """The certificate in words. `error` is what a trusting handshake said; `now` is UTC in seconds. None without any."""
    ders = tuple(chain)
    if not ders:
        return None
    own = _parsed(ders[0])
    if own is None:
        return Certificate(problem="the certificate cannot be read")
    until = own.not_valid_after_utc.timestamp()
    return Certificate(
        names=_names(own)[:NAMES],
        issuer=_subject(own.issuer),
        until=until,
        days=round((until - now) / 86400, 2),
        chain=tuple(_subject(item.subject) if (item := _parsed(der)) is not None else "?" for der in ders),
        problem=_problem(own, name, now, error),
    )


def _parsed(der: bytes) -> x509.Certificate | None:
    if len(der) > DER_LIMIT:
        return None
    try:
        found = x509.load_der_x509_certificate(der)
        found.subject, found.issuer, found.not_valid_after_utc  # noqa: B018 - these are parsed when they are asked for
    except Exception:  # The parser raises many kinds for what is no certificate.
        return None
    return found


def _names(own: x509.Certificate) -> tuple[str, ...]:
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # None there, or extensions that do not parse.
        return ()
    found = [str(item.value) for item in names if isinstance(item, x509.DNSName | x509.IPAddress)]
    return tuple(harmless(item, WORD) for item in found)


def _subject(name: x509.Name) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(oid)
        if found:
            value = found[0].value
            return harmless(value, WORD)
    return harmless(name.rfc4514_string(), WORD)


def _problem(own: x509.Certificate, name: str, now: float, error: ssl.SSLError | None) -> str:
    """Why it does not hold, '' when nothing was said against it. The first reason ends a handshake, so that the others are
    looked for here."""
    if error is None:
        return ""
    said: list[str] = []
    begins, until = own.not_valid_before_utc.timestamp(), own.not_valid_after_utc.timestamp()
    if now > until:
        said.append(f"expired {_day(until)}")
    if now < begins:
        said.append(f"not yet valid, from {_day(begins)}")
    if not _matches(_names(own), name):
        said.append(f"wrong name: it is for {', '.join(_names(own)[:5]) or 'nobody'}, not {name}")
    code = getattr(error, "verify_code", 0)
    if code == _SELF:
        said.append("self-signed")
    elif code == _SELF_IN_CHAIN or code in _UNKNOWN:
        said.append(f"unknown authority {_subject(own.issuer)}")
    elif code not in {0, _TOO_OLD, _TOO_NEW, _NAME, _ADDRESS}:
        said.append(harmless(getattr(error, "verify_message", "") or str(error), WORD))
    elif own.issuer == own.subject:
        said.append("self-signed")
    elif code in {_TOO_OLD, _TOO_NEW} and len(said) == 0:
        said.append("a certificate of its chain is out of its time")
    return ", ".join(said) or harmless(str(error), WORD)


def _day(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).strftime("%Y-%m-%d")


def _matches(names: Iterable[str], wanted: str) -> bool:
    """RFC 6125 §6.4, as OpenSSL does it: a star is the whole first label."""
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        pass
    else:
        return str(address) in names
    wanted = wanted.rstrip(".").lower()
    for name in names:
        name = name.rstrip(".").lower()
        if name == wanted or (name.startswith("*.") and name[2:] == wanted.partition(".")[2]):
            return True
    return False


async def shown(
    address: str, port: int, name: str, timeout: float, now: float, error: ssl.SSLError | None = None
) -> Certificate | None:
    """What a server shows at an address under a name, without trusting it: nothing is sent but the handshake. None when there
    is none within `timeout` seconds. Never raises for what the server does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    except (OSError, TimeoutError, ValueError):
        return None
    try:
        tls = writer.get_extra_info("ssl_object")
        return describe(chain_of(tls), name, now, error) if tls is not None else None
    finally:
        with contextlib.suppress(OSError):
            writer.transport.abort()
