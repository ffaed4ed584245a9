"""Sweeping the living shop: what is exported, what becomes of it, and what a killed sweep leaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.town import (
    ANALYST,
    NOW,
    Town,
    accused_of,
    list_cases,
    plant_dormitory,
    plant_honest,
    plant_ring,
)
from tuike import orders, risk, wallet
from tuike.app import App
from tuike.risk.live import service as live
from tuike.shared.clock import read_clock


@pytest.fixture
def town(embedded_app: App) -> Town:
    return Town(embedded_app)


def test_a_planted_ring_becomes_a_case_is_held_and_stays_one_case(town: Town) -> None:
    app = town.app
    honest = plant_honest(town)
    students = plant_dormitory(town, honest[0])
    promoters, buyers = plant_ring(town)

    first = risk.sweep_living(app.db, app.graph)

    (case,) = list_cases(app)
    accused = accused_of(app, case.id)
    ring = {("promoter", one) for one in promoters} | {("buyer", one) for one in buyers}
    assert len(accused & ring) / len(accused | ring) >= 0.5
    assert not accused & {("buyer", one) for one in students}
    assert first.counts is not None
    assert first.counts["cases"] == {"new": 1, "updated": 0, "suppressed": 0}
    with app.db.transaction() as tx:
        edges = risk.list_evidence(tx, case_id=case.id, limit=200).items
        assert {edge.relation for edge in edges} >= {"used", "placed", "credited_to"}
        stake = risk.get_at_stake(tx, members=risk.list_members(tx, case_id=case.id))
        assert stake[0].pending_minor > 0
        held = risk.hold_case(
            tx, case_id=case.id, version=case.version, reason="one phone each", actor=ANALYST, now=read_clock()
        )
    with app.db.transaction() as tx:
        assert wallet.get_wallet(tx, promoter_id=promoters[0]).frozen_minor >= 16 * 990
        assert wallet.get_wallet(tx, promoter_id=honest[0]).frozen_minor == 0
    with app.db.transaction() as tx:
        assert wallet.check_ledger(tx).ok

    again = risk.sweep_living(app.db, app.graph)

    assert again.counts is not None
    assert again.counts["cases"] == {"new": 0, "updated": 0, "suppressed": 0}
    assert [(one.id, one.state, one.version) for one in list_cases(app)] == [(case.id, held.state, held.version)]

    with app.db.transaction() as tx:
        risk.label_innocent(tx, case_id=case.id, version=held.version, reason="a club", actor=ANALYST, now=read_clock())
    third = risk.sweep_living(app.db, app.graph)
    assert third.counts is not None
    assert third.counts["cases"]["suppressed"] == 1
    assert len(list_cases(app)) == 1
    with app.db.transaction() as tx:
        assert wallet.get_wallet(tx, promoter_id=promoters[0]).frozen_minor == 0


def test_what_is_exported_is_what_the_shop_knows(town: Town, tmp_path: Path) -> None:
    app = town.app
    (top,) = town.make_promoters(["top"], at=NOW - timedelta(days=9))
    (promoter,) = town.make_promoters(["own"], at=NOW - timedelta(days=8), inviter=top)
    town.touch([(promoter, 'q"uo,te', "phone", NOW - timedelta(hours=2)), (top, "own", "tablet", NOW)])
    (order_id,) = town.buy([('q"uo,te', "sku-1", 5_000, NOW - timedelta(hours=1))])
    with app.db.transaction() as tx:
        orders.record_refund(tx, order_id=order_id, refund_id="r-1", refunded_at=NOW, amount_minor=100, now=NOW)

    def look(source: Path, target: Path, _: Any) -> dict[str, Any]:
        for path in source.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        return risk.sweep_files(source, target)

    live.sweep_living(app.db, app.graph, sweeper=look)

    rows = {path.name: list(csv.DictReader(path.read_text().splitlines())) for path in tmp_path.glob("*.csv")}
    assert {row["promoter_id"]: row["inviter_id"] for row in rows["promoters.csv"]} == {top: "", promoter: top}
    assert [(row["account_kind"], row["account_id"], row["kind"]) for row in rows["identifiers.csv"]] == [
        ("promoter", promoter, "device"), ("buyer", 'q"uo,te', "device")
    ]  # fmt: skip
    (line,) = rows["orders.csv"]
    assert (line["order_id"], line["promoter_id"], line["amount_minor"]) == (order_id, promoter, "5000")
    assert line["placed_at"] == "2026-11-01T03:00:00.000000Z"
    assert line["refunded_at"] == "2026-11-01T04:00:00.000000Z"
    assert {row["promoter_id"] for row in rows["touches.csv"]} == {promoter, top}
    assert rows["same_person.csv"] == [{"promoter_id": promoter, "buyer_id": "own"}]
    assert {row["buyer_id"] for row in rows["buyers.csv"]} == {'q"uo,te', "own"}


def test_an_empty_shop_is_swept_in_silence(embedded_app: App) -> None:
    done = risk.sweep_living(embedded_app.db, embedded_app.graph)
    assert done.state == "done"
    assert list_cases(embedded_app) == []


def test_two_sweeps_at_once_are_one(embedded_app: App) -> None:
    def sweep_meanwhile(source: Path, target: Path, _: Any) -> dict[str, Any]:
        with pytest.raises(risk.SweepRunning):
            risk.sweep_living(embedded_app.db, embedded_app.graph)
        return risk.sweep_files(source, target)

    live.sweep_living(embedded_app.db, embedded_app.graph, sweeper=sweep_meanwhile)


def test_a_sweep_that_fails_says_why_and_the_next_one_works(embedded_app: App) -> None:
    def fail(*_: Any) -> dict[str, Any]:
        raise ValueError("no such luck")

    with pytest.raises(ValueError, match="luck"):
        live.sweep_living(embedded_app.db, embedded_app.graph, sweeper=fail)
    risk.sweep_living(embedded_app.db, embedded_app.graph)
    with embedded_app.db.transaction() as tx:
        runs = risk.list_sweeps(tx, limit=10).items
    assert [(run.state, run.problem) for run in runs] == [("done", None), ("failed", "ValueError: no such luck")]


KILLED = """
import os, signal, sys
from tuike.app import build_app
from tuike.config import read_config
from tuike import risk
from tuike.risk.cases.store import evidence as evidence_store
app = build_app(read_config())
add, many = evidence_store.replace_evidence, []
def die(tx, **given):
    add(tx, **given)
    many.append(1)
    if len(many) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
