"""What the check of an order asks the graph, on both servers."""

from __future__ import annotations

from datetime import timedelta

from tests.graph.conftest import START, World
from tuike.risk.cases.store import sharers
from tuike.risk.checks import store
from tuike.risk.live import store as live
from tuike.shared.clock import to_micros


def settle(world: World) -> None:
    from tuike import team

    while team.apply_lazy(world.db, world.graph):
        pass


def test_identifiers_are_listed_by_person(world: World) -> None:
    code = world.make_link(world.make_promoter(external_id="p"))
    world.touch(code, buyer_id="a", device_id="phone", ip="10.0.0.1")
    world.touch(code, buyer_id="b", device_id="phone")
    world.touch(code, buyer_id="c")
    settle(world)

    found = store.list_identifiers(world.graph, person_ids=["a", "b", "c", "nobody"])

    assert {person: len(keys) for person, keys in found.items()} == {"a": 2, "b": 1}
    assert found["b"] < found["a"]


def test_users_are_counted_up_to_a_bound(world: World) -> None:
    code = world.make_link(world.make_promoter(external_id="p"))
    for number in range(6):
        world.touch(code, buyer_id=f"b-{number}", device_id="hall", apply=False)
    world.touch(code, buyer_id="b-0", device_id="own")
    settle(world)
    keys = sorted(store.list_identifiers(world.graph, person_ids=["b-0"])["b-0"])

    def count(most: int) -> list[int]:
        return sorted(store.count_users(world.graph, keys=keys, most=most).values())

    assert count(50) == [1, 6]
    assert count(4) == [1, 4]
    assert store.count_users(world.graph, keys=["device:none"], most=4) == {}


def test_purchases_are_followed_three_steps_within_their_time_and_who_stands_above_is_told(world: World) -> None:
    top = world.make_promoter(external_id="top")
    promoters = {"p": world.make_promoter(top, external_id="p")}
    promoters |= {name: world.make_promoter(external_id=name) for name in ("q", "r", "s")}
    for number, (buyer, through) in enumerate(["pq", "pq", "pr", "qr", "rs", "sp", "xp"]):
        world.make_order(f"o-{number}", buyer, promoters[through])
    world.make_order("o-9", "p")
    settle(world)

    def follow(person: str, *, steps: int = 3, since: int = 0, buyer: str = "p", widest: int = 50) -> store.Dealings:
        return store.list_dealings(
            world.graph, buyer_ids=[buyer], person_ids=[person], steps=steps, since=since, most=50, widest=widest
        )

    assert follow("p").through == {"p": ["q", "r"], "q": ["r"], "r": ["s"], "s": ["p"]}
    assert follow("p", steps=2).through == {"p": ["q", "r"], "q": ["r"], "r": ["s"]}
    assert follow("p", steps=1).through == {"p": ["q", "r"]}
    assert len(follow("p", steps=2, widest=1).through) == 2
    assert follow("p", since=to_micros(START + timedelta(days=9_000))).through == {"p": []}
    assert follow("nobody", buyer="nobody").through == {"nobody": []}
    assert follow("top").above == {"p": [top]}
    assert follow("x", buyer="top").above == {"top": []}


def test_what_persons_used_is_exported_with_the_promoter_they_are(world: World) -> None:
    promoter = world.make_promoter(external_id="p")
    code = world.make_link(promoter)
    world.touch(code, buyer_id="p", device_id="phone")
    world.touch(code, buyer_id="b", device_id="phone")
    settle(world)

    found = live._list_usage(world.graph, ["p", "b"])

    assert {(person, as_promoter) for person, as_promoter, _ in found} == {("p", promoter), ("b", None)}
    assert {tuple(use) for _, _, uses in found for use in uses} == {
        ("device", found[0][2][0][1], to_micros(START)),
    }  # fmt: skip


def test_who_used_identifiers_is_listed_up_to_a_bound_with_the_promoter_it_is(world: World) -> None:
    promoter = world.make_promoter(external_id="p")
    code = world.make_link(promoter)
    for number in range(5):
        world.touch(code, buyer_id=f"b-{number}", device_id="hall", apply=False)
    world.touch(code, buyer_id="p", device_id="own")
    world.touch(code, buyer_id="b-0", device_id="own")
    settle(world)
    keys = store.list_identifiers(world.graph, person_ids=["p", "b-1"])
    (own,), (hall,) = keys["p"], keys["b-1"]

    found = sharers.list_sharers(world.graph, keys=[own, hall, "device:none"], most=4)

    assert sorted(found) == sorted([own, hall])
    assert sorted(found[own].persons) == [("b-0", None), ("p", promoter)]
    assert len(found[hall].persons) == 4
    assert found[own].visitors == []


def test_browsers_that_used_an_identifier_are_listed_beside_its_people(world: World) -> None:
    code = world.make_link(world.make_promoter(external_id="p"))
    world.touch(code, buyer_id="a", device_id="phone")
    world.touch(code, visitor_id="v-1", device_id="phone")
    world.touch(code, visitor_id="v-2", device_id="phone")
    settle(world)
    (key,) = store.list_identifiers(world.graph, person_ids=["a"])["a"]

    found = sharers.list_sharers(world.graph, keys=[key], most=13)

    assert [person for person, _ in found[key].persons] == ["a"]
    assert sorted(found[key].visitors) == ["v-1", "v-2"]
    assert len(sharers.list_sharers(world.graph, keys=[key], most=1)[key].visitors) == 1


def _find(world: World, name: str) -> str:
    from tuike import team

    with world.db.transaction() as tx:
        found = team.find_promoter_id(tx, external_id=name)
    assert found is not None
    return found
