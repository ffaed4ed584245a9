"""Loads a large graph into the embedded server's files while no server runs: `python -m … DATABASE < rows.json`.

Over Bolt a million edges take twenty minutes. People who stand in the graph already are found by their ids.
"""

import json
import sys
from pathlib import Path
from typing import Any

import arcadedb_embedded

_PAGE = 50_000


def load(database: Path, document: dict[str, Any]) -> int:
    """Create people, orders and identifiers, and the edges between them; return how many edges there are.

    Edges are {type: [[from, to, properties], …]} between keys such as `User:buyer-1`.
    """
    with arcadedb_embedded.open_database(str(database), jvm_kwargs={"heap_size": "2g"}) as opened:
        places = {
            f"User:{row.get('id')}": str(row.get("rid"))
            for row in opened.query("sql", "SELECT id, @rid.asString() AS rid FROM User")
        }
        for name in document["edges"]:
            opened.command("sql", f"CREATE EDGE TYPE {name} IF NOT EXISTS")
        count = 0
        with opened.graph_batch(use_wal=False) as batch:
            for label, rows in document["nodes"].items():
                fresh = [row for row in rows if f"{label}:{row[_KEYS[label]]}" not in places]
                for start in range(0, len(fresh), _PAGE):
                    page = fresh[start : start + _PAGE]
                    rids = batch.create_vertices(label, page)
                    places |= {f"{label}:{row[_KEYS[label]]}": rid for row, rid in zip(page, rids, strict=True)}
            for name, rows in document["edges"].items():
                for start in range(0, len(rows), _PAGE):
                    page = rows[start : start + _PAGE]
                    batch.new_edges(
                        [places[row[0]] for row in page], name, [places[row[1]] for row in page],
                        [row[2] for row in page],
                    )  # fmt: skip
                    count += len(page)
            batch.flush()
    return count


_KEYS = {"User": "id", "Order": "id", "Identifier": "key"}


if __name__ == "__main__":
    print(load(Path(sys.argv[1]), json.load(sys.stdin)))
