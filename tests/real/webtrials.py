"""What the recipes for sites have to do whatever the web server is: the same behaviours for nginx and for Apache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.real.rig import RealHost
from tests.real.sites import NAME, OTHER, SITE, ask, live, state
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import until, write

PAGE = f"<h1>Back at 3</h1>\n{EVIL}\n$host ${{host}} %{{REQUEST_URI}}\n"
KINDS: dict[str, dict[str, str]] = {
    "maintenance": {"page": PAGE, "allow": "192.0.2.7 2001:db8::/32", "retry": "120"},
    "proxy": {"to": "10.213.0.99:80"},
    "redirect": {"to": "https://new.example.test/base/", "code": "307"},
    "user-redirect": {"users": "ann bob.b", "to": "https://new.example.test"},
}
"""The recipes that put lines into a site's file, with parameters that are good."""
RECIPES = {
    "nginx": {
        "maintenance": "nginx-maintenance",
        "proxy": "nginx-proxy",
        "redirect": "nginx-redirect",
        "user-redirect": "nginx-user-redirect",
        "test-vhost": "nginx-test-vhost",
        "reload": "nginx-reload",
    },
    "apache": {
        "maintenance": "apache-maintenance",
        "proxy": "apache-proxy",
        "redirect": "apache-redirect",
        "user-redirect": "apache-user-redirect",
        "test-vhost": "apache-test-vhost",
        "reload": "apache-reload",
    },
}
"""What each kind is called, by web server."""


class Shop:
    """A host with sites on one kind of web server."""

    def __init__(self, host: RealHost, server: str, conf: str) -> None:
        self.host = host
        self.server = server
        self.conf = conf

    def trial(self, kind: str, **params: str) -> Trial:
        """One recipe for the shop."""
        given = {"site": SITE[self.server], "name": NAME, "conf": self.conf} | KINDS[kind] | params
        return Trial(self.host, RECIPES[self.server][kind], given, state=state(self.server))

    def ask(self, url: str, *options: str, at: str = "127.0.0.1") -> str:
        """What the host answers."""
        return ask(self.host, url, *options, at=at)


def page_for_strangers(shop: Shop) -> None:
    """The page, byte for byte, on every address of the site; not for the operator, and not for another site."""
    text = PAGE + f"# cockpit {shop.server}-maintenance {NAME}: end\n" + "x" * 9000
    page = shop.trial("maintenance", page=text, allow=shop.host.address)
    page.there()
    for url in (f"http://{NAME}/deep?x=1", f"https://{NAME}/xx"):
        said = shop.ask(url)
        assert " 503" in said.splitlines()[0]
        assert "retry-after: 120" in said.lower()
        assert said.replace("\r\n", "\n").endswith("\n\n" + text)
    assert "the shop of old" in shop.ask(f"http://{NAME}/", at=shop.host.address)
    assert "the other site" in shop.ask(f"http://{OTHER}/")
    # It survives that the server reads its configuration again.
    page.host.run(page_reload(shop))
    page.must("verify")
    page.back()
    everybody = shop.trial("maintenance", allow="")
    everybody.there()
    assert " 503" in shop.ask(f"http://{NAME}/", at=shop.host.address)
    everybody.back()


def page_reload(shop: Shop) -> str:
    """Shell text that makes the web server read its configuration again."""
    return f"kill -s {'HUP' if shop.server == 'nginx' else 'USR1'} $(cat /run/{'nginx' if shop.server == 'nginx' else 'apache2'}.pid)"


def bridge(shop: Shop, new: RealHost, tls: bool, ca: str = "") -> None:
    """Requests arrive at new as they were sent: Host, path as it was coded, query, body, and the client's address."""
    to = f"{new.address}:{443 if tls else 80}"
    crossing = shop.trial("proxy", to=to, says="answered by new", tls="yes" if tls else "no", ca=ca)
    crossing.there()
    for path in ("/", "/a%20b%2Fc%3Fd/~ann/?q=%26&x=1+2", "/hidden/x", "/%7Eann"):
        said = shop.ask(f"http://{NAME}{path}", "-d", "'a body'")
        assert "answered by new" in said, said
        assert f"uri={path}\n" in said
        assert f"host={NAME}\n" in said
        assert "forwarded=127.0.0.1\n" in said
        assert "body=a body\n" in said
        assert "x-cockpit" not in said.lower()
    assert "proto=https\n" in shop.ask(f"https://{NAME}/")
    assert "the other site" in shop.ask(f"http://{OTHER}/")
    crossing.back()
    if not tls:
        crossing.cut_anywhere()


