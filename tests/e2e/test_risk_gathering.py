"""Groups that orders alone prove: the case they open between two sweeps, and what becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.e2e.checked_shop import Shop
from tests.e2e.conftest import Caller
from tests.e2e.test_risk_growth import find_ring, list_edges, read
from tuike import reactions, risk
from tuike.db import outbox
from tuike.shared.clock import format_instant, read_clock


@pytest.fixture
def shop(caller: Caller) -> Shop:
    shop = Shop(caller)
    shop.set_rule("gathering", mode="live")
    return shop


def gather(shop: Shop, promoter: dict[str, Any], *buyers: str, settle: bool = True) -> list[str]:
    return [shop.buy(promoter, buyer, device="phone", settle=settle) for buyer in buyers]


def list_cases(shop: Shop) -> list[dict[str, Any]]:
    items = shop.risk.read("risk/cases")["items"]
    return [dict(shop.risk.read(f"risk/cases/{one['id']}")) for one in items]


def accused_of(case: dict[str, Any]) -> set[str]:
    return {one["account_id"] for one in case["members"] if one["accused"]}


def test_orders_that_prove_a_new_group_open_its_case_which_holds_nothing(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    shop.buy(promoter, "stranger", device="own")
    orders = gather(shop, promoter, "a", "b", "c")
    assert list_cases(shop) == []

    orders += gather(shop, promoter, "d")

    (case,) = list_cases(shop)
    assert (case["source"], case["pattern"], case["state"], case["version"]) == ("orders", "gathering", "open", 1)
    assert accused_of(case) == {promoter["id"], "a", "b", "c", "d"}
    assert {one["account_id"]: one["role"] for one in case["members"]}[promoter["id"]] == "beneficiary"
    assert (case["orders_count"], case["commission_base_minor"], case["joined_orders_count"]) == (4, 40_000, 0)
    assert case["sentences"] == [
        "Opened by its orders: 4 buyers share what few people use with the promoter; no sweep found them."
    ]
    assert case["sentences_zh"] == [
        "本案由订单立案：4 名与推客共用很少有人使用的标识的买家通过其下单。扫描尚未发现该群体。"
    ]
    assert [(one["action"], one["actor_name"]) for one in case["history"]] == [("gathered", "orders")]
    edges = list_edges(shop, case)
    for buyer, order_id in zip("abcd", orders, strict=True):
        assert (buyer, "placed", order_id) in edges
        assert (order_id, "credited_to", promoter["id"]) in edges
    # The case holds nothing; the rule lets the order wait at which it saw the group.
    assert [shop.statuses(order_id) for order_id in orders] == [["pending"]] * 3 + [["frozen"]]
    assert not any(one["held"] for one in case["members"])
    assert {one for one, relation, _ in edges if relation == "used"} == {"a", "b", "c", "d", promoter["id"]}
    assert len(edges) == len(set(edges))


def test_a_gathering_case_grows_by_whoever_gathers_next_and_by_every_order_once(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    orders = gather(shop, promoter, "a", "b", "c", "d")
    orders += gather(shop, promoter, "e", "a")
    (case,) = list_cases(shop)
    assert accused_of(case) == {promoter["id"], "a", "b", "c", "d", "e"}
    assert (case["version"], case["orders_count"], case["joined_orders_count"]) == (2, 6, 2)
    assert [one["action"] for one in case["history"]] == ["gathered", "joined"]
    edges = list_edges(shop, case)
    assert len(edges) == len(set(edges))
    with shop.caller.app.db.transaction() as tx:  # everything comes once more
        outbox.emit_many(tx, topic="order.unchecked", keys=orders, now=read_clock())
    shop.settle()
    assert list_cases(shop) == [case]


@pytest.mark.parametrize("mode", ["off", "dry_run"])
def test_a_rule_that_is_not_live_opens_nothing(shop: Shop, mode: str) -> None:
    promoter = shop.make_promoter("p", device="phone")
    shop.set_rule("gathering", mode=mode, buyers=2)
    orders = gather(shop, promoter, "a", "b")
    assert list_cases(shop) == []
    assert [shop.statuses(order_id) for order_id in orders] == [["pending"]] * 2
    shop.set_rule("gathering", mode="live", buyers=2)
    (order_id,) = gather(shop, promoter, "c")
    (case,) = list_cases(shop)
    assert accused_of(case) == {promoter["id"], "a", "b", "c"}
    assert shop.statuses(order_id) == ["frozen"]


def test_the_next_sweep_takes_a_gathering_case_over_where_it_finds_the_same_group(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    gather(shop, promoter, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    taken = find_ring(shop, promoter, ["a", "b", "c", "x"], devices={"phone": ["a", "b", "c", "x"]})
    assert (taken["id"], taken["pattern"], taken["source"], taken["score"]) == (case["id"], "star", "orders", 0.9)
    assert taken["sentences"] == ["Its own orders opened the case before a sweep found the group."]
    gather(shop, promoter, "e")  # from here on it is the sweep that says who is accused
    assert accused_of(read(shop, case)) == {promoter["id"], "a", "b", "c", "x"}
    assert len(list_cases(shop)) == 1


def test_a_sweep_that_does_not_find_the_group_says_so_once(shop: Shop) -> None:
    promoter, other = shop.make_promoter("p", device="phone"), shop.make_promoter("q")
    gather(shop, promoter, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    for _ in range(2):
        find_ring(shop, other, ["x", "y"], devices={})
    assert [one["action"] for one in read(shop, case)["history"]] == ["gathered", "not_found"]
    assert read(shop, case)["version"] == case["version"]


def test_a_group_that_was_found_innocent_does_not_gather_again_until_it_shares_something_new(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    gather(shop, promoter, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    shop.decide(case, "innocent")
    gather(shop, promoter, "a", "b", "c", "d", "e")
    assert [one["state"] for one in list_cases(shop)] == ["innocent"]
    for device in ("tablet", "laptop"):
        for buyer in ("p", "a", "b", "c", "d"):
            shop.touch(promoter, buyer, device=device)
    gather(shop, promoter, "d", "c")
    again, _ = list_cases(shop)
    assert (again["state"], again["source"]) == ("open", "orders")
    assert again["history"][0]["detail"]["innocent_before"] == case["id"]


def test_a_promoter_who_is_accused_already_gathers_into_no_second_case(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    case = shop.accuse(promoter)
    gather(shop, promoter, "a", "b", "c", "d")
    assert [one["id"] for one in list_cases(shop)] == [case["id"]]
    assert accused_of(read(shop, case)) == {promoter["id"]}


def test_a_gathering_case_that_a_person_decided_accuses_nobody_more_by_itself(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    gather(shop, promoter, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    held = shop.decide(case, "hold")
    gather(shop, promoter, "e")
    grown = read(shop, case)
    assert accused_of(grown) == accused_of(case)
    assert grown["version"] == held["version"]
    assert [one["account_id"] for one in grown["members"] if one["role"] == "context"] == ["e"]


def test_orders_that_a_person_passed_do_not_make_a_group(shop: Shop) -> None:
    shop.set_rule("shared_identifier", mode="live")
    promoter = shop.make_promoter("p", device="phone")
    for order_id in gather(shop, promoter, "a", "b", "c"):
        decision = {"decision": "passed", "reason": "a family"}
        assert shop.risk.post(f"risk/orders/{order_id}/decision", decision).status_code == 200
    gather(shop, promoter, "d")
    assert list_cases(shop) == []


def test_two_workers_who_check_two_orders_of_a_new_group_at_once_open_one_case(shop: Shop) -> None:
    app = shop.caller.app
    promoters = [shop.make_promoter(f"p-{n}", device=f"phone-{n}") for n in range(3)]
    for promoter in promoters:
        for number in range(3):
            shop.buy(promoter, f"{promoter['id']}-{number}", device=f"phone-{promoter['external_id'][2:]}")
    orders = [
        shop.buy(promoter, f"{promoter['id']}-{number}", device=f"phone-{promoter['external_id'][2:]}", settle=False)
        for number in range(3, 7) for promoter in promoters
    ]  # fmt: skip
    with app.db.transaction() as tx:
        tx.execute(text("DELETE FROM outbox WHERE topic = 'order.paid'"))
    start = threading.Barrier(4)
    faults: list[BaseException] = []

    def check(mine: list[str]) -> None:
        start.wait()
        try:
            for number in range(0, len(mine), 2):
                with app.db.transaction() as tx:
                    risk.check_orders(tx, app.graph, keys=mine[number : number + 2], now=read_clock())
        except BaseException as error:
            faults.append(error)
            raise

    workers = [threading.Thread(target=check, args=(orders[n::4],)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert faults == []
    cases = list_cases(shop)
    assert len(cases) == 3
    for case in cases:
        assert len(accused_of(case)) == 8
        assert case["orders_count"] == 7
        assert len(set(list_edges(shop, case))) == len(list_edges(shop, case))
    assert reactions.settle_outstanding(app.db, app.graph) >= 0


# Bad days


def test_orders_of_a_group_that_are_reported_late_and_out_of_turn_are_the_same_group(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    for days_ago, buyer in ((1, "a"), (9, "b"), (4, "c"), (20, "d")):
        buy_before(shop, promoter, buyer, days=days_ago)
    (case,) = list_cases(shop)
    assert accused_of(case) == {promoter["id"], "a", "b", "c", "d"}


def test_orders_of_many_months_that_are_reported_at_once_are_no_group(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    for number, buyer in enumerate("abcde"):
        buy_before(shop, promoter, buyer, days=5 + 25 * number, settle=False)
    shop.settle()
    assert list_cases(shop) == []


def buy_before(shop: Shop, promoter: dict[str, Any], buyer: str, *, days: int, settle: bool = True) -> None:
    at = read_clock() - timedelta(days=days)
    shop.touch(promoter, buyer, device="phone", at=at - timedelta(hours=1))
    line = {"sku": "sku-1", "quantity": 1, "amount_minor": 10_000}
    order = shop.caller.make_order(buyer_id=buyer, placed_at=format_instant(at), lines=[line])
    shop.caller.pay(order)
    if settle:
        shop.settle()


def test_buyers_who_gather_at_a_second_promoter_bring_it_into_their_case(shop: Shop) -> None:
    first, second = shop.make_promoter("p", device="phone"), shop.make_promoter("q", device="phone")
    gather(shop, first, "a", "b", "c", "d")
    gather(shop, second, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    assert accused_of(case) == {first["id"], second["id"], "a", "b", "c", "d"}
    assert case["orders_count"] == 8


def test_a_decision_about_a_gathering_case_that_grew_meanwhile_is_refused(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    gather(shop, promoter, "a", "b", "c", "d")
    (seen,) = list_cases(shop)
    gather(shop, promoter, "e")
    answer = shop.decide(seen, "confirm", status=409)
    assert answer["error"]["code"] == "case_changed"
    assert shop.decide(read(shop, seen), "confirm")["state"] == "confirmed"


def test_whoever_was_erased_is_accused_of_no_gathering(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    gather(shop, promoter, "a", "b", "c")
    with shop.caller.app.db.transaction() as tx:
        tx.execute(text("INSERT INTO shoppers (id, status, created_at) VALUES ('a', 'erased', now())"))
    gather(shop, promoter, "d")
    assert list_cases(shop) == []


def test_what_an_erased_promoter_used_is_forgotten_in_the_checks_of_other_people_s_orders(shop: Shop) -> None:
    upline = shop.make_promoter("u", device="tablet")
    promoter = shop.make_promoter("p", device="phone", inviter=upline["id"])
    shop.touch(promoter, "a", device="tablet")
    (order_id,) = gather(shop, promoter, "a")
    app = shop.caller.app

    def list_used() -> set[str]:
        found = shop.risk.read(f"risk/orders/{order_id}")["findings"]
        return {edge["from_id"] for one in found for edge in one["edges"] if edge["relation"] == "used"}

    assert list_used() == {"a", promoter["id"], upline["id"]}
    for erased, left in ((promoter, {"a", upline["id"]}), (upline, {"a"})):
        with app.db.transaction() as tx:
            risk.forget_identifiers(tx, buyer_id=erased["external_id"], promoter_id=erased["id"])
        assert list_used() == left
    found = {one["rule_id"] for one in shop.risk.read(f"risk/orders/{order_id}")["findings"]}
    assert found >= {"shared_identifier", "shared_with_upline"}


def test_the_members_of_a_huge_case_come_in_pages(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    case = find_ring(shop, promoter, [f"b-{number:04}" for number in range(2_000)], devices={})
    assert (len(case["members"]), case["members_count"]) == (200, 2_001)
    seen, cursor = [], ""
    while cursor is not None:
        answer = shop.risk.read(f"risk/cases/{case['id']}/members?limit=200" + (f"&cursor={cursor}" if cursor else ""))
        seen += [(one["account_kind"], one["account_id"]) for one in answer["items"]]
        cursor = answer["next_cursor"]
    assert len(seen) == len(set(seen)) == 2_001
    assert shop.risk.get("risk/cases/rcs_none/members").status_code == 404


KILLED = """
import os, signal, sys
from tuike import reactions, risk
from tuike.app import build_app
from tuike.config import read_config
from tuike.risk.cases.store import cases as case_store
from tuike.shared.clock import format_instant, read_clock
app = build_app(read_config())
add = case_store.add_event
def die(tx, **given):
    add(tx, **given)
    os.kill(os.getpid(), signal.SIGKILL)
