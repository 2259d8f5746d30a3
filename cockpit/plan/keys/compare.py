"""Keys of the comparison of old and new."""

from __future__ import annotations

from cockpit.plan.keys.types import COUNT, DURATION, PATTERN, PLAIN, Key, listing

COMPARE: dict[str, tuple[Key, ...]] = {
    "compare": (
        Key("urls", listing(PLAIN), "URLs under their real name", 'urls: ["https://{client}.example.org/"]'),
        Key(
            "sitemap",
            PLAIN,
            "a sitemap or an index of sitemaps, also gzipped, that is read at old for more URLs of the same name",
            'sitemap: "https://{client}.example.org/sitemap.xml"',
        ),
        Key(
            "access_log",
            PLAIN,
            "a file on old from which the most asked paths are taken; relative to the login's home, or from / on",
            "access_log: /var/log/nginx/access.log",
        ),
        Key("base", PLAIN, "what stands before the paths of `access_log`", 'base: "https://{client}.example.org"'),
        Key("most", COUNT, "URLs at the most; 100 by default", "most: 500"),
        Key(
            "ignore",
            listing(PLAIN),
            "headers that may differ, beside Date, Age, ETag and the like; also `title`, `time`, `certificate`",
            "ignore: [x-powered-by, certificate]",
        ),
        Key(
            "mask",
            listing(PATTERN),
            "regular expressions of what may differ in a line of a body: tokens, times",
            """mask: ['name="csrf" value="[^"]*"']""",
        ),
        Key("alike", PLAIN, "share of the masked body that must be alike; 100% by default", "alike: 98%"),
        Key("every", DURATION, "how often; 5m by default", "every: 1m"),
        Key("timeout", DURATION, "for each answer; 10s by default", "timeout: 5s"),
        Key(
            "ca",
            PLAIN,
            "a file of certificate authorities, relative to the plan; the system's by default",
            "ca: ca.pem",
        ),
    ),
}
