"""Rows of products and SKUs, read and written many at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from tuike.catalog.model import Offer, Product, ProductState, Sku
from tuike.db import Transaction

_IDS = bindparam("ids", type_=ARRAY(Text))
_ROWS = bindparam("rows", type_=JSONB)

_SELECT = """
    SELECT p.id, p.merchant_id, p.code, p.state, p.version, p.name, p.subtitle, p.description, p.category_id,
           p.brand_id, p.tags, p.pictures, p.video, p.spec_names, p.currency, p.rates_bps, p.price_from_minor,
           p.price_to_minor, p.in_stock, p.sold_count, p.listed_at, p.created_at, p.updated_at,
           (SELECT json_agg(json_build_array(k.id, k.code, k.spec, k.price_minor, k.list_price_minor, k.weight_grams,
                                             k.limit_per_person, k.picture, s.available, s.reserved, s.sold)
                            ORDER BY k.position, k.id)
            FROM skus k JOIN stock s ON s.sku_id = k.id
            WHERE k.product_id = p.id AND NOT k.is_dropped) AS skus
    FROM products p
"""

_FIND = text(f"{_SELECT} WHERE p.id = :id")
_LIST_BY_IDS = text(f"{_SELECT} WHERE p.id = ANY (:ids) ORDER BY p.id").bindparams(_IDS)

_LOCK = text(
    """
    SELECT id, merchant_id, code, state, version, listed_at, sold_count FROM products WHERE id = ANY (:ids)
    ORDER BY id FOR NO KEY UPDATE
    """
).bindparams(_IDS)

_FIND_BY_CODES = text(
    "SELECT code, id FROM products WHERE merchant_id = :merchant_id AND code = ANY (:codes)"
).bindparams(bindparam("codes", type_=ARRAY(Text)))

_LIST_SKU_KEYS = text(
    """
    SELECT k.product_id, k.id, k.code, k.spec, s.available FROM skus k JOIN stock s ON s.sku_id = k.id
    WHERE k.product_id = ANY (:ids)
    """
).bindparams(_IDS)

_FIND_SKUS_BY_CODES = text(
    "SELECT code, id, product_id FROM skus WHERE merchant_id = :merchant_id AND code = ANY (:codes)"
).bindparams(bindparam("codes", type_=ARRAY(Text)))

_COLUMNS = {
    "code": "text", "name": "text", "subtitle": "text", "description": "text", "category_id": "text",
    "brand_id": "text", "tags": "text[]", "pictures": "text[]", "video": "text", "spec_names": "text[]",
    "currency": "text", "rates_bps": "integer[]", "price_from_minor": "bigint", "price_to_minor": "bigint",
    "in_stock": "boolean", "lexemes": "text", "facets": "text[]", "terms": "text[]",
}  # fmt: skip
_NAMES = ", ".join(_COLUMNS)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())

_INSERT = text(
    f"""
    INSERT INTO products (id, merchant_id, state, listed_at, created_at, updated_at, {_NAMES})
    SELECT id, merchant_id, state, listed_at, :now, :now, {_NAMES}
    FROM jsonb_to_recordset(:rows) AS r (id text, merchant_id text, state text, listed_at timestamptz, {_TYPED})
    """
).bindparams(_ROWS)

_UPDATE = text(
    f"""
    UPDATE products p SET version = p.version + 1, updated_at = :now, state = r.state, listed_at = r.listed_at,
           {", ".join(f"{name} = r.{name}" for name in _COLUMNS)}
    FROM jsonb_to_recordset(:rows) AS r (id text, state text, listed_at timestamptz, {_TYPED})
    WHERE p.id = r.id
    """
).bindparams(_ROWS)

_DROP_SKUS = text(
    "UPDATE skus SET is_dropped = true WHERE product_id = ANY (:ids) AND NOT is_dropped AND NOT id = ANY (:kept)"
).bindparams(_IDS, bindparam("kept", type_=ARRAY(Text)))

_UPSERT_SKUS = text(
    """
    INSERT INTO skus (id, product_id, merchant_id, code, spec, position, price_minor, list_price_minor, weight_grams,
                      limit_per_person, picture, created_at)
    SELECT id, product_id, merchant_id, code, spec, position, price_minor, list_price_minor, weight_grams,
           limit_per_person, picture, :now
    FROM jsonb_to_recordset(:rows)
         AS r (id text, product_id text, merchant_id text, code text, spec text[], position integer,
               price_minor bigint, list_price_minor bigint, weight_grams integer, limit_per_person integer,
               picture text)
    ON CONFLICT (id) DO UPDATE
    SET code = excluded.code, spec = excluded.spec, position = excluded.position, price_minor = excluded.price_minor,
        list_price_minor = excluded.list_price_minor, weight_grams = excluded.weight_grams,
        limit_per_person = excluded.limit_per_person, picture = excluded.picture, is_dropped = false
    """
).bindparams(_ROWS)

_OFFERS = text(
    """
    WITH RECURSIVE wanted AS (
        SELECT k.id AS sku_id, p.category_id FROM skus k JOIN products p ON p.id = k.product_id WHERE k.id = ANY (:ids)
    ), above (start, id, parent_id, rates_bps, distance) AS (
        SELECT c.id, c.id, c.parent_id, c.rates_bps, 0 FROM categories c
        WHERE c.id IN (SELECT category_id FROM wanted)
        UNION ALL
        SELECT above.start, c.id, c.parent_id, c.rates_bps, above.distance + 1
        FROM above JOIN categories c ON c.id = above.parent_id WHERE above.rates_bps IS NULL
    )
    SELECT k.id AS sku_id, k.product_id, k.merchant_id, k.code, p.name, k.spec, p.spec_names,
           COALESCE(k.picture, p.pictures[1]) AS picture, k.price_minor, p.currency, k.weight_grams,
           k.limit_per_person, s.available,
           p.state = 'on_sale' AND NOT k.is_dropped AND m.status = 'active' AS is_on_sale,
           p.category_id, c.name AS category,
           COALESCE(p.rates_bps, (SELECT above.rates_bps FROM above
                                  WHERE above.start = p.category_id AND above.rates_bps IS NOT NULL)) AS rates_bps,
           p.version AS product_version
    FROM skus k
    JOIN products p ON p.id = k.product_id
    JOIN stock s ON s.sku_id = k.id
    JOIN merchants m ON m.id = k.merchant_id
    LEFT JOIN categories c ON c.id = p.category_id
    WHERE k.id = ANY (:ids)
    """
).bindparams(_IDS)


_RATES = text(
    """
    WITH RECURSIVE above (start, id, parent_id, rates_bps, distance) AS (
        SELECT c.id, c.id, c.parent_id, c.rates_bps, 0 FROM categories c
        WHERE c.id IN (SELECT category_id FROM products WHERE id = ANY (:ids))
        UNION ALL
        SELECT above.start, c.id, c.parent_id, c.rates_bps, above.distance + 1
        FROM above JOIN categories c ON c.id = above.parent_id WHERE above.rates_bps IS NULL
    )
    SELECT p.id, COALESCE(p.rates_bps, (SELECT above.rates_bps FROM above WHERE above.start = p.category_id
                                        AND above.rates_bps IS NOT NULL)) AS rates_bps
    FROM products p WHERE p.id = ANY (:ids)
    """
).bindparams(_IDS)


def find_product_rates(tx: Transaction, *, product_ids: Sequence[str]) -> dict[str, tuple[int, ...] | None]:
    """Return by product the rates that override the plan, its own or its nearest category's."""
    rows = tx.execute(_RATES, {"ids": list(product_ids)})
    return {row.id: None if row.rates_bps is None else tuple(row.rates_bps) for row in rows}


