"""No statement of a check, a growing case, a confirmed case or a ban reads a whole table of many rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from tests.integration import test_plans as plans
from tests.integration.town import Town
from tuike import reactions, risk
from tuike.app import App
from tuike.risk import Actor, CaseMember, Evidence, FoundCase
from tuike.shared.clock import read_clock

NOW = datetime(2026, 11, 1, 4, tzinfo=UTC)
ANALYST = Actor("stf_1", "Analyst")
FILL = """
    INSERT INTO shoppers (id, created_at) SELECT 'usr_old' || n, :at FROM generate_series(1, :rows) n;
    INSERT INTO addresses (id, shopper_id, name, phone, region, region_code, detail, is_default, created_at)
    SELECT 'adr_old' || n, 'usr_old' || n, 'x', '138' || n, 'r', '330106', 'd' || n, true, :at
    FROM generate_series(1, :rows) n;
    INSERT INTO risk_checks (order_id, buyer_id, promoter_id, placed_at, outcome, dry_outcome, findings, checked_at)
    SELECT 'ord_old' || n, 'buyer-' || n % 500, 'prm_old' || n, :at, 'pass', 'hold', '[]', :at
    FROM generate_series(1, :rows) n;
    INSERT INTO risk_cases (id, source, state, pattern, score, created_at, updated_at)
    SELECT 'rcs_old' || n, 'sweep', CASE WHEN n % 4 = 0 THEN 'innocent' ELSE 'open' END, 'star', 0.9, :at, :at
    FROM generate_series(1, :rows) n;
    INSERT INTO risk_case_members (case_id, account_kind, account_id, role, score, accused)
    SELECT 'rcs_old' || n, 'buyer', 'suspect-' || n, 'buyer', 0.9, true FROM generate_series(1, :rows) n;
    INSERT INTO risk_case_evidence (case_id, no, from_kind, from_id, relation, to_kind, to_id, weight)
    SELECT 'rcs_old' || n, 0, 'buyer', 'suspect-' || n, 'used', 'device', md5(n::text), 1
    FROM generate_series(1, :rows) n;
    INSERT INTO risk_reach (case_id, account_kind, account_id, score, distance, members)
    SELECT 'rcs_old' || n, 'buyer', 'neighbour-' || n, 0.6, 1, 1 FROM generate_series(1, :rows) n;
    INSERT INTO risk_holds (order_id, level, rule_id, placed_at)
    SELECT 'ord_old' || n, 1, 'large_order', :at FROM generate_series(1, :rows) n;
    INSERT INTO payouts (id, withdrawal_id, provider, out_no, payee_id, is_logon_id, amount_minor, currency, state,
                         created_at)
    SELECT 'pyt_old' || n, 'wdr_old' || n, 'wechat', n::text, 'x', false, 100, 'CNY', 'succeeded', :at
    FROM generate_series(1, :rows) n
"""
RISK = {
    "shoppers", "addresses", "risk_checks", "risk_cases", "risk_case_members", "risk_case_evidence", "risk_reach",
    "risk_holds", "payouts",
}  # fmt: skip


@pytest.fixture
def watched(embedded_app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Town, plans.Watch]]:
    app = embedded_app
    town = Town(app)
    town.make_promoters(["first"], at=NOW - timedelta(days=9))
    with app.db.transaction() as tx:
        for statement in [*plans.FILL.split(";\n"), *FILL.split(";\n")]:
            filled = statement.replace("{{", "{").replace("}}", "}")
            tx.execute(text(filled), {"rows": plans.ROWS, "at": plans.LONG_AGO})
        tx.execute(text("ANALYZE"))
    monkeypatch.setattr(plans, "LARGE", plans.LARGE | RISK)
    watch = plans.Watch()
    event.listen(app.db.engine, "before_cursor_execute", watch)
    yield town, watch
    event.remove(app.db.engine, "before_cursor_execute", watch)


def test_no_statement_about_an_order_s_cases_reads_a_whole_table(watched: tuple[Town, plans.Watch]) -> None:
    town, watch = watched
    app = town.app
    at = NOW - timedelta(days=2)
    promoter, other = town.make_promoters(["cheat", "other"], at=NOW - timedelta(days=8))
    town.touch(
        [(promoter, "suspect-1", "phone", at), (promoter, "suspect-2", "phone", at), (other, "near", "phone", at)]
    )
    members = (
        CaseMember("promoter", promoter, "beneficiary", 0.9, accused=True),
        *(CaseMember("buyer", f"suspect-{number}", "buyer", 0.8, accused=True) for number in (1, 2, 3)),
    )
    found = FoundCase(
        "star", 0.9, 0, 0, "", members, (Evidence("buyer", "suspect-1", "used", "device", "0" * 64, 1.0),)
    )
    with app.db.transaction() as tx:
        tx.execute(text("INSERT INTO risk_sweeps (id, state, started_at) VALUES ('rsw_1', 'done', now())"))
        risk.merge_found(tx, found=[found], sweep_id="rsw_1", now=read_clock())
        risk.merge_found(tx, found=[found], sweep_id="rsw_1", now=read_clock())
        mine = text(
            "SELECT case_id FROM risk_case_members WHERE account_kind = 'promoter' AND account_id = :promoter_id"
        )
        case = risk.get_case(tx, case_id=tx.execute(mine, {"promoter_id": promoter}).scalar_one())
    town.buy([("suspect-1", "sku", 9_000, at + timedelta(hours=1)), ("near", "sku", 9_000, at + timedelta(hours=1))])
    with app.db.transaction() as tx:
        assert risk.get_case(tx, case_id=case.id).joined_orders_count == 1
        case = risk.confirm_case(tx, case_id=case.id, version=case.version, reason="x", actor=ANALYST, now=NOW)
    reactions.settle_outstanding(app.db, app.graph)
    with app.db.transaction() as tx:
        assert risk.list_reach(tx, case_id=case.id, limit=5).items
        preview = risk.preview_ban(tx, case_id=case.id)
        case = risk.ban_case(
            tx, case_id=case.id, version=case.version, fingerprint=preview.fingerprint, reason="x", actor=ANALYST, now=NOW
        )  # fmt: skip
        risk.needs_person(tx, promoter_id=promoter)
        case = risk.release_case(tx, case_id=case.id, version=case.version, reason="x", actor=ANALYST, now=NOW)
        risk.forget_identifiers(tx, buyer_id="suspect-1", promoter_id=promoter)

    assert len(watch.seen) > 60
    ours = [scan for scan in watch.scans if "SELECT EXISTS (SELECT 1 FROM outbox WHERE next_at" not in scan]
    assert not ours, "\n\n".join(ours)  # but for the question whether the test may go on
