"""No statement of a request or a worker reads a whole table: each is explained, as it runs, on tables of many rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, text

from api import create_app
from tuike import commission, graph, identity, reactions, team, wallet
from tuike.app import App
from tuike.db import Transaction
from tuike.shared.clock import format_instant
from tuike.shared.ids import new_id

ROWS = 20_000
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)

FILL = """
    INSERT INTO promoters (id, external_id, name, invite_code, status, joined_at)
    SELECT 'prm_old' || n, 'old-' || n, 'old', 'old-' || n, 'active', :at FROM generate_series(1, :rows) n;
    INSERT INTO links (code, promoter_id, target_type, created_at)
    SELECT 'old' || n, 'prm_old' || n, 'shop', :at FROM generate_series(1, :rows) n;
    INSERT INTO journal (lane, kind, id, subject, payload, recorded_at, status)
    SELECT 1, 'order', 'ord_old' || n, 'buyer-' || n % 500, '{{}}', :at, 'applied' FROM generate_series(1, :rows) n;
    INSERT INTO orders (id, external_id, buyer_id, currency, status, goods_minor, shipping_minor, plan_name,
                        plan_version, attribution_state, attribution_promoter_id, attribution_model, attribution_reason,
                        payment_id, placed_at, paid_at, received_at, created_at)
    SELECT 'ord_old' || n, 'old-' || n, 'buyer-' || n % 500, 'CNY', 'received', 1000, 0, 'default', 1, 'resolved',
           'prm_old' || n, 'last', 'last_touch', 'old-' || n, :at, :at, :at, :at FROM generate_series(1, :rows) n;
    INSERT INTO order_lines (order_id, no, sku, quantity, amount_minor)
    SELECT 'ord_old' || n, 0, 'sku', 1, 1000 FROM generate_series(1, :rows) n;
    INSERT INTO refunds (id, order_id, refunded_at, amount_minor, shipping_minor, parts, request, created_at)
    SELECT 'old-' || n, 'ord_old' || n, :at, 10, 0, '{{10}}', '{{}}', :at FROM generate_series(1, :rows) n;
    INSERT INTO commission_splits (order_id, merchant_id, currency, base_minor, holding_days, promoter_ids, rates_bps,
                                   amounts_minor, lines, trace, due_at)
    SELECT 'ord_old' || n, 'main', 'CNY', 1000, 7, ARRAY['prm_old' || n, NULL, NULL], '{{1000,300,0}}', '{{100,0,0}}',
           '[]', '[]', :at FROM generate_series(1, :rows) n;
    INSERT INTO commission_entries (order_id, level, promoter_id, merchant_id, currency, amount_minor, status, due_at)
    SELECT 'ord_old' || n, 1, 'prm_old' || n, 'main', 'CNY', 100,
           CASE WHEN n % 2 = 0 THEN 'available' ELSE 'pending' END, CASE WHEN n % 2 = 0 THEN :at END
    FROM generate_series(1, :rows) n;
    INSERT INTO ledger_accounts (address, currency, kind, owner)
    SELECT 'promoter\\:prm_old' || n || '\\:' || kind, 'CNY', kind, 'prm_old' || n
    FROM generate_series(1, :rows) n, unnest('{{pending,available}}'::text[]) kind;
    INSERT INTO ledger_transactions (key, reason, subject, posted_at, content_hash)
    SELECT 'old\\:' || n, 'commission.accrued', 'ord_old' || n, :at, '\\x00' FROM generate_series(1, :rows) n;
    INSERT INTO ledger_postings (transaction_id, no, from_account_id, to_account_id, amount_minor, currency)
    SELECT id, 1, 1, 2, 100, 'CNY' FROM ledger_transactions;
    INSERT INTO withdrawals (id, promoter_id, currency, amount_minor, fee_minor, method, status, needs_review,
                             requested_at)
    SELECT 'wdr_old' || n, 'prm_old' || n % 500, 'CNY', 100, 0, 'manual', 'paid', false, :at
    FROM generate_series(1, :rows) n;
    INSERT INTO idempotency_keys (api_key_id, key, method, path, body_hash, status, body, created_at)
    SELECT 'key_old', 'old-' || n, 'POST', '/', '\\x00', 201, '', :at FROM generate_series(1, :rows) n;
    INSERT INTO outbox (topic, key, created_at, next_at)
    SELECT topic, 'ord_old' || n, :at, 'infinity'
    FROM generate_series(1, :rows / 4) n, unnest('{{order.paid,order.received,order.refunded}}'::text[]) topic
"""

LARGE = {
    "promoters", "links", "journal", "orders", "order_lines", "refunds", "commission_splits", "commission_entries",
    "ledger_accounts", "ledger_transactions", "ledger_postings", "withdrawals", "idempotency_keys", "outbox",
}  # fmt: skip


class Watch:
    """Explains every statement on the connection that is about to run it."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.scans: list[str] = []

    def __call__(self, connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.split(None, 1)[0].upper() not in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            return
        self.seen.add(statement)
        with connection.connection.driver_connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters, prepare=False)
            plan = cursor.fetchone()[0][0]["Plan"]
        scanned = {node["Relation Name"] for node in walk(plan) if node["Node Type"] == "Seq Scan"} & LARGE
        if scanned:
            self.scans.append(f"{sorted(scanned)} in {statement}")


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from walk(below)


