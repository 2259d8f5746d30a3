"""The runbook at a glance: a checklist that the author of an account would recognise."""

from __future__ import annotations

from pathlib import Path

from cockpit.plan.brief import brief
from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from cockpit.plan.show import markdown

PLAN = """\
cutover: 1
name: charon to neko
description: User by user.
hosts: {old: {ssh: root@charon}, new: {ssh: root@neko}}
out_of_scope: [telnet]
contacts: [{name: Ann, channel: phone}, {name: users, channel: list, notify: ["json://x.test/"]}]
template: user
services:
  - {id: ann, owner: Ann, tags: [web], vars: {user: ann}}
  - {id: bob, owner: Bob, tags: [web, mush], vars: {user: bob}}
  - {id: shell, wave: 2, disposition: drop, template: none}
gates: [{id: ready, question: Is everything prepared?, before: {phase: sync}}]
templates:
  none: {}
  user:
    steps:
      - {id: account, phase: prepare, title: "New account, {user} is able to log in", manual: {owner: "{user}", message: m, answers: [in, out]}}
      - {id: first, phase: copy, sync: {from: old, to: new, paths: ["/home/{user}/"]}}
      - {id: tell, phase: copy, notice: {to: [users], subject: "Leave your files alone", text: t}}
      - id: again
        phase: sync
        sync: {from: old, to: new, paths: ["/home/{user}/"], final: true}
      - {id: game, phase: switch, when: {tag: mush}, needs: [{step: first, reason: the game's files}], undo: none, on: old,
         run: {apply: "true", verify: "true"}, warns: players are thrown out}
      - {id: think, phase: switch}
"""


def test_services_that_take_the_same_steps_share_a_checklist(tmp_path: Path) -> None:
    """S48, S52, S53: what is left alone and what is not moved stand on it; a step for some says for whom."""
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    text = brief(load_plan(file))
    for line in (
        "- Left alone: telnet",
        "- Not moved: shell is dropped",
        "## Wave 1: 2 services, one after the other",
        "For each of: ann, bob. Written out for ann.",
        "1. [ ] New account, ann is able to log in. Verify: ann says in.",
        "2. [ ] Copy of /home/ann/ from old to new. Verify: both sides are the same.",
        "3. [ ] Tell users: Leave your files alone.",
        "- [ ] **Decide: Is everything prepared? (gate ready)**",
        "4. [ ] Final copy of /home/ann/ from old to new. Verify: both sides are the same.",
        "5. [ ] [mush] Game (on old). *(after first: the game's files; mind: players are thrown out)*",
        "6. [ ] Think: to be decided.",
    ):
        assert line in text.splitlines(), f"{line} is not in:\n{text}"
    assert "bob" not in brief(load_plan(file), service="ann").partition("## Wave")[2]


def test_who_answers_for_a_service_and_when_it_is_due_stand_above_its_steps(tmp_path: Path) -> None:
    """S41: a window that only begins is a due date."""
    file = tmp_path / "plan.yaml"
    rows = {"ann": "window: {start: 2026-11-23T09:00:00+01:00}", "bob": "window: {end: 2026-11-24T09:00:00Z}"}
    text = PLAN
    for name, window in rows.items():
        text = text.replace(f"id: {name}, ", f"id: {name}, {window}, ")
    file.write_text(text)
    for name, line in (
        ("ann", "Owner Ann; from 2026-11-23 09:00+01:00 on."),
        ("bob", "Owner Bob; until 2026-11-24 09:00+00:00."),
    ):
        assert line in brief(load_plan(file), service=name).splitlines()


def test_the_night_of_the_clients_reads_as_its_author_told_it(tmp_path: Path) -> None:
    """S7: the nine steps stand in the account's order, and the page goes up on new first."""
    examples()["karl"].write(tmp_path / "karl.yaml")
    plan = load_plan(tmp_path / "karl.yaml")
    text = brief(plan)
    order = [
        "First copy", "Maintenance page on new", "Hold mail on new", "Redirect mail old → new", "Proxy old → new", "Final copy",
        "Production mode on new", "Release the held mail", "DNS to new", "Tell the zone's owner",
    ]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert len(text.splitlines()) < 100
    assert "## At a glance" in markdown(plan)
    assert text.partition("## Wave 1")[2].partition("## Wave")[0].splitlines()[-6] in markdown(plan)
