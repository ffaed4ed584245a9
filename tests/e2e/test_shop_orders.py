"""The shop over REST: a cart becomes an order, is shipped, received and partly given back; nobody sees another's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.e2e.conftest import Caller
from tests.e2e.persons import Someone, Town
from tuike import catalog, fulfilment
from tuike.catalog import ProductDraft, ProductState, SkuDraft
from tuike.shared.clock import read_clock

ADDRESS = {
    "name": "李雷", "phone": "13800001234", "region_code": "440305", "region": "广东省深圳市南山区", "detail": "科技园 1 号",
}  # fmt: skip


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


def ok(answer: TestResponse, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.get_json()


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]


def make_sku(town: Town, *, price: int = 1000, stock: int = 10, name: str = "红色连衣裙") -> str:
    draft = ProductDraft(name=name, skus=(SkuDraft(spec=(), price_minor=price, stock=stock),))
    with town.app.db.transaction() as tx:
        product = catalog.create_product(
            tx, merchant_id="main", draft=draft, state=ProductState.ON_SALE, made_by="staff", now=read_clock()
        )
    return product.skus[0].id


def move_in(town: Town) -> Someone:
    shopper = town.log_in()
    ok(shopper.post("me/addresses", ADDRESS), 201)
    return shopper


def place(shopper: Someone, *skus: str, quantity: int = 2) -> dict[str, Any]:
    for sku in skus:
        ok(shopper.post("me/cart/lines", {"sku_id": sku, "quantity": quantity}))
    quote = ok(shopper.post("me/checkout/quote", {}))
    assert quote["can_be_placed"], quote
    return dict(ok(shopper.post("me/orders", {"fingerprint": quote["fingerprint"]}), 201))


def pay(town: Town, order: dict[str, Any]) -> None:
    now = read_clock()
    with town.app.db.transaction() as tx:
        outcome = fulfilment.mark_paid(
            tx, order_id=order["id"], payment_id=f"pay-{order['no']}", paid_at=now,
            amount_minor=order["payable_minor"], now=now,
        )  # fmt: skip
    assert outcome == "recorded"


def refund_all(town: Town) -> None:
    now = read_clock()
    with town.app.db.transaction() as tx:
        for refund in fulfilment.list_refunds_due(tx, limit=100):
            fulfilment.mark_refunded(tx, refund_id=refund.id, refunded_at=now, now=now)


def test_a_cart_becomes_an_order_that_is_shipped_received_and_partly_given_back(town: Town) -> None:
    first, second = make_sku(town), make_sku(town, price=501, name="杯子")
    shopper, support = move_in(town), town.hire("support")
    order = place(shopper, first, second)
    assert (order["state"], order["payable_minor"]) == ("unpaid", 3002)
    assert ok(shopper.get("me/orders/counts"))["unpaid"] == 1
    pay(town, order)
    table = f"order_no,carrier,tracking_no\n{order['no']},SF,SF1\n999,SF,SF2\n"
    for _ in range(2):
        shipped = ok(support.post("shop/parcels", {"table": table}))
        assert (shipped["shipped_count"], shipped["rows"][1]["error"]) == (1, "order_not_found")
    assert ok(shopper.get(f"me/orders/{order['id']}"))["state"] == "shipped"
    for _ in range(2):
        assert ok(shopper.post(f"me/orders/{order['id']}/receipt"))["state"] == "completed"
    ask = {"kind": "return_and_refund", "lines": [{"no": 0, "quantity": 1}], "reason": "too_small"}
    case = ok(shopper.post(f"me/orders/{order['id']}/cases", ask), 201)
    assert case["amount_minor"] == 1000
    assert code_of(support.post(f"shop/cases/{case['id']}/received-back"))[1] == "wrong_state"
    for _ in range(2):
        assert ok(support.post(f"shop/cases/{case['id']}/approval", {}))["state"] == "approved"
    parcel = {"carrier": "SF", "tracking_no": "SF9"}
    assert ok(shopper.post(f"me/cases/{case['id']}/return-parcel", parcel))["state"] == "returning"
    for _ in range(2):
        assert ok(support.post(f"shop/cases/{case['id']}/received-back"))["state"] == "received_back"
    refund_all(town)
    assert ok(shopper.get(f"me/cases/{case['id']}"))["state"] == "refunded"
    found = ok(support.get(f"shop/orders?text={order['no']}"))["items"]
    assert [one["id"] for one in found] == [order["id"]]
    assert ok(town.keys.as_scope("operator").get(f"orders/{order['id']}"))["refunded_minor"] == 1000


def test_a_price_changed_while_in_the_cart_brings_the_new_quote(town: Town) -> None:
    sku, shopper = make_sku(town), move_in(town)
    ok(shopper.post("me/cart/lines", {"sku_id": sku, "quantity": 2}))
    answer = shopper.post("me/orders", {"fingerprint": "of an older quote"})
    assert code_of(answer) == (409, "quote_changed")
    quote = answer.get_json()["error"]["details"]["quote"]
    key = {"Idempotency-Key": "once"}
    first = ok(shopper.post("me/orders", {"fingerprint": quote["fingerprint"]}, headers=key), 201)
    again = ok(shopper.post("me/orders", {"fingerprint": quote["fingerprint"]}, headers=key), 201)
    assert first["id"] == again["id"]
    assert code_of(shopper.post("me/orders", {"fingerprint": quote["fingerprint"]})) == (409, "cart_empty")


def test_another_shoppers_order_address_case_and_coupon_are_not_found(town: Town) -> None:
    shopper, other = move_in(town), move_in(town)
    order = place(shopper, make_sku(town))
    pay(town, order)
    ask = {"kind": "refund_only", "lines": [{"no": 0, "quantity": 1}], "reason": "x"}
    case = ok(shopper.post(f"me/orders/{order['id']}/cases", ask), 201)
    address = ok(shopper.get("me/addresses"))["items"][0]
    for method, path, body in (
        ("GET", f"me/orders/{order['id']}", None),
        ("GET", f"me/orders/{order['id']}/history", None),
        ("GET", f"me/orders/{order['id']}/events", None),
        ("GET", f"me/orders/{order['id']}/parcels", None),
        ("POST", f"me/orders/{order['id']}/cancel", {}),
        ("POST", f"me/orders/{order['id']}/receipt", {}),
        ("POST", f"me/orders/{order['id']}/cases", ask),
        ("GET", f"me/cases/{case['id']}", None),
        ("POST", f"me/cases/{case['id']}/cancel", {}),
        ("PUT", f"me/addresses/{address['id']}", ADDRESS),
        ("DELETE", f"me/addresses/{address['id']}", None),
        ("POST", "me/checkout/quote", {"address_id": address["id"], "lines": [{"sku_id": "x", "quantity": 1}]}),
    ):
        assert other.send(method, path, body).status_code == 404, path
    assert ok(other.get("me/orders"))["items"] == []


def test_a_stream_tells_what_happened_since_the_version_seen_last(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.shop_orders.STREAM_SECONDS", 0)
    shopper = move_in(town)
    order = place(shopper, make_sku(town))
    pay(town, order)
    whole = shopper.get(f"me/orders/{order['id']}/events")
    assert whole.content_type.startswith("text/event-stream")
    assert [line for line in whole.text.splitlines() if line.startswith("id:")] == ["id: 1", "id: 2"]
    rest = shopper.send("GET", f"me/orders/{order['id']}/events", headers={"Last-Event-ID": "1"})
    assert [line for line in rest.text.splitlines() if line.startswith("id:")] == ["id: 2"]
    polled = ok(shopper.get(f"me/orders/{order['id']}/history?since=1"))["items"]
    assert [(one["version"], one["kind"], one["state"]) for one in polled] == [(2, "paid", "to_ship")]


def test_orders_are_exported_as_a_table_whose_cells_are_no_formulas(town: Town) -> None:
    shopper, support = town.log_in(), town.hire("support")
    ok(shopper.post("me/addresses", ADDRESS | {"name": "=1+1"}), 201)
    order = place(shopper, make_sku(town))
    exported = support.get("shop/orders/export?state=unpaid")
    assert exported.content_type.startswith("text/csv")
    head, row = exported.text.removeprefix("\ufeff").splitlines()
    assert head.startswith("no,state,")
    assert row.startswith(order["no"])
    assert ",'=1+1," in row


def test_staff_of_one_merchant_does_not_reach_anothers_orders(town: Town) -> None:
    support = town.hire("support")
    order = place(move_in(town), make_sku(town))
    with town.app.db.transaction() as tx:
        catalog.create_merchant(tx, merchant_id="other", name="other", now=read_clock())
        staff_id = ok(support.get("staff/me"))["id"]
        catalog.confine_staff(tx, staff_id=staff_id, merchant_ids=["other"], now=read_clock())
    assert ok(support.get("shop/orders"))["items"] == []
    assert code_of(support.get(f"shop/orders/{order['id']}")) == (403, "not_your_merchant")
    assert code_of(support.post(f"shop/orders/{order['id']}/close")) == (403, "not_your_merchant")


def test_coupons_are_made_claimed_and_taken_off(town: Town) -> None:
    content, shopper, now = town.hire("content"), move_in(town), read_clock()
    body = {
        "name": "满 10 减 5", "kind": "fixed", "amount_minor": 500, "threshold_minor": 1000, "stock": 1,
        "claim_from": (now - timedelta(days=1)).isoformat(), "claim_to": (now + timedelta(days=9)).isoformat(),
        "valid_from": (now - timedelta(days=1)).isoformat(), "valid_to": (now + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    template = ok(content.post("shop/coupon-templates", body), 201)
    assert [one["id"] for one in ok(town.send("GET", "coupons"))["items"]] == [template["id"]]
    coupon = ok(shopper.post("me/coupons", {"template_id": template["id"]}), 201)
    assert code_of(shopper.post("me/coupons", {"template_id": template["id"]})) == (409, "coupon_limit_reached")
    assert code_of(town.log_in().post("me/coupons", {"template_id": template["id"]})) == (409, "coupon_sold_out")
    wanted = {"lines": [{"sku_id": make_sku(town), "quantity": 1}], "coupon_id": coupon["id"]}
    quote = ok(shopper.post("me/checkout/quote", wanted))
    assert quote["payable_minor"] == 500
    order = ok(shopper.post("me/orders", wanted | {"fingerprint": quote["fingerprint"]}), 201)
    assert [one["state"] for one in ok(shopper.get("me/coupons"))["items"]] == ["held"]
    for _ in range(2):
        assert ok(shopper.post(f"me/orders/{order['id']}/cancel"))["state"] == "closed"
    assert [one["state"] for one in ok(shopper.get("me/coupons"))["items"]] == ["claimed"]


def test_no_word_from_outside_pays_receives_or_refunds_an_order_of_the_shop(town: Town) -> None:
    shopper, support, operator = move_in(town), town.hire("support"), town.keys.as_scope("operator")
    order = place(shopper, make_sku(town))
    now, path = read_clock().isoformat(), f"orders/{order['id']}"
    paid = {"payment_id": "from-outside", "paid_at": now, "amount_minor": order["payable_minor"]}
    for caller in (town.keys, operator):
        assert code_of(caller.post(f"{path}/payment", paid)) == (409, "placed_in_shop")
    pay(town, order)
    assert ok(shopper.get(f"me/orders/{order['id']}"))["state"] == "to_ship"
    for caller in (town.keys, operator, support):
        assert code_of(caller.post(f"{path}/receipt", {"received_at": now})) == (409, "placed_in_shop")
        refund = {"refund_id": "from-outside", "refunded_at": now, "amount_minor": 2000}
        assert code_of(caller.post(f"{path}/refunds", refund)) == (409, "placed_in_shop")
    ask = {"kind": "refund_only", "lines": [{"no": 0, "quantity": 2}], "reason": "x"}
    case = ok(shopper.post(f"me/orders/{order['id']}/cases", ask), 201)
    ok(support.post(f"shop/cases/{case['id']}/approval", {}))
    refund_all(town)
    assert ok(shopper.get(f"me/cases/{case['id']}"))["state"] == "refunded"
    assert ok(operator.get(path))["status"] == "refunded"
