"""The second set of worlds: files as promised, truth that fits them, the same for the same seed."""

import csv
from datetime import datetime
from pathlib import Path

import pytest

from tests.benchmarks.panels import plan
from tests.benchmarks.panels.blocks import is_provable
from tests.benchmarks.panels.files import Scribe, write_world
from tests.benchmarks.panels.judge import Verdict, add_up, judge, measure_overlap
from tests.benchmarks.panels.lookalikes import LOOKALIKES
from tests.benchmarks.panels.rings import DOCUMENTED
from tests.benchmarks.panels.schemes import INVENTED
from tests.benchmarks.panels.shapes import SHAPES
from tests.benchmarks.panels.world import DAY, HOUR, World

COLUMNS = {
    "promoters": ["promoter_id", "joined_at", "inviter_id"],
    "buyers": ["buyer_id", "registered_at"],
    "identifiers": ["account_kind", "account_id", "kind", "value", "seen_at"],
    "touches": ["touch_id", "promoter_id", "buyer_id", "parent_touch_id", "at"],
    "orders": [
        "order_id",
        "buyer_id",
        "promoter_id",
        "sku",
        "amount_minor",
        "placed_at",
        "paid_at",
        "received_at",
        "refunded_at",
    ],
    "same_person": ["promoter_id", "buyer_id"],
}


@pytest.fixture(scope="module")
def village() -> World:
    return plan.make_world(plan.Trial("village", "mixed", 1, 1))


def read(directory: Path, name: str) -> list[dict[str, str]]:
    with (directory / f"{name}.csv").open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def test_files_have_the_columns_and_references_that_a_sweep_reads(village: World, tmp_path: Path):
    write_world(village, tmp_path)
    ids = {
        name: {row[column] for row in read(tmp_path, name)}
        for name, column in (("promoters", "promoter_id"), ("buyers", "buyer_id"))
    }

    for file in tmp_path.iterdir():
        rows = read(tmp_path, file.stem)
        assert list(rows[0]) == COLUMNS[file.stem]
        for row in rows:
            assert row.get("buyer_id", "") in ids["buyers"] | {""}
            assert row.get("promoter_id", "") in ids["promoters"] | {""}
    for row in read(tmp_path, "orders"):
        assert int(row["amount_minor"]) > 0
        assert datetime.fromisoformat(row["placed_at"]).tzinfo is not None


def test_what_a_host_does_not_know_is_not_written(village: World, tmp_path: Path):
    write_world(village, tmp_path)

    assert not (tmp_path / "touches.csv").exists()
    assert {row["kind"] for row in read(tmp_path, "identifiers")} == {"phone", "address"}
    assert {row["paid_at"] for row in read(tmp_path, "orders")} == {""}


def test_nobody_orders_before_registering(village: World):
    assert all(placed >= village.buyers[buyer] for _, buyer, _, _, _, placed, *_ in village.lines)


def test_the_same_seed_gives_the_same_files(village: World, tmp_path: Path):
    write_world(village, tmp_path / "one")
    write_world(plan.make_world(plan.Trial("village", "mixed", 1, 1)), tmp_path / "two")

    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_every_ring_earns_commission_and_no_account_is_in_two(village: World):
    buyers_of = {(buyer, promoter) for _, buyer, promoter, *_ in village.lines}
    members = [account for ring in village.rings for account in ring.members | ring.victims]

    assert len(members) == len(set(members))
    for ring in village.rings:
        sellers = {number for kind, number in ring.members if kind == "promoter"}
        buyers = {number for kind, number in ring.members | ring.victims if kind == "buyer"}
        assert any((buyer, seller) in buyers_of for buyer in buyers for seller in sellers)


def test_cheats_and_look_alikes_have_no_account_in_common(village: World):
    cheats = {account for ring in village.rings for account in ring.members}

    assert not cheats & {account for group in village.groups for account in group.members}


def test_cheats_are_as_rare_as_said(village: World):
    cheats = sum(len(ring.members) for ring in village.rings)

    assert 0 < cheats <= plan.MOST_CHEATS * 1.1 * (len(village.buyers) + len(village.promoters))


def test_silent_worlds_have_look_alikes_and_no_ring():
    world = plan.make_world(plan.Trial("village", "silent", 1, 1))

    assert not world.rings
    assert {group.likeness for group in world.groups} <= set(LOOKALIKES)


def test_a_fraud_without_evidence_is_not_planted():
    bare = World("bare", SHAPES["bare"].habits, 1)

    provable = {pattern.name for pattern in (*DOCUMENTED, *INVENTED) if pattern.is_provable(bare)}

    assert {"lockstep", "hijacked"} <= provable
    assert not provable & {"farm", "star", "after-settlement", "stuffing", "stolen-cards", "one-purse"}


@pytest.mark.parametrize(
    ("buyers", "targets", "density", "spread", "provable"),
    [
        (30, 20, 0.6, 2 * HOUR, True),
        (30, 5, 0.6, 2 * HOUR, False),  # a group that buys together a few times
        (100, 100, 0.1, 2 * HOUR, True),
        (100, 100, 0.1, 56 * DAY, False),
        (10, 100, 0.6, 56 * DAY, True),
    ],
)
def test_a_block_is_planted_only_if_it_could_be_proved(
    buyers: int, targets: int, density: float, spread: int, provable: bool
):
    assert is_provable(buyers, targets, density, spread, "goods", custom=2, lively=False, whole_days=False) is provable


def write_accounts(world: World, directory: Path, cases: dict[tuple[str, int], str]) -> None:
    named = [(*Scribe(world).name_account(account), "1", "1", case) for account, case in cases.items()]
    with (directory / "accounts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("account_kind", "account_id", "score", "flagged", "case_id"), *named])


def test_a_perfect_answer_finds_every_ring_and_wrongs_nobody(village: World, tmp_path: Path):
    cases = {account: f"c{number}" for number, ring in enumerate(village.rings) for account in ring.members}
    write_accounts(village, tmp_path, cases)

    verdict = judge(village, tmp_path, "village", "mixed")

    assert all(ring.found and ring.flagged == 1 for ring in verdict.rings)
    assert (verdict.wrong, verdict.right) == (0, len(cases))
    assert add_up([verdict])["recall"] == 1
    assert {line[1:] for line in verdict.lines} == {(len(cases), 0, len(village.rings))}


def test_an_accused_look_alike_is_counted_where_it_belongs(village: World, tmp_path: Path):
    group = village.groups[0]
    write_accounts(village, tmp_path, dict.fromkeys(group.members, "c"))

    verdict = judge(village, tmp_path, "village", "mixed")

    assert (group.likeness, len(group.members), len(group.members)) in verdict.groups
    assert verdict.wrong == len(group.members)
    assert add_up([verdict])["precision"] == 0


def test_accounts_that_were_taken_over_count_in_or_out_whichever_is_kinder():
    members, victims = {("promoter", "p")}, {("buyer", "a"), ("buyer", "b")}

    assert measure_overlap(members, members, victims) == 1
    assert measure_overlap(members | victims, members, victims) == 1
    assert measure_overlap(members | {("buyer", "x")}, members, victims) == 0.5


def test_silence_in_a_silent_world_is_no_fault():
    assert add_up([Verdict("w", "village", "silent", accounts=9)])["precision"] == 1
