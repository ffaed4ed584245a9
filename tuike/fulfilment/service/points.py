"""Pick-up points (自提点): where a promoter (团长) hands out the orders that go there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tuike import catalog, team
from tuike.db import Transaction
from tuike.fulfilment.model import PickupPoint, PointNotFound
from tuike.fulfilment.store import parcels as store
from tuike.shared import ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor


def create_point(
    tx: Transaction,
    *,
    merchant_id: str,
    promoter_id: str,
    name: str,
    address: str,
    phone: str,
    hours: str = "",
    now: datetime,
) -> PickupPoint:
    """Open a pick-up point that a promoter runs. Raises MerchantNotFound, PromoterNotFound."""
    catalog.get_merchant(tx, merchant_id=merchant_id)
    if not team.is_promoter(tx, promoter_id=promoter_id):
        raise team.PromoterNotFound
    point = PickupPoint(
        ids.new_id("pickup_point"),
        merchant_id,
        promoter_id,
        name,
        address,
        phone,
        hours,
        True,
        1,
        now,
    )
    store.add_point(tx, point)
    return point


def change_point(tx: Transaction, *, point_id: str, changes: dict[str, Any]) -> PickupPoint:
    """Change a point; a closed one takes no new orders and hands out those it has.

    Raises PointNotFound, PromoterNotFound.
    """
    if store.find_point(tx, point_id=point_id, lock=True) is None:
        raise PointNotFound
    if "promoter_id" in changes and not team.is_promoter(tx, promoter_id=changes["promoter_id"]):
        raise team.PromoterNotFound
    if changes:
        store.change_point(tx, point_id=point_id, changes=changes)
    return get_point(tx, point_id=point_id)


def get_point(tx: Transaction, *, point_id: str) -> PickupPoint:
    """Return a pick-up point. Raises PointNotFound."""
    point = store.find_point(tx, point_id=point_id)
    if point is None:
        raise PointNotFound
    return point


def list_points(
    tx: Transaction,
    *,
    promoter_id: str | None = None,
    merchant_ids: Sequence[str] = (),
    only_open: bool = False,
    limit: int,
    cursor: str | None = None,
) -> Page[PickupPoint]:
    """Return a page of points, of one promoter, of some merchants or only those that are open if asked for."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_points(
        tx, promoter_id=promoter_id, merchant_ids=merchant_ids, only_open=only_open, after=after, limit=limit + 1
    )
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)
