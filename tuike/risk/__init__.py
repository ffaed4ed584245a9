"""Risk: rings of promoters and buyers who earn commission on trade that is none, found with what proves it.

A *world* is everything known of accounts, orders, touches and identifiers. An *account* is a promoter or a buyer; a
*person* may have one of each. A *hub* is a promoter, or a few that belong together, with everybody who bought through
them; a *case* is a group of accounts accused together, with its *evidence*.

Invariants: nothing depends on the order of rows or the spelling of ids; one set of settings serves every world; shared
identifiers alone accuse nobody; nothing is written unless every input row was proved. `tuike.risk.worlds` makes shops
with documented frauds and honest look-alikes, and judges what a detector says of them; it is imported by its name, for
it needs the `risk` extra.

In the living shop every order that earns somebody something is *checked* once it is paid: *rules*, which are data with
versions, find what speaks against it, and a rule that is live *holds* its commission. A *case* is a group that a sweep
or a person accuses; people decide about cases, and every decision is one transaction with the money it freezes or lets
go. Between sweeps cases *grow*: an order of members joins their case with its check. Once a case is confirmed, it is
looked who stands *near* its members, by what only few people share; they are accused of nothing. No sale is ever
refused, and no rule holds anything by itself unless somebody made it live.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuike.db import Database
from tuike.graph import Graph
from tuike.risk.cases.model import (
    Amounts,
    AtStake,
    BlastChanged,
    BlastRadius,
    CaseAction,
    CaseChanged,
    CaseEvent,
    CaseMember,
    CaseNotFound,
    CaseState,
    CaseStateWrong,
    Evidence,
    FoundCase,
    MemberUnknown,
    Merged,
    NobodyAccused,
    Reach,
    RiskCase,
)
from tuike.risk.cases.rules import list_allowed
from tuike.risk.cases.sentences import tell_growth, tell_reach
from tuike.risk.cases.service import (
    CONFIRMED,
    assign_case,
    ban_case,
    comment_case,
    confirm_case,
    create_case,
    find_ban,
    find_lock_out,
    forget_identifiers,
    get_at_stake,
    get_case,
    hold_case,
    label_innocent,
    list_cases,
    list_events,
    list_evidence,
    list_member_page,
    list_members,
    list_reach,
    merge_found,
    preview_ban,
    release_case,
)
from tuike.risk.cases.spreading import spread_case
from tuike.risk.checks.model import (
    Actor,
    CheckDecided,
    CheckNotFound,
    Decision,
    Edge,
    Finding,
    ListEntry,
    ListEntryNotFound,
    ListEntryTaken,
    Mode,
    OrderCheck,
    Outcome,
    ParametersUnfit,
    RiskRule,
    RiskRuleNotFound,
    RuleChanged,
    WithdrawalHeld,
)
from tuike.risk.checks.sentences import FOR_PROMOTERS, tell_edge, tell_finding
from tuike.risk.checks.service import (
    add_to_list,
    check_orders,
    decide_check,
    get_check,
    list_checks,
    list_frozen,
    list_list_entries,
    list_rule_versions,
    list_rules,
    needs_person,
    refuse_while_held,
    remove_from_list,
    replace_rule,
    request_checks,
    warm_up,
)
from tuike.risk.live import service as _live
from tuike.risk.live.model import SweepEnded, SweepRun, SweepRunning, SweepState
from tuike.risk.live.service import get_sweep_state, is_sweep_due, list_sweeps
from tuike.risk.model import Case, Family, IdentifierKind, InputFault, Member, Role, Settings

__all__ = [
    "CONFIRMED",
    "FOR_PROMOTERS",
    "Actor",
    "Amounts",
    "AtStake",
    "BlastChanged",
    "BlastRadius",
    "Case",
    "CaseAction",
    "CaseChanged",
    "CaseEvent",
    "CaseMember",
    "CaseNotFound",
    "CaseState",
    "CaseStateWrong",
    "CheckDecided",
    "CheckNotFound",
    "Decision",
    "Edge",
    "Evidence",
    "Family",
    "Finding",
    "FoundCase",
    "IdentifierKind",
    "InputFault",
    "ListEntry",
    "ListEntryNotFound",
    "ListEntryTaken",
    "Member",
    "MemberUnknown",
    "Merged",
    "Mode",
    "NobodyAccused",
    "OrderCheck",
    "Outcome",
    "ParametersUnfit",
    "PartMissing",
    "Reach",
    "RiskCase",
    "RiskRule",
    "RiskRuleNotFound",
    "Role",
    "RuleChanged",
    "Settings",
    "SweepEnded",
    "SweepRun",
    "SweepRunning",
    "SweepState",
    "WithdrawalHeld",
    "add_to_list",
    "assign_case",
    "ban_case",
    "check_orders",
    "comment_case",
    "confirm_case",
    "create_case",
    "decide_check",
    "find_ban",
    "find_lock_out",
    "forget_identifiers",
    "get_at_stake",
    "get_case",
    "get_check",
    "get_sweep_state",
    "hold_case",
    "is_sweep_due",
    "label_innocent",
    "list_allowed",
    "list_cases",
    "list_checks",
    "list_events",
    "list_evidence",
    "list_frozen",
    "list_list_entries",
    "list_member_page",
    "list_members",
    "list_reach",
    "list_rule_versions",
    "list_rules",
    "list_sweeps",
    "merge_found",
    "needs_person",
    "preview_ban",
    "refuse_while_held",
    "release_case",
    "remove_from_list",
    "replace_rule",
    "request_checks",
    "spread_case",
    "sweep_files",
    "sweep_living",
    "tell_edge",
    "tell_finding",
    "tell_growth",
    "tell_reach",
    "warm_up",
]


class PartMissing(RuntimeError):
    """The libraries that a sweep needs are not installed."""


def sweep_files(
    source: Path,
    target: Path,
    *,
    settings: Settings | None = None,
    progress: Callable[[str, int, int | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Sweep the CSV files in `source` for rings and write what is found into `target`; return the report.

    Raises:
        InputFault: a file cannot be used; names file, line and column. Nothing is computed or written then.
        FileNotFoundError: there is no such directory, or none of the files in it.
        PartMissing: the `risk` extra is not installed.
    """
    try:
        from tuike.risk import sweep
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tuike"):
            raise
        raise PartMissing(f"A sweep needs {error.name}: pip install 'tuike[risk]'.") from error
    return sweep.sweep_files(source, target, settings=settings, progress=progress)


def sweep_living(
    db: Database, graph: Graph, *, progress: Callable[[str, int, int | None], None] = lambda *_: None
) -> SweepRun:
    """Sweep the living shop for rings: what is found becomes cases, all at once or not at all.

    Raises SweepRunning, PartMissing, GraphUnavailable, PostgresUnavailable.
    """

    def sweep(source: Path, target: Path, tell: Callable[[str, int, int | None], None]) -> dict[str, Any]:
        return sweep_files(source, target, progress=tell)

    return _live.sweep_living(db, graph, sweeper=sweep, progress=progress)
