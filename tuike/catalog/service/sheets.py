"""A merchant's catalogue out to a sheet and in from one; in all or nothing, after everything was looked at."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from tuike.catalog import rules
from tuike.catalog import sheets as s
from tuike.catalog.model import Brand, Category, ProductDraft, ProductState, SkuDraft, StockCorrection
from tuike.catalog.service.products import ProductChange, save_products
from tuike.catalog.store import imports as import_store
from tuike.catalog.store import media as media_store
from tuike.catalog.store import products as store
from tuike.catalog.store import stock as stock_store
from tuike.catalog.store import tree as tree_store
from tuike.db import Transaction, outbox
from tuike.shared import ids

_BATCH = 500
_REASON = "import"

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do: how many products are new and changed, how many SKUs the sheet has."""

    created: int
    changed: int
    skus: int


@dataclass(frozen=True, slots=True)
class _Read:
    """A product as the sheet has it, with the line of each SKU."""

    draft: ProductDraft
    state: ProductState | None
    lines: tuple[int, ...]
    stock: tuple[int | None, ...]


def export_catalogue(tx: Transaction, *, merchant_id: str, progress: Progress = lambda *_: None) -> Iterator[str]:
    """Yield a merchant's catalogue as CSV, one row for each SKU; reading it back changes nothing. In UTF-8 with a mark.

    What a spreadsheet would take for a formula has a quote before it.
    """
    tree = tree_store.read_tree(tx)
    categories = {category_id: s.join_path(_path(tree, category_id)) for category_id in tree}
    done, after = 0, None
    first = True
    while True:
        page = store.list_products(tx, merchant_ids=[merchant_id], state=None, after=after, limit=_BATCH)
        brands = tree_store.find_brands(tx, ids=[one.brand_id for one in page if one.brand_id])
        chunks = s.write_rows(page, categories=categories, brands={one.id: one.name for one in brands.values()})
        heading = next(chunks)
        if first:
            yield heading
        first = False
        yield from chunks
        done += len(page)
        progress(done, None)
        if len(page) < _BATCH:
            return
        after = page[-1].id


def import_catalogue(
    tx: Transaction,
    *,
    merchant_id: str,
    content: BinaryIO,
    made_by: str,
    dry_run: bool = False,
    progress: Progress = lambda *_: None,
    now: datetime,
) -> Imported:
    """Bring a merchant's catalogue in line with a sheet: products it names are added or replaced, others stay.

    Products and SKUs are known by their codes. Stock becomes what the sheet says, by a correction. Brands that are not
    there are added; categories must be.
    Without a state a product keeps its own, and a new one is a draft. A dry run looks at everything and writes nothing.
    Raises SheetUnreadable, its fields named `line.column`, when anything is wrong anywhere.
    """
    if not dry_run:
        import_store.lock_merchant(tx, merchant_id=merchant_id)  # one after the other, never through each other
    rows = s.read_rows(content)
    faults = _Faults()
    read = _read_products(rows, _read_categories(tx), faults)
    _check_media(tx, read, faults)
    known = store.find_products_by_codes(tx, merchant_id=merchant_id, codes=list(read))
    taken = store.find_skus_by_codes(
        tx, merchant_id=merchant_id, codes=[sku.code or "" for one in read.values() for sku in one.draft.skus]
    )
    states = {
        row.id: ProductState(row.state) for row in store.lock_products(tx, product_ids=sorted(known.values())).values()
    }
    for code, one in read.items():
        old = states.get(known.get(code, ""))
        if old is ProductState.DELETED:
            faults.add(one.lines[0], "product_code", "Was deleted; a new product needs another code.")
        elif old and one.state and old is not one.state and not rules.can_become(old, one.state):
            faults.add(one.lines[0], "state", "A product that was on sale is no draft any more.")
        for line, sku in zip(one.lines, one.draft.skus, strict=True):
            found = taken.get(sku.code or "")
            if found is not None and found[1] != known.get(code):
                faults.add(line, "sku_code", "Belongs to another product of the merchant.")
    faults.raise_if_any()
    result = Imported(len(read) - len(known), len(known), len(rows))
    if dry_run:
        return result
    brands = _make_brands(tx, read, now=now)
    items = list(read.items())
    for start in range(0, len(items), _BATCH):
        _write(
            tx, items[start : start + _BATCH], known, taken, brands, merchant_id=merchant_id, made_by=made_by, now=now
        )
        progress(min(start + _BATCH, len(items)), len(items))
    return result


