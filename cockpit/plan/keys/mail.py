"""Keys of mail: a domain's servers, messages of our own, queues, old mailboxes."""

from __future__ import annotations

from cockpit.plan.keys.types import BOOL, COUNT, DURATION, ID, PLAIN, SIDE, Key, listing, obj, one_of

MAIL: dict[str, tuple[Key, ...]] = {
    "mail": (
        Key(
            "domain",
            PLAIN,
            "the domain whose MX is walked: every name and every address is asked",
            'domain: "{client}.example.org"',
        ),
        Key(
            "recipient", PLAIN, "an address that each MX must accept; no message is sent", "recipient: info@example.org"
        ),
        Key("refuses", PLAIN, "an address elsewhere that each MX must refuse: no open relay", "refuses: a@example.net"),
        Key("starttls", BOOL, "whether each MX must offer TLS under its own name; true by default", "starttls: false"),
        Key("port", COUNT, "of each MX; 25 by default", "port: 2525"),
        Key("ca", PLAIN, "a file of certificate authorities; the system's by default", "ca: test-ca.pem"),
        Key("token", obj("token"), "a message of our own, sent through old and new", "token: {to: …, mailbox: {…}}"),
        Key(
            "queues",
            listing(obj("queue")),
            "mail queues to watch",
            "queues: [{host: old, mta: postfix}, {host: new, mta: exim}]",
        ),
        Key(
            "stragglers",
            listing(obj("mailbox")),
            "mailboxes on old that must receive nothing any more",
            "stragglers: [{host: old, path: /var/mail/info}]",
        ),
        Key("quiet", DURATION, "how long the old queue has to stay empty as evidence; 10m by default", "quiet: 1h"),
        Key("every", DURATION, "how often all of them are looked at; 30s by default", "every: 10s"),
        Key("timeout", DURATION, "for one server or one reading; 15s by default", "timeout: 5s"),
    ),
    "token": (
        Key("to", PLAIN, "the recipient, whose mail lies in `mailbox`", "to: cutover-check@example.org", True),
        Key("mailbox", obj("mailbox"), "where it must be found on new", "mailbox: {host: new, path: …}", True),
        Key("sender", PLAIN, "the sender of the envelope; the null sender by default", "sender: ann@example.org"),
        Key("through", listing(SIDE), "the hosts it is handed to; both by default", "through: [new]"),
        Key("port", COUNT, "of these hosts; 25 by default", "port: 2525"),
        Key("every", DURATION, "how often; 60s by default", "every: 5m"),
        Key("timeout", DURATION, "when one that has not come counts as lost; 2m by default", "timeout: 10m"),
    ),
    "mailbox": (
        Key("host", ID, "the host it lies on", "host: new", True),
        Key("path", PLAIN, "an mbox file or a Maildir", "path: /home/info/Maildir", True),
    ),
    "queue": (
        Key("host", ID, "the host it is on", "host: old", True),
        Key("mta", one_of("postfix", "exim", "sendmail"), "the server that keeps it", "mta: postfix", True),
    ),
}
