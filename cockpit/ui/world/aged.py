"""Figures that are too old to be true now: dim, with their age. What is old is told by the rule that gates have for evidence."""

from __future__ import annotations

from cockpit import freshness
from cockpit.plan.model import Plan, Service
from cockpit.state import HealthView, ServiceView
from cockpit.ui.glyphs import WRITERS
from cockpit.ui.paint import Line, Span, seconds


def faded(line: Line, age: float) -> Line:
    """The line as it is while `age` is 0; else dim, with `? AGE ago` behind it."""
    return [*((text, "dim") for text, _ in line), mark(age)] if age else line


def mark(age: float) -> Span:
    """`? 1:20 ago`; nothing for no age."""
    return (f" ? {seconds(age)} ago" if age else "", "dim")


def writer(service: Service, view: ServiceView, now: float) -> Line:
    """Who accepts writes, as far as that is known now."""
    return faded([WRITERS[view.writer]], of_writer(service, view, now))


def of_writer(service: Service, view: ServiceView, now: float) -> float:
    """The age of what was seen of the writer, where it is too old; 0 where it is not."""
    return freshness.age(view.writer_utc, now, service.writer.every if service.writer is not None else 0.0)


def of_health(service: Service, key: str, seen: HealthView, now: float) -> float:
    """The age of a probe's answer that is too old; 0 for one that is not."""
    return freshness.age(seen.utc, now, freshness.health_every(service, key))


def of_dns(plan: Plan, view: ServiceView, now: float) -> float:
    """The age of the oldest answer of a vantage, where it is too old for the figures of all of them; 0 where none is."""
    every = plan.dns.every if plan.dns is not None else 0.0
    asked = (seen for seen in view.dns.values() if seen.role != "parent")
    return max((freshness.age(seen.utc, now, every) for seen in asked), default=0.0)


def of_mail(service: Service, utc: float, now: float) -> float:
    """The age of what was read of a queue or a mailbox, where it is too old."""
    return freshness.age(utc, now, service.mail.every if service.mail is not None else 0.0)


def of_comparison(service: Service, view: ServiceView, now: float) -> float:
    """The age of the oldest comparison of a URL, where it is too old."""
    every = service.compare.every if service.compare is not None else 0.0
    return max((freshness.age(seen.utc, now, every) for seen in view.compare.values()), default=0.0)
