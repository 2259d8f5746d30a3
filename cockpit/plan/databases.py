"""A database as a probe names it: a URL, or for PostgreSQL the words of a connection string."""

from __future__ import annotations

import re

_PASSWORD = re.compile(
    r"^[a-z0-9+]+://[^/@\s:]*:[^/\s]+@"  # in the authority (RFC 3986 §3.2.1)
    r"|(?:^|[?&;:\s])(?:ssl)?(?:password|passwd|pwd)\s*=\s*[^\s&;]",  # a parameter, or a word of libpq's
    re.IGNORECASE,
)


def holds_password(database: str) -> bool:
    """Whether a password stands in it, which everybody on the host may read in the list of processes: it belongs in a secret."""
    return _PASSWORD.search(database) is not None
