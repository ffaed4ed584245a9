"""Withdrawals of one's own, and how withdrawals are paid out."""

from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.payments import get_counter
from api.routing import FINANCE, KEYS, SHOPPERS, Answer, Call, PageQuery, Routes, Shape
from api.wallets import (
    WalletAnswer,
    WalletQuery,
    WithdrawalAnswer,
    WithdrawalPage,
    render_wallet,
    render_withdrawal,
)
from tuike import payments, risk, team, wallet
from tuike.payments import PayoutState

routes = Routes("payouts", description="Payouts of withdrawals by WeChat or Alipay transfer.")

METHODS = ("wechat", "alipay")
STATES = tuple(one.value for one in PayoutState)
_SEE = KEYS | FINANCE


class NewOwnWithdrawal(Shape):
    amount_minor = f.Amount(required=True, metadata={"description": "Includes the fee."})
    method = f.Choice(*METHODS, required=True)
    account = f.Text(
        load_default=None, allow_none=True, high=200,
        metadata={"description": "For Alipay: phone number or mail address; left out, the account of your login."},
    )  # fmt: skip


class NewPayout(Shape):
    name = f.Text(
        load_default=None, allow_none=True, high=64,
        metadata={"description": "The recipient's name; WeChat wants it from 2,000 yuan on. Kept encrypted, and only "
                                 "until the payout ends."},
    )  # fmt: skip


class PayoutAnswer(Answer):
    id = ma.fields.String(required=True)
    withdrawal_id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(METHODS))
    out_no = ma.fields.String(required=True, metadata={"description": "What the provider knows it by; never changes."})
    amount_minor = ma.fields.Integer(required=True, metadata={"description": "What is transferred, without the fee."})
    currency = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    provider_no = ma.fields.String(required=True, allow_none=True)
    note = ma.fields.String(required=True, allow_none=True)
    attempts = ma.fields.Integer(required=True)
    next_at = ma.fields.DateTime(required=True, allow_none=True)
    finished_at = ma.fields.DateTime(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)


class OwnPayoutAnswer(Answer):
    id = ma.fields.String(required=True)
    withdrawal_id = ma.fields.String(required=True)
    provider = ma.fields.String(required=True, validate=ma.validate.OneOf(METHODS))
    amount_minor = ma.fields.Integer(required=True)
    currency = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    finished_at = ma.fields.DateTime(required=True, allow_none=True)
    created_at = ma.fields.DateTime(required=True)
    request = ma.fields.Dict(
        keys=ma.fields.String(), values=ma.fields.String(), required=True, allow_none=True,
        metadata={"description": "What the client passes to `wx.requestMerchantTransfer` while the state is "
                                 "`waiting_for_user`; its ok does not mean paid."},
    )  # fmt: skip


class PayoutQuery(PageQuery):
    promoter_id = f.Id(load_default=None)
    state = f.Choice(*STATES, load_default=None)


