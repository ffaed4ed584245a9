"""Verbs of cases. Each is one transaction: state, frozen money, suspensions and history commit together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from tuike import commission, team
from tuike.db import Transaction
from tuike.risk.cases import rules, store
from tuike.risk.cases.model import (
    AtStake,
    BlastChanged,
    BlastRadius,
    CaseAction,
    CaseChanged,
    CaseEvent,
    CaseMember,
    CaseNotFound,
    CaseSource,
    CaseState,
    CaseStateWrong,
    Evidence,
    FoundCase,
    MemberUnknown,
    Merged,
    NobodyAccused,
    RiskCase,
)
from tuike.risk.checks import service as checks
from tuike.risk.checks import store as holds
from tuike.risk.checks.model import Actor
from tuike.shared import ids
from tuike.shared.pages import Page, decode_cursor, encode_cursor

log = structlog.get_logger(__name__)

SWEEPER = Actor("", "sweep")
_SUPPRESSED_FROM = 0.8
"""A group is known to be innocent when so much of it stands in a case that was labelled so."""


def create_case(
    tx: Transaction, *, pattern: str, members: Sequence[CaseMember], note: str, actor: Actor, now: datetime
) -> RiskCase:
    """Open a case by hand. Raises NobodyAccused, MemberUnknown for a promoter who does not exist."""
    unique = {member.key: member for member in members}
    if not rules.get_accused(unique.values()):
        raise NobodyAccused
    for no, member in enumerate(members):
        if member.account_kind == "promoter" and not team.is_promoter(tx, promoter_id=member.account_id):
            raise MemberUnknown(fields={f"members.{no}.account_id": ["Names no promoter."]})
    found = FoundCase(pattern, 1.0, 0, 0, note, tuple(unique[key] for key in sorted(unique)), ())
    case = _add(tx, found, source=CaseSource.PERSON, sweep_id=None, now=now)
    _tell(tx, case.id, actor, "opened", note, {"members": len(unique)}, now=now)
    return case


def merge_found(tx: Transaction, *, found: Sequence[FoundCase], sweep_id: str, now: datetime) -> Merged:
    """Turn what a sweep found into cases: a group that is known stays the same case, an innocent one stays silent.

    A repeated sweep changes nothing. What a person has decided is never undone; members who are new in a held case are
    added and not held, which its history says.
    """
    accounts = [member.key for group in found for member in group.members if member.accused]
    related = store.list_related(tx, accounts=accounts)
    innocent = {case_id: accused for case_id, (state, accused) in related.items() if state is CaseState.INNOCENT}
    living = {case_id: accused for case_id, (state, accused) in related.items() if state is not CaseState.INNOCENT}
    new = updated = suppressed = 0
    taken: set[str] = set()
    for group in sorted(found, key=lambda one: (-one.score, [member.key for member in one.members])):
        accused = rules.get_accused(group.members)
        same = rules.find_same(accused, living, taken)
        if same is not None:
            taken.add(same)
            updated += _update(tx, same, group, sweep_id=sweep_id, now=now)
        elif rules.find_same(accused, innocent) or any(
            len(accused & group_before) >= _SUPPRESSED_FROM * len(accused) for group_before in innocent.values()
        ):
            suppressed += 1
        else:
            case = _add(tx, group, source=CaseSource.SWEEP, sweep_id=sweep_id, now=now)
            _tell(tx, case.id, SWEEPER, "found", "", {"members": len(group.members), "score": group.score}, now=now)
            new += 1
    return Merged(new, updated, suppressed)


def get_case(tx: Transaction, *, case_id: str) -> RiskCase:
    """Return a case. Raises CaseNotFound."""
    case = store.find_case(tx, case_id=case_id)
    if case is None:
        raise CaseNotFound
    return case


def list_cases(
    tx: Transaction,
    *,
    state: str | None = None,
    assignee_id: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[RiskCase]:
    """Return a page of cases, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    found = store.list_cases(tx, state=state, assignee_id=assignee_id, before=before, limit=limit + 1)
    more = len(found) > limit
    return Page(found[:limit], encode_cursor(found[limit - 1].id) if more else None)


def list_members(tx: Transaction, *, case_id: str) -> list[CaseMember]:
    """Return the members of a case."""
    return store.list_members(tx, case_id=case_id)