def find_product(tx: Transaction, *, product_id: str) -> Product | None:
    """Return a product with its SKUs and their stock, whatever its state."""
    row = tx.execute(_FIND, {"id": product_id}).one_or_none()
    return None if row is None else _product(row)


def list_products_by_ids(tx: Transaction, *, product_ids: Sequence[str]) -> list[Product]:
    """Return products in the order of their ids."""
    return [_product(row) for row in tx.execute(_LIST_BY_IDS, {"ids": list(product_ids)})]


def list_products(
    tx: Transaction, *, merchant_ids: Sequence[str] | None, state: ProductState | None, after: str | None, limit: int
) -> list[Product]:
    """Return products in the order of their ids, after `after`; deleted ones only when asked for."""
    asked = {"merchant_ids": merchant_ids, "state": state, "after": after}
    named = {name: value for name, value in asked.items() if value is not None}
    return [_product(row) for row in tx.execute(_make_list(tuple(named)), named | {"limit": limit})]


@cache
def _make_list(names: tuple[str, ...]) -> TextClause:
    conditions = {"merchant_ids": "p.merchant_id = ANY (:merchant_ids)", "state": "p.state = :state",
                  "after": "p.id > :after"}  # fmt: skip
    parts = [conditions[name] for name in names] + ([] if "state" in names else ["p.state <> 'deleted'"])
    statement = text(f"{_SELECT} WHERE {' AND '.join(parts)} ORDER BY p.id LIMIT :limit")
    return statement.bindparams(bindparam("merchant_ids", type_=ARRAY(Text))) if "merchant_ids" in names else statement


