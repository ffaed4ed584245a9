"""The shop under a crowd: 200 shoppers who look around and order, 500 who want the last 100 pieces, and how long a
payment takes to become a commission.
"""

import io
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import psutil
from sqlalchemy import text

from tests.benchmarks.client import Client
from tests.benchmarks.crowd import Answers, Crowd
from tests.benchmarks.measuring import Row, at_most, percentile, say
from tests.stacks import Stack
from tuike import catalog, identity
from tuike.app import App
from tuike.catalog import ShelfDraft
from tuike.embedded import find_free_port
from tuike.shared.clock import read_clock

SHOPPERS = 200
PRODUCTS = 10_000
ROUNDS = 5
ASKED_PER_SHOPPER = 40
WARM_UP = 10
ORDERS_PER_SHOPPER = 5
COLOURS, CLOTHS = ("红色", "蓝色", "黑色", "白色", "绿色"), ("棉", "真丝", "羊毛", "麻")
KINDS = ("连衣裙", "衬衫", "外套", "运动鞋")
SEARCHES = tuple(" ".join(words) for words in itertools.product(KINDS, COLOURS, CLOTHS))
"""Eighty searches with two to three thousand, or some ten, hits each."""
ORDER_REACH = 300.0
"""An order is two commits and some twenty statements; only that it grows no dearer is asked of it here."""
ADDRESS = {
    "name": "李雷",
    "phone": "13800001234",
    "region_code": "440305",
    "region": "广东省深圳市南山区",
    "detail": "1 号",
}

BUYERS = 500
PIECES = 100
LONGEST_WAIT_S = 5

PAID_ORDERS = 60
TICK_S = 1.0
"""How often the scheduler lets a worker look for what follows from events: see workers/schedule.py."""


@dataclass(frozen=True, slots=True)
class _Person:
    openid: str
    unionid: str | None = None


class _Doorkeeper:
    """Stands in for WeChat's login, which is not measured here: a code is whose it is."""

    def log_in(self, *, code: str) -> _Person:
        return _Person(code)

    def get_phone_number(self, **_: Any) -> Any:
        raise NotImplementedError


class Street:
    """A running stack with a catalogue of 10,000 products, and people who are logged in."""

    def __init__(self, stack: Stack, app: App, key: str) -> None:
        self.stack, self.app, self.key = stack, app, key
        self._vault = identity.Vault(
            token_keys=app.config.token_keys, data_keys=app.config.data_keys, digest_key=app.config.digest_key
        )
        self.random = random.Random(11)
        self.product_ids: list[str] = []
        self.sku_ids: list[str] = []

    def fill(self) -> None:
        """Bring the catalogue in, with the shelves of the home page."""
        say(f"bringing in {PRODUCTS:,} products")
        now = read_clock()
        with self.app.db.transaction() as tx:
            for number in range(20):
                catalog.create_category(tx, name=f"c{number}", now=now)
        head = "product_code,name,sku_code,price_minor,stock,state,category,brand\n"
        rows = [
            f"P{n},{COLOURS[n % 5]}{CLOTHS[n % 4]}{KINDS[n % 3]} no{n},S{n},{n + 100},100000,on_sale,"
            f"c{n % 20},brand{n % 50}\n"
            for n in range(PRODUCTS)
        ]
        with self.app.db.transaction() as tx:
            sheet = io.BytesIO((head + "".join(rows)).encode())
            catalog.import_catalogue(tx, merchant_id="main", content=sheet, made_by="bench", now=now)
            found = tx.execute(text("SELECT k.id, k.product_id FROM skus k ORDER BY k.id")).all()
            self.sku_ids = [row.id for row in found]
            self.product_ids = [row.product_id for row in found]
            for number in range(6):
                shelf = ShelfDraft(f"shelf {number}", tuple(self.product_ids[number * 20 : number * 20 + 20]), number)
                catalog.create_shelf(tx, draft=shelf, now=now)
            catalog.refresh_suggestions(tx)
        with self.app.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    def log_in(self, count: int, name: str) -> list[str]:
        """Return access tokens of new shoppers."""
        tokens = []
        for number in range(count):
            _, found = identity.log_in_with_wechat(
                self.app.db, self._vault, _Doorkeeper(), app_id="bench", code=f"{name}-{number}", device="bench",
                locale="zh-CN", now=read_clock(),
            )  # fmt: skip
            tokens.append(found.access_token)
        return tokens


