"""Recipes are files of their own, and share no code; where several need the same function it is the same text in each, so that what
is tested thoroughly with one of them holds for the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "cockpit" / "recipes"
KINDS = ("maintenance", "proxy", "redirect", "user-redirect")
FAMILIES = {
    "nginx": [f"nginx-{kind}" for kind in KINDS],
    "apache": [f"apache-{kind}" for kind in KINDS],
    "haproxy": ["haproxy-drain", "haproxy-switch"],
    "cloud": ["digitalocean-reserved-ip", "hetzner-floating-ip"],
}
OWN = {
    "nginx": {"above", "inside", "fit", "seen", "unseen", "crossed", "first", "path", "pattern", "where"},
    "apache": {"above", "inside", "fit", "seen", "unseen", "crossed", "first", "path", "pattern", "where"},
    "haproxy": {"fit", "probe", "capture", "apply", "verify", "undo", "verify_undo", "up", "serves"},
    "cloud": {"fit_address", "holder", "busy", "begin", "action", "message"},
}


def functions(name: str) -> dict[str, str]:
    text = (RECIPES / f"{name}.sh").read_text()
    return dict(re.findall(r"(?ms)^(\w+)\(\) [{(]\n(.*?)^[})]$", text))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_recipes_of_a_family_share_is_the_same_in_each(family: str) -> None:
    first, *others = FAMILIES[family]
    shared = {name: text for name, text in functions(first).items() if name not in OWN[family]}
    assert len(shared) > 5
    for other in others:
        assert {name: text for name, text in functions(other).items() if name not in OWN[family]} == shared, other


@pytest.mark.parametrize(
    ("name", "recipes"),
    [
        ("manager", ["figures", "counts", "export", "copy"]),
        ("the_lists", ["figures", "counts", "export"]),
        ("the_figures", ["figures", "counts"]),
    ],
)
def test_mailman_is_asked_in_one_way(name: str, recipes: list[str]) -> None:
    texts = {functions(f"mailman-{recipe}")[name] for recipe in recipes}
    assert len(texts) == 1
    assert texts.pop().count("\n") > 10


@pytest.mark.parametrize("name", ["owned", "of_darcs", "of_git", "taken", "store", "sane", "repositories"])
def test_repositories_are_read_in_one_way_on_both_hosts(name: str) -> None:
    assert functions("repos-figures")[name] == functions("repos-verify")[name]


def test_another_account_is_taken_on_in_one_way() -> None:
    texts = {path.stem: functions(path.stem).get("as_account") for path in RECIPES.glob("*.sh")}
    assert len({text for text in texts.values() if text}) == 1
    assert {name for name, text in texts.items() if text} >= {
        "accounts-export",
        "accounts-copy",
        "repos-figures",
        "postgres-dump",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_nginx_and_apache_recipes_of_a_kind_look_for_the_same(kind: str) -> None:
    nginx, apache = functions(f"nginx-{kind}"), functions(f"apache-{kind}")
    for name in OWN["nginx"] - {"above", "inside"}:
        assert nginx.get(name) == apache.get(name), name
    for name in (
        "there",
        "ask",
        "await",
        "write",
        "alone",
        "fresh",
        "reload",
        "insist",
        "probe",
        "capture",
        "apply",
        "verify",
        "undo",
        "verify_undo",
    ):
        assert nginx[name] == apache[name], name


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_all_that_change_a_web_server_take_the_same_lock_and_reload_alike(server: str) -> None:
    first, *others = [path.stem for path in sorted(RECIPES.glob(f"{server}-*.sh"))]
    assert len(others) > 4
    wanted = functions(first)
    for other in others:
        found = functions(other)
        for name in ("alone", "fresh", "reload", "insist"):
            if name != "insist" or not other.endswith("-reload"):
                assert found[name] == wanted[name], (other, name)


@pytest.mark.parametrize(
    ("function", "recipes"),
    [
        ("newest", ["systemd-restart", "sysv-restart", "supervisor-restart"]),
        ("aged", ["systemd-restart", "sysv-restart", "supervisor-restart"]),
        ("unlinked", ["systemd-start", "timer-start"]),
        *(
            (name, ["nginx-test-vhost", "apache-test-vhost"])
            for name in ("whole_without", "add", "remove", "ours", "there")
        ),
        *(
            (
                name,
                [
                    "release-keep",
                    "release-consumers",
                    "release-mutable",
                    "freeze-mount",
                    "freeze-permissions",
                    "sqlite-copy",
                ],
            )
            for name in ("unseen", "seen_all")
        ),
        *(
            (name, [f"mysql-{what}" for what in ("counts", "dump", "figures", "promote", "readonly", "restore")])
            for name in ("client", "sql")
        ),
        ("locked", ["cron-stop", "cron-start", "login-notice", "supervisor-enable"]),
        ("sent", [f"sendmail-{what}" for what in ("hold", "redirect", "release", "virtual")]),
        *(
            (name, [f"exim-{what}" for what in ("hold", "redirect", "release", "virtual")])
            for name in ("sent", "unsent")
        ),
        ("read_jobs", ["cron-stop", "cron-start"]),
        ("write_jobs", ["cron-stop", "cron-start"]),
        ("elsewhere_here", ["cron-stop", "cron-start"]),
        *((name, ["systemd-stop", "timer-stop"]) for name in ("unit_file", "enabled", "disabled", "unmasked", "gone")),
        *((name, ["sysv-start", "sysv-stop", "decommission"]) for name in ("links", "at_boot", "linked_as")),
        *(
            (
                name,
                [
                    f"{kind}-{what}"
                    for kind in ("systemd", "sysv", "supervisor")
                    for what in ("start", "stop", "restart")
                ],
            )
            for name in ("ears", "listener")
        ),
        ("ears", ["drain-sessions", "sysv-stop"]),
        *(
            (name, [f"{server}-{what}" for what in ("hold", "release", "flush", "queue-empty")])
            for server in ("postfix", "exim", "sendmail")
            for name in ("queued", "count")
        ),
        *(
            (name, [f"{server}-{what}" for what in ("hold", "release", "flush")])
            for server in ("postfix", "exim", "sendmail")
            for name in ("drained",)
        ),
        ("queued", ["mail-hold", "mail-release", "no-stragglers"]),
        *((name, ["mail-through", "mail-redirect"]) for name in ("stuck", "told_why")),
        ("noted", ["mail-hold", "mail-release"]),
        ("kept", ["mail-hold", "mail-release"]),
    ],
)
def test_services_and_the_lab_s_queues_are_seen_in_one_way(function: str, recipes: list[str]) -> None:
    assert len({functions(name)[function] for name in recipes}) == 1


def test_folders_for_secrets_are_made_in_one_way_on_the_lab_and_on_real_servers() -> None:
    texts = [
        (RECIPES.parent / place / "community" / "recipes" / "folders.sh").read_text()
        for place in ("examples", "lab/plans")
    ]
    assert texts[0].replace("# group: files", "# group: lab") == texts[1]


def test_whatever_takes_a_lock_takes_one_that_only_its_own_account_can_open_and_hands_it_to_nobody() -> None:
    taking = {path.stem: path.read_text() for path in RECIPES.glob("*.sh")}
    taking = {name: text for name, text in taking.items() if re.search(r"\bflock (-n )?9\b", text)}
    assert len(taking) > 25
    # It takes turns by its ledger, in a folder that is closed to others.
    del taking["mail-sweep"]
    assert len({functions(name).get("latch") for name in taking}) == 1
    for name, text in taking.items():
        assert '9>> "$latch"' in text, name
        assert re.search(r'"\$[@2]" 9[<>]&-', text), name
