"""A small store: dictionaries by kind and id, in memory, and in SQLite so that a restart forgets nothing."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Records:
    """Not safe by itself: the world's lock guards it."""

    def __init__(self, path: Path | None) -> None:
        self._tables: dict[str, dict[str, Record]] = {}
        self._open: dict[str, dict[str, None]] = {}
        self._file = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = OFF")  # play money
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, document TEXT, PRIMARY KEY (kind, id))"
        )
        for kind, id_, document in self._file.execute("SELECT kind, id, document FROM records ORDER BY rowid"):
            self._tables.setdefault(kind, {})[id_] = json.loads(document)
            self._open.setdefault(kind, {})[id_] = None

    def find(self, kind: str, id_: str) -> Record | None:
        """Return the record itself; `put` it after a change."""
        return self._tables.get(kind, {}).get(id_)

    def put(self, kind: str, id_: str, record: Record) -> Record:
        """Keep a record."""
        self._tables.setdefault(kind, {})[id_] = record
        self._open.setdefault(kind, {})[id_] = None
        self._file.execute(
            "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document",
            (kind, id_, json.dumps(record, ensure_ascii=False)),
        )
        return record

    def list_all(self, kind: str, where: Callable[[Record], bool] = lambda _: True) -> list[Record]:
        """Return the records of a kind, oldest first."""
        return [record for record in self._tables.get(kind, {}).values() if where(record)]

    def list_open(self, kind: str, is_settled: Callable[[Record], bool]) -> list[Record]:
        """Return the records of a kind that are not settled; a settled one is never looked at again unless put anew."""
        table, candidates = self._tables.get(kind, {}), self._open.setdefault(kind, {})
        found = []
        for id_ in list(candidates):
            record = table.get(id_)
            if record is None or is_settled(record):
                del candidates[id_]
            else:
                found.append(record)
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._tables.clear()
        self._open.clear()
        self._file.execute("DELETE FROM records")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
