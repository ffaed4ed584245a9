"""Decisions about orders and refunds."""

from datetime import UTC, datetime

import pytest

from tuike.orders import (
    AmountNotPositive,
    Attribution,
    AttributionReason,
    Line,
    LineInput,
    LineNotFound,
    Order,
    OrderStatus,
    RefundExceedsPaid,
    RefundLine,
    check_lines,
)
from tuike.orders.model import AmountsTooLarge
from tuike.orders.rules import decide_refund_by_amount, decide_refund_by_lines
from tuike.shared.money import MAX_AMOUNT_MINOR

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_order(*lines, shipping=0, refunded_shipping=0, skus=None, quantities=None):
    """An order whose lines are given as (amount, refunded)."""
    made = tuple(
        Line(no, skus[no] if skus else f"sku-{no}", quantities[no] if quantities else 1, amount, refunded, None, None)
        for no, (amount, refunded) in enumerate(lines)
    )
    return Order(
        id="ord_1", external_id="1", buyer_id="b", merchant_id="main", currency="CNY", status=OrderStatus.PAID,
        goods_minor=sum(line.amount_minor for line in made), shipping_minor=shipping,
        refunded_minor=sum(line.refunded_minor for line in made) + refunded_shipping,
        refunded_shipping_minor=refunded_shipping, touch_id=None, visitor_id=None, plan_name="default", plan_version=1,
        attribution=Attribution(None, "last", AttributionReason.NO_VALID_TOUCH), payment_id="p", placed_at=NOON,
        paid_at=NOON, received_at=None, lines=made,
    )  # fmt: skip


def test_an_order_needs_a_line():
    with pytest.raises(AmountNotPositive) as refusal:
        check_lines([], 0)
    assert list(refusal.value.fields) == ["lines"]


@pytest.mark.parametrize("amount", [0, -1])
def test_every_line_that_costs_nothing_is_named(amount):
    with pytest.raises(AmountNotPositive) as refusal:
        check_lines([LineInput("a", 1, amount), LineInput("b", 1, 5), LineInput("c", 1, amount)], 0)
    assert list(refusal.value.fields) == ["lines.0.amount_minor", "lines.2.amount_minor"]


def test_freight_may_be_nothing_but_not_less():
    check_lines([LineInput("a", 1, 1)], 0)
    with pytest.raises(AmountNotPositive) as refusal:
        check_lines([LineInput("a", 1, 1)], -1)
    assert list(refusal.value.fields) == ["shipping_minor"]


def test_the_largest_order_is_taken_and_one_unit_more_is_refused():
    check_lines([LineInput("a", 1, MAX_AMOUNT_MINOR - 1)], 1)
    with pytest.raises(AmountsTooLarge):
        check_lines([LineInput("a", 1, MAX_AMOUNT_MINOR)], 1)
    with pytest.raises(AmountsTooLarge):
        check_lines([LineInput("a", 1, MAX_AMOUNT_MINOR), LineInput("b", 1, MAX_AMOUNT_MINOR)], 0)


def test_a_refund_by_amount_is_spread_over_what_is_left_on_each_line():
    order = make_order((1000, 500), (500, 0))
    assert decide_refund_by_amount(order, 101) == ([50, 51], 0)


def test_freight_is_refunded_only_after_the_goods_are_used_up():
    order = make_order((1000, 0), (500, 500), shipping=30)
    assert decide_refund_by_amount(order, 1000) == ([1000, 0], 0)
    assert decide_refund_by_amount(order, 1001) == ([1000, 0], 1)
    assert decide_refund_by_amount(order, 1030) == ([1000, 0], 30)


def test_freight_alone_can_be_refunded_when_the_goods_are():
    order = make_order((1000, 1000), shipping=30, refunded_shipping=10)
    assert decide_refund_by_amount(order, 20) == ([0], 20)
    with pytest.raises(RefundExceedsPaid):
        decide_refund_by_amount(order, 21)


def test_a_refund_of_more_than_is_still_paid_is_refused():
    with pytest.raises(RefundExceedsPaid) as refusal:
        decide_refund_by_amount(make_order((1000, 400), shipping=5), 606)
    assert "605" in refusal.value.fields["amount_minor"][0]


@pytest.mark.parametrize("amount", [0, -5])
def test_a_refund_of_nothing_is_refused(amount):
    with pytest.raises(AmountNotPositive):
        decide_refund_by_amount(make_order((1000, 0)), amount)
    with pytest.raises(AmountNotPositive):
        decide_refund_by_lines(make_order((1000, 0)), [RefundLine("sku-0", 1, amount)])


def test_a_refund_by_lines_takes_from_the_lines_it_names():
    order = make_order((1000, 0), (500, 100), (30, 0))
    parts = decide_refund_by_lines(order, [RefundLine("sku-1", 1, 400), RefundLine("sku-0", 1, 1)])
    assert parts == [1, 400, 0]


def test_several_lines_of_one_sku_are_used_up_in_their_order():
    order = make_order((100, 90), (100, 0), (100, 0), skus=["a", "b", "a"], quantities=[1, 1, 2])
    assert decide_refund_by_lines(order, [RefundLine("a", 3, 50)]) == [10, 0, 40]


def test_a_sku_named_twice_in_one_refund_counts_together():
    order = make_order((100, 0))
    assert decide_refund_by_lines(order, [RefundLine("sku-0", 1, 60), RefundLine("sku-0", 1, 40)]) == [100]
    with pytest.raises(RefundExceedsPaid) as refusal:
        decide_refund_by_lines(order, [RefundLine("sku-0", 1, 60), RefundLine("sku-0", 1, 41)])
    assert list(refusal.value.fields) == ["lines.1.amount_minor"]


def test_a_refund_of_an_unknown_sku_is_refused_naming_it():
    with pytest.raises(LineNotFound) as refusal:
        decide_refund_by_lines(make_order((100, 0)), [RefundLine("sku-0", 1, 1), RefundLine("other", 1, 1)])
    assert list(refusal.value.fields) == ["lines.1.sku"]


def test_a_refund_of_more_pieces_than_were_ordered_is_refused():
    with pytest.raises(RefundExceedsPaid) as refusal:
        decide_refund_by_lines(make_order((100, 0), quantities=[2]), [RefundLine("sku-0", 3, 1)])
    assert list(refusal.value.fields) == ["lines.0.quantity"]


def test_a_refund_of_more_than_is_left_on_its_line_is_refused_though_other_lines_have_it():
    with pytest.raises(RefundExceedsPaid):
        decide_refund_by_lines(make_order((100, 0), (900, 0)), [RefundLine("sku-0", 1, 101)])


def test_a_refund_by_lines_names_a_line():
    with pytest.raises(AmountNotPositive):
        decide_refund_by_lines(make_order((100, 0)), [])
