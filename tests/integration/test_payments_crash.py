"""Workers that die between asking a provider and writing down what it said."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tests.simulators import wait_until
from tuike import payments, wallet
from tuike.embedded import PostgresServer
from tuike.payments import PayBy

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys
from tuike import payments
from tuike.app import build_app
from tuike.config import read_config
from tuike.payments import PayBy
from tuike.shared.clock import read_clock

app = build_app(read_config())
print("ready", flush=True)
if sys.argv[1] == "work":
    payments.work_due(app.db, app.counter, app.vault, now=read_clock())
else:
    payments.start_payment(app.db, app.counter, order_id=sys.argv[1], shopper_id=sys.argv[2], provider=PayBy.WECHAT,
                           now=read_clock())
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_crash", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


def kill_during(till: Till, call: str, *words: str) -> None:
    """Run a child until the provider has carried out `call` and sits on its answer; then kill it."""
    kind = {"pay.prepay": "payment", "pay.refund": "refund", "pay.transfer": "transfer"}.get(call)
    before = len(till.state()[kind]) if kind else 0
    till.simulated.fault(call, "hang", when="after", seconds=30)
    variables = {name: str(value) for name, value in till.variables.items()}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        if kind:
            wait_until(lambda: len(till.state()[kind]) > before, seconds=20)
        else:
            time.sleep(2)
        os.kill(child.pid, signal.SIGKILL)
        assert "done" not in child.stdout.read()
    till.simulated.control("faults/clear")
    with till.db.transaction() as tx:  # its turn would be over in a minute
        tx.execute(text("UPDATE provider_turns SET until = 'epoch'"))


def test_a_server_that_dies_while_it_opens_a_payment_leaves_one_payment(till):
    order = till.order()
    kill_during(till, "pay.prepay", order.id, order.shopper_id)
    with till.db.transaction() as tx:
        (left,) = payments.list_payments(tx, order_id=order.id, limit=5).items
    assert left.state == "asking"
    payment = till.open(order)
    assert payment.id == left.id
    assert till.pay_by(order).id == left.id
    assert till.get(order).state == "to_ship"


def test_money_for_a_payment_whose_opener_died_is_found_by_asking(till):
    order = till.order()
    till.simulated.control("notifies/policy", drop=True, times=1)
    kill_during(till, "pay.prepay", order.id, order.shopper_id)
    with till.db.transaction() as tx:
        (left,) = payments.list_payments(tx, order_id=order.id, limit=5).items
    till.hand_over(left)
    till.work()
    assert till.look(left).outcome == "paid_order"


def test_a_worker_that_dies_during_a_refund_refunds_once(till):
    order = till.order(price=2000)
    payment = till.pay_by(order)
    till.approve(till.ask(order, (0, 1)))
    till.react()
    till.hurry()
    kill_during(till, "pay.refund", "work")
    wait_until(lambda: bool(till.work()) and till.refunds_of(payment)[0].state == "succeeded")
    assert [one["refund"] for one in till.state()["refund"] if one["out_trade_no"] == payment.id] == [2000]
    assert till.get_facts(order).refunded_minor == 2000


def test_a_worker_that_dies_during_a_transfer_pays_once(till):
    promoter = till.make_promoter(till.log_in("payee"), available=5000)
    asked = till.do(wallet.request_withdrawal, promoter_id=promoter, amount_minor=5000, method="wechat", now=till.now)
    till.do(wallet.approve_withdrawal, withdrawal_id=asked.id, now=till.now)
    with till.db.transaction() as tx:
        payout = payments.start_payout(tx, till.counter, till.app.vault, withdrawal_id=asked.id, now=till.now)
    kill_during(till, "pay.transfer", "work")
    find = lambda: till.do(payments.get_payout, payout_id=payout.id)  # noqa: E731
    assert find().state == "asking"
    wait_until(lambda: bool(till.work()) and find().state == "waiting_for_user")
    (there,) = till.state()["transfer"]
    assert there["out_bill_no"] == payout.out_no
    assert find().package == there["package_info"]
    till.simulated.control(f"transfers/{payout.out_no}/confirm")
    wait_until(lambda: bool(till.work()) and find().state == "succeeded")
    assert till.wallet_of(promoter).withdrawn_minor == 5000
    till.check_ledger()


def test_what_a_dead_worker_had_in_hand_comes_back_by_itself(till):
    payment = till.open(till.order(), PayBy.WECHAT)
    till.simulated.control("notifies/policy", drop=True, times=1)
    till.hand_over(payment)
    till.hurry()
    kill_during(till, "pay.get_payment", "work")
    with till.db.transaction() as tx:
        due = tx.execute(text("SELECT next_at > now() FROM payments WHERE id = :id"), {"id": payment.id}).scalar_one()
    assert due is True  # leased, not lost
    till.work()
    assert till.look(payment).outcome == "paid_order"
