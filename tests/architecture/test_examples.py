"""Every call of the description shows an answer, and what it shows could be answered: it fits and agrees with itself."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from api import CAPABILITIES, create_app
from api.samples import TEXTS
from api.shop_orders import _COLUMNS as ORDER_COLUMNS
from tuike.app import build_app
from tuike.catalog.sheets import COLUMNS as SHEET_COLUMNS
from tuike.config import Config
from tuike.payments.service.bills import _CSV_COLUMNS as DIFFERENCE_COLUMNS
from tuike.shared.ids import PREFIXES, is_id
from tuike.shared.money import share_of

METHODS = {"get", "post", "put", "patch", "delete"}
KIND_OF = {
    "author_id": "staff", "actor_id": "staff", "assignee_id": "staff", "owner_id": "staff", "decided_by": "staff",
    "made_by": "staff", "buyer_id": "shopper", "user_id": "shopper", "inviter_id": "promoter", "parent_id": "category",
    "last_run_id": "run",
}  # fmt: skip
"""What ids are of, where their field's name is not that of a kind."""
FREE = {"merchant_id", "external_id", "refund_id", "rule_id", "from_id", "to_id", "account_id", "case_id", "request_id"}
"""Ids that another system chose, that are of several kinds, or that have words of their own. A column's type is `string`."""
ORDER_OF_TIME = [
    "placed_at", "created_at", "quoted_at", "asked_at", "requested_at", "started_at", "paid_at", "shipped_at",
    "received_at", "completed_at", "decided_at", "refunded_at", "ended_at", "finished_at", "updated_at",
]  # fmt: skip


@pytest.fixture(scope="module")
def description() -> Any:
    """The description as it is served; no server is contacted."""
    app = build_app(Config(database_url="postgresql://nowhere/none", neo4j_uri="bolt://127.0.0.1:1"))
    answer = create_app(app).test_client().get("/api/openapi.json")
    app.close()
    return answer.get_json()


@pytest.fixture(scope="module")
def examples(description: Any) -> dict[str, Any]:
    return {name: one["value"] for name, one in description["components"]["examples"].items()}


def iter_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a document, the document itself included."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from iter_objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from iter_objects(inner)


def test_every_successful_answer_with_a_body_has_an_example(description: Any) -> None:
    shown = 0
    for path, item in description["paths"].items():
        for method in METHODS & item.keys():
            for status, response in item[method]["responses"].items():
                for media_type, content in response.get("content", {}).items():
                    if status >= "400" or media_type.startswith(("image/", "video/")) or path == "/api/openapi.json":
                        continue
                    assert "example" in content or "examples" in content, (method, path, status)
                    shown += 1
    assert shown >= sum(len(routes.declared) for routes in CAPABILITIES)


def test_every_example_fits_its_schema(description: Any, examples: dict[str, Any]) -> None:
    for name, example in examples.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(example)
        unknown = set(example) - set(description["components"]["schemas"][name]["properties"])
        assert not unknown, (name, unknown)


def test_the_examples_of_refusals_fit_the_shape_of_every_error(description: Any) -> None:
    schema = {"$ref": "#/components/schemas/ErrorAnswer", "components": description["components"]}
    shown = description["components"]["schemas"]["ErrorAnswer"]["examples"]
    assert {one["error"]["code"] for one in shown} == {"validation_failed", "postgres_unavailable"}
    for one in shown:
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(one)


def test_the_examples_of_open_calls_fit_the_schema_beside_them(description: Any) -> None:
    responses = description["paths"]["/health"]["get"]["responses"]
    for status in ("200", "503"):
        content = responses[status]["content"]["application/json"]
        jsonschema_rs.validator_for(content["schema"]).validate(content["example"])


def test_ids_have_the_prefix_of_what_they_name(examples: dict[str, Any]) -> None:
    seen = set()
    for name, example in examples.items():
        for one in iter_objects(example):
            for field, value in one.items():
                kind = KIND_OF.get(field, field.removesuffix("_id"))
                if value in (None, "string") or field in FREE or not (field.endswith("_id") or field in KIND_OF):
                    continue
                assert kind in PREFIXES, (name, field)
                assert is_id(kind, value), (name, field, value)
                seen.add(kind)
    assert len(seen) > 15