case_store.add_event = die
what, case_id, version, fingerprint = sys.argv[1:]
about = dict(case_id=case_id, reason="x", actor=risk.Actor("stf_1", "A"), now=read_clock())
if what == "check":
    reactions.settle_outstanding(app.db, app.graph)
with app.db.transaction() as tx:
    if what == "ban":
        risk.ban_case(tx, version=int(version), fingerprint=fingerprint, **about)
    decide = {"hold": risk.hold_case, "confirm": risk.confirm_case, "innocent": risk.label_innocent,
              "release": risk.release_case}[what]
    decide(tx, version=int(version), **about)
"""


def die_in(shop: Shop, what: str, case: dict[str, Any] | None = None, fingerprint: str = "") -> None:
    config = shop.caller.app.config
    environ = os.environ | {name: value for name, value in config.as_variables().items() if value}
    words = [what, case["id"] if case else "", str(case["version"]) if case else "0", fingerprint]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_worker_killed_while_it_opens_a_case_leaves_none_and_the_next_opens_it(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    gather(shop, promoter, "a", "b", "c")
    (order_id,) = gather(shop, promoter, "d", settle=False)
    die_in(shop, "check")
    assert list_cases(shop) == []
    assert shop.risk.get(f"risk/orders/{order_id}").status_code == 404
    shop.settle()
    (case,) = list_cases(shop)
    assert (case["orders_count"], len(accused_of(case))) == (4, 5)
    assert len(list_edges(shop, case)) == len(set(list_edges(shop, case)))


@pytest.mark.parametrize(("first", "what"), [("", "hold"), ("", "confirm"), ("", "ban"), ("confirm", "innocent")])
def test_a_decision_killed_in_the_middle_did_nothing_and_can_be_made_again(shop: Shop, first: str, what: str) -> None:
    promoter = shop.make_promoter("p", device="phone")
    orders = gather(shop, promoter, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    if first:
        case = shop.decide(case, first)
        shop.settle()
        case = read(shop, case)
    before = [shop.statuses(order_id) for order_id in orders]
    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")["fingerprint"]

    die_in(shop, what, case, preview)

    assert read(shop, case) == case
    assert [shop.statuses(order_id) for order_id in orders] == before
    assert shop.risk.read(f"promoters/{promoter['id']}")["status"] == "active"
    decided = shop.decide(case, what, **({"fingerprint": preview} if what == "ban" else {}))
    assert decided["history"][-1]["action"] == what
    shop.settle()
    # The last order waits for a person by the rule, whatever becomes of the case.
    first_three = "pending" if what == "innocent" else "frozen"
    assert [shop.statuses(order_id) for order_id in orders] == [[first_three]] * 3 + [["frozen"]]
    assert shop.risk.read("ledger/check")["ok"]


def test_orders_refunded_after_their_gathering_was_confirmed_take_the_frozen_money_back(shop: Shop) -> None:
    promoter = shop.make_promoter("p", device="phone")
    orders = gather(shop, promoter, "a", "b", "c", "d")
    (case,) = list_cases(shop)
    case = shop.decide(case, "confirm")
    shop.settle()
    for number, order_id in enumerate(orders):
        body = {"refund_id": f"r-{number}", "refunded_at": format_instant(read_clock()), "amount_minor": 10_000}
        assert shop.caller.post(f"orders/{order_id}/refunds", body).status_code == 201
    shop.settle()
    assert shop.wallet(promoter)["frozen_minor"] == 0
    released = shop.decide(read(shop, case), "release")
    assert released["state"] == "open"
    assert [shop.wallet(promoter)[name] for name in ("pending_minor", "available_minor", "debt_minor")] == [0, 0, 0]
    assert shop.risk.read("ledger/check")["ok"]
