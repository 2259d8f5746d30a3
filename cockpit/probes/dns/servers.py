"""Servers as a plan names them: by address, over UDP, TCP, TLS or HTTPS, or the operating system's own resolver."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from cockpit.text import harmless

How = Literal["udp", "tcp", "tls", "https", "system"]
SYSTEM = "system"
_PORTS: dict[How, int] = {"udp": 53, "tcp": 53, "tls": 853}


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where a question goes, and how."""

    how: How
    address: str = ""
    port: int = 53
    name: str = ""
    """The name that its certificate must have; the address itself where a plan gives none."""
    url: str = ""

    @property
    def place(self) -> str:
        """The address and port in words."""
        return f"{self.address} port {self.port}"


def endpoint(server: str, port: int = 53) -> tuple[str, int]:
    """Address and port of `ip`, `ip:port` or `[ip6]:port`. Raises ValueError for a port that is none."""
    if server.startswith("["):
        address, closed, given = server[1:].partition("]")
        if not closed:
            raise ValueError(f"{server[:80]!r} lacks its closing bracket")
        return address, _number(given[1:]) if given.startswith(":") else port
    if server.count(":") == 1:
        address, _, given = server.partition(":")
        return address, _number(given)
    return server, port


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError(f"{text[:20]!r} is no port")
    return int(text)


def server_of(text: str) -> Server:
    """The server that a plan names so. Raises ValueError with a sentence."""
    how: How = "udp"
    rest = text
    if text == SYSTEM:
        return Server(how="system")
    if text.startswith("https://"):
        return _https(text)
    if "://" in text:
        scheme, _, rest = text.partition("://")
        if scheme not in {"tcp", "tls"}:
            raise ValueError(f"{text[:80]!r} names no server: it begins with tcp://, tls://, https:// or an address")
        how = "tcp" if scheme == "tcp" else "tls"
    place, _, name = rest.partition("#")
    address, port = _place(text, place, _PORTS[how])
    if name:
        _hostname(text, name)
    return Server(how=how, address=address, port=port, name=name or address)


def _https(text: str) -> Server:
    url, _, pin = text.rpartition("@")
    if not url:
        said = "the address that it is pinned to is missing, https://NAME/PATH@ADDRESS"
        raise ValueError(f"{text[:80]!r} names no server: {said}")
    address, _ = _place(text, f"[{pin.strip('[]')}]", 443)
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port or 443
    except ValueError:
        name, port = None, 0
    if not name or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{text[:80]!r} names no server: {harmless(url, 80)} is no URL")
    _hostname(text, name)
    return Server(how="https", address=address, port=port, name=name, url=url)


def _hostname(text: str, name: str) -> None:
    """Raises ValueError for a name that no certificate can have (RFC 1035 §2.3.4)."""
    try:
        name.encode("idna")
    except UnicodeError:
        why = "a label of the host name is empty or longer than 63 characters"
        raise ValueError(f"{text[:80]!r} names no server: {why}") from None


def _place(text: str, place: str, port: int) -> tuple[str, int]:
    try:
        address, port = endpoint(place, port)
        # Answers come from an address as the system writes it.
        return str(ipaddress.ip_address(address)), port
    except ValueError:
        raise ValueError(f"{text[:80]!r} names no server: it has no IP address, or a port that is none") from None
