"""The tasks: thin, safe to run twice, each looking in PostgreSQL for its work."""

import subprocess
import sys
import threading
from datetime import timedelta

import structlog

from tuike import catalog, commission, fulfilment, identity, payments, reactions, risk, team, wallet, workbench
from tuike.db import outbox
from tuike.shared import clock
from workers.celery_app import app as celery
from workers.celery_app import open_app, open_worker
from workers.schedule import AT_START

log = structlog.get_logger(__name__)

_DRAIN_FOR = timedelta(seconds=20)
_IMPORT_SECONDS = 270
"""A sheet of 100,000 rows is the largest there is."""
_RESERVATIONS_AT_ONCE = 200
_WARM_UP_FOR = timedelta(seconds=30)
_WARM_UP_LOOKS = 5_000
_graph_was_away = threading.Event()
"""Set from when this process has found no graph server until it finds one again."""


@celery.task(name="outbox.drain")
def drain_outbox() -> int:
    """React to what happened, topic after topic; any number of workers may do so side by side."""
    app = open_app()
    deadline = clock.read_clock() + _DRAIN_FOR
    return sum(reactions.drain(app.db, app.graph, topic=topic, deadline=deadline) for topic in reactions.REACTIONS)


@celery.task(name="graph.apply_lazy")
def apply_lazy() -> int:
    """Bring orders into the graph, which nobody waits for."""
    app = open_app()
    return team.apply_lazy(app.db, app.graph)


@celery.task(name="graph.heal")
def heal_graph() -> None:
    """Apply what a crash or an absent graph left behind, then decide the orders that waited for it."""
    app = open_app()
    team.catch_up(app.db, app.graph)
    if not app.graph.check():
        if not _graph_was_away.is_set():
            log.warning("graph.away")
        _graph_was_away.set()
        return
    with app.db.transaction() as tx:
        outbox.hurry(tx, topic="order.unresolved", now=clock.read_clock())
    if _graph_was_away.is_set():  # a server that has just started is as slow for a worker that has not
        log.info("graph.back")
        _graph_was_away.clear()
        celery.send_task(AT_START, expires=60)


@celery.task(name="commission.release_due")
def release_due() -> int:
    """Release the commissions that fell due."""
    return commission.release_due(open_app().db, now=clock.read_clock()).released


@celery.task(name="ledger.seal")
def seal_ledger() -> int:
    """Link new vouchers to the hash chain."""
    with open_app().db.transaction() as tx:
        return wallet.seal_transactions(tx, now=clock.read_clock())


@celery.task(name="identity.purge_answers")
def purge_answers() -> int:
    """Forget the answers kept for Idempotency-Keys that are a week old, and sessions long over."""
    now = clock.read_clock()
    with open_app().db.transaction() as tx:
        return identity.purge_answers(tx, now=now) + identity.purge_sessions(tx, now=now)


@celery.task(name="catalog.import", soft_time_limit=_IMPORT_SECONDS, time_limit=_IMPORT_SECONDS + 10)
def import_catalogue() -> bool:
    """Import the sheet that has waited longest; of several workers at once one does it."""
    return catalog.run_next_import(open_app().db, now=clock.read_clock())


@celery.task(name="catalog.refresh")
def refresh_catalog() -> int:
    """Make suggestions anew from what is on sale, and forget the changes that every cache has seen."""
    with open_app().db.transaction() as tx:
        catalog.purge_changes(tx, now=clock.read_clock())
        return catalog.refresh_suggestions(tx)


@celery.task(name="catalog.clear_media")
def clear_media() -> int:
    """Delete the pictures and videos that nothing has used for a day."""
    app = open_app()
    return fulfilment.clear_media(app.db, catalog.open_storage(app.config), now=clock.read_clock())


@celery.task(name="catalog.expire_reservations")
def expire_reservations() -> int:
    """Give free the pieces of orders that were neither paid nor closed in time: their provider could not be asked."""
    done = 0
    while True:
        with open_app().db.transaction() as tx:
            freed = len(catalog.expire_reservations(tx, now=clock.read_clock(), limit=_RESERVATIONS_AT_ONCE))
        done += freed
        if freed < _RESERVATIONS_AT_ONCE:
            return done


@celery.task(name="workbench.run_rules")
def run_rules() -> int:
    """Run the analysts' rules that are due, at most a minute each; they only record what they find."""
    app = open_app()
    return workbench.run_due_rules(app.db, app.graph, app.desk, now=clock.read_clock(), rules_max=1)


@celery.task(name="risk.sweep")
def sweep_for_rings() -> bool:
    """Start a sweep for rings if it is time: a process of its own, for which no worker waits.

    It says in its row how far it is, gives up by itself when it takes too long or when this worker ends, and of several
    only one sweeps.
    """
    app = open_app()
    every = timedelta(hours=app.config.risk_sweep_hours)
    with app.db.transaction() as tx:
        if not risk.is_sweep_due(tx, every=every, now=clock.read_clock()):
            return False
    command = [sys.executable, "-m", "tuike.cli", "risk", "sweep", "--minutes", str(app.config.risk_sweep_minutes)]
    with open_worker() as descriptor:
        tied, kept = ([], []) if descriptor is None else (["--while", str(descriptor)], [descriptor])
        subprocess.Popen(
            [*command, *tied], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
            pass_fds=kept,
        )  # fmt: skip
    return True


@celery.task(name="risk.warm_up")
def warm_up() -> int:
    """Let a graph server that has just started become quick before orders come."""
    app = open_app()
    deadline = clock.read_clock() + _WARM_UP_FOR
    return risk.warm_up(app.db, app.graph, looks_max=_WARM_UP_LOOKS, deadline=deadline)


@celery.task(name="payments.work")
def work_payments() -> None:
    """Ask, close, refund and pay out what is due at the providers; of several at once one does it."""
    app = open_app()
    payments.work_due(app.db, app.counter, app.vault, now=clock.read_clock())


@celery.task(name="payments.reconcile")
def reconcile_payments() -> int:
    """Compare the days whose bills are there with our books."""
    app = open_app()
    return payments.reconcile_due(app.db, app.counter, now=clock.read_clock())


@celery.task(name="fulfilment.receive_due")
def receive_due() -> int:
    """Count as received what was shipped long enough ago."""
    return fulfilment.receive_due(open_app().db, now=clock.read_clock())


@celery.task(name="fulfilment.end_due_cases")
def end_due_cases() -> int:
    """Decide the after-sale cases that waited too long."""
    return fulfilment.end_due_cases(open_app().db, now=clock.read_clock())
