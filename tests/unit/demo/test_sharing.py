"""The simulated share cascades have the shapes of real ones and could have happened."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tuike.demo.data import Basket
from tuike.demo.people import make_people
from tuike.demo.sharing import (
    DEPTH_MAX,
    DEPTH_SHARES,
    make_depths,
    make_devices,
    make_links,
    make_openings,
    make_touches,
)
from tuike.orders import LineInput

START = datetime(2017, 1, 1, tzinfo=UTC)


def make_baskets(count):
    return [
        Basket(f"basket-{n}", f"hh-{n % 400:04d}", START + timedelta(minutes=90 * n), (LineInput("1", 1, 100),))
        for n in range(count)
    ]


def make_cascades(count=4_000, seed=3):
    random = Random(seed)
    baskets = make_baskets(count)
    people = make_people(random, buyers=sorted({b.buyer_id for b in baskets}), count=200)
    links = make_links(random, people, products=["1", "2"])
    openings = make_openings(random, baskets)
    return people, links, make_touches(random, people=people, links=links, openings=openings)


@pytest.fixture(scope="module")
def cascades():
    return make_cascades()


def test_the_same_seed_makes_the_same_touches(cascades):
    assert make_cascades() == cascades


def test_depths_have_the_shares_of_real_cascades(cascades):
    _, _, touches = cascades
    found = Counter(min(touch.depth, 6) for touch in touches)
    for depth, share in enumerate(DEPTH_SHARES):
        assert found[depth] / len(touches) == pytest.approx(share, abs=0.01)


def test_the_longest_path_of_a_large_run_is_the_longest_real_one(cascades):
    _, _, touches = cascades
    assert max(touch.depth for touch in touches) == DEPTH_MAX


def test_five_of_six_are_followed_by_nobody_and_a_few_by_many(cascades):
    _, _, touches = cascades
    followers = Counter(touch.parent for touch in touches if touch.parent is not None)
    assert 1 - len(followers) / len(touches) == pytest.approx(0.837, abs=0.02)
    assert max(followers.values()) > 40


def test_a_touch_follows_an_earlier_touch_of_somebody_else_one_step_up(cascades):
    _, _, touches = cascades
    for touch in touches:
        if touch.parent is None:
            assert touch.depth == 0
            continue
        parent = touches[touch.parent]
        assert parent.depth == touch.depth - 1
        assert parent.opening.at <= touch.opening.at
        assert parent.opening.who != touch.opening.who


def test_a_promoter_passes_on_its_own_link_and_others_what_they_opened(cascades):
    people, links, touches = cascades
    promoters = {person.external_id for person in people}
    for touch in touches:
        if touch.parent is None:
            continue
        sharer = touches[touch.parent].opening.who
        if sharer in promoters:
            assert people[links[touch.link].owner].external_id == sharer
        else:
            assert touch.link == touches[touch.parent].link


def test_an_opening_that_led_to_a_basket_came_before_it():
    baskets = make_baskets(300)
    bought = [opening for opening in make_openings(Random(1), baskets) if opening.basket is not None]
    assert len(bought) == pytest.approx(180, abs=40)
    assert all(opening.at < baskets[opening.basket].placed_at for opening in bought)
    assert all(opening.buyer_id in (None, baskets[opening.basket].buyer_id) for opening in bought)


def test_one_device_in_nineteen_has_two_users_and_none_has_more():
    openings = make_openings(Random(1), make_baskets(3_000))
    users = Counter(make_devices(Random(1), openings).values())
    assert set(users.values()) == {1, 2}
    assert list(users.values()).count(2) / len(users) == pytest.approx(0.053, abs=0.002)


@pytest.mark.parametrize("count", [0, 1, 2, 17, 300])
def test_small_runs_have_a_depth_for_every_touch(count):
    depths = make_depths(Random(1), count)
    assert len(depths) == count
    assert all(0 <= depth <= DEPTH_MAX for depth in depths)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful_of_baskets_is_enough(count):
    _, _, touches = make_cascades(count)
    assert all(touch.parent is None or touch.parent < number for number, touch in enumerate(touches))
