"""Databases: PostgreSQL and MariaDB clusters of a test's own, each with its folder, socket and port."""

from __future__ import annotations

from shlex import quote

from tests.real.rig import RealHost
from tests.real.world import until, write

_BIN = "/usr/lib/postgresql/$(ls /usr/lib/postgresql | sort -n | tail -n 1)/bin"
_AS = "setpriv --reuid=postgres --regid=postgres --init-groups"


def _pg_folder(port: int) -> str:
    return f"/var/lib/postgresql/rig-{port}"


def postgres(host: RealHost, port: int = 5432) -> None:
    """A cluster that knows its administrator by peer authentication, as Debian makes it, and asks the network for passwords."""
    folder = _pg_folder(port)
    # Debian's clients are a wrapper in Perl that takes its time to find the server's version.
    host.run(f"ln -sf {_BIN}/psql {_BIN}/pg_dump {_BIN}/pg_restore /usr/local/bin/")
    host.run(
        f"cd /; {_AS} {_BIN}/initdb -D {folder} --auth-local=peer --auth-host=scram-sha-256 --no-sync -E UTF8 --locale=C.UTF-8"
    )
    settings = {
        "port": str(port),
        "unix_socket_directories": "'/run/postgresql'",
        "listen_addresses": "'*'",
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "16MB",
        "max_connections": "40",
    }
    host.run(
        f"cat >> {folder}/postgresql.conf <<'END'\n" + "\n".join(f"{k} = {v}" for k, v in settings.items()) + "\nEND"
    )
    postgres_start(host, port)


def postgres_start(host: RealHost, port: int = 5432) -> None:
    """Start a cluster that was made before."""
    folder = _pg_folder(port)
    host.run("mkdir -p /run/postgresql; chown postgres:postgres /run/postgresql; chmod 2775 /run/postgresql")
    host.run(f"cd /; {_AS} {_BIN}/pg_ctl start -w -t 60 -s -D {folder} -l {folder}/log </dev/null >/dev/null 2>&1")


def postgres_stop(host: RealHost, port: int = 5432) -> None:
    """Stop a cluster at once."""
    host.run(f"cd /; {_AS} {_BIN}/pg_ctl stop -w -t 60 -s -m immediate -D {_pg_folder(port)}")


def postgres_replica(host: RealHost, port: int, of: int = 5432) -> None:
    """A streaming replica of a cluster of the same host."""
    folder = _pg_folder(port)
    host.run(f"cd /; {_AS} {_BIN}/pg_basebackup -h /run/postgresql -p {of} -D {folder} -R -c fast --no-sync")
    host.run(f"echo 'port = {port}' >> {folder}/postgresql.conf")
    postgres_start(host, port)


def psql(host: RealHost, text: str, database: str = "postgres", port: int = 5432) -> str:
    """What SQL says, as the administrator."""
    return host.run(
        f"cd /; PGDATABASE={quote(database)} {_AS} psql -XAtq -p {port} -v ON_ERROR_STOP=1 <<'COCKPIT_END'\n{text}\nCOCKPIT_END"
    )


def mariadb(host: RealHost, port: int = 3306, number: int = 1, more: str = "") -> None:
    """A server that knows root by its socket, as Debian makes it. The second and later ones have their socket beside the first's."""
    folder = f"/var/lib/rig-mysql-{port}"
    host.run(
        f"mkdir -p /run/mysqld; chown mysql:mysql /run/mysqld; mkdir {folder}; chown mysql {folder}; cd /;"
        f"mariadb-install-db --no-defaults --datadir={folder} --user=mysql --skip-test-db --basedir=/usr"
    )
    write(
        host,
        f"/etc/rig-mysql-{port}.cnf",
        f"[mysqld]\ndatadir={folder}\nsocket={socket(port)}\nport={port}\npid-file=/run/mysqld/{port}.pid\nuser=mysql\n"
        f"server-id={number}\nlog-bin={folder}/bin\ninnodb_buffer_pool_size=16M\ninnodb_flush_log_at_trx_commit=0\n"
        f"innodb_log_file_size=8M\nsync_binlog=0\nskip-name-resolve\nlog-error={folder}/log\nbasedir=/usr\n{more}",
    )
    mariadb_start(host, port)


def socket(port: int = 3306) -> str:
    """Where a server listens; the first one where clients look for it."""
    return "/run/mysqld/mysqld.sock" if port == 3306 else f"/run/mysqld/{port}.sock"


def mariadb_start(host: RealHost, port: int = 3306) -> None:
    """Start a server that was made before."""
    host.spawn("/usr/sbin/mariadbd", f"--defaults-file=/etc/rig-mysql-{port}.cnf")
    until(
        lambda: "1" in host.run(f"mariadb --no-defaults -S {socket(port)} -Ne 'select 1' 2>&1", check=False).split(),
        lambda: f"mariadb on {host.name}: {host.run(f'tail /var/lib/rig-mysql-{port}/log', check=False)}",
        60,
    )


def mariadb_stop(host: RealHost, port: int = 3306) -> None:
    """Stop a server at once."""
    host.run(f"kill -9 $(cat /run/mysqld/{port}.pid); rm -f /run/mysqld/{port}.pid {socket(port)}")


def mysql(host: RealHost, text: str, database: str = "", port: int = 3306) -> str:
    """What SQL says, as root."""
    return host.run(
        f"mariadb --no-defaults -S {socket(port)} --default-character-set=utf8mb4 -N -D {quote(database)} <<'COCKPIT_END'\n{text}\nCOCKPIT_END"
        if database
        else f"mariadb --no-defaults -S {socket(port)} --default-character-set=utf8mb4 -N <<'COCKPIT_END'\n{text}\nCOCKPIT_END"
    )