def wrong_answers(shop: Shop, new: RealHost) -> None:
    """A bridge that leads nowhere, or to something else, is not verified."""
    dead = shop.trial("proxy", to=f"{new.address}:9")
    dead.capture()
    dead.must("apply")
    assert "or not at all" in dead.must("verify", 1)
    dead.back()
    wrong = shop.trial("proxy", to=f"{new.address}:80", says=EVIL)
    wrong.capture()
    wrong.must("apply")
    assert "does not say what it should" in wrong.must("verify", 1)
    wrong.back()
    assert "answered by this host itself" in wrong.must("verify", 1)


def redirects(shop: Shop) -> None:
    """Every request goes to the other URL with path and query as they came."""
    away = shop.trial("redirect")
    away.there_and_back()
    away.cut_anywhere()
    away.there()
    for scheme in ("http", "https"):
        said = shop.ask(f"{scheme}://{NAME}/a%20b%2F%3F?q=%26&x=1", "-d", "x=1")
        assert " 307" in said.splitlines()[0]
        assert "location: https://new.example.test/base/a%20b%2F%3F?q=%26&x=1\r" in said.replace("Location", "location")
    assert "the other site" in shop.ask(f"http://{OTHER}/")
    away.back()
    forever = shop.trial("redirect", code="301")
    assert "302 or 307" in forever.must("capture", 2)


def user_redirects(shop: Shop) -> None:
    """The pages of the users that are named, and nothing else (S65). Two steps for the same site do not disturb each other."""
    some = shop.trial("user-redirect")
    some.there_and_back()
    some.cut_anywhere()
    some.there()
    other = shop.trial("user-redirect", users="carol")
    other.there()
    assert some.recognised()
    for user, there in (
        ("ann", True),
        ("bob.b", True),
        ("carol", True),
        ("anna", False),
        ("bobxb", False),
        ("dave", False),
    ):
        said = shop.ask(f"http://{NAME}/~{user}/x%20y?z")
        assert (f"https://new.example.test/~{user}/x%20y?z\r" in said) == there, said
    assert "https://new.example.test/%7Eann\r" in shop.ask(f"http://{NAME}/%7Eann")
    assert "the shop of old" in shop.ask(f"http://{NAME}/")
    some.back()
    other.must("verify")
    other.back()


def at_once(shop: Shop, count: int = 8) -> None:
    """Steps of many users who go over at the same moment: the redirect of each is served, and taken back at once none is."""
    users = [f"user{number}" for number in range(count)]
    steps = [shop.trial("user-redirect", users=user) for user in users]
    before = steps[0].seen()
    for step in steps:
        step.capture()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda step: step.must("apply"), steps))
        for user, step in zip(users, steps, strict=True):
            step.must("verify")
            assert f"https://new.example.test/~{user}/\r" in shop.ask(f"http://{NAME}/~{user}/")
        list(pool.map(lambda step: step.must("undo"), steps))
    for step in steps:
        step.must("verify_undo")
    assert steps[0].seen() == before


def waits_its_turn(shop: Shop) -> None:
    """While another step changes the web server nothing is touched; when that one is killed, it goes on."""
    host, away = shop.host, shop.trial("user-redirect")
    before = away.seen()
    program = "nginx" if shop.server == "nginx" else "apache2"
    other = host.spawn("/usr/bin/flock", f"/run/.cockpit-{program}.lock", "/usr/bin/tail", "-f", "/dev/null")
    until(lambda: "tail -f" in host.run("ps -eo args"), lambda: "another step begins", 30)
    away.capture()
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(away.must, "apply")
        until(lambda: "sleep 0.2" in host.run("ps -eo args"), lambda: f"it waits: {applied}", 30)
        assert away.seen() == before
        assert not applied.done()
        host.run("kill -9 $(pgrep -x flock) $(pgrep -x tail)")
        other.wait()
        applied.result(60)
    away.must("verify")
    away.back()
    assert away.seen() == before


def refusals(shop: Shop) -> None:
    """What cannot be right is refused with a sentence, and nothing changes."""
    before = shop.trial("maintenance").seen()
    for kind, params in {
        "maintenance": ("allow", "retry"),
        "proxy": ("to", "tls", "ca", "says"),
        "redirect": ("to", "code"),
        "user-redirect": ("users", "to", "code"),
    }.items():
        for param in ("site", "name", "check", "at", "conf", *params):
            for value in (EVIL, f"{EVIL}\nb", "-x"):
                # Any line may be looked for.
                if param != "says" or "\n" in value:
                    assert "nothing was changed" in shop.trial(kind, **{param: value}).must("apply", 2), (param, value)
    assert "nothing was changed" in shop.trial("proxy", to=EVIL).must("capture", 2)
    unknown = shop.trial("redirect", name="unknown.example.test")
    assert "serves unknown.example.test; nothing was changed" in unknown.must("apply", 2)
    assert shop.trial("maintenance").seen() == before
    assert not evil_left(shop.host)


