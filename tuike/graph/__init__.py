"""The graph: who invited whom, share paths, attribution and identifiers, reached only through named Cypher files.

The only importer of `neo4j`. Everything the graph knows came through the journal (a PostgreSQL table), so it can be
thrown away and rebuilt. Words: a *journal row* is a decided change; the *writer* applies rows in order and there is
one at a time; the graph is *behind* when something answered is not in it yet, *ready* when its content may be
believed; *drift* is any difference between graph and journal.
"""

from tuike.graph import journal
from tuike.graph.analysis import (
    AnalysisGraph,
    GraphEdge,
    GraphNode,
    GraphPath,
    Limits,
    PlanRefused,
    QueryFailed,
    QueryTimedOut,
    QueryTooLarge,
    Table,
)
from tuike.graph.check import check_drift
from tuike.graph.driver import Graph, GraphNotReady
from tuike.graph.library import CYPHER_DIR, CypherFileWrong, CypherLibrary
from tuike.graph.migrations import migrate
from tuike.graph.rebuild import rebuild
from tuike.graph.seating import LEVELS_MAX, SEAT_WIDTH
from tuike.graph.writer import apply_lazy, catch_up, deciding

__all__ = [
    "CYPHER_DIR",
    "LEVELS_MAX",
    "SEAT_WIDTH",
    "AnalysisGraph",
    "CypherFileWrong",
    "CypherLibrary",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "GraphNotReady",
    "GraphPath",
    "Limits",
    "PlanRefused",
    "QueryFailed",
    "QueryTimedOut",
    "QueryTooLarge",
    "Table",
    "apply_lazy",
    "catch_up",
    "check_drift",
    "deciding",
    "journal",
    "migrate",
    "rebuild",
]
