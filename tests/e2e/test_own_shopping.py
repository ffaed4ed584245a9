"""What the shop knows of a person is in the export, and gone after an erasure; goods and money stay, under the id."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.e2e.conftest import Caller
from tests.e2e.persons import Person, Someone, Town
from tests.e2e.test_own_data import _dump
from tests.e2e.test_shop import make_product, make_video, picture, post_file, to_edit
from tests.e2e.test_shop_orders import ADDRESS, make_sku, move_in, ok, pay, place, refund_all
from tuike import catalog, fulfilment
from tuike.shared.clock import read_clock


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


def erase(shopper: Someone) -> tuple[int, Any]:
    answer = shopper.post("me/erasure", {"confirm": "erase"})
    return answer.status_code, answer.get_json()


def told(town: Town) -> None:
    """Let the provider have been told of every parcel."""
    with town.app.db.transaction() as tx:
        for one in fulfilment.list_shipping_uploads_due(tx, limit=99):
            fulfilment.mark_shipping_uploaded(tx, parcel_id=one.parcel_id, now=read_clock())


def upload(town: Town, someone: Someone, content: bytes | None = None, status: int = 201) -> dict[str, Any]:
    """Upload a picture as a shopper."""
    caller = Caller(town.flask, town.app, {"own": someone.tokens["access_token"]}, "own")
    answer = post_file(caller, "me/media", picture() if content is None else content, name="p.png")
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


def live_a_life(town: Town) -> tuple[Someone, dict[str, Any]]:
    """Return a shopper with a book, a cart and an order that was shipped, received and partly given back."""
    shopper = town.log_in(Person("openid-of-mei"))
    ok(shopper.post("me/addresses", ADDRESS), 201)
    order = place(shopper, make_sku(town))
    pay(town, order)
    support = town.hire("support")
    ok(support.post(f"shop/orders/{order['id']}/parcels", {"carrier": "SF", "tracking_no": "SF-secret-1"}), 201)
    ok(support.post(f"shop/orders/{order['id']}/notes", {"body": "the lady on the third floor"}), 201)
    ok(shopper.post(f"me/orders/{order['id']}/receipt"))
    ask = {
        "kind": "return_and_refund", "lines": [{"no": 0, "quantity": 1}], "reason": "too_small",
        "description": "my knees hurt", "pictures": [upload(town, shopper)["name"]],
    }  # fmt: skip
    case = ok(shopper.post(f"me/orders/{order['id']}/cases", ask), 201)
    ok(support.post(f"shop/cases/{case['id']}/approval", {"answer": "sorry, dear"}))
    parcel = {"carrier": "SF", "tracking_no": "SF-secret-2"}
    ok(shopper.post(f"me/cases/{case['id']}/return-parcel", parcel))
    ok(support.post(f"shop/cases/{case['id']}/received-back"))
    refund_all(town)
    ok(shopper.post("me/cart/lines", {"sku_id": make_sku(town), "quantity": 3}))
    return shopper, order


def test_an_export_has_addresses_cart_orders_parcels_cases_and_nothing_of_others(town: Town) -> None:
    shopper, order = live_a_life(town)
    other = move_in(town)
    place(other, make_sku(town))
    document = ok(shopper.get("me/export"))
    assert [one["phone"] for one in document["addresses"]] == [ADDRESS["phone"]]
    assert [one["quantity"] for one in document["cart"]] == [3]
    assert [one["id"] for one in document["shop_orders"]] == [order["id"]]
    assert document["shop_orders"][0]["address"]["detail"] == ADDRESS["detail"]
    assert [one["tracking_no"] for one in document["shop_orders"][0]["parcels"]] == ["SF-secret-1"]
    assert [one["description"] for one in document["after_sale_cases"]] == ["my knees hurt"]
    assert (document["coupons"], document["pickup_points"], document["payouts"]) == ([], [], [])
    assert other.tokens["user_id"] not in json.dumps(document)


def test_an_erasure_takes_the_person_out_of_the_shop_and_leaves_goods_and_money(town: Town) -> None:
    shopper, order = live_a_life(town)
    told(town)
    town.keys.settle()
    status, document = erase(shopper)
    assert status == 200, document
    assert {"address book", "cart"} <= set(document["erased"])
    rows = _dump(town)
    for secret in (
        "13800001234", "李雷", "科技园", "SF-secret", "my knees hurt", "sorry, dear", "third floor", "openid-of-mei",
    ):  # fmt: skip
        assert secret not in rows, secret
    kept = ok(town.hire("support").get(f"shop/orders/{order['id']}"))
    assert (kept["payable_minor"], kept["lines"][0]["quantity"], kept["state"]) == (2000, 2, "completed")
    assert kept["address"]["region_code"] == ADDRESS["region_code"]
    assert town.keys.read(f"orders/{order['id']}")["refunded_minor"] == 1000


def test_a_cases_pictures_are_the_shoppers_uploads_and_stay_until_the_person_goes(town: Town) -> None:
    shopper, _ = live_a_life(town)
    (case,) = ok(shopper.get("me/cases"))["items"]
    (name,) = case["pictures"]
    assert case["picture_urls"][0].endswith(name)
    storage = catalog.open_storage(town.app.config)
    later = read_clock() + timedelta(days=2)
    assert fulfilment.clear_media(town.app.db, storage, now=later) == 0
    assert town.flask.test_client().get(f"/media/{name}").status_code == 200
    told(town)
    town.keys.settle()
    assert erase(shopper)[0] == 200
    assert fulfilment.clear_media(town.app.db, storage, now=later) == 1
    assert town.flask.test_client().get(f"/media/{name}").status_code == 404


def test_a_case_takes_no_picture_that_nobody_uploaded(town: Town) -> None:
    shopper = move_in(town)
    order = place(shopper, make_sku(town))
    pay(town, order)
    ask = {"kind": "refund_only", "lines": [{"no": 0, "quantity": 1}], "reason": "x", "pictures": ["../../etc/passwd"]}
    answer = shopper.post(f"me/orders/{order['id']}/cases", ask)
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["fields"]) == ["pictures.0"]


def test_shoppers_upload_pictures_only_and_not_too_many(town: Town) -> None:
    shopper = town.log_in()
    for content, status, code in (
        (b"<svg onload=alert(1)>", 422, "media_unreadable"),
        (make_video(), 422, "media_unreadable"),
        (b"0" * (50 * 1024 * 1024), 413, "upload_too_large"),
    ):
        assert upload(town, shopper, content, status)["error"]["code"] == code
    found = [upload_status(town, shopper) for _ in range(20)]
    assert found[0] == 201
    assert found[-1] == 429


def upload_status(town: Town, someone: Someone) -> int:
    caller = Caller(town.flask, town.app, {"own": someone.tokens["access_token"]}, "own")
    return int(post_file(caller, "me/media", picture(), name="p.png").status_code)


def test_an_erasure_waits_for_orders_that_wait_for_something(town: Town) -> None:
    shopper = move_in(town)
    order = place(shopper, make_sku(town), quantity=1)
    assert erase(shopper)[1]["error"]["fields"].keys() == {"orders"}
    ok(shopper.post(f"me/orders/{order['id']}/cancel"))
    assert erase(shopper)[0] == 200


def test_an_erasure_waits_for_a_case(town: Town) -> None:
    shopper, support = move_in(town), town.hire("support")
    order = place(shopper, make_sku(town), quantity=1)
    pay(town, order)
    ok(support.post(f"shop/orders/{order['id']}/parcels", {"carrier": "SF", "tracking_no": "SF1"}), 201)
    ok(shopper.post(f"me/orders/{order['id']}/receipt"))
    ask = {"kind": "refund_only", "lines": [{"no": 0, "quantity": 1}], "reason": "x"}
    case = ok(shopper.post(f"me/orders/{order['id']}/cases", ask), 201)
    told(town)
    assert erase(shopper)[1]["error"]["fields"].keys() == {"orders"}
    ok(shopper.post(f"me/cases/{case['id']}/cancel"))
    assert erase(shopper)[0] == 200


def test_a_promoters_pick_up_point_is_closed_and_forgotten_once_nothing_is_on_its_way_there(town: Town) -> None:
    runner, shopper, support = town.log_in(), move_in(town), town.hire("support")
    promoter = ok(runner.post("me/promoter"), 201)
    point = {"promoter_id": promoter["id"], "name": "Mei's door", "address": "Lane 9", "phone": "13911112222"}
    made = ok(support.post("shop/pickup-points", point), 201)
    assert ok(runner.get("me/export"))["pickup_points"][0]["address"] == "Lane 9"
    ok(shopper.post("me/cart/lines", {"sku_id": make_sku(town), "quantity": 1}))
    quote = ok(shopper.post("me/checkout/quote", {"pickup_point_id": made["id"]}))
    body = {"fingerprint": quote["fingerprint"], "pickup_point_id": made["id"]}
    order = ok(shopper.post("me/orders", body), 201)
    assert erase(runner)[1]["error"]["fields"].keys() == {"orders"}
    ok(shopper.post(f"me/orders/{order['id']}/cancel"))
    assert erase(runner)[0] == 200
    rows = _dump(town)
    assert "Lane 9" not in rows
    assert "13911112222" not in rows
    assert ok(shopper.get("me/pickup-points"))["items"] == []


def test_an_old_order_keeps_its_picture_when_the_product_has_another(town: Town) -> None:
    operator, storage, now = town.keys.as_scope("operator"), catalog.open_storage(town.app.config), read_clock()
    old, new = (post_file(operator, "media", picture(), name="p.png").get_json()["name"] for _ in range(2))
    product = make_product(operator, pictures=[old])
    shopper = move_in(town)
    order = place(shopper, product["skus"][0]["id"])
    assert order["lines"][0]["picture"] == old
    edited = ok(operator.put(f"catalog/products/{product['id']}", to_edit(product, pictures=[new])))
    assert edited["pictures"] == [new]
    for days in (2, 3):
        fulfilment.clear_media(town.app.db, storage, now=now + timedelta(days=days))
        shown = ok(shopper.get(f"me/orders/{order['id']}"))["lines"][0]
        assert shown["picture"] == old
        for url in (f"/media/{old}", shown["picture_url"][shown["picture_url"].index("/media/") :]):
            assert town.flask.test_client().get(url).status_code == 200, url
    unbought = ok(operator.put(f"catalog/products/{product['id']}", to_edit(edited, pictures=[])))
    assert unbought["pictures"] == []
    fulfilment.clear_media(town.app.db, storage, now=now + timedelta(days=9))
    assert town.flask.test_client().get(f"/media/{new}").status_code == 404