def edits_stay(shop: Shop) -> None:
    """What an administrator writes while an apply is cut off, or after one whose reload failed, is theirs for good: a
    configuration that they break is never replaced with a copy of ours."""
    host, page, site = shop.host, shop.trial("maintenance"), SITE[shop.server]
    folder, _, name = site.rpartition("/")
    kept = f"{folder}/.{name}.cockpit-was"
    before = page.seen()
    host.run(f"cp -p {site} /tmp/whole")
    page.capture()
    page.must("apply")
    host.run(f"cp -p {site} /tmp/ours")
    # As after a kill between the lines and the removal of the copy. An edit, and then a mistake in it.
    host.run(f"cp -p /tmp/whole {kept}; printf '\\n# edited by hand\\nnonsense here;\\n' >>{site}")
    for kind in ("maintenance", "redirect"):
        assert "broken already" in shop.trial(kind).must("apply", 2)
        assert "# edited by hand" in host.run(f"cat {site}"), f"{kind} takes an edit back that is not its own"
    # The mistake mended, another try finds its lines there, the configuration whole and the copy not needed.
    host.run(f"sed -i '/^nonsense/d' {site}")
    page.must("apply")
    page.must("verify")
    host.run(f"test ! -e {kept}")
    # Only our lines are more: what was cut off is taken back.
    host.run(f"sed '/^# cockpit.*: begin/a nonsense here;' /tmp/ours >{site}; cp -p /tmp/whole {kept}")
    assert "broken already" in page.must("apply", 2)
    assert host.run(f"cat {site}") == host.run("cat /tmp/whole")
    host.run(f"rm /tmp/whole /tmp/ours; {page_reload(shop)}")
    page.must("verify_undo")
    # A worker of before the reload may answer a last request.
    until(lambda: page.seen() == before, page.seen)


def other_lines(shop: Shop) -> None:
    """Recipes stand beside each other in one file, and go away in any order; another page is not put over one that stands."""
    page, away = shop.trial("maintenance"), shop.trial("redirect")
    before = page.seen()
    away.there()
    page.there()
    another = shop.trial("maintenance", page="another")
    assert "undo those first" in another.must("capture", 2)
    away.must("undo")
    page.must("verify")
    assert "undone" not in away.must("verify_undo")
    page.must("undo")
    assert "no more" in page.must("verify_undo")
    assert page.seen() == before


def symlinked(shop: Shop) -> None:
    """A site that is enabled by a link stays a link, with owner and mode of its file."""
    host, site = shop.host, SITE[shop.server]
    host.run(f"mkdir /srv/available; mv {site} /srv/available/shop; chown 33:4 /srv/available/shop; chmod 640 /srv/available/shop;"
             f"ln -s /srv/available/shop {site}")  # fmt: skip
    page = shop.trial("maintenance")
    page.there()
    assert host.run(f"readlink {site}; stat -c '%u:%g %a' /srv/available/shop").split() == [
        "/srv/available/shop",
        "33:4",
        "640",
    ]
    page.back()
    assert host.run("stat -c '%u:%g %a' /srv/available/shop; ls -A /srv/available").split() == ["33:4", "640", "shop"]
    host.run(f"rm {site}; mv /srv/available/shop {site}; chown 0:0 {site}; chmod 644 {site}; rmdir /srv/available")


def stopped(shop: Shop) -> None:
    """With the daemon stopped nothing is changed; undone, it is told that the daemon does not run."""
    host, page = shop.host, shop.trial("maintenance")
    files = host.run(f"cksum {SITE[shop.server]}")
    page.capture()
    assert "is not running; nothing was changed" in page.must("apply", 2)
    assert "does not answer" in page.must("verify", 2)
    assert not page.recognised()
    assert "is not running" in page.must("undo")
    page.must("verify_undo", 2)
    assert host.run(f"cksum {SITE[shop.server]}") == files


