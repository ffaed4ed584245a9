"""Links, touches and whom an order belongs to, on both graph servers."""

from datetime import timedelta

import pytest

from tests.graph.conftest import DAY
from tuike import attribution, team
from tuike.shared.errors import ValidationFailed

MICRO = timedelta(microseconds=1)
UNKNOWN_TOUCH = "tch_01ARZ3NDEKTSV4RRFFQ69G5FAV"


def test_the_newest_touch_decides_under_last_and_the_oldest_under_first(world):
    one, two = world.make_promoter(), world.make_promoter()
    old = world.touch(world.make_link(one), buyer_id="b", at=world.now - 2 * DAY)
    new = world.touch(world.make_link(two), buyer_id="b", at=world.now - DAY)
    last, first = world.attribute("b"), world.attribute("b", model="first")
    assert (last.touch_id, last.promoter_id, last.touched_at) == (new, two, world.now - DAY)
    assert (first.touch_id, first.promoter_id) == (old, one)


def test_the_order_in_which_touches_were_recorded_does_not_matter_their_instants_do(world):
    one, two = world.make_promoter(), world.make_promoter()
    new = world.touch(world.make_link(two), buyer_id="b", at=world.now - DAY)
    world.touch(world.make_link(one), buyer_id="b", at=world.now - 2 * DAY)
    assert world.attribute("b").touch_id == new


def test_of_equally_new_touches_the_one_recorded_last_decides(world):
    codes = [world.make_link(world.make_promoter()) for _ in range(4)]
    touches = [world.touch(code, buyer_id="b", at=world.now) for code in codes]
    assert world.attribute("b").touch_id == touches[-1]
    assert world.attribute("b", model="first").touch_id == touches[0]


def test_a_touch_holds_from_its_instant_until_the_lock_ends(world):
    code = world.make_link(world.make_promoter())
    at = world.now - 40 * DAY
    touch = world.touch(code, buyer_id="b", at=at)
    for placed_at, holds in [
        (at - MICRO, False),
        (at, True),
        (at + 30 * DAY - MICRO, True),
        (at + 30 * DAY, False),
    ]:
        found = world.attribute("b", placed_at=placed_at)
        assert (found is not None and found.touch_id == touch) == holds


def test_a_later_touch_never_takes_an_earlier_order(world):
    one, two = world.make_promoter(), world.make_promoter()
    world.touch(world.make_link(one), buyer_id="b", at=world.now - DAY)
    world.touch(world.make_link(two), buyer_id="b", at=world.now)
    assert world.attribute("b", placed_at=world.now - MICRO).promoter_id == one


def test_touches_of_the_visitor_count_when_the_order_names_the_visitor(world):
    one, two = world.make_promoter(), world.make_promoter()
    world.touch(world.make_link(one), buyer_id="b", at=world.now - 2 * DAY)
    world.touch(world.make_link(two), visitor_id="v", at=world.now - DAY)
    assert world.attribute("b").promoter_id == one
    assert world.attribute("b", visitor_id="v").promoter_id == two
    assert world.attribute("somebody") is None
    assert world.attribute("somebody", visitor_id="v").promoter_id == two
    assert world.attribute("v") is None


def test_a_named_touch_is_one_more_touch_and_no_override(world):
    one, two = world.make_promoter(), world.make_promoter()
    named = world.touch(world.make_link(one), buyer_id="somebody else", at=world.now - 2 * DAY)
    own = world.touch(world.make_link(two), buyer_id="b", at=world.now - DAY)
    assert world.attribute("b", touch_id=named).touch_id == own
    assert world.attribute("b", touch_id=named, model="first").touch_id == named
    assert world.attribute("c", touch_id=named).touch_id == named
    assert world.attribute("c", touch_id=UNKNOWN_TOUCH) is None
    assert world.attribute("c", touch_id=named, placed_at=world.now - 3 * DAY) is None


def test_a_named_touch_is_the_buyers_own_from_then_on(world):
    code = world.make_link(world.make_promoter())
    named = world.touch(code, visitor_id="v")
    assert world.attribute("b") is None
    world.make_order("ord_1", "b", touch=named)
    assert world.attribute("b").touch_id == named
    assert world.check()["drift"] == 0


def test_claiming_ones_own_touch_or_an_unknown_one_is_no_news(world):
    code = world.make_link(world.make_promoter())
    own = world.touch(code, buyer_id="b")
    with world.db.transaction() as tx:
        for touch_id in (own, UNKNOWN_TOUCH, "nonsense", ""):
            assert attribution.find_claim(tx, order_id="o", touch_id=touch_id, buyer_id="b", now=world.now) is None
        assert attribution.find_claim(tx, order_id="o", touch_id=own, buyer_id="c", now=world.now) is not None


