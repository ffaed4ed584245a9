"""What runs by the clock, and on which queue. Every task may run twice and each finds its work in PostgreSQL.

A tick that nobody took expires before the next one matters, so a worker that was away comes back to little more than
one tick of each; `BoundedScheduler` stops ticking into a queue that nobody reads at all.
"""

import time
from typing import Any

import structlog
from celery import beat
from kombu.exceptions import OperationalError

REACTIONS = "reactions"
"""What callers wait for: consequences of orders, and the graph's journal."""
MAINTENANCE = "maintenance"
"""What nobody waits for: releases that are due, sealing of the ledger."""
PROVIDERS = "providers"
"""What waits for an outside service, one worker at a time."""
QUEUES = (REACTIONS, MAINTENANCE, PROVIDERS)

BEAT = {
    # task: (every seconds, queue)
    "outbox.drain": (1.0, REACTIONS),
    "graph.apply_lazy": (1.0, REACTIONS),
    "graph.heal": (5.0, REACTIONS),
    "payments.work": (1.0, PROVIDERS),
    "payments.reconcile": (600.0, PROVIDERS),
    "commission.release_due": (5.0, MAINTENANCE),
    "ledger.seal": (5.0, MAINTENANCE),
    "catalog.import": (2.0, MAINTENANCE),
    "catalog.refresh": (60.0, MAINTENANCE),
    "catalog.clear_media": (3600.0, MAINTENANCE),
    "catalog.expire_reservations": (30.0, MAINTENANCE),
    "fulfilment.receive_due": (60.0, MAINTENANCE),
    "fulfilment.end_due_cases": (60.0, MAINTENANCE),
    "identity.purge_answers": (600.0, MAINTENANCE),
    "workbench.run_rules": (30.0, MAINTENANCE),
    "risk.sweep": (600.0, MAINTENANCE),
}

AT_START = "risk.warm_up"
"""What a worker does when it starts, and when a graph server that was away is there again."""

ROUTES = {task: {"queue": queue} for task, (_, queue) in BEAT.items()} | {AT_START: {"queue": MAINTENANCE}}

_MAX_WAITING = 100
_LOOK_EVERY_S = 10

log = structlog.get_logger(__name__)


def make_beat_schedule() -> dict[str, dict[str, Any]]:
    """Return the beat table as Celery takes it."""
    return {
        task: {"task": task, "schedule": every, "options": {"queue": queue, "expires": max(2 * every, 5)}}
        for task, (every, queue) in BEAT.items()
    }


class BoundedScheduler(beat.Scheduler):
    """Celery's in-memory scheduler, which leaves out ticks while more than 100 messages wait in their queue.

    Expired messages are only thrown away by a worker that reads them; without this, a night without workers would
    leave tens of thousands.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._full: frozenset[str] = frozenset()
        self._look_at = 0.0
        super().__init__(*args, **kwargs)

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        """Send one tick, or leave it out."""
        self._look()
        if entry.options.get("queue") in self._full:
            if advance:
                self.reserve(entry)
            return None
        return super().apply_async(entry, producer=producer, advance=advance, **kwargs)

    def _look(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        try:
            full = frozenset(name for name in QUEUES if self._count_waiting(name) > _MAX_WAITING)
        except (OSError, OperationalError, *self.connection.connection_errors):
            return  # the broker is away: sending will tell
        if full - self._full:
            log.warning("schedule.queue_full", queues=sorted(full))
        self._full = full

    def _count_waiting(self, queue: str) -> int:
        with self.connection.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except self.connection.channel_errors:
                return 0  # not declared yet; on Redis an empty queue does not exist