class _Popular:
    """Draws from things as people do: the n-th most popular one n times less often than the first."""

    def __init__(self, things: Sequence[str], source: random.Random) -> None:
        self._things = source.sample(things, len(things))
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, len(things) + 1)))
        self._source = source

    def pick(self) -> str:
        return self._source.choices(self._things, cum_weights=self._weights)[0]


def measure_browsing(street: Street) -> list[Row]:
    """Return rows of home, product, search and order, each beside an empty Flask route under the same server."""
    tokens = street.log_in(SHOPPERS, "browsing")
    products, searches = _Popular(street.product_ids, street.random), _Popular(SEARCHES, street.random)
    with _serve_empty(street) as url, closing(Crowd(url, SHOPPERS)) as yard, \
            closing(Crowd(street.stack.url, SHOPPERS)) as crowd:  # fmt: skip
        empty = yard.make_request("GET", "/empty")

        def get(path: Callable[[], str]) -> Callable[[int, int], bytes]:
            return lambda client, _: crowd.make_request("GET", path(), token=tokens[client])

        calls = {
            "home page": get(lambda: "/home"),
            "product page": get(lambda: f"/products/{products.pick()}"),
            "search": get(lambda: f"/search?q={quote(searches.pick())}"),
        }
        taken: dict[str, list[tuple[Answers, Answers]]] = {name: [] for name in (*calls, "placing an order")}
        say(f"{SHOPPERS} shoppers look around, in turns with an empty route")
        _ask_for(crowd, "POST", "/me/addresses", tokens, lambda _: ADDRESS, status=201)
        every = itertools.cycle(street.product_ids)
        crowd.run(_often(get(lambda: f"/products/{next(every)}"), 2 * PRODUCTS // SHOPPERS)).expect(200)
        yard.run(_often(lambda *_: empty)).expect(200)
        for _, (name, make) in itertools.product(range(ROUNDS), calls.items()):
            crowd.run(_often(make, WARM_UP)).expect(200)  # as if this had gone on before
            taken[name].append((crowd.run(_often(make)).expect(200), yard.run(_often(lambda *_: empty)).expect(200)))
        say(f"{SHOPPERS} shoppers order")
        for number in range(ORDERS_PER_SHOPPER + 1):
            pair = (_order(crowd, tokens, street), yard.run(_often(lambda *_: empty)).expect(200))
            if number:
                taken["placing an order"].append(pair)
        return [row for name, pairs in taken.items() for row in _compare(name, pairs)]


def _compare(name: str, pairs: Sequence[tuple[Answers, Answers]]) -> Iterator[Row]:
    """Give the rows of one call: p50 with its reach, p95 and rate beside the yardstick's."""
    ours = [time_ms for one, _ in pairs for time_ms in one.taken_ms]
    theirs = [time_ms for _, one in pairs for time_ms in one.taken_ms]
    of_rounds = statistics.median(
        statistics.median(one.taken_ms) / statistics.median(other.taken_ms) for one, other in pairs
    )
    rate, their_rate = (statistics.median(pair[side].rate for pair in pairs) for side in (0, 1))
    p50, p95, their_p50, their_p95 = (
        percentile(series, percent) for series in (ours, theirs) for percent in (50, 95)
    )  # fmt: skip
    bound = ORDER_REACH if name == "placing an order" else 3.0
    title = f"{name}, {SHOPPERS} shoppers at once"
    yield at_most(f"{title}, p50", p50, "ms", f"empty Flask route {their_p50:.1f} ms", of_rounds, bound)
    yield at_most(f"{title}, p95", p95, "ms", f"empty Flask route {their_p95:.1f} ms", p95 / their_p95, bound * 1.5)
    yield Row(
        f"{title}, rate", rate, "requests/s", f"empty Flask route {their_rate:,.0f}/s", rate / their_rate,
        f"≥ {1 / bound:.2g}×", rate / their_rate >= 1 / bound,
    )  # fmt: skip


def _order(crowd: Crowd, tokens: Sequence[str], street: Street) -> Answers:
    """Let everybody put two SKUs into the cart, ask what they cost and order them; return the answers to the orders."""
    for _ in range(2):
        _ask_for(crowd, "POST", "/me/cart/lines", tokens,
                 lambda _: {"sku_id": street.random.choice(street.sku_ids), "quantity": 1})  # fmt: skip
    quotes = _ask_for(crowd, "POST", "/me/checkout/quote", tokens, lambda _: {})
    prints = {client: {"fingerprint": one["fingerprint"]} for client, (_, one) in quotes.bodies.items()}
    return _ask_for(crowd, "POST", "/me/orders", tokens, prints.__getitem__, status=201)


def measure_hot_sku(street: Street) -> list[Row]:
    """Return the rows of 500 buyers who order 100 pieces of one SKU at once."""
    say(f"{BUYERS} buyers want {PIECES} pieces")
    tokens = street.log_in(BUYERS, f"hot-{time.time_ns()}")
    with street.app.db.transaction() as tx:
        draft = catalog.ProductDraft(
            name="限量款", skus=(catalog.SkuDraft(spec=(), price_minor=9900, stock=PIECES),), spec_names=()
        )
        made = catalog.create_product(
            tx, merchant_id="main", draft=draft, state=catalog.ProductState.ON_SALE, made_by="bench", now=read_clock()
        )
    sku_id = made.skus[0].id
    wanted = {"lines": [{"sku_id": sku_id, "quantity": 1}]}
    with closing(Crowd(street.stack.url, BUYERS)) as crowd:
        _ask_for(crowd, "POST", "/me/addresses", tokens, lambda _: ADDRESS, status=201)
        quotes = _ask_for(crowd, "POST", "/me/checkout/quote", tokens, lambda _: wanted)
        bodies = {c: wanted | {"fingerprint": one["fingerprint"]} for c, (_, one) in quotes.bodies.items()}
        deadlocks = _count_deadlocks(street)
        answers = crowd.run(_once(crowd, "POST", "/me/orders", tokens, bodies.__getitem__), keep=True)
    codes = {body["error"]["code"] for status, body in answers.bodies.values() if status != 201}
    if not codes <= {"quote_changed"}:
        raise AssertionError(f"refused otherwise than for the stock: {codes}")
    with street.app.db.transaction() as tx:
        stock = tx.execute(text("SELECT available, reserved FROM stock WHERE sku_id = :id"), {"id": sku_id}).one()
        orders = tx.execute(
            text("SELECT count(*) FROM shop_order_lines WHERE sku_id = :id"), {"id": sku_id}
        ).scalar_one()
    deadlocks = _count_deadlocks(street) - deadlocks
    sold = answers.statuses[201]
    longest = max(answers.taken_ms) / 1000
    is_exact = sold == orders == stock.reserved == PIECES and stock.available == 0 and not deadlocks
    shown = f"{PIECES} pieces, {BUYERS - PIECES} refusals, no deadlock"
    return [
        Row(f"sold of one SKU, {BUYERS} buyers at once", sold, "pieces", shown, sold / PIECES, "exactly", is_exact),
        Row(f"longest wait of {BUYERS} buyers at once", longest, "s", f"{LONGEST_WAIT_S} s", longest / LONGEST_WAIT_S,
            "≤ 1×", longest <= LONGEST_WAIT_S),
    ]  # fmt: skip


def measure_notify(street: Street) -> list[Row]:
    """Return the row of a payment: from the provider's notify to the commission that everybody sees."""
    say("paying orders and waiting for their commissions")
    (token,) = street.log_in(1, f"payer-{time.time_ns()}")
    client = Client(street.stack.url, street.key)
    promoter = client.post("/promoters", {"external_id": f"bench-notify-{time.time_ns()}", "name": "Promoter"})
    link = client.post("/links", {"promoter_id": promoter["id"], "target": {"type": "shop"}})
    shopper = httpx.Client(
        base_url=f"{street.stack.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30
    )
    simulator = httpx.Client(base_url=street.stack.simulator_url, trust_env=False, timeout=30)
    taken = []
    with closing(client), shopper, simulator:
        code = simulator.post("/_control/codes", json={"name": f"bench-{time.time_ns()}"}).json()["code"]
        linked = shopper.post("/login/wechat", json={"code": code}).raise_for_status().json()
        shopper.headers["Authorization"] = f"Bearer {linked['access_token']}"
        shopper.post("/me/addresses", json=ADDRESS).raise_for_status()
        client.post("/touches", {"code": link["code"], "buyer_id": linked["user_id"]})
        for number in range(PAID_ORDERS + 3):
            waited = _pay(shopper, simulator, client, street)
            if number >= 3:
                taken.append(waited)
            time.sleep(street.random.uniform(0, TICK_S))  # so that orders do not come in step with the clock
    p95 = percentile(taken, 95)
    say(f"payment notify → commission visible: p50 {statistics.median(taken):.2f} s, p95 {p95:.2f} s")
    yardstick = f"a worker looks every {TICK_S:g} s"
    return [at_most("payment notify → commission visible, p95", p95, "s", yardstick, p95 / TICK_S, 2)]


def _pay(shopper: httpx.Client, simulator: httpx.Client, client: Client, street: Street) -> float:
    """Order one piece, pay it at the simulated WeChat, and return the seconds until its commission is there."""
    wanted = {"lines": [{"sku_id": street.random.choice(street.sku_ids), "quantity": 1}]}
    quoted = shopper.post("/me/checkout/quote", json=wanted).raise_for_status().json()
    order = shopper.post("/me/orders", json=wanted | {"fingerprint": quoted["fingerprint"]}).raise_for_status().json()
    opened = shopper.post(f"/me/orders/{order['id']}/payments", json={"provider": "wechat"}).raise_for_status().json()
    begun = time.perf_counter()
    simulator.post(f"/_control/payments/{opened['id']}/pay", json={}).raise_for_status()
    while time.perf_counter() - begun < 30:
        if client.get(f"/orders/{order['id']}/commissions")["items"]:
            return time.perf_counter() - begun
        time.sleep(0.01)
    raise AssertionError("a payment brought no commission within 30 s")


def _often(make: Callable[[int, int], bytes], times: int = ASKED_PER_SHOPPER) -> Callable[[int, int], bytes | None]:
    # Made before the first is sent, so that making them costs nobody time.
    requests = [[make(client, nth) for nth in range(times)] for client in range(SHOPPERS)]
    return lambda client, nth: requests[client][nth] if nth < times else None


def _once(
    crowd: Crowd, method: str, path: str, tokens: Sequence[str], body: Callable[[int], Any]
) -> Callable[[int, int], bytes | None]:
    # Made before the first is sent, so that all stand at the door at once.
    requests = [crowd.make_request(method, path, token=tokens[one], body=body(one)) for one in range(len(crowd))]
    return lambda client, nth: None if nth else requests[client]


def _ask_for(
    crowd: Crowd, method: str, path: str, tokens: Sequence[str], body: Callable[[int], Any], *, status: int = 200
) -> Answers:
    return crowd.run(_once(crowd, method, path, tokens, body), keep=True).expect(status)


def _count_deadlocks(street: Street) -> int:
    with street.app.db.transaction() as tx:
        tx.execute(text("SELECT pg_stat_clear_snapshot()"))
        query = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(tx.execute(query).scalar_one())


@contextmanager
def _serve_empty(street: Street) -> Iterator[str]:
    """Serve the empty route by the command line of the running API, but for the application and the port."""
    api = street.stack.read_note()["parts"]["api"]
    command = psutil.Process(api).cmdline()
    port = find_free_port()
    command[command.index("--port") + 1] = str(port)
    command[-1] = "tests.benchmarks.empty:application"
    server = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/api/v1/empty", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
