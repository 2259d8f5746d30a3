"""Keys of steps and what they do."""

from __future__ import annotations

from cockpit.plan.keys.types import (
    BOOL,
    DURATION,
    ID,
    PATTERN,
    PLAIN,
    SIDE,
    TEXT,
    VANTAGE,
    Key,
    Type,
    listing,
    obj,
    one_of,
    table,
)

STEPS: dict[str, tuple[Key, ...]] = {
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
        Key("dns", obj("change"), "or a change of record sets", "dns: {name: …, type: A, old: […], new: […]}"),
        Key("ttl", obj("ttl"), "or a new TTL of record sets", "ttl: {records: [{name: …, type: A}], to: 60s}"),
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
        Key("timeout", DURATION, "10m by default, 24h for a copy, 7d for what a person does", "timeout: 1h"),
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
        Key(
            "probe",
            listing(obj("probe_check")),
            "health probes of the service that must be good, asked anew",
            "probe: [{id: login, at: new}]",
        ),
    ),
    "probe_check": (
        Key("id", ID, "the probe's id", "id: login", True),
        Key("at", VANTAGE, "where it must be good", "at: new", True),
        Key("timeout", DURATION, "30s by default", "timeout: 1m"),
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
    "log": (
        Key("host", ID, "the host's id", "host: old", True),
        Key("file", PLAIN, "the file; relative to the login's home, or from / on", "file: /var/log/mail.log"),
        Key("unit", PLAIN, "or the journald unit", "unit: postfix.service"),
        Key("alarm", PATTERN, "a regular expression that marks a line", 'alarm: "NOQUEUE|fatal"'),
    ),
}
