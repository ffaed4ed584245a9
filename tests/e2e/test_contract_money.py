"""The contract's exact readings about money, over HTTP beside a running `tuike up`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.shops import DEFAULT_PLAN, Shop, ago, expect, make_line, read_clock, to_text


@pytest.fixture
def shop(embedded_shop: Shop) -> Iterator[Shop]:
    """The shop beside `tuike up`, on the default plan; the graph server makes no difference here."""
    embedded_shop.set_plan()
    yield embedded_shop
    embedded_shop.set_plan()


# 2. Instants


@pytest.mark.parametrize("minutes", [-60 * 24 * 365 * 20, 0, 4])
def test_instants_of_the_past_and_a_little_ahead_are_taken_as_said_to_the_microsecond(shop: Shop, minutes: int) -> None:
    instant = (read_clock() + timedelta(minutes=minutes)).replace(microsecond=123_457)
    promoter, buyer = shop.make_promoter(), shop.new_id("buyer")
    shop.touch(shop.make_link(promoter), buyer_id=buyer, at=to_text(instant))
    order = shop.place(buyer_id=buyer, placed_at=to_text(instant))
    assert order["attribution"]["promoter_id"] == promoter["id"]
    shop.pay(order, paid_at=to_text(instant))
    shop.receive(order, instant)
    shop.refund(order, 1, refunded_at=to_text(instant))
    read = shop.get(f"orders/{order['id']}")
    assert [read[name] for name in ("placed_at", "paid_at", "received_at")] == [to_text(instant)] * 3
    due_at = shop.list_commissions(order)[0]["due_at"]
    assert due_at == to_text(instant + timedelta(days=7))


def test_an_instant_more_than_five_minutes_ahead_is_refused_everywhere_and_leaves_nothing(shop: Shop) -> None:
    ahead = to_text(read_clock() + timedelta(minutes=6))
    promoter = shop.make_promoter()
    shop.post("touches", {"code": shop.make_link(promoter), "at": ahead}, 422, "validation_failed")
    body = shop.order_body(placed_at=ahead)
    assert set(shop.post("orders", body, 422)["error"]["fields"]) == {"placed_at"}
    assert shop.get("orders", external_id=body["external_id"])["items"] == []
    order = shop.place()
    shop.post(f"orders/{order['id']}/payment", shop.payment_body(order, paid_at=ahead), 422, "validation_failed")
    shop.pay(order)
    shop.post(f"orders/{order['id']}/receipt", {"received_at": ahead}, 422, "validation_failed")
    shop.post(f"orders/{order['id']}/refunds", {"refund_id": shop.new_id("r"), "refunded_at": ahead,
                                                "amount_minor": 1}, 422, "validation_failed")  # fmt: skip
    assert shop.get(f"orders/{order['id']}")["status"] == "paid"


def test_a_touch_counts_up_to_the_very_microsecond_of_the_order(shop: Shop) -> None:
    promoter, placed_at = shop.make_promoter(), ago(days=1).replace(microsecond=500_000)
    code, micro = shop.make_link(promoter), timedelta(microseconds=1)
    cases = [
        (placed_at, True),
        (placed_at + micro, False),
        (placed_at - timedelta(days=30) + micro, True),
        (placed_at - timedelta(days=30) - micro, False),
    ]
    for at, counts in cases:
        buyer = shop.new_id("buyer")
        shop.touch(code, buyer_id=buyer, at=to_text(at))
        order = shop.place(buyer_id=buyer, placed_at=to_text(placed_at))
        assert (order["attribution"]["promoter_id"] == promoter["id"]) == counts, at


def test_a_second_receipt_with_another_instant_keeps_the_first(shop: Shop) -> None:
    order = shop.sell(shop.make_promoter())
    first = ago(days=3)
    shop.receive(order, first)
    assert shop.receive(order, ago(days=30))["received_at"] == to_text(first)
    assert shop.receive(order, read_clock())["received_at"] == to_text(first)
    assert shop.list_commissions(order)[0]["due_at"] == to_text(first + timedelta(days=7))


def test_orders_from_before_the_first_plan_follow_the_first_version(shop: Shop) -> None:
    shop.set_plan(rates_bps=[5000, 0, 0])
    order = shop.sell(shop.make_promoter(), placed_at="2003-04-05T06:07:08Z")
    assert order["plan_version"] == 1
    assert shop.amounts(order) == [1_000, 0, 0]


# 3. Amounts


NO_AMOUNTS = ["100", "1e2", 100.0, 1e2, True, False, [100], {"minor": 100}, -1, -(2**63)]


@pytest.mark.parametrize(
    ("where", "amount"),
    [(where, amount) for where in ("line", "shipping", "payment", "refund", "withdrawal") for amount in NO_AMOUNTS]
    + [(where, amount) for where in ("line", "payment", "withdrawal") for amount in (None, 0)]
    + [("refund", 0)],
)
def test_anything_but_a_whole_number_above_zero_is_refused_where_money_is_due(
    shop: Shop, where: str, amount: Any
) -> None:
    paths: dict[str, tuple[str, Any]] = {
        "line": ("orders", shop.order_body(make_line(amount))),
        "shipping": ("orders", shop.order_body(shipping_minor=amount)),
        "payment": ("orders/x/payment", {"payment_id": "p", "paid_at": "2026-01-01T00:00:00Z", "amount_minor": amount}),
        "refund": ("orders/x/refunds", {"refund_id": "r", "refunded_at": "2026-01-01T00:00:00Z",
                                        "amount_minor": amount}),
        "withdrawal": ("withdrawals", {"promoter_id": "prm_x", "amount_minor": amount, "method": "manual"}),
    }  # fmt: skip
    path, body = paths[where]
    error = shop.post(path, body, 422)["error"]
    assert error["fields"], error


@pytest.mark.parametrize("amount", [2**53 + 1, 2**63, 10**30, 10**400])
def test_an_amount_beyond_every_float_is_exact_or_refused(shop: Shop, amount: int) -> None:
    body = shop.order_body(make_line(amount))
    answer = shop.api.post("orders", json=body)
    if answer.status_code == 201:
        assert answer.json()["lines"][0]["amount_minor"] == amount
        shop.pay(answer.json())
    else:
        assert expect(answer, 422)["error"]["fields"]
        assert shop.get("orders", external_id=body["external_id"])["items"] == []


def test_the_largest_order_is_split_and_taken_back_to_the_last_unit(shop: Shop) -> None:
    shop.set_plan(levels_max=3, rates_bps=[3333, 3333, 3333])
    *_, low = shop.make_chain(3)
    largest = 10**13
    order = shop.sell(low, make_line(largest - 1, rates_bps=[3333, 3333, 3333]))
    assert shop.amounts(order) == [(largest - 1) * 3333 // 10_000] * 3
    shop.refund(order, largest - 2)
    assert shop.amounts(order) == [0, 0, 0]
    assert shop.get(f"orders/{order['id']}")["refunded_minor"] == largest - 2


def test_a_payment_is_the_sum_of_the_line_totals_and_freight(shop: Shop) -> None:
    order = shop.place(make_line(1_500, quantity=3), make_line(500, sku="b"), shipping_minor=99)
    for wrong in (2_000, 2_098, 2_100, 4_500):
        shop.post(f"orders/{order['id']}/payment", shop.payment_body(order, amount_minor=wrong), 422, "amount_mismatch")
    assert shop.get(f"orders/{order['id']}")["status"] == "placed"
    assert shop.pay(order)["status"] == "paid"


# 4. Refund by amount


def _spread(amount: int, left: list[int]) -> list[int]:
    """The rule in the contract's words, written again for the test."""
    goods = min(amount, sum(left))
    parts = [goods * one // sum(left) if sum(left) else 0 for one in left]
    rest = goods - sum(parts)
    for index in reversed(range(len(left))):
        more = min(rest, left[index] - parts[index])
        parts[index], rest = parts[index] + more, rest - more
    return parts


def test_a_refund_by_amount_is_spread_over_what_is_left_the_remainder_to_the_last_then_freight(shop: Shop) -> None:
    shop.set_plan(levels_max=2, rates_bps=[777, 333, 0])
    _, low = shop.make_chain(2)
    paid, rates = [3_333, 5, 6_661], (777, 333)
    order = shop.sell(low, *[make_line(one, sku=f"s{no}") for no, one in enumerate(paid)], shipping_minor=800)
    left, freight = list(paid), 800
    for amount in (100, 1, 7, 3_000, 6_000, 891, 400, 400):
        shop.refund(order, amount)
        parts = _spread(amount, left)
        freight -= amount - sum(parts)
        left = [one - part for one, part in zip(left, parts, strict=True)]
        read = shop.get(f"orders/{order['id']}")
        assert [line["amount_minor"] - line["refunded_minor"] for line in read["lines"]] == left, amount
        assert shop.amounts(order)[:2] == [sum(one * rate // 10_000 for one in left) for rate in rates], amount
        assert read["refunded_minor"] == sum(paid) + 800 - sum(left) - freight
    assert (sum(left), freight, read["status"]) == (0, 0, "refunded")
    body = {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()), "amount_minor": 1}
    shop.post(f"orders/{order['id']}/refunds", body, 422, "refund_exceeds_paid")


def test_a_refund_by_lines_touches_only_its_lines(shop: Shop) -> None:
    order = shop.sell(shop.make_promoter(), make_line(1_000, sku="a"), make_line(9_000, sku="b"))
    too_much = {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()),
                "lines": [{"sku": "a", "quantity": 1, "amount_minor": 1_001}]}  # fmt: skip
    shop.post(f"orders/{order['id']}/refunds", too_much, 422, "refund_exceeds_paid")
    shop.refund(order, lines=[{"sku": "a", "quantity": 1, "amount_minor": 1_000}])
    assert shop.amounts(order) == [900, 0, 0]
    read = shop.get(f"orders/{order['id']}")
    assert ([line["refunded_minor"] for line in read["lines"]], read["status"]) == ([1_000, 0], "paid")
    shop.refund(order, 9_000)
    assert shop.amounts(order) == [0, 0, 0]


def test_a_refund_that_exceeds_what_was_paid_is_refused_whole(shop: Shop) -> None:
    order = shop.sell(shop.make_promoter(), make_line(1_000), shipping_minor=100)
    for amount in (1_101, 10**13):
        body = {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()), "amount_minor": amount}
        shop.post(f"orders/{order['id']}/refunds", body, 422, "refund_exceeds_paid")
    assert shop.get(f"orders/{order['id']}")["refunded_minor"] == 0
    shop.refund(order, 1_100)
    assert shop.get(f"orders/{order['id']}")["status"] == "refunded"


