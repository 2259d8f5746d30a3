"""What a plan says of people: contacts with addresses, notices, questions with answers; and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cockpit.plan.load import load, load_plan
from cockpit.plan.model import Manual
from cockpit.plan.people import Notice
from cockpit.plan.script import command_text
from cockpit.plan.show import markdown

HEAD = """\
cutover: 1
name: people
secrets: {chat: {env: CHAT}}
contacts:
  - {name: Ann, channel: phone}
  - {name: users, channel: list, notify: ["json://hooks.test/a", {secret: chat}]}
services:
  - id: web
    vars: {site: www}
    WINDOW
    steps:
      - {id: tell, phase: prepare, ACT}
"""


def plan(folder: Path, act: str, window: str = "wave: 1") -> Path:
    file = folder / "plan.yaml"
    file.write_text(HEAD.replace("ACT", act).replace("WINDOW", window))
    return file


@pytest.mark.parametrize(
    ("act", "code"),
    [
        ("notice: {to: [Ann], subject: s, text: t}", "address"),
        ("notice: {to: [anybody], subject: s, text: t}", "unknown-contact"),
        ("notice: {to: [], subject: s, text: t}", "address"),
        ('notice: {to: ["json://a b"], subject: s, text: t}', "address"),
        ("notice: {to: [users], text: t}", "missing-key"),
        ('notice: {to: [users], subject: "a\\nb", text: t}', "subject"),
        ("notice: {to: [users], subject: s, text: t, before: 7d}", "schedule"),
        ("notice: {to: [users], subject: s, text: t, at: 2026-11-14T09:00:00+01:00, before: 7d}", "schedule"),
        ("notice: {to: [users], subject: s, text: t, at: 2026-11-14T09:00:00}", "time"),
        ('notice: {to: [users], subject: "{nothing}", text: t}', "undefined-variable"),
        ("notice: {to: [users], subject: s, text: t}, manual: {owner: a, message: b}", "two-acts"),
        ("manual: {owner: Ann, message: m, good: [yes]}", "answers"),
        ("manual: {owner: Ann, message: m, answers: [a, b], good: [c]}", "answers"),
        ("manual: {owner: Ann, message: m, answers: [a, A]}", "answers"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, act: str, code: str) -> None:
    loaded = load(plan(tmp_path, act))
    assert loaded.plan is None
    assert code in {finding.code for finding in loaded.findings}, loaded.findings


@pytest.mark.parametrize("address", ["nowhere", "{secret: other}", "{secrets: chat}"])
def test_a_contact_s_address_is_a_url_or_a_secret(tmp_path: Path, address: str) -> None:
    file = tmp_path / "plan.yaml"
    text = HEAD.replace("ACT", "notice: {to: [users], subject: s, text: t}").replace("WINDOW", "wave: 1")
    file.write_text(text.replace("{secret: chat}", address))
    assert load(file).plan is None


def test_a_notice_is_shown_as_it_will_be_sent_and_without_its_addresses(tmp_path: Path) -> None:
    act = 'notice: {to: [users, "json://x.test/y"], subject: "{site} moves", text: "It is\\naway.", before: 7d}'
    found = load_plan(plan(tmp_path, act, "window: {start: 2026-11-21T22:00:00+01:00}"))
    notice = found.services[0].steps[0].action
    assert isinstance(notice, Notice)
    assert [receiver.name for receiver in notice.to] == ["users 1", "users 2", "json://…"]
    text = command_text(found.services[0].steps[0], "apply", {})
    assert text == (
        "not before 2026-11-14 21:00 UTC, to users 1, users 2, json://…\nSubject: www moves\n\nIt is\naway."
    )
    assert text in markdown(found)


def test_a_question_s_first_answer_is_the_good_one(tmp_path: Path) -> None:
    act = "manual: {owner: Ann, message: Look at {site}., question: Good?, answers: [yes, no], paste: hello}".replace(
        "Look at {site}.", '"Look at {site}."'
    )
    found = load_plan(plan(tmp_path, act))
    action = found.services[0].steps[0].action
    assert isinstance(action, Manual)
    assert action.good == ("yes",)
    shown = markdown(found)
    assert "Ann answers: Good? (yes / no; yes completes it)" in shown
    assert "To hand over:" in shown
