"""What a sync decides and understands, without hosts: rsync's words, guards on deletion, layers of an undo, predictions, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.hosts.sync import guard, layers, rsync
from cockpit.hosts.sync.bucket import Bucket
from cockpit.hosts.sync.rsync import Item, Look
from cockpit.passes import predict, words
from cockpit.rate import rate
from cockpit.state import PassView

ASKED = " h rsync --server --sender -nlHogDtpAXrcSe.iLsfxCIvu --numeric-ids . /x/ "


def test_what_the_source_serves_is_what_only_reads() -> None:
    assert rsync.serving(ASKED) == "rsync --server --sender -nlHogDtpAXrcSe.iLsfxCIvu --numeric-ids"


@pytest.mark.parametrize(
    "asked",
    [
        ASKED.replace("--sender ", ""),
        ASKED.replace("-nlH", "-nLlH"),
        ASKED.replace("-nlH", "-nklH"),
        ASKED.replace("--numeric-ids", "--remove-source-files"),
        ASKED.replace("--numeric-ids", "--numeric-ids --files-from=/etc/shadow"),
        ASKED.replace(". /x/", ". /x/; touch PWNED"),
        ASKED.replace("-nlH", "-nlH;id"),
        "",
    ],
)
def test_a_target_that_asks_for_more_than_reading_gets_nothing(asked: str) -> None:
    with pytest.raises(ValueError, match="asks for"):
        rsync.serving(asked)


def escaped(name: bytes) -> bytes:
    """As rsync writes a name under LC_ALL=C (rsync(1), --8-bit-output)."""
    told = b""
    for index, byte in enumerate(name):
        literal = byte == 0x5C and name[index + 1 : index + 2] == b"#" and name[index + 2 : index + 5].isdigit()
        told += b"\\#%03o" % byte if byte < 32 or byte > 126 or literal else bytes([byte])
    return told


@given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_any_name_is_read_back_from_a_pass_and_from_its_log(name: bytes) -> None:
    line = escaped(name)
    found, _ = rsync.look([b">f+++++++++ " + line, b"*deleting   " + line, b".d..t...... ./"])
    assert [item.name.encode("utf-8", "surrogateescape") for item in found.items] == [name, name, b"./"]
    assert (found.created, found.deleted, found.attributes, found.same) == (1, 1, 1, False)
    logged = rsync.created_in(
        [b"2026/11/21 11:43:35 [31164] >f+++++++++ " + line, b"2026/11/21 11:43:35 [1] >f.st...... x"]
    )
    assert [text.encode("utf-8", "surrogateescape") for text in logged] == [name]


def test_totals_say_how_much_would_move_and_what_the_target_holds() -> None:
    found, said = rsync.look(
        [
            b"@counts created=5 changed=2 attributes=1 deleted=7",
            b"Number of files: 100,002 (reg: 99,000, dir: 1,002)",
            b"Number of created files: 5 (reg: 5)",
            b"Total transferred file size: 1,234,567 bytes",
            b"rsync: [sender] something",
        ]
    )
    assert (found.bytes, found.files, found.holds, found.deleted) == (1234567, 100002, 100004, 7)
    assert said == [b"rsync: [sender] something"]


def test_progress_is_read_with_and_without_counts() -> None:
    line = b"  1,234,567  12%    1.23MB/s    0:00:12 (xfr#42, ir-chk=1000/2000)"
    assert rsync.progress(line) == rsync.Progress(1234567, 12, 42, 1000, 2000)
    seen = rsync.progress(b"      32,768   0%    0.00kB/s    0:00:00")
    assert seen is not None
    assert (seen.bytes, seen.files, seen.left) == (32768, 0, -1)
    assert rsync.progress(b"anything else") is None


def test_versions_are_told_and_what_is_no_rsync_3_is_none() -> None:
    text = "rsync  version 3.1.3  protocol version 31 Capabilities: hardlinks, no ACLs, xattrs"
    assert rsync.ability(text) == rsync.Ability("3.1.3", 31, acls=False, xattrs=True)
    assert rsync.ability("openrsync: protocol version 29") is None


HERE, THERE = ("aa", "/srv/a"), ("bb", "/srv/b")
GOOD = {
    "source": "old",
    "target": "new",
    "path": "/srv/a",
    "wanted": guard.sentinel(HERE, THERE),
    "reverse": guard.sentinel(THERE, HERE),
    "on_source": guard.sentinel(HERE, THERE),
    "on_target": "",
    "empty": False,
    "found": Look(deleted=10, holds=100),
    "limit": "10%",
    "aside": ".cockpit/aside",
}


def test_a_deletion_with_all_four_guards_may_begin() -> None:
    assert guard.refusal(**GOOD) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"empty": True}, "is empty"),
        ({"on_source": ""}, "there is no sentinel"),
        ({"on_source": guard.sentinel(HERE, ("cc", "/srv/b"))}, "names another direction"),
        ({"on_source": guard.sentinel(THERE, HERE)}, "look swapped"),
        ({"on_target": guard.sentinel(THERE, HERE)}, "look swapped"),
        ({"found": Look(deleted=11, holds=100)}, "would delete 11 of 100 entries on new; the limit is 10% (10)"),
        ({"limit": "9"}, "the limit is 9 (9)"),
        ({"limit": ""}, ""),
        ({"aside": ""}, "write backup"),
    ],
)
def test_a_deletion_without_one_of_the_guards_is_refused_in_a_sentence(change: dict[str, object], said: str) -> None:
    refused = guard.refusal(**{**GOOD, **change})  # type: ignore[arg-type]
    assert said in refused
    assert bool(refused) == bool(said)


def test_an_undo_brings_back_the_first_of_what_was_set_aside_and_removes_what_came() -> None:
    way = layers.back(
        created={"000001": ["new/", "new/x"], "000002": ["late"]},
        kept={"000001": ["was"], "000002": ["was", "new/x", "gone"]},
        listed=["new", "new/x"],
    )
    assert way.kept == {"000001": ("was",), "000002": ("gone",)}
    assert way.lost == ("new/x", "new", "late")


def test_a_file_that_became_a_folder_is_brought_back_as_a_file() -> None:
    way = layers.back(created={"000001": ["x/", "x/y"]}, kept={"000001": ["x"]}, listed=["x", "x/y"])
    assert way.made == ("x/y", "x")
    assert way.kept == {"000001": ("x",)}
    assert way.lost == ("x/y",)


def test_what_undo_has_to_know_of_is_attributes_folders_that_go_and_folders_in_which_something_changes() -> None:
    made, touched = layers.lists(
        [
            Item(">f+++++++++", "d/new"),
            Item(".f...p.....", "only mode"),
            Item("*deleting", "old/"),
            Item("*deleting", "old/file"),
        ]
    )
    assert made == b"d/new\0"
    assert set(touched.split(b"\0")) == {b"", b".", b"d", b"old", b"only mode"}


def passed(utc: float, seconds: float, count: int, entries: int = 100_000) -> PassView:
    return PassView(ref="osf/copy", utc=utc, seconds=seconds, bytes=count, files=1, entries=entries, final=False)


def test_the_final_pass_is_predicted_from_the_look_the_rate_and_the_growth() -> None:
    first, second, third = passed(0, 1000, 10**10), passed(3600, 61, 10**8), passed(7200, 71, 2 * 10**8)
    assert predict((), 0) is None
    one = predict((first,), 10)
    assert one is not None
    assert (one.low, words(one)) == (0.0, "at most 20:50 from 1 pass")
    found = predict((first, second, third), 10800)
    assert found is not None
    # A look takes 51 s, and an hour of changes 10 to 20 s.
    assert found.low <= 61 <= found.high
    assert found.low <= 71 <= found.high
    assert found.high < 120
    later = predict((first, second, third), 36000)
    assert later is not None
    assert later.high > found.high
    assert words(found).endswith(" from 3 passes")


@pytest.mark.parametrize(
    ("text", "count"),
    [("10m", 10_000_000), ("800k", 800_000), ("1.5 MB/s", 1_500_000), ("0", 0), ("none", 0), ("2048", 2048), ("1g", 10**9),
     ("10", None), ("fast", None), ("-1m", None), ("", None), ("1t", None)],
)  # fmt: skip
def test_rates_are_read_as_people_write_them(text: str, count: int | None) -> None:
    assert rate(text) == count


async def test_a_bucket_lets_through_what_its_rate_allows_and_forgives_when_it_is_lifted() -> None:
    now = 0.0
    bucket = Bucket(1000, now=lambda: now)
    await bucket.take(500)
    assert bucket._free == 0.5
    now = 0.5
    await bucket.take(500)
    assert bucket._free == 1.0
    bucket.limit(0)
    await bucket.take(10**12)
    bucket.limit(100)
    assert bucket._free == now
