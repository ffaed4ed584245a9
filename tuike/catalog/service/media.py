"""Keeping pictures and videos, and clearing away those that nothing uses."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from itertools import islice

from tuike.catalog.media import Prepared, Storage, thumbnail_of, type_of
from tuike.catalog.model import Media, MediaNotFound
from tuike.catalog.store import media as store
from tuike.db import Database, Transaction
from tuike.shared.errors import ValidationFailed

KEEP_UNUSED = timedelta(hours=24)
"""So long an upload may wait to be used; then it is cleared away."""
_BATCH = 200
_SHOWN = "orders"
"""What keeps the pictures that a product no longer has and an order still shows."""


def add_media(tx: Transaction, storage: Storage, *, prepared: Prepared, now: datetime) -> Media:
    """Keep an upload; the same content again is the same media. Raises MediaUnavailable.

    The row comes first: it waits for whoever clears the same file away, so that the file is written after that.
    """
    content_type = type_of(prepared.name)
    assert content_type is not None
    first = prepared.files[0]
    media = Media(prepared.name, prepared.kind, content_type, first.byte_count, prepared.width, prepared.height, now)
    store.put_media(tx, media)
    for file in prepared.files:
        storage.put(file)
    return media


def get_media(tx: Transaction, *, name: str) -> Media:
    """Return what a file is. Raises MediaNotFound."""
    media = store.find_media(tx, name=name)
    if media is None:
        raise MediaNotFound
    return media


def keep_pictures(tx: Transaction, *, names: Sequence[str], used_by: str) -> None:
    """Let pictures stay for as long as something that is no product uses them; again changes nothing.

    Raises ValidationFailed naming `pictures.N` for what is no picture here.
    """
    known = store.list_kinds(tx, names=sorted(set(names)))
    unknown = [place for place, name in enumerate(names) if known.get(name) != "picture"]
    if unknown:
        sentence = "There is no such picture; upload it first."
        raise ValidationFailed(fields={f"pictures.{place}": [sentence] for place in unknown})
    store.put_uses(tx, names=sorted(set(names)), used_by=used_by)


def let_pictures_go(tx: Transaction, *, used_by: Sequence[str]) -> None:
    """Let what some users kept be cleared away, unless something else uses it."""
    store.delete_uses(tx, used_by=used_by)


def clear_media(
    db: Database,
    storage: Storage,
    *,
    find_shown: Callable[[Transaction, Sequence[str]], Collection[str]],
    now: datetime,
) -> int:
    """Delete media that nothing has used for a day, and what an upload left behind; return how many were deleted.

    `find_shown` says which of some names are shown by what the catalogue knows nothing of; those are kept for good.
    """
    before = now - KEEP_UNUSED
    _adopt_strays(db, storage, before)
    cleared = 0
    while True:
        with db.transaction() as tx:
            names = store.lock_old(tx, before=before, limit=_BATCH)
            unused = store.list_unused(tx, names=names)  # looked at anew, now that nobody can begin to use them
            shown = set(find_shown(tx, unused))
            store.put_uses(tx, names=sorted(shown), used_by=_SHOWN)
            unused = [name for name in unused if name not in shown]
            for name in unused:
                for file in _list_files(name):
                    storage.delete(file)
            store.delete_media(tx, names=unused)
        cleared += len(unused)
        if len(names) < _BATCH or not (unused or shown):
            return cleared


def _adopt_strays(db: Database, storage: Storage, before: datetime) -> None:
    """Give each old file without a row one: deleting it then takes the same lock as everything else."""
    names = storage.iter_names(before=before)
    while found := list(islice(names, _BATCH)):
        owners = {owner for owner in map(_owner_of, found) if type_of(owner) is not None}
        with db.transaction() as tx:
            for owner in sorted(owners - store.list_known(tx, names=sorted(owners))):
                store.adopt_media(tx, name=owner, content_type=str(type_of(owner)), at=before - timedelta(seconds=1))


def _list_files(name: str) -> list[str]:
    return [name, thumbnail_of(name)] if name.endswith(".webp") else [name]


def _owner_of(name: str) -> str:
    return name.replace("_t.webp", ".webp")
