"""Imports that a worker runs: a large sheet is taken at once, and told about while it is worked through."""

import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import structlog

from tuike.catalog.model import Import, ImportNotFound, ImportState, MerchantNotFound, TooManyImports
from tuike.catalog.service.sheets import import_catalogue
from tuike.catalog.store import imports as store
from tuike.catalog.store import tree as tree_store
from tuike.db import Database, Transaction
from tuike.shared import ids
from tuike.shared.errors import TuikeError
from tuike.shared.pages import Page, decode_cursor, encode_cursor

MAX_WAITING = 10
"""So many sheets of one merchant may wait: each may have 64 MiB. A few more get in when several ask at one instant."""
MAX_ATTEMPTS = 3
"""How often an import is begun whose worker dies over it."""
GAVE_UP = "import_gave_up"
"""The problem of an import that was begun MAX_ATTEMPTS times and never came to an end."""

_GAVE_UP_MESSAGE = "The import did not come to an end; nothing was changed. Try parts of the sheet."

log = structlog.get_logger(__name__)


def request_import(
    tx: Transaction, *, merchant_id: str, content: bytes, dry_run: bool = False, made_by: str, now: datetime
) -> Import:
    """Keep a sheet until a worker imports it, each in its turn. Raises MerchantNotFound, TooManyImports."""
    if merchant_id not in tree_store.find_merchants(tx, ids=[merchant_id]):
        raise MerchantNotFound
    if store.count_open(tx, merchant_id=merchant_id) >= MAX_WAITING:
        raise TooManyImports
    import_id = ids.new_id("import")
    store.insert_import(
        tx, import_id=import_id, merchant_id=merchant_id, content=content, is_dry_run=dry_run, made_by=made_by, now=now
    )
    return get_import(tx, import_id=import_id)


def get_import(tx: Transaction, *, import_id: str) -> Import:
    """Return an import: how far it is, or how it ended. Raises ImportNotFound."""
    found = store.find_import(tx, import_id=import_id)
    if found is None:
        raise ImportNotFound
    return found


def list_imports(
    tx: Transaction, *, merchant_ids: Sequence[str] = (), limit: int, cursor: str | None = None
) -> Page[Import]:
    """Return a page of imports, newest first, of some merchants if any are named."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_imports(tx, merchant_ids=merchant_ids, before=before, limit=limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def run_next_import(db: Database, *, now: datetime) -> bool:
    """Run the import that has waited longest; tell whether there was one. Of several callers at once one does it.

    What was imported and that it was commit together. Whoever dies over it leaves it to the next caller.
    """
    with db.transaction() as tx:
        found = store.find_next(tx) if store.try_lock(tx) else None
        if found is None or not store.try_lock_merchant(tx, merchant_id=found.merchant_id):
            return False
        with db.autocommit() as beside:  # seen by others while the import runs, and kept when its worker dies
            attempts, content = store.begin(beside, import_id=found.id, now=now)
        if attempts > MAX_ATTEMPTS:
            store.end(tx, import_id=found.id, state=ImportState.FAILED, problem=GAVE_UP, message=_GAVE_UP_MESSAGE)
        else:
            _run(db, tx, found, content, now=now)
    return True


def _run(db: Database, tx: Transaction, one: Import, content: bytes, *, now: datetime) -> None:
    def tell(done: int, total: int | None) -> None:
        with db.autocommit() as beside:
            store.note_progress(beside, import_id=one.id, done=done, total=total)

    try:
        with tx.begin_nested():
            imported = import_catalogue(
                tx, merchant_id=one.merchant_id, content=io.BytesIO(content), made_by=one.made_by,
                dry_run=one.is_dry_run, progress=tell, now=now,
            )  # fmt: skip
    except TuikeError as refusal:
        log.info("catalog.import_failed", import_id=one.id, problem=refusal.code)
        store.end(
            tx, import_id=one.id, state=ImportState.FAILED, problem=refusal.code, message=str(refusal),
            faults=refusal.fields,
        )  # fmt: skip
    else:
        log.info("catalog.imported", import_id=one.id, **asdict(imported))
        store.end(tx, import_id=one.id, state=ImportState.DONE, counts=asdict(imported))