evidence_store.replace_evidence = die
risk.sweep_living(app.db, app.graph)
"""


def test_a_sweep_killed_between_two_cases_leaves_none_and_the_next_finds_both(town: Town) -> None:
    app = town.app
    plant_honest(town)
    plant_ring(town, "first")
    plant_ring(town, "second", days_ago=20)
    environ = os.environ | {name: value for name, value in app.config.as_variables().items() if value}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list_cases(app) == []
    with app.db.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM risk_case_members")).scalar_one() == 0

    for _ in range(50):  # the server notices the end of a killed client by itself
        try:
            risk.sweep_living(app.db, app.graph)
            break
        except risk.SweepRunning:
            time.sleep(0.1)

    assert len(list_cases(app)) == 2
    with app.db.transaction() as tx:
        assert [run.state for run in risk.list_sweeps(tx, limit=10).items] == ["done", "failed"]


def test_the_command_sweeps_the_shop(town: Town) -> None:
    app = town.app
    plant_honest(town)
    plant_ring(town)
    environ = os.environ | {name: value for name, value in app.config.as_variables().items() if value}
    command = [sys.executable, "-m", "tuike.cli", "risk", "sweep"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["counts"]["cases"]["new"] == 1


def test_a_sweep_says_how_far_it_is_and_since_when(embedded_app: App) -> None:
    app = embedded_app
    seen: list[risk.SweepRun] = []

    def look(source: Path, target: Path, tell: Any) -> dict[str, Any]:
        tell("looking around", 3, 7)
        with app.db.transaction() as tx:
            seen.append(risk.list_sweeps(tx, limit=1).items[0])
            assert risk.get_sweep_state(tx).running_since == seen[0].started_at
        return risk.sweep_files(source, target)

    live.sweep_living(app.db, app.graph, sweeper=look)

    (run,) = seen
    assert (run.state, run.stage, run.stage_done, run.stage_total) == ("running", "looking around", 3, 7)
    assert run.progressed_at is not None
    assert run.started_at <= run.progressed_at <= read_clock()
    with app.db.transaction() as tx:
        state = risk.get_sweep_state(tx)
    assert state.running_since is None
    assert state.done_at is not None


def test_a_sweep_that_takes_too_long_gives_up_says_so_and_leaves_nothing(town: Town) -> None:
    app = town.app
    plant_honest(town)
    plant_ring(town)
    environ = os.environ | {name: value for name, value in app.config.as_variables().items() if value}
    slow = """
