"""WeChat Pay's documents, to and fro: what we send, what an answer or a notify says. Pure.

A reading function raises KeyError, TypeError or ValueError on what is not as documented; the caller turns that into
its own error.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tuike.providers.model import (
    Payment,
    PaymentState,
    Provider,
    Refund,
    RefundState,
    Transfer,
    TransferState,
)

_ZONE = timezone(timedelta(hours=8))

_PAYMENT_STATES = {
    "SUCCESS": PaymentState.PAID,
    "REFUND": PaymentState.REFUNDED,
    "NOTPAY": PaymentState.UNPAID,
    "ACCEPT": PaymentState.PAYING,
    "USERPAYING": PaymentState.PAYING,
    "CLOSED": PaymentState.CLOSED,
    "REVOKED": PaymentState.CLOSED,
    "PAYERROR": PaymentState.FAILED,
}
_REFUND_STATES = {
    "SUCCESS": RefundState.SUCCEEDED,
    "PROCESSING": RefundState.PROCESSING,
    "CLOSED": RefundState.CLOSED,
    "ABNORMAL": RefundState.ABNORMAL,
}
_TRANSFER_STATES = {
    "ACCEPTED": TransferState.ACCEPTED,
    "PROCESSING": TransferState.PROCESSING,
    "WAIT_USER_CONFIRM": TransferState.WAITING_FOR_USER,
    "TRANSFERING": TransferState.TRANSFERRING,  # the platform's spelling
    "SUCCESS": TransferState.SUCCEEDED,
    "FAIL": TransferState.FAILED,
    "CANCELING": TransferState.CANCELLING,
    "CANCELLED": TransferState.CANCELLED,
}


def format_time(instant: datetime) -> str:
    """Return an instant as the platform writes it: RFC 3339 in +08:00, whole seconds."""
    return instant.astimezone(_ZONE).isoformat(timespec="seconds")


def read_time(text: Any) -> datetime | None:
    """Return the instant, None for nothing. Raises ValueError."""
    if not text:
        return None
    instant = datetime.fromisoformat(str(text))
    if instant.tzinfo is None:
        raise ValueError("an instant without its offset")
    return instant.astimezone(UTC)


def read_minor(value: Any) -> int:
    """Return an amount of 分. Raises ValueError for what is none."""
    if type(value) is not int or value < 0:
        raise ValueError("not an amount")
    return value


def read_payment(document: Mapping[str, Any]) -> Payment:
    """Return the payment that a query or a notify describes."""
    amount = document.get("amount") or {}
    return Payment(
        provider=Provider.WECHAT_PAY,
        out_no=str(document["out_trade_no"]),
        provider_no=document.get("transaction_id") or None,
        state=_PAYMENT_STATES[document["trade_state"]],
        amount_minor=read_minor(amount["total"]) if "total" in amount else None,
        currency=str(amount.get("currency", "CNY")),
        payer_id=(document.get("payer") or {}).get("openid") or None,
        paid_at=read_time(document.get("success_time")),
    )


def read_refund(document: Mapping[str, Any]) -> Refund:
    """Return the refund that an answer or a notify describes; the two name the state differently."""
    amount = document["amount"]
    return Refund(
        provider=Provider.WECHAT_PAY,
        out_refund_no=str(document["out_refund_no"]),
        out_no=document.get("out_trade_no") or None,
        provider_no=document.get("refund_id") or None,
        state=_REFUND_STATES[document.get("status") or document["refund_status"]],
        amount_minor=read_minor(amount["refund"]),
        total_minor=read_minor(amount["total"]) if "total" in amount else None,
        currency=str(amount.get("currency", "CNY")),
        refunded_at=read_time(document.get("success_time")),
    )


def read_transfer(document: Mapping[str, Any]) -> Transfer:
    """Return the transfer that an answer or a notify describes."""
    amount = document.get("transfer_amount")
    return Transfer(
        provider=Provider.WECHAT_PAY,
        out_no=str(document["out_bill_no"]),
        provider_no=document.get("transfer_bill_no") or None,
        state=_TRANSFER_STATES[document["state"]],
        amount_minor=None if amount is None else read_minor(amount),
        currency="CNY",
        reason=document.get("fail_reason") or None,
        changed_at=read_time(document.get("update_time") or document.get("create_time")),
        package=document.get("package_info") or None,
    )
