"""What a plan says of the world's view of a service: what is asked of it, from where, and what a good answer is."""

from __future__ import annotations

from typing import Literal

from cockpit.plan.base import Frozen, Side, Vantage

Proto = Literal["http", "tcp", "tls", "smtp", "submission", "imap", "pop", "ssh", "command", "log", "query"]
Family = Literal["any", "4", "6", "each"]


class Expect(Frozen, frozen=True, kw_only=True):
    """What a good answer is. At least one of them is asserted."""

    status: int = 200
    body: str = ""
    """A text that the body must hold."""
    header: dict[str, str] = {}
    that: tuple[str, ...] = ()
    """Conditions over what was seen (`cockpit.probes.conditions`), `old.`, `new.` and `world.` to compare vantages."""


class Login(Frozen, frozen=True, kw_only=True):
    """An account to log in with: the password, or for ssh a private key, is a secret of the plan; ssh without one takes the
    host's identity_file."""

    user: str
    secret: str


class Probe(Frozen, frozen=True, kw_only=True):
    """One question, asked at old, at new and as the world reaches it; the name in it stays, the address is pinned.

    `url` is the question of `http`; the other protocols have `target`: `name:port` (tcp, tls, smtp, submission, imap, pop, ssh),
    shell text (command), a pattern (log), a query (query)."""

    id: str
    url: str = ""
    proto: Proto = "http"
    target: str = ""
    host: str = ""
    """command, log, query: the host where it runs; empty: the one of each vantage."""
    expect: Expect = Expect()
    at: tuple[Vantage, ...] = ("old", "new", "world")
    every: float = 2.0
    timeout: float = 5.0
    jitter: float = 0.0
    """Share of `every` by which each question is moved at random."""
    row: int = 1
    """Good answers in a row before it counts as good."""
    family: Family = "any"
    """`each` asks over IPv4 and over IPv6, as two answers."""
    http2: bool = False
    tls: Literal["none", "starttls", "implicit"] = "none"
    """smtp, submission, imap, pop: how TLS begins; `none` leaves it out."""
    ca: str = ""
    """A file of certificate authorities; empty means the system's."""
    login: Login | None = None
    database: str = ""
    """query: `postgresql://…`, `mysql://…` or `sqlite:PATH`, as the host itself reaches it."""
    file: str = ""
    """log: the file, or `unit` of journald."""
    unit: str = ""
    recipient: str = ""
    """smtp: an address that must be accepted."""
    refuses: str = ""
    """smtp: an address elsewhere that must be refused: no open relay."""


class Compare(Frozen, frozen=True, kw_only=True):
    """Old and new, side by side over a list of URLs; what differs is shown."""

    urls: tuple[str, ...] = ()
    sitemap: str = ""
    """A sitemap that is crawled for more, at old."""
    access_log: str = ""
    """A file on the old host from which the most asked paths are taken."""
    base: str = ""
    """What `access_log`'s paths stand behind: `https://name`."""
    most: int = 100
    """URLs at the most."""
    ignore: tuple[str, ...] = ()
    """Headers that may differ."""
    mask: tuple[str, ...] = ()
    """Regular expressions of what may differ in a body: tokens, times."""
    alike: float = 1.0
    """Share of the masked body that must be alike."""
    every: float = 300.0
    timeout: float = 10.0
    ca: str = ""


class Downtime(Frozen, frozen=True, kw_only=True):
    """The open-loop prober: `url` as the world sees it, a fresh connection every `every` seconds."""

    url: str
    expect: Expect = Expect()
    budget: float = 60.0
    every: float = 0.25
    timeout: float = 2.0
    id: str = ""
    """What the meter is called; '' is the service's own."""
    kind: Literal["read", "write"] = "read"
    """A write outage leaves readers alone."""
    slow: float = 0.0
    """Seconds after which an answer that is still out counts as stalled; 0 is half the time-out, and that is the most."""
    method: str = "GET"
    body: str = ""
    """What a write meter sends."""
    address: str = ""
    """An address to ask in place of what the name resolves to."""
    family: Literal["any", "4", "6"] = "any"
    ca: str = ""


class Writer(Frozen, frozen=True, kw_only=True):
    """Who accepts writes now, by exactly one of: the body of `url` at each host, what `command` prints there (`old` and `new`
    are what the hosts say), or a write of our own by `write` (status 0: accepted, 1: refused)."""

    url: str = ""
    old: str = ""
    new: str = ""
    every: float = 1.0
    writes: str = ""
    """Shell run on new that prints how many writes new has taken (what a rollback would lose)."""
    command: str = ""
    write: str = ""


class Queue(Frozen, frozen=True, kw_only=True):
    """A mail queue to watch."""

    host: str
    mta: Literal["postfix", "exim", "sendmail"]


class Mailbox(Frozen, frozen=True, kw_only=True):
    """Where mail lies on a host: an mbox file or a Maildir."""

    host: str
    path: str


class Token(Frozen, frozen=True, kw_only=True):
    """A message of our own, sent through each side and found in a mailbox on new."""

    to: str
    sender: str = ""
    through: tuple[Side, ...] = ("old", "new")
    port: int = 25
    every: float = 60.0
    timeout: float = 120.0
    mailbox: Mailbox | None = None


class Mail(Frozen, frozen=True, kw_only=True):
    """A mail domain: every name and address of its MX is asked, its queues and what is left in old mailboxes counted."""

    domain: str = ""
    recipient: str = ""
    """An address that each MX must accept."""
    refuses: str = ""
    """An address elsewhere that each MX must refuse."""
    port: int = 25
    starttls: bool = True
    """Whether each MX must offer TLS under its own name."""
    queues: tuple[Queue, ...] = ()
    token: Token | None = None
    stragglers: tuple[Mailbox, ...] = ()
    """Old mailboxes that must receive nothing any more."""
    quiet: float = 600.0
    """Seconds for which the old queue has to stay empty before it is evidence."""
    every: float = 30.0
    timeout: float = 15.0
    ca: str = ""


class Traffic(Frozen, frozen=True, kw_only=True):
    """An access log that is counted: real clients apart from our own probes."""

    host: str
    file: str = ""
    unit: str = ""
    format: str = "combined"
    """`combined`, `common`, `json`, or a log format as nginx and Apache write it."""
    match: str = ""
    """A regular expression: only lines that match are this service's."""
    quiet: float = 600.0
    """Seconds without a request of a real client before it is evidence."""
