"""The verbs of coupons and freight."""

from collections.abc import Sequence
from datetime import datetime

from tuike import catalog
from tuike.db import Transaction
from tuike.offers import rules, store
from tuike.offers.model import (
    Coupon,
    CouponLimitReached,
    CouponNotFound,
    CouponNotOpen,
    CouponSoldOut,
    CouponState,
    CouponTaken,
    FreightRule,
    FreightUnit,
    Template,
    TemplateDraft,
    TemplateNotFound,
    Zone,
)
from tuike.shared import ids, money
from tuike.shared.errors import ValidationFailed
from tuike.shared.pages import Page, decode_cursor, encode_cursor


def create_template(tx: Transaction, *, draft: TemplateDraft, now: datetime) -> Template:
    """Make a coupon that shoppers can claim. Raises ValidationFailed, CurrencyUnknown, MerchantNotFound."""
    rules.check_template(draft)
    money.check_currency(draft.currency)
    if draft.merchant_id is not None:
        catalog.get_merchant(tx, merchant_id=draft.merchant_id)
    template_id = ids.new_id("coupon_template")
    store.add_template(tx, template_id=template_id, draft=draft, now=now)
    return get_template(tx, template_id=template_id)


def change_template(
    tx: Transaction,
    *,
    template_id: str,
    version: int,
    name: str | None = None,
    stock: int | None = None,
    is_open: bool | None = None,
) -> Template:
    """Change a template's name, its stock, or whether it is given out; its terms never change.

    Raises TemplateNotFound, EditConflict, ValidationFailed (less stock than was claimed).
    """
    template = store.find_template(tx, template_id=template_id, lock=True)
    if template is None:
        raise TemplateNotFound
    if template.version != version:
        raise catalog.EditConflict
    stock = template.draft.stock if stock is None else stock
    if not max(1, template.claimed_count) <= stock <= rules.MAX_STOCK:
        raise ValidationFailed(fields={"stock": [f"Must be {template.claimed_count} to {rules.MAX_STOCK}."]})
    store.change_template(
        tx,
        template_id=template_id,
        name=template.draft.name if name is None else name,
        stock=stock,
        is_open=template.is_open if is_open is None else is_open,
    )
    return get_template(tx, template_id=template_id)


def get_template(tx: Transaction, *, template_id: str) -> Template:
    """Return a template. Raises TemplateNotFound."""
    template = store.find_template(tx, template_id=template_id)
    if template is None:
        raise TemplateNotFound
    return template


def list_templates(
    tx: Transaction,
    *,
    merchant_ids: Sequence[str] = (),
    claimable_at: datetime | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Template]:
    """Return a page of templates, newest first; with `claimable_at`, those that could be claimed then."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_templates(
        tx, merchant_ids=merchant_ids, claimable_at=claimable_at, before=before, limit=limit + 1
    )
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def claim_coupon(tx: Transaction, *, template_id: str, shopper_id: str, now: datetime) -> Coupon:
    """Give a shopper one coupon of a template.

    Raises TemplateNotFound, CouponNotOpen, CouponSoldOut, CouponLimitReached.
    """
    template = store.find_template(tx, template_id=template_id, lock=True)
    if template is None:
        raise TemplateNotFound
    draft = template.draft
    if not template.is_open or not draft.claim_from <= now < draft.claim_to or now >= draft.valid_to:
        raise CouponNotOpen
    had = store.count_claimed(tx, template_id=template_id, shopper_id=shopper_id)
    if had >= draft.per_person:
        raise CouponLimitReached
    if template.left <= 0:
        raise CouponSoldOut
    coupon_id = ids.new_id("coupon")
    valid_from, valid_to = rules.decide_validity(template, now=now)
    store.add_coupon(
        tx, coupon_id=coupon_id, template_id=template_id, shopper_id=shopper_id, nth=had + 1, valid_from=valid_from,
        valid_to=valid_to, now=now,
    )  # fmt: skip
    return get_coupon(tx, coupon_id=coupon_id, shopper_id=shopper_id)


def get_coupon(tx: Transaction, *, coupon_id: str, shopper_id: str) -> Coupon:
    """Return a shopper's coupon. Raises CouponNotFound, for another shopper's coupon too."""
    return _own(store.find_coupon(tx, coupon_id=coupon_id), shopper_id)


def list_coupons(
    tx: Transaction,
    *,
    shopper_id: str,
    state: CouponState | None = None,
    usable_at: datetime | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Coupon]:
    """Return a page of a shopper's coupons, newest first; with `usable_at`, those that could be used then."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_coupons(
        tx, shopper_id=shopper_id, state=state, usable_at=usable_at, before=before, limit=limit + 1
    )
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def hold_coupon(
    tx: Transaction,
    *,
    coupon_id: str,
    shopper_id: str,
    order_id: str,
    merchant_id: str,
    currency: str,
    is_newcomer: bool,
    now: datetime,
) -> None:
    """Let an order that is being placed hold a coupon, so that no other order can have it.

    Of two orders that want it at once the second waits and then is refused.
    Raises CouponNotFound, CouponTaken, CouponNotUsable.
    """
    coupon = _own(store.find_coupon(tx, coupon_id=coupon_id, lock=True), shopper_id)
    rules.check_usable(coupon, merchant_id=merchant_id, currency=currency, is_newcomer=is_newcomer, now=now)
    if not store.hold_coupon(tx, coupon_id=coupon_id, order_id=order_id):
        raise CouponTaken


def use_coupon(tx: Transaction, *, coupon_id: str, order_id: str, now: datetime) -> None:
    """Count a coupon as used by the order that holds it: the order is paid. A second time changes nothing.

    Raises CouponTaken when another order has it.
    """
    if not store.use_coupon(tx, coupon_id=coupon_id, order_id=order_id, now=now):
        raise CouponTaken


def release_coupon(tx: Transaction, *, coupon_id: str, order_id: str) -> bool:
    """Give a coupon back that an order holds and did not pay; return whether it held it."""
    return store.release_coupon(tx, coupon_id=coupon_id, order_id=order_id)


def find_freight_rule(tx: Transaction, *, merchant_id: str) -> FreightRule | None:
    """Return what a merchant's freight costs; None when it is free everywhere."""
    return store.find_freight_rule(tx, merchant_id=merchant_id)


def save_freight_rule(
    tx: Transaction,
    *,
    merchant_id: str,
    unit: FreightUnit,
    zones: Sequence[Zone],
    version: int,
    changed_by: str,
    now: datetime,
) -> FreightRule:
    """Write a merchant's freight whole; `version` is that which the editor saw, 0 when there was none.

    Raises MerchantNotFound, EditConflict, ValidationFailed.
    """
    catalog.get_merchant(tx, merchant_id=merchant_id)
    rules.check_freight(unit, zones)
    found = store.find_freight_rule(tx, merchant_id=merchant_id)
    if (0 if found is None else found.version) != version:
        raise catalog.EditConflict
    rule = FreightRule(merchant_id, unit, tuple(zones), version + 1, changed_by, now)
    if not store.save_freight_rule(tx, rule):
        raise catalog.EditConflict
    return rule


def _own(coupon: Coupon | None, shopper_id: str) -> Coupon:
    if coupon is None or coupon.shopper_id != shopper_id:
        raise CouponNotFound
    return coupon
