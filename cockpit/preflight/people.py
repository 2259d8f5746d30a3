"""Whether notices can be sent: Apprise is there, and understands each address. Nothing is sent."""

from __future__ import annotations

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
