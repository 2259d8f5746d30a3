"""Mail servers asked: from the banner to a recipient that is accepted, with TLS under the name of the MX, and logins."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cockpit.plan.watched import Login, Probe
from cockpit.probes.mail import probe
from cockpit.probes.seen import Seen
from tests.probes.mailers import NAME, Domain, authenticator, scripted, server_context, smtp_server, talking
from tests.real.world.web import Authority

SECRETS = {"mail": "river boat", "wrong": "lake"}


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls(tmp_path: Path, ca: Authority) -> ssl.SSLContext:
    return server_context(tmp_path, ca, NAME)


async def ask(port: int, ca: Authority | None = None, seconds: float = 5.0, **fields: object) -> Seen:
    question = Probe(id="p", **{"proto": "smtp", "target": f"{NAME}:{port}", "ca": str(ca.pem) if ca else "", **fields})  # type: ignore[arg-type]
    return await probe(question, NAME, "127.0.0.1", SECRETS, seconds)


async def test_a_good_mx_shows_tls_under_its_name_takes_its_recipient_and_relays_nothing(
    ca: Authority, tls: ssl.SSLContext
) -> None:
    domain = Domain()
    async with smtp_server(domain, tls) as port:
        seen = await ask(port, ca, tls="starttls", recipient="info@example.test", refuses="bob@else.test")
    assert seen.ok, seen.detail
    assert seen.status == 250
    assert seen.facts["tls"] == "TLSv1.3"
    assert seen.facts["recipient"] == "accepted"
    assert (seen.facts["relay"], seen.facts["relay_code"]) == ("refused", "554")
    assert seen.facts["mime8bit"] == "yes"
    assert seen.facts["size"] == "33554432"
    assert seen.facts["enhanced"] == "2.1.5"
    assert seen.certificate is not None
    assert seen.certificate.names == (NAME,)
    assert not seen.certificate.problem
    assert 89 < seen.certificate.days < 91
    assert domain.recipients == [("<>", "info@example.test"), ("<>", "bob@else.test")]


async def test_no_message_is_ever_sent(ca: Authority, tls: ssl.SSLContext) -> None:
    domain = Domain()
    async with smtp_server(domain, tls) as port:
        await ask(port, ca, tls="starttls", recipient="info@example.test")
    assert not domain.taken


async def test_an_open_relay_is_a_failure() -> None:
    async with smtp_server(Domain(relays=True)) as port:
        seen = await ask(port, refuses="bob@else.test")
    assert not seen.ok
    assert "open relay" in seen.detail
    assert seen.facts["relay"] == "accepted"


async def test_a_refusal_for_now_is_no_relaying() -> None:
    """Postfix defers what it does not relay, as it comes (smtpd_relay_restrictions)."""
    turns = ((b"EHLO", b"250 mx\r\n"), (b"RCPT", b"454 4.7.1 Relay access denied\r\n"), (b"MAIL", b"250 ok\r\n"))
    async with talking(scripted(b"220 mx\r\n", *turns, (b"RSET", b"250 ok\r\n"), (b"QUIT", b"221 bye\r\n"))) as port:
        seen = await ask(port, refuses="bob@else.test")
    assert seen.ok
    assert seen.facts["relay"] == "deferred"


@pytest.mark.parametrize(
    ("mail", "rcpt", "said"),
    [
        (b"550 5.7.1 your address is listed\r\n", b"550 no\r\n", "MAIL with 550 5.7.1 your address is listed"),
        (b"250 ok\r\n", b"450 4.2.0 greylisted\r\n", "RCPT with 450 4.2.0 greylisted"),
        (b"250 ok\r\n", b"451 4.3.0 busy\r\n", "RCPT with 451 4.3.0 busy"),
        (b"250 ok\r\n", b"421 too many\r\n", "RCPT with 421 too many"),
        (b"421 too many\r\n", b"", "MAIL with 421 too many"),
    ],
)
async def test_a_relay_that_was_not_really_asked_cannot_be_told(mail: bytes, rcpt: bytes, said: str) -> None:
    turns = ((b"EHLO", b"250 mx\r\n"), (b"RCPT", rcpt), (b"MAIL", mail))
    async with talking(scripted(b"220 mx\r\n", *turns, (b"RSET", b"250 ok\r\n"), (b"QUIT", b"221 bye\r\n"))) as port:
        seen = await ask(port, refuses="bob@else.test")
    assert (seen.ok, seen.detail) == (False, f"whether it relays cannot be told: it answers {said}")
    assert "relay" not in seen.facts


async def test_a_refused_sender_is_not_told_as_a_refused_recipient() -> None:
    turns = ((b"EHLO", b"250 mx\r\n"), (b"MAIL", b"550 listed\r\n"), (b"RSET", b"250 ok\r\n"))
    async with talking(scripted(b"220 mx\r\n", *turns, (b"QUIT", b"221 bye\r\n"))) as port:
        seen = await ask(port, recipient="ann@example.test")
    assert (seen.ok, "recipient" in seen.facts) == (False, False)
    assert seen.detail == "ann@example.test could not be asked for: the sender <> is refused: 550 listed"


async def test_a_recipient_that_is_put_off_is_told_apart_from_one_refused() -> None:
    async with smtp_server(Domain(deferrals=1)) as port:
        put_off = await ask(port, recipient="info@example.test")
        accepted = await ask(port, recipient="info@example.test")
        refused = await ask(port, recipient="nobody@example.test")
    assert (put_off.ok, put_off.facts["recipient"], put_off.status) == (False, "deferred", 450)
    assert accepted.ok
    assert (refused.ok, refused.facts["recipient"], refused.facts["enhanced"]) == (False, "refused", "5.1.1")
    assert "550 5.1.1 No such user here" in refused.detail


async def test_a_certificate_of_another_name_is_shown_and_named_as_the_failure(tmp_path: Path, ca: Authority) -> None:
    context = server_context(tmp_path, ca, "other.example.test")
    async with smtp_server(Domain(), context) as port:
        seen = await ask(port, ca, tls="starttls")
    assert not seen.ok
    assert "certificate" in seen.detail
    assert seen.certificate is not None
    assert seen.certificate.names == ("other.example.test",)
    assert "other.example.test" in seen.certificate.problem


async def test_a_certificate_of_an_unknown_authority_or_out_of_date_is_shown(tmp_path: Path, ca: Authority) -> None:
    (tmp_path / "elsewhere").mkdir()
    for context, word in (
        (server_context(tmp_path, Authority(tmp_path / "elsewhere", "Elsewhere"), NAME), "Elsewhere"),
        (server_context(tmp_path, ca, NAME, days=-2), "expired"),
    ):
        async with smtp_server(Domain(), context) as port:
            seen = await ask(port, ca, tls="starttls")
        assert not seen.ok
        assert seen.certificate is not None
        assert seen.certificate.names == (NAME,)
        assert word in seen.certificate.problem


async def test_tls_that_is_wanted_and_not_offered_is_a_failure() -> None:
    async with smtp_server(Domain()) as port:
        seen = await ask(port, tls="starttls")
    assert (seen.ok, seen.detail, seen.facts["starttls"]) == (False, "it offers no STARTTLS", "no")


async def test_tls_can_come_first(ca: Authority, tls: ssl.SSLContext) -> None:
    async with smtp_server(Domain(), tls, implicit=True) as port:
        seen = await ask(port, ca, tls="implicit", recipient="info@example.test")
        plain = await ask(port, ca, seconds=1.0)
    assert seen.ok, seen.detail
    assert seen.certificate is not None
    assert not plain.ok


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_submission_logs_in_over_tls(mechanism: str, ca: Authority, tls: ssl.SSLContext) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    options = {"authenticator": authenticator, "auth_required": True, "auth_exclude_mechanism": [other]}
    async with smtp_server(Domain(), tls, **options) as port:
        good = await ask(
            port, ca, proto="submission", tls="starttls", login=Login(user="ann@example.test", secret="mail"),
            recipient="info@example.test",
        )  # fmt: skip
        bad = await ask(
            port, ca, proto="submission", tls="starttls", login=Login(user="ann@example.test", secret="wrong")
        )
    assert good.ok, good.detail
    assert good.facts["login"] == "accepted"
    assert (bad.ok, bad.facts["login"], bad.status) == (False, "refused", 535)
    assert "lake" not in bad.detail


@pytest.mark.parametrize("proto", ["submission", "imap", "pop"])
async def test_a_password_never_goes_over_a_connection_without_tls(proto: str) -> None:
    heard: list[bytes] = []
    banner = {"submission": b"220 mx\r\n", "imap": b"* OK ready\r\n", "pop": b"+OK ready\r\n"}[proto]
    turns = (
        (b"EHLO", b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n"),
        (b"CAPABILITY", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK\r\n"),
        (b"CAPA", b"+OK\r\nUSER\r\n.\r\n"),
    )
    async with talking(scripted(banner, *turns, heard=heard)) as port:
        seen = await ask(port, proto=proto, login=Login(user="ann", secret="mail"))
    assert (seen.ok, seen.detail) == (False, "the login was not sent: the connection has no TLS")
    assert not any(word in line.upper() for line in heard for word in (b"AUTH", b"LOGIN", b"USER", b"PASS", b"ANN"))


async def test_a_secret_that_is_not_there_is_told_without_a_question() -> None:
    seen = await ask(1, proto="imap", tls="implicit", login=Login(user="ann", secret="gone"))
    assert (seen.ok, seen.detail) == (False, "the secret gone is not there")


async def test_a_server_that_knows_only_helo_is_asked_in_the_old_way() -> None:
    turns = ((b"HELO", b"250 mx\r\n"), (b"MAIL", b"250 ok\r\n"), (b"RCPT", b"250 ok\r\n"), (b"RSET", b"250 ok\r\n"))
    async with talking(scripted(b"220 old\r\n", *turns)) as port:
        seen = await ask(port, recipient="info@example.test")
    assert seen.ok, seen.detail


async def test_an_address_of_the_plan_cannot_smuggle_a_command() -> None:
    domain = Domain()
    async with smtp_server(domain) as port:
        seen = await ask(port, recipient="a@example.test>\r\nDATA\r\n")
    assert not seen.ok
    assert "line break" in seen.detail
    assert not domain.recipients


IMAP_TLS = (
    (b"CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nTAG OK done\r\n"),
    (b"STARTTLS", b"TAG OK begin\r\n"),
    (b"LOGIN", b"TAG OK in\r\n"),
    (b"LOGOUT", b"* BYE\r\nTAG OK out\r\n"),
)


async def test_pop_begins_tls_and_logs_in(ca: Authority, tls: ssl.SSLContext) -> None:
    heard: list[bytes] = []
    turns = (
        (b"CAPA", b"+OK\r\nSTLS\r\nUSER\r\n.\r\n"), (b"STLS", b"+OK begin\r\n"), (b"USER", b"+OK\r\n"),
        (b"PASS RIVER BOAT", b"+OK in\r\n"), (b"PASS", b"-ERR [AUTH] no\r\n"), (b"QUIT", b"+OK\r\n"),
    )  # fmt: skip
    async with talking(scripted(b"+OK ready\r\n", *turns, tls=tls, heard=heard)) as port:
        good = await ask(port, ca, proto="pop", tls="starttls", login=Login(user="ann", secret="mail"))
        bad = await ask(port, ca, proto="pop", tls="starttls", login=Login(user="ann", secret="wrong"))
    assert good.ok, good.detail
    assert good.facts["login"] == "accepted"
    assert (bad.ok, bad.facts["login"]) == (False, "refused")
    assert bad.detail == "PASS is refused: -ERR [AUTH] no"


async def test_what_a_server_says_back_of_a_password_is_the_password_s_own_text(
    ca: Authority, tls: ssl.SSLContext
) -> None:
    """Journal and screen keep a secret out by its text: in another coding they would not know it."""
    said = "-ERR no such password: pässwörd\r\n".encode()
    turns = (
        (b"CAPA", b"+OK\r\nSTLS\r\nUSER\r\n.\r\n"), (b"STLS", b"+OK begin\r\n"), (b"USER", b"+OK\r\n"),
        (b"PASS", said), (b"QUIT", b"+OK\r\n"),
    )  # fmt: skip
    async with talking(scripted(b"+OK pop \xff\r\n", *turns, tls=tls)) as port:
        seen = await ask(port, ca, proto="pop", tls="starttls", login=Login(user="ann", secret="mail"))
    assert not seen.ok
    assert "pässwörd" in seen.detail
    assert "\\xff" in seen.facts["banner"]


async def test_imap_over_tls_logs_in_with_what_is_offered(ca: Authority, tls: ssl.SSLContext) -> None:
    heard: list[bytes] = []
    offers = b"* CAPABILITY IMAP4rev1%s\r\nTAG OK\r\n"
    for more in (b"", b" AUTH=PLAIN"):
        turns = (
            (b"CAPABILITY", offers % more), (b"AUTHENTICATE", b"+ \r\n"), (b"LOGOUT", b"TAG OK\r\n"),
            (b"LOGIN", b"TAG OK in\r\n"), (b"", b"c2 OK in\r\n"),
        )  # fmt: skip
        async with talking(scripted(b"* OK ready\r\n", *turns, heard=heard), tls=tls) as port:
            seen = await ask(port, ca, proto="imap", tls="implicit", login=Login(user='an"n', secret="mail"))
        assert seen.ok, seen.detail
        assert seen.facts["login"] == "accepted"
    assert b'c2 LOGIN "an\\"n" "river boat"\r\n' in heard
    assert b"c2 AUTHENTICATE PLAIN\r\n" in heard


async def test_imap_without_login_shows_what_it_offers() -> None:
    turns = ((b"CAPABILITY", b"* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK\r\n"), (b"LOGOUT", b"* BYE\r\nTAG OK\r\n"))
    async with talking(scripted(b"* OK [CAPABILITY IMAP4rev1] Dovecot\r\n", *turns)) as port:
        seen = await ask(port, proto="imap")
    assert seen.ok
    assert seen.facts["capabilities"] == "IMAP4REV1 IDLE"
    assert "Dovecot" in seen.facts["banner"]


async def test_a_closed_port_is_told_as_such() -> None:
    async with talking(scripted(b"")) as port:
        pass
    seen = await ask(port)
    assert not seen.ok
    assert "no connection" in seen.detail
