"""Simulated worlds: the same seed makes the same files, and the truth fits them."""

import csv
import hashlib
from pathlib import Path

import pytest

from tuike.risk import worlds

BUYERS = 800


def make_world(seed: int = 3, **options):
    return worlds.simulate_world(seed=seed, buyers=options.pop("buyers", BUYERS), **options)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digest(directory: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(directory.rglob("*.csv")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


@pytest.mark.parametrize("host", worlds.HOSTS)
def test_the_same_seed_makes_the_same_files(host: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        worlds.write_world(make_world(host=host), tmp_path / name)
    worlds.write_world(make_world(seed=4, host=host), tmp_path / "other")
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "other")


@pytest.mark.parametrize("host", worlds.HOSTS)
@pytest.mark.parametrize("hiding", worlds.LEVELS)
def test_every_fraud_can_be_planted_in_every_host(host: str, hiding: str, tmp_path: Path) -> None:
    world = make_world(host=host, frauds=("all",), fraud_rate=0.45, knobs=worlds.LEVELS[hiding])
    visible = {name for name, fraud in worlds.FRAUDS.items() if fraud.leaves_traces_in(world.host)}
    assert {ring.fraud for ring in world.rings} == visible
    assert len(visible) == len(worlds.FRAUDS) or host in {"few_ids", "bare"}
    assert all(ring.promoters and len(ring.orders) for ring in world.rings)


@pytest.mark.parametrize("host", ["town", "grocery", "few_ids", "bare"])
def test_the_files_are_consistent(host: str, tmp_path: Path) -> None:
    world = make_world(host=host, fraud_rate=0.05)
    worlds.write_world(world, tmp_path)
    promoters = {row["promoter_id"]: row for row in read(tmp_path / "promoters.csv")}
    orders = read(tmp_path / "orders.csv")
    assert len(promoters) == world.promoters.count
    assert {row["promoter_id"] for row in orders} - {""} <= set(promoters)
    assert {row["inviter_id"] for row in promoters.values()} - {""} <= set(promoters)
    for row in orders:
        instants = [row[name] for name in ("placed_at", "paid_at", "received_at", "refunded_at") if row[name]]
        assert instants == sorted(instants)
        assert int(row["amount_minor"]) > 0
    assert len({(row["order_id"], row["buyer_id"], row["promoter_id"]) for row in orders}) == world.order_count
    truth = worlds.read_truth(tmp_path)
    buyers = {row["buyer_id"] for row in orders}
    if "buyers.csv" not in world.host.missing_files:
        buyers |= {row["buyer_id"] for row in read(tmp_path / "buyers.csv")}
    known = {("promoter", name) for name in promoters} | {("buyer", name) for name in buyers}
    assert truth.fraudulent <= known
    assert {order.promoter for order in truth.orders} <= truth.fraudulent


def test_the_tree_of_inviters_has_no_loop() -> None:
    world = make_world(fraud_rate=0.1, frauds=("inviter_chain",))
    inviters = world.promoters["inviter"].tolist()
    for number in range(len(inviters)):
        seen = set()
        at = number
        while at != -1:
            assert at not in seen
            seen.add(at)
            at = inviters[at]


def test_nobody_belongs_to_two_rings_or_to_a_ring_and_a_group() -> None:
    world = make_world(buyers=3000, fraud_rate=0.05)
    rings = [("p", number) for ring in world.rings for number in set(ring.promoters)]
    rings += [("b", number) for ring in world.rings for number in set(ring.buyers)]
    groups = {("p", number) for group in world.groups for number in group.promoters}
    groups |= {("b", number) for group in world.groups for number in group.buyers}
    assert len(rings) == len(set(rings))
    assert not set(rings) & groups


def test_about_as_many_accounts_cheat_as_was_asked_for() -> None:
    for rate in (0.007, 0.05):
        world = make_world(buyers=20_000, fraud_rate=rate, host="longtail")
        cheats = sum(len(set(ring.promoters)) + len(set(ring.buyers)) for ring in world.rings)
        assert rate * 0.95 <= cheats / (world.buyers.count + world.promoters.count) < rate * 1.3 + 0.003


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(worlds.UnknownName, match="lockstep"):
        make_world(frauds=("nonsense",))
    with pytest.raises(worlds.UnknownName, match="family"):
        make_world(confounders=("nonsense",))
    with pytest.raises(worlds.UnknownName, match="town"):
        make_world(host="nonsense")
