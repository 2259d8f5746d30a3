"""Verifications by a probe: it is asked anew, until it is good often enough or its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from cockpit.clock import SystemClock
from cockpit.plan.base import Vantage
from cockpit.plan.model import ProbeCheck
from cockpit.plan.watched import Expect, Family, Probe
from cockpit.probes.aside import Aside
from cockpit.probes.asking import Ask, HealthAsker
from cockpit.probes.checks import check_probe
from cockpit.probes.context import Context, Said
from cockpit.probes.seen import Seen
from tests.probes.beating import Told, plan_of, tcp
from tests.probes.wild import wild


async def test_a_verification_by_a_probe_asks_anew_until_it_is_good_often_enough() -> None:
    turn = iter([b"down\n", b"up\n", b"up\n", *[b"down\n"] * 1000])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(turn))

    async with wild(talk) as port:
        plan, told = plan_of(tcp(port, row=2, expect=Expect(status=0, body="up"))), Told()
        asker = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host))
        check = ProbeCheck(probe="port", at="old", timeout=8.0)
        assert await check_probe(check, asker, plan, "osf") == (True, "probe port at old: says up")
        held, said = await check_probe(msgspec.structs.replace(check, timeout=0.1), asker, plan, "osf")
    assert (held, said) == (False, "probe port at old: the server closed without 'up': down")


async def test_a_verification_by_a_probe_asks_the_vantages_that_its_conditions_name() -> None:
    probe = Probe(
        id="count",
        proto="command",
        target="wc -l",
        at=("old", "new"),
        expect=Expect(status=0, that=("number == old.number",)),
    )
    plan, told = plan_of(probe), Told()
    asker = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host))
    told.answer = lambda host: Said(0, "12\n" if host == "old" else "11\n")
    check = ProbeCheck(probe="count", at="new", timeout=0.1)
    held, said = await check_probe(check, asker, plan, "osf")
    assert (held, "old.number is 12" in said) == (False, True), said
    told.answer = lambda host: Said(0, "12\n")
    assert (await check_probe(check, asker, plan, "osf"))[0]


async def test_a_verification_by_a_probe_ends_when_its_time_is_over() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with wild(silent) as port:
        plan, told = plan_of(tcp(port, timeout=20.0, expect=Expect(status=0, body="up"))), Told()
        asker = HealthAsker(Context(plan, told.take, SystemClock(), told.on_host))
        async with asyncio.timeout(10):
            found = await check_probe(ProbeCheck(probe="port", at="old", timeout=0.3), asker, plan, "osf")
    assert found == (False, "probe port at old: no answer within 0.3 s")


async def test_a_verification_compares_each_family_with_its_own() -> None:
    asked: list[tuple[str, str]] = []

    class Asker:
        aside = Aside()

        def asking(self, service: str, probe: Probe, at: Vantage, family: Family) -> Ask:
            async def ask(others: Mapping[str, Mapping[str, str]]) -> Seen:
                if at == "new":
                    asked.append((family, others["old"]["via"]))
                return Seen(ok=True, facts={"via": f"old over {family}"})

            return ask

    plan = plan_of(tcp(1, family="each", expect=Expect(status=0, that=("via != old.via",))))
    check = ProbeCheck(probe="port", at="new", timeout=2.0)
    assert (await check_probe(check, Asker(), plan, "osf"))[0]  # type: ignore[arg-type]
    assert sorted(asked) == [("4", "old over 4"), ("6", "old over 6")]
