"""A catalogue out to a sheet and in from one."""

import io
import time
from collections.abc import Iterator

import pytest

from tests.integration.catalogue import NOW, Catalogue, open_catalogue
from tuike import catalog
from tuike.catalog import ProductDraft, ProductState, SheetUnreadable, SkuDraft
from tuike.embedded import PostgresServer

HEAD = "product_code,name,sku_code,price_minor,stock,state,spec_names,spec,category,brand\n"


@pytest.fixture(scope="module")
def shop(postgres: PostgresServer) -> Iterator[Catalogue]:
    with open_catalogue(postgres, "catalog_sheets") as opened:
        yield opened


def merchant(shop) -> str:
    name = f"m{shop.number()}"
    shop.do(catalog.create_merchant, merchant_id=name, name=name, now=NOW)
    return name


def bring(shop, merchant_id, sheet, **named):
    content = io.BytesIO(sheet if isinstance(sheet, bytes) else sheet.encode())
    return shop.do(catalog.import_catalogue, merchant_id=merchant_id, content=content, made_by="li", now=NOW, **named)


def export(shop, merchant_id) -> str:
    with shop.db.transaction() as tx:
        return "".join(catalog.export_catalogue(tx, merchant_id=merchant_id))


def faults(shop, merchant_id, sheet) -> list[str]:
    with pytest.raises(SheetUnreadable) as refused:
        bring(shop, merchant_id, sheet)
    return sorted(refused.value.fields or {})


def test_what_is_exported_and_imported_is_the_same(shop):
    own = merchant(shop)
    top = shop.do(catalog.create_category, name="a>b\\", now=NOW)
    low = shop.do(catalog.create_category, name="c|d", parent_id=top.id, now=NOW)
    brand = shop.do(catalog.create_brand, name="=brand", now=NOW)
    draft = ProductDraft(
        name='=HYPERLINK("http://x")', subtitle='@sum, "q"', description="<p>a\nb, 'c'</p>", category_id=low.id,
        brand_id=brand.id, tags=("a|b", "c\\d", "+1"), spec_names=("颜|色", "尺码"), rates_bps=(1500, 0, 10),
        skus=(
            SkuDraft(spec=("红|", "-M"), price_minor=1990, list_price_minor=2990, stock=3, limit_per_person=2, weight_grams=7, code="S 1/红"),
            SkuDraft(spec=("'=x", "L"), price_minor=10**13, stock=0),
        ),
    )  # fmt: skip
    named = {"merchant_id": own, "made_by": "s", "now": NOW}
    made = shop.do(catalog.create_product, draft=draft, **named)
    shop.do(
        catalog.create_product,
        draft=ProductDraft(name="'quoted", skus=(SkuDraft(spec=(), price_minor=1),)),
        state=ProductState.ON_SALE,
        **named,
    )
    sheet = export(shop, own)
    assert "'=HYPERLINK" in sheet
    assert "'@sum" in sheet
    assert ",=HYPERLINK" not in sheet
    for _ in range(2):
        done = bring(shop, own, sheet)
        assert (done.created, done.changed, done.skus) == (0, 2, 3)
        assert export(shop, own) == sheet
    again = shop.do(catalog.get_product, product_id=made.id)
    assert (again.name, again.tags, again.rates_bps, again.category_id) == (
        made.name,
        made.tags,
        made.rates_bps,
        low.id,
    )
    assert [(s.id, s.spec, s.available, s.code) for s in again.skus] == [
        (s.id, s.spec, s.available, s.code) for s in made.skus
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_from_spreadsheets_are_read_whatever_their_encoding(shop, encoding, delimiter):
    own = merchant(shop)
    sheet = (HEAD + "P1,红色衬衫,S1,100,5,on_sale,颜色,红,,回力\r\n\r\n").replace(",", delimiter).encode(encoding)
    assert bring(shop, own, sheet).created == 1
    assert "红色衬衫" in export(shop, own)


def test_stock_becomes_what_the_sheet_says_and_reserved_pieces_stay(shop):
    own = merchant(shop)
    bring(shop, own, HEAD + "P1,n,S1,100,5,on_sale,,,,\n")
    (product,) = shop.do(catalog.list_products, merchant_ids=[own], limit=9).items
    shop.reserve(f"of {own}", (product.skus[0].id, 2))
    bring(shop, own, HEAD + "P1,n,S1,150,50,on_sale,,,,\n")
    assert shop.stock_of(product.skus[0].id) == (50, 2, 0)
    history = shop.do(catalog.list_corrections, sku_id=product.skus[0].id, limit=9).items
    assert sorted(one.change for one in history) == [5, 47]
    bring(shop, own, "product_code,name,sku_code,price_minor\nP1,n,S1,150\n")
    assert shop.stock_of(product.skus[0].id) == (50, 2, 0)


def test_everything_wrong_is_named_by_line_and_column_and_nothing_is_written(shop):
    own = merchant(shop)
    sheet = HEAD + (
        "P1,good,S1,100,5,on_sale,,,,\n"
        "P2,,S2,0,-1,sold,,,no such,\n"
        'P3,"two\nlines",S3,1.5,1,,,,,\n'
        "P4,n,S1,100,1,,颜色,,,\n"
        "P5,n,S5,100,1,,颜色,红,,\n"
        "P5,other,S6,100,1,,颜色,红,,\n"
        "=1+1,n,S7,99999999999999999999,1,,,,,\n"
    )
    assert faults(shop, own, sheet) == [
        "3.category", "3.name", "3.price_minor", "3.state", "3.stock", "4.name", "4.price_minor", "6.sku_code", "6.spec",
        "8.name", "8.spec", "9.price_minor", "9.product_code",
    ]  # fmt: skip
    assert export(shop, own).count("\n") == 1


@pytest.mark.parametrize(
    "sheet",
    [
        b"", b"\n", b"a,b\n1,2\n", HEAD.encode(), b"\xff\xfe\x00\x01", b"\0" * 100, b"PK\x03\x04" + b"\x80" * 50,
        b"," * 1_000_000, (HEAD.strip() + ",name\n").encode(), (HEAD + "P1,n\n").encode(),
        (HEAD + '"P1,n,S1,100,1,,,,,\n').encode(), (HEAD + "P1," + "x" * 200_000 + ",S1,1,1,,,,,\n").encode(),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_sheet_is_refused(shop, sheet):
    own = merchant(shop)
    with pytest.raises(SheetUnreadable):
        bring(shop, own, sheet)


def test_a_dry_run_writes_nothing_and_codes_of_others_are_not_touched(shop):
    own, other = merchant(shop), merchant(shop)
    sheet = HEAD + "P1,n,S1,100,5,on_sale,,,,new brand\n"
    assert bring(shop, own, sheet, dry_run=True).created == 1
    assert export(shop, own).count("\n") == 1
    bring(shop, own, sheet)
    assert bring(shop, other, sheet).created == 1
    assert faults(shop, own, HEAD + "P2,n,S1,100,5,,,,,\n") == ["2.sku_code"]


def test_ten_thousand_skus_take_seconds(shop):
    own = merchant(shop)
    lines = [f"P{n},红色连衣裙 nike {n},S{n},{n + 1},5,on_sale,,,,\n" for n in range(10_000)]
    begun = time.monotonic()
    assert bring(shop, own, HEAD + "".join(lines)).created == 10_000
    assert time.monotonic() - begun < 60  # a few seconds on a quiet machine
