"""What shoppers read: one statement for each page, whose cost follows what is shown and not how much there is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from tuike.catalog.model import SearchOrder
from tuike.db import Transaction

MAX_HITS = 1_000
"""So many products that match are ranked and counted, the best sold first; the others are not looked at."""

_CARD = """
    p.id, p.name, p.subtitle, p.pictures[1] AS picture, p.price_from_minor, p.price_to_minor, p.currency, p.in_stock,
    p.sold_count, p.category_id, p.brand_id, p.merchant_id, p.tags
"""
_ON_SALE = "p.state = 'on_sale' AND p.merchant_id NOT IN (SELECT id FROM merchants WHERE status = 'closed')"
_CONDITIONS = {
    "query": "p.search @@ CAST(:query AS tsquery)",
    "facets": "p.facets @> :facets",
    "brands": "p.facets && :brands",
    "category": """p.facets && ARRAY(
        WITH RECURSIVE below AS (SELECT CAST(:category AS text) AS id UNION ALL
                                 SELECT c.id FROM below JOIN categories c ON c.parent_id = below.id)
        SELECT 'c:' || id FROM below)""",
    "price_from": "p.price_from_minor >= :price_from",
    "price_to": "p.price_from_minor <= :price_to",
    "in_stock": "p.in_stock",
}
_KEYS = {
    SearchOrder.NEWEST: ("listed_at", "DESC", "<"),
    SearchOrder.CHEAPEST: ("price_from_minor", "ASC", ">"),
    SearchOrder.DEAREST: ("price_from_minor", "DESC", "<"),
    SearchOrder.SALES: ("sold_count", "DESC", "<"),
}
_TYPES = {"facets": ARRAY(Text), "brands": ARRAY(Text)}
# Name before brand, brand before what is told about it; what sells comes first among equals.
_SCORE = """
    (1000000 * ts_rank('{0.05, 0.2, 0.4, 1.0}', hits.search, CAST(:query AS tsquery))
     * (1 + ln(1 + hits.sold_count) / 10)) :: bigint
"""
_COUNTS = f"""
    (SELECT json_build_object('counted', count(*), 'found', (
        SELECT json_object_agg(facet, number) FROM (
            SELECT facet, count(*) AS number FROM hits, unnest(hits.facets) AS facet
            WHERE left(facet, 2) <> 'm:' GROUP BY facet ORDER BY number DESC, facet LIMIT 100) AS counted))
     FROM (SELECT 1 FROM hits LIMIT {MAX_HITS}) AS seen)
