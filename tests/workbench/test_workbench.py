"""Asking, keeping and watching through the API, on both servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text as sql

from api import create_app
from tuike import identity, workbench
from tuike.app import App
from tuike.identity import Scope
from tuike.shared.pages import encode_cursor
from tuike.workbench.library import load_library

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)


class Caller:
    """One key's way to the API."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {secret}"}

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200, code: str | None = None) -> Any:
        answer = self._client.open(f"/api/v1/{path}", method=method, json=body, headers=self._headers)
        document = json.loads(answer.data)
        assert answer.status_code == status, document
        assert code is None or document["error"]["code"] == code, document
        return document

    def ask(self, text: str, *, status: int = 200, code: str | None = None, **fields: Any) -> Any:
        return self.call("POST", "analysis/queries/run", {"text": text, **fields}, status=status, code=code)

    def ask_for_answer(self, text: str, **fields: Any) -> Any:
        body = {"text": text, **fields}
        return self._client.post("/api/v1/analysis/queries/run", json=body, headers=self._headers)


@pytest.fixture
def callers(app: App, content: Any) -> Iterator[dict[str, Caller]]:
    """A caller of each scope of keys."""
    client = create_app(app).test_client()
    found = {}
    for scope in ("integration", "operator", "analyst", "auditor"):
        with app.db.transaction() as tx:
            _, secret = identity.create_key(tx, name=scope, scope=Scope(scope), now=NOW)
        found[scope] = Caller(client, secret)
    app.graph.set_ready(ready=True)
    yield found
    app.desk.close()


def test_an_operator_sees_persons_and_an_analyst_pseudonyms(callers: dict[str, Caller]) -> None:
    text = "MATCH (u:User)-[:USED]->(d:Identifier) RETURN u.id AS id, d, [u.id] AS list, {x: u.id} AS map ORDER BY id"
    clear = callers["operator"].ask(text)
    assert clear["masked"] is False
    assert [row[0] for row in clear["rows"]] == ["person-1", "person-3"]
    masked = callers["analyst"].ask(text)
    assert masked["masked"] is True
    assert "person-" not in json.dumps(masked)
    assert "dig1" not in json.dumps(masked)
    first = masked["rows"][0]
    assert first[0] == first[2][0] == first[3]["x"]
    assert first[0].startswith("user~")
    assert first[1]["properties"]["digest"].startswith("identifier~")
    assert callers["analyst"].ask(text)["rows"] == masked["rows"]


def test_who_may_do_what(callers: dict[str, Caller]) -> None:
    for scope in ("integration", "auditor"):
        callers[scope].ask("RETURN 1 AS one", status=403, code="forbidden")
        callers[scope].call("GET", "analysis/library", status=403)
    for scope in ("integration", "analyst"):
        callers[scope].call("GET", "analysis/log", status=403, code="forbidden")
    assert callers["auditor"].call("GET", "analysis/log")["items"] == []


def test_every_question_is_logged_with_what_became_of_it(callers: dict[str, Caller]) -> None:
    analyst = callers["analyst"]
    analyst.ask("UNWIND $n AS x RETURN x", params={"n": [1, 2]})
    analyst.ask("UNWIND range(1, 100) AS x RETURN x", limit=10)
    analyst.ask("MATCH (n) DELETE n", status=422, code="query_refused")
    analyst.ask("MATCH (n) \x00\ud800 RETURN n", status=422, code="query_refused")
    analyst.ask("RETURN nothing AS n", status=422, code="query_failed")
    analyst.ask("RETURN $x AS x", status=422, code="validation_failed")
    log = callers["auditor"].call("GET", "analysis/log")["items"]
    assert [(run["outcome"], run["row_count"]) for run in reversed(log)] == [
        ("ok", 2), ("truncated", 10), ("refused", None), ("refused", None), ("failed", None), ("refused", None),
    ]  # fmt: skip
    assert log[-1]["params"] == {"n": [1, 2]}
    assert log[3]["text"] == "MATCH (n) DELETE n"
    assert {run["author_name"] for run in log} == {"analyst"}
    assert all(run["duration_ms"] >= 0 for run in log)
    refused = callers["auditor"].call("GET", "analysis/log?outcome=refused&limit=2")
    assert len(refused["items"]) == 2
    assert refused["next_cursor"]
    rest = callers["auditor"].call("GET", f"analysis/log?outcome=refused&limit=2&cursor={refused['next_cursor']}")
    assert len(rest["items"]) == 1
    entry = callers["auditor"].call("GET", f"analysis/log/{log[0]['id']}")
    assert entry == log[0]
    callers["auditor"].call("GET", "analysis/log/run_none", status=404, code="run_not_found")
    assert len(analyst.call("GET", "analysis/runs")["items"]) == 6