# 5. Caps


def test_the_order_cap_cuts_the_levels_of_each_line_in_proportion_and_reverses_by_the_base_left(shop: Shop) -> None:
    shop.set_plan(levels_max=3, rates_bps=[1000, 500, 0], order_cap_bps=900)
    *_, low = shop.make_chain(3)
    order = shop.sell(low, make_line(10_000, sku="a"), make_line(333, sku="b", rates_bps=[1000, 500, 100]))
    cut = [33 * 29 // 52, 16 * 29 // 52, 3 * 29 // 52]
    assert shop.amounts(order) == [600 + cut[0], 300 + cut[1], cut[2]]
    codes = {step["code"] for item in shop.list_commissions(order) for step in item["trace"]}
    assert "order_cap" in codes
    shop.refund(order, lines=[{"sku": "a", "quantity": 1, "amount_minor": 5_000}])
    assert shop.amounts(order) == [300 + cut[0], 150 + cut[1], cut[2]]
    shop.refund(order, lines=[{"sku": "b", "quantity": 1, "amount_minor": 133}])
    assert shop.amounts(order) == [300 + cut[0] * 200 // 333, 150 + cut[1] * 200 // 333, cut[2] * 200 // 333]


def test_line_rates_open_no_level_that_the_plan_closes(shop: Shop) -> None:
    *_, low = shop.make_chain(3)
    order = shop.sell(low, make_line(rates_bps=[2000, 100, 5000]))
    assert shop.amounts(order) == [2_000, 100, 0]
    assert shop.list_commissions(order)[2]["trace"][-1]["code"] == "level_closed"
    shop.post("orders", shop.order_body(make_line(rates_bps=[1, 1, 1, 1])), 422, "too_many_levels")


def test_line_rates_and_plan_rates_stand_side_by_side_in_one_order(shop: Shop) -> None:
    _, low = shop.make_chain(2)
    order = shop.sell(low, make_line(10_000), make_line(10_000, sku="b", rates_bps=[0, 0, 0]), make_line(777, sku="c"))
    assert shop.amounts(order) == [1_000 + 77, 300 + 23, 0]
    assert [item["base_minor"] for item in shop.list_commissions(order)] == [20_777] * 3


# 6. Self-purchase


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_buyer_gets_nothing_of_their_own_order_on_any_level_and_nobody_gets_it_instead(
    shop: Shop, level: int
) -> None:
    rates = [1000, 500, 200]
    plain = {"levels_max": 3, "rates_bps": rates}
    shop.set_plan(**plain)
    chain = list(reversed(shop.make_chain(3)))
    buyer = chain[level - 1]["external_id"]
    order = shop.sell(chain[0], buyer_id=buyer)
    assert order["attribution"]["promoter_id"] == chain[0]["id"]
    assert shop.amounts(order) == [0 if no == level else rate for no, rate in enumerate(rates, start=1)]
    assert shop.list_commissions(order)[level - 1]["trace"][-1]["code"] == "self_purchase"
    shop.set_plan(**plain, self_purchase=True)
    assert shop.amounts(shop.sell(chain[0], buyer_id=buyer)) == rates


# 9. Too early, 10. Twice


def test_what_comes_before_the_payment_is_refused_without_a_trace_and_works_when_sent_again(shop: Shop) -> None:
    promoter, buyer = shop.make_promoter(), shop.new_id("buyer")
    shop.touch(shop.make_link(promoter), buyer_id=buyer)
    order = shop.place(buyer_id=buyer)
    receipt = {"received_at": to_text(ago(days=1))}
    refund = {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()), "amount_minor": 5_000}
    keys = [{"Idempotency-Key": shop.new_id("key")} for _ in range(2)]
    calls = [(f"orders/{order['id']}/receipt", receipt, 200), (f"orders/{order['id']}/refunds", refund, 201)]
    for (path, body, _), key in zip(calls, keys, strict=True):
        expect(shop.api.post(path, json=body, headers=key), 409, "order_not_paid")
    read = shop.get(f"orders/{order['id']}")
    assert (read["status"], read["received_at"], read["refunded_minor"]) == ("placed", None, 0)
    shop.pay(order)
    for (path, body, status), key in zip(calls, keys, strict=True):
        answer = shop.api.post(path, json=body, headers=key)
        expect(answer, status)
        assert "Idempotency-Hit" not in answer.headers
    assert shop.amounts(order) == [500, 0, 0]


def test_payment_ids_and_refund_ids_are_unique_over_all_orders(shop: Shop) -> None:
    first, second = shop.place(), shop.place()
    payment = shop.payment_body(first)
    for _ in range(2):
        shop.post(f"orders/{first['id']}/payment", payment, 200)
    shop.post(f"orders/{first['id']}/payment", payment | {"payment_id": shop.new_id("p")}, 409, "already_paid")
    shop.post(f"orders/{second['id']}/payment", payment, 409, "payment_id_taken")
    shop.pay(second)
    refund = {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()), "amount_minor": 10}
    shop.post(f"orders/{first['id']}/refunds", refund)
    shop.post(f"orders/{first['id']}/refunds", refund)
    shop.post(f"orders/{first['id']}/refunds", refund | {"amount_minor": 11}, 409, "refund_id_taken")
    shop.post(f"orders/{second['id']}/refunds", refund, 409, "refund_id_taken")
    assert [shop.get(f"orders/{order['id']}")["refunded_minor"] for order in (first, second)] == [10, 0]


