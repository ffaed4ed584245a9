"""The journal and the one writer: nothing answered is lost, nothing is done twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tuike import attribution, team
from tuike.graph import Graph, GraphNotReady, journal
from tuike.graph import migrate as migrate_graph
from tuike.shared.clock import read_clock
from tuike.shared.errors import GraphUnavailable


def fill(world):
    """Give the graph some of everything."""
    a, b, c, d = world.make_chain(4)
    x, y = world.make_chain(2)
    world.now += timedelta(minutes=1)
    world.move(b, y)
    world.move(x, a)
    world.move(d, None)
    code = world.make_link(c)
    first = world.touch(code, buyer_id="buyer", visitor_id="v", device_id="d", ip="203.0.113.9")
    world.touch(world.make_link(d), buyer_id="buyer", device_id="d", parent_touch_id=first)
    for device in ("d", "e"):
        world.touch(code, buyer_id="leaver", device_id=device)
    world.forget("leaver")
    world.touch(code, buyer_id="leaver", device_id="f")
    world.make_promoter(c, external_id="buyer")
    world.make_order("ord_1", "buyer", c)
    world.make_order("ord_2", "other", touch=first)
    world.suspend(a)
    world.suspend(a, status="active")
    world.suspend(c)
    team.apply_lazy(world.db, world.graph)
    return b


def test_applying_everything_again_changes_nothing(world):
    fill(world)
    before = world.dump()
    assert world.check()["drift"] == 0
    with world.db.transaction() as tx:
        tx.execute(text("UPDATE journal SET status = 'new'"))
    world.catch_up()
    team.apply_lazy(world.db, world.graph)
    assert world.unapplied() == {0: 0, 1: 0}
    assert world.dump() == before
    assert world.check()["drift"] == 0


def test_a_crash_between_the_graphs_commit_and_the_mark_heals_by_applying_again(world, monkeypatch):
    top, other = world.make_promoter(), world.make_promoter()

    def crash(*_):
        raise RuntimeError("power cut")

    for change in (
        lambda: world.make_promoter(top, external_id="late"),
        lambda: world.move(top, other),
        lambda: world.make_link(top),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(journal, "mark_applied", crash)
            with pytest.raises(RuntimeError):
                change()
        assert world.unapplied()[0] == 1
        before = world.dump()
        world.catch_up()
        assert world.unapplied()[0] == 0
        assert world.dump() == before
    assert world.check()["drift"] == 0
    assert world.sizes(other) == (1, 1, 0)


def test_newcomers_below_newcomers_are_applied_in_one_batch(world):
    chain = [world.make_promoter(apply=False)]
    for _ in range(30):
        chain.append(world.make_promoter(chain[-1], apply=False))
    code = world.make_link(chain[-1], apply=False)
    touch = world.touch(code, apply=False, buyer_id="b")
    follower = world.touch(code, apply=False, buyer_id="b", parent_touch_id=touch)
    world.catch_up()
    assert world.sizes(chain[0]) == (1, 1, 1)
    assert world.attribute("b").touch_id == follower
    assert world.check()["drift"] == 0


def test_a_join_that_commits_after_a_later_move_lands_in_the_moved_team(world):
    old, new = world.make_promoter(), world.make_promoter()
    moved = world.make_promoter(old)
    with world.db.transaction() as tx:
        late = team.create_promoter(tx, external_id="late", name="late", inviter_id=moved, now=world.now)
        world.now += timedelta(minutes=1)
        world.move(moved, new)
    world.catch_up()
    assert world.upline(late.id) == [moved, new]
    assert world.sizes(new) == (1, 1, 0)
    assert world.sizes(old) == (0, 0, 0)
    assert world.check()["drift"] == 0
    before = world.dump()
    team.rebuild(world.db, world.graph)
    assert world.dump() == before


def test_many_callers_at_once_share_the_work(world):
    top = world.make_promoter()
    turns = world.graph.find_state()["turn"]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: world.make_promoter(top), range(96)))
    assert world.sizes(top) == (96, 0, 0)
    assert world.graph.find_state()["turn"] - turns < 96


def test_writers_of_two_processes_do_not_undo_each_other(world, config):
    other = Graph(config)
    top = world.make_promoter()

    def join(number):
        with world.db.transaction() as tx:
            team.create_promoter(tx, external_id=f"n{number}", name="n", inviter_id=top, now=world.now)
        team.catch_up(world.db, other if number % 2 else world.graph)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(join, range(64)))
    other.close()
    assert world.sizes(top) == (64, 0, 0)
    assert world.check()["drift"] == 0


def test_while_the_graph_is_away_changes_are_kept_and_moves_are_refused(world, make_down_graph):
    top, other = world.make_promoter(), world.make_promoter()
    code = world.make_link(top)
    down = make_down_graph()
    assert not down.check()
    world.now = read_clock()
    touch = world.touch(code, apply=False, buyer_id="b")
    assert not world.is_behind()
    team.catch_up(world.db, down)
    assert world.is_behind()
    with pytest.raises(GraphUnavailable):
        team.change_inviter(world.db, down, promoter_id=other, inviter_id=top, reason="", force=True, now=world.now)
    with pytest.raises(GraphUnavailable):
        team.list_upline(down, promoter_id=top)
    down.close()
    assert world.unapplied()[0] == 1
    world.catch_up()
    assert not world.is_behind()
    assert world.attribute("b").touch_id == touch
    assert world.upline(other) == []


def test_the_graph_is_behind_when_a_change_waited_for_more_than_a_second(world):
    world.now = read_clock()
    world.make_promoter(apply=False)
    assert not world.is_behind()
    world.now -= timedelta(seconds=2)
    world.make_promoter(apply=False)
    assert world.is_behind()
    world.catch_up()
    assert not world.is_behind()


def test_the_lazy_lane_never_makes_the_graph_behind(world):
    world.make_order("ord_1", "b")
    assert not world.is_behind()
    assert world.unapplied() == {0: 0, 1: 1}
    assert team.apply_lazy(world.db, world.graph) == 1
    assert world.unapplied() == {0: 0, 1: 0}


def test_the_journal_cannot_be_changed_or_shortened(world):
    world.make_promoter()
    for statement in (
        "DELETE FROM journal",
        "TRUNCATE journal",
        "UPDATE journal SET payload = '{}'",
        "UPDATE journal SET seq = DEFAULT",
        "UPDATE journal SET kind = 'x'",
    ):
        with pytest.raises(IntegrityError, match="append-only"), world.db.transaction() as tx:
            tx.execute(text(statement))


def test_an_emptied_graph_is_not_believed_until_it_is_rebuilt(world):
    top = world.make_promoter()
    below = world.make_promoter(top)
    world.graph.run_schema("MATCH (n) DETACH DELETE n")
    world.graph.forget_readiness()
    with pytest.raises(GraphNotReady):
        world.upline(below)
    late = world.make_promoter(top)
    assert world.unapplied()[0] == 1
    team.rebuild(world.db, world.graph)
    assert world.upline(late) == world.upline(below) == [top]
    assert world.check()["drift"] == 0


def test_a_new_empty_graph_beside_an_old_journal_is_found_out(world, config):
    top = world.make_promoter()
    world.graph.run_schema("MATCH (n) DETACH DELETE n")
    restarted = Graph(config)
    migrate_graph(restarted)
    team.catch_up(world.db, restarted)
    with pytest.raises(GraphNotReady):
        team.list_upline(restarted, promoter_id=top)
    team.rebuild(world.db, restarted)
    assert team.list_upline(restarted, promoter_id=top) == []
    restarted.close()


def test_every_verb_that_records_can_be_rolled_back_without_a_trace(world):
    code = world.make_link(world.make_promoter())
    with pytest.raises(ZeroDivisionError), world.db.transaction() as tx:
        team.create_promoter(tx, external_id="gone", name="gone", now=world.now)
        attribution.record_touch(tx, code=code, buyer_id="gone", device_id="d", now=world.now)
        raise ZeroDivisionError
    world.catch_up()
    assert world.attribute("gone") is None
    assert world.check()["drift"] == 0
    world.make_promoter(external_id="gone")


def test_a_graph_server_that_hangs_is_given_up_in_time(world, config, graph_server):
    with closing(Graph(replace(config, graph_timeout_ms=1_000))) as hasty:
        top = world.make_promoter()
        assert team.list_upline(hasty, promoter_id=top) == []
        with hang(graph_server.process.pid):
            began = time.monotonic()
            with pytest.raises(GraphUnavailable):
                team.list_upline(hasty, promoter_id=top)
            world.now = read_clock()
            with world.db.transaction() as tx:
                team.create_promoter(tx, external_id="meanwhile", name="m", inviter_id=top, now=world.now)
            team.catch_up(world.db, hasty)
            assert time.monotonic() - began < 30
            assert world.is_behind()
    world.catch_up()
    assert world.sizes(top) == (1, 0, 0)


@contextmanager
def hang(pid):
    """Stop a process and all its children, every thread of them, for the length of a block."""
    found = psutil.Process(pid)
    family = [found, *found.children(recursive=True)]
    try:
        for process in family:
            process.suspend()
        # The signal reaches the threads one by one; until the last has it, a question may still be answered.
        while not all(is_stopped(process.pid, thread.id) for process in family for thread in process.threads()):
            time.sleep(0.01)
        yield
    finally:
        for process in family:
            process.resume()


def is_stopped(pid, thread):
    """Return whether a thread is stopped: the field after its name in parentheses."""
    return Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
