"""Staff of one merchant against every read that its permissions open: nothing of another merchant's comes out.

The routes are walked as they are declared, so a new one joins, and fails here until it is confined or named as open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from api import CAPABILITIES
from api.routing import Route
from tests.e2e.conftest import Caller
from tests.e2e.persons import Someone, Town
from tests.e2e.test_shop import make, make_product, picture, post_file, sku, upload
from tests.e2e.test_shop_orders import code_of, move_in, ok, pay, place
from tuike.identity import Scope
from tuike.shared import ids
from tuike.shared.clock import read_clock

CONFINED = {Scope.SUPPORT, Scope.CONTENT}
ROUTES = [
    route for routes in CAPABILITIES for route in routes.declared
    if route.method == "GET" and route.who & CONFINED
]  # fmt: skip
SHOWN_TO_ALL = {
    "get_category": "the shop shows it", "get_brand": "the shop shows it", "list_shelves": "the shop shows them",
    "get_media": "the shop shows it", "get_plan": "who sells has to know what is taken off",
    "get_policy": "rules, and nobody's money", "get_own_account": "one's own",
}  # fmt: skip
OF_THE_PLATFORM = {
    "list_promoters", "get_promoter", "list_upline", "list_team", "get_team_size", "get_share_path", "get_wallet",
    "list_withdrawals", "get_withdrawal", "list_shoppers", "get_shopper",
}  # fmt: skip
LISTS = {
    "list_orders": "order_id", "list_charges": "payment_id", "list_charge_refunds": "payment_refund_id",
    "list_shop_orders": "order_id", "export_shop_orders": "order_no", "list_shop_points": "point_id",
    "list_cases": "case_id", "list_managed_products": "product_id", "list_coupon_templates": "template_id",
    "list_merchants": "merchant_id", "list_imports": "import_id",
}  # fmt: skip
"""Lists, each with what of a merchant's stands in it."""


@dataclass(frozen=True)
class House:
    """A merchant with one of everything, by the names that paths have for it."""

    found: dict[str, str]

    def path_of(self, route: Route) -> str:
        """Return the path of a route that names this house's things."""
        parts = route.rule.strip("/").split("/")
        own = "payment_refund_id" if route.rule.startswith("/payment-refunds") else None
        named = "/".join(self._fill(part, own) if part.startswith("<") else part for part in parts)
        return (
            f"{named}?merchant_id={self.found['merchant_id']}" if route.verb.__name__ == "export_catalogue" else named
        )

    def _fill(self, part: str, own: str | None) -> str:
        return self.found[own or part.partition(":")[2].rstrip(">")]

    @property
    def secrets(self) -> set[str]:
        """What nobody of another merchant may read."""
        hidden = {"category_id", "brand_id", "name", "merchant_id"}
        return {value for name, value in self.found.items() if name not in hidden}


def open_house(town: Town, operator: Caller, merchant_id: str) -> House:
    """Open a merchant whose goods were bought, paid, shipped, and asked to be taken back."""
    if merchant_id != "main":
        make(operator, "merchants", {"id": merchant_id, "name": merchant_id})
    category, brand = (
        make(operator, "categories", {"name": merchant_id}),
        make(operator, "brands", {"name": merchant_id}),
    )
    product = make_product(
        operator, merchant_id=merchant_id, category_id=category["id"], brand_id=brand["id"], skus=[sku()]
    )
    promoter = town.keys.make_promoter()
    link = town.keys.make_link(promoter["id"])
    touch = town.keys.make_touch(link["code"], visitor_id=f"visitor-{merchant_id}")
    point = {"merchant_id": merchant_id, "promoter_id": promoter["id"], "name": "p", "address": "a", "phone": "1"}
    support = town.hire("support")
    shopper = move_in(town)
    order = place(shopper, product["skus"][0]["id"])
    pay(town, order)
    parcel = ok(
        support.post(f"shop/orders/{order['id']}/parcels", {"carrier": "SF", "tracking_no": f"SF{order['no']}"}), 201
    )
    ask = {"kind": "refund_only", "lines": [{"no": 0, "quantity": 1}], "reason": "x"}
    case = ok(shopper.post(f"me/orders/{order['id']}/cases", ask), 201)
    term = {"from": "2026-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
    template = {
        "name": "c", "kind": "fixed", "amount_minor": 5, "stock": 1, "merchant_id": merchant_id,
        "claim_from": term["from"], "claim_to": term["to"], "valid_from": term["from"], "valid_to": term["to"],
    }  # fmt: skip
    return House({
        "merchant_id": merchant_id, "product_id": product["id"], "sku_id": product["skus"][0]["id"],
        "category_id": category["id"], "brand_id": brand["id"], "name": upload(operator, picture()).get_json()["name"],
        "promoter_id": promoter["id"], "touch_id": touch["id"], "withdrawal_id": ids.new_id("withdrawal"),
        "point_id": ok(support.post("shop/pickup-points", point), 201)["id"], "order_id": order["id"],
        "order_no": order["no"], "shopper_id": order["shopper_id"], "parcel_id": parcel["id"], "case_id": case["id"],
        "import_id": request_import(operator, merchant_id),
            "template_id": make(operator, "shop/coupon-templates", template)["id"], **take_money(town, order),
    })  # fmt: skip


def request_import(operator: Caller, merchant_id: str) -> str:
    answer = post_file(operator, f"catalog/imports?merchant_id={merchant_id}", b"product_code", name="c.csv")
    return str(ok(answer, 202)["id"])


def take_money(town: Town, order: dict[str, Any]) -> dict[str, str]:
    """Write a payment of an order and a refund of it, as a provider would have left them."""
    made = {"payment_id": ids.new_id("payment"), "payment_refund_id": ids.new_id("payment_refund")}
    values = made | {"order": order["id"], "shopper": order["shopper_id"], "now": read_clock()}
    with town.app.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO payments (id, order_id, shopper_id, provider, description, amount_minor, currency, state, "
                "expires_at, created_at) VALUES (:payment_id, :order, :shopper, 'wechat', 'd', 5, 'CNY', 'closed', "
                ":now, :now)"
            ),
            values,
        )
        tx.execute(
            text(
                "INSERT INTO payment_refunds (id, out_no, payment_id, cause, amount_minor, reason, state, created_at) "
                "VALUES (:payment_refund_id, :payment_refund_id, :payment_id, 'order_closed', 5, 'r', 'held', :now)"
            ),
            values,
        )
    return made


