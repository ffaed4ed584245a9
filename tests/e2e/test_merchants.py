"""Staff of one merchant touches nothing of another, and nothing of the whole platform."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.e2e.conftest import Caller
from tests.e2e.persons import Someone, Town
from tests.e2e.test_shop import make, make_product, picture, post_file, product_body, sku, to_edit


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


@pytest.fixture
def operator(town: Town) -> Caller:
    return town.keys.as_scope("operator")


@pytest.fixture
def tea(town: Town, operator: Caller) -> Someone:
    """Content staff of the tea house, whose work is confined to it."""
    make(operator, "merchants", {"id": "tea-house", "name": "茶馆"})
    staff = town.hire("content")
    staff_id = staff.get("staff/me").get_json()["id"]
    put = operator.put(f"staff/{staff_id}/merchants", {"merchant_ids": ["tea-house"]})
    assert put.get_json()["merchant_ids"] == ["tea-house"]
    return staff


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]


def upload_sheet(town: Town, someone: Someone, merchant_id: str) -> TestResponse:
    key = Caller(town.flask, town.app, {"own": someone.tokens["access_token"]}, "own")
    sheet = b"product_code,name,sku_code,price_minor,stock\nP1,x,S1,100,5\n"
    return post_file(key, f"catalog/import?merchant_id={merchant_id}", sheet, name="c.csv")


def test_anothers_goods_prices_stock_coupons_and_freight_stay_as_they_are(
    town: Town, operator: Caller, tea: Someone
) -> None:
    product = make_product(operator, skus=[sku()])
    sku_id = product["skus"][0]["id"]
    term = {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}
    coupon = {
        "name": "c", "kind": "fixed", "amount_minor": 5, "stock": 1, "merchant_id": "main", "claim_from": term["start"],
        "claim_to": term["end"], "valid_from": term["start"], "valid_to": term["end"],
    }  # fmt: skip
    edited = to_edit(product, name="Mine now", skus=[{**to_edit(product)["skus"][0], "price_minor": 1}])
    zone = {"regions": [], "first": 1, "first_minor": 1, "step": 1, "step_minor": 1}
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"catalog/products/{product['id']}", None),
        ("GET", "catalog/products?merchant_id=main", None),
        ("POST", "catalog/products", product_body(merchant_id="main")),
        ("PUT", f"catalog/products/{product['id']}", edited),
        ("PUT", f"catalog/products/{product['id']}/state", {"state": "deleted"}),
        ("GET", f"skus/{sku_id}/stock", None),
        ("POST", f"skus/{sku_id}/stock", {"change": -5, "reason": "r"}),
        ("GET", "catalog/export?merchant_id=main", None),
        ("POST", "shop/coupon-templates", coupon),
        ("POST", "shop/coupon-templates", {**coupon, "merchant_id": None}),
        ("PUT", "shop/freight/main", {"unit": "piece", "zones": [zone], "version": 0}),
    ]
    for method, path, body in calls:
        answer = tea.send(method, path, body)
        assert answer.status_code == 403, (method, path, answer.text)
        assert code_of(answer) == (403, "not_your_merchant"), (method, path)
    assert code_of(upload_sheet(town, tea, "main")) == (403, "not_your_merchant")
    after = operator.read(f"catalog/products/{product['id']}")
    assert {**after, "version": 0} == {**product, "version": 0}


def test_what_belongs_to_the_whole_platform_is_not_changed_by_one_merchants_staff(
    operator: Caller, tea: Someone
) -> None:
    category, brand = make(operator, "categories", {"name": "c"}), make(operator, "brands", {"name": "b"})
    shelf = make(operator, "shelves", {"title": "s", "product_ids": []})
    for method, path, body in (
        ("POST", "categories", {"name": "d"}),
        ("PUT", f"categories/{category['id']}", {"name": "d", "version": 1}),
        ("DELETE", f"categories/{category['id']}", None),
        ("POST", "brands", {"name": "d"}),
        ("PUT", f"brands/{brand['id']}", {"name": "d", "version": 1}),
        ("DELETE", f"brands/{brand['id']}", None),
        ("POST", "shelves", {"title": "d", "product_ids": []}),
        ("PUT", f"shelves/{shelf['id']}", {"title": "d", "product_ids": [], "version": 1}),
        ("DELETE", f"shelves/{shelf['id']}", None),
    ):
        assert code_of(tea.send(method, path, body)) == (403, "not_your_merchant"), (method, path)


def test_the_own_merchants_goods_are_written_and_listed_alone(town: Town, operator: Caller, tea: Someone) -> None:
    make_product(operator)
    own = tea.post("catalog/products", product_body(merchant_id="tea-house"))
    assert own.status_code == 201, own.text
    product = own.get_json()
    assert [one["id"] for one in tea.get("catalog/products").get_json()["items"]] == [product["id"]]
    assert tea.send("PUT", f"catalog/products/{product['id']}", to_edit(product, name="龙井")).status_code == 200
    change = {"change": 5, "reason": "delivery"}
    assert tea.post(f"skus/{product['skus'][0]['id']}/stock", change).status_code == 201
    assert upload_sheet(town, tea, "tea-house").status_code == 201
    key = Caller(town.flask, town.app, {"own": tea.tokens["access_token"]}, "own")
    assert post_file(key, "media", picture(), name="p.png").status_code == 201
    subjects = [one["action"] for one in town.hire("admin").get("audit").get_json()["items"]]
    assert {"post_import", "post_media"} <= set(subjects)
