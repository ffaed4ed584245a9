"""The sweep that the schedule starts: by a real worker on a real broker, and never without one."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from sqlalchemy import text

from tests.integration.town import Town, accused_of, list_cases, plant_honest, plant_ring
from tuike import risk
from tuike.app import App
from tuike.embedded import find_free_port
from workers.celery_app import create_celery
from workers.schedule import REACTIONS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def town(embedded_app: App) -> Town:
    return Town(embedded_app)


@contextmanager
def run_worker(app: App, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker with two processes; whatever is left of it afterwards is killed."""
    environ = os.environ | {name: value for name, value in app.config.as_variables().items() if value}
    command = [sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker", "--concurrency", "2",
               "--without-gossip", "--without-mingle", "--without-heartbeat"]  # fmt: skip
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command, env=environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def wait_for(condition: Callable[[], object], *, seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def let_a_day_pass(app: App) -> None:
    with app.db.transaction() as tx:
        tx.execute(text("UPDATE orders SET created_at = created_at - interval '2 days'"))


def list_runs(app: App) -> list[risk.SweepRun]:
    with app.db.transaction() as tx:
        return list(risk.list_sweeps(tx, limit=10).items)


def list_sweepers(worker: psutil.Process) -> list[psutil.Process]:
    return [one for one in worker.children(recursive=True) if "risk sweep" in " ".join(one.cmdline())]


@pytest.mark.parametrize("broker", ["pgmq", "redis"])
def test_a_worker_starts_the_sweep_that_is_due_and_cases_appear(
    town: Town, tmp_path: Path, broker: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("redis_url") if broker == "redis" else "pgmq://"
    app = replace(town.app, config=replace(town.app.config, celery_broker_url=url))
    plant_honest(town)
    promoters, _ = plant_ring(town)
    let_a_day_pass(app)
    log = tmp_path / "worker.log"

    with run_worker(app, log):
        create_celery(app.config).send_task("risk.sweep")
        wait_for(lambda: list_cases(app), seconds=90, log=log)

    (case,) = list_cases(app)
    assert {("promoter", one) for one in promoters} <= accused_of(app, case.id)
    assert [run.state for run in list_runs(app)] == ["done"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_ends_with_the_worker_that_started_it_and_says_so(
    town: Town, tmp_path: Path, how: signal.Signals
) -> None:
    app = town.app
    plant_ring(town)
    let_a_day_pass(app)
    log = tmp_path / "worker.log"

    with run_worker(app, log) as worker, app.db.transaction() as tx:
        tx.execute(text("LOCK TABLE addresses"))  # the sweep waits for these
        create_celery(app.config).send_task("risk.sweep")
        wait_for(lambda: list_runs(app) and list_runs(app)[0].stage == "reading identifiers.csv", seconds=60, log=log)
        (sweeper,) = list_sweepers(psutil.Process(worker.pid))
        worker.send_signal(how)
        psutil.wait_procs([sweeper], timeout=30)
        assert not sweeper.is_running()

    (run,) = list_runs(app)
    assert (run.state, run.problem) == ("failed", "SweepEnded: The sweep was ended before it was done.")
    assert list_cases(app) == []


def test_the_row_of_a_killed_sweep_says_at_once_that_it_runs_no_more(town: Town, tmp_path: Path) -> None:
    app = town.app
    plant_ring(town)
    let_a_day_pass(app)
    log = tmp_path / "worker.log"

    with run_worker(app, log) as worker, app.db.transaction() as tx:
        tx.execute(text("LOCK TABLE addresses"))
        create_celery(app.config).send_task("risk.sweep")
        wait_for(lambda: list_runs(app) and list_runs(app)[0].stage == "reading identifiers.csv", seconds=60, log=log)
        assert list_runs(app)[0].state == "running"
        (sweeper,) = list_sweepers(psutil.Process(worker.pid))
        sweeper.kill()
        wait_for(lambda: list_runs(app)[0].state == "failed", seconds=30, log=log)

    with app.db.transaction() as tx:
        state = risk.get_sweep_state(tx)
    (run,) = list_runs(app)
    assert run.problem == "The process ended before the sweep did."
    assert (state.running_since, state.failed_at) == (None, run.finished_at)


class _Relay(socketserver.ThreadingTCPServer):
    """Stands before a graph server, which is away while this is."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self.target = target
        super().__init__(("127.0.0.1", port), _Pipe)


class _Pipe(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Relay)
        with socket.create_connection(self.server.target) as other:
            back = threading.Thread(target=_copy, args=(other, self.request), daemon=True)
            back.start()
            _copy(self.request, other)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_worker_warms_up_a_graph_server_that_is_there_again(town: Town, tmp_path: Path) -> None:
    where = urlsplit(town.app.config.neo4j_uri)
    assert where.hostname
    assert where.port
    port, log = find_free_port(), tmp_path / "worker.log"
    app = replace(town.app, config=replace(town.app.config, neo4j_uri=f"{where.scheme}://127.0.0.1:{port}"))
    sender = create_celery(app.config)

    def has_healed(event: str) -> bool:
        sender.send_task("graph.heal", queue=REACTIONS)
        return event in log.read_text()

    with run_worker(app, log):
        wait_for(lambda: "risk.warmed_up" in log.read_text(), seconds=60, log=log)  # when it started, for nothing
        wait_for(lambda: has_healed("graph.away"), seconds=60, log=log)
        with _Relay(port, (where.hostname, where.port)) as relay:
            threading.Thread(target=relay.serve_forever, daemon=True).start()
            wait_for(lambda: has_healed("graph.back"), seconds=60, log=log)
            wait_for(lambda: log.read_text().count("risk.warmed_up") > 1, seconds=60, log=log)
            relay.shutdown()
