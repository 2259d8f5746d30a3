"""The host of the KARL releases: two customers' sites under supervisor and nginx, and a repository whose tags go wrong in turn."""

from __future__ import annotations

from pathlib import Path

from cockpit.plan.examples import examples
from cockpit.plan.load import load_plan
from tests.real.night import app
from tests.real.night.names import Fixed
from tests.real.night.refusals import Meant
from tests.real.night.stage import forget, plant
from tests.real.night.traffic import Crowd
from tests.real.night.wayback import KEYS, Past, differences, grown, remember
from tests.real.rig import Rig
from tests.real.trial import Trial
from tests.real.world import listening, until, write

CLIENTS = {"osf": 8081, "oxfam": 8082}
EDITED = (
    KEYS,
    "/srv/karl/*/current",
    "/srv/karl/*/data/current",
    # What was released before, and what was restarted for which release: written again at each switch.
    "/srv/karl/*/releases/.previous",
    "/srv/karl/*/releases/.restarted",
)
"""What a release changes, and puts back: a link to the same place is a new link."""
_ANEW = "the site starts anew"
CLOSED = (
    Meant("the data is evolved", "write", list(CLIENTS), "{service}/read-only", "{service}/writable", "read-only"),
    *(
        Meant(_ANEW, kind, list(CLIENTS), f"{{service}}/{step}", f"{{service}}/{step}", "Bad Gateway")
        for kind in ("visit", "write")
        for step in ("switch", "consumers")
    ),
)
"""When users are meant to be refused: while data is evolved, and for the moment in which supervisor starts their site anew."""
SOUND, NO_BUILD, NO_EVOLVE, EVOLVES, PLAIN = "tag-3.0", "tag-3.1", "tag-3.2", "tag-3.3", "tag-3.4"
"""What becomes of each tag: in use; its build breaks off; its evolve breaks off; all goes well; well, and without an evolve."""

BUILD = """\
#!/bin/sh
# As buildout does: the old commands go first, then they are made anew.
set -e
rm -rf bin
mkdir bin
{breaks}
cat >bin/karl <<'END'
#!/bin/sh
case $1 in --version) cat "$(dirname "$0")/../version"; exit ;; esac
exec /usr/bin/python3 lib/app.py 127.0.0.1 "$1" "$(cat version)" /srv/karl/sites karl.test
END
chmod 755 bin/karl
"""
EVOLVE = """\
# It writes as it goes: a live folder would be spoilt by it.
for page in pages/*; do sed -i 's/Welcome/Willkommen/' "$page"; done
{breaks}
echo 2 >schema
"""


