"""Keys of the file itself, its hosts, services and gates."""

from __future__ import annotations

from cockpit.plan.keys.types import (
    COUNT,
    DURATION,
    ID,
    PLAIN,
    SIDE,
    TEXT,
    TIME,
    VANTAGE,
    Key,
    listing,
    obj,
    one_of,
    table,
)
from cockpit.plan.model import PHASES

SERVICE_BODY: tuple[Key, ...] = (
    Key("title", PLAIN, "what the panel is called; the id when it is missing", "title: OSF"),
    Key("wave", COUNT, "services of one wave go together; 1 by default", "wave: 2"),
    Key("tags", listing(PLAIN), "names to filter by and to put conditions on", "tags: [pilot, mail]"),
    Key("disposition", one_of("move", "drop", "replace"), "what happens to the service", "disposition: move"),
    Key("replaced_by", PLAIN, "what takes its place, for `disposition: replace`", "replaced_by: ssh"),
    Key("owner", PLAIN, "who answers for it", "owner: Ann"),
    Key("window", obj("window"), "when its steps may run", "window: {start: 2026-11-21T22:00:00+01:00}"),
    Key("vars", table(TEXT), "the row: values for `{variable}` in plain fields", "vars: {client: osf}"),
    Key(
        "health",
        listing(obj("health")),
        "HTTP probes, always running",
        'health: [{http: "http://{client}.example.org/"}]',
    ),
    Key("compare", obj("compare"), "URLs that are compared at old and at new", 'compare: {urls: ["https://…/"]}'),
    Key(
        "downtime",
        listing(obj("downtime"), obj("downtime")),
        "the prober that measures outages as the world sees them; the first meter is the service's own",
        "downtime: {probe: web}",
    ),
    Key(
        "writer",
        obj("writer"),
        "the probe that tells which host accepts writes",
        "writer: {http: …, old: xen, new: karl}",
    ),
    Key(
        "mail",
        obj("mail"),
        "its mail: the domain's servers, messages of our own, queues, old mailboxes",
        "mail: {domain: example.org, recipient: info@example.org}",
    ),
    Key(
        "traffic",
        listing(obj("traffic")),
        "access logs whose requests are counted, on old and on new",
        "traffic: [{host: old, file: /var/log/nginx/access.log}]",
    ),
    Key(
        "logs",
        listing(obj("log")),
        "files and journald units to tail on the hosts",
        "logs: [{host: old, file: /var/log/mail.log}]",
    ),
    Key(
        "records",
        listing(obj("record")),
        "DNS record sets to watch everywhere",
        "records: [{name: …, type: A, old: […], new: […]}]",
    ),
    Key("steps", listing(obj("step")), "what is done, in order", "steps: [{id: presync, phase: copy, sync: {…}}]"),
)

SCOPE: tuple[Key, ...] = (
    Key("wave", COUNT, "the steps of that wave", "wave: 2"),
    Key("phase", ID, "the steps of that phase", "phase: switch"),
    Key("service", ID, "the steps of that service", "service: osf"),
    Key("steps", listing(TEXT), "these steps, as `service/step`", "steps: [osf/dns]"),
)

