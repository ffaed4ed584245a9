"""Merchants, categories, brands and shelves: what staff arrange by hand, each with its version."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from tuike.catalog import rules
from tuike.catalog.model import (
    Brand,
    BrandInUse,
    BrandNotFound,
    Category,
    CategoryInUse,
    CategoryNotFound,
    EditConflict,
    Merchant,
    MerchantNotFound,
    MerchantTaken,
    NameTaken,
    NotYourMerchant,
    Shelf,
    ShelfDraft,
    ShelfNotFound,
    TooMany,
)
from tuike.catalog.service.products import RENAMED
from tuike.catalog.store import products as product_store
from tuike.catalog.store import tree as store
from tuike.db import Transaction, outbox
from tuike.shared import ids
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import Page, decode_cursor, encode_cursor

# Merchants


def create_merchant(tx: Transaction, *, merchant_id: str, name: str, now: datetime) -> Merchant:
    """Add a merchant under an id of the caller's choice. Raises MerchantTaken, ValidationFailed."""
    rules.check_merchant_id(merchant_id)
    rules.check_name(name)
    if not store.insert_merchant(tx, merchant_id=merchant_id, name=name, now=now):
        raise MerchantTaken(fields={"id": ["Another merchant has it."]})
    return get_merchant(tx, merchant_id=merchant_id)


def edit_merchant(tx: Transaction, *, merchant_id: str, name: str, status: str, version: int) -> Merchant:
    """Rename a merchant, or close or open it: nothing of a closed one is on sale. Raises EditConflict and others."""
    rules.check_name(name)
    if status not in ("active", "closed"):
        raise ValidationFailed(fields={"status": ["Must be active or closed."]})
    merchant = get_merchant(tx, merchant_id=merchant_id)
    if not store.update_merchant(tx, merchant_id=merchant_id, name=name, status=status, version=version):
        raise EditConflict(fields={"version": [f"Is {merchant.version} by now."]})
    product_store.note_changes(tx, "everything", [""])
    return get_merchant(tx, merchant_id=merchant_id)


def get_merchant(tx: Transaction, *, merchant_id: str) -> Merchant:
    """Return a merchant. Raises MerchantNotFound."""
    found = store.find_merchants(tx, ids=[merchant_id]).get(merchant_id)
    if found is None:
        raise MerchantNotFound
    return found


