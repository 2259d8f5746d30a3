"""Every key that a plan file may hold: the one table behind reading, the JSON Schema and the reference page."""

from __future__ import annotations

from typing import Literal

import msgspec

from cockpit.plan.model import PHASES

Kind = Literal["text", "plain", "pattern", "id", "duration", "int", "bool", "choice", "time", "object", "list", "map"]


class Type(msgspec.Struct, frozen=True):
    """What a value may be. `of` is the item of a list or a map, `name` the object, `also` another form that is allowed.

    `plain` text takes `{variable}`; `pattern` is a regular expression that takes it escaped; `text` is left verbatim.
    """

    kind: Kind
    of: Type | None = None
    name: str = ""
    choices: tuple[str, ...] = ()
    also: Type | None = None
    least: int = 0


class Key(msgspec.Struct, frozen=True):
    """One key of an object: its type, what it means and an example in YAML."""

    name: str
    type: Type
    meaning: str
    example: str = ""
    required: bool = False


TEXT, PLAIN, PATTERN, ID = Type("text"), Type("plain"), Type("pattern"), Type("id")
DURATION, INT, BOOL, TIME = Type("duration"), Type("int"), Type("bool"), Type("time")
COUNT = Type("int", least=1)


def one_of(*choices: str) -> Type:
    return Type("choice", choices=choices)


def listing(of: Type) -> Type:
    return Type("list", of=of)


def table(of: Type) -> Type:
    return Type("map", of=of)


def obj(name: str, also: Type | None = None) -> Type:
    return Type("object", name=name, also=also)