def _write(
    tx: Transaction,
    items: Sequence[tuple[str, _Read]],
    known: dict[str, str],
    taken: dict[str, tuple[str, str]],
    brands: dict[str, str],
    *,
    merchant_id: str,
    made_by: str,
    now: datetime,
) -> None:
    changes = []
    wanted: dict[str, int] = {}
    for code, one in items:
        draft = one.draft
        skus = []
        for sku, stock in zip(draft.skus, one.stock, strict=True):
            found = taken.get(sku.code or "")
            skus.append(replace(sku, id=found[0] if found else None))
            if found and stock is not None:
                wanted[found[0]] = stock
        brand_id = brands[draft.brand_id] if draft.brand_id else None
        draft = replace(draft, skus=tuple(skus), brand_id=brand_id)
        changes.append(ProductChange(draft, merchant_id, known.get(code), state=one.state))
    product_ids = save_products(tx, changes, made_by=made_by, now=now)
    corrections = []
    for row in stock_store.lock_stock(tx, sku_ids=sorted(wanted)) if wanted else ():
        change = wanted[row.sku_id] - row.available
        if change:
            correction_id = ids.new_id("correction")
            corrections.append(
                StockCorrection(correction_id, row.sku_id, change, wanted[row.sku_id], _REASON, made_by, now)
            )
    if corrections:
        stock_store.move_stock(tx, available=1, reserved=0, sold=0, pieces={x.sku_id: x.change for x in corrections})
        stock_store.add_corrections(tx, corrections=corrections)
        for product_id in product_ids:
            outbox.emit(tx, topic="catalog.stock_changed", key=product_id, now=now)