def test_too_many_at_once_are_told_to_wait(callers: dict[str, Caller], app: App) -> None:
    analyst = next(iter(app.desk._busy), "")
    assert analyst == ""
    with app.desk.seat("a"), app.desk.seat("a"):
        with pytest.raises(workbench.TooManyQueries), app.desk.seat("a"):
            pass
        with app.desk.seat("b"):
            answer = callers["analyst"].ask_for_answer("RETURN 1 AS one")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert callers["analyst"].ask("RETURN 1 AS one")["rows"] == [[1]]


def test_a_query_that_runs_away_is_answered_in_time(callers: dict[str, Caller]) -> None:
    text = "UNWIND range(1, 100000) AS x UNWIND range(1, 100000) AS y WITH x, y WHERE x + y < 0 RETURN count(*) AS n"
    callers["analyst"].ask(text, timeout_seconds=1, status=422, code="query_timed_out")
    assert callers["auditor"].call("GET", "analysis/log")["items"][0]["outcome"] == "timed_out"


def test_formats(callers: dict[str, Caller]) -> None:
    operator = callers["operator"]
    path = "MATCH p = (:User {id: 'person-1'})-[:INVITED*1..2]->(:User) RETURN p"
    graph = operator.ask(path, format="graph")
    assert {node["properties"]["id"] for node in graph["nodes"]} == {"person-1", "person-2", "person-3", "person-5"}
    assert {edge["type"] for edge in graph["edges"]} == {"INVITED"}
    ids = {node["id"] for node in graph["nodes"]}
    assert all(edge["from"] in ids and edge["to"] in ids for edge in graph["edges"])
    alone = operator.ask("MATCH (:User)-[r:INVITED]->(:User) RETURN r", format="graph")
    assert len(alone["nodes"]) == 5
    graphml = operator.ask(path, format="graphml")["content"]
    root = ET.fromstring(graphml)
    assert len(root.findall(".//{*}node")) == 4
    assert len(root.findall(".//{*}edge")) == len(graph["edges"])
    csv = operator.ask("RETURN '=1+1' AS a, '+x' AS b, -5 AS c, '中' AS d, null AS e, [1] AS f", format="csv")[
        "content"
    ]
    assert csv == "\ufeffa,b,c,d,e,f\r\n'=1+1,'+x,-5,中,,[1]\r\n"
    wide = ["＝1+1", "\u3000=1+1", "\u00a0@x", "\u200b=1+1", "1=1"]
    csv = operator.ask("UNWIND $l AS x RETURN x", params={"l": wide}, format="csv")["content"]
    assert csv.split("\r\n")[1:-1] == [*(f"'{cell}" for cell in wide[:-1]), "1=1"]


@pytest.mark.parametrize(
    "made",
    [
        "{kind: 'node', label: 'x'}",
        "{kind: 'node', label: 'x', id: [1], properties: 1}",
        "{kind: 'node', label: null, id: 1, properties: {}}",
        "{kind: 'edge', type: 'x', `from`: 'a'}",
        "{kind: 'edge', type: 1, `from`: 1, to: 2, id: 'e', properties: {a: 1}}",
        "{kind: 'path'}",
    ],
)
def test_a_map_that_only_looks_like_a_node_or_an_edge_is_none(made: str, callers: dict[str, Caller]) -> None:
    for shape in ("graph", "graphml", "csv", "rows"):
        answer = callers["analyst"].ask(f"RETURN {made} AS made", format=shape)
        assert answer.get("nodes", []) == answer.get("edges", []) == []


