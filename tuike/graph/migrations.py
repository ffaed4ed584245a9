"""Numbered, forward-only changes of the graph's schema: `cypher/migrations/V0001__name.cypher`, each applied once."""

import re
from pathlib import Path

from tuike.graph.driver import Graph
from tuike.graph.library import CYPHER_DIR

_NAME = re.compile(r"V(\d{4})__\w+\.cypher")


def migrate(graph: Graph, *, directory: Path = CYPHER_DIR / "migrations") -> list[int]:
    """Bring the graph's schema up to date and return the versions that were applied now.

    A migration is a list of statements that each may run twice, so two processes may migrate at once and a crash heals by
    running again. Raises GraphUnavailable when the server is away.
    """
    done = {row["version"] for row in graph.inspect("graph.list_migrations")}
    applied = []
    for path in sorted(directory.glob("*.cypher")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path.name} is not named V0001__what.cypher")
        version = int(match.group(1))
        if version in done:
            continue
        for statement in _split(path.read_text(encoding="utf-8")):
            graph.run_schema(statement)
        graph.write("graph.record_migration", version=version)
        applied.append(version)
    graph.write("graph.ensure_state")
    graph.forget_readiness()
    return applied


def _split(source: str) -> list[str]:
    text = "\n".join(line for line in source.splitlines() if not line.startswith("//"))
    return [part.strip() for part in text.split(";") if part.strip()]
