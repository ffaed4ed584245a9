"""Payments: money that comes in for orders, goes back, and goes out to promoters, through providers or a wallet.

Words: a *payment* is one attempt to pay an order; its *outcome* says what became of the money that came. A *payment
refund* is money on its way back, a *payout* the payment of a withdrawal by a transfer. A *notify* is what a provider
tells us by itself. A *bill* is a provider's book of one day, a *reconciliation* its comparison with our rows, a
*difference* what they disagree about. The *counter* holds the providers' desks.

Invariants: the truth is what a provider signed (a notify or an answer), never what a client says; what is asked of a
provider was committed before, under a number that never changes while nobody knows how it ended; no transaction is open
while a provider is asked; an order is paid by at most one payment, and every other amount that comes goes back by
itself or waits for a person; a withdrawal is paid at most once; a wallet's money moves in the ledger only.
"""

from tuike.payments.desks import Counter
from tuike.payments.model import (
    BY_COMPARISON,
    Attention,
    Bill,
    BillLine,
    BillNotFound,
    BillNotReady,
    CurrencyNotTaken,
    Difference,
    DifferenceKind,
    DifferenceNotFound,
    PayBy,
    PayeeNameNeeded,
    PayeeUnknown,
    PayerUnknown,
    Payment,
    PaymentNotFound,
    PaymentOutcome,
    PaymentRefund,
    PaymentRefundNotFound,
    PaymentState,
    PaymentWrongState,
    Payout,
    PayoutAmountUnfit,
    PayoutMethodUnfit,
    PayoutNotFound,
    PayoutState,
    PayoutUnderWay,
    Reconciliation,
    ReconciliationNotFound,
    RefundCause,
    RefundState,
)
from tuike.payments.service.bills import (
    BILLED,
    export_differences,
    get_bill,
    get_bill_text,
    get_difference,
    get_reconciliation,
    list_bill_lines,
    list_bills,
    list_differences,
    list_reconciliations,
    reconcile_day,
    resolve_difference,
)
from tuike.payments.service.charges import (
    OpenedPayment,
    apply_payment,
    check_payment,
    close_expired_orders,
    close_payments,
    get_attention,
    get_payment,
    list_payments,
    make_request,
    pay_from_wallet,
    refund_held,
    settle_payment,
    start_payment,
)
from tuike.payments.service.notifies import purge_notifies, receive_alipay, receive_wechat
from tuike.payments.service.payouts import (
    apply_transfer,
    cancel_payout,
    execute_payout,
    get_payout,
    give_up_payout,
    list_payouts,
    make_confirmation,
    refuse_while_under_way,
    retry_payout,
    start_payout,
)
from tuike.payments.service.privacy import ERASED, export_shopper, forget_shopper
from tuike.payments.service.refunds import (
    apply_refund,
    execute_refund,
    get_refund,
    list_refunds,
    retry_refund,
    settle_refund_by_hand,
    take_refund,
)
from tuike.payments.service.shipping import upload_shipping
from tuike.payments.service.work import Work, reconcile_due, work_due

__all__ = [
    "BILLED", "BY_COMPARISON", "ERASED", "Attention", "Bill", "BillLine", "BillNotFound", "BillNotReady", "Counter",
    "CurrencyNotTaken", "Difference", "DifferenceKind", "DifferenceNotFound", "OpenedPayment", "PayBy",
    "PayeeNameNeeded", "PayeeUnknown", "PayerUnknown", "Payment", "PaymentNotFound", "PaymentOutcome",
    "PaymentRefund", "PaymentRefundNotFound", "PaymentState", "PaymentWrongState", "Payout", "PayoutAmountUnfit",
    "PayoutMethodUnfit", "PayoutNotFound", "PayoutState", "PayoutUnderWay", "Reconciliation",
    "ReconciliationNotFound", "RefundCause", "RefundState", "Work", "apply_payment", "apply_refund",
    "apply_transfer", "cancel_payout", "check_payment", "close_expired_orders", "close_payments", "execute_payout",
    "execute_refund", "export_differences", "export_shopper", "forget_shopper", "get_attention", "get_bill",
    "get_bill_text", "get_difference", "get_payment", "get_payout", "get_reconciliation", "get_refund",
    "give_up_payout", "list_bill_lines", "list_bills", "list_differences", "list_payments", "list_payouts",
    "list_reconciliations", "list_refunds", "make_confirmation", "make_request", "pay_from_wallet",
    "purge_notifies", "receive_alipay", "receive_wechat", "reconcile_day", "reconcile_due", "refund_held",
    "refuse_while_under_way", "resolve_difference", "retry_payout", "retry_refund", "settle_payment",
    "settle_refund_by_hand", "start_payment", "start_payout", "take_refund", "upload_shipping", "work_due",
]  # fmt: skip
