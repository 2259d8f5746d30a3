"""Keys of what is asked of a service, and what a good answer is."""

from __future__ import annotations

from cockpit.plan.keys.types import INT, PLAIN, Key, listing, table

HEALTH: dict[str, tuple[Key, ...]] = {
    "expect": (
        Key("status", INT, "the status of a good answer; 200 by default, 0 for any", "status: 204"),
        Key("body", PLAIN, "a text that the body must hold", "body: KARL"),
        Key("header", table(PLAIN), "headers and a text that each must hold", "header: {server: nginx}"),
        Key(
            "that",
            listing(PLAIN),
            "[conditions](#conditions) over what was seen, all of which must hold",
            """that: ["ttfb < 500ms", "new.digest == old.digest"]""",
        ),
    ),
}
