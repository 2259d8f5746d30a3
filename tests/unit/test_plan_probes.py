"""Health probes of a plan: every protocol is read, with what goes with it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from cockpit.plan.databases import holds_password
from cockpit.plan.load import loads
from cockpit.plan.model import Host, Plan
from cockpit.plan.show import markdown
from cockpit.plan.watched import Expect, Login, Probe

DOC = Path(__file__).parents[2] / "docs/plan.md"
HEAD = """cutover: 1
name: Night
hosts:
  old: {ssh: a@old, address: 192.0.2.1}
  new: {ssh: a@new, address: 192.0.2.2, address6: "2001:db8::2"}
  db: {ssh: a@db}
  shop: {ssh: "a@{client}", role: new}
secrets: {deploy_key: {env: A}, mailbox: {env: B}}
services:
  - id: osf
    vars: {client: osf}
"""
TAIL = "    steps: [{id: ok, phase: copy, sync: {from: old, to: new, paths: ['{client}/']}}]\n"


def probes(tmp_path: Path, *entries: str) -> tuple[Probe, ...]:
    """The probes of a plan that has no findings."""
    head = HEAD.replace(
        '  "shop-{client}": {ssh: "a@{client}", role: new}\n', '  shop: {ssh: "a@{client}", role: new}\n'
    )
    text = head + "    health:\n" + "".join(f"      - {entry}\n" for entry in entries) + TAIL
    found = loads(text.encode(), tmp_path / "plan.yaml")
    assert [str(finding) for finding in found.findings if finding.code != "unused-secret"] == []
    assert found.plan is not None
    assert found.plan.hosts["new"].address6 == "2001:db8::2"
    assert msgspec.json.decode(msgspec.json.encode(found.plan), type=Plan) == found.plan
    assert markdown(found.plan).count("- health `") == len(entries)
    return found.plan.services[0].health


def test_the_example_in_the_docs_is_a_plan_without_findings(tmp_path: Path) -> None:
    block = re.search(r"## Health probes.*?```yaml\nhealth:\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert block is not None
    entries = [line.strip().removeprefix("- ") for line in block[1].splitlines()]
    assert {probe.proto for probe in probes(tmp_path, *entries)} == {
        "http", "tcp", "tls", "ssh", "smtp", "imap", "command", "log", "query",
    }  # fmt: skip


NOTHING = Expect(status=0)
BOTH, ALL = ("old", "new"), ("old", "new", "world")


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        (
            "{http: 'https://{client}.test/login?x', http2: true, family: each, row: 3, jitter: 12.5%, every: 4s}",
            Probe(id="login", url="https://osf.test/login?x", http2=True, family="each", row=3, jitter=0.125, every=4.0),
        ),
        ("{tcp: '{client}.test:5432'}", Probe(id="tcp-5432", proto="tcp", target="osf.test:5432", expect=NOTHING)),
        (
            "{tls: osf.test, family: 6, at: [new, new]}",
            Probe(id="tls", proto="tls", target="osf.test", expect=NOTHING, family="6", at=("new",)),
        ),
        (
            "{ssh: 'git.test:2222', login: {user: git}}",
            Probe(id="ssh-2222", proto="ssh", target="git.test:2222", expect=NOTHING, login=Login(user="git", secret=""), every=10),
        ),
        (
            "{submission: mail.test, starttls: true, login: {user: '{client}', secret: mailbox}, recipient: a@b.test}",
            Probe(id="submission", proto="submission", target="mail.test", expect=NOTHING, tls="starttls",
                  login=Login(user="osf", secret="mailbox"), recipient="a@b.test", every=10),
        ),
        (
            "{imap: 'mail.test:993', login: {user: a, secret: mailbox}}",
            Probe(id="imap-993", proto="imap", target="mail.test:993", expect=NOTHING, tls="implicit",
                  login=Login(user="a", secret="mailbox"), every=10),
        ),
        (
            "{pop: mail.test, implicit_tls: true, timeout: 9s}",
            Probe(id="pop", proto="pop", target="mail.test", expect=NOTHING, tls="implicit", every=10, timeout=9),
        ),
        (
            "{command: 'test {client} = $client', expect: {status: 1}}",
            Probe(id="command", proto="command", target="test {client} = $client", expect=Expect(status=1), at=BOTH, every=10),
        ),
        (
            "{command: uptime, on: db, id: up}",
            Probe(id="up", proto="command", target="uptime", host="db", expect=NOTHING, at=("world",), every=10),
        ),
        (
            "{command: uptime, on: shop, id: up}",
            Probe(id="up", proto="command", target="uptime", host="shop@osf", expect=NOTHING, at=("new",), every=10),
        ),
        (
            "{command: uptime, on: db, at: [old], id: up}",
            Probe(id="up", proto="command", target="uptime", host="db", expect=NOTHING, at=("old",), every=10),
        ),
        (
            "{log: 'to={client}', unit: postfix.service}",
            Probe(id="log", proto="log", target="to=osf", unit="postfix.service", expect=NOTHING, at=BOTH, every=10),
        ),
        (
            "{query: 'select {1}', database: 'sqlite:/srv/{client}.db', expect: {that: [number > 2]}}",
            Probe(id="query", proto="query", target="select {1}", database="sqlite:/srv/osf.db",
                  expect=Expect(status=0, that=("number > 2",)), at=BOTH, every=10),
        ),
    ],
)  # fmt: skip
def test_an_entry_is_read(tmp_path: Path, entry: str, read: Probe) -> None:
    assert probes(tmp_path, entry) == (read,)


def test_an_authority_file_stands_beside_the_plan(tmp_path: Path) -> None:
    [probe] = probes(tmp_path, "{tls: osf.test, ca: keys/ca.pem}")
    assert probe.ca == str(tmp_path / "keys/ca.pem")


def test_a_plan_of_an_older_journal_is_read() -> None:
    raw = b'{"id":"login","url":"https://a.test/login","at":["old"],"every":2.0,"timeout":5.0}'
    assert msgspec.json.decode(raw, type=Probe) == Probe(id="login", url="https://a.test/login", at=("old",))
    assert msgspec.json.decode(b'{"id":"old","ssh":"a@old","role":"old"}', type=Host).address6 == ""


@pytest.mark.parametrize(
    ("database", "holds"),
    [
        ("postgresql:///shop", False),
        ("postgresql://me@db:5432/shop", False),
        ("postgresql:host=db user=me passfile=/home/me/.pgpass", False),
        ("sqlite:/srv/a@b:c.db", False),
        ("mysql://me:@db/shop", False),
        ("postgresql://me:a@b@db/shop", True),
        ("postgresql:///shop?sslmode=require&PASSWORD=x", True),
        ("postgresql:password=x host=db", True),
        ("postgresql:host=db sslpassword='x y'", True),
        ("mysql://db/shop?passwd=x", True),
    ],
)
def test_a_password_in_a_database_s_name_is_found(database: str, holds: bool) -> None:
    assert holds_password(database) is holds
