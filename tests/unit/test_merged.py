"""The logs of old and new as one: times as logs write them, clocks put right, lines without a time with their predecessor."""

from __future__ import annotations

import pytest

from cockpit.state import ClockView, LogView, RunState
from cockpit.ui.merged import merged, time_of

AT = 1795250849.0  # 2026-11-21T08:47:29Z


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("Nov 21 08:47:29 old postfix/smtpd[1]: x", 0, AT),
        ("<34>Nov 21 09:47:29 old su: x", 3600, AT),
        ("2026-11-21T08:47:29.25+00:00 old app: x", 3600, AT + 0.25),
        ("<165>1 2026-11-21T08:47:29Z old app - - x", 0, AT),
        ("2026-11-21T09:47:29+01:00 x", 0, AT),
        ("2026-11-21T09:47:29.5+0100 x", 0, AT + 0.5),
        ('192.0.2.1 - - [21/Nov/2026:07:47:29 -0100] "GET / HTTP/1.1" 200 1', 0, AT),
        ("[Sat Nov 21 08:47:29.500000 2026] [core:error] x", 0, AT + 0.5),
        ("2026/11/21 09:47:29 [error] 7#7: *1 x", 3600, AT),
        ("    at Foo.bar(Foo.java:1)", 0, None),
        ("Nov 31 08:47:29 x", 0, None),
    ],
)
def test_a_line_s_own_time_is_read(text: str, zone: int, at: float | None) -> None:
    assert time_of(text, 2026, zone) == at


def log(host: str, *lines: tuple[float, str]) -> LogView:
    numbered = tuple((number, utc, text, False) for number, (utc, text) in enumerate(lines))
    return LogView(host=host, file="f", lines=numbered)


def test_lines_stand_in_the_order_of_their_times_with_the_clocks_put_right() -> None:
    old = log(
        "old", (AT + 9, "2026-11-21T08:47:31Z third"), (AT + 9, "  its trace"), (AT + 9, "2026-11-21T08:47:34Z fifth")
    )
    new = log("new", (AT + 9, "2026-11-21T08:48:30Z second"), (AT + 9, "2026-11-21T08:48:33Z fourth"))
    state = RunState(clocks={"new": ClockView(offset=60.0)})
    found = [entry.text.split()[-1] for entry in merged(state, [("old", old), ("new", new)])]
    assert found == ["second", "third", "trace", "fourth", "fifth"]


def test_a_december_line_in_january_belongs_to_the_year_before() -> None:
    january = 1798761601.0  # 2027-01-01T00:00:01Z
    [entry] = merged(RunState(), [("old", log("old", (january, "Dec 31 23:59:59 old x")))])
    assert entry.at == january - 2
