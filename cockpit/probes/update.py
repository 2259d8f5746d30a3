"""Changing a record set as compare-and-swap: an RFC 2136 update under TSIG whose prerequisites demand the expected values."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.exception
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from cockpit.clock import Clock
from cockpit.engine.ports import Call, Outcome, Say
from cockpit.events import StepOutput, StepProgress
from cockpit.plan.model import Dns, DnsChange, RecordSet, Tsig
from cockpit.probes.classify import classify
from cockpit.probes.resolve import Answer, ask, endpoint, record_data
from cockpit.text import harmless

WORDS = {
    "NXRRSET": "the primary does not hold the values that the plan expects, so nothing was changed",
    "NOTAUTH": "the server is not authoritative for the zone, or does not know the key",
    "NOTZONE": "the name is not in the zone",
    "REFUSED": "the server's policy does not allow this key to change the name",
    "BADKEY": "the server does not know this TSIG key",
    "BADSIG": "the TSIG key's secret is another one on the server",
    "BADTIME": "the clocks of this machine and of the server are too far apart for TSIG",
    "SERVFAIL": "the server failed to carry out the update",
}
"""Refusals in words (RFC 2136 §2.2, RFC 8945 §5.3)."""


class DnsHands:
    """Carries out the ops of `dns` steps."""

    def __init__(self, zone: Dns | None, clock: Clock) -> None:
        self._zone = zone
        self._clock = clock

    async def act(self, call: Call, say: Say) -> Outcome:
        zone, action = self._zone, call.step.action
        assert isinstance(action, DnsChange)
        if zone is None:
            return Outcome(verdict="failed", detail="the plan names no zone to change")
        record = action.record
        match call.op:
            case "probe":
                return await self._probe(zone, record)
            case "capture":
                return await self._capture(zone, record)
            case "apply":
                ttl = record.ttl or int(call.captured.get("ttl", "0")) or 300
                return await self._swap(call, zone, record, record.old, record.new, ttl, say)
            case "undo":
                ttl = int(call.captured.get("ttl", "0")) or record.ttl or 300
                return await self._swap(call, zone, record, record.new, record.old, ttl, say)
            case "verify":
                return await self._all_serve(call, zone, record, record.new, say)
            case "verify_undo":
                return await self._all_serve(call, zone, record, record.old, say)

    async def recall(self, call: Call, say: Say) -> Outcome:
        """A swap leaves no job behind: what the primary holds now says whether it happened."""
        action = call.step.action
        assert isinstance(action, DnsChange)
        if self._zone is None:
            return Outcome(verdict="unknown", detail="the plan names no zone")
        answer = await self._primary(self._zone, action.record)
        if not answer.rcode:
            return Outcome(verdict="unknown", detail=f"the primary does not answer: {answer.trouble}")
        now = classify(answer, action.record.old, action.record.new, authority=True)
        wanted = "new" if call.op == "apply" else "old"
        return Outcome(verdict="ok", detail="the swap had happened") if now == wanted else Outcome(verdict="nothing")

    async def _primary(self, zone: Dns, record: RecordSet) -> Answer:
        return await ask(zone.primary, record.name, record.type, recurse=False)

    async def _probe(self, zone: Dns, record: RecordSet) -> Outcome:
        answer = await self._primary(zone, record)
        if not answer.rcode:
            return Outcome(verdict="unknown", detail=f"{zone.primary} does not answer: {answer.trouble}")
        state = classify(answer, record.old, record.new, authority=True)
        said = f"the primary serves {', '.join(answer.values) or answer.rcode}"
        return Outcome(verdict="ok" if state == "new" else "no", detail=said)

    async def _capture(self, zone: Dns, record: RecordSet) -> Outcome:
        answer = await self._primary(zone, record)
        if not answer.rcode:
            return Outcome(verdict="unknown", detail=f"{zone.primary} does not answer: {answer.trouble}")
        return Outcome(
            verdict="ok",
            captured={"ttl": str(max(answer.ttl, 0)), "values": " ".join(answer.values), "serial": str(answer.serial)},
        )

    async def _swap(
        self,
        call: Call,
        zone: Dns,
        record: RecordSet,
        was: tuple[str, ...],
        becomes: tuple[str, ...],
        ttl: int,
        say: Say,
    ) -> Outcome:
        try:
            update = _message(zone, record, was, becomes, ttl)
        except (OSError, ValueError, dns.exception.DNSException) as error:
            return Outcome(verdict="failed", detail=f"the update cannot be made: {harmless(str(error), 200)}")
        address, port = endpoint(zone.primary)
        try:
            response = await dns.asyncquery.tcp(update, address, 5.0, port)
            code = dns.rcode.to_text(response.rcode())
        except dns.tsig.PeerError as error:
            code = {"PeerBadKey": "BADKEY", "PeerBadSignature": "BADSIG", "PeerBadTime": "BADTIME"}.get(
                type(error).__name__, "NOTAUTH"
            )
        except dns.exception.FormError as error:
            if await self._holds(zone, record, was):
                why = "its answer is not signed: does it know this key, and is it the zone's primary?"
                return Outcome(verdict="failed", detail=f"{zone.primary} changed nothing, and {why}")
            return await self._after_a_lost_reply(zone, record, becomes, harmless(str(error), 200))
        except (dns.exception.DNSException, OSError, EOFError) as error:
            return await self._after_a_lost_reply(zone, record, becomes, harmless(str(error), 200))
        say(
            StepOutput(
                ref=call.step.ref,
                attempt=call.attempt,
                op=call.op,
                stream="out",
                lines=(f"update {record.name} {record.type} {' '.join(was)} → {' '.join(becomes)} ttl {ttl}: {code}",),
            )
        )
        if code == "NOERROR":
            return Outcome(
                verdict="ok", detail=f"{code}: {record.name} {record.type} is {', '.join(becomes)} on the primary"
            )
        if code == "NXRRSET" and await self._holds(zone, record, becomes):
            return Outcome(verdict="ok", detail="the primary holds the values already: the swap had happened")
        return Outcome(verdict="failed", detail=f"{code}: {WORDS.get(code, 'the server refused the update')}")

    async def _after_a_lost_reply(self, zone: Dns, record: RecordSet, becomes: tuple[str, ...], why: str) -> Outcome:
        if await self._holds(zone, record, becomes):
            return Outcome(verdict="ok", detail=f"the reply was lost ({why}), and the primary holds the new values")
        return Outcome(verdict="unknown", detail=f"the primary's reply was lost: {why}")

    async def _holds(self, zone: Dns, record: RecordSet, values: tuple[str, ...]) -> bool:
        answer = await self._primary(zone, record)
        return _serves(answer, values)

    async def _all_serve(self, call: Call, zone: Dns, record: RecordSet, values: tuple[str, ...], say: Say) -> Outcome:
        servers = tuple(dict.fromkeys((zone.primary, *zone.authorities)))
        deadline = time.monotonic() + call.step.timeout
        told = -1
        while True:
            answers = await asyncio.gather(
                *(ask(server, record.name, record.type, recurse=False) for server in servers)
            )
            good = sum(_serves(answer, values) for answer in answers)
            said = f"{good} of {len(servers)} authorities serve {', '.join(values) or 'no such record'}"
            if good == len(servers):
                return Outcome(verdict="ok", detail=said)
            if good != told:
                told = good
                say(StepProgress(ref=call.step.ref, fraction=good / len(servers), detail=said))
            if time.monotonic() > deadline:
                return Outcome(verdict="no", detail=said)
            await asyncio.sleep(0.2)


def _serves(answer: Answer, values: tuple[str, ...]) -> bool:
    return classify(answer, (), values, authority=True) == "new"


def keyring_of(tsig: Tsig) -> tuple[dict[dns.name.Name, Any], dns.name.Name]:
    """The plan's TSIG key as dnspython takes it, and its algorithm. Raises OSError and ValueError."""
    text = Path(tsig.file).read_text().strip()
    algorithm, colon, secret = text.rpartition(":")
    ring = dns.tsigkeyring.from_text({tsig.name: secret.strip()})
    return ring, dns.name.from_text(algorithm if colon else tsig.algorithm)


def _message(
    zone: Dns, record: RecordSet, was: tuple[str, ...], becomes: tuple[str, ...], ttl: int
) -> dns.update.UpdateMessage:
    """The update: prerequisites on the exact values that are there (RFC 2136 §2.4.2), then the replacement."""
    keyring, algorithm = keyring_of(zone.tsig) if zone.tsig is not None else (None, None)
    update = dns.update.UpdateMessage(
        zone.zone,
        keyring=keyring,
        keyname=dns.name.from_text(zone.tsig.name) if zone.tsig else None,
        keyalgorithm=algorithm or dns.tsig.default_algorithm,
    )
    name = dns.name.from_text(record.name)
    if was:
        update.present(name, *(record_data(record.type, value) for value in was))
    else:
        update.absent(name, record.type)
    if becomes:
        update.replace(name, ttl, *(record_data(record.type, value) for value in becomes))
    else:
        update.delete(name, record.type)
    return update
