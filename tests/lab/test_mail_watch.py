"""Mail of the lab, watched as a conductor does it: over SSH, with the lab's own commands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from cockpit.clock import SystemClock
from cockpit.events import Event, Record, RunStarted
from cockpit.hosts.pool import HostPool, Unreachable
from cockpit.lab import Lab
from cockpit.lab.stages.karl import Karl
from cockpit.plan.load import load
from cockpit.plan.watched import Mail, Mailbox, Queue, Token
from cockpit.probes.context import Context, Said
from cockpit.probes.mail.watch import watches
from cockpit.reduce import fold
from cockpit.state import ServiceView


class Watched:
    """What is told of the mail of the lab's only client."""

    def __init__(self, lab: Lab) -> None:
        plan = load(lab.plan_path).plan
        assert plan is not None
        mail = Mail(
            token=Token(
                to="cutover-check@osf.karl.test",
                port=lab.where.smtp_port,
                every=30.0,
                mailbox=Mailbox(host="new", path="var/check/osf"),
            ),
            queues=(Queue(host="old", mta="postfix"), Queue(host="new", mta="postfix")),
            stragglers=(Mailbox(host="old", path="var/mail/osf/mbox"), Mailbox(host="old", path="var/check/osf")),
            every=0.5,
        )
        self.plan = replace(plan, services=(replace(plan.services[0], mail=mail),))
        self.pool = HostPool(plan.hosts, lambda event: None, SystemClock())
        self._records = [Record(seq=1, utc=time.time(), mono=0.0, actor="t", event=RunStarted(run="r", plan=self.plan))]
        self._state = fold(self._records)

    @property
    def view(self) -> ServiceView:
        return self._state.services["osf"]

    def take(self, event: Event) -> None:
        record = Record(seq=self._state.seq + 1, utc=time.time(), mono=0.0, actor="probe", event=event)  # type: ignore[arg-type]
        self._state = fold([record], self._state)

    async def on_host(self, host: str, script: str, timeout: float) -> Said:
        try:
            ran = await self.pool[host].run("exec sh -s", script.encode(), timeout)
        except (Unreachable, OSError) as error:
            return Said(None, str(error))
        return Said(ran.exit, ran.out.decode(), ran.err.decode())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        context = Context(self.plan, self.take, SystemClock(), self.on_host)
        tasks = [asyncio.create_task(self.pool.run())]
        tasks += [asyncio.ensure_future(watch.work()) for watch in watches(context)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, holds: object, seconds: float = 20.0) -> None:
        assert callable(holds)
        try:
            async with asyncio.timeout(seconds):
                while not holds(self.view):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.view.queues} {self.view.tokens} {self.view.stragglers}") from None


async def test_queues_messages_and_stragglers_of_the_lab_are_told_as_they_are(tmp_path: Path) -> None:
    async with Lab.open(Karl(("osf",)), tmp_path / "lab", traffic=False) as lab:
        (lab.new.home / "etc/mode/osf").write_text("maintenance\n")
        (lab.new.home / "etc/mail/hold/osf").write_text("held\n")
        watched = Watched(lab)
        async with watched.running():
            # New holds what comes, and old still delivers by itself.
            await watched.until(lambda view: (q := view.queues.get("new postfix")) and q.count == 1)
            assert watched.view.queues["new postfix"].reason == "held for the cutover"
            await watched.until(lambda view: (t := view.tokens.get("old")) and t.state == "lost")
            assert "it lies in var/check/osf on old" in watched.view.tokens["old"].detail
            assert watched.view.tokens["new"].state == "sent"
            (lab.new.home / "etc/mail/hold/osf").unlink()
            await watched.until(lambda view: view.tokens["new"].state == "arrived")
            assert watched.view.tokens["new"].path == (lab.new.fqdn,)
            await watched.until(lambda view: view.queues["new postfix"].count == 0)
            assert watched.view.queues["old postfix"].empty_since > 0
            assert watched.view.stragglers["old:var/check/osf"].since == 1
            assert watched.view.stragglers["old:var/mail/osf/mbox"].since == 0