SIDE = one_of("old", "new")
VANTAGE = one_of("old", "new", "world")

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
    Key(
        "downtime", obj("downtime"), "the prober that measures outages as the world sees them", "downtime: {probe: web}"
    ),
    Key(
        "writer",
        obj("writer"),
        "the probe that tells which host accepts writes",
        "writer: {http: …, old: xen, new: karl}",
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

RECORD: tuple[Key, ...] = (
    Key("name", PLAIN, "the domain name", 'name: "{client}.example.org"', True),
    Key("type", PLAIN, "the record type", "type: A", True),
    Key("old", listing(PLAIN), "its contents before", "old: [192.0.2.10]", True),
    Key("new", listing(PLAIN), "its contents after", "new: [192.0.2.20]", True),
    Key("ttl", INT, "TTL in seconds to set with the change; 0 keeps the one that is there", "ttl: 300"),
)
SCOPE: tuple[Key, ...] = (
    Key("wave", COUNT, "the steps of that wave", "wave: 2"),
    Key("phase", ID, "the steps of that phase", "phase: switch"),
    Key("service", ID, "the steps of that service", "service: osf"),
    Key("steps", listing(TEXT), "these steps, as `service/step`", "steps: [osf/dns]"),
)

OBJECTS: dict[str, tuple[Key, ...]] = {
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
    "dns": (
        Key("zone", TEXT, "the zone that changes", "zone: example.org", True),
        Key("primary", TEXT, "`ip[:port]` of the server that takes updates", "primary: 192.0.2.53", True),
        Key(
            "authorities",
            listing(TEXT),
            "`ip[:port]` of every authoritative server",
            "authorities: [192.0.2.53, 192.0.2.54]",
        ),
        Key("resolvers", listing(TEXT), "`ip[:port]` of the caches to ask", "resolvers: [192.0.2.1]"),
        Key("tsig", obj("tsig"), "the key that signs updates", "tsig: {name: cutover, file: cutover.key}"),
    ),
    "tsig": (
        Key("name", TEXT, "the key's name", "name: cutover", True),
        Key("file", TEXT, "the file with the secret, relative to the plan", "file: cutover.key", True),
        Key("algorithm", TEXT, "hmac-sha256 by default", "algorithm: hmac-sha512"),
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
    "expect": (
        Key("status", INT, "the status of a good answer; 200 by default", "status: 204"),
        Key("body", PLAIN, "a text that the body must hold", "body: KARL"),
        Key("header", table(PLAIN), "headers and a text that each must hold", "header: {server: nginx}"),
    ),
    "health": (
        Key("id", ID, "its name; the last part of the URL's path, or `web`", "id: login"),
        Key("http", PLAIN, "the URL under its real name", 'http: "https://{client}.example.org/login"', True),
        Key("expect", obj("expect"), "what a good answer is", "expect: {status: 200, body: KARL}"),
        Key("at", listing(VANTAGE), "where it is asked; all three by default", "at: [old, new, world]"),
        Key("every", DURATION, "how often; 2s by default", "every: 5s"),
        Key("timeout", DURATION, "5s by default", "timeout: 3s"),
    ),
    "downtime": (
        Key("url", PLAIN, "what is asked, as the world reaches it", 'url: "https://{client}.example.org/"'),
        Key("probe", ID, "or the health probe whose URL and expectation are used", "probe: login"),
        Key("budget", DURATION, "how long it may be down; 60s by default", "budget: 30s"),
        Key("every", DURATION, "a fresh connection each time; 250ms by default", "every: 100ms"),
        Key("timeout", DURATION, "2s by default", "timeout: 1s"),
        Key("expect", obj("expect"), "what a good answer is", "expect: {status: 200}"),
    ),
    "writer": (
        Key(
            "http", PLAIN, "a URL that names its host in the body", 'http: "https://{client}.example.org/whoami"', True
        ),
        Key("old", PLAIN, "what the old host says", "old: xen", True),
        Key("new", PLAIN, "what the new host says", "new: shared", True),
        Key("every", DURATION, "1s by default", "every: 2s"),
        Key("writes", TEXT, "shell run on new that prints how many writes new has taken", "writes: wc -l < writes.log"),
    ),
    "log": (
        Key("host", ID, "the host's id", "host: old", True),
        Key("file", PLAIN, "the file; relative to the login's home, or from / on", "file: /var/log/mail.log"),
        Key("unit", PLAIN, "or the journald unit", "unit: postfix.service"),
        Key("alarm", PATTERN, "a regular expression that marks a line", 'alarm: "NOQUEUE|fatal"'),
    ),
    "record": RECORD,
    "step": (
        Key("id", ID, "its name in `service/step`", "id: presync", True),
        Key("phase", ID, "the column it belongs to", "phase: copy", True),
        Key("title", PLAIN, "what it is called on screen", "title: First copy"),
        Key("on", ID, "the host that `use` or `run` acts on", "on: new"),
        Key("use", ID, "a recipe: `recipes/NAME.sh` beside the plan, else the library's", "use: maintenance-page"),
        Key("run", obj("run"), "or shell written here", "run: {apply: …, verify: …}"),
        Key("with", table(PLAIN), "parameters, which the shell sees as variables", 'with: {site: "{client}"}'),
        Key(
            "secrets",
            listing(Type("map", of=PLAIN, also=PLAIN)),
            "secrets that the shell sees as variables: by their own name, or `{variable: secret}`",
            "secrets: [api, {password: db_password}]",
        ),
        Key("sync", obj("sync"), "or a copy between hosts", "sync: {from: old, to: new, paths: [srv/]}"),
        Key("dns", obj("change"), "or a change of a record set", "dns: {name: …, type: A, old: […], new: […]}"),
        Key("manual", obj("manual"), "or something that a person does", "manual: {owner: Ann, message: …}"),
        Key(
            "needs",
            listing(obj("need", also=PLAIN)),
            "steps that come first; the one before it by default, `[]` for none",
            "needs: [presync, osf/dns]",
        ),
        Key("when", obj("when"), "a condition, otherwise the step is skipped", "when: {tag: mail}"),
        Key("verify", obj("verify"), "checks by another path than the act", "verify: {http: [{url: …}]}"),
        Key(
            "released_by",
            PLAIN,
            "the step that ends what this one holds; `none` when nothing has to",
            "released_by: maintenance-off",
        ),
        Key("opens", SIDE, "the writer that it opens", "opens: new"),
        Key("closes", SIDE, "the writer that it closes", "closes: old"),
        Key(
            "point_of_no_return",
            one_of("none", "soft", "hard"),
            "soft: new takes writes; hard: the old state is gone",
            "point_of_no_return: soft",
        ),
        Key("destructive", BOOL, "whether it destroys something; false by default", "destructive: true"),
        Key("idempotent", BOOL, "whether it may run twice; true by default", "idempotent: false"),
        Key("undo", one_of("none"), "`none` says that it cannot be undone", "undo: none"),
        Key("undo_reason", PLAIN, "why it cannot be undone", "undo_reason: the disk is wiped"),
        Key("timeout", DURATION, "10m by default, 24h for a copy", "timeout: 1h"),
        Key("estimate", DURATION, "how long it is planned to take", "estimate: 5s"),
        Key("warns", PLAIN, "what the operator must know first", "warns: stops list creation"),
        Key("seeds", listing(TEXT), "names of requirements that it answers", "seeds: [S7]"),
    ),
    "run": tuple(
        Key(name, TEXT, meaning, f"{name}: {example}")
        for name, meaning, example in (
            ("probe", "status 0: already so, 1: not so, other: cannot tell", "test -e on"),
            ("capture", "prints `name=value` lines that undo needs", "echo was=$(cat on)"),
            ("apply", "does it; status 0 is not yet success", "touch on"),
            ("verify", "status 0: it holds, 1: it does not, other: cannot tell", "test -e on"),
            ("undo", "takes it back; captured values are `$captured_NAME`", "rm on"),
            ("verify_undo", "status 0: it is taken back", "test ! -e on"),
        )
    ),
    "sync": (
        Key("from", ID, "the host to copy from", "from: old", True),
        Key("to", ID, "the host to copy to", "to: new", True),
        Key("paths", listing(PLAIN), "what is copied", 'paths: ["srv/{client}/"]', True),
        Key("into", listing(PLAIN), "where each path lands; the same path by default", 'into: ["/srv/{client}/"]'),
        Key(
            "exclude",
            listing(PLAIN),
            "names left out, in rsync's patterns: `cache/` is a folder at any depth, `/cache` only at the top",
            "exclude: [cache/]",
        ),
        Key("delete", BOOL, "remove from the target what the source lacks; false by default", "delete: true"),
        Key(
            "limit",
            PLAIN,
            "most entries that may be deleted, a number or a percentage of what the target holds; 10% by default",
            "limit: 100",
        ),
        Key(
            "backup",
            PLAIN,
            "folder on the target to which what is overwritten or deleted is moved; below `~/.cockpit/aside` by default",
            "backup: /var/backups/cutover",
        ),
        Key("final", BOOL, "the pass inside the freeze; false by default", "final: true"),
        Key(
            "via",
            one_of("auto", "agent", "key", "relay"),
            "how the bytes travel: straight from host to host by a one-time key or your forwarded agent, or through the cockpit; "
            "`auto` takes the key where the target reaches the source, else the relay",
            "via: key",
        ),
        Key(
            "at",
            PLAIN,
            "`address` or `address:port` at which the target finds the source; the source's `address` by default",
            "at: 10.0.0.5:22",
        ),
        Key(
            "bwlimit",
            PLAIN,
            "most bytes a second, which can be changed while it runs; no limit by default",
            "bwlimit: 10m",
        ),
    ),
    "change": RECORD,
    "manual": (
        Key("owner", PLAIN, "who does it", 'owner: "{owner}"', True),
        Key("message", PLAIN, "what they are asked", "message: Please point www at 192.0.2.20.", True),
        Key(
            "observe",
            obj("record"),
            "completes the step when this record set is seen",
            "observe: {name: …, type: A, old: […], new: […]}",
        ),
    ),
    "need": (
        Key("step", PLAIN, "`step` of this service, or `service/step`", "step: presync", True),
        Key("reason", PLAIN, "shown where it blocks", "reason: the first copy is long"),
    ),
    "when": (
        Key("tag", PLAIN, "only services with this tag", "tag: mail"),
        Key("not_tag", PLAIN, "only services without it", "not_tag: mail"),
        Key("var", ID, "only where this variable …", "var: owns_zone"),
        Key("equals", TEXT, "… has this value", "equals: yes"),
        Key("reason", PLAIN, "shown with the skipped step", "reason: it has no mail"),
    ),
    "verify": (
        Key("http", listing(obj("http_check")), "answers that must come", "http: [{url: …, at: old}]"),
        Key(
            "log",
            listing(obj("log_check")),
            "lines that must appear after the step began",
            "log: [{host: new, file: …, pattern: …}]",
        ),
    ),
    "http_check": (
        Key("url", PLAIN, "the URL under its real name", 'url: "http://{client}.example.org/"', True),
        Key("at", VANTAGE, "the side that it is pinned to; world by default", "at: old"),
        Key("expect", obj("expect"), "what a good answer is", "expect: {status: 503}"),
        Key("timeout", DURATION, "10s by default", "timeout: 5s"),
    ),
    "log_check": (
        Key("host", ID, "the host's id", "host: new", True),
        Key("file", PLAIN, "the file; relative to the login's home, or from / on", "file: /var/log/mail.log"),
        Key("unit", PLAIN, "or the journald unit", "unit: postfix.service"),
        Key("pattern", PATTERN, "a regular expression", 'pattern: "status=sent"', True),
        Key("timeout", DURATION, "60s by default", "timeout: 2m"),
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
    ),
}
"""Objects by name; `plan` is the file itself."""
