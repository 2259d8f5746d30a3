"""Keys of health probes: what is asked of a service."""

from __future__ import annotations

from cockpit.plan.keys.types import (
    BOOL,
    COUNT,
    DURATION,
    ID,
    PATTERN,
    PLAIN,
    TEXT,
    VANTAGE,
    Key,
    listing,
    obj,
    one_of,
)

PROBES: dict[str, tuple[Key, ...]] = {
    "health": (
        Key("id", ID, "its name; the last part of the URL's path, `web`, or the protocol and its port", "id: login"),
        Key("http", PLAIN, "a URL under its real name; a probe has exactly one of these", "http: https://example.org/"),
        Key("tcp", PLAIN, "`name:port` to connect to", "tcp: db.example.org:5432"),
        Key("tls", PLAIN, "`name[:port]` to shake hands with, under that name", "tls: example.org"),
        Key("smtp", PLAIN, "`name[:port]` of a mail server", "smtp: mx.example.org"),
        Key("submission", PLAIN, "`name[:port]` where mail is handed in", "submission: mail.example.org"),
        Key("imap", PLAIN, "`name[:port]` of an IMAP server", "imap: mail.example.org:993"),
        Key("pop", PLAIN, "`name[:port]` of a POP server", "pop: mail.example.org:995"),
        Key("ssh", PLAIN, "`name[:port]` of an SSH server", "ssh: git.example.org"),
        Key("command", TEXT, "shell text, run on the host of each vantage", "command: systemctl is-active shop"),
        Key("log", PATTERN, "a pattern to be logged since the last look", 'log: "status=sent"'),
        Key("query", TEXT, "a query, run on the host of each vantage", "query: select count(*) from orders"),
        Key("expect", obj("expect"), "what a good answer is", "expect: {status: 200, body: KARL}"),
        Key(
            "at",
            listing(VANTAGE),
            "where it is asked; all three by default, old and new for what runs on hosts",
            "at: [old, new, world]",
        ),
        Key("on", ID, "command, log, query: another host to run it on", "on: db"),
        Key("every", DURATION, "how often; 2s by default for http, tcp and tls, 10s for the others", "every: 5s"),
        Key("timeout", DURATION, "5s by default", "timeout: 3s"),
        Key("jitter", TEXT, "share of the interval by which each question is moved at random", "jitter: 10%"),
        Key("row", COUNT, "good answers in a row before it counts as good; 1 by default", "row: 3"),
        Key(
            "family",
            one_of("any", "4", "6", "each"),
            "over what it is asked; `each` is two probes, one over each",
            "family: each",
        ),
        Key("http2", BOOL, "http: whether HTTP/2 is offered", "http2: true"),
        Key("starttls", BOOL, "mail: ask for TLS, and check the certificate against the name", "starttls: true"),
        Key(
            "implicit_tls",
            BOOL,
            "mail: TLS comes first; by default on ports 465, 993 and 995",
            "implicit_tls: true",
        ),
        Key("ca", PLAIN, "a file of certificate authorities, relative to the plan", "ca: lab-ca.pem"),
        Key("login", obj("login"), "mail, ssh, query: an account to log in with", "login: {user: probe, secret: box}"),
        Key("recipient", PLAIN, "smtp: an address that must be accepted", "recipient: postmaster@example.org"),
        Key("refuses", PLAIN, "smtp: an address elsewhere that must be refused", "refuses: nobody@example.com"),
        Key(
            "database",
            PLAIN,
            "query: `postgresql://…`, `mysql://…` or `sqlite:PATH`, as the host reaches it",
            "database: postgresql:///shop",
        ),
        Key("file", PLAIN, "log: the file on the host", "file: /var/log/mail.log"),
        Key("unit", PLAIN, "log: or the journald unit", "unit: postfix.service"),
    ),
    "login": (
        Key("user", PLAIN, "who", "user: probe", True),
        Key(
            "secret",
            PLAIN,
            "the plan's secret with the password, for ssh also with a private key; ssh without one takes the host's key",
            "secret: box",
        ),
    ),
}
