"""Reads the CSV files of a world and proves each row before anything is computed.

A compiled scan proves the shape of the bytes, Arrow splits them into columns, compiled parsers read instants and
amounts; whatever is wrong is named by file, line and column. No value is held as a Python object.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from tuike.risk.model import AccountKind, IdentifierKind, InputFault
from tuike.risk.sweep import scanning
from tuike.risk.sweep.spelling import normalise_address, normalise_ip
from tuike.risk.sweep.world import Identifiers, Orders, Touches, World

Progress = Callable[[str, int, int | None], None]

_COLUMNS = {
    "promoters.csv": ("promoter_id", "joined_at", "inviter_id"),
    "buyers.csv": ("buyer_id", "registered_at"),
    "identifiers.csv": ("account_kind", "account_id", "kind", "value", "seen_at"),
    "touches.csv": ("touch_id", "promoter_id", "buyer_id", "parent_touch_id", "at"),
    "orders.csv": (
        "order_id", "buyer_id", "promoter_id", "sku", "amount_minor",
        "placed_at", "paid_at", "received_at", "refunded_at",
    ),
    "same_person.csv": ("promoter_id", "buyer_id"),
}  # fmt: skip
FILES = tuple(_COLUMNS)
_NEEDED = {
    "promoters.csv": ("promoter_id",),
    "buyers.csv": ("buyer_id",),
    "identifiers.csv": ("account_kind", "account_id"),
    "touches.csv": ("touch_id",),
    "orders.csv": ("order_id",),
    "same_person.csv": ("promoter_id", "buyer_id"),
}
_UNIQUE = {"promoters.csv": "promoter_id", "buyers.csv": "buyer_id", "touches.csv": "touch_id"}
_PROBLEMS = {
    scanning.NUL: "holds a NUL byte",
    scanning.STRAY_QUOTE: "has text outside its quotes, or a quote inside plain text",
    scanning.OPEN_QUOTE: "opens a quote that is never closed",
    scanning.GIANT_FIELD: "is longer than 1 MiB; perhaps a quote is not closed",
    scanning.BLANK_LINE: "the line is blank",
    scanning.LONE_RETURN: "holds a carriage return without a line feed",
}


@dataclass(slots=True)
class Table:
    """One file: its columns as Arrow strings; absent columns are None."""

    name: str
    rows: int
    columns: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    path: Path = Path()
    is_plain: bool = True

    def fault(self, row: int, column: str, problem: str) -> InputFault:
        line = row + 2 if self.is_plain else _find_line(self.path, row)
        return InputFault(self.name, line, column, problem)

    def get_text(self, row: int, column: str) -> str:
        return str(self.columns[column][row].as_py())

    def read_instants(self, column: str) -> np.ndarray | None:
        return self._read_numbers(column, scanning.parse_instants, _INSTANT)

    def read_amounts(self, column: str) -> np.ndarray | None:
        return self._read_numbers(column, scanning.parse_amounts, "is not a whole number of the smallest unit")

    def _read_numbers(self, column: str, parse: Any, problem: str) -> np.ndarray | None:
        values = self.columns.get(column)
        if values is None:
            return None
        out = np.empty(self.rows, np.int64)
        first = 0
        for chunk in values.chunks:
            data, offsets = _get_buffers(chunk)
            fault = parse(data, offsets, out[first : first + len(chunk)])
            if fault >= 0:
                shown = self.get_text(first + fault, column)[:60]
                raise self.fault(first + fault, column, f"{shown!r} {problem}")
            first += len(chunk)
        return out


_INSTANT = "is not an RFC 3339 instant with its offset, such as 2026-01-31T12:00:00Z"


def _get_buffers(chunk: Any) -> tuple[np.ndarray, np.ndarray]:
    _, offsets, data = chunk.buffers()
    found = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return (np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)), found


def read_world(directory: Path, *, progress: Progress = lambda *_: None) -> World:
    """Read and prove every file in `directory`, and return what they say in numbers.

    Raises: InputFault, naming the first fault found; FileNotFoundError when there is no directory or no file.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f"{directory} is no directory.")
    present = [name for name in FILES if (directory / name).exists()]
    if not present:
        raise FileNotFoundError(f"{directory} holds none of {', '.join(FILES)}.")
    tables: dict[str, Table] = {}
    for done, name in enumerate(present):
        progress(f"reading {name}", done, len(present))
        tables[name] = _read_table(directory / name)
    progress("proving values", len(present), len(present))
    return _build_world(tables)


