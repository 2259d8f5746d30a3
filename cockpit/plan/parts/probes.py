"""A health probe of a plan: which protocol it speaks, and which keys go with that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from msgspec.structs import replace

from cockpit.plan.conditions.patterns import compiled, risk
from cockpit.plan.databases import holds_password
from cockpit.plan.findings import nearest
from cockpit.plan.parts.health import expectation, url
from cockpit.plan.parts.paths import beside
from cockpit.plan.scope import Scope
from cockpit.plan.shape import Leaf, Obj
from cockpit.plan.steps import log_name
from cockpit.plan.target import Target, target
from cockpit.plan.watched import Expect, Login, Probe, Proto

PROTOS: tuple[Proto, ...] = get_args(Proto)
MAIL = frozenset({"smtp", "submission", "imap", "pop"})
ON_HOST = frozenset({"command", "log", "query"})
NETWORK = frozenset(PROTOS) - ON_HOST
IMPLICIT_PORTS = frozenset({465, 993, 995})
"""Where TLS comes before anything else (RFC 8314 §3, §7.3)."""
DATABASES = ("postgresql", "postgres", "mysql", "mariadb", "sqlite")
LEAST = 0.1
"""Seconds between two questions of a probe; what is shorter is a load, not a probe."""
SLOW = 10.0
"""Seconds between two questions that cost a server or a host more than a page does."""

KEYS: dict[str, frozenset[str]] = {
    "http2": frozenset({"http"}),
    "ca": MAIL | {"http", "tls"},
    "starttls": MAIL,
    "implicit_tls": MAIL,
    "login": MAIL | {"ssh", "query"},
    "recipient": frozenset({"smtp", "submission"}),
    "refuses": frozenset({"smtp", "submission"}),
    "database": frozenset({"query"}),
    "file": frozenset({"log"}),
    "unit": frozenset({"log"}),
    "on": ON_HOST,
    "family": NETWORK,
}
"""Keys that go with some protocols only."""

EXPECTED: dict[str, frozenset[str]] = {
    "status": frozenset({"http", "command"}),
    "header": frozenset({"http"}),
    "body": frozenset({"http", "tcp", "ssh"}) | ON_HOST,
}


def probe(scope: Scope, obj: Obj, source: Path) -> Probe:
    """A probe from its entry in `health`; what is wrong with it is told at its place. `source` is the plan's file."""
    proto = _proto(scope, obj)
    _belonging(scope, obj, proto)
    address = url(scope, obj, "http") if proto == "http" else ""
    leaf = obj.leaf(proto)
    # Shell text and queries are never templated.
    text = obj.verbatim(proto) if proto in {"command", "query"} else "" if proto == "http" else scope.text(leaf)
    family: Any = obj.verbatim("family", "any")
    where = _target(scope, leaf, text, proto) if proto in NETWORK - {"http"} and leaf is not None else Target("")
    at = _at(scope, obj, proto)
    if proto == "log" and leaf is not None:
        _pattern(scope, leaf, text)
    file, unit = log_name(scope, obj) if proto == "log" else ("", "")
    return Probe(
        id=obj.verbatim("id") or _id(proto, address, where),
        url=address,
        proto=proto,
        target=text,
        host=scope.host(obj.leaf("on")),
        expect=_expect(scope, obj, proto, at),
        at=at,
        every=_every(scope, obj, proto),
        timeout=obj.seconds("timeout", 5.0),
        jitter=_jitter(scope, obj),
        row=obj.number("row", 1),
        family=family,
        http2=obj.truth("http2", False),
        tls=_tls(scope, obj, proto, where),
        ca=beside(source, scope.field(obj, "ca")),
        login=_login(scope, obj, proto),
        database=_database(scope, obj, proto, source),
        file=file,
        unit=unit,
        recipient=_mailbox(scope, obj, "recipient"),
        refuses=_mailbox(scope, obj, "refuses"),
    )


