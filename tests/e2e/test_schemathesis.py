"""The running stack answers only what its OpenAPI document describes, whatever schemathesis makes of it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.persons import totp_at
from tests.e2e.shops import Shop, ago, expect, make_line

EXAMPLES = 12
PARTS = 5
"""The calls are tried out in so many tests, so that none comes near its time limit on a slow machine."""
ADDRESS = {
    "name": "李雷", "phone": "13800001234", "region_code": "440305", "region": "广东省深圳市南山区", "detail": "科技园 1 号",
}  # fmt: skip
ENDS_THE_CALLER = ("/logout", "/logout/everywhere", "/me/erasure", "/me/sessions/{session_id}")
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(scope="module")
def known(embedded_shop: Shop, credentials: dict[str, str]) -> dict[str, str]:
    """One real id for each parameter of a path; those under `/me/` and `/shop/` are the shopper's own."""
    promoter = embedded_shop.make_promoter(embedded_shop.make_promoter())
    code = embedded_shop.make_link(promoter)
    touch = embedded_shop.touch(code, buyer_id=embedded_shop.new_id("buyer"))
    order = embedded_shop.sell(promoter, make_line(100_000))
    entry = embedded_shop.list_commissions(order)[0]
    embedded_shop.receive(order, ago(days=1))
    embedded_shop.earn(promoter, 1_000)
    withdrawal = embedded_shop.withdraw(promoter, 100)
    return {
        "promoter_id": promoter["id"], "code": code, "touch_id": touch["id"], "order_id": order["id"],
        "commission_id": entry["id"], "withdrawal_id": withdrawal["id"], "merchant_id": "main", "kind": "user",
        **_make_goods(embedded_shop), **_make_own(embedded_shop, credentials),
    }  # fmt: skip


def _make_goods(shop: Shop) -> dict[str, str]:
    """Put something of each kind that the shop window has."""

    def make(path: str, **body: Any) -> Any:
        return expect(shop.operator.post(path, json=body), 201)

    name = shop.new_id("goods")
    product = make("catalog/products", name=name, state="on_sale", skus=[{"price_minor": 1990, "stock": 1_000}])
    return {
        "category_id": make("categories", name=name)["id"], "brand_id": make("brands", name=name)["id"],
        "product_id": product["id"], "sku_id": product["skus"][0]["id"],
        "shelf_id": make("shelves", title=name, product_ids=[product["id"]])["id"],
        "shopper_id": _log_in(shop, "somebody")["user_id"],
    }  # fmt: skip


def _make_own(shop: Shop, credentials: dict[str, str]) -> dict[str, str]:
    """Let the shopper whose token is used have an address, an order and a payment."""
    headers = {"Authorization": credentials["shopperToken"]}

    def post(path: str, **body: Any) -> Any:
        answer = requests.post(f"{shop.url}/api/v1/{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    address = post("me/addresses", **ADDRESS)
    made = expect(
        shop.operator.post(
            "catalog/products",
            json={"name": shop.new_id("own"), "state": "on_sale", "skus": [{"price_minor": 990, "stock": 9}]},
        ),
        201,
    )
    lines = [{"sku_id": made["skus"][0]["id"], "quantity": 1}]
    order = post("me/orders", lines=lines, fingerprint=post("me/checkout/quote", lines=lines)["fingerprint"])
    payment = post(f"me/orders/{order['id']}/payments", provider="wechat")
    return {"address_id": address["id"], "own order_id": order["id"], "payment_id": payment["id"]}


def _log_in(shop: Shop, name: str) -> Any:
    code = f"dev:{shop.new_id(name)}:first"
    return requests.post(f"{shop.url}/api/v1/login/wechat", json={"code": code}, timeout=10).json()


@pytest.fixture(scope="module")
def credentials(embedded_shop: Shop) -> dict[str, str]:
    """An Authorization header for each kind of caller that the description names."""
    url = f"{embedded_shop.url}/api/v1"
    shopper = _log_in(embedded_shop, "mei")
    username, password = embedded_shop.new_id("admin"), "correct horse battery"
    words = ("staff", "create", "--username", username, "--name", "Mei", "--permission", "admin")
    first = embedded_shop.run(*words).stdout.strip()
    change = {"username": username, "password": first, "new_password": password}
    assert requests.post(f"{url}/staff/password", json=change, timeout=10).status_code == 200
    staff = requests.post(f"{url}/staff/login", json={"username": username, "password": password}, timeout=10).json()
    headers = {"Authorization": f"Bearer {staff['access_token']}"}
    secret = requests.post(f"{url}/staff/me/second-factor", json={}, headers=headers, timeout=10).json()["secret"]
    enrolled = requests.post(
        f"{url}/staff/me/second-factor/confirm", json={"code": totp_at(secret)}, headers=headers, timeout=10
    )
    assert enrolled.status_code == 200, enrolled.text
    return {
        "apiKey": embedded_shop.operator.headers["Authorization"],
        "shopperToken": f"Bearer {shopper['access_token']}",
        "staffToken": f"Bearer {staff['access_token']}",
    }


@pytest.mark.parametrize("part", range(PARTS))
def test_every_answer_is_one_that_was_described(
    embedded_shop: Shop, known: dict[str, str], credentials: dict[str, str], part: int
) -> None:
    document = requests.get(f"{embedded_shop.url}/api/openapi.json", timeout=10).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 24
    size = -(-len(operations) // PARTS)
    mine = sorted(operations, key=_when)[part * size : (part + 1) * size]
    failures: list[str] = []
    with requests.Session() as session:
        for operation in mine:
            session.headers["Authorization"] = _choose_credentials(operation, credentials)
            try:
                _try_out(operation, embedded_shop.url, session, known)
            except Exception as error:  # noqa: BLE001 - all operations are tried, then all failures are shown
                failures.append(f"{operation.label}: {error}")
    embedded_shop.set_plan()
    assert failures == [], "\n\n".join(failures)


def _when(operation: Any) -> tuple[bool, str]:
    """Return when an operation is tried out: last of all, in the last part, whatever ends those who call."""
    path = operation.path.removeprefix("/api/v1")
    return path in ENDS_THE_CALLER, hashlib.sha256(operation.label.encode()).hexdigest()


def _choose_credentials(operation: Any, credentials: dict[str, str]) -> str:
    """Return what opens an operation: an operator's key where one does, else a token."""
    raw = operation.definition.raw
    kinds = [name for one in raw.get("security", []) for name in one]
    if "operator" in raw.get("x-scopes", ["operator"]) or not kinds:
        return credentials["apiKey"]
    return credentials["shopperToken" if "shopperToken" in kinds else "staffToken"]


def _try_out(operation: Any, url: str, session: requests.Session, known: dict[str, str]) -> None:
    made = operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=made, is_known=st.sampled_from([True, True, False]))
    def send(case: Any, is_known: bool) -> None:
        if is_known and case.path_parameters:
            own = "own " if "/me/" in operation.path or "/shop/" in operation.path else ""
            case.path_parameters = {
                name: known.get(own + name, known.get(name, value)) for name, value in case.path_parameters.items()
            }
        answer = case.call(base_url=url, session=session, timeout=20, allow_redirects=False)
        is_stream = operation.path.endswith("/events")  # described as one text; schemathesis looks at each event
        case.validate_response(answer, checks=list(CHECKS[:-1] if is_stream else CHECKS))

    send()
