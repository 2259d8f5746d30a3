"""Old and new side by side, over real servers at two addresses of loopback and a real log read by a real shell."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from cockpit.clock import SystemClock
from cockpit.events import CompareSeen, Event
from cockpit.plan.model import Host, Plan, Service
from cockpit.plan.watched import Compare
from cockpit.probes import compare
from cockpit.probes.alike import Page, Rules
from cockpit.probes.aside import Aside, Stopped
from cockpit.probes.context import Context, Said
from cockpit.probes.urls import listed
from tests.probes.authority import Authority
from tests.probes.web import Answer, Asked, serving

OLD, NEW = "127.0.0.1", "127.0.0.2"


def context_of(spec: Compare, tell: Callable[[Event], None] = lambda _: None) -> Context:
    hosts = {
        "old": Host(id="old", ssh="a@old", role="old", address=OLD),
        "new": Host(id="new", ssh="a@new", role="new", address=NEW),
    }
    plan = Plan(name="x", hash="x", hosts=hosts, services=(Service(id="osf", compare=spec),))

    async def on_host(host: str, script: str, timeout: float) -> Said:
        assert host == "old"
        process = await asyncio.create_subprocess_exec(
            "sh", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate(script.encode())
        return Said(process.returncode, out.decode(), err.decode())

    return Context(plan, tell, SystemClock(), on_host)


async def compared(spec: Compare, rounds: int = 1) -> dict[str, CompareSeen]:
    """What a watch tells of each URL, until it told of all of them."""
    told: dict[str, CompareSeen] = {}
    done = asyncio.Event()
    count = 0

    def tell(event: Event) -> None:
        nonlocal count
        assert isinstance(event, CompareSeen)
        told[event.url] = event
        count += 1
        if len(told) >= event.of and count >= rounds * max(event.of, 1):
            done.set()

    [watch] = compare.watches(context_of(spec, tell))
    task = asyncio.create_task(watch.work())  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(30):
            await done.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return told


PAGE = "<html><title>KARL</title>\n<p>one</p>\n<p>token {token}</p>\n<p>three</p>\n</html>\n"


def site(**changes: Answer) -> Callable[[Asked], Answer]:
    pages = {
        "/": Answer(headers=(("Content-Type", "text/html"),), body=PAGE.format(token="a").encode()),
        "/go": Answer(302, (("Location", "/"),), b""),
        "/away": Answer(302, (("Location", "https://elsewhere.test/"),), b""),
        "/picture": Answer(headers=(("Content-Type", "image/png"),), body=b"\x89PNG\0\1\2"),
        "/packed": Answer(
            headers=(("Content-Encoding", "gzip"), ("Content-Type", "text/plain")), body=gzip.compress(b"hello\nold\n")
        ),
        "/gone": Answer(404, (), b"No such page.\n"),
    } | {f"/{name}": answer for name, answer in changes.items()}
    return lambda asked: pages.get(asked.path, Answer(404))


async def test_what_differs_between_old_and_new_is_told_for_each_url() -> None:
    changed = Answer(
        headers=(("Content-Type", "text/html"), ("Server", "nginx")),
        body=PAGE.format(token="b").replace("three", "3").encode(),
    )
    new_site = site(
        gone=Answer(200, (), b"here"), go=Answer(301, (("Location", "/gone"),), b""),
        picture=Answer(headers=(("Content-Type", "image/png"),), body=b"\x89PNG\0\1\2\3"),
        packed=Answer(headers=(("Content-Type", "text/plain"),), body=b"hello\nnew\n"),
        **{"": changed},
    )  # fmt: skip
    async with serving(site(), address=OLD) as old, serving(new_site, address=NEW, port=old.port) as new:
        base = f"http://name.test:{old.port}"
        names = ("/", "/go", "/away", "/picture", "/packed", "/gone")
        told = await compared(Compare(urls=tuple(base + name for name in names), mask=("token .",), timeout=5))
    by_path = {url.removeprefix(base): seen for url, seen in told.items()}
    what = {path: {difference.what: difference for difference in seen.differences} for path, seen in by_path.items()}
    assert set(what["/"]) == {"header server", "body"}
    assert what["/"]["body"].lines == (
        "@@ -2,5 +2,5 @@", " <p>one</p>", " <p>‹masked›</p>", "-<p>three</p>", "+<p>3</p>", " </html>", " ",
    )  # fmt: skip
    assert 0.8 < by_path["/"].alike < 1
    assert set(what["/go"]) == {"redirects", "title", "body", "header content-type"}
    assert (what["/go"]["redirects"].old, what["/go"]["redirects"].new) == (f"{base}/", f"{base}/gone")
    assert by_path["/away"].same, "both lead to the same place out of the pin"
    assert set(what["/picture"]) == {"body", "size"}
    assert what["/picture"]["body"].old.startswith("sha256 ")
    assert set(what["/packed"]) == {"body", "header content-encoding"}
    assert {"-old", "+new"} < set(what["/packed"]["body"].lines)
    assert set(what["/gone"]) == {"status", "body"}
    assert all(seen.old_ms > 0 and seen.new_ms > 0 and seen.of == 6 and not seen.detail for seen in told.values())
    assert {asked.headers["host"] for web in (old, new) for asked in web.asked} == {f"name.test:{old.port}"}


async def test_a_url_that_is_the_same_is_told_again_in_each_round() -> None:
    async with serving(site(), address=OLD) as old, serving(site(), address=NEW, port=old.port) as new:
        told = await compared(Compare(urls=(f"http://name.test:{old.port}/",), every=0.1), rounds=2)
        assert len(new.asked) >= 2
    [seen] = told.values()
    assert (seen.same, seen.differences, seen.alike) == (True, (), 1.0)


async def test_the_urls_of_a_round_are_told_as_one_round_and_those_of_the_next_as_another() -> None:
    async with serving(site(), address=OLD) as old, serving(site(), address=NEW, port=old.port):
        base = f"http://name.test:{old.port}"
        spec = Compare(urls=(f"{base}/1", f"{base}/2"), sitemap=f"{base}/none.xml", every=0.1)
        told: list[CompareSeen] = []
        [watch] = compare.watches(context_of(spec, told.append))  # type: ignore[arg-type]
        task = asyncio.create_task(watch.work())  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            while len(told) < 6:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    first, second = told[:3], told[3:6]
    assert len({seen.round for seen in first}) == len({seen.round for seen in second}) == 1
    assert 0 < first[0].round < second[0].round
    assert [seen.url for seen in first if seen.trouble] == [f"{base}/none.xml"]


async def test_a_side_that_does_not_answer_is_named() -> None:
    async with serving(site(), address=OLD) as old:
        told = await compared(Compare(urls=(f"http://name.test:{old.port}/",)))
    [seen] = told.values()
    assert (seen.same, seen.detail) == (False, "new: no connection: connection refused")


async def test_certificates_of_old_and_new_are_compared(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        serving(tls=authority.context("name.test", "www.name.test"), address=OLD) as old,
        serving(tls=authority.context("name.test", ends=5), address=NEW, port=old.port),
    ):
        told = await compared(Compare(urls=(f"https://name.test:{old.port}/",), ca=authority.file))
    [seen] = told.values()
    [difference] = seen.differences
    assert difference.what == "certificate"
    assert difference.old == "name.test www.name.test by Test Root Intermediate, 90 days left"
    assert difference.new == "name.test by Test Root Intermediate, 5 days left"


def sitemap(*urls: str, kind: str = "url", whole: str = "urlset") -> bytes:
    return f"<{whole}>{''.join(f'<{kind}><loc>{url}</loc></{kind}>' for url in urls)}</{whole}>".encode()


async def test_urls_come_from_the_sitemap_at_old_through_its_index_and_gzip() -> None:
    base = ""

    def answering(asked: Asked) -> Answer:
        match asked.path:
            case "/sitemap.xml":
                maps = [f"{base}/{n}" for n in ("a.xml", "b.xml.gz", "a.xml", "none.xml")]
                return Answer(body=sitemap(*maps, "http://other.test/c.xml", kind="sitemap", whole="sitemapindex"))
            case "/a.xml":
                return Answer(body=sitemap(f"{base}/1", f"{base}/2", "http://other.test/3"))
            case "/b.xml.gz":
                return Answer(
                    headers=(("Content-Type", "application/gzip"),),
                    body=gzip.compress(sitemap(f"{base}/4", f"{base}/1")),
                )
        return Answer(404)

    async with serving(answering, address=OLD) as old, serving(address=NEW, port=old.port) as new:
        base = f"http://name.test:{old.port}"
        spec, aside = Compare(urls=(f"{base}/given",), sitemap=f"{base}/sitemap.xml"), Aside()
        try:
            found = await listed(context_of(spec), "osf", spec, aside)
            assert found.urls == (f"{base}/given", f"{base}/1", f"{base}/2", f"{base}/4")
            assert found.troubles == ((f"{base}/none.xml", "status 404, not 200"),)
            few = Compare(sitemap=spec.sitemap, most=2)
            assert (await listed(context_of(few), "osf", few, aside)).urls == (f"{base}/1", f"{base}/2")
        finally:
            await aside.close()
        assert new.connections == 0
        assert len([asked for asked in old.asked if asked.path == "/a.xml"]) == 2, "once a round"


LOG = r"""192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "GET /often HTTP/1.1" 200 5 "-" "Mozilla"
name.test 192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "GET /often?a=1 HTTP/2.0" 200 5 "-" "Mozilla"
192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "GET /often HTTP/1.0" 200 5 "-" "Mozilla"
{"time": "x", "request": "GET /json HTTP/1.1", "status": 200}
192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "GET /probe HTTP/1.1" 200 5 "-" "cockpit-probe"
192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "POST /post HTTP/1.1" 200 5 "-" "Mozilla"
192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "\x16\x03\x01" 400 5 "-" "-"
192.0.2.1 - - [21/Nov/2026:22:41:07 +0000] "GET http://evil.test/ HTTP/1.1" 400 5 "-" "-"
"""


async def test_the_most_asked_paths_come_from_the_access_log_of_old(tmp_path: Path) -> None:
    file = tmp_path / "it's an access.log"
    file.write_bytes(
        LOG.encode() + b'x "GET /\x1b[31m\xff HTTP/1.1" 200\n' + b'x "GET /' + b"y" * 5000 + b' HTTP/1.1" 200\n'
    )
    aside, base = Aside(), "https://name.test"
    spec = Compare(access_log=str(file), base=base, most=50)
    found = await listed(context_of(spec), "osf", spec, aside)
    assert found.urls[0] == f"{base}/often"
    assert (sorted(found.urls[1:]), found.troubles) == ([f"{base}/json", f"{base}/often?a=1"], ())
    spec = Compare(access_log=str(tmp_path / "none; rm -rf x"), base=base)
    found = await listed(context_of(spec), "osf", spec, aside)
    assert found.urls == ()
    assert found.troubles == ((spec.access_log, f"{spec.access_log} cannot be read"),)


async def test_what_cannot_be_read_for_urls_is_told() -> None:
    told = await compared(Compare(sitemap="http://name.test:1/sitemap.xml"))
    [seen] = told.values()
    assert (seen.url, seen.same, seen.of) == ("http://name.test:1/sitemap.xml", False, 0)
    assert seen.detail == "no connection: connection refused"


def page(text: str) -> Page:
    return Page(status=200, text=text, digest=text[:9], size=len(text))


async def test_a_mask_that_takes_for_ever_is_stopped_and_the_next_comparison_goes_on() -> None:
    aside = Aside()
    try:
        with pytest.raises(Stopped, match=r"it was not done within 0\.5 s"):
            await aside.compare(page("a" * 64), page("b" + "a" * 64), Rules(mask=("(a+)+$b",)), 0.5)
        result = await aside.compare(page("x"), page("y"), Rules(), 20)
        assert [difference.what for difference in result.differences] == ["body"]
    finally:
        await aside.close()


async def test_a_comparison_that_cannot_be_done_in_time_still_tells_by_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "COMPARING", 4.0)
    slow = Answer(headers=(("Content-Type", "text/plain"),), body=b"a" * 64)
    async with serving(slow, address=OLD) as old:
        slower = Answer(headers=(("Content-Type", "text/plain"),), body=b"a" * 65)
        async with serving(slower, address=NEW, port=old.port):
            told = await compared(Compare(urls=(f"http://name.test:{old.port}/",), mask=("(a+)+$b",)))
    [seen] = told.values()
    assert {difference.what for difference in seen.differences} == {"body", "size"}
    assert seen.detail == "the bodies were compared as a whole only: it was not done within 4 s"


async def test_the_process_beside_ends_with_its_owner_and_comes_back_after_it_died() -> None:
    async with Aside() as aside:
        await aside.sitemap(b"<urlset/>", 20)
        process = aside._process
        assert process is not None
        process.kill()
        with pytest.raises(Stopped):
            await aside.sitemap(b"<urlset/>", 20)
        async with aside:
            assert (await aside.sitemap(b"http://a.test/", 20)).pages == ("http://a.test/",)
        again = aside._process
        assert again is not None, "another service still uses it"
    assert again.returncode is not None


def big(end: bytes, kind: str = "application/zip") -> Answer:
    return Answer(headers=(("Content-Type", kind),), body=b"x" * (1 << 20) + end)


async def test_bodies_that_begin_alike_are_compared_to_their_ends() -> None:
    old_site = site(longer=big(b"yyyy"), other=big(b"yyyy"), same=big(b"yyyy"), ends=big(b""))
    new_site = site(longer=big(b"y"), other=big(b"yyyz"), same=big(b"yyyy"), ends=big(b"y"))
    async with serving(old_site, address=OLD) as old, serving(new_site, address=NEW, port=old.port):
        base = f"http://name.test:{old.port}/"
        names = ("longer", "other", "same", "ends")
        told = await compared(Compare(urls=tuple(base + name for name in names), timeout=5))
    seen = {url.removeprefix(base): event for url, event in told.items()}
    assert seen["same"].same
    assert not seen["same"].detail
    what = {name: [difference.what for difference in seen[name].differences] for name in names}
    assert what == {"longer": ["size"], "other": ["body"], "same": [], "ends": ["size"]}
    assert seen["longer"].differences[0].old == f"{(1 << 20) + 4} bytes"


async def test_a_body_that_is_too_long_to_be_hashed_is_said_to_be_compared_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare, "WHOLE", (1 << 20) + 2)
    page = site(long=big(b"yyyy"))
    async with serving(page, address=OLD) as old, serving(page, address=NEW, port=old.port):
        [seen] = (await compared(Compare(urls=(f"http://name.test:{old.port}/long",), timeout=5))).values()
    assert (seen.same, seen.detail) == (True, "only the first 1 MiB of the body was compared")


async def test_a_sitemap_that_ends_early_is_no_trouble_when_it_names_enough() -> None:
    cut = sitemap("http://name.test/1", "http://name.test/2").removesuffix(b"</urlset>")
    async with serving(lambda _: Answer(body=cut), address=OLD) as old:
        url = f"http://name.test:{old.port}/sitemap.xml"
        async with Aside() as aside:
            for most, troubles in ((2, 0), (3, 1)):
                spec = Compare(sitemap=url, most=most)
                found = await listed(context_of(spec), "osf", spec, aside)
                assert (len(found.urls), len(found.troubles)) == (2, troubles)


async def test_a_page_in_an_encoding_that_lets_halves_of_characters_pass_ends_no_round() -> None:
    broken = Answer(headers=(("Content-Type", "text/html; charset=utf-7"),), body=b"+2AA-<title>+2AA-</title>")
    changed = Answer(headers=broken.headers, body=broken.body + b"x")
    async with (
        serving(site(bad=broken), address=OLD) as old,
        serving(site(bad=changed), address=NEW, port=old.port),
    ):
        base = f"http://name.test:{old.port}"
        told = await compared(Compare(urls=(f"{base}/bad", f"{base}/picture"), timeout=5))
    assert [difference.what for difference in told[f"{base}/bad"].differences] == ["body"]
    assert told[f"{base}/picture"].same


async def test_a_fault_over_one_url_ends_no_round(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = compare._asked

    async def faulty(context: Context, service: str, spec: Compare, url: str, *more: object) -> object:
        if url.endswith("/go"):
            raise RuntimeError("out of order")
        return await asked(context, service, spec, url, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(compare, "_asked", faulty)
    async with serving(site(), address=OLD) as old, serving(site(), address=NEW, port=old.port):
        base = f"http://name.test:{old.port}"
        told = await compared(Compare(urls=(f"{base}/go", f"{base}/picture"), timeout=5))
    assert "out of order" in told[f"{base}/go"].detail
    assert told[f"{base}/picture"].same


async def test_what_is_no_text_is_told_by_the_process_s_owner() -> None:
    async with Aside() as aside:
        with pytest.raises(Stopped, match="no text"):
            await aside.compare(Page(status=200, text="\ud800"), Page(status=200), Rules(), 20)
        assert not (await aside.compare(Page(status=200), Page(status=200), Rules(), 20)).differences
