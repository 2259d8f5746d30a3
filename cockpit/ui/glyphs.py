"""How a state looks: a glyph, a word and a colour, of which any two suffice."""

from __future__ import annotations

from cockpit.events import WriterSide

GLYPHS: dict[str, tuple[str, str]] = {
    "draft": ("✎", "warn"),
    "blocked": ("□", "dim"),
    "ready": ("▷", "ready"),
    "running": ("◧", "busy"),
    "verifying": ("◨", "busy"),
    "done": ("■", "good"),
    "already": ("▣", "good"),
    "waiting": ("◷", "warn"),
    "failed": ("✗", "bad"),
    "unverified": ("◇", "bad"),
    "unknown": ("?", "bad"),
    "skipped": ("–", "dim"),
    "undoing": ("◁", "busy"),
    "undone": ("↶", "warn"),
    "undo_failed": ("✖", "bad"),
    "drifted": ("≁", "bad"),
}

STYLES: dict[str, str] = {
    "": "",
    "dim": "grey58",
    "good": "green3",
    "bad": "bold red1",
    "warn": "gold1",
    "busy": "bold deep_sky_blue1",
    "ready": "bold",
    "old": "dark_orange",
    "new": "turquoise2",
    "head": "bold on grey15",
    "headgood": "bold green3 on grey15",
    "headbad": "bold red1 on grey15",
    "headwarn": "bold gold1 on grey15",
    "key": "bold gold1",
    "frame": "grey42",
    "focus": "bold white",
    "title": "bold",
    "mark": "black on gold1",
}

DNS_GLYPHS: dict[str, tuple[str, str]] = {
    "new": ("N", "new"),
    "new-partial": ("n", "new"),
    "mixed": ("M", "warn"),
    "old": ("O", "old"),
    "old-partial": ("o", "old"),
    "other": ("X", "bad"),
    "nodata": ("∅", "warn"),
    "nxdomain": ("∄", "warn"),
    "servfail": ("S", "bad"),
    "refused": ("R", "bad"),
    "lame": ("L", "bad"),
    "timeout": ("…", "bad"),
}

WRITERS: dict[WriterSide, tuple[str, str]] = {
    "old": ("OLD", "old"),
    "new": ("NEW", "new"),
    "both": ("BOTH!", "bad"),
    "none": ("none", "warn"),
    "unknown": ("?", "dim"),
}

LOUD = frozenset({"alarm", "trouble", "refused", "held", "break-glass", "not confirmed"})
"""Words on the timeline that a person should not miss."""
