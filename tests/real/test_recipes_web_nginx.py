"""Recipes for sites of nginx, on a real one."""

from __future__ import annotations

import pytest

from tests.real import webrefusals, webtrials
from tests.real.echoing import echoing
from tests.real.rig import RealHost, Rig
from tests.real.sites import NGINX, nginx_sites, start_nginx
from tests.real.webtrials import Shop
from tests.real.world import needs_world, until

pytestmark = needs_world


@pytest.fixture(scope="module")
def shop(rig: Rig) -> Shop:
    host = rig.host("old")
    nginx_sites(host)
    return Shop(host, "nginx", NGINX)


@pytest.fixture(scope="module")
def new(rig: Rig) -> RealHost:
    host = rig.host("new")
    echoing(host)
    return host


def test_a_maintenance_page_goes_up_and_away_whenever_it_is_cut_off(shop: Shop) -> None:
    """S7."""
    page = shop.trial("maintenance")
    page.there_and_back()
    page.cut_anywhere()


def test_strangers_see_the_page_on_every_address_and_the_operator_does_not(shop: Shop) -> None:
    webtrials.page_for_strangers(shop)


def test_a_bridge_hands_every_request_to_new_as_it_came(shop: Shop, new: RealHost) -> None:
    """S10."""
    shop.trial("proxy", to=f"{new.address}:80").there_and_back()
    webtrials.bridge(shop, new, tls=False)


def test_a_bridge_over_tls_checks_the_certificate_if_it_is_told_to(shop: Shop, new: RealHost) -> None:
    webtrials.bridge(shop, new, tls=True)
    webtrials.checked(shop, new)


def test_a_bridge_that_leads_nowhere_is_not_verified(shop: Shop, new: RealHost) -> None:
    webtrials.wrong_answers(shop, new)


def test_a_redirect_keeps_path_and_query(shop: Shop) -> None:
    webtrials.redirects(shop)


def test_the_pages_of_some_users_are_redirected_and_nobody_else_s(shop: Shop) -> None:
    """S65."""
    webtrials.user_redirects(shop)


def test_redirects_of_many_users_at_once_are_all_served(shop: Shop) -> None:
    """S65."""
    webtrials.at_once(shop)


def test_a_step_waits_for_another_one_that_changes_the_web_server_until_it_ends_or_dies(shop: Shop) -> None:
    webtrials.waits_its_turn(shop)


def test_what_cannot_be_right_is_refused_before_anything_changes(shop: Shop) -> None:
    webtrials.refusals(shop)


def test_a_broken_configuration_is_refused_before_the_daemon_hears_of_it(shop: Shop) -> None:
    webrefusals.broken(shop)


@pytest.mark.parametrize("kind", webtrials.KINDS)
def test_no_kind_of_lines_breaks_a_configuration_or_is_put_into_a_broken_one(
    shop: Shop, new: RealHost, kind: str
) -> None:
    webrefusals.refused(shop, new, kind)


def test_a_test_site_goes_only_where_it_alone_breaks_the_configuration(shop: Shop, new: RealHost) -> None:
    webrefusals.vhost_refused(shop, new)


def test_what_others_write_into_the_file_is_never_taken_back(shop: Shop) -> None:
    webtrials.edits_stay(shop)


def test_recipes_for_one_site_go_away_in_any_order(shop: Shop) -> None:
    webtrials.other_lines(shop)


def test_a_site_that_is_enabled_by_a_link_stays_one(shop: Shop) -> None:
    webtrials.symlinked(shop)


def test_an_owner_tries_the_site_under_another_name(shop: Shop, new: RealHost) -> None:
    """S55."""
    webtrials.vhosts(shop, new)


def test_a_changed_configuration_comes_into_force_and_a_broken_one_does_not(shop: Shop) -> None:
    webtrials.reloads(shop)


def test_with_the_daemon_stopped_nothing_changes(shop: Shop) -> None:
    command = "nginx"
    shop.host.signal("TERM", command)
    until(lambda: not shop.host.run(f"pgrep -x {command} || :").strip(), lambda: f"{command} goes on", 30)
    webtrials.stopped(shop)
    start_nginx(shop.host)
