"""Queues as Postfix, Exim and sendmail print them, and what any other text comes to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.events import AnyEvent, QueueSeen, Record, RunStarted, StragglersSeen, TokenSeen
from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Mail, Mailbox, Queue
from cockpit.probes.mail import queues
from cockpit.probes.mail.queues import Reading, reading
from cockpit.reduce import fold
from cockpit.state import RunState

POSTFIX = """\
{"queue_name": "deferred", "queue_id": "8299F8F", "arrival_time": 1795283669, "message_size": 423, "forced_expire": false, "sender": "bob@else.test", "recipients": [{"address": "h@held.test", "delay_reason": "mail transport unavailable"}]}
{"queue_name": "active", "queue_id": "73C908B", "arrival_time": 1795283600, "message_size": 423, "forced_expire": false, "sender": "\\"arrival_time\\": 1@else.test", "recipients": [{"address": "x2@far.test", "delay_reason": "connect to 10.213.0.11[10.213.0.11]:26: Connection refused"}]}
{"queue_name": "deferred", "queue_id": "629AB82", "arrival_time": 1795283669, "message_size": 423, "forced_expire": false, "sender": "bob@else.test", "recipients": [{"address": "x1@far.test"}]}
"""
EXIM = """\
 3m  1.6K 1xUpFT-00000y-20 <> *** frozen ***
          bob@else.test

 0m  2.2K 1xUpID-000019-2y <a@else.test>
        D c@else.test
          bob@else.test

"""
EXIM_LOG = """\
2026-11-21 17:51:29 Received from <> R=1xUpID-00000v-1v U=Debian-exim P=local S=1686
2026-11-21 17:51:29 routing failed for bob@else.test: Unknown user
*** Frozen (delivery error message)
"""
EXIM_DEFERRED = """\
2026-11-21 17:51:29 Received from ann@else.test H=x S=1686
2026-11-21 17:51:40 a@away.test R=to_0 T=remote defer (113): No route to host
"""
SENDMAIL = """\
\t\t/var/spool/mqueue (3 requests)
-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------
5ALHsTwd012345*     823 Sat Nov 21 17:54 <bob@else.test>
                 (Deferred: Connection refused by mx.far.test.)
\t\t\t\t\t <x1@far.test>
5AKHsTwd012346      823 Fri Nov 20 17:54 <bob@else.test>
      8BITMIME   (Deferred: Operation timed out with mx.away.test.)
\t\t\t\t\t <x2@away.test>
5ALHsTwd012347       99 Sat Nov 21 16:54 MAILER-DAEMON
\t\t\t\t\t <x3@away.test>
\t\tTotal requests: 3
"""
SENDMAIL_8_17 = """\
\t\t/var/spool/mqueue (2 requests)
-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------
6ALIIKwW000078        6 Sat Nov 21 17:51 bob@else.test
                 (host map: lookup (else.test): deferred)
