"""Bills of WeChat Pay as the platform writes them."""

import pytest

from tuike.providers.bills import BillUnreadable, read_trade_bill
from tuike.providers.model import NotifyKind

NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
PAID = (
    "`2026-11-01 12:00:00,`wx1,`1900,`0,`,`4200001,`pay_1,`openid,`JSAPI,`SUCCESS,`OTHERS,`CNY,`1.00,`0.00,`0,`0,`0.00,"
    "`0.00,`,`,`茶,`,`{fee},`0.60%,`1.00,`0.00,`"
)
GONE_BACK = (
    "`2026-11-01 13:00:00,`wx1,`1900,`0,`,`4200001,`pay_1,`openid,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`5030,`rfd_1,"
    "`0.10,`0.00,`ORIGINAL,`SUCCESS,`茶,`,`-0.00060,`0.60%,`0.00,`0.10,`"
)
TOTALS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def make_bill(fee: str) -> str:
    return "\r\n".join(
        [NAMES, PAID.format(fee=fee), GONE_BACK, TOTALS, "`2,`1.00,`0.10,`0.00,`0.00540,`1.00,`0.10", ""]
    )


def test_a_fee_of_less_than_a_cent_is_exact() -> None:
    paid, back = read_trade_bill(make_bill("0.00600"))
    assert (paid.kind, paid.amount_minor, paid.fee_micros) == (NotifyKind.PAYMENT, 100, 6_000)
    assert (back.kind, back.amount_minor, back.fee_micros) == (NotifyKind.REFUND, 10, -600)


@pytest.mark.parametrize("fee", ["0.0000001", "", "six"])
def test_a_fee_that_cannot_be_read_exactly_makes_the_bill_unreadable(fee: str) -> None:
    with pytest.raises(BillUnreadable):
        read_trade_bill(make_bill(fee))
