"""Links that nobody opens by hand, and links passed on as no friends pass them on."""

from pathlib import Path

import numpy as np
import pytest

from tuike.risk.model import Settings
from tuike.risk.sweep import read_world, touching, trade

BUYERS, PROMOTERS = 400, 30
HOUR, DAY = 3600, 86_400


class Shop:
    """Honest trade: touches hours before orders, some passed on; then whatever a test adds."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.touches: list[tuple[int, int, int, float]] = []
        self.orders: list[tuple[int, int, float]] = []
        self.accounts: list[tuple[int, str]] = []
        for buyer in range(BUYERS):
            for _ in range(1 + int(self.rng.poisson(2))):
                promoter, at = int(self.rng.integers(PROMOTERS)), self.rng.random() * 100 * DAY
                wait = float(self.rng.lognormal(np.log(2 * HOUR), 2)) + 20
                earlier = [n for n, touch in enumerate(self.touches) if touch[0] == promoter and touch[3] < at]
                parent = int(self.rng.choice(earlier)) if earlier and self.rng.random() < 0.4 else -1
                self.touch(promoter, buyer, at, parent)
                self.orders.append((promoter, buyer, at + wait))

    def touch(self, promoter: int, buyer: int, at: float, parent: int = -1) -> int:
        self.touches.append((promoter, buyer, parent, at))
        return len(self.touches) - 1

    def force(self, promoter: int, count: int, *, begin: float) -> None:
        for buyer in self.rng.choice(BUYERS, count, replace=False).tolist():
            at = begin + self.rng.random() * 7 * DAY
            self.touch(promoter, buyer, at - self.rng.integers(1, 9))
            self.orders.append((promoter, buyer, at))

    def credit_unopened(self, promoter: int, count: int) -> None:
        for buyer in self.rng.choice(BUYERS, count, replace=False).tolist():
            self.orders.append((promoter, buyer, 10 * DAY + self.rng.random() * 60 * DAY))

    def flood(self, promoter: int, count: int, *, is_even: bool) -> None:
        at = 20.0 * DAY
        for number in range(count):
            at += 30 + self.rng.random() * 4 if is_even else float(self.rng.exponential(30))
            self.touch(promoter, int(self.rng.integers(BUYERS)), at)
            if number % 20 == 0:
                self.orders.append((promoter, self.touches[-1][1], at + HOUR))

    def write(self, directory: Path) -> Path:
        begin = np.datetime64("2026-01-01T00:00:00")

        def tell(at: float) -> str:
            return f"{begin + np.timedelta64(int(at), 's')}Z"

        (directory / "touches.csv").write_text(
            "touch_id,promoter_id,buyer_id,parent_touch_id,at\n"
            + "".join(
                f"t{n},p{p},b{b},{f't{parent}' if parent >= 0 else ''},{tell(at)}\n"
                for n, (p, b, parent, at) in enumerate(self.touches)
            )
        )
        (directory / "orders.csv").write_text(
            "order_id,buyer_id,promoter_id,placed_at\n"
            + "".join(f"o{n},b{b},p{p},{tell(at)}\n" for n, (p, b, at) in enumerate(self.orders))
        )
        (directory / "identifiers.csv").write_text(
            "account_kind,account_id,kind,value,seen_at\n"
            + "".join(f"promoter,p{p},payout_account,{value},\n" for p, value in self.accounts)
        )
        return directory


def look(directory: Path) -> tuple[list[touching.Suspects], list[touching.Suspects], list[str], list[str]]:
    world = read_world(directory)
    purchases, links = trade.gather_purchases(world), trade.find_links(world, Settings())
    return (
        touching.find_forced(world, purchases, links)[0], touching.find_relays(world, purchases),
        world.promoter_ids.to_pylist(), world.buyer_ids.to_pylist(),
    )  # fmt: skip


def look_again(directory: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return the promoters of whom links are not opened, and those whose are opened by machines."""
    world = read_world(directory)
    purchases, links = trade.gather_purchases(world), trade.find_links(world, Settings())
    names = world.promoter_ids.to_pylist()

    def name(found: list[touching.Suspects]) -> list[list[str]]:
        assert all(one.has_victims for one in found)
        return sorted(sorted(names[number] for number in one.promoters) for one in found)

    return name(touching.find_unopened(world, purchases, links)), name(touching.find_paced(world, purchases, links))