def _read_table(path: Path) -> Table:
    name = path.name
    if path.stat().st_size == 0:
        raise InputFault(name, 1, _COLUMNS[name][0], "the header row is missing")
    with pa.memory_map(str(path)) as source:
        buffer = source.read_buffer()
    data = np.frombuffer(buffer, np.uint8)
    _prove_utf8(name, data)
    if bytes(data[:3]) == codecs.BOM_UTF8:
        data = data[3:]
    header = _read_header(name, data)
    fault, line, column, rows, is_plain = scanning.scan_rows(data, len(header))
    if fault == scanning.COUNT:
        raise InputFault(name, line, *_say_count(data, line, header))
    if fault:
        label = header[column - 1] if column <= len(header) else str(column)
        raise InputFault(name, line, label or str(column), _PROBLEMS[fault])
    known = [title for title in header if title in _COLUMNS[name]]
    extra = [title for title in header if title not in _COLUMNS[name]]
    warnings = [f"{name}: column {title!r} is not known and ignored" for title in extra]
    columns: dict[str, Any] = dict.fromkeys(_COLUMNS[name])
    if rows > 1:
        read = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=arrow_csv.ReadOptions(block_size=1 << 24, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=not is_plain),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=known, column_types=dict.fromkeys(known, pa.string()), strings_can_be_null=False,
                check_utf8=False,
            ),
        )  # fmt: skip
        if read.num_rows != rows - 1:
            raise InputFault(name, 1, header[0], "the rows cannot be counted")
        columns |= {title: read.column(title) for title in known}
    else:
        columns |= {title: pa.chunked_array([pa.array([], pa.string())]) for title in known}
    return Table(name, rows - 1, columns, warnings, path, is_plain)


def _prove_utf8(name: str, data: np.ndarray) -> None:
    if data.max() < 0x80:
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    step = 1 << 24
    for first in range(0, data.size, step):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(data[first : first + step].tobytes(), final=first + step >= data.size)
        except UnicodeDecodeError as error:
            at = first - pending + error.start
            line_from = int(np.flatnonzero(data[:at] == 10)[-1]) + 1 if (data[:at] == 10).any() else 0
            line = int((data[:at] == 10).sum()) + 1
            column = int((data[line_from:at] == 44).sum())
            titles = bytes(data[: min(4096, data.size)]).split(b"\n")[0].strip().split(b",")
            label = titles[column].decode(errors="replace") if column < len(titles) and line > 1 else str(column + 1)
            raise InputFault(name, line, label, "is not UTF-8") from None


def _read_header(name: str, data: np.ndarray) -> list[str]:
    first = bytes(data[: 1 << 16]).split(b"\n", 1)[0].rstrip(b"\r")
    if b"\0" in first:
        raise InputFault(name, 1, "1", _PROBLEMS[scanning.NUL])
    header = next(csv.reader([first.decode(errors="replace")]), [])
    if not any(header):
        raise InputFault(name, 1, _COLUMNS[name][0], "the header row is missing")
    for title in header:
        if header.count(title) > 1:
            raise InputFault(name, 1, title, "is named twice in the header")
    for needed in _NEEDED[name]:
        if needed not in header:
            raise InputFault(name, 1, needed, "is missing from the header")
    return header


def _say_count(data: np.ndarray, line: int, header: list[str]) -> tuple[str, str]:
    row: list[str] = []
    for number, text in enumerate(_iter_lines(data), 1):
        if number == line:
            row = next(csv.reader(io.StringIO(text.decode(errors="replace"))), [])
            break
    column = header[len(row)] if len(row) < len(header) else str(len(header) + 1)
    return column, f"the row has {len(row)} columns where the header has {len(header)}"


def _iter_lines(data: np.ndarray) -> Iterator[bytes]:
    return iter(io.BytesIO(data.tobytes()))


def _find_line(path: Path, row: int) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        line = 1
        for number, _ in enumerate(rows):
            if number == row + 1:
                return line
            line = rows.line_num + 1
    return line


def _code(tables: list[Any]) -> tuple[list[np.ndarray], Any]:
    """Number the distinct texts of several columns together; the empty text becomes -1."""
    chunks = [chunk for column in tables if column is not None for chunk in column.chunks if len(chunk)]
    if not chunks:
        return [np.empty(0, np.int32) for _ in tables], pa.array([], pa.string())
    coded = pa.chunked_array(chunks, pa.string()).dictionary_encode()
    names = coded.chunk(coded.num_chunks - 1).dictionary
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in coded.chunks]).astype(np.int32)
    empty = pc.index(names, "").as_py()
    if empty >= 0:
        moved = np.arange(len(names), dtype=np.int32)
        moved[empty + 1 :] -= 1
        moved[empty] = -1
        codes = moved[codes]
        names = pa.concat_arrays([names.slice(0, empty), names.slice(empty + 1)])
    sizes = [0 if column is None else len(column) for column in tables]
    return np.split(codes, np.cumsum(sizes)[:-1]), names


