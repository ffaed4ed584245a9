"""Withdrawals paid by transfer: once, whatever happens on the way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.integration.till import Till, open_till
from tests.simulators import wait_until
from tuike import payments, risk, wallet
from tuike.embedded import PostgresServer
from tuike.payments import Payout
from tuike.providers import Limits, ProviderUnavailable

IMPATIENT = Limits(connect_s=1, read_s=0.3, deadline_s=0.5, tries=1)


@pytest.fixture(scope="module")
def till(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    with open_till(postgres, "payments_payouts", tmp_path_factory.mktemp("simulator")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def calm(till: Till) -> Iterator[None]:
    yield
    till.simulated.control("faults/clear")


def make_withdrawal(
    till: Till, *, amount: int = 5000, method: str = "wechat", account: str | None = None, name: str | None = None
) -> wallet.Withdrawal:
    person = name or f"p{till.number()}"
    promoter = till.make_promoter(till.log_in(person), available=amount)
    asked = till.do(
        wallet.request_withdrawal, promoter_id=promoter, amount_minor=amount, method=method, account=account,
        now=till.now,
    )  # fmt: skip
    approved: wallet.Withdrawal = till.do(wallet.approve_withdrawal, withdrawal_id=asked.id, now=till.now)
    return approved


def start(till: Till, withdrawal: wallet.Withdrawal, *, name: str | None = None) -> Payout:
    with till.db.transaction() as tx:
        return payments.start_payout(
            tx, till.counter, till.app.vault, withdrawal_id=withdrawal.id, name=name, now=till.now
        )


def look(till: Till, payout: Payout) -> Payout:
    found: Payout = till.do(payments.get_payout, payout_id=payout.id)
    return found


def wait_for(till: Till, payout: Payout, *states: str) -> Payout:
    wait_until(lambda: bool(till.work()) and look(till, payout).state in states)
    return look(till, payout)


def status_of(till: Till, withdrawal: wallet.Withdrawal) -> str:
    return str(till.do(wallet.get_withdrawal, withdrawal_id=withdrawal.id).status)


def transfers_of(till: Till, payout: Payout) -> list:
    state = till.state()
    return [one for one in state["transfer"] if one["out_bill_no"] == payout.out_no]


def test_a_withdrawal_is_paid_when_its_recipient_confirms(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    waiting = wait_for(till, payout, "waiting_for_user")
    request = payments.make_confirmation(till.counter, waiting)
    assert request["package"]
    assert status_of(till, withdrawal) == "approved"
    till.simulated.control(f"transfers/{payout.out_no}/confirm")
    assert wait_for(till, payout, "succeeded").finished_at is not None
    assert status_of(till, withdrawal) == "paid"
    assert till.wallet_of(withdrawal.promoter_id).withdrawn_minor == 5000
    till.check_ledger()


def test_starting_a_payout_twice_is_one_payout(till):
    withdrawal = make_withdrawal(till)
    with ThreadPoolExecutor(6) as pool:
        started = list(pool.map(lambda _: start(till, withdrawal).id, range(6)))
    assert len(set(started)) == 1


def test_twin_workers_transfer_once(till):
    payout = start(till, make_withdrawal(till))

    def execute(_: int) -> str:
        return str(
            payments.execute_payout(till.db, till.counter, till.app.vault, payout_id=payout.id, now=till.now).state
        )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(execute, range(6)))
    assert look(till, payout).state == "waiting_for_user"
    assert len(transfers_of(till, payout)) == 1


def test_a_payout_that_nobody_was_asked_for_yet_waits_while_a_case_holds(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    who = {"actor": risk.Actor("stf_1", "Li"), "now": till.now}
    accused = [risk.CaseMember("promoter", withdrawal.promoter_id, "beneficiary", 1.0, accused=True)]
    case = till.do(risk.create_case, pattern="reported", members=accused, note="x", **who)
    held = till.do(risk.hold_case, case_id=case.id, version=case.version, reason="x", **who)

    till.work()
    assert look(till, payout).state == "due"
    assert transfers_of(till, payout) == []

    till.do(risk.release_case, case_id=case.id, version=held.version, reason="x", **who)
    till.hurry()
    wait_for(till, payout, "waiting_for_user")
    assert len(transfers_of(till, payout)) == 1
    till.check_ledger()


def test_wechat_down_during_a_transfer_never_pays_twice(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    till.simulated.fault("pay.transfer", "drop", when="after", times=1)
    with pytest.raises(ProviderUnavailable):
        payments.execute_payout(
            till.db, till.make_counter(IMPATIENT), till.app.vault, payout_id=payout.id, now=till.now
        )
    assert look(till, payout).state == "asking"
    waiting = wait_for(till, payout, "waiting_for_user")
    assert waiting.package is not None
    assert len(transfers_of(till, payout)) == 1
    till.simulated.control(f"transfers/{payout.out_no}/confirm")
    wait_for(till, payout, "succeeded")
    assert status_of(till, withdrawal) == "paid"


def test_a_payout_that_nobody_confirms_gives_the_money_back(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    wait_for(till, payout, "waiting_for_user")
    till.simulated.control("clock", advance_seconds=24 * 3600 + 60)
    failed = wait_for(till, payout, "failed")
    till.simulated.control("clock", advance_seconds=-24 * 3600 - 60)
    assert failed.note == "OVERDUE_CLOSE"
    assert status_of(till, withdrawal) == "failed"
    assert till.wallet_of(withdrawal.promoter_id).available_minor == 5000
    till.check_ledger()


def test_a_payout_is_taken_back_before_it_is_confirmed(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    wait_for(till, payout, "waiting_for_user")
    with pytest.raises(payments.PayoutNotFound):
        till.do(payments.cancel_payout, payout_id=payout.id, promoter_id="prm_other", now=till.now)
    till.do(payments.cancel_payout, payout_id=payout.id, promoter_id=withdrawal.promoter_id, now=till.now)
    wait_for(till, payout, "cancelled")
    assert till.wallet_of(withdrawal.promoter_id).available_minor == 5000


def test_a_confirmation_that_is_faster_than_the_cancellation_wins(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    wait_for(till, payout, "waiting_for_user")
    till.do(payments.cancel_payout, payout_id=payout.id, now=till.now)
    till.simulated.control(f"transfers/{payout.out_no}/confirm")
    wait_for(till, payout, "succeeded")
    assert status_of(till, withdrawal) == "paid"


def test_a_large_payout_needs_the_recipients_name_which_is_hidden_and_forgotten(till):
    withdrawal = make_withdrawal(till, amount=200_000)
    with pytest.raises(payments.PayeeNameNeeded):
        start(till, withdrawal)
    payout = start(till, withdrawal, name="王小明")
    waiting = wait_for(till, payout, "waiting_for_user")
    assert "王小明".encode() not in (waiting.name or b"")
    assert transfers_of(till, payout)[0]["name"] == "王小明"
    till.simulated.control(f"transfers/{payout.out_no}/confirm")
    assert wait_for(till, payout, "succeeded").name is None


def test_a_wrong_name_fails_and_gives_the_money_back(till):
    till.simulated.person("misspelt", real_name="王大明")
    withdrawal = make_withdrawal(till, amount=200_000, name="misspelt")
    payout = start(till, withdrawal, name="王小明")
    assert wait_for(till, payout, "failed").note == "NAME_NOT_CORRECT"
    assert till.wallet_of(withdrawal.promoter_id).available_minor == 200_000


def test_a_refused_transfer_waits_for_a_person_and_keeps_its_number(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    till.simulated.fault("pay.transfer", "error", status=403, code="NOT_ENOUGH")
    held = payments.execute_payout(till.db, till.counter, till.app.vault, payout_id=payout.id, now=till.now)
    assert (held.note, held.out_no) == ("NOT_ENOUGH", payout.out_no)
    with pytest.raises(payments.PaymentWrongState):
        payments.give_up_payout(till.db, till.counter, payout_id=payout.id, now=till.now)
    till.do(payments.retry_payout, payout_id=payout.id, now=till.now)
    assert wait_for(till, payout, "waiting_for_user").out_no == payout.out_no


def test_a_payout_that_the_provider_does_not_know_may_be_given_up_later(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    till.simulated.fault("pay.transfer", "error", status=400, code="INVALID_REQUEST")
    payments.execute_payout(till.db, till.counter, till.app.vault, payout_id=payout.id, now=till.now)
    assert look(till, payout).state == "held"
    with till.db.transaction() as tx:
        tx.execute(text("UPDATE payouts SET asked_at = asked_at - interval '1 h' WHERE id = :id"), {"id": payout.id})
    ended = payments.give_up_payout(till.db, till.counter, payout_id=payout.id, now=till.now)
    assert ended.state == "failed"
    assert till.wallet_of(withdrawal.promoter_id).available_minor == 5000


def test_nobody_ends_a_withdrawal_by_hand_while_it_is_paid(till):
    withdrawal = make_withdrawal(till)
    start(till, withdrawal)

    def end_by_hand() -> None:
        with till.db.transaction() as tx:
            wallet.mark_paid(tx, withdrawal_id=withdrawal.id, now=till.now)
            payments.refuse_while_under_way(tx, withdrawal_id=withdrawal.id)

    with pytest.raises(payments.PayoutUnderWay):
        end_by_hand()
    assert status_of(till, withdrawal) == "approved"


def test_the_number_of_a_payout_cannot_be_changed(till):
    import sqlalchemy as sa

    payout = start(till, make_withdrawal(till))
    with pytest.raises(sa.exc.DBAPIError), till.db.transaction() as tx:
        tx.execute(text("UPDATE payouts SET out_no = 'another' WHERE id = :id"), {"id": payout.id})


def test_alipay_pays_an_account_by_its_login_or_by_name(till):
    own = make_withdrawal(till, method="alipay")
    wait_for(till, start(till, own), "succeeded")
    assert status_of(till, own) == "paid"
    named = make_withdrawal(till, method="alipay", account="13800000000")
    with pytest.raises(payments.PayeeNameNeeded):
        start(till, named)


def test_a_manual_withdrawal_has_no_payout(till):
    with pytest.raises(payments.PayoutMethodUnfit):
        start(till, make_withdrawal(till, method="bank"))


def test_a_transfer_notify_that_comes_twice_pays_once(till):
    withdrawal = make_withdrawal(till)
    payout = start(till, withdrawal)
    wait_for(till, payout, "waiting_for_user")
    till.simulated.control("notifies/policy", repeat=3, times=1)
    till.simulated.control(f"transfers/{payout.out_no}/confirm")
    wait_until(lambda: look(till, payout).state == "succeeded")
    assert till.wallet_of(withdrawal.promoter_id).withdrawn_minor == 5000
    till.check_ledger()
