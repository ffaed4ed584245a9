"""Paying an order, and what staff sees and decides of payments and their refunds."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from flask import current_app

from api import fields as f
from api.answers import instant, page
from api.confinement import list_merchants_of
from api.orders import see_order
from api.routing import FINANCE, KEYS, SHOPPERS, SUPPORT, Answer, Call, PageQuery, Routes, Shape
from tuike import payments
from tuike.payments import PayBy

routes = Routes("payments", description="Payments of orders, by WeChat, Alipay or wallet, and their refunds.")

PROVIDERS = tuple(one.value for one in PayBy)
STATES = tuple(one.value for one in payments.PaymentState)
OUTCOMES = tuple(one.value for one in payments.PaymentOutcome)
REFUND_STATES = tuple(one.value for one in payments.RefundState)
CAUSES = tuple(one.value for one in payments.RefundCause)
_SEE = KEYS | FINANCE | SUPPORT


class NewCharge(Shape):
    provider = f.Choice(*PROVIDERS, required=True)


class ChargeAnswer(Answer):
    id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(PROVIDERS))
    amount_minor = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    outcome = ma.fields.String(
        required=True, allow_none=True, validate=ma.validate.OneOf(OUTCOMES),
        metadata={"description": "What became of the money; all but `paid_order` goes back or to a person."},
    )  # fmt: skip
    paid_at = ma.fields.DateTime(required=True, allow_none=True)
    expires_at = ma.fields.DateTime(required=True)
    created_at = ma.fields.DateTime(required=True)
    request = ma.fields.Dict(
        keys=ma.fields.String(), values=ma.fields.String(), required=True, allow_none=True,
        metadata={"description": "What the client passes to `wx.requestPayment` or `my.tradePay`; null when there is "
                                 "nothing to pay (any more)."},
    )  # fmt: skip


class StaffChargeAnswer(Answer):
    id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    shopper_id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(PROVIDERS))
    amount_minor = ma.fields.Integer(required=True)
    received_minor = ma.fields.Integer(required=True, allow_none=True)
    currency = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    outcome = ma.fields.String(required=True, allow_none=True, validate=ma.validate.OneOf(OUTCOMES))
    provider_no = ma.fields.String(required=True, allow_none=True)
    note = ma.fields.String(required=True, allow_none=True)
    paid_at = ma.fields.DateTime(required=True, allow_none=True)
    expires_at = ma.fields.DateTime(required=True)
    created_at = ma.fields.DateTime(required=True)


class ChargeQuery(PageQuery):
    order_id = f.Id(load_default=None)
    state = f.Choice(*STATES, load_default=None)


class StaffChargePage(Answer):
    items = ma.fields.List(ma.fields.Nested(StaffChargeAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class ChargeRefundAnswer(Answer):
    id = ma.fields.String(required=True)
    payment_id = ma.fields.String(required=True)
    order_id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(PROVIDERS))
    cause = ma.fields.String(required=True, validate=ma.validate.OneOf(CAUSES))
    amount_minor = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(REFUND_STATES))
    provider_no = ma.fields.String(required=True, allow_none=True)
    note = ma.fields.String(required=True, allow_none=True)
    attempts = ma.fields.Integer(required=True)
    asked_at = ma.fields.DateTime(required=True, allow_none=True)
    next_at = ma.fields.DateTime(required=True, allow_none=True)
    refunded_at = ma.fields.DateTime(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)


class ChargeRefundQuery(PageQuery):
    payment_id = f.Id(load_default=None)
    state = f.Choice(*REFUND_STATES, load_default=None)


class ChargeRefundPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ChargeRefundAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class Settlement(Shape):
    note = f.Text(required=True, high=500, metadata={"description": "How the money was given back."})


def get_counter() -> payments.Counter:
    """Return the providers' desks that this process serves requests with."""
    counter: payments.Counter = current_app.extensions["tuike"].app.counter
    return counter


