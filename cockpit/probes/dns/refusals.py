"""What a server says when it refuses an update, in words (RFC 2136 §2.2, RFC 8945 §5.3)."""

from __future__ import annotations

WORDS = {
    "FORMERR": "the server could not read the update: it may not know a record type, or another RFC than 2136",
    "SERVFAIL": "the server failed to carry out the update: its log says why (a journal it cannot write, often)",
    "NXDOMAIN": "the plan expects a name that is not there, so nothing was changed",
    "NOTIMP": "the server takes no updates: name the zone's primary, or how its provider is reached",
    "REFUSED": "the server's policy does not allow this key to change the name, or a check of the zone fails: its log says which",
    "YXDOMAIN": "the plan expects no such name, and it is there, so nothing was changed",
    "YXRRSET": "the plan expects no such record set, and it is there, so nothing was changed",
    "NXRRSET": "the primary does not hold the values that the plan expects, so nothing was changed",
    "NOTAUTH": "the server is not authoritative for the zone, or does not know the key",
    "NOTZONE": "the name is not in the zone",
    "BADSIG": "the TSIG key's secret is another one on the server",
    "BADKEY": "the server does not know this TSIG key, or has it with another algorithm",
    "BADTIME": "the clocks of this machine and of the server are too far apart for TSIG",
    "BADTRUNC": "the server wants a longer signature than was sent: see the key's algorithm",
}

STALE = frozenset({"NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN"})
"""Codes of a prerequisite that does not hold (RFC 2136 §3.2)."""


def refusal(code: str, ahead: float | None = None) -> str:
    """The code and what it means. `ahead` is how many seconds the server's clock is ahead of ours, where it said so."""
    words = WORDS.get(code, "the server refused the update")
    if code == "BADTIME" and ahead is not None:
        words += (
            f": its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours; set the one that is wrong"
        )
    return f"{code}: {words}"
