"""Before the night: each access log is read once, and what cannot be is told with its mend."""

from __future__ import annotations

from pathlib import Path

from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Traffic
from cockpit.preflight.traffic import traffic_row, traffic_rows
from cockpit.probes.context import Said
from tests.probes.mailers import here

LINE = '192.0.2.7 - - [21/Nov/2026:22:41:07 +0100] "GET / HTTP/1.1" 200 12 "-" "Mozilla"\n'


async def test_each_access_log_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("half a line\n" + LINE * 3)
    (tmp_path / "other").write_text('{"status":200}\n')
    (tmp_path / "empty").write_text("")
    (tmp_path / "folder").mkdir()
    names = ("good", "other", "empty", "folder", "gone", "good")
    logs = tuple(Traffic(host="old", file=f"{tmp_path}/{name}") for name in names)
    away = Traffic(host="away", file="/a")
    plan = Plan(name="p", hash="0", services=(Service(id="a", traffic=logs), Service(id="b", traffic=(away,))))
    rows = await traffic_rows(plan, frozenset({"old", "new"}), here)
    assert [(row.where, row.what.replace(f"{tmp_path}/", ""), row.grade, row.found) for row in rows] == [
        ("old", "access log good", "ok", "can be read, 1 of the last 4 lines do not fit its format"),
        ("old", "access log other", "warn", 'the format does not fit its lines: {"status":200}'),
        ("old", "access log empty", "ok", "can be read, and is empty"),
        ("old", "access log folder", "warn", "cannot be read: it is not a regular file"),
        ("old", "access log gone", "warn", "there is no such file"),
    ]
    assert all(row.mend for row in rows if row.grade != "ok")


def test_a_unit_and_a_host_that_cannot_be_asked_have_their_rows() -> None:
    unit = Traffic(host="old", unit="caddy", format="json")
    line = '2026-11-21T21:41:07.000001+00:00 old caddy[12]: {"status":200,"remote_ip":"192.0.2.7"}\n'
    assert traffic_row(unit, Said(0, line)).found == "can be read"
    assert traffic_row(unit, Said(1, "", "no journal files were opened")).found.endswith("no journal files were opened")
    assert traffic_row(unit, Said(None, "the link is down")).found == "cannot be read: the link is down"
