"""The helper that holds Apprise: takes one JSON order a line on standard input, answers each with one on standard output.

It is a process apart, because Apprise blocks, brings libraries along, and gets addresses that are secrets: those come over
standard input, and nothing that is printed holds one."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

CERTAIN = re.compile(
    r"ConnectTimeout|NewConnectionError|Connection refused|Name or service not known|No route to host|Network is unreachable"
    r"|nodename nor servname|Temporary failure in name resolution|CERTIFICATE_VERIFY_FAILED"
)
"""Nothing had left when this came."""
DOUBTFUL = re.compile(
    r"(?i)timed out|ReadTimeout|RemoteDisconnected|Connection aborted|reset by peer|BadStatusLine|IncompleteRead"
    r"|ServerDisconnected|unexpectedly closed|broken pipe"
)
"""It may have arrived: the answer was lost."""


class _Heard(logging.Handler):
    """What Apprise logs while it sends."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))


def outcome(sent: bool, lines: list[tuple[int, str]]) -> dict[str, str]:
    """What became of it, from what Apprise returned and logged; only its warnings are quoted, the rest may hold addresses."""
    if sent:
        return {"state": "sent", "detail": ""}
    everything = "\n".join(text for _, text in lines)
    doubtful = bool(DOUBTFUL.search(everything)) and not CERTAIN.search(everything)
    warned = [" ".join(text.split()) for level, text in lines if level >= logging.WARNING]
    detail = warned[-1] if warned else "the service refused it"
    return {"state": "unknown" if doubtful else "failed", "detail": detail}


def answer(order: dict[str, Any]) -> dict[str, str]:
    """Carry out one order: send, or (without a text) look whether the address is understood."""
    try:
        from apprise import Apprise, AppriseAsset, NotifyFormat
    except ImportError:
        return {"state": "failed", "detail": "Apprise is not installed: pip install 'cutover-cockpit[people]'"}
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [heard]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    # Nothing of ours is left on the disk, and nothing is sent by another thread.
    asset = AppriseAsset(app_id="Cockpit", app_desc="Cockpit", storage_mode="memory", async_mode=False)
    service = Apprise.instantiate(order["url"], asset=asset)
    if service is None or isinstance(service, list):
        return {"state": "failed", "detail": "Apprise does not understand the address"}
    if "text" not in order:
        return {"state": "good", "detail": str(service.service_name or "")}
    sender = Apprise(asset=asset)
    sender.add(service)
    sent = sender.notify(body=order["text"], title=order["subject"], body_format=NotifyFormat.TEXT)
    return outcome(bool(sent), heard.lines)


def main() -> int:
    """Until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:
            # What raised may have sent; its words may hold the address.
            said = {"state": "unknown", "detail": f"Apprise failed: {type(error).__name__}"}
        print(json.dumps(said), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
