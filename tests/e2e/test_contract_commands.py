"""The commands of the contract beside a running stack, on both graph servers."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from tests.e2e.shops import SCOPES, Shop, ago, expect, make_line, read_clock, to_text


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_is_printed_once_and_works_at_once(shop: Shop, scope: str) -> None:
    printed = shop.run("key", "create", "--name", "推 客", "--scope", scope)
    secret = printed.stdout.strip()
    assert (secret[:3], printed.stdout.count("\n"), printed.stderr) == ("tk_", 1, "")
    answer = httpx.get(f"{shop.url}/api/v1/plans/default", headers={"Authorization": f"Bearer {secret}"})
    expect(answer, 200)


def test_release_is_inclusive_and_counts_what_it_released(shop: Shop) -> None:
    shop.set_plan()
    shop.release()
    top, low = shop.make_chain(2)
    order = shop.sell(low, make_line(12_345))
    received_at = ago(days=1).replace(microsecond=654_321)
    shop.receive(order, received_at)
    due_at = received_at + timedelta(days=7)
    shop.wait_until_settled(order)
    early = shop.release(due_at - timedelta(microseconds=1))
    assert (shop.wallet(low), shop.wallet(top)) == ({"pending": 1_234}, {"pending": 370})
    released = shop.release(due_at)
    assert released == {"released": 2, "released_minor": 1_604}, early
    assert shop.release(due_at) == {"released": 0, "released_minor": 0}
    assert (shop.wallet(low), shop.wallet(top)) == ({"available": 1_234}, {"available": 370})


def test_release_settles_what_was_answered_just_before(shop: Shop) -> None:
    shop.set_plan()
    promoter, buyer = shop.make_promoter(), shop.new_id("buyer")
    shop.touch(shop.make_link(promoter), buyer_id=buyer)
    order = shop.pay(shop.place(buyer_id=buyer))
    shop.receive(order, ago(days=8))
    shop.release()
    assert shop.wallet(promoter) == {"available": 1_000}


@pytest.mark.parametrize("now", ["tomorrow", "", "2026-01-01", "2026-01-01T00:00:00"])
def test_an_instant_that_is_none_is_refused_in_one_sentence(shop: Shop, now: str) -> None:
    done = shop.run("commission", "release", "--now", now, check=False)
    assert (done.returncode != 0, done.stdout, len(done.stderr.strip().splitlines())) == (True, "", 1)


def test_the_ledger_check_prints_what_the_api_says(shop: Shop) -> None:
    promoter = shop.make_promoter()
    shop.earn(promoter, 500)
    printed = shop.run_for_json("ledger", "check")
    assert printed["ok"] is True
    assert set(printed["sums"].values()) == {0}
    answered = shop.get("ledger/check")
    assert {"ok", "sums", "entries", "head"} <= set(printed) & set(answered)
    assert answered["entries"] == printed["entries"]


def test_a_rebuild_beside_a_busy_stack_loses_nothing_and_leaves_no_drift(shop: Shop) -> None:
    shop.set_plan()
    top = shop.make_promoter()
    code = shop.make_link(top)
    old = [shop.make_promoter(top) for _ in range(5)]
    expect(shop.move(old[4], old[3], force=True), 200)
    stop = threading.Event()
    answered: list[tuple[str, str]] = []

    def keep_busy() -> None:
        while not stop.is_set():
            buyer = shop.new_id("buyer")
            calls = [
                ("promoters", {"external_id": shop.new_id("p"), "name": "n", "inviter_id": top["id"]}),
                ("touches", {"code": code, "buyer_id": buyer}),
                ("orders", shop.order_body(buyer_id=buyer)),
            ]
            for path, body in calls:
                if path == "orders":
                    body["placed_at"] = to_text(read_clock())
                answer = shop.api.post(path, json=body)
                assert answer.status_code == 201, answer.text
                answered.append((path, answer.json()["id"]))
            time.sleep(0.1)

    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(keep_busy) for _ in range(2)]
        time.sleep(0.5)
        rebuilt = shop.run("graph", "rebuild")
        stop.set()
        for one in busy:
            one.result(60)
    json.loads(rebuilt.stdout)
    joined = {made for path, made in answered if path == "promoters"}
    placed = [made for path, made in answered if path == "orders"]
    assert joined
    assert placed
    for order_id in placed:
        shop.pay(shop.get(f"orders/{order_id}"))
    for order_id in placed:
        assert shop.amounts({"id": order_id}) == [1_000, 0, 0]
    assert shop.team_sizes(top) == [4 + len(joined), 1, 0]
    team = {item["promoter_id"] for item in shop.read_all(f"promoters/{top['id']}/team", limit=200)}
    assert team == joined | {person["id"] for person in old}
    assert shop.upline(old[4]) == [old[3]["id"], top["id"]]
    shop.check_books()
