"""Redaction: no secret and no encoding of one comes through, however it is split; what holds none is left alone."""

from __future__ import annotations

import base64
import json
import shlex
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cockpit.events import LogSeen, StepCaptured, StepMoved, StepOutput
from cockpit.journal.needles import LONGEST, needles, parts
from cockpit.journal.raw import RawFiles
from cockpit.journal.redaction import Redactor, SecretChanged
from cockpit.text import harmless

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "\n".join(
    base64.b64encode(bytes(range(n, n + 52))).decode() for n in range(0, 100, 9)
) + "\n-----END OPENSSH PRIVATE KEY-----\n"  # fmt: skip

values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n‹›"), min_size=4, max_size=40)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n‹›"), max_size=60)
secrets = st.dictionaries(st.sampled_from("kqz"), values, min_size=1)


def redactor(**named: str) -> Redactor:
    made = Redactor(b"key of this run")
    for name, value in named.items():
        made.add(name, value)
    return made


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@given(
    secrets, st.lists(st.one_of(texts, st.sampled_from("kqz")), max_size=8), st.lists(st.integers(0, 600), max_size=9)
)
def test_no_split_of_a_stream_lets_a_secret_through_and_every_length_stays(
    named: dict[str, str], text: list[str], cuts: list[int]
) -> None:
    known = redactor(**named)
    clear = "".join(named.get(piece, piece) for piece in text).encode()
    stream, out, held = known.stream(), [], 0
    for piece in split(clear, cuts):
        out.append(stream.feed(piece))
        held = max(held, len(stream.held))
    blotted = b"".join(out) + stream.flush()
    assert len(blotted) == len(clear)
    for value in named.values():
        assert value.encode() not in blotted
        for needle in needles(value):
            assert needle not in blotted
    assert held < max(len(needle) for value in named.values() for needle in needles(value))
    whole = known.stream()
    assert whole.feed(clear) + whole.flush() == blotted


@given(secrets, texts)
def test_a_line_that_has_ended_is_never_held_back(named: dict[str, str], text: str) -> None:
    stream = redactor(**named).stream()
    assert len(stream.feed(f"{text}{next(iter(named.values()))[:-1]}\n".encode())) > len(text.encode())
    assert stream.held == b""


@given(secrets, texts)
def test_what_holds_no_secret_is_unchanged(named: dict[str, str], text: str) -> None:
    known = redactor(**named)
    assume(not known.holds(text))
    assert known.text(text) == text
    stream = known.stream()
    assert stream.feed(text.encode()) + stream.flush() == text.encode()
    event = StepMoved(ref="a/b", attempt=1, state="failed", detail=text)
    assert known.event(event) is event


@given(secrets, st.lists(st.one_of(texts, st.sampled_from("kqz")), max_size=8))
def test_no_text_lets_a_secret_through(named: dict[str, str], text: list[str]) -> None:
    assume(not any(value in f"secret {name}" for value in named.values() for name in named))
    told = redactor(**named).text("".join(named.get(piece, piece) for piece in text))
    assert not [value for value in named.values() if value in told]


@given(secrets, st.lists(st.one_of(texts, st.sampled_from("kqz")), max_size=8))
def test_what_was_captured_comes_back_as_it_was(named: dict[str, str], text: list[str]) -> None:
    known = redactor(**named)
    captured = {"was": "".join(named.get(piece, piece) for piece in text), "n": "0"}
    told = known.event(StepCaptured(ref="a/b", attempt=1, captured=captured)).captured
    assert not any(
        value in told["was"]
        for value in named.values()
        if not any(value in f"secret {n} 0123456789abcdef+" for n in named)
    )
    assert redactor(**named).restored(told) == captured


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON as PHP writes it": lambda text: json.dumps(text).replace("/", "\\/"),
    "quoted for a shell": shlex.quote,
    "quoted by a shell": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent of a path": urllib.parse.quote,
    "a form": urllib.parse.quote_plus,
    "made harmless": harmless,
    **{
        f"base64 {name} behind {before}": lambda text, before=before, code=code: code(b"x" * before + text.encode() + b"yy").decode()  # type: ignore[misc]
        for name, code in (("standard", base64.b64encode), ("url-safe", base64.urlsafe_b64encode))
        for before in range(4)
    },
    "base64 with a newline": lambda text: base64.b64encode(text.encode() + b"\n").decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode(),
}  # fmt: skip


