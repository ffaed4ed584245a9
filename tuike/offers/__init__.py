"""Offers: what makes an order cheaper or dearer than its goods.

Words: *coupon template* (the terms, its stock, who may claim it), *coupon* (one that a shopper claimed: `claimed`,
`held` by an order that waits for its payment, or `used`), *freight rule* (what a merchant's freight costs, by zones of
regions), *sums* (goods, discount, freight, payable, and each line after discounts).

Invariants: a template's terms never change; no more are claimed than its stock, nor by one person than its limit,
however many ask at once; a coupon is held by one order at most and used once; a discount is spread over lines to the
last minor unit, and no line becomes free; goods − discount + freight = payable.
"""

from tuike.offers.model import (
    Coupon,
    CouponKind,
    CouponLimitReached,
    CouponNotFound,
    CouponNotOpen,
    CouponNotUsable,
    CouponScope,
    CouponSoldOut,
    CouponState,
    CouponTaken,
    FreightRule,
    FreightUnit,
    NotDeliverable,
    QuoteLine,
    Sums,
    Template,
    TemplateDraft,
    TemplateNotFound,
    Zone,
)
from tuike.offers.rules import (
    check_usable,
    decide_sums,
)
from tuike.offers.service import (
    change_template,
    claim_coupon,
    create_template,
    find_freight_rule,
    get_coupon,
    get_template,
    hold_coupon,
    list_coupons,
    list_templates,
    release_coupon,
    save_freight_rule,
    use_coupon,
)

__all__ = [
    "Coupon",
    "CouponKind",
    "CouponLimitReached",
    "CouponNotFound",
    "CouponNotOpen",
    "CouponNotUsable",
    "CouponScope",
    "CouponSoldOut",
    "CouponState",
    "CouponTaken",
    "FreightRule",
    "FreightUnit",
    "NotDeliverable",
    "QuoteLine",
    "Sums",
    "Template",
    "TemplateDraft",
    "TemplateNotFound",
    "Zone",
    "change_template",
    "check_usable",
    "claim_coupon",
    "create_template",
    "decide_sums",
    "find_freight_rule",
    "get_coupon",
    "get_template",
    "hold_coupon",
    "list_coupons",
    "list_templates",
    "release_coupon",
    "save_freight_rule",
    "use_coupon",
]