def lock_products(tx: Transaction, *, product_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Lock products in the order of their ids and return, by id, what an edit needs to know of them."""
    return {row.id: row for row in tx.execute(_LOCK, {"ids": list(product_ids)})}


def find_products_by_codes(tx: Transaction, *, merchant_id: str, codes: Sequence[str]) -> dict[str, str]:
    """Return the ids of a merchant's products by code."""
    rows = tx.execute(_FIND_BY_CODES, {"merchant_id": merchant_id, "codes": list(codes)})
    return {row.code: row.id for row in rows}


def find_skus_by_codes(tx: Transaction, *, merchant_id: str, codes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return (SKU id, product id) of a merchant's SKUs by code."""
    rows = tx.execute(_FIND_SKUS_BY_CODES, {"merchant_id": merchant_id, "codes": list(codes)})
    return {row.code: (row.id, row.product_id) for row in rows}


def list_sku_keys(tx: Transaction, *, product_ids: Sequence[str]) -> list[Row[Any]]:
    """Return (product_id, id, code, spec, available) of every SKU of products, dropped ones too."""
    return list(tx.execute(_LIST_SKU_KEYS, {"ids": list(product_ids)}))


def list_product_ids(tx: Transaction, *, of: str, after: str, limit: int) -> list[str]:
    """Return ids of the living products of a brand or category, in their order, after `after`."""
    column = "brand_id" if of.startswith("brd_") else "category_id"
    statement = text(
        f"SELECT id FROM products WHERE {column} = :of AND state <> 'deleted' AND id > :after ORDER BY id LIMIT :limit"
    )
    return list(tx.execute(statement, {"of": of, "after": after, "limit": limit}).scalars())


def insert_products(tx: Transaction, *, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Insert products. Raises IntegrityError on a taken code."""
    tx.execute(_INSERT, {"rows": list(rows), "now": now})


def update_products(tx: Transaction, *, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Overwrite products, each a version on. Raises IntegrityError on a taken code."""
    tx.execute(_UPDATE, {"rows": list(rows), "now": now})


def put_skus(tx: Transaction, *, product_ids: Sequence[str], rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Make `rows` the SKUs of products: the others are dropped. Raises IntegrityError on a taken code or spec."""
    tx.execute(_DROP_SKUS, {"ids": list(product_ids), "kept": [row["id"] for row in rows]})
    tx.execute(_UPSERT_SKUS, {"rows": list(rows), "now": now})


def set_state(
    tx: Transaction, *, product_id: str, state: ProductState, listed_at: datetime | None, now: datetime
) -> None:
    """Write a product's state, a version on."""
    tx.execute(
        text(
            "UPDATE products SET state = :state, listed_at = :listed_at, version = version + 1, updated_at = :now "
            "WHERE id = :id"
        ),
        {"id": product_id, "state": state, "listed_at": listed_at, "now": now},
    )


def refresh_products(tx: Transaction, *, product_ids: Sequence[str]) -> None:
    """Bring `in_stock` and `sold_count` of products in line with their SKUs' stock."""
    tx.execute(
        text(
            """
            WITH locked AS (SELECT id FROM products WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE),
            counted AS (
                SELECT k.product_id, COALESCE(bool_or(s.available > 0) FILTER (WHERE NOT k.is_dropped), false) AS there,
                       sum(s.sold) AS sold
                FROM skus k JOIN stock s ON s.sku_id = k.id WHERE k.product_id = ANY (:ids) GROUP BY k.product_id)
            UPDATE products p SET in_stock = counted.there, sold_count = counted.sold
            FROM counted JOIN locked ON locked.id = counted.product_id
            WHERE p.id = counted.product_id AND (p.in_stock, p.sold_count) <> (counted.there, counted.sold)
            """
        ).bindparams(_IDS),
        {"ids": list(product_ids)},
    )


def update_words(tx: Transaction, *, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what products are found by."""
    tx.execute(
        text(
            """
            UPDATE products p SET lexemes = r.lexemes, terms = r.terms
            FROM jsonb_to_recordset(:rows) AS r (id text, lexemes text, terms text[]) WHERE p.id = r.id
            """
        ).bindparams(_ROWS),
        {"rows": list(rows)},
    )


def list_offers(tx: Transaction, *, sku_ids: Sequence[str]) -> dict[str, Offer]:
    """Return what is offered of SKUs now, by id; what does not exist is left out."""
    return {row.sku_id: _offer(row) for row in tx.execute(_OFFERS, {"ids": list(sku_ids)})}


def note_changes(tx: Transaction, topic: str, keys: Sequence[str]) -> None:
    """Tell the caches of every process that these changed, once this transaction commits."""
    tx.execute(
        text("INSERT INTO catalog_changes (topic, key) SELECT :topic, key FROM unnest(:keys) AS key").bindparams(
            bindparam("keys", type_=ARRAY(Text))
        ),
        {"topic": topic, "keys": list(keys)},
    )


def _offer(row: Row[Any]) -> Offer:
    values = dict(row._mapping)  # noqa: SLF001 - the documented name of a row's mapping
    for name in ("spec", "spec_names"):
        values[name] = tuple(values[name])
    values["rates_bps"] = None if row.rates_bps is None else tuple(row.rates_bps)
    return Offer(**values)


def _product(row: Row[Any]) -> Product:
    values = dict(row._mapping)  # noqa: SLF001 - the documented name of a row's mapping
    for name in ("tags", "pictures", "spec_names"):
        values[name] = tuple(values[name])
    values["state"] = ProductState(row.state)
    values["rates_bps"] = None if row.rates_bps is None else tuple(row.rates_bps)
    values["skus"] = tuple(Sku(sku_id, code, tuple(spec), *rest) for sku_id, code, spec, *rest in row.skus or ())
    return Product(**values)
