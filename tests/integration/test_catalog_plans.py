"""What shoppers ask never costs a walk through all products."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.integration.catalogue import NOW, Catalogue, open_catalogue
from tuike import catalog
from tuike.catalog import Filters, SearchOrder
from tuike.embedded import PostgresServer

PRODUCTS = 12_000


@pytest.fixture(scope="module")
def shop(postgres: PostgresServer) -> Iterator[Catalogue]:
    with open_catalogue(postgres, "catalog_plans") as opened:
        for number in range(20):
            opened.do(catalog.create_category, name=f"c{number}", now=NOW)
        lines = [
            f"P{n},{'红色' if n % 100 == 0 else '蓝色'}连衣裙 no{n},S{n},{n + 100},5,on_sale,c{n % 20},b{n % 50}\n"
            for n in range(PRODUCTS)
        ]
        sheet = "product_code,name,sku_code,price_minor,stock,state,category,brand\n" + "".join(lines)
        opened.do(
            catalog.import_catalogue, merchant_id="main", content=io.BytesIO(sheet.encode()), made_by="s", now=NOW
        )
        with opened.db.transaction() as tx:
            tx.execute(text("ANALYZE"))
        yield opened


def explain(shop: Catalogue, act) -> list[dict[str, Any]]:
    """Return the plan of each statement that `act(tx)` runs, as it ran."""
    plans = []
    with shop.db.transaction() as tx:
        seen = []

        def note(connection, cursor, statement, parameters, *_):
            if not statement.startswith("EXPLAIN"):
                seen.append((statement, parameters))

        event.listen(tx, "before_cursor_execute", note)
        act(tx)
        event.remove(tx, "before_cursor_execute", note)
        for statement, parameters in seen:
            cursor = tx.connection.cursor()
            cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement, parameters)
            plans.append(cursor.fetchone()[0][0]["Plan"])
    return plans


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from walk(child)


ASKED = {
    "rare word": Filters(text="红色"),
    "one product": Filters(text="no77"),
    "every product": Filters(text="连衣裙"),
    "newest": Filters(order=SearchOrder.NEWEST),
    "cheapest": Filters(order=SearchOrder.CHEAPEST),
    "dearest": Filters(order=SearchOrder.DEAREST),
    "sales": Filters(),
    "cheapest of a word": Filters(text="红色", order=SearchOrder.CHEAPEST),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("with_facets", [False, True])
def test_a_list_reads_no_more_than_it_needs(shop, asked, with_facets):
    plans = explain(
        shop, lambda tx: catalog.search_products(tx, filters=ASKED[asked], limit=20, with_facets=with_facets)
    )
    assert len(plans) == 1, "one query for one page"
    nodes = [node for node in walk(plans[0]) if node.get("Relation Name") == "products"]
    assert nodes
    for node in nodes:
        assert node["Node Type"] != "Seq Scan", node
        assert node["Actual Rows"] * node["Actual Loops"] <= 1_100, node


def test_pages_cost_the_same_however_deep(shop):
    cursor = None
    for _ in range(30):
        with shop.db.transaction() as tx:
            cursor = catalog.search_products(
                tx, filters=Filters(order=SearchOrder.CHEAPEST), limit=200, cursor=cursor
            ).next_cursor
    (plan,) = explain(
        shop,
        lambda tx: catalog.search_products(tx, filters=Filters(order=SearchOrder.CHEAPEST), limit=20, cursor=cursor),
    )
    read = [node["Actual Rows"] for node in walk(plan) if node.get("Relation Name") == "products"]
    assert max(read) <= 25
