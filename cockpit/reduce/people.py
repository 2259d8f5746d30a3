"""What people do to the state: coming and going, the wheel, holds, access, and the second person's question."""

from __future__ import annotations

from msgspec.structs import replace

from cockpit import events as ev
from cockpit.crew import AccessView, AskedView, HoldView, OfferView, RequestView
from cockpit.reduce.tell import tell
from cockpit.state import GateView, RunState

PeopleEvent = (
    ev.PeopleSeen
    | ev.WheelTaken
    | ev.WheelLost
    | ev.WheelOffered
    | ev.WheelRequested
    | ev.WheelSettled
    | ev.RunHeld
    | ev.RunReleased
    | ev.AccessGiven
    | ev.AccessTaken
    | ev.DoorChanged
    | ev.SecondAsked
    | ev.SecondOver
)


def of_people(state: RunState, record: ev.Record, event: PeopleEvent) -> RunState:
    """The state after an event about people."""
    match event:
        case ev.PeopleSeen():
            return _seen(state, record, event)
        case ev.WheelTaken():
            how = f", {event.how}" if event.how else ""
            taken = replace(state, driver=event.driver, driver_screen=event.screen, offer=None, requests={})
            return tell(_seated(taken), record, "", "wheel", f"{event.driver} drives{how}")
        case ev.WheelLost():
            left = replace(state, driver="", driver_screen=0, offer=None, requests={})
            return tell(_seated(left), record, "", "wheel", f"{event.driver} left the wheel {event.reason}".rstrip())
        case ev.WheelOffered():
            offer = OfferView(driver=event.driver, to=event.to, name=event.name, until=event.until)
            whom = event.name if event.to else "anyone who may drive"
            return tell(replace(state, offer=offer), record, "", "wheel", f"{event.driver} offers the wheel to {whom}")
        case ev.WheelRequested():
            request = RequestView(screen=event.screen, name=event.name, until=event.until)
            asked = replace(state, requests=state.requests | {event.screen: request})
            return tell(asked, record, "", "wheel", f"{event.name} asks for the wheel")
        case ev.WheelSettled():
            return _settled(state, record, event)
        case ev.RunHeld():
            name = event.who.by or event.who.name or event.by
            hold = HoldView(
                seq=record.seq, by=event.by, name=name, reason=event.reason, screen=event.who.screen, utc=record.utc
            )
            return tell(replace(state, holds=(*state.holds, hold)), record, "", "held", f"{event.by}: {event.reason}")
        case ev.RunReleased():
            gone = next((hold for hold in state.holds if hold.seq == event.hold), None)
            state = replace(state, holds=tuple(hold for hold in state.holds if hold.seq != event.hold))
            return tell(state, record, "", "released", f"the hold of {gone.by}" if gone is not None else "a hold")
        case ev.AccessGiven():
            view = AccessView(uid=event.uid, may=event.may, by=event.by, utc=record.utc)
            state = replace(state, access=state.access | {event.account: view})
            what = "look, hold and confirm" if event.may == "confirm" else "look and hold"
            return tell(state, record, "", "access given", f"{event.account} may {what}")
        case ev.AccessTaken():
            others = {name: view for name, view in state.access.items() if name != event.account}
            return tell(replace(state, access=others), record, "", "access taken", event.account)
        case ev.DoorChanged():
            return replace(state, door=event.path, door_how=event.how)
        case ev.SecondAsked():
            asked_view = AskedView(
                seq=record.seq, by=event.by, who=event.who, plan=event.plan, evidence=event.evidence,
                digest=event.digest, until=event.until, utc=record.utc,
            )  # fmt: skip
            gate = replace(state.gates.get(event.gate, GateView()), asked=asked_view)
            state = replace(state, gates=state.gates | {event.gate: gate})
            return tell(state, record, "", "second asked", f"{event.gate} waits for a second person")
        case ev.SecondOver():
            gate = replace(state.gates.get(event.gate, GateView()), asked=None, reason=event.reason)
            gate = replace(gate, declined=record.seq) if event.declined else gate
            state = replace(state, gates=state.gates | {event.gate: gate})
            return tell(state, record, "", "not confirmed", f"{event.gate}: {event.reason}")


def _seated(state: RunState) -> RunState:
    """Whoever has the wheel drives, and of the others nobody: who is attached is told at their coming and going alone."""

    def role(one: ev.Attached) -> ev.Role:
        if one.screen == state.driver_screen:
            return "drives"
        return "may drive" if one.role == "drives" else one.role

    return _watched(replace(state, people=tuple(replace(one, role=role(one)) for one in state.people)))


def _watched(state: RunState) -> RunState:
    return replace(state, watchers=sum(one.role != "drives" and one.screen > 0 for one in state.people))


def _seen(state: RunState, record: ev.Record, event: ev.PeopleSeen) -> RunState:
    state = _watched(replace(state, people=event.screens))
    for who in event.came:
        state = tell(state, record, "", "came", who)
    for who in event.left:
        state = tell(state, record, "", "left", who)
    return state


def _settled(state: RunState, record: ev.Record, event: ev.WheelSettled) -> RunState:
    by = f" by {event.by}" if event.by else ""
    if event.screen:
        others = {screen: view for screen, view in state.requests.items() if screen != event.screen}
        state, what = replace(state, requests=others), f"{event.name}'s request for the wheel"
    else:
        state, what = replace(state, offer=None), "the offer of the wheel"
    return tell(state, record, "", "wheel", f"{what} was {event.outcome}{by}" if by else f"{what} has {event.outcome}")
