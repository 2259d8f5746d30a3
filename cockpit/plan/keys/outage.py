"""Keys of downtime and the writer."""

from __future__ import annotations

from cockpit.plan.keys.types import DURATION, ID, PLAIN, TEXT, Key, obj, one_of

OUTAGE: dict[str, tuple[Key, ...]] = {
    "downtime": (
        Key("id", ID, "the name of a further meter; its kind by default", "id: writes"),
        Key("url", PLAIN, "what is asked, as the world reaches it", 'url: "https://{client}.example.org/"'),
        Key("probe", ID, "or the health probe whose URL and expectation are used", "probe: login"),
        Key("budget", DURATION, "how long it may be down; 60s by default, 0s for no budget", "budget: 30s"),
        Key("every", DURATION, "a fresh connection each time; 250ms by default", "every: 100ms"),
        Key("timeout", DURATION, "2s by default", "timeout: 1s"),
        Key(
            "slow",
            DURATION,
            "an answer that is still out after that counts as stalled; half the time-out by default, and at most",
            "slow: 300ms",
        ),
        Key("expect", obj("expect"), "what a good answer is: status, body and header", "expect: {status: 200}"),
        Key("kind", one_of("read", "write"), "whether it reads (default) or writes", "kind: write"),
        Key(
            "method",
            one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
            "GET by default, POST for a write",
            "method: PUT",
        ),
        Key("body", PLAIN, "what a write sends", "body: probe=1"),
        Key("address", PLAIN, "an IP address to ask in place of what the name resolves to", "address: 192.0.2.20"),
        Key("family", one_of("any", "4", "6"), "one address family alone", "family: 6"),
        Key("ca", PLAIN, "a file of authorities, relative to the plan; the system's by default", "ca: keys/ca.pem"),
    ),
    "night": (Key("budget", DURATION, "how long any service may be down, all outages together", "budget: 10m", True),),
    "writer": (
        Key("http", PLAIN, "a URL that names its host in the body", 'http: "https://{client}.example.org/whoami"'),
        Key("command", TEXT, "or shell, run on both hosts, that prints who writes", "command: cat /etc/karl/role"),
        Key(
            "write",
            TEXT,
            "or shell, run on both hosts, that makes a write of our own: exit 0 accepted, 1 refused",
            "write: psql -qc 'update cockpit set n = n + 1' karl || exit 1",
        ),
        Key("old", PLAIN, "http, command: what the old host says", "old: xen"),
        Key("new", PLAIN, "http, command: what the new host says", "new: shared"),
        Key("every", DURATION, "1s by default", "every: 2s"),
        Key("writes", TEXT, "shell run on new that prints how many writes new has taken", "writes: wc -l < writes.log"),
    ),
}
