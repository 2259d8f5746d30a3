"""Recipes that give an address from one server to another over a provider's API."""

from __future__ import annotations

import pytest

from tests.real.clouds import FLOATING, IP, TOKEN, Cloud
from tests.real.rig import RealHost, Rig
from tests.real.trial import EVIL, Trial, evil_left
from tests.real.world import needs_world, until

pytestmark = needs_world

HOLDER = "curl -qsf http://127.0.0.1:8080/control | grep '\"holder\"'"


@pytest.fixture(scope="module")
def desk(rig: Rig) -> RealHost:
    return rig.host("desk")


@pytest.fixture(scope="module")
def running(desk: RealHost) -> Cloud:
    made = Cloud(desk)
    made.start()
    return made


@pytest.fixture
def cloud(running: Cloud) -> Cloud:
    """The API with the address at 1, and nothing wrong."""
    running.does(holder=1, actions={}, faults=[], delay=0.05, assigned=False, fail=False, seen=[], leaks=0)
    return running


@pytest.fixture(params=["digitalocean-reserved-ip", "hetzner-floating-ip"])
def recipe(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def give(cloud: Cloud, recipe: str, token: str = TOKEN, **params: str) -> Trial:
    own = (
        {"ip": IP, "droplet": "2", "api": "http://127.0.0.1:8080/v2"}
        if recipe.startswith("digital")
        else {"floating_ip": FLOATING, "server": "2", "api": "http://127.0.0.1:8080/v1"}
    )
    given = {**own, "wait": "20", "pause": "1"} | params
    return Trial(cloud.host, recipe, given, state=HOLDER, secrets={"token": token})


def settled(cloud: Cloud) -> None:
    """Wait until no action runs."""
    until(lambda: '"running"' not in str(cloud.state()).replace("'", '"'), lambda: str(cloud.state()), 30)


def test_the_address_goes_over_and_back_and_nobody_sees_the_token(cloud: Cloud, recipe: str) -> None:
    """S42."""
    trial = give(cloud, recipe)
    trial.there_and_back()
    trial.cut_anywhere(between=lambda: settled(cloud))
    cloud.does(holder=0)
    trial.there()
    trial.back()
    assert cloud.state()["holder"] == 0
    assert cloud.state()["leaks"] == 0


def test_limits_and_locks_are_waited_for_and_faults_are_told(cloud: Cloud, recipe: str) -> None:
    trial = give(cloud, recipe)
    trial.capture()
    cloud.does(faults=[429, 503])
    trial.must("apply")
    trial.must("verify")
    cloud.does(holder=1, faults=[])
    given = give(cloud, recipe, wait="1")
    given.captured = trial.captured
    cloud.does(faults=[500] * 30)
    assert 'the API answers 500: Unexpected \\"server-side\\" error' in given.must("apply", 1)
    hasty = give(cloud, recipe, wait="0")
    cloud.does(faults=[429] * 30)
    assert "429: API Rate limit exceeded" in hasty.must("apply", 1)
    cloud.does(faults=["lost"] * 30)
    assert "cannot be reached" in hasty.must("verify", 2)
    cloud.does(faults=[])
    assert "does not accept the token: Unable to authenticate" in give(cloud, recipe, token="wrong-token").must(
        "capture", 2
    )
    name = "ip" if "ip" in given.params else "floating_ip"
    assert "does not know it" in give(cloud, recipe, **{name: "203"}).must("capture", 2)
    cloud.does(fail=True)
    assert "ended with err" in given.must("apply", 1)
    assert "is with 1, not with 2" in given.must("verify", 1)
    cloud.does(fail=False)
    given.must("undo")
    assert cloud.state()["holder"] == 1


def test_a_lost_answer_is_looked_after_and_not_sent_again(cloud: Cloud, recipe: str) -> None:
    trial = give(cloud, recipe)
    trial.capture()
    cloud.does(delay=0, seen=[], faults=[None, None, "lost after"][1 if recipe.startswith("digital") else 0 :])
    trial.must("apply")
    assert str(cloud.state()["seen"]).count("POST") == 1
    assert cloud.state()["holder"] == 2
    trial.must("undo")


def test_what_still_runs_is_waited_for_before_it_is_taken_back(cloud: Cloud, recipe: str) -> None:
    trial = give(cloud, recipe)
    trial.capture()
    cloud.does(delay=1.5)
    slow = give(cloud, recipe, wait="1")
    slow.captured = trial.captured
    assert "has not ended after 1 s" in slow.must("apply", 1)
    # At this moment old still has the address, and would lose it a moment later.
    trial.must("undo")
    settled(cloud)
    assert cloud.state()["holder"] == 1
    trial.must("verify_undo")


def test_hetzner_frees_an_address_first_where_it_has_to_be_free(cloud: Cloud) -> None:
    cloud.does(assigned=True)
    trial = give(cloud, "hetzner-floating-ip")
    trial.there()
    trial.back()


def test_the_address_itself_is_asked_too(cloud: Cloud, recipe: str) -> None:
    good = give(cloud, recipe, check="http://127.0.0.1:8080/control", says='"holder": 2')
    good.there()
    wrong = give(cloud, recipe, check="http://127.0.0.1:8080/control", says=EVIL, wait="1")
    wrong.must("apply")
    assert "but http://127.0.0.1:8080/control does not" in wrong.must("verify", 1)
    good.back()


def test_nothing_is_sent_for_what_cannot_be_right(cloud: Cloud, recipe: str) -> None:
    for param in give(cloud, recipe).params:
        for value in (EVIL, "a\nb", "-x"):
            assert "nothing was changed" in give(cloud, recipe, **{param: value}).must("apply", 2), (param, value)
    for param, value in (("says", "a\nb"), ("check", EVIL), ("check", "http://127.0.0.1/a\nb")):
        assert "nothing was changed" in give(cloud, recipe, **{param: value}).must("apply", 2), (param, value)
    for token in (EVIL, "", "a\nb", 'a"b'):
        assert "nothing was changed" in give(cloud, recipe, token=token).must("apply", 2), token
    assert "over HTTPS only" in give(cloud, recipe, api="http://api.example.test/").must("apply", 2)
    assert cloud.state()["seen"] == []
    assert not evil_left(cloud.host)
