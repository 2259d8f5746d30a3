"""The demo of a whole server, taken back from its last safe point: read-only ends, lists and mailboxes take mail, the job runs, and
nothing of the copies is left on lun (S33). CI takes the shorter one of charon back."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from cockpit.lab.stages.community import NEWCOMER
from cockpit.lab.tools.users import may
from tests.lab.demos import differ, lab, standing
from tests.real.night.night import Wrong, conducting

SAFE = ("server/move-names", "trac/open", "lists/start-mailman", "mail/igloo-checks", "planet/final-copy")
"""Where each service stands before the first name moves: all is frozen, and copied for good."""
SINCE = ("var/backups", "var/notices", "var/check", "srv/planet", f"home/{NEWCOMER}", f"etc/accounts/{NEWCOMER}")
"""What was written down or sent meanwhile, also to see how mail goes, what the hourly job has read, and who came."""


async def taken_back(folder: Path) -> list[str]:
    """What is wrong, a sentence each. Raises Wrong when a step fails on either way."""
    homes = {host: folder / "lab" / host for host in ("etch", "lun")}
    wrong: list[str] = []
    with lab("community", folder / "lab", "--quiet") as where:
        before = {host: standing(home) for host, home in homes.items()}
        async with conducting(folder / "run", Path(where["plan"])) as night:
            services = tuple(dict.fromkeys(ref.partition("/")[0] for ref in (*SAFE, "accounts/", "projects/")))
            await night.go(services=services, before=SAFE, override="RT is left out of this trial")
            if may(homes["etch"], "srv/projects") or (homes["etch"] / "etc/mailman/running").exists():
                wrong.append("etch is not closed before the names move")
            if not (homes["lun"] / "srv/projects").exists():
                wrong.append("nothing was copied to lun")
            await night.back()
            await night.end()
        if not may(homes["etch"], "srv/projects"):
            wrong.append("etch is read-only still")
        for host, home in homes.items():
            wrong += [
                f"{host}: {path}: {was!r} -> {is_!r}"
                for path, (was, is_) in differ(before[host], standing(home), SINCE).items()
            ]
    return wrong


def run() -> int:
    """0 when both hosts are as before."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            wrong = asyncio.run(taken_back(Path(folder)))
        except Wrong as error:
            wrong = [str(error)]
    print("\n".join(wrong) or "etch is open again and as before, and so is lun")
    return 1 if wrong else 0