PLAN: dict[str, tuple[Key, ...]] = {
    "plan": (
        Key("cutover", COUNT, "the version of this format: 1", "cutover: 1", True),
        Key("name", TEXT, "what the plan is called", "name: KARL clients to the shared platform", True),
        Key("description", TEXT, "what it is about, for people", "description: Six clients in two waves."),
        Key(
            "phases",
            listing(ID),
            f"the columns of checkboxes; {', '.join(PHASES)} by default",
            "phases: [prepare, switch]",
        ),
        Key("hosts", table(obj("host")), "the machines, by id", "hosts: {old: {ssh: karl@old.example.org}}"),
        Key(
            "secrets",
            table(obj("secret")),
            "what must not be written down, by name; each says where it comes from",
            "secrets: {db_password: {file: secrets/db}}",
        ),
        Key("dns", obj("dns"), "where the zone lives", "dns: {zone: example.org, primary: 192.0.2.53}"),
        Key(
            "downtime",
            obj("night"),
            "the budget of the whole night: how long any service may be down",
            "downtime: {budget: 10m}",
        ),
        Key("template", ID, "the template of services that name none", "template: karl-client"),
        Key("services", listing(obj("service")), "what is cut over", "services: [{id: osf}]", True),
        Key(
            "templates",
            table(obj("template")),
            "services written once, by name",
            "templates: {karl-client: {steps: […]}}",
        ),
        Key("gates", listing(obj("gate")), "go/no-go decisions", "gates: [{id: pilot-good, before: {wave: 2}}]"),
        Key("contacts", listing(obj("contact")), "whom to reach, how", "contacts: [{name: Ann, channel: '+31 20 …'}]"),
        Key(
            "acceptable_losses",
            listing(obj("loss")),
            "what may be lost, and who accepted it",
            "acceptable_losses: [{what: sessions, reason: …}]",
        ),
        Key("out_of_scope", listing(TEXT), "what this cutover leaves alone", "out_of_scope: [comments]"),
        Key("bundled_risks", listing(TEXT), "changes that ride along", "bundled_risks: [a newer PHP]"),
    ),
    "host": (
        Key("ssh", PLAIN, "`user@name[:port]`, or a Host of ~/.ssh/config", "ssh: karl@xen-{client}.example.org", True),
        Key(
            "role",
            one_of("old", "new", "other"),
            "its side; the hosts `old` and `new` have theirs by name",
            "role: old",
        ),
        Key("address", PLAIN, "the IP address that HTTP, SMTP and TCP probes are pinned to", "address: 192.0.2.10"),
        Key("address6", PLAIN, "its IPv6 address, for probes over IPv6", 'address6: "2001:db8::10"'),
        Key(
            "host_key",
            TEXT,
            "its pinned public key; known_hosts decides when it is missing",
            'host_key: "ssh-ed25519 AAAA…"',
        ),
        Key("known_hosts", PLAIN, "a known_hosts file, relative to the plan", "known_hosts: keys/known_hosts"),
        Key(
            "identity_file",
            PLAIN,
            "the private key to log in with, relative to the plan",
            "identity_file: keys/operator",
        ),
        Key(
            "machine_id",
            PLAIN,
            "expected content of /etc/machine-id, asked when a link is opened and before each op of a step",
            "machine_id: 4c4c4544…",
        ),
        Key("hostname", PLAIN, "expected host name, asked together with the machine-id", "hostname: mail"),
        Key(
            "become",
            one_of("sudo", "doas", "su"),
            "how commands run as another account; a password is asked for before any step",
            "become: sudo",
        ),
        Key("become_user", PLAIN, "that account; root by default", "become_user: postgres"),
        Key(
            "jobs",
            PLAIN,
            "the folder on the host for detached jobs; `~/.cockpit/jobs` by default",
            "jobs: /var/tmp/cockpit-jobs",
        ),
        Key(
            "ssh_config",
            PLAIN,
            "a file to read in place of ~/.ssh/config, relative to the plan",
            "ssh_config: ssh.conf",
        ),
    ),
    "secret": (
        Key("file", TEXT, "a file that holds it, relative to the plan", "file: secrets/db"),
        Key("env", TEXT, "or an environment variable of `cockpit run`", "env: HETZNER_TOKEN"),
        Key("command", TEXT, "or shell, run in the plan's folder, that prints it", "command: pass show cutover/root"),
        Key("ask", TEXT, "or a question, asked when the run begins", "ask: Password of the vault"),
    ),
    "contact": (
        Key("name", TEXT, "who", "name: Ann", True),
        Key("channel", TEXT, "how to reach them", "channel: '#cutover on Libera'", True),
        Key("for", TEXT, "what for", "for: the zone example.org"),
    ),
    "loss": (
        Key("what", TEXT, "what may be lost", "what: login sessions", True),
        Key("reason", TEXT, "why that is acceptable", "reason: users log in again", True),
        Key("accepted_by", TEXT, "who accepted it", "accepted_by: Ann"),
    ),
    "service": (
        Key("id", ID, "its name in `service/step`", "id: osf", True),
        Key("template", ID, "the template it is made from", "template: karl-client"),
        *SERVICE_BODY,
    ),
    "template": SERVICE_BODY,
    "window": (
        Key("start", TIME, "ISO 8601 with offset", "start: 2026-11-21T22:00:00+01:00"),
        Key("end", TIME, "ISO 8601 with offset", "end: 2026-11-22T02:00:00+01:00"),
    ),
    "gate": (
        Key("id", ID, "its name", "id: pilot-good", True),
        Key("kind", one_of("human", "evidence"), "who opens it: a person (default), or probes", "kind: evidence"),
        Key("question", TEXT, "what is asked", 'question: "Is the pilot good?"'),
        Key(
            "before",
            obj("scope"),
            "the steps that wait for it; several keys narrow each other",
            "before: {wave: 2}",
            True,
        ),
        Key("after", obj("scope"), "the steps that must be settled before it may open", "after: {wave: 1}"),
        Key("evidence", listing(obj("evidence")), "what probes must show", "evidence: [{service: osf, health: new}]"),
        Key("fresh", DURATION, "evidence older than this closes it; 30s by default", "fresh: 10s"),
    ),
    "scope": SCOPE,
    "evidence": (
        Key("service", ID, "whose probes", "service: osf", True),
        Key("health", VANTAGE, "all health probes pass at this vantage", "health: new"),
        Key("writer", SIDE, "the writer is on this side", "writer: new"),
        Key("dns", SIDE, "all authorities serve this side", "dns: new"),
        Key("caches", one_of("new"), "no honest cache can hold old, and every sampled one has moved", "caches: new"),
        Key("compare", one_of("same"), "old and new answer alike, for every URL that is compared", "compare: same"),
        Key("off", one_of("old"), "all that speaks for switching off old", "off: old"),
    ),
}
