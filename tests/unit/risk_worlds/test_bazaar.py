"""The second simulator: the same shop has the same files, a sweep reads them as they are, and the truth fits them."""

import csv
import hashlib
from pathlib import Path

import pytest

from tests.benchmarks.bazaar import Shop, list_shops, make_shop
from tests.benchmarks.bazaar.hosts import HOSTS
from tuike.risk import worlds
from tuike.risk.sweep import read_world


@pytest.fixture(scope="module", params=HOSTS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp(request.param)
    make_shop(Shop(request.param, 31, has_frauds=True), directory)
    return directory


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digest(directory: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def test_every_host_is_made_seven_times_with_cheats_and_three_times_without() -> None:
    shops = list_shops()
    assert len(set(shops)) == len(shops) == 4 * (7 + 3)
    assert {shop.host for shop in shops if not shop.has_frauds} == set(HOSTS)


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("one", 31), ("two", 31), ("other", 32)):
        make_shop(Shop("flat", seed, has_frauds=True), tmp_path / name)
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "other")


def test_the_sweep_reads_every_row_and_has_nothing_to_warn_of(shop: Path) -> None:
    world = read_world(shop)
    assert world.warnings == []
    assert world.buyers == len(read(shop / "buyers.csv"))
    assert world.promoters == len(read(shop / "promoters.csv"))


def test_instants_of_an_order_follow_each_other(shop: Path) -> None:
    for row in read(shop / "orders.csv"):
        instants = [row[name] for name in ("placed_at", "paid_at", "received_at", "refunded_at") if row[name]]
        assert instants == sorted(instants)
        assert int(row["amount_minor"]) > 0


def test_the_truth_names_accounts_and_orders_that_exist(shop: Path) -> None:
    truth = worlds.read_truth(shop)
    accounts = {(kind, row[f"{kind}_id"]) for kind in ("promoter", "buyer") for row in read(shop / f"{kind}s.csv")}
    assert truth.fraudulent <= accounts
    assert frozenset().union(*truth.confounders.values()) <= accounts
    orders = {tuple(row[name] for name in ("order_id", "promoter_id", "buyer_id", "amount_minor"))
              for row in read(shop / "orders.csv")}  # fmt: skip
    stolen = [tuple(row[name] for name in ("order_id", "promoter_id", "buyer_id", "amount_minor"))
              for row in read(shop / "truth" / "orders.csv")]  # fmt: skip
    assert set(stolen) <= orders
    assert len(set(stolen)) == len(stolen)


def test_every_ring_has_promoters_and_buyers_who_trade_with_each_other(shop: Path) -> None:
    truth = worlds.read_truth(shop)
    trading = {account for order in truth.orders for account in (order.promoter, order.buyer)}
    assert len(truth.rings) == (12 if shop.name.startswith("flat_bare") else 17)
    for ring in truth.rings:
        assert {kind for kind, _ in ring.members} == {"promoter", "buyer"}
        assert ring.members & trading
        assert all(kind == "buyer" for kind, _ in ring.hijacked)
        assert bool(ring.hijacked) == (ring.fraud == "hijacked")


def test_nobody_of_a_look_alike_cheats_unless_his_account_was_taken_over(shop: Path) -> None:
    truth = worlds.read_truth(shop)
    taken_over = frozenset().union(*(ring.hijacked for ring in truth.rings))
    assert truth.confounders
    for accounts in truth.confounders.values():
        assert accounts & truth.fraudulent <= taken_over


def test_names_of_cheats_and_look_alikes_are_those_of_the_first_simulator(shop: Path) -> None:
    truth = worlds.read_truth(shop)
    assert {ring.fraud for ring in truth.rings} <= set(worlds.FRAUDS)
    assert set(truth.confounders) <= set(worlds.CONFOUNDERS)


def test_a_silent_shop_has_look_alikes_and_no_ring(tmp_path: Path) -> None:
    make_shop(Shop("flat_bare", 31, has_frauds=False), tmp_path)
    truth = worlds.read_truth(tmp_path)
    assert (truth.rings, truth.orders) == ((), ())
    assert set(truth.confounders) == {"group_buy", "livestream", "super_promoter", "heavy_customer"}