def test_what_a_server_says_of_a_failure_names_nobody_to_who_may_not_see_persons(callers: dict[str, Caller]) -> None:
    texts = [
        f"MATCH (u:User) RETURN {value} AS x"
        for value in ("date(u.id)", "duration(u.id)", "u.id.foo", "[1, 2][u.id]", "u.id =~ u.id + '('", "NOT u.id")
    ]
    for text in texts:
        assert "person-" not in callers["analyst"].ask_for_answer(text).text
    for path in ("analysis/runs", "analysis/log"):
        reader = callers["analyst" if path == "analysis/runs" else "auditor"]
        assert not [run for run in reader.call("GET", path)["items"] if "person-" in str(run["message"])]
    plain = callers["analyst"].ask("RETURN nothing AS n", status=422, code="query_failed")
    assert "Error" in plain["error"]["message"]


def test_a_backslash_before_u0000_stays_what_it_is(callers: dict[str, Caller]) -> None:
    text, analyst = r"\u0000 and \\u0000", callers["analyst"]
    body = {"name": "q", "text": "RETURN $x AS x", "params": {"x": text}}
    saved = analyst.call("POST", "analysis/queries", body, status=201)
    assert analyst.call("GET", f"analysis/queries/{saved['id']}")["params"] == {"x": text}
    assert analyst.call("POST", f"analysis/queries/{saved['id']}/run", {})["rows"] == [[text]]


def test_a_cursor_beyond_every_version_leads_to_an_empty_page(callers: dict[str, Caller]) -> None:
    analyst = callers["analyst"]
    query = analyst.call("POST", "analysis/queries", {"name": "q", "text": "RETURN 1 AS x"}, status=201)
    for version in (2**40, 2**63 - 1):
        found = analyst.call("GET", f"analysis/queries/{query['id']}/versions?cursor={encode_cursor(version)}")
        assert [one["version"] for one in found["items"]] == [1]


def test_the_sentence_of_a_hit_holds_no_part_of_an_id_to_who_may_not_see_persons(
    callers: dict[str, Caller], app: App, content: Any
) -> None:
    long = "person-" + "x" * 110
    content.run(f"CREATE (:User {{id: '{long}'}}), (:User {{id: 'person-\"quoted\"'}})")
    query = {"name": "q", "text": "MATCH (u:User) RETURN u.id AS who, [u.id, 1] AS list, 7 AS n", "shared": True}
    saved = callers["analyst"].call("POST", "analysis/queries", query, status=201)
    body = {"name": "r (x)", "query_id": saved["id"], "column": "n", "threshold": 2.5, "every_minutes": 5}
    rule = callers["analyst"].call("POST", "analysis/rules", body, status=201)
    workbench.run_due_rules(app.db, app.graph, app.desk, now=datetime.now(UTC) + timedelta(seconds=1))
    hits = callers["analyst"].call("GET", f"analysis/rules/{rule['id']}/hits")["items"]
    assert len(hits) == 8
    assert "person-" not in json.dumps(hits)
    assert all(hit["explanation"].startswith("r (x): n is 7, at or above 2.5 (who = user~") for hit in hits)
    assert all("达到阈值 2.5（who = user~" in hit["explanation_zh"] for hit in hits)


def test_explain_runs_nothing_and_refuses_the_same(callers: dict[str, Caller], graph_server: Any) -> None:
    plan = callers["analyst"].call("POST", "analysis/queries/explain", {"text": "MATCH (n:User) /* x */ RETURN n"})
    assert plan["text"] == "MATCH (n:User) RETURN n"
    assert (plan["plan"] is None) == (graph_server.name != "neo4j")
    callers["analyst"].call(
        "POST", "analysis/queries/explain", {"text": "EXPLAIN CREATE (n)"}, status=422, code="query_refused"
    )


