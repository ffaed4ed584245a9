"""The providers behind one counter: what each is asked in its own words and answers in ours.

Every call goes out while no database transaction is open, and under a number that was committed before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, TypeVar

from tuike import providers as outside
from tuike.payments.model import PayBy, Payment, PaymentRefund, Payout
from tuike.providers import Alipay, Providers, WeChatPay

Found = TypeVar("Found")

TRANSFER_REPORT = (
    {"info_type": "岗位类型", "info_content": "推广员"},
    {"info_type": "报酬说明", "info_content": "推广佣金"},
)
"""What the scene 佣金报酬 (1005) wants to be told with every transfer."""
TRANSFER_REMARK = "推广佣金"

_NOTIFY_PATHS = {PayBy.WECHAT: "/notify/wechat-pay", PayBy.ALIPAY: "/notify/alipay"}
_PROVIDERS = {PayBy.WECHAT: outside.Provider.WECHAT_PAY, PayBy.ALIPAY: outside.Provider.ALIPAY}
_PAY_BY = {provider: pay_by for pay_by, provider in _PROVIDERS.items()}


class Desk(Protocol):
    """What a provider does for payments. All raise ProviderUnavailable, ProviderRefused."""

    def open(self, payment: Payment) -> str: ...

    def find_payment(self, payment: Payment) -> outside.Payment | None: ...

    def close(self, payment: Payment) -> None: ...

    def refund(self, refund: PaymentRefund) -> outside.Refund: ...

    def find_refund(self, refund: PaymentRefund) -> outside.Refund | None: ...

    def transfer(self, payout: Payout, *, name: str | None) -> outside.Transfer: ...

    def find_transfer(self, payout: Payout) -> outside.Transfer | None: ...

    def cancel_transfer(self, payout: Payout) -> outside.Transfer: ...

    def download_bill(self, *, on_day: date) -> outside.Bill: ...

    def make_payment_request(self, payment: Payment, *, now: datetime) -> Mapping[str, str]: ...

    def make_transfer_request(self, payout: Payout) -> Mapping[str, str] | None: ...


@dataclass(frozen=True, slots=True)
class Counter:
    """All desks. `public_url` is where the providers find us; `scene_id` the transfer scene of WeChat Pay."""

    providers: Providers
    public_url: str
    scene_id: str = "1005"
    wechat_app_id: str = ""
    alipay_app_id: str = ""

    def at(self, pay_by: PayBy) -> Desk:
        """Return a provider's desk. Raises ProviderNotConfigured."""
        notify_url = self.public_url.rstrip("/") + _NOTIFY_PATHS[pay_by]
        if pay_by is PayBy.WECHAT:
            return _WeChatDesk(self.providers.wechat_pay, notify_url, self.scene_id)
        return _AlipayDesk(self.providers.alipay, notify_url)

    def has(self, pay_by: PayBy) -> bool:
        """Tell whether a provider is set up."""
        return self.providers.has(_PROVIDERS[pay_by])


def pay_by_of(provider: outside.Provider) -> PayBy:
    """Return how we call a provider of payments."""
    return _PAY_BY[provider]


def _find(ask: Callable[[], Found]) -> Found | None:
    """Return what a provider knows by a number of ours, None where it knows nothing."""
    try:
        return ask()
    except outside.ProviderNotFound:
        return None


