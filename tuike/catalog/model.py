"""Nouns of the catalogue and the refusals they know. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tuike.shared.errors import Conflict, NotFound, Refused, TuikeError

MAIN_MERCHANT = "main"


class ProductState(StrEnum):
    """`draft` was never on sale; `deleted` is for good, and kept only for what names it."""

    DRAFT = "draft"
    ON_SALE = "on_sale"
    OFF_SALE = "off_sale"
    DELETED = "deleted"


class ReservationState(StrEnum):
    RESERVED = "reserved"
    RELEASED = "released"
    TAKEN = "taken"


class SearchOrder(StrEnum):
    """How a list of products is sorted; `relevance` without a query is `sales`."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    CHEAPEST = "price"
    DEAREST = "-price"
    SALES = "sales"


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str
    name: str
    status: str
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Category:
    """A node of the tree; `rates_bps` overrides the plan for products below it that have none of their own."""

    id: str
    parent_id: str | None
    name: str
    position: int
    rates_bps: tuple[int, ...] | None
    version: int


@dataclass(frozen=True, slots=True)
class Brand:
    id: str
    name: str
    logo: str | None
    version: int


@dataclass(frozen=True, slots=True)
class SkuDraft:
    """A SKU as staff write it: `spec` has one value for each of the product's `spec_names`.

    `stock` counts only when the SKU is new; afterwards stock is corrected, never overwritten.
    """

    spec: tuple[str, ...]
    price_minor: int
    id: str | None = None
    code: str | None = None
    list_price_minor: int | None = None
    stock: int = 0
    limit_per_person: int | None = None
    weight_grams: int = 0
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """A product as staff write it, whole."""

    name: str
    skus: tuple[SkuDraft, ...]
    code: str | None = None
    subtitle: str = ""
    description: str = ""
    category_id: str | None = None
    brand_id: str | None = None
    tags: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    video: str | None = None
    spec_names: tuple[str, ...] = ()
    currency: str = "CNY"
    rates_bps: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Sku:
    """A SKU as kept, with its stock: pieces `available`, `reserved` by open orders, and `sold`."""

    id: str
    code: str
    spec: tuple[str, ...]
    price_minor: int
    list_price_minor: int | None
    weight_grams: int
    limit_per_person: int | None
    picture: str | None
    available: int
    reserved: int
    sold: int


