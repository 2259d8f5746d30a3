"""Requests counted from lines: whose they are, how many a second, and where a resumed run goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cockpit.clock import Clock
from cockpit.events import Event, Record, TrafficSeen, Trouble
from cockpit.hosts.frames import Frame
from cockpit.hosts.hearing import Hearer
from cockpit.plan.accesslog import Hit
from cockpit.plan.model import Host, Log, Plan, Service
from cockpit.plan.watched import Traffic
from cockpit.probes.traffic import LONGEST, Traffics, is_ours, source_address
from cockpit.reduce import reduce
from cockpit.state import RunState, ServiceView

FORMAT = "$host $remote_addr $status $http_user_agent"


class StillClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def utc(self) -> float:
        return self.now + 1e9

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def plan_of(**services: tuple[Traffic, ...]) -> Plan:
    hosts = {name: Host(id=name, ssh=name, role=name, address="127.0.0.1") for name in ("old", "new")}  # type: ignore[arg-type]
    made = tuple(Service(id=id, traffic=traffic) for id, traffic in services.items())
    return Plan(name="n", hash="", hosts=hosts, services=made)


class Night:
    """Traffic of a plan, its lines given by hand as a host's agent brings them."""

    def __init__(self, plan: Plan, before: RunState | None = None, clock: StillClock | None = None) -> None:
        self.clock = clock or StillClock()
        self.state = before or RunState(plan=plan, services={one.id: ServiceView(id=one.id) for one in plan.services})
        self.events: list[Event] = []
        clock_: Clock = self.clock
        self.traffic = Traffics(plan, self._take, clock_, before)
        self.heard = self.traffic.hearers

    def _take(self, event: Event) -> None:
        self.events.append(event)
        record = Record(seq=len(self.events), utc=self.clock.utc(), mono=self.clock.now, actor="probe", event=event)  # type: ignore[arg-type]
        self.state = reduce(self.state, record)

    def write(self, text: str, log: int = 0) -> None:
        """Bytes that came to a log, in one frame."""
        hearer, data = self.heard[log], text.encode()
        gens = hearer.position.generations
        at = max((gen.offset for gen in gens.values()), default=0)
        frame = Frame(
            kind="F",
            index=log,
            serial=max(gens, default=0),
            offset=at,
            data=data,
            seen=at + len(data),
            key="1:1",
            mtime=1,
        )
        hearer.take(hearer.position.take(frame), data)

    def beat(self, seconds: float = 1.0) -> None:
        """Time goes on, and hosts say that nothing else was written."""
        self.clock.now += seconds
        for hearer in self.heard:
            hearer.beat()
        self.traffic.tell()

    def last(self, service: str = "osf", host: str = "old") -> TrafficSeen:
        told = [event for event in self.events if isinstance(event, TrafficSeen)]
        return [event for event in told if (event.service, event.host) == (service, host)][-1]


OSF = Traffic(host="old", file="/a", format=FORMAT, match="^osf ")
WWF = Traffic(host="old", file="/a", format=FORMAT, match="^wwf ")


def line(service: str = "osf", agent: str = "Mozilla", status: str = "200") -> str:
    return f"{service} 192.0.2.7 {status} {agent}\n"


def begun(plan: Plan) -> Night:
    """The logs hold a line when the night begins."""
    night = Night(plan)
    for number, hearer in enumerate(night.heard):
        if hearer.log.file:
            night.write(line(), number)
    night.beat()
    return night


def test_what_stood_in_a_log_before_is_not_counted_and_a_line_under_way_is() -> None:
    night = Night(plan_of(osf=(OSF,)))
    night.write(line() * 5 + "osf 192.0.2.7 ")
    night.beat()
    assert night.last().total == 0
    night.write("200 Mozilla\n" + line())
    night.beat()
    assert (night.last().total, night.last().unread) == (2, 0)


def test_our_own_probes_are_no_clients() -> None:
    night = begun(plan_of(osf=(OSF,)))
    night.write(line() * 3 + line(agent="cockpit-probe") * 7)
    night.beat()
    assert night.last().total == 3
    assert night.last().rate == 3.0
    assert night.last().probes == 7.0