def _proto(scope: Scope, obj: Obj) -> Proto:
    said = [proto for proto in PROTOS if proto in obj.named]
    if not said:
        scope.site.found.error(
            obj, "probe", f"a probe asks one of {', '.join(PROTOS)}", "write http: https://name/", scope.service
        )
    for more in said[1:]:
        what = f"a probe asks one thing, and {said[0]} stands here already"
        scope.site.found.error(obj.named[more], "probe", what, "make a probe of each", scope.service)
    return said[0] if said else "http"


def _belonging(scope: Scope, obj: Obj, proto: Proto) -> None:
    """Tell keys that mean nothing beside this protocol: a probe must not seem to ask more than it does."""
    if not any(name in obj.named for name in PROTOS):
        return
    expect = obj.obj("expect")
    for owner, table in ((obj, KEYS), (expect, EXPECTED)):
        for name, word in owner.named.items() if owner is not None else ():
            if proto not in table.get(name, {proto}):
                whose = ", ".join(sorted(table[name]))
                scope.site.found.error(
                    word, "unused-key", f"{name} means nothing beside {proto}", f"it goes with {whose}", scope.service
                )


def _target(scope: Scope, leaf: Leaf, text: str, proto: Proto) -> Target:
    try:
        where = target(text)
    except ValueError as error:
        scope.site.found.error(leaf, "target", str(error), f"write {proto}: name:port", scope.service)
        return Target("")
    if proto == "tcp" and not where.port:
        scope.site.found.error(leaf, "target", f"{text} has no port", f"write tcp: {text}:5432", scope.service)
    return where


def _id(proto: Proto, address: str, where: Target) -> str:
    if proto == "http":
        path = address.partition("://")[2].partition("/")[2].partition("?")[0].strip("/").rpartition("/")[2]
        return "".join(c if c.isalnum() else "-" for c in path).strip("-") or "web"
    return f"{proto}-{where.port}" if where.port else proto


def _at(scope: Scope, obj: Obj, proto: Proto) -> tuple[Any, ...]:
    said: tuple[Any, ...] = tuple(dict.fromkeys(leaf.text for leaf in obj.leaves("at")))
    if proto not in ON_HOST:
        return said or ("old", "new", "world")
    found, on = scope.site.found, obj.leaf("on")
    if on is None:
        world = next((leaf for leaf in obj.leaves("at") if leaf.text == "world"), None)
        if world is not None:
            what = f"a {proto} runs on a host, and world is none"
            found.error(world, "vantage", what, "write at: [old, new], or on: HOST", scope.service)
        return said or ("old", "new")
    if len(said) > 1:
        what = f"{on.text} is one host, and speaks for one vantage"
        found.error(obj.leaves("at")[1], "vantage", what, "keep one of them", scope.service)
    return said[:1] or (_side(scope, on.text),)


def _side(scope: Scope, name: str) -> str:
    """The vantage that a host speaks for: its own side, and the world where it has none."""
    site = scope.site
    if name in site.templated:
        role = site.templated[name].verbatim("role", name)
    else:
        role = site.hosts[name].role if name in site.hosts else ""
    return role if role in {"old", "new"} else "world"


def _expect(scope: Scope, obj: Obj, proto: Proto, at: tuple[str, ...]) -> Expect:
    said = obj.obj("expect")
    expect = expectation(scope, said, proto, at)
    if proto == "http" or (said is not None and "status" in said.named):
        return expect
    # 0 is what a command ends with when all is well, and the others have no status to expect.
    return replace(expect, status=0)


def _every(scope: Scope, obj: Obj, proto: Proto) -> float:
    every = obj.seconds("every", 2.0 if proto in {"http", "tcp", "tls"} else SLOW)
    if "every" in obj.named and every < LEAST:
        what = f"a probe is asked every {LEAST * 1000:.0f}ms at the most"
        scope.site.found.error(obj.named["every"], "interval", what, "write every: 1s", scope.service)
    return max(every, LEAST)


