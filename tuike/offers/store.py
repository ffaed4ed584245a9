"""Rows of coupons and freight."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from tuike.db import Transaction
from tuike.offers.model import (
    Coupon,
    CouponKind,
    CouponScope,
    CouponState,
    FreightRule,
    FreightUnit,
    Template,
    TemplateDraft,
    Zone,
)

_ADD_TEMPLATE = text(
    """
    INSERT INTO coupon_templates (id, merchant_id, name, kind, currency, amount_minor, off_bps, cap_minor,
                                  threshold_minor, scope, scope_ids, newcomers_only, stock, per_person, claim_from,
                                  claim_to, valid_days, valid_from, valid_to, created_at)
    VALUES (:id, :merchant_id, :name, :kind, :currency, :amount_minor, :off_bps, :cap_minor, :threshold_minor, :scope,
            :scope_ids, :newcomers_only, :stock, :per_person, :claim_from, :claim_to, :valid_days, :valid_from,
            :valid_to, :now)
    """
).bindparams(bindparam("scope_ids", type_=ARRAY(Text)))

_SELECT_COUPONS = """
    SELECT c.id AS coupon_id, c.shopper_id, c.state, c.order_id, c.valid_from AS own_from, c.valid_to AS own_to,
           c.claimed_at, c.used_at, t.*
    FROM coupons c JOIN coupon_templates t ON t.id = c.template_id
"""


def add_template(tx: Transaction, *, template_id: str, draft: TemplateDraft, now: datetime) -> None:
    """Insert a coupon template."""
    values = asdict(draft) | {"kind": draft.kind.value, "scope": draft.scope.value}
    tx.execute(_ADD_TEMPLATE, values | {"id": template_id, "scope_ids": list(draft.scope_ids), "now": now})


def find_template(tx: Transaction, *, template_id: str, lock: bool = False) -> Template | None:
    """Return a template; with `lock`, nobody else claims from it until the transaction ends."""
    ending = " FOR NO KEY UPDATE" if lock else ""
    row = tx.execute(text(f"SELECT * FROM coupon_templates WHERE id = :id{ending}"), {"id": template_id}).one_or_none()
    return None if row is None else _template(row)


def list_templates(
    tx: Transaction,
    *,
    merchant_ids: Sequence[str] = (),
    claimable_at: datetime | None = None,
    before: str | None,
    limit: int,
) -> list[Template]:
    """Return templates, newest first, before an id; only those that can be claimed at an instant if asked for."""
    conditions, parameters = ["true"], {"limit": limit}
    if merchant_ids:
        conditions.append("merchant_id = ANY (:merchants)")
        parameters["merchants"] = list(merchant_ids)  # type: ignore[assignment]
    if claimable_at is not None:
        conditions.append(
            "is_open AND claim_from <= :at AND claim_to > :at AND valid_to > :at AND claimed_count < stock"
        )
        parameters["at"] = claimable_at  # type: ignore[assignment]
    if before is not None:
        conditions.append("id < :before")
        parameters["before"] = before  # type: ignore[assignment]
    rows = tx.execute(
        text(f"SELECT * FROM coupon_templates WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT :limit"),
        parameters,
    )
    return [_template(row) for row in rows]


def change_template(tx: Transaction, *, template_id: str, name: str, stock: int, is_open: bool) -> None:
    """Write what may change of a template."""
    tx.execute(
        text(
            "UPDATE coupon_templates SET name = :name, stock = :stock, is_open = :is_open, version = version + 1"
            " WHERE id = :id"
        ),
        {"id": template_id, "name": name, "stock": stock, "is_open": is_open},
    )


def count_claimed(tx: Transaction, *, template_id: str, shopper_id: str) -> int:
    """Return how many coupons of a template a shopper has or had."""
    found = tx.execute(
        text("SELECT count(*) FROM coupons WHERE template_id = :template AND shopper_id = :shopper"),
        {"template": template_id, "shopper": shopper_id},
    )
    return int(found.scalar_one())


def add_coupon(
    tx: Transaction,
    *,
    coupon_id: str,
    template_id: str,
    shopper_id: str,
    nth: int,
    valid_from: datetime,
    valid_to: datetime,
    now: datetime,
) -> None:
    """Insert a claimed coupon and count it; the template is locked."""
    tx.execute(
        text("UPDATE coupon_templates SET claimed_count = claimed_count + 1 WHERE id = :id"), {"id": template_id}
    )
    tx.execute(
        text(
            """
            INSERT INTO coupons (id, template_id, shopper_id, nth, state, valid_from, valid_to, claimed_at)
            VALUES (:id, :template, :shopper, :nth, 'claimed', :valid_from, :valid_to, :now)
            """
        ),
        {"id": coupon_id, "template": template_id, "shopper": shopper_id, "nth": nth, "valid_from": valid_from,
         "valid_to": valid_to, "now": now},
    )  # fmt: skip


def find_coupon(tx: Transaction, *, coupon_id: str, lock: bool = False) -> Coupon | None:
    """Return a coupon with its terms; with `lock`, nobody else uses it until the transaction ends."""
    if lock:
        locked = tx.execute(text("SELECT 1 FROM coupons WHERE id = :id FOR NO KEY UPDATE"), {"id": coupon_id})
        if locked.one_or_none() is None:
            return None
    row = tx.execute(text(f"{_SELECT_COUPONS} WHERE c.id = :id"), {"id": coupon_id}).one_or_none()
    return None if row is None else _coupon(row)


def list_coupons(
    tx: Transaction,
    *,
    shopper_id: str,
    state: CouponState | None,
    usable_at: datetime | None,
    before: str | None,
    limit: int,
) -> list[Coupon]:
    """Return a shopper's coupons, newest first, before an id; only those that can be used at an instant if asked."""
    conditions, parameters = ["c.shopper_id = :shopper"], {"shopper": shopper_id, "limit": limit}
    if state is not None:
        conditions.append("c.state = :state")
        parameters["state"] = state.value
    if usable_at is not None:
        conditions.append("c.state = 'claimed' AND c.valid_from <= :at AND c.valid_to > :at")
        parameters["at"] = usable_at
    if before is not None:
        conditions.append("c.id < :before")
        parameters["before"] = before
    rows = tx.execute(
        text(f"{_SELECT_COUPONS} WHERE {' AND '.join(conditions)} ORDER BY c.id DESC LIMIT :limit"), parameters
    )
    return [_coupon(row) for row in rows]


