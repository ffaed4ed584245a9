"""The `.cypher` files against their rules, the schema, the code that uses them, and both servers' plans."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import neo4j
import pytest

from tuike.graph import CypherLibrary, Graph
from tuike.graph.library import CYPHER_DIR, Statement

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = CypherLibrary()
STATEMENTS = list(LIBRARY)
SCHEMA = json.loads((CYPHER_DIR / "schema.json").read_text(encoding="utf-8"))
MIGRATIONS = sorted((CYPHER_DIR / "migrations").glob("*.cypher"))

every_statement = pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)

_NODE = re.compile(r"\(\s*(\w+)?\s*:\s*(\w+)")
_RELATION = re.compile(r"\[\s*(\w+)?\s*:\s*([\w|]+)")
_PROPERTY = re.compile(r"\b([a-z]\w*)\.(\w+)\b")
_MAP = re.compile(r"[(\[](\w*)\s*:([\w|]+)[^\[\](){}]*\{([^{}]*)\}")


@every_statement
def test_labels_relations_and_properties_are_those_of_the_schema(statement: Statement) -> None:
    variables: dict[str, list[str]] = {}
    for pattern, known in ((_NODE, SCHEMA["labels"]), (_RELATION, SCHEMA["relations"])):
        for variable, types in pattern.findall(statement.text):
            for type_ in types.split("|"):
                assert type_ in known, f"{type_} is not in schema.json"
                variables.setdefault(variable, []).append(type_)
    described = {**SCHEMA["labels"], **SCHEMA["relations"]}
    for variable, name in _PROPERTY.findall(statement.text):
        if variable in variables:
            owners = [described[type_]["properties"] for type_ in variables[variable]]
            assert any(name in owner for owner in owners), f"{variable}.{name} is not in schema.json"
    for _, types, content in _MAP.findall(statement.text):
        for name in re.findall(r"(\w+)\s*:", content):
            assert all(name in described[type_]["properties"] for type_ in types.split("|")), f"{types}.{name}"


def test_the_schema_describes_everything_in_a_sentence_and_nothing_that_is_not_there() -> None:
    text = "\n".join([statement.text for statement in STATEMENTS] + [path.read_text() for path in MIGRATIONS])
    for kind in ("labels", "relations"):
        for name, described in SCHEMA[kind].items():
            assert re.search(rf":[\w|]*\b{name}\b", text), f"nothing uses {name}"
            for sentence in (described["about"], *described["properties"].values()):
                assert sentence.endswith("."), sentence
            for property_name in described["properties"]:
                assert re.search(rf"\b{property_name}\b", text), f"nothing uses {name}.{property_name}"


@every_statement
def test_every_file_is_used_at_exactly_one_place(statement: Statement) -> None:
    uses = [
        path.name
        for path in (ROOT / "tuike").rglob("*.py")
        if path.name != "library.py"  # its docstring shows a name
        for _ in re.findall(re.escape(f'"{statement.name}"'), path.read_text(encoding="utf-8"))
    ]
    assert len(uses) == 1, uses


def test_no_cypher_hides_in_python() -> None:
    cypher = re.compile(r"\b(?:MATCH|MERGE|UNWIND|OPTIONAL MATCH) *[(\[$]")
    for package in ("tuike", "api", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            assert not cypher.search(path.read_text(encoding="utf-8")), path


@every_statement
def test_roles_are_named_and_words_are_those_of_the_domain(statement: Statement) -> None:
    text = f"{statement.summary} {statement.text}"
    assert not re.search(r"partner|agent|distributor|affiliate|referr", text, re.IGNORECASE)
    for variable, _ in _NODE.findall(statement.text):
        assert len(variable) != 1, f"({variable}:…) says nothing about its role"
    assert statement.summary.endswith(".")
    assert statement.cost


@every_statement
def test_what_a_list_returns_is_ordered_and_bounded(statement: Statement) -> None:
    """A reading statement gives one record, or one per key that was sent, or has LIMIT and a total ORDER BY."""
    if statement.mode == "write" or not statement.text.startswith("MATCH path"):
        return
    assert "ORDER BY" in statement.text
    assert "LIMIT" in statement.text


@every_statement
def test_the_sample_has_the_types_that_the_header_promises(statement: Statement) -> None:
    types: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "list": list, "map": dict}
    for name, value in statement.sample.items():
        assert value is None or type(value) is types[statement.params[name]], name


@pytest.fixture(scope="module")
def planner(graph_server: Any) -> Any:
    """A driver session on each server in turn, the schema in place."""
    from tuike.config import read_config
    from tuike.graph import migrate

    graph = Graph(read_config({**graph_server.settings, "TUIKE_GRAPH_TIMEOUT_MS": "60000"}))
    migrate(graph)
    graph.close()
    with (
        neo4j.GraphDatabase.driver(
            graph_server.uri,
            auth=(graph_server.user, graph_server.password),
            notifications_min_severity="WARNING",
            notifications_disabled_classifications=["UNRECOGNIZED"],
        ) as driver,
        driver.session(database=graph_server.database) as session,
    ):
        yield session


@every_statement
def test_no_plan_reads_a_whole_label(statement: Statement, planner: neo4j.Session) -> None:
    if statement.scans is not None:
        return
    plan = planner.run("EXPLAIN " + statement.text, statement.sample).consume().plan  # type: ignore[arg-type]
    assert plan is not None
    operators = " ".join(_list_operators(plan))
    assert "AllNodesScan" not in operators
    assert "LabelScan" not in operators
    assert "TypeScan" not in operators


@every_statement
def test_every_sample_runs_and_returns_what_the_header_says(statement: Statement, planner: neo4j.Session) -> None:
    with planner.begin_transaction() as transaction:
        result = transaction.run(statement.text, statement.sample)  # type: ignore[arg-type]
        keys, records = list(result.keys()), list(result)
        assert keys == list(statement.returns) or not records  # the embedded server names no columns of nothing
        transaction.rollback()


def _list_operators(plan: dict[str, Any]) -> list[str]:
    text = str(plan.get("args", {}).get("string-representation", ""))
    return [
        plan["operatorType"],
        text,
        *(name for child in plan.get("children", []) for name in _list_operators(child)),
    ]