def _build_world(tables: dict[str, Table]) -> World:
    def column(file: str, name: str) -> Any:
        return tables[file].columns[name] if file in tables else None

    warnings = [warning for table in tables.values() for warning in table.warnings]
    is_promoter, identifiers = None, tables.get("identifiers.csv")
    if identifiers is not None:
        is_promoter = _prove_kinds(identifiers)
    for name, table in tables.items():
        for needed in _NEEDED[name]:
            empty = pc.index(table.columns[needed], "").as_py()
            if empty >= 0:
                raise table.fault(empty, needed, "is empty")
    accounts = column("identifiers.csv", "account_id")
    promoters = [
        column("promoters.csv", "promoter_id"), column("promoters.csv", "inviter_id"),
        column("touches.csv", "promoter_id"), column("orders.csv", "promoter_id"),
        column("same_person.csv", "promoter_id"),
        accounts.filter(pa.array(is_promoter)) if accounts is not None else None,
    ]  # fmt: skip
    promoter_codes, promoter_ids = _code(promoters)
    buyers = [
        column("buyers.csv", "buyer_id"), column("touches.csv", "buyer_id"), column("orders.csv", "buyer_id"),
        column("same_person.csv", "buyer_id"),
        accounts.filter(pa.array(~is_promoter)) if accounts is not None and is_promoter is not None else None,
    ]  # fmt: skip
    buyer_codes, buyer_ids = _code(buyers)
    _prove_unique(tables, "promoters.csv", promoter_codes[0])
    _prove_unique(tables, "buyers.csv", buyer_codes[0])
    joined = np.full(len(promoter_ids), np.iinfo(np.int64).min)
    inviters = np.full(len(promoter_ids), -1, np.int32)
    registered = np.full(len(buyer_ids), np.iinfo(np.int64).min)
    if "promoters.csv" in tables:
        _put(joined, promoter_codes[0], tables["promoters.csv"].read_instants("joined_at"))
        _put(inviters, promoter_codes[0], promoter_codes[1])
    if "buyers.csv" in tables:
        _put(registered, buyer_codes[0], tables["buyers.csv"].read_instants("registered_at"))
    world = World(
        promoter_ids=promoter_ids,
        buyer_ids=buyer_ids,
        joined_at=joined,
        inviters=inviters,
        registered_at=registered,
        same_promoters=promoter_codes[4],
        same_buyers=buyer_codes[3],
        orders=_build_orders(tables.get("orders.csv"), buyer_codes[2], promoter_codes[3]),
        touches=_build_touches(tables.get("touches.csv"), buyer_codes[1], promoter_codes[2]),
        identifiers=Identifiers.empty(),
        warnings=warnings,
        rows={name: table.rows for name, table in tables.items()},
    )
    if identifiers is not None and is_promoter is not None:
        account_codes = np.empty(identifiers.rows, np.int32)
        account_codes[is_promoter] = promoter_codes[5]
        account_codes[~is_promoter] = buyer_codes[4] + world.promoters
        world.identifiers = _build_identifiers(identifiers, account_codes, warnings)
    return world


def _put(target: np.ndarray, at: np.ndarray, values: np.ndarray | None) -> None:
    if values is not None and values.size:
        target[at] = values


def _prove_kinds(table: Table) -> np.ndarray:
    kinds = table.columns["account_kind"]
    found = np.zeros(table.rows, bool)
    first = 0
    for chunk in kinds.dictionary_encode().chunks:
        known = np.array([{"promoter": 1, "buyer": 0}.get(kind, 2) for kind in chunk.dictionary.to_pylist()], np.int8)
        if len(chunk):
            is_promoter = known[chunk.indices.to_numpy(zero_copy_only=False)]
            wrong = np.flatnonzero(is_promoter == 2)
            if wrong.size:
                row = first + int(wrong[0])
                kind = table.get_text(row, "account_kind")[:60]
                problem = f"{kind!r} is neither promoter nor buyer" if kind else "is empty"
                raise table.fault(row, "account_kind", problem)
            found[first : first + len(chunk)] = is_promoter == 1
        first += len(chunk)
    return found


