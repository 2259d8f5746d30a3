"""The draft of a plan from an inventory: a step that will run when it is reached, or a draft that says what is to be decided."""

from __future__ import annotations

from pathlib import Path

from cockpit.plan.load import load
from cockpit.plan.model import Step, Sync
from cockpit.survey.inventory import parse
from cockpit.survey.written import Origin, text

HELD = b"""\
user\tann\t1000\t1000\t/home/ann\t/bin/sh\tAnn
user\tjob\t1001\t1001\t/dev/null\t/bin/false\t
user\tgone\t1002\t1002\t/srv/gone\t/bin/sh\t
absent\t/srv/gone
vhost\tapache\t/etc/apache2/sites-enabled/a.conf\ta.test\t\t/srv/a/
vhost\tnginx\t/etc/nginx/conf.d/b.conf\tb.test\t\t/srv/b.html
absent\t/srv/b.html
database\tsqlite\t/srv/trac/trac.db\t\t4096
mailbox\tann\t/var/mail/ann
mailbox\tbob\t/var/mail/bob
mailbox\teve\t/home/eve/Maildir
repository\tgit\t/srv/git/site.git
end
"""


def drafted(tmp_path: Path, out: bytes) -> dict[str, Step]:
    """The steps of the draft by service and id, which passes `check` but for what is to be decided."""
    file = tmp_path / "plan.yaml"
    file.write_text(text(parse(out), Origin(ssh="root@old.test"), 0.0))
    loaded = load(file)
    assert loaded.plan is not None, loaded.findings
    assert {finding.code for finding in loaded.findings} <= {"draft"}, loaded.findings
    return {step.ref: step for service in loaded.plan.services for step in service.steps}


def copied(steps: dict[str, Step]) -> dict[str, tuple[str, ...]]:
    return {ref: step.action.paths for ref, step in steps.items() if isinstance(step.action, Sync)}


def test_what_is_copied_are_folders_for_a_sync_takes_no_files(tmp_path: Path) -> None:
    assert copied(drafted(tmp_path, HELD)) == {
        "accounts/homes": ("/home/ann/",),
        "repositories-srv-git/copy": ("/srv/git/site.git/",),
        "web-a.test/copy": ("/srv/a/",),
        "mailboxes/copy": ("/home/eve/Maildir/", "/var/mail/"),
    }


def test_what_is_configured_and_no_folder_is_to_be_decided(tmp_path: Path) -> None:
    steps = drafted(tmp_path, HELD)
    assert steps["accounts/no-folder"].title == "/srv/gone is no folder"
    assert steps["web-b.test/no-folder"].title == "/srv/b.html is no folder"
    assert "/dev/null" not in "".join(step.title for step in steps.values())


def test_a_database_in_a_file_is_to_be_decided_with_its_first_copy_and_its_last(tmp_path: Path) -> None:
    steps = drafted(tmp_path, HELD)
    assert [steps[f"db-trac.db/{id}"].action for id in ("copy", "final-copy")] == [None, None]
    assert all("/srv/trac/trac.db" in steps[f"db-trac.db/{id}"].title for id in ("copy", "final-copy"))


def test_mailboxes_that_no_plan_can_name_leave_nothing_to_copy(tmp_path: Path) -> None:
    steps = drafted(tmp_path, b"mailbox\tann\t/var/mail/a\xffn\nend\n")
    assert copied(steps) == {}
    assert steps["mailboxes/odd-name"].title.startswith("copy by hand: /var/mail/a")


STARTED = b"""\
listen\ttcp\t0.0.0.0\t80\tapache2
listen\ttcp\t127.0.0.1\t25\tmaster
packaged\t/etc/init.d/feeder
database\tpostgresql\trt\tpostgres\t4096\t
unit\tsystemd\tapache2.service\tpackaged\t/usr/sbin/apachectl start
unit\tsystemd\tcron.service\tpackaged\t/usr/sbin/cron -f
unit\tsystemd\tpostfix.service\tpackaged\t/bin/true
unit\tsystemd\tpostgresql.service\tpackaged\t/bin/true
unit\tsystemd\tqueue@1.service\tenabled\t/srv/app/queue --one
unit\tsystemd\tqueue@1.service\town\t/srv/app/queue --one
unit\tsystemd\tcron.service\tenabled\t/srv/app/not-the-packages-cron
unit\tsysv\tqueue@1\tenabled\t/etc/init.d/queue@1
unit\tsysv\tsudo\tenabled\t/etc/init.d/sudo
unit\trc.local\trc.local\tenabled\t/srv/a &
unit\trc.local\trc.local\tenabled\t/srv/b &
unit\tsupervisor\tmailer\tenabled\t/srv/app/mailer
process\tann\t/home/ann/bot
process\tann\t/srv/app/mailer
process\twww-data\t/usr/sbin/apache2 -k start -f /srv/x
end
"""


