"""A shop whose orders are really paid: over a simulator process, with notifies that come in by HTTP."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from werkzeug.serving import WSGIRequestHandler, make_server

from api import create_app
from tests.integration.catalogue import open_catalogue
from tests.integration.shop import Shop
from tests.simulators import QUICK, Simulated, start_simulator, wait_until
from tuike import fulfilment, identity, payments, reactions, wallet
from tuike.app import App
from tuike.config import read_config
from tuike.db import Database
from tuike.embedded import PostgresServer
from tuike.fulfilment import ShopOrder
from tuike.graph import Graph
from tuike.payments import Counter, PayBy, Payment
from tuike.providers import Limits, Providers
from tuike.shared.clock import read_clock
from tuike.wallet import LedgerTransaction, Posting

_KEY = base64.b64encode(b"k" * 32).decode()
KEYS = {"TUIKE_TOKEN_KEYS": f"t:{_KEY}", "TUIKE_DATA_KEYS": f"d:{_KEY}", "TUIKE_DIGEST_KEY": _KEY}


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None: ...


def _call_later(wsgi: list[Any]) -> Any:
    def call(environ: Any, start: Any) -> Any:
        return wsgi[0](environ, start)

    return call


@contextmanager
def open_till(postgres: PostgresServer, name: str, directory: Path) -> Iterator["Till"]:
    """A till on a database of its own, with a simulator of its own."""
    with open_catalogue(postgres, name) as catalogue, start_simulator(directory, "--time-factor", "0.01") as simulated:
        wsgi: list[Any] = []
        server = make_server("127.0.0.1", 0, _call_later(wsgi), threaded=True, request_handler=_Quiet)
        settings = {
            **simulated.settings, **KEYS, "NEO4J_URI": "bolt://127.0.0.1:9",
            "DATABASE_URL": catalogue.db.url.render_as_string(hide_password=False),
            "TUIKE_PUBLIC_URL": f"http://127.0.0.1:{server.port}",
        }  # fmt: skip
        config = read_config(settings)
        app = App(db=catalogue.db, graph=Graph(config), config=config)
        wsgi.append(create_app(app))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield Till(catalogue.db, simulated, app, settings)
        finally:
            server.shutdown()
            server.server_close()
            app.providers.close()
            app.graph.close()


class Till(Shop):
    """The shop with its counter. Its clock is the wall's: signatures go by it."""

    def __init__(self, db: Database, simulated: Simulated, app: App, variables: dict[str, str]) -> None:
        super().__init__(db)
        self.simulated = simulated
        self.app = app
        self.variables = variables
        self.config = config = app.config
        self.counter = self.make_counter(QUICK)
        self._shoppers: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._http = httpx.Client(base_url=f"{config.public_url}/api/v1", trust_env=False, timeout=15)

    @property
    def now(self) -> Any:
        return read_clock()

    @now.setter
    def now(self, _: Any) -> None: ...

    def make_counter(self, limits: Limits) -> Counter:
        config = self.config
        return Counter(
            Providers(config, limits=limits), config.public_url, wechat_app_id=config.wechat_app_id,
            alipay_app_id=config.alipay_app_id,
        )  # fmt: skip

    def log_in(self, name: str) -> str:
        """Return the id of a person of the simulator as a shopper, known by WeChat and Alipay."""
        if name not in self._shoppers:
            code = self.simulated.control("codes", name=name)
            shopper, tokens = identity.log_in_with_wechat(
                self.db, self.app.vault, self.counter.providers.wechat, app_id=self.config.wechat_app_id,
                code=code["code"], device="test", locale="zh-CN", now=self.now,
            )  # fmt: skip
            login = identity.Login(identity.LoginKind.ALIPAY, self.config.alipay_app_id, code["person"]["alipay_id"])
            self.do(identity.link_logins, shopper_id=shopper.id, logins=[login], now=self.now)
            self._shoppers[name] = shopper.id
            self._tokens[name] = tokens.access_token
        return self._shoppers[name]

    def order(self, name: str = "lilei", *, price: int = 1000, **named: Any) -> ShopOrder:
        """Place an order of one piece."""
        return self.place((self.make_sku(price=price, stock=5), 1), shopper=self.log_in(name), **named)

    def open(self, order: ShopOrder, by: PayBy = PayBy.WECHAT, *, counter: Counter | None = None) -> Payment:
        """Open a payment as the order's shopper."""
        return payments.start_payment(
            self.db, counter or self.counter, order_id=order.id, shopper_id=order.shopper_id, provider=by, now=self.now
        ).payment

    def hand_over(self, payment: Payment) -> None:
        """Let the person pay at the provider."""
        kind = "payments" if payment.provider is PayBy.WECHAT else "trades"
        self.simulated.control(f"{kind}/{payment.id}/pay")

    def look(self, payment: Payment) -> Payment:
        found: Payment = self.do(payments.get_payment, payment_id=payment.id)
        return found

    def wait_for(self, payment: Payment, *states: str, seconds: float = 8) -> Payment:
        """Return a payment once it is in one of the states."""
        wait_until(lambda: self.look(payment).state in states, seconds=seconds)
        return self.look(payment)

    def pay_by(self, order: ShopOrder, by: PayBy = PayBy.WECHAT) -> Payment:
        """Open a payment, let the person pay, and wait for the notify."""
        payment = self.open(order, by)
        self.hand_over(payment)
        return self.wait_for(payment, "succeeded")

    def hurry(self) -> None:
        """Make everything at the providers due now."""
        for table in ("payments", "payment_refunds", "payouts"):
            self.set_each(table, "next_at = now() - interval '1 s'", "next_at IS NOT NULL")

    def set_each(self, table: str, change: str, where: str = "true", **values: object) -> None:
        """Change rows of a table, each by itself: notifies come meanwhile, hold some of them and wait for others."""
        with self.db.autocommit() as tx:
            for row in tx.execute(text(f"SELECT id FROM {table} WHERE {where}"), values).all():
                statement = text(f"UPDATE {table} SET {change} WHERE id = :row_id AND {where}")
                tx.execute(statement, {**values, "row_id": row.id})

    def react(self) -> None:
        """Take up what after-sale decided."""
        reactions.drain(self.db, self.app.graph, topic=fulfilment.REFUND_DUE)

    def work(self, *, counter: Counter | None = None) -> payments.Work:
        """Do what the workers do, with everything due now."""
        self.react()
        self.hurry()
        done = payments.work_due(self.db, counter or self.counter, self.app.vault, now=self.now)
        assert done is not None
        return done

    def expire(self, order: ShopOrder) -> None:
        """Let the time to pay an order be over, here and at the simulator."""
        over = "expires_at = now() - interval '10 s'"
        self.set_each("shop_orders", over, "id = :order_id", order_id=order.id)
        self.set_each("payments", over, "order_id = :order_id", order_id=order.id)

    def refunds_of(self, payment: Payment) -> list[payments.PaymentRefund]:
        return list(self.do(payments.list_refunds, payment_id=payment.id, limit=50).items)

    def make_promoter(self, shopper_id: str, *, available: int = 0) -> str:
        """Make a shopper a promoter with available money that came from the merchant's commission."""
        (promoter_id,) = self.make_promoters(1)
        with self.db.transaction() as tx:
            tx.execute(
                text("UPDATE promoters SET external_id = :external_id WHERE id = :id"),
                {"id": promoter_id, "external_id": shopper_id},
            )
            if available:
                posting = Posting(
                    wallet.payable_address("main"), wallet.promoter_address(promoter_id, "available"), available, "CNY"
                )
                key = f"test:{self.number()}:{promoter_id}"
                wallet.post(tx, transactions=[LedgerTransaction(key, "test", promoter_id, [posting])], now=self.now)
        return promoter_id

    def wallet_of(self, promoter_id: str) -> wallet.Wallet:
        found: wallet.Wallet = self.do(wallet.get_wallet, promoter_id=promoter_id)
        return found

    def call(self, verb: str, path: str, /, *, who: str | None = None, **body: Any) -> httpx.Response:
        """Call the API as a person of the simulator, or with a key of a scope (`operator`, `auditor`, …)."""
        headers = {}
        if who in identity.KEY_SCOPES:
            if who not in self._tokens:
                _, self._tokens[who] = self.do(identity.create_key, name=who, scope=identity.Scope(who), now=self.now)
            headers["Authorization"] = f"Bearer {self._tokens[who]}"
        elif who is not None:
            self.log_in(who)
            headers["Authorization"] = f"Bearer {self._tokens[who]}"
        return self._http.request(verb, path, headers=headers, json=body or None)

    def state(self) -> Any:
        """Return the providers' books."""
        return self.simulated.read_state()
