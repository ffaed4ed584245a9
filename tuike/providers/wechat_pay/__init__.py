"""WeChat Pay APIv3: payments in a mini-program, refunds, transfers to people, notifies, bills."""

from tuike.providers.wechat_pay.bills import Bills
from tuike.providers.wechat_pay.notifies import Notifies
from tuike.providers.wechat_pay.payments import PAID_ALREADY, Payments
from tuike.providers.wechat_pay.signing import Merchant
from tuike.providers.wechat_pay.transfers import NAME_NEEDED_MINOR, Transfers

__all__ = ["NAME_NEEDED_MINOR", "PAID_ALREADY", "Merchant", "WeChatPay"]


class WeChatPay(Payments, Transfers, Bills, Notifies):
    """Calls on behalf of one merchant. Amounts are 分; every out number names one payment, refund or transfer for good.

    Every call raises ProviderUnavailable (its `is_outcome_unknown` says whether it may have been carried out),
    ProviderAnswerInvalid (an answer the platform did not sign) and ProviderRefused with the platform's code.
    """
