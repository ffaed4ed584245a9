"""Products and their SKUs: written whole, one version after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from tuike.catalog import rules, words
from tuike.catalog.model import (
    Brand,
    Category,
    CodeTaken,
    EditConflict,
    NotYourMerchant,
    Offer,
    Product,
    ProductDeleted,
    ProductDraft,
    ProductNotFound,
    ProductState,
    SpecTaken,
    StockCorrection,
)
from tuike.catalog.store import media as media_store
from tuike.catalog.store import products as store
from tuike.catalog.store import stock as stock_store
from tuike.catalog.store import tree as tree_store
from tuike.db import Transaction, outbox
from tuike.shared import ids
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import Page, decode_cursor, encode_cursor

RENAMED = "catalog.renamed"
"""Outbox topic: a brand or category has another name; its key is that brand's or category's id."""
FOLLOWED_AT_ONCE = 500
FIRST_STOCK = "first stock"
"""The reason kept for the pieces that a SKU started with."""


@dataclass(frozen=True, slots=True)
class ProductChange:
    """A product to be written: a new one of a merchant, or the one with `product_id`, at `version` if that matters.

    `state` None keeps the state; a new product starts as a draft then.
    """

    draft: ProductDraft
    merchant_id: str
    product_id: str | None = None
    version: int | None = None
    state: ProductState | None = None


def create_product(
    tx: Transaction,
    *,
    merchant_id: str,
    draft: ProductDraft,
    state: ProductState = ProductState.DRAFT,
    made_by: str,
    now: datetime,
) -> Product:
    """Add a product with its SKUs. Raises as `save_products` does."""
    (product_id,) = save_products(tx, [ProductChange(draft, merchant_id, state=state)], made_by=made_by, now=now)
    return get_product(tx, product_id=product_id)


def edit_product(
    tx: Transaction, *, product_id: str, draft: ProductDraft, version: int, made_by: str, now: datetime
) -> Product:
    """Replace a product and its SKUs, if `version` is what it is now; stock stays as it is.

    A SKU that is not named any more is dropped: it cannot be bought, and open orders keep theirs. Raises as
    `save_products` does.
    """
    merchant_id = get_product(tx, product_id=product_id).merchant_id
    save_products(tx, [ProductChange(draft, merchant_id, product_id, version)], made_by=made_by, now=now)
    return get_product(tx, product_id=product_id)


def save_products(tx: Transaction, changes: Sequence[ProductChange], *, made_by: str, now: datetime) -> list[str]:
    """Write many products, all or none, and return their ids in the order given.

    Raises ValidationFailed, SpecTaken, CodeTaken, ProductNotFound, ProductDeleted, EditConflict, NotYourMerchant. With
    several changes a path starts with its place, as in `2.skus.0.code`.
    """
    _refuse_faults(changes)
    known = store.lock_products(tx, product_ids=sorted({one.product_id for one in changes if one.product_id}))
    _check_known(changes, known)
    pictures = {name for one in changes for name in _list_pictures(one.draft)}
    media_store.make_dropped_young(tx, product_ids=list(known), kept=sorted(pictures), now=now)
    names = _read_names(tx, changes)
    keys = _read_sku_keys(tx, list(known))
    product_ids = [one.product_id or ids.new_id("product") for one in changes]
    product_rows, sku_rows = [], []
    first_stock: dict[str, int] = {}
    for change, product_id in zip(changes, product_ids, strict=True):
        skus, new = _make_sku_rows(change, product_id, keys.get(product_id, {}))
        available = {key.id: key.available for key in keys.get(product_id, {}).values()} | new
        in_stock = any(available[sku["id"]] > 0 for sku in skus)
        product_rows.append(_make_row(change, product_id, known.get(product_id), names, in_stock=in_stock, now=now))
        sku_rows += skus
        first_stock |= new
    try:
        for write, is_new in ((store.insert_products, True), (store.update_products, False)):
            rows = [row for row in product_rows if (row["id"] not in known) is is_new]
            if rows:
                write(tx, rows=rows, now=now)
        store.put_skus(tx, product_ids=product_ids, rows=sku_rows, now=now)
    except IntegrityError as error:
        raise _explain(error) from error
    _keep_described(tx, changes, product_ids)
    if first_stock:
        stock_store.insert_stock(tx, rows=first_stock)
        corrections = [
            StockCorrection(ids.new_id("correction"), sku_id, count, count, FIRST_STOCK, made_by, now)
            for sku_id, count in first_stock.items()
            if count
        ]
        if corrections:
            stock_store.add_corrections(tx, corrections=corrections)
    store.note_changes(tx, "product", product_ids)
    return product_ids


def set_product_state(
    tx: Transaction, *, product_id: str, state: ProductState, version: int | None = None, now: datetime
) -> Product:
    """Put a product on sale, take it off, or delete it for good; the state it has already changes nothing.

    Raises ProductNotFound, ProductDeleted, EditConflict, ValidationFailed (back to draft).
    """
    row = store.lock_products(tx, product_ids=[product_id]).get(product_id)
    if row is None:
        raise ProductNotFound
    old = ProductState(row.state)
    if old is state:
        return get_product(tx, product_id=product_id)
    if version is not None and version != row.version:
        raise EditConflict(fields={"version": [f"Is {row.version} by now."]})
    if not rules.can_become(old, state):
        if old is ProductState.DELETED:
            raise ProductDeleted
        raise ValidationFailed(fields={"state": ["A product that was on sale is no draft any more."]})
    listed_at = row.listed_at or (now if state is ProductState.ON_SALE else None)
    store.set_state(tx, product_id=product_id, state=state, listed_at=listed_at, now=now)
    store.note_changes(tx, "product", [product_id])
    return get_product(tx, product_id=product_id)


def get_product(tx: Transaction, *, product_id: str) -> Product:
    """Return a product with its SKUs and stock, whatever its state. Raises ProductNotFound."""
    product = store.find_product(tx, product_id=product_id)
    if product is None:
        raise ProductNotFound
    return product


def list_products(
    tx: Transaction,
    *,
    merchant_ids: Sequence[str] | None = None,
    state: ProductState | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Product]:
    """Return a page of products for those who manage them, oldest first."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_products(tx, merchant_ids=merchant_ids, state=state, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def list_offers(tx: Transaction, *, sku_ids: Sequence[str]) -> dict[str, Offer]:
    """Return what is offered of SKUs now, by id: price, stock, limits, commission rates; unknown ones are left out."""
    return store.list_offers(tx, sku_ids=sku_ids)


