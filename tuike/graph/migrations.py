"""Numbered, forward-only changes of the graph's schema: `cypher/migrations/V0001__name.cypher`, each applied once."""

import re
import time
from pathlib import Path

from tuike.graph.driver import Graph
from tuike.graph.library import CYPHER_DIR

_NAME = re.compile(r"V(\d{4})__\w+\.cypher")
_CREATES = re.compile(r"CREATE (CONSTRAINT|INDEX) (\w+)")


def migrate(graph: Graph, *, directory: Path = CYPHER_DIR / "migrations") -> list[int]:
    """Bring the graph's schema up to date and return the versions that were applied now.

    A migration is a list of statements that each may run twice, so two processes may migrate at once and a crash
    heals by running again. Raises GraphUnavailable when the server is away.
    """
    done = {row["version"] for row in graph.inspect("graph.list_migrations")}
    applied = []
    for version, statements in _read_migrations(directory):
        if version in done:
            continue
        _run_all(graph, statements)
        graph.write("graph.record_migration", version=version)
        applied.append(version)
    graph.write("graph.ensure_state")
    graph.forget_readiness()
    return applied


def drop_schema(graph: Graph, *, directory: Path = CYPHER_DIR / "migrations") -> None:
    """Drop every index and constraint of the migrations: without them a wipe is many times faster."""
    for _, statements in _read_migrations(directory):
        for statement in statements:
            match = _CREATES.match(statement)
            if match is not None:
                graph.run_schema(f"DROP {match.group(1)} {match.group(2)} IF EXISTS")


def apply_schema(graph: Graph, *, directory: Path = CYPHER_DIR / "migrations") -> None:
    """Run every migration again, done or not, and wait until all indexes are ready for use."""
    for _, statements in _read_migrations(directory):
        _run_all(graph, statements)
    while not all(row["state"] == "ONLINE" for row in graph.run_schema("SHOW INDEXES")):
        time.sleep(0.2)


def _read_migrations(directory: Path) -> list[tuple[int, list[str]]]:
    migrations = []
    for path in sorted(directory.glob("*.cypher")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path.name} is not named V0001__what.cypher")
        migrations.append((int(match.group(1)), _split(path.read_text(encoding="utf-8"))))
    return migrations


def _run_all(graph: Graph, statements: list[str]) -> None:
    for statement in statements:
        graph.run_schema(statement)


def _split(source: str) -> list[str]:
    text = "\n".join(line for line in source.splitlines() if not line.startswith("//"))
    return [part.strip() for part in text.split(";") if part.strip()]
