"""Access logs in the formats of real servers: each request read, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.plan.accesslog import FormatError, Hit, moment, reader

AT = 1795297267.0
LOCAL = "21/Nov/2026:22:41:07 +0100"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_times_are_read_as_servers_write_them() -> None:
    assert moment(LOCAL) == AT
    assert moment("21/Nov/2026:16:41:07 -0500") == AT
    assert moment("2026-11-21T22:41:07+01:00") == AT
    assert moment("2026-11-21T21:41:07Z") == AT
    assert moment("1795297267.000") == AT
    assert moment("1795297267000") == AT
    assert moment("1795297267000000") == AT
    assert moment("21/Nov/2026:22:41:60 +0100") == AT + 52
    for text in ("", "-", "yesterday", "99/Nov/2026:22:41:07 +0100", "21/Foo/2026:22:41:07 +0100", "1e9", "٣"):
        assert moment(text) is None


NGINX_MAIN = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" "$http_x_forwarded_for"'
)


@pytest.mark.parametrize(
    ("format", "line", "hit"),
    [
        ("combined", f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 5 "-" "{FIREFOX}"', Hit(AT, "192.0.2.7", FIREFOX)),
        ("combined", f'2001:db8::7 - ann [{LOCAL}] "GET / HTTP/1.1" 304 - "-" "-"', Hit(AT, "2001:db8::7", "-")),
        ("combined", f'192.0.2.7 - - [{LOCAL}] "\\x16\\x03\\x01" 400 0 "-" "-"', Hit(AT, "192.0.2.7", "-")),
        ("combined", f'h.x.test - - [{LOCAL}] "GET /\\"a HTTP/1.1" 200 5 "a\\\\" "b\\"c"', Hit(AT, "h.x.test", 'b\\"c')),
        ("combined", f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 5 "-" "x" "10.0.0.1" 0.003', Hit(AT, "192.0.2.7", "x")),
        ("combined", f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 5', None),
        ("combined", f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" ok 5 "-" "x"', None),
        ("combined", '192.0.2.7 - - [yesterday] "GET / HTTP/1.1" 200 5 "-" "x"', None),
        ("combined", "nginx: configuration reloaded", None),
        ("combined", "", None),
        ("common", f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 5', Hit(AT, "192.0.2.7", "")),
        ("common", f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 5 "-" "x"', None),
        (NGINX_MAIN, f'192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 5 "-" "x" "10.0.0.1"', Hit(AT, "192.0.2.7", "x")),
        ("$msec|${remote_addr}|$http_user_agent", "1795297267.000|192.0.2.7|a|b", Hit(AT, "192.0.2.7", "a|b")),
        ("$host $time_iso8601 $remote_addr $status", "x.test 2026-11-21T22:41:07+01:00 192.0.2.7 200", Hit(AT, "192.0.2.7")),
        ("$host $time_iso8601 $remote_addr $status", "x.test 2026-11-21T22:41:07+01:00 192.0.2.7 2000", None),
        (
            'escape=json {"a":"$remote_addr","u":"$http_user_agent"}',
            '{"a":"192.0.2.7","u":"say \\"hi\\""}',
            Hit(0.0, "192.0.2.7", 'say \\"hi\\"'),
        ),
        (
            '%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"',
            f'x.test:443 192.0.2.7 - - [{LOCAL}] "GET / HTTP/1.1" 200 512 "-" "curl/8"',
            Hit(AT, "192.0.2.7", "curl/8"),
        ),
        ("%{c}a %{usec}t %>s %D %{X-Id}o", "192.0.2.7 1795297267000000 200 99 a b", Hit(AT, "192.0.2.7")),
        ("%a %{%d/%b/%Y}t %!200,304{User-agent}i 100%%", "192.0.2.7 21/Nov/2026 curl 100%", Hit(0.0, "192.0.2.7", "curl")),
    ],
)  # fmt: skip
def test_a_line_is_read_by_its_format(format: str, line: str, hit: Hit | None) -> None:
    assert reader(format)(line) == hit


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ('{"time":"2026-11-21T21:41:07Z","remote_addr":"192.0.2.7","status":200,"http_user_agent":"x"}', Hit(AT, "192.0.2.7", "x")),
        ('{"ts":1795297267.0,"request":{"remote_ip":"192.0.2.7","uri":"/","headers":{"User-Agent":["x"]}},"status":200}', Hit(AT, "192.0.2.7", "x")),
        ('{"@timestamp":1795297267000,"client":{"ip":"192.0.2.7"},"user_agent":{"original":"x"},"http":{"response":{"status_code":200}}}', Hit(AT, "192.0.2.7", "x")),
        ('{"StartUTC":"2026-11-21T21:41:07Z","ClientHost":"192.0.2.7","DownstreamStatus":200,"request_User-Agent":"x"}', Hit(AT, "192.0.2.7", "x")),
        ('{"ts":1795297267.0,"status":200,"request":{"remote_ip":"192.0.2.7","headers":{"Time":["1"]}}}', Hit(AT, "192.0.2.7")),
        ('{"status":200,"time":' + "9" * 400 + "}", Hit(0.0)),
        ('{"status":200,"time":1e400}', None),
        ('{"status":200,"time":-1}', Hit(0.0)),
        ('{"level":"info","msg":"started"}', None),
        ('["status"]', None),
        ('{"status":200', None),
        ("{" * 60000, None),
        ('{"status":' + "[" * 30000, None),
    ],
)  # fmt: skip
def test_json_is_read_by_the_names_that_servers_give(line: str, hit: Hit | None) -> None:
    assert reader("json")(line) == hit


@pytest.mark.parametrize(
    ("format", "why"),
    [
        ("", "it is empty"),
        ("combines", "it holds neither an nginx variable ($name) nor an Apache directive (%h)"),
        ("$host $status", "it holds neither the user agent nor the address, so our own probes look like clients"),
        ("%t %r", "it holds neither the user agent nor the address, so our own probes look like clients"),
    ],
)
def test_a_format_that_cannot_be_read_by_is_refused(format: str, why: str) -> None:
    with pytest.raises(FormatError) as told:
        reader(format)
    assert str(told.value) == why


VARIABLES = [
    "$remote_addr",
    "$status",
    "$time_local",
    "$http_user_agent",
    "$x",
    "%h",
    "%t",
    "%>s",
    "%{User-agent}i",
    "%%",
    '"',
    " ",
    "[",
    "\\",
]


@given(st.lists(st.one_of(st.sampled_from(VARIABLES), st.text(max_size=3)), max_size=12).map("".join), st.text())
def test_no_format_and_no_line_ends_in_a_fault(format: str, line: str) -> None:
    try:
        read = reader(format)
    except FormatError:
        return
    read(line)


@given(st.text())
def test_no_line_of_json_ends_in_a_fault(line: str) -> None:
    reader("json")("{" + line)
    reader("json")('{"status": 200, "time": ' + line + "}")


def quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
)
def test_what_a_client_says_of_itself_never_changes_what_is_read(agent: str, path: str) -> None:
    line = f'192.0.2.7 - - [{LOCAL}] "GET {quoted(path)} HTTP/1.1" 200 5 "-" "{quoted(agent)}"'
    assert reader("combined")(line) == Hit(AT, "192.0.2.7", quoted(agent))
