"""What is sent twice, or at the same time as its twin, takes effect once: over HTTP, with real threads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.shops import Shop, ago, do_at_once, expect, make_line, read_clock, to_text

TWINS = 8


@pytest.fixture
def shop(embedded_shop: Shop) -> Shop:
    embedded_shop.set_plan()
    return embedded_shop


def send_twins(
    shop: Shop, path: str, body: Any, *, key: str | None = None, who: str = "integration"
) -> list[httpx.Response]:
    """Send one request from many threads at the same moment."""
    headers = {} if key is None else {"Idempotency-Key": key}
    caller = shop.callers[who]
    return do_at_once([lambda: caller.post(path, json=body, headers=headers) for _ in range(TWINS)])


def assert_one_answer(answers: list[httpx.Response], status: int) -> dict[str, Any]:
    """Fail unless twins with one key got one answer, or were told to wait; return it."""
    for answer in answers:
        if answer.status_code == 409:
            expect(answer, 409, "idempotency_in_progress")
    done = [answer for answer in answers if answer.status_code != 409]
    assert {answer.status_code for answer in done} == {status}, [answer.text for answer in done]
    assert len({answer.text for answer in done}) == 1
    assert sum(answer.headers.get("Idempotency-Hit") != "true" for answer in done) == 1
    return dict(done[0].json())


# Facts that carry ids of their own


def test_a_refused_order_gives_its_buyer_no_touch(shop: Shop) -> None:
    buyer = shop.new_id("buyer")
    touch = shop.touch(shop.make_link(shop.make_promoter()), visitor_id=shop.new_id("visitor"))
    taken = shop.place()
    body = shop.order_body(buyer_id=buyer, touch_id=touch["id"])
    shop.post("orders", body | {"external_id": taken["external_id"]}, 409, "external_id_taken")
    assert shop.place(buyer_id=buyer)["attribution"]["promoter_id"] is None
    assert shop.post("orders", body)["attribution"]["touch_id"] == touch["id"]
    assert shop.place(buyer_id=buyer)["attribution"]["touch_id"] == touch["id"]


def test_twins_of_a_payment_accrue_once(shop: Shop) -> None:
    promoter, buyer = shop.make_promoter(), shop.new_id("buyer")
    shop.touch(shop.make_link(promoter), buyer_id=buyer)
    order = shop.place(buyer_id=buyer)
    answers = send_twins(shop, f"orders/{order['id']}/payment", shop.payment_body(order))
    assert [answer.status_code for answer in answers] == [200] * TWINS
    assert shop.amounts(order) == [1_000, 0, 0]
    assert shop.wallet(promoter) == {"pending": 1_000}


def test_different_payments_at_the_same_time_leave_one(shop: Shop) -> None:
    order = shop.place()
    path = f"orders/{order['id']}/payment"
    bodies = [shop.payment_body(order, payment_id=shop.new_id("pay")) for _ in range(TWINS)]
    answers = do_at_once([lambda body=body: shop.api.post(path, json=body) for body in bodies])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: TWINS - 1}
    for answer in answers:
        if answer.status_code == 409:
            expect(answer, 409, "already_paid")


def test_one_payment_id_at_the_same_time_pays_one_order(shop: Shop) -> None:
    placed, payment_id = [shop.place() for _ in range(TWINS)], shop.new_id("pay")
    answers = do_at_once(
        [
            lambda order=order: shop.api.post(
                f"orders/{order['id']}/payment", json=shop.payment_body(order, payment_id=payment_id)
            )
            for order in placed
        ]
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: TWINS - 1}
    assert [shop.get(f"orders/{order['id']}")["status"] for order in placed].count("paid") == 1


def test_receipts_at_the_same_time_keep_one_instant(shop: Shop) -> None:
    order = shop.sell(shop.make_promoter())
    instants = [to_text(ago(days=days)) for days in range(1, TWINS + 1)]
    answers = do_at_once(
        [lambda at=at: shop.api.post(f"orders/{order['id']}/receipt", json={"received_at": at}) for at in instants]
    )
    kept = {expect(answer, 200)["received_at"] for answer in answers}
    assert len(kept) == 1
    assert kept <= set(instants)


def test_twins_of_a_refund_take_back_once(shop: Shop) -> None:
    promoter = shop.make_promoter()
    order = shop.sell(promoter)
    body = {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()), "amount_minor": 3_000}
    answers = send_twins(shop, f"orders/{order['id']}/refunds", body)
    assert [answer.status_code for answer in answers] == [201] * TWINS
    assert shop.get(f"orders/{order['id']}")["refunded_minor"] == 3_000
    assert shop.amounts(order) == [700, 0, 0]


def test_refunds_at_the_same_time_never_exceed_what_was_paid(shop: Shop) -> None:
    order = shop.sell(shop.make_promoter())
    bodies = [
        {"refund_id": shop.new_id("r"), "refunded_at": to_text(read_clock()), "amount_minor": 3_000}
        for _ in range(TWINS)
    ]
    path = f"orders/{order['id']}/refunds"
    answers = do_at_once([lambda body=body: shop.api.post(path, json=body) for body in bodies])
    assert Counter(answer.status_code for answer in answers) == {201: 3, 422: TWINS - 3}
    assert shop.amounts(order) == [100, 0, 0]


def test_a_refund_that_overtakes_the_accrual_leaves_the_same_end(shop: Shop) -> None:
    promoter, buyer = shop.make_promoter(), shop.new_id("buyer")
    shop.touch(shop.make_link(promoter), buyer_id=buyer)
    placed = [shop.place(buyer_id=buyer) for _ in range(6)]
    for order in placed:
        shop.pay(order)
        shop.receive(order, ago(days=8))
        shop.refund(order, 10_000)
    assert [shop.amounts(order) for order in placed] == [[0, 0, 0]] * 6
    shop.release()
    assert shop.wallet(promoter) == {}
    shop.check_books()


def test_one_external_id_at_the_same_time_makes_one_promoter_and_one_order(shop: Shop) -> None:
    promoter = {"external_id": shop.new_id("person"), "name": "n"}
    for path, body in (("promoters", promoter), ("orders", shop.order_body())):
        answers = send_twins(shop, path, body)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: TWINS - 1}
        for answer in answers:
            if answer.status_code == 409:
                expect(answer, 409, "external_id_taken")
        assert len(shop.get(path, external_id=body["external_id"])["items"]) == 1


# Idempotency keys


def test_twins_with_one_key_get_one_answer(shop: Shop) -> None:
    top = shop.make_promoter()
    code = shop.make_link(top)
    assert_one_answer(
        send_twins(shop, "promoters", {"external_id": shop.new_id("p"), "name": "n", "inviter_id": top["id"]},
                   key=shop.new_id("key")), 201)  # fmt: skip
    assert shop.team_sizes(top) == [1, 0, 0]
    buyer = shop.new_id("buyer")
    assert_one_answer(send_twins(shop, "touches", {"code": code, "buyer_id": buyer}, key=shop.new_id("key")), 201)
    order = assert_one_answer(send_twins(shop, "orders", shop.order_body(buyer_id=buyer), key=shop.new_id("key")), 201)
    assert_one_answer(
        send_twins(shop, f"orders/{order['id']}/payment", shop.payment_body(order), key=shop.new_id("key")), 200
    )
    assert shop.amounts(order) == [1_000, 0, 0]
    shop.earn(top, 1_000)
    asked = {"promoter_id": top["id"], "amount_minor": 300, "method": "manual"}
    withdrawal = assert_one_answer(send_twins(shop, "withdrawals", asked, key=shop.new_id("key")), 201)
    path = f"withdrawals/{withdrawal['id']}"
    assert_one_answer(send_twins(shop, f"{path}/approve", {}, key=shop.new_id("key"), who="operator"), 200)
    assert_one_answer(send_twins(shop, f"{path}/failed", {}, key=shop.new_id("key"), who="operator"), 200)
    assert shop.wallet(top) == {"pending": 1_000, "available": 1_000}


def test_one_key_with_different_bodies_at_the_same_time_has_one_winner(shop: Shop) -> None:
    key = {"Idempotency-Key": shop.new_id("key")}
    bodies = [shop.order_body() for _ in range(TWINS)]
    answers = do_at_once([lambda body=body: shop.api.post("orders", json=body, headers=key) for body in bodies])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: TWINS - 1}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["error"]["code"] in ("idempotency_key_reused", "idempotency_in_progress")
    placed = [body for body in bodies if shop.get("orders", external_id=body["external_id"])["items"]]
    assert len(placed) == 1


def test_a_key_belongs_to_one_api_key_method_and_path(shop: Shop) -> None:
    key = {"Idempotency-Key": shop.new_id("key")}
    first, second = shop.place(), shop.place()
    payment = shop.payment_body(first)
    paid = shop.api.post(f"orders/{first['id']}/payment", json=payment, headers=key)
    expect(paid, 200)
    spaced = json.dumps(payment, indent=3, sort_keys=True).encode()
    again = shop.api.post(
        f"orders/{first['id']}/payment",
        content=spaced,
        headers=key | {"Content-Type": "application/json; charset=utf-8"},
    )
    assert (again.text, again.headers["Idempotency-Hit"]) == (paid.text, "true")
    other_path = shop.api.post(f"orders/{second['id']}/payment", json=payment, headers=key)
    expect(other_path, 409, "idempotency_key_reused")
    other_body = shop.api.post(f"orders/{first['id']}/payment", json=payment | {"paid_at": "2026-01-01T00:00:00Z"},
                               headers=key)  # fmt: skip
    expect(other_body, 409, "idempotency_key_reused")
    body = shop.order_body(make_line(5))
    expect(shop.operator.post("orders", json=body, headers=key), 201)


def test_a_number_that_differs_only_in_its_spelling_is_another_body(shop: Shop) -> None:
    key = {"Idempotency-Key": shop.new_id("key")}
    body = {"external_id": shop.new_id("p"), "name": "n", "level": 1}
    expect(shop.api.post("promoters", json=body, headers=key), 201)
    for other in (True, 1.0, "1"):
        answer = shop.api.post("promoters", json=body | {"level": other}, headers=key)
        expect(answer, 409, "idempotency_key_reused")


# Money asked for at the same time


@pytest.mark.parametrize("amount", [1_000, 400])
def test_withdrawals_at_the_same_time_never_exceed_what_is_available(shop: Shop, amount: int) -> None:
    promoter = shop.make_promoter()
    shop.earn(promoter, 1_000)
    answers = send_twins(shop, "withdrawals", {"promoter_id": promoter["id"], "amount_minor": amount, "method": "bank"})
    fits = 1_000 // amount
    assert Counter(answer.status_code for answer in answers) == {201: fits, 422: TWINS - fits}
    wallet = shop.wallet(promoter)
    assert wallet["withdrawing"] == fits * amount
    assert wallet.get("available", 0) == 1_000 - fits * amount


def test_decisions_refunds_and_releases_at_the_same_time_keep_every_unit(shop: Shop) -> None:
    promoter = shop.make_promoter()
    orders = [shop.sell(promoter, make_line(10_000)) for _ in range(4)]
    shop.earn(promoter, 4_000)
    withdrawals = [shop.withdraw(promoter, 900) for _ in range(4)]
    actions: list[Callable[[], object]] = [lambda w=w: shop.decide(w, "reject") for w in withdrawals]
    actions += [lambda o=o: shop.receive(o, ago(days=9)) for o in orders]
    actions += [lambda o=o: shop.refund(o, 7_001) for o in orders]
    actions += [shop.release]
    do_at_once(actions)
    assert [shop.amounts(order)[0] for order in orders] == [2_999 * 1000 // 10_000] * 4
    shop.release()
    assert shop.wallet(promoter) == {"available": 4_000 + 4 * 299}
    shop.check_books()