def test_where_the_log_has_no_agent_our_address_tells() -> None:
    ours = frozenset({"192.0.2.1"})
    assert is_ours(Hit(0, "192.0.2.1", ""), ours)
    assert not is_ours(Hit(0, "192.0.2.7", ""), ours)
    assert not is_ours(Hit(0, "192.0.2.1", "-"), ours)
    assert not is_ours(Hit(0, "192.0.2.1", "Mozilla"), ours)
    assert is_ours(Hit(0, "192.0.2.7", "cockpit-probe/1"), ours)
    assert source_address("127.0.0.1") == "127.0.0.1"
    assert source_address("nowhere") == ""


def test_a_rate_drains_and_is_told_until_it_is_nothing() -> None:
    night = begun(plan_of(osf=(OSF,)))
    rates = []
    for second in range(14):
        if second < 6:
            night.write(line() * 10)
        night.beat()
        rates.append(night.last().rate)
    assert rates[5] == 10.0
    assert rates[6:11] == [8.0, 6.0, 4.0, 2.0, 0.0]
    assert night.last().total == 60


def test_figures_of_a_silent_host_are_not_told() -> None:
    night = begun(plan_of(osf=(OSF,)))
    night.clock.now += 60
    count = len(night.events)
    night.traffic.tell()
    assert len(night.events) == count
    night.beat()
    assert len(night.events) == count + 1


def test_nothing_new_is_told_now_and_then_and_something_new_once_a_second() -> None:
    night = begun(plan_of(osf=(OSF,)))
    for _ in range(40):
        night.beat(0.25)
    assert len(night.events) == 3
    for _ in range(40):
        night.write(line())
        night.beat(0.25)
    assert len(night.events) == 13


def test_lines_that_the_format_does_not_fit_are_counted_with_the_last_of_them() -> None:
    night = begun(plan_of(osf=(OSF,), wwf=(WWF,)))
    night.write("osf is \x1b[31mno line\nosf 1.2.3.4 2000 x\nneither is this\n" + "osf " + "x" * (LONGEST * 2) + "\n")
    night.beat()
    seen = night.last()
    assert (seen.total, seen.unread) == (0, 3)
    assert seen.example.startswith("osf xxx")
    assert len(seen.example) < 400
    assert night.last("wwf").unread == 0


def test_a_unit_s_lines_lose_what_journald_puts_before_them() -> None:
    night = begun(plan_of(osf=(Traffic(host="old", unit="caddy", format="json"),)))
    hearer = night.heard[0]
    hearer.take(None, b'2026-11-21T21:41:07.000001+00:00 old caddy[12]: {"status":200,"remote_ip":"192.0.2.7"}\n')
    night.beat()
    assert (night.last().total, night.last().unread) == (1, 0)


def test_what_a_host_has_lost_is_told() -> None:
    night = begun(plan_of(osf=(OSF,)))
    night.heard[0].gap(4096)
    [trouble] = [event for event in night.events if isinstance(event, Trouble)]
    assert trouble.message == "old:/a: the host has lost at least 4096 bytes, whose requests are not counted"
    night.beat()
    assert night.last().lost == 4096
    resumed = Night(plan_of(osf=(OSF,)), night.state, night.clock)
    resumed.heard[0].gap(100)
    resumed.beat()
    assert resumed.last().lost == 4196


def test_several_logs_of_a_host_are_one_figure_of_the_service() -> None:
    night = begun(plan_of(osf=(OSF, Traffic(host="old", file="/b", format=FORMAT))))
    night.write(line() * 2)
    night.write(line() * 3, log=1)
    night.beat()
    assert night.last().total == 5
    assert set(night.last().marks) == {"/a", "/b"}