"""


def search(
    tx: Transaction,
    *,
    conditions: Mapping[str, Any],
    order: SearchOrder,
    after: tuple[Any, str] | None,
    counts: bool,
    limit: int,
) -> list[Row[Any]]:
    """Return cards with their place (`key`, `id`), and with `counts` the facets of what was found in each row.

    `conditions` are those of _CONDITIONS with their values. With `counts` and nothing found there is no row.
    """
    given = dict(conditions)
    names = tuple(name for name in _CONDITIONS if name in given)
    statement = _make_search(names, order, after is not None, counts)
    if after is not None:
        given |= {"after_key": after[0], "after_id": after[1]}
    return list(tx.execute(statement, given | {"limit": limit}))


@cache
def _make_search(names: tuple[str, ...], order: SearchOrder, has_after: bool, counts: bool) -> TextClause:
    where = " AND ".join([_ON_SALE, *(_CONDITIONS[name] for name in names)])
    hits = f"""
        WITH hits AS MATERIALIZED (
            SELECT {_CARD}, p.listed_at, p.search, p.facets FROM products p WHERE {where}
            ORDER BY p.sold_count DESC, p.id DESC LIMIT {MAX_HITS})
    """
    counted = _COUNTS if counts else "NULL :: json"
    if order is SearchOrder.RELEVANCE:
        after = "WHERE (found.key, found.id) < (:after_key, :after_id)" if has_after else ""
        columns = _CARD.replace("p.pictures[1] AS picture", "p.picture").replace("p.", "hits.")
        sql = f"""
            {hits}, counts AS MATERIALIZED (SELECT {counted} AS counts)
            SELECT found.*, counts.counts
            FROM (SELECT {columns}, {_SCORE} AS key FROM hits) AS found, counts
            {after} ORDER BY found.key DESC, found.id DESC LIMIT :limit
        """
    else:
        key, way, sign = _KEYS[order]
        after = f"AND (p.{key}, p.id) {sign} (:after_key, :after_id)" if has_after else ""
        sql = f"""
            {hits + "," if counts else "WITH"} counts AS MATERIALIZED (SELECT {counted} AS counts)
            SELECT {_CARD}, p.{key} AS key, (SELECT counts FROM counts) AS counts
            FROM products p WHERE {where} {after} ORDER BY p.{key} {way}, p.id {way} LIMIT :limit
        """
    return text(sql).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in names if name in _TYPES))


def list_cards(tx: Transaction, *, product_ids: Sequence[str]) -> list[Row[Any]]:
    """Return cards of those of some products that are on sale."""
    statement = text(f"SELECT {_CARD} FROM products p WHERE p.id = ANY (:ids) AND {_ON_SALE}")
    return list(tx.execute(statement.bindparams(bindparam("ids", type_=ARRAY(Text))), {"ids": list(product_ids)}))


def list_home(tx: Transaction, *, now: datetime) -> list[Row[Any]]:
    """Return, for each place on a shelf that is shown now, the shelf and the card of a product on sale there."""
    return list(
        tx.execute(
            text(
                f"""
                SELECT s.id AS shelf_id, s.title, {_CARD}
                FROM shelves s
                LEFT JOIN unnest(s.products) WITH ORDINALITY AS placed (product_id, no) ON true
                LEFT JOIN products p ON p.id = placed.product_id AND {_ON_SALE}
                WHERE (s.shown_from IS NULL OR s.shown_from <= :now) AND (s.shown_to IS NULL OR :now < s.shown_to)
                ORDER BY s.position, s.id, placed.no
                """
            ),
            {"now": now},
        )
    )


_DETAIL = text(
    f"""
    SELECT {_CARD}, p.code, p.version, p.description, p.pictures, p.video, p.spec_names, m.name AS merchant,
           b.name AS brand, b.logo AS brand_logo,
           (WITH RECURSIVE above (id, parent_id, name, distance) AS (
                SELECT c.id, c.parent_id, c.name, 0 FROM categories c WHERE c.id = p.category_id
                UNION ALL
                SELECT c.id, c.parent_id, c.name, above.distance + 1
                FROM above JOIN categories c ON c.id = above.parent_id)
            SELECT json_agg(json_build_object('id', id, 'name', name) ORDER BY distance DESC) FROM above) AS path,
           (SELECT json_agg(json_build_array(k.id, k.spec, k.price_minor, k.list_price_minor, k.weight_grams,
                                             k.limit_per_person, k.picture, s.available) ORDER BY k.position, k.id)
            FROM skus k JOIN stock s ON s.sku_id = k.id WHERE k.product_id = p.id AND NOT k.is_dropped) AS skus
    FROM products p JOIN merchants m ON m.id = p.merchant_id LEFT JOIN brands b ON b.id = p.brand_id
    WHERE p.id = :id AND p.state = 'on_sale' AND m.status = 'active'
    """
)


def find_detail(tx: Transaction, *, product_id: str) -> Row[Any] | None:
    """Return everything that is shown of a product on sale."""
    return tx.execute(_DETAIL, {"id": product_id}).one_or_none()


def suggest(tx: Transaction, *, prefix: str) -> list[str]:
    """Return the terms that begin so, the most frequent first."""
    statement = text("SELECT term FROM suggestions WHERE prefix = :prefix ORDER BY place")
    return list(tx.execute(statement, {"prefix": prefix}).scalars())


def refresh_suggestions(tx: Transaction, *, longest: int) -> int:
    """Make the suggestions anew from what is on sale; return how many there are."""
    tx.execute(text("DELETE FROM suggestions"))
    return tx.execute(
        text(
            """
            WITH terms AS (
                SELECT term, count(*) + sum(sold_count) AS weight
                FROM products, unnest(terms) AS term WHERE state = 'on_sale' GROUP BY term)
            INSERT INTO suggestions (prefix, place, term)
            SELECT prefix, place, term FROM (
                SELECT left(term, size) AS prefix, term,
                       row_number() OVER (PARTITION BY left(term, size) ORDER BY weight DESC, term) AS place
                FROM terms, generate_series(1, LEAST(length(term), :longest)) AS size) AS placed
            WHERE place <= 10
            """
        ),
        {"longest": longest},
    ).rowcount


def read_changes(tx: Transaction, *, mark: str | None, limit: int) -> tuple[str, list[tuple[str, str]]]:
    """Return a new mark, and what changed since the old one; nothing without one.

    Every transaction below the mark has ended, so its rows were seen; those from it on are read (again) next time.
    """
    row = tx.execute(
        text(
            """
            SELECT pg_snapshot_xmin(pg_current_snapshot()) :: text AS mark,
                   (SELECT json_agg(json_build_array(topic, key)) FROM (
                        SELECT DISTINCT topic, key FROM catalog_changes WHERE xid >= CAST(:mark AS xid8) LIMIT :limit
                   ) AS changed) AS changes
            """
        ),
        {"mark": mark, "limit": limit},
    ).one()
    return row.mark, [(topic, key) for topic, key in row.changes or ()]


def delete_changes(tx: Transaction, *, before: datetime) -> int:
    """Forget changes that every cache has seen."""
    return tx.execute(text("DELETE FROM catalog_changes WHERE created_at < :before"), {"before": before}).rowcount
