"""What a promoter would earn is shown to promoters, on every product, and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Caller
from tests.e2e.persons import Someone, Town
from tests.e2e.shops import ago, to_text
from tests.e2e.test_shop import make, make_product, sku

PLAN = {"levels_max": 2, "rates_bps": [1000, 300, 0], "holding_days": 7, "lock_days": 30, "attribution": "last"}


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


@pytest.fixture
def operator(town: Town) -> Caller:
    return town.keys.as_scope("operator")


@pytest.fixture
def promoter(town: Town) -> Someone:
    someone = town.log_in()
    assert someone.post("me/promoter").status_code == 201
    return someone


def read(someone: Someone, path: str) -> Any:
    answer = someone.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_a_promoter_sees_on_every_surface_what_a_product_earns(town: Town, operator: Caller, promoter: Someone) -> None:
    product = make_product(
        operator, name="红色连衣裙", spec_names=["尺码"],
        skus=[sku(price_minor=19_900, spec=["S"]), sku(price_minor=20_999, spec=["M"])],
    )  # fmt: skip
    make(operator, "shelves", {"title": "新品", "product_ids": [product["id"]]})
    earning = {"rate_bps": 1000, "from_minor": 1_990, "to_minor": 2_099}
    detail = read(promoter, f"products/{product['id']}")
    assert detail["earning"] == earning
    assert [one["earning_minor"] for one in detail["skus"]] == [1_990, 2_099]
    assert read(promoter, "home")["shelves"][0]["products"][0]["earning"] == earning
    for path in ("products", "search?q=连衣裙"):
        assert read(promoter, path)["items"][0]["earning"] == earning


def test_shoppers_staff_keys_and_strangers_see_no_earnings(town: Town, operator: Caller, promoter: Someone) -> None:
    product = make_product(operator)
    path = f"products/{product['id']}"
    assert read(promoter, path)["earning"] is not None
    for someone in (town.log_in(), town.hire("content")):
        detail = read(someone, path)
        assert (detail["earning"], detail["skus"][0]["earning_minor"]) == (None, None)
    assert operator.read(path)["earning"] is None
    answer = town.send("GET", path)
    assert answer.get_json()["earning"] is None
    assert answer.headers["Cache-Control"].startswith("public")
    assert answer.headers["Vary"].startswith("Authorization")
    bad = town.send("GET", path, headers={"Authorization": "Bearer nonsense"})
    assert bad.get_json()["earning"] is None
    mine = promoter.get(path)
    assert mine.headers["Cache-Control"].startswith("private")
    assert mine.headers["ETag"] != answer.headers["ETag"]


def test_a_suspended_promoter_sees_no_earnings(operator: Caller, promoter: Someone) -> None:
    product = make_product(operator)
    promoter_id = read(promoter, "me/promoter")["id"]
    assert operator.put(f"promoters/{promoter_id}/status", {"status": "suspended"}).status_code == 200
    assert read(promoter, f"products/{product['id']}")["earning"] is None


def test_own_rates_go_before_the_categorys_and_those_before_the_plans(operator: Caller, promoter: Someone) -> None:
    above = make(operator, "categories", {"name": "女装", "rates_bps": [2000]})
    below = make(operator, "categories", {"name": "裙子", "parent_id": above["id"]})
    one_sku = [sku(price_minor=1_005)]
    plain = make_product(operator, skus=one_sku)
    of_category = make_product(operator, skus=one_sku, category_id=below["id"])
    of_its_own = make_product(operator, skus=one_sku, category_id=below["id"], rates_bps=[500, 100])
    found = {
        one["id"]: one["earning"]["from_minor"] for one in read(promoter, "products")["items"]
    }  # fmt: skip
    assert found == {plain["id"]: 100, of_category["id"]: 201, of_its_own["id"]: 50}


def test_what_is_shown_is_what_a_sale_earns(town: Town, operator: Caller, promoter: Someone) -> None:
    plan = PLAN | {"rates_bps": [1000, 500, 0], "order_cap_bps": 900}
    assert operator.put("plans/default", plan).status_code == 200
    product = make_product(operator, skus=[sku(price_minor=9_999)])
    shown = read(promoter, f"products/{product['id']}")["earning"]["from_minor"]
    invited = town.log_in()
    mine = read(promoter, "me/promoter")
    below = invited.post("me/promoter", {"invite_code": mine["invite_code"]}).get_json()
    code = town.keys.make_link(below["id"])["code"]
    town.keys.make_touch(code, buyer_id="b-9", at=to_text(ago(minutes=1)))
    line = {"sku": "s", "quantity": 1, "amount_minor": 9_999}
    order = town.keys.make_order(buyer_id="b-9", placed_at=to_text(ago(seconds=0)), lines=[line])
    town.keys.pay(order)
    town.keys.settle()
    first = town.keys.read(f"orders/{order['id']}/commissions")["items"][0]
    assert first["amount_minor"] == shown == 599
