"""Customers of two promoters who meet at goods, and customers who have their parcels at once."""

from pathlib import Path

import numpy as np
import pytest

from tuike.risk.model import Settings
from tuike.risk.sweep import hubs, lockstep, meeting, read_world, trade
from tuike.risk.sweep.world import World

BUYERS, PROMOTERS, GOODS = 400, 30, 150
HOUR, DAY = 3600, 86_400
Order = tuple[int, int, int, float, float]
"""Buyer, promoter, goods, the instant of the order, and how long it took to arrive; in seconds."""


def trade_honestly(rng: np.random.Generator) -> list[Order]:
    popular = rng.zipf(1.5, GOODS * 10)
    return [
        (int(rng.integers(BUYERS)), int(rng.integers(PROMOTERS)), int(popular[n % popular.size]) % GOODS,
         float(rng.random() * 180 * DAY), float(rng.gamma(4) * DAY))
        for n in range(6 * BUYERS)
    ]  # fmt: skip


def write(directory: Path, orders: list[Order]) -> World:
    begin = np.datetime64("2026-01-01T00:00:00")

    def tell(at: float) -> str:
        return f"{begin + np.timedelta64(int(at), 's')}Z"

    (directory / "orders.csv").write_text(
        "order_id,buyer_id,promoter_id,sku,placed_at,received_at\n"
        + "".join(f"o{n},b{b},p{p},s{s},{tell(at)},{tell(at + d)}\n" for n, (b, p, s, at, d) in enumerate(orders))
    )
    return read_world(directory)


def measure(world: World, promoters: list[int]) -> float:
    """Return the nats of meetings of all customers of some promoters, seen as one hub."""
    purchases = trade.gather_purchases(world)
    names = world.promoter_ids.to_pylist()
    chosen = np.array([names.index(f"p{number}") for number in promoters])
    buyer, promoter = purchases.customers
    theirs = trade.distinct(buyer[np.isin(promoter, chosen)].astype(np.int64))
    _, goods = lockstep.find_blocks(world, purchases, Settings())
    hub = np.zeros(theirs.size, np.int64)
    seats = np.zeros(chosen.size, np.int64)
    return float(meeting.measure_meetings(world, goods, (hub, theirs), (seats, chosen), 1)[0])


def order_together(rng: np.random.Generator, promoters: list[int], spread: float) -> list[Order]:
    """Let sixty old customers order two of twenty goods each, through one of the promoters, within `spread`."""
    goods, begin = rng.choice(np.arange(20, GOODS), 20, replace=False), 90 * DAY
    return [
        (buyer, promoters[int(rng.integers(len(promoters)))], int(one), float(begin + rng.random() * spread), 3.0 * DAY)
        for buyer in rng.choice(BUYERS, 60, replace=False).tolist()
        for one in rng.choice(goods, 2, replace=False)
    ]


@pytest.mark.parametrize("spread", [2 * HOUR, 2 * DAY])
def test_hijacked_customers_of_two_promoters_meet_at_goods(tmp_path: Path, spread: float) -> None:
    rng = np.random.default_rng(1)
    world = write(tmp_path, trade_honestly(rng) + order_together(rng, [100, 101], spread))
    assert measure(world, [100, 101]) > 30


def test_customers_of_two_honest_promoters_do_not_meet(tmp_path: Path) -> None:
    world = write(tmp_path, trade_honestly(np.random.default_rng(2)))
    assert [measure(world, [n, n + 1]) for n in range(0, 10, 2)] == [0.0] * 5


def test_customers_who_order_together_through_one_promoter_are_no_meeting(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    world = write(tmp_path, trade_honestly(rng) + order_together(rng, [100], 2 * HOUR))
    assert measure(world, [100, 0]) < 5


def test_who_has_all_parcels_at_once_where_others_wait_for_days_is_prompt(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    at_once = [(buyer, 100, 5, float(rng.random() * 90 * DAY), 600.0) for buyer in range(12) for _ in range(2)]
    world = write(tmp_path, trade_honestly(rng) + at_once)
    nats = hubs._measure_prompt(world, trade.gather_purchases(world))
    names = world.promoter_ids.to_pylist()
    assert nats[names.index("p100")] / 12 > 2
    assert np.delete(nats, names.index("p100")).max() == 0.0
