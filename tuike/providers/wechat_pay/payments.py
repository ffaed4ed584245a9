"""Payments and refunds."""

import re
import secrets
from datetime import datetime
from typing import Any

from tuike.providers.model import Payment, Provider, ProviderAnswerInvalid, ProviderRefused, Refund
from tuike.providers.wechat_pay.core import Core
from tuike.providers.wechat_pay.shapes import format_time, read_payment, read_refund
from tuike.providers.wechat_pay.signing import make_payment_request
from tuike.shared.errors import ValidationFailed

_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_ALREADY_CLOSED = "ORDER_CLOSED"
PAID_ALREADY = frozenset({"ORDERPAID", "ORDER_PAID"})
"""Codes of a close or a prepay that came after the money: ask for the payment."""


class Payments(Core):
    """A payment's life. Every method raises ProviderUnavailable, ProviderAnswerInvalid, ProviderRefused."""

    def prepay(
        self,
        *,
        out_no: str,
        description: str,
        amount_minor: int,
        openid: str,
        notify_url: str,
        expires_at: datetime,
        attach: str | None = None,
        shares_profit: bool = False,
    ) -> str:
        """Open a payment in a mini-program and return its prepay id; the same again gives one for the same payment.

        Refused with ORDERPAID, ORDER_CLOSED, OUT_TRADE_NO_USED, INVALID_REQUEST (the same number, other content).
        Raises ValidationFailed for a number that the platform does not take.
        """
        _check_no(_OUT_TRADE_NO, "out_no", out_no)
        body: dict[str, Any] = {
            "appid": self.merchant.app_id,
            "mchid": self.merchant.merchant_id,
            "description": _cut(description, 127),
            "out_trade_no": out_no,
            "time_expire": format_time(expires_at),
            "notify_url": notify_url,
            "amount": {"total": amount_minor, "currency": "CNY"},
            "payer": {"openid": openid},
        }
        if attach is not None:
            body["attach"] = attach
        if shares_profit:
            body["settle_info"] = {"profit_sharing": True}
        answer = self.call("prepay", "POST", "/v3/pay/transactions/jsapi", body=body)
        prepay_id = answer.get("prepay_id")
        if not isinstance(prepay_id, str) or not prepay_id:
            raise ProviderAnswerInvalid(Provider.WECHAT_PAY, "no_prepay_id")
        return prepay_id

    def make_payment_request(self, *, prepay_id: str, now: datetime) -> dict[str, str]:
        """Return what the mini-program passes to `wx.requestPayment`. No request is made."""
        return make_payment_request(
            self.merchant, prepay_id=prepay_id, timestamp=int(now.timestamp()), nonce=secrets.token_hex(16)
        )

    def get_payment(self, *, out_no: str) -> Payment:
        """Return where a payment stands. Raises ProviderNotFound for a number never opened."""
        _check_no(_OUT_TRADE_NO, "out_no", out_no)
        query = {"mchid": self.merchant.merchant_id}
        answer = self.call("get_payment", "GET", f"/v3/pay/transactions/out-trade-no/{out_no}", query=query)
        payment = self.read(read_payment, answer)
        self.expect(payment.out_no, out_no)
        return payment

    def close_payment(self, *, out_no: str) -> None:
        """Close a payment so that nobody can pay it any more; closing it again changes nothing.

        Refused with ORDERPAID (see PAID_ALREADY) when the money came first, USERPAYING while the person is at it.
        """
        _check_no(_OUT_TRADE_NO, "out_no", out_no)
        body = {"mchid": self.merchant.merchant_id}
        try:
            self.call("close_payment", "POST", f"/v3/pay/transactions/out-trade-no/{out_no}/close", body=body)
        except ProviderRefused as refusal:
            if refusal.provider_code != _ALREADY_CLOSED:
                raise

    def refund(
        self,
        *,
        out_refund_no: str,
        out_no: str,
        amount_minor: int,
        total_minor: int,
        reason: str,
        notify_url: str | None = None,
    ) -> Refund:
        """Ask for a refund; the same `out_refund_no` again is the same refund. It ends by notify or query.

        Refused with NOT_ENOUGH, INVALID_REQUEST, PARAM_ERROR, USER_ACCOUNT_ABNORMAL. At most 50 refunds a payment, a
        minute apart: a quicker one is busy and comes back as ProviderUnavailable.
        """
        _check_no(_OUT_TRADE_NO, "out_no", out_no)
        _check_no(_OUT_REFUND_NO, "out_refund_no", out_refund_no)
        body: dict[str, Any] = {
            "out_trade_no": out_no,
            "out_refund_no": out_refund_no,
            "reason": _cut(reason, 80),
            "amount": {"refund": amount_minor, "total": total_minor, "currency": "CNY"},
        }
        if notify_url is not None:
            body["notify_url"] = notify_url
        refund = self.read(read_refund, self.call("refund", "POST", "/v3/refund/domestic/refunds", body=body))
        self.expect(refund.out_refund_no, out_refund_no)
        return refund

    def get_refund(self, *, out_refund_no: str) -> Refund:
        """Return where a refund stands. Raises ProviderNotFound."""
        _check_no(_OUT_REFUND_NO, "out_refund_no", out_refund_no)
        answer = self.call("get_refund", "GET", f"/v3/refund/domestic/refunds/{out_refund_no}")
        refund = self.read(read_refund, answer)
        self.expect(refund.out_refund_no, out_refund_no)
        return refund


def _check_no(shape: re.Pattern[str], field: str, number: str) -> None:
    if not shape.fullmatch(number):
        raise ValidationFailed(fields={field: [f"Must match {shape.pattern}."]})


def _cut(text: str, bytes_count: int) -> str:
    """Return as much of a text as the platform takes; it counts bytes."""
    return text.encode()[:bytes_count].decode(errors="ignore")
