"""Thin clients of outside services: a request out, a verified answer back, nothing of our business.

`Providers(config)` hands out `wechat` (the mini-program's server API), `wechat_pay` and `alipay`. Words: a *payment* is
known to us by its `out_no`, a *refund* by its `out_refund_no`, a *transfer* to a person by its `out_no`; the provider's
own numbers are `provider_no`. Amounts are integers of minor units.

- Whatever a client returns was signed by the provider (WeChat's server API, which signs nothing, rests on TLS), and
  speaks of the number that was asked for.
- A request is sent again only where that does no harm, and always with the same out number. ProviderUnavailable says in
  `is_outcome_unknown` whether it may have been carried out; then ask, or send the same again, never under a new number.
- A notify is verified, then decrypted, then read; it may come again, late and out of order.
- No secret, token, openid or name stands in a log or a repr.
"""

from tuike.providers.alipay import Alipay, AlipayUser
from tuike.providers.http import Limits
from tuike.providers.model import (
    Bill,
    BillLine,
    FundBill,
    FundLine,
    Notify,
    NotifyKind,
    NotifyMalformed,
    NotifyStale,
    Payment,
    PaymentState,
    Provider,
    ProviderAnswerInvalid,
    ProviderNotConfigured,
    ProviderNotFound,
    ProviderRefused,
    ProviderUnavailable,
    Refund,
    RefundState,
    SignatureInvalid,
    Transfer,
    TransferState,
)
from tuike.providers.settings import Providers, is_any_configured
from tuike.providers.store import DatabaseTokenStore
from tuike.providers.wechat import (
    AccessToken,
    MemoryTokenStore,
    Parcel,
    Phone,
    PushEvent,
    Shipping,
    ShippingState,
    ShippingWay,
    TextCheck,
    TextVerdict,
    TokenStore,
    WeChat,
    WeChatSession,
)
from tuike.providers.wechat_pay import NAME_NEEDED_MINOR, PAID_ALREADY, WeChatPay

__all__ = [
    "NAME_NEEDED_MINOR", "PAID_ALREADY", "AccessToken", "Alipay", "AlipayUser", "Bill", "BillLine",
    "DatabaseTokenStore", "FundBill",
    "FundLine", "Limits", "MemoryTokenStore", "Notify", "NotifyKind", "NotifyMalformed", "NotifyStale", "Parcel",
    "Payment", "PaymentState", "Phone", "Provider", "ProviderAnswerInvalid", "ProviderNotConfigured",
    "ProviderNotFound", "ProviderRefused", "ProviderUnavailable", "Providers", "PushEvent", "Refund", "RefundState",
    "Shipping", "ShippingState", "ShippingWay", "SignatureInvalid", "TextCheck", "TextVerdict", "TokenStore",
    "Transfer", "TransferState", "WeChat", "WeChatPay", "WeChatSession", "is_any_configured",
]  # fmt: skip
