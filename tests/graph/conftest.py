"""Small makers for tests of the graph: each goes through public verbs and returns ids."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tuike import attribution, team
from tuike.config import Config
from tuike.db import Database, write_together
from tuike.graph import Graph, journal

DAY = timedelta(days=1)
START = datetime(2026, 5, 1, 8, tzinfo=UTC)


class World:
    """A database and a graph with short verbs; its clock stands still unless a test moves it."""

    def __init__(self, database: Database, graph: Graph) -> None:
        self.db = database
        self.graph = graph
        self.now = START
        self._numbers = itertools.count(1)

    def make_promoter(self, inviter: str | None = None, *, external_id: str | None = None, apply: bool = True) -> str:
        external_id = external_id or f"person-{next(self._numbers)}"
        with self.db.transaction() as tx:
            promoter = team.create_promoter(
                tx, external_id=external_id, name=external_id, inviter_id=inviter, now=self.now
            )
        return self.applied(promoter.id, apply)

    def make_chain(self, length: int) -> list[str]:
        """Make promoters each below the one before, top first."""
        chain: list[str] = []
        for _ in range(length):
            chain.append(self.make_promoter(chain[-1] if chain else None, apply=False))
        return self.applied(chain, True)

    def move(self, promoter: str, inviter: str | None, *, force: bool = True) -> team.Promoter:
        return team.change_inviter(
            self.db, self.graph, promoter_id=promoter, inviter_id=inviter, reason="test", force=force, now=self.now
        )

    def make_link(self, promoter: str, *, apply: bool = True) -> str:
        with self.db.transaction() as tx:
            link = attribution.create_link(tx, promoter_id=promoter, target_type="shop", now=self.now)
        return self.applied(link.code, apply)

    def touch(self, code: str, *, apply: bool = True, **how: Any) -> str:
        with self.db.transaction() as tx:
            touch = attribution.record_touch(tx, code=code, now=self.now, **how)
        return self.applied(touch.id, apply)

    def suspend(self, promoter: str, *, status: str = "suspended") -> None:
        with self.db.transaction() as tx:
            team.change_status(tx, promoter_id=promoter, status=status, reason="test", now=self.now)
        self.catch_up()

    def forget(self, account: str) -> None:
        with self.db.transaction() as tx:
            attribution.forget_identifiers(tx, account_id=account, now=self.now)
        self.catch_up()

    def devices(self) -> list[tuple[str, str]]:
        """Return who used which identifier, and for identifiers that nobody used an empty name."""
        rows = self.graph.run_schema(
            "MATCH (i:Identifier) OPTIONAL MATCH (u)-[:USED]->(i) RETURN coalesce(u.id, '') AS who, i.key AS key"
        )
        return sorted((row["who"], row["key"]) for row in rows)

    def make_order(self, order_id: str, buyer: str, promoter: str | None = None, *, touch: str | None = None) -> str:
        """Journal an order as placing one does; it is applied by the lazy lane."""
        payload = {
            "order_id": order_id,
            "buyer_id": buyer,
            "placed_at": 1,
            "promoter_id": promoter,
            "model": "last",
            "reason": "touch" if promoter else "no_touch",
        }
        with self.db.transaction() as tx:
            journal.append(
                tx, kind="order", id=order_id, subject=buyer, payload=payload, lane=journal.LAZY, now=self.now
            )
            if touch is not None:
                claim = attribution.find_claim(tx, order_id=order_id, touch_id=touch, buyer_id=buyer, now=self.now)
                assert claim is not None
                write_together(tx, claim)
        self.catch_up()
        return order_id

    def attribute(self, buyer: str, **how: Any) -> attribution.Attribution | None:
        how = {"placed_at": self.now, "lock_days": 30} | how
        return attribution.find_attribution(self.graph, buyer_id=buyer, **how)

    def upline(self, promoter: str, at: datetime | None = None) -> list[str]:
        return [above.promoter_id for above in team.list_upline(self.graph, promoter_id=promoter, at=at)]

    def sizes(self, promoter: str) -> tuple[int, ...]:
        return tuple(team.get_team_sizes(self.graph, promoter_id=promoter).values())

    def members(self, promoter: str, level: int | None = None, *, limit: int = 200) -> list[tuple[str, int]]:
        """List a whole team, page by page."""
        found: list[tuple[str, int]] = []
        cursor = None
        while True:
            page = team.list_team(self.graph, promoter_id=promoter, level=level, limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += [(member.promoter_id, member.level) for member in page.items]
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor

    def catch_up(self) -> None:
        team.catch_up(self.db, self.graph)

    def check(self) -> dict[str, Any]:
        return team.check_drift(self.db, self.graph)

    def unapplied(self) -> dict[int, int]:
        with self.db.transaction() as tx:
            return journal.list_unapplied_count(tx)

    def is_behind(self) -> bool:
        with self.db.transaction() as tx:
            return journal.is_behind(tx)

    def dump(self) -> list[str]:
        """Everything in the graph but seats, in an order that does not depend on the server."""
        nodes = self.graph.run_schema(
            "MATCH (n) WHERE NOT n:State AND NOT n:Migration RETURN labels(n) AS labels, properties(n) AS properties"
        )
        edges = self.graph.run_schema(
            "MATCH (a)-[r]->(b) RETURN type(r) AS type, properties(r) AS properties,"
            " coalesce(a.id, a.code, a.key) AS a, coalesce(b.id, b.code, b.key) AS b"
        )
        return sorted(_spell(item) for item in (*nodes, *edges))

    def applied(self, made: Any, apply: bool) -> Any:
        if apply:
            self.catch_up()
        return made


def _spell(item: dict[str, Any]) -> str:
    properties = {
        key: value for key, value in item["properties"].items() if not key.startswith("seat") and value is not None
    }
    rest = {key: value for key, value in item.items() if key != "properties"}
    return f"{sorted(rest.items())} {sorted(properties.items())}"


@pytest.fixture
def world(database: Database, graph: Graph, config: Config) -> Iterator[World]:
    """A fresh database and an empty graph; the test runs once on each graph server.

    Patient: the first plan of a statement on a cold server and a busy machine takes its time.
    """
    patient = Graph(replace(config, graph_timeout_ms=60_000))
    yield World(database, patient)
    patient.close()


@pytest.fixture
def make_down_graph() -> Callable[[], Graph]:
    """A function that makes a graph whose server is away."""
    return lambda: Graph(Config(neo4j_uri="bolt://127.0.0.1:9", neo4j_password="x", graph_timeout_ms=500))
