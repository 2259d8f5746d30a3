"""Zones that a provider keeps: octoDNS and dns-lexicon as they are installed, and commands of the operator's own, over BIND."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from cockpit.clock import SystemClock
from cockpit.engine.ports import Call, Outcome
from cockpit.events import Event, StepOutput
from cockpit.plan.model import Op, Step
from cockpit.plan.zones import Dns, DnsChange, DnsTtl, Provider, RecordSet
from cockpit.probes.dns.held import Held
from cockpit.probes.dns.stores import StoreError, store_of
from cockpit.probes.dns.update import DnsHands
from tests.real.named import Named, needs_named, running

pytestmark = needs_named

ZONE = """$ORIGIN kept.test.
$TTL 3600
@ 3600 IN SOA ns1.kept.test. hostmaster.kept.test. 1 3600 600 86400 30
@ 3600 IN NS ns1.kept.test.
@ 1801 IN MX 10 mail.old.example.
@ 1801 IN MX 20 mail2.old.example.
ns1 3600 IN A 127.0.0.1
www 271 IN A 192.0.2.10
www 271 IN A 192.0.2.11
txt 77 IN TXT "kept as it is"
"""
WWW = RecordSet(name="www.kept.test", type="A", old=("192.0.2.10", "192.0.2.11"), new=("203.0.113.1",), ttl=60)
MX = RecordSet(
    name="kept.test", type="MX", old=("10 mail.old.example.", "20 mail2.old.example."), new=("5 mx.new.example.",)
)
TXT = RecordSet(name="txt.kept.test", type="TXT", old=("kept as it is",), new=("v=new all",))
FRESH = RecordSet(name="fresh.kept.test", type="A", old=(), new=("203.0.113.9",), ttl=33)


class Doing:
    """The hands on a step over a kept zone."""

    def __init__(self, zone: Dns, action: DnsChange | DnsTtl, secrets: dict[str, str] | None = None) -> None:
        self.hands = DnsHands(zone, SystemClock(), secrets or {})
        kind = "dns" if isinstance(action, DnsChange) else "ttl"
        self.step = Step(ref="s/a", id="a", service="s", phase="switch", kind=kind, action=action, timeout=20)
        self.captured: dict[str, str] = {}
        self.told: list[Event] = []

    async def __call__(self, op: Op) -> Outcome:
        call = Call(step=self.step, op=op, attempt=1, job=f"j.{op}", captured=self.captured)
        outcome = await self.hands.act(call, self.told.append)
        if outcome.captured:
            self.captured = outcome.captured
        return outcome

    def said(self) -> str:
        return "\n".join(line for event in self.told if isinstance(event, StepOutput) for line in event.lines)


async def there_and_back(server: Named, doing: Doing, before: str) -> None:
    """What every kind of provider must do."""
    assert (await doing("probe")).verdict == "no"
    captured = await doing("capture")
    assert captured.verdict == "ok", captured
    applied = await doing("apply")
    assert applied.verdict == "ok", applied
    assert "not atomic" in doing.said()
    assert (await doing("verify")).verdict == "ok"
    assert (await doing("probe")).verdict == "ok"
    undone = await doing("undo")
    assert undone.verdict == "ok", undone
    back = await doing("verify_undo")
    assert back.verdict == "ok", back
    until = time.monotonic() + 10
    while server.whole() != before and time.monotonic() < until:
        await asyncio.sleep(0.1)
    assert server.whole() == before


@pytest.fixture
def bind(tmp_path: Path) -> Iterator[Named]:
    """Its zone takes updates."""
    with running(tmp_path / "named", "kept.test", ZONE) as server:
        yield server


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[Named]:
    """Its zone is a file, as the provider writes it."""
    with running(tmp_path / "named", "kept.test", ZONE, updates=False, more="max-zone-ttl unlimited;") as server:
        yield server


@contextlib.asynccontextmanager
async def followed(server: Named) -> AsyncIterator[None]:
    """What a provider does by itself: its servers take over what was written."""

    async def follow() -> None:
        file, seen = server.folder / "zone.db", 0
        while True:
            now = file.stat().st_mtime_ns
            if now != seen:
                os.utime(file, (time.time() + 2, time.time() + 2))
                seen = file.stat().st_mtime_ns
                server.reload()
            await asyncio.sleep(0.3)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def by_octodns(server: Named) -> Dns:
    options = {"host": server.address, "port": str(server.port), "key_name": "cutover", "key_algorithm": "hmac-sha256"}
    provider = Provider(
        kind="octodns", name="octodns_bind.Rfc2136Provider", options=options, secrets={"key_secret": "tsig"}
    )
    return server.plan(provider=provider, tsig=None)


def secret(server: Named) -> dict[str, str]:
    return {"tsig": server.key.read_text().strip().partition(":")[2]}


async def test_octodns_takes_sets_there_and_back(bind: Named) -> None:
    change = DnsChange(record=WWW, more=(MX, TXT, FRESH), atomic=False)
    await there_and_back(bind, Doing(by_octodns(bind), change, secret(bind)), bind.whole())


async def test_octodns_lowers_a_ttl_and_waits_for_the_old_one(bind: Named) -> None:
    before = bind.whole()
    doing = Doing(by_octodns(bind), DnsTtl(names=(("www.kept.test", "A"),), to=5, atomic=False), secret(bind))
    await doing("capture")
    assert (await doing("apply")).verdict == "ok"
    waiting = await doing("verify")
    assert (waiting.verdict, "old TTL of 271 s" in waiting.detail) == ("wait", True)
    assert (await doing("undo")).verdict == "ok"
    assert bind.whole() == before


async def test_what_is_not_expected_is_not_written(bind: Named) -> None:
    before = bind.whole()
    wrong = RecordSet(name="www.kept.test", type="A", old=("192.0.2.99",), new=("203.0.113.1",))
    outcome = await Doing(by_octodns(bind), DnsChange(record=TXT, more=(wrong,)), secret(bind))("apply")
    assert outcome.verdict == "failed"
    assert "does not hold what the plan expects, so nothing was written; it holds" in outcome.detail
    assert bind.whole() == before


async def test_a_provider_that_does_not_answer_is_a_sentence(bind: Named) -> None:
    bind.stop()
    outcome = await Doing(by_octodns(bind), DnsChange(record=WWW), secret(bind))("apply")
    assert outcome.verdict == "unknown"
    assert "cannot be read" in outcome.detail
    assert "nothing was written" in outcome.detail


async def test_octodns_over_a_zone_file_changes_one_set_of_it(filed: Named) -> None:
    options = {"directory": str(filed.folder), "file_extension": "."}
    provider = Provider(kind="octodns", name="octodns_bind.ZoneFileProvider", options=options)
    (filed.folder / "kept.test.").write_text(ZONE)
    store = store_of(filed.plan(), provider, {})
    assert await store.read([("www.kept.test", "A")], 10) == [
        Held(name="www.kept.test", type="A", values=("192.0.2.10", "192.0.2.11"), ttl=271)
    ]
    outcome = await Doing(filed.plan(provider=provider), DnsChange(record=WWW))("apply")
    assert outcome.verdict == "ok", outcome
    after = {(one.name, one.type): one for one in await store_of(filed.plan(), provider, {}).everything(10)}
    assert after["www.kept.test", "A"].values == ("203.0.113.1",)
    assert after["kept.test", "MX"].values == ("10 mail.old.example.", "20 mail2.old.example.")


def by_lexicon(server: Named) -> Dns:
    provider = Provider(kind="lexicon", name="localzone", options={"filename": str(server.folder / "zone.db")})
    return server.plan(provider=provider)


async def test_lexicon_takes_sets_there_and_back(filed: Named) -> None:
    async with followed(filed):
        change = DnsChange(record=WWW, more=(TXT, FRESH), atomic=False)
        await there_and_back(filed, Doing(by_lexicon(filed), change), filed.whole())


async def test_lexicon_lists_the_whole_zone(filed: Named) -> None:
    zone = by_lexicon(filed)
    assert zone.provider is not None
    found = {
        (one.name, one.type): (one.values, one.ttl) for one in await store_of(zone, zone.provider, {}).everything(10)
    }
    assert found["www.kept.test", "A"] == (("192.0.2.10", "192.0.2.11"), 271)
    assert found["txt.kept.test", "TXT"] == (("kept as it is",), 77)


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        (Provider(kind="octodns", name="octodns_nowhere.Provider"), "there is no octoDNS provider octodns_nowhere.Provider: pip install"),
        (Provider(kind="octodns", name="octodns_bind.Rfc2136Provider"), "octodns_bind.Rfc2136Provider cannot be used: "),
        (Provider(kind="lexicon", name="nowhere"), "dns-lexicon cannot use provider nowhere"),
        (Provider(kind="lexicon", name="localzone", options={"filename": "/nonexistent"}), "localzone cannot be read: "),
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_a_sentence(provider: Provider, why: str) -> None:
    zone = Dns(zone="kept.test", primary="127.0.0.1")
    with pytest.raises(StoreError) as told:
        await store_of(zone, provider, {}).read([("www.kept.test", "A")], 10)
    assert str(told.value).startswith(why), told.value


def by_command(server: Named, **texts: str) -> Dns:
    """The operator's own shell: dig to read, nsupdate to write."""
    sign = "-y hmac-sha256:cutover:$key"
    dig = f"dig @{server.address} -p {server.port} +noall +answer {sign}"
    read = f'{dig} "$name" "$type" | while read -r _ ttl _ type value; do [ "$type" != "${{type}}" ] || echo "$ttl $value"; done'
    write = (
        f'{{ echo "server {server.address} {server.port}"; echo "zone $zone"; echo "update delete $name. $type";'
        f'while read -r ttl value; do echo "update add $name. $ttl $type $value"; done; echo send; }} | nsupdate {sign}'
    )
    given = {"read": read, "write": write, "list": f'{dig} AXFR "$zone"', **texts}
    return server.plan(provider=Provider(kind="command", secrets={"key": "tsig"}, **given))


