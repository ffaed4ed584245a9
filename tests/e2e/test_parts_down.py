"""What is answered while a part is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from api import create_app
from tests.e2e.conftest import Caller, make_caller
from tuike.app import App
from tuike.config import read_config
from tuike.db import Database
from tuike.graph import Graph

ErrorOf = Callable[[TestResponse], tuple[int, str, list[str]]]


@pytest.fixture
def without_graph(database_url: str, database: Database) -> Iterator[Caller]:
    """The API over PostgreSQL, with nothing where the graph should be."""
    config = read_config(
        {"DATABASE_URL": database_url, "NEO4J_URI": "bolt://127.0.0.1:1", "CELERY_BROKER_URL": "pgmq://"}
    )
    graph = Graph(config)
    yield make_caller(App(db=database, graph=graph, config=config))
    graph.close()


@pytest.fixture
def without_postgres(caller: Caller) -> Iterator[Caller]:
    """The API with nothing where PostgreSQL should be."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    database = Database(url)
    app = App(db=database, graph=caller.app.graph, config=replace(caller.app.config, database_url=url))
    yield Caller(create_app(app), app, caller.secrets)
    database.close()


def test_without_the_graph_what_is_told_is_kept_and_what_is_asked_of_it_is_refused(
    without_graph: Caller, error_of: ErrorOf
) -> None:
    caller = without_graph
    promoter = caller.make_promoter()
    link = caller.make_link(promoter["id"])
    caller.make_touch(link["code"], buyer_id="b")
    order = caller.make_paid_order(buyer_id="b")
    assert order["attribution"]["reason"] == "pending"
    for path in ("", "/upline", "/team", "/team/size"):
        answer = caller.get(f"promoters/{promoter['id']}{path}")
        assert error_of(answer) == (503, "graph_unavailable", [])
        assert answer.get_json()["error"]["part"] == "graph"
        assert answer.headers["Retry-After"] == "1"
    move = caller.put(f"promoters/{promoter['id']}/inviter", {"inviter_id": None, "reason": "r", "force": True})
    assert error_of(move) == (503, "graph_unavailable", [])
    assert caller.get(f"orders/{order['id']}/commissions").headers["Settled"] == "false"
    health = caller.get("/health")
    assert health.status_code == 503
    assert health.get_json() == {"status": "down", "parts": {"postgres": "up", "graph": "down", "queue": "up"}}


def test_without_postgres_everything_is_refused_with_its_name(without_postgres: Caller, error_of: ErrorOf) -> None:
    caller = without_postgres
    for answer in (caller.get("plans/default"), caller.post("orders", caller.order_body()), caller.get("/s/abcdefgh")):
        assert error_of(answer) == (503, "postgres_unavailable", [])
        assert answer.get_json()["error"]["part"] == "postgres"
    assert caller.get("/health").get_json()["parts"]["postgres"] == "down"
    metrics = caller.get("/metrics")
    assert metrics.status_code == 200
    assert b'tuike_part_up{part="postgres"} 0.0' in metrics.data


def test_a_touch_is_counted_as_missing_when_nobody_could_be_told_that_it_waits(caller: Caller) -> None:
    """As when PostgreSQL dies right after a touch was committed and is back before the next order."""
    link = caller.make_link(caller.make_promoter()["id"])
    with caller.app.db.transaction() as tx:
        tx.execute(text("ALTER TABLE journal ADD CONSTRAINT nobody_writes_it_down CHECK (status = 'new') NOT VALID"))
    caller.make_touch(link["code"], buyer_id="b")
    with caller.app.db.transaction() as tx:
        tx.execute(text("ALTER TABLE journal DROP CONSTRAINT nobody_writes_it_down"))
    order = caller.make_paid_order(buyer_id="b")
    assert order["attribution"]["reason"] == "pending"
