"""The catalogue as staff manage it: merchants, categories, brands, products, stock, shelves."""

from typing import Any, BinaryIO

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.browsing import CardAnswer as _Card
from api.confinement import check_merchant, check_platform, list_merchants_of
from api.media import thumbnail_url_of, url_of
from api.routing import CONTENT, OPERATORS, Answer, Call, PageQuery, Routes, Shape
from tuike import catalog
from tuike.shared.money import MAX_AMOUNT_MINOR

routes = Routes("catalog", description="The catalogue as staff manage it.")

_EDITED = ["409 edit_conflict", "403 not_your_merchant"]


class LongText(ma.fields.String):
    """Text of any length that a body may have; what is in it is judged by `tuike.catalog`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise ma.ValidationError("Must be text.")
        return value


class Version(f.Integer):
    """The version that an editor read; another one by now is a conflict."""

    def __init__(self, **kwargs: Any) -> None:
        described = {"description": "As it was read; when it is another by now: 409 `edit_conflict`."}
        super().__init__(low=1, required=True, metadata=described, **kwargs)


# Merchants


class NewMerchant(Shape):
    id = f.Text(required=True, high=32)
    name = f.Text(required=True, high=200)


class EditedMerchant(Shape):
    name = f.Text(required=True, high=200)
    status = f.Choice("active", "closed", required=True)
    version = Version()


class MerchantAnswer(Answer):
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    status = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    created_at = ma.fields.DateTime(required=True)


class MerchantPage(Answer):
    items = ma.fields.List(ma.fields.Nested(MerchantAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class StaffMerchants(Shape):
    merchant_ids = ma.fields.List(f.Text(high=32), required=True, validate=ma.validate.Length(0, 100))


class StaffMerchantsAnswer(Answer):
    staff_id = ma.fields.String(required=True)
    merchant_ids = ma.fields.List(ma.fields.String(), required=True)


def render_merchant(one: catalog.Merchant) -> dict[str, Any]:
    """Return a merchant as it is answered."""
    return {
        "id": one.id,
        "name": one.name,
        "status": one.status,
        "version": one.version,
        "created_at": instant(one.created_at),
    }


@routes.call("GET", "/merchants", who=CONTENT, query=PageQuery, answer=MerchantPage)
def list_merchants(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List merchants; who works for some sees those."""
    mine = list_merchants_of(call)
    return page(catalog.list_merchants(call.tx, merchant_ids=mine, **query), render_merchant)


