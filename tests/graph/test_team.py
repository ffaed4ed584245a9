"""The tree of promoters on both graph servers."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tuike import team
from tuike.shared.errors import ValidationFailed

MINUTE = timedelta(minutes=1)


def test_an_upline_is_nearest_first_and_never_longer_than_three(world):
    chain = world.make_chain(6)
    assert world.upline(chain[5]) == [chain[4], chain[3], chain[2]]
    assert world.upline(chain[1]) == [chain[0]]
    assert world.upline(chain[0]) == []


def test_a_change_is_in_the_graph_as_soon_as_it_was_answered(world):
    top = world.make_promoter()
    below = world.make_promoter(top)
    assert world.upline(below) == [top]
    assert world.sizes(top) == (1, 0, 0)
    assert world.members(top) == [(below, 1)]


def test_an_unknown_promoter_is_not_found_by_any_verb(world):
    known = world.make_promoter()
    for unknown in ("prm_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "", "prm_' OR 1=1", "12"):
        with pytest.raises(team.PromoterNotFound):
            world.upline(unknown)
        with pytest.raises(team.PromoterNotFound):
            world.members(unknown)
        with pytest.raises(team.PromoterNotFound):
            world.sizes(unknown)
        with pytest.raises(team.PromoterNotFound):
            world.move(unknown, known)
        with pytest.raises(team.InviterNotFound):
            world.move(known, unknown)
        with pytest.raises(team.InviterNotFound):
            world.make_promoter(unknown)
        with world.db.transaction() as tx, pytest.raises(team.PromoterNotFound):
            team.get_promoter(tx, world.graph, promoter_id=unknown)
        with world.db.transaction() as tx, pytest.raises(team.PromoterNotFound):
            team.change_status(tx, promoter_id=unknown, status="suspended", reason="", now=world.now)


def test_an_external_id_belongs_to_one_promoter(world):
    world.make_promoter(external_id="12")
    with pytest.raises(team.ExternalIdTaken):
        world.make_promoter(external_id="12")
    world.make_promoter(external_id="112")


def test_an_invite_code_belongs_to_one_promoter(world):
    with world.db.transaction() as tx:
        team.create_promoter(tx, external_id="a", name="a", invite_code="CODE", now=world.now)
    with world.db.transaction() as tx, pytest.raises(team.InviteCodeTaken):
        team.create_promoter(tx, external_id="b", name="b", invite_code="CODE", now=world.now)


def test_a_promoter_is_read_back_with_its_present_inviter(world):
    top, other = world.make_promoter(), world.make_promoter()
    with world.db.transaction() as tx:
        made = team.create_promoter(tx, external_id="x", name="X", inviter_id=top, level={"grade": 2}, now=world.now)
    world.catch_up()
    with world.db.transaction() as tx:
        assert team.get_promoter(tx, world.graph, promoter_id=made.id) == made
    world.move(made.id, other)
    with world.db.transaction() as tx:
        assert team.get_promoter(tx, world.graph, promoter_id=made.id).inviter_id == other


def test_a_move_carries_everybody_below_and_changes_nobody_else(world):
    a, b, c, d, e = world.make_chain(5)
    x, y, z = world.make_chain(3)
    bystander = world.make_promoter(b)
    world.move(c, z)
    assert world.upline(c) == [z, y, x]
    assert world.upline(d) == [c, z, y]
    assert world.upline(e) == [d, c, z]
    assert world.upline(b) == [a]
    assert world.upline(bystander) == [b, a]
    assert [world.sizes(who) for who in (a, b, c, x, y, z)] == [
        (1, 1, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 1, 1), (1, 1, 1),
    ]  # fmt: skip
    assert world.members(y) == [(z, 1), (c, 2), (d, 3)]
    assert world.members(a) == [(b, 1), (bystander, 2)]


def test_the_past_stays_answerable_after_moves(world):
    a, b, c = world.make_promoter(), world.make_promoter(), world.make_promoter()
    joined = world.now
    world.now += MINUTE
    world.move(c, a)
    world.now += MINUTE
    world.move(a, b)
    world.now += MINUTE
    world.move(c, None)
    assert world.upline(c, joined) == []
    assert world.upline(c, joined + MINUTE - timedelta(microseconds=1)) == []
    assert world.upline(c, joined + MINUTE) == [a]
    assert world.upline(c, joined + 2 * MINUTE - timedelta(microseconds=1)) == [a]
    assert world.upline(c, joined + 2 * MINUTE) == [a, b]
    assert world.upline(c, joined + 3 * MINUTE) == []
    assert world.upline(c) == []


def test_two_moves_at_one_instant_leave_no_instant_with_two_inviters(world):
    a, b, c = world.make_promoter(), world.make_promoter(), world.make_promoter()
    world.move(c, a)
    world.move(c, b)
    assert world.upline(c) == [b]
    for micros in range(4):
        assert len(world.upline(c, world.now + timedelta(microseconds=micros))) <= 1


def test_loops_of_any_length_are_refused_even_with_force(world):
    chain = world.make_chain(5)
    for below in chain[1:]:
        with pytest.raises(team.BindingCycle):
            world.move(chain[0], below)
    with pytest.raises(team.SelfBinding):
        world.move(chain[0], chain[0])
    assert world.check()["drift"] == 0


def test_a_loop_is_found_below_a_chain_of_many_hundred(world):
    chain = world.make_chain(600)
    for below in (chain[255], chain[256], chain[257], chain[511], chain[512], chain[513], chain[599]):
        with pytest.raises(team.BindingCycle):
            world.move(chain[0], below)
    other = world.make_promoter()
    world.move(other, chain[-1])
    assert world.upline(other) == chain[:-4:-1]


def test_an_inviter_is_kept_without_force_and_the_same_one_again_is_fine(world):
    a, b = world.make_promoter(), world.make_promoter()
    c = world.make_promoter(a)
    with pytest.raises(team.AlreadyBound):
        world.move(c, b, force=False)
    with pytest.raises(team.AlreadyBound):
        world.move(c, None, force=False)
    assert world.move(c, a, force=False).inviter_id == a
    assert world.move(b, None, force=False).inviter_id is None
    assert world.unapplied() == {0: 0, 1: 0}
    assert world.sizes(a) == (1, 0, 0)


def test_opposite_moves_at_once_never_close_a_loop(world):
    for _ in range(5):
        ring = [world.make_promoter(apply=False) for _ in range(6)]
        world.catch_up()

        def bind(place, ring=ring):
            try:
                world.move(ring[place], ring[(place + 1) % len(ring)])
            except team.BindingCycle:
                return 1
            return 0

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(bind, range(len(ring)))) == 1
    assert world.check()["drift"] == 0


def test_one_promoter_bound_by_many_at_once_gets_exactly_one_inviter(world):
    orphan = world.make_promoter()
    inviters = [world.make_promoter(apply=False) for _ in range(8)]
    world.catch_up()

    def bind(inviter):
        try:
            return world.move(orphan, inviter, force=False).inviter_id
        except team.AlreadyBound:
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [inviter for inviter in pool.map(bind, inviters) if inviter]
    assert winners == world.upline(orphan)
    assert sum(world.sizes(inviter)[0] for inviter in inviters) == 1


def test_joins_at_once_under_one_promoter_are_all_counted(world):
    top = world.make_promoter()
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: world.make_promoter(top), range(64)))
    assert world.sizes(top) == (64, 0, 0)
    assert {member for member, _ in world.members(top, limit=7)} == made
    assert world.check()["drift"] == 0


def test_pages_of_a_team_hold_every_member_once_in_a_fixed_order(world):
    top = world.make_promoter()
    first = [world.make_promoter(top, apply=False) for _ in range(5)]
    second = [world.make_promoter(inviter, apply=False) for inviter in first for _ in range(2)]
    third = [world.make_promoter(second[0], apply=False) for _ in range(3)]
    world.catch_up()
    world.make_promoter(third[0])
    whole = [(who, 1) for who in first] + [(who, 2) for who in second] + [(who, 3) for who in third]
    for limit in (1, 2, 5, 17, 18, 19, 200):
        assert world.members(top, limit=limit) == whole
    assert world.members(top, 2, limit=3) == [(who, 2) for who in second]
    assert world.sizes(top) == (5, 10, 3)


def test_gaps_that_moved_members_leave_do_not_end_a_page(world):
    top, other = world.make_promoter(), world.make_promoter()
    members = [world.make_promoter(top, apply=False) for _ in range(12)]
    world.catch_up()
    for gone in members[1:10]:
        world.move(gone, other)
    page = team.list_team(world.graph, promoter_id=top, level=1, limit=2)
    assert [member.promoter_id for member in page.items] == [members[0], members[10]]
    rest = team.list_team(world.graph, promoter_id=top, level=1, limit=2, cursor=page.next_cursor)
    assert [member.promoter_id for member in rest.items] == [members[11]]
    assert rest.next_cursor is None


def test_a_member_says_since_when_it_is_there_and_how_large_its_own_team_is(world):
    top, other = world.make_promoter(), world.make_promoter()
    member, *_ = (world.make_promoter(other),)
    world.make_promoter(world.make_promoter(member))
    world.now += MINUTE
    world.move(member, top)
    (found,) = team.list_team(world.graph, promoter_id=top, level=1).items
    assert (found.joined_at, found.team_size) == (world.now, 2)


def test_a_cursor_of_another_list_is_refused(world):
    top = world.make_promoter()
    for cursor in ("nonsense", "WzksMV0", "WzEsIngiXQ"):
        with pytest.raises(ValidationFailed):
            team.list_team(world.graph, promoter_id=top, cursor=cursor)


def test_many_uplines_at_once_are_what_each_is_alone(world):
    chain = world.make_chain(5)
    world.now += 2 * MINUTE
    world.move(chain[3], chain[0])
    asked = [*chain, "prm_unknown"]
    many = team.list_uplines(world.graph, promoter_ids=asked)
    assert list(many) == asked
    assert many["prm_unknown"] == []
    for promoter in chain:
        assert many[promoter] == team.list_upline(world.graph, promoter_id=promoter)
        assert many[promoter] == team.list_upline(world.graph, promoter_id=promoter, at=world.now)
    assert team.list_uplines(world.graph, promoter_ids=[]) == {}


def test_a_preview_says_what_a_move_would_do_and_changes_nothing(world):
    a, b, c = world.make_chain(3)
    x, y = world.make_chain(2)
    with world.db.transaction() as tx:
        preview = team.preview_move(tx, world.graph, promoter_id=b, inviter_id=y)
        assert (preview.refusal, preview.members) == (None, (1, 0, 0))
        assert [above.promoter_id for above in preview.leaving] == [a]
        assert [above.promoter_id for above in preview.entering] == [y, x]
        assert team.preview_move(tx, world.graph, promoter_id=a, inviter_id=c).refusal == "binding_cycle"
        assert team.preview_move(tx, world.graph, promoter_id=a, inviter_id=a).refusal == "self_binding"
        assert team.preview_move(tx, world.graph, promoter_id=b, inviter_id=None).entering == []
    assert world.upline(b) == [a]


def test_a_status_reaches_the_graph_and_the_same_one_again_writes_nothing(world):
    promoter = world.make_promoter()
    world.suspend(promoter)
    world.suspend(promoter)
    world.suspend(promoter, status="active")
    world.suspend(promoter)
    with world.db.transaction() as tx, pytest.raises(ValidationFailed):
        team.change_status(tx, promoter_id=promoter, status="gone", reason="", now=world.now)
    assert world.check()["parts"]["promoters"] == {"expected": 1, "found": 1, "missing": 0, "extra": 0, "wrong": 0}


def test_after_random_joins_and_moves_every_reading_agrees_with_a_model(world):
    chance = random.Random(20260501)
    inviter_of: dict[str, str | None] = {}
    history = []
    for _ in range(80):
        world.now += MINUTE
        if len(inviter_of) < 8 or chance.random() < 0.4:
            inviter = chance.choice([None, *inviter_of])
            inviter_of[world.make_promoter(inviter, apply=chance.random() < 0.3)] = inviter
        else:
            moved, inviter = chance.choice(list(inviter_of)), chance.choice([None, *inviter_of])
            is_loop = moved in _list_above(inviter_of, inviter)
            try:
                world.move(moved, inviter)
                assert not is_loop
                inviter_of[moved] = inviter
            except (team.BindingCycle, team.SelfBinding):
                assert is_loop
        history.append((world.now, dict(inviter_of)))
    world.catch_up()
    for at, tree in chance.sample(history, 8):
        for promoter, inviter in tree.items():
            assert world.upline(promoter, at=at) == _list_above(tree, inviter)[:3]
    many = team.list_uplines(world.graph, promoter_ids=list(inviter_of))
    for promoter, inviter in inviter_of.items():
        assert [above.promoter_id for above in many[promoter]] == _list_above(inviter_of, inviter)[:3]
    for top in inviter_of:
        below = {
            (promoter, _list_above(inviter_of, inviter).index(top) + 1)
            for promoter, inviter in inviter_of.items()
            if top in _list_above(inviter_of, inviter)[:3]
        }
        members = world.members(top, limit=3)
        assert len(members) == len(below)
        assert set(members) == below
        assert world.sizes(top) == tuple(sum(level == wanted for _, level in below) for wanted in (1, 2, 3))
    assert world.check()["drift"] == 0


def _list_above(tree, promoter):
    above = []
    while promoter is not None:
        above.append(promoter)
        promoter = tree.get(promoter)
    return above
