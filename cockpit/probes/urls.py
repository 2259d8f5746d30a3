"""The URLs that are compared: given, from the sitemap at old, and from the access log of old."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from cockpit.plan.script import exports
from cockpit.plan.watched import Compare, Expect
from cockpit.probes.aside import Aside, Stopped
from cockpit.probes.context import Context
from cockpit.probes.world import address_at, host_at
from cockpit.text import harmless

MAPS = 50
"""Sitemaps that are read of an index."""
MAP_LIMIT = 4 << 20
"""Bytes read of each; it may unpack to twice that."""
READING = 10.0
LOG_SECONDS = 20.0
PATH = 1000

MOST_ASKED = r"""
LC_ALL=C; export LC_ALL
test -r "$log" || { echo "$log cannot be read" >&2; exit 1; }
tail -n 100000 -- "$log" | grep -v cockpit-probe | sed -n 's/.*"GET \(\/[!-~]*\) HTTP\/[0-9.]*".*/\1/p' | cut -c 1-1001 |
  sort | uniq -c | sort -rn | head -n "$most"
"""
"""Prints `count path`, the most asked first. Our own probes are left out."""


class Listed(NamedTuple):
    """URLs, each once, at most as many as the plan says; and what could not be read, with the reason."""

    urls: tuple[str, ...]
    troubles: tuple[tuple[str, str], ...] = ()


async def listed(context: Context, service: str, spec: Compare, aside: Aside) -> Listed:
    """All URLs that a comparison is about."""
    found = dict.fromkeys(spec.urls)
    troubles: list[tuple[str, str]] = []
    if spec.sitemap and len(found) < spec.most:
        troubles += await _sitemap(context, service, spec, aside, found)
    if spec.access_log and len(found) < spec.most:
        troubles += await _access_log(context, service, spec, found)
    return Listed(tuple(found)[: spec.most], tuple(troubles))


async def _sitemap(
    context: Context, service: str, spec: Compare, aside: Aside, found: dict[str, None]
) -> list[tuple[str, str]]:
    """Breadth first; addresses of another name are left out: old and new are compared under one."""
    name = urlsplit(spec.sitemap).hostname
    waiting, seen, troubles = [spec.sitemap], {spec.sitemap}, list[tuple[str, str]]()
    while waiting and len(found) < spec.most:
        url = waiting.pop(0)
        try:
            address = await address_at(context.plan, url, "old", service)
            if not address:
                return [(url, "old has no address")]
            got = await context.http.get(url, address, Expect(), spec.timeout, ca=spec.ca, at="old", limit=MAP_LIMIT)
            read = await aside.sitemap(got.raw, READING) if got.ok else None
        except Stopped as error:
            troubles.append((url, str(error)))
            continue
        if read is None:
            troubles.append((url, got.detail))
            continue
        found.update((page, None) for page in read.pages if urlsplit(page).hostname == name)
        # Where a sitemap ended early matters to nobody when more was wanted of it than there is room for.
        if read.trouble and len(found) < spec.most:
            troubles.append((url, harmless(read.trouble, 200)))
        for more in read.maps:
            if urlsplit(more).hostname == name and more not in seen and len(seen) < MAPS:
                seen.add(more)
                waiting.append(more)
    return troubles


async def _access_log(context: Context, service: str, spec: Compare, found: dict[str, None]) -> list[tuple[str, str]]:
    host = host_at(context.plan, "old", service)
    if not host:
        return [(spec.access_log, "the plan has no host for old")]
    script = exports({"log": spec.access_log, "most": str(spec.most)}) + MOST_ASKED
    said = await context.on_host(host, script, LOG_SECONDS)
    paths = [line.split(None, 1)[1] for line in said.out.splitlines() if len(line.split(None, 1)) == 2]
    found.update((spec.base + path, None) for path in paths if path.startswith("/") and len(path) <= PATH)
    if paths:
        return []
    why = said.err or (said.out if said.exit is None else "") or "it holds no requests in a format that is known"
    return [(spec.access_log, harmless(why.strip(), 200))]
