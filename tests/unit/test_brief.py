"""The runbook at a glance: a checklist that the author of an account would recognise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cockpit.plan.brief import brief
from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from cockpit.plan.model import Shell, Sync
from cockpit.plan.order import groups, in_order
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
        "For each of these, and written out for ann:",
        "- bob; owner Bob",
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


TOLD = {
    "karl": [
        "First copy", "Maintenance page on new", "Hold mail on new", "Redirect mail old → new", "Proxy old → new", "Final copy",
        "Production mode on new", "Release the held mail", "DNS to new", "Tell the zone's owner",
    ],
    "karl-servers": [
        "Test site on new", "First copy", "Maintenance page on new", "Hold mail on new", "Redirect mail old → new",
        "Proxy old → new", "Final copy", "Production mode on new", "Release the held mail", "DNS to new", "The owner changes DNS",
    ],
    "release": [
        "environment differences", "Clean checkout to a unique directory, named by the tag; run the buildout", "Mailout and logs lie outside",
        "Evolve a copy of the data; if successful, the data's current link", "If, and only if, the buildout was successful: current →",
        "Supervisor, webserver", "Retain the last buildouts",
    ],
    "community": [
        # Preparatory stage
        "Formulate plan on how to communicate", "Size and rate of change of each type of data", "Give preliminary notice",
        "read-only copy", "Change TTL on all domains to be short", "Provision the new server", "Test all installed services",
        "Scripts to copy everything, and to verify", "read-only script and its undo", "Fix dates, give advance notice",
        "Disable the list creation script", "Set up the backup mirror",
        # the entire migration process just for RT
        "Transfer the dump", "Move the rt domain", "After TTL, verify that RT is working",
        # Initial copy
        "Run script to copy user accounts", "Rsync home directories, the admins'", "Rsync darcs repos from /srv/projects",
        "Rsync project data from /srv/code", "Rsync trac projects", "Rsync mailman archives", "Rsync Planet Haskell",
        "Monitor progress; update schedule and notify users",
        # the final migration
        "Notify users", "Stop the Planet Haskell hourly cron job", "read-only, except the mailman archives",
        "If any user accounts or projects were added since initial copy began, add them", "Rsync home directories",
        "Rsync darcs repos", "Rsync Trac projects", "Stop mailman service on etch", "rsync archives",
        "Move the domains community, trac, projects and code", "verify remotely that the domains moved",
        "Notify users of current status", "Tell Ian to check his mail", "Tell Malcolm to check his mail", "Move the domain MX records",
        "Rsync Planet Haskell", "Move the planet domain", "Start the Planet Haskell hourly cron job",
        "verify remotely that all domains are moved", "Notify users and community",
        # Post-migration tasks
        "Take a backup of /srv", "Take a backup of RT's database", "Mirror it, the homes and the mailboxes", "restored elsewhere", "RT's database can be restored elsewhere",
        "Activate backup mirroring", "Monitor net bandwidth and responsiveness", "Monitor memory and cpu usage",
        "Tune settings of PostgreSQL", "raise TTL back to normal levels", "delete the Etch server",
    ],
    "floating": [
        "private network and on no other", "Private network from old, Solr", "Rehearsal: export", "Rehearsal: transform and import",
        "User registration freeze", "Content freeze", "Export the content", "Everything came over but the accepted losses",
        "well over 3 hours", "two live servers", "Health check of the old server answers false; the floating IP moves",
        "A user logs in again",
    ],
    "charon": [
        # Preparation phase
        "[All] Create new account", "[All] Make sure user is able to log in", "[All] First pass of copying files",
        "[Web] Set up an alternate hostname to point to neko-base", "[Web] Add the alternate hostname to a VirtualHost section",
        "[Web] View the alternate URL", "[All] Adjust /usr/local/adm/firewall/firewall", "[All] Verify that the user is able to get in and modify files",
        "[Mush] Test run the game on neko-base", "[Mush] Shut down the test game after verifying",
        "[Mush] Backup copy of the last known-good save", "Is all of akira's preparation checked off",
        # First phase, mail and mush
        "Shut down the game on charon", "Alternately, save the game and announce", "[All] Ask user to not update any files",
        "[All] Rsync again to copy any last-minute changes", "[Mush] Start the game on neko-base",
        "[Mush] Update the A record in DNS immediately", "[Mail] If the mail is being forwarded, OK to skip",
        "Rsync the mail spool also", "Switch virtusertable on neko-base", "Switch virtusertable on charon",
        "Send test message and verify it is received at neko-base", "Check old account on charon for any new messages",
        "Update client-side mail settings",
        # Second phase, DNS and Web
        "Change the DNS so that Web requests now go to neko-base", "change the MX to add neko-base", "Change the MX to remove charon",
        "Force the DNS changes to all three servers", "verify with nslookup", "drop and reconnect, then shut down the game",
        "[Web] Verify that the web page displays correctly", "Adjust apache on charon to redirect", "Done",
        "Watch the logs for anything suspicious",
    ],
}  # fmt: skip
"""What each account tells, in its own words and its own order."""


LEFT_OUT = {
    "community": ["nagios", "clamav", "/root", "hackage"],
    "charon": ["www of nekodojo.test", "ftp"],
    "floating": ["Mail preferences", "Comments", "DNS"],
}
"""What each account names and its plan leaves alone on purpose."""


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_a_plan_leaves_out_on_purpose_is_named_with_its_reason(name: str, tmp_path: Path) -> None:
    """S48: nobody has to find out that it was forgotten."""
    example = examples()[name]
    example.write(tmp_path / f"{name}.yaml")
    plan = load_plan(tmp_path / f"{name}.yaml")
    left = brief(plan).partition("## Wave")[0]
    for words in LEFT_OUT[name]:
        assert re.search(rf"^- Left alone: (.* )?{words}\b.{{20,}}$", left, re.MULTILINE), f"{words} is not in:\n{left}"


SCRIPTS = ("account_request", "project_request", "createlist", "createtrac", "addtoproject", "crontabfor")


def test_every_set_of_data_that_moves_is_backed_up_and_restored_elsewhere_before_etch_goes(tmp_path: Path) -> None:
    """S24, S41: each folder that a final copy brings lies in an archive that is restored on another host, or file by file on that
    host; RT's database is restored there, too. The mirror's cron job waits for that, and what stops etch looks at the evidence."""
    examples()["community"].write(tmp_path / "community.yaml")
    plan = load_plan(tmp_path / "community.yaml")
    steps = {step.ref: step for service in plan.services for step in service.steps}
    use = {ref: step.action for ref, step in steps.items() if isinstance(step.action, Shell)}
    mirror, take, restorable = steps["backup/mirror"].action, use["backup/take"], use["backup/restorable"]
    assert isinstance(mirror, Sync)
    kept = (f"{take.params['source']}/", *mirror.paths)
    final = {
        path
        for step in steps.values()
        if isinstance(step.action, Sync) and step.action.final
        for path in step.action.paths
    }
    assert {path for path in final if not path.startswith((*kept, "/var/backups/cutover/"))} == set()
    assert (mirror.source, mirror.target) == ("lun", "backup")
    assert take.params["archive"] == restorable.params["archive"]
    assert restorable.params["archive"].startswith(mirror.to[0])
    assert use["backup/take-rt"].params["file"] == use["backup/restorable-rt"].params["file"]
    assert {restorable.host, use["backup/restorable-rt"].host} == {"backup"}
    assert {need.step for need in steps["backup/activate"].needs} == {"backup/restorable", "backup/restorable-rt"}
    assert use["etch/stop"].params["backup"] == restorable.params["evidence"]
    # The scripts of the admins, by name; the one that makes lists comes to use when the lists are there.
    assert all(name in steps["server/scripts-for-users"].title for name in SCRIPTS)
    assert use["lists/new-lists"].params == use["lists/no-new-lists"].params


@pytest.mark.parametrize("name", TOLD)
def test_the_runbook_of_each_account_reads_as_its_author_told_it(name: str, tmp_path: Path) -> None:
    """S7, S23, S39, S45, S58: the account's steps stand in one list, in its order; in the whole runbook, too."""
    example = examples()[name]
    example.write(tmp_path / f"{name}.yaml")
    plan = load_plan(tmp_path / f"{name}.yaml")
    text = brief(plan).partition("## Wave")[2]
    at = 0
    for words in TOLD[name]:
        found = text.find(words, at)
        assert found >= 0, f"{words!r} does not come after\n{text[:at]}\n--- but here:\n{text[at:]}"
        at = found + len(words)
    whole = markdown(plan)
    entries = [line for line in text.splitlines() if "[ ]" in line]
    assert len(entries) < 100
    assert "## At a glance" in whole
    assert all(line in whole for line in entries)


