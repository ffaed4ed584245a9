"""Orders on their way: paid, shipped, received, closed, and everything that meets on it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.shop import Shop, open_shop
from tuike import catalog, fulfilment, orders
from tuike.embedded import PostgresServer
from tuike.fulfilment import CloseReason


@pytest.fixture(scope="module")
def shop(postgres: PostgresServer) -> Iterator[Shop]:
    with open_shop(postgres, "fulfilment") as opened:
        yield opened


# Paying


def test_an_order_goes_from_its_placing_to_the_receipt(shop):
    sku = shop.make_sku(stock=10)
    order = shop.place((sku, 2), freight=800)
    assert (order.state, order.payable_minor) == ("unpaid", 2800)
    payable = shop.do(fulfilment.get_payable, order_id=order.id, shopper_id="usr_a")
    assert (payable.payable_minor, payable.expires_at) == (2800, shop.now + timedelta(minutes=30))
    assert shop.pay(order) == "recorded"
    assert shop.get(order).state == "to_ship"
    assert shop.stock_of(sku) == (8, 0, 2)
    shop.ship(order)
    assert shop.get(order).state == "shipped"
    assert shop.receive(order).state == "completed"
    assert shop.get_facts(order).status == "received"
    kinds = [one.kind for one in shop.do(fulfilment.list_events, order_id=order.id)]
    assert kinds == ["placed", "paid", "parcel_shipped", "shipped", "received"]


def test_the_same_payment_twice_is_one_payment(shop):
    sku = shop.make_sku(stock=10)
    order = shop.place((sku, 2))
    assert [shop.pay(order) for _ in range(3)] == ["recorded", "duplicate", "duplicate"]
    assert shop.stock_of(sku) == (8, 0, 2)
    assert shop.pay(order, payment="pay-other") == "already_paid"


def test_a_wrong_amount_records_nothing(shop):
    order = shop.place((shop.make_sku(), 1))
    assert shop.pay(order, amount=999) == "amount_differs"
    assert shop.get(order).state == "unpaid"
    assert shop.get_facts(order).payment_id is None
    assert shop.pay(order) == "recorded"


def test_money_that_comes_after_the_close_is_not_recorded(shop):
    sku = shop.make_sku(stock=3)
    order = shop.place((sku, 3))
    assert shop.do(fulfilment.close_unpaid, order_id=order.id, reason=CloseReason.EXPIRED, now=shop.now) is True
    assert shop.do(fulfilment.close_unpaid, order_id=order.id, reason=CloseReason.EXPIRED, now=shop.now) is False
    assert shop.stock_of(sku) == (3, 0, 0)
    assert [shop.pay(order) for _ in range(2)] == ["closed", "closed"]
    assert shop.get_facts(order).payment_id is None
    with pytest.raises(fulfilment.OrderClosed):
        shop.do(fulfilment.get_payable, order_id=order.id, shopper_id="usr_a")


def test_a_paid_order_is_not_closed(shop):
    order = shop.make_paid((shop.make_sku(), 1))
    assert shop.do(fulfilment.close_unpaid, order_id=order.id, reason=CloseReason.EXPIRED, now=shop.now) is False
    assert shop.get(order).state == "to_ship"
    with pytest.raises(orders.AlreadyPaid):
        shop.do(fulfilment.get_payable, order_id=order.id, shopper_id="usr_a")


def test_stock_gone_at_payment_closes_the_order_and_the_money_goes_back(shop):
    sku = shop.make_sku(stock=1)
    coupon = shop.make_coupon()
    order = shop.place((sku, 1), coupon=coupon)
    shop.do(fulfilment.list_expired, now=shop.now, limit=10)
    release(shop, order)
    shop.make_paid((sku, 1), shopper="usr_b")
    assert [shop.pay(order) for _ in range(2)] == ["stock_gone", "stock_gone"]
    after = shop.get(order)
    assert (after.state, after.close_reason) == ("closed", "stock_gone")
    assert shop.get_facts(order).payment_id is None
    assert shop.stock_of(sku) == (0, 0, 1)
    other = shop.place((shop.make_sku(), 1), coupon=coupon)
    assert other.discount_minor == 500


def test_a_late_payment_finds_its_pieces_again_when_nobody_took_them(shop):
    sku = shop.make_sku(stock=1)
    order = shop.place((sku, 1))
    release(shop, order)
    assert shop.pay(order) == "recorded"
    assert shop.stock_of(sku) == (0, 0, 1)


def test_another_shoppers_order_is_no_order(shop):
    order = shop.place((shop.make_sku(), 1))
    for verb in (fulfilment.get_payable, fulfilment.get_order):
        with pytest.raises(orders.OrderNotFound):
            shop.do(verb, order_id=order.id, shopper_id="usr_b")
    with pytest.raises(orders.OrderNotFound):
        shop.do(fulfilment.get_payable, order_id="ord_nothing", shopper_id="usr_b")


def test_unpaid_orders_are_listed_once_their_time_is_over(shop):
    order = shop.place((shop.make_sku(), 1))
    assert order.id not in shop.do(fulfilment.list_expired, now=order.expires_at - timedelta(seconds=1), limit=999)
    assert order.id in shop.do(fulfilment.list_expired, now=order.expires_at, limit=999)
    shop.pay(order)
    assert order.id not in shop.do(fulfilment.list_expired, now=order.expires_at, limit=999)


# Refunds


def test_a_refund_before_shipping_gives_everything_back_and_closes_the_order(shop):
    sku = shop.make_sku(stock=10)
    top, nearer = shop.make_promoters(2)
    order = shop.make_paid((sku, 2), freight=800, chain=[nearer, top])
    shop.settle()
    case = shop.ask(order, (0, 2))
    assert (case.goods_minor, case.freight_minor) == (2000, 800)
    shop.approve(case)
    assert shop.get(order).state == "to_ship"
    (refund,) = [one for one in shop.refund_due() if one.order_id == order.id]
    assert (refund.amount_minor, refund.payment_id, refund.paid_minor) == (2800, order.payment_id, 2800)
    after = shop.get(order)
    assert (after.state, after.close_reason, after.in_after_sale) == ("closed", "refunded", False)
    assert shop.stock_of(sku) == (10, 0, 0)
    facts = shop.get_facts(order)
    assert (facts.status, facts.refunded_minor, facts.refunded_shipping_minor) == ("refunded", 2800, 800)
    shop.settle()
    shop.check_ledger()


def test_a_refund_told_twice_is_one_refund(shop):
    sku = shop.make_sku(stock=10)
    order = shop.make_paid((sku, 3))
    shop.approve(shop.ask(order, (0, 1)))
    (due,) = [one for one in shop.do(fulfilment.list_refunds_due, limit=999) if one.order_id == order.id]
    for _ in range(2):
        shop.do(fulfilment.mark_refund_sent, refund_id=due.id, now=shop.now)
    for _ in range(2):
        done = shop.do(fulfilment.mark_refunded, refund_id=due.id, refunded_at=shop.now, now=shop.now)
        assert done.state == "succeeded"
    assert shop.do(fulfilment.mark_refund_failed, refund_id=due.id, reason="x", now=shop.now).state == "succeeded"
    assert shop.get_facts(order).refunded_minor == 1000
    assert shop.stock_of(sku) == (8, 0, 2)
    shop.ship(order)
    assert shop.get(order).state == "shipped"


def test_a_refund_that_failed_keeps_its_number_when_it_is_tried_again(shop):
    order = shop.make_paid((shop.make_sku(), 1))
    case = shop.approve(shop.ask(order, (0, 1)))
    refund = shop.do(fulfilment.find_refund_of_case, case_id=case.id)
    failed = shop.do(fulfilment.mark_refund_failed, refund_id=refund.id, reason="account closed", now=shop.now)
    assert (failed.state, failed.failure) == ("failed", "account closed")
    assert refund.id not in [one.id for one in shop.do(fulfilment.list_refunds_due, limit=999)]
    assert shop.get(order).in_after_sale
    for _ in range(2):
        again = shop.do(fulfilment.retry_refund, refund_id=refund.id, made_by="staff", now=shop.now)
        assert (again.id, again.state) == (refund.id, "due")
    shop.refund_due()
    assert shop.get(order).state == "closed"


# What the provider is told of parcels


def test_each_parcel_is_told_to_the_provider_once(shop):
    sku, other = shop.make_sku(), shop.make_sku()
    order = shop.make_paid((sku, 2), (other, 1))
    first = shop.ship(order, (0, 1))
    second = shop.ship(order)
    due = [one for one in shop.do(fulfilment.list_shipping_uploads_due, limit=999) if one.order_id == order.id]
    assert [one.parcel_id for one in due] == [first.id, second.id]
    assert (due[0].phone, due[0].all_shipped) == ("138****1234", True)
    for _ in range(2):
        shop.do(fulfilment.mark_shipping_uploaded, parcel_id=first.id, now=shop.now)
    due = [one for one in shop.do(fulfilment.list_shipping_uploads_due, limit=999) if one.order_id == order.id]
    assert [one.parcel_id for one in due] == [second.id]
    with pytest.raises(fulfilment.ParcelNotFound):
        shop.do(fulfilment.mark_shipping_uploaded, parcel_id="pcl_nothing", now=shop.now)


def release(shop: Shop, order: fulfilment.ShopOrder) -> None:
    shop.do(catalog.release_stock, order_id=order.id, now=shop.now)