class Releases:
    """The host, with the first release in use."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.karl, self.staging, self.world = (rig.host(name) for name in ("karl", "staging", "world"))
        self._repository()
        for host in (self.karl, self.staging):
            for client, port in CLIENTS.items():
                write(
                    host,
                    f"/etc/karl/{client}.cfg",
                    f"host = {host.name}\nport = {port}\nworkers = 2\n# {host.name}'s own",
                )
            host.run(f"mkdir -p {' '.join(f'/var/lib/karl/{client}' for client in CLIENTS)}")
        self.karl.run(
            "mkdir -p /srv/karl/sites /var/log/supervisor /var/log/nginx /etc/supervisor/conf.d; rm -f /etc/nginx/sites-enabled/*"
        )
        for client in CLIENTS:
            self._site(client)
        self.karl.spawn("/usr/bin/supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf")
        self.karl.run("nginx")
        for port in (80, *CLIENTS.values()):
            until(lambda port=port: listening(self.karl, port), lambda port=port: f"port {port}: {self._why()}", 60)

    def plan(self, folder: Path, tag: str, *, evolve: bool = False) -> Path:
        """The plan with this tag in every row."""
        samples = {"192.0.2.20": self.karl.address, "192.0.2.30": self.staging.address}
        samples |= {NO_BUILD: tag, 'evolve: "no"': f'evolve: "{"yes" if evolve else "no"}"'}
        forget(self.rig)
        return plant(self.rig, folder, "release", samples)

    def people(self) -> Crowd:
        """Users of both sites."""
        crowd = Crowd(self.world, Fixed(self.karl.address))
        for client in CLIENTS:
            crowd.browse(client, f"http://{client}.karl.test/", every=0.2)
            crowd.write(client, f"http://{client}.karl.test/write", every=0.3)
        return crowd

    def past(self) -> list[Past]:
        """Both hosts as they are now."""
        asked = {"programs": "supervisorctl status | sed 's/ *pid .*//'", "crontab": "crontab -l"}
        # A compiler's cache, of no consequence.
        skip = ["/root/.cache*"]
        paths = ["/srv", "/etc", "/var/lib/karl", "/usr/local", "/root", "/home"]
        return [remember(host, paths, asked=asked, skip=skip) for host in (self.karl, self.staging)]

    def since(self, past: list[Past]) -> list[str]:
        """What is not as it was, but for what users wrote."""
        users = {"/srv/karl/*/data/*/data/writes": grown}
        return [
            fault
            for was, host in zip(past, (self.karl, self.staging), strict=True)
            for fault in differences(was, host, but=users, touched=EDITED)
        ]

    def current(self, client: str, what: str = "") -> str:
        """Where a link called `current` leads."""
        return self.karl.run(f"readlink /srv/karl/{client}/{what}current").strip().rpartition("/")[2]

    def _why(self) -> str:
        return self.karl.run("supervisorctl status; tail -5 /var/log/supervisor/*", check=False)

    def _repository(self) -> None:
        repository = "/srv/karl/karl.git"
        self.karl.run(
            f"mkdir -p {repository}; cd {repository}; git init -q; git config user.email karl@karl.test; git config user.name karl"
        )
        write(self.karl, f"{repository}/lib/app.py", Path(app.__file__).read_text())
        for tag in (SOUND, NO_BUILD, NO_EVOLVE, EVOLVES, PLAIN):
            breaks = "echo 'Error: no such distribution' >&2; exit 1" if tag == NO_BUILD else ":"
            write(self.karl, f"{repository}/buildout", BUILD.format(breaks=breaks), "755")
            breaks = "echo 'POSKeyError' >&2; exit 1" if tag == NO_EVOLVE else ":"
            write(self.karl, f"{repository}/evolve", EVOLVE.format(breaks=breaks))
            self.karl.run(f"cd {repository}; echo {tag} >version; git add -A; git commit -qm {tag}; git tag {tag}")

    def _site(self, client: str) -> None:
        host, place = self.karl, f"/srv/karl/{client}"
        host.run(
            f"mkdir -p {place}/data/{SOUND}/pages {place}/data/{SOUND}/data; ln -s {place}/data/{SOUND} {place}/data/current;"
            f"ln -s {place}/data/current /srv/karl/sites/{client}; : >{place}/data/{SOUND}/data/writes;"
            f"echo '<title>KARL {client}</title>Welcome to {client}' >{place}/data/{SOUND}/pages/index.html"
        )
        folder = self.rig.folder / f"first-{client}"
        folder.mkdir()
        for name, text in examples()["release"].recipes.items():
            (folder / "recipes").mkdir(exist_ok=True)
            (folder / "recipes" / name).write_text(text)
        (folder / "plan.yaml").write_text(examples()["release"].text)
        steps = {step.ref: step for step in load_plan(folder / "plan.yaml").service(client).steps}
        for name in ("build", "switch"):
            # As the plan does it, but nothing runs yet that could be restarted.
            given = {
                key: value.replace(NO_BUILD, SOUND)
                for key, value in steps[f"{client}/{name}"].action.params.items()  # type: ignore[union-attr]
                if key not in {"restart", "check"}
            }
            Trial(host, f"release-{name}", given).must("apply")
        host.run(f"rm -f {place}/releases/.previous")
        write(
            host,
            f"/etc/supervisor/conf.d/{client}.conf",
            f"[program:{client}]\ncommand={place}/current/bin/karl {CLIENTS[client]}\ndirectory={place}/current\n"
            "autorestart=true\nstopsignal=TERM\nstartsecs=0",
        )
        write(
            host,
            f"/etc/nginx/sites-enabled/{client}",
            f"server {{\n    listen 80;\n    server_name {client}.karl.test;\n    access_log /var/log/nginx/{client}.log combined;\n"
            f"    location /static/ {{ root {place}/current; }}\n"
            f"    location / {{ proxy_pass http://127.0.0.1:{CLIENTS[client]}; proxy_set_header Host $host; }}\n}}",
        )
