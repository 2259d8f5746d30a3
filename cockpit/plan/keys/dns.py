"""Keys of zones, record sets and their changes."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit.plan.keys.types import COUNT, DURATION, INT, PLAIN, TEXT, Key, listing, obj, one_of, table

_TYPE = "the record type"
RECORD: tuple[Key, ...] = (
    Key("name", PLAIN, "the domain name", 'name: "{client}.example.org"', True),
    Key("type", PLAIN, _TYPE, "type: A", True),
    Key("old", listing(PLAIN), "its contents before; `[]` for none", "old: [192.0.2.10]", True),
    Key("new", listing(PLAIN), "its contents after; `[]` for none", "new: [192.0.2.20]"),
    Key("add", listing(PLAIN), "or what comes to `old`", 'add: ["20 mx.new.example.org."]'),
    Key("remove", listing(PLAIN), "or what goes of `old`", 'remove: ["10 mx.old.example.org."]'),
    Key("ttl", INT, "TTL in seconds to set with the change; 0 keeps the one that is there", "ttl: 300"),
)
_TSIG = Key("tsig", obj("tsig"), "the key that signs updates and transfers", "tsig: {name: cutover, file: cutover.key}")
_PROVIDER = Key(
    "provider",
    obj("provider"),
    "who keeps the zone, where no server takes updates; changes are then not atomic",
    "provider: {kind: octodns, name: octodns_route53.Route53Provider, secrets: {…}}",
)

DNS: dict[str, tuple[Key, ...]] = {
    "dns": (
        Key("zone", TEXT, "the zone that changes", "zone: example.org", True),
        Key("primary", TEXT, "`ip[:port]` of the server that takes updates", "primary: 192.0.2.53", True),
        Key(
            "authorities",
            listing(TEXT),
            "`ip[:port]` of every authoritative server; by default those that the zone's NS name",
            "authorities: [192.0.2.53, 192.0.2.54]",
        ),
        Key(
            "parent",
            listing(TEXT),
            "`ip[:port]` of the parent zone's servers, whose delegation is watched",
            "parent: [192.0.2.100]",
        ),
        Key(
            "resolvers",
            listing(TEXT),
            "the caches to ask: `ip[:port]`, `tcp://ip`, `tls://ip#name`, `https://name/path@ip`, or `system`",
            "resolvers: [192.0.2.1, tls://192.0.2.2#dns.example.org, system]",
        ),
        Key("samples", COUNT, "questions a resolver and round: one may have many caches; 1 by default", "samples: 3"),
        Key("every", DURATION, "how often all are asked; 1s by default", "every: 5s"),
        _TSIG,
        Key("ca", TEXT, "a file of authorities for DoT and DoH; the system's by default", "ca: ca.pem"),
        _PROVIDER,
        Key(
            "compare_with",
            listing(obj("zone_copy")),
            "other places that hold the zone: `preflight` compares all of it",
            "compare_with: [{primary: 198.51.100.53}]",
        ),
    ),
    "tsig": (
        Key("name", TEXT, "the key's name", "name: cutover", True),
        Key("file", TEXT, "the file with the secret, relative to the plan", "file: cutover.key", True),
        Key("algorithm", TEXT, "hmac-sha256 by default", "algorithm: hmac-sha512"),
    ),
    "provider": (
        Key(
            "kind",
            one_of("lexicon", "octodns", "command"),
            "the library that knows the provider, or commands of your own",
            "kind: octodns",
            True,
        ),
        Key(
            "name",
            TEXT,
            "lexicon: the provider, `gandi`; octodns: its class, `octodns_bind.Rfc2136Provider`",
            "name: octodns_route53.Route53Provider",
        ),
        Key("options", table(TEXT), "what it wants to know", "options: {region: eu-central-1}"),
        Key("secrets", table(TEXT), "options that get a secret of the plan", "secrets: {secret_access_key: route53}"),
        Key("read", TEXT, "command: prints `ttl value` lines of `$name $type`", 'read: ./zone get "$name" "$type"'),
        Key("write", TEXT, "command: gets such lines as input, none to remove", 'write: ./zone put "$name" "$type"'),
        Key("list", TEXT, "command: prints `name ttl type value` lines of the zone", "list: ./zone dump"),
    ),
    "zone_copy": (
        Key("name", TEXT, "what it is called in the table", "name: new provider"),
        Key("primary", TEXT, "`ip[:port]` of a server that transfers the zone", "primary: 198.51.100.53"),
        _TSIG,
        _PROVIDER,
        Key(
            "ignore", listing(TEXT), "types, or `name type`, that may differ", "ignore: [NS, _acme-challenge.x.org TXT]"
        ),
    ),
    "record": RECORD,
    "change": (
        *(replace(key, required=False) for key in RECORD),
        Key(
            "records",
            listing(obj("record")),
            "or several record sets, which change in one update",
            "records: [{name: …, type: A, old: […], new: […]}, …]",
        ),
    ),
    "ttl": (
        Key("records", listing(obj("ttl_record")), "the record sets", "records: [{name: www.x.org, type: A}]", True),
        Key("to", DURATION, "their TTL from then on", "to: 60s", True),
    ),
    "ttl_record": (
        Key("name", PLAIN, "the domain name", 'name: "{client}.example.org"', True),
        Key("type", PLAIN, _TYPE, "type: A", True),
    ),
}