def list_evidence(tx: Transaction, *, case_id: str, limit: int, cursor: str | None = None) -> Page[Evidence]:
    """Return a page of a case's evidence, the heaviest edges first. Raises CaseNotFound."""
    get_case(tx, case_id=case_id)
    after = decode_cursor(cursor, int)[0] if cursor else 0
    found = store.list_evidence(tx, case_id=case_id, after=after, limit=limit + 1)
    more = len(found) > limit
    return Page([edge for _, edge in found[:limit]], encode_cursor(found[limit - 1][0]) if more else None)


def list_events(tx: Transaction, *, case_id: str) -> list[CaseEvent]:
    """Return a case's history, oldest first."""
    return store.list_events(tx, case_id=case_id)


def get_at_stake(tx: Transaction, *, members: Sequence[CaseMember]) -> list[AtStake]:
    """Return what the accused promoters have, by currency."""
    promoter_ids, _ = _split(members)
    return store.sum_accounts(tx, promoter_ids=promoter_ids)[0] if promoter_ids else []


def preview_ban(tx: Transaction, *, case_id: str) -> BlastRadius:
    """Return whom and what a ban would touch now. Raises CaseNotFound."""
    return _preview(tx, get_case(tx, case_id=case_id))


def hold_case(tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime) -> RiskCase:
    """Freeze what the accused promoters have pending, and what they earn from now on; withdrawals wait.

    Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.HOLD)
    held = _hold(tx, case, now=now)
    return _decide(tx, case, state, CaseAction.HOLD, reason, actor, {"entries": held}, now=now)


def confirm_case(tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime) -> RiskCase:
    """Say that the case is a fraud: it holds what it did not hold, and is remembered.

    Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.CONFIRM)
    held = _hold(tx, case, now=now)
    return _decide(tx, case, state, CaseAction.CONFIRM, reason, actor, {"entries": held}, now=now)