def list_merchants(
    tx: Transaction, *, merchant_ids: Sequence[str] = (), limit: int, cursor: str | None = None
) -> Page[Merchant]:
    """Return a page of merchants in the order of their ids, of those named if any are."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_merchants(tx, ids=merchant_ids, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def confine_staff(tx: Transaction, *, staff_id: str, merchant_ids: Sequence[str], now: datetime) -> list[str]:
    """Let somebody manage these merchants only; with an empty list, all. Raises MerchantNotFound."""
    missing = set(merchant_ids) - store.find_merchants(tx, ids=list(merchant_ids)).keys()
    if missing:
        raise MerchantNotFound
    store.set_staff_merchants(tx, staff_id=staff_id, merchant_ids=sorted(set(merchant_ids)), now=now)
    return store.list_staff_merchants(tx, staff_id=staff_id)


def list_staff_merchants(tx: Transaction, *, staff_id: str) -> list[str]:
    """Return the merchants that somebody is confined to; empty for those who work for the platform."""
    return store.list_staff_merchants(tx, staff_id=staff_id)


def check_staff(tx: Transaction, *, staff_id: str, merchant_id: str | None) -> None:
    """Raise NotYourMerchant when somebody may not manage a merchant; None means what belongs to the whole platform."""
    confined = store.list_staff_merchants(tx, staff_id=staff_id)
    if confined and merchant_id not in confined:
        raise NotYourMerchant


# Categories


def create_category(
    tx: Transaction,
    *,
    name: str,
    parent_id: str | None = None,
    position: int = 0,
    rates_bps: Sequence[int] | None = None,
    now: datetime,
) -> Category:
    """Add a category below another or at the top. Raises CategoryNotFound, CategoryTooDeep, NameTaken, TooMany."""
    rules.check_name(name)
    rules.check_rates(rates_bps)
    store.lock_tree(tx)
    tree = store.read_tree(tx)
    if len(tree) >= rules.MAX_CATEGORIES:
        raise TooMany(f"There are at most {rules.MAX_CATEGORIES} categories.")
    rules.check_place(tree, None, parent_id)
    rates = None if rates_bps is None else tuple(rates_bps)
    category = Category(ids.new_id("category"), parent_id, name, position, rates, 1)
    try:
        store.insert_category(tx, category, now=now)
    except IntegrityError as error:
        raise NameTaken(fields={"name": ["Another category below the same parent has it."]}) from error
    product_store.note_changes(tx, "tree", [category.id])
    return category


def edit_category(
    tx: Transaction,
    *,
    category_id: str,
    name: str,
    parent_id: str | None,
    position: int,
    rates_bps: Sequence[int] | None,
    version: int,
    now: datetime,
) -> Category:
    """Rename or move a category with everything below it.

    Raises CategoryNotFound, CategoryCycle, CategoryTooDeep, NameTaken, EditConflict.
    """
    rules.check_name(name)
    rules.check_rates(rates_bps)
    store.lock_tree(tx)
    tree = store.read_tree(tx)
    old = tree.get(category_id)
    if old is None:
        raise CategoryNotFound
    rules.check_place(tree, category_id, parent_id)
    rates = None if rates_bps is None else tuple(rates_bps)
    new = Category(category_id, parent_id, name, position, rates, version)
    try:
        if not store.update_category(tx, new):
            raise EditConflict(fields={"version": [f"Is {old.version} by now."]})
    except IntegrityError as error:
        raise NameTaken(fields={"name": ["Another category below the same parent has it."]}) from error
    if name != old.name:
        outbox.emit(tx, topic=RENAMED, key=category_id, now=now)
    product_store.note_changes(tx, "tree", [category_id])
    return replace(new, version=version + 1)


def delete_category(tx: Transaction, *, category_id: str) -> None:
    """Delete a category that is empty. Raises CategoryNotFound, CategoryInUse."""
    store.lock_tree(tx)
    if category_id not in store.read_tree(tx):
        raise CategoryNotFound
    if store.is_category_used(tx, category_id=category_id):
        raise CategoryInUse
    try:
        store.delete_category(tx, category_id=category_id)
    except IntegrityError as error:  # a product came in between the look and the deletion
        raise CategoryInUse from error
    product_store.note_changes(tx, "tree", [category_id])


def read_tree(tx: Transaction) -> dict[str, Category]:
    """Return every category by id, in the order in which they are shown among their siblings."""
    return store.read_tree(tx)


def get_category(tx: Transaction, *, category_id: str) -> Category:
    """Return a category. Raises CategoryNotFound."""
    found = store.find_categories(tx, ids=[category_id]).get(category_id)
    if found is None:
        raise CategoryNotFound
    return found


# Brands


def create_brand(tx: Transaction, *, name: str, logo: str | None = None, now: datetime) -> Brand:
    """Add a brand. Raises NameTaken, TooMany, ValidationFailed."""
    rules.check_name(name)
    if store.count_brands(tx) >= rules.MAX_BRANDS:
        raise TooMany(f"There are at most {rules.MAX_BRANDS} brands.")
    brand = Brand(ids.new_id("brand"), name, logo, 1)
    try:
        store.insert_brands(tx, brands=[brand], now=now)
    except IntegrityError as error:
        raise NameTaken(fields={"name": ["Another brand has it."]}) from error
    product_store.note_changes(tx, "tree", [brand.id])
    return brand


def edit_brand(tx: Transaction, *, brand_id: str, name: str, logo: str | None, version: int, now: datetime) -> Brand:
    """Rename a brand or change its logo. Raises BrandNotFound, NameTaken, EditConflict."""
    rules.check_name(name)
    old = get_brand(tx, brand_id=brand_id)
    try:
        if not store.update_brand(tx, Brand(brand_id, name, logo, version)):
            raise EditConflict(fields={"version": [f"Is {old.version} by now."]})
    except IntegrityError as error:
        raise NameTaken(fields={"name": ["Another brand has it."]}) from error
    if name != old.name:
        outbox.emit(tx, topic=RENAMED, key=brand_id, now=now)
    product_store.note_changes(tx, "tree", [brand_id])
    return Brand(brand_id, name, logo, version + 1)


def delete_brand(tx: Transaction, *, brand_id: str) -> None:
    """Delete a brand without products. Raises BrandNotFound, BrandInUse."""
    get_brand(tx, brand_id=brand_id)
    try:
        if not store.delete_brand(tx, brand_id=brand_id):
            raise BrandInUse
    except IntegrityError as error:  # a product came in between the look and the deletion
        raise BrandInUse from error
    product_store.note_changes(tx, "tree", [brand_id])


def get_brand(tx: Transaction, *, brand_id: str) -> Brand:
    """Return a brand. Raises BrandNotFound."""
    found = store.find_brands(tx, ids=[brand_id]).get(brand_id)
    if found is None:
        raise BrandNotFound
    return found


def list_brands(tx: Transaction, *, limit: int, cursor: str | None = None) -> Page[Brand]:
    """Return a page of brands in the order of their names."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_brands(tx, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].name) if more else None)