class _Faults:
    """What is wrong with a sheet, by line and column, the first of them."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}
        self._count = 0

    def add(self, line: int, column: str, sentence: str) -> None:
        self._count += 1
        if len(self._found) < s.MAX_FAULTS:
            self._found.setdefault(f"{line}.{column}", []).append(sentence)

    def raise_if_any(self) -> None:
        if self._found:
            raise s.SheetUnreadable(f"{self._count} faults; nothing was changed.", fields=self._found)


def _read_products(rows: Sequence[s.Row], categories: dict[str, str], faults: _Faults) -> dict[str, _Read]:
    grouped: dict[str, list[s.Row]] = {}
    for row in rows:
        grouped.setdefault(row.cells["product_code"], []).append(row)
    if not rows:
        faults.add(2, "product_code", "The sheet has no rows.")
    seen: dict[str, int] = {}
    read = {}
    for code, own in grouped.items():
        for row in own:
            sku_code = row.cells["sku_code"]
            if sku_code in seen:
                faults.add(row.line, "sku_code", f"Is on line {seen[sku_code]} already.")
            seen.setdefault(sku_code, row.line)
            for column in _OF_PRODUCT:
                if row.cells.get(column, "") != own[0].cells.get(column, ""):
                    faults.add(row.line, column, f"Differs from line {own[0].line} of the same product.")
        read[code] = _read_product(code, own, categories, faults)
    return read


_OF_PRODUCT = s.COLUMNS[1 : s.COLUMNS.index("sku_code")]
_COLUMN_OF = {"category_id": "category", "brand_id": "brand", "code": "product_code"}
_SKU_COLUMN_OF = {"code": "sku_code", "picture": "sku_picture"}


def _read_product(code: str, rows: Sequence[s.Row], categories: dict[str, str], faults: _Faults) -> _Read:
    first = rows[0]

    def cell(column: str) -> str:
        return first.cells.get(column, "")

    state = s.to_state(cell("state"))
    if state is None and cell("state"):
        faults.add(first.line, "state", "Must be draft, on_sale or off_sale.")
    category_id = categories.get(cell("category"))
    if cell("category") and category_id is None:
        faults.add(first.line, "category", "There is no such category; write its path, as in 服装>连衣裙.")
    rates = [s.to_integer(one) for one in s.split_words(cell("rates_bps"))]
    if None in rates:
        faults.add(first.line, "rates_bps", "Must be whole numbers separated by |.")
    skus = [_read_sku(row, faults) for row in rows]
    draft = ProductDraft(
        name=cell("name"),
        code=code,
        subtitle=cell("subtitle"),
        description=cell("description"),
        category_id=category_id,
        brand_id=cell("brand") or None,
        tags=s.split_words(cell("tags")),
        pictures=s.split_words(cell("pictures")),
        video=cell("video") or None,
        spec_names=s.split_words(cell("spec_names")),
        currency=cell("currency") or "CNY",
        rates_bps=tuple(one for one in rates if one is not None) or None,
        skus=tuple(sku for sku, _ in skus),
    )
    if len(cell("brand")) > rules.MAX_NAME:
        faults.add(first.line, "brand", f"Must be at most {rules.MAX_NAME} characters.")
    found = rules.find_faults(draft)
    for path, sentences in (found or rules.find_repeated_specs(draft)).items():
        line, column = _place(path, rows)
        for sentence in sentences:
            faults.add(line, column, sentence)
    return _Read(draft, state, tuple(row.line for row in rows), tuple(stock for _, stock in skus))


def _place(path: str, rows: Sequence[s.Row]) -> tuple[int, str]:
    """Return the line and column that a field path such as `skus.3.code` means."""
    head, _, rest = path.partition(".")
    if head != "skus" or not rest:
        return rows[0].line, _COLUMN_OF.get(head, "product_code" if head == "skus" else head)
    number, _, name = rest.partition(".")
    return rows[int(number)].line, _SKU_COLUMN_OF.get(name, name)


def _read_sku(row: s.Row, faults: _Faults) -> tuple[SkuDraft, int | None]:
    numbers: dict[str, int | None] = {}
    for column in ("price_minor", "list_price_minor", "stock", "limit_per_person", "weight_grams"):
        cell = row.cells.get(column, "").strip()
        numbers[column] = s.to_integer(cell) if cell else None
        if (cell and numbers[column] is None) or (column == "price_minor" and not cell):
            faults.add(row.line, column, "Must be a whole number, in the smallest unit where it is money.")
    price = numbers["price_minor"]
    draft = SkuDraft(
        spec=s.split_words(row.cells.get("spec", "")),
        code=row.cells["sku_code"],
        price_minor=1 if price is None else price,
        list_price_minor=numbers["list_price_minor"],
        stock=numbers["stock"] or 0,
        limit_per_person=numbers["limit_per_person"],
        weight_grams=numbers["weight_grams"] or 0,
        picture=row.cells.get("sku_picture") or None,
    )
    return draft, numbers["stock"]


def _check_media(tx: Transaction, read: dict[str, _Read], faults: _Faults) -> None:
    wanted: dict[str, tuple[str, int, str]] = {}
    for one in read.values():
        line = one.lines[0]
        wanted |= dict.fromkeys(one.draft.pictures, ("picture", line, "pictures"))
        if one.draft.video:
            wanted[one.draft.video] = ("video", line, "video")
        for line, sku in zip(one.lines, one.draft.skus, strict=True):
            if sku.picture:
                wanted[sku.picture] = ("picture", line, "sku_picture")
    kinds = media_store.list_kinds(tx, names=sorted(wanted)) if wanted else {}
    for name, (kind, line, column) in wanted.items():
        if kinds.get(name) != kind:
            faults.add(line, column, f"There is no such {kind}; upload it first.")


def _read_categories(tx: Transaction) -> dict[str, str]:
    """Return category ids by path."""
    tree = tree_store.read_tree(tx)
    return {s.join_path(_path(tree, category_id)): category_id for category_id in tree}


def _path(tree: dict[str, Category], category_id: str) -> list[str]:
    names: list[str] = []
    above: str | None = category_id
    while above is not None:
        names.insert(0, tree[above].name)
        above = tree[above].parent_id
    return names


def _make_brands(tx: Transaction, read: dict[str, _Read], *, now: datetime) -> dict[str, str]:
    """Return brand ids by name for every brand of a sheet; those that are not there are added."""
    names = sorted({one.draft.brand_id for one in read.values() if one.draft.brand_id})
    found = {name: brand.id for name, brand in tree_store.find_brands_by_names(tx, names=names).items()}
    new = [Brand(ids.new_id("brand"), name, None, 1) for name in names if name not in found]
    if new:
        tree_store.insert_brands(tx, brands=new, now=now)
        store.note_changes(tx, "tree", [brand.id for brand in new])
    return found | {brand.name: brand.id for brand in new}
