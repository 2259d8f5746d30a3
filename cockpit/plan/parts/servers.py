"""Addresses of name servers, as a plan writes them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_NAME = re.compile(r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+")


def wrong_address(text: str) -> str:
    """Why it is no `ip`, `ip:port` or `[ip6]:port`; '' when it is one."""
    address, port = text, "53"
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "a port stands behind the bracket: [2001:db8::53]:5353"
        port = rest[1:] if rest else "53"
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return f"{port or 'nothing'} is no port"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return f"{address or 'nothing'} is no IP address"
    return ""


def wrong_resolver(text: str) -> str:
    """Why it is none of the forms of a resolver; '' when it is one."""
    if text == "system":
        return ""
    scheme, mark, rest = text.partition("://")
    if not mark:
        return wrong_address(text)
    match scheme:
        case "tcp":
            return wrong_address(rest)
        case "tls":
            address, mark, name = rest.partition("#")
            if not mark or not _NAME.fullmatch(name):
                return "the name in its certificate is missing: tls://192.0.2.1#dns.example.org"
            return wrong_address(address)
        case "https":
            url, mark, address = text.rpartition("@")
            if not mark:
                return "the address is missing: https://dns.example.org/dns-query@192.0.2.1"
            return _wrong_url(url) or wrong_address(address)
        case _:
            return f"there is no resolver by {scheme}: there are tcp, tls and https"


def _wrong_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{url} is no URL"
    if not parts.hostname or not _NAME.fullmatch(parts.hostname) or port == 0:
        return f"{url} is no URL with a name"
    return "" if parts.path.startswith("/") else "the path is missing: /dns-query"


def wrong_name(text: str) -> str:
    """Why it cannot be a domain name; '' when it can."""
    if not text or text == ".":
        return ""
    return "" if _NAME.fullmatch(text.removeprefix("*.")) else f"{text[:60]} is no domain name"


def wrong_value(type: str, text: str) -> str:
    """Why it cannot be a record of that type; '' when it can, as far as that can be told here."""
    if type not in {"A", "AAAA"}:
        return "" if text.strip() else "a record is not empty"
    version = 4 if type == "A" else 6
    try:
        good = ipaddress.ip_address(text).version == version
    except ValueError:
        good = False
    return "" if good else f"{text[:60]} is no IPv{version} address"