def find_rates(tx: Transaction, *, sku_ids: Sequence[str]) -> dict[str, tuple[int, ...] | None]:
    """Return by SKU the rates that override the plan: the product's, else the nearest category's, else None."""
    return {sku_id: offer.rates_bps for sku_id, offer in store.list_offers(tx, sku_ids=sku_ids).items()}


def find_product_rates(tx: Transaction, *, product_ids: Sequence[str]) -> dict[str, tuple[int, ...] | None]:
    """Return by product the rates that override the plan, as `find_rates` does by SKU; unknown ones are left out."""
    return store.find_product_rates(tx, product_ids=product_ids)


def follow_name(tx: Transaction, *, key: str, now: datetime) -> None:
    """Let the products of a renamed brand or category be found by its new name, FOLLOWED_AT_ONCE of them.

    `key` is an id, and after the first step an id, a colon and the last product done; the rest is emitted anew.
    """
    of, _, after = key.partition(":")
    product_ids = store.list_product_ids(tx, of=of, after=after, limit=FOLLOWED_AT_ONCE)
    if len(product_ids) == FOLLOWED_AT_ONCE:
        outbox.emit(tx, topic=RENAMED, key=f"{of}:{product_ids[-1]}", now=now)
    if product_ids:
        _write_words(tx, product_ids=product_ids)
        store.note_changes(tx, "product", product_ids)


def _write_words(tx: Transaction, *, product_ids: Sequence[str]) -> None:
    products = store.list_products_by_ids(tx, product_ids=product_ids)
    brands = tree_store.find_brands(tx, ids=[one.brand_id for one in products if one.brand_id])
    categories = tree_store.find_categories(tx, ids=[one.category_id for one in products if one.category_id])
    rows = [{"id": one.id, **_make_words(one, brands, categories)} for one in products]
    store.update_words(tx, rows=rows)


