"""What was seen, by the names that conditions have for it."""

from __future__ import annotations

from collections.abc import Iterable

from cockpit.events.world import Certificate
from cockpit.probes.http.seen import Seen

VALUE = 256


def facts_of(seen: Seen, digest: str, connect: float, tls: str) -> dict[str, str]:
    """Durations in milliseconds, sizes in bytes. What is not there (a certificate without TLS) has no name."""
    facts = {
        "status": str(seen.status),
        "version": seen.version,
        "ms": f"{seen.ms:g}",
        "ttfb": f"{seen.ttfb:g}",
        "connect": f"{connect:g}",
        "via": seen.via,
        "bridged": _yes(seen.bridged),
        "url": seen.url[:VALUE],
        "redirects": str(len(seen.redirects)),
        "size": str(seen.size),
        "title": seen.title,
        "digest": digest,
    }
    if tls:
        facts["tls"] = tls
    facts |= certificate_facts(seen.certificate)
    # All of them, and whole: a condition that a header lacks something must not hold because the end was cut off. The prober
    # bounds the headers of an answer.
    facts |= {f"header.{name}": value for name, value in joined(seen.headers)}
    return facts


def certificate_facts(shown: Certificate | None) -> dict[str, str]:
    """The facts `certificate.…`, the same for every protocol over TLS."""
    if shown is None:
        return {}
    return {
        "certificate.days": f"{shown.days:g}",
        "certificate.names": " ".join(shown.names)[:VALUE],
        "certificate.issuer": shown.issuer,
        "certificate.problem": shown.problem,
    }


def joined(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each name once; what came several times is one list (RFC 9110 §5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return list(found.items())


def _yes(held: bool) -> str:
    return "yes" if held else "no"
