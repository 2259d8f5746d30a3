"""Mail: the servers of a domain, messages of our own, queues, old mailboxes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cockpit.plan.parts.paths import beside
from cockpit.plan.scope import Scope
from cockpit.plan.shape import Obj
from cockpit.plan.watched import Mail, Mailbox, Queue, Token

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
"""A mailbox of RFC 5321 §4.1.2 without quotes: what a runbook needs, and nothing that could end a command."""
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?\.?")


def mail(scope: Scope, obj: Obj | None, source: Path) -> Mail | None:
    """What is watched of a service's mail; what is wrong is told at its place."""
    if obj is None:
        return None
    found = scope.site.found
    watched = ("domain", "token", "queues", "stragglers")
    if not any(key in obj.named for key in watched):
        found.error(
            obj, "empty", "mail names nothing to watch", "write domain, token, queues or stragglers", scope.service
        )
    domain = scope.field(obj, "domain")
    leaf = obj.leaf("domain")
    if leaf is not None and _whole(domain) and not _DOMAIN.fullmatch(domain):
        found.error(leaf, "domain", f"{domain} is no mail domain", "write example.org", scope.service)
    recipient, refuses = _address(scope, obj, "recipient"), _address(scope, obj, "refuses")
    for key in ("recipient", "refuses"):
        if key in obj.named and "domain" not in obj.named:
            found.error(
                obj.named[key], "missing-key", f"{key} without domain is asked of nobody", "write domain", scope.service
            )
    if refuses and domain and refuses.rpartition("@")[2].lower() == domain.lower().rstrip("."):
        found.error(
            obj.named["refuses"],
            "same-domain",
            f"{refuses} is an address of {domain} itself, which takes its mail",
            "write an address elsewhere",
            scope.service,
        )
    token = obj.obj("token")
    return Mail(
        domain=domain,
        recipient=recipient,
        refuses=refuses,
        port=_port(scope, obj),
        starttls=obj.truth("starttls", True),
        queues=tuple(_queue(scope, item) for item in obj.objects("queues")),
        token=_token(scope, token) if token is not None else None,
        stragglers=tuple(_mailbox(scope, item, "new") for item in obj.objects("stragglers")),
        quiet=obj.seconds("quiet", 600.0),
        every=_some(scope, obj, "every", 30.0),
        timeout=_some(scope, obj, "timeout", 15.0),
        ca=beside(source, scope.field(obj, "ca")),
    )


def _token(scope: Scope, obj: Obj) -> Token:
    box = obj.obj("mailbox")
    through: tuple[Any, ...] = tuple(dict.fromkeys(leaf.text for leaf in obj.leaves("through"))) or ("old", "new")
    return Token(
        to=_address(scope, obj, "to"),
        sender=_address(scope, obj, "sender"),
        through=through,
        port=_port(scope, obj),
        every=_some(scope, obj, "every", 60.0),
        timeout=_some(scope, obj, "timeout", 120.0),
        mailbox=_mailbox(scope, box, "old") if box is not None else None,
    )


def _queue(scope: Scope, obj: Obj) -> Queue:
    mta: Any = obj.verbatim("mta", "postfix")
    return Queue(host=scope.host(obj.leaf("host")), mta=mta)


def _mailbox(scope: Scope, obj: Obj, wrong: str) -> Mailbox:
    """A mailbox that does not lie on the side `wrong`."""
    found, host, path = scope.site.found, scope.host(obj.leaf("host")), scope.field(obj, "path")
    known = scope.site.hosts.get(host)
    if known is not None and known.role == wrong:
        what = "a message of our own must be found on new" if wrong == "old" else "stragglers come to old"
        found.error(obj.named["host"], "side", f"{what}, but {host} is {wrong}", "name the other host", scope.service)
    leaf = obj.leaf("path")
    if leaf is not None and (path.startswith(("~", "-")) or not path.strip() or "\n" in path):
        mend = "write /var/mail/info, or a path from the folder on in which ssh: begins"
        found.error(leaf, "path", f"{path.strip()[:60] or 'nothing'} is no path of a mailbox", mend, scope.service)
    return Mailbox(host=host, path=path)


def _address(scope: Scope, obj: Obj, key: str) -> str:
    leaf = obj.leaf(key)
    text = scope.text(leaf)
    if leaf is not None and _whole(text) and not _ADDRESS.fullmatch(text):
        scope.site.found.error(
            leaf,
            "mail-address",
            f"{key} must be a mail address, not {text[:60]!r}",
            "write info@example.org",
            scope.service,
        )
    return text


def _port(scope: Scope, obj: Obj) -> int:
    port = obj.number("port", 25)
    if port > 65535:
        scope.site.found.error(obj.named["port"], "port", f"there is no port {port}", "write 25", scope.service)
    return port


def _some(scope: Scope, obj: Obj, key: str, default: float) -> float:
    """A duration that is more than none."""
    seconds = obj.seconds(key, default)
    if seconds <= 0:
        scope.site.found.error(
            obj.named[key], "duration", f"{key} must be more than nothing", "write 30s", scope.service
        )
    return seconds


def _whole(text: str) -> bool:
    """Whether every variable was filled in: what was not is told already."""
    return re.search(r"\{[A-Za-z_][A-Za-z0-9_]*\}", text) is None
