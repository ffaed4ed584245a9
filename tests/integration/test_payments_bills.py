"""The daily comparison with the providers' books: what agrees, and every way in which something may not."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tests.simulators import wait_until
from tuike import payments
from tuike.cli import cli
from tuike.embedded import PostgresServer
from tuike.payments import PayBy
from tuike.shared.clock import BUSINESS_ZONE


@pytest.fixture
def till(postgres: PostgresServer, tmp_path: object, request: pytest.FixtureRequest) -> Iterator[Till]:
    name = f"payments_bills_{abs(hash(request.node.name)) % 10**9}"
    with open_till(postgres, name, tmp_path / "simulator") as opened:  # type: ignore[operator]
        yield opened


def end_day(till: Till) -> date:
    """Let the providers' clock stand at noon of the day after; return the day that is over."""
    today = till.now.astimezone(BUSINESS_ZONE)
    noon = (today + timedelta(days=1)).replace(hour=12, minute=0)
    till.simulated.control("clock", advance_seconds=(noon - today).total_seconds())
    return today.date()


def reconcile(till: Till, day: date, provider: PayBy = PayBy.WECHAT) -> payments.Reconciliation:
    return payments.reconcile_day(till.db, till.counter, provider=provider, on_day=day, now=till.now)


def list_open(till: Till) -> list[tuple[str, str, str]]:
    found = till.do(payments.list_differences, only_open=True, limit=50).items
    return sorted((one.kind.value, one.what, one.no) for one in found)


def test_a_day_whose_books_agree(till):
    for provider in (PayBy.WECHAT, PayBy.ALIPAY):
        paid = [till.pay_by(till.order(price=price), provider) for price in (1000, 2500)]
        order = till.get(till.order())
        payment = till.pay_by(order, provider)
        till.approve(till.ask(order, (0, 1)))
        till.react()
        wait_until(lambda payment=payment: bool(till.work()) and till.refunds_of(payment)[0].state == "succeeded")
        assert len(paid) == 2
    day = end_day(till)
    for provider in (PayBy.WECHAT, PayBy.ALIPAY):
        found = reconcile(till, day, provider)
        assert (found.lines, found.matched, found.differences) == (4, 4, 0)
        assert found.ours_minor == found.theirs_minor == 3500
    assert list_open(till) == []


def test_an_empty_day_agrees(till):
    assert reconcile(till, end_day(till)).lines == 0


def test_a_day_that_is_not_over_has_no_bill(till):
    with pytest.raises(payments.BillNotReady):
        reconcile(till, till.now.astimezone(BUSINESS_ZONE).date())


def test_money_that_we_never_heard_of_is_found_and_resolved_by_itself(till):
    payment = till.open(till.order())
    till.simulated.control("notifies/policy", hold=True)
    till.hand_over(payment)
    day = end_day(till)
    assert reconcile(till, day).differences == 1
    assert list_open(till) == [("state_differs", "payment", payment.id)]
    till.simulated.control("notifies/release")
    till.wait_for(payment, "succeeded")
    assert reconcile(till, day).differences == 0
    assert list_open(till) == []


def test_a_payment_of_which_we_know_nothing_is_missing_here(till):
    payment = till.pay_by(till.order())
    day = end_day(till)
    with till.db.transaction() as tx:
        tx.execute(text("DELETE FROM payments WHERE id = :id"), {"id": payment.id})
    assert reconcile(till, day).differences == 1
    assert list_open(till) == [("missing_here", "payment", payment.id)]


def test_a_payment_that_the_provider_does_not_have_is_missing_there(till):
    payment = till.pay_by(till.order())
    with till.db.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO payments (id, order_id, shopper_id, provider, description, amount_minor, currency, state,"
                " outcome, provider_no, received_minor, paid_at, expires_at, created_at)"
                " SELECT 'pay_x', order_id, shopper_id, provider, description, amount_minor, currency, state,"
                " 'paid_twice', 'none', received_minor, paid_at, expires_at, created_at FROM payments WHERE id = :id"
            ),
            {"id": payment.id},
        )
    day = end_day(till)
    found = reconcile(till, day)
    assert (found.differences, found.ours_minor, found.theirs_minor) == (1, 2000, 1000)
    assert list_open(till) == [("missing_there", "payment", "pay_x")]


