"""Conditions: what is written reads back, what is wrong is told at its place, what is not known does not hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.plan.conditions import Fault, check, judge, parse, unmet, vantages
from cockpit.plan.conditions.facts import reference
from cockpit.plan.conditions.patterns import WITHIN, compiled, risk
from cockpit.plan.conditions.syntax import UNITS, And, Compared, Condition, Fact, Holds, Not, Number, Or, Text, Within
from cockpit.plan.load import loads
from tests.plans.broken import body

ALL = ("old", "new", "world")

numbers = st.builds(
    Number,
    st.integers(0, 999_999_999) | st.decimals(0, 99999, places=3).map(float),
    st.sampled_from(sorted(UNITS)),
)
facts = st.builds(
    Fact,
    st.sampled_from(["status", "ttfb", "size", "title", "header.x-served-by", "certificate.days", "bridged"]),
    st.sampled_from(["", *ALL]),
)
operands = numbers | st.builds(Text, st.text(max_size=20)) | facts
leaves = (
    st.builds(Compared, operands, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains", "matches"]), operands)
    | st.builds(Within, operands, st.integers(0, 999).map(float), operands)
    | st.builds(Holds, facts)
)
trees: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts)))
    ),
    max_leaves=8,
)


def good(text: str) -> Condition:
    found = parse(text)
    assert not isinstance(found, Fault), found
    return found


@given(trees)
def test_what_is_written_reads_back_as_the_same(condition: Condition) -> None:
    written = str(condition)
    if len(written) <= 1000:
        assert parse(written) == condition


@given(st.text(max_size=60) | st.text("()<>=!\"'\\ .%0129abdnortw", max_size=60))
def test_no_text_is_a_fault_of_the_program(text: str) -> None:
    found = parse(text)
    if isinstance(found, Fault):
        assert 0 <= found.at <= len(text)
    else:
        check(found, "http", ALL)
        judge(found, {"": {}})


@given(trees, st.dictionaries(st.sampled_from(["status", "ttfb", "size", "title", "bridged"]), st.text(max_size=5)))
@settings(max_examples=60)
def test_judging_and_checking_never_raise(condition: Condition, seen: dict[str, str]) -> None:
    check(condition, "http", ALL)
    held, why = judge(condition, {"": seen, "old": seen})
    assert held == (not why)


@given(trees)
@settings(max_examples=60)
def test_what_is_said_to_hold_always_holds_for_whatever_comes(condition: Condition) -> None:
    fault = check(condition, "http", ALL)
    if fault is None or "whatever comes" not in fault.message:
        return
    for value in ("0", "1", "200", "500.5", "1e9", "yes", "no", ""):
        shown = dict.fromkeys(["status", "ttfb", "size", "title", "certificate.days", "bridged"], value)
        if not value.replace(".", "").replace("e", "").isdigit():
            shown |= {"status": "200", "ttfb": "1", "size": "1", "certificate.days": "-3"}
        shown["header.x-served-by"] = value
        assert judge(condition, dict.fromkeys(("", *ALL), shown))[0]


SEEN = {
    "": {
        "status": "200",
        "ttfb": "48.5",
        "size": "1024",
        "title": "KARL osf",
        "header.server": "nginx/1.24",
        "bridged": "no",
    },
    "old": {
        "status": "200",
        "ttfb": "90",
        "size": "1000",
        "title": "KARL osf",
        "header.server": "Apache",
        "bridged": "no",
    },
    "new": {"status": "503", "bridged": "yes"},
}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("status == 200", True),
        ("status != 200", False),
        ("status == old.status", True),
        ("old.status == new.status", False),
        ("ttfb < 50ms", True),
        ("ttfb < 0.04s", False),
        ("size within 3% of old.size", True),
        ("size within 2% of old.size", False),
        ("size >= 1KiB and size < 1.1KB", True),
        ('title contains "KARL"', True),
        ('title contains "karl"', False),
        ('header.Server matches "nginx.*"', True),
        ('header.server matches "^1"', False),
        ("not bridged", True),
        ("new.bridged", True),
        ('header.x-frame-options == ""', True),
        ("status == 500 or not (status >= 300 or bridged)", True),
        ("status == 200 and ttfb > 1s", False),
        ('body contains "here"', True),
        ('body contains "there"', False),
        ("world.status == 200", False),
        ("world.status == 200 or status == 200", True),
    ],
)
def test_a_condition_holds_for_what_was_seen(text: str, held: bool) -> None:
    assert check(good(text), "http", ALL) is None
    assert judge(good(text), {**SEEN, "": {**SEEN[""], "body": "is here"}})[0] is held


def test_what_does_not_hold_says_what_was_seen() -> None:
    others = {"old": SEEN["old"], "new": SEEN["new"]}
    assert unmet(["status == 200", "ttfb < 10ms"], SEEN[""], others, "world") == "ttfb < 10ms: ttfb is 48.5"
    assert unmet(["new.status == old.status"], SEEN[""], others) == (
        "new.status == old.status: new.status is 503, old.status is 200"
    )
    assert unmet(["world.status == 200"], SEEN[""], others) == "world.status == 200: world.status is not known yet"
    assert unmet(["world.status == 200"], SEEN[""], others, "world") == ""
    assert unmet(["not world.bridged"], {}, {}) == "not world.bridged: world.bridged is not known yet"
    assert vantages(["new.status == old.status", "status == 200", "not world.bridged"]) == {"old", "new", "world"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("§", "there is no condition"),
        ("status = §200", ""),
        ("status §= 200", "a single = has no meaning"),
        ("status == 200 §&& bridged", "'&' has no meaning"),
        ("status == §", "something is missing at the end"),
        ("status == 200 §status == 300", "'status' stands behind the end of the condition"),
        ("§(status == 200", "this bracket is never closed"),
        ('title == §"KARL', "this text never ends"),
        ("§200", ""),
        ("ttfb < 5§parsecs", "parsecs is no unit"),
        ("size within §ten% of old.size", "within wants a percentage"),
        ("size within 10 §of old.size", "% is missing here"),
        ("§old == 200", "old alone says nothing"),
        ("status == §and", "'and' stands where a name or a value should"),
        ("not " * 40 + "§bridged", ""),
        # names and kinds
        ("§statuss == 200", "statuss is nothing that http shows"),
        ("new.§speed == 3", "speed is nothing that http shows"),
        ('new.§body contains "x"', ""),
        ("ttfb < §500", "ttfb is a duration, 500 is a number"),
        ('status == §"200"', 'status is a number, "200" is a text'),
        ("§title > 3", "> wants numbers, title is a text"),
        ('§status contains "2"', "contains wants a text, status is a number"),
        ("§status", "status is a number, not yes or no"),
        ('bridged == §"yes"', 'bridged is yes or no, "yes" is a text'),
        ('§body == "x"', "a whole body is not compared"),
        ('§body matches "x"', "a body is too long for a regular expression"),
        ('title matches §"("', '"(" is no regular expression'),
        (
            'title matches §"(a+)+$"',
            "on some texts this pattern takes for ever: it repeats a group that can match in several ways",
        ),
        # what asserts nothing
        ("§200 == 200", "it compares two constants and asserts nothing"),
        ("§status == status", "it compares status with itself and asserts nothing"),
        ("§new.title != new.title", "it compares new.title with itself and asserts nothing"),
        ('title contains §""', "every text contains the empty one: it asserts nothing"),
        ('header.server matches §".*"', "this pattern matches every text: it asserts nothing"),
        ("§status >= 0", "this holds whatever comes: it asserts nothing"),
        ("§status == 200 or status != 200", "this holds whatever comes: it asserts nothing"),
        ("§bridged or not bridged", "this holds whatever comes: it asserts nothing"),
        ("§ttfb < 2s or ttfb > 1s", "this holds whatever comes: it asserts nothing"),
        ('§not (title contains "x") or title contains "x"', "this holds whatever comes: it asserts nothing"),
        ("§status == 200 and status == 301", "this can never hold"),
        ("§size < 0", "this can never hold"),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, message: str) -> None:
    before, _, after = text.partition("§")
    found = parse(before + after)
    fault = found if isinstance(found, Fault) else check(found, "http", ALL)
    if not message:
        assert fault is not None
        return
    assert fault is not None
    assert (fault.message, fault.at) == (message, len(before))


def test_a_vantage_that_is_not_asked_is_told() -> None:
    fault = check(good("new.status == old.status"), "http", ("new",))
    assert fault is not None
    assert (fault.at, fault.message) == (14, "the probe is not asked at old")
    fault = check(good("old.status == 200"), "http", ())
    assert fault is not None
    assert fault.message == "nothing is known of old here"


PLACES = [
    ("http: 'http://a.x.test/', expect: {that: [§speed == 3]}", "speed is nothing"),
    ("""http: 'http://a.x.test/', expect: {that: ['§speed == "it''s"']}""", "speed is nothing"),
    ("""http: 'http://a.x.test/', expect: {that: ['title == "it''s" and §speed == 3']}""", "speed is nothing"),
    (r"""http: 'http://a.x.test/', expect: {that: ["title == \"x\\y\" and §speed == 3"]}""", "speed is nothing"),
    ("http: 'http://a.x.test/', expect: {that: ['title == \"{who}\" and §speed == 3']}", "speed is nothing"),
    ("http: 'http://a.x.test/', expect: {that: ['title == §\"{star}']}", "this text never ends"),
    (
        "http: 'http://a.x.test/', at: [new], expect: {that: ['new.status == §old.status']}",
        "the probe is not asked at old",
    ),
]


@pytest.mark.parametrize(("probe", "message"), PLACES)
def test_the_finding_stands_at_the_word_inside_the_text(probe: str, message: str, tmp_path: Path) -> None:
    text = body("vars: {who: somebody, star: 'a'}", f"health: [{{{probe}}}]")
    before, _, after = text.partition("§")
    place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    found = [f for f in loads((before + after).encode(), tmp_path / "plan.yaml").findings if f.code == "condition"]
    assert [(f.line, f.column) for f in found] == [place]
    assert found[0].message.startswith(message)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+",
        r"(a|a)*b",
        r"(a?){30}a{30}",
        r"((a)|b)+",
        r"(x*)*y",
        r"\b(\w+) \1",
        r".*.*.*.*=",
        r"(?P<a>x)(?P=a)",
        "a?" * 20,
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    assert risk(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"nginx.*", r"^(nginx|Apache)/\d+\.\d+$", r"\d{4}-\d{2}-\d{2}", r"[^(]*\(Debian\)", r"(?i)karl", r"a(b)?c*"],
)
def test_a_usual_pattern_is_allowed(pattern: str) -> None:
    assert risk(pattern) == ""


def test_choices_and_repeats_are_one_budget() -> None:
    assert risk("(a|a)" * 6 + "a*a*a*b")
    assert risk("(a|a)" * 7 + "a*a*b")
    assert not risk("(a|a)" * 6 + "a*a*b")


@pytest.mark.parametrize(
    "pattern",
    [r"(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)a*a*b", r"a*a*a*b", r"^.*x.*y.*$z", r"(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)b"],
)
@pytest.mark.parametrize("text", ["a", "xy"])
def test_what_is_allowed_ends_on_the_text_that_was_made_for_it(pattern: str, text: str) -> None:
    assert risk(pattern) == ""
    found = compiled(pattern)
    assert found is not None
    assert found.search((text * WITHIN)[:WITHIN]) is None


def test_the_facts_in_the_docs_are_those_of_the_program() -> None:
    text = (Path(__file__).parents[2] / "docs/plan.md").read_text()
    found = re.search(r"<!-- facts -->\n\n(.*?)\n<!-- end of facts -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == reference()