def test_what_names_one_thing_has_one_id_throughout(examples: dict[str, Any]) -> None:
    owns = {
        "ShopOrderAnswer": "order", "OrderAnswer": "order", "ShopperAnswer": "shopper", "PromoterAnswer": "promoter",
        "CaseAnswer": "case", "ChargeAnswer": "payment", "WithdrawalAnswer": "withdrawal", "StaffAnswer": "staff",
        "ProductAnswer": "product", "TouchAnswer": "touch", "AddressAnswer": "address", "CouponAnswer": "coupon",
    }  # fmt: skip
    for name, kind in owns.items():
        own = examples[name]["id"]
        assert is_id(kind, own), name
    order = examples["ShopOrderAnswer"]
    assert examples["OrderAnswer"]["id"] == order["id"] == examples["CaseAnswer"]["order_id"]
    assert examples["ChargeAnswer"]["order_id"] == order["id"]
    assert order["coupon_id"] == examples["CouponAnswer"]["id"]
    assert order["shopper_id"] == examples["OrderAnswer"]["buyer_id"] == examples["ShopperAnswer"]["id"]
    assert examples["LinkAnswer"]["url"].endswith(examples["LinkAnswer"]["code"])


def test_sums_add_up(examples: dict[str, Any]) -> None:
    for name in ("ShopOrderAnswer", "QuoteAnswer"):
        order = examples[name]
        assert order["goods_minor"] == sum(line["price_minor"] * line["quantity"] for line in order["lines"])
        assert order["goods_minor"] - order["discount_minor"] == sum(line["amount_minor"] for line in order["lines"])
        assert order["payable_minor"] == order["goods_minor"] - order["discount_minor"] + order["freight_minor"]
    order, charge = examples["OrderAnswer"], examples["ChargeAnswer"]
    assert order["goods_minor"] == sum(line["amount_minor"] for line in order["lines"])
    assert order["goods_minor"] + order["shipping_minor"] == charge["amount_minor"]
    case, refund = examples["CaseAnswer"], examples["RefundAnswer"]
    assert (
        case["goods_minor"] + case["freight_minor"]
        == case["amount_minor"]
        == sum(line["amount_minor"] for line in case["lines"])
    )
    assert refund["amount_minor"] == sum(line["amount_minor"] for line in refund["lines"]) + refund["shipping_minor"]


def test_commissions_follow_from_their_order_and_their_trace(examples: dict[str, Any]) -> None:
    order, plan = examples["OrderAnswer"], examples["PlanAnswer"]
    items = examples["CommissionList"]["items"]
    assert [one["level"] for one in items] == list(range(1, plan["levels_max"] + 1))
    for one in items:
        assert one["base_minor"] == order["goods_minor"]
        assert one["rate_bps"] == plan["rates_bps"][one["level"] - 1]
        assert one["amount_minor"] == sum(share_of(line["amount_minor"], one["rate_bps"]) for line in order["lines"])
        outcome = one["trace"][-1]
        assert (outcome["code"], outcome["detail"]["amount_minor"]) == ("paid", one["amount_minor"])
    assert items[0]["promoter_id"] == order["attribution"]["promoter_id"]
    wallet, withdrawal = examples["WalletAnswer"], examples["WithdrawalAnswer"]
    assert wallet["withdrawing_minor"] == withdrawal["amount_minor"] == items[0]["amount_minor"]


def test_instants_come_in_their_order(examples: dict[str, Any]) -> None:
    for name, example in examples.items():
        for one in iter_objects(example):
            known = [one[field] for field in ORDER_OF_TIME if one.get(field)]
            if name.startswith("Analysis") or "created_at" in one:
                known = [one[field] for field in ("created_at", "updated_at", "ended_at") if one.get(field)]
            assert known == sorted(known), (name, one)


def test_a_state_and_its_instants_agree(examples: dict[str, Any]) -> None:
    order, charge = examples["ShopOrderAnswer"], examples["StaffChargeAnswer"]
    assert order["state"] == "completed"
    assert all(order[field] for field in ("paid_at", "shipped_at", "completed_at"))
    assert (order["closed_at"], order["close_reason"]) == (None, None)
    assert all(line["shipped_quantity"] == line["quantity"] for line in order["lines"])
    assert (charge["state"], charge["received_minor"]) == ("succeeded", charge["amount_minor"])
    assert (examples["ChargeAnswer"]["state"], examples["ChargeAnswer"]["paid_at"]) == ("pending", None)
    assert examples["OrderAnswer"]["received_at"] == order["completed_at"]


def test_texts_have_the_columns_that_are_written() -> None:
    for name, columns in (
        ("export_shop_orders", ORDER_COLUMNS),
        ("export_catalogue", SHEET_COLUMNS),
        ("export_bill_differences", DIFFERENCE_COLUMNS),
    ):
        header, row = csv.reader(io.StringIO(TEXTS[name].removeprefix("\ufeff")))
        assert tuple(header) == tuple(columns), name
        assert len(row) == len(header), name
    assert set(TEXTS) == {
        route.verb.__name__ for routes in CAPABILITIES for route in routes.declared if route.text_type is not None
    }
    (data,) = re.findall(r"^data: (.*)$", TEXTS["stream_my_order_events"], re.MULTILINE)
    assert json.loads(data)["version"] == 2
