"""Decisions about coupons, freight and what an order costs. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tuike.offers.model import (
    Coupon,
    CouponKind,
    CouponNotUsable,
    CouponScope,
    CouponState,
    CouponTaken,
    FreightRule,
    FreightUnit,
    NotDeliverable,
    QuoteLine,
    Sums,
    Template,
    TemplateDraft,
    Zone,
)
from tuike.shared import money
from tuike.shared.errors import ValidationFailed

MAX_STOCK = 10**8
MAX_SCOPE = 200
MAX_ZONES = 100
MAX_REGIONS = 400
MAX_UNITS = 10**7


def check_template(draft: TemplateDraft) -> None:
    """Raise ValidationFailed, naming the field, for terms that make no sense."""
    faults: dict[str, list[str]] = {}
    if (draft.kind is CouponKind.FIXED) != (draft.amount_minor is not None):
        faults["amount_minor"] = ["A fixed coupon has it, no other does."]
    if (draft.kind is CouponKind.PERCENTAGE) != (draft.off_bps is not None):
        faults["off_bps"] = ["A percentage coupon has it, no other does."]
    elif draft.off_bps is not None and not 1 <= draft.off_bps <= money.BPS_WHOLE:
        faults["off_bps"] = [f"Must be 1 to {money.BPS_WHOLE}."]
    if draft.cap_minor is not None and draft.kind is CouponKind.FIXED:
        faults["cap_minor"] = ["Only a percentage coupon has it."]
    for name in ("amount_minor", "cap_minor"):
        value = getattr(draft, name)
        if value is not None and not 1 <= value <= money.MAX_AMOUNT_MINOR:
            faults[name] = [f"Must be 1 to {money.MAX_AMOUNT_MINOR}."]
    if not 0 <= draft.threshold_minor <= money.MAX_AMOUNT_MINOR:
        faults["threshold_minor"] = [f"Must be 0 to {money.MAX_AMOUNT_MINOR}."]
    if (draft.scope is CouponScope.ALL) != (not draft.scope_ids):
        faults["scope_ids"] = ["Name what the coupon applies to, unless it is all."]
    elif len(draft.scope_ids) > MAX_SCOPE:
        faults["scope_ids"] = [f"At most {MAX_SCOPE}."]
    if not 1 <= draft.stock <= MAX_STOCK:
        faults["stock"] = [f"Must be 1 to {MAX_STOCK}."]
    if not 1 <= draft.per_person <= 100:
        faults["per_person"] = ["Must be 1 to 100."]
    if draft.valid_days is not None and not 1 <= draft.valid_days <= 3660:
        faults["valid_days"] = ["Must be 1 to 3660."]
    if draft.claim_to <= draft.claim_from:
        faults["claim_to"] = ["Must be after claim_from."]
    if draft.valid_to <= draft.valid_from or draft.valid_to <= draft.claim_from:
        faults["valid_to"] = ["Must be after valid_from and claim_from."]
    if faults:
        raise ValidationFailed(fields=faults)


def check_freight(unit: FreightUnit, zones: Sequence[Zone]) -> None:
    """Raise ValidationFailed, naming the field, for zones that make no sense."""
    faults: dict[str, list[str]] = {}
    if not 1 <= len(zones) <= MAX_ZONES or sum(len(zone.regions) for zone in zones) > MAX_REGIONS:
        faults["zones"] = [f"1 to {MAX_ZONES} zones of together at most {MAX_REGIONS} regions."]
    seen: set[str] = set()
    for index, zone in enumerate(zones):
        at = f"zones.{index}"
        for code in zone.regions or ("",):
            if code and not (code.isascii() and code.isdigit() and len(code) in {2, 4, 6}):
                faults[f"{at}.regions"] = ["A region is the first 2, 4 or 6 digits of an administrative code."]
            if code in seen:
                faults[f"{at}.regions"] = ["Another zone names the same region, or is for everywhere else too."]
            seen.add(code)
        if not (1 <= zone.first <= MAX_UNITS and 1 <= zone.step <= MAX_UNITS):
            faults[f"{at}.first"] = [f"first and step must be 1 to {MAX_UNITS} {unit}."]
        for name in ("first_minor", "step_minor", "free_from_minor"):
            if not 0 <= (getattr(zone, name) or 0) <= 10**9:
                faults[f"{at}.{name}"] = ["Must be 0 to 1000000000."]
    if faults:
        raise ValidationFailed(fields=faults)


def decide_freight(rule: FreightRule | None, lines: Sequence[QuoteLine], *, region: str, goods_minor: int) -> int:
    """Return the freight to a region for goods of a price after discounts. No rule: nothing. Raises NotDeliverable.

    The zone with the longest matching beginning of the region's code counts.
    """
    if rule is None:
        return 0
    fitting = [(len(code), zone) for zone in rule.zones for code in (zone.regions or ("",)) if region.startswith(code)]
    if not fitting:
        raise NotDeliverable(fields={"address_id": ["The merchant does not deliver to this region."]})
    _, zone = max(fitting, key=lambda found: found[0])
    if zone.is_excluded:
        raise NotDeliverable(fields={"address_id": ["The merchant does not deliver to this region."]})
    if zone.free_from_minor is not None and goods_minor >= zone.free_from_minor:
        return 0
    by_weight = rule.unit is FreightUnit.WEIGHT
    units = sum(line.quantity * (line.weight_grams if by_weight else 1) for line in lines)
    more = max(0, units - zone.first)
    steps = -(-more // zone.step)
    return zone.first_minor + steps * zone.step_minor


def applies_to(draft: TemplateDraft, line: QuoteLine) -> bool:
    """Tell whether a coupon applies to a line."""
    if draft.scope is CouponScope.PRODUCT:
        return line.product_id in draft.scope_ids
    if draft.scope is CouponScope.CATEGORY:
        return not set(draft.scope_ids).isdisjoint(line.category_ids)
    return True


def decide_discounts(draft: TemplateDraft, lines: Sequence[QuoteLine]) -> list[int]:
    """Return what a coupon takes off each line; together exactly what it is worth here.

    It never takes a line's last minor unit: each line of an order costs something. Raises CouponNotUsable.
    """
    rooms = [line.total_minor - 1 if applies_to(draft, line) else 0 for line in lines]
    goods = sum(line.total_minor for line in lines if applies_to(draft, line))
    if goods == 0:
        raise CouponNotUsable(fields={"coupon_id": ["It applies to nothing here."]})
    if goods < draft.threshold_minor:
        raise CouponNotUsable(fields={"coupon_id": [f"It needs goods of {draft.threshold_minor}; here are {goods}."]})
    worth = draft.amount_minor or 0
    if draft.off_bps is not None:
        worth = min(money.share_of(goods, draft.off_bps), draft.cap_minor or goods)
    return money.spread(min(worth, sum(rooms)), rooms)


def check_usable(coupon: Coupon, *, merchant_id: str, currency: str, is_newcomer: bool, now: datetime) -> None:
    """Raise CouponTaken or CouponNotUsable unless a coupon may be used now for an order of this merchant."""
    draft = coupon.template.draft
    if coupon.state is not CouponState.CLAIMED:
        raise CouponTaken
    reasons = {
        "Its time is over, or has not come.": not coupon.valid_from <= now < coupon.valid_to,
        "It is another merchant's.": draft.merchant_id not in {None, merchant_id},
        "It is in another currency.": draft.currency != currency,
        "It is for a first order.": draft.newcomers_only and not is_newcomer,
    }
    failed = [reason for reason, is_failed in reasons.items() if is_failed]
    if failed:
        raise CouponNotUsable(fields={"coupon_id": failed})


def decide_sums(
    lines: Sequence[QuoteLine],
    *,
    coupon: TemplateDraft | None,
    rule: FreightRule | None,
    region: str | None,
) -> Sums:
    """Return what an order costs. `region` None: picked up, so without freight.

    Raises CouponNotUsable, NotDeliverable, ValidationFailed (more than this platform handles).
    """
    goods = sum(line.total_minor for line in lines)
    if goods > money.MAX_AMOUNT_MINOR // 2:
        raise ValidationFailed(fields={"lines": ["Together they cost more than this platform handles."]})
    discounts = [0] * len(lines) if coupon is None else decide_discounts(coupon, lines)
    amounts = tuple(line.total_minor - part for line, part in zip(lines, discounts, strict=True))
    freight = 0 if region is None else decide_freight(rule, lines, region=region, goods_minor=sum(amounts))
    return Sums(amounts, goods, sum(discounts), freight)


def decide_validity(template: Template, *, now: datetime) -> tuple[datetime, datetime]:
    """Return the time in which a coupon claimed now is valid."""
    draft = template.draft
    if draft.valid_days is None:
        return draft.valid_from, draft.valid_to
    start = max(draft.valid_from, now)
    return start, min(draft.valid_to, start + timedelta(days=draft.valid_days))
