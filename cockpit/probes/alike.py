"""Old's answer beside new's: what differs, as a person can read it. Pure; the bodies come from servers, so it runs where it can
be stopped (`cockpit.probes.aside`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from cockpit.events.world import Certificate, Difference
from cockpit.probes.bodies import compared, lines_of
from cockpit.text import harmless

HEADERS = 40
"""Headers that are shown to differ."""
WORD = 200
ENDLESS = 400
"""Characters of a line that nobody wrote by hand."""
SLOWER, SLOWER_BY = 3.0, 500.0
"""New is slower when its first byte takes three times as long and half a second more: less is weather."""
DAYS = 14.0
"""Certificates are renewed long before; one with less is forgotten."""

VOLATILE = frozenset({
    "age", "alt-svc", "cf-ray", "connection", "content-length", "date", "etag", "expires", "keep-alive", "last-modified", "nel",
    "report-to", "server-timing", "transfer-encoding", "via", "x-cache", "x-cache-hits", "x-correlation-id", "x-request-id",
    "x-runtime", "x-served-by", "x-timer", "x-trace-id", "x-varnish",
})  # fmt: skip
"""Headers that differ from answer to answer, or from host to host by their nature."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What one side answered. `ttfb` in milliseconds, `size` in bytes."""

    status: int
    redirects: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    title: str = ""
    size: int = 0
    cut: bool = False
    """The body went on: `size`, `digest` and `text` are of its beginning."""
    length: str = ""
    """Bytes of the whole body by the server's word; '' when it says none, or packs."""
    digest: str = ""
    """Of the unpacked body, in hexadecimal."""
    text: str | None = None
    """None for what nobody reads: pictures, archives."""
    ttfb: float = 0.0
    certificate: Certificate | None = None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ. `quick` leaves masks and the likeness of bodies out: they are the same to the byte, or they differ."""

    ignore: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    alike: float = 1.0
    quick: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """What differs, and the share of the masked bodies that is alike."""

    differences: tuple[Difference, ...] = ()
    alike: float = 1.0


def outcome(old: Page, new: Page, rules: Rules) -> Outcome:
    """All in which new's answer is not old's."""
    found: list[Difference] = []
    if old.status != new.status:
        found.append(Difference(what="status", old=str(old.status), new=str(new.status)))
    if old.redirects != new.redirects:
        found.append(Difference(what="redirects", old=_chain(old.redirects), new=_chain(new.redirects)))
    found += _headers(old, new, rules)
    if old.title != new.title and "title" not in rules.ignore:
        found.append(Difference(what="title", old=old.title, new=new.title))
    body, alike = _body(old, new, rules)
    found += body
    if "time" not in rules.ignore and _slower(old.ttfb, new.ttfb):
        found.append(Difference(what="time", old=f"{old.ttfb:.0f} ms", new=f"{new.ttfb:.0f} ms"))
    if "certificate" not in rules.ignore:
        found += _certificate(old.certificate, new.certificate)
    return Outcome(differences=tuple(found), alike=alike)


def _chain(redirects: Sequence[str]) -> str:
    return harmless(" → ".join(redirects), 2 * WORD) or "none"


def _slower(old: float, new: float) -> bool:
    return bool(old and new) and new >= old * SLOWER and new - old >= SLOWER_BY


def _headers(old: Page, new: Page, rules: Rules) -> list[Difference]:
    left, right = _named(old.headers), _named(new.headers)
    found: list[Difference] = []
    for name in sorted(left.keys() | right.keys()):
        if name in VOLATILE or name in rules.ignore or left.get(name) == right.get(name):
            continue
        found.append(
            Difference(
                what=f"header {harmless(name, 60)}",
                old=harmless(left.get(name, ""), WORD),
                new=harmless(right.get(name, ""), WORD),
            )
        )
    if len(found) > HEADERS:
        rest = f"{len(found) - HEADERS} more"
        found = [*found[:HEADERS], Difference(what="header …", old=rest, new=rest)]
    return found


def _named(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(_cookie(value) if name.lower() == "set-cookie" else value)
    return {name: ", ".join(sorted(values) if name == "set-cookie" else values) for name, values in found.items()}


def _cookie(value: str) -> str:
    """A cookie without what is new in each answer: its value and its times (RFC 6265 §4.1)."""
    first, *rest = (part.strip() for part in value.split(";"))
    kept = [part for part in rest if part.partition("=")[0].lower() not in {"expires", "max-age"}]
    return "; ".join([first.partition("=")[0], *kept])


def _body(old: Page, new: Page, rules: Rules) -> tuple[list[Difference], float]:
    ends = _ends(old, new)
    if old.digest == new.digest:
        return ends, 1.0
    if old.text is None or new.text is None or rules.quick:
        size = ends if old.size == new.size else [Difference(what="size", old=_size(old), new=_size(new))]
        return [Difference(what="body", old=_hash(old), new=_hash(new)), *size], 0.0
    masks = [re.compile(mask) for mask in rules.mask]
    alike, lines = compared(*(lines_of(text, masks) for text in _broken_alike(old.text, new.text)))
    if alike >= rules.alike:
        return [], alike
    what = Difference(what="body", old=_size(old), new=f"{_size(new)}, {alike:.1%} alike", lines=lines)
    return [what], alike


def _ends(old: Page, new: Page) -> list[Difference]:
    """What can be told of the end of two bodies whose beginnings alone were read."""
    if old.cut == new.cut and (not old.cut or not old.length or not new.length or old.length == new.length):
        return []
    return [Difference(what="size", old=_size(old), new=_size(new))]


def _broken_alike(*texts: str) -> tuple[str, ...]:
    """All of them with markup that stands on endless lines broken at its tags, if one of them has such lines."""
    if max(len(line) for text in texts for line in text.split("\n")) < ENDLESS:
        return texts
    return tuple(re.sub(r">[ \t]*<", ">\n<", text) for text in texts)


def _hash(page: Page) -> str:
    return f"sha256 {page.digest[:16]}"


def _size(page: Page) -> str:
    if page.cut:
        return f"{harmless(page.length, 20)} bytes" if page.length else f"more than {page.size} bytes"
    return f"{page.size} bytes"


def _certificate(old: Certificate | None, new: Certificate | None) -> list[Difference]:
    left, right = _shown(old), _shown(new)
    worn = new is not None and new.days < DAYS and (old is None or old.days >= DAYS)
    if left == right and not worn:
        return []
    return [Difference(what="certificate", old=_with_days(left, old), new=_with_days(right, new))]


def _shown(certificate: Certificate | None) -> str:
    if certificate is None:
        return "none"
    # Who it is for and who signed it; its own subject is one of its names.
    names, chain = " ".join(sorted(certificate.names)), " ← ".join(certificate.chain[1:]) or certificate.issuer
    return f"{names} by {chain}" + (f", {certificate.problem}" if certificate.problem else "")


def _with_days(shown: str, certificate: Certificate | None) -> str:
    days = f", {certificate.days:.0f} days left" if certificate is not None else ""
    return harmless(shown, 2 * WORD) + days
