"""The little of curl that recipes use, for hosts without it: `curl -sS -m SECONDS -H 'Name: value' URL`."""

from __future__ import annotations

import http.client
import sys
from urllib.parse import urlsplit


def main(arguments: list[str]) -> int:
    """Print the body. 0 whatever the status is (22 with -f and 400 or more), 7 when it cannot be reached, 2 usage."""
    headers, timeout, url, fail = {}, 10.0, "", False
    while arguments:
        word = arguments.pop(0)
        if word == "-H" and arguments:
            name, _, value = arguments.pop(0).partition(":")
            headers[name] = value.strip()
        elif word == "-m" and arguments:
            timeout = float(arguments.pop(0))
        elif word.startswith("-"):
            fail = fail or "f" in word
        else:
            url = word
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        print("curl: an http:// URL is needed", file=sys.stderr)
        return 2
    try:
        link = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
        link.request("GET", parts.path or "/", headers=headers)
        answer = link.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        print(f"curl: (7) {error}", file=sys.stderr)
        return 7
    if fail and answer.status >= 400:
        print(f"curl: (22) {answer.status}", file=sys.stderr)
        return 22
    sys.stdout.buffer.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
