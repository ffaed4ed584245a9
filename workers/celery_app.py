"""The Celery application: `celery -A workers.celery_app worker` and `… beat`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_shutdown, worker_ready
from kombu import Exchange, Queue

from tuike import broker
from tuike.app import App, build_app
from tuike.config import Config, read_config
from tuike.shared.logs import configure_logs
from workers import schedule

SOFT_LIMIT_S = 120
HARD_LIMIT_S = 150
assert HARD_LIMIT_S < broker.VISIBILITY_TIMEOUT_S, "a task that still runs must not be given to another worker"


def create_celery(config: Config) -> Celery:
    """Return a Celery application on the broker that `config` names."""
    where = broker.read_broker(config)
    celery = Celery("tuike", broker=where.url, include=["workers.tasks"])
    exchange = Exchange("tuike", type="direct")
    celery.conf.update(
        beat_schedule=schedule.make_beat_schedule(),
        beat_scheduler="workers.schedule:BoundedScheduler",
        beat_max_loop_interval=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # for ever
        broker_transport_options=where.transport_options,
        enable_utc=True,
        task_acks_late=True,
        task_create_missing_queues=False,  # a misspelt queue is an error, not a place where tasks vanish
        task_default_queue=schedule.REACTIONS,
        task_ignore_result=True,
        task_queues=[Queue(name, exchange, routing_key=name) for name in schedule.QUEUES],
        task_default_exchange=exchange.name,
        task_default_routing_key=schedule.REACTIONS,
        task_reject_on_worker_lost=True,
        task_routes=schedule.ROUTES,
        task_serializer="json",
        task_soft_time_limit=SOFT_LIMIT_S,
        task_time_limit=HARD_LIMIT_S,
        timezone="UTC",
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=False,
        worker_max_tasks_per_child=5_000,
        worker_max_memory_per_child=400_000,  # KB
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
    )
    return celery


@cache
def open_app() -> App:
    """Return this process's parts; the first task of a pool process opens them, after the fork."""
    return build_app(read_config(), application_name="tuike worker")


_worker_pid: list[int] = []
"""The process that started the pool, noted before the pool is forked; processes of the pool come and go."""


@worker_init.connect
def _note_worker(**_: Any) -> None:
    _worker_pid[:] = [os.getpid()]


@contextmanager
def open_worker() -> Iterator[int | None]:
    """Yield a descriptor that becomes readable when this worker ends, for children that must not outlive it.

    None where the system has none: there `tuike up` sweeps away what it left at its next start.
    """
    pid = _worker_pid[0] if _worker_pid else os.getpid()
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    descriptor = os.pidfd_open(pid)
    try:
        if pid not in (os.getpid(), os.getppid()):
            raise ChildProcessError("The worker ended while a child of its was being started.")
        yield descriptor
    finally:
        os.close(descriptor)


@worker_ready.connect
def _warm_up(sender: Any, **_: Any) -> None:
    sender.app.send_task(schedule.AT_START, expires=60)


@worker_process_shutdown.connect
def _close_app(**_: Any) -> None:
    if open_app.cache_info().currsize:
        open_app().close()


@setup_logging.connect
def _configure_logs(**_: Any) -> None:
    configure_logs(read_config().log_level)


celery = create_celery(read_config())
app = celery
"""The name `celery -A` looks for."""
