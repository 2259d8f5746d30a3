"""`database` on a host of the lab: what sites' own scripts do with their SQLite databases.

Runs alone: `python database.py database VERB ...`

    dump DATABASE FILE                        a copy of one moment, with its SHA-256 beside it
    restore FILE DATABASE                     a database made from a dump, if its checksum holds
    figures DATABASE [--accepted A,B]         rows and a checksum of each table, one line each
    import SOURCE DATABASE SECTION=DOMAIN...  a multisite made from the single site, in batches
    compare SOURCE DATABASE                   whether all articles and users of the one are in the other
    documents DATABASE                        each article as a line of JSON, for the search server
    ask DATABASE SQL                          one value
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

BATCH = 100
PAUSE = 0.25
"""Seconds that a batch takes at least: the account's import took well over three hours."""
MULTISITE = """
create table domain (name text primary key, section text unique not null);
create table users (uid integer primary key, name text unique not null, pass text not null);
create table preferences (uid integer, key text, value text, primary key (uid, key));
create table node (nid integer primary key autoincrement, token text not null, title text not null, body text not null);
create table domain_access (nid integer primary key, domain text not null);
create table sessions (sid text primary key, token text not null, uid integer not null);
create table cache_form (cid integer primary key, token text not null, form text not null);
create table import (last integer not null);
"""


class Refused(Exception):
    """What was asked for cannot be done; the sentence says why."""


def opened(file: str) -> sqlite3.Connection:
    """A database that is there. Raises Refused."""
    if not Path(file).is_file():
        raise Refused(f"there is no database {file}")
    return sqlite3.connect(file, timeout=10)


def checksum(file: Path) -> str:
    """SHA-256 of a file in hex. Raises OSError."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def dump(database: str, file: str) -> str:
    """Copy a database that is in use, whole."""
    fresh = Path(f"{file}.new")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.unlink(missing_ok=True)
    with opened(database) as source, sqlite3.connect(fresh) as copy:
        source.backup(copy)
    Path(f"{file}.sha256").write_text(f"{checksum(fresh)}\n")
    fresh.replace(file)
    return f"{database} is in {file}, {Path(file).stat().st_size} bytes"


def restore(file: str, database: str) -> str:
    """Make a database from a dump."""
    noted = Path(f"{file}.sha256")
    if not noted.is_file() or noted.read_text().strip() != checksum(Path(file)):
        raise Refused(f"{file} is not what its checksum says")
    fresh = Path(f"{database}.new")
    fresh.write_bytes(Path(file).read_bytes())
    fresh.replace(database)
    return f"{database} is restored"


def figures(database: str, *words: str) -> str:
    """What each table holds, in an order that does not depend on how it was filled."""
    accepted = set(words[1].split(",")) if words[:1] == ("--accepted",) else set()
    lines = []
    with opened(database) as link:
        names = [name for (name,) in link.execute("select name from sqlite_master where type = 'table' order by name")]
        for name in names:
            if name in accepted or name.startswith("sqlite_"):
                continue
            rows = sorted(json.dumps(row) for row in link.execute(f"select * from {name}"))
            lines.append(f"{name} {len(rows)} {hashlib.sha256(chr(10).join(rows).encode()).hexdigest()}")
    return "\n".join(lines)


def carry(source: str, database: str, *pairs: str) -> str:
    """Transform the single site's content and import it; the database takes its name when it is whole."""
    domains = dict(pair.split("=", 1) for pair in pairs)
    fresh = Path(f"{database}.import")
    fresh.unlink(missing_ok=True)
    with opened(source) as old, sqlite3.connect(fresh) as new:
        strange = [name for (name,) in old.execute("select distinct section from node") if name not in domains]
        if strange:
            raise Refused(f"no domain shows these sections: {', '.join(strange)}")
        new.executescript(MULTISITE)
        new.executemany("insert into domain (section, name) values (?, ?)", domains.items())
        new.executemany("insert into users values (?, ?, ?)", old.execute("select uid, name, pass from users"))
        new.executemany(
            "insert into preferences values (?, ?, ?)", old.execute("select uid, key, value from preferences")
        )
        (total,) = old.execute("select count(*) from node").fetchone()
        count, last = 0, 0
        text = "select nid, token, title, body, section from node where nid > ? order by nid limit ?"
        while rows := old.execute(text, (last, BATCH)).fetchall():
            new.executemany("insert into node values (?, ?, ?, ?)", [row[:4] for row in rows])
            new.executemany("insert into domain_access values (?, ?)", [(row[0], domains[row[4]]) for row in rows])
            new.commit()
            count, last = count + len(rows), rows[-1][0]
            print(f"{count} of {total} articles imported, {count * 100 // total} %", flush=True)
            time.sleep(PAUSE)
        new.execute("insert into import values (?)", (last,))
    fresh.replace(database)
    return f"{database} is whole: {count} articles on {len(domains)} domains"


def compare(source: str, database: str) -> str:
    """All that came is there, and each article is on a domain. Raises Refused with what is not."""
    with opened(source) as old, opened(database) as new:
        (last,) = new.execute("select last from import").fetchone()
        nodes = "select nid, token, title, body from node where nid <= ? order by nid"
        first, came = old.execute(nodes, (last,)).fetchall(), new.execute(nodes, (last,)).fetchall()
        (all_of_it,) = old.execute("select count(*) from node").fetchone()
        if first != came or len(first) != all_of_it:
            raise Refused(f"the articles are not the same: {all_of_it} came, {len(came)} are in {database}")
        known = dict(new.execute("select name, pass from users").fetchall())
        users = old.execute("select name, pass from users").fetchall()
        if any(known.get(name) != word for name, word in users):
            raise Refused(f"not all of {len(users)} users are in {database}")
        lone = "select count(*) from node left join domain_access using (nid) where domain is null"
        if new.execute(lone).fetchone()[0]:
            raise Refused("an article is on no domain")
    return f"{len(came)} articles and {len(users)} users are the same, and each article is on a domain"


def documents(database: str) -> str:
    """What the search server is filled with."""
    with opened(database) as link:
        rows = link.execute(
            "select nid, domain, title || ' ' || body from node join domain_access using (nid) order by nid"
        )
        return "\n".join(json.dumps({"id": nid, "domain": domain, "text": text}) for nid, domain, text in rows)


def ask(database: str, text: str) -> str:
    """The first column of the first row."""
    with opened(database) as link:
        row = link.execute(text).fetchone()
        return "" if row is None else str(row[0])


VERBS: dict[str, Callable[..., str]] = {
    "dump": dump,
    "restore": restore,
    "figures": figures,
    "import": carry,
    "compare": compare,
    "documents": documents,
    "ask": ask,
}


def main(words: list[str]) -> int:
    """0 done or so, 1 refused with a sentence, 2 usage."""
    if not words or words[0] not in VERBS:
        print(f"usage: database {'|'.join(VERBS)} ...", file=sys.stderr)
        return 2
    os.chdir(os.environ["HOME"])
    try:
        print(VERBS[words[0]](*words[1:]))
    except (Refused, OSError, sqlite3.Error, TypeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
