"""Recipes where what they are given is not as they hope, in a scratch folder; commands that could do harm are stood in for."""

from __future__ import annotations

import os
import subprocess
from importlib import resources
from pathlib import Path

import pytest


def told(recipe: str, calls: str, stubs: str = "", **params: str) -> subprocess.CompletedProcess[str]:
    """The recipe's file, then functions that take the place of commands, then calls."""
    text = resources.files("cockpit.recipes").joinpath(f"{recipe}.sh").read_text()
    return subprocess.run(
        ["sh", "-c", f"{text}\n{stubs}\n{calls}"],
        env=dict(os.environ) | params,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("call", ["apply", "undo"])
def test_a_folder_that_cannot_be_entered_has_nothing_deleted_in_its_place(tmp_path: Path, call: str) -> None:
    into, archive, found = tmp_path / "into", tmp_path / "a.tar", tmp_path / "found"
    into.mkdir()
    archive.write_bytes(b"")
    (tmp_path / "a.tar.sha256").write_text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -\n")
    params = {"archive": str(archive), "into": str(into), "evidence": str(tmp_path / "evidence"), "captured_made": "0"}
    closed = f'cd() {{ return 1; }}\nfind() {{ echo "$PWD $*" >> {found}; }}'
    said = told("backup-restorable", call, closed, **params)
    assert said.returncode != 0, said
    assert not found.exists(), found.read_text()


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.touch()
    params = {"archive": str(archive), "into": str(tmp_path), "evidence": str(tmp_path / "evidence")}
    said = told("backup-restorable", "capture", "ls() { return 2; }", **params)
    assert said.returncode == 1
    assert "cannot be read" in said.stderr
    gone = told("backup-restorable", "verify_undo", "ls() { return 2; }", **params, captured_made="0")
    assert gone.returncode != 0, gone


def test_a_file_of_jobs_behind_a_link_is_changed_where_it_is(tmp_path: Path) -> None:
    table, link = tmp_path / "table", tmp_path / "link"
    text = "1 2 3 4 5 nobody /no/such/command of a test\n"
    table.write_text(text)
    link.symlink_to("table")
    params = {"line": text.strip(), "file": str(link), "captured_running": "1", "HOME": str(tmp_path)}
    for recipe, op, left in (
        ("cron-stop", "apply", f"#stopped for the cutover: {text}"),
        ("cron-stop", "undo", text),
        ("cron-start", "undo", ""),
    ):
        said = told(recipe, op, **params)
        assert said.returncode == 0, said
        assert link.is_symlink()
        assert table.read_text() == left
    said = told("cron-start", "sane && read_jobs && printf '%s\\n' \"$line\" | write_jobs", **params)
    assert said.returncode == 0, said
    assert link.is_symlink()
    assert table.read_text() == text


def test_a_database_behind_a_link_is_replaced_where_it_is_with_its_mode(tmp_path: Path) -> None:
    source, target, link = tmp_path / "source", tmp_path / "target", tmp_path / "link"
    for path, held in ((source, "new"), (target, "old")):
        subprocess.run(["sqlite3", str(path), f"create table {held} (a)"], check=True)
    source.chmod(0o644)
    target.chmod(0o640)
    link.symlink_to("target")
    (tmp_path / "from").symlink_to("source")
    former = target.read_bytes()
    params = {
        "source": str(tmp_path / "from"),
        "target": str(link),
        "captured_existed": "1",
        "captured_token": "t",
        "others": "ignore",
    }
    assert told("sqlite-copy", "apply && verify", **params).returncode == 0
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert target.read_bytes() != former
    assert told("sqlite-copy", "undo && verify_undo", **params).returncode == 0
    assert link.is_symlink()
    assert target.read_bytes() == former
    fresh = params | {"target": str(tmp_path / "fresh"), "captured_existed": "0"}
    assert told("sqlite-copy", "apply", **fresh).returncode == 0
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o644


TABLES = sorted(
    entry.name.removesuffix(".sh")
    for entry in resources.files("cockpit.recipes").iterdir()
    if entry.name.startswith(("exim-", "postfix-", "sendmail-")) and "changed() {" in entry.read_text()
)


@pytest.mark.parametrize("recipe", TABLES)
def test_a_table_of_a_mail_server_behind_a_link_is_replaced_where_it_is(tmp_path: Path, recipe: str) -> None:
    (tmp_path / "apart").mkdir()
    table, link = tmp_path / "apart" / "table", tmp_path / "link"
    table.write_text("# the table\n")
    table.chmod(0o640)
    link.symlink_to("apart/table")
    stubs = 'postmap() { echo x; }\npostfix() { :; }\nmakemap() { : > "$2"; }'
    said = told(
        recipe,
        "key=a.example tag=test type=texthash; leave() { :; }; changed 'a.example x' x",
        stubs,
        file=str(link),
    )
    assert link.is_symlink(), said
    assert "a.example x" in table.read_text(), said
    assert table.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in (tmp_path / "apart").iterdir()) == ["table"]


def test_monitoring_that_reads_a_whole_folder_sees_one_file_only(tmp_path: Path) -> None:
    file, seen = tmp_path / "check", tmp_path / ".seen"
    file.write_text("before\n")
    look = f"ls {tmp_path} >> {seen}"
    params = {"file": str(file), "check": "new", "test": look, "reload": look, "seen": "true", "captured_existed": "1"}
    said = told("monitoring-probe", "apply && verify", **params, captured_token="t")
    assert said.returncode == 0, said
    assert file.read_text() == "new\n"
    said = told("monitoring-probe", "undo && verify_undo", **params, captured_token="t")
    assert said.returncode == 0, said
    assert file.read_text() == "before\n"
    assert seen.read_text().splitlines() == ["check"] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [".seen", "check"]


@pytest.mark.parametrize("recipe", ["mail-through", "mail-redirect"])
@pytest.mark.parametrize(
    ("queue", "status", "says"),
    [
        ("return 75", 2, "the queue of this host cannot be seen"),
        ("echo '4711 ann@a.test'", 1, "stays in the queue of this host"),
        ('[ -e "$box" ] || { touch "$box"; return 75; }', 0, ""),
    ],
)
def test_a_queue_that_cannot_be_seen_is_not_one_in_which_a_message_stays(
    tmp_path: Path, recipe: str, queue: str, status: int, says: str
) -> None:
    """Nor one that it has left; one look that fails is made again."""
    stubs = f"mailq() {{ {queue}; }}\nsendmail() {{ cat > /dev/null; }}\nsleep() {{ :; }}"
    box = str(tmp_path / "box")
    said = told(recipe, "verify", stubs, address="ann@a.test", redirect="/x", target="t", box=box, captured_token="t")
    assert said.returncode == status, said
    assert says in said.stdout
    assert said.stdout.count("\n") == 1, said
