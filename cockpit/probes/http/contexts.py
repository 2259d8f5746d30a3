"""TLS contexts: made once each, off the loop, because reading the authorities takes 40 ms."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path


class Contexts:
    """One context for each file of authorities and each set of protocols. A context's protocols are never changed: connections
    that are under way share it. Make one for each event loop."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._making = asyncio.Lock()

    async def trusting(self, ca: str, http2: bool) -> ssl.SSLContext:
        """The context that trusts the authorities in `ca`, or the system's when it is ''. Raises OSError when the file cannot
        be read, ssl.SSLError when it holds no certificate."""
        made = self._made.get((ca, http2))
        if made is not None:
            return made
        async with self._making:
            if (ca, http2) not in self._made:
                self._made[ca, http2] = await asyncio.to_thread(_make, ca, http2)
            return self._made[ca, http2]


def _make(ca: str, http2: bool) -> ssl.SSLContext:
    # With authorities of the plan's own, the system's and SSL_CERT_FILE's count for nothing.
    own = Path(ca).read_text("ascii", "replace") if ca else None
    context = ssl.create_default_context(cadata=own)
    context.set_alpn_protocols(["http/1.1", "h2"] if http2 else ["http/1.1"])
    return context
