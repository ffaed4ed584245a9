"""Money that goes out: withdrawals paid by a transfer, under one number each that never changes.

A transfer that may have been made is never made again: whatever is not known is asked. Only the provider's word that it
failed, was cancelled, or does not exist ends a payout without money having left.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import IntegrityError

from tuike import identity, risk, team, wallet
from tuike import providers as outside
from tuike.db import Database, Transaction
from tuike.identity import Vault
from tuike.payments import rules
from tuike.payments.desks import Counter
from tuike.payments.model import (
    CurrencyNotTaken,
    PayBy,
    PayeeNameNeeded,
    PayeeUnknown,
    PaymentWrongState,
    Payout,
    PayoutAmountUnfit,
    PayoutMethodUnfit,
    PayoutNotFound,
    PayoutState,
    PayoutUnderWay,
)
from tuike.payments.store import payouts as store
from tuike.shared import ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

_LOOK_EVERY = timedelta(seconds=30)
_STATES = {
    outside.TransferState.ACCEPTED: PayoutState.PROCESSING,
    outside.TransferState.PROCESSING: PayoutState.PROCESSING,
    outside.TransferState.WAITING_FOR_USER: PayoutState.WAITING_FOR_USER,
    outside.TransferState.TRANSFERRING: PayoutState.PROCESSING,
    outside.TransferState.CANCELLING: PayoutState.CANCELLING,
    outside.TransferState.SUCCEEDED: PayoutState.SUCCEEDED,
    outside.TransferState.FAILED: PayoutState.FAILED,
    outside.TransferState.CANCELLED: PayoutState.CANCELLED,
}


def start_payout(
    tx: Transaction, counter: Counter, vault: Vault, *, withdrawal_id: str, name: str | None = None, now: datetime
) -> Payout:
    """Let an approved withdrawal be paid by its method; the same again is the same payout.

    `name` is the recipient's, which WeChat wants from 2,000 yuan on and Alipay with a phone number or mail address. It
    is kept encrypted and only until the payout ends.

    Raises WithdrawalNotFound, WrongState, PayoutMethodUnfit, CurrencyNotTaken, PayoutAmountUnfit, PayeeUnknown,
    PayeeNameNeeded, ProviderNotConfigured, WithdrawalHeld.
    """
    withdrawal = wallet.lock_withdrawal(tx, withdrawal_id=withdrawal_id)
    known = store.find_by_withdrawal(tx, withdrawal_id=withdrawal_id)
    if known is not None:
        return known
    if withdrawal.status is not wallet.WithdrawalStatus.APPROVED:
        raise wallet.WrongState(f"The withdrawal is {withdrawal.status.value}; this needs one that is approved.")
    risk.refuse_while_held(tx, promoter_id=withdrawal.promoter_id)
    if withdrawal.method not in (wallet.WithdrawalMethod.WECHAT, wallet.WithdrawalMethod.ALIPAY):
        raise PayoutMethodUnfit(f"A withdrawal by {withdrawal.method.value} is paid by hand.")
    if withdrawal.currency != "CNY":
        raise CurrencyNotTaken
    provider = PayBy(withdrawal.method.value)
    counter.at(provider)
    amount_minor = withdrawal.amount_minor - withdrawal.fee_minor
    if amount_minor < rules.SMALLEST_TRANSFER_MINOR:
        raise PayoutAmountUnfit(f"At least {rules.SMALLEST_TRANSFER_MINOR} can be transferred.")
    payee_id, is_logon_id = _find_payee(tx, counter, withdrawal, provider)
    if name is None and rules.is_name_needed(provider, amount_minor=amount_minor, is_logon_id=is_logon_id):
        raise PayeeNameNeeded(fields={"name": ["Is needed for this amount or account."]})
    payout_id = ids.new_id("payout")
    payout = Payout(
        id=payout_id, withdrawal_id=withdrawal_id, promoter_id=withdrawal.promoter_id, provider=provider,
        out_no=payout_id.replace("_", ""), payee_id=payee_id, is_logon_id=is_logon_id,
        name=None if name is None else vault.encrypt(name, context=f"payout:{payout_id}"), amount_minor=amount_minor,
        currency=withdrawal.currency, state=PayoutState.DUE, package=None, provider_no=None, note=None, asked_at=None,
        attempts=0, next_at=now, finished_at=None, created_at=now,
    )  # fmt: skip
    try:
        store.add_payout(tx, payout)
    except IntegrityError as error:  # pragma: no cover - the withdrawal is locked
        raise PayoutUnderWay from error
    return payout


def execute_payout(db: Database, counter: Counter, vault: Vault, *, payout_id: str, now: datetime) -> Payout:
    """Bring a payout one step on: ask for the transfer, ask how it stands, or take it back.

    Raises PayoutNotFound, ProviderUnavailable; it then stays due, and what is not known is asked.
    """
    with db.transaction() as tx:
        payout = _lock(tx, payout_id)
        if payout.state.is_final or payout.state is PayoutState.HELD:
            return payout
        if payout.state is PayoutState.DUE:
            if _is_held(tx, payout):
                return payout  # nobody was asked yet; it comes again when it is no longer in hand
            store.set_asking(tx, payout_id=payout_id, now=now)
    desk = counter.at(payout.provider)
    if payout.state is PayoutState.CANCELLING:
        return _take_back(db, counter, payout, now=now)
    found = desk.find_transfer(payout)
    if found is None or (found.state is outside.TransferState.WAITING_FOR_USER and payout.package is None):
        # Nobody knows the number yet, or only the answer to asking again has what the client needs.
        name = None if payout.name is None else vault.decrypt(payout.name, context=f"payout:{payout.id}")
        try:
            found = desk.transfer(payout, name=name)
        except outside.ProviderRefused as refusal:
            return _learn_from_refusal(db, counter, payout, refusal, now=now)
    with db.transaction() as tx:
        return apply_transfer(tx, found, now=now) or payout


def apply_transfer(tx: Transaction, fact: outside.Transfer, *, now: datetime) -> Payout | None:
    """Bring a payout in line with what its provider says, however often; None when it is not ours.

    The end of a transfer ends the withdrawal: paid, or failed with the money back in the wallet.
    """
    known = store.find_by_number(tx, out_no=fact.out_no)
    if known is None:
        log.error("payout.unknown", out_no=fact.out_no[:64])
        return None
    payout = _lock(tx, known.id)
    if payout.state.is_final:
        return payout
    if fact.amount_minor is not None and fact.amount_minor != payout.amount_minor:
        _hold(tx, payout, f"the provider speaks of {fact.amount_minor}")
        return get_payout(tx, payout_id=payout.id)
    state = _STATES[fact.state]
    if payout.state is PayoutState.CANCELLING and not state.is_final:
        state = PayoutState.CANCELLING
    if state.is_final:
        _end(tx, payout, state, fact, now=now)
    else:
        next_at = rules.next_try_at(payout.attempts, now=now, first=_LOOK_EVERY)
        store.set_state(
            tx, payout_id=payout.id, state=state, next_at=next_at, provider_no=fact.provider_no, package=fact.package,
            note=fact.reason,
        )  # fmt: skip
    return get_payout(tx, payout_id=payout.id)


def cancel_payout(
    tx: Transaction, *, payout_id: str, promoter_id: str | None = None, now: datetime
) -> Payout:  # fmt: skip
    """Take a payout back before its recipient confirmed it; when that comes too late, the transfer wins.

    Raises PayoutNotFound (also for another promoter's), PaymentWrongState.
    """
    payout = _lock(tx, payout_id)
    if promoter_id is not None and payout.promoter_id != promoter_id:
        raise PayoutNotFound
    if payout.state in (PayoutState.CANCELLING, PayoutState.CANCELLED):
        return payout
    if payout.provider is not PayBy.WECHAT or payout.state is not PayoutState.WAITING_FOR_USER:
        raise PaymentWrongState(f"The payout is {payout.state.value}; this needs one that waits for its recipient.")
    store.set_cancelling(tx, payout_id=payout_id, now=now)
    return get_payout(tx, payout_id=payout_id)


def retry_payout(tx: Transaction, *, payout_id: str, now: datetime) -> Payout:
    """Ask the provider again for a payout that is held, under the same number.

    Raises PayoutNotFound, PaymentWrongState.
    """
    payout = _lock(tx, payout_id)
    if payout.state is not PayoutState.HELD:
        raise PaymentWrongState(f"The payout is {payout.state.value}; this needs one that is held.")
    store.set_state(tx, payout_id=payout_id, state=PayoutState.ASKING, next_at=now)
    return get_payout(tx, payout_id=payout_id)


def give_up_payout(db: Database, counter: Counter, *, payout_id: str, now: datetime) -> Payout:
    """End a held payout that its provider knows nothing of; the money goes back to the wallet.

    Raises PayoutNotFound, PaymentWrongState (not held; asked for less than ten minutes ago; the provider does know it),
    ProviderUnavailable.
    """
    with db.transaction() as tx:
        payout = _lock(tx, payout_id)
    if payout.state is not PayoutState.HELD:
        raise PaymentWrongState(f"The payout is {payout.state.value}; this needs one that is held.")
    if payout.asked_at is not None and now - payout.asked_at < rules.GIVE_UP_AFTER:
        raise PaymentWrongState("The transfer was asked for just now; wait ten minutes.")
    found = counter.at(payout.provider).find_transfer(payout)
    with db.transaction() as tx:
        if found is not None:
            return apply_transfer(tx, found, now=now) or payout
        locked = _lock(tx, payout_id)
        if locked.state is not PayoutState.HELD or locked.asked_at != payout.asked_at:
            raise PaymentWrongState("Somebody else took this payout up meanwhile.")
        _end(tx, locked, PayoutState.FAILED, None, now=now)
        return get_payout(tx, payout_id=payout_id)


def refuse_while_under_way(tx: Transaction, *, withdrawal_id: str) -> None:
    """Raise PayoutUnderWay when a withdrawal is being paid by a provider: then nobody ends it by hand.

    Call it after the withdrawal was changed in the same transaction, which holds its lock.
    """
    payout = store.find_by_withdrawal(tx, withdrawal_id=withdrawal_id)
    if payout is not None and not payout.state.is_final:
        raise PayoutUnderWay


def get_payout(tx: Transaction, *, payout_id: str, promoter_id: str | None = None) -> Payout:
    """Return a payout, of that promoter if one is named. Raises PayoutNotFound."""
    payout = store.find_payout(tx, payout_id=payout_id)
    if payout is None or (promoter_id is not None and payout.promoter_id != promoter_id):
        raise PayoutNotFound
    return payout


def list_payouts(
    tx: Transaction, *, promoter_id: str | None = None, state: str | None = None, limit: int, cursor: str | None = None
) -> Page[Payout]:
    """Return a page of payouts, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_payouts(tx, promoter_id=promoter_id, state=state, before=before, limit=limit + 1)
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None)


