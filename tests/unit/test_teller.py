"""What of a watch's answers becomes an event."""

from __future__ import annotations

from cockpit import events as ev
from cockpit.plan.zones import Dns
from cockpit.probes.dns.ask import Asker
from cockpit.probes.dns.desk import Desk
from cockpit.probes.dns.horizon import Horizon
from cockpit.probes.dns.teller import Teller


class Still:
    """A clock that stands."""

    def utc(self) -> float:
        return 1000.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing sleeps here")


def teller() -> tuple[Teller, list[ev.Event]]:
    told: list[ev.Event] = []
    return Teller(Desk(Dns(zone="x.test", primary="ns1"), Asker(), told.append, Still())), told


def test_a_horizon_that_is_not_known_yet_is_told_at_first_and_once() -> None:
    made, told = teller()
    for at in (0.0, 0.0, 500.0, 500.1):
        made.horizon("osf", "a.x.test", "A", Horizon(at), ())
    assert [event.at for event in told if isinstance(event, ev.HorizonSeen)] == [0.0, 500.0]


def test_a_server_that_is_asked_in_two_roles_is_told_of_once_in_each() -> None:
    made, told = teller()
    for _ in range(5):
        for role in ("primary", "resolver"):
            made.seen(ev.DnsSeen(service="osf", name="a.x.test", type="A", vantage="ns1", role=role, state="new"))  # type: ignore[arg-type]
    assert [event.role for event in told if isinstance(event, ev.DnsSeen)] == ["primary", "resolver"]