def render_charge(payment: payments.Payment, request: Mapping[str, str] | None) -> dict[str, Any]:
    """Return a payment as its shopper sees it."""
    return {
        "id": payment.id,
        "order_id": payment.order_id,
        "provider": payment.provider.value,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "state": payment.state.value,
        "outcome": None if payment.outcome is None else payment.outcome.value,
        "paid_at": instant(payment.paid_at),
        "expires_at": instant(payment.expires_at),
        "created_at": instant(payment.created_at),
        "request": None if request is None else dict(request),
    }


def render_staff_charge(payment: payments.Payment) -> dict[str, Any]:
    """Return a payment as staff sees it."""
    return {
        "id": payment.id,
        "order_id": payment.order_id,
        "shopper_id": payment.shopper_id,
        "provider": payment.provider.value,
        "amount_minor": payment.amount_minor,
        "received_minor": payment.received_minor,
        "currency": payment.currency,
        "state": payment.state.value,
        "outcome": None if payment.outcome is None else payment.outcome.value,
        "provider_no": payment.provider_no,
        "note": payment.note,
        "paid_at": instant(payment.paid_at),
        "expires_at": instant(payment.expires_at),
        "created_at": instant(payment.created_at),
    }


def render_charge_refund(refund: payments.PaymentRefund) -> dict[str, Any]:
    """Return a refund as staff sees it."""
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "order_id": refund.order_id,
        "provider": refund.provider.value,
        "cause": refund.cause.value,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "state": refund.state.value,
        "provider_no": refund.provider_no,
        "note": refund.note,
        "attempts": refund.attempts,
        "asked_at": instant(refund.asked_at),
        "next_at": instant(refund.next_at),
        "refunded_at": instant(refund.refunded_at),
        "created_at": instant(refund.created_at),
    }