def test_a_pilot_s_list_stands_apart_and_users_who_follow_each_other_share_one(tmp_path: Path) -> None:
    for name in ("karl", "charon"):
        examples()[name].write(tmp_path / f"{name}.yaml")
    clients, users = (brief(load_plan(tmp_path / f"{name}.yaml")) for name in ("karl", "charon"))
    assert "## Wave 1: Open Society Forum" in clients
    assert "## Wave 2: 5 services, one after the other" in clients
    assert "## Waves 1 to 5: 5 services, one after the other" in users
    assert "- Chiyo, whose mail is forwarded; owner chiyo; from 2026-11-25 20:00+01:00" in users
    assert users.count("(gate ") == 5
    assert "[Mush] [Mush]" not in users
    assert "Gopher" not in users.partition("## Wave")[2]


def test_services_that_need_each_other_s_steps_stand_in_one_list_in_an_order_in_which_they_can_run(
    tmp_path: Path,
) -> None:
    examples()["community"].write(tmp_path / "community.yaml")
    plan = load_plan(tmp_path / "community.yaml")
    group, *others = groups(plan, list(plan.services))
    assert group.linked
    assert not others
    steps = list(in_order(plan, group))
    place = {step.ref: number for number, step in enumerate(steps)}
    assert sorted(place) == sorted(step.ref for service in plan.services for step in service.steps)
    assert all(place[need.step] < place[step.ref] for step in steps for need in step.needs)
    for gate in plan.gates:
        assert max((place[ref] for ref in gate.after), default=-1) < min(place[ref] for ref in gate.before), gate.id
