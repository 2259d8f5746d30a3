"""A lowered TTL under an honest resolver: the wait ends no earlier than the last cache that holds the old one, and a run that was
killed meanwhile waits as long."""

from __future__ import annotations

import asyncio
import time

import msgspec

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.lab import Lab
from cockpit.plan.model import Op, Step
from cockpit.plan.zones import DnsTtl
from cockpit.probes.dns.ask import ask
from cockpit.probes.dns.update import DnsHands
from tests.probes.test_dns import zone_of

NAME, TO = "osf.karl.test", 2


async def test_no_honest_cache_holds_the_old_ttl_once_the_wait_is_over(lab: Lab) -> None:
    zone = zone_of(lab)
    hands = DnsHands(zone, SystemClock())
    step = Step(
        ref="osf/ttl", id="ttl", service="osf", phase="prepare", kind="ttl", action=DnsTtl(names=((NAME, "A"),), to=TO)
    )
    captured: dict[str, str] = {}
    longer = [0.0]
    """When a cache last had more left than the new TTL."""

    async def sample() -> None:
        while True:
            for resolver in zone.resolvers[:2]:
                answer = await ask(resolver, NAME, "A", recurse=True)
                if answer.ttl > TO:
                    longer[0] = time.time()
            await asyncio.sleep(0.05)

    async def act(op: Op) -> Outcome:
        return await hands.act(Call(step=step, op=op, attempt=1, job="j", captured=captured), lambda event: None)

    sampling = asyncio.create_task(sample())
    try:
        captured = (await act("capture")).captured
        assert captured["longest"] == "5"
        await act("apply")
        waiting = await act("verify")
        assert waiting.verdict == "wait"
        # The process is another one from here on: it has what is in the journal.
        hands = DnsHands(zone, SystemClock())
        captured = waiting.captured
        resumed = await act("verify")
        assert (resumed.verdict, resumed.until) == ("wait", waiting.until)
        await asyncio.sleep(max(0.0, waiting.until - time.time()) + 0.1)
        over = await act("verify")
        assert over.verdict == "ok", over
        assert "the old TTL of 5 s has passed everywhere" in over.detail
        await asyncio.sleep(1)
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
    assert 0 < longer[0] <= waiting.until


async def test_an_authority_that_lags_holds_the_wait_back(lab: Lab) -> None:
    zone = zone_of(lab)
    hands = DnsHands(zone, SystemClock())
    step = Step(
        ref="osf/ttl", id="ttl", service="osf", phase="prepare", kind="ttl", timeout=1.0,
        action=DnsTtl(names=((NAME, "A"),), to=TO),
    )  # fmt: skip
    found = await hands.act(Call(step=step, op="capture", attempt=1, job="j"), lambda event: None)
    assert found.verdict == "ok", found
    await lab.kill("dns-secondary-2")
    call = Call(step=step, op="apply", attempt=1, job="j", captured=found.captured)
    assert (await hands.act(call, lambda event: None)).verdict == "ok"
    verified = await hands.act(msgspec.structs.replace(call, op="verify"), lambda event: None)
    assert verified.verdict == "no"
    assert zone.authorities[-1] in verified.detail
