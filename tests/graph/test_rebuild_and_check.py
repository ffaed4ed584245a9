"""The graph can be thrown away; any difference to the journal is found."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.graph.test_writer import fill
from tuike import attribution, team
from tuike.shared.errors import GraphUnavailable


def test_a_rebuilt_graph_is_the_same_graph(world):
    fill(world)
    before = world.dump()
    stages = []
    counts = team.rebuild(world.db, world.graph, lambda stage, done, total: stages.append((stage, done, total)))
    assert world.dump() == before
    assert counts["promoter"] == 7
    assert counts["binding"] == 3
    assert all(done <= total for _, done, total in stages)
    assert {"journal", "wipe", "promoters", "bindings", "touches", "orders"} <= {stage for stage, _, _ in stages}
    report = world.check()
    assert report["drift"] == report["unapplied"] == 0
    assert report["examples"] == []


def test_after_a_rebuild_the_tree_goes_on_as_before(world):
    moved = fill(world)
    team.rebuild(world.db, world.graph)
    newcomer = world.make_promoter(moved)
    world.move(moved, world.make_promoter())
    assert world.upline(newcomer)[0] == moved
    assert world.check()["drift"] == 0


DAMAGES = {
    "a deleted edge": ("MATCH (:User)-[r:INVITED]->(:User) WITH r LIMIT 1 DELETE r", "bindings"),
    "a second inviter": (
        "MATCH (a:User)-[:INVITED]->(b:User) WITH a, b LIMIT 1 MATCH (c:User) WHERE c.promoter_id IS NOT NULL AND c <> a AND c <> b WITH b, c LIMIT 1 CREATE (c)-[:INVITED {binding_id: 'x', binding_no: 1, valid_from: 1}]->(b)",
        "bindings",
    ),
    "a binding that began earlier": (
        "MATCH (:User)-[r:INVITED]->(:User) WITH r LIMIT 1 SET r.valid_from = r.valid_from - 1", "bindings",
    ),
    "a forgotten past": ("MATCH (:User)-[r:INVITED_UNTIL]->(:User) WITH r LIMIT 1 DELETE r", "closed_bindings"),
    "a past that ended later": (
        "MATCH (:User)-[r:INVITED_UNTIL]->(:User) WITH r LIMIT 1 SET r.valid_to = r.valid_to + 1", "closed_bindings",
    ),
    "a wrong counter": (
        "MATCH (u:User) WHERE u.promoter_id IS NOT NULL WITH u LIMIT 1 SET u.team_3 = u.team_3 + 1", "team_sizes",
    ),
    "a lost seat": ("MATCH (u:User) WHERE u.seat_1 IS NOT NULL WITH u LIMIT 1 SET u.seat_1 = null", "seats"),
    "a seat never given out": (
        "MATCH (u:User) WHERE u.seat_2 IS NOT NULL WITH u LIMIT 1 SET u.seat_2 = u.seat_2 + 1000", "seats",
    ),
    "a changed status": (
        "MATCH (u:User) WHERE u.promoter_id IS NOT NULL WITH u LIMIT 1 SET u.status = 'gone'", "promoters",
    ),
    "a promoter out of nowhere": ("CREATE (:User {id: 'ghost', promoter_id: 'prm_ghost'})", "promoters"),
    "a person out of nowhere": ("CREATE (:User {id: 'stranger'})", "users"),
    "a lost link": ("MATCH (l:Link) WITH l LIMIT 1 DETACH DELETE l", "links"),
    "a link of nobody": ("MATCH (:User)-[r:SHARED]->(:Link) WITH r LIMIT 1 DELETE r", "shared"),
    "a touch at another instant": ("MATCH (t:Touch) WITH t LIMIT 1 SET t.at = t.at + 1", "touches"),
    "a touch by nobody": ("MATCH (:User)-[r:MADE]->(:Touch) WITH r LIMIT 1 DELETE r", "made"),
    "a touch by a stranger": ("MATCH (t:Touch) WITH t LIMIT 1 CREATE (:Visitor {id: 'ghost'})-[:MADE]->(t)", "made"),
    "a cut share path": ("MATCH (:Touch)-[r:FOLLOWED]->(:Touch) WITH r LIMIT 1 DELETE r", "followed"),
    "a lost order": ("MATCH (o:Order) WITH o LIMIT 1 DETACH DELETE o", "orders"),
    "another reason": ("MATCH (:Order)-[r:CREDITED_TO]->(:User) WITH r LIMIT 1 SET r.reason = 'gift'", "credits"),
    "a use too many": ("MATCH ()-[r:USED]->() WITH r LIMIT 1 SET r.times = r.times + 1", "used"),
}  # fmt: skip


def test_every_kind_of_damage_is_found_and_healed(world):
    fill(world)
    before = world.dump()
    for damage, (statement, part) in DAMAGES.items():
        world.graph.run_schema(statement)
        report = world.check()
        tally = report["parts"][part]
        assert report["drift"] > 0, damage
        assert tally["missing"] + tally["extra"] + tally["wrong"] > 0, (damage, report)
        assert report["examples"], damage
    team.rebuild(world.db, world.graph)
    assert world.dump() == before
    assert world.check()["drift"] == 0


def test_a_rebuild_beside_a_running_service_loses_nothing_and_shows_nothing_half_done(world):
    chain = world.make_chain(5)

    def serve(number):
        joined = world.make_promoter(chain[-1], external_id=f"meanwhile-{number}")
        try:
            return joined, world.upline(chain[-1])
        except GraphUnavailable:
            return joined, None

    with ThreadPoolExecutor(4) as pool:
        rebuilding = pool.submit(team.rebuild, world.db, world.graph)
        answers = list(pool.map(serve, range(12)))
        rebuilding.result()
    for _, upline in answers:
        assert upline in (None, chain[-2:-5:-1])
    world.catch_up()
    world.graph.forget_readiness()
    assert world.sizes(chain[-1]) == (12, 0, 0)
    assert world.check()["drift"] == 0


def test_a_rebuild_that_dies_leaves_a_graph_that_says_so_and_can_be_run_again(world):
    top = world.make_promoter()
    world.make_promoter(top)

    def die(stage, _done, _total):
        if stage == "promoters":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        team.rebuild(world.db, world.graph, die)
    with pytest.raises(GraphUnavailable):
        world.sizes(top)
    team.rebuild(world.db, world.graph)
    assert world.sizes(top) == (1, 0, 0)
    assert world.check()["drift"] == 0


def test_forgotten_identifiers_are_gone_at_once_and_no_rebuild_brings_them_back(world):
    code = world.make_link(world.make_promoter())
    for buyer, device in (("leaver", "shared"), ("leaver", "own"), ("stays", "shared")):
        world.touch(code, buyer_id=buyer, device_id=device)
    team.apply_lazy(world.db, world.graph)
    assert len(world.devices()) == 3
    world.touch(code, buyer_id="leaver", ip="203.0.113.9")  # waits for the lazy lane
    world.forget("leaver")
    (left,) = world.devices()
    assert left[0] == "stays"
    assert team.apply_lazy(world.db, world.graph) == 0, "what waited is forgotten as well"
    team.rebuild(world.db, world.graph)
    assert world.devices() == [left]
    with world.db.transaction() as tx:
        kept = tx.exec_driver_sql("SELECT DISTINCT subject FROM journal WHERE kind = 'identifier'").scalars().all()
    assert kept == ["stays"]
    world.touch(code, buyer_id="leaver", device_id="own")
    team.apply_lazy(world.db, world.graph)
    assert [who for who, _ in world.devices()] == ["leaver", "stays"], "what is used later is known anew"
    assert world.check()["drift"] == 0


def test_what_was_on_its_way_while_somebody_was_forgotten_does_not_count(world):
    code = world.make_link(world.make_promoter())
    with world.db.transaction() as late:
        attribution.record_touch(late, code=code, buyer_id="leaver", device_id="own", now=world.now)
        world.forget("leaver")
    team.apply_lazy(world.db, world.graph)
    assert world.devices() == []
    assert world.check()["drift"] == 0
    team.rebuild(world.db, world.graph)
    assert world.devices() == []
    assert world.check()["drift"] == 0


def test_a_graph_that_was_away_forgets_when_it_is_back(world, make_down_graph):
    code = world.make_link(world.make_promoter())
    world.touch(code, buyer_id="leaver", device_id="own")
    team.apply_lazy(world.db, world.graph)
    with world.db.transaction() as tx:
        attribution.forget_identifiers(tx, account_id="leaver", now=world.now)
    with closing(make_down_graph()) as down:
        team.catch_up(world.db, down)
    assert world.is_behind()
    assert len(world.devices()) == 1
    world.catch_up()
    assert world.devices() == []
    assert world.check()["drift"] == 0