@given(
    st.lists(st.tuples(st.sampled_from(["osf", "wwf", "else"]), st.integers(1, 5), st.booleans()), max_size=30),
    st.data(),
)
def test_a_resumed_run_counts_every_line_once_wherever_each_service_had_come_to(
    writes: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """A crash loses the newest events: each service may have told of less than the other."""
    plan = plan_of(osf=(OSF,), wwf=(WWF,))
    night = begun(plan)
    kept = {"osf": night.last("osf"), "wwf": night.last("wwf")}
    whole = ""
    for service, count, told in writes:
        text = line(service) * count
        whole += text
        night.write(text)
        if told:
            night.beat()
            for each in kept:
                if data.draw(st.booleans()):
                    kept[each] = night.last(each)
    state = RunState(plan=plan, services={one.id: ServiceView(id=one.id) for one in plan.services})
    for event in kept.values():
        state = reduce(state, Record(seq=1, utc=1.0, mono=1.0, actor="probe", event=event))
    again = Night(plan, state, night.clock)
    [hearer] = again.heard
    at = max(gen.offset for gen in hearer.position.generations.values()) if hearer.position.generations else 0
    again.write((line() + whole)[at:] + line("osf"))
    again.beat(60)
    for service in kept:
        assert again.last(service).total == (whole + line("osf")).count(f"{service} ")


def test_a_hearer_takes_the_ear_s_word_for_no_position() -> None:
    class Ear:
        def hear(self, lines: list[bytes]) -> None:
            raise AssertionError(lines)

        def beat(self) -> None: ...

        def lost(self, size: int) -> None: ...

    hearer = Hearer(Log(host="old", file="/a"), Ear())
    assert hearer.word() == ""
    hearer.take(None, b"before\n")


def heard_at(utc: float) -> str:
    return f'{{"status":200,"remote_ip":"192.0.2.7","ts":{utc}}}\n'


JSON = Traffic(host="old", file="/a", format="json")


def test_a_client_came_when_its_line_was_heard_whatever_the_log_s_clock_says() -> None:
    night = begun(plan_of(osf=(JSON,)))
    for wrong in (-86400.0, 86400.0):
        night.write(heard_at(night.clock.utc() + wrong))
        night.beat()
        assert night.last().last == night.clock.utc() - 1


@given(st.floats(min_value=-1e6, max_value=1e6))
def test_what_is_caught_up_on_came_between_the_last_count_and_now_at_the_log_s_own_time(wrong: float) -> None:
    plan = plan_of(osf=(JSON,))
    night = begun(plan)
    night.write(heard_at(night.clock.utc()))
    night.beat()
    left = night.clock.utc()
    night.clock.now += 600
    again = Night(plan, night.state, night.clock)
    again.heard[0].position.orders(0, "/a", "")
    at = max(gen.offset for gen in again.heard[0].position.generations.values())
    text = line() + heard_at(left - 1) + heard_at(left + 300 + wrong)
    again.write(text[at:])
    again.beat()
    written = min(max(left + 300 + wrong, left), left + 600)
    assert abs(again.last().last - written) < 1e-3
    again.write(heard_at(5.0))
    again.beat()
    assert again.last().last == again.clock.utc() - 1, "it was heard as it came"


def test_a_log_that_cannot_be_read_is_told_and_is_no_quiet_one() -> None:
    night = begun(plan_of(osf=(OSF,)))
    night.beat()
    assert night.last().trouble == ""
    night.heard[0].trouble = "Permission denied"
    night.beat()
    assert night.last().trouble == "/a: Permission denied"
    view = night.state.services["osf"].traffic["old"]
    assert (view.trouble, view.since) == ("/a: Permission denied", view.utc)
    night.heard[0].trouble = ""
    night.beat()
    after = night.state.services["osf"].traffic["old"]
    assert (after.trouble, after.since) == ("", view.utc), "quiet counts from when it could not be read"


def test_a_log_that_was_never_there_proves_nothing() -> None:
    night = Night(plan_of(osf=(OSF,)))
    night.heard[0].position.take(Frame(kind="F", index=0, serial=0, key="-", mtime=1))
    night.beat()
    assert night.last().trouble == "/a: there is no such file yet"
    hearer = night.heard[0]
    data = line().encode()
    hearer.take(hearer.position.take(Frame(kind="F", index=0, serial=1, data=data, key="1:1", mtime=1)), data)
    night.beat()
    assert (night.last().trouble, night.last().total) == ("", 1)


def test_what_stood_in_a_log_while_it_could_not_be_read_at_first_is_not_counted() -> None:
    night = Night(plan_of(osf=(OSF,)))
    night.heard[0].trouble = "Permission denied"
    night.beat()
    night.heard[0].trouble = ""
    night.write(line() * 5)
    night.beat()
    night.write(line())
    night.beat()
    assert night.last().total == 1


def test_after_a_gap_quiet_is_counted_anew() -> None:
    night = begun(plan_of(osf=(OSF,)))
    night.beat()
    before = night.state.services["osf"].traffic["old"].since
    night.beat(60)
    night.heard[0].gap(4096)
    night.beat()
    assert night.state.services["osf"].traffic["old"].since == night.clock.utc() > before
    night.beat(60)
    assert night.state.services["osf"].traffic["old"].since < night.clock.utc()
