"""Contacts, notices and what a person does, from shaped values."""

from __future__ import annotations

import re
from datetime import datetime

from cockpit.plan.findings import Findings, Place, nearest
from cockpit.plan.model import Contact, Manual
from cockpit.plan.parts.zones import record
from cockpit.plan.people import Address, Notice, Receiver
from cockpit.plan.scope import Scope, Site
from cockpit.plan.shape import Leaf, Obj

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def contacts(root: Obj, site: Site) -> tuple[Contact, ...]:
    """Everybody the plan names; the site knows them by name afterwards."""
    for obj in root.objects("contacts"):
        name, leaf = obj.verbatim("name"), obj.leaf("name")
        notify = [found for item in obj.items("notify") if (found := _address(item, site)) is not None]
        if name in site.contacts and leaf is not None and (notify or site.contacts[name].notify):
            what = f"{name} is named twice: a notice would not know which"
            site.found.warn(leaf, "twice", what, "make one entry of them")
        site.contacts[name] = Contact(
            name=name, channel=obj.verbatim("channel"), for_=obj.verbatim("for"), notify=tuple(notify)
        )
    return tuple(site.contacts.values())


def _address(item: object, site: Site) -> Address | None:
    if isinstance(item, Leaf):
        return Address(url=item.text) if _is_url(item, item.text, site.found) else None
    leaf = item.leaf("secret") if isinstance(item, Obj) else None
    if leaf is None:
        return None
    site.wanted.add(leaf.text)
    if leaf.text not in site.secrets:
        mend = nearest(leaf.text, site.secrets) or f"add secrets: {{{leaf.text}: {{file: …}}}} to the plan"
        site.found.error(leaf, "unknown-secret", f"no secret {leaf.text} is declared", mend)
    return Address(secret=leaf.text)


def _is_url(at: Place, text: str, found: Findings) -> bool:
    if _URL.fullmatch(text):
        return True
    found.error(at, "address", f"{text[:40]} is no URL of Apprise", "write one as in mailto://…, slack://…, json://…")
    return False


def notice(scope: Scope, obj: Obj) -> Notice:
    """What is said to whom, and not before when."""
    found = scope.site.found
    receivers: list[Receiver] = []
    for leaf in obj.leaves("to"):
        name = scope.text(leaf)
        contact = scope.site.contacts.get(name)
        if contact is not None:
            for address in contact.notify:
                receivers.append(Receiver(name=contact.name, address=address))
            if not contact.notify:
                found.error(leaf, "address", f"{name} has no address for notices", "give the contact notify: […]")
        elif "://" in name:
            if _is_url(leaf, name, found):
                receivers.append(Receiver(name=f"{name.partition('://')[0].lower()}://…", address=Address(url=name)))
        else:
            mend = nearest(name, scope.site.contacts) or "add it to contacts"
            found.error(leaf, "unknown-contact", f"there is no contact {name}", mend)
    if "to" in obj.named and not obj.leaves("to"):
        found.error(obj.named["to"], "address", "the notice goes to nobody", "write to: [NAME]")
    subject = obj.leaf("subject")
    if subject is not None and any(ord(char) < 32 for char in scope.text(subject)):
        found.error(subject, "subject", "a subject is one line without control codes", "shorten it", scope.service)
    return Notice(
        to=_told_apart(receivers), subject=scope.text(subject), text=scope.field(obj, "text"), at=_at(scope, obj)
    )


def _told_apart(receivers: list[Receiver]) -> tuple[Receiver, ...]:
    """The same address once, and each under a name of its own."""
    kept: dict[Address, Receiver] = {}
    for receiver in receivers:
        kept.setdefault(receiver.address, receiver)
    names = [receiver.name for receiver in kept.values()]
    seen: dict[str, int] = {}
    told: list[Receiver] = []
    for receiver in kept.values():
        number = seen[receiver.name] = seen.get(receiver.name, 0) + 1
        many = names.count(receiver.name) > 1
        told.append(Receiver(name=f"{receiver.name} {number}" if many else receiver.name, address=receiver.address))
    return tuple(told)


def _at(scope: Scope, obj: Obj) -> float:
    """UTC before which it is not sent, 0 for any time."""
    found, at, before = scope.site.found, obj.leaf("at"), obj.leaf("before")
    if at is not None and before is not None:
        found.error(obj.named["before"], "schedule", "a notice has at or before, not both", "keep one", scope.service)
    if at is not None:
        return _moment(at.text)
    if before is None:
        return 0.0
    if not scope.window:
        mend = "give the service window: {start: …}, or write at:"
        found.error(before, "schedule", "before means before the start of the service's window", mend, scope.service)
        return 0.0
    return _moment(scope.window) - float(before.value)


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def manual(scope: Scope, obj: Obj) -> Manual:
    """Something that a person does, and what they may say of it."""
    found, observe = scope.site.found, obj.obj("observe")
    answers = tuple(dict.fromkeys(text.strip() for text in scope.texts(obj, "answers")))
    good = tuple(text.strip() for text in scope.texts(obj, "good"))
    if "good" in obj.named and not answers:
        found.error(
            obj.named["good"], "answers", "good names some of answers, and there are none", "write answers: […]"
        )
    for leaf, text in zip(obj.leaves("good"), good, strict=False):
        if answers and text not in answers:
            found.error(leaf, "answers", f"{text[:40]} is none of the answers", nearest(text, answers), scope.service)
    if len({text.casefold() for text in answers}) < len(answers):
        found.error(obj.named["answers"], "answers", "two answers differ only in case", "rename one", scope.service)
    return Manual(
        owner=scope.field(obj, "owner"),
        message=scope.field(obj, "message"),
        observe=record(scope, observe) if observe is not None else None,
        question=scope.field(obj, "question"),
        answers=answers,
        good=good or answers[:1],
        paste=scope.field(obj, "paste"),
    )
