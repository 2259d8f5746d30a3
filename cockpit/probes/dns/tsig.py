"""TSIG keys of a plan, as the library takes them."""

from __future__ import annotations

from pathlib import Path

import dns.name
import dns.tsig

from cockpit.plan.zones import ALGORITHMS, Tsig
from cockpit.text import harmless


def key_of(tsig: Tsig) -> dns.tsig.Key:
    """The key with its secret, read from its file (RFC 8945). Raises OSError and ValueError."""
    text = Path(tsig.file).read_text().strip()
    algorithm, colon, secret = text.rpartition(":")
    called = (algorithm if colon else tsig.algorithm).strip().rstrip(".").lower()
    if called not in ALGORITHMS:
        raise ValueError(f"{harmless(called, 80)} is no algorithm of a TSIG key: {', '.join(ALGORITHMS)} are")
    try:
        return dns.tsig.Key(tsig.name, secret.strip(), dns.name.from_text(called))
    except ValueError as error:
        raise ValueError(f"{tsig.file} holds no base64 secret of key {tsig.name}") from error