def test_saved_queries_have_versions_owners_and_sharing(callers: dict[str, Caller]) -> None:
    analyst, operator = callers["analyst"], callers["operator"]
    body = {"name": "teams", "about": "x", "text": "MATCH (u:User) WHERE u.team_1 >= $least RETURN count(u) AS n",
            "params": {"least": 1}}  # fmt: skip
    saved = analyst.call("POST", "analysis/queries", body, status=201)
    assert saved["version"] == 1
    analyst.call("POST", "analysis/queries", body, status=409, code="name_taken")
    analyst.call("POST", "analysis/queries", {**body, "name": "b", "text": "CREATE (n)"}, status=422)
    analyst.call("POST", "analysis/queries", {**body, "name": "b", "params": {"no": 1}}, status=422)
    path = f"analysis/queries/{saved['id']}"
    assert analyst.call("POST", f"{path}/run", {})["rows"] == [[3]]
    assert analyst.call("POST", f"{path}/run", {"params": {"least": 2}})["rows"] == [[1]]
    assert operator.call("GET", "analysis/queries")["items"] == []
    changed = analyst.call("PUT", path, {**body, "name": "sizes", "shared": True, "version": 1})
    assert changed["version"] == 2
    analyst.call("PUT", path, {**body, "version": 1}, status=409, code="edit_conflict")
    assert [item["id"] for item in operator.call("GET", "analysis/queries")["items"]] == [saved["id"]]
    versions = analyst.call("GET", f"{path}/versions")["items"]
    assert [(version["version"], version["name"]) for version in versions] == [(2, "sizes"), (1, "teams")]
    analyst.call("DELETE", path)
    analyst.call("GET", path, status=404, code="query_not_found")
    analyst.call("DELETE", path, status=404, code="query_not_found")
    analyst.call("POST", "analysis/queries", body, status=201)


def test_of_two_queries_that_take_one_name_at_once_one_is_told(app: App, content: Any) -> None:
    owner = workbench.Author("key_1", "a")
    body = {"about": "", "text": "RETURN 1 AS n", "params": {}, "shared": False, "now": NOW}
    with app.db.transaction() as tx:
        queries = [workbench.save_query(tx, owner=owner, name=name, **body) for name in ("a", "b")]

    def rename(tx: Any, query: Any) -> None:
        workbench.change_query(tx, query_id=query.id, author=owner, version=1, name="same", **body)

    told: list[BaseException] = []

    def take() -> None:
        try:
            with app.db.transaction() as tx:
                rename(tx, queries[1])
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            told.append(error)

    second = threading.Thread(target=take)
    with app.db.transaction() as tx:
        rename(tx, queries[0])
        second.start()
        second.join(0.5)
    second.join()
    assert [type(one) for one in told] == [workbench.NameTaken]


def test_the_query_of_another_is_not_there_unless_shared(app: App, content: Any) -> None:
    owner, other = workbench.Author("a", "a"), workbench.Author("b", "b")
    with app.db.transaction() as tx:
        query = workbench.save_query(
            tx, owner=owner, name="q", about="", text="RETURN 1 AS n", params={}, shared=False, now=NOW
        )
        with pytest.raises(workbench.QueryNotFound):
            workbench.get_query(tx, query_id=query.id, reader=other)
        with pytest.raises(workbench.QueryNotFound):
            workbench.delete_query(tx, query_id=query.id, author=other, now=NOW)


