"""Rates as people write and read them: bytes a second."""

from __future__ import annotations

import re

_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kmg]?)(?:i?b)?(?:/s)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
LEAST = 1024
"""Below it nothing gets through in any sensible time, and rsync counts in KiB."""


def rate(text: str) -> int | None:
    """Bytes a second of `800k`, `10m`, `1.5 MB/s` or a bare number; 0 of `0` and `none`; None when it is none of them."""
    text = text.strip()
    if text.lower() in {"none", "off"}:
        return 0
    found = _RATE.fullmatch(text)
    if found is None:
        return None
    count = round(float(found[1]) * _UNITS[found[2].lower()])
    return count if count == 0 or count >= LEAST else None
