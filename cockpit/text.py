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
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_BYTE = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of a byte; such text cannot be written anywhere."""
_UNSEEN = re.compile(f"[\t\n]|{_CONTROL.pattern}")


def harmless(raw: bytes | str, limit: int = LINE_LIMIT) -> str:
    """One line of text that a terminal can show: escape sequences removed, other control characters as `·`, tabs as
    spaces, invalid UTF-8 as `\\xNN`, cut at `limit` characters with the number left out in words."""
    if len(raw) <= limit and raw.isascii():
        plain = raw.decode() if isinstance(raw, bytes) else raw
        if plain.isprintable():
            return plain  # Nearly all text is: it has nothing of what follows.
    over = max(0, len(raw) - limit * 4)
    if over:
        raw = raw[: limit * 4]
    if isinstance(raw, bytes):
        text = raw.decode("utf-8", "backslashreplace")
    else:
        text = _BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", raw)
    text = _CONTROL.sub("·", _ANSI.sub("", text).expandtabs(4).replace("\n", "·"))
    if len(text) > limit or over:
        cut = max(len(text) - limit, 0) + over
        text = f"{text[:limit]} … {cut} more"
    return text


def unseen(text: str) -> str:
    """A text whose signs are all to be seen: each that would act instead is a `·`, one for one, so that widths stay."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub("·", text)
