"""A catalogue as a sheet: one row for each SKU, read whole before anything is written, and written so that reading it
back changes nothing.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tuike.catalog.model import Product, ProductState
from tuike.shared.errors import Refused

MAX_SHEET_BYTES = 64 * 1024 * 1024
MAX_ROWS = 100_000
MAX_FAULTS = 100
"""So many faults are told at once."""
COLUMNS = (
    "product_code", "state", "name", "subtitle", "description", "category", "brand", "tags", "pictures", "video",
    "currency", "rates_bps", "spec_names", "sku_code", "spec", "price_minor", "list_price_minor", "stock",
    "limit_per_person", "weight_grams", "sku_picture",
)  # fmt: skip
REQUIRED = ("product_code", "name", "sku_code", "price_minor")
SEPARATOR = "|"
PATH = ">"
_MAX_CELL = 110_000
_FORMULA = re.compile(r"^'*[=+\-@\t\r\n]")
"""What a spreadsheet would run or swallow; a quote before it makes it text, and is taken off when it is read back."""
_INTEGER = re.compile(r"[0-9]{1,18}", re.ASCII)


class SheetUnreadable(Refused):
    code, message = "sheet_unreadable", "The sheet cannot be imported as it is; nothing was changed."


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a sheet by column, with the line it begins on."""

    line: int
    cells: dict[str, str]


def read_rows(content: BinaryIO) -> list[Row]:
    """Return the rows of a CSV file in UTF-8 (with or without a mark) or GBK, separated by commas, semicolons or tabs.

    Raises SheetUnreadable naming the line.
    """
    raw = content.read(MAX_SHEET_BYTES + 1)
    if len(raw) > MAX_SHEET_BYTES:
        raise SheetUnreadable(f"A sheet may have {MAX_SHEET_BYTES:,} bytes.")
    text = _decode(raw)
    if "\0" in text:
        raise SheetUnreadable("The sheet has NUL bytes; it is no CSV file.")
    first, _, _ = text.partition("\n")
    if len(first) > 4_000:
        raise SheetUnreadable(fields={"1": ["The line is far too long for a heading."]})
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(_MAX_CELL)
    try:
        return list(_iter_rows(reader))
    except csv.Error as error:
        raise SheetUnreadable(fields={f"{reader.line_num}": [f"Is no CSV: {error}."]}) from error
    finally:
        csv.field_size_limit(limit)


def write_rows(products: Iterable[Product], *, categories: dict[str, str], brands: dict[str, str]) -> Iterator[str]:
    """Yield a sheet as text, a chunk for each product; `categories` are paths by id, `brands` names by id."""
    yield "\ufeff" + _to_line(COLUMNS)
    for product in products:
        own = {
            "product_code": product.code,
            "state": product.state.value,
            "name": product.name,
            "subtitle": product.subtitle,
            "description": product.description,
            "category": categories[product.category_id] if product.category_id else "",
            "brand": brands[product.brand_id] if product.brand_id else "",
            "tags": join_words(product.tags),
            "pictures": join_words(product.pictures),
            "video": product.video or "",
            "currency": product.currency,
            "rates_bps": "" if product.rates_bps is None else SEPARATOR.join(map(str, product.rates_bps)),
            "spec_names": join_words(product.spec_names),
        }
        lines = []
        for sku in product.skus:
            cells = own | {
                "sku_code": sku.code,
                "spec": join_words(sku.spec),
                "price_minor": str(sku.price_minor),
                "list_price_minor": "" if sku.list_price_minor is None else str(sku.list_price_minor),
                "stock": str(sku.available),
                "limit_per_person": "" if sku.limit_per_person is None else str(sku.limit_per_person),
                "weight_grams": str(sku.weight_grams),
                "sku_picture": sku.picture or "",
            }
            lines.append(_to_line([guard(cells[name]) for name in COLUMNS]))
        yield "".join(lines)


def guard(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """Return a cell as it was before `guard`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def join_words(words: Sequence[str]) -> str:
    """Return words in one cell; a separator within a word is doubled by a backslash before it."""
    return SEPARATOR.join(word.replace("\\", "\\\\").replace(SEPARATOR, f"\\{SEPARATOR}") for word in words)


def split_words(cell: str, separator: str = SEPARATOR) -> tuple[str, ...]:
    """Return the words of a cell, as `join_words` joined them."""
    if not cell:
        return ()
    words, word, escaped = [], [], False
    for char in cell:
        if escaped or char not in ("\\", separator):
            word.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            words.append("".join(word))
            word = []
    return (*words, "".join(word))


def join_path(names: Sequence[str]) -> str:
    """Return a category's names from the top as one cell."""
    return PATH.join(name.replace("\\", "\\\\").replace(PATH, f"\\{PATH}") for name in names)


def to_integer(cell: str) -> int | None:
    """Return a whole number, None for anything else."""
    return int(cell) if _INTEGER.fullmatch(cell) else None


def to_state(cell: str) -> ProductState | None:
    """Return a state that a sheet may give, None for any other word."""
    return {one.value: one for one in ProductState if one is not ProductState.DELETED}.get(cell)


def _decode(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SheetUnreadable("The sheet is neither UTF-8 nor GBK.")


def _iter_rows(reader: "csv._reader") -> Iterator[Row]:  # type: ignore[name-defined,unused-ignore]
    header = [name.strip().lower() for name in next(reader, [])]
    unknown = [name for name in header if name not in COLUMNS]
    twice = sorted({name for name in header if header.count(name) > 1})
    missing = [name for name in REQUIRED if name not in header]
    for names, sentence in ((unknown, "Is no column of a catalogue."), (twice, "Is there more than once."),
                            (missing, "Is missing.")):  # fmt: skip
        if names:
            raise SheetUnreadable(fields={f"1.{name[:64] or '(empty)'}": [sentence] for name in names[:MAX_FAULTS]})
    line = reader.line_num + 1
    count = 0
    for cells in reader:
        if any(cells):
            count += 1
            if count > MAX_ROWS:
                raise SheetUnreadable(f"A sheet may have {MAX_ROWS:,} rows.")
            if len(cells) != len(header):
                raise SheetUnreadable(fields={f"{line}": [f"Has {len(cells)} cells instead of {len(header)}."]})
            yield Row(line, dict(zip(header, (unguard(cell) for cell in cells), strict=True)))
        line = reader.line_num + 1


def _to_line(cells: Sequence[str]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
