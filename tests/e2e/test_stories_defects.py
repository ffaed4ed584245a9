"""What other systems get wrong, one story for each row of the table of defects, over HTTP and on both graph servers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest

from tests.e2e.shops import Shop, ago, do_at_once, expect, make_line, read_clock, to_text


@pytest.fixture(autouse=True)
def the_default_plan(shop: Shop) -> Iterator[None]:
    """Start each story from the default plan, whatever the one before changed."""
    shop.set_plan()
    yield
    shop.set_plan()


# Loops of three or more accepted; the cycle check added late


@pytest.mark.parametrize("length", [2, 3, 5, 8])
def test_a_loop_of_any_length_is_refused_even_by_force(shop: Shop, length: int) -> None:
    chain = shop.make_chain(length)
    for force in (False, True):
        expect(shop.move(chain[0], chain[-1], force=force), 409, "binding_cycle")
    assert shop.upline(chain[0]) == []
    assert shop.upline(chain[-1]) == [above["id"] for above in reversed(chain[:-1])][:3]


@pytest.mark.parametrize("length", [2, 3, 5])
def test_moves_at_the_same_time_never_close_a_loop(shop: Shop, length: int) -> None:
    for _ in range(4):
        ring = [shop.make_promoter() for _ in range(length)]
        pairs = [(ring[index], ring[(index + 1) % length]) for index in range(length)]
        random.Random(length).shuffle(pairs)
        answers = do_at_once([partial(shop.move, below, above) for below, above in pairs])
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) == 1, [answer.text for answer in answers]
        expect(refused[0], 409, "binding_cycle")


def test_many_forced_moves_of_the_same_people_leave_a_forest(shop: Shop) -> None:
    people = [shop.make_promoter() for _ in range(6)]
    chosen = random.Random(6)
    pairs = [tuple(chosen.sample(people, 2)) for _ in range(32)]
    for batch in (pairs[:16], pairs[16:]):
        answers = do_at_once([partial(shop.move, below, above, force=True) for below, above in batch])
        assert {answer.status_code for answer in answers} <= {200, 409}
        for answer in answers:
            if answer.status_code == 409:
                expect(answer, 409, "binding_cycle")
    inviters = {person["id"]: shop.get(f"promoters/{person['id']}")["inviter_id"] for person in people}
    for start, inviter in inviters.items():
        seen, above = {start}, inviter
        while above is not None:
            assert above not in seen, inviters
            seen.add(above)
            above = inviters[above]
    members = [sum(above == person["id"] for above in inviters.values()) for person in people]
    assert [shop.team_sizes(person)[0] for person in people] == members
    shop.check_books()


# Ancestors kept as a comma string: `12` damages `112`


def test_moving_12_changes_nothing_for_112(shop: Shop) -> None:
    number = shop.new_id("")
    top, other = shop.make_chain(1)[0], shop.make_promoter()
    twelve = shop.make_promoter(top, external_id=f"{number}12")
    one_twelve = shop.make_promoter(top, external_id=f"1{number}12")
    twelve_hundred = shop.make_promoter(top, external_id=f"{number}12,")
    below = {person["id"]: shop.make_promoter(person) for person in (twelve, one_twelve, twelve_hundred)}
    lowest = shop.make_promoter(below[twelve["id"]])
    expect(shop.move(twelve, other, force=True), 200)
    assert shop.upline(below[one_twelve["id"]]) == [one_twelve["id"], top["id"]]
    assert shop.upline(below[twelve_hundred["id"]]) == [twelve_hundred["id"], top["id"]]
    assert shop.upline(below[twelve["id"]]) == [twelve["id"], other["id"]]
    assert shop.upline(lowest) == [below[twelve["id"]]["id"], twelve["id"], other["id"]]
    assert shop.team_sizes(top) == [2, 2, 0]
    assert shop.team_sizes(other) == [1, 1, 1]


# The promoter looked up again at payment, so a later click steals the order


def test_a_click_after_the_order_steals_nothing(shop: Shop) -> None:
    top, first = shop.make_chain(2)
    thief = shop.make_promoter()
    buyer = shop.new_id("buyer")
    shop.touch(shop.make_link(first), buyer_id=buyer)
    order = shop.place(buyer_id=buyer)
    shop.touch(shop.make_link(thief), buyer_id=buyer)
    shop.touch(shop.make_link(thief), buyer_id=buyer, at=to_text(datetime.fromisoformat(order["placed_at"])))
    expect(shop.move(first, thief, force=True), 200)
    paid = shop.pay(order)
    assert paid["attribution"] == order["attribution"]
    assert paid["attribution"]["promoter_id"] == first["id"]
    assert [(item["promoter_id"], item["amount_minor"]) for item in shop.list_commissions(order)] == [
        (first["id"], 1_000), (top["id"], 300), (None, 0),
    ]  # fmt: skip
    assert shop.wallet(thief) == {}


def test_an_order_told_late_belongs_to_who_held_the_buyer_then(shop: Shop) -> None:
    early, late = shop.make_promoter(), shop.make_promoter()
    buyer = shop.new_id("buyer")
    shop.touch(shop.make_link(early), buyer_id=buyer, at=to_text(ago(days=40)))
    shop.touch(shop.make_link(late), buyer_id=buyer, at=to_text(ago(days=10)))
    for days, holder in ((39, early), (15, early), (9, late), (0, late)):
        order = shop.place(buyer_id=buyer, placed_at=to_text(ago(days=days)))
        assert order["attribution"]["promoter_id"] == holder["id"], days
    order = shop.place(buyer_id=buyer, placed_at=to_text(ago(days=41)))
    assert (order["attribution"]["promoter_id"], order["attribution"]["reason"]) == (None, "no_valid_touch")


# The freeze counted from payment


def test_the_holding_period_runs_from_receipt_not_from_payment(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.sell(promoter, placed_at=to_text(ago(days=60)))
    assert [item["due_at"] for item in shop.list_commissions(order)] == [None, None, None]
    shop.release()
    assert shop.wallet(promoter) == {"pending": 1_000}
    received_at = read_clock().replace(microsecond=123_457)
    shop.receive(order, received_at)
    due_at = received_at + timedelta(days=7)
    assert shop.list_commissions(order)[0]["due_at"] == to_text(due_at)
    shop.release(due_at - timedelta(microseconds=1))
    assert shop.wallet(promoter) == {"pending": 1_000}
    assert shop.release(due_at)["released"] >= 1
    assert shop.wallet(promoter) == {"available": 1_000}
    assert shop.list_commissions(order)[0]["status"] == "available"


# The clawback clamped to the balance: the rest vanishes


def test_what_a_refund_cannot_take_becomes_debt_that_the_next_release_settles(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.earn(promoter, 1_000)
    withdrawal = shop.withdraw(promoter, 800)
    shop.decide(withdrawal, "approve")
    shop.decide(withdrawal, "paid")
    shop.refund(order, 10_000)
    assert shop.amounts(order) == [0, 0, 0]
    assert shop.wallet(promoter) == {"withdrawn": 800, "debt": 800}
    shop.earn(promoter, 500)
    assert shop.wallet(promoter) == {"withdrawn": 800, "debt": 300}
    shop.earn(promoter, 500)
    assert shop.wallet(promoter) == {"withdrawn": 800, "available": 200}
    shop.check_books()


# A partial refund takes back the whole commission, or none; the second level is forgotten


def test_a_partial_refund_takes_back_every_level_in_proportion(shop: Shop) -> None:
    top, middle, low = shop.make_chain(3)
    shop.set_plan(levels_max=3, rates_bps=[1000, 300, 70])
    order = shop.sell(low, make_line(9_999))
    assert shop.amounts(order) == [999, 299, 69]
    left = 9_999
    for amount in (3_333, 1, 2_500, 4_164):
        shop.refund(order, amount)
        left -= amount
        assert shop.amounts(order) == [left * rate // 10_000 for rate in (1000, 300, 70)]
    shop.refund(order, left) if left else None
    assert shop.amounts(order) == [0, 0, 0]
    assert [item["status"] for item in shop.list_commissions(order)] == ["reversed"] * 3
    assert shop.get(f"orders/{order['id']}")["status"] == "refunded"
    assert [shop.wallet(person) for person in (top, middle, low)] == [{}, {}, {}]


def test_a_refund_after_the_release_takes_back_every_level_from_what_is_available(shop: Shop) -> None:
    top, low = shop.make_chain(2)
    order = shop.earn(low, 1_000)
    assert (shop.wallet(low), shop.wallet(top)) == ({"available": 1_000}, {"available": 300})
    shop.refund(order, 2_500)
    assert shop.amounts(order) == [750, 225, 0]
    assert (shop.wallet(low), shop.wallet(top)) == ({"available": 750}, {"available": 225})


# A fixed amount per SKU larger than what was paid


def test_commission_never_exceeds_what_was_paid_for_the_line(shop: Shop) -> None:
    shop.set_plan(levels_max=3, order_cap_bps=6000)
    *_, low = shop.make_chain(3)
    greedy = make_line(777, rates_bps=[5_000, 3_000, 2_000])
    order = shop.sell(low, greedy, make_line(10_000, sku="other"), shipping_minor=50_000)
    items = shop.list_commissions(order)
    assert [item["base_minor"] for item in items] == [10_777] * 3
    cut = [388 * 466 // 776, 233 * 466 // 776, 155 * 466 // 776]
    assert [item["amount_minor"] for item in items] == [cut[0] + 1_000, cut[1] + 300, cut[2]]
    assert all("order_cap" in {step["code"] for step in item["trace"]} for item in items)
    shop.refund(order, lines=[{"sku": "other", "quantity": 1, "amount_minor": 10_000}])
    assert shop.amounts(order) == cut
    shop.refund(order, lines=[{"sku": "sku-1", "quantity": 1, "amount_minor": 770}])
    assert sum(shop.amounts(order)) <= 7 * 6_000 // 10_000
    shop.refund(order, 7 + 50_000)
    assert shop.amounts(order) == [0, 0, 0]


# "No commission" returned as a silent nothing


def test_every_level_that_gets_nothing_says_why(shop: Shop) -> None:
    stranger = shop.pay(shop.place())
    top, low = shop.make_chain(2)
    alone = shop.sell(top)
    suspended = shop.make_promoter(low)
    code = shop.make_link(suspended)
    expect(shop.operator.put(f"promoters/{suspended['id']}/status", json={"status": "suspended"}), 200)
    buyer = shop.new_id("buyer")
    shop.touch(code, buyer_id=buyer)
    of_suspended = shop.pay(shop.place(buyer_id=buyer))
    crumb = shop.sell(low, make_line(9))
    self_made = shop.sell(low, buyer_id=low["external_id"])
    expected = {
        stranger["id"]: ["no_attribution", "no_attribution", "no_attribution"],
        alone["id"]: ["paid", "no_inviter", "level_closed"],
        of_suspended["id"]: ["promoter_not_active", "paid", "level_closed"],
        crumb["id"]: ["below_one_unit", "below_one_unit", "level_closed"],
        self_made["id"]: ["self_purchase", "paid", "level_closed"],
    }
    for order in (stranger, alone, of_suspended, crumb, self_made):
        items = shop.list_commissions(order)
        assert [item["trace"][-1]["code"] for item in items] == expected[order["id"]]
        assert all((item["amount_minor"] > 0) == (item["trace"][-1]["code"] == "paid") for item in items)
        assert all(set(step) == {"step", "level", "code", "detail"} for item in items for step in item["trace"])


# Clicks, orders, payments counted twice on a retry


def test_whatever_is_sent_again_counts_once(shop: Shop) -> None:
    promoter = shop.make_promoter()
    buyer = shop.new_id("buyer")
    key = {"Idempotency-Key": shop.new_id("key")}
    touch = {"code": shop.make_link(promoter), "buyer_id": buyer}
    touches = [shop.api.post("touches", json=touch, headers=key) for _ in range(3)]
    assert len({expect(answer, 201)["id"] for answer in touches}) == 1
    body = shop.order_body(buyer_id=buyer)
    order = shop.post("orders", body)
    shop.post("orders", body, 409, "external_id_taken")
    payment, receipt = shop.payment_body(order), {"received_at": to_text(ago(days=8))}
    refund = {"refund_id": shop.new_id("refund"), "refunded_at": to_text(read_clock()), "amount_minor": 4_000}
    for path, sent, status in (("payment", payment, 200), ("receipt", receipt, 200), ("refunds", refund, 201)):
        for _ in range(3):
            shop.post(f"orders/{order['id']}/{path}", sent, status)
    assert shop.amounts(order) == [600, 0, 0]
    shop.release()
    shop.release()
    assert shop.wallet(promoter) == {"available": 600}
    assert shop.get(f"orders/{order['id']}")["refunded_minor"] == 4_000
    shop.check_books()


# The same money withdrawn twice by two quick requests


def test_of_withdrawals_of_the_same_money_at_the_same_time_exactly_one_succeeds(shop: Shop) -> None:
    promoter = shop.make_promoter()
    shop.earn(promoter, 1_000)
    body = {"promoter_id": promoter["id"], "amount_minor": 1_000, "method": "manual"}
    answers = do_at_once([lambda: shop.api.post("withdrawals", json=body) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7
    for answer in answers:
        if answer.status_code == 422:
            expect(answer, 422, "insufficient_balance")
    assert shop.wallet(promoter) == {"withdrawing": 1_000}
    withdrawal = next(answer.json() for answer in answers if answer.status_code == 201)
    words = ["approve", "reject"] * 4
    decided = do_at_once(
        [lambda word=word: shop.operator.post(f"withdrawals/{withdrawal['id']}/{word}", json={}) for word in words]
    )
    assert sorted(answer.status_code for answer in decided) == [200] + [409] * 7
    assert all(expect(answer, 409, "wrong_state") for answer in decided if answer.status_code == 409)


# Old rows show today's rate


def test_a_new_plan_changes_no_order_placed_before_it(shop: Shop) -> None:
    top, low = shop.make_chain(2)
    before = shop.sell(low)
    waiting_body = shop.order_body(placed_at=to_text(read_clock()))
    shop.touch(shop.make_link(low), buyer_id=waiting_body["buyer_id"], at=to_text(ago(hours=1)))
    version = shop.set_plan(rates_bps=[2000, 100, 0])["version"]
    late = shop.pay(shop.post("orders", waiting_body))
    after = shop.sell(low, placed_at=to_text(read_clock()))
    assert shop.amounts(before) == shop.amounts(late) == [1_000, 300, 0]
    assert shop.amounts(after) == [2_000, 100, 0]
    assert [item["rate_bps"] for item in shop.list_commissions(before)] == [1000, 300, 0]
    assert shop.get(f"orders/{late['id']}")["plan_version"] == version - 1
    assert shop.get(f"orders/{after['id']}")["plan_version"] == version
    shop.refund(before, 5_000)
    assert shop.amounts(before) == [500, 150, 0]
    assert shop.wallet(top) == {"pending": 150 + 300 + 100}
