"""Nouns of coupons, freight and quotes, and the refusals they know. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, NotFound, Refused


class CouponKind(StrEnum):
    """`fixed` takes an amount off, `percentage` a share of what it applies to, up to a cap if it has one."""

    FIXED = "fixed"
    PERCENTAGE = "percentage"


class CouponScope(StrEnum):
    """What a coupon applies to: everything, categories with all below them, or products."""

    ALL = "all"
    CATEGORY = "category"
    PRODUCT = "product"


class CouponState(StrEnum):
    """`held` by an order that waits for its payment; a coupon past its time is `claimed` still, and worth nothing."""

    CLAIMED = "claimed"
    HELD = "held"
    USED = "used"


class FreightUnit(StrEnum):
    PIECE = "piece"
    WEIGHT = "weight"


@dataclass(frozen=True, slots=True)
class TemplateDraft:
    """A coupon as staff make it. Claimed in `[claim_from, claim_to)`, valid in `[valid_from, valid_to)`.

    With `valid_days` each coupon is valid so long from its claim on, and never past `valid_to`.
    """

    name: str
    kind: CouponKind
    stock: int
    claim_from: datetime
    claim_to: datetime
    valid_from: datetime
    valid_to: datetime
    merchant_id: str | None = None
    currency: str = "CNY"
    amount_minor: int | None = None
    off_bps: int | None = None
    cap_minor: int | None = None
    threshold_minor: int = 0
    scope: CouponScope = CouponScope.ALL
    scope_ids: tuple[str, ...] = ()
    newcomers_only: bool = False
    per_person: int = 1
    valid_days: int | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A coupon template as kept; its terms never change, its stock and whether it is given out do."""

    id: str
    draft: TemplateDraft
    claimed_count: int
    is_open: bool
    version: int
    created_at: datetime

    @property
    def left(self) -> int:
        """How many can still be claimed."""
        return self.draft.stock - self.claimed_count


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon that a shopper claimed, with the terms of its template."""

    id: str
    shopper_id: str
    state: CouponState
    order_id: str | None
    valid_from: datetime
    valid_to: datetime
    claimed_at: datetime
    used_at: datetime | None
    template: Template


@dataclass(frozen=True, slots=True)
class Zone:
    """What freight costs to some regions: `first` units cost `first_minor`, each `step` more `step_minor`.

    Units are pieces or grams. `regions` are beginnings of administrative codes (`44` is Guangdong, `4403` Shenzhen);
    none means everywhere else. From goods of `free_from_minor` on freight is free. Nothing goes where `is_excluded`.
    """

    regions: tuple[str, ...]
    first: int
    first_minor: int
    step: int
    step_minor: int
    free_from_minor: int | None = None
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class FreightRule:
    """What a merchant's freight costs."""

    merchant_id: str
    unit: FreightUnit
    zones: tuple[Zone, ...]
    version: int
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """What a quote is made from: so many pieces of a SKU at a price, and where the catalogue keeps it.

    `category_ids` are the product's category and those above it.
    """

    sku_id: str
    product_id: str
    category_ids: tuple[str, ...]
    price_minor: int
    quantity: int
    weight_grams: int

    @property
    def total_minor(self) -> int:
        """What the pieces cost before any discount."""
        return self.price_minor * self.quantity


@dataclass(frozen=True, slots=True)
class Sums:
    """What an order costs: each line after discounts, and `goods − discount + freight = payable`."""

    amounts: tuple[int, ...]
    goods_minor: int
    discount_minor: int
    freight_minor: int

    @property
    def payable_minor(self) -> int:
        """What is to be paid."""
        return self.goods_minor - self.discount_minor + self.freight_minor


class TemplateNotFound(NotFound):
    code, message = "coupon_template_not_found", "There is no such coupon template."


class CouponNotFound(NotFound):
    code, message = "coupon_not_found", "There is no such coupon."


class CouponSoldOut(Conflict):
    code, message = "coupon_sold_out", "All coupons of this kind were given out."


class CouponLimitReached(Conflict):
    code, message = "coupon_limit_reached", "One person cannot have more of these coupons."


class CouponNotOpen(Conflict):
    code, message = "coupon_not_open", "These coupons are not given out now."


class CouponTaken(Conflict):
    code, message = "coupon_taken", "The coupon was used, or another order holds it."


class CouponNotUsable(Refused):
    code, message = "coupon_not_usable", "The coupon does not apply here."


class NotDeliverable(Refused):
    code, message = "not_deliverable", "The merchant does not deliver there."