def hold_coupon(tx: Transaction, *, coupon_id: str, order_id: str) -> bool:
    """Let an order hold a coupon that is free; False when it is not."""
    done = tx.execute(
        text("UPDATE coupons SET state = 'held', order_id = :order WHERE id = :id AND state = 'claimed'"),
        {"id": coupon_id, "order": order_id},
    )
    return done.rowcount == 1


def use_coupon(tx: Transaction, *, coupon_id: str, order_id: str, now: datetime) -> bool:
    """Let a coupon be used by the order that holds it."""
    done = tx.execute(
        text(
            "UPDATE coupons SET state = 'used', used_at = COALESCE(used_at, :now) WHERE id = :id AND order_id = :order"
        ),
        {"id": coupon_id, "order": order_id, "now": now},
    )
    return done.rowcount == 1


def release_coupon(tx: Transaction, *, coupon_id: str, order_id: str) -> bool:
    """Let a coupon be free that an order holds."""
    done = tx.execute(
        text(
            "UPDATE coupons SET state = 'claimed', order_id = NULL"
            " WHERE id = :id AND order_id = :order AND state = 'held'"
        ),
        {"id": coupon_id, "order": order_id},
    )
    return done.rowcount == 1


def find_freight_rule(tx: Transaction, *, merchant_id: str) -> FreightRule | None:
    """Return a merchant's freight."""
    row = tx.execute(text("SELECT * FROM freight_rules WHERE merchant_id = :id"), {"id": merchant_id}).one_or_none()
    if row is None:
        return None
    zones = tuple(Zone(**(zone | {"regions": tuple(zone["regions"])})) for zone in row.zones)
    return FreightRule(row.merchant_id, FreightUnit(row.unit), zones, row.version, row.changed_by, row.changed_at)


def save_freight_rule(tx: Transaction, rule: FreightRule) -> bool:
    """Write a merchant's freight; False when its version is not the one after what is there."""
    done = tx.execute(
        text(
            """
            INSERT INTO freight_rules AS f (merchant_id, unit, zones, version, changed_by, changed_at)
            VALUES (:merchant_id, :unit, :zones, :version, :changed_by, :changed_at)
            ON CONFLICT (merchant_id) DO UPDATE
            SET unit = excluded.unit, zones = excluded.zones, version = excluded.version,
                changed_by = excluded.changed_by, changed_at = excluded.changed_at
            WHERE f.version = excluded.version - 1
            """
        ).bindparams(bindparam("zones", type_=JSONB)),
        {
            "merchant_id": rule.merchant_id,
            "unit": rule.unit.value,
            "zones": [asdict(zone) for zone in rule.zones],
            "version": rule.version,
            "changed_by": rule.changed_by,
            "changed_at": rule.changed_at,
        },
    )
    return done.rowcount == 1


def _template(row: Row[Any]) -> Template:
    fields = {name: getattr(row, name) for name in TemplateDraft.__dataclass_fields__}
    draft = TemplateDraft(
        **fields | {"kind": CouponKind(row.kind), "scope": CouponScope(row.scope), "scope_ids": tuple(row.scope_ids)}
    )
    return Template(row.id, draft, row.claimed_count, row.is_open, row.version, row.created_at)


def _coupon(row: Row[Any]) -> Coupon:
    return Coupon(
        row.coupon_id, row.shopper_id, CouponState(row.state), row.order_id, row.own_from, row.own_to, row.claimed_at,
        row.used_at, _template(row),
    )  # fmt: skip