def _pattern(scope: Scope, leaf: Leaf, text: str) -> None:
    """Tell a pattern that some line of a log can keep busy until the probe's time is over."""
    why = risk(text) if compiled(text) is not None else ""
    if why:
        what = f"some line can keep this pattern busy until its time is over: {why}"
        scope.site.found.warn(leaf, "slow-pattern", what, "write it simpler", scope.service)


def _jitter(scope: Scope, obj: Obj) -> float:
    leaf = obj.leaf("jitter")
    if leaf is None:
        return 0.0
    number = leaf.text.removesuffix("%")
    try:
        share = float(number) / 100 if leaf.text.endswith("%") else -1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 0.5:
        what = f"jitter must be a percentage up to 50%, not {leaf.text[:20]}"
        scope.site.found.error(leaf, "jitter", what, "write jitter: 10%", scope.service)
        return 0.0
    return share


def _tls(scope: Scope, obj: Obj, proto: Proto, where: Target) -> Any:
    if proto not in MAIL:
        return "none"
    starttls = obj.truth("starttls", False)
    implicit = obj.truth("implicit_tls", where.port in IMPLICIT_PORTS and not starttls)
    if starttls and implicit:
        what = "TLS is there from the beginning, or begins with STARTTLS"
        scope.site.found.error(obj.named["starttls"], "two-tls", what, "keep one of them", scope.service)
    return "implicit" if implicit else "starttls" if starttls else "none"


def _login(scope: Scope, obj: Obj, proto: Proto) -> Login | None:
    login = obj.obj("login")
    if login is None:
        return None
    found, secret = scope.site.found, login.leaf("secret")
    name = scope.text(secret)
    if secret is not None and name not in scope.site.secrets:
        mend = nearest(name, scope.site.secrets) or f"add secrets: {{{name}: {{file: …}}}} to the plan"
        found.error(secret, "unknown-secret", f"no secret {name} is declared", mend)
    if secret is None and "secret" not in login.named and proto in MAIL:
        what = "a login needs a password"
        found.error(login, "missing-key", what, "write secret: NAME, and declare it in secrets", scope.service)
    if proto in MAIL and not (obj.truth("starttls", False) or _tls_first(scope, obj, proto)):
        what = "the password would travel in the clear"
        found.error(obj.named["login"], "clear-password", what, "write starttls: true", scope.service)
    scope.site.wanted.add(name)
    return Login(user=scope.field(login, "user"), secret=name)


def _tls_first(scope: Scope, obj: Obj, proto: Proto) -> bool:
    try:
        port = target(scope.field(obj, proto)).port
    except ValueError:
        return True  # Told already.
    return obj.truth("implicit_tls", port in IMPLICIT_PORTS)


def _database(scope: Scope, obj: Obj, proto: Proto, source: Path) -> str:
    leaf, text = obj.leaf("database"), scope.field(obj, "database")
    found = scope.site.found
    if leaf is None:
        if proto == "query" and "database" not in obj.named:
            found.error(obj, "missing-key", "a query names no database", "write database: postgresql:///shop")
        return ""
    scheme, colon, rest = text.partition(":")
    if scheme not in DATABASES or not colon or not rest:
        mend = "write postgresql:///name, mysql:///name or sqlite:PATH"
        found.error(leaf, "database", f"{text[:60]} is no database that is known here", mend, scope.service)
    elif holds_password(text):
        mend = "write login: {user: …, secret: …}"
        found.error(leaf, "database", "a password stands in the database's URL", mend, scope.service)
    return text


def _mailbox(scope: Scope, obj: Obj, key: str) -> str:
    leaf, text = obj.leaf(key), scope.field(obj, key)
    if leaf is not None and (text.count("@") != 1 or text.strip("@") != text or any(c.isspace() for c in text)):
        scope.site.found.error(leaf, "address", f"{key} must be an address", "write name@example.org", scope.service)
    return text
