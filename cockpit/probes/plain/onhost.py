"""What a host says of itself: a command's status and output, and the answer of a database there."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from shlex import quote
from urllib.parse import unquote, urlsplit

from cockpit.plan import conditions
from cockpit.plan.script import exports
from cockpit.plan.watched import Expect, Probe
from cockpit.probes.context import OnHost
from cockpit.probes.seen import Seen, since
from cockpit.text import harmless

OUTPUT = 1 << 16
"""Characters of an output that are looked at."""


_NUMBER = re.compile(r"\s*[-+]?\d{1,18}(\.\d{1,9})?\s*")


async def command(on_host: OnHost, host: str, probe: Probe, variables: Mapping[str, str], at: str = "") -> Seen:
    """Run the probe's shell text on the host with the service's variables, and judge its exit status (`expect.status`) and
    what it printed. `at` is the vantage that the host speaks for. Never raises for what the host does."""
    script = exports(variables) + closed(probe.target)
    return await _ran(on_host, host, script, probe, at)


async def query(on_host: OnHost, host: str, probe: Probe, password: str, at: str = "") -> Seen:
    """Run the probe's query on the host, with the database's own client, in a session that cannot write. The first line of the
    answer is the fact `value`. The password reaches the client through its environment, never as an argument."""
    try:
        script = query_script(probe, password)
    except ValueError as error:
        return Seen(ok=False, detail=str(error), via=host)
    return await _ran(on_host, host, script, probe, at)


def closed(text: str) -> str:
    """Shell text that cannot read what is left of the script it stands in."""
    return f"(\n{text.rstrip()}\n) </dev/null\n"


def bounded(script: str, timeout: float) -> str:
    """A script that ends on the host itself when its time is over, and does not go on when nobody listens any more. The text
    stays out of arguments, which everybody on the host may read."""
    mark = "COCKPIT_END"
    while mark in script:
        mark += "_"
    seconds = math.ceil(timeout)
    return (
        f"if command -v timeout >/dev/null 2>&1; then set -- timeout -s KILL {seconds} sh -s; else set -- sh -s; fi\n"
        f"\"$@\" <<'{mark}'\n{script.rstrip()}\n{mark}\n"
    )


async def _ran(on_host: OnHost, host: str, script: str, probe: Probe, at: str) -> Seen:
    began = time.monotonic()
    said = await on_host(host, bounded(script, probe.timeout), probe.timeout)
    if said.exit is None:
        return Seen(ok=False, ms=since(began), detail=harmless(said.out, 200), via=host)
    out, took = said.out[:OUTPUT], since(began)
    lines = out.splitlines()
    value = harmless(lines[0], 200) if lines else ""
    error = harmless(next(iter(said.err.splitlines()), ""), 200)
    facts = {"status": str(said.exit), "value": value, "lines": str(len(said.out.splitlines())), "error": error}
    if _NUMBER.fullmatch(value):
        facts["number"] = value.strip()
    detail = _wrong(probe.expect, said.exit, out, error, at)
    good = value or (f"status {said.exit}" if probe.proto == "command" else "no rows")
    return Seen(
        ok=not detail,
        status=said.exit,
        ms=took,
        detail=detail or good,
        via=host,
        body=out,
        cut=len(out) < len(said.out),
        facts=facts,
    )


def _wrong(expect: Expect, status: int, out: str, error: str, at: str) -> str:
    # Conditions speak of the status themselves; without any, it is judged here.
    if status != expect.status and (expect.status or not conditions.named(expect.that, "status", at)):
        why = f": {error}" if error else ""
        return f"status {status}, not {expect.status}{why}"
    if expect.body and expect.body not in out:
        return f"it prints no {expect.body!r}: {harmless(out.strip()[:400], 120) or 'nothing'}"
    return ""


def query_script(probe: Probe, password: str) -> str:
    """The shell text that asks the database of `probe.database`. Raises ValueError with a sentence when that names none."""
    scheme, _, rest = probe.database.partition(":")
    seconds = math.ceil(probe.timeout)
    match scheme:
        case "postgresql" | "postgres":
            user = f"PGUSER={quote(probe.login.user)}; export PGUSER\n" if probe.login is not None else ""
            secret = f"PGPASSWORD={quote(password)}; export PGPASSWORD\n" if password else ""
            options = f"-c default_transaction_read_only=on -c statement_timeout={seconds}s"
            return (
                f"{user}{secret}PGOPTIONS={quote(options)}; PGCONNECT_TIMEOUT={max(2, seconds)}\n"
                "export PGOPTIONS PGCONNECT_TIMEOUT\n"
                + _fed(probe.target, f"psql -X -A -t -q -w -v ON_ERROR_STOP=1 -d {quote(probe.database)}")
            )
        case "mysql" | "mariadb":
            secret = f"MYSQL_PWD={quote(password)}; export MYSQL_PWD\n" if password else ""
            words = " ".join(quote(word) for word in _mysql(probe, seconds))
            return secret + _fed(f"SET SESSION TRANSACTION READ ONLY; {probe.target}", f"mysql {words}")
        case "sqlite" | "sqlite3":
            path = rest.removeprefix("//") or rest
            # A name that begins with a dash is no option.
            path = path if path.startswith(("/", "~/")) else f"./{path}"
            home = path.startswith("~/")
            named = '"$HOME"/' + quote(path[2:]) if home else quote(path)
            return f"test -e {named} || {{ echo 'there is no such file' >&2; exit 1; }}\n" + _fed(
                probe.target, f"sqlite3 -batch -bail -noheader -readonly {named}"
            )
        case _:
            raise ValueError(
                f"{harmless(probe.database, 60)!r} is no database; write postgresql://, mysql:// or sqlite:"
            )


def _fed(text: str, client: str) -> str:
    """The query on the client's standard input: printf is the shell's own, so that no argument shows it."""
    ended = text.rstrip().rstrip(";")
    return f"printf '%s;\\n' {quote(ended)} | {client}\n"


def _mysql(probe: Probe, seconds: int) -> list[str]:
    where = urlsplit(probe.database)
    user = probe.login.user if probe.login is not None else unquote(where.username or "")
    named = {
        "--host": unquote(where.hostname or ""),
        "--port": str(where.port or ""),
        "--user": user,
        "--database": unquote(where.path.strip("/")),
    }
    return ["--batch", "--skip-column-names", f"--connect-timeout={max(2, seconds)}"] + [
        f"{name}={value}" for name, value in named.items() if value
    ]
