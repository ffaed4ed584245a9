"""What binds the members of a hub: closed circles, devices that are all there is, steps beside other evidence."""

from pathlib import Path

import numpy as np
import pytest

from tuike.risk.model import Settings
from tuike.risk.sweep import clusters, hubs, lockstep, read_world, trade
from tuike.risk.sweep.lockstep import Block
from tuike.risk.sweep.world import World


def write_world(directory: Path, **files: list[str]) -> World:
    for name, lines in files.items():
        (directory / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return read_world(directory)


def buy_from(pairs: list[tuple[int, int, int]], people: int, directory: Path) -> clusters.Circles:
    """Let person `a` buy `n` times from person `b`, for each (a, b, n); everybody promotes and buys."""
    orders = [f"o{a}-{b}-{k},b{a},p{b}" for a, b, times in pairs for k in range(times)]
    world = write_world(
        directory,
        same_person=["promoter_id,buyer_id", *(f"p{n},b{n}" for n in range(people))],
        orders=["order_id,buyer_id,promoter_id", *orders],
    )
    purchases, links = trade.gather_purchases(world), trade.find_links(world, Settings())
    return clusters.find_circles(world, purchases, links, Settings())


def test_who_hands_money_round_is_a_closed_circle(tmp_path: Path) -> None:
    circles = buy_from([(n, (n + 1) % 4, 5) for n in range(4)], 4, tmp_path)
    assert circles.closed.tolist() == pytest.approx([3 * np.log(3)] * 4)


def test_friends_who_buy_from_all_friends_are_no_closed_circle(tmp_path: Path) -> None:
    pairs = [(a, b, 3) for a in range(4) for b in range(4) if a != b]
    assert buy_from(pairs, 4, tmp_path).closed.tolist() == [0.0] * 4


def test_a_couple_among_friends_closes_no_circle(tmp_path: Path) -> None:
    pairs = (
        [(0, 1, 9), (1, 0, 9)]
        + [(a, b, 2) for a in range(2, 8) for b in range(2, 8) if a != b]
        + [(0, 2, 2), (2, 1, 2)]
    )
    assert not buy_from(pairs, 8, tmp_path).closed.any()


def test_nobody_buys_in_a_circle_where_nobody_does_both(tmp_path: Path) -> None:
    world = write_world(tmp_path, orders=["order_id,buyer_id,promoter_id", "o1,b1,p1", "o2,b2,p1"])
    circles = clusters.find_circles(
        world, trade.gather_purchases(world), trade.find_links(world, Settings()), Settings()
    )
    assert circles.closed.tolist() == [0.0]


def test_who_has_a_telephone_beside_the_shared_computer_is_told_from_who_has_none(tmp_path: Path) -> None:
    world = write_world(
        tmp_path,
        buyers=["buyer_id", "own", "card", "nothing", "unknown", "alone"],
        identifiers=[
            "account_kind,account_id,kind,value",
            *(f"buyer,{name},device,hall" for name in ("own", "card", "nothing")),
            "buyer,own,device,mine",
            "buyer,card,payment_account,visa",
            "buyer,alone,device,other",
        ],
    )
    buyers = np.array(
        [world.buyer_ids.to_pylist().index(name) for name in ("own", "card", "nothing", "unknown", "alone")]
    )
    shares = np.array([True, True, True, False, False])
    assert hubs._bin_own_devices(world, buyers, shares).tolist() == [0, 1, 2, hubs.BINS - 1, 0]


def test_steps_count_where_the_promoters_are_served_and_as_much_as_members_are_in_step() -> None:
    several = Block(np.array([0, 1, 2]), np.array([7]), 5.0, 0.0, False, False)
    of_one = Block(np.array([1, 2, 3]), np.array([8]), 2.0, 0.0, False, True)
    dealings = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 4, 2, 3])
    steps, at_one = lockstep.measure_steps([several, of_one], dealings, (np.array([0, 1]), np.array([7, 8])), 5, 2)
    assert steps.tolist() == [10.0, 0.0]
    assert at_one.tolist() == [0.0, 4.0]


def test_two_rings_with_the_same_taste_are_two_blocks(tmp_path: Path) -> None:
    rows = [f"o{ring}-{b}-{s},b{ring}-{b},p{ring},s{s}" for ring in "xy" for b in range(6) for s in range(8)]
    world = write_world(tmp_path, orders=["order_id,buyer_id,promoter_id,sku", *rows])
    events = lockstep._view_goods(world, trade.gather_purchases(world))
    parts = list(lockstep._split(events, np.arange(12), np.arange(2)))
    names = world.buyer_ids.to_pylist()
    assert {frozenset(names[n][1] for n in members.tolist()) for members, _ in parts} == {
        frozenset("x"),
        frozenset("y"),
    }
    assert [promoters.size for _, promoters in parts] == [1, 1]


def test_who_is_entered_above_himself_is_no_endless_ladder(tmp_path: Path) -> None:
    loop = [f"p{n},2026-01-01T00:0{n}:00Z,p{(n + 1) % 3}" for n in range(3)]
    alone = ["p3,2026-01-01T00:03:00Z,p3"]
    others = [f"p{n},2026-{n - 3:02}-02T00:00:00Z,p0" for n in range(4, 16)]
    others += [f"p{n},2026-{n - 15:02}-20T00:00:00Z,p1" for n in range(16, 28)]
    world = write_world(tmp_path, promoters=["promoter_id,joined_at,inviter_id", *loop, *alone, *others])
    links = trade.find_links(world, Settings())
    rank = {name: number for number, name in enumerate(world.promoter_ids.to_pylist())}
    ladder = np.array([rank[f"p{n}"] for n in range(3)])
    seats = clusters.measure_seats(world, links, np.zeros(3, np.int64), ladder, 1)
    assert 0 < seats.haste[0] <= 3 * -np.log(clusters._HASTY)
    alone_seats = clusters.measure_seats(world, links, np.zeros(1, np.int64), np.array([rank["p3"]]), 1)
    assert not alone_seats.haste.any()
