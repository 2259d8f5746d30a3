"""The names that conditions may use, for each protocol, and what they are."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["count", "duration", "size", "text", "flag"]
"""`flag` is yes or no; a duration is compared with `500ms`, a size with `10KiB` or a number of bytes."""


class FactKind(msgspec.Struct, frozen=True):
    """What a fact is. `own`: known at the probe's own vantage only. `least`: it is never less."""

    kind: Kind
    meaning: str
    own: bool = False
    least: float = 0.0


_COUNT: Kind = "count"
_TIME: Kind = "duration"
_SIZE: Kind = "size"
_TEXT: Kind = "text"
_FLAG: Kind = "flag"

_COMMON: dict[str, FactKind] = {
    "ms": FactKind(_TIME, "time of the whole question"),
    "via": FactKind(_TEXT, "the address or the host that was asked"),
}
_CERTIFICATE: dict[str, FactKind] = {
    "tls": FactKind(_TEXT, "the version of TLS, `TLSv1.3`"),
    "certificate.days": FactKind(_COUNT, "days until the certificate expires", least=-1e9),
    "certificate.names": FactKind(_TEXT, "the names that it is for"),
    "certificate.issuer": FactKind(_TEXT, "who signed it"),
    "certificate.problem": FactKind(_TEXT, "why it does not hold; empty when it does"),
}
_BODY = FactKind(_TEXT, "the text of the answer, to be searched with `contains`", own=True)

_CONNECT = FactKind(_TIME, "time until the connection was there")
_BANNER = FactKind(_TEXT, "the first line that the server said")
_RAN: dict[str, FactKind] = {
    "status": FactKind(_COUNT, "the exit status"),
    "value": FactKind(_TEXT, "the first line of what was printed"),
    "number": FactKind(_COUNT, "the same as a number; not known when it is none", least=-1e18),
    "lines": FactKind(_COUNT, "how many lines were printed"),
    "error": FactKind(_TEXT, "the first line of the error output"),
    "body": _BODY,
    **_COMMON,
}
_MAILBOX: dict[str, FactKind] = {
    "banner": _BANNER,
    "capabilities": FactKind(_TEXT, "what the server offers"),
    "login": FactKind(_TEXT, "`accepted` or `refused`"),
    **_COMMON,
    **_CERTIFICATE,
}
_SMTP: dict[str, FactKind] = {
    "status": FactKind(_COUNT, "the last reply code that decided"),
    "banner": _BANNER,
    "extensions": FactKind(_TEXT, "what EHLO offers"),
    "starttls": FactKind(_FLAG, "whether TLS is offered"),
    "mime8bit": FactKind(_FLAG, "whether 8BITMIME is offered"),
    "enhanced": FactKind(_TEXT, "the last enhanced status code, `5.7.1`"),
    "size": FactKind(_SIZE, "the largest message that it takes, by its own word"),
    "recipient": FactKind(_TEXT, "`accepted`, `deferred` or `refused`"),
    "recipient_code": FactKind(_COUNT, "the reply code to the recipient"),
    "relay": FactKind(_TEXT, "the same for the address elsewhere"),
    "relay_code": FactKind(_COUNT, "the reply code to it"),
    "login": FactKind(_TEXT, "`accepted` or `refused`"),
    **_COMMON,
    **_CERTIFICATE,
}

FACTS: dict[str, dict[str, FactKind]] = {
    "http": {
        "status": FactKind(_COUNT, "the status code"),
        "version": FactKind(_TEXT, "`HTTP/1.1` or `HTTP/2`"),
        "ttfb": FactKind(_TIME, "time to the first byte"),
        "connect": FactKind(_TIME, "time until the connection was there"),
        "bridged": FactKind(_FLAG, "whether a proxy handed it on"),
        "url": FactKind(_TEXT, "the URL of the last answer"),
        "redirects": FactKind(_COUNT, "how many redirects led there"),
        "size": FactKind(_SIZE, "bytes of the unpacked body, at most 1 MiB"),
        "title": FactKind(_TEXT, "the page's title"),
        "digest": FactKind(_TEXT, "a hash of the body, to compare vantages by"),
        "body": _BODY,
        **_COMMON,
        **_CERTIFICATE,
    },
    "tcp": {"connect": _CONNECT, "banner": _BANNER, "body": _BODY, **_COMMON},
    "tls": {**_COMMON, **_CERTIFICATE},
    "ssh": {
        "banner": _BANNER,
        "hostkey": FactKind(_TEXT, "algorithm and fingerprint of the host key"),
        "body": _BODY,
        **_COMMON,
    },
    "smtp": _SMTP,
    "submission": _SMTP,
    "imap": _MAILBOX,
    "pop": _MAILBOX,
    "command": _RAN,
    "query": _RAN,
    "log": {
        "count": FactKind(_COUNT, "lines that match, since the last look"),
        "lines": FactKind(_COUNT, "lines since the last look"),
        "line": FactKind(_TEXT, "the last line that matches"),
        "body": _BODY,
        **_COMMON,
    },
}
"""Facts by protocol; HTTP has `header.NAME` beside these."""

_PREFIXES: dict[str, dict[str, FactKind]] = {
    "http": {"header.": FactKind(_TEXT, "a header; empty when it is not there")}
}


def known_facts(proto: str) -> dict[str, FactKind]:
    """What a probe of this protocol can know."""
    return FACTS.get(proto, {"status": FactKind(_COUNT, "the protocol's own status"), "body": _BODY, **_COMMON})


def fact(proto: str, name: str) -> FactKind | None:
    """What a name means there; None when it means nothing."""
    for prefix, kind in _PREFIXES.get(proto, {}).items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return kind
    return known_facts(proto).get(name)


def reference() -> str:
    """The facts in Markdown: one section a protocol, one row a name."""
    parts: list[str] = []
    for proto, facts in FACTS.items():
        parts += [f"### Facts of {proto}", "", "| name | is | meaning |", "| --- | --- | --- |"]
        named = {**facts, **{f"{prefix}NAME": kind for prefix, kind in _PREFIXES.get(proto, {}).items()}}
        parts += [f"| `{name}` | {kind.kind} | {_meaning(kind)} |" for name, kind in named.items()]
        parts.append("")
    return "\n".join(parts)


def _meaning(kind: FactKind) -> str:
    return f"{kind.meaning}; not of other vantages" if kind.own else kind.meaning