class PayoutPage(Answer):
    items = ma.fields.List(ma.fields.Nested(PayoutAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class OwnPayoutPage(Answer):
    items = ma.fields.List(ma.fields.Nested(OwnPayoutAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


def render_payout(payout: payments.Payout) -> dict[str, Any]:
    """Return a payout as finance sees it."""
    return {
        "id": payout.id,
        "withdrawal_id": payout.withdrawal_id,
        "promoter_id": payout.promoter_id,
        "provider": payout.provider.value,
        "out_no": payout.out_no,
        "amount_minor": payout.amount_minor,
        "currency": payout.currency,
        "state": payout.state.value,
        "provider_no": payout.provider_no,
        "note": payout.note,
        "attempts": payout.attempts,
        "next_at": instant(payout.next_at),
        "finished_at": instant(payout.finished_at),
        "created_at": instant(payout.created_at),
    }


def render_own_payout(payout: payments.Payout) -> dict[str, Any]:
    """Return a payout as its recipient sees it."""
    confirmation = payments.make_confirmation(get_counter(), payout)
    return {
        "id": payout.id,
        "withdrawal_id": payout.withdrawal_id,
        "provider": payout.provider.value,
        "amount_minor": payout.amount_minor,
        "currency": payout.currency,
        "state": payout.state.value,
        "finished_at": instant(payout.finished_at),
        "created_at": instant(payout.created_at),
        "request": None if confirmation is None else dict(confirmation),
    }


def _own_promoter(call: Call) -> str:
    """Return the promoter that the calling shopper is. Raises WalletOwnerNotFound."""
    promoter_id = team.find_promoter_id(call.tx, external_id=call.user_id)
    if promoter_id is None:
        raise wallet.WalletOwnerNotFound
    return promoter_id


@routes.call("GET", "/me/wallet", who=SHOPPERS, query=WalletQuery, answer=WalletAnswer,
             refusals=["404 promoter_not_found", "422 currency_unknown"])  # fmt: skip
def get_own_wallet(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """Get your own wallet as a promoter, in one currency."""
    return render_wallet(wallet.get_wallet(call.tx, promoter_id=_own_promoter(call), currency=query["currency"]))


@routes.call(
    "POST", "/me/withdrawals", who=SHOPPERS, body=NewOwnWithdrawal, answer=WithdrawalAnswer, status=201,
    refusals=["404 promoter_not_found", "422 below_minimum", "422 insufficient_balance", "422 amount_not_positive",
              "422 daily_limit_exceeded", "422 amount_too_large"],
    example={"amount_minor": 5000, "method": "wechat"},
)  # fmt: skip
def post_own_withdrawal(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for a payout of your own available money; it is set aside at once."""
    account = body["account"] if body["method"] == "alipay" else None  # WeChat pays whoever logged in, nobody else
    promoter_id = _own_promoter(call)
    withdrawal = wallet.request_withdrawal(
        call.tx, promoter_id=promoter_id, amount_minor=body["amount_minor"], method=body["method"],
        account=account, needs_review=risk.needs_person(call.tx, promoter_id=promoter_id), now=call.now,
    )  # fmt: skip
    return render_withdrawal(withdrawal, call)


@routes.call("GET", "/me/withdrawals", who=SHOPPERS, query=PageQuery, answer=WithdrawalPage,
             refusals=["404 promoter_not_found"])  # fmt: skip
def list_own_withdrawals(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List your own withdrawals, newest first."""
    found = wallet.list_withdrawals(call.tx, promoter_id=_own_promoter(call), **query)
    return page(found, lambda one: render_withdrawal(one, call))


@routes.call("GET", "/me/payouts", who=SHOPPERS, query=PageQuery, answer=OwnPayoutPage,
             refusals=["404 promoter_not_found"])  # fmt: skip
def list_own_payouts(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List the payouts of your own withdrawals, with what your client needs to confirm them."""
    return page(payments.list_payouts(call.tx, promoter_id=_own_promoter(call), **query), render_own_payout)


@routes.call("GET", "/me/payouts/<id:payout_id>", who=SHOPPERS, answer=OwnPayoutAnswer,
             refusals=["404 payout_not_found", "404 promoter_not_found"])  # fmt: skip
def get_own_payout(call: Call, payout_id: str) -> dict[str, Any]:
    """Get one of your own payouts."""
    found = payments.get_payout(call.tx, payout_id=payout_id, promoter_id=_own_promoter(call))
    return render_own_payout(found)


@routes.call("POST", "/me/payouts/<id:payout_id>/cancel", who=SHOPPERS, answer=OwnPayoutAnswer,
             refusals=["404 payout_not_found", "404 promoter_not_found", "409 wrong_state"])  # fmt: skip
def post_own_payout_cancel(call: Call, payout_id: str) -> dict[str, Any]:
    """Take a payout back before you have confirmed it; the money returns to your wallet."""
    found = payments.cancel_payout(call.tx, payout_id=payout_id, promoter_id=_own_promoter(call), now=call.now)
    return render_own_payout(found)


@routes.call(
    "POST", "/withdrawals/<id:withdrawal_id>/payout", who=FINANCE, body=NewPayout, body_optional=True,
    answer=PayoutAnswer, status=201,
    refusals=["404 withdrawal_not_found", "409 wrong_state", "409 payout_under_way", "409 withdrawal_held",
              "422 payout_method_unfit",
              "422 payout_amount_unfit", "422 payee_unknown", "422 payee_name_needed", "422 currency_not_taken",
              "503 provider_not_configured"],
    example={"name": "王小明"},
)  # fmt: skip
def post_payout(call: Call, withdrawal_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Have an approved withdrawal paid by its method; the same again is the same payout."""
    payout = payments.start_payout(
        call.tx, get_counter(), call.vault, withdrawal_id=withdrawal_id, name=body["name"], now=call.now
    )
    return render_payout(payout)


@routes.call("GET", "/payouts", who=_SEE, query=PayoutQuery, answer=PayoutPage)
def list_payouts(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List payouts, of one promoter or in one state if asked for, newest first."""
    return page(payments.list_payouts(call.tx, **query), render_payout)


@routes.call("GET", "/payouts/<id:payout_id>", who=_SEE, answer=PayoutAnswer, refusals=["404 payout_not_found"])
def get_payout(call: Call, payout_id: str) -> dict[str, Any]:
    """Get a payout."""
    return render_payout(payments.get_payout(call.tx, payout_id=payout_id))


@routes.call("POST", "/payouts/<id:payout_id>/cancel", who=FINANCE, answer=PayoutAnswer,
             refusals=["404 payout_not_found", "409 wrong_state"])  # fmt: skip
def post_payout_cancel(call: Call, payout_id: str) -> dict[str, Any]:
    """Take a payout back that its recipient has not confirmed; the money returns to the wallet."""
    return render_payout(payments.cancel_payout(call.tx, payout_id=payout_id, now=call.now))


@routes.call("POST", "/payouts/<id:payout_id>/retry", who=FINANCE, answer=PayoutAnswer,
             refusals=["404 payout_not_found", "409 wrong_state"])  # fmt: skip
def post_payout_retry(call: Call, payout_id: str) -> dict[str, Any]:
    """Ask the provider again for a payout that is held, under the same number."""
    return render_payout(payments.retry_payout(call.tx, payout_id=payout_id, now=call.now))


@routes.call("POST", "/payouts/<id:payout_id>/give-up", who=FINANCE, answer=PayoutAnswer, in_transaction=False,
             refusals=["404 payout_not_found", "409 wrong_state", "503 provider_unavailable",
                       "503 provider_answer_invalid", "503 provider_not_configured"])  # fmt: skip
def post_payout_give_up(call: Call, payout_id: str) -> dict[str, Any]:
    """End a held payout that its provider knows nothing of; the money returns to the wallet."""
    return render_payout(payments.give_up_payout(call.db, get_counter(), payout_id=payout_id, now=call.now))
