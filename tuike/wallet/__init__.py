"""Money: a double-entry ledger, a promoter's wallet as a view of it, and withdrawals.

Words: *account* (an address in one currency), *posting* (an amount from one account to another), *transaction*
(postings under one unique key, also the voucher), *seal* (a link of the hash chain over transactions), *wallet* (a
promoter's accounts), *debt* (owed back after money had left), *withdrawal*.

Invariants: every transaction moves what it takes; the sum over all accounts is 0 per currency; what a promoter holds
is never negative; money that comes in settles debt first, so a wallet never has both debt and available money.
"""

from tuike.wallet.accounts import FEES, WORLD, PromoterAccount, payable_address, promoter_address, sales_address
from tuike.wallet.ledger import Balances, lock_balances, post, stage_from_query
from tuike.wallet.model import (
    AmountTooLarge,
    BelowMinimum,
    DailyLimitExceeded,
    InsufficientBalance,
    LedgerCheck,
    LedgerTransaction,
    Posting,
    Wallet,
    WalletOwnerNotFound,
    Withdrawal,
    WithdrawalMethod,
    WithdrawalNotFound,
    WithdrawalPolicy,
    WithdrawalStatus,
    WrongState,
)
from tuike.wallet.rules import credit_postings, split_incoming, split_outgoing
from tuike.wallet.seals import check_ledger, count_unsealed, seal_transactions
from tuike.wallet.service import (
    approve_withdrawal,
    get_policy,
    get_wallet,
    get_withdrawal,
    list_withdrawals,
    lock_withdrawal,
    mark_failed,
    mark_paid,
    reject_withdrawal,
    replace_policy,
    request_withdrawal,
)
from tuike.wallet.spending import pay_from_available, return_to_available

__all__ = [
    "FEES",
    "WORLD",
    "AmountTooLarge",
    "Balances",
    "BelowMinimum",
    "DailyLimitExceeded",
    "InsufficientBalance",
    "LedgerCheck",
    "LedgerTransaction",
    "Posting",
    "PromoterAccount",
    "Wallet",
    "WalletOwnerNotFound",
    "Withdrawal",
    "WithdrawalMethod",
    "WithdrawalNotFound",
    "WithdrawalPolicy",
    "WithdrawalStatus",
    "WrongState",
    "approve_withdrawal",
    "check_ledger",
    "count_unsealed",
    "credit_postings",
    "get_policy",
    "get_wallet",
    "get_withdrawal",
    "list_withdrawals",
    "lock_balances",
    "lock_withdrawal",
    "mark_failed",
    "mark_paid",
    "pay_from_available",
    "payable_address",
    "post",
    "promoter_address",
    "reject_withdrawal",
    "replace_policy",
    "request_withdrawal",
    "return_to_available",
    "sales_address",
    "seal_transactions",
    "split_incoming",
    "split_outgoing",
    "stage_from_query",
]