@dataclass(frozen=True, slots=True)
class _Names:
    brands: Mapping[str, Brand]
    categories: Mapping[str, Category]


def _keep_described(tx: Transaction, changes: Sequence[ProductChange], product_ids: Sequence[str]) -> None:
    """Let the pictures stay that descriptions show."""
    shown = {
        product_id: rules.find_media_names(change.draft.description)
        for change, product_id in zip(changes, product_ids, strict=True)
    }
    media_store.delete_uses(tx, used_by=product_ids)
    names = sorted(set().union(*shown.values()))
    if names:
        known = media_store.list_kinds(tx, names=names)
        pairs = [(name, product_id) for product_id, found in shown.items() for name in sorted(found & known.keys())]
        media_store.put_pairs(tx, pairs=pairs)


def _list_pictures(draft: ProductDraft) -> list[str]:
    return [*draft.pictures, *(sku.picture for sku in draft.skus if sku.picture is not None)]


def _refuse_faults(changes: Sequence[ProductChange]) -> None:
    faults: dict[str, list[str]] = {}
    repeats: dict[str, list[str]] = {}
    for no, change in enumerate(changes):
        prefix = "" if len(changes) == 1 else f"{no}."
        faults |= {f"{prefix}{path}": found for path, found in rules.find_faults(change.draft).items()}
        repeats |= {f"{prefix}{path}": found for path, found in rules.find_repeated_specs(change.draft).items()}
    if faults:
        raise ValidationFailed(fields=faults)
    if repeats:
        raise SpecTaken(fields=repeats)


def _check_known(changes: Sequence[ProductChange], known: Mapping[str, Row[Any]]) -> None:
    for change in changes:
        if change.product_id is None:
            continue
        row = known.get(change.product_id)
        if row is None:
            raise ProductNotFound
        if row.merchant_id != change.merchant_id:
            raise NotYourMerchant
        if row.state == ProductState.DELETED:
            raise ProductDeleted
        if change.version is not None and change.version != row.version:
            raise EditConflict(fields={"version": [f"Is {row.version} by now."]})


def _read_names(tx: Transaction, changes: Sequence[ProductChange]) -> _Names:
    """Return what the changes refer to. Raises ValidationFailed for what is not there."""
    drafts = [change.draft for change in changes]
    merchants = tree_store.find_merchants(tx, ids=sorted({one.merchant_id for one in changes}))
    categories = tree_store.find_categories(tx, ids=sorted({one.category_id for one in drafts if one.category_id}))
    brands = tree_store.find_brands(tx, ids=sorted({one.brand_id for one in drafts if one.brand_id}))
    wanted_media = {name for one in drafts for name in _list_media(one)}
    media = media_store.list_kinds(tx, names=sorted(wanted_media)) if wanted_media else {}
    faults: dict[str, list[str]] = {}
    for no, change in enumerate(changes):
        prefix, draft = ("" if len(changes) == 1 else f"{no}."), change.draft
        if change.merchant_id not in merchants:
            faults[f"{prefix}merchant_id"] = ["There is no such merchant."]
        if draft.category_id is not None and draft.category_id not in categories:
            faults[f"{prefix}category_id"] = ["There is no such category."]
        if draft.brand_id is not None and draft.brand_id not in brands:
            faults[f"{prefix}brand_id"] = ["There is no such brand."]
        for place, picture in enumerate(draft.pictures):
            if media.get(picture) != "picture":
                faults[f"{prefix}pictures.{place}"] = ["There is no such picture."]
        if draft.video is not None and media.get(draft.video) != "video":
            faults[f"{prefix}video"] = ["There is no such video."]
        for place, sku in enumerate(draft.skus):
            if sku.picture is not None and media.get(sku.picture) != "picture":
                faults[f"{prefix}skus.{place}.picture"] = ["There is no such picture."]
    if faults:
        raise ValidationFailed(fields=faults)
    return _Names(brands, categories)


def _list_media(draft: ProductDraft) -> list[str]:
    own = [*draft.pictures, *(sku.picture for sku in draft.skus if sku.picture is not None)]
    return own if draft.video is None else [*own, draft.video]


