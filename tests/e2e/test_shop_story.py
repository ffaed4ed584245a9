"""The whole story over HTTP against a running stack and its simulator: from a friend's share to the debt of a refund."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.persons import totp_at
from tests.e2e.shops import Shop, expect, read_clock

PASSWORD = "correct horse battery"
PATIENCE_S = 30
ADDRESS = {
    "name": "李雷", "phone": "13800001234", "region_code": "440305", "region": "广东省深圳市南山区", "detail": "科技园 1 号",
}  # fmt: skip


@dataclass
class Street:
    """A shop, those who work in it, and people who come along with WeChat in their hands."""

    shop: Shop
    opened: ExitStack
    simulator: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.simulator = self._open(self.shop.simulator_url, {})

    def control(self, path: str, **body: Any) -> Any:
        """Use the simulator's controls."""
        return expect_plain(self.simulator.post(f"/_control/{path}", json=body))

    def find_there(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Return the one record of a kind that the simulator has with these values."""
        records = expect_plain(self.simulator.get("/_control/state"))[kind]
        (found,) = [one for one in records if all(one[name] == value for name, value in wanted.items())]
        return dict(found)

    def list_tries_of_notify(self, payment_id: str) -> list[str]:
        """Return how each delivery of the notify of a payment was answered."""
        told = expect_plain(self.simulator.get("/_control/state"))["notify"]
        (notify,) = [one for one in told if one["resource"].get("out_trade_no") == payment_id]
        return [one["outcome"] for one in notify["attempts"]]

    def log_in(self, name: str) -> httpx.Client:
        """Log a person in with one tap."""
        code = self.control("codes", name=f"{name}-{self.shop.run_id}")["code"]
        tokens = expect(self.somebody().post("login/wechat", json={"code": code, "device": "phone"}), 200)
        assert "session_key" not in tokens
        return self._open(f"{self.shop.url}/api/v1/", {"Authorization": f"Bearer {tokens['access_token']}"})

    def hire(self, *permissions: str) -> httpx.Client:
        """Let an operator make a member of staff, who changes the first password, logs in and enrols what is needed."""
        username = self.shop.new_id("staff").lower()
        asked = [word for permission in permissions for word in ("--permission", permission)]
        first = self.shop.run("staff", "create", "--username", username, "--name", "韩梅梅", *asked).stdout.strip()
        anybody, account = self.somebody(), {"username": username, "password": first}
        expect(anybody.post("staff/password", json=account | {"new_password": PASSWORD}), 200)
        tokens = expect(anybody.post("staff/login", json=account | {"password": PASSWORD}), 200)
        member = self._open(f"{self.shop.url}/api/v1/", {"Authorization": f"Bearer {tokens['access_token']}"})
        if tokens["must_enrol_second_factor"]:
            secret = expect(member.post("staff/me/second-factor", json={}), 200)["secret"]
            expect(member.post("staff/me/second-factor/confirm", json={"code": totp_at(secret)}), 200)
        return member

    def somebody(self) -> httpx.Client:
        """Return somebody without credentials."""
        return self._open(f"{self.shop.url}/api/v1/", {})

    def become_promoter(self, person: httpx.Client, **fields: Any) -> dict[str, Any]:
        """Let a person accept the newest agreement, if there is one, and become a promoter."""
        for agreement in expect(person.get("agreements"), 200)["items"]:
            accepted = {"version": agreement["version"]}
            expect(person.post(f"me/agreements/{agreement['kind']}", json=accepted), 200)
        return dict(expect(person.post("me/promoter", json=fields), 201))

    def stock_shelf(self, content: httpx.Client) -> list[dict[str, Any]]:
        """Write two products and put them on a shelf of the home page."""
        category = expect(content.post("categories", json={"name": self.shop.new_id("女装")}), 201)
        products = [
            expect(
                content.post(
                    "catalog/products",
                    json={
                        "name": f"{name} {self.shop.new_id('n')}",
                        "state": "on_sale",
                        "category_id": category["id"],
                        "skus": [{"price_minor": price, "stock": 5}],
                    },
                ),
                201,
            )
            for name, price in (("红色连衣裙", 19_900), ("搪瓷杯", 5_000))
        ]
        shelf = {"title": self.shop.new_id("新品"), "product_ids": [one["id"] for one in products]}
        expect(content.post("shelves", json=shelf), 201)
        return [dict(one) for one in products]

    def _open(self, url: str, headers: dict[str, str]) -> httpx.Client:
        return self.opened.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False))


@pytest.fixture
def street(shop: Shop) -> Iterator[Street]:
    with ExitStack() as opened:
        yield Street(shop, opened)


def expect_plain(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_for(read: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    """Return what is read once it is so."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = read()
        if is_so(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.2)


class Listener(threading.Thread):
    """A page that follows an order by server-sent events, and comes back whenever a stream ends."""

    def __init__(self, client: httpx.Client, order_id: str, *, until: str) -> None:
        super().__init__(daemon=True)
        self._client, self._path, self._until = client, f"me/orders/{order_id}/events", until
        self.heard: list[tuple[int, str]] = []
        self.is_open = threading.Event()

    def run(self) -> None:
        end, version = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < end:
            with self._client.stream("GET", self._path, headers={"Last-Event-ID": str(version)}) as answer:
                assert answer.headers["Content-Type"].startswith("text/event-stream")
                for line in answer.iter_lines():
                    self.is_open.set()
                    if line.startswith("id: "):
                        version = int(line.removeprefix("id: "))
                    if line.startswith("data: "):
                        kind = line.split('"kind":', 1)[1].split('"')[1]
                        self.heard.append((version, kind))
                        if kind == self._until:
                            return


def test_the_whole_story_from_a_friends_share_to_the_debt_of_a_refund(street: Street) -> None:
    shop = street.shop
    shop.set_plan()
    content, support, finance = street.hire("content"), street.hire("support"), street.hire("finance")
    dress, cup = street.stock_shelf(content)

    # Two promoters; the second shares the dress.
    top, friend = street.log_in("top"), street.log_in("friend")
    above = street.become_promoter(top)
    promoter = street.become_promoter(friend, invite_code=above["invite_code"])
    link = expect(friend.post("me/links", json={"target": {"type": "product", "id": dress["id"]}}), 201)

    # A shopper logs in, looks around, and opens the share.
    shopper = street.log_in("shopper")
    home = wait_for(
        lambda: expect(shopper.get("home"), 200)["shelves"],
        lambda shelves: dress["id"] in [card["id"] for shelf in shelves for card in shelf["products"]],
    )
    assert home
    found = expect(shopper.get("search", params={"q": dress["name"]}), 200)["items"]
    assert found[0]["id"] == dress["id"]
    assert expect(shopper.get(f"products/{dress['id']}"), 200)["skus"][0]["stock"] == {"state": "low", "left": 5}
    assert expect(shopper.get(f"products/{dress['id']}"), 200)["earning"] is None
    seen = expect(friend.get("search", params={"q": dress["name"]}), 200)["items"][0]
    assert seen["earning"] == {"rate_bps": 1000, "from_minor": 1_990, "to_minor": 1_990}
    opened = httpx.get(link["url"], trust_env=False)
    assert opened.status_code == 302
    assert f"/products/{dress['id']}?tuike_touch=" in opened.headers["Location"]
    parent = opened.headers["Location"].rpartition("=")[2]
    touch = expect(shopper.post("me/touches", json={"code": link["code"], "parent_touch_id": parent}), 201)
    assert (touch["promoter_id"], touch["depth"]) == (promoter["id"], 1)

    # The cart, a quote, and the order.
    expect(shopper.post("me/addresses", json=ADDRESS), 201)
    for product, quantity in ((dress, 2), (cup, 1)):
        line = {"sku_id": product["skus"][0]["id"], "quantity": quantity, "touch_id": touch["id"]}
        expect(shopper.post("me/cart/lines", json=line), 200)
    quote = expect(shopper.post("me/checkout/quote", json={}), 200)
    assert (quote["payable_minor"], quote["can_be_placed"]) == (44_800, True)
    body = {"fingerprint": quote["fingerprint"]}
    order = expect(shopper.post("me/orders", json=body, headers={"Idempotency-Key": shop.new_id("key")}), 201)
    assert order["state"] == "unpaid"
    assert expect(shopper.get("me/orders/counts"), 200)["unpaid"] == 1

    # Paid in WeChat, whose notify comes twice; the page that listens hears of it.
    payment = expect(shopper.post(f"me/orders/{order['id']}/payments", json={"provider": "wechat"}), 201)
    assert set(payment["request"]) >= {"timeStamp", "nonceStr", "package", "paySign"}
    listener = Listener(street.log_in("shopper"), order["id"], until="paid")
    listener.start()
    assert listener.is_open.wait(PATIENCE_S)
    street.control("notifies/policy", repeat=1)
    street.control(f"payments/{payment['id']}/pay")
    paid = wait_for(
        lambda: expect(shopper.get(f"me/payments/{payment['id']}"), 200), lambda one: one["state"] == "succeeded"
    )
    assert paid["outcome"] == "paid_order"
    listener.join(PATIENCE_S)
    assert listener.heard == [(1, "placed"), (2, "paid")]
    wait_for(lambda: street.list_tries_of_notify(payment["id"]), lambda tries: tries == ["ok", "ok"])
    assert expect(shopper.get(f"me/orders/{order['id']}"), 200)["state"] == "to_ship"
    assert shop.amounts(order) == [4_480, 1_344, 0]
    assert shop.wallet(promoter) == {"pending": 4_480}

    # Shipped in two parcels, of which WeChat is told, and received.
    for tracking_no, line, state in (("SF1", {"no": 0, "quantity": 2}, "to_ship"), ("SF2", None, "shipped")):
        parcel = {"carrier": "SF", "tracking_no": tracking_no} | ({} if line is None else {"lines": [line]})
        expect(support.post(f"shop/orders/{order['id']}/parcels", json=parcel), 201)
        assert expect(shopper.get(f"me/orders/{order['id']}"), 200)["state"] == state
    assert len(expect(shopper.get(f"me/orders/{order['id']}/parcels"), 200)["items"]) == 2
    wait_for(
        lambda: street.find_there("payment", out_trade_no=payment["id"]).get("shipping_state"),
        lambda state: state == "shipped",
    )
    assert expect(shopper.post(f"me/orders/{order['id']}/receipt", json={}), 200)["state"] == "completed"

    # The days of holding pass; the promoter withdraws and confirms in WeChat.
    shop.list_commissions(order)
    shop.release(read_clock() + timedelta(days=8))
    mine = expect(friend.get("me/wallet"), 200)
    assert (mine["available_minor"], mine["pending_minor"]) == (4_480, 0)
    asked = expect(friend.post("me/withdrawals", json={"amount_minor": 4_480, "method": "wechat"}), 201)
    expect(finance.post(f"withdrawals/{asked['id']}/approve", json={}), 200)
    payout = expect(finance.post(f"withdrawals/{asked['id']}/payout", json={}), 201)
    waiting = wait_for(
        lambda: expect(friend.get(f"me/payouts/{payout['id']}"), 200), lambda one: one["state"] == "waiting_for_user"
    )
    assert set(waiting["request"]) == {"mchId", "appId", "package"}
    street.control(f"transfers/{payout['out_no']}/confirm")
    wait_for(lambda: expect(friend.get(f"me/payouts/{payout['id']}"), 200), lambda one: one["state"] == "succeeded")
    assert shop.wallet(promoter) == {"withdrawn": 4_480}

    # One dress comes back in part: the commission that was paid out is owed.
    claim = {"kind": "refund_only", "lines": [{"no": 0, "quantity": 1}], "reason": "too_small"}
    case = expect(shopper.post(f"me/orders/{order['id']}/cases", json=claim), 201)
    assert case["amount_minor"] == 19_900
    expect(support.post(f"shop/cases/{case['id']}/approval", json={}), 200)
    wait_for(lambda: expect(shopper.get(f"me/cases/{case['id']}"), 200), lambda one: one["state"] == "refunded")
    assert street.find_there("refund", out_trade_no=payment["id"])["status"] == "SUCCESS"
    assert shop.amounts(order) == [4_480 - 1_990, 1_344 - 597, 0]
    assert shop.wallet(promoter) == {"withdrawn": 4_480, "debt": 1_990}
    assert expect(friend.get("me/wallet"), 200)["debt_minor"] == 1_990
    assert shop.wallet(above) == {"available": 1_344 - 597}

    # The same life again for who polls, and the books are sound.
    history = expect(shopper.get(f"me/orders/{order['id']}/history"), 200)["items"]
    assert [one["kind"] for one in history] == [
        "placed", "paid", "parcel_shipped", "parcel_shipped", "shipped", "received", "case_requested", "case_approved",
        "refunded",
    ]  # fmt: skip
    assert expect(shopper.get(f"me/orders/{order['id']}/history", params={"since": history[-2]["version"]}), 200)[
        "items"
    ] == [history[-1]]
    shop.check_books()
