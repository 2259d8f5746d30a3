"""A pinned probe goes to its address under its name, and nowhere else: not by a redirect, not by a connection that is already
there, not by what the environment or the server suggests."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from cockpit.plan.watched import Expect
from cockpit.probes.certificates import chain_of
from cockpit.probes.http import HttpProber
from tests.probes.authority import Authority
from tests.probes.web import Answer, Asked, serving

HERE, THERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def leading_to(where: str, status: int = 302) -> Answer:
    return Answer(status, (("Location", where),), b"")


async def test_a_redirect_to_another_name_is_not_followed_and_is_shown() -> None:
    async with serving() as other:
        async with serving(leading_to(f"http://other.test:{other.port}/there")) as web:
            seen = await HttpProber().get(f"http://name.test:{web.port}/", HERE, Expect(), 5)
        assert (seen.ok, seen.status) == (False, 302)
        assert seen.detail == f"redirects out of the pin, to http://other.test:{other.port}/there"
        assert seen.redirects == (f"http://other.test:{other.port}/there",)
        assert other.connections == 0


@pytest.mark.parametrize(
    "where", ["ftp://name.test/", "file:///etc/passwd", "//other.test/", "http://name.test.evil.test/", "javascript:1"]
)
async def test_a_redirect_to_what_is_not_the_name_over_http_is_not_followed(where: str) -> None:
    async with serving(leading_to(where)) as web:
        seen = await HttpProber().get(f"http://name.test:{web.port}/", HERE, Expect(), 5)
    assert (seen.ok, seen.status, len(web.asked)) == (False, 302, 1)
    assert seen.detail.startswith("redirects out of the pin, to ")


async def test_a_redirect_to_another_port_of_the_name_stays_at_the_pinned_address() -> None:
    async with serving() as second, serving(address=THERE, port=second.port) as decoy:
        async with serving(leading_to(f"http://NAME.test:{second.port}/there")) as first:
            seen = await HttpProber().get(f"http://name.test:{first.port}/", HERE, Expect(), 5)
        assert (seen.ok, seen.via, seen.redirects) == (True, HERE, (f"http://name.test:{second.port}/there",))
        assert [asked.headers["host"] for asked in second.asked] == [f"name.test:{second.port}"]
        assert decoy.connections == 0


async def test_a_redirect_to_https_of_the_name_is_checked_for_the_name(authority: Authority) -> None:
    async with serving(tls=authority.context("name.test")) as safe:
        async with serving(leading_to(f"https://name.test:{safe.port}/")) as web:
            seen = await HttpProber().get(f"http://name.test:{web.port}/", HERE, Expect(), 5, ca=authority.file)
        assert seen.ok, seen.detail
        assert safe.names == ["name.test"]
        assert seen.certificate is not None
    async with serving(tls=authority.context("other.test")) as wrong:
        async with serving(leading_to(f"https://name.test:{wrong.port}/")) as web:
            seen = await HttpProber().get(f"http://name.test:{web.port}/", HERE, Expect(), 5, ca=authority.file)
        assert (seen.ok, wrong.asked) == (False, [])
        assert "wrong name: it is for other.test, not name.test" in seen.detail


async def test_a_connection_is_not_coalesced_for_a_second_name_of_its_certificate(authority: Authority) -> None:
    async with serving(tls=authority.context("a.test", "b.test", "*.c.test", protocols=("h2",))) as web:
        prober = HttpProber()
        urls = [f"https://{name}:{web.port}/" for name in ("a.test", "b.test", "x.c.test", "a.test")]
        for url in urls:
            seen = await prober.get(url, HERE, Expect(), 5, http2=True, ca=authority.file)
            assert (seen.ok, seen.version) == (True, "HTTP/2"), seen.detail
        await asyncio.gather(*(prober.get(url, HERE, Expect(), 5, http2=True, ca=authority.file) for url in urls))
    assert web.connections == 8
    assert sorted(web.names) == sorted(["a.test", "b.test", "x.c.test", "a.test"] * 2)
    assert len({asked.connection for asked in web.asked}) == 8
    assert [asked.headers["host"] for asked in web.asked][:4] == [url[8:-1] for url in urls]


@pytest.mark.parametrize("http2", [False, True])
async def test_each_request_has_a_connection_of_its_own(authority: Authority, http2: bool) -> None:
    async with serving(tls=authority.context("name.test", protocols=("h2", "http/1.1"))) as web:
        prober = HttpProber()
        for _ in range(3):
            await prober.get(f"https://name.test:{web.port}/", HERE, Expect(), 5, http2=http2, ca=authority.file)
    assert [asked.connection for asked in web.asked] == [1, 2, 3]


async def test_the_certificate_is_checked_for_each_name_by_itself(authority: Authority) -> None:
    for_b = authority.context("b.test")

    def choose(talk: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # Whoever asks for c.test is shown the certificate of b.test.
        if name in {"b.test", "c.test"}:
            talk.context = for_b

    tls = authority.context("a.test")
    tls.sni_callback = choose  # type: ignore[assignment]
    async with serving(tls=tls) as web:
        prober = HttpProber()
        found = {}
        for name in ("a.test", "b.test", "c.test", "a.test"):
            seen = await prober.get(f"https://{name}:{web.port}/", HERE, Expect(), 5, ca=authority.file)
            found[name] = seen
            assert seen.certificate is not None
    assert (found["a.test"].ok, found["b.test"].ok, found["c.test"].ok) == (True, True, False)
    assert found["b.test"].certificate is not None
    assert found["b.test"].certificate.names == ("b.test",)
    assert found["c.test"].certificate is not None
    assert found["c.test"].certificate.problem == "wrong name: it is for b.test, not c.test"
    assert [asked.headers["host"].partition(":")[0] for asked in web.asked] == ["a.test", "b.test", "a.test"]


async def test_alternative_services_are_ignored(authority: Authority) -> None:
    async with serving(tls=authority.context("name.test", protocols=("h2",))) as other:
        answer = Answer(headers=(("Alt-Svc", f'h2="{HERE}:{other.port}"; ma=3600, h3=":443"'),))
        async with serving(answer, authority.context("name.test", protocols=("h2",))) as web:
            prober = HttpProber()
            for _ in range(2):
                assert (
                    await prober.get(f"https://name.test:{web.port}/", HERE, Expect(), 5, http2=True, ca=authority.file)
                ).ok
            assert web.connections == 2
        assert other.connections == 0


async def test_cookies_last_for_one_chain_of_redirects_only() -> None:
    def answering(asked: Asked) -> Answer:
        if asked.path == "/":
            cookies = (
                ("Set-Cookie", "at=first; Path=/"),
                ("Set-Cookie", "safe=1; Secure"),
                ("Set-Cookie", "far=1; Domain=other.test"),
            )
            return Answer(302, (("Location", "/next"), *cookies), b"")
        return Answer()

    async with serving(answering) as web:
        prober = HttpProber()
        for _ in range(2):
            assert (await prober.get(f"http://name.test:{web.port}/", HERE, Expect(), 5)).ok
    assert [asked.headers.get("cookie") for asked in web.asked] == [None, "at=first", None, "at=first"]


async def test_proxies_and_netrc_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine name.test login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://{HERE}:{proxy.port}")
        async with serving() as web:
            seen = await HttpProber().get(f"http://name.test:{web.port}/", HERE, Expect(), 5)
        assert seen.ok
        assert proxy.connections == 0
        assert "authorization" not in web.asked[0].headers


async def test_each_family_is_asked_by_its_own_address() -> None:
    async with serving() as four, serving(Answer(body=b"six"), address="::1", port=four.port) as six:
        url, prober = f"http://name.test:{four.port}/", HttpProber()
        bodies = [(await prober.get(url, address, Expect(), 5)).body for address in (HERE, "::1")]
    assert bodies == ["ok", "six"]
    assert six.connections == four.connections == 1


BAD = [
    ({"begins": -30, "ends": -1}, "name.test", "expired "),
    ({}, "other.test", "wrong name: it is for other.test, not name.test"),
    ({"begins": 2}, "name.test", "not yet valid, from "),
    ({"self_signed": True}, "name.test", "self-signed"),
    ({"self_signed": True, "begins": -9, "ends": -2}, "other.test", "expired "),
]


@pytest.mark.parametrize(("made", "name", "problem"), BAD)
async def test_a_certificate_that_does_not_hold_is_shown(
    authority: Authority, made: dict[str, float], name: str, problem: str
) -> None:
    async with serving(tls=authority.context(name, **made)) as web:  # type: ignore[arg-type]
        seen = await HttpProber().get(f"https://name.test:{web.port}/", HERE, Expect(), 5, ca=authority.file)
    assert (seen.ok, seen.status, web.asked) == (False, 0, [])
    shown = seen.certificate
    assert shown is not None
    assert shown.names == (name,)
    assert shown.problem.startswith(problem)
    assert seen.detail == f"no connection: certificate: {shown.problem}"
    assert shown.days == pytest.approx(made.get("ends", 90), abs=0.01)
    self_signed = "self_signed" in made
    assert shown.issuer == (name if self_signed else "Test Root Intermediate")
    assert shown.chain == ((name,) if self_signed else (name, "Test Root Intermediate"))
    assert seen.facts["certificate.problem"] == shown.problem


async def test_an_unknown_authority_is_named(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other", "Strange Root")
    async with serving(tls=stranger.context("name.test")) as web:
        seen = await HttpProber().get(f"https://name.test:{web.port}/", HERE, Expect(), 5, ca=authority.file)
    assert seen.certificate is not None
    assert seen.certificate.problem == "unknown authority Strange Root Intermediate"
    async with serving(tls=authority.context("name.test")) as web:
        seen = await HttpProber().get(f"https://name.test:{web.port}/", HERE, Expect(), 5)
    assert seen.certificate is not None
    assert seen.certificate.problem == "unknown authority Test Root Intermediate", "the system does not know it"


async def test_a_certificate_that_holds_is_shown_too(authority: Authority) -> None:
    async with serving(tls=authority.context("name.test", "www.name.test", HERE, ends=20)) as web:
        expect = Expect(
            that=("certificate.days > 14", 'certificate.names contains "www.name.test"', 'tls == "TLSv1.3"')
        )
        seen = await HttpProber().get(f"https://name.test:{web.port}/", HERE, expect, 5, ca=authority.file)
        assert seen.ok, seen.detail
        by_address = await HttpProber().get(f"https://{HERE}:{web.port}/", HERE, Expect(), 5, ca=authority.file)
        assert by_address.ok, by_address.detail
    assert seen.certificate is not None
    assert seen.certificate.names == ("name.test", "www.name.test", HERE)
    assert seen.certificate.chain == ("name.test", "Test Root Intermediate")
    assert seen.certificate.problem == ""
    assert web.names == ["name.test", ""], "an address is no name to ask for"


async def test_a_file_of_authorities_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for file in ("none.pem", "empty.pem"):
        seen = await HttpProber().get("https://name.test:1/", HERE, Expect(), 5, ca=str(tmp_path / file))
        assert not seen.ok
        assert seen.detail


@pytest.mark.parametrize("protocols", [("h2",), ("http/1.1",)])
async def test_http_2_is_spoken_where_the_server_speaks_it(authority: Authority, protocols: tuple[str, ...]) -> None:
    async with serving(Answer(body=b"<title>KARL</title>"), authority.context("name.test", protocols=protocols)) as web:
        seen = await HttpProber().get(
            f"https://name.test:{web.port}/x?y=1", HERE, Expect(), 5, http2=True, ca=authority.file
        )
    assert (seen.ok, seen.title, web.asked[0].path) == (True, "KARL", "/x?y=1")
    assert (
        seen.version == seen.facts["version"] == web.asked[0].version == ("HTTP/2" if "h2" in protocols else "HTTP/1.1")
    )


@pytest.mark.parametrize("http2", [False, True])
async def test_a_write_is_sent_once_with_its_body(authority: Authority, http2: bool) -> None:
    async with serving(Answer(201), authority.context("name.test", protocols=("h2", "http/1.1"))) as web:
        seen = await HttpProber().get(
            f"https://name.test:{web.port}/post", HERE, Expect(status=201), 5,
            method="POST", body=b"x" * 100_000, http2=http2, ca=authority.file,
        )  # fmt: skip
    assert seen.ok, seen.detail
    assert [(asked.method, len(asked.body)) for asked in web.asked] == [("POST", 100_000)]


@pytest.mark.parametrize(
    ("status", "then"), [(302, ("GET", b"")), (303, ("GET", b"")), (307, ("POST", b"entry")), (308, ("POST", b"entry"))]
)
async def test_a_redirected_write_is_written_again_only_where_the_server_says_so(
    status: int, then: tuple[str, bytes]
) -> None:
    async with serving(lambda asked: leading_to("/b", status) if asked.path == "/a" else Answer()) as web:
        assert (
            await HttpProber().get(f"http://n.test:{web.port}/a", HERE, Expect(), 5, method="POST", body=b"entry")
        ).ok
    assert [(asked.method, asked.body) for asked in web.asked] == [("POST", b"entry"), then]


async def test_conditions_judge_the_answer_and_compare_vantages() -> None:
    async with serving(Answer(headers=(("Server", "nginx/1.24"),), body=b"<title>A</title>hello")) as web:
        url, prober = f"http://name.test:{web.port}/", HttpProber()
        good = Expect(that=('header.server matches "nginx"', "ttfb < 5s", 'body contains "hello"', "redirects == 0"))
        old = await prober.get(url, HERE, good, 5, at="old")
        assert old.ok, old.detail
        same = Expect(that=("new.digest == old.digest", "size == old.size"))
        assert (await prober.get(url, HERE, same, 5, at="new", others={"old": old.facts})).ok
        seen = await prober.get(url, HERE, same, 5, at="new")
        assert (seen.ok, seen.detail) == (
            False,
            "status 200, but new.digest == old.digest: old.digest is not known yet",
        )
        seen = await prober.get(url, HERE, Expect(that=("size > 1MB",)), 5)
        assert (seen.ok, seen.detail) == (False, "status 200, but size > 1MB: size is 21")


async def test_the_same_certificate_with_another_chain_is_shown_anew(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    prober = HttpProber()
    async with serving(tls=authority.context("name.test")) as web:
        url = f"https://name.test:{web.port}/"
        first = await prober.get(url, HERE, Expect(), 5, ca=authority.file)
        monkeypatch.setattr("cockpit.probes.http.prober.chain_of", lambda tls: chain_of(tls)[:1])
        second = await prober.get(url, HERE, Expect(), 5, ca=authority.file)
    assert first.certificate is not None
    assert second.certificate is not None
    assert first.certificate.chain == ("name.test", "Test Root Intermediate")
    assert second.certificate.chain == ("name.test",)
