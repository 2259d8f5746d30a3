"""Messages of our own on their way: through old and through new, found on new, and how long that took."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from functools import partial

import msgspec

from cockpit.events import DowntimeSeen, TokenSeen, Trouble
from cockpit.plan.base import Side
from cockpit.plan.model import Service
from cockpit.plan.watched import Mail, Mailbox, Token
from cockpit.probes.context import Context, Watch
from cockpit.probes.mail.boxes import ABSENT, Box, Look
from cockpit.probes.mail.message import Handed, hand_over, new_token, written
from cockpit.probes.mail.received import hops, proven
from cockpit.probes.world import host_at
from cockpit.state import DownView

LOOKS = (0.5, 1.0, 1.0, 2.0, 2.0, 5.0)
"""Seconds between looks into the mailbox; the last one goes on."""
LATE = 3600.0
"""Seconds for which a message that did not come in time is still looked for."""
PATIENCE = 20.0
"""Seconds for one look."""
OUT = 200
"""Messages that are looked for at the same time, at the most."""
_METER = "mail"


class Sent(msgspec.Struct, kw_only=True):
    """A message that is out. Times by the monotonic clock; `missed` is the end of the last look that did not find it."""

    token: str
    through: Side
    began: float
    taken: float
    handed: Handed
    missed: float
    told_lost: bool = False


class Delay:
    """How long mail takes: bounds of the longest way of a message so far, from `before` on, where a run goes on."""

    def __init__(self, service: str, before: DownView) -> None:
        self._service = service
        self.lower = before.lower
        self.upper = before.upper
        self.lost = before.failed
        self.sent = before.samples

    def seen(self, lower: float, upper: float) -> None:
        """One more message took between `lower` and `upper` seconds."""
        self.lower, self.upper = max(self.lower, lower), max(self.upper, upper)

    def event(self, out: float, late: bool) -> DowntimeSeen:
        """The figure, with a message that has been out for `out` seconds (0: none is), and whether its time is over."""
        return DowntimeSeen(
            service=self._service,
            lower=round(max(self.lower, out), 3),
            upper=round(max(self.upper, out), 3),
            ongoing=late,
            failed=self.lost,
            samples=self.sent,
            meter=_METER,
            what="mail",
        )


def watches(context: Context, service: Service, mail: Mail) -> Iterator[Watch]:
    """One watch for all messages of a service."""
    if mail.token is not None:
        yield Watch(f"messages of {service.id}", Courier(context, service, mail, mail.token).run)


class Courier:
    """Sends the messages of one service and looks for them. `run` until cancelled."""

    def __init__(self, context: Context, service: Service, mail: Mail, token: Token) -> None:
        self._context = context
        self._service = service
        self._token = token
        known = context.before.services.get(service.id)
        self._delay = Delay(service.id, (known.meters.get(_METER) if known is not None else None) or DownView())
        self._out: dict[str, Sent] = {}
        self._sent = asyncio.Event()
        self._box = Box(token.mailbox, whole=False) if token.mailbox is not None else None
        self._elsewhere = [(box, Box(box, whole=False)) for box in mail.stragglers if box != token.mailbox]

    async def run(self) -> None:
        """Send through each side, and look, until cancelled."""
        await self._begin()
        async with asyncio.TaskGroup() as group:
            for through in self._token.through:
                group.create_task(self._send_on(through))
            group.create_task(self._look_on())

    async def _begin(self) -> None:
        """The first look, so that what lies there already is not read again. Nothing is sent before the mailbox can be read:
        what comes to it until then is passed over, and would count as lost."""
        told = ""
        while True:
            trouble = await self._look(everywhere=True)
            if self._box is None or trouble in {"", ABSENT}:
                return
            if trouble != told:
                told = trouble
                whose = f"messages of {self._service.id}"
                self._context.emit(
                    Trouble(message=f"{whose} are not sent while their mailbox cannot be read: {trouble}")
                )
            await self._context.clock.sleep(LOOKS[-1])

    # --- sending ------------------------------------------------------------------------------------------------------

    async def _send_on(self, through: Side) -> None:
        clock = self._context.clock
        while True:
            began = clock.monotonic()
            await self._send(through)
            await clock.sleep(max(0.1, self._token.every - (clock.monotonic() - began)))

    async def _send(self, through: Side) -> None:
        """One message, tried again while the server puts it off (greylisting), within its time."""
        context, spec, token = self._context, self._token, new_token()
        tell = partial(TokenSeen, service=self._service.id, through=through, token=token)
        host = host_at(context.plan, through, self._service.id)
        if not host or not context.plan.hosts[host].address:
            context.emit(tell(state="refused", detail=f"the plan gives no address of a host that is {through}"))
            return
        address, clock = context.plan.hosts[host].address, context.clock
        content = written(token, spec.sender, spec.to, clock.utc())
        began, pause = clock.monotonic(), max(0.5, min(5.0, spec.timeout / 10))
        while True:
            left = began + spec.timeout - clock.monotonic()
            async with context.most:
                handed = await hand_over(address, spec.port, spec.sender, spec.to, content, max(1.0, min(30.0, left)))
            if handed.state != "later" or clock.monotonic() + pause - began > spec.timeout:
                break
            await clock.sleep(pause)
            pause = min(pause * 2, 60.0)
        took = round(clock.monotonic() - began, 3)
        self._delay.sent += 1
        if handed.state in {"refused", "later"}:
            how = "" if handed.state == "refused" else f"not taken within {spec.timeout:g} s: "
            self._delay.lost += 1
            context.emit(tell(state="refused", took=took, detail=how + handed.detail))
            return
        now = clock.monotonic()
        self._out[token] = Sent(token=token, through=through, began=began, taken=now, handed=handed, missed=now)
        while len(self._out) > OUT:
            self._give_up(next(iter(self._out.values())), f"more than {OUT} messages are out")
        context.emit(tell(state="sent", took=took, detail=handed.detail))
        self._sent.set()

    # --- looking ------------------------------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        looks = 0
        while True:
            if not self._out:
                self._sent.clear()
                await self._sent.wait()
                looks = 0
            if self._sent.is_set():
                self._sent.clear()
                looks = 0
            await self._context.clock.sleep(LOOKS[min(looks, len(LOOKS) - 1)])
            looks += 1
            await self._look()

    async def _look(self, everywhere: bool = False) -> str:
        """One look into the mailbox on new, and into the others while a message is out (or `everywhere`). Returns why the
        mailbox on new could not be read, '' when it could."""
        context, now = self._context, self._context.clock.monotonic()
        oldest = min((sent.began for sent in self._out.values()), default=now)
        ask = partial(_asked, context, tuple(self._out), math.ceil((now - oldest) / 60) + 1)
        trouble = "the plan names no mailbox on new"
        if self._box is not None:
            look = await ask(self._box)
            trouble = look.trouble
            for token, header in look.ours.items():
                self._found(token, header)
        for box, reader in self._elsewhere if self._out or everywhere else ():
            for token in (await ask(reader)).ours:
                self._astray(token, box)
        self._waited(now, trouble)
        return trouble

    def _found(self, token: str, header: str) -> None:
        sent = self._out.pop(token, None)
        if sent is None:
            return
        now = self._context.clock.monotonic()
        way = hops(header)
        doubt = proven(way, sent.handed.server, sent.handed.queue_id)
        late = "late, " if sent.told_lost else ""
        self._delay.seen(sent.missed - sent.began, now - sent.began)
        self._context.emit(
            TokenSeen(
                service=self._service.id,
                through=sent.through,
                token=token,
                state="arrived",
                took=round(now - sent.began, 3),
                proven=not doubt,
                path=tuple(hop.by or hop.from_ or "?" for hop in way),
                detail=late + (f"but its way is not proven: {doubt}" if doubt else f"by way of {sent.handed.server}"),
            )
        )
        self._context.emit(self._delay.event(*self._longest(now)))

    def _astray(self, token: str, box: Mailbox) -> None:
        """A message of ours that lies in another mailbox than the one on new."""
        sent = self._out.pop(token, None)
        if sent is None:
            return
        where, now = f"it lies in {box.path} on {box.host}", self._context.clock.monotonic()
        self._delay.seen(sent.missed - sent.began, now - sent.began)
        if sent.told_lost:
            self._context.emit(Trouble(message=f"{token}, which was told as lost: {where}"))
        else:
            self._lost(sent, where)
        self._context.emit(self._delay.event(*self._longest(now)))

    def _give_up(self, sent: Sent, why: str) -> None:
        """A message that is not looked for any more: it took as long as it was looked for, at the least."""
        now = self._context.clock.monotonic()
        del self._out[sent.token]
        self._delay.seen(sent.missed - sent.began, now - sent.began)
        if not sent.told_lost:
            self._lost(sent, why)
        self._context.emit(self._delay.event(*self._longest(now)))

    def _waited(self, looked: float, trouble: str) -> None:
        """What a look that began at `looked` did not find."""
        now = self._context.clock.monotonic()
        for sent in tuple(self._out.values()):
            if sent.taken < looked and not trouble:
                sent.missed = max(sent.missed, looked)
            if not sent.told_lost and now - sent.began > self._token.timeout:
                sent.told_lost = True
                where = self._token.mailbox
                said = (
                    f"not in {where.path} on {where.host} after {now - sent.began:.0f} s" if where is not None else ""
                )
                self._lost(sent, "; ".join(word for word in (said, trouble) if word))
            if now - sent.began > LATE:
                self._give_up(sent, f"not there after {LATE:.0f} s")
        if self._out:
            self._context.emit(self._delay.event(*self._longest(now)))

    def _lost(self, sent: Sent, detail: str) -> None:
        self._delay.lost += 1
        now = self._context.clock.monotonic()
        self._context.emit(
            TokenSeen(
                service=self._service.id,
                through=sent.through,
                token=sent.token,
                state="lost",
                took=round(now - sent.began, 3),
                detail=f"{detail}; the server said {sent.handed.detail}",
            )
        )

    def _longest(self, now: float) -> tuple[float, bool]:
        out = self._out.values()
        return max((now - sent.began for sent in out), default=0.0), any(sent.told_lost for sent in out)


async def _asked(context: Context, tokens: tuple[str, ...], recent: int, box: Box) -> Look:
    return await box.look(context.on_host, PATIENCE, tokens=tokens, recent=recent)
