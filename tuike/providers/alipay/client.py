"""Alipay's calls that we need: login, trades, refunds, transfers, bills, notifies."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from tuike.providers.alipay.core import Core, format_time, read_time
from tuike.providers.alipay.signing import join_params
from tuike.providers.amounts import format_yuan, parse_yuan
from tuike.providers.bills import BillUnreadable, read_alipay_bill
from tuike.providers.http import Repeat, Request, Transport
from tuike.providers.model import (
    Bill,
    Notify,
    NotifyKind,
    NotifyMalformed,
    NotifyStale,
    Payment,
    PaymentState,
    Provider,
    ProviderAnswerInvalid,
    ProviderNotFound,
    ProviderRefused,
    Refund,
    RefundState,
    SignatureInvalid,
    Transfer,
    TransferState,
)
from tuike.providers.signing import is_signed
from tuike.shared.errors import ValidationFailed

log = structlog.get_logger(__name__)

_OUT_NO = re.compile(r"[0-9A-Za-z_]{1,64}")
_USER_ID = re.compile(r"2088\d{12}")
_MAX_BILL_BYTES = 100_000_000
_NOTIFY_AGE = timedelta(hours=26)
"""Alipay repeats a notify for 25 hours."""

_PAYMENT_STATES = {
    "WAIT_BUYER_PAY": PaymentState.UNPAID,
    "TRADE_SUCCESS": PaymentState.PAID,
    "TRADE_FINISHED": PaymentState.PAID,
    "TRADE_CLOSED": PaymentState.CLOSED,
}
_TRANSFER_STATES = {
    "SUCCESS": TransferState.SUCCEEDED,
    "DEALING": TransferState.PROCESSING,
    "WAIT_PAY": TransferState.ACCEPTED,
    "FAIL": TransferState.FAILED,
    "CLOSED": TransferState.FAILED,
    "REFUND": TransferState.FAILED,
}
ALREADY_CLOSED = "ACQ.TRADE_HAS_CLOSE"


@dataclass(frozen=True, slots=True)
class AlipayUser:
    """Who logged in: `user_id` (2088…) or, for newer applications, `open_id`."""

    id: str
    access_token: str = field(repr=False)


class Alipay(Core):
    """Calls on behalf of one application. Amounts are 分 here and yuan on the wire.

    Every call raises ProviderUnavailable (its `is_outcome_unknown` says whether it may have been carried out),
    ProviderAnswerInvalid (an answer that Alipay did not sign) and ProviderRefused with Alipay's sub_code.
    """

    def log_in(self, *, code: str) -> AlipayUser:
        """Return who is behind an authorization code. A code works once, so it is never sent twice."""
        answer = self.call(
            "alipay.system.oauth.token", also={"grant_type": "authorization_code", "code": code},
            repeat=Repeat.IF_NOT_SENT,
        )  # fmt: skip
        who = answer.get("open_id") or answer.get("user_id")
        if not isinstance(who, str):
            raise ProviderAnswerInvalid(Provider.ALIPAY, "no_user")
        return AlipayUser(who, str(answer.get("access_token", "")))

    def create_payment(
        self, *, out_no: str, subject: str, amount_minor: int, buyer_id: str, notify_url: str, expires_at: datetime
    ) -> str:
        """Open a payment and return the trade number that the client passes to `my.tradePay`.

        The same again gives the same trade. Refused with ACQ.TRADE_HAS_SUCCESS, ACQ.TRADE_HAS_CLOSE,
        ACQ.CONTEXT_INCONSISTENT (the same number, other content).
        """
        _check_no(out_no)
        buyer = "buyer_id" if _USER_ID.fullmatch(buyer_id) else "buyer_open_id"
        content = {
            "out_trade_no": out_no, "total_amount": format_yuan(amount_minor), "subject": subject[:128],
            buyer: buyer_id, "product_code": "JSAPI_PAY", "op_app_id": self.application.app_id,
            "time_expire": format_time(expires_at),
        }  # fmt: skip
        answer = self.call("alipay.trade.create", content, notify_url=notify_url)
        self._expect(answer, "out_trade_no", out_no)
        trade_no = answer.get("trade_no")
        if not isinstance(trade_no, str) or not trade_no:
            raise ProviderAnswerInvalid(Provider.ALIPAY, "no_trade_no")
        return trade_no

    def get_payment(self, *, out_no: str) -> Payment:
        """Return where a payment stands. Raises ProviderNotFound."""
        answer = self.call("alipay.trade.query", {"out_trade_no": out_no})
        self._expect(answer, "out_trade_no", out_no)
        try:
            return _read_payment(answer, paid_at=answer.get("send_pay_date"))
        except (KeyError, ValueError, TypeError):
            raise ProviderAnswerInvalid(Provider.ALIPAY, "not_as_documented") from None

    def close_payment(self, *, out_no: str) -> None:
        """Close a payment so that nobody can pay it any more; closing it again changes nothing.

        Refused with ACQ.TRADE_STATUS_ERROR when the money came first: then ask for the payment.
        """
        try:
            self.call("alipay.trade.close", {"out_trade_no": out_no})
        except ProviderRefused as refusal:
            if refusal.provider_code != ALREADY_CLOSED:
                raise

    def refund(self, *, out_refund_no: str, out_no: str, amount_minor: int, total_minor: int, reason: str) -> Refund:
        """Refund part or all of a payment; the same `out_refund_no` again is the same refund.

        While the answer is `processing`, `get_refund` has the last word.
        """
        _check_no(out_refund_no)
        content = {
            "out_trade_no": out_no, "out_request_no": out_refund_no, "refund_amount": format_yuan(amount_minor),
            "refund_reason": reason[:256],
        }  # fmt: skip
        answer = self.call("alipay.trade.refund", content)
        self._expect(answer, "out_trade_no", out_no)
        is_done = answer.get("fund_change") == "Y"
        return Refund(
            Provider.ALIPAY, out_refund_no, out_no, None, RefundState.SUCCEEDED if is_done else RefundState.PROCESSING,
            amount_minor, total_minor, "CNY", _read_time(answer.get("gmt_refund_pay")) if is_done else None,
        )  # fmt: skip

    def get_refund(self, *, out_refund_no: str, out_no: str) -> Refund:
        """Return where a refund stands. Raises ProviderNotFound: Alipay then answers with nothing at all."""
        content = {"out_trade_no": out_no, "out_request_no": out_refund_no, "query_options": ["gmt_refund_pay"]}
        answer = self.call("alipay.trade.fastpay.refund.query", content)
        if not answer.get("out_request_no"):
            raise ProviderNotFound(Provider.ALIPAY, "REFUND_NOT_EXIST")
        self._expect(answer, "out_request_no", out_refund_no)
        is_done = answer.get("refund_status") == "REFUND_SUCCESS"
        try:
            amount, total = parse_yuan(str(answer["refund_amount"])), parse_yuan(str(answer["total_amount"]))
        except (KeyError, ValueError):
            raise ProviderAnswerInvalid(Provider.ALIPAY, "not_as_documented") from None
        return Refund(
            Provider.ALIPAY, out_refund_no, out_no, None, RefundState.SUCCEEDED if is_done else RefundState.PROCESSING,
            amount, total, "CNY", _read_time(answer.get("gmt_refund_pay")),
        )  # fmt: skip

    def transfer(
        self, *, out_no: str, payee_id: str, amount_minor: int, title: str, name: str | None = None,
        is_logon_id: bool = False, remark: str = "",
    ) -> Transfer:  # fmt: skip
        """Transfer money to a person; the same `out_no` again is the same transfer. Nobody has to confirm it.

        `payee_id` is a user id, an open id, or with `is_logon_id` a phone number or mail address, which needs `name`.
        After any error but ValidationFailed ask `get_transfer`: only its `failed` allows another number.
        """
        _check_no(out_no)
        if is_logon_id and not name:
            raise ValidationFailed(fields={"name": ["Is needed with a logon id."]})
        kind = "ALIPAY_USER_ID" if _USER_ID.fullmatch(payee_id) else "ALIPAY_OPEN_ID"
        payee = {"identity": payee_id, "identity_type": "ALIPAY_LOGON_ID" if is_logon_id else kind}
        if name:
            payee["name"] = name
        content = {
            "out_biz_no": out_no, "trans_amount": format_yuan(amount_minor), "product_code": "TRANS_ACCOUNT_NO_PWD",
            "biz_scene": "DIRECT_TRANSFER", "order_title": title[:128], "payee_info": payee, "remark": remark[:200],
        }  # fmt: skip
        answer = self.call("alipay.fund.trans.uni.transfer", content)
        self._expect(answer, "out_biz_no", out_no)
        return self._read_transfer(answer, amount_minor=amount_minor)

    def get_transfer(self, *, out_no: str) -> Transfer:
        """Return where a transfer stands. Raises ProviderNotFound."""
        content = {"out_biz_no": out_no, "product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
        answer = self.call("alipay.fund.trans.common.query", content)
        self._expect(answer, "out_biz_no", out_no)
        return self._read_transfer(answer, amount_minor=None)

    def download_trade_bill(self, *, on: date) -> Bill:
        """Return the payments and refunds of a business day; a day without any has no lines."""
        content = {"bill_type": "trade", "bill_date": on.isoformat()}
        try:
            answer = self.call("alipay.data.dataservice.bill.downloadurl.query", content)
        except ProviderNotFound:
            return Bill(Provider.ALIPAY, (), "")
        text = self._download(str(answer.get("bill_download_url", "")))
        try:
            return Bill(Provider.ALIPAY, read_alipay_bill(text), text)
        except BillUnreadable:
            raise ProviderAnswerInvalid(Provider.ALIPAY, "bill_unreadable") from None

    def read_notify(self, *, params: Mapping[str, str], now: datetime) -> Notify:
        """Return what a notify (its decoded form) says, once it is proven to be Alipay's and meant for us.

        Answer with the text `success` once it is kept. Raises SignatureInvalid, NotifyStale, NotifyMalformed.
        """
        signature = params.get("sign", "")
        # Notifies of trades leave sign_type out of what is signed, messages to the application's gateway keep it.
        if not any(
            is_signed(self._alipay_key, signature, join_params(params, leave_out=left_out).encode())
            for left_out in (frozenset({"sign", "sign_type"}), frozenset({"sign"}))
        ):
            log.warning("alipay.notify_untrusted")
            raise SignatureInvalid
        if params.get("app_id") != self.application.app_id:
            raise NotifyMalformed("The notify is meant for another application.")
        try:
            sent_at = read_time(params.get("notify_time")) or datetime.fromtimestamp(
                int(params["utc_timestamp"]) / 1000, UTC
            )
            if abs(now - sent_at) > _NOTIFY_AGE:
                raise NotifyStale
            return self._read_notify(params, sent_at)
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
            raise NotifyMalformed from None

    def _read_notify(self, params: Mapping[str, str], sent_at: datetime) -> Notify:
        id_ = params["notify_id"]
        if params.get("msg_method") == "alipay.fund.trans.order.changed":
            document = json.loads(params["biz_content"])
            amount = parse_yuan(str(document["trans_amount"])) if "trans_amount" in document else None
            transfer = self._read_transfer(document, amount_minor=amount)
            return Notify(Provider.ALIPAY, id_, NotifyKind.TRANSFER, sent_at, transfer=transfer)
        if params.get("trade_status") in _PAYMENT_STATES:
            payment = _read_payment(params, paid_at=params.get("gmt_payment"))
            return Notify(Provider.ALIPAY, id_, NotifyKind.PAYMENT, sent_at, payment=payment)
        return Notify(Provider.ALIPAY, id_, NotifyKind.OTHER, sent_at)

    def _read_transfer(self, answer: Mapping[str, Any], *, amount_minor: int | None) -> Transfer:
        try:
            state = _TRANSFER_STATES[answer["status"]]
            if amount_minor is None and answer.get("trans_amount"):
                amount_minor = parse_yuan(str(answer["trans_amount"]))
            changed_at = read_time(answer.get("pay_date") or answer.get("trans_date"))
        except (KeyError, ValueError, TypeError):
            raise ProviderAnswerInvalid(Provider.ALIPAY, "not_as_documented") from None
        reason = answer.get("error_code") or (answer["status"] if state is TransferState.FAILED else None)
        return Transfer(
            Provider.ALIPAY, str(answer.get("out_biz_no", "")), answer.get("order_id") or None, state, amount_minor,
            "CNY", reason, changed_at,
        )  # fmt: skip

    def _download(self, url: str) -> str:
        """Return the text of the detailed bill in the archive at an address that Alipay signed."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ProviderAnswerInvalid(Provider.ALIPAY, "no_download")
        transport = Transport(Provider.ALIPAY, f"{parts.scheme}://{parts.netloc}", limits=self._transport.limits)
        try:
            request = Request("download_bill", "GET", parts.path + (f"?{parts.query}" if parts.query else ""))
            answer = transport.send(request, repeat=Repeat.HARMLESS, max_bytes=_MAX_BILL_BYTES)
        finally:
            transport.close()
        if answer.status != 200:
            raise ProviderAnswerInvalid(Provider.ALIPAY, f"download_{answer.status}")
        try:
            with zipfile.ZipFile(io.BytesIO(answer.body), metadata_encoding="gbk") as archive:
                details = next(one for one in archive.infolist() if one.filename.endswith("业务明细.csv"))
                if details.file_size > _MAX_BILL_BYTES:
                    raise ProviderAnswerInvalid(Provider.ALIPAY, "too_large")
                return archive.read(details).decode("gb18030")
        except (zipfile.BadZipFile, zlib.error, StopIteration, UnicodeDecodeError, NotImplementedError):
            raise ProviderAnswerInvalid(Provider.ALIPAY, "bill_unreadable") from None

    def _expect(self, answer: Mapping[str, Any], name: str, wanted: str) -> None:
        if answer.get(name) != wanted:
            raise ProviderAnswerInvalid(Provider.ALIPAY, "another_number")


def _read_payment(document: Mapping[str, Any], *, paid_at: str | None) -> Payment:
    state, at = _PAYMENT_STATES[document["trade_status"]], read_time(paid_at)
    # A trade is closed when nobody paid it, and again when everything went back.
    if (state is PaymentState.CLOSED and at is not None) or document.get("gmt_refund"):
        state = PaymentState.REFUNDED
    return Payment(
        provider=Provider.ALIPAY,
        out_no=str(document["out_trade_no"]),
        provider_no=document.get("trade_no") or None,
        state=state,
        amount_minor=parse_yuan(str(document["total_amount"])),
        currency="CNY",
        payer_id=document.get("buyer_open_id") or document.get("buyer_user_id") or document.get("buyer_id") or None,
        paid_at=at,
    )


def _read_time(text: Any) -> datetime | None:
    try:
        return read_time(text)
    except ValueError:
        raise ProviderAnswerInvalid(Provider.ALIPAY, "not_as_documented") from None


def _check_no(number: str) -> None:
    if not _OUT_NO.fullmatch(number):
        raise ValidationFailed(fields={"out_no": [f"Must match {_OUT_NO.pattern}."]})
