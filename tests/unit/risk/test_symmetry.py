"""The order of rows and the spelling of ids say nothing, however many things are equal."""

import csv
import random
from pathlib import Path

import pytest

from tuike.risk.sweep import read_world, sweep_world

COLUMNS = ("order_id", "buyer_id", "promoter_id", "sku", "amount_minor", "placed_at", "received_at")
Line = tuple[str, ...]


def fill_baskets(rng: random.Random) -> list[Line]:
    """Return lines of a shop with three prices and whole days, whose baskets hold several goods; a ring among them."""
    lines: list[Line] = []

    def order(buyer: int, promoters: list[int], goods: list[int], day: int) -> None:
        for promoter in promoters:
            for one in goods:
                day_of_receipt = f"2026-04-{1 + day % 30:02d}T00:00:00Z"
                lines.append(
                    (f"o{len(lines) if one == goods[0] else lines[-1][0][1:]}", f"b{buyer}", f"p{promoter}", f"s{one}",
                     str(100 + 100 * (one % 3)), f"2026-03-{1 + day % 28:02d}T00:00:00Z", day_of_receipt)
                )  # fmt: skip

    for _ in range(2500):
        goods = rng.sample(range(60), rng.randint(1, 5))
        # Who orders through two promoters at once ordered through neither.
        promoters = rng.sample(range(40), 2 if rng.random() < 0.05 else 1)
        order(rng.randrange(600), promoters, goods, rng.randrange(28))
    for buyer in range(700, 725):
        for _ in range(4):
            order(buyer, [rng.choice((50, 51))], rng.sample(range(20, 50), 3), rng.randrange(3, 6))
    return lines


def rename(lines: list[Line], rng: random.Random) -> tuple[list[Line], dict[str, str]]:
    names: dict[str, str] = {}
    renamed = [(*(names.setdefault(v, f"{rng.getrandbits(60):x}") for v in line[:4]), *line[4:]) for line in lines]
    rng.shuffle(renamed)
    return renamed, names


def score(directory: Path, lines: list[Line]) -> dict[str, tuple[float, bool]]:
    directory.mkdir()
    with (directory / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    sweep = sweep_world(read_world(directory))
    flagged = {member.account for case in sweep.cases for member in case.members if member.flagged}
    world = sweep.world
    return {world.describe(n)[1]: (float(sweep.scores[n]), n in flagged) for n in range(world.accounts)}


@pytest.mark.parametrize("seed", range(4))
def test_baskets_of_equal_prices_on_equal_days_score_the_same_in_any_order(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = fill_baskets(rng)
    renamed, names = rename(lines, rng)
    first, again = score(tmp_path / "first", lines), score(tmp_path / "again", renamed)
    assert max(points for points, _ in first.values()) > 0.1
    for name, (points, flagged) in first.items():
        assert again[names[name]] == (pytest.approx(points, abs=1e-9), flagged)