def test_an_amount_that_differs_is_reported_exported_and_resolved_by_a_person(till):
    payment = till.pay_by(till.order())
    with till.db.transaction() as tx:
        tx.execute(text("UPDATE payments SET received_minor = 999 WHERE id = :id"), {"id": payment.id})
    day = end_day(till)
    reconcile(till, day)
    reconcile(till, day)
    assert list_open(till) == [("amount_differs", "payment", payment.id)]
    rows = list(csv.DictReader(io.StringIO(till.do(payments.export_differences))))
    assert [(row["kind"], row["ours_minor"], row["theirs_minor"]) for row in rows] == [
        ("amount_differs", "999", "1000")
    ]
    (found,) = till.do(payments.list_differences, limit=5).items
    resolved = till.do(payments.resolve_difference, difference_id=found.id, note="=cmd()", by="stf_1", now=till.now)
    assert resolved.resolved_at is not None
    assert list_open(till) == []
    assert "'=cmd()" in till.do(payments.export_differences)
    attention = till.do(payments.get_attention, overdue_before=till.now)
    assert attention.open_differences == 0


def test_fees_of_less_than_a_cent_are_added_up_exactly(till):
    for price in (1, 100, 12_345):
        till.pay_by(till.order(price=price))
    day = end_day(till)
    reconcile(till, day)
    bill = till.do(payments.get_bill, bill_id=f"wechat_{day}")
    assert (bill.payments, bill.payments_minor, bill.fee_micros) == (3, 12_446, 12_446 * 60)
    lines = till.do(payments.list_bill_lines, bill_id=bill.id, limit=2)
    rest = till.do(payments.list_bill_lines, bill_id=bill.id, limit=2, cursor=lines.next_cursor)
    assert sorted(line.fee_micros for line in (*lines.items, *rest.items)) == [60, 6_000, 740_700]
    assert rest.next_cursor is None
    assert "0.00006" in till.do(payments.get_bill_text, bill_id=bill.id)


def test_what_a_person_settled_stays_settled_until_it_changes(till):
    payment = till.pay_by(till.order())

    def receive(amount_minor: int) -> None:
        with till.db.transaction() as tx:
            tx.execute(
                text("UPDATE payments SET received_minor = :a WHERE id = :id"), {"a": amount_minor, "id": payment.id}
            )

    receive(999)
    day = end_day(till)
    reconcile(till, day)
    (found,) = till.do(payments.list_differences, limit=5).items
    settled = till.do(payments.resolve_difference, difference_id=found.id, note="by hand", by="stf_1", now=till.now)
    assert settled.resolved_by == "stf_1"
    reconcile(till, day)
    assert list_open(till) == []
    receive(998)
    reconcile(till, day)
    assert list_open(till) == [("amount_differs", "payment", payment.id)]
    receive(1000)
    reconcile(till, day)
    gone = till.do(payments.get_difference, difference_id=found.id)
    assert (gone.resolved_by, list_open(till)) == (payments.BY_COMPARISON, [])
    receive(998)
    reconcile(till, day)
    assert list_open(till) == [("amount_differs", "payment", payment.id)], "what a comparison closed, one opens again"


def test_the_command_compares_a_day_and_ends_with_1_while_anything_is_open(till, monkeypatch, tmp_path):
    for variable, value in till.variables.items():
        monkeypatch.setenv(variable, value)
    payment = till.pay_by(till.order())
    with till.db.transaction() as tx:
        tx.execute(text("UPDATE payments SET received_minor = 999 WHERE id = :id"), {"id": payment.id})
    day = end_day(till)

    def run() -> tuple[int, dict[str, Any]]:
        words = ["payments", "reconcile", "--on", str(day), "--provider", "wechat", "--data-dir", str(tmp_path)]
        done = CliRunner().invoke(cli, words)
        return done.exit_code, json.loads(done.stdout)

    status, findings = run()
    assert (status, findings["open"], findings["bills"][0]["id"]) == (1, 1, f"wechat_{day}")
    (found,) = findings["differences"]
    assert (found["kind"], found["no"]) == ("amount_differs", payment.id)
    till.do(payments.resolve_difference, difference_id=found["id"], note="ok", by="stf_1", now=till.now)
    status, findings = run()
    assert (status, findings["open"], findings["differences"][0]["note"]) == (0, 0, "ok")


def test_the_schedule_compares_each_day_once(till):
    till.pay_by(till.order())
    end_day(till)
    later = till.now + timedelta(days=1)
    noon = later.astimezone(BUSINESS_ZONE).replace(hour=12)
    assert payments.reconcile_due(till.db, till.counter, now=noon) == 14
    assert payments.reconcile_due(till.db, till.counter, now=noon) == 0


def test_a_bill_that_was_changed_on_the_way_is_not_believed(till):
    from tuike.providers import ProviderAnswerInvalid

    till.pay_by(till.order())
    day = end_day(till)
    till.simulated.fault("pay.download_bill", "edit", times=1)
    with pytest.raises(ProviderAnswerInvalid):
        reconcile(till, day)
    assert reconcile(till, day).differences == 0