def test_every_query_of_the_library_runs(callers: dict[str, Caller]) -> None:
    library = callers["analyst"].call("GET", "analysis/library")["items"]
    assert len(library) >= 15
    for query in library:
        answer = callers["analyst"].call("POST", f"analysis/library/{query['name']}/run", {"timeout_seconds": 60})
        assert not answer["rows"] or answer["columns"] == list(query["columns"]), query["name"]
    callers["analyst"].call("POST", "analysis/library/none/run", {}, status=404, code="query_not_found")
    callers["analyst"].call(
        "POST", "analysis/library/upline_as_of/run", {"params": {"x": 1}}, status=422, code="validation_failed"
    )


def test_the_library_finds_what_it_says(callers: dict[str, Caller], content: Any) -> None:
    content.run(
        "MATCH (a:User {id: 'person-1'}), (b:User {id: 'person-3'}) CREATE (a)-[:PLACED]->(:Order {id: 'ord_2',"
        " placed_at: 5000})-[:CREDITED_TO {model: 'last', reason: 'touch'}]->(b)"
    )
    operator = callers["operator"]

    def run(name: str, **params: Any) -> Any:
        return operator.call("POST", f"analysis/library/{name}/run", {"params": params, "timeout_seconds": 60})["rows"]

    assert run("rings_of_purchases") == [["prm_1", "prm_3", 1, 1, 2]]
    assert run("shared_identifiers") == [["person-1", "person-3", 1.0, 1]]
    assert run("crowded_identifiers", minimum=2) == [["device", "device:dig1", 2, 2, 4]]
    assert run("buyers_on_promoters_devices") == [["prm_1", "person-3", 1, 1], ["prm_3", "person-1", 1, 1]]
    assert run("upline_as_of", promoter_id="prm_4") == [["prm_3", 1, 1000], ["prm_2", 2, 1000], ["prm_1", 3, 1000]]
    assert run("upline_as_of", promoter_id="prm_4", at=999) == []
    assert run("deepest_share_paths", minimum=1) == [["tch_2", 1, "abc", "prm_1"]]
    assert run("links_that_sell") == [["abc", "prm_1", 2, 1, 1]]
    assert run("purchases_of_own_team", minimum=1) == [["prm_1", 1, 1, 1.0]]
    assert run("largest_teams")[0] == ["prm_1", 2, 2, 0, 0]
    assert run("sudden_stars", minimum=2)[0][:2] == ["prm_1", 2]
    assert run("depth_of_sharing") == [[0, 1], [1, 1]]


def test_a_rule_records_hits_once_and_says_why(callers: dict[str, Caller], app: App) -> None:
    analyst = callers["analyst"]
    body = {"name": "crowded", "library_name": "crowded_identifiers", "params": {"minimum": 1}, "column": "users",
            "threshold": 2, "every_minutes": 60}  # fmt: skip
    rule = analyst.call("POST", "analysis/rules", body, status=201)
    assert rule["dry_run"] is True
    analyst.call("POST", "analysis/rules", body, status=409, code="name_taken")
    analyst.call("POST", "analysis/rules", {**body, "name": "b", "column": "no"}, status=422, code="validation_failed")
    analyst.call("POST", "analysis/rules", {**body, "name": "b", "library_name": None}, status=422)
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later) == 1
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later) == 0
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later + timedelta(hours=1)) == 1
    (hit,) = analyst.call("GET", f"analysis/rules/{rule['id']}/hits")["items"]
    assert hit["value"] == 2.0
    assert hit["seen_at"] > hit["found_at"]
    assert "dig1" not in json.dumps(hit)
    (clear,) = callers["operator"].call("GET", f"analysis/rules/{rule['id']}/hits")["items"]
    assert clear["explanation"].startswith(
        "crowded: users is 2, at or above 2 (kind = device, identifier = device:dig1"
    )
    assert "达到阈值 2" in clear["explanation_zh"]
    log = callers["auditor"].call("GET", "analysis/log")["items"]
    assert [run["origin"] for run in log] == ["rule", "rule"]
    change = {"threshold": 3, "enabled": False, "version": 1}
    analyst.call("PUT", f"analysis/rules/{rule['id']}", change)
    analyst.call("PUT", f"analysis/rules/{rule['id']}", change, status=409, code="edit_conflict")
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later + timedelta(days=1)) == 0
    analyst.call("DELETE", f"analysis/rules/{rule['id']}")
    analyst.call("DELETE", f"analysis/rules/{rule['id']}", status=404, code="rule_not_found")


