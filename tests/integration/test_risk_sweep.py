"""`tuike risk sweep` on files: what it finds, what it says, and that neither names nor order matter."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tuike import risk
from tuike.cli import cli
from tuike.risk import worlds

ID_COLUMNS = {
    "promoter_id": "p", "inviter_id": "p", "buyer_id": "b", "touch_id": "t", "parent_touch_id": "t", "order_id": "o",
    "sku": "s",
}  # fmt: skip


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("world")
    made = worlds.simulate_world(
        seed=5, size=worlds.Size("small"), host="seasonal", frauds=("documented",), confounders=("all",),
        fraud_rate=0.02, knobs=worlds.LEVELS["usual"],
    )  # fmt: skip
    worlds.write_world(made, directory)
    return directory


@pytest.fixture(scope="module")
def found(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("found") / "out"
    risk.sweep_files(world, directory)
    return directory


def test_planted_rings_are_found_and_look_alikes_are_left_alone(world: Path, found: Path) -> None:
    judged = worlds.judge_output(world, found)
    assert judged.ring_recall is not None
    assert judged.ring_recall >= 0.7
    assert judged.precision is not None
    assert judged.precision >= 0.85


@pytest.mark.parametrize("host", ["longtail", "town"])
def test_friends_under_one_roof_who_buy_through_each_other_are_left_alone(tmp_path: Path, host: str) -> None:
    simulated = worlds.simulate_world(seed=17, host=host, frauds=("none",), confounders=("family", "roommates"))
    worlds.write_world(simulated, tmp_path)

    risk.sweep_files(tmp_path, tmp_path / "found")

    judged = worlds.judge_output(tmp_path, tmp_path / "found")
    assert len(simulated.groups) > 20
    assert judged.flagged == 0, judged.wrong


def test_every_account_is_named_once_and_flags_agree_with_cases(world: Path, found: Path) -> None:
    accounts = read(found / "accounts.csv")
    keys = [(row["account_kind"], row["account_id"]) for row in accounts]
    assert len(keys) == len(set(keys))
    named = {("buyer", row["buyer_id"]) for row in read(world / "buyers.csv")}
    assert named <= set(keys)
    cases = {row["case_id"] for row in read(found / "cases.csv")}
    members = {(row["case_id"], row["account_kind"], row["account_id"]) for row in read(found / "members.csv")}
    for row in accounts:
        assert 0 <= float(row["score"]) <= 1
        if row["flagged"] == "1":
            assert row["case_id"] in cases
            assert (row["case_id"], row["account_kind"], row["account_id"]) in members
        else:
            assert row["case_id"] == ""


def test_every_edge_of_the_evidence_stands_in_one_input_row(world: Path, found: Path) -> None:
    rows = set()
    for row in read(world / "orders.csv"):
        rows |= {
            ("buyer", row["buyer_id"], "order", row["order_id"]), ("order", row["order_id"], "promoter", row["promoter_id"]),
            ("order", row["order_id"], "sku", row["sku"]),
        }  # fmt: skip
    for row in read(world / "identifiers.csv"):
        rows.add((row["account_kind"], row["account_id"], row["kind"], row["value"]))
    for row in read(world / "promoters.csv"):
        rows.add(("promoter", row["inviter_id"], "promoter", row["promoter_id"]))
    for row in read(world / "same_person.csv"):
        rows.add(("promoter", row["promoter_id"], "buyer", row["buyer_id"]))
    for row in read(world / "touches.csv"):
        rows |= {
            ("buyer", row["buyer_id"], "touch", row["touch_id"]), ("touch", row["touch_id"], "promoter", row["promoter_id"]),
            ("touch", row["touch_id"], "touch", row["parent_touch_id"]),
        }  # fmt: skip
    edges = read(found / "evidence.csv")
    assert edges
    assert [e for e in edges if (e["from_kind"], e["from_id"], e["to_kind"], e["to_id"]) not in rows] == []


def test_neither_names_nor_the_order_of_rows_change_the_answer(world: Path, found: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    names: dict[tuple[str, str], str] = {}
    numbers = list(range(1_000_000))
    rng.shuffle(numbers)

    def rename(space: str, value: str) -> str:
        return names.setdefault((space, value), f"x{numbers[len(names)]}") if value else ""

    for name in ("promoters", "buyers", "identifiers", "touches", "orders", "same_person"):
        rows = read(world / f"{name}.csv")
        for row in rows:
            if name == "identifiers":
                row["account_id"] = rename(row["account_kind"][0], row["account_id"])
                if row["kind"] not in ("ip", "address"):
                    row["value"] = rename(row["kind"], row["value"])
            else:
                row |= {column: rename(ID_COLUMNS[column], row[column]) for column in row if column in ID_COLUMNS}
        rng.shuffle(rows)
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    risk.sweep_files(tmp_path, tmp_path / "out")
    again = {(row["account_kind"][0], row["account_id"]): row for row in read(tmp_path / "out" / "accounts.csv")}
    for row in read(found / "accounts.csv"):
        other = again[row["account_kind"][0], names[row["account_kind"][0], row["account_id"]]]
        assert other["flagged"] == row["flagged"]
        assert abs(float(other["score"]) - float(row["score"])) <= 1e-6


def test_the_command_prints_its_counts_and_writes_a_report(world: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["risk", "sweep", "--input", str(world), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["counts"]["cases"] == len(read(tmp_path / "out" / "cases.csv"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {"counts", "seconds", "peak_memory_bytes", "settings"} <= set(report)


def test_a_fault_is_one_sentence_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id,amount_minor\no1,much\n")
    done = subprocess.run(
        [sys.executable, "-m", "tuike.cli", "risk", "sweep", "--input", str(tmp_path), "--output", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "orders.csv, line 2, column amount_minor" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_with_one_directory_the_command_asks_for_the_other() -> None:
    result = CliRunner().invoke(cli, ["risk", "sweep", "--output", "out"])
    assert result.exit_code != 0
    assert "--input" in result.output


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id,buyer_id\n")
    risk.sweep_files(tmp_path, tmp_path / "out")
    assert read(tmp_path / "out" / "accounts.csv") == []
    assert read(tmp_path / "out" / "cases.csv") == []


def test_a_killed_sweep_leaves_no_half_output(world: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    for delay in (0.8, 1.6, 2.2):
        child = subprocess.Popen(
            [sys.executable, "-m", "tuike.cli", "risk", "sweep", "--input", str(world), "--output", str(target)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not target.exists() or (target / "report.json").exists()