def make_confirmation(counter: Counter, payout: Payout) -> Mapping[str, str] | None:
    """Return what the recipient's client needs to confirm a transfer, None when there is nothing to confirm."""
    if payout.state is not PayoutState.WAITING_FOR_USER:
        return None
    return counter.at(payout.provider).make_transfer_request(payout)


def _is_held(tx: Transaction, payout: Payout) -> bool:
    """Tell whether a case holds what the promoter has since the payout was started."""
    try:
        risk.refuse_while_held(tx, promoter_id=payout.promoter_id)
    except risk.WithdrawalHeld:
        log.info("payout.waits", payout_id=payout.id)
        return True
    return False


def _lock(tx: Transaction, payout_id: str) -> Payout:
    """Return a payout under the lock of its withdrawal, which always comes first."""
    known = get_payout(tx, payout_id=payout_id)
    wallet.lock_withdrawal(tx, withdrawal_id=known.withdrawal_id)
    payout = store.find_payout(tx, payout_id=payout_id, lock=True)
    assert payout is not None
    return payout


def _find_payee(
    tx: Transaction, counter: Counter, withdrawal: wallet.Withdrawal, provider: PayBy
) -> tuple[str, bool]:  # fmt: skip
    """Return whom to pay, and whether that is a phone number or mail address: the account named, else the login's."""
    shopper_id = team.find_external_id(tx, promoter_id=withdrawal.promoter_id) or ""
    if withdrawal.account:
        is_logon_id = provider is PayBy.ALIPAY and not rules.is_alipay_id(withdrawal.account)
        return withdrawal.account, is_logon_id
    if provider is PayBy.WECHAT:
        found = identity.find_openid(tx, shopper_id=shopper_id, app_id=counter.wechat_app_id)
    else:
        found = identity.find_alipay_user_id(tx, shopper_id=shopper_id, app_id=counter.alipay_app_id)
    if found is None:
        raise PayeeUnknown
    return found, False


