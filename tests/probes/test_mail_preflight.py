"""Before the night: queues and mailboxes that a plan watches are read once, and what cannot be read is told with its mend."""

from __future__ import annotations

from pathlib import Path

from cockpit.plan.model import Plan, Service
from cockpit.plan.watched import Mail, Mailbox, Queue, Token
from cockpit.preflight.mail import mail_rows
from cockpit.probes.context import Said
from tests.probes.mailers import here


async def test_each_queue_and_mailbox_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "ann").write_text("From a Sat Nov 21 10:00:00 2026\n\nx\n\n")
    (tmp_path / "check/new").mkdir(parents=True)
    (tmp_path / "check/cur").mkdir()
    asked: list[str] = []

    async def on_host(host: str, script: str, timeout: float) -> Said:
        asked.append(host)
        if "postqueue" not in script:
            return await here(host, script, timeout)
        return Said(0, "now 1 +0000\n" + ("count 3\n" if host == "old" else "failed exim: permission denied\n"))

    mail = Mail(
        queues=(Queue(host="old", mta="postfix"), Queue(host="new", mta="exim"), Queue(host="away", mta="exim")),
        stragglers=(Mailbox(host="old", path=f"{tmp_path}/ann"), Mailbox(host="old", path=f"{tmp_path}/typo")),
        token=Token(to="a@x.test", mailbox=Mailbox(host="new", path=f"{tmp_path}/check")),
    )
    plan = Plan(name="p", hash="0", services=(Service(id="a", mail=mail), Service(id="b", mail=mail), Service(id="c")))
    rows = await mail_rows(plan, frozenset({"old", "new"}), on_host)
    told = {(row.where, row.what.replace(str(tmp_path), "")): (row.grade, row.found) for row in rows}
    assert told == {
        ("old", "queue of postfix"): ("ok", "3 waiting"),
        ("new", "queue of exim"): ("warn", "cannot be read: exim: permission denied"),
        ("old", "mailbox /ann"): ("ok", "can be read"),
        ("old", "mailbox /typo"): ("warn", "there is none"),
        ("new", "mailbox /check"): ("ok", "can be read"),
    }
    assert all(row.mend for row in rows if row.grade != "ok")
    assert len(asked) == 5, "what two services share is read once"
