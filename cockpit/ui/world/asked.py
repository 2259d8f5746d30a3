"""Probes and the writer, one entry each: what was asked, what came back, and the certificate, also one that does not hold."""

from __future__ import annotations

from functools import partial

from cockpit.events import Certificate
from cockpit.freshness import probe_of
from cockpit.plan.model import Service
from cockpit.state import HealthView, ServiceView
from cockpit.ui.glyphs import WRITERS
from cockpit.ui.paint import Line, Span, seconds, when
from cockpit.ui.world import aged
from cockpit.ui.world.entry import Entry, facts, wrapped
from cockpit.ui.world.figures import EXPIRING, badness, row_of

SIGNS: tuple[Span, ...] = (("✗", "bad"), ("◷", "warn"), ("✓", "good"))
WORDS: tuple[Span, ...] = (
    ("✗ not good", "bad"),
    ("◷ good, not yet often enough in a row", "warn"),
    ("✓ good", "good"),
)
TONES = ("bad", "warn", "")
"""By `figures.badness`."""


def writer(service: Service, view: ServiceView, now: float) -> list[Entry]:
    """Who accepts writes now."""
    line: Line = [("writer ", "dim"), *aged.writer(service, view, now), (f"  {view.writer_detail}", "dim")]
    return [Entry("writer", "writer", line, partial(_writer, service, view, now))]


def _writer(service: Service, view: ServiceView, now: float, width: int) -> list[Line]:
    meaning = {
        "old": "old accepts writes, new does not",
        "new": "new accepts writes, old does not",
        "both": "old and new both accept writes: what is written now can be lost, close one of them",
        "none": "neither accepts writes: users cannot change anything",
        "unknown": "no probe has said yet who accepts writes",
    }[view.writer]
    lines: list[Line] = [[(" writer ", "title"), WRITERS[view.writer]]]
    lines += wrapped(meaning, width, "bad" if view.writer == "both" else "")
    asked = service.writer
    over = max(0, view.writes - view.writes_base)
    pairs = [
        ("said", view.writer_detail),
        ("seen", f"{seconds(max(0.0, now - view.writer_utc))} ago, {when(view.writer_utc)}" if view.writer_utc else ""),
        ("seen first", view.writer_before if view.writer_before != "unknown" else ""),
        ("steps leave it to", " and ".join(sorted(view.may_write, reverse=True)) or "neither"),
        ("writes new has taken", f"{over}" if view.writes >= 0 else ""),
        ("declared lost", f"{view.losses_declared}" if view.losses_declared else ""),
    ]
    if asked is None:
        return lines + facts(pairs, width) + wrapped("The plan names no probe of the writer.", width, "warn")
    how = asked.url or asked.command or asked.write
    kind = "a URL at each host" if asked.url else "a command on each host" if asked.command else "a write of our own"
    pairs += [("proven by", kind), ("", how), ("every", seconds(asked.every))]
    return lines + facts(pairs, width)


def probes(service: Service, view: ServiceView, now: float) -> list[Entry]:
    """Each probe at each vantage; those that fail come first."""
    keys = sorted(view.health, key=lambda key: badness(service, key, view.health[key]))
    return [_probe(service, key, view.health[key], now) for key in keys]


def _probe(service: Service, key: str, seen: HealthView, now: float) -> Entry:
    name, _, at = key.rpartition("@")
    sign = SIGNS[badness(service, key, seen)]
    said = f"{seen.status} " if seen.status else ""
    line: Line = [
        (sign[0], sign[1]),
        (f" {name}", ""),
        (f"@{at}", at if at in {"old", "new"} else "dim"),
        (f"  {said}{seen.ms:.0f} ms" if seen.ok else f"  {said}{seen.detail}", "dim" if seen.ok else "warn"),
        (" bridged" if seen.bridged else "", "dim"),
    ]
    if seen.certificate is not None and (seen.certificate.problem or seen.certificate.days < EXPIRING):
        line.insert(4, (" cert!", "bad" if seen.certificate.problem else "warn"))
    age = aged.of_health(service, key, seen, now)
    return Entry(f"probe {key}", "probes", aged.faded(line, age), partial(_asked, service, key, seen, now))


def _asked(service: Service, key: str, seen: HealthView, now: float, width: int) -> list[Line]:
    name, _, at = key.rpartition("@")
    word = WORDS[badness(service, key, seen)]
    lines: list[Line] = [[(f" {name} at {at}  ", "title"), word]]
    for part in (piece.strip() for piece in seen.detail.split(";")):
        lines += wrapped(part, width, TONES[badness(service, key, seen)]) if part else []
    asked = probe_of(service, key)
    need = row_of(service, key)
    age = seconds(max(0.0, now - seen.utc))
    pairs = [
        ("asked", f"{seen.proto} {asked.url or asked.target}" if asked is not None else seen.proto),
        ("answered by", seen.via),
        ("status", f"{seen.status}" if seen.status else ""),
        ("time", f"{seen.ms:.0f} ms, {age} ago"),
        ("in a row", f"{seen.row} of {need}" if need > 1 else ""),
        ("route", "old passes it on to new (bridged)" if seen.bridged else ""),
        ("every", seconds(asked.every) if asked is not None else ""),
        *seen.facts.items(),
    ]
    if asked is not None:
        pairs += [("condition", text) for text in asked.expect.that]
    lines += facts(pairs, width)
    return lines + (_certificate(seen.certificate, width) if seen.certificate is not None else [])


def _certificate(shown: Certificate, width: int) -> list[Line]:
    head: Line = [("── certificate ", "frame")]
    head.append(("✗ does not hold", "bad") if shown.problem else ("✓ holds", "good"))
    left = f"{shown.days:.0f} days left" if shown.days >= 0 else f"expired {-shown.days:.0f} days ago"
    lines: list[Line] = [head, *wrapped(shown.problem, width, "bad")]
    lines += facts([("names", " ".join(shown.names)), ("issuer", shown.issuer)], width)
    lines.append([(" days   ", "dim"), (left, "bad" if shown.days < 0 else "warn" if shown.days < EXPIRING else "")])
    for depth, subject in enumerate(shown.chain):
        lines.append([(" chain  " if not depth else "        ", "dim"), ("  " * depth + subject, "")])
    return lines
