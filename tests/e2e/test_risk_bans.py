"""A ban shuts its case's members out, exactly as its preview says, and only its release lets them back in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.checked_shop import Shop
from tests.e2e.conftest import Caller
from tests.e2e.persons import Someone, Town


@pytest.fixture
def shop(caller: Caller) -> Shop:
    return Shop(caller)


def log_in(shop: Shop) -> tuple[Someone, str]:
    someone = Town(shop.caller).log_in()
    return someone, str(someone.get("me").get_json()["id"])


def ban(shop: Shop, case: dict[str, Any]) -> dict[str, Any]:
    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
    return shop.decide(case, "ban", fingerprint=preview["fingerprint"])


def withdraw(shop: Shop, promoter: dict[str, Any], amount: int, *, approve: bool = False) -> str:
    asked = shop.risk.post("withdrawals", {"promoter_id": promoter["id"], "amount_minor": amount, "method": "manual"})
    assert asked.status_code == 201, asked.text
    if approve:
        assert shop.risk.post(f"withdrawals/{asked.get_json()['id']}/approve", {}).status_code == 200
    return str(asked.get_json()["id"])


def test_a_ban_ends_logins_and_sends_withdrawals_back_as_its_preview_says(shop: Shop) -> None:
    (seller, seller_id), (buyer, buyer_id) = log_in(shop), log_in(shop)
    above = shop.make_promoter("above")
    cheat = shop.make_promoter(seller_id, inviter=above["id"])
    already = shop.make_promoter("suspended before")
    assert shop.risk.put(f"promoters/{already['id']}/status", {"status": "suspended"}).status_code == 200
    for _ in range(3):
        shop.buy(cheat, buyer_id, receive=True)
    shop.release()
    pending = shop.buy(cheat, buyer_id)
    asked, approved = withdraw(shop, cheat, 500), withdraw(shop, cheat, 700, approve=True)
    case = shop.accuse(cheat, already, buyers=(buyer_id, "nobody's account"))

    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
    assert preview["suspended_ids"] == [cheat["id"]]
    assert sorted(preview["shopper_ids"]) == sorted([seller_id, buyer_id])
    assert preview["withdrawals"] == [{"currency": "CNY", "count": 2, "amount_minor": 1_200}]
    assert preview["under_way"] == []
    assert preview["commissions"] == [{"currency": "CNY", "count": 1, "amount_minor": 1_000}]
    assert preview["uplines"] == [{"currency": "CNY", "count": 1, "amount_minor": 300}]  # what is available stays so
    assert preview["available"] == [{"currency": "CNY", "count": 1, "amount_minor": 1_800}]
    case = shop.decide(case, "ban", fingerprint=preview["fingerprint"])

    done = case["history"][-1]["detail"]
    assert done["suspended"] == preview["suspended_ids"]
    assert sorted(done["locked_out"]) == sorted(preview["shopper_ids"])
    assert done["withdrawals"] == preview["withdrawals"]
    assert done["entries"] == 2
    assert [shop.caller.read(f"withdrawals/{one}")["status"] for one in (asked, approved)] == ["rejected", "failed"]
    assert shop.wallet(cheat)["available_minor"] == 3_000
    assert shop.wallet(above)["available_minor"] == 900
    assert shop.statuses(pending) == ["frozen", "frozen"]
    for person in (seller, buyer):
        refused = person.refresh()
        assert refused.status_code in (401, 403), refused.text
        assert person.send("PATCH", "me", json={"nickname": "x"}).status_code in (401, 403)
    assert shop.risk.read("ledger/check")["ok"]

    case = shop.decide(case, "release")
    assert sorted(case["history"][-1]["detail"]["let_in"]) == sorted([seller_id, buyer_id])
    assert {shop.caller.as_scope("operator").read(f"shoppers/{one}")["status"] for one in (seller_id, buyer_id)} == {
        "active"
    }
    assert shop.caller.read(f"promoters/{cheat['id']}")["status"] == "active"
    assert shop.caller.read(f"promoters/{already['id']}")["status"] == "suspended"
    assert not any(one["locked_out"] or one["banned"] for one in case["members"])


def test_nobody_lets_a_banned_promoter_or_person_back_in_past_the_case(shop: Shop, error_of: Any) -> None:
    _, person_id = log_in(shop)
    cheat, plain = shop.make_promoter(person_id), shop.make_promoter("integrated")
    case = ban(shop, shop.accuse(cheat, plain))

    for path in (f"promoters/{cheat['id']}/status", f"promoters/{plain['id']}/status", f"shoppers/{person_id}/status"):
        refused = shop.risk.put(path, {"status": "active"})
        assert error_of(refused)[:2] == (409, "banned_by_case"), path
        assert refused.get_json()["error"]["fields"] == {"case_id": [case["id"]]}

    shop.decide(case, "release")
    assert shop.risk.put(f"promoters/{cheat['id']}/status", {"status": "active"}).status_code == 200


def test_a_promoter_whose_person_is_banned_by_hand_is_not_let_in_alone(shop: Shop, error_of: Any) -> None:
    _, person_id = log_in(shop)
    promoter = shop.make_promoter(person_id)
    assert shop.risk.put(f"shoppers/{person_id}/status", {"status": "banned", "reason": "spam"}).status_code == 200
    refused = shop.risk.put(f"promoters/{promoter['id']}/status", {"status": "active"})
    assert error_of(refused)[:2] == (409, "person_banned")
    assert shop.caller.read(f"promoters/{promoter['id']}")["status"] == "suspended"
    assert shop.risk.put(f"shoppers/{person_id}/status", {"status": "active"}).status_code == 200
    assert shop.caller.read(f"promoters/{promoter['id']}")["status"] == "active"


def test_of_two_bans_of_one_person_the_second_carries_on_when_the_first_is_released(shop: Shop, error_of: Any) -> None:
    _, person_id = log_in(shop)
    cheat = shop.make_promoter(person_id)
    first, second = shop.accuse(cheat), shop.accuse(buyers=(person_id,))
    first, second = ban(shop, first), ban(shop, second)

    shop.decide(first, "release")

    assert shop.risk.read(f"shoppers/{person_id}")["status"] == "banned"
    shop.decide(second, "release")
    assert shop.risk.read(f"shoppers/{person_id}")["status"] == "active"


def test_a_withdrawal_asked_for_after_the_preview_is_not_swept_along(shop: Shop) -> None:
    cheat = shop.make_promoter("cheat")
    shop.buy(cheat, "b", receive=True)
    shop.release()
    case = shop.accuse(cheat)
    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
    asked = withdraw(shop, cheat, 500)
    refused = shop.decide(case, "ban", 409, fingerprint=preview["fingerprint"])
    assert refused["error"]["code"] == "blast_changed"
    assert shop.caller.read(f"withdrawals/{asked}")["status"] == "requested"


def test_a_hold_after_the_payout_leaves_the_payout_and_holds_the_rest(shop: Shop) -> None:
    cheat = shop.make_promoter("cheat")
    for _ in range(2):
        shop.buy(cheat, "b", receive=True)
    shop.release()
    paid = withdraw(shop, cheat, 1_500, approve=True)
    assert shop.risk.post(f"withdrawals/{paid}/paid", {}).status_code == 200
    case = shop.accuse(cheat, buyers=("b",))
    pending = shop.buy(cheat, "b")

    case = ban(shop, case)

    assert shop.caller.read(f"withdrawals/{paid}")["status"] == "paid"
    assert shop.statuses(pending) == ["frozen"]
    assert shop.wallet(cheat)["available_minor"] == 500
    assert shop.risk.read("ledger/check")["ok"]
