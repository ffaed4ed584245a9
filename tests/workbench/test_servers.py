"""The same queries against both servers: friendly ones answer, hostile ones change nothing even past the gate."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.workbench.friendly import PARAMS, list_friendly
from tests.workbench.hostile import ADMINISTERS, REACHES_OUT, WRITES, list_hostile, unfold
from tuike.graph import AnalysisGraph, Graph, GraphNode, GraphPath, Limits, QueryTimedOut, QueryTooLarge
from tuike.shared.errors import TuikeError
from tuike.workbench import QueryRefused, admit

QUICK = Limits(seconds=5, rows=1_000)


def run(analysis: AnalysisGraph, text: str, params: dict[str, Any] | None = None, limits: Limits = QUICK) -> Any:
    admitted = admit(text)
    given = {name: value for name, value in (params or {}).items() if name in admitted.params}
    return analysis.run(admitted.text, given, limits, calls_procedures=bool(admitted.procedures))


def test_what_analysts_need_runs_on_both_servers(analysis: AnalysisGraph, content: Any) -> None:
    before = content.dump()
    answered = 0
    for query in list_friendly():
        try:
            answered += len(run(analysis, query, PARAMS, Limits(seconds=30)).rows)
        except TuikeError as error:
            raise AssertionError(f"{query}: {error.code} {error}") from error
    assert answered > 100
    assert content.dump() == before


def test_what_is_hostile_is_refused_before_it_is_sent(analysis: AnalysisGraph, content: Any) -> None:
    before = content.dump()
    for query in list_hostile():
        with pytest.raises(QueryRefused):
            run(analysis, query)
    assert content.dump() == before


def test_hostile_queries_change_nothing_even_past_the_gate(analysis: AnalysisGraph, content: Any) -> None:
    before = content.dump()
    read: list[Any] = []
    queries = [unfold(line) for block in (WRITES, REACHES_OUT) for line in block.split("\n") if line.strip()]
    for query in queries:
        try:
            table = analysis.run(query, {"x": 1, "label": "User", "url": "file:///etc/passwd"}, QUICK)
        except TuikeError:
            continue
        read += table.rows
    assert "root:" not in str(read)
    assert content.dump() == before


def test_administration_changes_nothing_even_past_the_gate(analysis: AnalysisGraph, content: Any) -> None:
    before = content.dump()
    for line in ADMINISTERS.split("\n"):
        if line.strip() and not line.startswith(("STOP", "DROP DATABASE", "CREATE OR REPLACE DATABASE", "TERMINATE")):
            try:
                analysis.run(unfold(line), {}, QUICK)
            except TuikeError:
                continue
    assert content.dump() == before


def test_patterns_of_both_servers_come_as_one_kind_of_value(analysis: AnalysisGraph) -> None:
    query = "MATCH p = (a:User {id: 'person-1'})-[r:INVITED]->(b:User {id: 'person-2'}) RETURN a, r, p, [b] AS list"
    table = run(analysis, query)
    assert table.columns == ["a", "r", "p", "list"]
    (row,) = table.rows
    node, edge, path, listed = row
    assert isinstance(node, GraphNode)
    assert (node.label, node.properties["id"]) == ("User", "person-1")
    assert (edge.type, edge.from_id, edge.to_id) == ("INVITED", node.id, listed[0].id)
    assert isinstance(path, GraphPath)
    assert [found.properties["id"] for found in path.nodes] == ["person-1", "person-2"]


def test_rows_stop_at_the_limit_and_the_server_stops_too(analysis: AnalysisGraph) -> None:
    query = "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN x, y"
    begun = time.monotonic()
    table = run(analysis, query, limits=Limits(seconds=20, rows=1_000))
    assert len(table.rows) == 1_000
    assert table.truncated
    assert time.monotonic() - begun < 10
    assert_nothing_runs(analysis)


def test_an_answer_that_is_too_large_is_cut_off(analysis: AnalysisGraph) -> None:
    query = "UNWIND range(1, 5000) AS x RETURN range(1, 2000) AS l"
    with pytest.raises(QueryTooLarge):
        run(analysis, query, limits=Limits(seconds=20, rows=10_000, bytes=1_000_000))
    with pytest.raises(QueryTooLarge):
        run(analysis, "RETURN range(1, 100000) AS l", limits=Limits(seconds=20, bytes=100_000))
    assert run(analysis, "RETURN 1 AS one").rows == [[1]]


RUNAWAYS = [
    "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y RETURN count(*) AS n",
    (
        "UNWIND range(1, 100000) AS x MATCH (a), (b), (c), (d) WHERE a.team_1 + b.team_2 + c.no + d.at + x = -1"
        " RETURN count(*) AS n"
    ),
    "UNWIND range(1, 100000) AS x MATCH (a)-[*1..6]-(b) RETURN count(x) AS n",
    "UNWIND range(1, 100000) AS x UNWIND range(1, 3000) AS y WITH x, y ORDER BY x * y DESC RETURN x LIMIT 5",
    (
        "UNWIND range(1, 100000) AS x UNWIND range(1, 3000) AS y MATCH (a:User) WHERE a.id =~ '(p+)+(e+)+(r+)*x'"
        " RETURN count(a) AS n"
    ),
]


@pytest.mark.parametrize("query", RUNAWAYS, ids=lambda query: query[:40])
def test_a_query_that_runs_away_is_ended_on_the_server_too(query: str, analysis: AnalysisGraph, graph: Graph) -> None:
    begun = time.monotonic()
    with pytest.raises((QueryTimedOut, TuikeError)) as stopped:
        run(analysis, query, limits=Limits(seconds=1))
    assert time.monotonic() - begun < 6
    assert stopped.value.code in ("query_timed_out", "query_failed")  # or the server's own limit of memory
    assert_nothing_runs(analysis)
    assert graph.check()


def test_the_service_is_not_slowed_by_queries_that_run_away(analysis: AnalysisGraph, graph: Graph) -> None:
    def run_away() -> None:
        with pytest.raises(TuikeError):
            run(analysis, RUNAWAYS[1], limits=Limits(seconds=3))

    graph.check()
    threads = [threading.Thread(target=run_away) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    waits = []
    while any(thread.is_alive() for thread in threads):
        begun = time.monotonic()
        assert graph.check()
        waits.append(time.monotonic() - begun)
        time.sleep(0.01)
    assert len(waits) > 20
    assert sorted(waits)[len(waits) // 2] < 0.2
    assert_nothing_runs(analysis)


def assert_nothing_runs(analysis: AnalysisGraph) -> None:
    """Fail unless the server runs nothing but our own look at it, within a second."""
    end = time.monotonic() + 2
    while True:
        with analysis._stopper.session(database=analysis._database) as session:
            rows = session.run("SHOW TRANSACTIONS").data()
        others = [row for row in rows if "SHOW TRANSACTIONS" not in str(row["currentQuery"])]
        if not others:
            return
        assert time.monotonic() < end, others
        time.sleep(0.05)
