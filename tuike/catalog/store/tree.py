"""Rows of merchants, categories, brands and shelves: small tables that staff change by hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer, Text

from tuike.catalog.model import Brand, Category, Merchant, Shelf, ShelfDraft
from tuike.db import Transaction

_TREE_LOCK = 7_485_002
"""Advisory lock of whoever changes the shape of the category tree."""

_RATES = bindparam("rates_bps", type_=ARRAY(Integer))
_PRODUCTS = bindparam("products", type_=ARRAY(Text))
_IDS = bindparam("ids", type_=ARRAY(Text))


def lock_tree(tx: Transaction) -> None:
    """Let nobody else change the tree until this transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TREE_LOCK})


def read_tree(tx: Transaction) -> dict[str, Category]:
    """Return every category by id, in the order in which they are shown."""
    rows = tx.execute(
        text("SELECT id, parent_id, name, position, rates_bps, version FROM categories ORDER BY position, name, id")
    )
    return {row.id: _category(row) for row in rows}


def find_categories(tx: Transaction, *, ids: Sequence[str]) -> dict[str, Category]:
    """Return categories by id."""
    rows = tx.execute(
        text(
            "SELECT id, parent_id, name, position, rates_bps, version FROM categories WHERE id = ANY (:ids)"
        ).bindparams(_IDS),
        {"ids": list(ids)},
    )
    return {row.id: _category(row) for row in rows}


def insert_category(tx: Transaction, category: Category, *, now: datetime) -> None:
    """Insert a category. Raises IntegrityError on a name taken below the same parent."""
    tx.execute(
        text(
            "INSERT INTO categories (id, parent_id, name, position, rates_bps, created_at) "
            "VALUES (:id, :parent_id, :name, :position, :rates_bps, :now)"
        ).bindparams(_RATES),
        _category_values(category) | {"now": now},
    )


def update_category(tx: Transaction, category: Category) -> bool:
    """Overwrite the category of this version; False when it has another one by now. Raises IntegrityError."""
    changed = tx.execute(
        text(
            "UPDATE categories SET parent_id = :parent_id, name = :name, position = :position, rates_bps = :rates_bps, "
            "version = version + 1 WHERE id = :id AND version = :version"
        ).bindparams(_RATES),
        _category_values(category),
    )
    return changed.rowcount == 1


def delete_category(tx: Transaction, *, category_id: str) -> None:
    """Delete a category; deleted products forget it."""
    tx.execute(
        text("UPDATE products SET category_id = NULL WHERE category_id = :id AND state = 'deleted'"),
        {"id": category_id},
    )
    tx.execute(text("DELETE FROM categories WHERE id = :id"), {"id": category_id})


def is_category_used(tx: Transaction, *, category_id: str) -> bool:
    """Tell whether a category has products, or categories below it."""
    statement = text(
        "SELECT EXISTS (SELECT 1 FROM categories WHERE parent_id = :id) "
        "OR EXISTS (SELECT 1 FROM products WHERE category_id = :id AND state <> 'deleted')"
    )
    return bool(tx.execute(statement, {"id": category_id}).scalar_one())


def find_merchants(tx: Transaction, *, ids: Sequence[str]) -> dict[str, Merchant]:
    """Return merchants by id."""
    rows = tx.execute(
        text("SELECT id, name, status, version, created_at FROM merchants WHERE id = ANY (:ids)").bindparams(_IDS),
        {"ids": list(ids)},
    )
    return {row.id: Merchant(*row) for row in rows}


def list_merchants(tx: Transaction, *, ids: Sequence[str], after: str | None, limit: int) -> list[Merchant]:
    """Return merchants in the order of their ids, after `after`; only those named, if any are."""
    rows = tx.execute(
        text(
            "SELECT id, name, status, version, created_at FROM merchants "
            "WHERE id > :after AND (:all OR id = ANY (:ids)) ORDER BY id LIMIT :limit"
        ),
        {"after": after or "", "all": not ids, "ids": list(ids), "limit": limit},
    )
    return [Merchant(*row) for row in rows]