class Caller:
    """Sends requests to the API as an operator does."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client = client
        self._secret = secret

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        answer = self._client.open(
            f"/api/v1{path}", method=method, json=body, headers={"Authorization": f"Bearer {self._secret}", **headers}
        )
        assert answer.status_code < 300, (path, answer.get_data(as_text=True))
        return answer.get_json()


@pytest.fixture
def watched(embedded_app: App) -> Iterator[tuple[App, Watch]]:
    # First a real change, or the graph would be taken for a lost one beside so much journal.
    with embedded_app.db.transaction() as tx:
        team.create_promoter(tx, external_id="first", name="First", now=LONG_AGO)
    team.catch_up(embedded_app.db, embedded_app.graph)
    with embedded_app.db.transaction() as tx:
        for statement in FILL.split(";\n"):
            tx.execute(text(statement.replace("{{", "{").replace("}}", "}")), {"rows": ROWS, "at": LONG_AGO})
        tx.execute(text("ANALYZE"))
    watch = Watch()
    event.listen(embedded_app.db.engine, "before_cursor_execute", watch)
    yield embedded_app, watch
    event.remove(embedded_app.db.engine, "before_cursor_execute", watch)


def test_no_statement_of_a_request_or_a_worker_reads_a_whole_table(watched: tuple[App, Watch]) -> None:
    app, watch = watched
    with app.db.transaction() as tx:
        _, secret = identity.create_key(tx, name="operator", scope="operator", now=NOW)
    caller = Caller(create_app(app).test_client(), secret)

    order = live_an_order(app, caller)
    read_everything(caller, order)

    assert len(watch.seen) > 60
    assert not watch.scans, "\n\n".join(watch.scans)


def test_the_watch_notices_a_statement_that_reads_a_whole_table(watched: tuple[App, Watch]) -> None:
    app, watch = watched

    with app.db.transaction() as tx:
        tx.execute(text("SELECT count(*) FROM orders WHERE shipping_minor > 0"))

    assert len(watch.scans) == 1


def live_an_order(app: App, caller: Caller) -> dict[str, Any]:
    """Take an order through everything that can happen to it, and return it."""
    top = caller.send("POST", "/promoters", {"external_id": "top", "name": "Top"})
    promoter = caller.send("POST", "/promoters", {"external_id": "p", "name": "P", "inviter_id": top["id"]})
    caller.send("PUT", f"/promoters/{promoter['id']}/inviter", {"inviter_id": top["id"], "reason": "again"})
    link = caller.send("POST", "/links", {"promoter_id": promoter["id"], "target": {"type": "shop"}})
    touch = caller.send("POST", "/touches", {"code": link["code"], "buyer_id": "buyer-7", "device_id": "d"})
    placed_at = format_instant(datetime.now(UTC))
    body = {
        "external_id": "o-1", "buyer_id": "buyer-7", "placed_at": placed_at, "touch_id": touch["id"],
        "lines": [{"sku": "a", "quantity": 1, "amount_minor": 100_000}],
    }  # fmt: skip
    order: dict[str, Any] = caller.send("POST", "/orders", body, **{"Idempotency-Key": "once"})
    caller.send("POST", "/orders", body, **{"Idempotency-Key": "once"})
    assert order["attribution"]["promoter_id"] == promoter["id"]
    path = f"/orders/{order['id']}"
    caller.send("POST", f"{path}/payment", {"payment_id": "p-1", "paid_at": placed_at, "amount_minor": 100_000})
    work(app)
    caller.send("POST", f"{path}/refunds", {"refund_id": "r-1", "refunded_at": placed_at, "amount_minor": 20_000})
    caller.send("POST", f"{path}/receipt", {"received_at": placed_at})
    work(app)
    commission.release_due(app.db, now=datetime.now(UTC) + timedelta(days=30))
    withdrawal = caller.send(
        "POST", "/withdrawals", {"promoter_id": promoter["id"], "amount_minor": 500, "method": "manual"}
    )
    caller.send("POST", f"/withdrawals/{withdrawal['id']}/approve", {})
    caller.send("POST", f"/withdrawals/{withdrawal['id']}/paid", {})
    caller.send("POST", f"{path}/refunds", {"refund_id": "r-2", "refunded_at": placed_at, "amount_minor": 80_000})
    work(app)
    return order


def work(app: App) -> None:
    """Do what the workers do every few seconds."""
    for topic in reactions.REACTIONS:
        reactions.drain(app.db, app.graph, topic=topic)
    team.apply_lazy(app.db, app.graph)
    for _ in range(2):
        with app.db.transaction() as tx:
            wallet.seal_transactions(tx, now=datetime.now(UTC))
    with app.db.transaction() as tx:
        identity.purge_answers(tx, now=LONG_AGO)
        forget(tx)


def forget(tx: Transaction) -> None:
    """Ask for what is rarely asked: rows that do not exist."""
    graph.journal.find(tx, "order", new_id("order"))
    assert graph.journal.is_behind(tx) is False


def read_everything(caller: Caller, order: dict[str, Any]) -> None:
    promoter_id = order["attribution"]["promoter_id"]
    for path in (
        f"/orders/{order['id']}", f"/orders/{order['id']}/commissions", f"/orders/{order['id']}/refunds",
        "/orders?external_id=o-1", "/orders?buyer_id=buyer-7", "/orders", f"/wallets/{promoter_id}",
        "/withdrawals", f"/withdrawals?promoter_id={promoter_id}", "/withdrawals?status=requested",
        f"/promoters/{promoter_id}", f"/promoters/{promoter_id}/upline", f"/promoters/{promoter_id}/team",
        f"/promoters/{promoter_id}/team/size", "/plans/default",
    ):  # fmt: skip
        caller.send("GET", path)
