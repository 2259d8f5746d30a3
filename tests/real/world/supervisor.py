"""supervisor, for programs that recipes stop, start and restart."""

from __future__ import annotations

from shlex import quote

from tests.real.rig import RealHost
from tests.real.world import until, write

_CONFIG = """\
[unix_http_server]
file=/run/supervisor.sock
[supervisord]
logfile=/var/log/supervisord.log
pidfile=/run/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///run/supervisor.sock
"""
_QUICK = """\
#!/usr/bin/python3 -IS
import sys, types
sys.path.append("/usr/lib/python3/dist-packages")
sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")
from supervisor.supervisorctl import main
main()
"""
"""supervisorctl as it is, without an import that only the daemon uses and that takes most of its time."""


def quick(host: RealHost) -> None:
    """Let supervisorctl start in a third of its time: recipes ask it often."""
    write(host, "/usr/local/bin/supervisorctl", _QUICK, "755")


def supervisor(host: RealHost, programs: str, config: str = "/etc/supervisor/rig.conf") -> None:
    """Start it with these programs, sections of its configuration, in the file `config`."""
    quick(host)
    host.run(
        f"mkdir -p {quote(config.rpartition('/')[0])}; cat > {quote(config)} <<'COCKPIT_END'\n{_CONFIG}{programs}\nCOCKPIT_END\n"
    )
    host.spawn("/usr/bin/supervisord", "-n", "-c", config)
    until(
        lambda: "pid" in host.run(f"supervisorctl -c {quote(config)} pid && echo pid", check=False),
        lambda: host.said()[-500:],
        60,
    )
