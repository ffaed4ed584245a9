"""What shoppers see: the home page, a product, lists and search, suggestions; and what changed, for caches."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from tuike.catalog import words
from tuike.catalog.model import (
    Card,
    Detail,
    DetailSku,
    Facets,
    Filters,
    Found,
    HomeShelf,
    ProductNotFound,
    SearchOrder,
)
from tuike.catalog.store import browse as store
from tuike.db import Transaction
from tuike.shared import clock
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import decode_cursor, encode_cursor

KEEP_CHANGES = timedelta(hours=1)
MAX_CHANGES = 5_000
"""When more changed at once, `read_changes` says that everything did."""


def search_products(
    tx: Transaction, *, filters: Filters, limit: int, cursor: str | None = None, with_facets: bool = False
) -> Found:
    """Return a page of products on sale that match all filters, and how they fall into facets if asked.

    Words are looked for in names, brands, categories, tags, specs, codes and descriptions. A query whose words are
    found nowhere together is repeated for its characters in any order. Relevance ranks the 1,000 best sold matches.
    Raises ValidationFailed for a cursor of another list.
    """
    order = filters.order
    query = words.make_query(filters.text)
    if query is None and filters.text.strip():
        return Found((), None, Facets(0, is_partial=False) if with_facets else None)
    if query is None and order is SearchOrder.RELEVANCE:
        order = SearchOrder.SALES
    conditions = _to_conditions(filters)
    after, is_loose = _read_cursor(cursor, order)
    found = []
    if query is not None:
        if not is_loose:
            found = _search(tx, conditions | {"query": query}, order, after, limit, with_facets)
        if not found and (cursor is None or is_loose):
            is_loose = True
            loose = words.make_loose_query(filters.text)
            found = _search(tx, conditions | {"query": loose}, order, after, limit, with_facets)
    else:
        found = _search(tx, conditions, order, after, limit, with_facets)
    more = len(found) > limit
    facets = None
    if with_facets:
        facets = _facets(found[0].counts) if found else Facets(0, is_partial=False)
    cards = tuple(_card(row) for row in found[:limit])
    return Found(cards, _write_cursor(found[limit - 1], order, is_loose) if more else None, facets)


def read_home(tx: Transaction, *, now: datetime) -> list[HomeShelf]:
    """Return the shelves that are shown now with what stands on them and is on sale."""
    shelves: dict[str, tuple[str, list[Card]]] = {}
    for row in store.list_home(tx, now=now):
        _, cards = shelves.setdefault(row.shelf_id, (row.title, []))
        if row.id is not None:
            cards.append(_card(row))
    return [HomeShelf(shelf_id, title, tuple(cards)) for shelf_id, (title, cards) in shelves.items()]


def get_detail(tx: Transaction, *, product_id: str) -> Detail:
    """Return everything that is shown of a product on sale. Raises ProductNotFound, also when it is not on sale."""
    row = store.find_detail(tx, product_id=product_id)
    if row is None:
        raise ProductNotFound
    return Detail(
        card=_card(row),
        description=row.description,
        pictures=tuple(row.pictures),
        video=row.video,
        spec_names=tuple(row.spec_names),
        merchant=row.merchant,
        brand=row.brand,
        brand_logo=row.brand_logo,
        path=tuple((one["id"], one["name"]) for one in row.path or ()),
        skus=tuple(DetailSku(sku_id, tuple(spec), *rest) for sku_id, spec, *rest in row.skus or ()),
    )


def list_cards(tx: Transaction, *, product_ids: Sequence[str]) -> list[Card]:
    """Return the cards of products in the order given; those that are not on sale are left out."""
    found = {row.id: _card(row) for row in store.list_cards(tx, product_ids=product_ids)}
    return [found[product_id] for product_id in product_ids if product_id in found]


def suggest(tx: Transaction, *, text: str) -> list[str]:
    """Return up to ten terms that complete what somebody typed, the most sought first."""
    prefix = words.normalise(text)[: words.MAX_PREFIX]
    if not prefix:
        return []
    whole = words.normalise(text)
    return [term for term in store.suggest(tx, prefix=prefix) if term.startswith(whole)]


def refresh_suggestions(tx: Transaction) -> int:
    """Make the suggestions anew from what is on sale; return how many there are."""
    return store.refresh_suggestions(tx, longest=words.MAX_PREFIX)


def read_changes(tx: Transaction, *, mark: str | None) -> tuple[str, list[tuple[str, str]] | None]:
    """Return a new mark and what changed since the old one as (topic, key); None means that anything may have.

    Topics: `product` (key: its id), `tree` (categories, brands), `shelf`, `everything`. Some changes come twice.
    """
    new, changes = store.read_changes(tx, mark=mark, limit=MAX_CHANGES)
    return new, None if len(changes) >= MAX_CHANGES else changes


def purge_changes(tx: Transaction, *, now: datetime) -> int:
    """Forget the changes of more than an hour ago."""
    return store.delete_changes(tx, before=now - KEEP_CHANGES)


def _to_conditions(filters: Filters) -> dict[str, Any]:
    conditions: dict[str, Any] = {}
    facets = [f"t:{tag}" for tag in filters.tags]
    if filters.merchant_id is not None:
        facets.append(f"m:{filters.merchant_id}")
    if facets:
        conditions["facets"] = facets
    if filters.brand_ids:
        conditions["brands"] = [f"b:{brand_id}" for brand_id in filters.brand_ids]
    if filters.category_id is not None:
        conditions["category"] = filters.category_id
    if filters.price_from_minor is not None:
        conditions["price_from"] = filters.price_from_minor
    if filters.price_to_minor is not None:
        conditions["price_to"] = filters.price_to_minor
    if filters.in_stock:
        conditions["in_stock"] = True
    return conditions


def _search(
    tx: Transaction,
    conditions: dict[str, Any],
    order: SearchOrder,
    after: tuple[Any, str] | None,
    limit: int,
    with_facets: bool,
) -> list[Row[Any]]:
    return store.search(tx, conditions=conditions, order=order, after=after, counts=with_facets, limit=limit + 1)


def _read_cursor(cursor: str | None, order: SearchOrder) -> tuple[tuple[Any, str] | None, bool]:
    """Return the place behind a cursor and whether its list was found loosely."""
    if cursor is None:
        return None, False
    key, product_id, of, is_loose = decode_cursor(cursor, int, str, str, int)
    if of != order:
        raise ValidationFailed(fields={"cursor": ["Is of a list in another order."]})
    if order is SearchOrder.NEWEST:
        try:
            key = clock.from_micros(key)
        except OverflowError as error:
            raise ValidationFailed(fields={"cursor": ["Is not a cursor of this list."]}) from error
    return (key, product_id), bool(is_loose)


def _write_cursor(row: Row[Any], order: SearchOrder, is_loose: bool) -> str:
    key = clock.to_micros(row.key) if order is SearchOrder.NEWEST else row.key
    return encode_cursor(key, row.id, order.value, int(is_loose))


def _card(row: Row[Any]) -> Card:
    return Card(
        row.id,
        row.name,
        row.subtitle,
        row.picture,
        row.price_from_minor,
        row.price_to_minor,
        row.currency,
        row.in_stock,
        row.sold_count,
        row.category_id,
        row.brand_id,
        row.merchant_id,
        tuple(row.tags),
    )


def _facets(counts: dict[str, Any]) -> Facets:
    kinds: dict[str, dict[str, int]] = {"c": {}, "b": {}, "t": {}}
    for facet, number in (counts["found"] or {}).items():
        kind, _, name = facet.partition(":")
        kinds[kind][name] = number
    is_partial = counts["counted"] >= store.MAX_HITS
    return Facets(counts["counted"], is_partial, kinds["c"], kinds["b"], kinds["t"])
