"""Telling WeChat what was sent: without it the money of an order stays frozen."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from tuike import fulfilment
from tuike import providers as outside
from tuike.db import Database
from tuike.payments.desks import Counter
from tuike.payments.model import PayBy
from tuike.payments.store import charges as store

log = structlog.get_logger(__name__)

_MAX_AT_ONCE = 15
_TOLD_CODES = frozenset({"10060002", "10060003"})
"""The platform has all of it already: a crash came between an upload and our writing that down."""
_TICK = timedelta(milliseconds=1)


def upload_shipping(db: Database, counter: Counter, *, now: datetime, limit: int = 100) -> int:
    """Tell WeChat of the parcels it does not know, order by order; return how many were told.

    `upload_time` grows from upload to upload of an order. An order that was not paid by WeChat needs none. Raises
    ProviderUnavailable; the parcels stay due.
    """
    with db.transaction() as tx:
        due = fulfilment.list_shipping_uploads_due(tx, limit=limit)
    told = 0
    for payment_id, group in groupby(sorted(due, key=lambda one: one.payment_id), key=lambda one: one.payment_id):
        parcels = sorted(group, key=lambda one: (one.shipped_at, one.parcel_id))[:_MAX_AT_ONCE]
        try:
            if not _tell(db, counter, payment_id, parcels, now=now):
                continue
        except outside.ProviderRefused as refusal:
            log.warning("shipping.refused", payment_id=payment_id, code=refusal.provider_code)
            continue
        with db.transaction() as tx:
            for parcel in parcels:
                fulfilment.mark_shipping_uploaded(tx, parcel_id=parcel.parcel_id, now=now)
        told += len(parcels)
    return told


def _tell(
    db: Database, counter: Counter, payment_id: str, parcels: Sequence[fulfilment.ShippingUpload], *, now: datetime
) -> bool:
    """Upload an order's parcels; return whether they need not be looked at again."""
    with db.transaction() as tx:
        payment = store.find_payment(tx, payment_id=payment_id)
        if payment is None or payment.provider is not PayBy.WECHAT:
            return True
        told_at, count = store.find_shipping_told(tx, payment_id=payment_id)
        moment = max(now, told_at + _TICK) if told_at is not None else now
        store.set_shipping_told(tx, payment_id=payment_id, told_at=moment)
    is_split = count > 0 or len(parcels) > 1 or not parcels[-1].all_shipped
    try:
        counter.providers.wechat.upload_shipping(
            merchant_id=counter.providers.wechat_pay.merchant.merchant_id,
            out_no=payment.id,
            openid=payment.payer_id or "",
            way=_way_of(parcels[0]),
            parcels=[_describe(parcel) for parcel in parcels],
            is_split=is_split,
            is_last=parcels[-1].all_shipped,
            uploaded_at=moment,
            now=now,
        )
    except outside.ProviderRefused as refusal:
        if refusal.provider_code not in _TOLD_CODES:
            raise
    return True


def _way_of(parcel: fulfilment.ShippingUpload) -> outside.ShippingWay:
    is_pickup = parcel.delivery is fulfilment.Delivery.PICKUP
    return outside.ShippingWay.PICK_UP if is_pickup else outside.ShippingWay.EXPRESS


def _describe(parcel: fulfilment.ShippingUpload) -> outside.Parcel:
    if parcel.delivery is fulfilment.Delivery.PICKUP:
        return outside.Parcel(parcel.description)
    return outside.Parcel(parcel.description, parcel.tracking_no, parcel.carrier, parcel.phone)
