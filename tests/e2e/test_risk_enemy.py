"""What happens to cases on bad days: members erased, orders refunded, decisions at once, a graph that is away."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest
from sqlalchemy import text

from tests.e2e.checked_shop import Shop
from tests.e2e.conftest import Caller
from tests.e2e.persons import Town
from tests.e2e.test_risk_growth import find_ring, near_of, read
from tuike import people, reactions, risk, team
from tuike.risk import CaseMember, Evidence, FoundCase
from tuike.shared.clock import format_instant, read_clock


@pytest.fixture
def shop(caller: Caller) -> Shop:
    return Shop(caller)


def log_in(shop: Shop) -> str:
    return str(Town(shop.caller).log_in().get("me").get_json()["id"])


def ban(shop: Shop, case: dict[str, Any]) -> dict[str, Any]:
    preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
    return shop.decide(case, "ban", fingerprint=preview["fingerprint"])


def run_at_once(*works: Any) -> list[BaseException]:
    start = threading.Barrier(len(works))
    faults: list[BaseException] = []

    def run(work: Any) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def test_the_release_of_a_ban_wakes_nobody_who_was_erased_meanwhile(shop: Shop, error_of: Any) -> None:
    person_id = log_in(shop)
    promoter = shop.make_promoter(person_id)
    case = ban(shop, shop.accuse(promoter))
    with shop.caller.app.db.transaction() as tx:
        people.erase_person(tx, user_id=person_id, now=read_clock())

    case = shop.decide(case, "release")

    assert case["history"][-1]["detail"]["active"] == []
    assert case["history"][-1]["detail"]["let_in"] == []
    assert shop.caller.read(f"promoters/{promoter['id']}")["status"] == "suspended"
    refused = shop.risk.put(f"promoters/{promoter['id']}/status", {"status": "active"})
    assert error_of(refused)[:2] == (409, "person_erased")


def test_who_is_erased_is_forgotten_in_the_evidence_of_cases_that_are_only_near(shop: Shop) -> None:
    person_id = log_in(shop)
    cheat, other = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("other")
    for buyer in ("x", "y", person_id):
        shop.touch(other, buyer, device="d-1")
    case = shop.decide(shop.accuse(cheat), "confirm")
    shop.settle()
    assert person_id in {one for one, score in near_of(shop, case) if score < 0.5}

    def count() -> int:
        items = shop.risk.read(f"risk/cases/{case['id']}/evidence?limit=200")["items"]
        return sum(edge["from_id"] == person_id for edge in items)

    assert count() == 1
    with shop.caller.app.db.transaction() as tx:
        people.erase_person(tx, user_id=person_id, now=read_clock())
    assert count() == 0
    order_id = shop.buy(other, "newcomer", device="d-1")
    findings = shop.risk.read(f"risk/orders/{order_id}")["findings"]
    assert person_id not in str(findings)


def test_an_order_refunded_while_its_case_is_confirmed_takes_the_frozen_money_back(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    orders = [shop.buy(promoter, "b", receive=True) for _ in range(3)]
    case = shop.accuse(promoter, buyers=("b",))

    def refund(order_id: str) -> None:
        body = {"refund_id": f"r-{order_id}", "refunded_at": format_instant(read_clock()), "amount_minor": 10_000}
        assert shop.caller.post(f"orders/{order_id}/refunds", body).status_code in (200, 201)

    faults = run_at_once(
        lambda: shop.decide(case, "confirm"), *(lambda one=one: refund(one) for one in orders[:2]), shop.settle
    )
    shop.settle()

    assert faults == []
    assert shop.wallet(promoter)["frozen_minor"] == 1_000
    assert shop.wallet(promoter)["pending_minor"] == 0
    assert shop.risk.read("ledger/check")["ok"]
    case = read(shop, case)
    shop.decide(case, "release")
    assert shop.wallet(promoter)["pending_minor"] == 1_000


def test_a_release_during_the_check_of_an_order_leaves_nothing_frozen_for_ever(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    case = shop.decide(shop.accuse(promoter, buyers=("b",)), "hold")
    app = shop.caller.app
    for _ in range(3):
        order_id = shop.buy(promoter, "b", settle=False)
        reactions.drain(app.db, app.graph, topic="order.paid")
        faults = run_at_once(
            lambda: reactions.drain(app.db, app.graph, topic="order.unchecked"),
            lambda case=case: shop.decide(read(shop, case), "release"),
        )
        assert faults == []
        shop.settle()
        assert shop.statuses(order_id) == ["pending"]
        case = shop.decide(read(shop, case), "hold")
    with app.db.transaction() as tx:
        held = tx.execute(text("SELECT count(*) FROM risk_holds WHERE lifted_at IS NULL")).scalar_one()
    assert held == 3


def test_a_ban_and_a_withdrawal_decided_at_once_never_pay_twice_nor_lose_a_cent(shop: Shop) -> None:
    for turn in range(3):
        cheat = shop.make_promoter(f"cheat-{turn}")
        shop.buy(cheat, "b", receive=True)
        shop.release()
        asked = shop.risk.post("withdrawals", {"promoter_id": cheat["id"], "amount_minor": 600, "method": "manual"})
        where = f"withdrawals/{asked.get_json()['id']}"
        case = shop.accuse(cheat)
        preview = shop.risk.read(f"risk/cases/{case['id']}/ban-preview")
        body = {"version": case["version"], "reason": "x", "fingerprint": preview["fingerprint"]}
        found: list[int] = []

        def decide(path: str, sent: dict[str, Any], found: list[int] = found) -> None:
            found.append(shop.risk.post(path, sent).status_code)

        faults = run_at_once(
            lambda body=body, case=case: decide(f"risk/cases/{case['id']}/ban", body),
            lambda where=where: decide(f"{where}/approve", {}),
        )
        assert faults == []
        assert set(found) <= {200, 409}
        state, balance = shop.caller.read(where)["status"], shop.wallet(cheat)
        assert balance["available_minor"] + balance["withdrawing_minor"] == 1_000
        assert (state == "approved") == (read(shop, case)["state"] == "open") or state in ("failed", "rejected")
    assert shop.risk.read("ledger/check")["ok"]


def test_two_sweeps_that_found_the_same_ring_leave_one_case(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    find_ring(shop, promoter, ["x"], devices={})
    faults = run_at_once(*(lambda: find_ring(shop, promoter, ["a", "b", "c"], devices={}),) * 3)
    assert faults == []
    with shop.caller.app.db.transaction() as tx:
        cases = risk.list_cases(tx, limit=50).items
        groups = [tuple(one.key for one in risk.list_members(tx, case_id=case.id)) for case in cases]
    assert len(groups) == len(set(groups))


def test_a_case_with_ten_thousand_members_is_found_grown_held_and_banned(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    members = [CaseMember("promoter", promoter["id"], "beneficiary", 0.9, accused=True)]
    members += [CaseMember("buyer", f"b-{number:05}", "buyer", 0.8, accused=True) for number in range(10_000)]
    found = FoundCase("star", 0.9, 0, 0, "", tuple(members), ())
    app = shop.caller.app
    with app.db.transaction() as tx:
        tx.execute(text("INSERT INTO risk_sweeps (id, state, started_at) VALUES ('rsw_1', 'done', now())"))
        risk.merge_found(tx, found=[found], sweep_id="rsw_1", now=read_clock())
        (case,) = risk.list_cases(tx, limit=5).items
    shop.buy(promoter, "b-00007")
    begun = time.monotonic()
    grown = dict(shop.risk.read(f"risk/cases/{case.id}"))
    assert grown["orders_count"] == 1
    held = shop.decide(grown, "confirm")
    shop.settle()
    banned = ban(shop, held)
    released = shop.decide(banned, "release")
    assert released["state"] == "open"
    assert time.monotonic() - begun < 60
    assert shop.risk.read("ledger/check")["ok"]


def test_a_rebuild_of_the_graph_meanwhile_delays_looking_around_and_changes_nothing(shop: Shop) -> None:
    cheat, other = shop.make_promoter("cheat", device="d-1"), shop.make_promoter("other")
    shop.touch(other, "friend", device="d-1")
    case = shop.decide(shop.accuse(cheat), "confirm")
    app = shop.caller.app
    faults = run_at_once(lambda: team.rebuild(app.db, app.graph), shop.settle)
    assert faults == []
    shop.settle()
    assert near_of(shop, case) == [("friend", 0.6)]
    assert team.check_drift(app.db, app.graph)["drift"] == 0


def test_phones_and_persons_whom_the_graph_does_not_know_are_pseudonyms_too(shop: Shop) -> None:
    phone = hashlib.sha256(b"13800000001").hexdigest()
    promoter = shop.make_promoter("p")
    members = (
        CaseMember("promoter", promoter["id"], "beneficiary", 0.9, accused=True),
        CaseMember("buyer", "never-came", "buyer", 0.8, accused=True),
    )
    evidence = (Evidence("buyer", "never-came", "used", "phone", phone, 1.0),)
    with shop.caller.app.db.transaction() as tx:
        tx.execute(text("INSERT INTO risk_sweeps (id, state, started_at) VALUES ('rsw_1', 'done', now())"))
        found = FoundCase("star", 0.9, 0, 0, "", members, evidence)
        risk.merge_found(tx, found=[found], sweep_id="rsw_1", now=read_clock())
        case_id = risk.list_cases(tx, limit=1).items[0].id
    entry = {"kind": "person", "value": "never-seen", "reason": "x"}
    assert shop.risk.post("risk/lists/deny", entry).status_code == 201

    def read_all(reader: Caller) -> str:
        where = [f"risk/cases/{case_id}{part}" for part in ("", "/members", "/evidence", "/ban-preview")]
        return "".join(reader.get(path).text for path in (*where, "risk/lists/deny"))

    for scope in ("analyst", "auditor"):
        seen = read_all(shop.caller.as_scope(scope))
        assert not [one for one in ("never-came", "never-seen", phone[:12]) if one in seen]
        assert seen.count("user~") >= 4
        assert "identifier~" in seen
    clear = read_all(shop.risk)
    assert phone in clear
    assert "never-came" in clear


def run_beside(shop: Shop, first: Any, second: Any) -> None:
    """Do the first in a transaction that commits only after the second has begun in another one."""
    faults: list[BaseException] = []

    def run() -> None:
        try:
            with shop.caller.app.db.transaction() as tx:
                second(tx)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            faults.append(error)

    thread = threading.Thread(target=run)
    with shop.caller.app.db.transaction() as tx:
        first(tx)
        thread.start()
        thread.join(0.5)
    thread.join()
    assert faults == []


def decide_by(verb: Any, case: dict[str, Any]) -> Any:
    who = {"reason": "x", "actor": risk.Actor("stf_1", "Li"), "now": read_clock()}
    return lambda tx: verb(tx, case_id=case["id"], version=case["version"], **who)


def test_two_bans_released_at_once_leave_nobody_suspended_or_locked_out(shop: Shop) -> None:
    someone = Town(shop.caller).log_in()
    person_id = str(someone.get("me").get_json()["id"])
    promoter = shop.make_promoter(person_id)
    one, two = ban(shop, shop.accuse(promoter)), ban(shop, shop.accuse(promoter))

    run_beside(shop, decide_by(risk.release_case, one), decide_by(risk.label_innocent, two))

    assert shop.caller.read(f"promoters/{promoter['id']}")["status"] == "active"
    with shop.caller.app.db.transaction() as tx:
        status = tx.execute(text("SELECT status FROM shoppers WHERE id = :id"), {"id": person_id}).scalar_one()
    assert status == "active"


def test_two_cases_let_go_at_once_leave_nothing_frozen(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    order_id = shop.buy(promoter, "b")
    one, two = (shop.decide(shop.accuse(promoter), "hold") for _ in range(2))

    run_beside(shop, decide_by(risk.release_case, one), decide_by(risk.release_case, two))

    assert shop.statuses(order_id) == ["pending"]
    assert shop.wallet(promoter)["pending_minor"] == 1_000


def test_what_one_case_lets_go_while_another_takes_hold_of_it_stays_frozen(shop: Shop) -> None:
    promoter = shop.make_promoter("p")
    order_id = shop.buy(promoter, "b")
    held, fresh = shop.decide(shop.accuse(promoter), "hold"), shop.accuse(promoter)
    run_beside(shop, decide_by(risk.hold_case, fresh), decide_by(risk.release_case, held))
    assert shop.statuses(order_id) == ["frozen"]

    held, fresh = read(shop, fresh), read(shop, held)
    run_beside(shop, decide_by(risk.release_case, held), decide_by(risk.hold_case, fresh))
    assert shop.statuses(order_id) == ["frozen"]
    shop.decide(read(shop, fresh), "release")
    assert shop.statuses(order_id) == ["pending"]