def test_the_chain_is_as_of_the_order_and_never_longer_than_three(world):
    _, b, c, d = world.make_chain(4)
    other = world.make_promoter(external_id="other")
    placed_at = world.now
    world.touch(world.make_link(d), buyer_id="x", at=world.now - DAY)
    world.now += DAY
    world.move(c, other)
    then = world.attribute("x", placed_at=placed_at)
    now = world.attribute("x")
    assert [(earner.level, earner.promoter_id) for earner in then.chain] == [(1, d), (2, c), (3, b)]
    assert [(earner.level, earner.promoter_id) for earner in now.chain] == [(1, d), (2, c), (3, other)]
    assert now.chain[2].user_id == "other"
    before = world.attribute("x", placed_at=placed_at - MICRO)
    assert [earner.promoter_id for earner in before.chain] == [d]


def test_the_chain_names_the_person_and_the_status_of_each_promoter(world):
    top = world.make_promoter(external_id="top")
    below = world.make_promoter(top, external_id="below")
    world.touch(world.make_link(below), buyer_id="below")
    world.suspend(top)
    chain = world.attribute("below").chain
    assert [(earner.user_id, earner.status) for earner in chain] == [("below", "active"), ("top", "suspended")]


def test_a_buyer_who_becomes_a_promoter_is_the_same_person(world):
    first = world.make_promoter()
    touch = world.touch(world.make_link(first), buyer_id="x")
    second = world.make_promoter(first, external_id="x")
    assert world.attribute("x").touch_id == touch
    assert world.upline(second) == [first]
    assert world.check()["drift"] == 0


def test_a_link_needs_an_active_promoter_and_a_known_kind_of_target(world):
    promoter = world.make_promoter()
    world.suspend(promoter)
    with pytest.raises(attribution.PromoterNotActive):
        world.make_link(promoter)
    for unknown in ("prm_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense"):
        with pytest.raises(team.PromoterNotFound):
            world.make_link(unknown)
    with world.db.transaction() as tx, pytest.raises(ValidationFailed):
        attribution.create_link(tx, promoter_id=promoter, target_type="moon", now=world.now)


def test_a_touch_needs_a_known_link_a_known_parent_and_no_future(world):
    code = world.make_link(world.make_promoter())
    for unknown in ("nonsense", "", "Ω", "a b"):
        with pytest.raises(attribution.LinkNotFound):
            world.touch(unknown)
    for unknown in (UNKNOWN_TOUCH, "nonsense", ""):
        with pytest.raises(attribution.TouchNotFound):
            world.touch(code, parent_touch_id=unknown)
    world.touch(code, at=world.now + timedelta(minutes=5))
    with pytest.raises(ValidationFailed):
        world.touch(code, at=world.now + timedelta(minutes=5) + MICRO)


def test_a_share_path_leads_from_a_touch_to_the_first_one(world):
    one, two = world.make_promoter(), world.make_promoter()
    root = world.touch(world.make_link(one), buyer_id="a")
    middle = world.touch(world.make_link(two), buyer_id="b", parent_touch_id=root)
    leaf = world.touch(world.make_link(one), parent_touch_id=middle)
    path = attribution.get_share_path(world.graph, touch_id=leaf)
    assert [(step.touch_id, step.depth, step.promoter_id) for step in path] == [
        (leaf, 2, one), (middle, 1, two), (root, 0, one),
    ]  # fmt: skip
    with pytest.raises(attribution.TouchNotFound):
        attribution.get_share_path(world.graph, touch_id=UNKNOWN_TOUCH)


def test_a_share_path_of_hundreds_is_whole(world):
    code = world.make_link(world.make_promoter())
    touches = [world.touch(code, apply=False)]
    for _ in range(430):
        touches.append(world.touch(code, apply=False, parent_touch_id=touches[-1]))
    world.catch_up()
    path = attribution.get_share_path(world.graph, touch_id=touches[-1])
    assert [step.touch_id for step in path] == touches[::-1]


def test_identifiers_are_counted_and_kept_only_as_salted_digests(world):
    code = world.make_link(world.make_promoter())
    for days in (3, 1, 2):
        world.touch(code, buyer_id="b", device_id="secret-device", ip="203.0.113.9", at=world.now - days * DAY)
    world.touch(code, visitor_id="v", device_id="secret-device")
    world.touch(code, device_id="nobody's")
    assert team.apply_lazy(world.db, world.graph) == 7
    uses = world.graph.run_schema(
        "MATCH (who)-[used:USED]->(identifier:Identifier) RETURN who.id AS who, identifier.kind AS kind,"
        " used.times AS times, used.last_at - used.first_at AS span ORDER BY who, kind"
    )
    span = 2 * DAY // MICRO
    assert [tuple(use.values()) for use in uses] == [
        ("b", "device", 3, span),
        ("b", "ip", 3, span),
        ("v", "device", 1, 0),
    ]
    assert not any("secret" in line or "203.0.113" in line for line in world.dump())
    assert world.check()["drift"] == 0
