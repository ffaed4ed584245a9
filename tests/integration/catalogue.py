"""A catalogue to test with: `make_*` with defaults, through the public verbs."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import text

from tuike import catalog
from tuike.catalog import Product, ProductDraft, ProductState, SkuDraft, StockLine
from tuike.db import Database, outbox
from tuike.embedded import PostgresServer

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)


@contextmanager
def open_catalogue(postgres: PostgresServer, name: str) -> Iterator["Catalogue"]:
    """A catalogue on a migrated database of its own, for many tests that need no empty one."""
    with psycopg.connect(postgres.make_url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE tuike_template")
    database = Database(postgres.make_url(name), pool_size=40)
    yield Catalogue(database)
    database.close()


class Catalogue:
    """Calls the verbs, each in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._numbers = itertools.count(1)

    def do(self, verb: Callable[..., Any], **named: Any) -> Any:
        """Run one verb and commit."""
        with self.db.transaction() as tx:
            return verb(tx, **named)

    def number(self) -> int:
        return next(self._numbers)

    def make_product(
        self,
        *,
        stock: int = 10,
        price: int = 1990,
        specs: Sequence[str] | None = None,
        state: ProductState = ProductState.ON_SALE,
        merchant_id: str = "main",
        limit: int | None = None,
        **fields: Any,
    ) -> Product:
        skus = tuple(
            SkuDraft(spec=() if spec is None else (spec,), price_minor=price, stock=stock, limit_per_person=limit)
            for spec in (specs or [None])
        )
        named = {"name": f"红色连衣裙 {self.number()}", "spec_names": ("颜色",) if specs else ()} | fields
        draft = ProductDraft(skus=skus, **named)
        return self.do(
            catalog.create_product, merchant_id=merchant_id, draft=draft, state=state, made_by="staff", now=NOW
        )

    def reserve(
        self, order_id: str, *lines: tuple[str, int], buyer: str | None = None, until: datetime = LATER
    ) -> None:
        self.do(
            catalog.reserve_stock,
            order_id=order_id,
            buyer_id=buyer or f"buyer of {order_id}",
            lines=[StockLine(*line) for line in lines],
            expires_at=until,
            now=NOW,
        )

    def stock_of(self, sku_id: str) -> tuple[int, int, int]:
        """Return (available, reserved, sold)."""
        with self.db.transaction() as tx:
            row = tx.execute(
                text("SELECT available, reserved, sold FROM stock WHERE sku_id = :id"), {"id": sku_id}
            ).one()
            return tuple(row)

    def refresh(self) -> None:
        """Do at once what the workers do after stock changed."""
        with self.db.transaction() as tx:
            events = outbox.claim(tx, topic=catalog.STOCK_CHANGED, limit=1000, now=NOW + timedelta(days=1))
            catalog.refresh_stock(tx, product_ids=[event.key for event in events])


def to_draft(product: Product, **changes: Any) -> ProductDraft:
    """Return what an editor sends back who read a product."""
    fields = {name: getattr(product, name) for name in ProductDraft.__dataclass_fields__ if name != "skus"}
    skus = tuple(
        SkuDraft(
            id=sku.id, code=sku.code, spec=sku.spec, price_minor=sku.price_minor,
            list_price_minor=sku.list_price_minor, limit_per_person=sku.limit_per_person,
            weight_grams=sku.weight_grams, picture=sku.picture,
        )
        for sku in product.skus
    )  # fmt: skip
    return ProductDraft(**{**fields, "skus": skus, **changes})