@routes.call(
    "POST", "/me/orders/<id:order_id>/payments", who=SHOPPERS, body=NewCharge, answer=ChargeAnswer, status=201,
    in_transaction=False,
    refusals=["404 order_not_found", "409 already_paid", "409 order_closed", "409 wrong_state", "422 payer_unknown",
              "422 currency_not_taken", "422 insufficient_balance", "422 provider_refused",
              "503 provider_not_configured", "503 provider_unavailable", "503 provider_answer_invalid"],
    example={"provider": "wechat"},
)  # fmt: skip
def post_charge(call: Call, order_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Open a payment of an order, or go on with the one that is open; a wallet pays at once.

    Whether it was paid is told by `state`, never by the client: ask for the payment until it is no longer `pending`.
    """
    opened = payments.start_payment(
        call.db, get_counter(), order_id=order_id, shopper_id=call.user_id, provider=PayBy(body["provider"]),
        now=call.now,
    )  # fmt: skip
    return render_charge(opened.payment, opened.request)


@routes.call("GET", "/me/payments/<id:payment_id>", who=SHOPPERS, answer=ChargeAnswer,
             refusals=["404 payment_not_found"])  # fmt: skip
def get_charge(call: Call, payment_id: str) -> dict[str, Any]:
    """Get one of your own payments, as known here."""
    payment = payments.get_payment(call.tx, payment_id=payment_id, shopper_id=call.user_id)
    request = payments.make_request(get_counter(), payment, now=call.now) if payment.state.is_open else None
    return render_charge(payment, request)


@routes.call("POST", "/me/payments/<id:payment_id>/check", who=SHOPPERS, answer=ChargeAnswer, in_transaction=False,
             answers_secrets=True, refusals=["404 payment_not_found", "503 provider_not_configured"])  # fmt: skip
def post_charge_check(call: Call, payment_id: str) -> dict[str, Any]:
    """Have the provider asked about one of your own payments, at most every three seconds.

    Send it when `wx.requestPayment` comes back: the notify may still be on its way.
    """
    counter = get_counter()
    payment = payments.check_payment(
        call.db, counter, payment_id=payment_id, shopper_id=call.user_id, now=call.now
    )  # fmt: skip
    return render_charge(
        payment, payments.make_request(counter, payment, now=call.now) if payment.state.is_open else None
    )


def _see_payment(call: Call, payment_id: str) -> payments.Payment:
    """Return a payment of an order that the caller may see. Raises PaymentNotFound, NotYourMerchant."""
    payment = payments.get_payment(call.tx, payment_id=payment_id)
    see_order(call, payment.order_id)
    return payment


def _see_refund(call: Call, refund_id: str) -> payments.PaymentRefund:
    """Return a refund of an order that the caller may see. Raises PaymentRefundNotFound, NotYourMerchant."""
    refund = payments.get_refund(call.tx, refund_id=refund_id)
    see_order(call, refund.order_id)
    return refund


@routes.call("GET", "/payments", who=_SEE, query=ChargeQuery, answer=StaffChargePage)
def list_charges(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List payments, of one order or in one state if asked for, newest first; of one's own merchants only."""
    mine = list_merchants_of(call)
    return page(payments.list_payments(call.tx, merchant_ids=mine, **query), render_staff_charge)


@routes.call("GET", "/payments/<id:payment_id>", who=_SEE, answer=StaffChargeAnswer,
             refusals=["403 not_your_merchant", "404 payment_not_found"])  # fmt: skip
def get_staff_charge(call: Call, payment_id: str) -> dict[str, Any]:
    """Get a payment."""
    return render_staff_charge(_see_payment(call, payment_id))


@routes.call("POST", "/payments/<id:payment_id>/refund", who=FINANCE, answer=StaffChargeAnswer,
             refusals=["403 not_your_merchant", "404 payment_not_found", "409 wrong_state"])  # fmt: skip
def post_charge_refund(call: Call, payment_id: str) -> dict[str, Any]:
    """Send back the whole of a payment that is held because its amount was wrong."""
    _see_payment(call, payment_id)
    return render_staff_charge(payments.refund_held(call.tx, payment_id=payment_id, now=call.now))


@routes.call("GET", "/payment-refunds", who=_SEE, query=ChargeRefundQuery, answer=ChargeRefundPage)
def list_charge_refunds(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List refunds of payments, of one payment or in one state if asked for, newest first; of one's own merchants."""
    mine = list_merchants_of(call)
    return page(payments.list_refunds(call.tx, merchant_ids=mine, **query), render_charge_refund)


@routes.call("GET", "/payment-refunds/<id:refund_id>", who=_SEE, answer=ChargeRefundAnswer,
             refusals=["403 not_your_merchant", "404 payment_refund_not_found"])  # fmt: skip
def get_charge_refund(call: Call, refund_id: str) -> dict[str, Any]:
    """Get a refund of a payment."""
    return render_charge_refund(_see_refund(call, refund_id))


@routes.call("POST", "/payment-refunds/<id:refund_id>/retry", who=FINANCE, answer=ChargeRefundAnswer,
             refusals=["403 not_your_merchant", "404 payment_refund_not_found", "409 wrong_state"])  # fmt: skip
def post_charge_refund_retry(call: Call, refund_id: str) -> dict[str, Any]:
    """Ask the provider again for a refund that is held."""
    _see_refund(call, refund_id)
    return render_charge_refund(payments.retry_refund(call.tx, refund_id=refund_id, now=call.now))


@routes.call("POST", "/payment-refunds/<id:refund_id>/settle", who=FINANCE, body=Settlement, answer=ChargeRefundAnswer,
             refusals=["403 not_your_merchant", "404 payment_refund_not_found", "409 wrong_state"],
             example={"note": "现金退还"})  # fmt: skip
def post_charge_refund_settle(call: Call, refund_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Record that a held refund was given back by other means."""
    _see_refund(call, refund_id)
    return render_charge_refund(
        payments.settle_refund_by_hand(call.tx, refund_id=refund_id, note=body["note"], now=call.now)
    )
