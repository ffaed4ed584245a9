"""How near somebody stands to the members of a case, without servers."""

from hypothesis import given
from hypothesis import strategies as st

from tuike.risk.nearness import DECAY, USERS_MAX, join_scores, take_step, weigh_share


def test_what_more_people_share_brings_less_near_and_a_place_nothing() -> None:
    assert weigh_share(1, 2) == DECAY
    assert weigh_share(1, 4) == DECAY / 3
    assert weigh_share(3, 4) == DECAY
    assert weigh_share(1, 1) == 0
    assert weigh_share(USERS_MAX, USERS_MAX + 1) == 0
    assert [weigh_share(1, users) for users in range(2, 20)] == sorted(
        (weigh_share(1, users) for users in range(2, 20)), reverse=True
    )


def test_each_step_brings_less_far_and_members_are_not_near_themselves() -> None:
    first = take_step({"m": 1.0}, {"d1": ["m", "a"], "d2": ["a", "b"]})
    assert first == {"a": {"d1": DECAY}}
    second = take_step({"m": 1.0, "a": DECAY}, {"d2": ["a", "b"]})
    assert second == {"b": {"d2": DECAY * DECAY}}


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0, 1))
def test_more_that_is_shared_never_brings_less_near(scores: list[float], more: float) -> None:
    assert 0 <= join_scores(scores) <= join_scores([*scores, more]) <= 1
