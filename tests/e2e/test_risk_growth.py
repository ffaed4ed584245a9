"""What becomes of cases between two sweeps: orders and newcomers join them, confirmed ones are looked around."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.e2e.checked_shop import Shop
from tests.e2e.conftest import Caller
from tuike import reactions, risk, team
from tuike.db import outbox
from tuike.risk import CaseMember, Evidence, FoundCase
from tuike.shared.clock import read_clock


@pytest.fixture
def shop(caller: Caller) -> Shop:
    return Shop(caller)


def digest_of(shop: Shop, device: str) -> str:
    from tuike import attribution

    with shop.caller.app.db.transaction() as tx:
        return attribution.digest_identifier(tx, kind="device", value=device)


def find_ring(
    shop: Shop, promoter: dict[str, Any], buyers: list[str], *, devices: dict[str, list[str]], pattern: str = "star"
) -> dict[str, Any]:
    """Say that a sweep found a promoter with buyers who used devices; return the case."""
    members = (
        CaseMember("promoter", promoter["id"], "beneficiary", 0.9, accused=True),
        *(CaseMember("buyer", buyer, "buyer", 0.8, accused=True) for buyer in buyers),
    )
    edges = tuple(
        Evidence("buyer", buyer, "used", "device", digest_of(shop, device), 1.0)
        for device, users in devices.items() for buyer in users
    )  # fmt: skip
    found = FoundCase(pattern, 0.9, 0, 0, "", members, edges)
    with shop.caller.app.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO risk_sweeps (id, state, started_at) VALUES ('rsw_1', 'done', now()) ON CONFLICT DO NOTHING"
            )
        )
        risk.merge_found(tx, found=[found], sweep_id="rsw_1", now=read_clock())
        case_id = risk.list_cases(tx, limit=1).items[0].id
    return dict(shop.risk.read(f"risk/cases/{case_id}"))


def read(shop: Shop, case: dict[str, Any]) -> dict[str, Any]:
    return dict(shop.risk.read(f"risk/cases/{case['id']}"))


def list_edges(shop: Shop, case: dict[str, Any]) -> list[tuple[str, str, str]]:
    items = shop.risk.read(f"risk/cases/{case['id']}/evidence?limit=200")["items"]
    return [(edge["from_id"], edge["relation"], edge["to_id"]) for edge in items]


# Growth


def test_an_order_among_members_joins_their_case_at_once_and_once(shop: Shop) -> None:
    promoter, other = shop.make_promoter("p"), shop.make_promoter("q")
    first = shop.buy(promoter, "a")
    case = find_ring(shop, promoter, ["a", "b"], devices={"phone": ["a", "b"]})
    assert (case["orders_count"], case["commission_base_minor"], case["joined_orders_count"]) == (1, 10_000, 0)

    second = shop.buy(promoter, "b", amount=7_000)
    shop.buy(other, "b")  # not through a member
    shop.buy(promoter, "stranger")  # not by one

    grown = read(shop, case)
    assert (grown["orders_count"], grown["commission_base_minor"], grown["joined_orders_count"]) == (2, 17_000, 1)
    assert grown["version"] == case["version"]
    assert grown["at_stake"][0]["pending_minor"] == 1_000 + 700 + 1_000
    assert grown["sentences"] == ["1 orders among its members joined since it was last found."]
    assert "新增 1 笔订单" in grown["sentences_zh"][0]
    assert ("b", "placed", second) in list_edges(shop, case)
    assert (second, "credited_to", promoter["id"]) in list_edges(shop, case)

    app = shop.caller.app
    with app.db.transaction() as tx:  # the event comes again, with an old one
        outbox.emit_many(tx, topic="order.unchecked", keys=[second, first, f"check:{second}"], now=read_clock())
    shop.settle()
    assert read(shop, case)["orders_count"] == 2
    assert list_edges(shop, case).count(("b", "placed", second)) == 1


def test_what_grew_is_what_the_next_sweep_counts(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    shop.buy(promoter, "a")
    case = find_ring(shop, promoter, ["a", "b"], devices={"phone": ["a", "b"]})
    for buyer, amount in (("a", 500), ("b", 700), ("b", 900), ("c", 1_100)):
        shop.buy(promoter, buyer, amount=amount)
    grown = read(shop, case)

    again = find_ring(shop, promoter, ["a", "b"], devices={"phone": ["a", "b"]})

    assert again["id"] == case["id"]
    for name in ("orders_count", "commission_base_minor", "members", "version"):
        assert again[name] == grown[name], name
    assert (again["orders_count"], again["commission_base_minor"]) == (4, 12_100)
    assert again["joined_orders_count"] == 0
    wider = find_ring(shop, promoter, ["a", "b", "c"], devices={"phone": ["a", "b"]})
    assert (wider["orders_count"], wider["commission_base_minor"]) == (5, 13_200)


def test_a_held_case_holds_the_orders_that_join_it(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    case = shop.decide(find_ring(shop, promoter, ["a"], devices={}), "hold")
    order_id = shop.buy(promoter, "a")
    assert shop.statuses(order_id) == ["frozen"]
    assert read(shop, case)["orders_count"] == 1
    assert read(shop, case)["at_stake"][0]["frozen_minor"] == 1_000


def test_a_newcomer_who_shares_with_two_members_joins_as_context_and_is_accused_of_nothing(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    for buyer in ("a", "b"):
        shop.touch(promoter, buyer, device="phone")
    case = find_ring(shop, promoter, ["a", "b"], devices={"phone": ["a", "b"]})

    order_id = shop.buy(promoter, "newcomer", device="phone")
    neighbour = shop.buy(promoter, "neighbour", device="own")

    grown = read(shop, case)
    context = [one for one in grown["members"] if one["role"] == "context"]
    assert [(one["account_id"], one["accused"], one["held"]) for one in context] == [("newcomer", False, False)]
    assert ("newcomer", "placed", order_id) in list_edges(shop, case)
    assert ("newcomer", "used", digest_of(shop, "phone")) in list_edges(shop, case)
    assert grown["orders_count"] == 0
    assert grown["version"] == case["version"]
    assert grown["history"][-1]["action"] == "joined"
    assert grown["sentences"] == [
        "1 accounts share what only few people use with its members; they are accused of nothing."
    ]
    assert (shop.statuses(order_id), shop.statuses(neighbour)) == (["pending"], ["pending"])
    shop.buy(promoter, "newcomer", device="phone")
    assert [one["action"] for one in read(shop, case)["history"]] == ["found", "joined"]


def test_who_shares_a_dormitory_s_computer_with_members_does_not_join(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    for number in range(14):
        shop.touch(promoter, f"student-{number}", device="hall")
    case = find_ring(shop, promoter, ["student-0", "student-1"], devices={"hall": ["student-0", "student-1"]})
    shop.buy(promoter, "student-2", device="hall")
    assert {one["account_id"] for one in read(shop, case)["members"]} == {promoter["id"], "student-0", "student-1"}


def test_an_innocent_case_grows_no_more(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    case = shop.decide(find_ring(shop, promoter, ["a", "b"], devices={"phone": ["a", "b"]}), "innocent")
    shop.buy(promoter, "a", device="phone")
    shop.buy(promoter, "newcomer", device="phone")
    assert read(shop, case)["orders_count"] == 0
    assert len(read(shop, case)["members"]) == 3


def test_checks_of_many_workers_and_a_sweep_at_once_count_each_order_once(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    case = find_ring(shop, promoter, ["a", "b"], devices={})
    orders = [shop.buy(promoter, "ab"[number % 2], settle=False) for number in range(12)]
    app = shop.caller.app
    reactions.drain(app.db, app.graph, topic="order.paid")
    with app.db.transaction() as tx:
        tx.execute(text("DELETE FROM outbox WHERE topic = 'order.unchecked'"))
    start = threading.Barrier(5)
    faults: list[BaseException] = []

    def check(mine: list[str]) -> None:
        start.wait()
        try:
            for order_id in mine:
                with app.db.transaction() as tx:
                    risk.check_orders(tx, app.graph, keys=[order_id], now=read_clock())
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            faults.append(error)

    def sweep() -> None:
        start.wait()
        for _ in range(4):
            find_ring(shop, promoter, ["a", "b"], devices={})

    threads = [threading.Thread(target=check, args=(orders[number::2],)) for number in (0, 1, 0, 1)]
    threads.append(threading.Thread(target=sweep))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    assert read(shop, case)["orders_count"] == 12
    assert read(shop, case)["commission_base_minor"] == 120_000


# Confirmed cases


def near_of(shop: Shop, case: dict[str, Any]) -> list[tuple[str, float]]:
    items = shop.risk.read(f"risk/cases/{case['id']}/reach")["items"]
    return [(one["account_id"], one["score"]) for one in items]


def test_a_confirmed_case_is_looked_around_and_who_is_near_is_looked_at(shop: Shop) -> None:
    cheat, friend, far = (
        shop.make_promoter("cheat", device="d-1"),
        shop.make_promoter("friend"),
        shop.make_promoter("far"),
    )
    shop.touch(far, "friend", device="d-1")  # the cheat's phone
    shop.touch(far, "cousin", device="d-2")
    shop.touch(far, "friend", device="d-2")
    for number in range(14):
        shop.touch(far, f"student-{number}", device="hall")
    shop.touch(far, "cheat", device="hall")
    case = shop.accuse(cheat)
    before = shop.buy(friend, "customer")
    assert shop.statuses(before) == ["pending"]

    case = shop.decide(case, "confirm")
    shop.settle()

    assert near_of(shop, case) == [(friend["id"], 0.6), ("cousin", 0.36)]
    first = shop.risk.read(f"risk/cases/{case['id']}/reach")["items"][0]
    assert first["sentence"] == "Shares what only few people use with 1 of the accused: 60 % near."
    assert first["sentence_zh"] == "与 1 名被指控成员共用很少有人使用的标识，关联度 60%。"
    case = read(shop, case)
    assert [(one["account_id"], one["role"], one["accused"]) for one in case["members"]] == [
        (cheat["id"], "beneficiary", True), (friend["id"], "context", False)
    ]  # fmt: skip
    assert case["history"][-1]["action"] == "spread"
    assert ("promoter", friend["id"]) in {
        (edge["from_kind"], edge["from_id"])
        for edge in shop.risk.read(f"risk/cases/{case['id']}/evidence?limit=200")["items"]
    }
    after, cousins, students = shop.buy(friend, "customer"), shop.buy(far, "cousin"), shop.buy(far, "student-3")
    assert (shop.statuses(after), shop.statuses(cousins), shop.statuses(students)) == (
        ["frozen"],
        ["pending"],
        ["pending"],
    )
    finding = shop.risk.read(f"risk/orders/{after}")["findings"][0]
    assert (finding["rule_id"], finding["action"]) == ("near_case", "review")
    assert (
        finding["sentence_zh"]
        == f"买家或推客与已确认的案件 {case['id']} 关联度为 60%：与其成员共用很少有人使用的标识。"
    )

    shop.decide(case, "release")
    assert near_of(shop, case) == []
    assert shop.statuses(shop.buy(friend, "customer-2")) == ["pending"]


def test_who_comes_later_on_a_confirmed_member_s_phone_is_looked_at_too(shop: Shop) -> None:
    cheat, other = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("other")
    case = shop.decide(shop.accuse(cheat), "confirm")
    shop.settle()
    order_id = shop.buy(other, "newcomer", device="d-1")
    assert shop.statuses(order_id) == ["frozen"]
    finding = shop.risk.read(f"risk/orders/{order_id}")["findings"][0]
    assert (finding["rule_id"], finding["detail"]) == ("near_case", {"case_id": case["id"], "percent": 60})


def test_looking_around_twice_changes_nothing(shop: Shop) -> None:
    cheat, other = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("other")
    shop.touch(other, "friend", device="d-1")
    case = shop.decide(shop.accuse(cheat), "confirm")
    shop.settle()
    first, near, edges = read(shop, case), near_of(shop, case), list_edges(shop, case)
    app = shop.caller.app
    with app.db.transaction() as tx:
        risk.spread_case(tx, app.graph, case_id=case["id"], now=read_clock())
    assert (read(shop, case), near_of(shop, case), list_edges(shop, case)) == (first, near, edges)


def test_who_was_found_innocent_before_counts_half(shop: Shop) -> None:
    cheat, friend = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("friend", device="d-1")
    shop.decide(shop.accuse(friend), "innocent")
    case = shop.decide(shop.accuse(cheat), "confirm")
    shop.settle()
    assert near_of(shop, case) == [(friend["id"], 0.3)]
    assert shop.statuses(shop.buy(friend, "customer")) == ["pending"]


def test_a_withdrawal_of_who_is_near_a_confirmed_case_waits_for_a_person(shop: Shop) -> None:
    cheat, friend = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("friend", device="d-1")
    shop.buy(friend, "customer", receive=True)
    assert shop.release().released == 1
    shop.decide(shop.accuse(cheat), "confirm")
    shop.settle()
    asked = shop.risk.post("withdrawals", {"promoter_id": friend["id"], "amount_minor": 500, "method": "manual"})
    assert asked.get_json()["needs_review"] is True


def test_with_the_graph_down_a_case_is_confirmed_and_looked_around_later(shop: Shop) -> None:
    cheat, other = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("other")
    shop.touch(other, "friend", device="d-1")
    app = shop.caller.app
    app.graph.set_ready(False)
    actor, member = risk.Actor("stf_1", "A"), CaseMember("promoter", cheat["id"], "beneficiary", 1.0, accused=True)
    with app.db.transaction() as tx:
        made = risk.create_case(tx, pattern="reported", members=[member], note="x", actor=actor, now=read_clock())
        risk.confirm_case(tx, case_id=made.id, version=1, reason="x", actor=actor, now=read_clock())
    shop.caller.settle()
    app.graph.set_ready(True)
    assert near_of(shop, {"id": made.id}) == []
    shop.settle()
    assert near_of(shop, {"id": made.id}) == [("friend", 0.6)]
    assert team.check_drift(app.db, app.graph)["drift"] == 0


def live_at(shop: Shop, buyer: str, *, phone: str = "", detail: str = "") -> None:
    with shop.caller.app.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO addresses (id, shopper_id, name, phone, region_code, region, detail, is_default, created_at) "
                "VALUES (:id, :buyer, 'x', :phone, '330106', 'Hangzhou', :detail, false, now())"
            ),
            {"id": f"adr-{buyer}-{phone}-{detail}", "buyer": buyer, "phone": phone, "detail": detail},
        )


def pay_with(shop: Shop, order_id: str, buyer: str, *, payer: str) -> None:
    with shop.caller.app.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO payments (id, order_id, shopper_id, provider, payer_id, description, amount_minor, currency, "
                "state, outcome, expires_at, created_at) VALUES (:id, :order, :buyer, 'wechat', :payer, 'x', 1, 'CNY', "
                "'succeeded', 'paid_order', now(), now())"
            ),
            {"id": f"pay-{order_id}", "order": order_id, "buyer": buyer, "payer": payer},
        )


def test_who_shares_a_phone_an_address_or_an_account_that_pays_with_the_accused_is_near(shop: Shop) -> None:
    seller = shop.make_promoter("seller")
    orders = {buyer: shop.buy(seller, buyer) for buyer in ("cheat", "payer", "stranger")}
    for buyer in ("cheat", "payer"):
        pay_with(shop, orders[buyer], buyer, payer="openid-1")
    pay_with(shop, orders["stranger"], "stranger", payer="openid-2")
    for buyer in ("cheat", "caller", "caller-2"):
        live_at(shop, buyer, phone="13800000001")
    for buyer in ("cheat", "neighbour"):
        live_at(shop, buyer, detail="1 West Lake")
    for buyer in ("neighbour", "cousin"):
        live_at(shop, buyer, phone="13800000002")
    for number in range(13):
        live_at(shop, f"student-{number}", detail="Hall 7")
    live_at(shop, "cheat", detail="Hall 7")

    case = shop.decide(shop.accuse(buyers=("cheat",)), "confirm")
    shop.settle()

    assert near_of(shop, case) == [
        ("neighbour", 0.6), ("payer", 0.6), ("cousin", 0.36), ("caller", 0.3), ("caller-2", 0.3)
    ]  # fmt: skip
    edges = shop.risk.read(f"risk/cases/{case['id']}/evidence?limit=200")["items"]
    assert {edge["to_kind"] for edge in edges} == {"phone", "address", "payment_account"}
    assert not any("1380" in edge["to_id"] or "Lake" in edge["to_id"] for edge in edges)
    assert shop.statuses(shop.buy(seller, "neighbour")) == ["frozen"]
    assert shop.statuses(shop.buy(seller, "cousin")) == ["pending"]


def test_promoters_who_are_paid_on_one_account_are_near_each_other(shop: Shop) -> None:
    cheat, friend, other = (shop.make_promoter(name) for name in ("cheat", "friend", "other"))
    for promoter, account in ((cheat, "card-1"), (friend, "card-1"), (other, "card-2")):
        shop.buy(promoter, f"customer-of-{promoter['id']}", receive=True)
        shop.release()
        body = {"promoter_id": promoter["id"], "amount_minor": 500, "method": "bank", "account": account}
        assert shop.risk.post("withdrawals", body).status_code == 201
    case = shop.decide(shop.accuse(cheat), "confirm")
    shop.settle()
    assert near_of(shop, case) == [(friend["id"], 0.6)]


def test_who_ordered_in_a_browser_of_the_accused_is_near(shop: Shop) -> None:
    seller = shop.make_promoter("seller")
    app = shop.caller.app
    shop.touch(seller, "cheat", device="phone")
    shop.caller.make_touch(seller["code"], visitor_id="browser-1", device_id="phone")
    order_id = shop.buy(seller, "guest")
    with app.db.transaction() as tx:
        tx.execute(text("UPDATE orders SET visitor_id = 'browser-1' WHERE id = :id"), {"id": order_id})
    team.apply_lazy(app.db, app.graph)
    by_buyer = shop.decide(shop.accuse(buyers=("cheat",)), "confirm")
    shop.settle()
    assert near_of(shop, by_buyer) == [("guest", 0.6)]
    by_guest = shop.decide(shop.accuse(buyers=("guest",)), "confirm")
    shop.settle()
    assert near_of(shop, by_guest) == [("cheat", 0.6)]


def test_what_a_case_keeps_of_the_accused_leads_to_others_also_after_they_left_it(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    live_at(shop, "cheat", phone="13800000001")
    with shop.caller.app.db.transaction() as tx:
        digest = tx.execute(text("SELECT digest_text('13800000001')")).scalar_one()
    case = find_ring(shop, promoter, ["cheat", "b"], devices={})
    with shop.caller.app.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO risk_case_evidence (case_id, no, from_kind, from_id, relation, to_kind, to_id, weight) "
                "VALUES (:case_id, 0, 'buyer', 'cheat', 'used', 'phone', :digest, 1)"
            ),
            {"case_id": case["id"], "digest": digest},
        )
        tx.execute(text("DELETE FROM addresses"))
    live_at(shop, "successor", phone="13800000001")
    case = shop.decide(case, "confirm")
    shop.settle()
    assert near_of(shop, case) == [("successor", 0.6)]


def test_nobody_is_near_through_what_an_erased_person_used(shop: Shop) -> None:
    for buyer in ("cheat", "erased", "cousin"):
        live_at(shop, buyer, phone="13800000001" if buyer == "cheat" else "13800000002")
    live_at(shop, "erased", phone="13800000001")
    with shop.caller.app.db.transaction() as tx:
        tx.execute(text("INSERT INTO shoppers (id, status, created_at) VALUES ('erased', 'erased', now())"))
    case = shop.decide(shop.accuse(buyers=("cheat",)), "confirm")
    shop.settle()
    assert near_of(shop, case) == []


# Innocent groups


def test_an_innocent_group_is_silent_until_something_new_is_found(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    devices = {"one": ["a", "b"], "two": ["a", "b"]}
    case = shop.decide(find_ring(shop, promoter, ["a", "b"], devices=devices), "innocent")
    for _ in range(2):
        assert find_ring(shop, promoter, ["a", "b"], devices=devices)["id"] == case["id"]

    accused = find_ring(
        shop, promoter, ["a", "b"], devices=devices | {"three": ["a", "b"], "four": ["a", "b"]}
    )  # fmt: skip

    assert accused["id"] != case["id"]
    assert (accused["state"], read(shop, case)["state"]) == ("open", "innocent")
    assert accused["history"][0]["detail"]["innocent_before"] == case["id"]


# Rings that come together before any sweep


def test_buyers_who_share_their_promoter_s_device_gather_and_are_looked_at(shop: Shop) -> None:
    shop.set_rule("gathering", buyers=3)
    promoter = shop.make_promoter("p", device="phone")
    orders = [shop.buy(promoter, f"b-{number}", device="phone") for number in range(4)]
    again = shop.buy(promoter, "stranger", device="own")
    assert [shop.statuses(one) for one in (*orders, again)] == [
        ["pending"], ["pending"], ["frozen"], ["frozen"], ["pending"]
    ]  # fmt: skip
    finding = next(
        one for one in shop.risk.read(f"risk/orders/{orders[2]}")["findings"] if one["rule_id"] == "gathering"
    )
    assert finding["detail"] == {"buyers": 3, "days": 30}
    assert finding["sentence_zh"] == "30 天内有 3 名与推客共用标识的买家通过其下单。"


def test_buyers_who_gather_in_one_batch_are_counted_like_those_who_come_one_by_one(shop: Shop) -> None:
    shop.set_rule("gathering", buyers=3)
    promoter = shop.make_promoter("p", device="phone")
    orders = [shop.buy(promoter, f"b-{number}", device="phone", settle=False) for number in range(4)]
    shop.settle()
    assert [shop.statuses(one) for one in orders] == [["pending"], ["pending"], ["frozen"], ["frozen"]]


# A server that has just started


def test_a_worker_that_starts_looks_at_the_newest_orders_again_and_changes_nothing(shop: Shop) -> None:
    app = shop.caller.app

    def warm_up(looks: int) -> int:
        return risk.warm_up(app.db, app.graph, looks_max=looks, deadline=read_clock() + timedelta(seconds=20))

    assert warm_up(5) == 0  # nothing was checked yet
    promoter, other = shop.make_promoter("p"), shop.make_promoter("q")
    orders = [shop.buy(promoter, "a", device="phone"), shop.buy(promoter, "q"), shop.buy(other, "p")]
    before = [shop.risk.read(f"risk/orders/{order_id}") for order_id in orders]
    assert warm_up(5) == 5
    assert [shop.risk.read(f"risk/orders/{order_id}") for order_id in orders] == before
    app.graph.set_ready(False)
    assert warm_up(5) == 0
    app.graph.set_ready(True)