def test_what_is_started_and_listens_nowhere_is_told_once_and_a_host_s_own_is_not(tmp_path: Path) -> None:
    steps = drafted(tmp_path, STARTED)
    assert [step.title for ref, step in steps.items() if ref.startswith("workers/")] == [
        "systemd service queue@1: /srv/app/queue --one",
        "systemd service cron: /srv/app/not-the-packages-cron",
        "rc.local starts: /srv/a &",
        "rc.local starts: /srv/b &",
        "supervisor program mailer: /srv/app/mailer",
        "process of ann, started by nothing that was found: /home/ann/bot",
    ]


SHARED = b"""\
listen\ttcp\t127.0.0.1\t4201\tpython3\tsite.service
listen\ttcp\t0.0.0.0\t80\tcelery\tflower@2.service
listen\ttcp\t0.0.0.0\t4444\tmushd\tsupervisor.service
listen\ttcp\t0.0.0.0\t5555\tsidekiq\t
listen\tudp\t0.0.0.0\t7\t\t
listen\ttcp\t0.0.0.0\t443\t\t
unit\tsystemd\tsite.service\tenabled\t/usr/bin/python3 /srv/site.py
unit\tsystemd\tqueue.service\tenabled\t/usr/bin/python3 /srv/queue.py
unit\tsystemd\tflower@2.service\tenabled\t/srv/venv/bin/celery flower
unit\tsystemd\tworker.service\tenabled\t/srv/venv/bin/celery worker
unit\tsystemd\tbare.service\tenabled\t
unit\tsystemd\tsidekiq.service\tenabled\t/srv/bin/sidekiq
unit\tsupervisor\tbot\tenabled\tpython3 /srv/bot.py
unit\tsupervisor\tgame\tenabled\t/srv/game/mushd
unit\tsupervisor\tbeat\tenabled\tcelery beat
"""


def test_a_worker_is_told_though_another_program_of_its_interpreter_listens(tmp_path: Path) -> None:
    steps = drafted(tmp_path, SHARED + b"end\n")
    told = [step.title for ref, step in steps.items() if ref.startswith("workers/")]
    assert told == [
        "systemd service queue: /usr/bin/python3 /srv/queue.py",
        "systemd service worker: /srv/venv/bin/celery worker",
        "systemd service bare",
        "supervisor program bot: python3 /srv/bot.py",
        "supervisor program beat: celery beat",
    ]
    assert [step.title for ref, step in steps.items() if ref.startswith("listening/")] == [
        "python3 of site.service listens on tcp 127.0.0.1:4201",
        "celery of flower@2.service listens on tcp 0.0.0.0:80",
        "mushd of supervisor.service listens on tcp 0.0.0.0:4444",
        "sidekiq listens on tcp 0.0.0.0:5555",
        "something listens on udp 0.0.0.0:7",
    ]


def test_where_no_unit_is_known_an_interpreter_that_listens_proves_nothing(tmp_path: Path) -> None:
    bare = SHARED.replace(b"site.service\nlisten", b"\nlisten").replace(b"flower@2.service\nlisten", b"\nlisten")
    steps = drafted(tmp_path, bare + b"unit\tsysv\tfeeder\tenabled\t/etc/init.d/feeder\nend\n")
    told = [step.title for ref, step in steps.items() if ref.startswith("workers/")]
    assert "systemd service queue: /usr/bin/python3 /srv/queue.py" in told
    assert "systemd service site: /usr/bin/python3 /srv/site.py" in told
    assert "supervisor program bot: python3 /srv/bot.py" in told
    assert "init script feeder: /etc/init.d/feeder" in told
