"""Host locks: each host carries who runs which plan since when, and a run that does not hold a host changes nothing on it.

The token of a run is made once and kept in its folder, so that a resumed run is still the holder. A job's supervisor looks at
the lock at the moment it starts the job: whoever was fenced cannot start any more, however late a request reaches the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import secrets
import socket
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import msgspec

from cockpit.clock import Clock
from cockpit.events import Event, HostLocked
from cockpit.hosts.pool import HostPool, Unreachable, quoted
from cockpit.text import harmless

LOOK = 3.0
"""Seconds between two looks at a lock that is ours or another's."""

LOCK = '"${COCKPIT_LOCK:-/var/tmp/cockpit.lock}"'
"""Where it is: a folder that every account can write and that survives a reboot."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a host is: `ours`; `other`, with what its lock says; `unknown` while it could not be asked."""

    whose: str
    holder: str = ""


def token_of(folder: Path) -> str:
    """The run's own token, made when it is first asked for. Raises OSError."""
    file = folder / "lock-token"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(12))
    return file.read_text().strip()


def holder_of(plan: str, run: str, utc: str) -> str:
    """Who we are, as another run reads it."""
    return harmless(f"{getpass.getuser()}@{socket.gethostname()} runs {plan!r} ({run}) since {utc}", 300)


class Locks:
    """The locks of all hosts of a run. `run` keeps looking; `refusal` says why a host must not be changed."""

    def __init__(self, pool: HostPool, emit: Callable[[Event], None], clock: Clock, token: str, holder: str) -> None:
        self._pool = pool
        self._emit = emit
        self._clock = clock
        self._token = token
        self._holder = holder
        self._text = files("cockpit.hosts").joinpath("lock.sh").read_text()
        self._held: dict[str, Held] = {}
        self._looking: dict[str, asyncio.Lock] = {}
        self._lost: set[str] = set()
        """Hosts that were taken from us: they are never taken back but by a person."""

    async def run(self) -> None:
        """Take each host's lock as soon as it can be reached, and look at it from then on, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for link in self._pool:
                group.create_task(self._watch(link.host.id), name=f"lock of {link.host.id}")

    async def _watch(self, host: str) -> None:
        while True:
            with contextlib.suppress(Unreachable):
                await self._look(host)
            await self._clock.sleep(LOOK)

    async def refusal(self, host: str) -> str:
        """Why this run must not change anything on the host, '' when it holds it. Raises Unreachable."""
        held = await self._look(host)
        if held.whose == "ours":
            return ""
        return f"{host} is held by another run: {held.holder}; end that one, or take the host over"

    async def take(self, host: str) -> str:
        """Take the host over from whoever holds it, who cannot start anything there any more. Returns the former holder.
        Raises Unreachable, with the host's sentence when it cannot be done."""
        answer = await self._ask(host, "take")
        word, _, rest = answer.partition(" ")
        if word not in {"took", "ours"}:
            raise Unreachable(f"{host}: {rest or 'the lock did not answer'}")
        self._lost.discard(host)
        self._tell(host, Held(whose="ours"), former=rest)
        return rest

    async def free(self, host: str) -> None:
        """Give the host up. Raises Unreachable."""
        await self._ask(host, "free")
        self._held.pop(host, None)

    async def _look(self, host: str) -> Held:
        async with self._looking.setdefault(host, asyncio.Lock()):
            answer = await self._ask(host, "show" if host in self._lost else "hold")
            word, _, rest = answer.partition(" ")
            match word:
                case "ours":
                    held = Held(whose="ours")
                case "held":
                    held = Held(whose="other", holder=rest)
                case _:
                    raise Unreachable(f"{host}: {rest or 'its lock did not answer'}")
            self._tell(host, held)
            return held

    def _tell(self, host: str, held: Held, former: str = "") -> None:
        before = self._held.get(host)
        self._held[host] = held
        self._pool[host].fence = f"{LOCK} {quoted(self._token + ' ')}"
        if before != held or former:
            lost = before is not None and before.whose == "ours" and held.whose == "other"
            if lost:
                self._lost.add(host)
            self._emit(HostLocked(host=host, ours=held.whose == "ours", holder=held.holder, former=former, lost=lost))

    async def _ask(self, host: str, verb: str) -> str:
        words = " ".join((verb, LOCK, quoted(self._token), quoted(self._holder)))
        ran = await self._pool[host].ask(f"set -- {words}\n{self._text}", 15)
        return harmless(ran.out.strip(), 400)
