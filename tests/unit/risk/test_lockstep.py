"""Buyers in lockstep are found at every time scale, in quiet and in busy surroundings, and where nothing is, nothing is found."""

from pathlib import Path

import numpy as np
import pytest

from tuike.risk.model import Settings
from tuike.risk.sweep import lockstep, read_world, trade

HOUR, DAY = 3600, 86_400
BUYERS, GOODS = 2000, 900


def make_host(rng: np.random.Generator, kind: str) -> list[tuple[int, int, float]]:
    """Return honest purchases (buyer, goods, second): `towns` have tastes of their own, `core` a few heavy buyers."""
    rows = []
    for buyer in range(BUYERS):
        heavy = kind == "core" and buyer < 80
        count = min(150, 1 + int(rng.lognormal(1.2, 1.0) * (6 if heavy else 1)))
        goods = (rng.random(count) ** 2 * (120 if heavy else GOODS)).astype(int)
        if kind == "towns":
            width = GOODS // 20
            local = (buyer % 20) * width + (rng.random(count) * width).astype(int)
            goods = np.where(rng.random(count) < 0.8, local, goods)
        rows += [(buyer, int(number), rng.random() * 200 * DAY) for number in goods]
    return rows


def plant_ring(
    rng: np.random.Generator,
    rows: list[tuple[int, int, float]],
    *,
    size: int,
    goods: int,
    density: float,
    spread: float,
) -> set[int]:
    """Let `size` honest accounts buy some goods within `spread` seconds, with chance `density`; returns them."""
    ring = rng.choice(BUYERS, size, replace=False).tolist()
    for number in rng.choice(np.arange(50, GOODS), goods, replace=False).tolist():
        begin = rng.random() * 150 * DAY
        rows += [(buyer, number, begin + rng.random() * spread) for buyer in ring if rng.random() < density]
    return set(ring)


def find(directory: Path, rows: list[tuple[int, int, float]]) -> list[set[int]]:
    begin = np.datetime64("2026-01-01T00:00:00")
    lines = [f"o{n},b{b},s{s},{begin + np.timedelta64(int(at), 's')}Z\n" for n, (b, s, at) in enumerate(rows)]
    (directory / "orders.csv").write_text("order_id,buyer_id,sku,placed_at\n" + "".join(lines))
    world = read_world(directory)
    names = world.buyer_ids.to_pylist()
    blocks, _ = lockstep.find_blocks(world, trade.gather_purchases(world), Settings())
    return [{int(names[number][1:]) for number in block.buyers.tolist()} for block in blocks if block.convicts]


@pytest.mark.parametrize("kind", ["plain", "towns", "core"])
def test_nothing_is_found_among_honest_buyers(tmp_path: Path, kind: str) -> None:
    assert find(tmp_path, make_host(np.random.default_rng(1), kind)) == []


@pytest.mark.parametrize("spread", [600, 2 * HOUR, DAY, 7 * DAY])
@pytest.mark.parametrize("kind", ["plain", "towns", "core"])
def test_hijacked_accounts_are_found_at_every_time_scale(tmp_path: Path, kind: str, spread: float) -> None:
    rng = np.random.default_rng(2)
    rows = make_host(rng, kind)
    ring = plant_ring(rng, rows, size=40, goods=20, density=0.4, spread=spread)
    assert max((len(ring & block) / len(ring | block) for block in find(tmp_path, rows)), default=0) >= 0.7


def test_one_busy_event_is_no_lockstep(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = make_host(rng, "plain")
    rows += [(int(buyer), 400, 50 * DAY + rng.exponential(900)) for buyer in rng.choice(BUYERS, 300, replace=False)]
    assert find(tmp_path, rows) == []


def test_small_promoters_that_a_ring_visits_to_be_like_others_are_not_served(tmp_path: Path) -> None:
    lines = ["order_id,buyer_id,promoter_id,sku,placed_at\n"]
    for buyer in range(30):
        bought = ["own"] * 8 + [f"small{(buyer + turn) % 10}" for turn in range(2)]
        lines += [
            f"o{buyer}-{n},b{buyer},{promoter},s{n},2026-01-0{1 + n % 9}T00:00:00Z\n"
            for n, promoter in enumerate(bought)
        ]
    (tmp_path / "orders.csv").write_text("".join(lines))
    world = read_world(tmp_path)
    events = lockstep._view_goods(world, trade.gather_purchases(world))
    served = lockstep._find_served(world, events, np.arange(events.at.size))
    assert [world.promoter_ids[int(number)].as_py() for number in served] == ["own"]
