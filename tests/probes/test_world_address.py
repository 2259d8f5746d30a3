"""Where the world's requests go when resolvers are dead, odd or absent, and what is said when they go nowhere."""

from __future__ import annotations

import pytest

from cockpit.plan.model import Plan
from cockpit.plan.zones import Dns
from cockpit.probes import world
from cockpit.probes.dns.ask import Asker
from cockpit.probes.world import Found, found_at, in_the_world, world_address
from tests.probes.naming import NAME, NEW, ZONE, Stub, says, silence


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "RESOLVING", 0.2)


def plan(*resolvers: str) -> Plan:
    return Plan(name="p", hash="0", dns=Dns(zone=ZONE, primary="127.0.0.1:1", resolvers=resolvers))


async def test_a_dead_resolver_does_not_make_the_world_look_dead() -> None:
    dead = Stub()
    dead.says["A"] = silence
    await dead.server.start()
    try:
        assert await world_address(plan(dead.at), "https://localhost/") == "127.0.0.1"
    finally:
        await dead.server.stop()


async def test_that_nobody_answers_is_another_thing_than_that_there_is_no_address() -> None:
    stub = Stub()
    stub.says["A"] = stub.says["AAAA"] = silence
    await stub.server.start()
    try:
        found = await in_the_world(plan(stub.at), f"https://{NAME}/")
        assert found.address == ""
        assert found.why.startswith(f"no resolver answers: {stub.at}: ")
        assert "this machine: " in found.why
        stub.says["A"] = stub.says["AAAA"] = says(rcode="NXDOMAIN", negative=5)
        assert await in_the_world(plan(stub.at), f"https://{NAME}/") == Found("", "the name has no address")
        assert await found_at(plan(stub.at), f"https://{NAME}/", "world", family="6") == Found(
            "", "the name has no IPv6 address"
        )
        # What this machine knows is not asked where a resolver of the plan has answered.
        assert await world_address(plan(stub.at), "https://localhost/") == ""
    finally:
        await stub.server.stop()


async def test_a_kept_asker_is_the_one_that_asks() -> None:
    stub = Stub()
    stub.says["A"] = says(*NEW)
    await stub.server.start()
    try:
        async with Asker() as asker:
            assert await world_address(plan(stub.at), f"https://{NAME}/", asker=asker) == NEW[0]
            assert asker.kept == 1
    finally:
        await stub.server.stop()