@routes.call(
    "POST", "/merchants", who=OPERATORS, body=NewMerchant, answer=MerchantAnswer, status=201,
    refusals=["409 merchant_taken"], example={"id": "tea-house", "name": "茶馆"},
)  # fmt: skip
def post_merchant(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add a merchant."""
    return render_merchant(catalog.create_merchant(call.tx, merchant_id=body["id"], name=body["name"], now=call.now))


@routes.call(
    "PUT", "/merchants/<id:merchant_id>", who=OPERATORS, body=EditedMerchant, answer=MerchantAnswer,
    refusals=["404 merchant_not_found", "409 edit_conflict"],
    example={"name": "茶馆", "status": "closed", "version": 1},
)  # fmt: skip
def put_merchant(call: Call, merchant_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Rename a merchant, or close or open it; nothing of a closed merchant is on sale."""
    merchant = catalog.edit_merchant(call.tx, merchant_id=merchant_id, **body)
    return _changed(call, render_merchant(merchant))


@routes.call(
    "PUT", "/staff/<id:staff_id>/merchants", who=OPERATORS, body=StaffMerchants, answer=StaffMerchantsAnswer,
    refusals=["404 merchant_not_found"], example={"merchant_ids": ["tea-house"]},
)  # fmt: skip
def put_staff_merchants(call: Call, staff_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Confine somebody's work on the catalogue to some merchants; an empty list lifts that."""
    confined = catalog.confine_staff(call.tx, staff_id=staff_id, merchant_ids=body["merchant_ids"], now=call.now)
    return {"staff_id": staff_id, "merchant_ids": confined}


# Categories


class NewCategory(Shape):
    name = f.Text(required=True, high=200)
    parent_id = f.Id(load_default=None, allow_none=True)
    position = f.Integer(load_default=0)
    rates_bps = f.Rates(load_default=None, allow_none=True)


class EditedCategory(NewCategory):
    version = Version()


class CategoryAnswer(Answer):
    id = ma.fields.String(required=True)
    parent_id = ma.fields.String(required=True, allow_none=True)
    name = ma.fields.String(required=True)
    position = ma.fields.Integer(required=True)
    rates_bps = ma.fields.List(ma.fields.Integer(), required=True, allow_none=True)
    version = ma.fields.Integer(required=True)


class DeletedAnswer(Answer):
    id = ma.fields.String(required=True)
    is_deleted = ma.fields.Boolean(required=True)


def render_category(one: catalog.Category) -> dict[str, Any]:
    """Return a category as it is answered to staff."""
    return {
        "id": one.id,
        "parent_id": one.parent_id,
        "name": one.name,
        "position": one.position,
        "rates_bps": None if one.rates_bps is None else list(one.rates_bps),
        "version": one.version,
    }


_CATEGORY_REFUSALS = [
    "404 category_not_found", "422 category_too_deep", "409 name_taken", "403 not_your_merchant",
    "422 too_many_levels",
]  # fmt: skip


@routes.call(
    "POST", "/categories", who=CONTENT, body=NewCategory, answer=CategoryAnswer, status=201,
    refusals=[*_CATEGORY_REFUSALS, "422 too_many"],
    example={"name": "连衣裙", "parent_id": None, "position": 1, "rates_bps": [1200, 300]},
)  # fmt: skip
def post_category(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add a category below another, or at the top."""
    check_platform(call)
    return _changed(call, render_category(catalog.create_category(call.tx, now=call.now, **body)))


@routes.call("GET", "/categories/<id:category_id>", who=CONTENT, answer=CategoryAnswer,
             refusals=["404 category_not_found"])  # fmt: skip
def get_category(call: Call, category_id: str) -> dict[str, Any]:
    """Get a category with its version and rates."""
    return render_category(catalog.get_category(call.tx, category_id=category_id))


@routes.call(
    "PUT", "/categories/<id:category_id>", who=CONTENT, body=EditedCategory, answer=CategoryAnswer,
    refusals=[*_CATEGORY_REFUSALS, "409 category_cycle", "409 edit_conflict"],
    example={"name": "连衣裙", "parent_id": None, "position": 2, "rates_bps": None, "version": 1},
)  # fmt: skip
def put_category(call: Call, category_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Rename or move a category with everything below it."""
    check_platform(call)
    category = catalog.edit_category(call.tx, category_id=category_id, now=call.now, **body)
    return _changed(call, render_category(category))


@routes.call("DELETE", "/categories/<id:category_id>", who=CONTENT, answer=DeletedAnswer,
             refusals=["404 category_not_found", "409 category_in_use", "403 not_your_merchant"])  # fmt: skip
def delete_category(call: Call, category_id: str) -> dict[str, Any]:
    """Delete a category that is empty."""
    check_platform(call)
    catalog.delete_category(call.tx, category_id=category_id)
    return _changed(call, {"id": category_id, "is_deleted": True})


# Brands


class NewBrand(Shape):
    name = f.Text(required=True, high=200)
    logo = f.Text(load_default=None, allow_none=True, metadata={"description": "A picture's name."})


class EditedBrand(NewBrand):
    version = Version()


class ManagedBrandAnswer(Answer):
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    logo = ma.fields.String(required=True, allow_none=True)
    version = ma.fields.Integer(required=True)


def render_brand(one: catalog.Brand) -> dict[str, Any]:
    """Return a brand as it is answered to staff."""
    return {"id": one.id, "name": one.name, "logo": one.logo, "version": one.version}


@routes.call(
    "POST", "/brands", who=CONTENT, body=NewBrand, answer=ManagedBrandAnswer, status=201,
    refusals=["409 name_taken", "422 too_many", "403 not_your_merchant"], example={"name": "回力"},
)  # fmt: skip
def post_brand(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add a brand."""
    check_platform(call)
    return _changed(call, render_brand(catalog.create_brand(call.tx, now=call.now, **body)))


@routes.call("GET", "/brands/<id:brand_id>", who=CONTENT, answer=ManagedBrandAnswer, refusals=["404 brand_not_found"])
def get_brand(call: Call, brand_id: str) -> dict[str, Any]:
    """Get a brand with its version."""
    return render_brand(catalog.get_brand(call.tx, brand_id=brand_id))


@routes.call(
    "PUT", "/brands/<id:brand_id>", who=CONTENT, body=EditedBrand, answer=ManagedBrandAnswer,
    refusals=["404 brand_not_found", "409 name_taken", *_EDITED], example={"name": "回力", "version": 1},
)  # fmt: skip
def put_brand(call: Call, brand_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Rename a brand or change its logo."""
    check_platform(call)
    return _changed(call, render_brand(catalog.edit_brand(call.tx, brand_id=brand_id, now=call.now, **body)))


@routes.call("DELETE", "/brands/<id:brand_id>", who=CONTENT, answer=DeletedAnswer,
             refusals=["404 brand_not_found", "409 brand_in_use", "403 not_your_merchant"])  # fmt: skip
def delete_brand(call: Call, brand_id: str) -> dict[str, Any]:
    """Delete a brand without products."""
    check_platform(call)
    catalog.delete_brand(call.tx, brand_id=brand_id)
    return _changed(call, {"id": brand_id, "is_deleted": True})


# Products


class NewSku(Shape):
    id = f.Id(load_default=None, allow_none=True, metadata={"description": "Of the SKU this goes on with."})
    code = f.Text(load_default=None, allow_none=True)
    spec = ma.fields.List(f.Text(), load_default=list, metadata={"description": "A value for each of spec_names."})
    price_minor = f.Amount(required=True)
    list_price_minor = f.Integer(load_default=None, allow_none=True, low=1, high=MAX_AMOUNT_MINOR)
    stock = f.Integer(
        load_default=0, high=catalog.MAX_STOCK,
        metadata={"description": "Counts for new SKUs; later see /skus/{sku_id}/stock."},
    )  # fmt: skip
    limit_per_person = f.Integer(load_default=None, allow_none=True, low=1)
    weight_grams = f.Integer(load_default=0)
    picture = f.Text(load_default=None, allow_none=True)


class NewProduct(Shape):
    merchant_id = f.Text(load_default=catalog.MAIN_MERCHANT)
    code = f.Text(load_default=None, allow_none=True)
    name = f.Text(required=True, high=200)
    subtitle = f.Text(load_default="", low=0, high=300)
    description = LongText(load_default="", metadata={"description": "HTML; what could run in it is taken out."})
    category_id = f.Id(load_default=None, allow_none=True)
    brand_id = f.Id(load_default=None, allow_none=True)
    tags = ma.fields.List(f.Text(), load_default=list)
    pictures = ma.fields.List(f.Text(), load_default=list, metadata={"description": "Names of pictures, in order."})
    video = f.Text(load_default=None, allow_none=True)
    spec_names = ma.fields.List(f.Text(), load_default=list)
    currency = f.currency_field()
    rates_bps = f.Rates(load_default=None, allow_none=True)
    skus = ma.fields.List(ma.fields.Nested(NewSku), required=True)


class NewListedProduct(NewProduct):
    state = f.Choice("draft", "on_sale", "off_sale", load_default="draft")


class EditedProduct(NewProduct):
    merchant_id = f.Text(load_default=None, allow_none=True, metadata={"description": "Cannot change."})
    version = Version()


class NewState(Shape):
    state = f.Choice("draft", "on_sale", "off_sale", "deleted", required=True)
    version = f.Integer(load_default=None, allow_none=True, low=1)


class SkuAnswer(Answer):
    id = ma.fields.String(required=True)
    code = ma.fields.String(required=True)
    spec = ma.fields.List(ma.fields.String(), required=True)
    price_minor = ma.fields.Integer(required=True)
    list_price_minor = ma.fields.Integer(required=True, allow_none=True)
    limit_per_person = ma.fields.Integer(required=True, allow_none=True)
    weight_grams = ma.fields.Integer(required=True)
    picture = ma.fields.String(required=True, allow_none=True)
    available = ma.fields.Integer(required=True)
    reserved = ma.fields.Integer(required=True)
    sold = ma.fields.Integer(required=True)


class ProductAnswer(_Card):
    code = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf([one.value for one in catalog.ProductState]))
    version = ma.fields.Integer(required=True)
    description = ma.fields.String(required=True)
    pictures = ma.fields.List(ma.fields.String(), required=True)
    picture_urls = ma.fields.List(ma.fields.String(), required=True)
    video = ma.fields.String(required=True, allow_none=True)
    spec_names = ma.fields.List(ma.fields.String(), required=True)
    rates_bps = ma.fields.List(ma.fields.Integer(), required=True, allow_none=True)
    listed_at = ma.fields.DateTime(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)
    updated_at = ma.fields.DateTime(required=True)
    skus = ma.fields.List(ma.fields.Nested(SkuAnswer), required=True)


class ProductPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ProductAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class ManagedQuery(PageQuery):
    merchant_id = f.Id(load_default=None)
    state = f.Choice(*[one.value for one in catalog.ProductState], load_default=None)


def render_product(call: Call, one: catalog.Product) -> dict[str, Any]:
    """Return a product as it is answered to staff."""
    return {
        "id": one.id,
        "merchant_id": one.merchant_id,
        "code": one.code,
        "state": one.state,
        "version": one.version,
        "name": one.name,
        "subtitle": one.subtitle,
        "description": one.description,
        "category_id": one.category_id,
        "brand_id": one.brand_id,
        "tags": list(one.tags),
        "picture_url": thumbnail_url_of(call.config, one.pictures[0] if one.pictures else None),
        "pictures": list(one.pictures),
        "picture_urls": [url_of(call.config, name) for name in one.pictures],
        "video": one.video,
        "spec_names": list(one.spec_names),
        "currency": one.currency,
        "rates_bps": None if one.rates_bps is None else list(one.rates_bps),
        "price_from_minor": one.price_from_minor,
        "price_to_minor": one.price_to_minor,
        "in_stock": one.in_stock,
        "sold_count": one.sold_count,
        "listed_at": instant(one.listed_at),
        "created_at": instant(one.created_at),
        "updated_at": instant(one.updated_at),
        "skus": [
            {
                "id": sku.id,
                "code": sku.code,
                "spec": list(sku.spec),
                "price_minor": sku.price_minor,
                "list_price_minor": sku.list_price_minor,
                "limit_per_person": sku.limit_per_person,
                "weight_grams": sku.weight_grams,
                "picture": sku.picture,
                "available": sku.available,
                "reserved": sku.reserved,
                "sold": sku.sold,
            }
            for sku in one.skus
        ],
    }


_PRODUCT_REFUSALS = [
    "403 not_your_merchant", "409 code_taken", "422 spec_taken", "422 amount_not_positive", "422 too_many_levels",
]  # fmt: skip
_PRODUCT_EXAMPLE = {
    "name": "真丝连衣裙", "subtitle": "春夏新款", "description": "<p>100 % 桑蚕丝</p>", "tags": ["新品"],
    "spec_names": ["颜色", "尺码"],
    "skus": [
        {"spec": ["红", "M"], "price_minor": 39900, "stock": 20, "weight_grams": 350},
        {"spec": ["红", "L"], "price_minor": 39900, "stock": 15, "weight_grams": 360, "limit_per_person": 2},
    ],
}  # fmt: skip


@routes.call("GET", "/catalog/products", who=CONTENT, query=ManagedQuery, answer=ProductPage,
             refusals=["403 not_your_merchant"])  # fmt: skip
def list_managed_products(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List products in every state, oldest first; deleted ones only when asked for."""
    confined = list_merchants_of(call)
    merchant_id = query.pop("merchant_id")
    if merchant_id is not None:
        check_merchant(call, merchant_id)
        confined = [merchant_id]
    state = None if query["state"] is None else catalog.ProductState(query["state"])
    found = catalog.list_products(call.tx, **query | {"state": state, "merchant_ids": confined or None})
    return page(found, lambda one: render_product(call, one))


@routes.call("GET", "/catalog/products/<id:product_id>", who=CONTENT, answer=ProductAnswer,
             refusals=["404 product_not_found", "403 not_your_merchant"])  # fmt: skip
def get_managed_product(call: Call, product_id: str) -> dict[str, Any]:
    """Get a product with its version, SKUs and stock, whatever its state."""
    return render_product(call, _get_own_product(call, product_id))


@routes.call(
    "POST", "/catalog/products", who=CONTENT, body=NewListedProduct, answer=ProductAnswer, status=201,
    refusals=_PRODUCT_REFUSALS, example=_PRODUCT_EXAMPLE | {"state": "on_sale"},
)  # fmt: skip
def post_product(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add a product with its SKUs, by default as a draft."""
    check_merchant(call, body["merchant_id"])
    product = catalog.create_product(
        call.tx,
        merchant_id=body["merchant_id"],
        draft=_to_draft(body),
        state=catalog.ProductState(body["state"]),
        made_by=call.caller.id,
        now=call.now,
    )
    return _changed(call, render_product(call, product))


@routes.call(
    "PUT", "/catalog/products/<id:product_id>", who=CONTENT, body=EditedProduct, answer=ProductAnswer,
    refusals=["404 product_not_found", "409 edit_conflict", "409 product_deleted", *_PRODUCT_REFUSALS],
    example=_PRODUCT_EXAMPLE | {"version": 1},
)  # fmt: skip
def put_product(call: Call, product_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Replace a product and its SKUs. A SKU that is left out is dropped; stock is not touched."""
    _get_own_product(call, product_id)
    product = catalog.edit_product(
        call.tx,
        product_id=product_id,
        draft=_to_draft(body),
        version=body["version"],
        made_by=call.caller.id,
        now=call.now,
    )
    return _changed(call, render_product(call, product))


@routes.call(
    "PUT", "/catalog/products/<id:product_id>/state", who=CONTENT, body=NewState, answer=ProductAnswer,
    refusals=["404 product_not_found", "409 product_deleted", *_EDITED], example={"state": "on_sale"},
)  # fmt: skip
def put_product_state(call: Call, product_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Put a product on sale, take it off, or delete it for good."""
    _get_own_product(call, product_id)
    product = catalog.set_product_state(
        call.tx,
        product_id=product_id,
        state=catalog.ProductState(body["state"]),
        version=body["version"],
        now=call.now,
    )
    return _changed(call, render_product(call, product))


# Sheets


class ImportQuery(Shape):
    merchant_id = f.Text(load_default=catalog.MAIN_MERCHANT, high=32)
    dry_run = f.Choice("true", "false", load_default="false")


class ImportAnswer(Answer):
    created = ma.fields.Integer(required=True)
    changed = ma.fields.Integer(required=True)
    skus = ma.fields.Integer(required=True)
    is_dry_run = ma.fields.Boolean(required=True)


@routes.call(
    "POST", "/catalog/import", who=CONTENT, query=ImportQuery, answer=ImportAnswer, status=201,
    upload_bytes=catalog.MAX_SHEET_BYTES, refusals=["422 sheet_unreadable", "403 not_your_merchant"],
)  # fmt: skip
def post_import(call: Call, query: dict[str, Any], upload: BinaryIO) -> dict[str, Any]:
    """Bring a merchant's catalogue in line with a CSV file: all of it or nothing."""
    check_merchant(call, query["merchant_id"])
    is_dry_run = query["dry_run"] == "true"
    done = catalog.import_catalogue(
        call.tx,
        merchant_id=query["merchant_id"],
        content=upload,
        made_by=call.caller.id,
        dry_run=is_dry_run,
        now=call.now,
    )
    answer = {"created": done.created, "changed": done.changed, "skus": done.skus, "is_dry_run": is_dry_run}
    return _changed(call, answer)


class SheetFault(Answer):
    line = ma.fields.Integer(required=True, allow_none=True)
    column = ma.fields.String(required=True, allow_none=True)
    messages = ma.fields.List(ma.fields.String(), required=True)


class ImportJobAnswer(Answer):
    id = ma.fields.String(required=True)
    merchant_id = ma.fields.String(required=True)
    is_dry_run = ma.fields.Boolean(required=True)
    byte_count = ma.fields.Integer(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf([one.value for one in catalog.ImportState]))
    products_done = ma.fields.Integer(required=True)
    products_total = ma.fields.Integer(required=True, allow_none=True)
    created = ma.fields.Integer(required=True, allow_none=True)
    changed = ma.fields.Integer(required=True, allow_none=True)
    skus = ma.fields.Integer(required=True, allow_none=True)
    problem = ma.fields.String(required=True, allow_none=True, metadata={"description": "The code of the refusal."})
    message = ma.fields.String(required=True, allow_none=True)
    faults = ma.fields.List(ma.fields.Nested(SheetFault), required=True)
    made_by = ma.fields.String(required=True)
    created_at = ma.fields.DateTime(required=True)
    started_at = ma.fields.DateTime(required=True, allow_none=True)
    finished_at = ma.fields.DateTime(required=True, allow_none=True)


class ImportJobPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ImportJobAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_import(one: catalog.Import) -> dict[str, Any]:
    """Return an import as it is answered, its faults in the order of the sheet."""
    faults = [
        {"line": int(line) if line.isdigit() else None, "column": column or None, "messages": list(messages)}
        for (line, _, column), messages in ((place.partition("."), found) for place, found in one.faults.items())
    ]
    return {
        "id": one.id,
        "merchant_id": one.merchant_id,
        "is_dry_run": one.is_dry_run,
        "byte_count": one.byte_count,
        "state": one.state,
        "products_done": one.products_done,
        "products_total": one.products_total,
        "created": one.created,
        "changed": one.changed,
        "skus": one.skus,
        "problem": one.problem,
        "message": one.message,
        "faults": sorted(faults, key=lambda fault: (fault["line"] or 0, fault["column"] or "")),
        "made_by": one.made_by,
        "created_at": instant(one.created_at),
        "started_at": instant(one.started_at),
        "finished_at": instant(one.finished_at),
    }


@routes.call(
    "POST", "/catalog/imports", who=CONTENT, query=ImportQuery, answer=ImportJobAnswer, status=202,
    upload_bytes=catalog.MAX_SHEET_BYTES,
    refusals=["403 not_your_merchant", "404 merchant_not_found", "409 too_many_imports"],
)  # fmt: skip
def request_import(call: Call, query: dict[str, Any], upload: BinaryIO) -> dict[str, Any]:
    """Take a CSV file that a worker brings a merchant's catalogue in line with; ask for the import how far it is."""
    check_merchant(call, query["merchant_id"])
    one = catalog.request_import(
        call.tx, merchant_id=query["merchant_id"], content=upload.read(), dry_run=query["dry_run"] == "true",
        made_by=call.caller.id, now=call.now,
    )  # fmt: skip
    return render_import(one)


@routes.call("GET", "/catalog/imports", who=CONTENT, query=PageQuery, answer=ImportJobPage)
def list_imports(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List imports that workers run, newest first; of one's own merchants only."""
    mine = list_merchants_of(call)
    return page(catalog.list_imports(call.tx, merchant_ids=mine, **query), render_import)


@routes.call("GET", "/catalog/imports/<id:import_id>", who=CONTENT, answer=ImportJobAnswer,
             refusals=["403 not_your_merchant", "404 import_not_found"])  # fmt: skip
def get_import(call: Call, import_id: str) -> dict[str, Any]:
    """Get an import: how far it is, what it did, or what is wrong in which line."""
    one = catalog.get_import(call.tx, import_id=import_id)
    check_merchant(call, one.merchant_id)
    return render_import(one)


class ExportQuery(Shape):
    merchant_id = f.Text(load_default=catalog.MAIN_MERCHANT, high=32)


@routes.call("GET", "/catalog/export", who=CONTENT, query=ExportQuery, answer=Answer, text_type="text/csv",
             refusals=["403 not_your_merchant", "404 merchant_not_found"])  # fmt: skip
def export_catalogue(call: Call, query: dict[str, Any]) -> str:
    """Export a merchant's catalogue as CSV, one row for each SKU; importing it again changes nothing."""
    check_merchant(call, query["merchant_id"])
    catalog.get_merchant(call.tx, merchant_id=query["merchant_id"])
    call.headers["Content-Disposition"] = 'attachment; filename="catalogue.csv"'
    call.headers["Cache-Control"] = "no-store"
    return "".join(catalog.export_catalogue(call.tx, merchant_id=query["merchant_id"]))


# Stock


class NewCorrection(Shape):
    change = f.Integer(required=True, low=-catalog.MAX_STOCK, high=catalog.MAX_STOCK)
    reason = f.Text(required=True, high=200)


class CorrectionAnswer(Answer):
    id = ma.fields.String(required=True)
    sku_id = ma.fields.String(required=True)
    change = ma.fields.Integer(required=True)
    available = ma.fields.Integer(required=True, metadata={"description": "What it left available."})
    reason = ma.fields.String(required=True)
    made_by = ma.fields.String(required=True)
    created_at = ma.fields.DateTime(required=True)


class CorrectionPage(Answer):
    items = ma.fields.List(ma.fields.Nested(CorrectionAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_correction(one: catalog.StockCorrection) -> dict[str, Any]:
    """Return a correction of stock as it is answered."""
    return {
        "id": one.id,
        "sku_id": one.sku_id,
        "change": one.change,
        "available": one.available,
        "reason": one.reason,
        "made_by": one.made_by,
        "created_at": instant(one.created_at),
    }


@routes.call(
    "POST", "/skus/<id:sku_id>/stock", who=CONTENT, body=NewCorrection, answer=CorrectionAnswer, status=201,
    refusals=["404 sku_not_found", "409 out_of_stock", "403 not_your_merchant"],
    example={"change": 50, "reason": "delivery of 2 March"},
)  # fmt: skip
def post_stock_correction(call: Call, sku_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Add pieces to a SKU's stock, or take some away, and keep who did it and why."""
    check_merchant(call, catalog.get_merchant_of_sku(call.tx, sku_id=sku_id))
    correction = catalog.correct_stock(call.tx, sku_id=sku_id, made_by=call.caller.id, now=call.now, **body)
    return _changed(call, render_correction(correction))


@routes.call("GET", "/skus/<id:sku_id>/stock", who=CONTENT, query=PageQuery, answer=CorrectionPage,
             refusals=["404 sku_not_found", "403 not_your_merchant"])  # fmt: skip
def list_stock_corrections(call: Call, sku_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """List the corrections of a SKU's stock, newest first."""
    check_merchant(call, catalog.get_merchant_of_sku(call.tx, sku_id=sku_id))
    return page(catalog.list_corrections(call.tx, sku_id=sku_id, **query), render_correction)


# Shelves


class Shown(Shape):
    start = f.Instant(load_default=None, allow_none=True)
    end = f.Instant(load_default=None, allow_none=True)


class NewShelf(Shape):
    title = f.Text(required=True, high=200)
    product_ids = ma.fields.List(f.Id(), required=True)
    position = f.Integer(load_default=0)
    shown = ma.fields.Nested(
        Shown, load_default=None, allow_none=True, metadata={"description": "From `start` until before `end`."}
    )


class EditedShelf(NewShelf):
    version = Version()


class ShownAnswer(Answer):
    start = ma.fields.DateTime(required=True, allow_none=True)
    end = ma.fields.DateTime(required=True, allow_none=True)


class ShelfAnswer(Answer):
    id = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    product_ids = ma.fields.List(ma.fields.String(), required=True)
    position = ma.fields.Integer(required=True)
    shown = ma.fields.Nested(ShownAnswer, required=True)
    version = ma.fields.Integer(required=True)


class ShelfList(Answer):
    items = ma.fields.List(ma.fields.Nested(ShelfAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_shelf(one: catalog.Shelf) -> dict[str, Any]:
    """Return a shelf as it is answered to staff."""
    return {
        "id": one.id,
        "title": one.title,
        "product_ids": list(one.product_ids),
        "position": one.position,
        "shown": {"start": instant(one.shown_from), "end": instant(one.shown_to)},
        "version": one.version,
    }


_SHELF_EXAMPLE = {
    "title": "新品", "position": 1, "product_ids": ["prd_01K9ZJ0000000000000000000A"],
    "shown": {"start": "2026-11-11T00:00:00+08:00", "end": "2026-11-12T00:00:00+08:00"},
}  # fmt: skip


@routes.call("GET", "/shelves", who=CONTENT, answer=ShelfList)
def list_shelves(call: Call) -> dict[str, Any]:
    """List the shelves of the home page, also those that are not shown now."""
    return {"items": [render_shelf(one) for one in catalog.list_shelves(call.tx)], "next_cursor": None}


@routes.call(
    "POST", "/shelves", who=CONTENT, body=NewShelf, answer=ShelfAnswer, status=201,
    refusals=["422 too_many", "403 not_your_merchant"], example=_SHELF_EXAMPLE,
)  # fmt: skip
def post_shelf(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Add a shelf to the home page."""
    check_platform(call)
    return _changed(call, render_shelf(catalog.create_shelf(call.tx, draft=_to_shelf(body), now=call.now)))


@routes.call(
    "PUT", "/shelves/<id:shelf_id>", who=CONTENT, body=EditedShelf, answer=ShelfAnswer,
    refusals=["404 shelf_not_found", *_EDITED], example=_SHELF_EXAMPLE | {"version": 1},
)  # fmt: skip
def put_shelf(call: Call, shelf_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Replace a shelf of the home page."""
    check_platform(call)
    shelf = catalog.edit_shelf(call.tx, shelf_id=shelf_id, draft=_to_shelf(body), version=body["version"])
    return _changed(call, render_shelf(shelf))


@routes.call("DELETE", "/shelves/<id:shelf_id>", who=CONTENT, answer=DeletedAnswer,
             refusals=["404 shelf_not_found", "403 not_your_merchant"])  # fmt: skip
def delete_shelf(call: Call, shelf_id: str) -> dict[str, Any]:
    """Take a shelf off the home page."""
    check_platform(call)
    catalog.delete_shelf(call.tx, shelf_id=shelf_id)
    return _changed(call, {"id": shelf_id, "is_deleted": True})


def _get_own_product(call: Call, product_id: str) -> catalog.Product:
    product = catalog.get_product(call.tx, product_id=product_id)
    check_merchant(call, product.merchant_id)
    return product


def _changed(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a change, after which this process looks at what changed at once."""
    call.services.answers.look_soon()
    return answer


def _to_draft(body: dict[str, Any]) -> catalog.ProductDraft:
    return catalog.ProductDraft(
        name=body["name"],
        code=body["code"],
        subtitle=body["subtitle"],
        description=body["description"],
        category_id=body["category_id"],
        brand_id=body["brand_id"],
        tags=tuple(body["tags"]),
        pictures=tuple(body["pictures"]),
        video=body["video"],
        spec_names=tuple(body["spec_names"]),
        currency=body["currency"] or "CNY",
        rates_bps=None if body["rates_bps"] is None else tuple(body["rates_bps"]),
        skus=tuple(catalog.SkuDraft(**sku | {"spec": tuple(sku["spec"])}) for sku in body["skus"]),
    )


def _to_shelf(body: dict[str, Any]) -> catalog.ShelfDraft:
    shown = body["shown"] or {"start": None, "end": None}
    return catalog.ShelfDraft(body["title"], tuple(body["product_ids"]), body["position"], shown["start"], shown["end"])
