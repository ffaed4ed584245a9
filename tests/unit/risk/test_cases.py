"""Which findings become cases: overlapping ones join, doubtful ones fall when they stand alone."""

import numpy as np

from tuike.risk.model import Settings
from tuike.risk.sweep import cases
from tuike.risk.sweep.hubs import FAMILIES
from tuike.risk.sweep.world import Identifiers, Orders, Touches, World


def make_world() -> World:
    nothing = np.empty(0, np.int32)
    return World(
        promoter_ids=list(range(50)), buyer_ids=list(range(500)), joined_at=np.zeros(50, np.int64),
        inviters=np.full(50, -1), registered_at=np.zeros(500, np.int64), same_promoters=nothing, same_buyers=nothing,
        orders=Orders.empty(), touches=Touches.empty(), identifiers=Identifiers.empty(),
    )  # fmt: skip


def make_found(promoters: list[int], buyers: range, odds: float, *, has_victims: bool = False) -> cases.Found:
    people = np.array(buyers)
    return cases.Found(
        np.array(promoters), people, np.full(people.size, 0.95), np.ones(len(FAMILIES)), odds, has_victims
    )


def build(*found: cases.Found) -> list[set[int]]:
    built = cases.build_cases(make_world(), list(found), Settings())
    return [{member.account for member in case.members if member.flagged} for case in built]


def test_a_doubtful_case_falls_alone_and_stands_beside_sure_ones() -> None:
    doubtful = make_found([9], range(90, 95), 0.2)
    assert build(doubtful) == []
    sure = [make_found([n], range(10 * n, 10 * n + 8), 6.0) for n in range(6)]
    assert len(build(doubtful, *sure)) == 7


def test_a_case_that_is_all_that_was_found_must_be_surer_than_one_of_many() -> None:
    fair = make_found([9], range(90, 95), 2.6)
    assert build(fair) == []
    assert len(build(fair, make_found([8], range(80, 88), 6.0))) == 2
    assert len(build(make_found([9], range(90, 95), 3.2))) == 1


def test_findings_that_share_accounts_are_one_case_when_they_are_about_as_sure() -> None:
    (case,) = build(make_found([1], range(10), 5.0), make_found([1, 2], range(20), 4.5))
    assert case == {1, 2, *(50 + n for n in range(20))}


def test_a_vaguer_finding_over_two_sure_ones_does_not_join_them() -> None:
    one, other = make_found([1], range(10), 9.0), make_found([2], range(10, 20), 9.0)
    vague = make_found([1, 2, 3, 4], range(30), 3.0)
    assert sorted(map(len, build(one, other, vague))) == [11, 11]


def test_victims_are_named_and_not_flagged() -> None:
    (case,) = build(make_found([1, 2], range(30), 8.0, has_victims=True))
    assert case == {1, 2}
