"""One purchase as people make it, in WeChat: over REST with their own tokens, paid at the simulated WeChat.

A promoter and a shopper log in, the promoter shares a product, the shopper puts it and another one into the cart,
orders and pays; WeChat tells us twice; two parcels are sent and received; the commission follows.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tuike.demo.live import Answer, Api
from tuike.demo.story import StoryBroken

_PATIENCE_S = 30
_BASE = "/api/v1"
_ADDRESS = {
    "name": "李雷", "phone": "13800001234", "region_code": "440305", "region": "广东省深圳市南山区",
    "detail": "科技园 1 号",
}  # fmt: skip
_CLIENT_FIELDS = {"timeStamp", "nonceStr", "package", "signType", "paySign"}


@dataclass(frozen=True, slots=True)
class Visit:
    """What the purchase left behind; `calls` are (what it was for, answer) in order, `ids` what paths may hide."""

    order: dict[str, Any]
    events: list[dict[str, Any]]
    notifies: list[str]
    commissions: list[dict[str, Any]]
    earning_minor: int
    calls: list[tuple[str, Answer]]
    ids: tuple[str, ...]


def buy_in_wechat(url: str, *, key: str, simulator_url: str, invite_code: str) -> Visit:
    """Let two people meet in the shop. `key` is an operator's, for shipping. Raises StoryBroken."""
    operator = Api(url, key)
    there = operator.at(simulator_url)
    promoter = _log_in(operator, there, "demo-promoter", "推客登录 log in")
    promoter.call("成为推客 joins", "POST", f"{_BASE}/me/promoter",
                  {"name": "林小满", "invite_code": invite_code}, expect=201)  # fmt: skip
    home = promoter.call("首页 home", "GET", f"{_BASE}/home", expect=200).body
    best, other = _choose(home["shelves"][0]["products"])
    seen = promoter.call("预估收益 would earn", "GET", f"{_BASE}/products/{best['id']}", expect=200).body
    target = {"target": {"type": "product", "id": best["id"]}, "channel": "wechat"}
    link = promoter.call("分享 shares", "POST", f"{_BASE}/me/links", target, expect=201).body

    shopper = _log_in(operator, there, "demo-shopper", "买家登录 log in")
    touch = shopper.call("打开分享 opens it", "POST", f"{_BASE}/me/touches", {"code": link["code"]}, expect=201).body
    shopper.call("地址 address", "POST", f"{_BASE}/me/addresses", _ADDRESS, expect=201)
    for product, quantity in ((best, 2), (other, 1)):
        detail = seen if product is best else shopper.read(f"{_BASE}/products/{product['id']}")
        line = {"sku_id": detail["skus"][0]["id"], "quantity": quantity, "touch_id": touch["id"]}
        shopper.call("加购 cart", "POST", f"{_BASE}/me/cart/lines", line, expect=200)
    quote = shopper.call("报价 quote", "POST", f"{_BASE}/me/checkout/quote", {}, expect=200).body
    order = shopper.call("下单 order", "POST", f"{_BASE}/me/orders", {"fingerprint": quote["fingerprint"]}, expect=201,
                         idempotency_key="wechat-1").body  # fmt: skip
    payment = _pay(shopper, there, order["id"])
    path = f"{_BASE}/shop/orders/{order['id']}/parcels"
    first = {"carrier": "SF", "tracking_no": "SF100001", "lines": [{"no": 0, "quantity": 2}]}
    operator.call("发货 first parcel", "POST", path, first, expect=201)
    operator.call("发货 the rest", "POST", path, {"carrier": "SF", "tracking_no": "SF100002"}, expect=201)
    mine = f"{_BASE}/me/orders/{order['id']}"
    shopper.call("收货 receipt", "POST", f"{mine}/receipt", {}, expect=200)
    settled = operator.wait_until_settled("分佣 settled", order["id"])
    events = shopper.call("订单经过 history", "GET", f"{mine}/history", expect=200).body["items"]
    return Visit(
        shopper.read(mine), events, _list_tries(there, payment["id"]), settled.body["items"],
        seen["skus"][0]["earning_minor"], operator.calls, (order["id"], payment["id"], best["id"]),
    )  # fmt: skip


def _log_in(api: Api, there: Api, name: str, why: str) -> Api:
    """Return the API as a person of the simulator who logged in with one tap."""
    code = there.post("/_control/codes", {"name": name})["code"]
    tokens = api.call(why, "POST", f"{_BASE}/login/wechat", {"code": code, "device": "demo"}, expect=200).body
    return api.with_key(tokens["access_token"])


def _choose(products: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a product that is worth sharing and another one."""
    dearest = max(products, key=lambda one: (one["price_from_minor"], one["id"]))
    return dearest, next(one for one in products if one is not dearest)


def _pay(shopper: Api, there: Api, order_id: str) -> dict[str, Any]:
    path = f"{_BASE}/me/orders/{order_id}/payments"
    payment = shopper.call("支付单 prepay", "POST", path, {"provider": "wechat"}, expect=201).body
    if set(payment["request"]) != _CLIENT_FIELDS:
        raise StoryBroken(f"The client cannot pay with {sorted(payment['request'])}.")
    there.post("/_control/notifies/policy", {"repeat": 1})
    there.call("微信支付 pays", "POST", f"/_control/payments/{payment['id']}/pay", {}, expect=200)
    paid = f"{_BASE}/me/payments/{payment['id']}"
    _wait(lambda: shopper.read(paid)["state"] == "succeeded", "no notify of the payment came")
    _wait(lambda: len(_list_tries(there, payment["id"])) == 2, "the notify did not come twice")
    shopper.call("已支付 paid", "GET", paid, expect=200)
    return dict(payment)


def _list_tries(there: Api, payment_id: str) -> list[str]:
    """Return how we answered each delivery of WeChat's notify."""
    for notify in there.read("/_control/state")["notify"]:
        if notify["resource"].get("out_trade_no") == payment_id:
            return [one["outcome"] for one in notify["attempts"]]
    return []


def _wait(is_so: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise StoryBroken(f"Within {_PATIENCE_S} s {otherwise}.")
        time.sleep(0.1)
