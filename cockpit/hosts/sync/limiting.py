"""Bringing a changed limit to a copy that runs as a job between the hosts."""

from __future__ import annotations

import asyncio

from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.hosts.sync import parts
from cockpit.hosts.sync.bucket import Bucket


class Limiting:
    """While a job copies: a changed limit goes to it, and its pass begins again under the new one, where it was."""

    def __init__(self, pool: HostPool, host: str, job: str, bucket: Bucket) -> None:
        self._pool, self._host, self._job, self._bucket = pool, host, job, bucket

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        told = self._bucket.rate
        private = quoted(f"{parts.ONCE}/{self._job}")
        script = f'cd && cd {private} || exit 0; echo "$1" >limit; kill -s TERM "$(cat pid)" 2>/dev/null; :'
        while True:
            await self._bucket.news()
            if self._bucket.rate == told:
                continue
            told = self._bucket.rate
            try:
                await self._pool[self._host].run(
                    f"sh -c {quoted(script)} cockpit-limit {max(told // 1024, 1) if told else 0}", b"", 20.0
                )
            except Unreachable:
                told = -1
                await asyncio.sleep(1.0)
                self._bucket.limit(self._bucket.rate)
