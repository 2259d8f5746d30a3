"""Two answers side by side: what differs is told, what may differ is not, and what is shown can be read."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.events.world import Certificate, Difference
from cockpit.probes.alike import Page, Rules, outcome
from cockpit.probes.bodies import LINE, LINES, compared, lines_of
from cockpit.probes.sitemaps import MOST, read


def page(text: str = "hello\n", **given: object) -> Page:
    made = {"status": 200, "text": text, "size": len(text), "digest": hashlib.sha256(text.encode()).hexdigest()}
    return Page(**{**made, **given})  # type: ignore[arg-type]


def picture(digest: str, size: int) -> Page:
    return Page(status=200, text=None, digest=digest, size=size)


def told(old: Page, new: Page, rules: Rules | None = None) -> dict[str, Difference]:
    return {difference.what: difference for difference in outcome(old, new, rules or Rules()).differences}


CERTIFICATE = Certificate(names=("a.test", "b.test"), issuer="R1", days=60, chain=("a.test", "R1"))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ({}, {"status": 404}, {"status": ("200", "404")}),
        ({"redirects": ("http://a/x",)}, {}, {"redirects": ("http://a/x", "none")}),
        ({"redirects": ("http://a/x",)}, {"redirects": ("http://a/y", "http://a/x")}, {"redirects": ("http://a/x", "http://a/y → http://a/x")}),
        ({"title": "A"}, {"title": "B"}, {"title": ("A", "B")}),
        ({"headers": (("server", "Apache"),)}, {"headers": (("server", "nginx"),)}, {"header server": ("Apache", "nginx")}),
        ({"headers": (("x-frame-options", "DENY"),)}, {}, {"header x-frame-options": ("DENY", "")}),
        ({"headers": (("date", "a"), ("etag", "1"), ("age", "3"))}, {"headers": (("date", "b"), ("etag", "2"))}, {}),
        ({"headers": (("vary", "a"), ("vary", "b"))}, {"headers": (("vary", "a, b"),)}, {}),
        ({"headers": (("set-cookie", "id=1; Path=/; Expires=x"),)}, {"headers": (("set-cookie", "id=2; Path=/; Expires=y"),)}, {}),
        ({"headers": (("set-cookie", "id=1; Secure"),)}, {"headers": (("set-cookie", "id=2"),)}, {"header set-cookie": ("id; Secure", "id")}),
        ({"ttfb": 100.0}, {"ttfb": 700.0}, {"time": ("100 ms", "700 ms")}),
        ({"ttfb": 100.0}, {"ttfb": 400.0}, {}),
        ({"certificate": CERTIFICATE}, {"certificate": CERTIFICATE}, {}),
    ],
)  # fmt: skip
def test_what_differs_is_told_and_what_may_differ_is_not(
    old: dict[str, object], new: dict[str, object], what: dict[str, tuple[str, str]]
) -> None:
    assert {name: (found.old, found.new) for name, found in told(page(**old), page(**new)).items()} == what  # type: ignore[arg-type]


def test_what_nobody_reads_is_compared_by_hash_and_size() -> None:
    assert told(picture("aa", 3), picture("aa", 3)) == {}
    found = told(picture("aa", 3), picture("bb", 4))
    assert {(name, one.old, one.new) for name, one in found.items()} == {
        ("body", "sha256 aa", "sha256 bb"),
        ("size", "3 bytes", "4 bytes"),
    }
    assert set(told(picture("aa", 3), page())) == {"body", "size"}


def test_the_plan_says_what_else_may_differ() -> None:
    old = page(title="A", ttfb=10.0, headers=(("server", "Apache"),), certificate=CERTIFICATE)
    new = page(title="B", ttfb=900.0, headers=(("Server", "nginx"),))
    assert set(told(old, new)) == {"title", "time", "header server", "certificate"}
    assert told(old, new, Rules(ignore=("title", "time", "server", "certificate"))) == {}


def test_certificates_are_compared_by_names_chain_and_days() -> None:
    other = Certificate(names=("a.test",), issuer="R2", days=80, chain=("a.test", "R2"))
    found = told(page(certificate=CERTIFICATE), page(certificate=other))["certificate"]
    assert (found.old, found.new) == ("a.test b.test by R1, 60 days left", "a.test by R2, 80 days left")
    worn = Certificate(names=CERTIFICATE.names, issuer="R1", days=3, chain=CERTIFICATE.chain)
    assert told(page(certificate=CERTIFICATE), page(certificate=worn))["certificate"].new.endswith("3 days left")
    assert told(page(certificate=worn), page(certificate=worn)) == {}
    assert told(page(certificate=CERTIFICATE), page())["certificate"].new == "none"


BODY = "".join(f"<p>line {number}</p>\n" for number in range(40))


def test_a_body_is_shown_as_a_unified_diff() -> None:
    new = BODY.replace("line 20<", "line twenty<").replace("<p>line 30</p>\n", "")
    result = outcome(page(BODY), page(new), Rules())
    [difference] = result.differences
    assert list(difference.lines) == list(difflib.unified_diff(BODY.split("\n"), new.split("\n"), n=2, lineterm=""))[2:]
    assert difference.what == "body"
    assert 0.9 < result.alike < 1
    assert difference.new == f"{len(new)} bytes, {result.alike:.1%} alike"
    assert outcome(page(BODY), page(new), Rules(alike=0.9)).differences == ()


def test_masked_parts_may_differ_and_nothing_else() -> None:
    old, new = '<input name="csrf" value="a1">\nA\n', '<input name="csrf" value="b2">\nA\n'
    mask = Rules(mask=('value="[^"]*"',))
    assert outcome(page(old), page(new), mask).differences == ()
    assert outcome(page(old), page(new), mask).alike == 1.0
    assert "body" in told(page(old), page(new.replace("A", "B")), mask)


def test_markup_on_one_endless_line_is_broken_at_its_tags() -> None:
    old = "<ul>" + "".join(f"<li>{number}</li>" for number in range(200)) + "</ul>"
    [difference] = outcome(page(old), page(old.replace("<li>77</li>", "<li>78</li>")), Rules()).differences
    assert [line for line in difference.lines if line[0] in "+-"] == ["-<li>77</li>", "+<li>78</li>"]


def test_a_diff_is_bounded_and_harmless() -> None:
    old = "\n".join(f"{number} \x1b[31m\u202e" + "x" * 5000 for number in range(500))
    [difference] = outcome(page(old), page("\x07\n" * 500), Rules()).differences
    assert len(difference.lines) == LINES + 1
    assert all(len(line) < LINE + 30 for line in difference.lines)
    assert not any(char in "\x1b\x07\u202e" for line in difference.lines for char in line)


def test_many_equal_lines_are_counted_and_not_searched() -> None:
    old, new = "x\n" * 5000 + "a\n" + "y\n", "y\n" + "x\n" * 4000 + "b\n"
    result = outcome(page(old), page(new), Rules())
    assert 0.85 < result.alike < 0.9
    assert result.differences[0].lines == ("too many equal lines for a diff",)


lines = st.lists(st.sampled_from(["a", "b", "", "long line here", "c"]), max_size=25)


@given(lines, lines)
def test_the_diff_of_any_two_texts_is_the_one_that_diff_u_writes(old: list[str], new: list[str]) -> None:
    share, shown = compared(old, new)
    assert (share == 1.0) == (old == new) == (not shown)
    assert 0 <= share <= 1
    assert compared(old, old) == (1.0, ())
    if len(shown) <= LINES:
        assert _patched(old, shown) == new


def _patched(old: list[str], diff: tuple[str, ...]) -> list[str]:
    """What `patch` makes of it."""
    found: list[str] = []
    at = 0
    for line in diff:
        if head := re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@", line):
            start = int(head[1]) - 1 if head[2] != "0" else int(head[1])
            found += old[at:start]
            at = start
            continue
        if line[0] in " -":
            assert old[at] == line[1:]
            at += 1
        if line[0] in " +":
            found.append(line[1:])
    return found + old[at:]


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_can_be_compared(old: str, new: str) -> None:
    result = outcome(page(old), page(new), Rules(mask=("[0-9]+", "x*")))
    assert (result.alike == 1.0) or result.differences
    assert lines_of(old, ()) == [line.rstrip() for line in old.split("\n")]


SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
 <url><loc>http://a.test/</loc><image:image><image:loc>http://a.test/i.png</image:loc></image:image></url>
 <url><loc> http://a.test/x?a=1&amp;b=2 </loc></url><url><loc><![CDATA[http://a.test/y]]></loc></url>
 <url><loc>javascript:alert(1)</loc></url><url><loc>http://a.test/\u202e</loc></url>
</urlset>"""
INDEX = "<sitemapindex><sitemap><loc>http://a.test/1.xml.gz</loc></sitemap></sitemapindex>"