@dataclass(frozen=True, slots=True)
class _WeChatDesk:
    client: WeChatPay
    notify_url: str
    scene_id: str

    def open(self, payment: Payment) -> str:
        return self.client.prepay(
            out_no=payment.id, description=payment.description, amount_minor=payment.amount_minor,
            openid=payment.payer_id or "", notify_url=self.notify_url, expires_at=payment.expires_at,
        )  # fmt: skip

    def find_payment(self, payment: Payment) -> outside.Payment | None:
        return _find(lambda: self.client.get_payment(out_no=payment.id))

    def close(self, payment: Payment) -> None:
        self.client.close_payment(out_no=payment.id)

    def refund(self, refund: PaymentRefund) -> outside.Refund:
        return self.client.refund(
            out_refund_no=refund.out_no, out_no=refund.payment_id, amount_minor=refund.amount_minor,
            total_minor=refund.total_minor, reason=refund.reason, notify_url=f"{self.notify_url}/refunds",
        )  # fmt: skip

    def find_refund(self, refund: PaymentRefund) -> outside.Refund | None:
        return _find(lambda: self.client.get_refund(out_refund_no=refund.out_no))

    def transfer(self, payout: Payout, *, name: str | None) -> outside.Transfer:
        return self.client.transfer(
            out_no=payout.out_no, openid=payout.payee_id, amount_minor=payout.amount_minor, scene_id=self.scene_id,
            remark=TRANSFER_REMARK, report=TRANSFER_REPORT, name=name, notify_url=f"{self.notify_url}/transfers",
        )  # fmt: skip

    def find_transfer(self, payout: Payout) -> outside.Transfer | None:
        return _find(lambda: self.client.get_transfer(out_no=payout.out_no))

    def cancel_transfer(self, payout: Payout) -> outside.Transfer:
        return self.client.cancel_transfer(out_no=payout.out_no)

    def download_bill(self, *, on_day: date) -> outside.Bill:
        return self.client.download_trade_bill(on=on_day)

    def make_payment_request(self, payment: Payment, *, now: datetime) -> Mapping[str, str]:
        return self.client.make_payment_request(prepay_id=payment.prepay_id or "", now=now)

    def make_transfer_request(self, payout: Payout) -> Mapping[str, str] | None:
        if payout.package is None:
            return None
        return self.client.make_transfer_request(package=payout.package)


@dataclass(frozen=True, slots=True)
class _AlipayDesk:
    client: Alipay
    notify_url: str

    def open(self, payment: Payment) -> str:
        return self.client.create_payment(
            out_no=payment.id, subject=payment.description, amount_minor=payment.amount_minor,
            buyer_id=payment.payer_id or "", notify_url=self.notify_url, expires_at=payment.expires_at,
        )  # fmt: skip

    def find_payment(self, payment: Payment) -> outside.Payment | None:
        return _find(lambda: self.client.get_payment(out_no=payment.id))

    def close(self, payment: Payment) -> None:
        self.client.close_payment(out_no=payment.id)

    def refund(self, refund: PaymentRefund) -> outside.Refund:
        return self.client.refund(
            out_refund_no=refund.out_no, out_no=refund.payment_id, amount_minor=refund.amount_minor,
            total_minor=refund.total_minor, reason=refund.reason,
        )  # fmt: skip

    def find_refund(self, refund: PaymentRefund) -> outside.Refund | None:
        return _find(lambda: self.client.get_refund(out_refund_no=refund.out_no, out_no=refund.payment_id))

    def transfer(self, payout: Payout, *, name: str | None) -> outside.Transfer:
        return self.client.transfer(
            out_no=payout.out_no, payee_id=payout.payee_id, amount_minor=payout.amount_minor, title=TRANSFER_REMARK,
            name=name, is_logon_id=payout.is_logon_id,
        )  # fmt: skip

    def find_transfer(self, payout: Payout) -> outside.Transfer | None:
        return _find(lambda: self.client.get_transfer(out_no=payout.out_no))

    def cancel_transfer(self, payout: Payout) -> outside.Transfer:
        raise outside.ProviderRefused(outside.Provider.ALIPAY, "CANNOT_CANCEL")

    def download_bill(self, *, on_day: date) -> outside.Bill:
        return self.client.download_trade_bill(on=on_day)

    def make_payment_request(self, payment: Payment, *, now: datetime) -> Mapping[str, str]:
        return {"tradeNO": payment.prepay_id or ""}

    def make_transfer_request(self, payout: Payout) -> Mapping[str, str] | None:
        return None