@dataclass(frozen=True, slots=True)
class Product:
    """A product as kept; `version` grows with each edit."""

    id: str
    merchant_id: str
    code: str
    state: ProductState
    version: int
    name: str
    subtitle: str
    description: str
    category_id: str | None
    brand_id: str | None
    tags: tuple[str, ...]
    pictures: tuple[str, ...]
    video: str | None
    spec_names: tuple[str, ...]
    currency: str
    rates_bps: tuple[int, ...] | None
    price_from_minor: int
    price_to_minor: int
    in_stock: bool
    sold_count: int
    listed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    skus: tuple[Sku, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a cart and a checkout need to know of a SKU now. `is_on_sale` covers product, SKU and merchant.

    `rates_bps` is the product's override, else the nearest category's, else None (the plan decides).
    """

    sku_id: str
    product_id: str
    merchant_id: str
    code: str
    name: str
    spec: tuple[str, ...]
    spec_names: tuple[str, ...]
    picture: str | None
    price_minor: int
    currency: str
    weight_grams: int
    limit_per_person: int | None
    available: int
    is_on_sale: bool
    category_id: str | None
    category: str | None
    rates_bps: tuple[int, ...] | None
    product_version: int


@dataclass(frozen=True, slots=True)
class StockLine:
    """So many pieces of a SKU."""

    sku_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an order holds, or held; `returned` pieces of each line came back after they were taken."""

    order_id: str
    buyer_id: str
    state: ReservationState
    lines: tuple[StockLine, ...]
    returned: tuple[int, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StockCorrection:
    """A change of stock by hand: `change` pieces, which left `available`, by whom and why."""

    id: str
    sku_id: str
    change: int
    available: int
    reason: str
    made_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShelfDraft:
    """A row of the home page as staff write it; shown in `[shown_from, shown_to)`."""

    title: str
    product_ids: tuple[str, ...]
    position: int = 0
    shown_from: datetime | None = None
    shown_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    id: str
    title: str
    product_ids: tuple[str, ...]
    position: int
    shown_from: datetime | None
    shown_to: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of products is narrowed to; `category_id` means its whole subtree, `tags` all of them."""

    text: str = ""
    category_id: str | None = None
    brand_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    merchant_id: str | None = None
    price_from_minor: int | None = None
    price_to_minor: int | None = None
    in_stock: bool = False
    order: SearchOrder = SearchOrder.RELEVANCE


@dataclass(frozen=True, slots=True)
class Card:
    """A product as it stands in a list."""

    id: str
    name: str
    subtitle: str
    picture: str | None
    price_from_minor: int
    price_to_minor: int
    currency: str
    in_stock: bool
    sold_count: int
    category_id: str | None
    brand_id: str | None
    merchant_id: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facets:
    """How many of the products found fall into each category, brand and tag; counted over `counted` of them."""

    counted: int
    is_partial: bool
    categories: dict[str, int] = field(default_factory=dict)
    brands: dict[str, int] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of products on sale; `facets` where they were asked for."""

    items: tuple[Card, ...]
    next_cursor: str | None
    facets: Facets | None


@dataclass(frozen=True, slots=True)
class HomeShelf:
    """A row of the home page as it is shown now."""

    id: str
    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class DetailSku:
    """A SKU as shoppers see it; `available` is for deciding what they are told, not for telling."""

    id: str
    spec: tuple[str, ...]
    price_minor: int
    list_price_minor: int | None
    weight_grams: int
    limit_per_person: int | None
    picture: str | None
    available: int


@dataclass(frozen=True, slots=True)
class Detail:
    """A product on sale as it is shown; `path` leads from the top category to its own."""

    card: Card
    description: str
    pictures: tuple[str, ...]
    video: str | None
    spec_names: tuple[str, ...]
    merchant: str
    brand: str | None
    brand_logo: str | None
    path: tuple[tuple[str, str], ...]
    skus: tuple[DetailSku, ...]


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or video; `name` is the hash of its content with an ending."""

    name: str
    kind: str
    content_type: str
    byte_count: int
    width: int | None
    height: int | None
    created_at: datetime


class MerchantNotFound(NotFound):
    code, message = "merchant_not_found", "There is no such merchant."


class ImportState(StrEnum):
    """`waiting` for a worker, `running`, or ended one way or the other."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Import:
    """A sheet that a worker imports. The counts are those of products and SKUs in the sheet, known once it is done.

    `problem` and `message` are those of the refusal, `faults` what is wrong by `line.column`.
    """

    id: str
    merchant_id: str
    is_dry_run: bool
    byte_count: int
    made_by: str
    state: ImportState
    products_done: int
    products_total: int | None
    created: int | None
    changed: int | None
    skus: int | None
    problem: str | None
    message: str | None
    faults: Mapping[str, Sequence[str]]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class TooManyImports(Conflict):
    code, message = "too_many_imports", "Enough sheets of this merchant wait already; come back when some are done."


class ImportNotFound(NotFound):
    code, message = "import_not_found", "There is no such import."


class MerchantTaken(Conflict):
    code, message = "merchant_taken", "Another merchant has this id."


class NotYourMerchant(TuikeError):
    code, status, message = "not_your_merchant", 403, "You work for another merchant."


class CategoryNotFound(NotFound):
    code, message = "category_not_found", "There is no such category."


class CategoryCycle(Conflict):
    code, message = "category_cycle", "The new parent lies below the category itself."


class CategoryTooDeep(Refused):
    code, message = "category_too_deep", "The tree of categories would become too deep."


class CategoryInUse(Conflict):
    code, message = "category_in_use", "The category has products or categories below it."


class NameTaken(Conflict):
    code, message = "name_taken", "Another one at this place has this name."


class TooMany(Refused):
    code, message = "too_many", "There would be more of these than the catalogue keeps."


class BrandNotFound(NotFound):
    code, message = "brand_not_found", "There is no such brand."


class BrandInUse(Conflict):
    code, message = "brand_in_use", "The brand has products."


class ProductNotFound(NotFound):
    code, message = "product_not_found", "There is no such product."


class ProductDeleted(Conflict):
    code, message = "product_deleted", "The product was deleted."


class EditConflict(Conflict):
    code, message = "edit_conflict", "Somebody changed this meanwhile; read it again and repeat your change."


class SpecTaken(Refused):
    code, message = "spec_taken", "Two SKUs of the product have the same spec."


class CodeTaken(Conflict):
    code, message = "code_taken", "Another product or SKU of the merchant has this code."


class SkuNotFound(NotFound):
    code, message = "sku_not_found", "There is no such SKU."


class NotOnSale(Conflict):
    code, message = "not_on_sale", "This is not on sale now."


class OutOfStock(Conflict):
    code, message = "out_of_stock", "Less is left than was asked for."


class LimitExceeded(Conflict):
    code, message = "limit_exceeded", "One person may not buy that many of this."


class ReservationExists(Conflict):
    code, message = "reservation_exists", "The order has another reservation already."


class ReservationNotFound(NotFound):
    code, message = "reservation_not_found", "The order has no reservation."


class ReservationExpired(Conflict):
    code, message = "reservation_expired", "The order's pieces were given free again."


class ReturnExceedsTaken(Refused):
    code, message = "return_exceeds_taken", "More would come back than the order took."


class ReturnIdTaken(Conflict):
    code, message = "return_id_taken", "Another return has this id."


class ShelfNotFound(NotFound):
    code, message = "shelf_not_found", "There is no such shelf."


class MediaNotFound(NotFound):
    code, message = "media_not_found", "There is no such picture or video."