def insert_merchant(tx: Transaction, *, merchant_id: str, name: str, now: datetime) -> bool:
    """Insert a merchant; False when the id is taken."""
    inserted = tx.execute(
        text("INSERT INTO merchants (id, name, created_at) VALUES (:id, :name, :now) ON CONFLICT DO NOTHING"),
        {"id": merchant_id, "name": name, "now": now},
    )
    return inserted.rowcount == 1


def update_merchant(tx: Transaction, *, merchant_id: str, name: str, status: str, version: int) -> bool:
    """Overwrite the merchant of this version; False when it has another one by now."""
    changed = tx.execute(
        text(
            "UPDATE merchants SET name = :name, status = :status, version = version + 1 "
            "WHERE id = :id AND version = :version"
        ),
        {"id": merchant_id, "name": name, "status": status, "version": version},
    )
    return changed.rowcount == 1


def list_staff_merchants(tx: Transaction, *, staff_id: str) -> list[str]:
    """Return the merchants that somebody is confined to; empty for those who work for the platform."""
    return list(
        tx.execute(
            text("SELECT merchant_id FROM merchant_staff WHERE staff_id = :id ORDER BY merchant_id"), {"id": staff_id}
        ).scalars()
    )


def set_staff_merchants(tx: Transaction, *, staff_id: str, merchant_ids: Sequence[str], now: datetime) -> None:
    """Confine somebody to merchants, or to none with an empty list."""
    tx.execute(text("DELETE FROM merchant_staff WHERE staff_id = :id"), {"id": staff_id})
    tx.execute(
        text(
            "INSERT INTO merchant_staff (staff_id, merchant_id, created_at) "
            "SELECT :id, one, :now FROM unnest(:ids) AS one"
        ).bindparams(_IDS),
        {"id": staff_id, "ids": list(merchant_ids), "now": now},
    )


def find_brands(tx: Transaction, *, ids: Sequence[str]) -> dict[str, Brand]:
    """Return brands by id."""
    rows = tx.execute(
        text("SELECT id, name, logo, version FROM brands WHERE id = ANY (:ids)").bindparams(_IDS), {"ids": list(ids)}
    )
    return {row.id: Brand(*row) for row in rows}


def find_brands_by_names(tx: Transaction, *, names: Sequence[str]) -> dict[str, Brand]:
    """Return brands by name."""
    rows = tx.execute(
        text("SELECT id, name, logo, version FROM brands WHERE name = ANY (:ids)").bindparams(_IDS),
        {"ids": list(names)},
    )
    return {row.name: Brand(*row) for row in rows}


def list_brands(tx: Transaction, *, after: str | None, limit: int) -> list[Brand]:
    """Return brands in the order of their names, after `after`."""
    rows = tx.execute(
        text("SELECT id, name, logo, version FROM brands WHERE name > :after ORDER BY name LIMIT :limit"),
        {"after": after or "", "limit": limit},
    )
    return [Brand(*row) for row in rows]


def count_brands(tx: Transaction) -> int:
    """Return how many brands there are."""
    return int(tx.execute(text("SELECT count(*) FROM brands")).scalar_one())


def insert_brands(tx: Transaction, *, brands: Sequence[Brand], now: datetime) -> None:
    """Insert brands. Raises IntegrityError on a taken name."""
    tx.execute(
        text(
            "INSERT INTO brands (id, name, logo, created_at) SELECT id, name, logo, :now "
            "FROM unnest(:ids, :names, :logos) AS new (id, name, logo)"
        ).bindparams(_IDS, bindparam("names", type_=ARRAY(Text)), bindparam("logos", type_=ARRAY(Text))),
        {
            "ids": [one.id for one in brands], "names": [one.name for one in brands],
            "logos": [one.logo for one in brands], "now": now,
        },
    )  # fmt: skip