\t\t\t\t\t x3@far.test
6ALIIKXV000075        6 Sat Nov 21 17:54 bob@else.test
\t\t\t\t\t x1@far.test
\t\t\t\t\t x2@away.test
\t\tTotal requests: 2
"""
NOW = 1795283676


def printed(mta: str, tmp_path: Path, shell: str = "sh", **tools: str) -> str:
    """What the script prints on a host whose tools print this."""
    for name, text in tools.items():
        tool = tmp_path / name.replace("_", "-")
        tool.write_text(text)
        tool.chmod(0o755)
    script = queues.script(mta).replace("PATH=$PATH:", f"PATH={tmp_path}:$PATH:").replace("command -v exim ", "true ")
    done = subprocess.run(shell.split(), input=script.encode(), capture_output=True, check=True)
    return done.stdout.decode()


def cat(text: str, status: int = 0) -> str:
    return f"#!/bin/sh\ncat <<'EOF'\n{text}EOF\nexit {status}\n"


def at(out: str, now: int = NOW, zone: str = "+0000") -> str:
    """The same at a fixed time."""
    return f"now {now} {zone}\n" + out.partition("\n")[2]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_postfix_is_counted_and_its_oldest_message_gives_age_and_reason(shell: str, tmp_path: Path) -> None:
    out = at(printed("postfix", tmp_path, f"{shell} -s", postqueue=cat(POSTFIX)))
    assert reading("postfix", out) == Reading(
        count=3, oldest=76.0, reason="connect to 10.213.0.11[10.213.0.11]:26: Connection refused"
    )


def test_an_empty_queue_is_empty_and_one_that_fails_is_unread(tmp_path: Path) -> None:
    assert reading("postfix", printed("postfix", tmp_path, postqueue=cat(""))) == Reading(count=0)
    out = printed("postfix", tmp_path, postqueue=cat("postqueue: fatal: mail system is down\n", 69))
    assert reading("postfix", out) == Reading(count=-1, reason="postqueue: fatal: mail system is down")
    out = printed("exim", tmp_path, exim=cat("exim: permission denied\n", 1))
    assert reading("exim", out) == Reading(count=-1, reason="exim: permission denied")
    assert reading("exim", printed("exim", tmp_path, exim=cat(""))) == Reading(count=0)
    out = printed("sendmail", tmp_path, mailq=cat("/var/spool/mqueue is empty\n\t\tTotal requests: 0\n"))
    assert reading("sendmail", out) == Reading(count=0)
    out = printed("sendmail", tmp_path, mailq=cat("You are not permitted to see the queue\n", 77))
    assert reading("sendmail", out) == Reading(count=-1, reason="You are not permitted to see the queue")


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_exim_s_oldest_message_has_the_second_of_its_id_and_the_last_word_of_its_log(
    shell: str, tmp_path: Path
) -> None:
    tool = f'#!/bin/sh\nif [ "$1" = -Mvl ]; then test "$2" = 1xUpFT-00000y-20 && cat {tmp_path}/log; else cat {tmp_path}/list; fi\n'
    (tmp_path / "list").write_text(EXIM)
    (tmp_path / "log").write_text(EXIM_LOG)
    out = at(printed("exim", tmp_path, f"{shell} -s", exim=tool))
    # Base 62: the digits FT stand for 170 less than ID, which Exim made 7 s before.
    assert reading("exim", out) == Reading(
        count=2, oldest=177.0, reason="frozen: routing failed for bob@else.test: Unknown user"
    )
    (tmp_path / "log").write_text(EXIM_DEFERRED)
    assert reading("exim", at(printed("exim", tmp_path, exim=tool))).reason == "frozen: No route to host"


def test_sendmail_s_times_are_local_and_have_no_year(tmp_path: Path) -> None:
    out = at(printed("sendmail", tmp_path, mailq=cat(SENDMAIL)), zone="+0100")
    # 18:54:36 local time.
    assert reading("sendmail", out) == Reading(
        count=3, oldest=90036.0, reason="Deferred: Operation timed out with mx.away.test."
    )
    out = at(printed("sendmail", tmp_path, mailq=cat(SENDMAIL_8_17)))
    assert reading("sendmail", out) == Reading(count=2, oldest=216.0, reason="host map: lookup (else.test): deferred")
    newyear = "now 1798761600 +0000\n5ALHsTwd012345   823 Thu Dec 31 23:54 <a@b>\n  (why)\nTotal requests: 1\n"
    assert reading("sendmail", newyear) == Reading(count=1, oldest=360.0, reason="why")


def test_a_reason_with_escape_sequences_is_harmless() -> None:
    line = '{"recipients": [{"address": "a", "delay_reason": "\\u001b]0;x\\u0007host \\u202e said: no"}]}'
    read = reading("postfix", f"now {NOW} +0000\ncount 1\narrived {NOW - 5}\noldest {line}\n")
    assert (read.count, read.oldest, read.reason) == (1, 5.0, "host · said: no")


PIECES = st.sampled_from(
    [*POSTFIX.splitlines(), *EXIM.splitlines(), *SENDMAIL.splitlines(), "count 3", "count -1", "arrived 5", "oldest ",
     f"now {NOW} +0000", "now 5 -9999", "failed", "ended 1", "log x", "count 99999999999", "oldest {", "oldest [1]"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=60), max_size=12), st.sampled_from(["postfix", "exim", "sendmail"]))
def test_no_output_ends_in_an_exception_or_in_nonsense(lines: list[str], mta: str) -> None:
    read = reading(mta, "\n".join(lines))
    assert read.count >= -1
    assert 0 <= read.oldest < float("inf")
    assert not set(read.reason) & set("\x1b\x07\r\n")


# --- what the state makes of it ------------------------------------------------------------------------------------------

PLAN = Plan(
    name="p",
    hash="0",
    services=(
        Service(
            id="s",
            mail=Mail(
                queues=(Queue(host="old", mta="postfix"),),
                stragglers=(Mailbox(host="old", path="/m"),),
                every=10.0,
                timeout=5.0,
            ),
        ),
    ),
)


def folded(*told: tuple[float, AnyEvent]) -> RunState:
    events = [(0.0, RunStarted(run="r", plan=PLAN)), *told]
    return fold([Record(seq=n, utc=utc, mono=utc, actor="x", event=event) for n, (utc, event) in enumerate(events, 1)])


def queue(count: int) -> QueueSeen:
    return QueueSeen(service="s", host="old", mta="postfix", count=count)


def empty_since(*counts: tuple[float, int]) -> float:
    return folded(*((utc, queue(count)) for utc, count in counts)).services["s"].queues["old postfix"].empty_since


def test_a_queue_is_empty_since_the_first_of_unbroken_readings() -> None:
    assert empty_since((10, 0), (20, 0), (30, 0)) == 10
    assert empty_since((10, 0), (20, 1), (30, 0)) == 30
    assert empty_since((10, 2)) == 0


def test_a_time_in_which_nobody_read_the_queue_is_no_evidence() -> None:
    assert empty_since((10, 0), (20, -1), (30, 0)) == 30
    assert empty_since((10, 0), (20, -1)) == 0
    assert empty_since((10, 0), (45, 0)) == 10, "one late reading is no gap"
    assert empty_since((10, 0), (300, 0)) == 300


@given(st.lists(st.tuples(st.floats(0.1, 100), st.sampled_from([0, 0, 0, 1, -1])), min_size=1, max_size=30))
def test_emptiness_is_never_older_than_what_was_read(steps: list[tuple[float, int]]) -> None:
    utc, told = 0.0, []
    for pause, count in steps:
        utc += pause
        told.append((utc, count))
    since = empty_since(*told)
    if told[-1][1] != 0:
        assert since == 0
        return
    unbroken = [told[-1][0]]
    for (before, count), (after, _) in zip(reversed(told[:-1]), reversed(told), strict=False):
        if count != 0 or after - before > 35:
            break
        unbroken.append(before)
    assert since == unbroken[-1]


def quiet_since(*told: tuple[float, int, int, float]) -> float:
    seen = (
        (utc, StragglersSeen(service="s", host="old", path="/m", count=count, since=since, newest=newest))
        for utc, count, since, newest in told
    )
    return folded(*seen).services["s"].stragglers["old:/m"].quiet_since


def test_an_old_mailbox_is_quiet_while_nothing_comes_whatever_is_taken_out() -> None:
    assert quiet_since((10, 5, 0, 3.0), (20, 5, 0, 3.0)) == 10
    assert quiet_since((10, 5, 0, 3.0), (20, 2, 0, 3.0)) == 10
    assert quiet_since((10, 5, 0, 3.0), (20, 6, 1, 19.0)) == 20
    assert quiet_since((10, 5, 2, 9.0), (20, 1, 1, 19.0)) == 20, "one came after all were taken out"
    assert quiet_since((10, 5, 0, 3.0), (20, -1, 0, 0.0), (30, 5, 0, 3.0)) == 30
    assert quiet_since((10, 5, 0, 3.0), (300, 5, 0, 3.0)) == 300


def test_while_a_message_is_on_its_way_the_last_one_that_came_out_stays_known() -> None:
    def told(utc: float, state: str) -> tuple[float, TokenSeen]:
        return utc, TokenSeen(service="s", through="old", token="t", state=state)  # type: ignore[arg-type]

    view = folded(told(1, "sent"), told(2, "arrived"), told(60, "sent")).services["s"].tokens["old"]
    assert (view.state, view.ended, view.ended_utc, view.arrived, view.lost) == ("sent", "arrived", 2, 1, 0)
    view = folded(told(1, "sent"), told(2, "arrived"), told(60, "sent"), told(99, "lost")).services["s"].tokens["old"]
    assert (view.ended, view.ended_utc, view.arrived, view.lost) == ("lost", 99, 1, 1)
    assert folded(told(1, "sent")).services["s"].tokens["old"].ended == ""


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_a_message_of_exim_whose_header_cannot_be_read_is_counted(shell: str, tmp_path: Path) -> None:
    list_ = "25m       1xUpFT-00000y-20\n\n    *** spool read error: Permission denied ***\n\n\n 3m  2.9K 1xUpFU-00000y-20 <>\n          ann@x.test\n\n"
    tool = f'#!/bin/sh\nif [ "$1" = -Mvl ]; then test "$2" = 1xUpFT-00000y-20 || exit 1; else cat {tmp_path}/list; fi\n'
    (tmp_path / "list").write_text(list_)
    assert reading("exim", at(printed("exim", tmp_path, f"{shell} -s", exim=tool))).count == 2


def test_a_list_of_exim_that_holds_what_nobody_knows_is_unread(tmp_path: Path) -> None:
    list_ = "25m  2.9K 1xUpFT-00000y-20 <a@x.test>\n          ann@x.test\n\nwhat is this\n"
    out = printed("exim", tmp_path, exim=cat(list_))
    assert reading("exim", out) == Reading(count=-1, reason="what is this")
