"""One purchase through the running REST API, as a shop's back end makes it, and what the API said to each call."""

import json
import time
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tuike.demo.data import Basket
from tuike.demo.story import StoryBroken
from tuike.shared import clock

_PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """One call: its status, the headers and body that came back, and how long it took."""

    method: str
    path: str
    status: int
    headers: Message
    body: Any
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Purchase:
    """What the purchase left behind; `calls` are (what it was for, answer) in order."""

    promoter_id: str
    order_id: str
    commissions: list[dict[str, Any]]
    wallet: dict[str, Any]
    calls: list[tuple[str, Answer]]


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """The REST API as a caller sees it."""

    def __init__(self, url: str, key: str, calls: list[tuple[str, Answer]] | None = None) -> None:
        self._url = url
        self._key = key
        self._opener = build_opener(_NoRedirect)
        self.calls: list[tuple[str, Answer]] = [] if calls is None else calls

    def with_key(self, key: str) -> "Api":
        """Return the same API as another caller sees it; what is called is kept in one list."""
        return Api(self._url, key, self.calls)

    def at(self, url: str) -> "Api":
        """Return another server, called without credentials; what is called is kept in one list."""
        return Api(url, "", self.calls)

    def read(self, path: str) -> Any:
        """Return what a GET answers, without keeping it. Raises StoryBroken."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """Return what a POST answers, without keeping it. Raises StoryBroken."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Any) -> Any:
        answer = self._send(method, path, body, None)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise StoryBroken(f"{method} {path} answered {answer.status}: {answer.body}")
        return answer.body

    def call(
        self, why: str, method: str, path: str, body: Any = None, *, expect: int, idempotency_key: str | None = None
    ) -> Answer:
        """Make a call and keep its answer. Raises StoryBroken when the status is another than `expect`."""
        answer = self._send(method, path, body, idempotency_key)
        if answer.status != expect:
            raise StoryBroken(f"{method} {path} answered {answer.status} instead of {expect}: {answer.body}")
        self.calls.append((why, answer))
        return answer

    def wait_until_settled(self, why: str, order_id: str) -> Answer:
        """Poll an order's commissions until no work on it is queued. Raises StoryBroken after half a minute."""
        begun = time.monotonic()
        while True:
            answer = self._send("GET", f"/api/v1/orders/{order_id}/commissions", None, None)
            if answer.status == 200 and answer.headers.get("Settled") == "true":
                break
            if time.monotonic() - begun > _PATIENCE_S:
                raise StoryBroken(f"The workers did not settle an order within {_PATIENCE_S} s.")
            time.sleep(0.1)
        waited = (time.monotonic() - begun) * 1000
        self.calls.append((why, Answer("GET", answer.path, 200, answer.headers, answer.body, waited)))
        return answer

    def _send(self, method: str, path: str, body: Any, idempotency_key: str | None) -> Answer:
        headers = {"Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data=data, method=method, headers=headers)  # noqa: S310 - our own URL
        begun = time.monotonic()
        try:
            with self._opener.open(request, timeout=30) as response:
                status, text, received = response.status, response.read(), response.headers
        except HTTPError as error:
            with error:
                status, text, received = error.code, error.read(), error.headers
        except URLError as error:
            raise StoryBroken(f"The API at {self._url} cannot be reached: {error.reason}") from error
        took = (time.monotonic() - begun) * 1000
        is_json = "json" in received.get("Content-Type", "")
        return Answer(method, path, status, received, json.loads(text) if is_json else None, took)


def make_purchase(url: str, key: str, *, inviter_id: str, basket: Basket) -> Purchase:
    """Let a new promoter join, share, and sell a real basket; then take back the dearest line. Raises StoryBroken."""
    api = Api(url, key)
    base = "/api/v1"
    promoter = api.call(
        "新推客 joins", "POST", f"{base}/promoters",
        {"external_id": "live-promoter", "name": "何晓燕", "inviter_id": inviter_id}, expect=201,
    ).body  # fmt: skip
    sku = basket.lines[0].sku
    link = api.call(
        "分享链接 link", "POST", f"{base}/links",
        {"promoter_id": promoter["id"], "target": {"type": "product", "id": sku}, "channel": "wechat"}, expect=201,
    ).body  # fmt: skip
    opened = api.call("打开链接 opened", "GET", f"/s/{link['code']}", expect=302)
    touch_id = parse_qs(urlsplit(opened.headers.get("Location", "")).query).get("tuike_touch", [None])[0]
    order_body = {
        "external_id": f"live-{basket.id}",
        "buyer_id": "live-buyer",
        "placed_at": clock.format_instant(clock.read_clock()),
        "touch_id": touch_id,
        "lines": [
            {"sku": x.sku, "quantity": x.quantity, "amount_minor": x.amount_minor, "category": x.category}
            for x in basket.lines
        ],
    }
    order = api.call("下单 order", "POST", f"{base}/orders", order_body, expect=201, idempotency_key="live-1").body
    again = api.call("重发 sent twice", "POST", f"{base}/orders", order_body, expect=201, idempotency_key="live-1")
    if again.body["id"] != order["id"] or order["attribution"]["promoter_id"] != promoter["id"]:
        raise StoryBroken(f"The live order went astray: {order}, {again.body}")
    path = f"{base}/orders/{order['id']}"
    payment = {
        "payment_id": f"live-pay-{basket.id}",
        "paid_at": clock.format_instant(clock.read_clock()),
        "amount_minor": basket.amount_minor,
    }
    api.call("支付 payment", "POST", f"{path}/payment", payment, expect=200)
    received = {"received_at": clock.format_instant(clock.read_clock())}
    api.call("收货 receipt", "POST", f"{path}/receipt", received, expect=200)
    api.wait_until_settled("分佣 settled", order["id"])
    dearest = max(basket.lines, key=lambda line: line.amount_minor)
    refund = {
        "refund_id": f"live-refund-{basket.id}",
        "refunded_at": clock.format_instant(clock.read_clock()),
        "lines": [{"sku": dearest.sku, "quantity": dearest.quantity, "amount_minor": dearest.amount_minor}],
    }
    api.call("部分退款 refund", "POST", f"{path}/refunds", refund, expect=201)
    commissions = api.wait_until_settled("冲回 settled", order["id"]).body["items"]
    wallet = api.call("钱包 wallet", "GET", f"{base}/wallets/{promoter['id']}", expect=200).body
    api.call("账本 ledger", "GET", f"{base}/ledger/check", expect=200)
    return Purchase(promoter["id"], order["id"], commissions, wallet, api.calls)