def update_brand(tx: Transaction, brand: Brand) -> bool:
    """Overwrite the brand of this version; False when it has another one by now. Raises IntegrityError."""
    changed = tx.execute(
        text(
            "UPDATE brands SET name = :name, logo = :logo, version = version + 1 WHERE id = :id AND version = :version"
        ),
        {"id": brand.id, "name": brand.name, "logo": brand.logo, "version": brand.version},
    )
    return changed.rowcount == 1


def delete_brand(tx: Transaction, *, brand_id: str) -> bool:
    """Delete a brand that no living product has; False when one has it."""
    used = text("SELECT EXISTS (SELECT 1 FROM products WHERE brand_id = :id AND state <> 'deleted')")
    if tx.execute(used, {"id": brand_id}).scalar_one():
        return False
    tx.execute(text("UPDATE products SET brand_id = NULL WHERE brand_id = :id"), {"id": brand_id})
    tx.execute(text("DELETE FROM brands WHERE id = :id"), {"id": brand_id})
    return True


_SELECT_SHELVES = "SELECT id, title, products, position, shown_from, shown_to, version FROM shelves"


def list_shelves(tx: Transaction) -> list[Shelf]:
    """Return every shelf in the order in which they are shown."""
    return [_shelf(row) for row in tx.execute(text(f"{_SELECT_SHELVES} ORDER BY position, id"))]


def find_shelf(tx: Transaction, *, shelf_id: str) -> Shelf | None:
    """Return a shelf."""
    row = tx.execute(text(f"{_SELECT_SHELVES} WHERE id = :id"), {"id": shelf_id}).one_or_none()
    return None if row is None else _shelf(row)


def insert_shelf(tx: Transaction, *, shelf_id: str, draft: ShelfDraft, now: datetime) -> None:
    """Insert a shelf."""
    tx.execute(
        text(
            "INSERT INTO shelves (id, title, position, shown_from, shown_to, products, created_at) "
            "VALUES (:id, :title, :position, :shown_from, :shown_to, :products, :now)"
        ).bindparams(_PRODUCTS),
        _shelf_values(shelf_id, draft) | {"now": now},
    )


def update_shelf(tx: Transaction, *, shelf_id: str, draft: ShelfDraft, version: int) -> bool:
    """Overwrite the shelf of this version; False when it has another one by now."""
    changed = tx.execute(
        text(
            "UPDATE shelves SET title = :title, position = :position, shown_from = :shown_from, shown_to = :shown_to, "
            "products = :products, version = version + 1 WHERE id = :id AND version = :version"
        ).bindparams(_PRODUCTS),
        _shelf_values(shelf_id, draft) | {"version": version},
    )
    return changed.rowcount == 1


def delete_shelf(tx: Transaction, *, shelf_id: str) -> bool:
    """Delete a shelf; False when there is none."""
    return tx.execute(text("DELETE FROM shelves WHERE id = :id"), {"id": shelf_id}).rowcount == 1


def _category(row: Row[Any]) -> Category:
    rates = None if row.rates_bps is None else tuple(row.rates_bps)
    return Category(row.id, row.parent_id, row.name, row.position, rates, row.version)


def _category_values(category: Category) -> dict[str, Any]:
    return {
        "id": category.id, "parent_id": category.parent_id, "name": category.name, "position": category.position,
        "rates_bps": None if category.rates_bps is None else list(category.rates_bps), "version": category.version,
    }  # fmt: skip


def _shelf(row: Row[Any]) -> Shelf:
    return Shelf(row.id, row.title, tuple(row.products), row.position, row.shown_from, row.shown_to, row.version)


def _shelf_values(shelf_id: str, draft: ShelfDraft) -> dict[str, Any]:
    return {
        "id": shelf_id, "title": draft.title, "position": draft.position, "shown_from": draft.shown_from,
        "shown_to": draft.shown_to, "products": list(draft.product_ids),
    }  # fmt: skip
