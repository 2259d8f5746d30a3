"""The cockpit: folds events into a state, paints it ten times a second where it changed, and sends intents."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import msgspec
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.screen import Screen
from textual.worker import WorkerFailed

from cockpit.engine.rules import next_ref
from cockpit.events import FAILURES, Record, SecondAsked, ServiceAdvancing, StepMoved
from cockpit.intents import AnyIntent
from cockpit.reduce import reduce
from cockpit.state import RunState
from cockpit.ui.actions import ACTIONS, Action
from cockpit.ui.aside import Aside
from cockpit.ui.canvas import Canvas
from cockpit.ui.compose import label_of, screen
from cockpit.ui.hand import HAND, hand_of
from cockpit.ui.news import is_news
from cockpit.ui.paint import Line
from cockpit.ui.questions import Attention
from cockpit.ui.source import Source
from cockpit.ui.view import View
from cockpit.ui.wheel import Seat
from cockpit.ui.witness import Witness

if TYPE_CHECKING:
    from cockpit.ui.pair import Pair
    from cockpit.ui.scrubber import Scrubber

FLUSH = 0.1
"""Seconds between paints."""

SAID = 6.0
"""Seconds that a message stays."""

CATCHING_UP = 400
"""Records folded before the loop gets a turn; keys stay answered while a long journal comes in."""


def stylesheets() -> list[str | PurePath]:
    """The TCSS files: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "styles", package.parent / "styles"):
        if folder.is_dir():
            return [*sorted(folder.glob("*.tcss"))]
    return []


def rings(state: RunState, record: Record) -> bool:
    """Whether a person must look now: a step went wrong, or a service stopped before a gate."""
    match record.event:
        case StepMoved(state=word):
            return word in FAILURES
        case ServiceAdvancing(on=False, service=service) if service in state.services:
            ref = next_ref(state, service)
            gates = state.plan.gates if state.plan is not None else ()
            return any(ref in gate.before and not state.gates[gate.id].open for gate in gates)
        case SecondAsked():
            return True
        case _:
            return False


def _collect_again() -> None:
    """What was imported stays; what comes from now on is collected as usual."""
    gc.freeze()
    gc.enable()


