"""Orders flow while parts of the stack are killed: what was answered stays, and nothing happens twice.

Six rounds by default, each with another victim; TUIKE_CRASH_ROUNDS asks for more.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.e2e.shops import Shop, open_shop, read_clock, to_text
from tests.stacks import Stack, start_stack
from tuike.embedded import find_free_port

ROUNDS = int(os.environ.get("TUIKE_CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("TUIKE_CRASH_SEED", "20261123"))
VICTIMS = ("graph", "api", "postgres", "worker", "beat", "stack", "api child", "worker child")
THREADS = 3
FLOWS_S = 3.0
PATIENCE_S = 90
RATES_BPS = (1000, 300)

PayingLine = tuple[str, int]


@dataclass
class Placed:
    """An order as the test believes it to be."""

    id: str
    earners: tuple[str | None, str | None]
    left: dict[str, int]
    received: bool = False

    @property
    def kept(self) -> tuple[int, int]:
        """What each level may keep: floor(left × rate / 10 000) per line, nothing where nobody stands."""
        first, second = (
            sum(left * rate // 10_000 for left in self.left.values()) if earner else 0
            for rate, earner in zip(RATES_BPS, self.earners, strict=True)
        )
        return first, second


@dataclass
class Sent:
    """A request that was answered, to be sent again at the end."""

    method: str
    path: str
    body: Any
    key: str
    answer: str


class Shopper(threading.Thread):
    """One thread of the shop's back end with a team of its own; it sends each request again until it is answered."""

    def __init__(self, number: int, shop: Shop) -> None:
        super().__init__(name=f"shopper-{number}")
        self.shop = shop
        self.chosen = random.Random(SEED + number)
        self.stop_asked = threading.Event()
        self.error: BaseException | None = None
        self.inviters: dict[str, str | None] = {}
        self.links: dict[str, str] = {}
        self.orders: list[Placed] = []
        self.withdrawals: dict[str, dict[str, Any]] = {}
        self.touches = 0
        self.sent: list[Sent] = []
        self.defects: list[str] = []
        self.retries = 0

    def run(self) -> None:
        try:
            self.join_team(None)
            while not self.stop_asked.is_set():
                self.chosen.choices(
                    [self.invite, self.move, self.sell, self.send_back, self.withdraw], weights=[3, 1, 8, 2, 2]
                )[0]()
        except BaseException as error:  # noqa: BLE001 - shown by the test that started the thread
            self.error = error

    # Calls

    def send(self, method: str, path: str, body: Any, *, who: str = "integration", refusal: str | None = None) -> Any:
        """Send one request until it is answered; None for the one refusal that may be."""
        key = self.shop.new_id("key")
        end = time.monotonic() + PATIENCE_S
        while True:
            assert time.monotonic() < end, f"{method} {path} found no answer within {PATIENCE_S} s"
            try:
                answer = self.shop.callers[who].request(method, path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                self.retries += 1
                time.sleep(0.1)
                continue
            if answer.status_code in (200, 201):
                self.sent.append(Sent(method, path, body, key, answer.text))
                return answer.json()
            code = answer.json()["error"]["code"]
            if code == refusal:
                return None
            if answer.status_code == 500:
                self.defects.append(f"{method} {path}: {answer.text}")
            assert answer.status_code >= 500 or code == "idempotency_in_progress", answer.text
            self.retries += 1
            time.sleep(0.1)

    # What a shop does

    def join_team(self, inviter_id: str | None) -> None:
        body = {"external_id": self.shop.new_id("person"), "name": "Li Lei", "inviter_id": inviter_id}
        joined = self.send("POST", "promoters", body)
        self.inviters[joined["id"]] = inviter_id
        target = {"promoter_id": joined["id"], "target": {"type": "shop"}}
        self.links[joined["id"]] = self.send("POST", "links", target)["code"]

    def invite(self) -> None:
        self.join_team(self.chosen.choice(list(self.inviters)))

    def move(self) -> None:
        """Move somebody below somebody who does not stand below them."""
        person, above = self.chosen.choice(list(self.inviters)), self.chosen.choice(list(self.inviters))
        step: str | None = above
        while step is not None and step != person:
            step = self.inviters[step]
        if step == person:
            return
        self.send("PUT", f"promoters/{person}/inviter", {"inviter_id": above, "reason": "asked for", "force": True})
        self.inviters[person] = above

    def sell(self) -> None:
        seller = self.chosen.choice(list(self.inviters))
        buyer = self.shop.new_id("buyer")
        self.send("POST", "touches", {"code": self.links[seller], "buyer_id": buyer})
        self.touches += 1
        lines = {f"sku-{no}": self.chosen.randint(1, 99_999) for no in range(self.chosen.randint(1, 3))}
        order = self.send("POST", "orders", {
            "external_id": self.shop.new_id("order"), "buyer_id": buyer, "placed_at": to_text(read_clock()),
            "lines": [{"sku": sku, "quantity": 1, "amount_minor": amount} for sku, amount in lines.items()],
        })  # fmt: skip
        placed = Placed(order["id"], (seller, self.inviters[seller]), lines)
        self.orders.append(placed)
        paid_at = to_text(read_clock())
        payment = {"payment_id": f"pay-{placed.id}", "paid_at": paid_at, "amount_minor": sum(lines.values())}
        self.send("POST", f"orders/{placed.id}/payment", payment)
        if self.chosen.random() < 0.6:
            self.receive(placed)

    def receive(self, placed: Placed) -> None:
        received_at = to_text(read_clock() - timedelta(days=8))
        self.send("POST", f"orders/{placed.id}/receipt", {"received_at": received_at})
        placed.received = True

    def send_back(self) -> None:
        if not self.orders:
            return
        placed = self.chosen.choice(self.orders)
        sku = self.chosen.choice(list(placed.left))
        if placed.left[sku]:
            amount = self.chosen.randint(1, placed.left[sku])
            lines = [{"sku": sku, "quantity": 1, "amount_minor": amount}]
            refund = {"refund_id": self.shop.new_id("refund"), "refunded_at": to_text(read_clock()), "lines": lines}
            self.send("POST", f"orders/{placed.id}/refunds", refund)
            placed.left[sku] -= amount

    def withdraw(self) -> None:
        person = self.chosen.choice(list(self.inviters))
        asked = {"promoter_id": person, "amount_minor": self.chosen.randint(100, 2_000), "method": "manual"}
        made = self.send("POST", "withdrawals", asked, refusal="insufficient_balance")
        if made is None:
            return
        self.withdrawals[made["id"]] = made
        for word in self.chosen.choice([[], ["approve"], ["reject"], ["approve", "paid"], ["approve", "failed"]]):
            decided = self.send("POST", f"withdrawals/{made['id']}/{word}", {}, who="operator")
            self.withdrawals[made["id"]] = decided


@dataclass
class Crashing:
    """A stack on one directory and one port that is killed in parts or as a whole."""

    directory: Path
    port: int
    opened: ExitStack
    stack: Stack = field(init=False)
    chosen: random.Random = field(default_factory=lambda: random.Random(SEED))

    def start(self) -> None:
        self.stack = self.opened.enter_context(start_stack(self.directory, port=self.port))
        assert self.stack.url.endswith(f":{self.port}"), "it came back at another address"

    def kill(self, victim: str) -> None:
        """Kill one victim and wait until everything is up again."""
        if victim == "stack":
            self.stack.process.kill()
            self.stack.process.wait(10)
            self.start()
        else:
            part, _, child = victim.partition(" ")
            os.kill(self._find_child(part) if child else self.stack.read_note()["parts"][part], signal.SIGKILL)
            time.sleep(0.3)
        end = time.monotonic() + PATIENCE_S
        while not self._is_up():
            assert time.monotonic() < end, f"the stack did not come back within {PATIENCE_S} s"
            time.sleep(0.2)

    def _find_child(self, part: str) -> int:
        """Return the pid of one of the processes that a part runs, which may have only just started."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(self.stack.read_note()["parts"][part]).children(recursive=True)
                if children:
                    return int(self.chosen.choice(children).pid)
            time.sleep(0.1)
        raise AssertionError(f"the {part} runs no processes of its own")

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.stack.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def run_crashing(directory: Path) -> Iterator[Crashing]:
    with ExitStack() as opened:
        crashing = Crashing(directory, find_free_port(), opened)
        crashing.start()
        yield crashing


@pytest.mark.timeout(180 + 60 * ROUNDS)
def test_nothing_that_was_answered_is_lost_or_doubled_whoever_dies(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with run_crashing(directory) as crashing:
        with open_shop(
            crashing.stack.url, words=["--data-dir", str(directory)], scopes=("integration", "operator")
        ) as shop:
            shoppers = [Shopper(number, shop) for number in range(THREADS)]
            for shopper in shoppers:
                shopper.start()
            try:
                for turn in range(ROUNDS):
                    time.sleep(FLOWS_S * crashing.chosen.uniform(0.5, 1.5))
                    crashing.kill(VICTIMS[turn % len(VICTIMS)])
                    assert all(shopper.is_alive() for shopper in shoppers), [shopper.error for shopper in shoppers]
                time.sleep(FLOWS_S)
            finally:
                for shopper in shoppers:
                    shopper.stop_asked.set()
                for shopper in shoppers:
                    shopper.join(PATIENCE_S)
            for shopper in shoppers:
                if shopper.error is not None:
                    raise shopper.error
            assert sum(len(shopper.orders) for shopper in shoppers) >= 2 * ROUNDS
            assert sum(shopper.retries for shopper in shoppers) >= ROUNDS, "nothing was sent while parts were away"
            assert [defect for shopper in shoppers for defect in shopper.defects] == []
            _check_facts(shop, shoppers)
            _check_commissions(shop, shoppers)
            shop.release()
            _check_wallets(shop, shoppers)
            _check_teams(shop, shoppers)
            _check_nothing_twice(crashing.stack, shop, shoppers)
            _check_answers_outlive_crashes(shop, shoppers)
            shop.check_books()


def _check_facts(shop: Shop, shoppers: list[Shopper]) -> None:
    """Every list holds exactly what was answered."""
    expected = {
        "promoters": {person for shopper in shoppers for person in shopper.inviters},
        "orders": {placed.id for shopper in shoppers for placed in shopper.orders},
        "withdrawals": {asked for shopper in shoppers for asked in shopper.withdrawals},
    }
    for path, ids in expected.items():
        listed = [item["id"] for item in shop.read_all(path, limit=200)]
        assert len(listed) == len(set(listed))
        assert set(listed) == ids, path


def _check_commissions(shop: Shop, shoppers: list[Shopper]) -> None:
    def check(placed: Placed) -> None:
        items = shop.list_commissions({"id": placed.id})
        order = shop.get(f"orders/{placed.id}")
        assert order["attribution"]["promoter_id"] == placed.earners[0], order
        assert order["attribution"]["reason"] == "last_touch", order
        left = {line["sku"]: line["amount_minor"] - line["refunded_minor"] for line in order["lines"]}
        assert left == placed.left, order
        assert order["status"] == ("refunded" if not sum(left.values()) else "received" if placed.received else "paid")
        assert tuple(item["promoter_id"] for item in items[:2]) == placed.earners, items
        assert tuple(item["amount_minor"] - item["reversed_minor"] for item in items[:2]) == placed.kept, items

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, [placed for shopper in shoppers for placed in shopper.orders]))


def _check_wallets(shop: Shop, shoppers: list[Shopper]) -> None:
    """Each wallet is exactly what the orders and withdrawals make of it."""
    for shopper in shoppers:
        kept: dict[str, int] = defaultdict(int)
        pending: dict[str, int] = defaultdict(int)
        for placed in shopper.orders:
            for earner, amount in zip(placed.earners, placed.kept, strict=True):
                if earner:
                    kept[earner] += amount
                    pending[earner] += 0 if placed.received else amount
        for person in shopper.inviters:
            mine = [w for w in shopper.withdrawals.values() if w["promoter_id"] == person]
            sums = {status: sum(w["amount_minor"] for w in mine if w["status"] == status)
                    for status in ("requested", "approved", "paid")}  # fmt: skip
            gone = sum(sums.values())
            rest = kept[person] - pending[person] - gone
            expected = {
                "pending": pending[person],
                "withdrawing": sums["requested"] + sums["approved"],
                "withdrawn": sums["paid"],
                "available": max(rest, 0),
                "debt": max(-rest, 0),
            }
            assert shop.wallet({"id": person}) == {name: amount for name, amount in expected.items() if amount}


def _check_teams(shop: Shop, shoppers: list[Shopper]) -> None:
    for shopper in shoppers:
        levels: dict[str, list[int]] = {person: [0, 0, 0] for person in shopper.inviters}
        for person in shopper.inviters:
            above = shopper.inviters[person]
            for level in range(3):
                if above is not None:
                    levels[above][level] += 1
                    above = shopper.inviters[above]
        for person, sizes in levels.items():
            assert shop.team_sizes({"id": person}) == sizes
            assert shop.get(f"promoters/{person}")["inviter_id"] == shopper.inviters[person]


def _check_nothing_twice(stack: Stack, shop: Shop, shoppers: list[Shopper]) -> None:
    """What no list shows: touches, payments and what follows from them, counted where they are kept."""
    counts: dict[str, Callable[[], int]] = {
        "SELECT count(*) FROM journal WHERE kind = 'touch'": lambda: sum(s.touches for s in shoppers),
        "SELECT count(*) FROM journal WHERE kind = 'promoter'": lambda: sum(len(s.inviters) for s in shoppers),
        "SELECT count(*) FROM journal WHERE status <> 'applied' AND lane = 0": lambda: 0,
        "SELECT count(*) FROM outbox": lambda: 0,
    }
    with psycopg.connect(stack.read_note()["settings"]["DATABASE_URL"]) as connection:
        for query, expected in counts.items():
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            assert row[0] == expected(), query


def _check_answers_outlive_crashes(shop: Shop, shoppers: list[Shopper]) -> None:
    """The same key and body give the same answer after every restart, and without a second effect."""
    chosen = random.Random(SEED)
    for shopper in shoppers:
        for sent in chosen.sample(shopper.sent, min(40, len(shopper.sent))):
            who = (
                "operator" if sent.path.rsplit("/", 1)[-1] in ("approve", "reject", "paid", "failed") else "integration"
            )
            again = shop.callers[who].request(
                sent.method, sent.path, json=sent.body, headers={"Idempotency-Key": sent.key}
            )
            assert (again.text, again.headers.get("Idempotency-Hit")) == (sent.answer, "true"), sent.path