import sys, time
from tuike import cli
from tuike.risk.live import store
export = store.export_world
def wait(*given, **named):
    export(*given, **named)
    time.sleep(60)
store.export_world = wait
sys.argv = ["tuike", "risk", "sweep", "--minutes", "0.1"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", slow], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "longer than 0.1 minutes" in done.stderr
    assert list_cases(app) == []
    with app.db.transaction() as tx:
        (run,) = risk.list_sweeps(tx, limit=5).items
        assert risk.get_sweep_state(tx).failed_at == run.finished_at
    assert (run.state, run.problem) == ("failed", "TimeoutError: The sweep took longer than 0.1 minutes.")


def test_a_ring_that_goes_on_grows_its_case_and_the_next_sweep_counts_the_same(town: Town, tmp_path: Path) -> None:
    app = town.app
    plant_honest(town)
    promoters, buyers = plant_ring(town)
    risk.sweep_living(app.db, app.graph)
    (found,) = list_cases(app)
    at = NOW - timedelta(days=4)
    town.touch([(promoters[0], buyer, "ring-phone-0", at) for buyer in (*buyers[:3], "ring-newcomer")])
    town.buy([(buyer, "ring-sku-x", 9_900, at + timedelta(seconds=9)) for buyer in (*buyers[:3], "ring-newcomer")])
    (grown,) = list_cases(app)
    assert grown.orders_count == found.orders_count + 3
    assert grown.joined_orders_count == 3
    with app.db.transaction() as tx:
        members = {one.account_id: one for one in risk.list_members(tx, case_id=grown.id)}
    assert (members["ring-newcomer"].role, members["ring-newcomer"].accused) == ("context", False)

    def keep(source: Path, target: Path, tell: Any) -> dict[str, Any]:
        report = risk.sweep_files(source, target, progress=tell)
        (tmp_path / "cases.csv").write_bytes((target / "cases.csv").read_bytes())
        return report

    live.sweep_living(app.db, app.graph, sweeper=keep)

    (again,) = list_cases(app)
    (swept,) = csv.DictReader((tmp_path / "cases.csv").read_text().splitlines())
    newcomers = int(("buyer", "ring-newcomer") in accused_of(app, again.id))
    assert int(swept["orders"]) == grown.orders_count + newcomers
    assert int(swept["commission_base_minor"]) == grown.commission_base_minor + 9_900 * newcomers
    assert (again.orders_count, again.commission_base_minor) == (
        int(swept["orders"]),
        int(swept["commission_base_minor"]),
    )
    assert (again.id, again.joined_orders_count) == (grown.id, 0)


def test_a_sweep_that_failed_is_tried_again_an_hour_later(town: Town) -> None:
    app, day = town.app, timedelta(days=1)
    (promoter,) = town.make_promoters(["p"], at=NOW - day)
    town.touch([(promoter, "b", None, NOW - timedelta(hours=2))])
    town.buy([("b", "sku", 100, NOW - timedelta(hours=1))])

    def fail(*_: Any) -> dict[str, Any]:
        raise ValueError("no such luck")

    with pytest.raises(ValueError, match="luck"):
        live.sweep_living(app.db, app.graph, sweeper=fail)
    with app.db.transaction() as tx:
        assert not risk.is_sweep_due(tx, every=timedelta(hours=2), now=read_clock() + timedelta(minutes=59))
        assert risk.is_sweep_due(tx, every=timedelta(hours=2), now=read_clock() + timedelta(hours=2, minutes=1))
        assert risk.is_sweep_due(tx, every=timedelta(minutes=5), now=read_clock() + timedelta(minutes=6))


def test_a_sweep_is_due_once_a_day_and_never_in_a_young_shop(town: Town) -> None:
    app, day = town.app, timedelta(days=1)

    def is_due(now: datetime, every: timedelta = day) -> bool:
        with app.db.transaction() as tx:
            return risk.is_sweep_due(tx, every=every, now=now)

    assert not is_due(read_clock() + 9 * day)
    (promoter,) = town.make_promoters(["p"], at=NOW - day)
    town.touch([(promoter, "b", None, NOW - timedelta(hours=2))])
    town.buy([("b", "sku", 100, NOW - timedelta(hours=1))])
    assert not is_due(NOW + day - timedelta(seconds=1))
    assert is_due(NOW + day)
    assert not is_due(NOW + day, timedelta(0))
    risk.sweep_living(app.db, app.graph)
    assert not is_due(read_clock() + timedelta(hours=23))
    assert is_due(read_clock() + day + timedelta(minutes=1))
