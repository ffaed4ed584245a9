"""A small world in each graph server, and the workbench's own way into it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import neo4j
import pytest

from tuike.config import Config
from tuike.graph import AnalysisGraph, Graph

_WORLD = (
    (
        "UNWIND range(1, 6) AS no CREATE (:User {id: 'person-' + no, promoter_id: 'prm_' + no, promoter_no: no,"
        " status: 'active', team_1: 0, team_2: 0, team_3: 0, joined_at: 1000 + no, binding_no: no})"
    ),
    (
        "UNWIND [[1, 2], [2, 3], [3, 4], [1, 5]] AS pair MATCH (a:User {id: 'person-' + pair[0]}),"
        " (b:User {id: 'person-' + pair[1]}) CREATE (a)-[:INVITED {binding_id: 'bnd_' + pair[1], binding_no: pair[1],"
        " valid_from: 1000}]->(b) SET a.team_1 = a.team_1 + 1"
    ),
    "MATCH (a:User {id: 'person-1'}) CREATE (a)-[:SHARED]->(:Link {code: 'abc'})",
    (
        "MATCH (l:Link {code: 'abc'}) CREATE (l)<-[:OPENED]-(:Touch {id: 'tch_1', at: 2000, no: 1, depth: 0})"
        "<-[:FOLLOWED]-(:Touch {id: 'tch_2', at: 3000, no: 2, depth: 1})-[:OPENED]->(l)"
    ),
    (
        "MATCH (t:Touch {id: 'tch_2'}), (u:User {id: 'person-3'}) CREATE (u)-[:MADE]->(t),"
        " (:Visitor {id: 'vis-1'})-[:MADE]->(t)"
    ),
    (
        "MATCH (u:User {id: 'person-3'}), (p:User {id: 'person-1'}) CREATE (u)-[:PLACED]->(o:Order {id: 'ord_1',"
        " placed_at: 4000})-[:CREDITED_TO {model: 'last', reason: 'touch'}]->(p)"
    ),
    (
        "MATCH (a:User {id: 'person-1'}), (b:User {id: 'person-3'}) CREATE (d:Identifier {key: 'device:dig1',"
        " kind: 'device', digest: 'dig1'}), (a)-[:USED {first_at: 1, last_at: 2, times: 3}]->(d),"
        " (b)-[:USED {first_at: 1, last_at: 2, times: 1}]->(d)"
    ),
)


class Content:
    """What a server holds, schema included, read past the workbench."""

    def __init__(self, server: Any) -> None:
        self._driver = neo4j.GraphDatabase.driver(server.uri, auth=(server.user, server.password))
        self._database = server.database

    def run(self, text: str) -> list[dict[str, Any]]:
        with self._driver.session(database=self._database) as session:
            return session.run(text).data()  # type: ignore[arg-type]

    def dump(self) -> list[str]:
        nodes = self.run("MATCH (n) RETURN labels(n) AS labels, properties(n) AS properties")
        edges = self.run("MATCH (a)-[r]->(b) RETURN type(r) AS type, properties(r) AS properties, properties(a) AS a")
        indexes = self.run("SHOW INDEXES")
        return sorted(
            [str(sorted((key, str(value)) for key, value in row.items())) for row in (*nodes, *edges)]
            + [str(row.get("name")) for row in indexes]
        )

    def close(self) -> None:
        self._driver.close()


@pytest.fixture
def content(graph: Graph, graph_server: Any) -> Iterator[Content]:
    """A small world, past the journal; the test runs once on each server."""
    content = Content(graph_server)
    for statement in _WORLD:
        content.run(statement)
    yield content
    content.close()


@pytest.fixture
def analysis(config: Config, content: Content) -> Iterator[AnalysisGraph]:
    """The workbench's way to the graph that holds the small world."""
    analysis = AnalysisGraph(config)
    yield analysis
    analysis.close()
