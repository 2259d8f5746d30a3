"""What one request over HTTP saw."""

from __future__ import annotations

from cockpit.probes import seen


class Seen(seen.Seen, frozen=True, kw_only=True):
    """The last answer of a redirect chain, and how it came. `status` is 0 when no whole answer came in time. `ms` is from the
    first packet to the end of the body, all redirects included; `ttfb` to the first byte of the last answer. `facts` holds all
    that conditions may name (`cockpit.plan.conditions`), but the body. A certificate is shown also when it does not hold."""

    stalled: bool = False
    """What is wrong is silence: the time-out ended it."""
    closed: bool = False
    """Nothing listens there: the connection was refused."""
    version: str = ""
    """`HTTP/1.1`, `HTTP/2`."""
    url: str = ""
    """The URL of the last answer."""
    redirects: tuple[str, ...] = ()
    """Where each redirect led, in order; the last one may lead out of the pin, and was then not followed."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, in the server's order; harmless and bounded."""
    title: str = ""
    raw: bytes = b""
    """The unpacked body, at most `BODY_LIMIT` bytes of it; `body` is its text."""
    size: int = 0
    """Bytes of `raw`."""
    packed: bool = False
    """The body is packed in a way that is not read: `body` is empty, whatever it holds."""
    measured: str = ""
    """Where the body was to be measured: the hash of all of it as it was sent, '' when it was longer than that."""
