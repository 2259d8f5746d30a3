"""What the recipes for sites refuse: a configuration that is broken already, or would be by us, or gets broken later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from tests.real.rig import RealHost
from tests.real.sites import NAME, SITE, live, state
from tests.real.trial import Trial
from tests.real.webtrials import RECIPES, Shop, page_reload
from tests.real.world import until, write


def broken(shop: Shop) -> None:
    """A configuration that is broken already, or would be by us, is refused before the daemon hears of it."""
    host, page = shop.host, shop.trial("maintenance")
    before = page.seen()
    write(host, SITE[shop.server].replace("shop", "zz"), "nonsense here;\n")
    page.capture()
    assert "nonsense" in page.turned_away("broken already", live(shop.server))
    host.run(f"rm {SITE[shop.server].replace('shop', 'zz')}")
    assert page.seen() == before
    # Ours would clash with what somebody else has written.
    host.run(f"cp -p {SITE[shop.server]} /tmp/kept")
    page.must("apply")
    host.run(f"sed -i 's/^# cockpit.*: end$/# lost/' {SITE[shop.server]}")
    assert "the end of our lines" in page.must("apply", 2)
    assert "mend it by hand" in page.must("undo", 1)
    host.run(f"cp -p /tmp/kept {SITE[shop.server]}; rm /tmp/kept; {page_reload(shop)}")
    page.must("verify_undo")
    # A worker of before may still answer for a moment.
    until(lambda: page.seen() == before, page.seen, 30)


@contextlib.contextmanager
def clashing(shop: Shop, kind: str) -> Iterator[dict[str, str]]:
    """A host on which the configuration is whole, and would be broken by the lines of this recipe. Its parameters."""
    host, site = shop.host, SITE[shop.server]
    id = host.run(f"printf %s {NAME} | cksum | cut -d ' ' -f 1").strip()
    more, given, after = site.replace("shop", "zz"), {}, "true"
    if shop.server == "apache":
        # As on a host that has not got the module: the rig's mount is seen by this host alone.
        module = f"/usr/lib/apache2/modules/mod_{'headers' if kind == 'test-vhost' else 'rewrite'}.so"
        host.run(f"mount --bind /dev/null {module}")
        after = f"umount {module}"
    elif kind == "maintenance":
        host.run(
            f"cp -p {site} /tmp/free; sed -i 's,root /srv/shop;,&location = /.cockpit-maintenance-{id} {{ }},' {site}"
        )
        after = f"cp -p /tmp/free {site}; rm /tmp/free"
    elif kind == "proxy":
        write(host, more, f"upstream cockpit_bridge_{id} {{ server 127.0.0.1:9; }}\n")
        after = f"rm {more}"
    elif kind == "test-vhost":
        given = {"upstream": "nowhere.invalid:80"}
    else:
        # Longer than nginx takes a parameter.
        given = {"to": f"https://new.example.test/{'x' * 5000}"}
    try:
        yield given
    finally:
        host.run(after)


def refused(shop: Shop, new: RealHost, kind: str) -> None:
    """Every recipe that puts lines into a site's file refuses a configuration that is broken already, takes its lines back where
    they would break it, and says so where somebody else has broken it before they are taken out."""
    own = {"to": f"{new.address}:80"} if kind == "proxy" else {}
    host, step = shop.host, shop.trial(kind, **own)
    nonsense = SITE[shop.server].replace("shop", "zz")
    before = step.seen()
    with clashing(shop, kind) as given:
        bad = shop.trial(kind, **own, **given)
        bad.capture()
        assert "nothing was changed" in bad.turned_away("the changed configuration is refused", live(shop.server))
    write(host, nonsense, "nonsense here;\n")
    step.capture()
    step.turned_away("broken already", live(shop.server))
    host.run(f"rm {nonsense}")
    told = host.run(live(shop.server))
    step.must("apply")
    assert host.run(live(shop.server)) != told, "whether the daemon was told cannot be seen"
    step.must("verify")
    write(host, nonsense, "nonsense here;\n")
    assert "the configuration is broken" in step.must("undo", 1)
    step.must("verify_undo", 1)
    host.run(f"rm {nonsense}")
    step.back()
    # A worker of before may still answer for a moment.
    until(lambda: step.seen() == before, step.seen, 30)


def vhost_refused(shop: Shop, new: RealHost) -> None:
    """So does the test virtual host, whose file goes only where the configuration is whole without it."""
    host, site = shop.host, SITE[shop.server]
    folder = site.rpartition("/")[0]
    file, nonsense = f"{folder}/zz-test.conf", site.replace("shop", "yy")
    kept = f"{folder}/.zz-test.conf.cockpit-was"
    given = {"file": file, "name": "test.example.test", "conf": shop.conf, "upstream": f"{new.address}:80"}
    test = Trial(host, RECIPES[shop.server]["test-vhost"], given, state=state(shop.server))
    before = test.seen()
    with clashing(shop, "test-vhost") as worse:
        bad = replace(test, params={**given, **worse}, captured={})
        bad.capture()
        assert "nothing was changed" in bad.turned_away("the virtual host is refused", live(shop.server))
    test.there()
    ours = host.run(f"cksum {file}")
    # Somebody else's file is broken: ours is not to blame, and stays; also where an apply is cut off while it tries that.
    write(host, nonsense, "nonsense here;\n")
    for cut in ("", f"mv {file} {kept}"):
        if cut:
            host.run(cut)
            assert "broken already" in test.must("apply", 2)
        else:
            test.turned_away("broken already", live(shop.server))
        assert host.run(f"cksum {file}; ls -A {folder}") == f"{ours}{host.run(f'ls {folder}')}"
    # Broken in both: neither is taken away.
    host.run(f"cp -p {file} /tmp/ours; echo 'nonsense too;' >>{file}")
    drifted = host.run(f"cksum {file}")
    assert "broken already" in test.must("apply", 2)
    assert host.run(f"cksum {file}") == drifted
    # Broken in ours alone: it is made anew.
    host.run(f"rm {nonsense}")
    test.must("apply")
    test.must("verify")
    assert host.run(f"cksum {file}; ls -A {folder}") == f"{ours}{host.run(f'ls {folder}')}"
    # Ours has been good, and breaks the configuration now.
    with clashing(shop, "test-vhost") as worse:
        breaking = replace(test, params={**given, **worse})
        if worse:
            host.run(f"sed -i 's,{given['upstream']},{worse['upstream']},' {file}")
        said = breaking.must("apply", 2)
        assert f"{file} is removed; what was in it had broken the configuration" in said
        assert "nothing was changed" not in said
        host.run(f"test ! -e {file}; test ! -e {kept}")
    # Another one that is refused does not take a good one's place.
    test.must("apply")
    if shop.server == "nginx":
        assert "the virtual host is refused" in replace(test, params={**given, "listen": "70000"}).must("apply", 2)
        assert host.run(f"cksum {file}") == ours
    write(host, nonsense, "nonsense here;\n")
    assert "but the configuration is broken" in test.must("undo", 1)
    host.run(f"rm {nonsense} /tmp/ours; test ! -e {file}")
    test.back()
    until(lambda: test.seen() == before, test.seen, 30)
