"""The contract's exact readings about people, teams, links and touches, on both graph servers."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.shops import Shop, ago, do_at_once, expect, make_line, read_clock, to_text

NOT_IDS = [
    "prm_unknown",
    "x y",
    "",
    "\u0000",
    "推客",
    "🙂" * 40,
    "prm_01K9ZJ0000000000000000000A",
    "../..",
    "a" * 100_000,
]


# 19. Inviter


def test_an_inviter_is_kept_unless_forced_and_binding_the_present_one_again_is_no_change(shop: Shop) -> None:
    first, second, low = (shop.make_promoter() for _ in range(3))
    assert expect(shop.move(low, None), 200)["inviter_id"] is None
    assert expect(shop.move(low, first), 200)["inviter_id"] == first["id"]
    for force in (False, True):
        assert expect(shop.move(low, first, force=force), 200)["inviter_id"] == first["id"]
    expect(shop.move(low, second), 409, "already_bound")
    expect(shop.move(low, None), 409, "already_bound")
    assert shop.upline(low) == [first["id"]]
    assert expect(shop.move(low, second, force=True), 200)["inviter_id"] == second["id"]
    assert shop.get(f"promoters/{low['id']}")["inviter_id"] == second["id"]
    assert expect(shop.move(low, None, force=True), 200)["inviter_id"] is None
    assert shop.upline(low) == []
    assert [shop.team_sizes(person)[0] for person in (first, second)] == [0, 0]


def test_nobody_invites_themselves(shop: Shop) -> None:
    person = shop.make_promoter()
    for force in (False, True):
        expect(shop.move(person, person, force=force), 422, "self_binding")


@pytest.mark.parametrize("unknown", NOT_IDS, ids=range(len(NOT_IDS)))
def test_an_unknown_or_unreadable_inviter_is_not_found(shop: Shop, unknown: str) -> None:
    person = shop.make_promoter()
    for body in ({"inviter_id": unknown, "reason": "r"}, {"inviter_id": unknown, "reason": "r", "force": True}):
        expect(shop.api.put(f"promoters/{person['id']}/inviter", json=body), 404, "inviter_not_found")
    fresh = {"external_id": shop.new_id("p"), "name": "n", "inviter_id": unknown}
    shop.post("promoters", fresh, 404, "inviter_not_found")
    assert shop.get("promoters", external_id=fresh["external_id"])["items"] == []


def test_an_invite_code_binds_like_an_inviter(shop: Shop) -> None:
    top = shop.make_promoter()
    low = shop.make_promoter(invite_code=top["invite_code"])
    assert (low["inviter_id"], shop.upline(low)) == (top["id"], [top["id"]])
    body = {"external_id": shop.new_id("p"), "name": "n", "invite_code": "NOBODYSCODE"}
    shop.post("promoters", body, 404, "inviter_not_found")
    assert len({shop.make_promoter()["invite_code"] for _ in range(5)}) == 5


# As of, and current on answer


def test_the_upline_as_of_an_instant_is_that_of_the_instant(shop: Shop) -> None:
    before = read_clock()
    a, b, low = (shop.make_promoter() for _ in range(3))
    top = shop.make_promoter()
    expect(shop.move(low, a), 200)
    under_a = read_clock()
    expect(shop.move(low, b, force=True), 200)
    under_b = read_clock()
    expect(shop.move(b, top), 200)
    under_top = read_clock()
    expect(shop.move(low, None, force=True), 200)
    for at, expected in ((before, []), (under_a, [a]), (under_b, [b]), (under_top, [b, top]), (None, [])):
        assert shop.upline(low, at) == [person["id"] for person in expected]
    assert shop.upline(low, datetime.fromisoformat("1999-12-31T23:59:59.999999Z")) == []
    expect(
        shop.api.get(f"promoters/{low['id']}/upline", params={"at": to_text(read_clock() + timedelta(hours=1))}), 422
    )
    shifted = under_a.astimezone().isoformat()
    assert shop.get(f"promoters/{low['id']}/upline", at=shifted)["items"][0]["promoter_id"] == a["id"]


def test_an_order_is_split_by_the_tree_of_its_instant(shop: Shop) -> None:
    shop.set_plan(levels_max=3, rates_bps=[1000, 300, 100])
    try:
        grand, old, new, low = (shop.make_promoter() for _ in range(4))
        expect(shop.move(old, grand), 200)
        expect(shop.move(low, old), 200)
        buyer = shop.new_id("buyer")
        shop.touch(shop.make_link(low), buyer_id=buyer, at=to_text(ago(days=2)))
        under_old = read_clock()
        expect(shop.move(low, new, force=True), 200)
        cases = [
            (under_old, [low["id"], old["id"], grand["id"]]),
            (read_clock(), [low["id"], new["id"], None]),
            (ago(days=1), [low["id"], None, None]),
        ]
        for placed_at, expected in cases:
            order = shop.pay(shop.place(buyer_id=buyer, placed_at=to_text(placed_at)))
            assert [item["promoter_id"] for item in shop.list_commissions(order)] == expected, placed_at
    finally:
        shop.set_plan()


def test_a_change_shows_in_upline_team_and_sizes_as_soon_as_it_is_answered(shop: Shop) -> None:
    left, right = shop.make_promoter(), shop.make_promoter()
    moving = shop.make_promoter()
    below = shop.make_promoter(moving)
    for turn in range(12):
        to, away = (left, right) if turn % 2 else (right, left)
        expect(shop.move(moving, to, force=True), 200)
        assert shop.upline(below) == [moving["id"], to["id"]]
        assert (shop.team_sizes(to), shop.team_sizes(away)) == ([1, 1, 0], [0, 0, 0])
        assert [item["promoter_id"] for item in shop.read_all(f"promoters/{to['id']}/team")] == [
            moving["id"],
            below["id"],
        ]
        assert shop.read_all(f"promoters/{away['id']}/team") == []


def test_many_joins_and_moves_at_once_are_all_counted_on_every_level(shop: Shop) -> None:
    top = shop.make_promoter()
    middles = [shop.make_promoter(top) for _ in range(3)]
    joined = do_at_once([lambda no=no: shop.make_promoter(middles[no % 3]) for no in range(24)])
    assert shop.team_sizes(top) == [3, 24, 0]
    chosen = random.Random(1)
    moves = [(person, chosen.choice([*middles, top])) for person in joined]
    answers = do_at_once([lambda m=move: shop.move(m[0], m[1], force=True) for move in moves])
    assert {answer.status_code for answer in answers} == {200}
    to_top = sum(above is top for _, above in moves)
    assert shop.team_sizes(top) == [3 + to_top, 24 - to_top, 0]
    for middle in middles:
        assert shop.team_sizes(middle)[0] == sum(above is middle for _, above in moves)
    assert {person["id"]: shop.upline(person)[0] for person in joined} == {p["id"]: a["id"] for p, a in moves}


# Team pages


def test_team_pages_hold_each_member_once_while_others_join_and_leave(shop: Shop) -> None:
    top, elsewhere = shop.make_promoter(), shop.make_promoter()
    with ThreadPoolExecutor(8) as pool:
        stayers = list(pool.map(lambda _: shop.make_promoter(top), range(210)))
        grandchildren = list(pool.map(lambda no: shop.make_promoter(stayers[no]), range(12)))
        leavers = list(pool.map(lambda _: shop.make_promoter(top), range(12)))
    staying = {person["id"] for person in stayers} | {person["id"] for person in grandchildren}
    done = threading.Event()

    def stir() -> list[str]:
        joined = []
        for leaver in leavers:
            joined.append(shop.make_promoter(top)["id"])
            expect(shop.move(leaver, elsewhere, force=True), 200)
        done.set()
        return joined

    with ThreadPoolExecutor(1) as pool:
        stirring = pool.submit(stir)
        for limit in (7, 50, 200, 13):
            items = shop.read_all(f"promoters/{top['id']}/team", limit=limit)
            seen = [item["promoter_id"] for item in items]
            assert len(seen) == len(set(seen)), limit
            assert staying <= set(seen), limit
        joined = stirring.result(60)
    assert done.is_set()
    expected = staying | set(joined)
    for limit in (33, 200):
        seen = [item["promoter_id"] for item in shop.read_all(f"promoters/{top['id']}/team", limit=limit)]
        assert (len(seen), set(seen)) == (len(expected), expected)
    level_2 = shop.read_all(f"promoters/{top['id']}/team", level=2, limit=5)
    assert len(level_2) == len(grandchildren)
    assert {item["promoter_id"] for item in level_2} == {person["id"] for person in grandchildren}
    assert {item["level"] for item in level_2} == {2}
    assert shop.team_sizes(top) == [210 + 12, 12, 0]
    first = shop.read_all(f"promoters/{top['id']}/team", level=1)
    assert sum(item["team_size"] for item in first) == 12
    assert all(datetime.fromisoformat(item["joined_at"]) <= read_clock() for item in first)


@pytest.mark.parametrize("query", ["level=0", "level=4", "level=1.5", "limit=0", "limit=201", "limit=x", "cursor=@@@",
                                   "cursor=" + "A" * 5000])  # fmt: skip
def test_an_impossible_page_is_refused(shop: Shop, query: str) -> None:
    person = shop.make_promoter()
    error = expect(shop.api.get(f"promoters/{person['id']}/team?{query}"), 422)["error"]
    assert set(error["fields"]) == {query.partition("=")[0]}


# Links, touches and share paths


def test_a_link_belongs_to_an_active_promoter(shop: Shop) -> None:
    person = shop.make_promoter()
    target = {"type": "product", "id": "sku-1"}
    made = shop.post("links", {"promoter_id": person["id"], "target": target, "channel": "moments"})
    assert made["url"].endswith(f"/s/{made['code']}")
    shop.post("links", {"promoter_id": "prm_unknown", "target": target}, 404, "promoter_not_found")
    expect(shop.operator.put(f"promoters/{person['id']}/status", json={"status": "suspended"}), 200)
    shop.post("links", {"promoter_id": person["id"], "target": target}, 403, "promoter_not_active")
    shop.post("links", {"promoter_id": person["id"], "target": {"type": "car"}}, 422, "validation_failed")


def test_opening_a_link_leads_on_and_marks_the_visitor_once(shop: Shop) -> None:
    person = shop.make_promoter()
    code = shop.make_link(person)
    with httpx.Client(base_url=shop.url, follow_redirects=False) as browser:
        first = browser.get(f"/s/{code}")
        assert first.status_code == 302
        assert "sku-1" in first.headers["Location"]
        cookies = dict(browser.cookies)
        assert len(cookies) == 1
        assert "HttpOnly" in first.headers["Set-Cookie"]
        second = browser.get(f"/s/{code}")
        assert (second.status_code, dict(browser.cookies)) == (302, cookies)
        (visitor_id,) = cookies.values()
    order = shop.place(visitor_id=visitor_id, placed_at=to_text(read_clock()))
    assert order["attribution"]["promoter_id"] == person["id"]
    unknown = httpx.get(f"{shop.url}/s/nosuchcode", headers={"Accept": "application/json"})
    expect(unknown, 404, "link_not_found")


def test_depth_counts_how_often_a_share_was_shared_again(shop: Shop) -> None:
    people = [shop.make_promoter() for _ in range(4)]
    parent: str | None = None
    touches = []
    for depth, person in enumerate(people):
        fields: dict[str, Any] = {} if parent is None else {"parent_touch_id": parent}
        touch = shop.touch(shop.make_link(person), buyer_id=shop.new_id("buyer"), **fields)
        assert (touch["depth"], touch["promoter_id"]) == (depth, person["id"])
        parent = touch["id"]
        touches.append(parent)
    path = shop.get(f"touches/{touches[-1]}/path")["items"]
    assert [step["id"] for step in path] == list(reversed(touches))
    code = shop.make_link(people[0])
    shop.post("touches", {"code": code, "parent_touch_id": "tch_unknown"}, 404, "touch_not_found")
    shop.post("touches", {"code": "nosuchcode"}, 404, "link_not_found")


def test_a_touch_named_by_an_order_is_one_more_touch_of_that_buyer(shop: Shop) -> None:
    named, newest = shop.make_promoter(), shop.make_promoter()
    buyer = shop.new_id("buyer")
    anonymous = shop.touch(shop.make_link(named), at=to_text(ago(minutes=30)))
    order = shop.place(buyer_id=buyer, touch_id=anonymous["id"])
    assert order["attribution"]["promoter_id"] == named["id"]
    again = shop.place(buyer_id=buyer, placed_at=to_text(read_clock()))
    assert again["attribution"]["promoter_id"] == named["id"]
    shop.touch(shop.make_link(newest), buyer_id=buyer, at=to_text(ago(minutes=10)))
    over = shop.place(buyer_id=buyer, touch_id=anonymous["id"], placed_at=to_text(read_clock()))
    assert over["attribution"]["promoter_id"] == newest["id"]
    earlier = shop.place(buyer_id=buyer, touch_id=anonymous["id"], placed_at=to_text(ago(minutes=31)))
    assert earlier["attribution"]["promoter_id"] is None
    stale = shop.touch(shop.make_link(named), buyer_id=shop.new_id("other"), at=to_text(ago(days=31)))
    lapsed = shop.place(buyer_id=shop.new_id("buyer"), touch_id=stale["id"])
    assert lapsed["attribution"]["promoter_id"] is None


def test_the_newest_of_the_touches_of_buyer_and_visitor_holds(shop: Shop) -> None:
    people = [shop.make_promoter() for _ in range(3)]
    buyer, visitor = shop.new_id("buyer"), shop.new_id("visitor")
    shop.touch(shop.make_link(people[0]), buyer_id=buyer, at=to_text(ago(hours=3)))
    shop.touch(shop.make_link(people[1]), visitor_id=visitor, at=to_text(ago(hours=2)))
    expected = [({"visitor_id": visitor}, people[1]), ({}, people[0])]
    for fields, holder in expected:
        order = shop.place(buyer_id=buyer, **fields)
        assert order["attribution"]["promoter_id"] == holder["id"]
    shop.touch(shop.make_link(people[2]), buyer_id=buyer, visitor_id=visitor, at=to_text(ago(hours=1)))
    for fields in ({"visitor_id": visitor}, {}):
        assert shop.place(buyer_id=buyer, **fields)["attribution"]["promoter_id"] == people[2]["id"]


def test_of_two_touches_at_one_instant_the_one_told_last_holds(shop: Shop) -> None:
    people = [shop.make_promoter() for _ in range(2)]
    buyer, at = shop.new_id("buyer"), to_text(ago(hours=1))
    for person in people:
        shop.touch(shop.make_link(person), buyer_id=buyer, at=at)
    assert shop.place(buyer_id=buyer)["attribution"]["promoter_id"] == people[1]["id"]


def test_a_buyer_who_becomes_a_promoter_stays_one_person(shop: Shop) -> None:
    seller, person = shop.make_promoter(), shop.new_id("person")
    order = shop.sell(seller, make_line(), buyer_id=person)
    promoter = shop.make_promoter(seller, external_id=person)
    assert shop.upline(promoter) == [seller["id"]]
    assert shop.amounts(order) == [1_000, 0, 0]
    own = shop.sell(promoter, buyer_id=person)
    assert shop.amounts(own) == [0, 300, 0]
    deadline = time.monotonic() + 15
    while shop.run("graph", "check", check=False).returncode and time.monotonic() < deadline:
        time.sleep(1)
    shop.check_books()
