"""Wallets, withdrawals, and the ledger's proof."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import marshmallow as ma

from api import fields as f
from api.answers import instant, page
from api.confinement import check_platform
from api.routing import FINANCE, INTEGRATORS, KEYS, READERS, Answer, Call, PageQuery, Routes, Shape
from tuike import payments, risk, wallet
from tuike.shared.money import DEFAULT_CURRENCY

routes = Routes("wallets", description="Wallets, withdrawals and the ledger.")

METHODS = ("manual", "wechat", "alipay", "bank")
STATUSES = ("requested", "approved", "rejected", "paid", "failed")
_SEE_ACCOUNTS = INTEGRATORS | FINANCE


class WalletQuery(Shape):
    currency = f.currency_field()


class WalletAnswer(Answer):
    promoter_id = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    pending_minor = ma.fields.Integer(required=True, validate=ma.validate.Range(0))
    frozen_minor = ma.fields.Integer(required=True, validate=ma.validate.Range(0))
    available_minor = ma.fields.Integer(required=True, validate=ma.validate.Range(0))
    withdrawing_minor = ma.fields.Integer(required=True, validate=ma.validate.Range(0))
    withdrawn_minor = ma.fields.Integer(required=True, validate=ma.validate.Range(0))
    debt_minor = ma.fields.Integer(required=True, validate=ma.validate.Range(0))


class NewWithdrawal(Shape):
    promoter_id = f.Id(required=True)
    amount_minor = f.Amount(required=True, metadata={"description": "Includes the fee."})
    currency = f.currency_field()
    method = f.Choice(*METHODS, required=True)
    account = f.Text(load_default=None, allow_none=True, high=200)


class WithdrawalAnswer(Answer):
    id = ma.fields.String(required=True)
    promoter_id = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)
    amount_minor = ma.fields.Integer(required=True)
    fee_minor = ma.fields.Integer(required=True)
    method = ma.fields.String(required=True, validate=ma.validate.OneOf(METHODS))
    account = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Masked for all but integration, operators and finance."},
    )
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(STATUSES))
    needs_review = ma.fields.Boolean(required=True)
    reason = ma.fields.String(required=True, allow_none=True)
    requested_at = ma.fields.DateTime(required=True)
    decided_at = ma.fields.DateTime(required=True, allow_none=True)
    finished_at = ma.fields.DateTime(required=True, allow_none=True)


class WithdrawalQuery(PageQuery):
    promoter_id = f.Id(load_default=None)
    status = f.Choice(*STATUSES, load_default=None)


class WithdrawalPage(Answer):
    items = ma.fields.List(ma.fields.Nested(WithdrawalAnswer), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class Decision(Shape):
    reason = f.Text(load_default=None, allow_none=True, high=500)


class Policy(Shape):
    minimum_minor = f.Amount(load_default=100, allow_none=True)
    fee_bps = f.Integer(low=0, high=10_000, load_default=0, allow_none=True)
    daily_limit_minor = f.Amount(load_default=None, allow_none=True)
    review_above_minor = f.Amount(low=0, load_default=None, allow_none=True)


class PolicyAnswer(Answer):
    minimum_minor = ma.fields.Integer(required=True)
    fee_bps = ma.fields.Integer(required=True)
    daily_limit_minor = ma.fields.Integer(required=True, allow_none=True)
    review_above_minor = ma.fields.Integer(required=True, allow_none=True)


class LedgerAnswer(Answer):
    ok = ma.fields.Boolean(required=True)
    sums = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(), required=True)
    entries = ma.fields.Integer(required=True)
    head = ma.fields.String(required=True, metadata={"description": "Hash of the last seal, in hex."})
    transactions = ma.fields.Integer(required=True)
    sealed = ma.fields.Integer(required=True)
    unsealed = ma.fields.Integer(required=True, metadata={"description": "Transactions without a seal yet."})
    breaks = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "What is wrong, in words."})


def mask_account(account: str | None) -> str | None:
    """Return a payout account with only its last four characters, or none of a short one."""
    if account is None:
        return None
    return "****" + (account[-4:] if len(account) >= 8 else "")


def render_wallet(found: wallet.Wallet) -> dict[str, Any]:
    """Return a wallet as it is answered."""
    return {
        "promoter_id": found.promoter_id,
        "currency": found.currency,
        "pending_minor": found.pending_minor,
        "frozen_minor": found.frozen_minor,
        "available_minor": found.available_minor,
        "withdrawing_minor": found.withdrawing_minor,
        "withdrawn_minor": found.withdrawn_minor,
        "debt_minor": found.debt_minor,
    }


def render_withdrawal(withdrawal: wallet.Withdrawal, call: Call) -> dict[str, Any]:
    """Return a withdrawal as its reader may see it."""
    hides = call.caller.scopes.isdisjoint(_SEE_ACCOUNTS)
    return {
        "id": withdrawal.id,
        "promoter_id": withdrawal.promoter_id,
        "currency": withdrawal.currency,
        "amount_minor": withdrawal.amount_minor,
        "fee_minor": withdrawal.fee_minor,
        "method": withdrawal.method,
        "account": mask_account(withdrawal.account) if hides else withdrawal.account,
        "status": withdrawal.status,
        "needs_review": withdrawal.needs_review,
        "reason": withdrawal.reason,
        "requested_at": instant(withdrawal.requested_at),
        "decided_at": instant(withdrawal.decided_at),
        "finished_at": instant(withdrawal.finished_at),
    }


def render_policy(policy: wallet.WithdrawalPolicy) -> dict[str, Any]:
    """Return the policy: exactly what a PUT takes."""
    return {
        "minimum_minor": policy.minimum_minor,
        "fee_bps": policy.fee_bps,
        "daily_limit_minor": policy.daily_limit_minor,
        "review_above_minor": policy.review_above_minor,
    }


@routes.call("GET", "/wallets/<id:promoter_id>", who=READERS, query=WalletQuery, answer=WalletAnswer,
             refusals=["403 not_your_merchant", "404 promoter_not_found", "422 currency_unknown"])  # fmt: skip
def get_wallet(call: Call, promoter_id: str, query: dict[str, Any]) -> dict[str, Any]:
    """Get a promoter's wallet in one currency."""
    check_platform(call)
    return render_wallet(wallet.get_wallet(call.tx, promoter_id=promoter_id, currency=query["currency"]))


