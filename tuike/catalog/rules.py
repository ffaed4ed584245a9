"""Decisions about the catalogue. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import nh3

from tuike.catalog.model import (
    Category,
    CategoryCycle,
    CategoryNotFound,
    CategoryTooDeep,
    ProductDraft,
    ProductState,
    ShelfDraft,
    SkuDraft,
    StockLine,
)
from tuike.shared.errors import ValidationFailed
from tuike.shared.money import CURRENCIES, MAX_AMOUNT_MINOR

MAX_DEPTH = 5
MAX_CATEGORIES = 5_000
MAX_BRANDS = 50_000
MAX_MERCHANTS = 10_000
MAX_NAME = 200
MAX_SUBTITLE = 300
MAX_DESCRIPTION = 100_000
MAX_CODE = 64
MAX_TAGS = 20
MAX_TAG = 32
MAX_PICTURES = 20
MAX_SPECS = 5
MAX_SPEC_VALUE = 60
MAX_SKUS = 500
MAX_STOCK = 1_000_000_000
MAX_WEIGHT_GRAMS = 100_000_000
MAX_LIMIT_PER_PERSON = 1_000_000
MAX_LINES = 500
MAX_QUANTITY = 1_000_000
MAX_SHELVES = 100
MAX_SHELF_PRODUCTS = 50
LOW_STOCK = 20
"""Below this the shop says how many are left; from it on only that there are some."""

_Fault = Callable[[str, str], object]
"""Notes a sentence about a field path."""
_RATES_MAX = 3
_RATES_WHOLE = 10_000
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CODE = re.compile(r"[\w.:/#+-]+( [\w.:/#+-]+)*")
_MERCHANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_PICTURE = re.compile(r"\b([0-9a-f]{64})(?:_t)?\.webp\b", re.ASCII)
_TAGS = {
    "a", "b", "blockquote", "br", "code", "div", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "i", "img", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "th",
    "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"}, "img": {"src", "alt", "title", "width", "height"},
    "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"},
}  # fmt: skip


def sanitise(html: str) -> str:
    """Return rich text with nothing in it that runs, frames, restyles or tracks: only text, lists, tables, pictures."""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def find_media_names(html: str) -> set[str]:
    """Return the names of pictures of ours that rich text shows, by whatever address."""
    return {f"{digest}.webp" for digest in _PICTURE.findall(html)}


def to_plain(html: str) -> str:
    """Return the words of rich text."""
    return nh3.clean(html.replace("<", " <"), tags=set())


# Faults: what is wrong with a draft, by the path of the field.


def find_faults(draft: ProductDraft) -> dict[str, list[str]]:
    """Return what is wrong with a draft by field path; empty when it can be kept."""
    faults: dict[str, list[str]] = {}

    def fault(path: str, sentence: str) -> None:
        faults.setdefault(path, []).append(sentence)

    _check_text(fault, "name", draft.name, low=1, high=MAX_NAME)
    _check_text(fault, "subtitle", draft.subtitle, low=0, high=MAX_SUBTITLE)
    if len(draft.description) > MAX_DESCRIPTION:
        fault("description", f"Must be at most {MAX_DESCRIPTION} characters.")
    elif _UNWRITABLE.search(draft.description):
        fault("description", "Must not contain control characters or lone surrogates.")
    if draft.code is not None:
        _check_code(fault, "code", draft.code)
    _check_words(fault, "tags", draft.tags, most=MAX_TAGS, high=MAX_TAG)
    _check_words(fault, "spec_names", draft.spec_names, most=MAX_SPECS, high=MAX_SPEC_VALUE)
    if len(draft.pictures) > MAX_PICTURES:
        fault("pictures", f"At most {MAX_PICTURES}.")
    if draft.currency not in CURRENCIES:
        fault("currency", "Is not an active ISO 4217 code.")
    for sentence in _find_rate_faults(draft.rates_bps):
        fault("rates_bps", sentence)
    if not 1 <= len(draft.skus) <= MAX_SKUS:
        fault("skus", f"A product has 1 to {MAX_SKUS} SKUs.")
        return faults
    for no, sku in enumerate(draft.skus):
        _check_sku(fault, f"skus.{no}", sku, draft.spec_names)
    for path, seen in (("id", [sku.id for sku in draft.skus]), ("code", [sku.code for sku in draft.skus])):
        for no in _find_repeats(seen):
            fault(f"skus.{no}.{path}", "Is given more than once.")
    return faults


def find_repeated_specs(draft: ProductDraft) -> dict[str, list[str]]:
    """Return the SKUs whose spec another one before them has, by field path."""
    repeats = _find_repeats([sku.spec for sku in draft.skus])
    return {f"skus.{no}.spec": ["Another SKU of the product has the same."] for no in repeats}


def check_rates(rates_bps: Sequence[int] | None, *, field: str = "rates_bps") -> None:
    """Raise ValidationFailed naming `field` for rates that no plan could have."""
    faults = _find_rate_faults(rates_bps)
    if faults:
        raise ValidationFailed(fields={field: faults})


def check_merchant_id(merchant_id: str) -> None:
    """Raise ValidationFailed for an id that would not do in a URL or a ledger address."""
    if not _MERCHANT_ID.fullmatch(merchant_id):
        raise ValidationFailed(fields={"id": ["Must be 1 to 32 of a-z, 0-9, - and _, a letter or digit first."]})


def check_name(name: str, *, field: str = "name", high: int = MAX_NAME) -> None:
    """Raise ValidationFailed naming `field` for a name that is empty, too long or not printable."""
    faults: dict[str, list[str]] = {}
    _check_text(lambda path, sentence: faults.setdefault(path, []).append(sentence), field, name, low=1, high=high)
    if faults:
        raise ValidationFailed(fields=faults)


def _check_sku(fault: _Fault, path: str, sku: SkuDraft, spec_names: Sequence[str]) -> None:
    if len(sku.spec) != len(spec_names):
        fault(f"{path}.spec", f"Must have one value for each of the {len(spec_names)} spec_names.")
    for value in sku.spec:
        _check_text(fault, f"{path}.spec", value, low=1, high=MAX_SPEC_VALUE)
    if sku.code is not None:
        _check_code(fault, f"{path}.code", sku.code)
    for name, number, low, high in (
        ("price_minor", sku.price_minor, 1, MAX_AMOUNT_MINOR),
        ("list_price_minor", sku.list_price_minor, 1, MAX_AMOUNT_MINOR),
        ("stock", sku.stock, 0, MAX_STOCK),
        ("limit_per_person", sku.limit_per_person, 1, MAX_LIMIT_PER_PERSON),
        ("weight_grams", sku.weight_grams, 0, MAX_WEIGHT_GRAMS),
    ):
        if number is not None and not low <= number <= high:
            fault(f"{path}.{name}", f"Must be {low} to {high}.")


def _check_text(fault: _Fault, path: str, text: str, *, low: int, high: int) -> None:
    if not low <= len(text) <= high:
        fault(path, f"Must be {low} to {high} characters.")
    elif _UNPRINTABLE.search(text):
        fault(path, "Must not contain control characters or lone surrogates.")
    elif low and not text.strip():
        fault(path, "Must not be blank.")


def _check_code(fault: _Fault, path: str, code: str) -> None:
    if len(code) > MAX_CODE or not _CODE.fullmatch(code):
        fault(path, f"Must be 1 to {MAX_CODE} letters, digits, spaces inside, and any of _ . : / # + -")


def _check_words(fault: _Fault, path: str, words: Sequence[str], *, most: int, high: int) -> None:
    if len(words) > most:
        fault(path, f"At most {most}.")
        return
    for no, word in enumerate(words):
        _check_text(fault, f"{path}.{no}", word, low=1, high=high)
    for no in _find_repeats(words):
        fault(f"{path}.{no}", "Is given more than once.")


def _find_rate_faults(rates_bps: Sequence[int] | None) -> list[str]:
    if rates_bps is None:
        return []
    if not 1 <= len(rates_bps) <= _RATES_MAX:
        return [f"Must be 1 to {_RATES_MAX} rates, one for each level."]
    if any(rate < 0 for rate in rates_bps) or sum(rates_bps) > _RATES_WHOLE:
        return [f"Rates are 0 or more and together at most {_RATES_WHOLE} bps."]
    return []


def _find_repeats(values: Sequence[object]) -> list[int]:
    """Return the places of values that stood before, None aside."""
    seen: set[object] = set()
    repeats = []
    for no, value in enumerate(values):
        if value is not None and value in seen:
            repeats.append(no)
        seen.add(value)
    return repeats


# Products


def make_facets(merchant_id: str, draft: ProductDraft) -> list[str]:
    """Return what a product can be filtered by, as the words of one index."""
    facets = [f"m:{merchant_id}", *(f"t:{tag}" for tag in draft.tags)]
    if draft.category_id is not None:
        facets.append(f"c:{draft.category_id}")
    if draft.brand_id is not None:
        facets.append(f"b:{draft.brand_id}")
    return facets


def match_skus(
    skus: Sequence[SkuDraft], *, by_id: Mapping[str, str], by_spec: Mapping[tuple[str, ...], str]
) -> list[str | None]:
    """Return for each SKU the id of the one it goes on with, None for a new one.

    `by_id` and `by_spec` lead to the product's SKUs, dropped ones too: a SKU named by id goes on with it whatever its
    spec is now; one without an id goes on with the one of its spec, unless another draft names that. A SKU named by an
    id that is not the product's is matched as if it had none.
    """
    named = {sku.id for sku in skus if sku.id in by_id}
    matched: list[str | None] = []
    for sku in skus:
        found = sku.id if sku.id in by_id else by_spec.get(sku.spec)
        if found is not None and sku.id not in by_id and found in named:
            found = None
        matched.append(found)
    return matched


def can_become(old: ProductState, new: ProductState) -> bool:
    """Tell whether a product may pass from one state to another."""
    if ProductState.DELETED in (old, new):
        return old is not ProductState.DELETED
    return new is not ProductState.DRAFT or old is ProductState.DRAFT


# The tree of categories


def check_place(tree: Mapping[str, Category], category_id: str | None, parent_id: str | None) -> None:
    """Raise unless a category (None: a new one) may stand below `parent_id` with everything below it.

    Raises CategoryNotFound (the parent), CategoryCycle, CategoryTooDeep.
    """
    depth = 1
    above = parent_id
    while above is not None:
        if above not in tree:
            raise CategoryNotFound(fields={"parent_id": ["There is no such category."]})
        if above == category_id:
            raise CategoryCycle(fields={"parent_id": ["Lies below the category, or is it."]})
        above = tree[above].parent_id
        depth += 1
    if depth + (0 if category_id is None else _height(tree, category_id)) > MAX_DEPTH:
        raise CategoryTooDeep(fields={"parent_id": [f"At most {MAX_DEPTH} levels."]})


def list_subtree(tree: Mapping[str, Category], category_id: str) -> list[str]:
    """Return the ids of a category and of all below it; empty when there is none of this id."""
    if category_id not in tree:
        return []
    children = _children(tree)
    found = [category_id]
    for one in found:
        found += children.get(one, [])
    return found


def sort_tree(tree: Mapping[str, Category]) -> list[Category]:
    """Return a tree with each category before those below it, siblings in the order given."""
    children = _children(tree)
    level = [one.id for one in tree.values() if one.parent_id is None]
    found = list(level)
    while level := [child for one in level for child in children.get(one, [])]:
        found += level
    return [tree[one] for one in found]


def _height(tree: Mapping[str, Category], category_id: str) -> int:
    """Return how many levels lie below a category."""
    children = _children(tree)
    level, height = [category_id], 0
    while level := [child for one in level for child in children.get(one, [])]:
        height += 1
    return height


def _children(tree: Mapping[str, Category]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for category in tree.values():
        if category.parent_id is not None:
            children.setdefault(category.parent_id, []).append(category.id)
    return children


# Stock


def merge_lines(lines: Iterable[StockLine]) -> dict[str, int]:
    """Return how many pieces are wanted of each SKU, in the order in which rows are locked.

    Raises ValidationFailed naming the line for a quantity out of range, and for no line or too many.
    """
    wanted: dict[str, int] = {}
    faults: dict[str, list[str]] = {}
    count = 0
    for no, line in enumerate(lines):
        count += 1
        wanted[line.sku_id] = wanted.get(line.sku_id, 0) + line.quantity
        if not 1 <= line.quantity <= MAX_QUANTITY or wanted[line.sku_id] > MAX_QUANTITY:
            faults[f"lines.{no}.quantity"] = [f"Must be 1 to {MAX_QUANTITY}."]
    if not 1 <= count <= MAX_LINES:
        faults["lines"] = [f"Must be 1 to {MAX_LINES}."]
    if faults:
        raise ValidationFailed(fields=faults)
    return dict(sorted(wanted.items()))


def shows_change(before: int, after: int) -> bool:
    """Tell whether shoppers can see a change of the pieces available."""
    return before != after and min(before, after) < LOW_STOCK


# Shelves


def check_shelf(draft: ShelfDraft) -> None:
    """Raise ValidationFailed for a shelf that cannot be shown."""
    faults: dict[str, list[str]] = {}
    _check_text(lambda path, text: faults.setdefault(path, []).append(text), "title", draft.title, low=1, high=MAX_NAME)
    if len(draft.product_ids) > MAX_SHELF_PRODUCTS:
        faults["product_ids"] = [f"At most {MAX_SHELF_PRODUCTS}."]
    for no in _find_repeats(draft.product_ids):
        faults[f"product_ids.{no}"] = ["Is given more than once."]
    if draft.shown_from is not None and draft.shown_to is not None and draft.shown_to <= draft.shown_from:
        faults["shown_to"] = ["Must lie after shown_from."]
    if faults:
        raise ValidationFailed(fields=faults)


def is_shown(shown_from: datetime | None, shown_to: datetime | None, *, now: datetime) -> bool:
    """Tell whether `now` lies in `[shown_from, shown_to)`."""
    return (shown_from is None or shown_from <= now) and (shown_to is None or now < shown_to)