# 12. Withdrawals, 13. Debt


def test_a_withdrawal_passes_through_its_states_and_no_others(shop: Shop) -> None:
    promoter = shop.make_promoter()
    shop.earn(promoter, 1_000)
    shop.post("withdrawals", {"promoter_id": promoter["id"], "amount_minor": 99, "method": "bank"}, 422,
              "below_minimum")  # fmt: skip
    shop.post("withdrawals", {"promoter_id": promoter["id"], "amount_minor": 1_001, "method": "bank"}, 422,
              "insufficient_balance")  # fmt: skip
    paths = {
        ("approve", "paid"): {"withdrawn": 100, "available": 900},
        ("approve", "failed"): {"withdrawn": 100, "available": 900},
        ("reject",): {"withdrawn": 100, "available": 900},
    }
    for words, after in paths.items():
        withdrawal = shop.withdraw(promoter, 100)
        assert (withdrawal["status"], withdrawal["fee_minor"]) == ("requested", 0)
        done: list[str] = []
        for word in words:
            for wrong in {"paid", "failed"} - set(done) if word == "approve" else ():
                expect(shop.operator.post(f"withdrawals/{withdrawal['id']}/{wrong}", json={}), 409, "wrong_state")
            shop.decide(withdrawal, word)
            done.append(word)
        for wrong in ("approve", "reject", "paid", "failed"):
            expect(shop.operator.post(f"withdrawals/{withdrawal['id']}/{wrong}"), 409, "wrong_state")
        assert shop.wallet(promoter) == after, words
    expect(shop.api.post(f"withdrawals/{withdrawal['id']}/approve", json={}), 403, "forbidden")