def checked(shop: Shop, new: RealHost) -> None:
    """With a file of authorities only a certificate of theirs is crossed to."""
    to = f"{new.address}:443"
    shop.host.run("mkdir -p /etc/ssl/rig")
    write(shop.host, "/etc/ssl/rig/new.pem", new.run("cat /etc/ssl/rig/shop.pem"))
    bridge(shop, new, tls=True, ca="/etc/ssl/rig/new.pem")
    strange = shop.trial("proxy", to=to, tls="yes", ca="/etc/ssl/rig/shop.pem")
    strange.capture()
    strange.must("apply")
    assert "or not at all" in strange.must("verify", 1)
    strange.back()


def vhosts(shop: Shop, new: RealHost) -> None:
    """The owner sees the site under another name, from a folder or from another server (S55), and then no more."""
    folder = SITE[shop.server].rpartition("/")[0]
    given = {"file": f"{folder}/zz-test.conf", "name": "test.example.test", "conf": shop.conf}
    test = Trial(
        shop.host, RECIPES[shop.server]["test-vhost"], {**given, "root": "/srv/new shop é"}, state=state(shop.server)
    )
    shop.host.run("mkdir '/srv/new shop é'; echo the shop of new >'/srv/new shop é/index.html'")
    test.there_and_back()
    test.cut_anywhere()
    test.there()
    assert "the shop of new" in shop.ask("http://test.example.test/")
    assert "the shop of old" in shop.ask(f"http://{NAME}/")
    assert "is there already" in Trial(shop.host, test.recipe, {**given, "root": "/srv/shop"}).must("capture", 2)
    # Another one that is the first of the server, and so is shown for names that it does not know.
    first = Trial(
        shop.host,
        test.recipe,
        {**given, "file": f"{folder}/00-test.conf", "name": "first.example.test", "root": "/srv/shop"},
        state=test.state,
    )
    first.there()
    assert ("so do unknown names" in first.must("verify")) == (shop.server == "apache")
    assert "unknown" not in test.must("verify")
    test.back()
    assert ("the shop of old" in shop.ask("http://test.example.test/")) == (shop.server == "apache")
    first.back()
    through = Trial(
        shop.host,
        test.recipe,
        {**given, "upstream": f"{new.address}:80", "host": NAME, "says": f"host={NAME}"},
        state=test.state,
    )
    through.there()
    other = replace(through, params={**through.params, "says": EVIL})
    other.must("apply")
    other.must("verify", 1)
    through.back()
    wrong = Trial(shop.host, test.recipe, {**given, "root": "/srv"}, state=test.state)
    wrong.capture()
    wrong.must("apply")
    assert "with an error" in wrong.must("verify", 1)
    wrong.back()
    for param in (*given, "root", "upstream", "host", "listen", "at", "check", "says"):
        for value in (EVIL, f"{EVIL}\nb", "-x", '/srv/"x', "/srv/$host"):
            if (param == "file" and value.startswith("/srv")) or (param == "says" and "\n" not in value):
                continue
            more = {} if param in {"root", "upstream"} else {"root": "/srv/shop"}
            bad = Trial(shop.host, test.recipe, {**given, **more, param: value})
            assert "nothing was changed" in bad.must("apply", 2), (param, value)
    assert not evil_left(shop.host)


def reloads(shop: Shop) -> None:
    """What is changed in the files comes into force; what is broken does not."""
    host, site = shop.host, SITE[shop.server]
    reload = Trial(
        host, RECIPES[shop.server]["reload"], {"conf": shop.conf, "check": f"http://{NAME}/"}, state=state(shop.server)
    )
    reload.there_and_back(already=False)
    reload.cut_anywhere()
    before = reload.seen()
    for param in (*reload.params, "at"):
        for value in (EVIL, f"{EVIL}\nb", "-x"):
            bad = replace(reload, params={**reload.params, param: value}, captured={})
            assert "nothing was changed" in bad.must("apply", 2), (param, value)
    assert reload.seen() == before
    assert not evil_left(host)
    host.run(f"cp -p {site} /srv/kept; sed -i s,/srv/other,/srv/shop, {site}")
    assert "the other site" in shop.ask(f"http://{OTHER}/")
    reload.capture()
    assert "no process of the web server is newer" in reload.must("verify", 1)
    reload.must("apply")
    reload.must("verify")
    assert "the shop of old" in shop.ask(f"http://{OTHER}/")
    host.run(f"cp -p /srv/kept {site}; rm /srv/kept; echo 'nonsense;' >>{site}")
    reload.turned_away("nonsense", live(shop.server))
    reload.must("verify", 1)
    assert "the shop of old" in shop.ask(f"http://{OTHER}/")
    host.run(f"sed -i s/nonsense.// {site}")
    reload.must("apply")