def _prove_unique(tables: dict[str, Table], file: str, codes: np.ndarray) -> None:
    if file not in tables:
        return
    twins = _find_second(codes)
    if twins >= 0:
        name = _UNIQUE[file]
        raise tables[file].fault(twins, name, f"{tables[file].get_text(twins, name)[:60]!r} stands there before")


def _find_second(codes: np.ndarray) -> int:
    """Return the first row that repeats an earlier one, or -1."""
    firsts = np.unique(codes, return_index=True)[1]
    if firsts.size == codes.size:
        return -1
    repeated = np.ones(codes.size, bool)
    repeated[firsts] = False
    return int(np.flatnonzero(repeated)[0])


def _or_missing(values: np.ndarray | None, rows: int) -> np.ndarray:
    return np.full(rows, np.iinfo(np.int64).min) if values is None else values


def _or_none(codes: np.ndarray, rows: int) -> np.ndarray:
    return codes if codes.size == rows else np.full(rows, -1, np.int32)


def _build_orders(table: Table | None, buyers: np.ndarray, promoters: np.ndarray) -> Orders:
    if table is None:
        return Orders.empty()
    (orders,), order_ids = _code([table.columns["order_id"]])
    (skus,), sku_ids = _code([table.columns["sku"]])
    amounts = _or_missing(table.read_amounts("amount_minor"), table.rows)
    instants = [
        _or_missing(table.read_instants(name), table.rows)
        for name in ("placed_at", "paid_at", "received_at", "refunded_at")
    ]
    return Orders(
        order_ids, sku_ids, orders, _or_none(buyers, table.rows), _or_none(promoters, table.rows),
        _or_none(skus, table.rows), amounts, *instants,
    )  # fmt: skip


def _build_touches(table: Table | None, buyers: np.ndarray, promoters: np.ndarray) -> Touches:
    if table is None:
        return Touches.empty()
    (touches, parents), touch_ids = _code([table.columns["touch_id"], table.columns["parent_touch_id"]])
    _prove_unique({"touches.csv": table}, "touches.csv", touches)
    parents = _or_none(parents, table.rows)
    rows = np.full(len(touch_ids), -1, np.int32)
    rows[touches] = np.arange(table.rows, dtype=np.int32)
    parent_rows = np.where(parents >= 0, rows[parents], -1).astype(np.int32)
    at = _or_missing(table.read_instants("at"), table.rows)
    return Touches(
        touch_ids, touches, _or_none(promoters, table.rows), _or_none(buyers, table.rows), parent_rows, at
    )  # fmt: skip


def _build_identifiers(table: Table, accounts: np.ndarray, warnings: list[str]) -> Identifiers:
    table.read_instants("seen_at")
    kinds, values = table.columns["kind"], table.columns["value"]
    if kinds is None or values is None or not table.rows:
        return Identifiers.empty()
    (kind_codes,), kind_names = _code([kinds])
    (value_codes,), raw = _code([values])
    numbers = {kind.value: number for number, kind in enumerate(IdentifierKind)}
    known = np.array([numbers.get(name, -1) for name in kind_names.to_pylist()], np.int8)
    unknown = sorted({name for name in kind_names.to_pylist() if name not in numbers})
    warnings += [f"identifiers.csv: identifier kind {name[:60]!r} is not known and ignored" for name in unknown[:20]]
    kind = np.where(kind_codes >= 0, known[kind_codes] if known.size else -1, -1)
    keep = (kind >= 0) & (value_codes >= 0)
    rows = np.flatnonzero(keep)
    kind, value_codes, accounts = kind[rows].astype(np.int8), value_codes[rows], accounts[rows]
    meaning = value_codes.astype(np.int64)
    count = len(raw)
    for which, normalise in ((IdentifierKind.IP, normalise_ip), (IdentifierKind.ADDRESS, normalise_address)):
        own = kind == numbers[which]
        if own.any():
            distinct, inverse = np.unique(value_codes[own], return_inverse=True)
            plain: dict[str, int] = {}
            same = np.array(
                [plain.setdefault(normalise(text), len(plain)) for text in raw.take(pa.array(distinct)).to_pylist()],
                np.int64,
            )
            meaning[own] = count + same[inverse]
            count += len(plain)
    # Equal values mean the same thing only within one kind.
    _, tokens = np.unique(meaning * len(numbers) + kind, return_inverse=True)
    return Identifiers(accounts, kind, tokens.astype(np.int32), value_codes, raw)


KIND_NAMES = tuple(kind.value for kind in IdentifierKind)
ACCOUNT_KINDS = tuple(kind.value for kind in AccountKind)
