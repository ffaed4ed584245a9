"""What simulated worlds look like: the shapes that were measured on real data."""

import numpy as np
import pytest

from tuike.risk import worlds
from tuike.risk.worlds.model import IDENTIFIER_KINDS
from tuike.risk.worlds.sharing import DEPTH_SHARES
from tuike.risk.worlds.spelling import spell_ip


@pytest.fixture(scope="module")
def world() -> worlds.World:
    return worlds.simulate_world(seed=8, size=worlds.Size.MEDIUM, host="longtail")


def count_users(world: worlds.World, kind: str) -> np.ndarray:
    table = world.identifiers
    own = (table["kind"] == IDENTIFIER_KINDS.index(kind)) & (table["is_buyer"] == 1)
    pairs = np.unique(np.stack((table["value"][own], table["account"][own])), axis=1)
    return np.unique(pairs[0], return_counts=True)[1]


def test_touches_lie_as_deep_as_in_real_cascades(world: worlds.World) -> None:
    parents = world.touches["parent"]
    depth = np.zeros(len(parents), np.int64)
    at = parents.copy()
    while (at >= 0).any():
        depth += at >= 0
        at = np.where(at >= 0, parents[np.maximum(at, 0)], -1)
    shares = np.bincount(depth, minlength=6)[:6] / len(depth)
    assert shares == pytest.approx(DEPTH_SHARES, abs=0.03)
    assert depth.max() <= 57


def test_followers_have_a_heavy_tail(world: worlds.World) -> None:
    parents = world.touches["parent"]
    followers = np.bincount(parents[parents >= 0], minlength=len(parents))
    assert (followers == 0).mean() > 0.7
    assert np.quantile(followers, 0.99) <= 6
    assert followers.max() > 60


def test_a_touch_follows_an_earlier_one_of_the_same_promoter(world: worlds.World) -> None:
    parents = world.touches["parent"]
    child = np.flatnonzero(parents >= 0)
    assert (world.touches["at"][parents[child]] <= world.touches["at"][child]).all()
    assert (world.touches["promoter"][parents[child]] == world.touches["promoter"][child]).all()


@pytest.mark.parametrize(("kind", "share"), [("device", 0.053), ("payment_account", 0.071)])
def test_as_many_devices_and_cards_are_shared_as_in_real_data(world: worlds.World, kind: str, share: float) -> None:
    assert (count_users(world, kind) > 1).mean() == pytest.approx(share, abs=0.02)


def test_orders_teams_and_promoters_have_heavy_tails(world: worlds.World) -> None:
    orders = np.bincount(world.orders["buyer"])
    assert orders.max() > 10 * np.median(orders)
    inviters = world.promoters["inviter"]
    teams = np.bincount(inviters[inviters >= 0], minlength=world.promoters.count)
    assert teams.max() > 50
    assert np.median(teams) == 0


def test_people_shop_in_the_evening_and_at_weekends(world: worlds.World) -> None:
    placed = world.orders["placed_at"]
    hours = np.bincount((placed // 3600 + 8) % 24, minlength=24)
    assert hours[20:22].mean() > 10 * hours[3:5].mean()


def test_different_identifiers_are_spelled_differently() -> None:
    values = [*range(2000), *range(40_000_000, 40_000_500), *range(1_000_000_000, 1_000_001_000)]
    whole = {spell_ip(value, 0) for value in values}
    assert len(whole) == len(values)
