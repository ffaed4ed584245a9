"""A promoter shares, a shopper opens, and both see it with tokens of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.e2e.conftest import Caller
from tests.e2e.persons import Someone, Town

ErrorOf = Callable[[TestResponse], tuple[int, str, list[str]]]
LINK = {"target": {"type": "product", "id": "prd_x"}, "channel": "moments"}


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


def make_promoter(town: Town, **fields: Any) -> Someone:
    someone = town.log_in()
    answer = someone.post("me/promoter", fields)
    assert answer.status_code == 201, answer.text
    return someone


def send_twice(someone: Someone, path: str, body: dict[str, Any]) -> dict[str, Any]:
    first, again = (someone.post(path, body, headers={"Idempotency-Key": f"key of {path}"}) for _ in range(2))
    assert (first.status_code, again.data) == (201, first.data), first.text
    assert again.headers["Idempotency-Hit"] == "true"
    return dict(first.get_json())


def test_a_share_is_made_and_opened_twice_over_without_a_second_effect(town: Town) -> None:
    promoter, shopper = make_promoter(town), town.log_in()
    link = send_twice(promoter, "me/links", LINK)
    assert link["promoter_id"] == promoter.get("me/promoter").get_json()["id"]
    touch = send_twice(shopper, "me/touches", {"code": link["code"], "device_id": "phone-7"})
    assert (touch["promoter_id"], touch["depth"]) == (link["promoter_id"], 0)
    onwards = town.log_in().post("me/touches", {"code": link["code"], "parent_touch_id": touch["id"]}).get_json()
    assert onwards["depth"] == 1
    path = town.keys.read(f"touches/{onwards['id']}/path")["items"]
    assert [step["id"] for step in path] == [onwards["id"], touch["id"]]


def test_an_order_of_the_shopper_is_credited_to_the_share(town: Town) -> None:
    promoter, shopper = make_promoter(town), town.log_in()
    link = promoter.post("me/links", LINK).get_json()
    assert shopper.post("me/touches", {"code": link["code"]}).status_code == 201
    now = shopper.get("me/export").get_json()["exported_at"]
    order = town.keys.make_order(buyer_id=shopper.tokens["user_id"], placed_at=now)
    assert order["attribution"]["promoter_id"] == link["promoter_id"]


def test_who_is_no_promoter_shares_nothing_and_has_no_wallet(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    assert error_of(shopper.post("me/links", LINK)) == (404, "promoter_not_found", [])
    assert error_of(shopper.get("me/wallet")) == (404, "promoter_not_found", [])
    assert error_of(shopper.post("me/touches", {"code": "nothing"})) == (404, "link_not_found", [])
    assert error_of(shopper.post("me/touches", {"code": "x", "buyer_id": "somebody"}))[1] == "validation_failed"


def test_a_suspended_promoter_shares_nothing(town: Town, error_of: ErrorOf) -> None:
    promoter = make_promoter(town)
    promoter_id = promoter.get("me/promoter").get_json()["id"]
    operator = town.keys.as_scope("operator")
    assert operator.put(f"promoters/{promoter_id}/status", {"status": "suspended"}).status_code == 200
    assert error_of(promoter.post("me/links", LINK)) == (403, "promoter_not_active", [])


def test_a_new_promoter_agreement_is_accepted_before_the_next_share(town: Town, error_of: ErrorOf) -> None:
    promoter = make_promoter(town)
    version = town.publish("promoter")
    assert error_of(promoter.post("me/links", LINK)) == (403, "agreement_needed", ["promoter"])
    assert promoter.post("me/agreements/promoter", {"version": version}).status_code == 200
    assert promoter.post("me/links", LINK).status_code == 201


def test_a_wallet_is_seen_by_its_owner(town: Town) -> None:
    promoter = make_promoter(town)
    wallet = promoter.get("me/wallet").get_json()
    assert wallet == town.keys.read(f"wallets/{wallet['promoter_id']}")
    assert promoter.get("me/wallet?currency=EUR").get_json()["currency"] == "EUR"
