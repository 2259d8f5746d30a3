"""Who uses the community server all night long, and what the accountant finds of it afterwards."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from tests.real.haskell.stage import CAFE, MAIL, PLANET, SPOOL, ZONE, Stage
from tests.real.night.accountant import Accountant, in_mbox, numbers
from tests.real.night.names import Names
from tests.real.night.refusals import Meant
from tests.real.night.traffic import Crowd, Tried
from tests.real.rig import RealHost
from tests.real.world.databases import psql

SITES = ("community", "projects", "code", "trac", "rt", "planet")
JOB = f"17 * * * * {PLANET}"
_READ_ONLY = "[Rr]ead-only"
CLOSED = (
    Meant("RT is closed", "write", ["rt"], "rt/close", "rt/verify-remotely", _READ_ONLY),
    Meant("/srv is read-only", "write", ["trac", "projects"], "server/read-only", "server/verify-names", _READ_ONLY),
    Meant("/home is read-only", "write", ["accounts"], "accounts/read-only", "server/verify-names", _READ_ONLY),
    Meant("nobody has the job", "write", ["planet"], "planet/stop-cron", "planet/start-cron", "nobody's job"),
)
"""When people are meant to be refused: from a freeze on, until the names lead everybody to lun. Pages are read all night, and
mail is never refused: it waits."""
_PUSH = (
    'cd /srv/projects/lens.git && C=$(GIT_AUTHOR_NAME=ann GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=ann GIT_COMMITTER_EMAIL=a@x git commit-tree -m "$NUMBER" "master^{tree}")'
    ' && git update-ref "refs/heads/push$NUMBER" "$C" && cat /etc/hostname'
)


def people(stage: Stage) -> Crowd:
    """They browse, file tickets, write to a list and to Ian, log in, write in their homes and push; and an hour passes each
    second for the planet's job. In a second night they are the same people, with the same books."""
    crowd = Crowd(stage.world, Names(stage.cache.address), stage.ledger)
    for site in SITES:
        crowd.browse(site, f"http://{site}.{ZONE}/", every=1.5)
    for site in ("rt", "trac"):
        crowd.write(site, f"http://{site}.{ZONE}/write", every=1.0)
    crowd.mail("lists", CAFE, every=4.0)
    crowd.mail("mail", f"igloo@{MAIL}", every=1.0)
    key = stage.rig.key
    crowd.login("accounts", "ann", f"community.{ZONE}", key, every=8.0, kind="write",
                command="echo $NUMBER >> diary && cat /etc/hostname")  # fmt: skip
    crowd.login("projects", "ann", f"projects.{ZONE}", key, every=8.0, kind="write", command=_PUSH)
    crowd._person("write", "planet", 2.0, lambda number: _hour(stage, number))
    return crowd


async def busy(crowd: Crowd, by: str, services: tuple[str, ...] = ("trac", "accounts", "projects", "planet")) -> None:
    """Wait until all of them were served by a host."""
    await asyncio.gather(*(crowd.see("write", service, 1, by=by) for service in services))


def _hour(stage: Stage, number: int) -> Tried:
    """What the cron of either host would do once an hour. A job that both have is nobody's accident."""
    owners = [host for host in (stage.etch, stage.lun) if JOB in _crontab(host)]
    if len(owners) > 1:
        raise AssertionError("the planet's job is on both hosts")
    if not owners:
        return "refused", "", "nobody's job"
    script = f"cd / && setpriv --reuid=planet --regid=planet --init-groups env NUMBER={number} {PLANET} && echo ran"
    said = owners[0].run(script, check=False)
    return ("taken" if "ran" in said else "refused"), owners[0].name, ""


def _crontab(host: RealHost) -> list[str]:
    return host.run("crontab -l -u planet 2>/dev/null || :").splitlines()


def account(crowd: Crowd, stage: Stage, host: RealHost, order: list[str], rt: RealHost | None = None) -> Accountant:
    """The books of a night that ended with everything on `host` (and RT on `rt`), people having been answered in this order."""
    books = Accountant(crowd.ledger)
    for site in SITES:
        books.visits(site, order)
    tickets = psql(rt or host, "select subject from tickets where subject !~ '^old'", "rt")
    books.writes("rt", map(int, tickets.split()))
    trac = host.run("sqlite3 /srv/trac/trac.db \"select subject from tickets where subject not like 'old%'\"")
    books.writes("trac", map(int, trac.split()))
    books.writes("accounts", numbers(host, "/home/ann/diary"))
    refs = host.run("cd /srv/projects/lens.git && git for-each-ref --format='%(refname)' 'refs/heads/push*'")
    books.writes("projects", map(int, re.findall(r"push(\d+)", refs)))
    # A run without a number is that of cron itself: an hour may end in the night.
    runs = [line.split() for line in host.run("cat /srv/planet/runs").splitlines()]
    books.writes("planet", [int(words[1]) for words in runs if len(words) > 1])
    books.messages("mail", in_mbox(host, f"{SPOOL}/igloo", "mail"))
    for member in ("ann", "bob"):
        books.messages("lists", in_mbox(host, f"{SPOOL}/{member}", "lists"))
    books.messages("lists", archived(host))
    books.busy()
    return books


def archived(host: RealHost) -> Counter[int]:
    """The numbers of the list's messages in its archive."""
    text = host.run(f"grep -rhi '^X-Night: lists' '/srv/lists/archives/prototype/{CAFE}/new' 2>/dev/null || :")
    return Counter(int(line.split()[-1]) for line in text.splitlines())


def settled(stage: Stage, crowd: Crowd, host: RealHost) -> bool:
    """Whether all mail that was taken has come through: nothing waits in a queue of a mail server or of Mailman."""
    return not any(waiting(one) for one in (stage.etch, stage.lun)) and bool(in_mbox(host, f"{SPOOL}/igloo", "mail"))


def waiting(host: RealHost) -> str:
    """What waits in the queues of the mail server and of Mailman, '' for nothing; with what Mailman says of what it could not
    handle. Digests are collected, and no runner sends them."""
    return host.run(
        "postqueue -j 2>/dev/null || :; find /srv/lists/queue -path '*/digest/*' -prune -o -name '*.pck' -print 2>/dev/null || :;"
        'set -- /srv/lists/queue/shunt/*.pck; [ ! -e "$1" ] || grep -h -B 40 SHUNT /var/log/mailman3/*.log'
    )
