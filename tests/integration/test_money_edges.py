"""Orders and wallets at their edges: too early, too late, too small, too large, and after the money had left."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.property.money_shop import REACTIONS, MoneyShop, make_plan, open_money_database, wipe
from tuike import commission, orders, wallet
from tuike.db import Database, outbox
from tuike.embedded import PostgresServer
from tuike.shared.errors import ValidationFailed
from tuike.shared.money import MAX_AMOUNT_MINOR, CurrencyUnknown

HALF = make_plan(rates=(5000, 3000, 1000), holding_days=0)


@pytest.fixture(scope="module")
def money_database(postgres: PostgresServer) -> Iterator[Database]:
    with open_money_database(postgres, "money_edges") as database:
        yield database


@pytest.fixture
def shop(money_database: Database) -> MoneyShop:
    wipe(money_database)
    return MoneyShop(money_database)


def settle(shop: MoneyShop) -> None:
    shop.drain()
    shop.release()
    check = shop.check()
    assert check.ok, check.breaks


def complete(shop: MoneyShop, *chain: str, lines=(1000,), plan=HALF, **terms) -> orders.Order:
    """An order that was paid, received and released."""
    order = shop.place(chain, lines=lines, plan=plan, **terms)
    shop.pay(order)
    shop.receive(order)
    settle(shop)
    return order


def amounts(shop: MoneyShop, order: orders.Order) -> list[tuple[int, int, str]]:
    return [(one.amount_minor, one.reversed_minor, one.status.value) for one in shop.list_commissions(order)]


# The ordinary life


def test_an_order_goes_from_payment_to_payout(shop):
    first, second = shop.make_promoters(2)
    order = shop.place([first, second])
    assert shop.list_commissions(order) == []
    shop.pay(order)
    with shop.db.transaction() as tx:
        assert not commission.is_settled(tx, order_id=order.id)
    shop.drain()
    with shop.db.transaction() as tx:
        assert commission.is_settled(tx, order_id=order.id)
    assert amounts(shop, order) == [(100, 0, "pending"), (30, 0, "pending"), (0, 0, "pending")]
    shop.wind(days=30)
    assert shop.release() == commission.Released()
    shop.receive(order)
    settle(shop)
    assert shop.holds(first) == {"pending": 100}
    shop.wind(days=7, microseconds=-1)
    assert shop.release() == commission.Released()
    shop.wind(microseconds=1)
    assert shop.release() == commission.Released(2, 130)
    assert shop.holds(first) == {"available": 100}
    shop.decide(shop.withdraw(first, 100), "approve", "paid")
    assert shop.holds(first) == {"withdrawn": 100}
    assert shop.check().ok


def test_the_holding_period_runs_from_receipt_not_from_payment(shop):
    order = shop.place(shop.make_promoters(1))
    shop.pay(order)
    shop.wind(days=100)
    settle(shop)
    assert shop.list_commissions(order)[0].due_at is None
    shop.receive(order, at=shop.now - timedelta(days=2))
    settle(shop)
    assert shop.list_commissions(order)[0].due_at == shop.now + timedelta(days=5)


def test_a_second_receipt_keeps_the_first_instant(shop):
    order = shop.place(shop.make_promoters(1))
    shop.pay(order)
    first = shop.receive(order, at=shop.now - timedelta(days=3))
    shop.drain()
    assert shop.receive(order).received_at == first.received_at
    shop.drain()
    assert shop.list_commissions(order)[0].due_at == first.received_at + timedelta(days=7)


def test_an_order_of_nobody_earns_nobody_anything_and_says_so(shop):
    order = complete(shop)
    items = shop.list_commissions(order)
    assert [(one.level, one.amount_minor, one.promoter_id) for one in items] == [
        (1, 0, None),
        (2, 0, None),
        (3, 0, None),
    ]
    assert [one.trace[-1].code for one in items] == ["no_attribution"] * 3
    shop.refund(order, 1000)
    settle(shop)
    assert shop.count("ledger_transactions") == 0
    assert shop.count("outbox") == 0


# Too early, twice, late


@pytest.mark.parametrize("what", ["receive", "refund"])
def test_what_comes_before_the_payment_leaves_no_trace_and_works_when_sent_again(shop, what):
    order = shop.place(shop.make_promoters(1))
    act = (lambda: shop.receive(order)) if what == "receive" else (lambda: shop.refund(order, 500, refund_id="r"))
    with pytest.raises(orders.OrderNotPaid):
        act()
    assert shop.count("outbox") == 0
    assert shop.count("refunds") == 0
    assert shop.get_order(order) == order
    shop.pay(order)
    act()
    settle(shop)
    expected = (100, 0, "pending") if what == "receive" else (100, 50, "pending")
    assert amounts(shop, order)[0] == expected


def test_a_refused_refund_id_can_be_used_again(shop):
    order = shop.place(shop.make_promoters(1))
    shop.pay(order)
    with pytest.raises(orders.RefundExceedsPaid):
        shop.refund(order, 1001, refund_id="r")
    refund, created = shop.refund(order, 1000, refund_id="r")
    assert created
    assert refund.amount_minor == 1000


def test_a_refused_payment_leaves_the_order_payable(shop):
    order = shop.place(shop.make_promoters(1), shipping=7)
    for amount in (1000, 1006, 1008, 0, -1007):
        with pytest.raises(orders.AmountMismatch):
            shop.pay(order, amount=amount)
    assert shop.pay(order, amount=1007).status == "paid"


@pytest.mark.parametrize("topics", [("order.received", "order.paid"), ("order.refunded", "order.paid")])
def test_consequences_may_overtake_the_accrual(shop, topics):
    (promoter,) = shop.make_promoters(1)
    order = shop.place([promoter], plan=HALF)
    shop.pay(order)
    shop.receive(order)
    shop.refund(order, 400)
    shop.drain(*topics)
    shop.drain()
    assert amounts(shop, order)[0] == (500, 200, "pending")
    assert shop.list_commissions(order)[0].due_at == shop.now
    settle(shop)
    assert shop.holds(promoter) == {"available": 300}


def test_a_full_refund_before_the_accrual_leaves_a_reversed_entry_and_no_money(shop):
    people = shop.make_promoters(3)
    order = shop.place(people)
    shop.pay(order)
    shop.refund(order, 1000)
    shop.drain("order.refunded")
    settle(shop)
    assert amounts(shop, order) == [(100, 100, "reversed"), (30, 30, "reversed"), (10, 10, "reversed")]
    assert all(shop.holds(promoter) == {} for promoter in people)


def test_a_full_refund_before_the_receipt_stays_refunded_after_it(shop):
    people = shop.make_promoters(2)
    order = shop.place(people, plan=HALF)
    shop.pay(order)
    shop.refund(order, 1000)
    settle(shop)
    assert shop.receive(order).status == "refunded"
    settle(shop)
    assert shop.release() == commission.Released()
    assert [one[2] for one in amounts(shop, order)[:2]] == ["reversed", "reversed"]
    assert shop.holds(people[0]) == {}


def test_every_reaction_may_run_again_for_an_order_without_a_second_effect(shop):
    people = shop.make_promoters(2)
    order = complete(shop, *people)
    shop.refund(order, 333)
    settle(shop)
    before = (amounts(shop, order), shop.check())
    for _ in range(2):
        for react in REACTIONS.values():
            with shop.db.transaction() as tx:
                react(tx, [order.id], shop.now)
    settle(shop)
    assert (amounts(shop, order), shop.check()) == before


def test_a_reaction_survives_an_order_named_twice_and_one_that_does_not_exist(shop):
    order = shop.place(shop.make_promoters(2))
    shop.pay(order)
    shop.refund(order, 100)
    for react in REACTIONS.values():
        with shop.db.transaction() as tx:
            react(tx, [order.id, "ord_" + "0" * 26, order.id], shop.now)
    settle(shop)
    assert amounts(shop, order)[0] == (100, 10, "pending")


@pytest.mark.parametrize("verb", ["pay", "receive", "refund"])
def test_instants_more_than_five_minutes_ahead_are_refused_and_the_past_is_taken_as_said(shop, verb):
    order = shop.place(shop.make_promoters(1))
    if verb != "pay":
        shop.pay(order)
    calls = {
        "pay": lambda tx, at: orders.record_payment(
            tx, order_id=order.id, payment_id="p", paid_at=at, amount_minor=1000, now=shop.now
        ),
        "receive": lambda tx, at: orders.record_receipt(tx, order_id=order.id, received_at=at, now=shop.now),
        "refund": lambda tx, at: orders.record_refund(
            tx, order_id=order.id, refund_id="r", refunded_at=at, amount_minor=1, now=shop.now
        ),
    }
    with pytest.raises(ValidationFailed), shop.db.transaction() as tx:
        calls[verb](tx, shop.now + timedelta(minutes=5, microseconds=1))
    with shop.db.transaction() as tx:
        calls[verb](tx, datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))


@pytest.mark.parametrize("order_id", ["", "ord_nothing", "日本", "ord_" + "0" * 26])
def test_an_unknown_order_is_not_found_by_any_verb(shop, order_id):
    class Unknown:
        id, external_id, total_minor = order_id, "x", 1

    for act in (shop.pay, shop.receive, lambda one: shop.refund(one, 1), shop.get_order, shop.list_commissions):
        with pytest.raises(orders.OrderNotFound):
            act(Unknown)


@pytest.mark.parametrize(
    "commission_id", ["", "com_", "com_x_1", "com_" + "0" * 26 + "_1", "com_" + "0" * 26 + "_9", "ord_1_1"]
)
def test_an_unknown_commission_is_not_found(shop, commission_id):
    with pytest.raises(commission.CommissionNotFound), shop.db.transaction() as tx:
        commission.hold_commission(tx, commission_id=commission_id, reason="x", now=shop.now)


# Refunds


def test_partial_refunds_that_add_up_to_the_whole_leave_exactly_nothing_anywhere(shop):
    people = shop.make_promoters(3)
    order = shop.place(people, lines=[999, (333, (3333, 3333, 3334)), 7], shipping=13)
    shop.pay(order)
    for part in (1, 2, 333, 100, 500, 403, 13):
        shop.refund(order, part)
        settle(shop)
    seen = shop.get_order(order)
    assert seen.refunded_minor == seen.total_minor == 1352
    assert seen.status == "refunded"
    assert all(amount == back for amount, back, _ in amounts(shop, order))
    assert all(shop.holds(promoter) == {} for promoter in people)


def test_a_partial_refund_keeps_the_status_and_tells_the_amount(shop):
    order = complete(shop, *shop.make_promoters(1), shipping=50)
    shop.refund(order, 1000)
    assert (shop.get_order(order).status, shop.get_order(order).refunded_minor) == ("received", 1000)
    shop.refund(order, 50)
    assert (shop.get_order(order).status, shop.get_order(order).refunded_minor) == ("refunded", 1050)


def test_a_refund_of_freight_alone_takes_nothing_from_anybody(shop):
    order = shop.place(shop.make_promoters(1), shipping=50)
    shop.pay(order)
    shop.refund(order, 1000)
    settle(shop)
    refund, _ = shop.refund(order, 50)
    assert (refund.lines, refund.shipping_minor, shop.count("outbox")) == ((), 50, 0)


def test_refunds_by_line_and_by_amount_mix(shop):
    (promoter,) = shop.make_promoters(1)
    order = shop.place([promoter], lines=[(1000, (2000,), "a"), (1000, (100,), "b")], shipping=5)
    shop.pay(order)
    shop.refund(order, lines=[("a", 600)])
    refund, _ = shop.refund(order, 700)
    assert [part.amount_minor for part in refund.lines] == [200, 500]
    settle(shop)
    assert amounts(shop, order)[0] == (210, 165, "pending")
    with pytest.raises(orders.RefundExceedsPaid):
        shop.refund(order, lines=[("a", 201)])
    shop.refund(order, lines=[("b", 500), ("a", 200)])
    settle(shop)
    assert amounts(shop, order)[0] == (210, 210, "reversed")
    assert shop.get_order(order).status == "received" or shop.get_order(order).status == "paid"
    shop.refund(order, 5)
    assert shop.get_order(order).status == "refunded"


def test_a_refund_names_either_an_amount_or_lines(shop):
    order = shop.place(shop.make_promoters(1))
    shop.pay(order)
    for terms in ({}, {"amount": 5, "lines": [("sku-0", 5)]}):
        with pytest.raises(orders.model.RefundAmbiguous):
            shop.refund(order, **terms)


def test_a_refund_id_belongs_to_one_refund_of_one_order(shop):
    first, second = (shop.place(shop.make_promoters(1)) for _ in range(2))
    shop.pay(first)
    shop.pay(second)
    shop.refund(first, 10, refund_id="r")
    for order, terms in ((second, {"amount": 10}), (first, {"amount": 11}), (first, {"lines": [("sku-0", 10)]}),
                         (first, {"amount": 10, "at": shop.now - timedelta(1)})):  # fmt: skip
        with pytest.raises(orders.RefundIdTaken):
            shop.refund(order, **terms, refund_id="r")
    elsewhere = shop.now.astimezone(tz=datetime.now().astimezone().tzinfo)
    assert shop.refund(first, 10, refund_id="r", at=elsewhere)[1] is False


def test_a_partially_reversed_entry_is_released_for_what_is_left(shop):
    people = shop.make_promoters(2)
    order = shop.place(people, plan=HALF)
    shop.pay(order)
    shop.receive(order)
    shop.refund(order, 250)
    settle(shop)
    assert shop.holds(people[0]) == {"available": 375}
    assert amounts(shop, order)[:2] == [(500, 125, "available"), (300, 75, "available")]


def test_a_released_and_partly_reversed_entry_reverses_the_rest_and_no_more(shop):
    people = shop.make_promoters(2)
    order = complete(shop, *people)
    for part, left in ((1, 499), (499, 250), (500, 0)):
        shop.refund(order, part)
        settle(shop)
        assert shop.holds(people[0]) == ({"available": left} if left else {})
    assert amounts(shop, order)[:2] == [(500, 500, "reversed"), (300, 300, "reversed")]


# Caps and tiny amounts


def test_an_order_of_one_minor_unit_pays_nothing_and_refunds_cleanly(shop):
    people = shop.make_promoters(3)
    order = complete(shop, *people, lines=[1])
    assert [one.trace[-1].code for one in shop.list_commissions(order)] == ["below_one_unit"] * 3
    shop.refund(order, 1)
    settle(shop)
    assert shop.count("ledger_transactions") == 0


def test_a_commission_of_one_minor_unit_lives_and_dies(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter, lines=[1], plan=make_plan(rates=(10_000, 0, 0), holding_days=0))
    assert shop.holds(promoter) == {"available": 1}
    shop.refund(order, 1)
    settle(shop)
    assert shop.holds(promoter) == {}


def test_a_capped_order_never_pays_more_than_is_still_paid_for_each_line(shop):
    people = shop.make_promoters(3)
    order = shop.place(people, lines=[8, (1000, (9000, 9000, 9000)), 500], plan=make_plan(rates=(6000, 6000, 0)))
    shop.pay(order)
    for sku, part in (("sku-0", 1), ("sku-1", 999), ("sku-0", 3), ("sku-2", 499), ("sku-0", 3)):
        shop.refund(order, lines=[(sku, part)])
        settle(shop)
        left = sum(amount - back for amount, back, _ in amounts(shop, order))
        assert left <= sum(line.left_minor for line in shop.get_order(order).lines)


def test_two_hundred_lines_with_rates_of_their_own(shop):
    people = shop.make_promoters(3)
    lines = [(100 + no, (no * 10, no * 5, no)) for no in range(200)]
    order = complete(shop, *people, lines=lines)
    wanted = [sum((100 + no) * rate // 10_000 for no, rate in enumerate(rates)) for rates in
              ([no * 10 for no in range(200)], [no * 5 for no in range(200)], list(range(200)))]  # fmt: skip
    assert [one[0] for one in amounts(shop, order)] == wanted
    refund, _ = shop.refund(order, sum(line.amount_minor for line in order.lines) - 1)
    assert len(refund.lines) == 200
    shop.refund(order, 1)
    settle(shop)
    assert all(one[2] == "reversed" for one in amounts(shop, order))


# Large amounts


def test_the_largest_order_is_exact_all_the_way(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(
        shop, promoter, lines=[MAX_AMOUNT_MINOR - 1, 1], plan=make_plan(rates=(3333, 0, 0), holding_days=0)
    )
    assert shop.holds(promoter) == {"available": (MAX_AMOUNT_MINOR - 1) * 3333 // 10_000}
    shop.refund(order, MAX_AMOUNT_MINOR)
    settle(shop)
    assert shop.holds(promoter) == {}


def test_many_of_the_largest_orders_fit_the_accounts(shop):
    (promoter,) = shop.make_promoters(1)
    for _ in range(20):
        shop.earn(promoter, MAX_AMOUNT_MINOR)
    assert shop.holds(promoter) == {"available": 20 * MAX_AMOUNT_MINOR}
    with pytest.raises(wallet.AmountTooLarge):
        shop.withdraw(promoter, MAX_AMOUNT_MINOR + 1)
    shop.decide(shop.withdraw(promoter, MAX_AMOUNT_MINOR), "approve", "paid")
    assert shop.holds(promoter) == {"available": 19 * MAX_AMOUNT_MINOR, "withdrawn": MAX_AMOUNT_MINOR}
    assert shop.check().ok


def test_an_order_beyond_the_largest_amount_is_refused_not_rounded(shop):
    with pytest.raises(orders.model.AmountsTooLarge):
        shop.place(lines=[MAX_AMOUNT_MINOR, 1])


# After the money had left


def test_a_refund_after_the_payout_becomes_debt_that_the_next_release_settles_first(shop):
    people = shop.make_promoters(2)
    order = complete(shop, *people)
    shop.decide(shop.withdraw(people[0], 500), "approve", "paid")
    shop.refund(order, 600)
    settle(shop)
    assert shop.holds(people[0]) == {"withdrawn": 500, "debt": 300}
    assert shop.holds(people[1]) == {"available": 120}
    shop.earn(people[0], 200)
    assert shop.holds(people[0]) == {"withdrawn": 500, "debt": 100}
    shop.earn(people[0], 250)
    assert shop.holds(people[0]) == {"withdrawn": 500, "available": 150}
    assert shop.check().ok


def test_a_reversal_takes_what_is_available_before_it_makes_debt(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter)
    shop.withdraw(promoter, 400)
    shop.refund(order, 1000)
    settle(shop)
    assert shop.holds(promoter) == {"withdrawing": 400, "debt": 400}


@pytest.mark.parametrize("verbs", [("reject",), ("approve", "failed")])
def test_money_given_back_settles_debt_first(shop, verbs):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter)
    withdrawal = shop.withdraw(promoter, 500)
    shop.refund(order, 600)
    settle(shop)
    assert shop.holds(promoter) == {"withdrawing": 500, "debt": 300}
    shop.decide(withdrawal, *verbs)
    assert shop.holds(promoter) == {"available": 200}
    assert shop.check().ok


def test_a_failed_payout_with_more_debt_than_money_leaves_the_rest_of_the_debt(shop):
    (promoter,) = shop.make_promoters(1)
    orders_made = [complete(shop, promoter) for _ in range(2)]
    kept = shop.withdraw(promoter, 300)
    shop.decide(shop.withdraw(promoter, 700), "approve", "paid")
    for order in orders_made:
        shop.refund(order, 1000)
    settle(shop)
    assert shop.holds(promoter) == {"withdrawing": 300, "withdrawn": 700, "debt": 1000}
    shop.decide(kept, "approve", "failed")
    assert shop.holds(promoter) == {"withdrawn": 700, "debt": 700}
    assert shop.check().ok


def test_a_reversal_never_touches_pending_money_of_other_orders(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter)
    shop.withdraw(promoter, 500)
    other = shop.place([promoter])
    shop.pay(other)
    shop.drain()
    shop.refund(order, 1000)
    settle(shop)
    assert shop.holds(promoter) == {"withdrawing": 500, "debt": 500, "pending": 100}


def test_several_reversals_of_one_promoter_in_one_batch_share_what_is_available(shop):
    (promoter,) = shop.make_promoters(1)
    made = [complete(shop, promoter) for _ in range(3)]
    shop.withdraw(promoter, 900)
    for order in made:
        shop.refund(order, 1000)
    assert shop.drain("order.refunded") == 3
    assert shop.holds(promoter) == {"withdrawing": 900, "debt": 900}
    assert shop.check().ok


def test_several_releases_of_one_promoter_in_one_batch_settle_a_debt_once(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter)
    shop.withdraw(promoter, 500)
    shop.refund(order, 1000)
    settle(shop)
    made = [shop.place([promoter], plan=HALF, lines=[600]) for _ in range(3)]
    for one in made:
        shop.pay(one)
        shop.receive(one)
    shop.drain()
    assert shop.release() == commission.Released(3, 900)
    assert shop.holds(promoter) == {"withdrawing": 500, "available": 400}
    assert shop.check().ok


def test_debt_of_one_currency_is_not_settled_with_another(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter)
    shop.withdraw(promoter, 500)
    shop.refund(order, 1000)
    settle(shop)
    shop.earn(promoter, 800, currency="USD")
    assert shop.holds(promoter) == {"withdrawing": 500, "debt": 500}
    assert shop.holds(promoter, "USD") == {"available": 800}
    with pytest.raises(wallet.InsufficientBalance):
        shop.withdraw(promoter, 100)
    shop.withdraw(promoter, 800, currency="USD")
    check = shop.check()
    assert check.ok
    assert check.sums == {"CNY": 0, "USD": 0}


def test_an_unknown_currency_has_no_wallet(shop):
    (promoter,) = shop.make_promoters(1)
    with pytest.raises(CurrencyUnknown):
        shop.get_wallet(promoter, "RMB")
    with pytest.raises(CurrencyUnknown):
        shop.withdraw(promoter, 100, currency="cny")


def test_an_unknown_promoter_has_no_wallet(shop):
    with pytest.raises(wallet.WalletOwnerNotFound):
        shop.get_wallet("prm_nobody")
    with pytest.raises(wallet.WalletOwnerNotFound):
        shop.withdraw("main", 100)


# Holds


def test_a_frozen_commission_is_not_released_until_the_hold_is_lifted(shop):
    people = shop.make_promoters(2)
    order = shop.place(people, plan=HALF)
    shop.pay(order)
    shop.drain()
    assert shop.hold(order).hold_reason == "risk"
    shop.receive(order)
    settle(shop)
    assert shop.holds(people[0]) == {"frozen": 500}
    assert shop.holds(people[1]) == {"available": 300}
    assert shop.lift(order).status == "pending"
    settle(shop)
    assert shop.holds(people[0]) == {"available": 500}


def test_a_refund_takes_frozen_money_from_where_it_is(shop):
    (promoter,) = shop.make_promoters(1)
    order = shop.place([promoter])
    shop.pay(order)
    shop.drain()
    shop.hold(order)
    shop.refund(order, 400)
    settle(shop)
    assert shop.holds(promoter) == {"frozen": 60}
    shop.refund(order, 600)
    settle(shop)
    assert amounts(shop, order)[0] == (100, 100, "reversed")
    assert shop.holds(promoter) == {}
    with pytest.raises(wallet.WrongState):
        shop.lift(order)


def test_bug_freezing_twice_at_one_instant_collided_in_the_ledger(shop):
    order = shop.place(shop.make_promoters(1))
    shop.pay(order)
    shop.drain()
    for _ in range(3):
        shop.hold(order)
        shop.lift(order)
    assert amounts(shop, order)[0] == (100, 0, "pending")
    assert shop.check().ok


def test_what_is_available_or_reversed_cannot_be_held(shop):
    (promoter,) = shop.make_promoters(1)
    order = complete(shop, promoter)
    with pytest.raises(wallet.WrongState):
        shop.hold(order)
    with pytest.raises(commission.CommissionNotFound):
        shop.hold(order, 2)


# Withdrawals


def test_pending_and_frozen_money_cannot_be_withdrawn(shop):
    (promoter,) = shop.make_promoters(1)
    for should_hold in (True, False):
        order = shop.place([promoter], lines=[10_000])
        shop.pay(order)
        shop.drain()
        if should_hold:
            shop.hold(order)
    assert shop.holds(promoter) == {"pending": 1000, "frozen": 1000}
    with pytest.raises(wallet.InsufficientBalance):
        shop.withdraw(promoter, 100)


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ((), "paid"), ((), "failed"), (("approve",), "approve"), (("approve",), "reject"), (("reject",), "approve"),
        (("reject",), "paid"), (("approve", "paid"), "failed"), (("approve", "paid"), "paid"),
        (("approve", "failed"), "paid"), (("approve", "failed"), "failed"),
    ],
)  # fmt: skip
def test_a_withdrawal_goes_only_where_its_state_allows(shop, path, verb):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 500)
    withdrawal = shop.decide(shop.withdraw(promoter, 500), *path)
    before = shop.holds(promoter)
    with pytest.raises(wallet.WrongState):
        shop.decide(withdrawal, verb)
    assert shop.holds(promoter) == before


def test_an_unknown_withdrawal_is_not_found(shop):
    class Unknown:
        id = "wdr_nothing"

    for verb in ("approve", "reject", "paid", "failed"):
        with pytest.raises(wallet.WithdrawalNotFound):
            shop.decide(Unknown, verb)


def test_a_fee_goes_to_the_platform_and_counts_as_withdrawn(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 1_000)
    for fee_bps, amount, fee in ((50, 399, 1), (10_000, 600, 600)):
        with shop.db.transaction() as tx:
            wallet.replace_policy(
                tx, minimum_minor=1, fee_bps=fee_bps, daily_limit_minor=None, review_above_minor=None, now=shop.now
            )
        withdrawal = shop.withdraw(promoter, amount)
        assert withdrawal.fee_minor == fee
        shop.decide(withdrawal, "approve", "paid")
    assert shop.holds(promoter) == {"available": 1, "withdrawn": 999}
    with shop.db.transaction() as tx:
        balances = wallet.lock_balances(tx, accounts=[(wallet.WORLD, "CNY"), (wallet.FEES, "CNY")])
    assert (balances.of(wallet.WORLD, "CNY"), balances.of(wallet.FEES, "CNY")) == (398, 601)
    assert shop.check().ok


def test_the_daily_limit_turns_at_midnight_in_shanghai_and_forgets_what_was_given_back(shop):
    (promoter,) = shop.make_promoters(1)
    shop.earn(promoter, 10_000)
    shop.earn(promoter, 10_000, currency="USD")
    with shop.db.transaction() as tx:
        wallet.replace_policy(
            tx, minimum_minor=100, fee_bps=0, daily_limit_minor=1_000, review_above_minor=None, now=shop.now
        )
    shop.now = datetime(2026, 3, 5, 15, 59, 59, 999_999, tzinfo=UTC)  # a microsecond before midnight in Shanghai
    first = shop.withdraw(promoter, 900)
    with pytest.raises(wallet.DailyLimitExceeded):
        shop.withdraw(promoter, 101)
    shop.withdraw(promoter, 1_000, currency="USD")
    shop.decide(first, "reject")
    second = shop.withdraw(promoter, 1_000)
    shop.decide(second, "approve", "paid")
    with pytest.raises(wallet.DailyLimitExceeded):
        shop.withdraw(promoter, 100)
    shop.wind(microseconds=1)
    shop.withdraw(promoter, 1_000)
    with pytest.raises(wallet.DailyLimitExceeded):
        shop.withdraw(promoter, 100)
    assert shop.check().ok


def test_withdrawals_are_listed_newest_first_page_by_page(shop):
    first, second = shop.make_promoters(2)
    shop.earn(first, 1_000)
    shop.earn(second, 1_000)
    made = [shop.withdraw(first, 100).id for _ in range(5)]
    other = shop.withdraw(second, 100)
    shop.decide(other, "approve")

    def walk(**terms):
        seen, cursor = [], None
        while True:
            with shop.db.transaction() as tx:
                page = wallet.list_withdrawals(tx, limit=2, cursor=cursor, **terms)
            seen += [one.id for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return seen

    assert sorted(walk(promoter_id=first)) == sorted(made)
    assert walk(status="approved") == [other.id]
    assert walk() == sorted([*made, other.id], reverse=True)


def test_orders_are_listed_page_by_page_and_by_external_id(shop):
    made = [shop.place() for _ in range(5)]
    seen, cursor = [], None
    while True:
        with shop.db.transaction() as tx:
            page = orders.list_orders(tx, limit=2, cursor=cursor)
        seen += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(one.id for one in made)
    with shop.db.transaction() as tx:
        assert [one.id for one in orders.list_orders(tx, external_id="ext-3", limit=50).items] == [made[2].id]
        assert not orders.list_orders(tx, external_id="EXT-3", limit=50).items
        assert len(orders.list_orders(tx, buyer_id="buyer", limit=50).items) == 5


# The outbox


def test_an_event_waits_longer_after_each_failure_and_keeps_its_error(shop):
    with shop.db.transaction() as tx:
        outbox.emit(tx, topic="order.paid", key="k", now=shop.now)
    waits = []
    for _ in range(12):
        with shop.db.transaction() as tx:
            (event_id,) = outbox.list_due(tx, topic="order.paid", limit=10, now=shop.now)
            outbox.postpone(tx, ids=[event_id], error="x" * 5_000, now=shop.now)
            assert outbox.claim(tx, topic="order.paid", limit=10, now=shop.now) == []
            row = tx.execute(outbox.text("SELECT next_at, error, attempts FROM outbox")).one()
        waits.append((row.next_at - shop.now).total_seconds())
        shop.now = row.next_at
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert (len(row.error), row.attempts) == (500, 12)


def test_an_event_rolls_back_with_its_cause_and_comes_back_when_its_effect_does(shop):
    with pytest.raises(RuntimeError), shop.db.transaction() as tx:
        outbox.emit(tx, topic="order.paid", key="k", now=shop.now)
        raise RuntimeError
    assert shop.count("outbox") == 0
    with shop.db.transaction() as tx:
        outbox.emit(tx, topic="order.paid", key="k", payload={"a": [1]}, now=shop.now)
    with pytest.raises(RuntimeError), shop.db.transaction() as tx:
        (event,) = outbox.claim(tx, topic="order.paid", limit=1, now=shop.now)
        assert (event.key, event.payload) == ("k", {"a": [1]})
        raise RuntimeError
    with shop.db.transaction() as tx:
        assert len(outbox.claim(tx, topic="order.paid", limit=1, now=shop.now)) == 1


def test_two_workers_never_hold_the_same_event_and_each_stays_within_its_limit(shop):
    with shop.db.transaction() as tx:
        for number in range(10):
            outbox.emit(tx, topic="order.paid", key=str(number), now=shop.now)
    with shop.db.transaction() as one, shop.db.transaction() as two:
        first = outbox.claim(one, topic="order.paid", limit=4, now=shop.now)
        second = outbox.claim(two, topic="order.paid", limit=4, now=shop.now)
        assert outbox.claim_one(two, id=first[0].id) is None
    assert [event.key for event in first + second] == [str(number) for number in range(8)]


def test_postponed_events_can_be_hurried_and_are_counted_by_topic(shop):
    with shop.db.transaction() as tx:
        outbox.emit(tx, topic="order.unresolved", key="a", now=shop.now)
        outbox.emit(tx, topic="order.paid", key="b", now=shop.now)
        (event_id,) = outbox.list_due(tx, topic="order.unresolved", limit=10, now=shop.now)
        outbox.postpone(tx, ids=[event_id], error="down", now=shop.now)
        assert outbox.list_due(tx, topic="order.unresolved", limit=10, now=shop.now) == []
        outbox.hurry(tx, topic="order.unresolved", now=shop.now)
        assert outbox.list_due(tx, topic="order.unresolved", limit=10, now=shop.now) == [event_id]
        assert outbox.count_waiting(tx) == {"order.unresolved": 1, "order.paid": 1}
        assert not outbox.is_quiet(tx, key="a")
        assert outbox.is_quiet(tx, key="c")