def release_case(tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime) -> RiskCase:
    """Let go what the case holds, and make active again whom it suspended; the case stays open.

    What something else holds stays frozen. Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.RELEASE)
    detail = _let_go(tx, case, reason, now=now)
    return _decide(tx, case, state, CaseAction.RELEASE, reason, actor, detail, now=now)


def label_innocent(
    tx: Transaction, *, case_id: str, version: int, reason: str, actor: Actor, now: datetime
) -> RiskCase:
    """Say that nobody did anything wrong: everything is let go, and later sweeps keep silent about the group.

    Raises CaseNotFound, CaseChanged, CaseStateWrong.
    """
    case, state = _lock(tx, case_id, version, CaseAction.INNOCENT)
    detail = _let_go(tx, case, reason, now=now)
    return _decide(tx, case, state, CaseAction.INNOCENT, reason, actor, detail, now=now)


def ban_case(
    tx: Transaction, *, case_id: str, version: int, fingerprint: str, reason: str, actor: Actor, now: datetime
) -> RiskCase:
    """Suspend the accused promoters, and freeze what they and everybody above them earn from the accused orders.

    Touches exactly what the preview showed. Raises CaseNotFound, CaseChanged, CaseStateWrong, BlastChanged.
    """
    case, state = _lock(tx, case_id, version, CaseAction.BAN)
    radius = _preview(tx, case)
    if radius.fingerprint != fingerprint:
        raise BlastChanged
    members = store.list_members(tx, case_id=case_id)
    promoter_ids, buyer_ids = _split(members)
    order_ids = store.list_case_orders(tx, buyer_ids=buyer_ids, promoter_ids=promoter_ids)
    held = _freeze(tx, case, promoter_ids=promoter_ids, order_ids=order_ids, now=now)
    suspended = {
        promoter_id
        for promoter_id in promoter_ids
        if team.lock_status(tx, promoter_id=promoter_id) is team.PromoterStatus.ACTIVE
    }
    for promoter_id in sorted(suspended):
        team.change_status(tx, promoter_id=promoter_id, status="suspended", reason=f"case {case_id}", now=now)
    marked = [
        replace(one, held=one.held or one.accused, banned=one.banned or one.account_id in suspended)
        if one.account_kind == "promoter" else one
        for one in members
    ]  # fmt: skip
    store.replace_members(tx, case_id=case_id, members=marked)
    detail = {"entries": held, "suspended": sorted(suspended)}
    return _decide(tx, case, state, CaseAction.BAN, reason, actor, detail, now=now)


def assign_case(
    tx: Transaction, *, case_id: str, version: int, assignee: Actor | None, actor: Actor, now: datetime
) -> RiskCase:
    """Say who works on a case, or nobody. Raises CaseNotFound, CaseChanged."""
    case = _lock_version(tx, case_id, version)
    changed = replace(
        case, assignee_id=assignee.id if assignee else None, assignee_name=assignee.name if assignee else None,
        version=case.version + 1, updated_at=now,
    )  # fmt: skip
    store.set_case(tx, changed)
    _tell(tx, case_id, actor, "assign", "", {"assignee_id": changed.assignee_id}, now=now)
    return changed


def comment_case(tx: Transaction, *, case_id: str, note: str, actor: Actor, now: datetime) -> RiskCase:
    """Add a remark to a case's history; nobody else's decision is in the way. Raises CaseNotFound."""
    case = store.find_case(tx, case_id=case_id, lock=True)
    if case is None:
        raise CaseNotFound
    _tell(tx, case_id, actor, CaseAction.COMMENT.value, note, {}, now=now)
    return case


def _add(tx: Transaction, found: FoundCase, *, source: CaseSource, sweep_id: str | None, now: datetime) -> RiskCase:
    case = RiskCase(
        ids.new_id("risk_case"), source, CaseState.OPEN, found.pattern, found.score, found.orders_count,
        found.commission_base_minor, found.summary, None, None, 1, sweep_id, now, now, None, None,
    )  # fmt: skip
    store.add_case(tx, case)
    store.replace_members(tx, case_id=case.id, members=found.members)
    store.replace_evidence(tx, case_id=case.id, evidence=found.evidence)
    return case


def _update(tx: Transaction, case_id: str, found: FoundCase, *, sweep_id: str, now: datetime) -> bool:
    """Bring a case up to what a sweep found again; False where that is what it says already."""
    case = store.find_case(tx, case_id=case_id, lock=True)
    if case is None:  # pragma: no cover - cases are never deleted
        raise CaseNotFound
    before = {member.key: member for member in store.list_members(tx, case_id=case_id)}
    members, fresh = rules.merge_members(found.members, before)
    changed = replace(
        case, pattern=found.pattern, score=found.score, orders_count=found.orders_count,
        commission_base_minor=found.commission_base_minor, summary=found.summary,
    )  # fmt: skip
    is_same_group = [one.key for one in members] == sorted(before)
    if changed == case and is_same_group:
        store.set_case(tx, replace(case, sweep_id=sweep_id))
        return False
    store.set_case(tx, replace(changed, sweep_id=sweep_id, updated_at=now, version=case.version + (not is_same_group)))
    store.replace_members(tx, case_id=case_id, members=members)
    store.replace_evidence(tx, case_id=case_id, evidence=found.evidence)
    if not is_same_group or abs(changed.score - case.score) >= 0.01:
        detail = {"members": len(members), "new": len(fresh), "score": found.score}
        _tell(tx, case_id, SWEEPER, "found_again", "", detail, now=now)
    return True


def _lock_version(tx: Transaction, case_id: str, version: int) -> RiskCase:
    case = store.find_case(tx, case_id=case_id, lock=True)
    if case is None:
        raise CaseNotFound
    if case.version != version:
        raise CaseChanged
    return case


def _lock(tx: Transaction, case_id: str, version: int, action: CaseAction) -> tuple[RiskCase, CaseState]:
    case = _lock_version(tx, case_id, version)
    state = rules.decide_state(case.state, action)
    if state is None:
        allowed = ", ".join(rules.list_allowed(case.state)) or "nothing"
        raise CaseStateWrong(f"The case is {case.state.value}, which allows {allowed}.")
    return case, state


def _split(members: Sequence[CaseMember]) -> tuple[list[str], list[str]]:
    """Return the accused promoters and the accused buyers."""
    accused = [member for member in members if member.accused]
    return (
        sorted(member.account_id for member in accused if member.account_kind == "promoter"),
        sorted(member.account_id for member in accused if member.account_kind == "buyer"),
    )


def _hold(tx: Transaction, case: RiskCase, *, now: datetime) -> int:
    members = store.list_members(tx, case_id=case.id)
    promoter_ids, buyer_ids = _split(members)
    # Where buyers act together at promoters who may not know of it, what they bought is what is held.
    order_ids = [] if promoter_ids else store.list_case_orders(tx, buyer_ids=buyer_ids, promoter_ids=[])
    held = _freeze(tx, case, promoter_ids=promoter_ids, order_ids=order_ids, now=now)
    marked = [replace(member, held=member.held or member.accused) for member in members]
    store.replace_members(tx, case_id=case.id, members=marked)
    return held


def _freeze(
    tx: Transaction, case: RiskCase, *, promoter_ids: Sequence[str], order_ids: Sequence[str], now: datetime
) -> int:
    keys = commission.list_open_entries(tx, promoter_ids=promoter_ids, order_ids=order_ids)
    held = checks.freeze(tx, keys=keys, reason=f"case {case.id}", now=now)
    holds.add_holds(tx, keys=held, case_id=case.id, rule_id=None, now=now)
    return len(held)


def _let_go(tx: Transaction, case: RiskCase, reason: str, *, now: datetime) -> dict[str, Any]:
    """Lift the holds of a case and the suspensions that it brought, but for those that another ban carries on."""
    lifted = checks.lift(tx, keys=holds.lift_holds(tx, case_id=case.id, now=now), now=now)
    members = store.list_members(tx, case_id=case.id)
    banned = [member.account_id for member in members if member.banned]
    elsewhere = dict(store.list_banned_elsewhere(tx, case_id=case.id, promoter_ids=banned))
    for promoter_id in banned:
        if promoter_id in elsewhere:
            store.pass_ban_on(tx, case_id=elsewhere[promoter_id], promoter_id=promoter_id)
        else:
            why = reason or f"case {case.id}"
            team.change_status(tx, promoter_id=promoter_id, status="active", reason=why, now=now)
    cleared = [replace(member, held=False, banned=False) for member in members]
    store.replace_members(tx, case_id=case.id, members=cleared)
    return {"entries": lifted, "active": [one for one in banned if one not in elsewhere]}


def _preview(tx: Transaction, case: RiskCase) -> BlastRadius:
    promoter_ids, buyer_ids = _split(store.list_members(tx, case_id=case.id))
    uplines, above = store.sum_uplines(tx, buyer_ids=buyer_ids, promoter_ids=promoter_ids)
    radius = BlastRadius(
        case.id,
        promoter_ids,
        store.sum_orders(tx, buyer_ids=buyer_ids, promoter_ids=promoter_ids),
        store.sum_commissions(tx, promoter_ids=promoter_ids),
        above,
        uplines,
        store.sum_withdrawals(tx, promoter_ids=promoter_ids),
        store.sum_accounts(tx, promoter_ids=promoter_ids)[1],
    )
    return replace(radius, fingerprint=rules.make_fingerprint(radius, version=case.version))


def _decide(
    tx: Transaction,
    case: RiskCase,
    state: CaseState,
    action: CaseAction,
    reason: str,
    actor: Actor,
    detail: Mapping[str, Any],
    *,
    now: datetime,
) -> RiskCase:
    changed = replace(case, state=state, version=case.version + 1, updated_at=now, decided_at=now, decided_by=actor.id)
    store.set_case(tx, changed)
    _tell(tx, case.id, actor, action.value, reason, {"from": case.state.value, "to": state.value, **detail}, now=now)
    log.info("risk.case_decided", case_id=case.id, action=action.value, actor_id=actor.id)
    return changed


def _tell(
    tx: Transaction, case_id: str, actor: Actor, action: str, note: str, detail: Mapping[str, Any], *, now: datetime
) -> None:
    store.add_event(
        tx, case_id=case_id, actor_id=actor.id, actor_name=actor.name, action=action, note=note, detail=detail, now=now
    )


def forget_identifiers(tx: Transaction, *, buyer_id: str, promoter_id: str | None) -> None:
    """Forget the digests of a person's devices, addresses and accounts in checks and evidence; decisions stay."""
    holds.forget_identifiers(tx, buyer_id=buyer_id)
    store.forget_identifiers(tx, account_kind="buyer", account_id=buyer_id)
    if promoter_id is not None:
        store.forget_identifiers(tx, account_kind="promoter", account_id=promoter_id)