def test_a_sitemap_names_pages_and_an_index_names_sitemaps() -> None:
    for raw in (SITEMAP.encode(), gzip.compress(SITEMAP.encode())):
        found = read(raw)
        assert found.pages == ("http://a.test/", "http://a.test/x?a=1&b=2", "http://a.test/y")
        assert found.trouble == ""
    assert read(INDEX.encode()).maps == ("http://a.test/1.xml.gz",)
    assert read(b"http://a.test/\nhttp://a.test/2\n").pages == ("http://a.test/", "http://a.test/2")


LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>http://a.test/&b;</loc></url></urlset>'
)
OUTSIDE = (
    '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>http://a.test/&a;</loc></url></urlset>'
)


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [
        (b"", "it names no addresses"),
        (b"<urlset><url>", "it is no XML"),
        (b"\x1f\x8bnonsense", "it is no gzip"),
        (LAUGHS.encode(), "it has a document type"),
        (OUTSIDE.encode(), "it has a document type"),
        (b"<a>" * 100, "it is nested too deep"),
        (b"<urlset>" + b"<url><loc>http://a.test/</loc></url>" * (MOST + 5), f"it names more than {MOST} addresses"),
        (gzip.compress(b"<urlset>" + bytes(20 << 20)), "it unpacks to more than 8 MiB"),
        (b"<urlset><url><loc>" + b"x" * 3_000_000 + b"</loc></url></urlset>", ""),
    ],
    ids=["empty", "cut", "no gzip", "laughs", "outside", "deep", "many", "bomb", "long"],
)
def test_what_is_no_sitemap_is_a_sentence(raw: bytes, trouble: str) -> None:
    assert read(raw).trouble.startswith(trouble)


@given(st.binary(max_size=300) | st.text("<>/&;urlsetoc \n", max_size=80).map(str.encode))
def test_no_bytes_are_a_fault_of_the_program(raw: bytes) -> None:
    read(raw)
