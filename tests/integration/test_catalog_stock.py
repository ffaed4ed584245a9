"""Stock: nothing is sold twice, nothing vanishes, whatever runs at the same time."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.integration.catalogue import LATER, NOW, Catalogue, open_catalogue, to_draft
from tuike import catalog
from tuike.catalog import ProductState, StockLine
from tuike.embedded import PostgresServer
from tuike.shared.errors import TuikeError, ValidationFailed


@pytest.fixture(scope="module")
def shop(postgres: PostgresServer) -> Iterator[Catalogue]:
    with open_catalogue(postgres, "catalog_stock") as opened:
        yield opened


def sku_of(product: catalog.Product, no: int = 0) -> str:
    return product.skus[no].id


def test_pieces_go_from_available_to_reserved_to_sold_and_back(shop):
    sku = sku_of(shop.make_product(stock=10))
    shop.reserve("life", (sku, 3))
    assert shop.stock_of(sku) == (7, 3, 0)
    for _ in range(2):
        shop.do(catalog.take_stock, order_id="life", now=NOW)
        assert shop.stock_of(sku) == (7, 0, 3)
    for _ in range(2):
        shop.do(catalog.return_stock, order_id="life", return_id="back-1", lines=[StockLine(sku, 1)], now=NOW)
        assert shop.stock_of(sku) == (8, 0, 2)
    assert shop.do(catalog.release_stock, order_id="life", now=NOW) is False
    assert shop.stock_of(sku) == (8, 0, 2)


def test_a_reservation_may_be_sent_twice_and_never_changed(shop):
    sku = sku_of(shop.make_product(stock=10))
    shop.reserve("twice", (sku, 3), buyer="b")
    shop.reserve("twice", (sku, 1), (sku, 2), buyer="b")
    assert shop.stock_of(sku) == (7, 3, 0)
    with pytest.raises(catalog.ReservationExists):
        shop.reserve("twice", (sku, 4), buyer="b")
    with pytest.raises(catalog.ReservationExists):
        shop.reserve("twice", (sku, 3), buyer="somebody else")


def test_all_lines_are_reserved_or_none(shop):
    plenty, scarce = sku_of(shop.make_product(stock=10)), sku_of(shop.make_product(stock=1))
    with pytest.raises(catalog.OutOfStock) as refused:
        shop.reserve("all", (plenty, 2), (scarce, 2))
    assert list(refused.value.fields) == ["lines.1"]
    assert shop.stock_of(plenty) == (10, 0, 0)
    assert shop.do(catalog.find_reservation, order_id="all") is None


def test_refusals_name_the_line_and_the_reason(shop):
    product = shop.make_product(stock=5)
    draft = shop.make_product(state=ProductState.DRAFT)
    with pytest.raises(catalog.SkuNotFound) as unknown:
        shop.reserve("refused", (sku_of(product), 1), ("sku_nothing", 1))
    assert list(unknown.value.fields) == ["lines.1"]
    with pytest.raises(catalog.NotOnSale) as away:
        shop.reserve("refused", (sku_of(product), 1), (sku_of(draft), 1))
    assert list(away.value.fields) == ["lines.1"]
    for quantity in (0, -1, 2**31, 2**63):
        with pytest.raises(ValidationFailed):
            shop.reserve("refused", (sku_of(product), quantity))
    with pytest.raises(ValidationFailed):
        shop.reserve("refused")
    with pytest.raises(ValidationFailed):
        shop.reserve("refused", (sku_of(product), 999_999), (sku_of(product), 999_999))


def test_nothing_of_a_closed_merchant_can_be_had(shop):
    shop.do(catalog.create_merchant, merchant_id="closing", name="closing", now=NOW)
    sku = sku_of(shop.make_product(merchant_id="closing"))
    shop.do(catalog.edit_merchant, merchant_id="closing", name="closing", status="closed", version=1)
    with pytest.raises(catalog.NotOnSale):
        shop.reserve("of closed", (sku, 1))


def test_a_reservation_that_is_over_is_given_free_and_may_be_made_again(shop):
    sku = sku_of(shop.make_product(stock=4))
    shop.reserve("late", (sku, 4), until=LATER)
    assert "late" not in shop.do(catalog.expire_reservations, now=LATER - timedelta(seconds=1))
    assert "late" in shop.do(catalog.expire_reservations, now=LATER)
    assert shop.stock_of(sku) == (4, 0, 0)
    with pytest.raises(catalog.ReservationExpired):
        shop.do(catalog.take_stock, order_id="late", now=LATER)
    shop.reserve("late", (sku, 4), until=LATER + timedelta(hours=1))
    shop.do(catalog.take_stock, order_id="late", now=LATER)
    assert shop.stock_of(sku) == (0, 0, 4)


def test_a_paid_order_never_expires(shop):
    sku = sku_of(shop.make_product(stock=4))
    shop.reserve("paid", (sku, 4))
    shop.do(catalog.take_stock, order_id="paid", now=NOW)
    assert "paid" not in shop.do(catalog.expire_reservations, now=LATER + timedelta(days=900))
    with pytest.raises(catalog.ReservationNotFound):
        shop.do(catalog.take_stock, order_id="never reserved", now=NOW)


def test_no_more_comes_back_than_was_taken(shop):
    sku, other = sku_of(shop.make_product(stock=4)), sku_of(shop.make_product())
    shop.reserve("over", (sku, 3))
    with pytest.raises(catalog.ReservationNotFound):
        shop.do(catalog.return_stock, order_id="over", return_id="r0", lines=[StockLine(sku, 1)], now=NOW)
    shop.do(catalog.take_stock, order_id="over", now=NOW)
    shop.do(catalog.return_stock, order_id="over", return_id="r1", lines=[StockLine(sku, 2)], now=NOW)
    for line in (StockLine(sku, 2), StockLine(other, 1)):
        with pytest.raises(catalog.ReturnExceedsTaken) as refused:
            shop.do(catalog.return_stock, order_id="over", return_id="r2", lines=[line], now=NOW)
        assert list(refused.value.fields) == ["lines.0"]
    with pytest.raises(catalog.ReturnIdTaken):
        shop.do(catalog.return_stock, order_id="over", return_id="r1", lines=[StockLine(sku, 1)], now=NOW)
    assert shop.stock_of(sku) == (3, 0, 1)


def test_a_sku_that_is_dropped_keeps_what_open_orders_hold(shop):
    product = shop.make_product(stock=4, specs=["红", "蓝"])
    red, blue = sku_of(product, 0), sku_of(product, 1)
    shop.reserve("holds", (red, 2))
    shop.reserve("lets go", (red, 1))
    left = to_draft(product, skus=to_draft(product).skus[1:])
    edited = shop.do(
        catalog.edit_product, product_id=product.id, draft=left, version=product.version, made_by="s", now=NOW
    )
    assert [sku.id for sku in edited.skus] == [blue]
    with pytest.raises(catalog.NotOnSale):
        shop.reserve("too late", (red, 1))
    shop.do(catalog.take_stock, order_id="holds", now=NOW)
    assert shop.do(catalog.release_stock, order_id="lets go", now=NOW)
    assert shop.stock_of(red) == (2, 0, 2)
    deleted = shop.do(catalog.set_product_state, product_id=product.id, state=ProductState.DELETED, now=NOW)
    assert deleted.state == "deleted"
    shop.do(catalog.return_stock, order_id="holds", return_id="dropped", lines=[StockLine(red, 2)], now=NOW)
    assert shop.stock_of(red) == (4, 0, 0)


def test_a_person_buys_no_more_than_the_limit_in_several_orders(shop):
    sku = sku_of(shop.make_product(stock=50, limit=3))
    with pytest.raises(catalog.LimitExceeded) as refused:
        shop.reserve("l0", (sku, 4), buyer="greedy")
    assert list(refused.value.fields) == ["lines.0"]
    shop.reserve("l1", (sku, 2), buyer="greedy")
    with pytest.raises(catalog.LimitExceeded):
        shop.reserve("l2", (sku, 2), buyer="greedy")
    shop.reserve("l3", (sku, 3), buyer="another")
    shop.do(catalog.release_stock, order_id="l1", now=NOW)
    shop.reserve("l4", (sku, 3), buyer="greedy")
    shop.do(catalog.take_stock, order_id="l4", now=NOW)
    with pytest.raises(catalog.LimitExceeded):
        shop.reserve("l5", (sku, 1), buyer="greedy")
    shop.do(catalog.return_stock, order_id="l4", return_id="l4", lines=[StockLine(sku, 1)], now=NOW)
    shop.reserve("l6", (sku, 1), buyer="greedy")
    assert shop.stock_of(sku) == (44, 4, 2)


def test_stock_is_corrected_with_a_reason_and_a_history(shop):
    sku = sku_of(shop.make_product(stock=5))
    assert (
        shop.do(catalog.correct_stock, sku_id=sku, change=7, reason="delivery", made_by="li", now=NOW).available == 12
    )
    with pytest.raises(catalog.OutOfStock):
        shop.do(catalog.correct_stock, sku_id=sku, change=-13, reason="broken", made_by="li", now=NOW)
    for change, reason in ((0, "r"), (2**63, "r"), (1, ""), (1, "x" * 1_000_000), (1, "a\0b")):
        with pytest.raises(ValidationFailed):
            shop.do(catalog.correct_stock, sku_id=sku, change=change, reason=reason, made_by="li", now=NOW)
    with pytest.raises(catalog.SkuNotFound):
        shop.do(catalog.correct_stock, sku_id="sku_no", change=1, reason="r", made_by="li", now=NOW)
    shop.do(catalog.correct_stock, sku_id=sku, change=-12, reason="broken", made_by="wang", now=NOW)
    page = shop.do(catalog.list_corrections, sku_id=sku, limit=2)
    rest = shop.do(catalog.list_corrections, sku_id=sku, limit=2, cursor=page.next_cursor)
    history = [(one.change, one.available, one.reason, one.made_by) for one in [*page.items, *rest.items]]
    assert sorted(history) == [(-12, 0, "broken", "wang"), (5, 5, "first stock", "staff"), (7, 12, "delivery", "li")]


def test_products_tell_what_is_there_and_what_was_sold(shop):
    product = shop.make_product(stock=2)
    shop.reserve("last", (sku_of(product), 2))
    shop.do(catalog.take_stock, order_id="last", now=NOW)
    shop.refresh()
    found = shop.do(catalog.get_product, product_id=product.id)
    assert (found.in_stock, found.sold_count) == (False, 2)
    shop.do(catalog.return_stock, order_id="last", return_id="last", lines=[StockLine(sku_of(product), 2)], now=NOW)
    shop.refresh()
    found = shop.do(catalog.get_product, product_id=product.id)
    assert (found.in_stock, found.sold_count) == (True, 0)


# Crowds


def run_crowd(count: int, act) -> tuple[Counter[str], list[float]]:
    """Run `act(number)` in many threads at once; return what came of them by error class, and how long each took."""
    outcomes: Counter[str] = Counter()
    waits: list[float] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait()
        begun = time.monotonic()
        try:
            act(number)
            outcome = "done"
        except TuikeError as error:
            outcome = type(error).__name__
        except DBAPIError as error:
            outcome = f"{type(error).__name__} {getattr(error.orig, 'sqlstate', None)}"
        waits.append(time.monotonic() - begun)
        outcomes[outcome] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return outcomes, waits


def test_of_100_pieces_500_buyers_at_once_get_exactly_100(shop):
    sku = sku_of(shop.make_product(stock=100))
    outcomes, waits = run_crowd(500, lambda number: shop.reserve(f"crowd-{number}", (sku, 1)))
    assert outcomes == {"done": 100, "OutOfStock": 400}
    assert shop.stock_of(sku) == (0, 100, 0)
    assert max(waits) < 10  # the promise is 5 s and is measured by the benchmarks; here only that nobody starves


def test_baskets_in_any_order_never_deadlock(shop):
    skus = [sku_of(shop.make_product(stock=1000)) for _ in range(4)]

    def buy(number: int) -> None:
        chance = random.Random(number)
        for turn in range(4):
            order = f"basket-{number}-{turn}"
            shop.reserve(order, *[(sku, 1) for sku in chance.sample(skus, 3)], buyer=f"basket buyer {number % 5}")
            verb = chance.choice([catalog.take_stock, catalog.release_stock])
            shop.do(verb, order_id=order, now=NOW)

    outcomes, _ = run_crowd(24, buy)
    assert outcomes == {"done": 24}


def test_one_person_with_many_devices_stays_within_the_limit(shop):
    sku = sku_of(shop.make_product(stock=100, limit=2))
    outcomes, _ = run_crowd(20, lambda number: shop.reserve(f"device-{number}", (sku, 1), buyer="one person"))
    assert outcomes == {"done": 2, "LimitExceeded": 18}
    assert shop.stock_of(sku) == (98, 2, 0)


def test_twins_of_one_order_reserve_once(shop):
    sku = sku_of(shop.make_product(stock=100))
    outcomes, _ = run_crowd(8, lambda _: shop.reserve("twin", (sku, 1), buyer="b"))
    assert outcomes["done"] >= 1
    assert set(outcomes) <= {"done", "ReservationExists"}
    assert shop.stock_of(sku) == (99, 1, 0)


def test_payment_and_expiry_at_the_same_moment_leave_one_truth(shop):
    sku = sku_of(shop.make_product(stock=20))
    for number in range(20):
        shop.reserve(f"race-{number}", (sku, 1), until=NOW)

    def race(number: int) -> None:
        if number % 4 == 3:
            shop.do(catalog.expire_reservations, now=LATER, limit=7)
        else:
            for order in range(number, 20, 3):
                try:
                    shop.do(catalog.take_stock, order_id=f"race-{order}", now=LATER)
                except catalog.ReservationExpired:
                    continue

    run_crowd(8, race)
    states = [shop.do(catalog.find_reservation, order_id=f"race-{number}").state for number in range(20)]
    available, reserved, sold = shop.stock_of(sku)
    assert (available, reserved, sold) == (states.count("released"), states.count("reserved"), states.count("taken"))
    assert available + reserved + sold == 20


def test_pieces_stay_constant_under_random_interleavings(shop):
    """Threads reserve, pay, close, return, expire and correct at random; every sum fits afterwards."""
    skus = [sku_of(shop.make_product(stock=30, limit=6)) for _ in range(3)]
    corrected: Counter[str] = Counter()
    lock = threading.Lock()

    def act(number: int) -> None:
        chance = random.Random(number)
        orders = [f"random-{number}-{turn}" for turn in range(6)]
        for _ in range(40):
            order, sku = chance.choice(orders), chance.choice(skus)
            lines = [(one, chance.randint(1, 3)) for one in chance.sample(skus, chance.randint(1, 3))]
            until = chance.choice([NOW, LATER])
            try:
                match chance.randrange(7):
                    case 0 | 1:
                        shop.reserve(order, *lines, buyer=f"person {number % 3}", until=until)
                    case 2:
                        shop.do(catalog.take_stock, order_id=order, now=NOW)
                    case 3:
                        shop.do(catalog.release_stock, order_id=order, now=NOW)
                    case 4:
                        line = StockLine(sku, 1)
                        back = f"{order}-{chance.randrange(3)}"
                        shop.do(catalog.return_stock, order_id=order, return_id=back, lines=[line], now=NOW)
                    case 5:
                        shop.do(catalog.expire_reservations, now=NOW, limit=3)
                    case 6:
                        change = chance.choice([-2, -1, 1, 2])
                        shop.do(catalog.correct_stock, sku_id=sku, change=change, reason="r", made_by="s", now=NOW)
                        with lock:
                            corrected[sku] += change
            except TuikeError:
                continue

    outcomes, _ = run_crowd(12, act)
    assert outcomes == {"done": 12}
    with shop.db.transaction() as tx:
        for sku in skus:
            available, reserved, sold = shop.stock_of(sku)
            assert available + reserved + sold == 30 + corrected[sku]
            assert min(available, reserved, sold) >= 0
            held = tx.execute(text(_HELD), {"sku": sku}).one()
            assert (held.reserved, held.sold) == (reserved, sold)
            counted = dict(
                tx.execute(
                    text("SELECT buyer_id, quantity FROM stock_buyers WHERE sku_id = :sku AND quantity > 0"),
                    {"sku": sku},
                ).all()
            )
            by_buyer = dict(tx.execute(text(_HELD_BY_BUYER), {"sku": sku}).all())
            assert counted == by_buyer
            assert max(counted.values(), default=0) <= 6
            history = tx.execute(text("SELECT sum(change) FROM stock_corrections WHERE sku_id = :sku"), {"sku": sku})
            assert history.scalar_one() == available + reserved + sold


_LINES = """
    SELECT r.state, r.buyer_id, line.quantity - line.returned AS left
    FROM stock_reservations r, unnest(r.sku_ids, r.quantities, r.returned) AS line (sku, quantity, returned)
    WHERE line.sku = :sku
"""
_HELD = f"""
    SELECT COALESCE(sum("left") FILTER (WHERE state = 'reserved'), 0) AS reserved,
           COALESCE(sum("left") FILTER (WHERE state = 'taken'), 0) AS sold
    FROM ({_LINES}) AS lines
"""
_HELD_BY_BUYER = f"""
    SELECT buyer_id, sum("left") FROM ({_LINES}) AS lines WHERE state <> 'released' GROUP BY buyer_id
    HAVING sum("left") > 0
"""
