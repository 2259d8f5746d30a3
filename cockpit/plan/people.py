"""What a plan says of people: where they are reached, and what they are told."""

from __future__ import annotations

from cockpit.plan.base import Frozen


class Address(Frozen, frozen=True, kw_only=True):
    """Where a notice goes: an Apprise URL, or the plan's secret that holds one. Exactly one is set."""

    url: str = ""
    secret: str = ""


class Receiver(Frozen, frozen=True, kw_only=True):
    """One address under the name that people read; the name never holds what stands in the URL."""

    name: str
    address: Address


class Notice(Frozen, frozen=True, kw_only=True, tag_field="do", tag="notice"):
    """Something that people are told, once. `at` is the UTC before which it is not sent; 0 for as soon as its turn comes."""

    to: tuple[Receiver, ...]
    subject: str
    text: str
    at: float = 0.0
