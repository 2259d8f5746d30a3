"""The dialogs of a gate: its opener's, with a second person or without, and the second person's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit import intents as it
from cockpit.engine import rules, second
from cockpit.ui.dialogs import Ask, Choose

if TYPE_CHECKING:
    from cockpit.plan.model import Gate
    from cockpit.ui.app import CockpitApp


async def open_gate(app: CockpitApp, gate_id: str) -> None:
    """Ask for the gate's name, and for a reason where its evidence does not hold or its second person is done without."""
    gate = second.gate_of(app.state, gate_id)
    if gate is None:
        return
    found = rules.gate_readiness(app.state, gate.id, app.now())
    shown = second.evidence(app.state, gate, app.now())
    body = gate.question or "Go, or no go?"
    body += "\nEvidence:" + "".join(f"\n  {item}" for item in shown or ("none is asked for",))
    body += "\nIt holds now." if found.ok else f"\nIt does not hold: {found.reason}"
    if gate.second:
        whom = " or ".join(gate.second_by) or "A second person"
        body += f"\n{whom} confirms it from another account within {second.STANDS:.0f} s."
    if app.state.gates[gate.id].asked is not None:
        await _waiting(app, gate, body)
    elif found.ok:
        typed = await app.push_screen_wait(Ask(f'Open gate "{gate.id}"', body, exact=gate.typed, ok="Open"))
        if typed:
            await app.send(it.OpenGate(gate=gate.id, typed=typed))
    else:
        app.say(f'gate "{gate.id}" stays closed: {found.reason}')
        await _against(app, gate, body)


async def _waiting(app: CockpitApp, gate: Gate, body: str) -> None:
    """The second person has not answered yet."""
    chosen = await app.push_screen_wait(
        Choose(
            f'Gate "{gate.id}" waits for its second person',
            f"{body}\nWithout them it is opened by you alone: break-glass, red on every screen and in the report.",
            (("back", "Take it back"), ("alone", "Open without them")),
        )
    )
    if chosen == "back":
        await app.send(it.CloseGate(gate=gate.id))
    elif chosen == "alone":
        await _against(app, gate, body)


async def _against(app: CockpitApp, gate: Gate, body: str) -> None:
    """Open it all the same, with a reason."""
    alone = "\nIt is opened without the second person then." if gate.second else ""
    override = await app.push_screen_wait(
        Ask(
            f'Gate "{gate.id}"',
            f"{body}{alone}\nTo open it all the same, give the reason; it stays in the summary.",
            ok="Go on",
        )
    )
    if not override:
        return
    typed = await app.push_screen_wait(Ask(f'Open gate "{gate.id}"', body, exact=gate.typed, ok="Open"))
    if typed:
        await app.send(it.OpenGate(gate=gate.id, typed=typed, override=override))


async def confirm_gate(app: CockpitApp, gate_id: str) -> None:
    """Show the second person exactly what they would confirm; a yes is the gate's name, typed."""
    gate = second.gate_of(app.state, gate_id)
    asked = app.state.gates[gate_id].asked if gate is not None else None
    plan = app.state.plan
    if gate is None or asked is None or plan is None:
        return
    body = "\n".join(second.put(app.state, gate))
    title = f'Confirm gate "{gate.id}" as the second person?'
    chosen = await app.push_screen_wait(Choose(title, body, (("yes", "Confirm …"), ("no", "Refuse …"))))
    if chosen == "no":
        reason = await app.push_screen_wait(Ask(f'Refuse gate "{gate.id}"', "Why? The opener sees it.", ok="Refuse"))
        if reason:
            await app.send(it.Decline(gate=gate.id, reason=reason))
    elif chosen == "yes":
        typed = await app.push_screen_wait(Ask(title, body, exact=gate.typed, ok="Confirm"))
        if typed:
            # What was shown is what is confirmed, whatever is asked by now.
            await app.send(
                it.Confirm(
                    gate=gate.id, typed=typed, run=app.state.run, plan=plan.hash, asked=asked.seq, digest=asked.digest
                )
            )
