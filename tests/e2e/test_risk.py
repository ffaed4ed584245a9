"""Risk over the API: checks of orders, cases and what is decided about them, and what a promoter sees of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.e2e.checked_shop import Shop
from tests.e2e.conftest import Caller
from tests.e2e.persons import Town
from tuike import reactions, team
from tuike.shared.clock import format_instant, read_clock


@pytest.fixture
def shop(caller: Caller) -> Shop:
    return Shop(caller)


# Orders


def test_by_default_rules_only_record_and_no_money_is_held(shop: Shop) -> None:
    promoter = shop.make_promoter("p-1", device="phone-1")
    order_id = shop.buy(promoter, "aunt", device="phone-1")

    check = shop.risk.read(f"risk/orders/{order_id}")

    assert (check["outcome"], check["dry_outcome"]) == ("pass", "hold")
    assert [one["rule_id"] for one in check["findings"]] == ["shared_identifier"]
    assert check["findings"][0]["sentence"] == (
        "Buyer and promoter share 1 identifier(s); the rarest is used by 2 people."
    )
    assert "买家与推客共用 1 个标识" in check["findings"][0]["sentence_zh"]
    assert {edge["relation"] for edge in check["findings"][0]["edges"]} == {"used"}
    assert shop.statuses(order_id) == ["pending"]


def test_a_live_rule_freezes_the_commission_and_a_person_lets_it_go_on(shop: Shop) -> None:
    shop.set_rule("shared_identifier")
    inviter = shop.make_promoter("p-0")
    promoter = shop.make_promoter("p-1", device="phone-1", inviter=inviter["id"])
    clean, bad = shop.buy(promoter, "stranger", device="phone-9"), shop.buy(promoter, "aunt", device="phone-1")
    assert shop.statuses(clean) == ["pending", "pending"]
    assert shop.statuses(bad) == ["frozen", "frozen"]
    assert shop.wallet(promoter)["frozen_minor"] == 1_000
    assert shop.wallet(inviter)["frozen_minor"] == 300
    waiting = shop.risk.read("risk/orders?waiting=true")["items"]
    assert [one["order_id"] for one in waiting] == [bad]

    body = {"decision": "passed", "reason": "her aunt really bought it"}
    answers = [shop.risk.post(f"risk/orders/{bad}/decision", body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 409]
    assert shop.statuses(bad) == ["pending", "pending"]
    assert shop.risk.read("risk/orders?waiting=true")["items"] == []
    assert shop.risk.read("ledger/check")["ok"]


def test_what_is_not_checked_yet_is_not_released_while_a_rule_is_live(shop: Shop) -> None:
    shop.set_rule("shared_identifier")
    promoter = shop.make_promoter("p-1", device="phone-1")
    order_id = shop.buy(promoter, "aunt", device="phone-1", receive=True, settle=False)
    app = shop.caller.app
    for topic in ("order.paid", "order.received"):
        reactions.drain(app.db, app.graph, topic=topic)
    assert shop.release().released == 0
    assert shop.caller.get(f"orders/{order_id}/commissions").headers["Settled"] == "false"

    shop.settle()

    assert shop.release().released == 0
    assert shop.statuses(order_id) == ["frozen"]
    assert shop.caller.get(f"orders/{order_id}/commissions").headers["Settled"] == "true"


def test_while_no_rule_is_live_nobody_waits_for_a_check(shop: Shop) -> None:
    promoter = shop.make_promoter("p-1")
    order_id = shop.buy(promoter, "buyer", receive=True, settle=False)
    app = shop.caller.app
    for topic in ("order.paid", "order.received"):
        reactions.drain(app.db, app.graph, topic=topic)

    assert shop.caller.get(f"orders/{order_id}/commissions").headers["Settled"] == "true"
    assert shop.release().released == 1


def test_a_circle_of_purchases_is_found_up_to_four_people(shop: Shop) -> None:
    shop.set_rule("purchase_cycle", days=365)
    ring = [shop.make_promoter(f"p-{number}") for number in range(4)]
    orders = [
        shop.buy(ring[(number + 1) % 4], f"p-{number}") for number in range(4)
    ]  # p-0 buys through p-1, p-1 through p-2, …

    assert [shop.statuses(order_id) for order_id in orders] == [["pending"]] * 3 + [["frozen"]]
    finding = shop.risk.read(f"risk/orders/{orders[-1]}")["findings"][0]
    assert finding["detail"] == {"length": 4}


def test_a_dormitory_with_one_device_and_ordinary_trade_is_left_alone(shop: Shop) -> None:
    for rule in ("shared_identifier", "shared_with_upline", "purchase_cycle", "own_team"):
        shop.set_rule(rule)
    promoter = shop.make_promoter("warden", device="hall-computer")
    for number in range(9):
        shop.touch(promoter, f"student-{number}", device="hall-computer")
    orders = [shop.buy(promoter, f"student-{number}", device="hall-computer") for number in range(9)]

    assert {tuple(shop.statuses(order_id)) for order_id in orders} == {("pending",)}


@pytest.mark.parametrize(
    ("rule", "parameters", "orders", "how"),
    [
        ("buyer_velocity", {"orders": 3}, 3, {"device": None}),
        ("promoter_velocity", {"orders": 3, "minutes": 60}, 3, {"device": None}),
        ("device_velocity", {"buyers": 3}, 3, {"device": "farm"}),
        ("large_order", {"amount_minor": 50_000}, 1, {"amount": 50_000}),
        ("fast_order", {"seconds": 2}, 1, {"wait": 2}),
    ],
)
def test_each_rule_stops_the_order_that_reaches_its_threshold(
    shop: Shop, rule: str, parameters: dict[str, int], orders: int, how: dict[str, Any]
) -> None:
    shop.set_rule(rule, **parameters)
    promoter = shop.make_promoter("p-1")
    same = rule == "buyer_velocity"
    made = [shop.buy(promoter, "same" if same else f"b-{number}", **how) for number in range(orders)]

    assert [shop.statuses(order_id) for order_id in made] == [["pending"]] * (orders - 1) + [["frozen"]]


def test_lists_hold_and_spare(shop: Shop) -> None:
    shop.set_rule("shared_identifier")
    promoter = shop.make_promoter("p-1", device="phone-1")
    for name, body in (("allow", {"kind": "person", "value": "aunt"}), ("deny", {"kind": "device", "value": "farm"})):
        made = shop.risk.post(f"risk/lists/{name}", body | {"reason": "known"})
        assert made.status_code == 201, made.text
        assert shop.risk.post(f"risk/lists/{name}", body | {"reason": "again"}).status_code == 409
    entry = shop.risk.read("risk/lists/deny")["items"][0]
    assert "farm" not in entry["value"]
    allowed, denied = shop.buy(promoter, "aunt", device="phone-1"), shop.buy(promoter, "bot", device="farm")
    assert (shop.statuses(allowed), shop.statuses(denied)) == (["pending"], ["frozen"])

    gone = [shop.risk.send("DELETE", f"risk/lists/entries/{entry['id']}") for _ in range(2)]

    assert [answer.status_code for answer in gone] == [200, 404]
    assert shop.statuses(shop.buy(promoter, "bot-2", device="farm")) == ["pending"]


def test_a_denied_address_is_the_same_however_it_is_spelt(shop: Shop, error_of: Any) -> None:
    entry = {"kind": "ip", "value": "2001:DB8:0::0:1", "reason": "a proxy"}
    assert shop.risk.post("risk/lists/deny", entry).status_code == 201
    assert shop.risk.post("risk/lists/deny", entry | {"value": "2001:db8::1"}).status_code == 409
    refused = shop.risk.post("risk/lists/deny", entry | {"value": "no address"})
    assert error_of(refused) == (422, "validation_failed", ["value"])
    promoter = shop.make_promoter("p-1")
    now = format_instant(read_clock())
    shop.caller.make_touch(promoter["code"], buyer_id="bot", at=now, ip="2001:db8:0:0::1")
    order = shop.caller.make_order(buyer_id="bot", placed_at=format_instant(read_clock()))
    shop.caller.pay(order)
    shop.settle()
    assert shop.statuses(order["id"]) == ["frozen"]


def test_a_case_names_buyers_as_the_shop_spells_them(shop: Shop) -> None:
    promoter = shop.make_promoter("p-1")
    case = shop.decide(shop.accuse(buyers=("张 三",)), "hold")
    assert [one["account_id"] for one in case["members"]] == ["张 三"]
    assert shop.statuses(shop.buy(promoter, "张 三")) == ["frozen"]
    assert shop.statuses(shop.buy(promoter, "李四")) == ["pending"]


def test_rules_keep_their_versions_and_refuse_what_does_not_fit(shop: Shop, error_of: Any) -> None:
    shop.set_rule("large_order", amount_minor=77)
    shop.set_rule("large_order", mode="off")
    versions = shop.risk.read("risk/rules/large_order/versions")["items"]
    assert [(one["version"], one["mode"]) for one in versions] == [(3, "off"), (2, "live"), (1, "dry_run")]
    body = {"version": 1, "parameters": {"amount_minor": 5}, "action": "review", "mode": "live"}
    assert error_of(shop.risk.put("risk/rules/large_order", body))[:2] == (409, "rule_changed")
    for parameters, field in (({}, "amount_minor"), ({"amount_minor": 0}, "amount_minor"), ({"amount_minor": True},
                              "amount_minor"), ({"amount_minor": 5, "x": 1}, "x")):  # fmt: skip
        answer = shop.risk.put("risk/rules/large_order", body | {"version": 3, "parameters": parameters})
        assert error_of(answer) == (422, "parameters_unfit", [f"parameters.{field}"])
    assert error_of(shop.risk.put("risk/rules/nothing", body))[:2] == (404, "risk_rule_not_found")


def test_with_the_graph_down_orders_go_on_and_are_checked_when_it_is_back(shop: Shop) -> None:
    shop.set_rule("shared_identifier")
    promoter = shop.make_promoter("p-1", device="phone-1")
    order_id = shop.buy(promoter, "aunt", device="phone-1", receive=True, settle=False)
    app = shop.caller.app
    app.graph.set_ready(False)
    shop.caller.settle()
    assert shop.statuses(order_id) == ["pending"]
    assert shop.release().released == 0
    assert shop.risk.get(f"risk/orders/{order_id}").status_code == 404

    app.graph.set_ready(True)
    shop.caller.settle()

    assert shop.statuses(order_id) == ["frozen"]


# Cases


def test_a_held_case_freezes_what_is_there_and_what_comes_and_its_withdrawals_wait(shop: Shop, error_of: Any) -> None:
    ring = [shop.make_promoter(f"ring-{number}") for number in range(2)]
    other = shop.make_promoter("honest")
    done = shop.buy(ring[0], "b-1", receive=True)
    assert shop.release().released == 1
    before, kept = shop.buy(ring[0], "b-2"), shop.buy(other, "b-3")
    case = shop.accuse(*ring, buyers=("b-1", "b-2"))
    assert case["at_stake"] == [
        {"currency": "CNY", "pending_minor": 1_000, "frozen_minor": 0, "available_minor": 1_000, "withdrawing_minor": 0}
    ]
    asked = shop.risk.post("withdrawals", {"promoter_id": ring[0]["id"], "amount_minor": 500, "method": "manual"})
    assert asked.get_json()["needs_review"] is True

    case = shop.decide(case, "hold")

    assert case["state"] == "held"
    assert (shop.statuses(done), shop.statuses(before), shop.statuses(kept)) == (["available"], ["frozen"], ["pending"])
    after = shop.buy(ring[1], "b-9")
    assert shop.statuses(after) == ["frozen"]
    assert shop.wallet(ring[0])["frozen_minor"] == 1_000
    where = f"withdrawals/{asked.get_json()['id']}"
    assert error_of(shop.risk.post(f"{where}/approve", {}))[:2] == (409, "withdrawal_held")
    assert shop.caller.read(where)["status"] == "requested"

    case = shop.decide(case, "release")

    assert case["state"] == "open"
    assert (shop.statuses(before), shop.statuses(after)) == (["pending"], ["pending"])
    assert shop.risk.post(f"{where}/approve", {}).status_code == 200
    assert [one["action"] for one in case["history"]] == ["opened", "hold", "release"]
    assert shop.risk.read("ledger/check")["ok"]


def test_a_ban_does_what_its_preview_showed_and_a_release_takes_it_back(shop: Shop, error_of: Any) -> None:
    above = shop.make_promoter("above")
    cheat = shop.make_promoter("cheat", inviter=above["id"])
    order_id = shop.buy(cheat, "b-1")
    case = shop.accuse(cheat, buyers=("b-1",))
    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
    assert preview["orders"] == [{"currency": "CNY", "count": 1, "amount_minor": 10_000}]
    assert preview["commissions"] == [{"currency": "CNY", "count": 1, "amount_minor": 1_000}]
    assert preview["uplines"] == [{"currency": "CNY", "count": 1, "amount_minor": 300}]
    assert preview["upline_promoter_ids"] == [above["id"]]
    shop.buy(cheat, "b-1")
    refused = shop.decide(case, "ban", 409, fingerprint=preview["fingerprint"])
    assert refused["error"]["code"] == "blast_changed"

    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
    case = shop.decide(case, "ban", fingerprint=preview["fingerprint"])

    assert case["state"] == "banned"
    assert shop.statuses(order_id) == ["frozen", "frozen"]
    assert shop.caller.read(f"promoters/{cheat['id']}")["status"] == "suspended"
    assert shop.caller.read(f"promoters/{above['id']}")["status"] == "active"

    shop.decide(case, "release")

    assert shop.statuses(order_id) == ["pending", "pending"]
    assert shop.caller.read(f"promoters/{cheat['id']}")["status"] == "active"
    assert team.check_drift(shop.caller.app.db, shop.caller.app.graph)["drift"] == 0


def test_two_holds_on_one_entry_are_two_reasons_and_both_must_go(shop: Shop) -> None:
    shop.set_rule("shared_identifier")
    promoter = shop.make_promoter("p-1", device="phone-1")
    order_id = shop.buy(promoter, "aunt", device="phone-1")
    first, second = shop.accuse(promoter), shop.accuse(promoter)
    first, second = shop.decide(first, "hold"), shop.decide(second, "hold")
    shop.decide(first, "release")
    assert shop.statuses(order_id) == ["frozen"]
    shop.risk.post(f"risk/orders/{order_id}/decision", {"decision": "passed", "reason": "fine"})
    assert shop.statuses(order_id) == ["frozen"]
    shop.decide(second, "innocent")
    assert shop.statuses(order_id) == ["pending"]


def test_what_a_person_froze_by_hand_is_not_freed_by_a_case(shop: Shop) -> None:
    promoter = shop.make_promoter("p-1")
    order_id = shop.buy(promoter, "b-1")
    entry = shop.caller.read(f"orders/{order_id}/commissions")["items"][0]
    assert shop.risk.post(f"commissions/{entry['id']}/hold", {"reason": "by hand"}).status_code == 200
    case = shop.decide(shop.accuse(promoter), "hold")
    shop.decide(case, "release")
    assert shop.statuses(order_id) == ["frozen"]


def test_of_two_analysts_who_decide_at_once_one_is_told_to_look_again(shop: Shop) -> None:
    promoter = shop.make_promoter("p-1")
    shop.buy(promoter, "b-1")
    case = shop.accuse(promoter)
    start = threading.Barrier(2)
    found: list[tuple[int, str]] = []

    def decide(action: str) -> None:
        start.wait()
        body = {"version": case["version"], "reason": "mine"}
        answer = shop.risk.post(f"risk/cases/{case['id']}/{action}", body)
        found.append((answer.status_code, action))

    threads = [threading.Thread(target=decide, args=(action,)) for action in ("hold", "innocent")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(status for status, _ in found) == [200, 409]
    won = next(action for status, action in found if status == 200)
    assert shop.risk.read(f"risk/cases/{case['id']}")["state"] == {"hold": "held", "innocent": "innocent"}[won]
    assert shop.risk.read("ledger/check")["ok"]


def test_states_allow_what_makes_sense_and_every_decision_can_be_sent_twice(shop: Shop, error_of: Any) -> None:
    promoter = shop.make_promoter("p-1")
    case = shop.accuse(promoter)
    assert case["actions"] == ["ban", "confirm", "hold", "innocent"]
    refused = shop.decide(case, "release", 409)
    assert refused["error"]["code"] == "case_state_wrong"
    body = {"version": case["version"], "reason": "sure"}
    key = {"Idempotency-Key": "once"}
    answers = [shop.risk.post(f"risk/cases/{case['id']}/confirm", body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].get_json() == answers[1].get_json()
    assert error_of(shop.risk.post(f"risk/cases/{case['id']}/confirm", body))[:2] == (409, "case_changed")
    case = answers[0].get_json()
    assigned = shop.risk.post(
        f"risk/cases/{case['id']}/assign", {"version": case["version"], "assignee_id": "stf_1", "assignee_name": "Li"}
    ).get_json()
    assert (assigned["assignee_id"], assigned["assignee_name"]) == ("stf_1", "Li")
    told = shop.risk.post(f"risk/cases/{case['id']}/comments", {"note": "called them"}).get_json()
    assert told["history"][-1]["note"] == "called them"
    assert told["version"] == assigned["version"]
    assert [one["id"] for one in shop.risk.read("risk/cases?state=confirmed")["items"]] == [case["id"]]
    assert shop.risk.read("risk/cases?state=open")["items"] == []


def test_a_case_needs_somebody_who_exists(shop: Shop, error_of: Any) -> None:
    member = {"account_kind": "promoter", "account_id": "prm_nobody"}
    answer = shop.risk.post("risk/cases", {"members": [member], "note": "x"})
    assert error_of(answer)[:2] == (422, "member_unknown")
    assert shop.risk.post("risk/cases", {"members": [], "note": "x"}).status_code == 422
    assert error_of(shop.risk.get("risk/cases/rcs_x"))[:2] == (404, "risk_case_not_found")


def test_analysts_see_pseudonyms_and_change_nothing(shop: Shop) -> None:
    shop.set_rule("shared_identifier")
    promoter = shop.make_promoter("p-1", device="phone-1")
    order_id = shop.buy(promoter, "aunt", device="phone-1")
    case = shop.accuse(promoter, buyers=("aunt",))
    for scope in ("analyst", "auditor"):
        reader = shop.caller.as_scope(scope)
        for path in (f"risk/orders/{order_id}", f"risk/cases/{case['id']}", f"risk/cases/{case['id']}/evidence"):
            assert '"aunt"' not in reader.get(path).text
            assert "buyer aunt " not in reader.get(path).text
        assert reader.post(f"risk/cases/{case['id']}/hold", {"version": 1, "reason": "x"}).status_code == 403


def test_a_promoter_is_told_that_money_waits_and_never_how_it_was_found(shop: Shop) -> None:
    town = Town(shop.caller)
    shopper = town.log_in()
    person_id = shopper.get("me").get_json()["id"]
    shop.set_rule("shared_identifier")
    promoter = shop.make_promoter(person_id, device="phone-1")
    order_id = shop.buy(promoter, "aunt", device="phone-1")

    mine = shopper.get("me/holds").get_json()["items"]

    assert [(one["order_id"], one["amount_minor"]) for one in mine] == [(order_id, 1_000)]
    assert mine[0]["sentence_zh"].startswith("该笔佣金正在核实")
    assert "identifier" not in str(mine)
    assert "phone-1" not in str(mine)
