"""The queries that come with tuike: `cypher/analysis/NAME.cypher`, each with a header that describes it.

    // One sentence in English.
    // 一句中文。
    //
    // params:  $minimum  integer  3  at least this many people
    // returns: promoter_id string, people integer

A query has to pass the gate like anybody's.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tuike.graph import CYPHER_DIR
from tuike.workbench.model import LibraryQuery, Parameter, QueryNotFound
from tuike.workbench.rules.gate import admit

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "list": list,
}  # fmt: skip


class LibraryWrong(Exception):
    """A file of the library breaks a rule; the message names the file."""


@cache
def load_library(directory: Path = CYPHER_DIR / "analysis") -> dict[str, LibraryQuery]:
    """Return every query of the library by name, in name order. Raises LibraryWrong, QueryRefused."""
    return {
        path.stem: parse_query(path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(directory.glob("*.cypher"))
    }


def get_library_query(name: str) -> LibraryQuery:
    """Return one query of the library. Raises QueryNotFound."""
    found = load_library().get(name)
    if found is None:
        raise QueryNotFound("The library has no query of this name.")
    return found


def parse_query(name: str, source: str) -> LibraryQuery:
    """Read one file. Raises LibraryWrong when header and query differ, QueryRefused when the gate would refuse it."""
    lines = source.splitlines()
    header = [line[2:].strip() for line in lines if line.startswith("//")]
    body = "\n".join(line for line in lines if not line.startswith("//")).strip()
    try:
        about, about_zh, blank, *fields = header
        params = tuple(_read_parameter(line) for line in _read_field(fields, "params") if line != "none")
        columns = dict(part.split() for part in " ".join(_read_field(fields, "returns")).split(", "))
    except (ValueError, KeyError) as error:
        raise LibraryWrong(f"{name}: {error}") from error
    admitted = admit(body)
    if blank or admitted.params != {parameter.name for parameter in params}:
        raise LibraryWrong(f"{name}: the header names {[parameter.name for parameter in params]}")
    return LibraryQuery(name, about, about_zh, params, columns, body)


def _read_field(fields: list[str], name: str) -> list[str]:
    start = next(number for number, line in enumerate(fields) if line.startswith(f"{name}:"))
    end = next(
        (number for number in range(start + 1, len(fields)) if fields[number].startswith("returns:")), len(fields)
    )
    return [fields[start].removeprefix(f"{name}:").strip(), *fields[start + 1 : end]]


def _read_parameter(line: str) -> Parameter:
    name, kind, default, about = line.split(maxsplit=3)
    value: Any = json.loads(default)
    if not name.startswith("$") or not isinstance(value, _TYPES[kind]):
        raise ValueError(f"{line!r} is not: $name type default about")
    return Parameter(name[1:], kind, value, about)
