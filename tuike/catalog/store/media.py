"""Rows of media: what each stored picture and video is."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.catalog.model import Media
from tuike.db import Transaction

_NAMES = bindparam("names", type_=ARRAY(Text))

_USED = """
    SELECT unnest(pictures) AS name FROM products UNION SELECT video FROM products WHERE video IS NOT NULL
    UNION SELECT picture FROM skus WHERE picture IS NOT NULL UNION SELECT logo FROM brands WHERE logo IS NOT NULL
    UNION SELECT name FROM media_uses
"""


def list_kinds(tx: Transaction, *, names: Sequence[str]) -> dict[str, str]:
    """Return `picture` or `video` by name, for those that exist; they stay until this transaction ends."""
    rows = tx.execute(
        text("SELECT name, kind FROM media WHERE name = ANY (:names) ORDER BY name FOR KEY SHARE").bindparams(_NAMES),
        {"names": list(names)},
    )
    return {row.name: row.kind for row in rows}


def put_media(tx: Transaction, media: Media) -> None:
    """Keep what a file is, young again if it was there; whoever is about to delete it is waited for."""
    tx.execute(
        text(
            """
            INSERT INTO media (name, kind, content_type, byte_count, width, height, created_at)
            VALUES (:name, :kind, :content_type, :byte_count, :width, :height, :now)
            ON CONFLICT (name) DO UPDATE SET created_at = excluded.created_at
            """
        ),
        {
            "name": media.name, "kind": media.kind, "content_type": media.content_type,
            "byte_count": media.byte_count, "width": media.width, "height": media.height, "now": media.created_at,
        },
    )  # fmt: skip


def adopt_media(tx: Transaction, *, name: str, content_type: str, at: datetime) -> None:
    """Give a file that has no row one, so that it can be cleared away like any other."""
    tx.execute(
        text(
            "INSERT INTO media (name, kind, content_type, byte_count, created_at) "
            "VALUES (:name, :kind, :content_type, 0, :at) ON CONFLICT DO NOTHING"
        ),
        {
            "name": name, "content_type": content_type, "at": at,
            "kind": "video" if content_type.startswith("video/") else "picture",
        },
    )  # fmt: skip


def find_media(tx: Transaction, *, name: str) -> Media | None:
    """Return what a file is."""
    row = tx.execute(
        text("SELECT name, kind, content_type, byte_count, width, height, created_at FROM media WHERE name = :name"),
        {"name": name},
    ).one_or_none()
    return None if row is None else Media(*row)


def lock_old(tx: Transaction, *, before: datetime, limit: int) -> list[str]:
    """Lock media that look unused and are older than `before`; what an editor is about to use is left out."""
    statement = text(
        f"""
        WITH used AS ({_USED})
        SELECT name FROM media m WHERE created_at < :before AND NOT EXISTS (SELECT 1 FROM used WHERE used.name = m.name)
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
        """
    )
    return list(tx.execute(statement, {"before": before, "limit": limit}).scalars())


def list_unused(tx: Transaction, *, names: Sequence[str]) -> list[str]:
    """Return those of some media that nothing uses now."""
    statement = text(
        f"WITH used AS ({_USED}) SELECT name FROM unnest(:names) AS name WHERE name NOT IN (SELECT name FROM used)"
    ).bindparams(_NAMES)
    return list(tx.execute(statement, {"names": list(names)}).scalars())


def make_dropped_young(tx: Transaction, *, product_ids: Sequence[str], kept: Sequence[str], now: datetime) -> None:
    """Let media that products are about to drop wait as if just uploaded: a checkout under way may still take them."""
    tx.execute(
        text(
            """
            UPDATE media SET created_at = :now
            WHERE name IN (SELECT unnest(pictures) FROM products WHERE id = ANY (:product_ids)
                           UNION SELECT picture FROM skus WHERE product_id = ANY (:product_ids))
              AND name NOT IN (SELECT unnest(CAST(:kept AS text[])))
            """
        ),
        {"product_ids": list(product_ids), "kept": list(kept), "now": now},
    )


def put_uses(tx: Transaction, *, names: Sequence[str], used_by: str) -> None:
    """Keep that something uses media; again changes nothing."""
    statement = text(
        "INSERT INTO media_uses (name, used_by) SELECT name, :used_by FROM unnest(:names) AS name"
        " ON CONFLICT DO NOTHING"
    ).bindparams(_NAMES)
    tx.execute(statement, {"names": list(names), "used_by": used_by})


def put_pairs(tx: Transaction, *, pairs: Sequence[tuple[str, str]]) -> None:
    """Keep which media something uses, in pairs of a name and what uses it."""
    tx.execute(
        text(
            "INSERT INTO media_uses (name, used_by) "
            "SELECT * FROM unnest(CAST(:names AS text[]), CAST(:users AS text[]))"
        ),
        {"names": [name for name, _ in pairs], "users": [user for _, user in pairs]},
    )


def delete_uses(tx: Transaction, *, used_by: Sequence[str]) -> None:
    """Forget what some users used."""
    statement = text("DELETE FROM media_uses WHERE used_by = ANY (:names)").bindparams(_NAMES)
    tx.execute(statement, {"names": list(used_by)})


def delete_media(tx: Transaction, *, names: Sequence[str]) -> None:
    """Forget media."""
    tx.execute(text("DELETE FROM media WHERE name = ANY (:names)").bindparams(_NAMES), {"names": list(names)})


def list_known(tx: Transaction, *, names: Sequence[str]) -> set[str]:
    """Return those of some names that have a row."""
    statement = text("SELECT name FROM media WHERE name = ANY (:names)").bindparams(_NAMES)
    return set(tx.execute(statement, {"names": list(names)}).scalars())