def test_honest_touches_tell_nothing(tmp_path: Path) -> None:
    directory = Shop(1).write(tmp_path)
    forced, relays, *_ = look(directory)
    assert (forced, relays) == ([], [])
    assert look_again(directory) == ([], [])


def test_promoters_whose_links_are_opened_seconds_before_orders_are_found_and_their_buyers_are_victims(
    tmp_path: Path,
) -> None:
    shop = Shop(2)
    for number in (100, 101, 102):
        shop.force(number, 25, begin=30 * DAY)
    shop.accounts += [(100, "x"), (101, "x")]
    (one,), _, promoters, _ = look(shop.write(tmp_path))
    assert {promoters[number] for number in one.promoters} == {"p100", "p101", "p102"}
    assert one.has_victims


def test_rings_of_forced_touches_are_told_apart_by_their_payout_accounts(tmp_path: Path) -> None:
    shop = Shop(3)
    for number in (100, 101, 200, 201):
        shop.force(number, 25, begin=30 * DAY)
    shop.accounts += [(100, "x"), (101, "x"), (200, "y"), (201, "y")]
    found, _, promoters, _ = look(shop.write(tmp_path))
    assert sorted(sorted(promoters[number] for number in one.promoters) for one in found) == [
        ["p100", "p101"],
        ["p200", "p201"],
    ]


def test_a_till_whose_customers_scan_and_pay_is_left_alone(tmp_path: Path) -> None:
    shop = Shop(4)
    shop.force(100, 40, begin=30 * DAY)
    forced, *_ = look(shop.write(tmp_path))
    assert forced == []


@pytest.mark.parametrize(("is_even", "count"), [(True, 1), (False, 0)])
def test_links_passed_on_at_even_pauses_are_found_and_friends_are_not(
    tmp_path: Path, is_even: bool, count: int
) -> None:
    shop = Shop(5)
    members = list(range(1000, 1008))
    for turn in range(10):
        at, parent = 5 * DAY + turn * 4 * DAY, -1
        for buyer in members:
            at += 120 + shop.rng.integers(0, 5) if is_even else float(shop.rng.lognormal(np.log(HOUR), 2.2))
            parent = shop.touch(100, buyer, at, parent)
        shop.orders.append((100, members[-1], at + HOUR))
    _, relays, promoters, buyers = look(shop.write(tmp_path))
    assert len(relays) == count
    for one in relays:
        assert {buyers[number] for number in one.buyers} == {f"b{number}" for number in members}
        assert [promoters[number] for number in one.promoters] == ["p100"]


def test_who_is_credited_for_customers_that_opened_no_link_is_found_where_a_purse_is_shared(tmp_path: Path) -> None:
    shop = Shop(6)
    for number in (100, 101, 200, 201):
        shop.credit_unopened(number, 25)
    shop.accounts += [(100, "x"), (101, "x")]
    assert look_again(shop.write(tmp_path)) == ([["p100", "p101"]], [])


def test_orders_without_links_tell_nothing_where_many_come_so(tmp_path: Path) -> None:
    shop = Shop(7)
    for number in range(PROMOTERS):
        shop.credit_unopened(number, 18)
    for number in (100, 101):
        shop.credit_unopened(number, 25)
    shop.accounts += [(100, "x"), (101, "x")]
    assert look_again(shop.write(tmp_path)) == ([], [])


@pytest.mark.parametrize(("is_even", "found"), [(True, [["p100", "p101"]]), (False, [])])
def test_links_opened_at_the_pace_of_a_machine_are_found_and_a_show_is_not(
    tmp_path: Path, is_even: bool, found: list[list[str]]
) -> None:
    shop = Shop(8)
    for number in (100, 101):
        shop.flood(number, 300, is_even=is_even)
    assert look_again(shop.write(tmp_path)) == ([], found)


def test_one_link_that_a_monitor_opens_is_left_alone(tmp_path: Path) -> None:
    shop = Shop(9)
    shop.flood(100, 300, is_even=True)
    assert look_again(shop.write(tmp_path)) == ([], [])