def _take_back(db: Database, counter: Counter, payout: Payout, *, now: datetime) -> Payout:
    desk = counter.at(payout.provider)
    found = desk.find_transfer(payout)
    if found is not None and found.state is outside.TransferState.WAITING_FOR_USER:
        try:
            found = desk.cancel_transfer(payout)
        except outside.ProviderRefused as refusal:
            log.info("payout.not_cancelled", payout_id=payout.id, code=refusal.provider_code)
            found = desk.find_transfer(payout)
    with db.transaction() as tx:
        if found is None:
            _hold(tx, _lock(tx, payout.id), "the provider does not know what was to be cancelled")
            return get_payout(tx, payout_id=payout.id)
        return apply_transfer(tx, found, now=now) or payout


def _learn_from_refusal(
    db: Database, counter: Counter, payout: Payout, refusal: outside.ProviderRefused, *, now: datetime
) -> Payout:
    """Return a payout after a refusal: what the provider knows under its number counts, else a person decides."""
    log.warning("payout.refused", payout_id=payout.id, code=refusal.provider_code)
    found = counter.at(payout.provider).find_transfer(payout)
    with db.transaction() as tx:
        if found is not None:
            return apply_transfer(tx, found, now=now) or payout
        locked = _lock(tx, payout.id)
        if not locked.state.is_final:
            _hold(tx, locked, refusal.provider_code)
        return get_payout(tx, payout_id=payout.id)


def _hold(tx: Transaction, payout: Payout, note: str) -> None:
    log.error("payout.needs_a_person", payout_id=payout.id, note=note)
    store.set_state(tx, payout_id=payout.id, state=PayoutState.HELD, next_at=None, note=note)


def _end(
    tx: Transaction, payout: Payout, state: PayoutState, fact: outside.Transfer | None, *, now: datetime
) -> None:  # fmt: skip
    reason = None if fact is None else fact.reason
    store.set_state(
        tx, payout_id=payout.id, state=state, next_at=None, provider_no=None if fact is None else fact.provider_no,
        note=reason, finished_at=now,
    )  # fmt: skip
    if state is PayoutState.SUCCEEDED:
        wallet.mark_paid(tx, withdrawal_id=payout.withdrawal_id, now=now)
    else:
        wallet.mark_failed(tx, withdrawal_id=payout.withdrawal_id, reason=reason or state.value, now=now)
    log.info("payout.ended", payout_id=payout.id, state=state.value, reason=reason)