@pytest.mark.parametrize("how", ENCODINGS)
@pytest.mark.parametrize("value", ["hunter2", 'it\'s/a "p@ss"\t?>~', "пароль-ключ", "t0ken/" * 30])
def test_every_encoding_is_found(how: str, value: str) -> None:
    told = ENCODINGS[how](value)
    known = redactor(db=value)
    assert "‹secret db›" in known.text(told)
    # An encoding may share its first and its last sign with what stands beside it.
    left = "".join(known.text(line).replace("‹secret db›", "") for line in told.split("\n"))
    assert len(left) <= 10


def test_each_line_of_a_key_is_found_in_a_line_of_its_own_and_in_its_base64() -> None:
    known = redactor(key=KEY)
    lines = tuple(line for line in KEY.splitlines() if len(line) >= 8)
    seen = known.event(LogSeen(host="old", file="/log", lines=("before", *lines, "after")))
    assert seen.lines == ("before", *["‹secret key›"] * len(lines), "after")
    wrapped = base64.encodebytes(KEY.encode()).decode()
    assert {known.text(line).rstrip("=") for line in wrapped.splitlines()} == {"‹secret key›"}
    stream = known.stream()
    assert set((stream.feed(KEY.encode()) + stream.flush()).replace(b"\n", b"")) == {ord("*")}


def test_two_secrets_that_overlap_leave_nothing_of_either() -> None:
    known = redactor(one="abcdefgh", two="efghijkl")
    assert known.text("-abcdefghijkl-") == "-‹secret one›‹secret two›-"
    stream = known.stream()
    assert stream.feed(b"-abcdefgh") + stream.feed(b"ijkl-") + stream.flush() == b"-************-"


def test_the_beginning_of_a_secret_at_the_end_of_a_cut_line_goes_too() -> None:
    known = redactor(db="correct-horse-battery")
    line = harmless("x" * 4085 + "correct-horse-battery")
    assert known.text(line) == "x" * 4085 + "‹secret db› … 10 more"


def test_fields_that_name_steps_and_files_are_left_alone() -> None:
    known = redactor(db="osf/copy")
    output = StepOutput(ref="osf/copy", attempt=1, op="apply", stream="out", lines=("osf/copy",), file="raw/osf/copy")
    told = known.event(output)
    assert (told.ref, told.file, told.lines) == ("osf/copy", "raw/osf/copy", ("‹secret db›",))


def test_what_was_captured_twice_is_marked_once() -> None:
    known = redactor(pin="ab12", db="hunter2-before")
    once = known.event(StepCaptured(ref="a/b", attempt=1, captured={"was": "hunter2-before"}))
    [tag] = [word.rstrip("›") for word in once.captured["was"].split() if word.endswith("›")]
    known.add("odd", tag[:8])
    assert known.event(once) == once
    assert known.restored(once.captured) == {"was": "hunter2-before"}
    forged = known.event(
        StepCaptured(ref="a/b", attempt=1, captured={"was": "‹secret hunter2-before 0123456789abcdef›"})
    )
    assert "hunter2" not in forged.captured["was"]


def test_a_captured_secret_that_changed_since_is_told_and_not_guessed() -> None:
    told = redactor(db="hunter2-before").event(
        StepCaptured(ref="a/b", attempt=1, captured={"was": "password=hunter2-before"})
    )
    assert "hunter2" not in str(told.captured)
    with pytest.raises(SecretChanged, match="the secret db as it was then"):
        redactor(db="hunter2-after").restored(told.captured)


def test_a_host_cannot_ask_for_a_secret_by_printing_a_mark() -> None:
    with pytest.raises(SecretChanged):
        redactor(db="hunter2").restored({"was": "‹secret db 0123456789abcdef›"})
    assert redactor(db="hunter2").restored({"was": "‹secret db›"}) == {"was": "‹secret db›"}


def test_a_needle_is_never_longer_than_a_stream_may_hold_back() -> None:
    assert max(len(needle) for needle in needles("ab/ c" * 4000)) <= LONGEST * 4
    assert parts("ab\ncd\nef") == []


def test_raw_files_keep_the_offsets_of_the_host(tmp_path: Path) -> None:
    files = RawFiles(tmp_path / "raw", redactor(db="correct-horse"))
    assert [files.append("job.out", piece) for piece in (b"one corr", b"ect-", b"horse two\n", b"corr")] == [
        0,
        8,
        12,
        22,
    ]
    assert (tmp_path / "raw/job.out").read_bytes() == b"one ************* two\n"
    assert files.append("job.out", b"", at=24) == 24
    assert files.append("job.out", b"x\n") == 24
    files.append("log", b"corr")
    files.close()
    assert (tmp_path / "raw/job.out").read_bytes() == b"one ************* two\ncox\n"
    assert (tmp_path / "raw/log").read_bytes() == b"corr"
