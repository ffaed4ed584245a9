"""Commission: what promoters earn from an order, decided once at placement, booked at payment, due after receipt.

Words: *plan* (versioned rates and rules), *split* (who would get what of an order, and why: the snapshot), *entry* (a
level's commission once the order is paid), *holding period*, *release*, *reversal*, *hold*.

Invariants: an entry's life is pending → available, or frozen between; reversed takes back in proportion; the parts of
a line never exceed what is still paid for it; only promoters active at placement are paid, never the order's own
buyer, never beyond three levels.
"""

from tuike.commission.holding import hold_entries, lift_entries, list_open_entries, take_turn
from tuike.commission.model import (
    ChainLink,
    Commission,
    CommissionNotFound,
    CommissionStatus,
    EarningTerms,
    Entry,
    LineTerms,
    OpenCommission,
    Plan,
    RatesTooHigh,
    Released,
    Split,
    SplitLine,
    TooManyLevels,
    TraceStep,
)
from tuike.commission.plans import (
    find_earning_terms,
    find_plan_and,
    find_plan_at,
    get_plan,
    get_plan_version,
    replace_plan,
)
from tuike.commission.rules import (
    LEVELS_CEILING,
    check_rates,
    decide_split,
    find_first_rate,
    preview_earning,
)
from tuike.commission.service import (
    accrue_for_orders,
    add_split,
    hold_commission,
    is_settled,
    lift_hold,
    list_commissions,
    list_open_through,
    release_batch,
    release_due,
    reverse_for_orders,
    start_holding,
    write_split,
)
from tuike.commission.store import UNCHECKED

__all__ = [
    "LEVELS_CEILING",
    "UNCHECKED",
    "ChainLink",
    "Commission",
    "CommissionNotFound",
    "CommissionStatus",
    "EarningTerms",
    "Entry",
    "LineTerms",
    "OpenCommission",
    "Plan",
    "RatesTooHigh",
    "Released",
    "Split",
    "SplitLine",
    "TooManyLevels",
    "TraceStep",
    "accrue_for_orders",
    "add_split",
    "check_rates",
    "decide_split",
    "find_earning_terms",
    "find_first_rate",
    "find_plan_and",
    "find_plan_at",
    "get_plan",
    "get_plan_version",
    "hold_commission",
    "hold_entries",
    "is_settled",
    "lift_entries",
    "lift_hold",
    "list_commissions",
    "list_open_entries",
    "list_open_through",
    "preview_earning",
    "release_batch",
    "release_due",
    "replace_plan",
    "reverse_for_orders",
    "start_holding",
    "take_turn",
    "write_split",
]
