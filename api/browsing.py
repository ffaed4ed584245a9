"""What everybody may see of the shop: home, products, search, suggestions, categories, brands."""

from collections.abc import Mapping, Sequence
from typing import Any

import marshmallow as ma

from api import fields as f
from api.media import thumbnail_url_of, url_of
from api.routing import ANYONE, Answer, Call, PageQuery, Routes, Shape
from tuike import catalog, commission
from tuike.commission import EarningTerms
from tuike.config import Config
from tuike.shared.pages import MAX_LIMIT

routes = Routes("shop", description="What everybody may see of the shop. No credentials needed.")

MAX_QUERY = 100
_LIST_KEPT_S = 5
_HOME_KEPT_S = 5
_DETAIL_KEPT_S = 300
_TREE_KEPT_S = 300
_SUGGESTIONS_KEPT_S = 60


class EarningAnswer(Answer):
    rate_bps = ma.fields.Integer(required=True)
    from_minor = ma.fields.Integer(required=True)
    to_minor = ma.fields.Integer(required=True)


class CardAnswer(Answer):
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    subtitle = ma.fields.String(required=True)
    picture_url = ma.fields.String(required=True, allow_none=True, metadata={"description": "A thumbnail."})
    price_from_minor = ma.fields.Integer(required=True)
    price_to_minor = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)
    in_stock = ma.fields.Boolean(required=True)
    sold_count = ma.fields.Integer(required=True)
    category_id = ma.fields.String(required=True, allow_none=True)
    brand_id = ma.fields.String(required=True, allow_none=True)
    merchant_id = ma.fields.String(required=True)
    tags = ma.fields.List(ma.fields.String(), required=True)


class ShownCardAnswer(CardAnswer):
    earning = ma.fields.Nested(
        EarningAnswer, required=True, allow_none=True,
        metadata={"description": "What a promoter who shares it earns at least for a piece, from the cheapest to the "
                                 "dearest SKU; null for everybody else."},
    )  # fmt: skip


class HomeShelfAnswer(Answer):
    id = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    products = ma.fields.List(ma.fields.Nested(ShownCardAnswer), required=True)


class HomeAnswer(Answer):
    shelves = ma.fields.List(ma.fields.Nested(HomeShelfAnswer), required=True)


class PictureAnswer(Answer):
    url = ma.fields.String(required=True)
    thumbnail_url = ma.fields.String(required=True)


class NamedAnswer(Answer):
    id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)


class BrandAnswer(NamedAnswer):
    logo_url = ma.fields.String(required=True, allow_none=True)


class StockAnswer(Answer):
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(["in_stock", "low", "sold_out"]))
    left = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": f"How many, when below {catalog.LOW_STOCK}."}
    )


class ShownSkuAnswer(Answer):
    id = ma.fields.String(required=True)
    spec = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "One value for each spec name."})
    price_minor = ma.fields.Integer(required=True)
    list_price_minor = ma.fields.Integer(required=True, allow_none=True)
    weight_grams = ma.fields.Integer(required=True)
    limit_per_person = ma.fields.Integer(required=True, allow_none=True)
    picture_url = ma.fields.String(required=True, allow_none=True)
    earning_minor = ma.fields.Integer(required=True, allow_none=True)
    stock = ma.fields.Nested(StockAnswer, required=True)


class DetailAnswer(ShownCardAnswer):
    description = ma.fields.String(required=True, metadata={"description": "HTML; nothing in it runs."})
    pictures = ma.fields.List(ma.fields.Nested(PictureAnswer), required=True)
    video_url = ma.fields.String(required=True, allow_none=True)
    spec_names = ma.fields.List(ma.fields.String(), required=True)
    merchant = ma.fields.Nested(NamedAnswer, required=True)
    brand = ma.fields.Nested(BrandAnswer, required=True, allow_none=True)
    category_path = ma.fields.List(ma.fields.Nested(NamedAnswer), required=True)
    skus = ma.fields.List(ma.fields.Nested(ShownSkuAnswer), required=True)


class FacetsAnswer(Answer):
    counted = ma.fields.Integer(required=True)
    is_partial = ma.fields.Boolean(
        required=True, metadata={"description": "Whether more matched than were counted, the best sold first."}
    )
    categories = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    brands = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    tags = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)