def test_a_rule_on_a_saved_query_keeps_it_and_a_failing_one_comes_again(callers: dict[str, Caller], app: App) -> None:
    analyst = callers["analyst"]
    query = {"name": "q", "text": "MATCH (u:User) RETURN u.id AS id, u.team_1 AS team", "shared": False}
    saved = analyst.call("POST", "analysis/queries", query, status=201)
    body = {"name": "r", "query_id": saved["id"], "column": "nothing", "threshold": 2, "every_minutes": 5}
    analyst.call("POST", "analysis/rules", body, status=422, code="validation_failed")
    analyst.call("PUT", f"analysis/queries/{saved['id']}", {**query, "shared": True, "version": 1})
    rule = analyst.call("POST", "analysis/rules", body, status=201)
    analyst.call("DELETE", f"analysis/queries/{saved['id']}", status=422, code="too_many")
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later) == 1
    assert analyst.call("GET", f"analysis/rules/{rule['id']}/hits")["items"] == []
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later) == 0
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later + timedelta(minutes=5)) == 1


def test_a_rule_whose_query_is_forbidden_later_says_so_and_can_only_be_switched_off(
    callers: dict[str, Caller], app: App
) -> None:
    analyst = callers["analyst"]
    query = analyst.call("POST", "analysis/queries", {"name": "q", "text": "RETURN 5 AS n", "shared": True}, status=201)
    body = {"column": "n", "threshold": 2, "every_minutes": 5}
    rules = [
        analyst.call("POST", "analysis/rules", {"name": name, "query_id": query["id"], **body}, status=201)
        for name in ("first", "second")
    ]
    change = {"threshold": 2, "every_minutes": 5, "version": 1}
    path = f"analysis/rules/{rules[0]['id']}"
    analyst.call("PUT", path, change | {"params": {"x": 1}}, status=422, code="validation_failed")
    with app.db.transaction() as tx:
        tx.execute(sql("UPDATE workbench_queries SET text = 'MATCH (n) DELETE n RETURN 5 AS n'"))
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later) == 2
    assert {run["outcome"] for run in callers["auditor"].call("GET", "analysis/log")["items"]} == {"refused"}
    analyst.call("PUT", path, change, status=422, code="query_refused")
    assert analyst.call("PUT", path, change | {"enabled": False})["enabled"] is False
    assert workbench.run_due_rules(app.db, app.graph, app.desk, now=later + timedelta(minutes=6)) == 1


@pytest.mark.parametrize(
    "params",
    [{"x": 2**63}, {"x": "a" * 20_000}, {"x": "\x00"}, {"x": [[[[[[[1]]]]]]]}, {"y": 1}, {}, [1]],
    ids=["huge", "long", "nul", "deep", "unknown", "missing", "list"],
)
def test_parameters_that_cannot_be_are_named(params: Any, callers: dict[str, Caller]) -> None:
    document = callers["analyst"].ask("RETURN $x AS x", params=params, status=422, code="validation_failed")
    assert any(name.startswith("params") for name in document["error"]["fields"])


def test_parameters_stay_values(callers: dict[str, Caller]) -> None:
    nasty = "x'}) DETACH DELETE n //"
    assert callers["operator"].ask("RETURN $x AS x", params={"x": nasty})["rows"] == [[nasty]]
    callers["analyst"].ask("RETURN range(1, $n) AS l", params={"n": 10**9}, status=422, code="validation_failed")


def test_the_library_is_described(callers: dict[str, Caller]) -> None:
    for query in load_library().values():
        assert query.about.endswith("."), query.name
        assert query.about_zh.endswith(("。", "）")), query.name
