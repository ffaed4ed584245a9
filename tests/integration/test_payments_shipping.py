"""Telling WeChat what was sent, without which an order's money stays frozen."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tuike.embedded import PostgresServer
from tuike.payments import PayBy


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_shipping", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


def make_paid(till: Till, by: PayBy = PayBy.WECHAT, pieces: int = 1):
    order = till.place((till.make_sku(stock=50), pieces), shopper=till.log_in("lilei"))
    return order, till.pay_by(order, by)


def read_there(till: Till, payment) -> dict:
    return next(one for one in till.state()["payment"] if one["out_trade_no"] == payment.id)


def count_untold(till: Till, order) -> int:
    with till.db.transaction() as tx:
        query = text("SELECT count(*) FROM parcels WHERE order_id = :id AND uploaded_at IS NULL")
        return int(tx.execute(query, {"id": order.id}).scalar_one())


def test_a_parcel_with_everything_is_told_once(till):
    order, payment = make_paid(till)
    till.ship(order)
    assert till.work().parcels == 1
    assert till.work().parcels == 0
    assert read_there(till, payment)["shipping_state"] == "shipped"


def test_parcels_are_told_one_after_the_other_with_growing_times(till):
    order, payment = make_paid(till, pieces=3)
    moments = []
    for pieces in (1, 1):
        till.ship(order, (0, pieces))
        assert till.work().parcels == 1
        with till.db.transaction() as tx:
            query = text("SELECT shipping_told_at FROM payments WHERE id = :id")
            moments.append(tx.execute(query, {"id": payment.id}).scalar_one())
    till.ship(order)
    assert till.work().parcels == 1
    assert moments[0] < moments[1]
    assert read_there(till, payment)["shipping_state"] == "shipped"


def test_wechat_down_during_an_upload_leaves_the_parcel_due(till):
    order, payment = make_paid(till)
    till.ship(order)
    till.simulated.fault("wechat.upload_shipping", "drop", when="after", times=20)
    till.work()
    assert count_untold(till, order) == 1
    till.simulated.control("faults/clear")
    till.work()
    assert count_untold(till, order) == 0
    assert read_there(till, payment)["shipping_state"] == "shipped"


def test_an_order_paid_by_alipay_needs_no_upload(till):
    order, _ = make_paid(till, PayBy.ALIPAY)
    till.ship(order)
    till.work()
    assert count_untold(till, order) == 0