def test_pending_and_frozen_money_cannot_be_withdrawn(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.sell(promoter)
    body = {"promoter_id": promoter["id"], "amount_minor": 100, "method": "manual"}
    entry = shop.list_commissions(order)[0]
    shop.post("withdrawals", body, 422, "insufficient_balance")
    expect(shop.operator.post(f"commissions/{entry['id']}/hold", json={"reason": "looks odd"}), 200)
    assert shop.wallet(promoter) == {"frozen": 1_000}
    shop.post("withdrawals", body, 422, "insufficient_balance")


def test_money_given_back_settles_debt_first_and_a_reversal_leaves_other_pending_money_alone(shop: Shop) -> None:
    for words in (("reject",), ("approve", "failed")):
        promoter = shop.make_promoter()
        order = shop.earn(promoter, 1_000)
        shop.list_commissions(shop.sell(promoter, make_line(5_000)))
        withdrawal = shop.withdraw(promoter, 600)
        shop.refund(order, 10_000)
        shop.wait_until_settled(order)
        assert shop.wallet(promoter) == {"pending": 500, "withdrawing": 600, "debt": 600}
        for word in words:
            shop.decide(withdrawal, word)
        assert shop.wallet(promoter) == {"pending": 500}


def test_a_payout_that_was_under_way_when_the_order_was_refunded_leaves_debt(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.earn(promoter, 1_000)
    withdrawal = shop.withdraw(promoter, 1_000)
    shop.refund(order, 4_000)
    shop.wait_until_settled(order)
    shop.decide(withdrawal, "approve")
    shop.decide(withdrawal, "paid")
    assert shop.wallet(promoter) == {"withdrawn": 1_000, "debt": 400}
    shop.post("withdrawals", {"promoter_id": promoter["id"], "amount_minor": 100, "method": "manual"}, 422,
              "insufficient_balance")  # fmt: skip


# 14. Holds


def test_a_held_commission_waits_for_a_person_and_still_follows_refunds(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.sell(promoter)
    entry = shop.list_commissions(order)[0]
    expect(shop.operator.post(f"commissions/{entry['id']}/hold", json={}), 200)
    shop.receive(order, ago(days=8))
    shop.wait_until_settled(order)
    shop.release()
    assert shop.list_commissions(order)[0]["status"] == "frozen"
    shop.refund(order, 2_500)
    shop.wait_until_settled(order)
    assert shop.wallet(promoter) == {"frozen": 750}
    expect(shop.operator.post(f"commissions/{entry['id']}/unhold", json={}), 200)
    shop.release()
    assert shop.wallet(promoter) == {"available": 750}


# 15. Plan


def test_a_plan_is_replaced_whole_and_its_version_is_never_taken_from_the_caller(shop: Shop) -> None:
    capped = shop.set_plan(order_cap_bps=500, version=10**6)
    assert capped["order_cap_bps"] == 500
    assert shop.set_plan()["version"] == capped["version"] + 1
    plan = shop.get("plans/default")
    assert plan.get("order_cap_bps") is None
    assert {name: plan[name] for name in DEFAULT_PLAN} == DEFAULT_PLAN
    refusals = [
        ({"levels_max": 4}, "too_many_levels"), ({"rates_bps": [1, 1, 1, 1]}, "too_many_levels"),
        ({"levels_max": 0}, None), ({"levels_max": "2"}, None), ({"rates_bps": [1.0, 0, 0]}, None),
        ({"rates_bps": [10_001, 0, 0]}, None), ({"rates_bps": [-1, 0, 0]}, None), ({"attribution": "middle"}, None),
        ({"base": "list_price"}, None), ({"self_purchase": 1}, None), ({"nonsense": 1}, None), ({"lock_days": 0}, None),
        ({"holding_days": -1}, None),
    ]  # fmt: skip
    for changes, code in refusals:
        expect(shop.operator.put("plans/default", json=DEFAULT_PLAN | changes), 422, code)
    expect(shop.api.put("plans/default", json=DEFAULT_PLAN), 403, "forbidden")
    assert shop.get("plans/default") == plan


def test_the_model_first_takes_the_oldest_touch_that_still_holds(shop: Shop) -> None:
    shop.set_plan(attribution="first", lock_days=10)
    old, first, last = (shop.make_promoter() for _ in range(3))
    buyer = shop.new_id("buyer")
    for promoter, days in ((last, 1), (old, 11), (first, 9)):
        shop.touch(shop.make_link(promoter), buyer_id=buyer, at=to_text(ago(days=days)))
    order = shop.place(buyer_id=buyer)
    assert (order["attribution"]["promoter_id"], order["attribution"]["model"]) == (first["id"], "first")


# 16. Currency


def test_each_currency_has_a_wallet_of_its_own(shop: Shop) -> None:
    promoter = shop.make_promoter()
    in_yuan = shop.earn(promoter, 1_000)
    shop.earn(promoter, 700, currency="USD")
    assert shop.wallet(promoter) == {"available": 1_000}
    assert shop.wallet(promoter, "USD") == {"available": 700}
    assert shop.withdraw(promoter, 300, currency="USD")["currency"] == "USD"
    body = {"promoter_id": promoter["id"], "amount_minor": 500, "currency": "USD", "method": "manual"}
    shop.post("withdrawals", body, 422, "insufficient_balance")
    withdrawal = shop.withdraw(promoter, 1_000)
    shop.refund(in_yuan, 10_000)
    shop.wait_until_settled(in_yuan)
    assert shop.wallet(promoter) == {"withdrawing": 1_000, "debt": 1_000}
    assert shop.wallet(promoter, "USD") == {"available": 400, "withdrawing": 300}
    assert shop.wallet(promoter, "JPY") == {}
    shop.decide(withdrawal, "reject")
    assert shop.get("ledger/check")["sums"].items() >= {"CNY": 0, "USD": 0}.items()


@pytest.mark.parametrize("code", ["cny", "RMB", "DEM", "CN", "CNYY", "¥", "CN\u0000"])
def test_only_active_iso_4217_codes_are_currencies(shop: Shop, code: str) -> None:
    promoter = shop.make_promoter()
    expected = None if "\u0000" in code else "currency_unknown"
    shop.post("orders", shop.order_body(currency=code), 422, expected)
    body = {"promoter_id": promoter["id"], "amount_minor": 100, "currency": code, "method": "manual"}
    shop.post("withdrawals", body, 422, expected)
    expect(shop.api.get(f"wallets/{promoter['id']}", params={"currency": code}), 422, expected)


# 7. Commissions


def test_commissions_list_three_levels_whatever_was_paid(shop: Shop) -> None:
    order = shop.place()
    unpaid = shop.wait_until_settled(order).json()["items"]
    assert [item["amount_minor"] for item in unpaid] in ([], [0, 0, 0])
    shop.pay(order)
    for item in shop.list_commissions(order):
        assert set(item) >= {"id", "promoter_id", "level", "base_minor", "rate_bps", "amount_minor", "reversed_minor",
                             "status", "due_at", "trace"}  # fmt: skip
        assert item["status"] in ("pending", "frozen", "available", "reversed")
        assert item["trace"]
        for step in item["trace"]:
            assert set(step) >= {"step", "level", "code", "detail"}
            assert step["code"] == step["code"].lower()


def test_the_due_instant_stands_to_the_microsecond_over_a_change_of_holding_days(shop: Shop) -> None:
    shop.set_plan(holding_days=0)
    promoter = shop.make_promoter()
    order = shop.sell(promoter)
    shop.set_plan(holding_days=30)
    received_at = datetime.fromisoformat("2026-03-01T23:59:59.999999+08:00")
    shop.receive(order, received_at)
    assert shop.list_commissions(order)[0]["due_at"] == "2026-03-01T15:59:59.999999Z"
    shop.release(received_at)
    assert shop.wallet(promoter) == {"available": 1_000}
