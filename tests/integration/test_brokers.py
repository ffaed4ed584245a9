"""The same tasks over every broker we promise: tables in PostgreSQL, and Redis."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import pools

from tests.stacks import Stack
from tuike import broker
from tuike.config import Config, read_config
from tuike.embedded import find_free_port
from workers.celery_app import create_celery
from workers.schedule import BEAT, REACTIONS, BoundedScheduler


@pytest.fixture(params=["pgmq", "redis"])
def broker_config(request: pytest.FixtureRequest, database_url: str) -> Config:
    """A configuration with an empty broker of each kind in turn."""
    if request.param == "pgmq":
        return read_config({"DATABASE_URL": database_url, "CELERY_BROKER_URL": "pgmq://"})
    url = request.getfixturevalue("redis_url")
    return read_config({"DATABASE_URL": database_url, "CELERY_BROKER_URL": url})


@pytest.fixture
def celery(broker_config: Config) -> Iterator[Celery]:
    """A Celery application with every queue declared and empty."""
    celery = create_celery(broker_config)
    with celery.connection_for_write() as connection, connection.channel() as channel:
        for queue in celery.conf.task_queues:
            queue(channel).declare()
            queue(channel).purge()
    yield celery
    celery.close()
    pools.reset()  # kombu keeps one pool for each address: a closed one must not wait there for the next test


def count_waiting(celery: Celery) -> int:
    with celery.connection_for_write() as connection, connection.channel() as channel:
        return int(channel.queue_declare(REACTIONS, passive=True).message_count)


def test_a_broker_that_answers_is_up_and_one_that_is_gone_is_down(broker_config: Config) -> None:
    assert broker.is_up(broker_config)
    nobody = f"127.0.0.1:{find_free_port()}"
    for url in (f"redis://{nobody}/0", f"pgmq://user@{nobody}/none", f"amqp://{nobody}//"):
        assert not broker.is_up(replace(broker_config, celery_broker_url=url), seconds=1)


def test_the_schedule_stops_ticking_into_a_queue_that_nobody_reads(celery: Celery) -> None:
    scheduler = BoundedScheduler(app=celery)
    entry = next(entry for entry in scheduler.schedule.values() if BEAT[entry.task][1] == REACTIONS)
    for _ in range(3):
        scheduler.apply_async(entry)
    assert count_waiting(celery) == 3
    for _ in range(150):
        celery.send_task(entry.task)
    scheduler._look_at = 0.0
    for _ in range(5):
        scheduler.apply_async(entry)
    assert count_waiting(celery) == 153
    scheduler.close()


def call(stack: Stack, key: str, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[Any, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{stack.url}/api/v1{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer), answer.headers


def test_commission_follows_a_payment_with_redis_as_broker(
    tmp_path: Path, make_stack: Callable[..., Stack], redis_url: str
) -> None:
    stack = make_stack(tmp_path / "data", environ={"CELERY_BROKER_URL": redis_url})
    assert stack.read_note()["settings"]["CELERY_BROKER_URL"] == redis_url
    key = stack.create_key("integration")
    promoter, _ = call(stack, key, "POST", "/promoters", {"external_id": "p", "name": "P"})
    link, _ = call(stack, key, "POST", "/links", {"promoter_id": promoter["id"], "target": {"type": "shop"}})
    call(stack, key, "POST", "/touches", {"code": link["code"], "buyer_id": "b", "at": "2026-01-01T00:00:00Z"})
    line = {"sku": "s", "quantity": 1, "amount_minor": 10_000}
    order, _ = call(
        stack, key, "POST", "/orders",
        {"external_id": "o", "buyer_id": "b", "placed_at": "2026-01-02T00:00:00Z", "lines": [line]},
    )  # fmt: skip
    payment = {"payment_id": "pay", "paid_at": "2026-01-02T00:01:00Z", "amount_minor": 10_000}
    call(stack, key, "POST", f"/orders/{order['id']}/payment", payment)
    end = time.monotonic() + 30
    while True:
        commissions, headers = call(stack, key, "GET", f"/orders/{order['id']}/commissions")
        if headers["Settled"] == "true" or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert [(item["level"], item["amount_minor"]) for item in commissions["items"]] == [(1, 1000), (2, 0), (3, 0)]
