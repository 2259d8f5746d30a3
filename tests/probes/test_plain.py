"""TCP, TLS, SSH, commands, logs and queries as probes: what is good is told with what was seen, and what is not with why."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from cockpit.clock import SystemClock
from cockpit.plan.model import Host
from cockpit.plan.target import Target, target
from cockpit.plan.watched import Expect, Login, Probe
from cockpit.probes.context import Said
from cockpit.probes.plain import login, onhost, tcp
from cockpit.probes.plain.tls import TlsProber
from tests.probes.hosted import on_this
from tests.probes.wild import certificate, hearing, saying, wild

HERE = "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.test:25", Target("a.test", 25)),
        ("a.test", Target("a.test")),
        ("192.0.2.1:1", Target("192.0.2.1", 1)),
        ("[2001:db8::1]:443", Target("2001:db8::1", 443)),
        ("[2001:db8::1]", Target("2001:db8::1")),
    ],
)
def test_a_target_is_a_name_and_a_port(text: str, found: Target) -> None:
    assert target(text) == found


@pytest.mark.parametrize("text", ["", "a b:1", "a:65536", "a:x", "a:1:2", "http://a:1", "2001:db8::1"])
def test_what_is_no_target_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no name:port|there is no port"):
        target(text)


async def test_a_connection_alone_is_enough_where_nothing_more_is_asked() -> None:
    async with wild(hearing(b"")) as port:
        seen = await tcp.probe(Target("x.test", port), HERE, Expect(status=0), 2)
    assert (seen.ok, seen.detail, seen.via) == (True, "connected", HERE)
    assert float(seen.facts["connect"]) <= seen.ms


async def test_a_banner_is_read_until_it_holds_what_is_expected() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word in (b"220-first\r\n", b"220 re", b"ady\r\n"):
            writer.write(word)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with wild(talk) as port:
        seen = await tcp.probe(Target("x.test", port), HERE, Expect(status=0, body="ready"), 2)
        assert (seen.ok, seen.facts["banner"]) == (True, "220-first")
        seen = await tcp.probe(Target("x.test", port), HERE, Expect(status=0, body="gone"), 2)
    assert (seen.ok, seen.detail) == (False, "the server closed without 'gone': 220-first")


async def test_a_closed_port_is_no_connection() -> None:
    async with wild(hearing(b"")) as port:
        pass
    seen = await tcp.probe(Target("x.test", port), HERE, Expect(status=0), 2)
    assert (seen.ok, seen.detail, seen.facts) == (False, "no connection: refused", {})


async def test_ipv6_is_asked_where_the_address_is_one() -> None:
    async with wild(saying(b"hello\n"), host="::1") as port:
        seen = await tcp.probe(Target("x.test", port), "::1", Expect(status=0, body="hello"), 2)
    assert (seen.ok, seen.via) == (True, "::1")


async def test_a_handshake_shows_the_certificate_and_its_days(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "www.x.test", days=20)
    async with wild(hearing(b""), context) as port:
        seen = await TlsProber(SystemClock()).probe(Target("www.x.test", port), HERE, 5, str(trusted))
    assert seen.ok, seen.detail
    assert seen.certificate is not None
    assert seen.certificate.names == ("www.x.test", HERE)
    assert 19.9 < seen.certificate.days <= 20
    assert seen.facts["tls"] == "TLSv1.3"
    assert float(seen.facts["certificate.days"]) == seen.certificate.days


@pytest.mark.parametrize(
    ("name", "days", "trust", "problem"),
    [
        ("other.x.test", 20, True, "wrong name"),
        ("www.x.test", -1, True, "expired"),
        ("www.x.test", 20, False, "self-signed"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_shown_with_why(
    tmp_path: Path, name: str, days: float, trust: bool, problem: str
) -> None:
    context, trusted = certificate(tmp_path, name, days=days, age=5)
    async with wild(hearing(b""), context) as port:
        prober = TlsProber(SystemClock())
        seen = await prober.probe(Target("www.x.test", port), HERE, 5, str(trusted) if trust else "")
    assert not seen.ok
    assert seen.certificate is not None
    assert problem in seen.certificate.problem
    assert problem in seen.detail
    assert seen.certificate.names[0] == name


async def test_a_certificate_for_many_names_shows_some_and_holds_for_all(tmp_path: Path) -> None:
    names = tuple(f"n{number}.test" for number in range(100))
    context, trusted = certificate(tmp_path, "n0.test", names=names)
    async with wild(hearing(b""), context) as port:
        good = await TlsProber(SystemClock()).probe(Target("n99.test", port), HERE, 5, str(trusted))
        stranger = await TlsProber(SystemClock()).probe(Target("n99.test", port), HERE, 5)
    assert good.ok, good.detail
    assert good.certificate is not None
    assert good.certificate.names == names[:40]
    assert "wrong name" not in stranger.detail, "it is for the name, whatever else is wrong with it"


async def test_an_authority_file_that_is_none_is_a_stated_failure(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    async with wild(hearing(b"")) as port:
        for file in ("empty.pem", "none.pem"):
            seen = await TlsProber(SystemClock()).probe(Target("x.test", port), HERE, 2, str(tmp_path / file))
            assert not seen.ok
            assert seen.detail


# --- SSH --------------------------------------------------------------------------------------------------------------


class Door(asyncssh.SSHServer):
    def __init__(self, keys: tuple[asyncssh.SSHKey, ...]) -> None:
        self._keys = keys

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("probe", "river")

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key in self._keys


@asynccontextmanager
async def sshd(status: int = 0, keys: tuple[asyncssh.SSHKey, ...] = ()) -> AsyncIterator[tuple[int, str]]:
    """An SSH server; its port and its host key, as a plan pins it."""
    own = asyncssh.generate_private_key("ssh-ed25519")

    async def run(process: asyncssh.SSHServerProcess[str]) -> None:
        process.exit(status)

    server = await asyncssh.listen(
        HERE, 0, server_factory=lambda: Door(keys), server_host_keys=[own], process_factory=run
    )
    try:
        yield server.get_port(), own.export_public_key().decode().strip()
    finally:
        server.close()
        await server.wait_closed()


def pinned(key: str, **more: str) -> list[Host]:
    return [Host(id="old", ssh="a@old", host_key=key, **more)]  # type: ignore[arg-type]


async def asked(port: int, hosts: list[Host], user: str = "", secret: str = "", wants: str = "") -> tuple[bool, str]:
    who = login.account(user, secret, hosts) if user else None
    seen = await login.probe(Target("git.x.test", port), HERE, wants, 5, who, login.trust(hosts))
    return seen.ok, seen.detail


async def test_ssh_shows_its_banner_and_its_host_key_without_a_login() -> None:
    async with sshd() as (port, key):
        seen = await login.probe(Target("git.x.test", port), HERE, "AsyncSSH", 5, None, login.trust([]))
        assert seen.ok, seen.detail
        print_ = asyncssh.import_public_key(key).get_fingerprint()
        assert seen.facts == {"banner": seen.body, "hostkey": f"ssh-ed25519 {print_}"}
        assert seen.body.startswith("SSH-2.0-AsyncSSH")
        assert (await asked(port, [], wants="OpenSSH"))[1].startswith("the banner lacks 'OpenSSH': SSH-2.0-AsyncSSH")


async def test_a_login_with_a_password_or_a_key_runs_true(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    file = tmp_path / "id"
    key.write_private_key(file)
    text = key.export_private_key().decode()
    async with sshd(keys=(key.convert_to_public(),)) as (port, host_key):
        hosts = pinned(host_key)
        ok, detail = await asked(port, hosts, "probe", "river")
        assert (ok, detail.endswith(", logged in")) == (True, True), detail
        assert (await asked(port, hosts, "anybody", text))[0]
        assert (await asked(port, pinned(host_key, identity_file=str(file)), "anybody"))[0]
        assert await asked(port, hosts, "probe", "sea") == (
            False,
            "the login is refused: Permission denied for user probe on host 127.0.0.1",
        )
        assert (await asked(port, hosts, "probe"))[1].startswith("no login: the plan gives it no secret")
    async with sshd(status=3, keys=(key.convert_to_public(),)) as (port, host_key):
        assert await asked(port, pinned(host_key), "probe", "river") == (False, "logged in, but `true` ended with 3")


async def test_no_password_is_said_to_a_host_whose_key_is_not_known(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (tmp_path / "known").write_text("")
    async with sshd() as (port, host_key):
        ok, detail = await asked(port, pinned(other), "probe", "river")
        assert (ok, "should be SHA256:" in detail, "no login was tried" in detail) == (False, True, True)
        stranger = [Host(id="old", ssh="a@old", known_hosts=str(tmp_path / "known"))]
        ok, detail = await asked(port, stranger, "probe", "river")
        assert (ok, "is not known" in detail) == (False, True)
        (tmp_path / "known").write_text(f"[git.x.test]:{port} {host_key}\n")
        assert (await asked(port, stranger, "probe", "river"))[0]


async def test_each_host_that_may_answer_is_trusted_by_its_own_pin_or_file(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    stray = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known = tmp_path / "known"
    async with sshd() as (port, host_key):
        known.write_text(f"[git.x.test]:{port} {host_key}\n")
        by_file = Host(id="new", ssh="a@new", known_hosts=str(known))
        assert (await asked(port, [*pinned(other), by_file], "probe", "river"))[0], "the pin of one is not the other's"
        assert (await asked(port, [by_file, *pinned(other)], "probe", "river"))[0]
        known.write_text(f"[git.x.test]:{port} {stray}\n")
        ok, detail = await asked(port, [*pinned(other), by_file], "probe", "river")
        assert not ok
        assert all(asyncssh.import_public_key(key).get_fingerprint() in detail for key in (other, stray))
        known.write_text(f"@revoked * {host_key}\n")
        ok, detail = await asked(port, [*pinned(host_key), by_file], "probe", "river")
        assert not ok, "a key that one of them revokes is nobody's"


# --- what hosts say ---------------------------------------------------------------------------------------------------


def command(text: str, **more: object) -> Probe:
    return Probe(id="c", proto="command", target=text, **{"expect": Expect(status=0), "timeout": 5.0, **more})  # type: ignore[arg-type]


async def test_a_command_is_judged_by_its_status_and_what_it_prints() -> None:
    seen = await onhost.command(on_this, "old", command('echo "12 for $client"; echo more; exit 0'), {"client": "o'sf"})
    assert (seen.ok, seen.status, seen.detail, seen.via) == (True, 0, "12 for o'sf", "old")
    assert seen.facts == {"status": "0", "value": "12 for o'sf", "lines": "2", "error": ""}
    seen = await onhost.command(on_this, "old", command("echo no >&2; exit 3"), {})
    assert (seen.ok, seen.status, seen.detail) == (False, 3, "status 3, not 0: no")
    seen = await onhost.command(on_this, "old", command("exit 3", expect=Expect(status=3)), {})
    assert seen.ok
    seen = await onhost.command(on_this, "old", command("echo inactive", expect=Expect(status=0, body="no\nway")), {})
    assert (seen.ok, seen.detail) == (False, "it prints no 'no\\nway': inactive")
    seen = await onhost.command(on_this, "old", command("echo 41.5"), {})
    assert seen.facts["number"] == "41.5"


async def test_a_command_s_text_cannot_eat_what_follows_and_takes_any_text() -> None:
    seen = await onhost.command(on_this, "old", command("cat; read x || echo empty\necho COCKPIT_END 'it'\"s\""), {})
    assert (seen.ok, seen.body) == (True, "empty\nCOCKPIT_END its\n")


async def test_a_command_without_end_ends_on_the_host_too(tmp_path: Path) -> None:
    mark = tmp_path / "still"
    text = f"while :; do sleep 0.1; echo x >>{mark}; done"
    began = time.monotonic()
    seen = await onhost.command(on_this, "old", command(text, timeout=1.0), {})
    assert (seen.ok, time.monotonic() - began < 20) == (False, True)
    size = -1
    async with asyncio.timeout(10):
        while size != (size := mark.stat().st_size):
            await asyncio.sleep(0.6)


async def test_a_host_that_cannot_be_asked_is_a_stated_failure() -> None:
    async def gone(host: str, script: str, timeout: float) -> Said:
        return Said(None, "new cannot be reached: \x1b[31mno route\n")

    seen = await onhost.command(gone, "new", command("true"), {})
    assert (seen.ok, seen.detail) == (False, "new cannot be reached: no route·")


async def test_a_word_in_a_condition_is_no_word_on_the_status() -> None:
    def judged(*that: str, at: str = "old") -> object:
        return onhost.command(
            on_this, "old", command("echo status=dead; exit 3", expect=Expect(status=0, that=that)), {}, at
        )

    for that in ('value contains "status="', "lines == 1", "new.status == 3"):
        seen = await judged(that)  # type: ignore[misc]
        assert (seen.ok, seen.detail) == (False, "status 3, not 0"), that
    for that in ("status == 3", "old.status == 3", 'value == "x" or not status == 0'):
        assert (await judged(that)).ok, that  # type: ignore[misc]


def query(database: str, text: str, **more: object) -> Probe:
    return Probe(id="q", proto="query", target=text, database=database, expect=Expect(status=0), **more)  # type: ignore[arg-type]


async def test_a_sqlite_database_is_asked_and_never_written(tmp_path: Path) -> None:
    file = tmp_path / "it's $(here).db"
    with sqlite3.connect(file) as base:
        base.executescript("create table orders (n text); insert into orders values ('a''b'), ('c');")
    base.close()
    for text in ("select count(*) from orders", "select count(*) from orders;\n"):
        seen = await onhost.query(on_this, "old", query(f"sqlite:{file}", text), "")
        assert (seen.ok, seen.facts["value"], seen.facts["number"]) == (True, "2", "2"), seen.detail
    seen = await onhost.query(on_this, "old", query(f"sqlite:{file}", "select n from orders where n = 'a''b'"), "")
    assert seen.facts["value"] == "a'b"
    for wrong in ("insert into orders values ('x')", "select nothing"):
        seen = await onhost.query(on_this, "old", query(f"sqlite:{file}", wrong), "")
        assert not seen.ok
        assert seen.facts["error"]
    assert sqlite3.connect(file).execute("select count(*) from orders").fetchone() == (2,)
    seen = await onhost.query(on_this, "old", query(f"sqlite:{tmp_path}/none.db", "select 1"), "")
    assert (seen.ok, seen.detail) == (False, "status 1, not 0: there is no such file")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(("scheme", "client"), [("postgresql", "psql"), ("mysql", "mysql")])
async def test_a_password_reaches_a_database_s_client_in_its_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, client: str
) -> None:
    fake = tmp_path / client
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/args; env >{tmp_path}/env; cat >{tmp_path}/in; echo 7\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    secret = 'o\'pen $(id) "sesame"'
    probe = query(f"{scheme}://db.test:99/shop", "select 'a;b'", login=Login(user="us'er", secret="box"))
    seen = await onhost.query(on_this, "old", probe, secret)
    assert (seen.ok, seen.facts["value"]) == (True, "7"), seen.detail
    arguments, environment = (tmp_path / "args").read_text(), (tmp_path / "env").read_text()
    assert secret not in arguments
    assert f"={secret}\n" in environment
    assert "us'er" in arguments + environment
    assert "select 'a;b';\n" in (tmp_path / "in").read_text()
    assert "read" in (environment + (tmp_path / "in").read_text()).lower(), "the session may only read"