class CardPage(Answer):
    items = ma.fields.List(ma.fields.Nested(ShownCardAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)
    facets = ma.fields.Nested(FacetsAnswer, required=True, allow_none=True)


class QueryFlag(f.Choice):
    """`true` or `false` in a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("true", "false", **kwargs)


class QueryAmount(f.QueryInteger):
    """An amount in a query, 0 or more."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(low=0, high=10**13, **kwargs)


class ListQuery(PageQuery):
    category_id = f.Id(load_default=None, metadata={"description": "The category and everything below it."})
    brand_id = f.Text(load_default=None, high=600, metadata={"description": "One or several, separated by commas."})
    tag = f.Text(load_default=None, high=600, metadata={"description": "One or several, separated by commas: all."})
    merchant_id = f.Id(load_default=None)
    price_from_minor = QueryAmount(load_default=None)
    price_to_minor = QueryAmount(load_default=None)
    in_stock = QueryFlag(load_default="false")
    sort = f.Choice(*[order.value for order in catalog.SearchOrder], load_default=catalog.SearchOrder.RELEVANCE.value)
    facets = QueryFlag(load_default="false", metadata={"description": "Count what was found by category, brand, tag."})


class SearchQuery(ListQuery):
    q = f.Text(required=True, high=MAX_QUERY, metadata={"description": "What is looked for.", "example": "连衣裙"})


class SuggestQuery(Shape):
    q = f.Text(required=True, high=MAX_QUERY, metadata={"description": "What was typed so far.", "example": "连"})


class SuggestionList(Answer):
    items = ma.fields.List(ma.fields.String(), required=True)


class CategoryNode(Answer):
    id = ma.fields.String(required=True)
    parent_id = ma.fields.String(required=True, allow_none=True)
    name = ma.fields.String(required=True)


class CategoryNodeList(Answer):
    items = ma.fields.List(
        ma.fields.Nested(CategoryNode), required=True,
        metadata={"description": "The whole tree; a parent before its children, siblings in the order shown."},
    )  # fmt: skip


class BrandPage(Answer):
    items = ma.fields.List(ma.fields.Nested(BrandAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_card(config: Config, card: catalog.Card, terms: EarningTerms | None = None) -> dict[str, Any]:
    """Return a product as it is answered in lists; with `terms`, to a promoter."""
    return {
        "id": card.id,
        "name": card.name,
        "subtitle": card.subtitle,
        "picture_url": thumbnail_url_of(config, card.picture),
        "price_from_minor": card.price_from_minor,
        "price_to_minor": card.price_to_minor,
        "currency": card.currency,
        "in_stock": card.in_stock,
        "sold_count": card.sold_count,
        "category_id": card.category_id,
        "brand_id": card.brand_id,
        "merchant_id": card.merchant_id,
        "tags": list(card.tags),
        "earning": None if terms is None else {
            "rate_bps": commission.find_first_rate(terms),
            "from_minor": commission.preview_earning(terms, base_minor=card.price_from_minor),
            "to_minor": commission.preview_earning(terms, base_minor=card.price_to_minor),
        },
    }  # fmt: skip


def render_detail(config: Config, detail: catalog.Detail, terms: EarningTerms | None = None) -> dict[str, Any]:
    """Return a product as it is answered on its own page; with `terms`, to a promoter."""
    card = detail.card
    brand = None
    if card.brand_id is not None:
        brand = {"id": card.brand_id, "name": detail.brand, "logo_url": url_of(config, detail.brand_logo)}
    return render_card(config, card, terms) | {
        "in_stock": any(sku.available > 0 for sku in detail.skus),
        "description": detail.description,
        "pictures": [
            {"url": url_of(config, name), "thumbnail_url": thumbnail_url_of(config, name)} for name in detail.pictures
        ],
        "video_url": url_of(config, detail.video),
        "spec_names": list(detail.spec_names),
        "merchant": {"id": card.merchant_id, "name": detail.merchant},
        "brand": brand,
        "category_path": [{"id": id_, "name": name} for id_, name in detail.path],
        "skus": [
            {
                "id": sku.id,
                "spec": list(sku.spec),
                "price_minor": sku.price_minor,
                "list_price_minor": sku.list_price_minor,
                "weight_grams": sku.weight_grams,
                "limit_per_person": sku.limit_per_person,
                "picture_url": url_of(config, sku.picture),
                "earning_minor": None
                if terms is None
                else commission.preview_earning(terms, base_minor=sku.price_minor),
                "stock": _render_stock(sku.available),
            }
            for sku in detail.skus
        ],
    }


@routes.call(
    "GET", "/home", who=ANYONE, answer=HomeAnswer, kept_s=_HOME_KEPT_S,
    made_of=lambda: ["shelf", "tree"], shows_earnings=True,
)  # fmt: skip
def get_home(call: Call) -> dict[str, Any]:
    """Show the home page: its shelves in order, with what stands on them and is on sale."""
    shelves = catalog.read_home(call.tx, now=call.now)
    terms = _find_terms(call, [card for one in shelves for card in one.cards])
    return {
        "shelves": [
            {
                "id": one.id,
                "title": one.title,
                "products": [render_card(call.config, card, terms.get(card.id)) for card in one.cards],
            }
            for one in shelves
        ]
    }


@routes.call("GET", "/products", who=ANYONE, query=ListQuery, answer=CardPage, kept_s=_LIST_KEPT_S, shows_earnings=True)
def list_products(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List what is on sale, narrowed down and sorted."""
    return _search(call, query, "")


@routes.call(
    "GET", "/products/<id:product_id>", who=ANYONE, answer=DetailAnswer, refusals=["404 product_not_found"],
    kept_s=_DETAIL_KEPT_S, made_of=lambda product_id: [f"product:{product_id}", "tree"],
    shows_earnings=True,
)  # fmt: skip
def get_product(call: Call, product_id: str) -> dict[str, Any]:
    """Show a product that is on sale, with its SKUs."""
    found = catalog.get_detail(call.tx, product_id=product_id)
    return render_detail(call.config, found, _find_terms(call, [found.card]).get(product_id))


@routes.call("GET", "/search", who=ANYONE, query=SearchQuery, answer=CardPage, kept_s=_LIST_KEPT_S, shows_earnings=True)
def search_products(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """Find products by words in Chinese or English, best matches first unless sorted otherwise."""
    return _search(call, query, query["q"])


@routes.call("GET", "/suggest", who=ANYONE, query=SuggestQuery, answer=SuggestionList, kept_s=_SUGGESTIONS_KEPT_S)
def suggest(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """Complete what somebody types, up to ten ways."""
    return {"items": catalog.suggest(call.tx, text=query["q"])}


@routes.call("GET", "/categories", who=ANYONE, answer=CategoryNodeList, kept_s=_TREE_KEPT_S, made_of=lambda: ["tree"])
def list_categories(call: Call) -> dict[str, Any]:
    """Show the whole tree of categories."""
    tree = catalog.read_tree(call.tx)
    return {
        "items": [
            {"id": one.id, "parent_id": one.parent_id, "name": one.name} for one in catalog.sort_tree(tree)
        ]
    }  # fmt: skip


@routes.call(
    "GET", "/brands", who=ANYONE, query=PageQuery, answer=BrandPage, kept_s=_TREE_KEPT_S, made_of=lambda: ["tree"]
)
def list_brands(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List brands by name."""
    found = catalog.list_brands(call.tx, **query)
    return {
        "items": [{"id": x.id, "name": x.name, "logo_url": url_of(call.config, x.logo)} for x in found.items],
        "next_cursor": found.next_cursor,
    }


def _search(call: Call, query: dict[str, Any], words: str) -> dict[str, Any]:
    filters = catalog.Filters(
        text=words,
        category_id=query["category_id"],
        brand_ids=_split(query["brand_id"]),
        tags=_split(query["tag"]),
        merchant_id=query["merchant_id"],
        price_from_minor=query["price_from_minor"],
        price_to_minor=query["price_to_minor"],
        in_stock=query["in_stock"] == "true",
        order=catalog.SearchOrder(query["sort"]),
    )
    found = catalog.search_products(
        call.tx,
        filters=filters,
        limit=min(query["limit"], MAX_LIMIT),
        cursor=query["cursor"],
        with_facets=query["facets"] == "true",
    )
    facets = found.facets
    terms = _find_terms(call, found.items)
    return {
        "items": [render_card(call.config, card, terms.get(card.id)) for card in found.items],
        "next_cursor": found.next_cursor,
        "facets": None if facets is None else {
            "counted": facets.counted,
            "is_partial": facets.is_partial,
            "categories": facets.categories,
            "brands": facets.brands,
            "tags": facets.tags,
        },
    }  # fmt: skip


def _find_terms(call: Call, cards: Sequence[catalog.Card]) -> Mapping[str, EarningTerms]:
    """Return by product what it would earn a promoter, nothing for anybody else."""
    if not call.sees_earnings:
        return {}
    return commission.find_earning_terms(call.tx, product_ids=list({card.id for card in cards}), now=call.now)


def _split(words: str | None) -> tuple[str, ...]:
    return () if words is None else tuple(word for word in words.split(",") if word)


def _render_stock(available: int) -> dict[str, Any]:
    if available >= catalog.LOW_STOCK:
        return {"state": "in_stock", "left": None}
    return {"state": "low" if available else "sold_out", "left": available}
