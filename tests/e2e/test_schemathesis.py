"""The running stack answers only what its OpenAPI document describes, whatever schemathesis makes of it."""

from __future__ import annotations

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
from tests.e2e.shops import Shop, ago, make_line

EXAMPLES = 12
ENDS_THE_CALLER = ("/logout", "/logout/everywhere", "/me/erasure", "/me/sessions/{session_id}")
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture
def known(embedded_shop: Shop) -> dict[str, str]:
    """One real id for each parameter of a path."""
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
        "commission_id": entry["id"], "withdrawal_id": withdrawal["id"],
    }  # fmt: skip


@pytest.fixture
def credentials(embedded_shop: Shop) -> dict[str, str]:
    """An Authorization header for each kind of caller that the description names."""
    url = f"{embedded_shop.url}/api/v1"
    code = f"dev:{embedded_shop.new_id('mei')}:first"
    shopper = requests.post(f"{url}/login/wechat", json={"code": code}, timeout=10).json()
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


@pytest.mark.timeout(900)
def test_every_answer_is_one_that_was_described(
    embedded_shop: Shop, known: dict[str, str], credentials: dict[str, str]
) -> None:
    document = requests.get(f"{embedded_shop.url}/api/openapi.json", timeout=10).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 24
    failures: list[str] = []
    with requests.Session() as session:
        for operation in sorted(operations, key=lambda one: one.path.removeprefix("/api/v1") in ENDS_THE_CALLER):
            session.headers["Authorization"] = _choose_credentials(operation, credentials)
            try:
                _try_out(operation, embedded_shop.url, session, known)
            except Exception as error:  # noqa: BLE001 - all operations are tried, then all failures are shown
                failures.append(f"{operation.label}: {error}")
    embedded_shop.set_plan()
    assert failures == [], "\n\n".join(failures)


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
            case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        answer = case.call(base_url=url, session=session, timeout=20, allow_redirects=False)
        case.validate_response(answer, checks=list(CHECKS))

    send()