@routes.call(
    "POST", "/withdrawals", who=INTEGRATORS, body=NewWithdrawal, answer=WithdrawalAnswer, status=201,
    refusals=["404 promoter_not_found", "422 below_minimum", "422 insufficient_balance", "422 amount_not_positive",
              "422 currency_unknown", "422 daily_limit_exceeded", "422 amount_too_large"],
    example={"promoter_id": "prm_01K9ZJ0000000000000000000A", "amount_minor": 5000, "method": "manual"},
)  # fmt: skip
def post_withdrawal(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for a payout; the money is set aside at once."""
    asked = body | {"currency": DEFAULT_CURRENCY if body["currency"] is None else body["currency"]}
    doubted = risk.needs_person(call.tx, promoter_id=body["promoter_id"])
    return render_withdrawal(wallet.request_withdrawal(call.tx, now=call.now, needs_review=doubted, **asked), call)


@routes.call(
    "GET", "/withdrawals", who=READERS, query=WithdrawalQuery, answer=WithdrawalPage, refusals=["403 not_your_merchant"]
)
def list_withdrawals(call: Call, query: dict[str, Any]) -> dict[str, Any]:
    """List withdrawals, of one promoter or in one state if asked for."""
    check_platform(call)
    return page(wallet.list_withdrawals(call.tx, **query), lambda found: render_withdrawal(found, call))


@routes.call("GET", "/withdrawals/<id:withdrawal_id>", who=READERS, answer=WithdrawalAnswer,
             refusals=["403 not_your_merchant", "404 withdrawal_not_found"])  # fmt: skip
def get_withdrawal(call: Call, withdrawal_id: str) -> dict[str, Any]:
    """Get a withdrawal."""
    check_platform(call)
    return render_withdrawal(wallet.get_withdrawal(call.tx, withdrawal_id=withdrawal_id), call)


def _declare_decision(word: str, verb: Callable[..., wallet.Withdrawal], promise: str) -> None:
    def decide(call: Call, withdrawal_id: str, body: dict[str, Any]) -> dict[str, Any]:
        decided = verb(call.tx, withdrawal_id=withdrawal_id, reason=body["reason"], now=call.now)
        payments.refuse_while_under_way(call.tx, withdrawal_id=withdrawal_id)
        if decided.status is wallet.WithdrawalStatus.APPROVED:
            risk.refuse_while_held(call.tx, promoter_id=decided.promoter_id)
        return render_withdrawal(decided, call)

    decide.__name__ = f"post_{word}"
    decide.__doc__ = promise
    routes.call(
        "POST", f"/withdrawals/<id:withdrawal_id>/{word}", who=FINANCE, body=Decision, body_optional=True,
        answer=WithdrawalAnswer, refusals=["404 withdrawal_not_found", "409 wrong_state", "409 payout_under_way",
                                           *(["409 withdrawal_held"] if word == "approve" else [])],
        example={},
    )(decide)  # fmt: skip


_declare_decision("approve", wallet.approve_withdrawal, "Approve a withdrawal for payout.")
_declare_decision("reject", wallet.reject_withdrawal, "Refuse a withdrawal; the money goes back.")
_declare_decision("paid", wallet.mark_paid, "Record that an approved withdrawal reached the promoter.")
_declare_decision("failed", wallet.mark_failed, "Record that an approved withdrawal failed; the money goes back.")


@routes.call("GET", "/withdrawal-policy", who=READERS, answer=PolicyAnswer)
def get_policy(call: Call) -> dict[str, Any]:
    """Get the minimum, fee and limits of withdrawals."""
    return render_policy(wallet.get_policy(call.tx))


@routes.call(
    "PUT", "/withdrawal-policy", who=FINANCE, body=Policy, answer=PolicyAnswer,
    refusals=["422 amount_not_positive"], example={"minimum_minor": 100, "fee_bps": 0},
)  # fmt: skip
def put_policy(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """Replace the withdrawal policy; what is left out takes its default."""
    policy = wallet.replace_policy(
        call.tx,
        minimum_minor=100 if body["minimum_minor"] is None else body["minimum_minor"],
        fee_bps=body["fee_bps"] or 0,
        daily_limit_minor=body["daily_limit_minor"],
        review_above_minor=body["review_above_minor"],
        now=call.now,
    )
    return render_policy(policy)


@routes.call("GET", "/ledger/check", who=KEYS | FINANCE, answer=LedgerAnswer)
def check_ledger(call: Call) -> dict[str, Any]:
    """Prove the ledger: sums, balances and the hash chain."""
    return asdict(wallet.check_ledger(call.tx))
