"""Agreements by version, consents, becoming a promoter, the export of one's data, and erasure."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.e2e.conftest import PLACED_AT, Caller
from tests.e2e.persons import Person, Someone, Town
from tuike import commission, risk, team, wallet
from tuike.graph import journal
from tuike.shared.clock import read_clock

ErrorOf = Callable[[TestResponse], tuple[int, str, list[str]]]


@pytest.fixture
def town(caller: Caller) -> Town:
    return Town(caller)


def _become_promoter(someone: Someone, **fields: Any) -> dict[str, Any]:
    answer = someone.post("me/promoter", fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def _sell(town: Town, promoter_id: str, buyer_id: str, *, amount_minor: int = 10_000) -> dict[str, Any]:
    code = town.keys.make_link(promoter_id)["code"]
    town.keys.make_touch(code, buyer_id=buyer_id, at=PLACED_AT, device_id="device-7")
    lines = [{"sku": "sku-1", "quantity": 1, "amount_minor": amount_minor}]
    return town.keys.make_order(buyer_id=buyer_id, lines=lines)


# Agreements


def test_an_agreement_is_published_by_content_and_accepted_by_version(town: Town, error_of: ErrorOf) -> None:
    content, shopper = town.hire("content"), town.log_in()
    assert error_of(shopper.post("me/agreements/promoter", {"version": 1})) == (404, "agreement_not_found", [])
    for version in (1, 2):
        made = content.post("agreements/promoter", {"title": "推客协议", "body": f"第 {version} 版\n第一条"})
        assert (made.status_code, made.get_json()["version"]) == (201, version)
    assert error_of(shopper.post("me/promoter")) == (403, "agreement_needed", ["promoter"])
    assert shopper.post("me/promoter").get_json()["error"]["fields"] == {"promoter": ["Version 2 is not accepted."]}
    assert error_of(shopper.post("me/agreements/promoter", {"version": 1})) == (409, "agreement_outdated", [])
    assert error_of(shopper.post("me/agreements/promoter", {"version": 3})) == (404, "agreement_not_found", [])
    first, again = (shopper.post("me/agreements/promoter", {"version": 2}).get_json() for _ in range(2))
    assert first == again
    assert _become_promoter(shopper)["external_id"] == shopper.tokens["user_id"]
    newest = town.send("GET", "agreements/promoter").get_json()
    assert (newest["version"], newest["body"]) == (2, "第 2 版\n第一条")
    assert town.send("GET", "agreements/promoter?version=1").get_json()["version"] == 1
    assert error_of(town.send("GET", "agreements/promoter?version=9"))[0] == 404
    assert error_of(town.send("GET", "agreements/nothing"))[0] == 404
    assert [item["version"] for item in town.send("GET", "agreements").get_json()["items"]] == [2]


def test_publishers_at_once_get_versions_of_their_own(town: Town) -> None:
    content = town.hire("content")
    versions: list[int] = []

    def publish() -> None:
        versions.append(content.post("agreements/user", {"title": "t", "body": "b"}).get_json()["version"])

    threads = [threading.Thread(target=publish) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]


def test_an_agreement_is_never_changed(town: Town) -> None:
    town.publish("user")
    with pytest.raises(Exception, match="append-only"), town.app.db.transaction() as tx:
        tx.exec_driver_sql("UPDATE agreements SET body = 'other'")


def test_consents_are_kept_with_their_history(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    for is_granted in (True, True, False, True):
        answer = shopper.send("PUT", "me/consents/marketing", {"is_granted": is_granted})
        assert answer.get_json()["is_granted"] is is_granted
    found = shopper.get("me/consents").get_json()["items"]
    assert [item["is_granted"] for item in found] == [True, False, True]
    assert error_of(shopper.send("PUT", "me/consents/marketing", {"is_granted": "yes"}))[1] == "validation_failed"
    assert town.log_in().get("me/consents").get_json()["items"] == []


# Promoters


def test_a_shopper_becomes_a_promoter_once_and_is_one_person(town: Town, error_of: ErrorOf) -> None:
    inviter, shopper = town.log_in(), town.log_in()
    top = _become_promoter(inviter, name="Top")
    assert error_of(shopper.post("me/promoter", {"invite_code": "NOBODY"})) == (
        404, "inviter_not_found", ["invite_code"],
    )  # fmt: skip
    assert error_of(shopper.get("me/promoter")) == (404, "promoter_not_found", [])
    made = _become_promoter(shopper, invite_code=top["invite_code"])
    assert made["inviter_id"] == top["id"]
    assert error_of(shopper.post("me/promoter")) == (409, "already_promoter", [])
    assert shopper.get("me/promoter").get_json() == made
    assert shopper.get("me").get_json()["promoter_id"] == made["id"]
    upline = town.keys.read(f"promoters/{made['id']}/upline")["items"]
    assert [item["promoter_id"] for item in upline] == [top["id"]]
    order = _sell(town, made["id"], shopper.tokens["user_id"])
    town.keys.pay(order)
    town.keys.settle()
    first = town.keys.read(f"orders/{order['id']}/commissions")["items"][0]
    assert (first["amount_minor"], first["trace"][-1]["code"] != "") == (0, True), "one's own order earns nothing"


def test_a_crowd_of_requests_makes_one_promoter(town: Town) -> None:
    shopper = town.log_in()
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(shopper.post("me/promoter").status_code)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]


# Export


def test_an_export_holds_everything_that_names_the_person_and_nobody_else(town: Town) -> None:
    shopper, other = town.log_in(Person("o-1", "u-1"), device="phone"), town.log_in(Person("o-2"))
    shopper.send("PATCH", "me", {"nickname": "小梅"})
    shopper.post("me/phone", {"code": town.outside.code_of_phone("13800138000")})
    shopper.send("PUT", "me/consents/analytics", {"is_granted": False})
    shopper.post("me/agreements/user", {"version": town.publish("user")})
    promoter = _become_promoter(other)
    order = _sell(town, promoter["id"], shopper.tokens["user_id"])
    town.keys.pay(order)
    document = shopper.get("me/export").get_json()
    assert document["profile"]["phone"] == "+8613800138000"
    assert {login["subject"] for login in document["logins"]} == {"o-1", "u-1"}
    assert [found["id"] for found in document["orders"]] == [order["id"]]
    assert [found["promoter_id"] for found in document["touches"]] == [promoter["id"]]
    assert document["identifiers"] == [{"kind": "device", "digests": 1}]
    assert [found["kind"] for found in document["agreements"]] == ["user"]
    assert [found["purpose"] for found in document["consents"]] == ["analytics"]
    assert [found["device"] for found in document["devices"]] == ["phone"]
    assert document["promoter"] is None
    text = json.dumps(document)
    assert other.tokens["user_id"] not in text
    assert "o-2" not in text
    town.keys.settle()
    earned = other.get("me/export").get_json()["promoter"]
    assert earned["commissions"][0]["amount_minor"] == earned["wallets"][0]["pending_minor"] == 1_000


# Erasure


def _dump(town: Town) -> str:
    with town.app.db.transaction() as tx:
        tables = tx.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).scalars()
        return "\n".join(
            row for table in tables.all() for row in tx.exec_driver_sql(f"SELECT t::text FROM {table} t").scalars()
        )


def test_an_erasure_forgets_the_person_and_keeps_the_vouchers(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in(Person("openid-of-mei", "union-of-mei"), device="Meis phone")
    user_id = shopper.tokens["user_id"]
    names = {"nickname": "小梅梅", "avatar_url": "https://cdn.example/mei.png"}
    assert shopper.send("PATCH", "me", names, headers={"Idempotency-Key": "k"}).status_code == 200
    shopper.post("me/phone", {"code": town.outside.code_of_phone("13800138000")}, headers={"Idempotency-Key": "p"})
    _become_promoter(shopper)
    code = town.keys.make_link(_become_promoter(town.log_in())["id"])["code"]
    town.keys.make_touch(code, buyer_id=user_id, at=PLACED_AT, device_id="device-of-mei")
    with town.app.db.transaction() as tx:
        digests = [one["digest"] for one in journal.list_usage(tx, accounts=[user_id], seqs=[*range(1_000)])]
        edge = risk.Evidence("buyer", user_id, "used", "device", digests[0], 1.0)
        member = risk.CaseMember("buyer", user_id, "buyer", 1.0, accused=True)
        found = risk.FoundCase("lockstep", 1.0, 1, 100, "", (member,), (edge,))
        tx.execute(text("INSERT INTO risk_sweeps (id, state, started_at) VALUES ('swp_x', 'done', now())"))
        risk.merge_found(tx, found=[found], sweep_id="swp_x", now=read_clock())
    assert digests
    order = town.keys.make_paid_order(buyer_id=user_id)
    assert error_of(shopper.post("me/erasure", {"confirm": "erase"})) == (409, "erasure_blocked", ["orders"])
    town.keys.post(f"orders/{order['id']}/receipt", {"received_at": PLACED_AT})
    town.keys.settle()
    assert error_of(shopper.post("me/erasure", {"confirm": "yes"}))[1] == "validation_failed"
    before = town.keys.read("ledger/check")
    answer = shopper.post("me/erasure", {"confirm": "erase"})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["user_id"] == user_id
    rows = _dump(town)
    for secret in (*digests, "openid-of-mei", "union-of-mei", "小梅梅", "mei.png", "Meis phone", "13800138000"):
        assert secret not in rows, secret
    assert town.keys.read("ledger/check") == before | {"head": town.keys.read("ledger/check")["head"]}
    assert town.keys.read(f"orders/{order['id']}")["buyer_id"] == user_id
    team.rebuild(town.app.db, town.app.graph)
    assert team.check_drift(town.app.db, town.app.graph)["drift"] == 0
    assert shopper.get("me").get_json()["nickname"] == ""
    assert error_of(shopper.post("me/erasure", {"confirm": "erase"})) == (401, "unauthenticated", [])
    assert error_of(shopper.refresh())[0] == 401
    fresh = town.log_in(Person("openid-of-mei", "union-of-mei"))
    assert fresh.tokens["user_id"] != user_id
    bound = fresh.post("me/phone", {"code": town.outside.code_of_phone("13800138000")})
    assert bound.status_code == 200


def test_an_erasure_is_refused_while_money_is_owed_either_way(town: Town, error_of: ErrorOf) -> None:
    shopper = town.log_in()
    promoter = _become_promoter(shopper)
    order = _sell(town, promoter["id"], "somebody")
    town.keys.pay(order)
    assert error_of(shopper.post("me/erasure", {"confirm": "erase"})) == (409, "erasure_blocked", ["commissions"])
    town.keys.settle()
    assert error_of(shopper.post("me/erasure", {"confirm": "erase"})) == (409, "erasure_blocked", ["wallet"])
    operator = town.keys.as_scope("operator")
    town.keys.post(f"orders/{order['id']}/receipt", {"received_at": PLACED_AT})
    town.keys.settle()
    commission.release_due(town.app.db, now=read_clock() + timedelta(days=30))
    asked = {"promoter_id": promoter["id"], "amount_minor": 1_000, "method": "bank", "account": "6222020200112233"}
    withdrawal = town.keys.post("withdrawals", asked).get_json()
    refused = shopper.post("me/erasure", {"confirm": "erase"})
    assert error_of(refused) == (409, "erasure_blocked", ["wallet", "withdrawals"])
    for word in ("approve", "paid"):
        assert operator.post(f"withdrawals/{withdrawal['id']}/{word}", {}).status_code == 200
    town.keys.post(
        f"orders/{order['id']}/refunds", {"refund_id": "r", "refunded_at": PLACED_AT, "amount_minor": 10_000}
    )
    town.keys.settle()
    assert error_of(shopper.post("me/erasure", {"confirm": "erase"})) == (409, "erasure_blocked", ["debt"])
    again = _sell(town, promoter["id"], "somebody-else")
    town.keys.pay(again)
    town.keys.post(f"orders/{again['id']}/receipt", {"received_at": PLACED_AT})
    town.keys.settle()
    commission.release_due(town.app.db, now=read_clock() + timedelta(days=30))
    assert shopper.post("me/erasure", {"confirm": "erase"}).status_code == 200
    assert "6222020200112233" not in _dump(town)
    assert town.keys.read(f"promoters/{promoter['id']}")["status"] == "suspended"
    with town.app.db.transaction() as tx:
        assert wallet.check_ledger(tx).ok


def test_an_erasure_and_a_settlement_at_once_leave_no_money_to_nobody(town: Town) -> None:
    for _ in range(4):
        shopper = town.log_in()
        promoter = _become_promoter(shopper)
        order = _sell(town, promoter["id"], f"buyer-of-{promoter['id']}")
        town.keys.pay(order)
        statuses: list[int] = []
        threads = [
            threading.Thread(target=town.keys.settle),
            threading.Thread(
                target=lambda someone=shopper, found=statuses: found.append(
                    someone.post("me/erasure", {"confirm": "erase"}).status_code
                )
            ),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [409]
        assert shopper.get("me").get_json()["promoter_id"] == promoter["id"]
    with town.app.db.transaction() as tx:
        assert wallet.check_ledger(tx).ok
