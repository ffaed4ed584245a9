"""Products, categories, brands and shelves as staff keep them."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.integration.catalogue import NOW, Catalogue, open_catalogue, to_draft
from tuike import catalog
from tuike.catalog import ProductDraft, ProductState, ShelfDraft, SkuDraft
from tuike.embedded import PostgresServer
from tuike.shared.errors import TuikeError, ValidationFailed


@pytest.fixture(scope="module")
def shop(postgres: PostgresServer) -> Iterator[Catalogue]:
    with open_catalogue(postgres, "catalog_products") as opened:
        yield opened


def edit(shop, product, draft, version=None):
    return shop.do(
        catalog.edit_product,
        product_id=product.id,
        draft=draft,
        version=product.version if version is None else version,
        made_by="staff",
        now=NOW,
    )


def make_category(shop, parent=None, **fields):
    named = {"name": f"category {shop.number()}", "now": NOW} | fields
    return shop.do(catalog.create_category, parent_id=None if parent is None else parent.id, **named)


def move(shop, category, parent, version=None):
    return shop.do(
        catalog.edit_category,
        category_id=category.id,
        name=category.name,
        parent_id=None if parent is None else parent.id,
        position=category.position,
        rates_bps=category.rates_bps,
        version=category.version if version is None else version,
        now=NOW,
    )


def faults_of(shop, **fields) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        shop.make_product(**fields)
    return sorted(refused.value.fields)


# Editing


def test_what_is_read_and_sent_back_changes_nothing_but_the_version(shop):
    product = shop.make_product(specs=["红", "蓝"], tags=("新品",), subtitle="s", rates_bps=(1500, 200))
    again = edit(shop, product, to_draft(product))
    assert again == replace(product, version=2)


def test_of_two_editors_who_read_the_same_version_one_is_told(shop):
    product = shop.make_product()
    results: list[object] = []
    start = threading.Barrier(2)

    def save(name: str) -> None:
        start.wait()
        try:
            results.append(edit(shop, product, to_draft(product, name=name)).name)
        except catalog.EditConflict as error:
            results.append(error)

    threads = [threading.Thread(target=save, args=(name,)) for name in ("by li", "by wang")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (conflict,) = [one for one in results if isinstance(one, catalog.EditConflict)]
    assert conflict.fields == {"version": ["Is 2 by now."]}
    (name,) = [one for one in results if isinstance(one, str)]
    assert shop.do(catalog.get_product, product_id=product.id).name == name


def test_an_edit_never_overwrites_stock(shop):
    product = shop.make_product(stock=5, specs=["红"])
    shop.reserve("before edit", (product.skus[0].id, 2))
    draft = to_draft(product)
    more = replace(draft, skus=(replace(draft.skus[0], stock=999), SkuDraft(spec=("蓝",), price_minor=5, stock=7)))
    edited = edit(shop, product, more)
    assert [(sku.available, sku.reserved) for sku in edited.skus] == [(3, 2), (7, 0)]


def test_a_sku_without_an_id_goes_on_with_the_one_of_its_spec_even_after_it_was_dropped(shop):
    product = shop.make_product(specs=["红", "蓝"])
    red, blue = product.skus
    only_blue = edit(shop, product, to_draft(product, skus=(SkuDraft(spec=("蓝",), price_minor=77),)))
    assert [(sku.id, sku.price_minor, sku.available) for sku in only_blue.skus] == [(blue.id, 77, 10)]
    both = edit(
        shop, only_blue, to_draft(product, skus=tuple(SkuDraft(spec=(s,), price_minor=1) for s in ("红", "蓝")))
    )
    assert [sku.id for sku in both.skus] == [red.id, blue.id]


def test_skus_may_swap_their_specs_and_codes_in_one_edit(shop):
    product = shop.make_product(specs=["红", "蓝"])
    red, blue = to_draft(product).skus
    swapped = edit(
        shop,
        product,
        to_draft(
            product, skus=(replace(red, spec=blue.spec, code=blue.code), replace(blue, spec=red.spec, code=red.code))
        ),
    )
    assert [(sku.id, sku.spec) for sku in swapped.skus] == [(red.id, ("蓝",)), (blue.id, ("红",))]


def test_two_skus_of_one_spec_are_refused(shop):
    with pytest.raises(catalog.SpecTaken) as refused:
        shop.make_product(specs=["红", "蓝", "红"])
    assert list(refused.value.fields) == ["skus.2.spec"]
    product = shop.make_product(specs=["红", "蓝"])
    red, blue = to_draft(product).skus
    dropped = edit(shop, product, to_draft(product, skus=(red,)))
    # A dropped SKU still owns its spec: another one cannot take it over.
    with pytest.raises(catalog.SpecTaken):
        edit(shop, dropped, to_draft(dropped, skus=(replace(red, spec=blue.spec),)))


def test_codes_are_one_of_a_kind_within_a_merchant(shop):
    shop.do(catalog.create_merchant, merchant_id="other", name="other", now=NOW)
    shop.make_product(code="P-1", merchant_id="main")
    shop.make_product(code="P-1", merchant_id="other")
    with pytest.raises(catalog.CodeTaken) as refused:
        shop.make_product(code="P-1", merchant_id="main")
    assert list(refused.value.fields) == ["code"]
    sku = SkuDraft(spec=(), price_minor=1, code="S-1")
    named = {"merchant_id": "main", "made_by": "s", "now": NOW}
    shop.do(catalog.create_product, draft=ProductDraft(name="a", skus=(sku,)), **named)
    with pytest.raises(catalog.CodeTaken) as refused:
        shop.do(catalog.create_product, draft=ProductDraft(name="b", skus=(sku,)), **named)
    assert list(refused.value.fields) == ["skus"]


def test_bad_values_are_refused_by_field(shop):
    for price in (0, -1, 10**13 + 1, 2**63, 2**70):
        assert faults_of(shop, price=price) == ["skus.0.price_minor"]
    for name in ("", "   ", "x" * 1_000_000, "a\0b", "\ud800"):
        assert faults_of(shop, name=name) == ["name"]
    assert faults_of(shop, stock=-1) == ["skus.0.stock"]
    assert faults_of(shop, stock=2**63) == ["skus.0.stock"]
    assert faults_of(shop, limit=0) == ["skus.0.limit_per_person"]
    assert faults_of(shop, description="x" * 1_000_000) == ["description"]
    assert faults_of(shop, description="a\0") == ["description"]
    assert faults_of(shop, tags=("a", "b", "a")) == ["tags.2"]
    assert faults_of(shop, tags=tuple(map(str, range(21)))) == ["tags"]
    assert faults_of(shop, currency="XXX1") == ["currency"]
    assert faults_of(shop, rates_bps=(9000, 1001)) == ["rates_bps"]
    assert faults_of(shop, rates_bps=(1, 1, 1, 1)) == ["rates_bps"]
    assert faults_of(shop, category_id="cat_no", brand_id="brd_no", pictures=("no.webp",), video="no.mp4") == [
        "brand_id", "category_id", "pictures.0", "video",
    ]  # fmt: skip
    assert faults_of(shop, merchant_id="nobody") == ["merchant_id"]
    assert faults_of(shop, code="=cmd()") == ["code"]
    with pytest.raises(ValidationFailed):
        shop.do(catalog.create_product, merchant_id="main", draft=ProductDraft(name="n", skus=()), made_by="s", now=NOW)


def test_rich_text_loses_what_runs_and_keeps_what_is_read(shop):
    dirty = (
        '<p onclick="x()">好 <b>bold</b><script>alert(1)</script><img src=x onerror=alert(1)>'
        '<a href="javascript:alert(1)">a</a><img src="data:text/html;base64,PHN2Zz4="><svg onload=alert(1)></svg>'
        '<iframe src="https://e"></iframe><style>*{}</style><p style="position:fixed">x</p><!-- c --><math><mi xlink:href="data:x">'
    )
    kept = shop.make_product(description=dirty).description
    for word in (
        "script",
        "onerror",
        "onclick",
        "onload",
        "data:",
        "javascript",
        "svg",
        "iframe",
        "style",
        "<!--",
        "math",
    ):
        assert word not in kept
    assert "好 <b>bold</b>" in kept
    again = shop.make_product(description=kept).description
    assert again == kept


# States


def test_states_follow_their_order(shop):
    product = shop.make_product(state=ProductState.DRAFT)
    assert product.listed_at is None

    def become(state, **named):
        return shop.do(catalog.set_product_state, product_id=product.id, state=state, **{"now": NOW} | named)

    listed = become(ProductState.ON_SALE)
    assert (listed.state, listed.listed_at, listed.version) == ("on_sale", NOW, 2)
    assert become(ProductState.ON_SALE) == listed
    assert become(ProductState.OFF_SALE, now=NOW + timedelta(1)).listed_at == NOW
    with pytest.raises(ValidationFailed):
        become(ProductState.DRAFT)
    with pytest.raises(catalog.EditConflict):
        become(ProductState.ON_SALE, version=1)
    become(ProductState.DELETED)
    with pytest.raises(catalog.ProductDeleted):
        become(ProductState.ON_SALE)
    with pytest.raises(catalog.ProductDeleted):
        edit(shop, product, to_draft(product))
    with pytest.raises(catalog.ProductNotFound):
        shop.do(catalog.set_product_state, product_id="prd_no", state=ProductState.ON_SALE, now=NOW)


def test_the_list_for_staff_has_pages_and_leaves_out_what_was_deleted(shop):
    shop.do(catalog.create_merchant, merchant_id="listed", name="listed", now=NOW)
    made = [shop.make_product(merchant_id="listed") for _ in range(5)]
    shop.do(catalog.set_product_state, product_id=made[1].id, state=ProductState.DELETED, now=NOW)
    seen, cursor = [], None
    while True:
        page = shop.do(catalog.list_products, merchant_ids=["listed"], limit=2, cursor=cursor)
        seen += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(one.id for one in made if one is not made[1])
    deleted = shop.do(catalog.list_products, merchant_ids=["listed"], state=ProductState.DELETED, limit=9)
    assert [one.id for one in deleted.items] == [made[1].id]


# Categories


def test_a_category_never_moves_below_itself(shop):
    top = make_category(shop)
    middle = make_category(shop, top)
    low = make_category(shop, middle)
    for below in (top, middle, low):
        with pytest.raises(catalog.CategoryCycle):
            move(shop, top, below)
    assert move(shop, low, None).parent_id is None


def test_two_moves_at_once_that_would_make_a_cycle_together_do_not(shop):
    for _ in range(5):
        one, two = make_category(shop), make_category(shop)
        start = threading.Barrier(2)
        refused: list[type] = []

        def run(category, parent):
            start.wait()  # noqa: B023
            try:
                move(shop, category, parent)
            except TuikeError as error:
                refused.append(type(error))  # noqa: B023

        threads = [threading.Thread(target=run, args=pair) for pair in ((one, two), (two, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == [catalog.CategoryCycle]


def test_the_tree_stays_within_five_levels(shop):
    chain = [make_category(shop)]
    for _ in range(4):
        chain.append(make_category(shop, chain[-1]))
    with pytest.raises(catalog.CategoryTooDeep):
        make_category(shop, chain[-1])
    two_levels = make_category(shop)
    make_category(shop, two_levels)
    with pytest.raises(catalog.CategoryTooDeep):
        move(shop, two_levels, chain[3])
    assert move(shop, two_levels, chain[2]).parent_id == chain[2].id
    with pytest.raises(catalog.CategoryNotFound):
        shop.do(catalog.create_category, name="n", parent_id="cat_no", now=NOW)


def test_names_are_one_of_a_kind_below_one_parent(shop):
    top = make_category(shop, name="unique")
    with pytest.raises(catalog.NameTaken):
        make_category(shop, name="unique")
    child = make_category(shop, top, name="unique")
    with pytest.raises(catalog.NameTaken):
        move(shop, child, None)
    with pytest.raises(catalog.EditConflict):
        move(shop, child, None, version=7)


def test_only_empty_categories_and_brands_are_deleted(shop):
    top = make_category(shop)
    low = make_category(shop, top)
    brand = shop.do(catalog.create_brand, name="Only brand", now=NOW)
    with pytest.raises(catalog.NameTaken):
        shop.do(catalog.create_brand, name="Only brand", now=NOW)
    product = shop.make_product(category_id=low.id, brand_id=brand.id)
    for category in (top, low):
        with pytest.raises(catalog.CategoryInUse):
            shop.do(catalog.delete_category, category_id=category.id)
    with pytest.raises(catalog.BrandInUse):
        shop.do(catalog.delete_brand, brand_id=brand.id)
    shop.do(catalog.set_product_state, product_id=product.id, state=ProductState.DELETED, now=NOW)
    shop.do(catalog.delete_category, category_id=low.id)
    shop.do(catalog.delete_category, category_id=top.id)
    shop.do(catalog.delete_brand, brand_id=brand.id)
    with pytest.raises(catalog.CategoryNotFound):
        shop.do(catalog.delete_category, category_id=low.id)
    with pytest.raises(catalog.BrandNotFound):
        shop.do(catalog.delete_brand, brand_id=brand.id)


# Rates


def test_rates_come_from_the_product_then_the_nearest_category(shop):
    top = make_category(shop, rates_bps=(500,))
    middle = make_category(shop, top)
    near = make_category(shop, middle, rates_bps=(700, 100))
    plain = make_category(shop)
    own = shop.make_product(category_id=near.id, rates_bps=(0, 0, 0))
    nearest = shop.make_product(category_id=near.id)
    inherited = shop.make_product(category_id=middle.id)
    none = shop.make_product(category_id=plain.id)
    homeless = shop.make_product()
    products = (own, nearest, inherited, none, homeless)
    rates = shop.do(catalog.find_rates, sku_ids=[one.skus[0].id for one in products] + ["sku_no"])
    assert [rates[one.skus[0].id] for one in products] == [(0, 0, 0), (700, 100), (500,), None, None]
    assert len(rates) == 5


def test_an_offer_says_what_a_checkout_needs(shop):
    category = make_category(shop, rates_bps=(700,))
    product = shop.make_product(category_id=category.id, specs=["红"], limit=2, price=4200, stock=3)
    (sku,) = product.skus
    offer = shop.do(catalog.list_offers, sku_ids=[sku.id])[sku.id]
    assert offer == catalog.Offer(
        sku_id=sku.id, product_id=product.id, merchant_id="main", code=sku.code, name=product.name, spec=("红",),
        spec_names=("颜色",), picture=None, price_minor=4200, currency="CNY", weight_grams=0, limit_per_person=2,
        available=3, is_on_sale=True, category_id=category.id, category=category.name, rates_bps=(700,),
        product_version=1,
    )  # fmt: skip


# Merchants and their staff


def test_staff_of_one_merchant_is_kept_from_the_others(shop):
    shop.do(catalog.create_merchant, merchant_id="mine", name="mine", now=NOW)
    shop.do(catalog.check_staff, staff_id="li", merchant_id="main")
    shop.do(catalog.confine_staff, staff_id="li", merchant_ids=["mine"], now=NOW)
    shop.do(catalog.check_staff, staff_id="li", merchant_id="mine")
    for merchant in ("main", None):
        with pytest.raises(catalog.NotYourMerchant):
            shop.do(catalog.check_staff, staff_id="li", merchant_id=merchant)
    shop.do(catalog.confine_staff, staff_id="li", merchant_ids=[], now=NOW)
    shop.do(catalog.check_staff, staff_id="li", merchant_id="main")
    with pytest.raises(catalog.MerchantNotFound):
        shop.do(catalog.confine_staff, staff_id="li", merchant_ids=["nobody"], now=NOW)
    with pytest.raises(catalog.MerchantTaken):
        shop.do(catalog.create_merchant, merchant_id="mine", name="again", now=NOW)
    for bad in ("", "A", "../x", "a" * 33, "a:b", "é"):
        with pytest.raises(ValidationFailed):
            shop.do(catalog.create_merchant, merchant_id=bad, name="n", now=NOW)


# Names that change


def test_products_are_found_by_the_new_name_of_their_brand(shop):
    brand = shop.do(catalog.create_brand, name="Oldname", now=NOW)
    product = shop.make_product(brand_id=brand.id)
    shop.do(catalog.edit_brand, brand_id=brand.id, name="Newname", logo=None, version=1, now=NOW)
    shop.do(catalog.follow_name, key=brand.id, now=NOW)
    with shop.db.transaction() as tx:
        row = tx.execute(text("SELECT lexemes, terms FROM products WHERE id = :id"), {"id": product.id}).one()
    assert "newname" in row.lexemes
    assert "oldname" not in row.lexemes
    assert "newname" in row.terms


# Shelves


def test_shelves_are_kept_in_order_with_their_products(shop):
    one, two = shop.make_product(), shop.make_product()
    late = shop.do(catalog.create_shelf, draft=ShelfDraft("猜你喜欢", (two.id, one.id), position=2), now=NOW)
    early = shop.do(catalog.create_shelf, draft=ShelfDraft("新品", (one.id,), position=1), now=NOW)
    assert [shelf.id for shelf in shop.do(catalog.list_shelves)] == [early.id, late.id]
    assert late.product_ids == (two.id, one.id)
    draft = ShelfDraft("新品", (two.id,), position=3, shown_from=NOW, shown_to=NOW + timedelta(1))
    edited = shop.do(catalog.edit_shelf, shelf_id=early.id, draft=draft, version=1)
    assert (edited.version, edited.product_ids) == (2, (two.id,))
    with pytest.raises(catalog.EditConflict):
        shop.do(catalog.edit_shelf, shelf_id=early.id, draft=draft, version=1)
    for bad in (
        ShelfDraft("", ()), ShelfDraft("t", ("prd_no",)), ShelfDraft("t", (one.id, one.id)),
        ShelfDraft("t", tuple(map(str, range(51)))), ShelfDraft("t", (), shown_from=NOW, shown_to=NOW),
    ):  # fmt: skip
        with pytest.raises(ValidationFailed):
            shop.do(catalog.create_shelf, draft=bad, now=NOW)
    shop.do(catalog.delete_shelf, shelf_id=late.id)
    with pytest.raises(catalog.ShelfNotFound):
        shop.do(catalog.delete_shelf, shelf_id=late.id)
