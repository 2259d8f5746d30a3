"""Keys of access logs that are counted."""

from __future__ import annotations

from cockpit.plan.keys.types import DURATION, ID, PATTERN, PLAIN, TEXT, Key

TRAFFIC: dict[str, tuple[Key, ...]] = {
    "traffic": (
        Key("host", ID, "where the log is: a host on the side of old or of new", "host: old", True),
        Key("file", PLAIN, "its path", "file: /var/log/nginx/access.log"),
        Key("unit", PLAIN, "or the journald unit that holds it", "unit: caddy"),
        Key(
            "format",
            TEXT,
            "`combined` (default), `common`, `json`, or what stands in `log_format` (nginx) or `LogFormat` (Apache)",
            'format: "%v %h %l %u %t \\"%r\\" %>s %b \\"%{User-agent}i\\""',
        ),
        Key(
            "match", PATTERN, "only lines in which this is found are the service's", "match: '{client}[.]example[.]org'"
        ),
        Key("quiet", DURATION, "how long without a real client is evidence; 10m by default", "quiet: 1h"),
    ),
}