def confine(town: Town, operator: Caller, someone: Someone, merchant_id: str) -> Someone:
    staff_id = ok(someone.get("staff/me"))["id"]
    ok(operator.put(f"staff/{staff_id}/merchants", {"merchant_ids": [merchant_id]}))
    return someone


@dataclass(frozen=True)
class Street:
    """Two merchants, somebody who works for the first, and somebody who works for the platform."""

    mine: House
    other: House
    confined: Someone
    free: Someone


@pytest.fixture
def street(caller: Caller) -> Street:
    town = Town(caller)
    operator = town.keys.as_scope("operator")
    mine, other = open_house(town, operator, "tea-house"), open_house(town, operator, "main")
    confined = confine(town, operator, town.hire("support", "content"), "tea-house")
    return Street(mine, other, confined, town.hire("support", "content"))


def test_no_read_that_staff_of_one_merchant_may_call_tells_of_another(street: Street) -> None:
    walked = set()
    for route in ROUTES:
        name, path = route.verb.__name__, street.other.path_of(route)
        answer = street.confined.get(path)
        walked.add(name)
        if name in SHOWN_TO_ALL:
            assert answer.status_code == 200, (name, answer.text)
        elif name in LISTS:
            assert answer.status_code == 200, (name, answer.text)
            assert street.mine.found[LISTS[name]] in answer.text, name
            found = {one for one in street.other.secrets if one in answer.text}
            assert not found, (name, found)
        else:
            assert code_of(answer) == (403, "not_your_merchant"), (name, answer.text)
    assert walked >= SHOWN_TO_ALL.keys() | LISTS.keys() | OF_THE_PLATFORM


def test_what_is_refused_to_staff_of_another_is_read_by_the_own_and_by_the_platforms(street: Street) -> None:
    for route in ROUTES:
        name = route.verb.__name__
        if name in SHOWN_TO_ALL or name == "get_withdrawal":  # there is none
            continue
        own, all_ = street.confined.get(street.mine.path_of(route)), street.free.get(street.other.path_of(route))
        if name in OF_THE_PLATFORM:
            assert code_of(own) == (403, "not_your_merchant"), name
        else:
            assert own.status_code == 200, (name, own.text)
        assert all_.status_code == 200, (name, all_.text)
        if name in LISTS:
            assert {street.mine.found[LISTS[name]], street.other.found[LISTS[name]]} <= {
                value for house in (street.mine, street.other) for value in house.found.values() if value in all_.text
            }, name


def test_a_list_asked_for_anothers_things_is_empty(street: Street) -> None:
    order, payment = street.other.found["order_id"], street.other.found["payment_id"]
    for path in (
        f"orders?buyer_id={street.other.found['shopper_id']}", f"payments?order_id={order}",
        f"payment-refunds?payment_id={payment}", f"shop/cases?order_id={order}",
        f"shop/orders?shopper_id={street.other.found['shopper_id']}",
    ):  # fmt: skip
        assert ok(street.confined.get(path))["items"] == [], path
        assert len(ok(street.free.get(path))["items"]) == 1, path


def test_anothers_order_is_neither_received_nor_refunded(street: Street) -> None:
    order, now = street.other.found["order_id"], read_clock().isoformat()
    for path, body in (
        (f"orders/{order}/receipt", {"received_at": now}),
        (f"orders/{order}/refunds", {"refund_id": "r", "refunded_at": now, "amount_minor": 1}),
        ("agreements/user", {"title": "t", "body": "b"}),
    ):
        assert code_of(street.confined.post(path, body)) == (403, "not_your_merchant"), path
    assert ok(street.free.get(f"orders/{order}"))["refunded_minor"] == 0


def test_finance_of_one_merchant_does_not_send_back_anothers_money(caller: Caller, street: Street) -> None:
    town = Town(caller)
    finance = confine(town, town.keys.as_scope("operator"), town.hire("finance"), "tea-house")
    payment, refund = street.other.found["payment_id"], street.other.found["payment_refund_id"]
    for path, body in (
        (f"payments/{payment}/refund", {}),
        (f"payment-refunds/{refund}/retry", {}),
        (f"payment-refunds/{refund}/settle", {"note": "n"}),
    ):
        assert code_of(finance.post(path, body)) == (403, "not_your_merchant"), path
    own = street.mine.found["payment_refund_id"]
    assert ok(finance.post(f"payment-refunds/{own}/settle", {"note": "n"}))["state"] == "succeeded"
