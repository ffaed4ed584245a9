"""The shop's catalogue: the real products of the baskets, at prices that were really paid.

What the panel knows of a product becomes the catalogue: departments and their categories are the tree, a manufacturer
is a brand, what one manufacturer makes of one type is a product, and its package sizes are the SKUs. A SKU's price is
the median of what was paid for a piece. It goes in as any catalogue does: as a sheet.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median_low

from tuike import catalog
from tuike.db import Database, Transaction
from tuike.demo.data import Basket, find_folder

SKUS_MAX = 20
"""So many package sizes stand on one product; a manufacturer with more of one type has several."""
_STOCK = 500
_SHELF = 12
_COLUMNS = ("product_code", "state", "name", "subtitle", "category", "brand", "tags", "spec_names", "sku_code", "spec",
            "price_minor", "stock")  # fmt: skip
_READ = ["product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size"]

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Good:
    """A real product: its number, who makes it, what it is, its package, and what a piece of it cost."""

    number: int
    maker: str
    is_private: bool
    department: str
    category: str
    kind: str
    package: str
    price_minor: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A product of the catalogue with its SKUs, each a good."""

    code: str
    name: str
    goods: tuple[Good, ...]


def load_goods(baskets: Sequence[Basket]) -> list[Good]:
    """Return every good of the baskets, by number. Raises DataMissing when the panel is not installed."""
    return read_goods(find_folder() / "products.parquet", find_prices(baskets))


def find_prices(baskets: Iterable[Basket]) -> dict[int, int]:
    """Return by product the median of what was paid for a piece, at least one fen."""
    paid: dict[int, list[int]] = defaultdict(list)
    for basket in baskets:
        for line in basket.lines:
            paid[int(line.sku)].append(max(1, line.amount_minor // line.quantity))
    return {number: median_low(amounts) for number, amounts in paid.items()}


def count_sold(baskets: Iterable[Basket]) -> Counter[int]:
    """Return by product how many baskets had it."""
    return Counter(int(line.sku) for basket in baskets for line in basket.lines)


def read_goods(path: Path, prices: Mapping[int, int]) -> list[Good]:
    """Return the goods that have a price, by number."""
    from pyarrow import parquet

    columns = parquet.read_table(path, columns=_READ).to_pydict()
    return sorted(
        (
            Good(
                number,
                f"Maker {maker}",
                brand == "Private",
                _tidy(department, "Other"),
                _tidy(category, "Other"),
                _tidy(kind, "Other"),
                _tidy(package, "").upper(),
                prices[number],
            )
            for number, maker, department, brand, category, kind, package in zip(*columns.values(), strict=True)
            if number in prices
        ),
        key=lambda good: good.number,
    )


def group_goods(goods: Sequence[Good]) -> list[Listing]:
    """Make products of goods: one maker, one category, one type, at most twenty packages each."""
    groups: dict[tuple[str, bool, str, str, str], list[Good]] = defaultdict(list)
    for good in goods:
        groups[good.maker, good.is_private, good.department, good.category, good.kind].append(good)
    return [
        Listing(f"p{chunk[0].number}", chunk[0].kind, tuple(chunk))
        for group in groups.values()
        for chunk in (group[start : start + SKUS_MAX] for start in range(0, len(group), SKUS_MAX))
    ]


def load_catalogue(
    db: Database, listings: Sequence[Listing], *, sold: Mapping[int, int], progress: Progress, now: datetime
) -> None:
    """Bring the products on sale by a sheet, and put the best sold of them on a shelf of the home page.

    `sold` is by number how many baskets had a good.
    """
    with db.transaction() as tx:
        _make_tree(tx, listings, now=now)
        before = 0

        def tell(done: int, _total: int | None) -> None:
            nonlocal before
            progress(done - before)
            before = done

        sheet = io.BytesIO("".join(write_sheet(listings)).encode())
        catalog.import_catalogue(tx, merchant_id=catalog.MAIN_MERCHANT, content=sheet, made_by="demo", progress=tell,
                                 now=now)  # fmt: skip
    best = sorted(listings, key=lambda one: -max(sold.get(good.number, 0) for good in one.goods))[:_SHELF]
    codes = {one.code for one in best}
    with db.transaction() as tx:
        ids = {found.code: found.id for found in _iter_products(tx) if found.code in codes}
        shelf = catalog.ShelfDraft("热卖 Best sellers", tuple(ids[one.code] for one in best))
        catalog.create_shelf(tx, draft=shelf, now=now)
        catalog.refresh_suggestions(tx)


def write_sheet(listings: Iterable[Listing]) -> Iterator[str]:
    """Yield the sheet of a catalogue, line by line."""
    yield _to_line(_COLUMNS)
    for one in listings:
        first = one.goods[0]
        packages = [good.package for good in one.goods]
        for good in one.goods:
            is_alone = bool(good.package) and packages.count(good.package) == 1
            spec = good.package if is_alone else f"{good.package or '—'} · {good.number}"
            yield _to_line(
                (one.code, "on_sale", one.name, first.category, f"{first.department}>{first.category}", first.maker,
                 "自有品牌" if first.is_private else "全国品牌", "规格", str(good.number), spec, str(good.price_minor),
                 str(_STOCK))
            )  # fmt: skip


def _make_tree(tx: Transaction, listings: Sequence[Listing], *, now: datetime) -> None:
    tree: dict[str, set[str]] = defaultdict(set)
    for one in listings:
        tree[one.goods[0].department].add(one.goods[0].category)
    for position, department in enumerate(sorted(tree)):
        above = catalog.create_category(tx, name=department, position=position, now=now)
        for place, name in enumerate(sorted(tree[department])):
            catalog.create_category(tx, name=name, parent_id=above.id, position=place, now=now)


def _iter_products(tx: Transaction) -> Iterator[catalog.Product]:
    cursor: str | None = None
    while True:
        page = catalog.list_products(tx, limit=200, cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _tidy(words: str | None, otherwise: str) -> str:
    """Return words of the panel without what a sheet would read as a sign, in title case."""
    kept = " ".join((words or "").replace(">", " ").replace("|", " ").replace("\\", " ").split())
    return kept.title() or otherwise


def _to_line(cells: Iterable[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