# Shelves


def create_shelf(tx: Transaction, *, draft: ShelfDraft, now: datetime) -> Shelf:
    """Add a row to the home page. Raises ValidationFailed, TooMany."""
    _check_shelf(tx, draft)
    if len(store.list_shelves(tx)) >= rules.MAX_SHELVES:
        raise TooMany(f"There are at most {rules.MAX_SHELVES} shelves.")
    shelf_id = ids.new_id("shelf")
    store.insert_shelf(tx, shelf_id=shelf_id, draft=draft, now=now)
    product_store.note_changes(tx, "shelf", [shelf_id])
    return get_shelf(tx, shelf_id=shelf_id)


def edit_shelf(tx: Transaction, *, shelf_id: str, draft: ShelfDraft, version: int) -> Shelf:
    """Replace a row of the home page. Raises ShelfNotFound, EditConflict, ValidationFailed."""
    _check_shelf(tx, draft)
    old = get_shelf(tx, shelf_id=shelf_id)
    if not store.update_shelf(tx, shelf_id=shelf_id, draft=draft, version=version):
        raise EditConflict(fields={"version": [f"Is {old.version} by now."]})
    product_store.note_changes(tx, "shelf", [shelf_id])
    return get_shelf(tx, shelf_id=shelf_id)


def delete_shelf(tx: Transaction, *, shelf_id: str) -> None:
    """Take a row off the home page. Raises ShelfNotFound."""
    if not store.delete_shelf(tx, shelf_id=shelf_id):
        raise ShelfNotFound
    product_store.note_changes(tx, "shelf", [shelf_id])


def get_shelf(tx: Transaction, *, shelf_id: str) -> Shelf:
    """Return a shelf. Raises ShelfNotFound."""
    shelf = store.find_shelf(tx, shelf_id=shelf_id)
    if shelf is None:
        raise ShelfNotFound
    return shelf


def list_shelves(tx: Transaction) -> list[Shelf]:
    """Return every shelf in the order in which they are shown, also those that are not shown now."""
    return store.list_shelves(tx)


def _check_shelf(tx: Transaction, draft: ShelfDraft) -> None:
    rules.check_shelf(draft)
    known = {one.id for one in product_store.list_products_by_ids(tx, product_ids=draft.product_ids)}
    faults = {
        f"product_ids.{no}": ["There is no such product."]
        for no, product_id in enumerate(draft.product_ids)
        if product_id not in known
    }
    if faults:
        raise ValidationFailed(fields=faults)