class CockpitApp(App[None]):
    """One screen on a source of events."""

    TITLE = "cockpit"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self, source: Source, view: View | None = None, state: RunState | None = None, pair: Pair | None = None
    ) -> None:
        super().__init__(css_path=stylesheets(), driver_class=pair.driver if pair is not None else None)
        self.pair = pair
        self.source = source
        self.state = state or RunState()
        self.view = view or View()
        self.farewell = ""
        self.over = False
        """No more events will come."""
        self.canvas = Canvas()
        self.attention = Attention()
        self.witness = Witness()
        self._dirty = True
        self._said: tuple[str, float] = ("", 0.0)
        self._actions = {action.key: action for action in ACTIONS}
        self.asides: dict[str, Aside] = {}
        """Pages that show more than the state of this moment."""
        self._scrubber: Scrubber | None = None
        if source.transport is not None:
            from cockpit.ui.scrubber import Scrubber

            self._scrubber = Scrubber()
            source.transport.meanwhile = self._ring_of

    # --- life ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self.canvas

    def on_load(self) -> None:
        """The terminal is asked for its size: what a shell has exported would hold the screen to one that is long past."""
        if not self.is_headless:
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)

    def on_mount(self) -> None:
        self.canvas.focus()
        self.set_interval(FLUSH, self.flush)
        self.run_worker(self._follow(), exclusive=False, exit_on_error=False)
        self.flush()
        self.set_timer(0.5, _collect_again)
        if self.pair is not None:
            self.run_worker(self.pair.follow(self.source, lambda: self.size), exit_on_error=False)

    async def _follow(self) -> None:
        import asyncio

        try:
            async for batch in self.source.records():
                if isinstance(batch, RunState):
                    self.state = batch
                    self._dirty = True
                    self.flush()
                    continue
                for count, record in enumerate(batch):
                    self.state = reduce(self.state, record)
                    self._ring(record)
                    self.witness.heard(self, record)
                    if count % CATCHING_UP == CATCHING_UP - 1:
                        await asyncio.sleep(0)
                self._dirty = True
            self.say("the conductor has closed the run; q leaves, and `cockpit replay` plays it")
        except ConnectionError as error:
            self.say(f"{error}", keep=True)
        self.over = True

    def _ring(self, record: Record) -> None:
        """The bell is for failures and for a gate that waits, never for history that is catching up."""
        transport = self.source.transport
        if transport is None or transport.following:
            self._ring_of(self.state, record, self.source.now())

    def _ring_of(self, state: RunState, record: Record, now: float) -> None:
        if is_news(record, now) and rings(state, record):
            self.bell()

    def now(self) -> float:
        """UTC of the moment shown."""
        return self.source.now()

    @property
    def seat(self) -> Seat:
        """What this screen may do."""
        transport = self.source.transport
        return Seat(
            can_drive=self.source.can_drive,
            drives=self.source.drives,
            replay=transport is not None and not transport.grows,
            moves=transport is not None,
            past=transport is not None and transport.grows and not transport.following,
            compares="versus" in self.asides,
            screen=self.source.screen,
            guest=self.source.guest,
        )

    def flush(self) -> None:
        """Paint what changed."""
        self.attention.look(self)
        if self.screen is not self.screen_stack[0] and not self._dirty:
            return
        self._dirty = False
        size = self.size  # The canvas fills it; at the first frame it does not know its own yet.
        if size.width < 2 or size.height < 2:
            return
        text, until = self._said
        now = self.now()
        message = text if until > self._loop_time() else ""
        label = label_of(self.source.label, self.state.mode)
        lines = screen(
            self.state, self.view, self.seat, label, (size.width, size.height), now, message, self._bar(size.width),
            {name: aside.paint for name, aside in self.asides.items()}, self.source.present,
        )  # fmt: skip
        self.canvas.show(lines)
        self.witness.painted(self, self.state.seq)

    def _bar(self, width: int) -> list[Line]:
        """The transport bar, where time can be moved."""
        if self._scrubber is None or self.source.transport is None:
            return []
        return self._scrubber.lines(self.source.transport.reading, width)

    def _loop_time(self) -> float:
        import asyncio

        return asyncio.get_running_loop().time()

    def on_resize(self, event: events.Resize) -> None:
        if self.pair is not None:
            self.pair.changed()
        else:
            self.source.here(event.size.width, event.size.height)
        self._dirty = True
        self.call_after_refresh(self.flush)

    # --- what a person does --------------------------------------------------------------------------------------

    def say(self, message: str, keep: bool = False) -> None:
        """Show a sentence above the footer."""
        self._said = (message, self._loop_time() + (1e9 if keep else SAID))
        self._dirty = True

    async def send(self, intent: AnyIntent) -> None:
        """Send an intent, with who pressed the key where several share the screen, and show why it was refused."""
        self.witness.confirmed(self, intent)
        by, how, refusal = self._presser()
        refusal = refusal or await self.source.send(intent, by, how) or ""
        if refusal:
            self.say(refusal)

    async def tell(self, name: str, answer: str | None) -> str:
        """Answer what the conductor asks, None for no answer, with who pressed the key. Why it was not taken, '' when it was."""
        by, how, refusal = self._presser()
        return refusal or await self.source.tell(name, answer, by, how) or ""

    def _presser(self) -> tuple[str, str, str]:
        """Who pressed the key that acts now, how that is known, and why it may not act; '' where the screen is one person's."""
        if self.pair is None:
            return "", "", ""
        return *self.pair.name(HAND.get()), self.pair.refuses(HAND.get())

    def look(self, **changes: Any) -> None:
        """Look at something else."""
        self.view = msgspec.structs.replace(self.view, **changes)
        self._dirty = True
        self.flush()

    def on_key(self, event: events.Key) -> None:
        # It comes here before the bindings of a dialog are looked at: a button's message gets this hand, too.
        HAND.set(hand_of(event))
        if self.screen is not self.screen_stack[0]:
            return
        transport = self.source.transport
        if transport is not None and transport.press(event.key):
            self._dirty = True
            self.flush()
        elif event.key in self._actions:
            self.act(self._actions[event.key])
        elif not self._aside(event.key) and not self._move(event.key):
            return
        event.stop()
        event.prevent_default()

    def act(self, action: Action) -> None:
        """Do what an action of the registry says, or say why not."""
        why = action.why_not(self.state, self.view, self.seat)
        if why:
            self.say(f"{action.label}: {why}")
            return
        if action.id == "leave":
            if self.pair is None or self.over:
                self.exit()
            else:
                self.run_worker(self._leave(self.pair))
            return
        self.run_worker(self._perform(action))

    async def _leave(self, pair: Pair) -> None:
        """In a shared session the one who pressed the key goes, and the screen stays."""
        why = await pair.leave(HAND.get())
        if why:
            self.say(why)

    async def push_screen_wait(self, screen: Screen[Any] | str, *, mode: str | None = None) -> Any:
        """Show a dialog until it is answered. From then on the hand is that of the one who answered."""
        found = await super().push_screen_wait(screen, mode=mode)
        HAND.set(getattr(screen, "hand", None))
        return found

    async def _perform(self, action: Action) -> None:
        self.witness.begins()
        try:
            if action.looks:
                from cockpit.ui.looking import look

                await look(self, action.id, action.key)
            else:
                from cockpit.ui.deeds import perform

                await perform(self, action.id)
        except (ConnectionError, KeyError) as error:
            # The conductor went away, or the plan of a run that was replaced has no such step any more.
            self.say(f"{action.label}: not done ({error or type(error).__name__})")

    def turn(self, action: str) -> None:
        """Actions that only change what is looked at."""
        view = self.view
        match action:
            case "logs":
                self.look(page="logs", scroll=0, log=view.log + (view.page == "logs"))
            case "freeze-log":
                newest = max((log.count for log in self.state.logs.values()), default=0)
                stamp = max((log.lines[-1][1] for log in self.state.logs.values() if log.lines), default=0.0)
                self.look(frozen=-1 if view.frozen >= 0 or not newest else int(stamp) + 1, scroll=0)
            case "merge-logs":
                self.look(merged=not view.merged, scroll=0)
            case "tails" | "dns" | "world" | "fleet" | "timeline" | "notes" | "people" | "help" | "versus":
                self.look(page="board" if view.page == action else action, scroll=0)

    def _aside(self, key: str) -> bool:
        """Give a key to the page in view, where it has keys of its own."""
        aside = self.asides.get(self.view.page)
        return aside is not None and aside.press(self, key)

    def _move(self, key: str) -> bool:
        from cockpit.ui.moving import moved

        view = moved(self.state, self.view, key, (self.canvas.size.width, self.canvas.size.height), self.now())
        if view is None:
            return False
        self.view = view
        self._dirty = True
        self.flush()
        return True

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette holds the registry, and what is off says why."""
        for action in ACTIONS:
            why = action.why_not(self.state, self.view, self.seat)
            yield SystemCommand(
                action.label, f"off: {why}" if why else action.help, lambda action=action: self._chosen(action)
            )

    def _chosen(self, action: Action) -> None:
        """An action out of the palette comes a moment after its Enter, when another one may have pressed a key."""
        hand = HAND.get()
        HAND.set(msgspec.structs.replace(hand, likely=True) if hand is not None else None)
        self.act(action)

    def _handle_exception(self, error: Exception) -> None:
        """A fault of ours ends the screen with a sentence; the terminal is restored and the run goes on."""
        if os.environ.get("COCKPIT_DEBUG"):
            super()._handle_exception(error)
            return
        if isinstance(error, WorkerFailed):
            error = error.error if isinstance(error.error, Exception) else error
        why = f"{type(error).__name__}: {error}"
        self.farewell = f"cockpit: the screen failed ({why}). The run goes on: `cockpit attach` opens a new one."
        self.exit(return_code=70)
