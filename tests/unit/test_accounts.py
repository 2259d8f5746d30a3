"""The narrowest group that accounts share."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from cockpit import accounts

PEOPLE = {"ann": 10, "bob": 10, "carl": 10, "dora": 11, "eve": 12, "finn": 10}
"""Each with the group that is theirs first."""
GROUPS = {10: ("users", []), 11: ("ops", ["ann", "bob", "eve"]), 12: ("night", ["ann", "bob"]), 13: ("eves", ["eve"])}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", 1000, PEOPLE[name], "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwnam", entry)
    monkeypatch.setattr(pwd, "getpwall", lambda: [entry(name) for name in PEOPLE])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((GROUPS[gid][0], "x", gid, GROUPS[gid][1])))
    monkeypatch.setattr(
        os, "getgrouplist", lambda name, first: [first, *(gid for gid, (_, all) in GROUPS.items() if name in all)]
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 10)
    monkeypatch.setattr(os, "getgroups", lambda: [10, 11, 12])


@pytest.mark.parametrize(
    ("names", "gid"),
    [
        (["bob"], 12),  # Users has four members, ops four, night three.
        (["bob", "carl"], 10),
        (["bob", "eve"], 12),
        (["dora"], 11),
        (["nobody-there"], None),
        ([], None),
    ],
)
def test_the_group_with_the_fewest_members_is_taken_and_first_groups_count(names: list[str], gid: int | None) -> None:
    assert accounts.common_group(names) == gid


def test_all_accounts_are_listed_once_and_only_where_there_is_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    listed, all_of_them = [], pwd.getpwall
    monkeypatch.setattr(pwd, "getpwall", lambda: listed.append("all") or all_of_them())
    assert accounts.common_group(["bob"]) == 12
    assert listed == ["all"]
    assert accounts.common_group(["dora"]) == 11
    assert listed == ["all"]


def test_root_may_use_a_group_that_it_is_not_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accounts.common_group(["eve"]) == 12
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert accounts.common_group(["eve"]) == 13


def test_what_has_no_name_has_its_number() -> None:
    assert accounts.account_of(4_000_000_001) == "4000000001"
    assert accounts.group_of(12) == "night"