def _read_sku_keys(tx: Transaction, product_ids: Sequence[str]) -> dict[str, dict[str, Row[Any]]]:
    keys: dict[str, dict[str, Row[Any]]] = {}
    if product_ids:
        for row in store.list_sku_keys(tx, product_ids=product_ids):
            keys.setdefault(row.product_id, {})[row.id] = row
    return keys


def _make_sku_rows(
    change: ProductChange, product_id: str, keys: Mapping[str, Row[Any]]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the rows of a product's SKUs, and the first stock of those that are new."""
    matched = rules.match_skus(
        change.draft.skus,
        by_id={key: key for key in keys},
        by_spec={tuple(row.spec): row.id for row in keys.values()},
    )
    rows, first_stock = [], {}
    for position, (sku, found) in enumerate(zip(change.draft.skus, matched, strict=True)):
        sku_id = found or ids.new_id("sku")
        if found is None:
            first_stock[sku_id] = sku.stock
        rows.append(
            {
                "id": sku_id,
                "product_id": product_id,
                "merchant_id": change.merchant_id,
                "code": sku.code or (keys[found].code if found else sku_id),
                "spec": list(sku.spec),
                "position": position,
                "price_minor": sku.price_minor,
                "list_price_minor": sku.list_price_minor,
                "weight_grams": sku.weight_grams,
                "limit_per_person": sku.limit_per_person,
                "picture": sku.picture,
            }
        )
    return rows, first_stock


def _make_row(
    change: ProductChange, product_id: str, old: Row[Any] | None, names: _Names, *, in_stock: bool, now: datetime
) -> dict[str, Any]:
    draft = change.draft
    state = change.state or (ProductState.DRAFT if old is None else ProductState(old.state))
    if old is not None and not (state == old.state or rules.can_become(ProductState(old.state), state)):
        raise ValidationFailed(fields={"state": ["A product that was on sale is no draft any more."]})
    listed_at = None if old is None else old.listed_at
    if listed_at is None and state is ProductState.ON_SALE:
        listed_at = now
    description = rules.sanitise(draft.description)
    prices = [sku.price_minor for sku in draft.skus]
    return {
        "id": product_id,
        "merchant_id": change.merchant_id,
        "state": state.value,
        "listed_at": None if listed_at is None else listed_at.isoformat(),
        "code": draft.code or (product_id if old is None else old.code),
        "name": draft.name,
        "subtitle": draft.subtitle,
        "description": description,
        "category_id": draft.category_id,
        "brand_id": draft.brand_id,
        "tags": list(draft.tags),
        "pictures": list(draft.pictures),
        "video": draft.video,
        "spec_names": list(draft.spec_names),
        "currency": draft.currency,
        "rates_bps": None if draft.rates_bps is None else list(draft.rates_bps),
        "price_from_minor": min(prices),
        "price_to_minor": max(prices),
        "in_stock": in_stock,
        "facets": rules.make_facets(change.merchant_id, draft),
        **_make_words(draft, names.brands, names.categories),
    }


def _make_words(
    draft: ProductDraft | Product, brands: Mapping[str, Brand], categories: Mapping[str, Category]
) -> dict[str, Any]:
    brand = brands[draft.brand_id].name if draft.brand_id else ""
    category = categories[draft.category_id].name if draft.category_id else ""
    specs = " ".join(dict.fromkeys(value for sku in draft.skus for value in sku.spec))
    codes = " ".join(filter(None, [draft.code, *(sku.code for sku in draft.skus)]))
    fields = [
        (draft.name, "A"),
        (" ".join([brand, category, *draft.tags]), "B"),
        (f"{draft.subtitle} {specs} {codes}"[:2_000], "C"),
        (rules.to_plain(draft.description)[:4_000], "D"),
    ]
    return {"lexemes": words.make_lexemes(fields), "terms": words.list_terms(draft.name, brand, category, *draft.tags)}


def _explain(error: IntegrityError) -> Exception:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint == "products_code_key":
        return CodeTaken(fields={"code": ["Another product of the merchant has it."]})
    if constraint == "skus_code_key":
        return CodeTaken(fields={"skus": ["Another SKU of the merchant has one of the codes."]})
    if constraint == "skus_spec_key":
        return SpecTaken(fields={"skus": ["Another SKU of the product has one of the specs."]})
    return error