async def test_commands_of_ones_own_take_sets_there_and_back(bind: Named) -> None:
    change = DnsChange(record=WWW, more=(MX, FRESH), atomic=False)
    await there_and_back(bind, Doing(by_command(bind), change, secret(bind)), bind.whole())


async def test_a_command_that_hangs_is_killed_with_all_it_started_and_leaves_it_unknown(
    bind: Named, tmp_path: Path
) -> None:
    write = f"(sleep 60; touch {tmp_path}/late) & echo $! >{tmp_path}/pid; sleep 60"
    doing = Doing(by_command(bind, write=write), DnsChange(record=WWW), secret(bind))
    doing.step = Step(ref="s/a", id="a", service="s", phase="switch", kind="dns", action=doing.step.action, timeout=1.0)
    outcome = await doing("apply")
    assert outcome.verdict == "unknown", outcome
    assert "write did not end within 1 s and was killed" in outcome.detail
    child = int((tmp_path / "pid").read_text())
    status = Path(f"/proc/{child}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


async def test_a_command_that_floods_is_cut_off(bind: Named) -> None:
    doing = Doing(by_command(bind, read="yes '300 192.0.2.10'"), DnsChange(record=WWW), secret(bind))
    outcome = await doing("probe")
    assert outcome.verdict == "unknown"
    assert "read ended with -9" in outcome.detail


async def test_a_command_that_refuses_is_quoted_and_leaves_it_unknown(
    bind: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.probes.dns.provider.SETTLING", 0.5)
    zone = by_command(bind, write="echo 'quota \033[31mexceeded' >&2; exit 3")
    outcome = await Doing(zone, DnsChange(record=WWW), secret(bind))("apply")
    assert outcome.verdict == "unknown"
    assert "write ended with 3: quota exceeded; it holds www.kept.test A: 192.0.2.10 192.0.2.11" in outcome.detail


LATER = (
    "tmp=$(mktemp); cat >$tmp; setsid sh -c 'sleep 2; sh -c \"$write\" <$0; rm $0' $tmp </dev/null >/dev/null 2>&1 &"
    "sleep 0.3; echo 502 >&2; exit 1"
)
"""Its request is carried out by a session of its own, after the error."""


async def test_a_write_that_errors_and_takes_effect_later_is_read_back(bind: Named) -> None:
    zone = by_command(bind)
    assert zone.provider is not None
    provider = msgspec.structs.replace(zone.provider, options={"write": zone.provider.write}, write=LATER)
    doing = Doing(msgspec.structs.replace(zone, provider=provider), DnsChange(record=WWW), secret(bind))
    outcome = await doing("apply")
    assert outcome.verdict == "ok", outcome
    assert "write ended with 1: 502; all the same it reads back as wanted" in outcome.detail


async def test_a_library_that_errors_once_it_writes_leaves_it_unknown(
    bind: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.probes.dns.provider.SETTLING", 0.5)

    def broken(self: object, plan: object) -> None:
        raise ConnectionResetError("cut off")

    monkeypatch.setattr("octodns_bind.Rfc2136Provider.apply", broken)
    outcome = await Doing(by_octodns(bind), DnsChange(record=WWW), secret(bind))("apply")
    assert outcome.verdict == "unknown", outcome
    assert "did not take www.kept.test A: cut off; it holds" in outcome.detail


async def test_what_fails_before_anything_is_written_changed_nothing(
    bind: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, desired: object) -> None:
        raise ValueError("no plan")

    monkeypatch.setattr("octodns_bind.Rfc2136Provider.plan", broken)
    outcome = await Doing(by_octodns(bind), DnsChange(record=WWW), secret(bind))("apply")
    assert outcome.verdict == "failed", outcome
    assert outcome.detail.endswith("nothing was changed")


async def test_a_write_that_is_taken_and_never_seen_is_unknown(bind: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.probes.dns.provider.SETTLING", 0.5)
    outcome = await Doing(by_command(bind, write="cat >/dev/null"), DnsChange(record=WWW), secret(bind))("apply")
    assert outcome.verdict == "unknown", outcome
    assert "written, but it does not read back as wanted" in outcome.detail
