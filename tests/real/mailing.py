"""What the tests of mail recipes share: messages handed in and found again, and parameters that no mail server may see."""

from __future__ import annotations

from dataclasses import replace

from cockpit.plan.model import Op
from tests.real.rig import RealHost
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import until

ZONE = "example.test"
ANN = f"ann@{ZONE}"
PATIENCE = 45.0


def hand_in(host: RealHost, subject: str, to: str = ANN, sender: str = "eve@far.test") -> None:
    """Hand a message to a host's own mail server."""
    host.run(f"printf 'From: {sender}\\nTo: {to}\\nSubject: {subject}\\n\\nText.\\n' | sendmail -i -f {sender} {to}")


def arrived(host: RealHost, subject: str, user: str = "ann") -> int:
    """How often a message lies in a mailbox."""
    return int(host.run(f"grep -c '^Subject: {subject}$' /var/mail/{user} 2>/dev/null || :").strip() or 0)


def until_arrived(host: RealHost, subject: str, user: str = "ann") -> None:
    """Wait until a message lies in a mailbox, once."""
    until(lambda: arrived(host, subject, user) == 1, lambda: f"{subject} for {user} on {host.name}", PATIENCE)


def refuses_evil(trial: Trial, *params: str, undo: bool = True) -> None:
    """Values that are no domain, address, host or number are refused with a sentence, before anything is changed. Undo may do
    what it can do without them."""
    before = trial.seen()
    for param in params:
        for value in (EVIL, "two\nlines.test", "-oQ/tmp@x"):
            evil = replace(trial, params={**trial.params, param: value})
            said = evil.ask("apply")
            assert said.status, f"{param}={value!r} was taken: {said}"
            assert said.said.strip(), f"{param}={value!r} is refused without a word"
        assert evil.ask("capture").status, f"{param}={value!r} was captured"
        if undo:
            evil.ask("undo")
    assert trial.seen() == before
    assert not evil_left(trial.host), "a parameter was run"


def delivers_only_where_it_may(release: Trial, box: str = "/srv") -> None:
    """A mailbox of any name is looked for, and not run."""
    for value in (f"{box}/{EVIL}", f"{box}/{EVIL}\nline", "-x"):
        odd = replace(release, params={**release.params, "box": value}, captured={})
        odd.must("apply")
        assert "there is no" in odd.must("verify", 2)
    assert not evil_left(release.host), "a parameter was run"


def says_no(trial: Trial, about: str, *ops: Op) -> None:
    """`apply` fails (or these), says why, and changes nothing."""
    before = trial.seen()
    for op in ops or ("apply",):
        said = trial.ask(op)
        assert said.status != 0, f"{op}: {said}"
        assert about in said.said, f"{op}: {said}"
        after = trial.seen()
        assert after == before, f"{op}: {before!r} -> {after!r}"


def sees_no_queue(hold: Trial, release: Trial, flush: Trial, empty: Trial, *tools: str) -> None:
    """A queue that cannot be seen is not an empty one: nothing is said to be gone from it, and a hold stays."""
    hold.there(already=False)
    for trial, ops in (
        (flush, ("verify",)),
        (empty, ("apply", "verify")),
        (hold, ("undo", "verify_undo")),
        (release, ("capture",)),
    ):
        trial.blind(*tools, ops=dict.fromkeys(ops, 2))
    assert hold.recognised()
    hold.back()
