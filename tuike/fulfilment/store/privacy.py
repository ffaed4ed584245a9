"""What shop orders say of a person, and how it is taken out of them."""

from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from tuike.db import Transaction

GONE = "-"

_COUNT_OPEN = text(
    """
    SELECT count(*) FROM shop_orders o
    WHERE o.shopper_id = :id
      AND (o.state IN ('unpaid', 'to_ship', 'shipped') OR o.open_cases > 0
           OR EXISTS (SELECT 1 FROM parcels p WHERE p.order_id = o.id AND p.uploaded_at IS NULL))
    """
)
_COUNT_AT_POINTS = text(
    """
    SELECT count(*) FROM shop_orders o JOIN pickup_points p ON p.id = o.pickup_point_id
    WHERE p.promoter_id = :id AND o.state IN ('unpaid', 'to_ship', 'shipped')
    """
)
_FORGET_ORDERS = text(
    "UPDATE shop_orders SET note = '', address = address || :gone WHERE shopper_id = :id"
).bindparams(bindparam("gone", type_=JSONB))  # fmt: skip
_FORGET_CASES = text(
    """
    UPDATE after_sale_cases
    SET description = '', answer = '', pictures = '{}',
        return_tracking_no = CASE WHEN return_tracking_no IS NOT NULL THEN '-' END
    WHERE shopper_id = :id
    """
)
_FORGET_PARCELS = text(
    "UPDATE parcels SET tracking_no = id WHERE order_id IN (SELECT id FROM shop_orders WHERE shopper_id = :id)"
)
_FORGET_NOTES = text(
    "UPDATE shop_order_notes SET body = '-' WHERE order_id IN (SELECT id FROM shop_orders WHERE shopper_id = :id)"
)
_FORGET_EVENTS = text(
    "UPDATE shop_order_events SET detail = detail - 'tracking_no'"
    " WHERE order_id IN (SELECT id FROM shop_orders WHERE shopper_id = :id)"
)
_FORGET_POINTS = text(
    "UPDATE pickup_points SET is_open = false, name = :gone, address = :gone, phone = :gone, hours = '',"
    " version = version + 1 WHERE promoter_id = :id"
)


def count_open(tx: Transaction, *, shopper_id: str) -> int:
    """Return how many orders of a shopper wait for something, be it that a provider is told of their parcels."""
    return int(tx.execute(_COUNT_OPEN, {"id": shopper_id}).scalar_one())


def count_at_points(tx: Transaction, *, promoter_id: str) -> int:
    """Return how many orders are on their way to a promoter's pick-up points."""
    return int(tx.execute(_COUNT_AT_POINTS, {"id": promoter_id}).scalar_one())


def list_case_ids(tx: Transaction, *, shopper_id: str) -> list[str]:
    """Return the ids of a shopper's after-sale cases."""
    query = text("SELECT id FROM after_sale_cases WHERE shopper_id = :id")
    return list(tx.execute(query, {"id": shopper_id}).scalars())


def forget_shopper(tx: Transaction, *, shopper_id: str) -> None:
    """Take out of a shopper's orders who it was and where it went; the region stays, for statistics."""
    gone: dict[str, Any] = {"name": GONE, "phone": GONE, "detail": GONE}
    tx.execute(_FORGET_ORDERS, {"id": shopper_id, "gone": gone})
    for statement in (_FORGET_CASES, _FORGET_PARCELS, _FORGET_NOTES, _FORGET_EVENTS):
        tx.execute(statement, {"id": shopper_id})


def forget_points(tx: Transaction, *, promoter_id: str) -> None:
    """Close a promoter's pick-up points and take out where they are."""
    tx.execute(_FORGET_POINTS, {"id": promoter_id, "gone": GONE})
