"""Making text from a host harmless: no control codes, no invalid UTF-8, no endless lines, no direction tricks."""

from __future__ import annotations

import re

LINE_LIMIT = 4096
"""Characters kept of one line; what is over is counted in its tail."""

_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI, ECMA-48 §5.4
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their string
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x9d[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def harmless(raw: bytes | str, limit: int = LINE_LIMIT) -> str:
    """One line of text that a terminal can show: escape sequences removed, other control characters as `·`, tabs as
    spaces, invalid UTF-8 as `\\xNN`, cut at `limit` characters with the number left out in words."""
    over = 0
    if isinstance(raw, bytes):
        if len(raw) > limit * 4:
            over = len(raw) - limit * 4
            raw = raw[: limit * 4]
        text = raw.decode("utf-8", "backslashreplace")
    else:
        text = raw
    text = _CONTROL.sub("·", _ANSI.sub("", text).expandtabs(4).replace("\n", "·"))
    if len(text) > limit or over:
        cut = max(len(text) - limit, 0) + over
        text = f"{text[:limit]} … {cut} more"
    return text
