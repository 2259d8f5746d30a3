"""Questions of the conductor on a screen: a dialog for whoever drives, a line for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.state import RunState
from cockpit.ui.paint import Line
from cockpit.ui.wheel import Seat

if TYPE_CHECKING:
    from cockpit.ui.app import CockpitApp
    from cockpit.ui.asking import Question


class Attention:
    """Which questions this screen has put before its person: each once by itself, again by key."""

    def __init__(self) -> None:
        self._put: set[tuple[str, int]] = set()
        self._open: Question | None = None

    def look(self, app: CockpitApp) -> None:
        """Open the dialog of a new question where nothing else is open, and close that of one that is over."""
        here, questions = app.screen, app.state.questions
        if self._open is not None:
            if here is self._open and self._over(app, self._open):
                self._open.dismiss(None)
            return
        if not questions or not app.seat.drives or here is not app.screen_stack[0]:
            return
        for name, asked in questions.items():
            if (name, asked.seq) not in self._put:
                self._put.add((name, asked.seq))
                app.run_worker(self.answer(app, name))
                return

    async def answer(self, app: CockpitApp, name: str) -> None:
        """Put a question before the person until its answer will do, or they leave it."""
        # Widgets come with the first question: the first frame does not wait for them.
        from cockpit.ui.asking import Question

        why = ""
        while self._open is None and (asked := app.state.questions.get(name)) is not None:
            self._open = Question(name, asked, why)
            try:
                said = await app.push_screen_wait(self._open)
            finally:
                self._open = None
            if said is None:
                return
            word, text = said
            app.witness.told(app, "" if asked.secret else f"{word} {name}")
            why = await app.tell(name, text if word == "answer" else None)
            if not why:
                return
            app.say(why)

    def _over(self, app: CockpitApp, shown: Question) -> bool:
        now = app.state.questions.get(shown.name_asked)
        return now is None or now.seq != shown.asked.seq or not app.seat.drives


def question_line(state: RunState, seat: Seat) -> Line:
    """The first open question as a line, and who is to answer; [] when there is none."""
    for name, asked in state.questions.items():
        more = f" and {len(state.questions) - 1} more" if len(state.questions) > 1 else ""
        if seat.drives:
            who = "K answers"
        elif state.driver:
            who = f"{state.driver} is asked"
        else:
            who = "nobody drives: c, then K answers" if seat.can_drive else "nobody drives"
        return [(f" ? {name}{more}: ", "warn"), (asked.question, ""), (f"  {who}", "key")]
    return []
