"""Whether notices can be sent: Apprise is there, and understands each address; nothing is sent. Whether the second person of each
gate has an account here."""

from __future__ import annotations

import os
import pwd

from cockpit.people.helper import Helper
from cockpit.plan.model import Plan
from cockpit.plan.people import Notice, Receiver
from cockpit.preflight import judge
from cockpit.preflight.judge import Row

WAIT = 30.0


async def people_rows(plan: Plan) -> list[Row]:
    """A row for each receiver of a notice."""
    receivers: dict[str, Receiver] = {}
    for service in plan.services:
        for step in service.steps:
            if isinstance(step.action, Notice):
                receivers |= {f"{receiver.name} {receiver.address}": receiver for receiver in step.action.to}
    if not receivers:
        return []
    rows: list[Row] = []
    async with Helper(wait=WAIT) as helper:
        for receiver in receivers.values():
            # What a secret holds is not got for a preflight: that Apprise is there is asked all the same.
            said = await helper.look(receiver.address.url or "json://localhost/")
            if said.state != "good":
                mend = "" if "install" in said.detail else "see the URLs that Apprise's documentation lists"
                rows.append(judge.fail(receiver.name, "notices", said.detail, mend))
            elif receiver.address.secret:
                rows.append(
                    judge.good(receiver.name, "notices", f"by the secret {receiver.address.secret}, not looked at")
                )
            else:
                rows.append(judge.good(receiver.name, "notices", f"by {said.detail}"))
    return rows


def second_rows(plan: Plan) -> list[Row]:
    """A row for each gate that needs a second person: whether those who may be that have an account on this machine, another than
    the one that conducts."""
    rows: list[Row] = []
    for gate in plan.gates:
        if not gate.second:
            continue
        where, here = f"gate {gate.id}", [name for name in gate.second_by if _other_account(name)]
        lacking = [name for name in gate.second_by if name not in here]
        if not gate.second_by:
            rows.append(judge.good(where, "second person", "anyone who is given access to confirm"))
        elif not here:
            found = f"{', '.join(lacking)}: no other account of this machine"
            rows.append(judge.fail(where, "second person", found, "make the account, or name another one in the plan"))
        elif lacking:
            found = f"{', '.join(here)}; {', '.join(lacking)} has no account here"
            rows.append(judge.warn(where, "second person", found, "make the account, or leave it out of the plan"))
        else:
            rows.append(judge.good(where, "second person", ", ".join(here)))
    return rows


def _other_account(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_uid != os.getuid()
    except KeyError:
        return False
