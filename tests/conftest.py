"""Servers and fixtures for every test: real PostgreSQL, real graph servers, and the whole stack where one asks for it.

- `database`: a fresh, migrated database. `graph`: an empty, migrated graph; a test that takes it runs on both servers.
- `app`: both, as the composition root hands them out. `embedded_graph`, `embedded_app`: the embedded server only.
- `stack`: one running `tuike up` for the session; `make_stack` starts one of a test's own.
- `redis_url`: a Redis server. What this machine cannot run is skipped, and listed with its reason at the end;
  TUIKE_REQUIRE_NEO4J=1, TUIKE_REQUIRE_REDIS=1 and, for tests/browser, TUIKE_REQUIRE_BROWSER=1 make it a failure.
"""

from __future__ import annotations

import base64
import itertools
import os
import shutil
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg
import pytest

from tests.neo4j_server import Neo4jServer, find_obstacle, start_neo4j
from tests.stacks import Stack, start_stack
from tuike import graph as graph_door
from tuike.app import App
from tuike.config import Config, read_config
from tuike.db import Database
from tuike.db.migrate import migrate
from tuike.embedded import GraphServer, PostgresServer, find_free_port, processes, start_graph, start_postgres

_TEMPLATE = "tuike_template"
KEYS = {
    "TUIKE_TOKEN_KEYS": "t1:" + base64.urlsafe_b64encode(b"t" * 32).decode(),
    "TUIKE_DATA_KEYS": "d1:" + base64.urlsafe_b64encode(b"d" * 32).decode(),
    "TUIKE_DIGEST_KEY": base64.urlsafe_b64encode(b"s" * 32).decode(),
}
"""The keys of people's logins in tests."""
_numbers = itertools.count(1)


def _skip_or_fail(reason: str, *, required_by: str) -> None:
    if os.environ.get(required_by) == "1":
        pytest.fail(f"{reason} ({required_by}=1 makes it mandatory)", pytrace=False)
    pytest.skip(f"{reason}; {required_by}=1 turns this into a failure")


# PostgreSQL


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One PostgreSQL for the session, with a migrated database to copy from."""
    with start_postgres(tmp_path_factory.mktemp("postgres") / "data", durable=False) as server:
        _run_sql(server, f"CREATE DATABASE {_TEMPLATE}")
        template = Database(server.make_url(_TEMPLATE), pool_size=1)
        migrate(template)
        template.close()
        yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, migrated database, dropped after the test."""
    name = f"test_{next(_numbers)}"
    _run_sql(postgres, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield postgres.make_url(name)
    if postgres.process is not None:
        _run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database."""
    database = Database(database_url)
    yield database
    database.close()


def _run_sql(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.make_url("postgres"), autocommit=True) as connection:
        connection.execute(statement.encode())


# Graph servers


@pytest.fixture(scope="session")
def embedded_graph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphServer]:
    """The embedded graph server, one for the session."""
    with start_graph(tmp_path_factory.mktemp("graph") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def neo4j_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    """A Neo4j server, one for the session; skipped where Java 17 or Maven is missing."""
    obstacle = find_obstacle()
    if obstacle is not None:
        _skip_or_fail(obstacle, required_by="TUIKE_REQUIRE_NEO4J")
    with start_neo4j(tmp_path_factory.mktemp("neo4j")) as server:
        yield server


@pytest.fixture(scope="session", params=["embedded", "neo4j"])
def graph_server(request: pytest.FixtureRequest) -> GraphServer | Neo4jServer:
    """Each graph server in turn."""
    name = {"embedded": "embedded_graph_server", "neo4j": "neo4j_server"}[request.param]
    server: GraphServer | Neo4jServer = request.getfixturevalue(name)
    return server


@pytest.fixture
def graph(graph_server: GraphServer | Neo4jServer) -> Iterator[graph_door.Graph]:
    """An empty, migrated graph; the test runs once on each server."""
    yield from _open_graph(graph_server)


@pytest.fixture
def embedded_graph(embedded_graph_server: GraphServer) -> Iterator[graph_door.Graph]:
    """An empty, migrated graph on the embedded server only, where the server makes no difference."""
    yield from _open_graph(embedded_graph_server)


def _open_graph(server: GraphServer | Neo4jServer) -> Iterator[graph_door.Graph]:
    import neo4j

    if server.process is None or server.process.poll() is not None:
        server.start()  # a test before this one took it down
    with neo4j.GraphDatabase.driver(server.uri, auth=(server.user, server.password)) as driver:
        with driver.session(database=server.database) as session:
            session.run("MATCH (n) WHERE NOT n:Migration DETACH DELETE n").consume()
    graph = graph_door.Graph(read_config(server.settings))
    graph_door.migrate(graph)
    yield graph
    graph.close()


# The application


@pytest.fixture
def config(database_url: str, graph_server: GraphServer | Neo4jServer, tmp_path: Path) -> Config:
    """The configuration that leads to this test's database, graph and media."""
    settings = {
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": "pgmq://",
        **KEYS,
        "TUIKE_MEDIA_STORAGE": f"{tmp_path}/media",
    }
    return read_config(settings | graph_server.settings)


@pytest.fixture
def app(config: Config, database: Database, graph: graph_door.Graph) -> App:
    """The composition root over a fresh database and an empty graph; the test runs once on each graph server."""
    return App(db=database, graph=graph, config=config)


@pytest.fixture
def embedded_app(
    database_url: str,
    database: Database,
    embedded_graph: graph_door.Graph,
    embedded_graph_server: GraphServer,
    tmp_path: Path,
) -> App:
    """The composition root over a fresh database, an empty embedded graph and an empty folder for media."""
    settings = {
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": "pgmq://",
        **KEYS,
        "TUIKE_MEDIA_STORAGE": f"{tmp_path}/media",
    }
    return App(db=database, graph=embedded_graph, config=read_config(settings | embedded_graph_server.settings))


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server, one for the session; skipped where `redis-server` is missing."""
    program = shutil.which("redis-server")
    if program is None:
        _skip_or_fail("Redis needs redis-server on PATH", required_by="TUIKE_REQUIRE_REDIS")
        raise AssertionError("unreachable")
    directory, port = tmp_path_factory.mktemp("redis"), find_free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(directory)]
    log = directory / "redis.log"
    process = processes.spawn(command, log=log)

    def answers() -> bool:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return True
        return False

    processes.wait_until(answers, process, name="Redis", log=log, seconds=20)
    yield f"redis://127.0.0.1:{port}/0"
    processes.stop(process, with_signal=signal.SIGINT, patience=5)


# The whole stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running `tuike up`, shared by the tests of the session: do not stop its parts, use `make_stack` for that."""
    with start_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def make_stack() -> Iterator[Callable[..., Stack]]:
    """A function that starts a `tuike up` of the test's own on a directory; all are stopped after the test."""
    with ExitStack() as opened:

        def make(directory: Path, **options: object) -> Stack:
            return opened.enter_context(start_stack(directory, **options))  # type: ignore[arg-type]

        yield make


# What was not run, in one list


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped and why, once for each reason, before pytest's own last line."""
    reasons = Counter(_read_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if not reasons:
        return
    terminalreporter.section("not run here")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:4d} × {reason}")


def _read_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)
